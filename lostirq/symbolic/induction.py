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

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Generic, TypeVar, cast

import z3

from lostirq.ir.expr import TRUE, Expr, Kind, Op, Var, and_, apply, const, fold, integer, le, var
from lostirq.ir.system import Edge, System
from lostirq.symbolic.asking import Questions
from lostirq.symbolic.encode import Encoder, conjuncts_of, effect
from lostirq.symbolic.families import Family, families
from lostirq.symbolic.outcome import (
    Answer,
    BaseFails,
    Conjunct,
    Counterexample,
    Gave,
    NotInductive,
    Outcome,
    Proved,
    Statistics,
    Tally,
    Undecided,
    Valid,
)
from lostirq.symbolic.rewrite import Rewriter

RANGE = "range"  # name of the obligation that an edge assigns no Int outside its range
DEFAULT_RLIMIT = 50_000_000


Premise = dict[Var, int]
Select = Callable[[list[Family]], list[Family]]
T = TypeVar("T")


def evaluate(e: Expr, state: dict[Var, int]) -> int:
    """The value of an expression without OLD, OCCURS and EMPTY in a state."""
    return fold(e, lambda n, args: state[cast(Var, n.payload)] if n.op is Op.VAR else apply(n, args))


class ByPlace(Generic[T]):
    """Things about program locations, found by the location of a process: those with a premise about it that says
    another location are left out.  Look-ups are in the order in which things were added, and are remembered."""

    def __init__(self, items: Iterable[tuple[T, Premise]]) -> None:
        self._items = list(items)
        self._split: dict[Var, tuple[list[int], dict[int, list[int]]]] = {}
        self._found: dict[tuple[Var, int], list[T]] = {}

    def add(self, item: T, premise: Premise) -> None:
        self._items.append((item, premise))
        self._split.clear()
        self._found.clear()

    def at(self, pc: Var, place: int) -> list[T]:
        """Do not change it."""
        found = self._found.get((pc, place))
        if found is None:
            anywhere, by_place = self._by(pc)
            numbers = sorted(anywhere + by_place.get(place, []))
            found = self._found[pc, place] = [self._items[i][0] for i in numbers]
        return found

    def _by(self, pc: Var) -> tuple[list[int], dict[int, list[int]]]:
        if pc not in self._split:
            anywhere: list[int] = []
            by_place: dict[int, list[int]] = {}
            for i, (_, premise) in enumerate(self._items):
                (by_place.setdefault(premise[pc], []) if pc in premise else anywhere).append(i)
            self._split[pc] = anywhere, by_place
        return self._split[pc]


class Prover:
    """What all queries over one system and one set of hypotheses share."""

    def __init__(
        self, system: System, hypotheses: Iterable[Expr], rlimit: int = DEFAULT_RLIMIT, inputs: Iterable[Var] = ()
    ) -> None:
        if not system.flat:
            raise ValueError("induction reads a flat system: lower it first")
        self.system, self.rlimit = system, rlimit
        self.rewriter = Rewriter([*system.variables, *inputs])
        self.encoder = Encoder(self.rewriter.variables)
        self.counters = self.rewriter.mask_of(p.pc for p in system.processes)
        self._counters = frozenset(p.pc for p in system.processes)
        self.questions = Questions(self.rewriter, self.encoder, self.counters, rlimit)
        self._hypotheses = ByPlace((h, self.premise(h)) for given in hypotheses for h in conjuncts_of(given))
        self._places: dict[tuple[int, int], dict[Expr, int]] = {}

    def premise(self, e: Expr) -> Premise:
        """Program counters and values without which the formula is true: it is of the form `pc = 7 implies ...`."""
        found: Premise = {}
        for part in e.args if e.op is Op.OR else ():
            for atom in conjuncts_of(part.args[0]) if part.op is Op.NOT else ():
                if atom.op is Op.EQ and atom.args[0].payload in self._counters and atom.args[1].op is Op.CONST:
                    found[atom.args[0].payload] = cast(int, atom.args[1].payload)
        return found

    def learn(self, formula: Expr) -> None:
        """One hypothesis more, also where the hypotheses at a location are known already."""
        for h in conjuncts_of(formula):
            premise = self.premise(h)
            self._hypotheses.add(h, premise)
            for (process, place), found in self._places.items():
                pc = self.system.processes[process].pc
                if premise.get(pc, place) == place:
                    here = self.rewriter.replace(h, {pc: const(place, pc.type)}, {}, self.rewriter.mask_of([pc]))
                    found.update((part, self.rewriter.mask(part)) for part in conjuncts_of(here) if part is not TRUE)

    def known(self, process: int, place: int) -> dict[Expr, int]:
        """The hypotheses at a location of a process, its program counter put in, with their variables."""
        found = self._places.get((process, place))
        if found is None:
            found = {}
            pc = self.system.processes[process].pc
            mapping, memo = {pc: const(place, pc.type)}, dict[Expr, Expr]()
            touched = self.rewriter.mask_of(mapping)
            for h in self._hypotheses.at(pc, place):
                for part in conjuncts_of(self.rewriter.replace(h, mapping, memo, touched)):
                    if part is not TRUE:
                        found[part] = self.rewriter.mask(part)
            self._places[process, place] = found
        return found


