# SPDX-License-Identifier: GPL-2.0-or-later
"""What must have held before: an obligation that fails is carried back over its step, until something known implies it.

If a conjunct may fail after an edge, or a step property at it, or a range may be left, its weakest precondition must
hold wherever the edge can be taken.  That is a new conjunct, at the location of the edge, under what its guard says of
the variables of the process: what others may change at any time is no reason.  It is tried in turn, against the steps
that lead there and against those of all others.  Each is necessary for the first, so that none is wrong where the first
is right; lemmas end the search, because what they imply is not carried further.

Invariants: what is found is only *proposed*; `lostirq.symbolic.induction` proves it along with the rest.  The search
stops at a number of conjuncts, at one that grows too large, or at one that is false at the start: the proof fails then,
and says where.

References: Dijkstra 1975 (weakest preconditions); Bjorner, Browne and Manna 1997, "Automatic generation of invariants
and intermediate assertions", on strengthening by preconditions; McMillan 1992, "Symbolic Model Checking" (backward
reachability).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from lostirq.ir.expr import (
    TRUE,
    Expr,
    Kind,
    Op,
    Var,
    and_,
    const,
    eq,
    implies,
    integer,
    is_const,
    postorder,
    substitute,
    var,
    variables,
)
from lostirq.ir.system import Edge, Process, System
from lostirq.symbolic.agreement import own_variables
from lostirq.symbolic.encode import conjuncts_of
from lostirq.symbolic.families import Family, families
from lostirq.symbolic.induction import RANGE, Prover, StepQueries, base_fails
from lostirq.symbolic.outcome import Conjunct
from lostirq.symbolic.steps import obligation
from lostirq.symbolic.windows import given

Facts = Mapping[int, Mapping[Expr, Expr]]
RLIMIT = 5_000_000  # per query


@dataclass(frozen=True, slots=True)
class Limits:
    """Of the search: conjuncts that are added, and nodes of one of them."""

    conjuncts: int = 300
    nodes: int = 4000


class Backward:
    """The search.  `facts`: by process and location, what variables are equal to."""

    def __init__(
        self, system: System, conjuncts: Iterable[Conjunct], facts: Mapping[int, Facts], limits: Limits | None = None
    ) -> None:
        self.system, self.facts, self.limits = system, facts, limits or Limits()
        self.start = list(conjuncts)
        self.families = families(system.edges)
        inputs = dict.fromkeys(f.input for f in self.families if f.input is not None)
        self.prover = Prover(system, (c.formula for c in self.start), RLIMIT, inputs)
        self.inputs = frozenset(inputs)
        self.queries: dict[int, StepQueries] = {}
        self.added: dict[Expr, Conjunct] = {}
        self.left: deque[Conjunct] = deque()
        self.gave_up: list[str] = []
        self.hopeless = False       # what is needed is false at the start
        self.owned: dict[int, frozenset[Var]] = {}
        self.leaving = system.edges_from()
        self.waits: dict[tuple[int, int], frozenset[Expr]] = {}

    def of(self, family: Family) -> StepQueries:
        """The queries of a family, kept."""
        index = family.general.index
        if index not in self.queries:
            self.queries[index] = StepQueries(self.prover, family.general)
        return self.queries[index]

    def run(self, names: Iterable[str], progress: Callable[[int], None] | None = None) -> list[Conjunct]:
        """The conjuncts that the named ones need."""
        wanted = frozenset(names)
        self.left.extend(c for c in self.start if c.name in wanted)
        while self.left and len(self.added) < self.limits.conjuncts and not self.hopeless:
            conjunct = self.left.popleft()
            for family in self.families:
                self._carry(conjunct, family)
            if progress is not None:
                progress(len(self.added))
        return list(self.added.values())

    def _carry(self, conjunct: Conjunct, family: Family) -> None:
        queries, edge = self.of(family), family.general
        if not self.prover.rewriter.mask(conjunct.formula) & queries.written:
            return
        pc = self.system.processes[edge.process].pc
        if self.prover.premise(conjunct.formula).get(pc, edge.dst) != edge.dst:
            return
        self.need(conjunct.name, family, queries, queries.precondition(conjunct.formula))

    def need(self, name: str, family: Family, queries: StepQueries, goal: Expr) -> None:
        """The goal must hold before the edge: remember it unless that is known."""
        if queries.implied(goal):
            return
        parts = [g for g in conjuncts_of(goal) if not queries.implied(g)]
        for part in parts or [goal]:
            if self.inputs.isdisjoint(variables([part])):
                self._add(name, family.members[0], part)
            else:
                for member, value in zip(family.members, family.values, strict=True):
                    self._add(name, member, substitute(part, _put(family, value)))

    def own(self, process: Process) -> frozenset[Var]:
        """The variables that nobody else changes."""
        if process.index not in self.owned:
            self.owned[process.index] = frozenset(own_variables(self.system, process))
        return self.owned[process.index]

    def _waits(self, edge: Edge) -> frozenset[Expr]:
        """What all edges of a location demand: until it comes, the process waits there."""
        here = (edge.process, edge.src)
        if here not in self.waits:
            guards = [frozenset(conjuncts_of(e.guard)) for e in self.leaving[here]]
            self.waits[here] = frozenset.intersection(*guards)
        return self.waits[here]

    def _add(self, name: str, edge: Edge, goal: Expr) -> None:
        process = self.system.processes[edge.process]
        fixed = dict(self.facts.get(process.index, {}).get(edge.src, {}))
        fixed[var(process.pc)] = const(edge.src, process.pc.type)
        own = self.own(process)
        tests = [g for g in conjuncts_of(edge.guard) if g not in self._waits(edge) and _simple(g, own)]
        guard = substitute(and_(*tests), fixed.get)
        here = implies(guard, given(guard, substitute(goal, fixed.get)))
        formula = implies(eq(var(process.pc), fixed[var(process.pc)]), here)
        if here is TRUE or formula in self.added:
            return
        if sum(1 for _ in postorder([formula])) > self.limits.nodes:
            self.gave_up.append(f"{name} at {process.name}:{edge.src}")
            return
        base = name.split(" before ")[0]
        conjunct = Conjunct(f"{base} before {process.name}:{edge.src} ({len(self.added)})", formula)
        self.added[formula] = conjunct
        self.left.append(conjunct)
        self.prover.learn(formula)
        if base_fails(self.system, [conjunct]):
            self.hopeless = True


def _simple(test: Expr, own: frozenset[Var]) -> bool:
    """A test of one variable of the process against a constant: it tells which way the code went, and goes."""
    atom = test.args[0] if test.op is Op.NOT else test
    atom = atom.args[0] if atom.op is Op.EQ and is_const(atom.args[1]) else atom
    return atom.op is Op.VAR and atom.payload in own and atom.type.kind is not Kind.BITS


def _put(family: Family, value: int) -> Callable[[Expr], Expr | None]:
    """Leaf mapping that puts a value in for the input of a family."""
    return lambda leaf: integer(value) if leaf.payload == family.input else None


def needed(
    system: System,
    conjuncts: list[Conjunct],
    names: Iterable[str],
    facts: Mapping[int, Facts],
    limits: Limits | None = None,
) -> list[Conjunct]:
    """Conjuncts that the named ones need to be inductive."""
    return Backward(system, conjuncts, facts, limits).run(names)


def needed_by_edges(
    system: System, conjuncts: Iterable[Conjunct], steps: Mapping[str, Expr], broken: Iterable[tuple[str, int]]
) -> list[Conjunct]:
    """Conjuncts that edges need.  `broken`: what each may break, a step property (their formulas: `steps`) or RANGE."""
    search = Backward(system, conjuncts, {})
    family_of = {edge.index: family for family in search.families for edge in family.members}
    wanted = ((name, family_of[edge]) for name, edge in broken if name in steps or name == RANGE)
    for name, family in dict.fromkeys(wanted):
        queries = search.of(family)
        goal = obligation(queries, family.general, steps[name]) if name in steps else and_(*queries.range_goals())
        search.need(name, family, queries, goal)
    return search.run(())
