# SPDX-License-Identifier: GPL-2.0-or-later
"""`lostirq prove --unproved SCENARIO`: the safety properties without a certificate, each with the step that breaks it.

All lemmas of proofs/ are put together in one scenario, at a size where that is quick, and each property is tried on top
of them.  The step starts from a state that the lemmas allow, reachable or not: it shows which lemma is missing, and no
bug.  Beyond it there is only what the explicit engine exhausts: in how many scenarios of the quick tier it does so is
counted.

Invariants: a property is *proved* here only as far as this scenario goes, and nothing is kept of it; the record
(proofs/unproved.json) holds the properties that are open, and is a function of the model and the lemmas.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from lostirq.errors import UsageError
from lostirq.evidence.trace_file import read_text, write_text
from lostirq.ir.system import Form, Property, System
from lostirq.ir.tso import lower
from lostirq.language import Workspace, compile_scenario
from lostirq.symbolic.induction import base_fails
from lostirq.symbolic.outcome import Conjunct, NotInductive, Proved
from lostirq.symbolic.steps import prove_steps
from lostirq.workflow import certificates
from lostirq.workflow.bug_proofs_page import SAFETY
from lostirq.workflow.prove import describe, invariant
from lostirq.workflow.workspace import load

RECORD = Path("proofs") / "unproved.json"
_TABLE = re.compile(r"(<!-- unproved -->\n)(.*?)(<!-- end -->)", re.DOTALL)
_SAFETY = (Form.INVARIANT, Form.STEP)
_PLACE = re.compile(r"step of (\S+) in (\S*) \((\S*:\d+)\): (.*)")


@dataclass(frozen=True, slots=True)
class Open:
    """A property without a proof.  `verdict`: proved (with all lemmas, in this scenario, and without a certificate),
    not inductive, the solver gave up, or no instance; `step`: the counterexample to induction, in words; `scenarios`:
    how many of the quick tier check it."""

    property: str
    scenario: str
    verdict: str
    step: tuple[str, ...] = ()
    scenarios: int = 0


def unproved(root: Path, workspace: Workspace, scenario: str, tell: Callable[[Open], None]) -> list[Open]:
    """All of them, in order.  `workspace`: with its proofs.  Raises `UsageError`, `ModelErrors`."""
    if scenario not in workspace.scenarios:
        raise UsageError(f"unknown scenario '{scenario}'; see 'lostirq list' and proofs/")
    ids = tuple(workspace.properties)
    memory = workspace.scenarios[scenario].memory[-1]
    system = lower(compile_scenario(workspace, scenario, memory, lemmas=True, properties=ids))
    lemmas = [p for p in system.properties if p.proves]
    goals = [p for p in system.properties if not p.proves and p.form in _SAFETY]
    conjuncts = invariant(system, [], lemmas)
    checked = _checked(workspace)
    proved = _proved(root)
    found = []
    for id_ in (i for i in ids if workspace.properties[i].form in SAFETY and i not in proved):
        mine = [p for p in goals if p.id == id_]
        verdict, step = _tried(system, conjuncts, mine) if mine else ("no instance", ())
        found.append(Open(id_, f"{scenario}, {memory.value}", verdict, step, checked[id_]))
        tell(found[-1])
    return found


def _proved(root: Path) -> set[str]:
    """What some certificate says it proves."""
    origins = (certificates.origin(certificates.load(path), path.name) for path in certificates.listed(root))
    return {id_ for about in origins for id_ in about.property.split(", ")}


def _checked(workspace: Workspace) -> Counter[str]:
    """In how many scenarios of the quick tier each property has an instance."""
    quick = (s for s in workspace.scenarios.values() if s.tier == "quick")
    systems = (compile_scenario(workspace, s.name, s.memory[-1]) for s in quick)
    return Counter(id_ for system in systems for id_ in {p.id for p in system.properties})


def _tried(system: System, conjuncts: list[Conjunct], mine: list[Property]) -> tuple[str, tuple[str, ...]]:
    invariants = [Conjunct(p.key, p.formula) for p in mine if p.form is Form.INVARIANT]
    false = base_fails(system, invariants)
    if false:
        return "false at the start", (f"{false[0]} is false in the initial state",)
    outcome = prove_steps(system, [*conjuncts, *invariants], [Conjunct(p.key, p.formula) for p in mine])
    if isinstance(outcome, NotInductive):
        return "not inductive", describe(system, [*conjuncts, *invariants], outcome.counterexamples[0])
    return ("proved" if isinstance(outcome, Proved) else "the solver gave up"), ()


# -- the record and its table -----------------------------------------------------------------------------------------


def write_record(root: Path, rows: Iterable[Open]) -> None:
    """Raises `UsageError`."""
    made = {row.property: {k: v for k, v in asdict(row).items() if k != "property"} for row in rows}
    path = root / RECORD
    new = path.with_suffix(".new")
    write_text(new, json.dumps(made, indent=1) + "\n")
    new.replace(path)


def read_record(root: Path) -> dict[str, Open]:
    """By property; empty if there is none.  Raises `UsageError`."""
    path = root / RECORD
    if not path.is_file():
        return {}
    try:
        data: Mapping[str, Mapping[str, object]] = json.loads(read_text(path, "record"))
        return {id_: Open(id_, str(row["scenario"]), str(row["verdict"]), tuple(map(str, row["step"])),  # type: ignore[call-overload]  # JSON
                          int(str(row["scenarios"]))) for id_, row in data.items()}  # fmt: skip
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise UsageError(f"{path}: not a record of what is not proved ({error!r}); remove it") from None


def table(root: Path) -> str:
    """The table, in Markdown."""
    rows = read_record(root)
    known = load(root).properties
    lines = ["| property | | proof | explicit engine |", "|---|---|---|---|"]
    for row in rows.values():
        title = known[row.property].title if row.property in known else ""
        bound = f"{row.scenarios} scenarios of the quick tier" if row.scenarios else "none of the quick tier"
        lines.append(f"| {row.property} | {title} | {shown(row)} | {bound} |")
    return "\n".join(lines) + "\n"


def shown(row: Open) -> str:
    """The verdict in one line: of a step, where it is."""
    step = _PLACE.fullmatch(row.step[0]) if row.step else None
    if step is None:
        return row.verdict
    return f"{row.verdict}: `{step[4]}` of {step[1]}" + (f" in {step[2]} ({step[3]})" if step[2] else "")


def renewed(root: Path, text: str) -> str:
    """A page with its table made anew, if it has one."""
    return _TABLE.sub(lambda found: found[1] + table(root) + found[3], text)