class StepQueries:
    """The queries of one edge."""

    def __init__(self, prover: Prover, edge: Edge) -> None:
        self._prover, self._edge = prover, edge
        rewriter, process = prover.rewriter, prover.system.processes[edge.process]
        self._here = {process.pc: const(edge.src, process.pc.type)}
        self._here_memo: dict[Expr, Expr] = {}
        self._here_mask = rewriter.mask_of(self._here)
        self._changed = {v: self.reduced(rhs) for v, rhs in effect(prover.system, edge).items()}
        self._after = {**self._here, **self._changed}
        self._after_memo: dict[Expr, Expr] = {}
        self._after_mask = rewriter.mask_of(self._after)
        self.written = rewriter.mask_of(self._changed)
        self._place = edge.process, edge.src
        self._known = prover.known(*self._place)
        guard = self.reduced(and_(process.runs, edge.guard))
        self._guard = {g: rewriter.mask(g) for g in conjuncts_of(guard) if g is not TRUE}

    def reduced(self, e: Expr) -> Expr:
        """The expression at the source of the edge."""
        return self._prover.rewriter.replace(e, self._here, self._here_memo, self._here_mask)

    def after(self, v: Var) -> Expr:
        """The value of a variable after the edge, over the state before."""
        return self._after.get(v, var(v))

    def range_goals(self) -> Iterator[Expr]:
        """What must hold before the edge for its assignments to stay in range, where types do not say that they do.
        The type of a DECODE is taken at its word: only store buffers are decoded, and a store is checked when it enters
        one (`lostirq.ir.tso`), so that what they hold is in range."""
        for v, rhs in self._changed.items():
            if v.type.kind is Kind.INT and not v.type.lo <= rhs.type.lo <= rhs.type.hi <= v.type.hi:
                yield self.open(and_(le(integer(v.type.lo), rhs), le(rhs, integer(v.type.hi))))

    def precondition(self, goal: Expr) -> Expr:
        """What must hold before the edge for the goal to hold after it, beyond the hypotheses; TRUE if nothing."""
        return self.open(self._prover.rewriter.replace(goal, self._after, self._after_memo, self._after_mask))

    def open(self, goal: Expr) -> Expr:
        """The formula without what the hypotheses and the guard say already."""
        return and_(*(g for g in conjuncts_of(goal) if g not in self._known and g not in self._guard))

    def implied(self, goal: Expr) -> bool:
        """Does the formula hold in every state where the edge can be taken and the hypotheses hold?  False: that is not
        known."""
        return goal is TRUE or self._ask(goal)[0] == z3.unsat

    def _ask(self, goal: Expr) -> tuple[z3.CheckSatResult, z3.Solver]:
        return self._prover.questions.ask(self._place, self._known, self._guard, goal)

    def holds(self, name: str, goal: Expr) -> Answer:
        """The same, with a state in which it does not."""
        if goal is TRUE:
            return Valid(False)
        answer, solver = self._ask(goal)
        if answer == z3.unsat:
            return Valid(True)
        if answer == z3.sat:
            return self._counterexample(name, solver.model())
        return Gave(solver.reason_unknown() or "unknown")

    def _counterexample(self, name: str, model: z3.ModelRef) -> Counterexample:
        return self.shown(name, {v: self._prover.encoder.value(model, v) for v in self._prover.rewriter.variables})

    def shown(self, name: str, state: dict[Var, int]) -> Counterexample:
        """The step from a state; where the program counter of the edge is, is not looked at."""
        system = self._prover.system
        state = state | {system.processes[self._edge.process].pc: self._edge.src}
        new = state | {v: evaluate(rhs, state) for v, rhs in self._changed.items()}
        fits = all(v.type.kind is not Kind.INT or v.type.lo <= new[v] <= v.type.hi for v in self._changed)
        before, after = (tuple(values[v] for v in system.variables) for values in (state, new))
        return Counterexample(name, self._edge.index, before, after if fits else None)


