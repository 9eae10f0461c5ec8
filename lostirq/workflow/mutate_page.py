# SPDX-License-Identifier: GPL-2.0-or-later
"""Tables of the manual that are made of the record of mutants: which barrier is needed, and who noticed what.

A page holds `<!-- mutants: NAME -->` and `<!-- end -->`; what stands between is made of `mutants.jsonl` and
`mutants.toml` beside the page.  `mutants.toml` has `[[pairing]]` (`id`, `what`, `mutants`), `[[explained]]` (`mutants`,
`why`) and `[[hole]]` (`mutants`, `why`): why the properties need not see a survivor, or what is missing to see it.

Invariants: a page without such marks is unchanged; a result is shown as it was recorded, never as it should be.
"""

from __future__ import annotations

import re
import tomllib
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from pathlib import Path

from lostirq.errors import UsageError
from lostirq.evidence.trace_file import read_text
from lostirq.workflow.mutate_edit import PLUS, Kind
from lostirq.workflow.mutate_record import read_record
from lostirq.workflow.mutate_run import Fate, MutantResult, looked_at
from lostirq.workflow.mutate_runs import PAGE, RECORD, anchor, told

NOTES = "mutants.toml"
_MARK = re.compile(r"(<!-- mutants: ([a-z ]+) -->\n)(.*?)(<!-- end -->)", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Note:
    """What is said of some mutants: `id` of a pairing, or ''."""

    mutants: tuple[str, ...]
    said: str
    id: str = ""


@dataclass(frozen=True, slots=True)
class Notes:
    pairings: tuple[Note, ...] = ()
    explained: tuple[Note, ...] = ()
    holes: tuple[Note, ...] = ()
    runs: frozenset[str] = frozenset()      # mutants whose runs have a page


def read_notes(path: Path) -> Notes:
    """Raises `UsageError`."""
    try:
        data = tomllib.loads(read_text(path, "notes on mutants"))
    except tomllib.TOMLDecodeError as e:
        raise UsageError(f"{path}: {e}") from None

    def notes(key: str, text: str) -> tuple[Note, ...]:
        found = []
        for n, row in enumerate(data.get(key, [])):
            names = row.get("mutants")
            if not isinstance(names, list) or not all(isinstance(x, str) for x in names) or not row.get(text):
                raise UsageError(f"{path}: [[{key}]] number {n + 1} needs a list 'mutants' and a text '{text}'")
            found.append(Note(tuple(names), " ".join(str(row[text]).split()), str(row.get("id", ""))))
        return tuple(found)

    return Notes(notes("pairing", "what"), notes("explained", "why"), notes("hole", "why"))


def renewed(folder: Path, text: str) -> str:
    """A page of `folder` with its tables of mutants made anew.  Raises `UsageError`."""
    if not _MARK.search(text):
        return text
    results = list(read_record(folder / RECORD).results.values())
    notes = replace(read_notes(folder / NOTES), runs=frozenset(r.name for r in told(results)))

    def table(found: re.Match[str]) -> str:
        make = _TABLES.get(found.group(2))
        if make is None:
            raise UsageError(f"no table of mutants is called {found.group(2)!r}; there are {', '.join(_TABLES)}")
        return f"{found.group(1)}{make(results, notes)}{found.group(4)}"

    return _MARK.sub(table, text)


def short(r: MutantResult, notes: Notes) -> str:
    """A result in a few words; survivors are survivors of these scenarios."""
    if r.fate is Fate.KILLED:
        if not r.scenario:
            return f"**needed**: {r.property} is {r.why}"
        how = ", ".join(x for x in (f"{r.length} steps" if r.length > 1 else "1 step" if r.length else "", r.why) if x)
        said = f"{r.property}, {how}, `{r.scenario}`"
        return f"**needed**: {f'[{said}]({PAGE}#{anchor(r.name)})' if r.name in notes.runs else said}"
    if r.fate is Fate.SURVIVOR:
        return f"not needed: {r.why}"
    if r.fate is Fate.EQUIVALENT:
        return f"no difference: {r.why}"
    return _cell(f"open: {r.why}" if looked_at(r) is not None else f"{r.fate.value}: {r.why}")


def place(name: str) -> str:
    return PLUS.join(f"`{part.split(':', 1)[1]}`" for part in name.split(PLUS))


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def _rows(head: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    names = list(head)
    lines = [names, ["---"] * len(names), *rows]
    return "".join(f"| {' | '.join(cells)} |\n" for cells in lines)


def _of(results: list[MutantResult], *kinds: Kind) -> list[MutantResult]:
    found = [r for r in results if r.kind in [k.value for k in kinds]]
    return sorted(found, key=lambda r: (r.name.count(PLUS), r.name))


def fences(results: list[MutantResult], notes: Notes) -> str:
    """Each full fence alone, and with which other one it must not be missing."""
    cpu = _of(results, Kind.CPU)
    parts = {part for r in cpu for part in r.name.split(PLUS)}
    alone = {r.name: r for r in results if r.name in parts}
    killed = {n for n, r in alone.items() if r.fate is Fate.KILLED}
    rows = []
    for name in sorted(parts & alone.keys()):
        others = {next(x for x in p.name.split(PLUS) if x != name): p for p in cpu
                  if PLUS in p.name and name in p.name.split(PLUS)}
        jointly = [f"with {place(n)}: {short(p, notes)}" for n, p in others.items()
                   if p.fate is Fate.KILLED and not {name, n} & killed]
        spare = sum(p.fate in (Fate.SURVIVOR, Fate.EQUIVALENT) for p in others.values())
        said = "; ".join([*jointly, *([f"also spare with {spare} of {len(others)} others"] if spare else [])])
        rows.append([_cell(alone[name].what), place(name), short(alone[name], notes), said])
    return _rows(("taken away", "where", "alone", "with another one"), rows)


def pairs(results: list[MutantResult], notes: Notes) -> str:
    return _rows(("without both", "result"),
                 ([place(r.name), short(r, notes)] for r in _of(results, Kind.CPU) if PLUS in r.name))


def _table(*kinds: Kind) -> Callable[[list[MutantResult], Notes], str]:
    def build(results: list[MutantResult], notes: Notes) -> str:
        return _rows(("change", "where", "result"), ([_cell(r.what), place(r.name), short(r, notes)]
                                                     for r in _of(results, *kinds)))

    return build


def pairings(results: list[MutantResult], notes: Notes) -> str:
    """What is said of each pairing, and what its mutants did."""
    by_name = {r.name: r for r in results}
    rows = []
    for note in notes.pairings:
        did = [f"`{n}`: {short(by_name[n], notes) if n in by_name else 'not run'}" for n in note.mutants]
        rows.append([note.id, _cell(note.said), "<br>".join(did)])
    return _rows(("pairing", "what it is", "without it"), rows)


def summary(results: list[MutantResult], notes: Notes) -> str:
    counts = Counter((r.kind, r.fate) for r in results)
    rows = [[k.value, *(str(counts[k.value, f] or "") for f in Fate), str(sum(counts[k.value, f] for f in Fate))]
            for k in Kind if any(counts[k.value, f] for f in Fate)]
    models = Counter(r.model for r in results)
    last = results[-1].model if results else ""
    said = (f"\n{len(results)} mutants, {models[last]} of them on the last model that was tried"
            f"{'' if len(models) < 2 else ' (the others on earlier ones)'}.\n")
    total = ["all", *(str(sum(counts[k.value, f] for k in Kind)) for f in Fate), str(len(results))]
    return _rows(("kind", *(f.value for f in Fate), "all"), [*rows, total]) + said


def _noted(wanted: Callable[[Notes], tuple[Note, ...]]) -> Callable[[list[MutantResult], Notes], str]:
    def build(results: list[MutantResult], notes: Notes) -> str:
        by_name = {r.name: r for r in results}
        parts = []
        for note in wanted(notes):
            parts.append(f"- {note.said}\n" + "".join(f"  - `{n}`: {by_name[n].what}\n" for n in note.mutants
                                                      if n in by_name))
        return "".join(parts) or "None.\n"

    return build


def undecided(results: list[MutantResult], notes: Notes) -> str:
    rows = [[f"`{r.name}`", _cell(r.what), short(r, notes)] for r in results
            if r.fate in (Fate.REFUSED, Fate.UNKNOWN) and looked_at(r) is None]
    return _rows(("mutant", "change", "why"), rows)


def still_open(results: list[MutantResult], notes: Notes) -> str:
    """What a first pass over cheap scenarios has not killed."""
    left = [f"- `{r.name}`: {r.what}; {r.why}\n" for r in results if looked_at(r) is not None]
    return "".join(left) or "None.\n"


def killers(results: list[MutantResult], notes: Notes) -> str:
    """How many mutants each property was the first to notice."""
    counts = Counter(r.property.split("[")[0] for r in results if r.fate is Fate.KILLED)
    return _rows(("property", "mutants"), ([p, str(n)] for p, n in sorted(counts.items(), key=lambda x: (-x[1], x[0]))))


_TABLES: dict[str, Callable[[list[MutantResult], Notes], str]] = {
    "fences": fences, "pairs of fences": pairs, "compiler": _table(Kind.COMPILER), "locked": _table(Kind.LOCKED),
    "locks": _table(Kind.LOCK, Kind.ATOMIC), "orders": _table(Kind.ORDER), "pairings": pairings, "summary": summary,
    "killers": killers, "survivors": _noted(lambda n: n.explained), "holes": _noted(lambda n: n.holes),
    "undecided": undecided, "open": still_open,
}
