# SPDX-License-Identifier: GPL-2.0-or-later
"""Inductive proofs over a flat system, for any length of run: the base and one query per (edge, conjunct).

A set of conjuncts is inductive if all hold initially and every edge that starts in a state where all hold leads to one
where all hold.  Then all hold in every reachable state.  A step is decided, cheapest first, by
  slicing        an edge that writes no variable of the conjunct keeps it;
  simplification the weakest precondition, with the program counter of the edge put in, is true or a hypothesis;
  a solver       hypotheses and guard and not the weakest precondition is unsatisfiable; first for all conjuncts that
                 are left of an edge at once, one by one only if that is not.
That no edge assigns an Int outside its range is proved along with it: the encoding assumes ranges of the state before.

Invariant: only `Proved` is success.  A solver that gives up is `Undecided`; its limit is a resource count, so that two
runs on any machines give the same answer.

References: Manna and Pnueli 1995, "Temporal Verification of Reactive Systems: Safety", chapter 1 (rule INV);
Dijkstra 1975, "Guarded commands, nondeterminacy and formal derivation of programs" (weakest preconditions).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

import z3

from lostirq.ir.expr import TRUE, Expr, Kind, Op, Var, and_, apply, fold, integer, le, substitute, variables
from lostirq.ir.system import Edge, System
from lostirq.symbolic.encode import Encoder, at_source, effect, enabled, weakest_precondition

RANGE = "range"  # name of the obligation that an edge assigns no Int outside its range
DEFAULT_RLIMIT = 50_000_000


@dataclass(frozen=True, slots=True)
class Conjunct:
    """One part of an inductive invariant; `name` for reports, e.g. "Q-7[0]" or the name of a lemma."""

    name: str
    formula: Expr


@dataclass(frozen=True, slots=True)
class Counterexample:
    """Two states: all conjuncts hold in `before`, which need not be reachable; after the edge `conjunct` fails.  Values
    are in the order of the system's variables; `after` is None if the edge assigns out of range."""

    conjunct: str
    edge: int
    before: tuple[int, ...]
    after: tuple[int, ...] | None


@dataclass(frozen=True, slots=True)
class Statistics:
    """How the obligations were discharged: (edge, conjunct) pairs."""

    sliced: int = 0
    simplified: int = 0
    solved: int = 0


@dataclass(frozen=True, slots=True)
class Proved:
    statistics: Statistics


@dataclass(frozen=True, slots=True)
class BaseFails:
    """The conjuncts that are false in the initial state."""

    conjuncts: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class NotInductive:
    counterexamples: tuple[Counterexample, ...]


@dataclass(frozen=True, slots=True)
class Undecided:
    """`open`: the (conjunct, edge) pairs that the solver gave up, with its reason."""

    open: tuple[tuple[str, int, str], ...]


Outcome = Proved | BaseFails | NotInductive | Undecided


@dataclass(frozen=True, slots=True)
class Valid:
    """The goal holds after the edge; `solved` tells whether a solver was asked."""

    solved: bool


@dataclass(frozen=True, slots=True)
class Gave:
    """The solver gave up, for this reason."""

    reason: str


Answer = Valid | Counterexample | Gave


def evaluate(e: Expr, state: dict[Var, int]) -> int:
    """The value of an expression without OLD, OCCURS and EMPTY in a state."""
    return fold(e, lambda n, args: state[n.payload] if n.op is Op.VAR else apply(n, args))  # type: ignore[index]


def conjuncts_of(e: Expr) -> tuple[Expr, ...]:
    return e.args if e.op is Op.AND else (e,)


