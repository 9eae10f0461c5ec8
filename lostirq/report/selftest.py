# SPDX-License-Identifier: GPL-2.0-or-later
"""A counterexample as the skeleton of a test for the project that the model mirrors, from a template of the workspace.

The template has fields between at signs: @claim@, @table@, @functions@, and @guests@ (how many agents the guest needs).
What stands between the lines @each@ and @end@ is repeated for each other column, with the fields @column@, @name@ and
@steps@, which are comments of C.  In it, behind a line @event NAME...@, stand the lines that follow a step of the
column with one of these events of the model (fields @argument1@, @argument2@, ...: those of the event, numbers; the
first is that of an agent of the guest) and, from @otherwise@ to @done@, those that follow the steps of a column without
such an event.

Invariants: the text of a model cannot leave a comment; an unknown field is an error; a column that has no such event in
the run does none of it in the skeleton.
"""

from __future__ import annotations

import re

from lostirq.errors import UsageError
from lostirq.evidence.account import Account
from lostirq.report import summary
from lostirq.report.text import legend, table

WIDTH = 68      # of a comment behind a tab
_FIELD = re.compile(r"@(\w+)@")
_EACH = re.compile(r"^@each@\n(.*?)^@end@\n", re.DOTALL | re.MULTILINE)
_EVENT = re.compile(r"^@event ([\w ]+)@\n(.*?)^@otherwise@\n(.*?)^@done@\n", re.DOTALL | re.MULTILINE)
_OCCURRED = re.compile(r"(\w+)\((|-?[0-9]{1,9}(?:, -?[0-9]{1,9})*)\)")


def selftest(account: Account, template: str, guest: str) -> str:
    """The template filled in; `guest` is how the columns begin that the guest runs.  Raises `UsageError`."""
    ours = [c for c in account.columns if guest and c.startswith(guest)]
    others = [c for c in account.columns if c not in ours] or ["host"]
    functions = [f" *   {name}() in {file}" for name, file in summary.functions(account)]
    targets = [int(arguments["argument1"]) for block in _EVENT.finditer(template) for column in others
               for _, arguments in _events(account, column, block) if "argument1" in arguments]
    values = {
        "claim": _comment(account.claim.headline),
        "table": "\n".join(f" * {_comment(line)}".rstrip() for line in [*legend(account), "", *table(account)]),
        "functions": "\n".join(map(_comment, functions)) or " *   (none is named)",
        "guests": str(max([len(ours), *(n + 1 for n in [0, *targets, *map(_number, ours)])])),
    }
    expanded = _EACH.sub(lambda each: "".join(_column(account, c, each.group(1), values) for c in others), template)
    return _filled(expanded, values)


def _column(account: Account, column: str, template: str, values: dict[str, str]) -> str:
    """What is repeated, for one column: its steps, and the lines that follow its events."""
    own = values | {"column": _comment(column),
                    "name": re.sub(r"\W+", "_", column, flags=re.ASCII).strip("_").lower()}
    behind: dict[int, list[str]] = {}
    for block in _EVENT.finditer(template):
        for number, arguments in _events(account, column, block):
            behind.setdefault(number, []).append(_filled(block.group(2), own | arguments).rstrip("\n"))
    template = _EVENT.sub(lambda block: "" if _events(account, column, block) else block.group(3), template)
    return _filled(template, own | {"steps": "\n".join(_steps(account, column, behind))})


def _events(account: Account, column: str, block: re.Match[str]) -> list[tuple[int, dict[str, str]]]:
    """The steps of a column in which one of the events of a block occurs, with all arguments that its lines name."""
    wanted = {name for name in _FIELD.findall(block.group(2)) if name.startswith("argument")}
    occurred = [(number, _OCCURRED.fullmatch(text)) for number, step in enumerate(account.steps)
                if step.column == column for text in step.events]
    found = [(number, {f"argument{n}": word for n, word in enumerate(e.group(2).split(", "), 1) if word})
             for number, e in occurred if e is not None and e.group(1) in block.group(1).split()]
    return [(number, arguments) for number, arguments in found if wanted <= arguments.keys()]


def _number(column: str) -> int:
    """Of an agent of which there are several; 0 if there is one."""
    found = re.search(r"[0-9]{1,4}$", column)
    return int(found.group()) if found is not None else 0


def _filled(template: str, values: dict[str, str]) -> str:
    def value(found: re.Match[str]) -> str:
        if found.group(1) not in values:
            raise UsageError(f"the skeleton has an unknown field @{found.group(1)}@; known are {', '.join(values)}")
        return values[found.group(1)]

    return _FIELD.sub(value, template)


def _comment(text: str) -> str:
    """Without what ends or begins a comment, or looks like a field."""
    return text.replace("*/", "* /").replace("/*", "/ *").replace("@", "(at)")


def _steps(account: Account, column: str, behind: dict[int, list[str]]) -> list[str]:
    """What a column does, where it has to wait for another, and what follows its steps (by number)."""
    lines: list[str] = []
    before = ""
    for number, step in enumerate(account.steps):
        for said in step.said:
            facts = [f.text for f in said.facts if not f.minor]
            if said.minor or not facts:
                continue
            if said.column != column:
                before = said.column
                continue
            if before:
                lines.append(f"\t/* FILL IN: only after {_comment(before)} did what stands above step {number} */")
                before = ""
            head = f"{said.function}(): " if said.function else ""
            lines += [f"\t/* {line} */" for line in summary.wrapped(_comment(head + "; ".join(facts)), "", "  ", WIDTH)]
        lines += behind.get(number, [])
    return lines or ["\t/* FILL IN: what happens here */"]
