# SPDX-License-Identifier: GPL-2.0-or-later
"""What is missing for a set of conjuncts to be inductive, found by itself as far as it can be.

The conjuncts are tried; a counterexample to induction is reduced to the variables that matter, and if no state of a
small explicit instance has the same values of two features of them, or of three, the table of these features
(`lostirq.symbolic.candidates`) is a lemma that excludes it.  The lemma is then tried in the same way, and weakened
where nothing excludes a step that breaks it (`lostirq.symbolic.houdini`).  So only what is needed is looked at, and
what the small instance suggests wrongly costs time, never soundness: all is proved again at full width by
`lostirq.symbolic.induction`.

Where no table excludes a counterexample it is reported with the variables that matter, and with whether a state of the
small instance agrees with it on their features: yes, no, or that cannot be told because a variable has no counterpart.

References: Bradley 2011, "SAT-based model checking without unrolling"; Padon et al. 2016, "Ivy: safety verification by
interactive generalization" (counterexamples to induction, generalised); Garg et al. 2014, "ICE" (examples as filter).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import Enum
from itertools import combinations
from typing import cast

import z3

from lostirq.ir.expr import TRUE, Expr, Kind, Var, and_, const, eq, not_, or_, var
from lostirq.ir.system import System
from lostirq.symbolic.candidates import SUPPORT, Columns, Feature, Table, both, features
from lostirq.symbolic.encode import Encoder
from lostirq.symbolic.houdini import RLIMIT, Houdini, Move, Open, State
from lostirq.symbolic.induction import RANGE, Prover, StepQueries, evaluate
from lostirq.symbolic.infer_step import Essential, essential
from lostirq.symbolic.outcome import Conjunct, Counterexample, NotInductive

MOST = 300      # tables that are taken in
WIDE = 14       # features of a counterexample among which triples are looked for


class Reachable(Enum):
    """Whether a state of the small instance agrees with a counterexample on what matters of it."""

    YES = "a reachable state of the small instance agrees with it"
    NO = "no reachable state of the small instance agrees with it"
    NOT_SEEN = "no sampled state of the small instance agrees with it"
    NO_COUNTERPART = "the small instance has no counterpart of it"


@dataclass(frozen=True, slots=True)
class Gap:
    """A step that breaks `target` and that no candidate excludes.  `before`: what matters of the state before, without
    the program counter that steps; empty, and without a counterexample, if the solver gave up."""

    target: str
    edge: int
    before: tuple[Essential, ...]
    reachable: Reachable
    counterexample: Counterexample | None


@dataclass(frozen=True, slots=True)
class Inferred:
    """`conjuncts` were found; with them the targets are inductive if there are no gaps, the smallest first.
    `weakest`: tables given up because the solver gave up."""

    conjuncts: tuple[Conjunct, ...] = ()
    gaps: tuple[Gap, ...] = ()
    queries: int = 0
    counterexamples: int = 0
    weakest: tuple[str, ...] = ()

    def outcome(self) -> NotInductive | None:
        """What the gaps say of the proof, if they say anything."""
        steps = [gap.counterexample for gap in self.gaps if gap.counterexample is not None]
        return NotInductive(tuple(steps)) if steps else None


class _Blocker:
    """Finds tables that exclude a state."""

    def __init__(self, pool: Sequence[Feature], support: int) -> None:
        self.pool, self.support = tuple(pool), support
        self.made: dict[tuple[Feature, ...], Table] = {}
        self.taken: set[tuple[Feature, ...]] = set()
        self.search: Houdini | None = None

    def __call__(self, move: Move, goal: Expr, state: State, fits: bool) -> Table | None:
        assert self.search is not None
        core = minimal(self.search.prover, possible(move, fits), goal, state)
        for key in self._tuples(move, core):
            if key not in self.taken and not self._table(key).has(*self._values(self._table(key), state)):
                self.taken.add(key)
                return self._table(key)
        return None

    def relevant(self, core: Iterable[Var], process: int) -> list[Feature]:
        """The features that look at variables of a core, the program counter of the process first."""
        assert self.search is not None
        rewriter = self.search.prover.rewriter
        mask = rewriter.mask_of(core)
        own = [f for f in self.pool if f.counter == process]
        return own + [f for f in self.pool if f.counter != process and rewriter.mask(f.term) & mask]

    def _tuples(self, move: Move, core: Sequence[Var]) -> Iterator[tuple[Feature, ...]]:
        """Sets of features to look at, the most local first."""
        near = self.relevant(core, move.edge.process)
        yield from combinations(near, 2)
        yield from combinations(near[:WIDE], 3)

    def _table(self, key: tuple[Feature, ...]) -> Table:
        if key not in self.made:
            if len(key) == 2:
                self.made[key] = Table(key[0], key[1], self.support)
            else:
                large, *small = sorted(key, key=lambda f: -len(f.values))
                self.made[key] = Table(large, both(small[0], small[1]), self.support)
        return self.made[key]

    def _values(self, table: Table, state: State) -> tuple[int, int]:
        return cast(tuple[int, int], tuple(value_of_feature(f, state) for f in (table.first, table.second)))


def value_of_feature(f: Feature, state: State) -> int:
    """The value of a feature in a state of the full system."""
    indices = [a.values.index(evaluate(a.term, state)) for a in f.atoms()]
    return indices[0] * len(f.parts[1].values) + indices[1] if f.parts else f.values[indices[0]]


def possible(move: Move, fits: bool) -> Expr:
    """That a move can be taken; in range, if it `fits`."""
    return and_(move.guard, move.fits) if fits else move.guard


def minimal(prover: Prover, guard: Expr, goal: Expr, state: State) -> list[Var]:
    """The variables whose values in a state are enough for the guard to hold and the goal to fail, none of which can
    be left out.  One query per variable."""
    bad = or_(not_(guard), goal)
    rewriter = prover.rewriter
    left = list(rewriter.members(rewriter.mask(bad)))
    encoder = Encoder(left)
    solver = z3.SolverFor("QF_BV")
    solver.set("rlimit", prover.rlimit)
    solver.add(*encoder.in_range(left), encoder.term(bad))
    literals = {v: z3.Bool(f"value {i}") for i, v in enumerate(left)}
    for v in left:
        solver.add(z3.Implies(literals[v], encoder.term(_value(v, state[v]))))
    names = {literals[v]: v for v in left}
    if solver.check(*literals.values()) != z3.unsat:
        return left
    core = [names[literal] for literal in solver.unsat_core()]
    for v in sorted(core, key=left.index, reverse=True):
        if v not in core:
            continue
        if solver.check(*(literals[w] for w in core if w is not v)) == z3.unsat:
            core = [names[literal] for literal in solver.unsat_core()]
    return sorted(core, key=left.index)


def _value(v: Var, value: int) -> Expr:
    return eq(var(v), const(value, v.type)) if v.type.kind is not Kind.BOOL else var(v) if value else not_(var(v))


def infer(
    system: System, small: System, columns: Columns, targets: Iterable[Conjunct], given: Iterable[Conjunct] = (), *,
    complete: bool = False, most: int = MOST, rlimit: int = RLIMIT,
    progress: Callable[[int, int, int], None] | None = None,
) -> Inferred:  # fmt: skip
    """Find conjuncts with which the targets are inductive.  `columns`: reachable states of the small instance, all of
    them if `complete`; `given`: what is assumed here and proved along with the result; `most`: how many tables are
    tried.  Deterministic.  Raises `UsageError` if the small system is no instance of the same code."""
    pool = features(system, small, columns)
    blocker = _Blocker(pool, 0 if complete else SUPPORT)
    search = Houdini(system, (), given, targets=targets, pool=pool, blocker=blocker, rlimit=rlimit, most=most)
    blocker.search = search
    search.run(progress)
    if not search.open:
        search.reduce()
    found = [t.conjunct() for t in search.tables]
    gaps = tuple(_gap(blocker, search, o, complete) for _, o in sorted(search.open.items()))
    useful = tuple(c for c in found if c.formula is not TRUE)
    ordered = sorted(gaps, key=lambda g: (g.counterexample is None, len(g.before), g.edge))
    weakest = tuple(t.name for t in search.given_up)
    return Inferred(useful, tuple(ordered), search.queries, search.counterexamples, weakest)


def _gap(blocker: _Blocker, search: Houdini, o: Open, complete: bool) -> Gap:
    edge = search.member(o.move, o.state)
    if o.state is None:
        return Gap(o.target, edge.index, (), Reachable.NO_COUNTERPART, None)
    goal = search.obligations(o.move)[o.target]
    before = tuple(essential(possible(o.move, o.target != RANGE), goal, o.state))
    core = [e.var for e in before]
    near = blocker.relevant(core, edge.process)
    wanted = [value_of_feature(f, o.state) for f in near]
    seen = any(list(row) == wanted for row in zip(*(f.column for f in near), strict=True))
    covered = 0
    for f in near:
        covered |= search.prover.rewriter.mask(f.term)
    reachable = Reachable.NO if complete else Reachable.NOT_SEEN
    if seen:
        reachable = Reachable.YES
    elif search.prover.rewriter.mask_of(core) & ~covered:
        reachable = Reachable.NO_COUNTERPART
    return Gap(o.target, edge.index, before, reachable, StepQueries(search.prover, edge).shown(o.target, o.state))
