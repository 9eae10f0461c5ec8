# SPDX-License-Identifier: GPL-2.0-or-later
"""Candidates are weakened by counterexamples to induction until what is left is inductive.

Each edge is tried from every state that the tables, the given facts and its guard allow.  A counterexample is a step to
a pair of values that a table forbids.  If a *blocker* knows another candidate that excludes its first state, that table
is taken in; else the pair is allowed from then on.  The edges whose proof used a table that was weakened are tried
again.  What must hold besides the tables, the *targets*, is never weakened: a counterexample to a target that no
candidate excludes is kept as open.

Invariants: the result is only *proposed*; `lostirq.symbolic.induction` proves it along with the rest.  The given facts
are hypotheses here.  Without a blocker and without edges at which the solver gives up the result is the least set of
pairs above the candidates' that is inductive, in whatever order edges are tried.  Limits are resource counts.

References: Flanagan and Leino 2001, "Houdini"; Kahsai, Ge and Tinelli 2011, "Instantiation-based invariant discovery"
(weakening by models); Bradley 2011, "SAT-based model checking without unrolling" (lemmas on demand, driven by
counterexamples to induction).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import z3

from lostirq.ir.expr import TRUE, Expr, Kind, Var, and_, const, in_set, integer, le
from lostirq.ir.system import Edge, System
from lostirq.symbolic.candidates import Feature, Table
from lostirq.symbolic.encode import conjuncts_of, effect
from lostirq.symbolic.families import families
from lostirq.symbolic.induction import RANGE, ByPlace, Prover, StepQueries, evaluate
from lostirq.symbolic.outcome import Conjunct

RLIMIT = 5_000_000      # per query: a candidate is not worth more
State = dict[Var, int]


@dataclass(frozen=True, slots=True, eq=False)
class Move:
    """A family of edges.  `guard`, `fits`, that no assignment is out of range, and `after`, the value after the step of
    each feature that it may change, are over the state before."""

    number: int
    edge: Edge
    guard: Expr
    fits: Expr
    after: dict[Feature, Expr]


@dataclass(frozen=True, slots=True)
class Open:
    """A counterexample to a target that no candidate excludes: the move, what it breaks, and the state before; None
    if the solver gave up."""

    move: Move
    target: str
    state: State | None


# The move, what it breaks, the state, and whether the step is in range: a table that excludes the state.
Blocker = Callable[[Move, Expr, State, bool], Table | None]


class Houdini:
    """The search.  `given`: conjuncts that are taken for granted; `targets`: those of them that are to be proved."""

    def __init__(
        self, system: System, tables: Iterable[Table], given: Iterable[Conjunct] = (), *,
        targets: Iterable[Conjunct] = (), pool: Iterable[Feature] = (), blocker: Blocker | None = None,
        rlimit: int = RLIMIT, most: int = 1000,
    ) -> None:  # fmt: skip
        self.system, self.rlimit, self.blocker, self.most = system, rlimit, blocker, most
        grouped = self.families = families(system.edges)
        unknowns = dict.fromkeys(f.input for f in grouped if f.input is not None)
        self.targets = tuple(targets)
        self.prover = Prover(system, (c.formula for c in (*given, *self.targets)), rlimit, unknowns)
        masks = ((c, self.prover.rewriter.mask(c.formula)) for c in self.targets)
        self.places = ByPlace(((c, mask), self.prover.premise(c.formula)) for c, mask in masks)
        self.tables: list[Table] = []
        self.features = dict.fromkeys(pool)
        self.queries = self.counterexamples = 0
        self.given_up: dict[Table, None] = {}
        self.open: dict[int, Open] = {}
        self._obligations: dict[int, dict[str, Expr]] = {}
        first = list(tables)
        self.features.update(dict.fromkeys(a for t in first for f in (t.first, t.second) for a in f.atoms()))
        looks = {f: self.prover.rewriter.mask(f.term) for f in self.features}
        self.moves: dict[tuple[int, int], list[Move]] = {}
        for number, family in enumerate(grouped):
            e = family.general
            self.moves.setdefault((e.process, e.src), []).append(self._move(number, e, looks))
        # Table, and value of the program counter that it was used at (None: any) -> moves whose proof used it.
        self.users: dict[tuple[Table, int | None], dict[int, Move]] = {}
        self.work = {m.number: m for place in sorted(self.moves) for m in self.moves[place]}
        for t in first:
            self.add(t)

    def _move(self, number: int, edge: Edge, masks: dict[Feature, int]) -> Move:
        rewriter = self.prover.rewriter
        process = self.system.processes[edge.process]
        here = {process.pc: const(edge.src, process.pc.type)}
        memo: dict[Expr, Expr] = {}
        touched = rewriter.mask_of(here)
        changed = {v: rewriter.replace(rhs, here, memo, touched) for v, rhs in effect(self.system, edge).items()}
        guard = rewriter.replace(and_(process.runs, edge.guard), here, memo, touched)
        written, again = rewriter.mask_of(changed), dict[Expr, Expr]()
        after = {f: rewriter.replace(f.term, changed, again, written) for f, m in masks.items() if m & written}
        after.update((f, const(edge.dst, process.pc.type)) for f in masks if f.counter == process.index)
        numbers = [(v.type, rhs) for v, rhs in changed.items() if v.type.kind is Kind.INT]
        fits = and_(*(and_(le(integer(t.lo), rhs), le(rhs, integer(t.hi))) for t, rhs in numbers))
        return Move(number, edge, guard, fits, after)

    def member(self, move: Move, state: State | None) -> Edge:
        """The edge of a move that is taken in a state."""
        family = self.families[move.number]
        if family.input is None or state is None or state[family.input] not in family.values:
            return family.members[0]
        return family.members[family.values.index(state[family.input])]

    def add(self, table: Table) -> None:
        """Take a table in: the moves that may change what it is about must be tried."""
        self.tables.append(table)
        atoms = (*table.first.atoms(), *table.second.atoms())
        for place in sorted(self.moves):
            self.work.update((m.number, m) for m in self.moves[place] if any(a in m.after for a in atoms))

    # -- the search -----------------------------------------------------------------------------------------------

    def run(self, progress: Callable[[int, int, int], None] | None = None) -> None:
        """Until nothing is left to try, or `most` tables are in.  `progress(tables, queries, moves left)`."""
        while self.work:
            for place in dict.fromkeys((m.edge.process, m.edge.src) for m in self.work.values()):
                for move in self.moves[place]:
                    if self.work.pop(move.number, None) is not None:
                        self.open.pop(move.number, None)
                        self._settle(move)
                if progress is not None:
                    progress(len(self.tables), self.queries, len(self.work))

    def reduce(self) -> None:
        """Drop the tables that the proof of no target needs, directly or through others."""
        everywhere = [m for place in sorted(self.moves) for m in self.moves[place]]
        needed: dict[Table, None] = {}
        for move in everywhere:
            goals: dict[Table | str, Expr] = dict(self.obligations(move).items())
            needed.update(dict.fromkeys(self._core(move, goals)))
        left = list(needed)
        while left:
            table = left.pop()
            for move in everywhere:
                used = self._core(move, dict(self._goals(move, [table]).items()))
                left += [t for t in used if t not in needed]
                needed.update(dict.fromkeys(used))
        self.tables = [t for t in self.tables if t in needed]

    def _core(self, move: Move, goals: dict[Table | str, Expr]) -> list[Table]:
        """The tables that a proof of the goals uses; all, if there is no proof."""
        for near in (True, False) if goals and self.tables else ():
            query = Query(self, move, goals, near)
            if query.check() == z3.unsat:
                return query.core()
        return self.tables if goals else []

    def _settle(self, move: Move) -> None:
        """Try a move until the tables and the targets survive it, or a target is open."""
        fixed = self.obligations(move)
        again = True
        while again:
            goals: dict[Table | str, Expr] = dict(self._goals(move).items())
            goals.update(fixed)
            again = False
            for near in (True, False) if goals else ():
                query = Query(self, move, goals, near)
                if near and query.check() != z3.unsat:
                    continue
                answer = self._exhaust(move, query)
                if answer is None:
                    again = move.number not in self.open
                elif query.check() == z3.unsat:
                    used = query.core()
                    for table in used:
                        self._uses(move, table)
                    again = not answer.isdisjoint(used)
                else:
                    again = self._give_up(move, goals)
                break

    def obligations(self, move: Move) -> dict[str, Expr]:
        """What must hold before the move for the targets to hold after it, by the name of the conjunct.  Remembered:
        it depends on no table."""
        if move.number not in self._obligations:
            self._obligations[move.number] = self._required(move)
        return self._obligations[move.number]

    def _required(self, move: Move) -> dict[str, Expr]:
        steps = StepQueries(self.prover, move.edge)
        pc = self.system.processes[move.edge.process].pc
        found: dict[str, Expr] = {}
        if self.targets:
            for goal in steps.range_goals():
                found[RANGE] = and_(found.get(RANGE, TRUE), goal)
        for c, mask in self.places.at(pc, move.edge.dst):
            if mask & steps.written:
                found[c.name] = and_(found.get(c.name, TRUE), steps.precondition(c.formula))
        return {name: goal for name, goal in found.items() if goal is not TRUE}

    def _exhaust(self, move: Move, query: Query) -> set[Table] | None:
        """Take counterexamples from a query until there is none; the tables that they weakened.  None: the query is
        void, because a table was taken in or a target is open."""
        weakened: set[Table] = set()
        while query.check() == z3.sat:
            self.counterexamples += 1
            state = query.state()
            state[self.system.processes[move.edge.process].pc] = move.edge.src
            fits = evaluate(move.fits, state)
            broken = [key for key, goal in query.goals.items() if not evaluate(goal, state) and (fits or key == RANGE)]
            if not broken:
                raise AssertionError(f"edge {move.edge.index}: a counterexample that breaks nothing")
            if self.blocker is not None and len(self.tables) < self.most:
                found = self.blocker(move, query.goals[broken[-1]], state, broken[-1] != RANGE)
                if found is not None:
                    self.add(found)
                    return None
            if isinstance(broken[-1], str):
                self.open[move.number] = Open(move, broken[-1], state)
                return None
            for t in broken:
                if isinstance(t, Table):
                    x, y = (self._value(move, f, state) for f in (t.first, t.second))
                    weakened.add(t)
                    if x is None or y is None:
                        self._drop(t)
                        return None
                    self._allow(t, x, y)
                    query.exclude(t, x, y)
        return weakened

    def _drop(self, t: Table) -> None:
        """A table of whose values something is unknown says nothing any more."""
        t.give_up()
        for key, moves in self.users.items():
            if key[0] is t:
                self.work.update(moves)

    def _value(self, move: Move, feature: Feature, state: State) -> int | None:
        """The value of a feature after the move from a state; None if it is none of those that it is known to have."""
        found = [(a, evaluate(move.after.get(a, a.term), state)) for a in feature.atoms()]
        if any(value not in a.values for a, value in found):
            return None
        indices = [a.values.index(value) for a, value in found]
        if feature.parts:
            return indices[0] * len(feature.parts[1].values) + indices[1]
        return feature.values[indices[0]]

    def _goals(self, move: Move, tables: Iterable[Table] | None = None) -> dict[Table, Expr]:
        """What must hold before the move for the tables to hold after it; those that trivially do are left out."""
        src, dst, process = move.edge.src, move.edge.dst, move.edge.process
        goals: dict[Table, Expr] = {}
        for t in self.tables if tables is None else tables:
            first, second = (any(a in move.after for a in f.atoms()) for f in (t.first, t.second))
            if not (first or second):
                continue
            if t.first.counter == process and not second:
                known = t.fact(src)
                if known is not TRUE:
                    self._uses(move, t)
                here = dict.fromkeys(conjuncts_of(known))
                goal = and_(*(g for g in conjuncts_of(t.fact(dst)) if g not in here))
            elif t.second.counter == process and not first:
                self._uses(move, t)
                goal = TRUE if t.allowed[src] <= t.allowed[dst] else in_set(t.first.term, t.allowed[dst])
            else:
                goal = t.formula(move.after)
            if goal is not TRUE:
                goals[t] = goal
        return goals

    def fact(self, t: Table, process: int, src: int) -> Expr:
        """What a table says where a process is at `src`."""
        if t.first.counter == process:
            return t.fact(src)
        if t.second.counter == process:
            return in_set(t.first.term, t.allowed[src])
        return t.whole()

    def _uses(self, move: Move, table: Table) -> None:
        own = move.edge.process in (table.first.counter, table.second.counter)
        self.users.setdefault((table, move.edge.src if own else None), {})[move.number] = move

    def _allow(self, t: Table, x: int, y: int) -> None:
        t.add(x, y)
        for place in (None, x, y):
            self.work.update(self.users.get((t, place), {}))

    def _give_up(self, move: Move, goals: dict[Table | str, Expr]) -> bool:
        """The solver gave up on all goals at once: try them alone.  Whether the move must be tried again."""
        again = False
        for t, goal in goals.items():
            query = Query(self, move, {t: goal}, near=False)
            if self._exhaust(move, query) is None:
                return move.number not in self.open
            if query.check() != z3.unsat and isinstance(t, Table):
                t.give_up()
                again = True
                self.given_up[t] = None
                for (table, _), moves in list(self.users.items()):
                    if table is t:
                        self.work.update(moves)
            elif query.check() != z3.unsat:
                self.open[move.number] = Open(move, str(t), None)
            else:
                for table in query.core():
                    self._uses(move, table)
        return again


class Query:
    """Can a move break one of `goals`?  `near`: under the facts only that share a variable, other than a program
    counter, with a goal, directly or through others."""

    def __init__(self, search: Houdini, move: Move, goals: dict[Table | str, Expr], near: bool) -> None:
        self.search, self.move, self.goals = search, move, goals
        prover, rewriter = search.prover, search.prover.rewriter
        self.term = prover.encoder.term
        process, src = move.edge.process, move.edge.src
        hypotheses: list[_Hypothesis] = [(h, m, None) for h, m in prover.known(process, src).items()]
        hypotheses += [(g, rewriter.mask(g), None) for g in conjuncts_of(move.guard) if g is not TRUE]
        facts = ((search.fact(t, process, src), t) for t in search.tables)
        hypotheses += [(fact, rewriter.mask(fact), t) for fact, t in facts if fact is not TRUE]
        used = 0
        for goal in (*goals.values(), move.fits):
            used |= rewriter.mask(goal)
        self.solver = z3.SolverFor("QF_BV")
        self.solver.set("rlimit", search.rlimit)
        self.tracked: dict[z3.BoolRef, Table] = {}
        for fact, mask, table in _connected(hypotheses, used, prover.counters) if near else hypotheses:
            used |= mask
            if table is None:
                self.solver.add(self.term(fact))
            else:
                literal = z3.Bool(f"table {len(self.tracked)}")
                self.tracked[literal] = table
                self.solver.add(z3.Implies(literal, self.term(fact)))
        self.solver.add(*prover.encoder.in_range(rewriter.members(used)))
        self.literals = {t: z3.Bool(f"goal {i}") for i, t in enumerate(goals)}
        for t, goal in goals.items():
            self.solver.add(z3.Implies(self.literals[t], z3.Not(self.term(goal))))
            if t != RANGE and move.fits is not TRUE:
                self.solver.add(z3.Implies(self.literals[t], self.term(move.fits)))
        self.solver.add(z3.Or(*self.literals.values()))
        self.answer: z3.CheckSatResult | None = None

    def check(self) -> z3.CheckSatResult:
        if self.answer is None:
            self.search.queries += 1
            self.answer = self.solver.check(*self.tracked)
        return self.answer

    def core(self) -> list[Table]:
        """The tables that the answer rests on, in the order of the search."""
        used = {literal.get_id() for literal in self.solver.unsat_core()}
        return [t for literal, t in self.tracked.items() if literal.get_id() in used]

    def state(self) -> State:
        model = self.solver.model()
        return {v: self.search.prover.encoder.value(model, v) for v in self.search.prover.rewriter.variables}

    def exclude(self, t: Table, x: int, y: int) -> None:
        """A pair that a table allows now."""
        pair = and_(t.first.equals(x, self.move.after), t.second.equals(y, self.move.after))
        self.solver.add(z3.Implies(self.literals[t], z3.Not(self.term(pair))))
        self.answer = None


_Hypothesis = tuple[Expr, int, Table | None]


def _connected(hypotheses: list[_Hypothesis], reach: int, apart: int) -> Iterable[_Hypothesis]:
    """The hypotheses that share variables with `reach`, directly or through others; `apart`: variables that connect
    nothing."""
    left = hypotheses
    grew = True
    reach &= ~apart
    while grew:
        grew = False
        rest = []
        for h in left:
            own = h[1] & ~apart
            if own & reach or not own:
                grew = grew or bool(own & ~reach)
                reach |= own
                yield h
            else:
                rest.append(h)
        left = rest
