# SPDX-License-Identifier: GPL-2.0-or-later
"""A counterexample as text: roles as columns, C-like words, at most 75 characters wide.

Invariants: no line is longer than `WIDTH`, unless one word is; a row holds the facts of one column only, so reading
downwards is time; consecutive steps of one column and function stand under one heading; the failure is the last line.
Two renderings of one run are equal.
"""

from __future__ import annotations

import textwrap
from collections.abc import Callable
from dataclasses import dataclass

from lostirq.evidence.account import PATH, Account
from lostirq.evidence.replay import Run
from lostirq.ir.system import Property
from lostirq.report.columns import GAP, penalty, place, starts, widths, wrap
from lostirq.report.tell import account as told_of
from lostirq.report.tell import headline as headline

WIDTH = 75
VECTORS = 256       # Intel SDM vol. 3, "Interrupt vectors"
MAX_COLUMNS = 4
MEMORIES = {"sc": "SC (no store buffers)", "tso": "TSO (store buffers)"}


@dataclass(frozen=True, slots=True)
class _Group:
    """Consecutive steps of one column under one function."""

    column: str
    functions: tuple[str, ...]
    facts: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Told:
    """What a step says, as far as it is to be shown."""

    column: str
    function: str
    facts: tuple[str, ...]


def render(run: Run, prop: Property | None, *, full: bool = False) -> str:
    """The report of a confirmed run; with `full` every step and every access."""
    return text(told_of(run, prop), full=full)


def text(account: Account, *, full: bool = False) -> str:
    """The report of an account; with `full` every step and every access."""
    return "\n".join([*legend(account), "", *table(account, full=full)]) + "\n"


def legend(account: Account) -> list[str]:
    """What is violated, where, and how long the run is."""
    configuration, length = account.configuration, len(account.steps)
    memory = MEMORIES.get(configuration.memory, configuration.memory)
    if account.loop is not None:
        repeated = length - account.loop
        then = f"{repeated} that repeat" if repeated else "nothing for ever"
        size = f"{count(account.loop, 'step')}, then {then}; short, not claimed minimal"
    elif account.minimal:
        size = f"{count(length, 'step')}, the fewest possible; {count(account.switches, 'change')} of agent"
    else:
        size = f"{count(length, 'step')}, not claimed minimal"
    judged = "" if account.claim.form == PATH else " - violated"
    rows = [f"{account.claim.headline}{judged}", f"scenario {configuration.scenario}, memory model {memory}", size]
    vectors = numbering(account)
    rows += [f"vectors are {vectors}"] if vectors else []
    return [line for row in rows for line in textwrap.wrap(row, WIDTH, subsequent_indent="  ")]


def numbering(account: Account) -> str:
    """How vectors are numbered in a scenario with fewer than hardware has; '' in one with all, or without any."""
    number = account.configuration.parameters.get("VECTORS", 0)
    return f"numbered from 0: {number} in this scenario, {VECTORS} in hardware" if 0 < number < VECTORS else ""


def table(account: Account, *, full: bool = False) -> list[str]:
    """The interleaving, what decides in the end, and the failure as the last line."""
    lines = [*_table(account, full=full), *_ending(account), *_failure(account)]
    return [line.rstrip() for line in lines]


def count(n: int, noun: str, many: str = "") -> str:
    """`1 step`, `2 steps`."""
    return f"{n} {noun if n == 1 else many or noun + 's'}"


def _told(account: Account, start: int, end: int | None, *, full: bool) -> list[_Told]:
    return [_Told(said.column, said.function, tuple(f.text for f in said.facts if full or not f.minor))
            for step in account.steps[start:end] for said in step.said if full or not said.minor]


def _table(account: Account, *, full: bool) -> list[str]:
    columns = list(account.columns)
    loop = account.loop
    stem = _groups(_told(account, 0, loop, full=full))
    cycle = [] if loop is None else _groups(_told(account, loop, None, full=full))
    begin = _starts(columns, stem + cycle)
    lines = _heading(columns, begin)
    lines += [line for g in stem for line in _row(g, columns, begin)]
    if loop is not None and cycle:
        lines.append(_rule("from here on, for ever:"))
        lines += [line for g in cycle for line in _row(g, columns, begin)]
        lines.append(_rule("and again from the line above"))
    elif loop is not None:
        lines.append(_rule("and nothing happens any more"))
    return lines


def _rule(text: str) -> str:
    return f"---- {text} ".ljust(WIDTH, "-")