def step_query(
    system: System, edge: Edge, hypotheses: Iterable[Expr], goal: Expr, rlimit: int = DEFAULT_RLIMIT
) -> Answer:
    """Does the goal hold after the edge, from every state (of the right types) in which the hypotheses hold?"""
    queries = StepQueries(Prover(system, hypotheses, rlimit), edge)
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
    select: Select = list,
) -> Outcome:
    """Is the conjunction of the conjuncts inductive, and does no edge leave a range?  Reports at most `most`
    counterexamples.  `progress(done, edges)` is called after each edge.  `select` gives the edges to be tried, in
    their order, by families: if it leaves some out, so does the answer."""
    invariant = tuple(conjuncts)
    failing = base_fails(system, invariant)
    if failing:
        return BaseFails(failing)
    grouped = select(families(system.edges))
    unknowns = dict.fromkeys(f.input for f in grouped if f.input is not None)
    prover = Prover(system, (c.formula for c in invariant), rlimit, unknowns)
    masks = ((c, prover.rewriter.mask(c.formula)) for c in invariant)
    places = ByPlace(((c, mask), prover.premise(c.formula)) for c, mask in masks)

    def decide(family: Family, tally: Tally) -> None:
        step = _Step(prover, len(invariant), places, family.general)
        if family.input is None or step.valid():
            step.one_by_one(tally, most)
            return
        for edge in family.members:
            if len(tally.found) < most:
                _Step(prover, len(invariant), places, edge).one_by_one(tally, most)

    return over_families(grouped, decide, most, progress)


def over_families(grouped: Sequence[Family], decide: Callable[[Family, Tally], None], most: int,
                  progress: Callable[[int, int], None] | None) -> Outcome:
    """Decide family after family, until `most` counterexamples are found."""
    tally = Tally()
    done, edges = 0, sum(len(f.members) for f in grouped)
    for family in grouped:
        decide(family, tally)
        done += len(family.members)
        if progress is not None:
            progress(done, edges)
        if len(tally.found) >= most:
            break
    if tally.found:
        return NotInductive(tuple(tally.found[:most]))
    return Undecided(tuple(tally.gave)) if tally.gave else Proved(Statistics(*tally.counts))


class _Step:
    """All obligations of one edge, or of the general edge of a family."""

    def __init__(self, prover: Prover, size: int, places: ByPlace[tuple[Conjunct, int]], edge: Edge) -> None:
        self.edge = edge
        self.queries = StepQueries(prover, edge)
        pc = prover.system.processes[edge.process].pc
        written = self.queries.written
        touched = [c for c, mask in places.at(pc, edge.dst) if mask & written]
        goals = [(c.name, self.queries.precondition(c.formula)) for c in touched]
        self.open = [(name, goal) for name, goal in goals if goal is not TRUE]
        self.sliced, self.simplified = size - len(touched), len(touched) - len(self.open)
        for goal in self.queries.range_goals():
            self.open += [(RANGE, goal)] if goal is not TRUE else []
        self._valid: bool | None = None

    def valid(self) -> bool:
        """All at once."""
        if self._valid is None:
            self._valid = self.queries.implied(and_(*(goal for _, goal in self.open)))
        return self._valid

    def one_by_one(self, tally: Tally, most: int) -> None:
        """Add what fails and what is undecided, and count; up to so many that fail."""
        tally.counts[0] += self.sliced
        tally.counts[1] += self.simplified
        for name, goal in self.open:
            if len(tally.found) >= most:
                return
            answer: Answer = Valid(True) if self.valid() else self.queries.holds(name, goal)
            if isinstance(answer, Counterexample):
                tally.found.append(answer)
            elif isinstance(answer, Gave):
                tally.gave.append((name, self.edge.index, answer.reason))
            else:
                tally.counts[2] += 1
