# SPDX-License-Identifier: GPL-2.0-or-later
"""Lemmas about what a process alone writes: which of its variables are equal, or constant, at which location.

The code copies: `new = old; new.nv = WAKEUP`.  It sets and resets: interrupts are off here and on there.  That the
copies still agree, some locations later, is needed by proofs and is never worth a lemma by hand.  A forward analysis
finds it: optimistic, by congruence of the expressions that were assigned, over one process at a time.  Only its own
steps change locals, and memory that nobody else writes, so that nobody can interfere.

What is found is only *proposed*: `lostirq.symbolic.induction` proves it along with the rest.

References: Alpern, Wegman and Zadeck 1988, "Detecting equality of variables in programs"; Kildall 1973, "A unified
approach to global program optimization".
"""

from __future__ import annotations

from typing import cast

from lostirq.ir.expr import (
    Expr,
    Kind,
    Op,
    Role,
    Var,
    and_,
    boolean,
    const,
    eq,
    implies,
    integer,
    is_const,
    value_of,
    var,
)
from lostirq.ir.system import Edge, Process, System
from lostirq.symbolic.encode import conjuncts_of
from lostirq.symbolic.induction import Conjunct
from lostirq.symbolic.rewrite import Rewriter

Facts = dict[Var, Expr]  # local -> a constant, or the first local that it is equal to; without those that are alone


def _normal(e: Expr) -> Expr:
    """Constants of one value as one expression, whatever range they were typed with."""
    return integer(value_of(e)) if is_const(e) and e.type.kind is Kind.INT else e


def _learnt(guard: Expr) -> Facts:
    """Locals that a guard fixes."""
    found: Facts = {}
    for part in conjuncts_of(guard):
        negated = part.op is Op.NOT
        atom = part.args[0] if negated else part
        if atom.op is Op.VAR:
            found[cast(Var, atom.payload)] = boolean(not negated)
        elif not negated and atom.op is Op.EQ and atom.args[0].op is Op.VAR and is_const(atom.args[1]):
            found[cast(Var, atom.args[0].payload)] = _normal(atom.args[1])
    return found


def own_variables(system: System, process: Process) -> list[Var]:
    """The locals of a process, and the memory that nobody else writes: it is as good as local."""
    mine = {v for e in system.edges if e.process == process.index for v, _ in e.assigns}
    others = {v for e in system.edges if e.process != process.index for v, _ in e.assigns}
    memory = {v for v in mine - others if v.role in (Role.MEMORY, Role.GHOST)}
    return [v for v in system.variables if v.role is Role.LOCAL and v.owner == process.index or v in memory]


class _Analysis:
    """The fixpoint for one process, over the locals that are live at each location."""

    def __init__(self, system: System, process: Process, rewriter: Rewriter) -> None:
        self.locals = own_variables(system, process)
        self.rewriter = rewriter
        self.symbols = {v: var(v) for v in self.locals}
        self.leaving: dict[int, list[Edge]] = {}
        for e in system.edges:
            if e.process == process.index:
                self.leaving.setdefault(e.src, []).append(e)
        self.live = self._live()
        start = process.pc.init
        initial = {v: _normal(const(v.init, v.type)) for v in self.live.get(start, ())}
        self.facts: dict[int, Facts] = {start: initial}
        work = {start: None}
        while work:
            here = next(iter(work))
            del work[here]
            for e in self.leaving.get(here, ()):
                if self._meet(e.dst, self._through(e, self.facts[here])):
                    work[e.dst] = None

    def _live(self) -> dict[int, tuple[Var, ...]]:
        """The locals whose value is still used, by location, and all memory."""
        memory = [v for v in self.locals if v.role is not Role.LOCAL]
        own = self.rewriter.mask_of(self.locals)
        reads = {e: [(self.rewriter.mask_of([v]), self.rewriter.mask(rhs)) for v, rhs in e.assigns]
                 for edges in self.leaving.values() for e in edges}  # fmt: skip
        live: dict[int, int] = {}
        changed = True
        while changed:
            changed = False
            for place in sorted(self.leaving, reverse=True):
                needed = live.get(place, 0)
                for e in self.leaving[place]:
                    after = live.get(e.dst, 0)
                    needed |= self.rewriter.mask(e.guard)
                    for target, read in reads[e]:
                        if not target & own or after & target:
                            needed |= read
                    for target, _ in reads[e]:
                        after &= ~target
                    needed |= after
                if needed & own != live.get(place, 0):
                    live[place], changed = needed & own, True
        always = self.rewriter.mask_of(memory)
        places = dict.fromkeys([*self.leaving, *(e.dst for edges in self.leaving.values() for e in edges)])
        return {place: tuple(self.rewriter.members(live.get(place, 0) | always)) for place in places}

    def _through(self, edge: Edge, before: Facts) -> dict[Var, Expr]:
        """The value after the edge of each local that is live then, over the state before."""
        mapping = before | {v: e for v, e in _learnt(edge.guard).items() if v in self.symbols}
        memo: dict[Expr, Expr] = {}
        touched = self.rewriter.mask_of(mapping)
        assigns = dict(edge.assigns)
        after: dict[Var, Expr] = {}
        for v in self.live.get(edge.dst, ()):
            rhs = assigns.get(v)
            if rhs is None:
                after[v] = mapping.get(v, self.symbols[v])
            else:
                after[v] = _normal(self.rewriter.replace(rhs, mapping, memo, touched))
        return after

    def _meet(self, place: int, values: dict[Var, Expr]) -> bool:
        """Keep at a location what also holds for these values; whether that is less than before."""
        old = self.facts.get(place)
        groups: dict[tuple[Expr | None, Expr], Var] = {}
        new: Facts = {}
        for v, value in values.items():
            key = (None if old is None else old.get(v, self.symbols[v]), value)
            first = groups.setdefault(key, v)
            if is_const(value) and key[0] in (None, value):
                new[v] = value
            elif first is not v:
                new[v] = self.symbols[first]
        self.facts[place] = new
        return old is None or new != old


def agreed(system: System, process: Process, rewriter: Rewriter) -> dict[int, Facts]:
    """What the variables of the process are equal to, by location: a constant, or another of them."""
    return _Analysis(system, process, rewriter).facts


def agreements(
    system: System, process: Process, rewriter: Rewriter, known: dict[int, Facts] | None = None
) -> list[Conjunct]:
    """One conjunct per location of the process: what its variables agree on there."""
    found = agreed(system, process, rewriter) if known is None else known
    conjuncts: list[Conjunct] = []
    for place in sorted(found):
        facts = [eq(var(v), e) for v, e in found[place].items()]
        if facts:
            here = eq(var(process.pc), const(place, process.pc.type))
            conjuncts.append(Conjunct(f"locals of {process.name} at {place}", implies(here, and_(*facts))))
    return conjuncts
