# SPDX-License-Identifier: GPL-2.0-or-later
"""What `lostirq patch` found, put together: the verdict, and what it rests on.

Invariants: a report is a value that depends on the two sides and the options alone, never on time or on the order in
which processes ended; a case without a result makes the verdict *undecided* unless something breaks.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from lostirq.ir.system import Memory
from lostirq.language import Workspace
from lostirq.report.text import count
from lostirq.workflow.check import CheckOptions, Job, ScenarioResult, plan
from lostirq.workflow.outcome import Outcome, combine
from lostirq.workflow.patch_behaviour import NO_EVENT, BehaviourReport
from lostirq.workflow.patch_compare import OUTCOMES, Change, PatchVerdict, worst
from lostirq.workflow.patch_marks import Mark
from lostirq.workflow.patch_sources import Sides
from lostirq.workflow.patch_steps import Touched
from lostirq.workflow.show import bounds

UNCHANGED = "unchanged"     # of a property whose scenarios the patch leaves alone


@dataclass(frozen=True, slots=True)
class Case:
    """A scenario under a memory model.  `properties`: only these (keys), because known bugs (`slugs`) name them."""

    scenario: str
    memory: Memory
    properties: tuple[str, ...] = ()
    slugs: tuple[str, ...] = ()

    @property
    def label(self) -> str:
        return f"{self.scenario} {self.memory.value}"


@dataclass(frozen=True, slots=True)
class CaseResult:
    """`same`: the patch does not change the transition system, so nothing was searched; `failure`: why there is no
    result."""

    case: Case
    same: bool = False
    before: ScenarioResult | None = None
    after: ScenarioResult | None = None
    changes: tuple[Change, ...] = ()
    failure: str = ""
    outcome: Outcome = Outcome.HOLDS


@dataclass(frozen=True, slots=True)
class CaseReport:
    """A case without its results.  `properties`, `slugs` as in `Case`."""

    scenario: str
    memory: str
    properties: tuple[str, ...]
    slugs: tuple[str, ...]
    same: bool
    states_before: int | None
    states_after: int | None
    failure: str
    outcome: Outcome


@dataclass(frozen=True, slots=True)
class PropertyReport:
    """A property over all cases that were compared; one that is in none of them has no row.  `length`: of the shortest
    counterexample, in `scenario` under `memory`; `before`, `after` as in `Change`, or `unchanged`; `changes`: the
    instances that differ or are not kept."""

    id: str
    title: str
    verdict: PatchVerdict
    before: str
    after: str
    length: int | None = None
    scenario: str = ""
    memory: str = ""
    vacuous: str = ""
    changes: tuple[Change, ...] = ()


@dataclass(frozen=True, slots=True)
class ProofReport:
    """`status`: kept | lost | stale; `why`: the lemma that is lost, or why it was not tried."""

    property: str
    scenario: str
    memory: str
    status: str
    why: str = ""


@dataclass(frozen=True, slots=True)
class PatchReport:
    """`slug`: the known bug that the patch re-introduces to the letter, ''; `todo`: how many cases there were;
    `elsewhere`: scenarios that it changes, where it changes none of those that were compared; `bounds`: lines on the
    sizes of what was searched; `instrumentation`: the marks that it changes; `accept`: it is undecided for these, until
    they are accepted; `behaviour`: None if it was not asked for; `alone`: what was asked for and what therefore was
    not looked at, '' if everything was."""

    verdict: PatchVerdict
    touched: tuple[Touched, ...]
    specification: tuple[Touched, ...]
    others: tuple[str, ...]
    cases: tuple[CaseReport, ...]
    properties: tuple[PropertyReport, ...]
    proofs: tuple[ProofReport, ...]
    slug: str
    todo: int
    behaviour: tuple[BehaviourReport, ...] | None = None
    elsewhere: tuple[str, ...] = ()
    cached: bool = False
    bounds: tuple[str, ...] = ()
    instrumentation: tuple[Mark, ...] = ()
    accept: bool = False
    alone: str = ""

    @property
    def outcome(self) -> Outcome:
        return combine([OUTCOMES[self.verdict], *(c.outcome for c in self.cases)])

    @property
    def decided(self) -> bool:
        """Is nothing in it due to a limit of time or memory, or to an interrupt?"""
        cut = any(c.failure for c in self.cases) or any(
            b.relation == "undecided" and b.how != NO_EVENT for b in self.behaviour or ())
        return not cut and not any(p.verdict is PatchVerdict.UNDECIDED for p in self.properties)


def assemble(sides: Sides, base: Workspace, cases: Sequence[Case], found: Sequence[CaseResult],
             vacuous: Mapping[str, str], slug: str, options: CheckOptions, *, all_told: bool) -> PatchReport:
    """The report; `all_told`: what is in no case was compared as a system."""
    by_id: dict[str, list[Change]] = {}
    for result in found:
        for change in result.changes:
            by_id.setdefault(change.id, []).append(change)
    same = [base.scenarios[r.case.scenario].properties for r in found if r.same and not r.case.properties]
    left_alone = {i for wanted in same for i in (base.properties if wanted is None else wanted)}
    ids = [*(i for i in by_id if i not in base.properties), *(i for i in base.properties if i in {*by_id, *left_alone})]
    rows = tuple(_property(i, base, by_id.get(i, []), vacuous.get(i, "")) for i in ids if not _is_witness(i, base))
    verdicts = [r.verdict for r in rows] + [PatchVerdict.UNDECIDED for r in found if r.failure]
    searched = [side for r in found for side in (r.before, r.after) if side is not None]
    sizes = {p.name for p in base.parameters.values() if not p.is_bool}
    return PatchReport(worst(verdicts), sides.touched, sides.specification, sides.others,
                       tuple(_case(r) for r in found), rows, (), slug, len(cases),
                       bounds=tuple(bounds(searched, sizes)), instrumentation=sides.instrumentation,
                       alone=_alone(base, cases, options, all_told=all_told))


def _alone(base: Workspace, cases: Sequence[Case], o: CheckOptions, *, all_told: bool) -> str:
    if not o.partial:
        return ""
    every = CheckOptions().memories
    asked = [*o.scenarios, *(m.value.upper() for m in o.memories if o.memories != every), *o.properties,
             *(f"{name}={value}" for name, value in o.overrides)]
    whole = set(plan(base, replace(o, scenarios=(), properties=(), memories=every)))
    left = 0 if all_told else len(whole - {Job(c.scenario, c.memory) for c in cases})
    not_seen = [f"{count(left, 'other')} of the {o.tier} tier"] if left else []
    not_seen += ["the sizes of the scenarios"] if o.overrides and not all_told else []
    not_seen += ["the known bugs"] if o.scenarios or o.properties else [
        f"the known bugs under {m.value.upper()}" for m in every if m not in o.memories]
    return f"only what was asked for ({', '.join(asked)}), not {', '.join([*not_seen, 'vacuity'])}"


def _is_witness(name: str, base: Workspace) -> bool:
    return name in base.properties and base.properties[name].form.startswith("reachable")


def _property(name: str, base: Workspace, found: list[Change], witness: str) -> PropertyReport:
    title = base.properties[name].title if name in base.properties else next((c.title for c in found), "")
    if not found:
        return PropertyReport(name, title, PatchVerdict.KEEPS, UNCHANGED, UNCHANGED)
    verdict = worst([c.verdict for c in found] + ([PatchVerdict.BREAKS] if witness else []))
    leading = [c for c in found if c.verdict is verdict] or found
    timed = [c for c in leading if c.length is not None]
    best = min(timed or leading, key=lambda c: c.rank)
    told = tuple(c for c in found if c.verdict is not PatchVerdict.KEEPS or c.length is not None)
    return PropertyReport(name, title, verdict, best.before, best.after, best.length, best.scenario, best.memory,
                          witness, told)


def _case(result: CaseResult) -> CaseReport:
    def states(side: ScenarioResult | None) -> int | None:
        return None if side is None else side.search.states

    case = result.case
    after = states(result.before) if result.same else states(result.after)
    return CaseReport(case.scenario, case.memory.value, case.properties, case.slugs, result.same,
                      states(result.before), after, result.failure, result.outcome)
