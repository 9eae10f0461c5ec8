# SPDX-License-Identifier: GPL-2.0-or-later
"""Properties of steps: every edge, from every state that an inductive invariant allows, satisfies the formula.

The obligation of an edge: invariant and guard imply the formula, in which OLD reads the state before, VAR the state
after, and OCCURS is true for the events of the edge.  Nothing is assumed of the state after: that the invariant is
inductive is another proof (`lostirq.symbolic.induction`), and both are needed.

Instances that differ only in a number, one per vector, are one formula with that number unknown.

Reference: Manna and Pnueli 1995, "Temporal Verification of Reactive Systems: Safety", chapter 1 (waiting-for formulas).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import cast

from lostirq.ir.expr import FALSE, TRUE, Expr, Op, Var, and_, eq, fold, or_, postorder, rebuild, var
from lostirq.ir.system import Edge, Event, System
from lostirq.symbolic.families import Family, Pattern, families, patterns
from lostirq.symbolic.induction import DEFAULT_RLIMIT, Prover, Select, StepQueries, over_families
from lostirq.symbolic.outcome import Conjunct, Counterexample, Gave, Outcome, Tally


def over_step(
    formula: Expr, events: Sequence[Event], before: Callable[[Var], Expr], after: Callable[[Var], Expr]
) -> Expr:
    """The formula of a step property, for a step with these events, as one over the state before it."""

    def visit(node: Expr, args: list[Expr]) -> Expr:
        if node.op is Op.OLD:
            return before(cast(Var, node.payload))
        if node.op is Op.VAR:
            return after(cast(Var, node.payload))
        if node.op is Op.OCCURS:
            same = [event for event in events if event.name == node.payload and len(event.args) == len(args)]
            return or_(*(and_(*(eq(a, b) for a, b in zip(args, e.args, strict=True))) for e in same)) if same else FALSE
        return rebuild(node, args) if args else node

    return fold(formula, visit)


class _Shape:
    """A property, with what it is about.  `still`: a step that changes nothing of that satisfies it."""

    def __init__(self, pattern: Pattern) -> None:
        self.pattern = pattern
        nodes = list(postorder([pattern.general]))
        self.read = frozenset(cast(Var, n.payload) for n in nodes if n.op in (Op.VAR, Op.OLD))
        self.events = frozenset(n.payload for n in nodes if n.op is Op.OCCURS)
        self.still = over_step(pattern.general, (), var, var) is TRUE


def prove_steps(
    system: System,
    invariant: Iterable[Conjunct],
    goals: Sequence[Conjunct],
    *,
    rlimit: int = DEFAULT_RLIMIT,
    most: int = 1,
    progress: Callable[[int, int], None] | None = None,
    select: Select = list,
) -> Outcome:
    """Does every step from a state of the invariant satisfy the goals?  The formulas of the goals are over steps.
    `select` as in `lostirq.symbolic.induction.prove`."""
    shapes = [_Shape(p) for p in patterns([g.formula for g in goals])]
    grouped = select(families(system.edges))
    unknowns = (*(f.input for f in grouped), *(s.pattern.input for s in shapes))
    inputs = dict.fromkeys(x for x in unknowns if x is not None)
    prover = Prover(system, (c.formula for c in invariant), rlimit, inputs)

    def decide(family: Family, tally: Tally) -> None:
        written = {v for v, _ in family.general.assigns} | {system.processes[family.general.process].pc}
        events = {event.name for event in family.general.events}
        for shape in shapes:
            if shape.still and written.isdisjoint(shape.read) and events.isdisjoint(shape.events):
                tally.counts[0] += 1
            else:
                _decide(prover, family, shape.pattern, goals, tally)

    return over_families(grouped, decide, most, progress)


def _decide(prover: Prover, family: Family, shape: Pattern, goals: Sequence[Conjunct], tally: Tally) -> None:
    """One property over one family; if it fails in general, one edge and one instance after the other."""
    names = [goals[i] for i in shape.members]
    queries = StepQueries(prover, family.general)
    goal = obligation(queries, family.general, shape.general)
    if goal is TRUE:
        tally.counts[1 if family.general.events or queries.written else 0] += 1
        return
    answer = queries.holds(names[0].name, goal)
    if isinstance(answer, Gave) or (isinstance(answer, Counterexample) and (family.input or shape.input)):
        _one_by_one(prover, family, names, tally)
    elif isinstance(answer, Counterexample):
        tally.found.append(answer)
    else:
        tally.counts[2] += 1


def _one_by_one(prover: Prover, family: Family, names: Sequence[Conjunct], tally: Tally) -> None:
    for edge in family.members:
        queries = StepQueries(prover, edge)
        for goal in names:
            answer = queries.holds(goal.name, obligation(queries, edge, goal.formula))
            if isinstance(answer, Counterexample):
                tally.found.append(answer)
                return
            if isinstance(answer, Gave):
                tally.gave.append((goal.name, edge.index, answer.reason))
                return
            tally.counts[2] += 1


def obligation(queries: StepQueries, edge: Edge, formula: Expr) -> Expr:
    """What must hold before the edge for its step to satisfy the formula, beyond the hypotheses; TRUE if nothing."""
    reduced = over_step(formula, edge.events, lambda v: queries.reduced(var(v)), queries.after)
    return queries.open(queries.reduced(reduced))