def _groups(told: list[_Told]) -> list[_Group]:
    """Steps without a fact only lend their function to a list of functions passed through."""
    groups: list[_Group] = []
    for said in told:
        last = groups[-1] if groups else None
        if last is None or last.column != said.column:
            groups.append(_Group(said.column, (said.function,) if said.function else (), said.facts))
        elif last.functions[-1:] == (said.function,) or not (said.function or last.functions):
            functions = last.functions if last.facts or not said.facts else last.functions[-1:]
            groups[-1] = _Group(last.column, functions, last.facts + said.facts)
        elif not last.facts and not said.facts:
            groups[-1] = _Group(last.column, (*last.functions, said.function), ())
        else:
            groups.append(_Group(said.column, (said.function,) if said.function else (), said.facts))
    return _without_passages([_Group(g.column, g.functions, _once(g.facts)) for g in groups])


def _once(facts: tuple[str, ...]) -> tuple[str, ...]:
    """Facts of which a whole sequence is said several times (a function that is called twice): once, and how often."""
    for size in range(1, len(facts) // 2 + 1):
        times = len(facts) // size
        if facts == facts[:size] * times:
            return (*facts[:size], "(the same again)" if times == 2 else f"(the same {times} times in all)")
    return facts


def _without_passages(groups: list[_Group]) -> list[_Group]:
    """A function that is passed through before the same column tells a fact again is left out, unless it is all that
    the column says between two others; so is a column that says the same again (a loop that looks once more)."""
    kept: list[_Group] = []
    for i, g in enumerate(groups):
        neighbours = [groups[j] for j in (i - 1, i + 1) if 0 <= j < len(groups)]
        if not g.facts and any(n.column == g.column and n.facts for n in neighbours):
            continue
        if not kept or kept[-1] != g:
            kept.append(g)
    return kept


def _heading(columns: list[str], begin: list[int]) -> list[str]:
    if len(columns) > MAX_COLUMNS:
        return []
    names, rules = "", ""
    for name, start in zip(columns, begin, strict=True):
        names = names.ljust(start) + name
        rules = rules.ljust(start) + "-" * len(name)
    return [names, rules]


def _starts(columns: list[str], groups: list[_Group]) -> list[int]:
    if len(columns) > MAX_COLUMNS:
        return [0] * len(columns)
    distinct = {c: list(dict.fromkeys(g for g in groups if g.column == c)) for c in columns}

    def cost(column: str) -> Callable[[int], int]:
        return lambda width: sum(penalty(_split(_items(g), width), width, last=column == columns[-1])
                                 for g in distinct[column])

    return starts(widths([cost(c) for c in columns], [len(c) for c in columns], WIDTH))


def _items(group: _Group) -> list[str]:
    """The lines of a group before wrapping; a fact after the first is indented."""
    functions = group.functions if len(group.functions) <= 3 else (group.functions[0], "...", group.functions[-1])
    heading = ", ".join(f"{f}()" if f != "..." else f for f in functions)
    if not heading:
        return list(group.facts)
    if not group.facts:
        return [heading]
    if len(group.facts) == 1:
        return [f"{heading}: {group.facts[0]}"]
    return [f"{heading}:", *(f"  {fact}" for fact in group.facts)]


def _row(group: _Group, columns: list[str], begin: list[int]) -> list[str]:
    if len(columns) > MAX_COLUMNS:
        return _narrow(group)
    at = columns.index(group.column)
    width = (begin[at + 1] - GAP if at + 1 < len(begin) else WIDTH) - begin[at]
    items = [wrap(item, width) for item in _split(_items(group), width)]
    heading, facts = (items[:1], items[1:]) if len(items) > 1 and group.functions else ([], items)
    below = place([x for ls in facts for x in ls], begin[at], WIDTH)
    left = min((len(line) - len(line.lstrip()) for line in below), default=begin[at])
    above = place([x for ls in heading for x in ls], min(begin[at], max(0, left - 2)) if heading else begin[at], WIDTH)
    return [*above, *below]


def _split(items: list[str], width: int) -> list[str]:
    """A single fact that does not fit behind its heading goes to a line of its own."""
    if len(items) == 1 and len(items[0]) > width and "(): " in items[0]:
        heading, fact = items[0].split("(): ", 1)
        return [f"{heading}():", f"  {fact}"]
    return items


def _narrow(group: _Group) -> list[str]:
    """More columns than fit: the agent's name before its facts."""
    lines: list[str] = []
    for i, item in enumerate(_items(group)):
        text = f"{group.column}: {item}" if i == 0 else f"  {item}"
        lines += textwrap.wrap(text, WIDTH, subsequent_indent="    ", break_long_words=False, break_on_hyphens=False)
    return lines


def _ending(account: Account) -> list[str]:
    if not account.end:
        return []
    return ["", *textwrap.wrap("in the end: " + ", ".join(account.end), WIDTH, subsequent_indent="  ",
                               break_long_words=False, break_on_hyphens=False)]


def _failure(account: Account) -> list[str]:
    if not account.failure:
        return []
    return textwrap.wrap(f"*** {account.failure} ***", WIDTH, subsequent_indent="    ", break_long_words=False,
                         break_on_hyphens=False)
