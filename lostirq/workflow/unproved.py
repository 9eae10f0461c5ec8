# SPDX-License-Identifier: GPL-2.0-or-later
"""`lostirq prove --unproved SCENARIO`: the safety properties without a certificate at the width of the widest one, each
with the step that breaks it, or with the width at which it is proved.

All lemmas of proofs/ are put together in one scenario, at a size where that is quick, and each property is tried on top
of them.  The step starts from a state that the lemmas allow, reachable or not: it shows which lemma is missing, and no
bug.  Beyond it there is only what the explicit engine exhausts: in how many scenarios of the quick tier it does so is
counted.

Invariants: nothing is called proved here, for the lemmas are assumed; a certificate of another model is none; the
record (proofs/unproved.json) names the system that it is of, and a table of a record of another one says so.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

from lostirq.errors import UsageError
from lostirq.evidence.trace_file import read_text, write_text
from lostirq.ir.digest import digest
from lostirq.ir.system import Form, Property, System
from lostirq.ir.tso import lower
from lostirq.language import Workspace, compile_scenario
from lostirq.symbolic.induction import base_fails
from lostirq.symbolic.outcome import Conjunct, NotInductive, Proved
from lostirq.symbolic.steps import prove_steps
from lostirq.workflow import certificates
from lostirq.workflow.bug_proofs_page import SAFETY
from lostirq.workflow.prove import TIER, describe, invariant, load_with_proofs
from lostirq.workflow.workspace import choose

RECORD = Path("proofs") / "unproved.json"
WIDTH = "VECTORS"   # the parameter that tells the width of a proof
_TABLE = re.compile(r"(<!-- unproved -->\n)(.*?)(<!-- end -->)", re.DOTALL)
_PLACE = re.compile(r"step of (\S+) in (\S*) \((\S*:\d+)\): (.*)")


@dataclass(frozen=True, slots=True)
class Open:
    """A property without a proof at full width.  `verdict`: it is proved with fewer vectors, it follows from the lemmas
    (which are only assumed), it is not inductive, the solver gave up, or no instance; `step`: the counterexample to
    induction, in words; `scenarios`: how many of the quick tier check it."""

    property: str
    verdict: str
    step: tuple[str, ...] = ()
    scenarios: int = 0


@dataclass(frozen=True, slots=True)
class Unproved:
    """`scenario`: in which they were tried; `system`: its digest."""

    scenario: str
    system: str
    rows: tuple[Open, ...]


def unproved(root: Path, workspace: Workspace, scenario: str, tell: Callable[[Open], None]) -> Unproved:
    """All of them, in order.  `workspace`: with its proofs.  Raises `UsageError`, `ModelErrors`."""
    system = _system(workspace, scenario)
    conjuncts = invariant(system, [], [p for p in system.properties if p.proves])
    checked = _checked(workspace)
    proved = _proved(root, workspace)
    widest = _widest(workspace)
    found = []
    for id_ in (i for i, p in workspace.properties.items() if p.form in SAFETY and proved.get(i, -1) < widest):
        mine = [p for p in system.properties if p.id == id_ and not p.proves]
        verdict, step = _tried(system, conjuncts, mine, proved.get(id_))
        found.append(Open(id_, verdict, step, checked[id_]))
        tell(found[-1])
    return Unproved(scenario, digest(system), tuple(found))


def _system(workspace: Workspace, scenario: str) -> System:
    """With all properties and lemmas, under its last memory model."""
    choose((scenario,), workspace.scenarios, "scenario")
    memory = workspace.scenarios[scenario].memory[-1]
    return lower(compile_scenario(workspace, scenario, memory, lemmas=True, properties=tuple(workspace.properties)))


def _proved(root: Path, workspace: Workspace) -> dict[str, int]:
    """What the certificates prove that are of the model as it is, with how many vectors at most."""
    found: dict[str, int] = {}
    for path in certificates.listed(root):
        data = certificates.load(path)
        about = certificates.origin(data, path.name)
        system = certificates.compiled(workspace, about)
        if certificates.current(data, system):
            width = dict(system.parameters).get(WIDTH, 0)
            found.update((id_, max(width, found.get(id_, 0))) for id_ in about.property.split(", "))
    return found


def _widest(workspace: Workspace) -> int:
    """The vectors of the widest proof, whether it has a certificate or not."""
    default = workspace.parameters[WIDTH].default if WIDTH in workspace.parameters else 0
    proofs = (s for s in workspace.scenarios.values() if s.tier == TIER)
    return max((int(s.parameters.get(WIDTH, default)) for s in proofs), default=0)


def _checked(workspace: Workspace) -> Counter[str]:
    """In how many scenarios of the quick tier each property has an instance."""
    quick = (s for s in workspace.scenarios.values() if s.tier == "quick")
    systems = (compile_scenario(workspace, s.name, s.memory[-1]) for s in quick)
    return Counter(id_ for system in systems for id_ in {p.id for p in system.properties})


def _tried(
    system: System, conjuncts: list[Conjunct], mine: list[Property], proved: int | None
) -> tuple[str, tuple[str, ...]]:
    """`proved`: with how many vectors there is a certificate."""
    if proved is not None:
        return f"proved with {proved} vectors", ()
    if not mine:
        return "no instance", ()
    invariants = [Conjunct(p.key, p.formula) for p in mine if p.form is Form.INVARIANT]
    false = base_fails(system, invariants)
    if false:
        return "false at the start", (f"{false[0]} is false in the initial state",)
    outcome = prove_steps(system, [*conjuncts, *invariants], [Conjunct(p.key, p.formula) for p in mine])
    if isinstance(outcome, NotInductive):
        return "not inductive", describe(system, [*conjuncts, *invariants], outcome.counterexamples[0])
    return ("follows from the lemmas" if isinstance(outcome, Proved) else "the solver gave up"), ()


# -- the record and its table -----------------------------------------------------------------------------------------


def write_record(root: Path, found: Unproved) -> None:
    """Raises `UsageError`."""
    rows = {row.property: {k: v for k, v in asdict(row).items() if k != "property"} for row in found.rows}
    path = root / RECORD
    new = path.with_suffix(".new")
    data = {"scenario": found.scenario, "system": found.system, "properties": rows}
    write_text(new, json.dumps(data, indent=1) + "\n")
    new.replace(path)


def read_record(root: Path) -> Unproved | None:
    """None if there is none.  Raises `UsageError`."""
    path = root / RECORD
    if not path.is_file():
        return None
    try:
        data = json.loads(read_text(path, "record"))
        rows = (Open(id_, str(row["verdict"]), tuple(map(str, row["step"])), int(row["scenarios"]))
                for id_, row in data["properties"].items())
        return Unproved(str(data["scenario"]), str(data["system"]), tuple(rows))
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise UsageError(f"{path}: not a record of what is not proved ({error!r}); remove it") from None


def table(root: Path) -> str:
    """The table, in Markdown."""
    record = read_record(root)
    if record is None:
        return ""
    workspace = load_with_proofs(root)
    there = record.scenario in workspace.scenarios and digest(_system(workspace, record.scenario)) == record.system
    lines = [] if there else ["**Of another model**: `lostirq prove --unproved` was not run on this one.", ""]
    lines += ["| property | | proof | explicit engine |", "|---|---|---|---|"]
    for row in record.rows:
        title = workspace.properties[row.property].title if row.property in workspace.properties else ""
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
