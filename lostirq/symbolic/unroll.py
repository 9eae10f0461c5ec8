# SPDX-License-Identifier: GPL-2.0-or-later
"""The runs of a flat system as Z3 constraints, step by step: what a bounded search asks.

Invariants: after `d` calls of `extend`, the models of `constraints` are the runs of exactly `d` steps, whose moves
`moves_in` reads off.  Step `t` is decided by two small bit-vectors: `agent` (which process moves) and `pick` (which of
the edges at its location); so no two edges can be taken at once.  A variable that no edge can have written before step
`t` is a constant there, and an edge that is disabled by constants, or whose location its process cannot have reached in
`t` steps, is left out: this loses no run.

References: Biere, Cimatti, Clarke and Zhu 1999, "Symbolic Model Checking without BDDs", section 3; Een and Sorensson
2003, "Temporal Induction by Incremental SAT Solving", section 4 (one solver for all depths).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import z3

from lostirq.ir.expr import (
    FALSE,
    Expr,
    Kind,
    Op,
    Var,
    and_,
    const,
    eq,
    fold,
    in_set,
    integer,
    is_const,
    le,
    not_,
    or_,
    substitute,
    var,
)
from lostirq.ir.system import Edge, Event, Form, Property, System
from lostirq.symbolic.encode import Encoder, constant, enabled, encode, equal, sort_of


@dataclass(frozen=True, slots=True)
class Choice:
    """An edge that may be taken in a step.  `taken`: it is the one chosen; `may`: it is enabled; `leaves`: it assigns
    out of range (None: it cannot)."""

    edge: Edge
    taken: z3.BoolRef
    may: z3.BoolRef
    leaves: z3.BoolRef | None


@dataclass(frozen=True, slots=True)
class Step:
    """Everything that can happen in one step."""

    agent: z3.BitVecRef
    choices: tuple[Choice, ...]


class Unrolling:
    """A solver-independent unrolling: `extend` gives the constraints of one more step, for the caller to assert.  With
    `free` it starts not at the initial state but at any state of the right types."""

    def __init__(self, system: System, *, free: bool = False) -> None:
        if not system.flat:
            raise ValueError("a bounded search reads a flat system: lower it first")
        self.system = system
        first = Encoder(system.variables, "@0")
        if not free:
            first.symbols = {v: constant(v.init, v.type) for v in system.variables}
        self.states: list[Encoder] = [first]
        self.steps: list[Step] = []
        self._from = system.edges_from()
        everywhere = {p.index: set(range(len(p.locations))) for p in system.processes}
        self._places = everywhere if free else {p.index: {p.pc.init} for p in system.processes}
        fixed = () if free else system.variables
        self._fixed: dict[Var, Expr] = {v: const(v.init, v.type) for v in fixed}
        self._folded: dict[Expr, Expr] = {}
        self._open: Step | None = None

    @property
    def depth(self) -> int:
        return len(self.states) - 1

    # -- one more step --------------------------------------------------------------------------------------------

    def next_step(self) -> Step:
        """The choices that there are in the last state, taken or not."""
        if self._open is None:
            t, here = self.depth, self.states[-1]
            agent = z3.BitVec(f"agent@{t}", max(1, len(self.system.processes).bit_length()))
            pick = z3.BitVec(f"pick@{t}", max((len(es) for es in self._from.values()), default=1).bit_length())
            choices: list[Choice] = []
            for process, places in self._places.items():
                for place in sorted(places):
                    choices += self._choices(here, agent, pick, self._from.get((process, place), []))
            self._open = Step(agent, tuple(choices))
        return self._open

    def _choices(self, here: Encoder, agent: z3.BitVecRef, pick: z3.BitVecRef, edges: list[Edge]) -> list[Choice]:
        found: list[Choice] = []
        for number, edge in enumerate(edges):
            may = self._put(enabled(self.system, edge))
            if may is FALSE:
                continue
            process = self.system.processes[edge.process]
            taken = [agent == edge.process, here.term(self._put(_at(process.pc, edge.src)))]
            if len(edges) > 1:
                taken.append(pick == number)
            out = not_(and_(*(self._put(e) for e in in_range(edge))))
            leaves = None if out is FALSE else here.term(out)
            found.append(Choice(edge, z3.And(*taken), here.term(may), leaves))
        return found

    def extend(self) -> list[z3.BoolRef]:
        """One step more; what it demands."""
        step, here = self.next_step(), self.states[-1]
        facts = [any_of(c.taken for c in step.choices)]
        writes: dict[Var, dict[Expr, list[z3.BoolRef]]] = {}
        for c in step.choices:
            facts.append(z3.Implies(c.taken, c.may))
            if c.leaves is not None:
                facts.append(z3.Implies(c.taken, z3.Not(c.leaves)))
            process = self.system.processes[c.edge.process]
            changed = dict(c.edge.assigns)
            if c.edge.dst != c.edge.src:
                changed[process.pc] = const(c.edge.dst, process.pc.type)
            for v, rhs in changed.items():
                value = self._put(rhs)
                if not (is_const(value) and value.payload == getattr(self._fixed.get(v), "payload", None)):
                    writes.setdefault(v, {}).setdefault(value, []).append(c.taken)
        after = Encoder(())
        after.symbols = dict(here.symbols)
        for v, cases in writes.items():
            symbol = z3.Const(f"{v.name}@{self.depth + 1}", sort_of(v.type))
            term = here.symbols[v]
            for rhs, takers in cases.items():
                term = z3.If(any_of(takers), *encode_pair(v, here.term(rhs), term))
            facts.append(equal(v.type, symbol, term))
            after.symbols[v] = symbol
        self.states.append(after)
        self.steps.append(step)
        self._open = None
        self._advance(step, writes)
        return facts

    def _advance(self, step: Step, writes: dict[Var, dict[Expr, list[z3.BoolRef]]]) -> None:
        """Which locations and variables the next step may find changed."""
        for c in step.choices:
            self._places[c.edge.process].add(c.edge.dst)
        lost = [v for v in writes if v in self._fixed]
        for v in lost:
            del self._fixed[v]
        if lost:
            self._folded = {}

    def _put(self, e: Expr) -> Expr:
        """The expression with what is still constant put in."""
        return substitute(e, lambda n: self._fixed.get(n.payload) if n.op is Op.VAR else None, self._folded)  # type: ignore[call-overload]  # a Var

    # -- what the last state or step shows ------------------------------------------------------------------------

    def formula(self, e: Expr) -> z3.BoolRef:
        """A formula in the last state."""
        return self.states[-1].term(self._put(e))

    def stuck(self) -> z3.BoolRef:
        """No edge is enabled in the last state, and some process is not at rest."""
        moves = [c.may for c in self.next_step().choices]
        restless = or_(*(not_(_idle(self.system, p.index)) for p in self.system.processes))
        return z3.And(z3.Not(any_of(moves)), self.formula(restless))

    def leaves_range(self) -> z3.BoolRef:
        """The next step is an enabled edge that assigns out of range."""
        hits = [z3.And(c.taken, c.may, c.leaves) for c in self.next_step().choices if c.leaves is not None]
        return any_of(hits)

    def step_formula(self, e: Expr) -> z3.BoolRef:
        """A formula over the last step: OLD, VAR and OCCURS."""
        before, after = self.states[-2], self.states[-1]

        def visit(node: Expr, args: list[z3.ExprRef]) -> z3.ExprRef:
            if node.op is Op.OLD:
                return before.symbols[node.payload]  # type: ignore[index]  # a Var
            if node.op is Op.VAR:
                return after.symbols[node.payload]  # type: ignore[index]  # a Var
            if node.op is Op.OCCURS:
                return self._occurs(before, node, args)
            return encode(node, args)

        return fold(e, visit)

    def _occurs(self, before: Encoder, node: Expr, wanted: list[z3.ExprRef]) -> z3.BoolRef:
        hits: list[z3.BoolRef] = []
        for c in self.steps[-1].choices:
            for x in c.edge.events:
                if x.name == node.payload and len(x.args) == len(wanted):
                    hits.append(z3.And(c.taken, *_same(before, x, node, wanted)))
        return any_of(hits)

    def hit(self, prop: Property) -> z3.BoolRef:
        """The last state, or the last step, violates the property, or is its witness.  A step needs a step."""
        if prop.form in (Form.STEP, Form.REACHABLE_STEP):
            found = self.step_formula(prop.formula) if self.steps else z3.BoolVal(prop.form is Form.STEP)
        else:
            found = self.formula(prop.formula)
        return z3.Not(found) if prop.form in (Form.INVARIANT, Form.STEP) else found

    # -- reading a model ------------------------------------------------------------------------------------------

    def moves_in(self, model: z3.ModelRef, steps: list[Step]) -> list[int]:
        """The edges that a model takes in these steps."""
        moves: list[int] = []
        for step in steps:
            taken = [c.edge.index for c in step.choices if z3.is_true(model.eval(z3.And(c.taken, c.may), True))]
            if not taken:
                raise ValueError("a model of the unrolling takes no edge in some step")
            moves.append(taken[0])
        return moves

    def switches(self, steps: list[Step]) -> list[z3.BoolRef]:
        """For each step but the first: another process moves than before."""
        return [a.agent != b.agent for a, b in zip(steps, steps[1:], strict=False)]


def any_of(terms: Iterable[z3.BoolRef]) -> z3.BoolRef:
    """A disjunction, of nothing too."""
    found = list(terms)
    return z3.Or(*found) if len(found) > 1 else found[0] if found else z3.BoolVal(False)


def encode_pair(v: Var, new: z3.ExprRef, old: z3.ExprRef) -> tuple[z3.ExprRef, z3.ExprRef]:
    """Two values of a variable in its sort.  An Int that is out of range never gets here: no step takes it there."""
    if v.type.kind is not Kind.INT:
        return new, old
    width = sort_of(v.type).size()
    fitted = [z3.SignExt(width - t.size(), t) if t.size() < width else z3.Extract(width - 1, 0, t) for t in (new, old)]
    return fitted[0], fitted[1]


def in_range(edge: Edge) -> list[Expr]:
    """What must hold for the assignments of an edge to stay in range, where types do not say that they do."""
    found: list[Expr] = []
    for v, rhs in edge.assigns:
        if v.type.kind is Kind.INT and not v.type.lo <= rhs.type.lo <= rhs.type.hi <= v.type.hi:
            found.append(and_(le(integer(v.type.lo), rhs), le(rhs, integer(v.type.hi))))
    return found


def _at(pc: Var, place: int) -> Expr:
    return eq(var(pc), const(place, pc.type))


def _idle(system: System, process: int) -> Expr:
    p = system.processes[process]
    return in_set(var(p.pc), (k for k, place in enumerate(p.locations) if place.idle))


def _same(before: Encoder, event: Event, node: Expr, wanted: list[z3.ExprRef]) -> list[z3.BoolRef]:
    """The arguments of an event, evaluated before the step, are those that OCCURS names."""
    return [equal(a.type, before.term(a), w) for a, w in zip(event.args, wanted, strict=True)]
