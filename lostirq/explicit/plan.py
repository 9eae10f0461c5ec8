# SPDX-License-Identifier: GPL-2.0-or-later
"""What generated code has to do, before any target language: edges, checks and layout, specialised and simplified.

Everything is an expression over the state before the step.  Checks are numbered: state checks first, then edge checks,
then STUCK and RANGE; a check *hits* where an invariant or step property is false, a witness is true, a recurrence is
triggered, or a goal is reached.
"""

from __future__ import annotations

from dataclasses import dataclass

from lostirq.errors import UsageError
from lostirq.evidence.verdict import RANGE, STUCK, Reductions
from lostirq.explicit.flow import Known, ProcessFlow, Touch, analyse, fixed_at, needs_check, replace
from lostirq.explicit.pack import Layout, Slot, SymmetryLost, layout, lowest
from lostirq.explicit.steps import StepCheck
from lostirq.explicit.symmetry import SymmetricSet, find
from lostirq.ir.expr import FALSE, Expr, Op, Var, const, not_, var
from lostirq.ir.system import Edge, Form, Property, Sort, System


@dataclass(frozen=True, slots=True)
class Check:
    """`hit` over a state, for state checks; `skip[p]`: locations of process p at which it cannot hit."""

    number: int
    key: str
    hit: Expr
    skip: dict[int, frozenset[int]]


@dataclass(frozen=True, slots=True)
class PlannedEdge:
    """`writes`: slots that change, with the stored value (already minus the lowest value of its type).  `ranges`:
    (value, lowest, highest) that must lie inside.  `hits`: (check number, condition)."""

    index: int
    process: int
    src: int
    guard: Expr
    writes: tuple[tuple[Slot, Expr, int], ...]
    ranges: tuple[tuple[Expr, int, int], ...]
    hits: tuple[tuple[int, Expr], ...]


@dataclass(frozen=True, slots=True)
class Plan:
    """`numbers[key]`: the check of a property (of a recurrence, of its formula); `goals[key]`: of its goal."""

    system: System
    layout: Layout
    sets: tuple[SymmetricSet, ...]
    initial: tuple[int, ...]
    checks: tuple[Check, ...]
    numbers: dict[str, int]
    goals: dict[str, int]
    count: int
    edges: tuple[PlannedEdge, ...]
    runs: tuple[Expr, ...]
    idle: tuple[frozenset[int] | None, ...]    # None: the process does not matter for STUCK

    @property
    def widest(self) -> int:
        """An upper bound of the number of enabled edges of a state."""
        outgoing: dict[tuple[int, int], int] = {}
        for e in self.edges:
            outgoing[e.process, e.src] = outgoing.get((e.process, e.src), 0) + 1
        return sum(max((n for (p, _), n in outgoing.items() if p == q.index), default=0) for q in self.system.processes)


_STATE_FORMS = (Form.INVARIANT, Form.REACHABLE, Form.RECURRENCE)


def make_plan(system: System, properties: tuple[Property, ...], reductions: Reductions,
              watched: frozenset[str] = frozenset()) -> Plan:
    """The plan for a flat system; the arguments of `watched` events are kept, as those that properties ask for are.
    Raises UsageError if a reduction that was asked for is unsound here."""
    touch, flows = analyse(system, properties, watched)
    sets = _sets(system, properties, reductions)
    try:
        placed = layout(system, touch, flows, sets, touch.public, reductions)
    except SymmetryLost:
        if reductions.symmetry:
            raise UsageError("symmetry: the members of a symmetric set do not have the same layout") from None
        sets = ()
        placed = layout(system, touch, flows, sets, touch.public, reductions)
    numbers, goals = _numbers(properties)
    planner = _Planner(system, placed, touch, flows, properties, numbers, goals)
    fixed = {v: v.init for v in system.variables if not touch.writers[v]}
    memo: dict[Expr, Expr] = {}
    return Plan(
        system, placed, sets, placed.pack({v: v.init for v in system.variables}),
        tuple(planner.check(p, replace(p.formula, fixed, memo)) for p in properties if p.form in _STATE_FORMS),
        numbers, goals, len(numbers) + len(goals),
        tuple(planner.edges()), tuple(replace(p.runs, fixed, memo) for p in system.processes),
        tuple(_idle(system, i) for i in range(len(system.processes))),
    )


def _sets(system: System, properties: tuple[Property, ...], reductions: Reductions) -> tuple[SymmetricSet, ...]:
    """The sets to sort: all that are sound, or if the caller insists, all or none."""
    if reductions.symmetry is False:
        return ()
    if any(p.form is Form.RECURRENCE for p in properties):
        if reductions.symmetry and any(p.symmetric for p in system.processes):
            raise UsageError("symmetry reduction does not preserve liveness: check recurrences without it")
        return ()
    sets, refused = find(system, properties)
    if reductions.symmetry and refused:
        name, reason = next(iter(refused.items()))
        raise UsageError(f"symmetry: the set {name} cannot be reduced: {reason}")
    return sets