class StepQueries:
    """The queries of one edge under fixed hypotheses.  The solver is made when the first goal needs it."""

    def __init__(self, system: System, edge: Edge, hypotheses: Iterable[Expr], rlimit: int = DEFAULT_RLIMIT) -> None:
        if not system.flat:
            raise ValueError("induction reads a flat system: lower it first")
        self._system, self._edge, self._rlimit = system, edge, rlimit
        self._here = at_source(system, edge)
        self._changed = effect(system, edge)
        self._memo: dict[Expr, Expr] = {}
        self._after: dict[Expr, Expr] = {}
        known: dict[Expr, None] = {}
        for h in (enabled(system, edge), *hypotheses):
            known.update(dict.fromkeys(conjuncts_of(substitute(h, self._here, self._memo))))
        known.pop(TRUE, None)
        self._known = known
        self._encoder: Encoder | None = None
        self._solver: z3.Solver | None = None

    def range_goals(self) -> Iterator[Expr]:
        """What must hold before the edge for its assignments to stay in range, over the state before."""
        for v, rhs in self._edge.assigns:
            if v.type.kind is Kind.INT and not v.type.lo <= rhs.type.lo <= rhs.type.hi <= v.type.hi:
                yield and_(le(integer(v.type.lo), rhs), le(rhs, integer(v.type.hi)))

    def writes(self, goal: Expr) -> bool:
        return any(v in self._changed for v in variables([goal]))

    def precondition(self, goal: Expr) -> Expr:
        """What must hold before the edge for the goal to hold after it, beyond the hypotheses; TRUE if nothing."""
        return self.reduced(weakest_precondition(self._changed, goal, self._after))

    def reduced(self, goal: Expr) -> Expr:
        """A formula over the state before, without what the hypotheses say already."""
        here = substitute(goal, self._here, self._memo)
        return and_(*(g for g in conjuncts_of(here) if g not in self._known))

    def holds(self, name: str, goal: Expr) -> Answer:
        """Does a reduced formula hold in every state where the edge can be taken and the hypotheses hold?"""
        if goal is TRUE:
            return Valid(False)
        solver, encoder = self._prepare()
        solver.push()
        solver.add(z3.Not(encoder.term(goal)))
        answer = solver.check()
        try:
            if answer == z3.unsat:
                return Valid(True)
            if answer == z3.sat:
                return self._counterexample(name, encoder, solver.model())
            return Gave(solver.reason_unknown() or "unknown")
        finally:
            solver.pop()

    def _prepare(self) -> tuple[z3.Solver, Encoder]:
        if self._solver is None or self._encoder is None:
            self._encoder = Encoder(self._system.variables)
            self._solver = z3.SolverFor("QF_BV")
            self._solver.set("rlimit", self._rlimit)
            self._solver.add(*self._encoder.in_range(), *(self._encoder.term(h) for h in self._known))
        return self._solver, self._encoder

    def _counterexample(self, name: str, encoder: Encoder, model: z3.ModelRef) -> Counterexample:
        state = {v: encoder.value(model, v) for v in self._system.variables}
        state[self._system.processes[self._edge.process].pc] = self._edge.src
        new = state | {v: evaluate(rhs, state) for v, rhs in self._changed.items()}
        fits = all(v.type.kind is not Kind.INT or v.type.lo <= new[v] <= v.type.hi for v in self._changed)
        return Counterexample(name, self._edge.index, tuple(state.values()), tuple(new.values()) if fits else None)


def step_query(
    system: System, edge: Edge, hypotheses: Iterable[Expr], goal: Expr, rlimit: int = DEFAULT_RLIMIT
) -> Answer:
    """Does the goal hold after the edge, from every state (of the right types) in which the hypotheses hold?"""
    queries = StepQueries(system, edge, hypotheses, rlimit)
    return queries.holds("goal", queries.precondition(goal))


def base_fails(system: System, conjuncts: Iterable[Conjunct]) -> tuple[str, ...]:
    """The names of the conjuncts that are false in the initial state."""
    state = dict(zip(system.variables, system.initial(), strict=True))
    return tuple(c.name for c in conjuncts if not evaluate(c.formula, state))


def prove(
    system: System,
    conjuncts: Iterable[Conjunct],
    *,
    rlimit: int = DEFAULT_RLIMIT,
    most: int = 1,
    progress: Callable[[int, int], None] | None = None,
) -> Outcome:
    """Is the conjunction of the conjuncts inductive, and does no edge leave a range?  Reports at most `most`
    counterexamples.  `progress(done, edges)` is called after each edge."""
    invariant = tuple(conjuncts)
    failing = base_fails(system, invariant)
    if failing:
        return BaseFails(failing)
    hypotheses = tuple(c.formula for c in invariant)
    found: list[Counterexample] = []
    gave: list[tuple[str, int, str]] = []
    sliced = simplified = solved = 0
    for done, edge in enumerate(system.edges, 1):
        queries = StepQueries(system, edge, hypotheses, rlimit)
        touched = [c for c in invariant if queries.writes(c.formula)]
        goals = [(c.name, queries.precondition(c.formula)) for c in touched]
        goals += [(RANGE, queries.reduced(g)) for g in queries.range_goals()]
        open_ = [(name, goal) for name, goal in goals if goal is not TRUE]
        sliced += len(invariant) - len(touched)
        simplified += len(goals) - len(open_)
        if isinstance(queries.holds("all", and_(*(goal for _, goal in open_))), Valid):
            solved += len(open_)
        else:
            for name, goal in open_:
                answer = queries.holds(name, goal)
                if isinstance(answer, Counterexample):
                    found.append(answer)
                elif isinstance(answer, Gave):
                    gave.append((name, edge.index, answer.reason))
                else:
                    solved += 1
        if progress is not None:
            progress(done, len(system.edges))
        if len(found) >= most:
            break
    if found:
        return NotInductive(tuple(found[:most]))
    return Undecided(tuple(gave)) if gave else Proved(Statistics(sliced, simplified, solved))