def _numbers(properties: tuple[Property, ...]) -> tuple[dict[str, int], dict[str, int]]:
    numbers: dict[str, int] = {}
    goals: dict[str, int] = {}
    for p in properties:
        if p.form in _STATE_FORMS:
            numbers[p.key] = len(numbers)
    free = len(numbers)
    for p in properties:
        if p.form not in _STATE_FORMS:
            numbers[p.key] = free
            free += 1
        elif p.form is Form.RECURRENCE:
            goals[p.key] = free
            free += 1
    numbers[STUCK], numbers[RANGE] = free, free + 1
    return numbers, goals


def _idle(system: System, process: int) -> frozenset[int] | None:
    p = system.processes[process]
    if p.sort is Sort.BUFFER:
        return None
    return frozenset(i for i, x in enumerate(p.locations) if x.idle)


class _Planner:
    """Specialisation of edges and properties under what is known at each location."""

    def __init__(self, system: System, placed: Layout, touch: Touch, flows: tuple[ProcessFlow, ...],
                 properties: tuple[Property, ...], numbers: dict[str, int], goals: dict[str, int],
                 ) -> None:
        self.system, self.layout, self.touch, self.flows = system, placed, touch, flows
        self.shared: dict[int, list[tuple[Slot, tuple[Var | None, ...]]]] = {}
        for s in placed.shared:
            self.shared.setdefault(s.process, []).append((s.slot, s.occupant))
        steps: list[tuple[int, Expr]] = []           # (check number, condition of a hit over OLD, VAR, OCCURS)
        for p in properties:
            if p.form is Form.STEP:
                steps.append((numbers[p.key], not_(p.formula)))
            elif p.form is Form.REACHABLE_STEP:
                steps.append((numbers[p.key], p.formula))
            elif p.form is Form.RECURRENCE:
                steps.append((goals[p.key], p.goal))
        self.steps = [StepCheck(system, number, formula) for number, formula in steps]
        self.numbers = numbers

    def check(self, p: Property, formula: Expr) -> Check:
        hit = not_(formula) if p.form is Form.INVARIANT else formula
        skip: dict[int, frozenset[int]] = {}
        read = hit.reads
        for q in self.system.processes:
            if q.pc in read:
                groups = fixed_at(hit, q.pc, Op.VAR, len(q.locations))
                skip[q.index] = frozenset(at for ats, residual in groups if residual is FALSE for at in ats)
        return Check(self.numbers[p.key], p.key, hit, {q: ats for q, ats in skip.items() if ats})

    # -- edges ----------------------------------------------------------------------------------------------------

    def edges(self) -> list[PlannedEdge]:
        out = []
        for flow in self.flows:
            for e, guard, assigns in flow.edges:
                known = flow.known[e.src]
                assert known is not None
                out.append(self.edge(e, guard, assigns, flow, known))
        return sorted(out, key=lambda e: e.index)

    def edge(self, e: Edge, guard: Expr, assigns: tuple[tuple[Var, Expr], ...], flow: ProcessFlow, known: Known
             ) -> PlannedEdge:
        pc = self.system.processes[e.process].pc
        values = dict(assigns)
        ranges = tuple((x, v.type.lo, v.type.hi) for v, x in assigns if needs_check(v.type, x))
        writes: list[tuple[Slot, Expr, int]] = []
        values[pc] = const(e.dst, pc.type)
        for v, x in values.items():
            f = self.layout.fields[v]
            same = x is var(v) or (v == pc and e.src == e.dst)
            if f.slot is not None and f.stored is None and f.slot.width and not same:
                writes.append((f.slot, x, lowest(v)))
        for slot, occupant in self.shared.get(e.process, ()):
            before, after = occupant[e.src], occupant[e.dst]
            if after is None:
                if before is not None:
                    writes.append((slot, FALSE, 0))
            elif after in values:
                if values[after] is not var(after) or before != after:
                    writes.append((slot, values[after], lowest(after)))
            elif before != after:
                writes.append((slot, const(known[after], after.type), lowest(after)))
        return PlannedEdge(e.index, e.process, e.src, guard, tuple(writes), ranges, self.hits(e, guard, values))

    def hits(self, e: Edge, guard: Expr, values: dict[Var, Expr]) -> tuple[tuple[int, Expr], ...]:
        """Conditions, over the state before the step, under which step checks hit on this edge."""
        found = ((c.number, c.hit(e, guard, values)) for c in self.steps)
        return tuple((number, hit) for number, hit in found if hit is not FALSE)
