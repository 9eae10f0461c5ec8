# SPDX-License-Identifier: GPL-2.0-or-later
"""What matters of a counterexample to induction: values without which the step would not break the conjunct.

A solver's model gives every variable a value.  Here those are kept that are enough: whatever the others are, the step
can be taken and breaks the goal.  Of a set of bits, only the bits that matter are kept.  No single variable of those
kept can be left out, unless the solver gives up.

Reference: Ravi and Somenzi 2004, "Minimal assignments for bounded model checking" (lifting of counterexamples by unsat
cores).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import z3

from lostirq.ir.expr import TRUE, Expr, Kind, Var, and_, const, integer, le, not_, or_, substitute, variables
from lostirq.ir.system import Edge, System
from lostirq.symbolic.encode import Encoder, effect, weakest_precondition

RLIMIT = 5_000_000


@dataclass(frozen=True, slots=True)
class Essential:
    """A variable that matters, with its value; of a set of bits, `bits` are those that matter."""

    var: Var
    value: int
    bits: tuple[int, ...] = ()

    def show(self) -> str:
        """The value; of a set of bits, which are in it and which are not, as far as that matters."""
        if self.var.type.kind is not Kind.BITS or len(self.bits) == self.var.type.width:
            return f"{self.var.name} = {self.var.type.show(self.value)}"
        inside = [str(i) for i in self.bits if self.value >> i & 1]
        outside = [str(i) for i in self.bits if not self.value >> i & 1]
        parts = [f"contains {', '.join(inside)}"] if inside else []
        parts += [f"does not contain {_runs(outside)}"] if outside else []
        return f"{self.var.name} {' and '.join(parts)}"


def _runs(numbers: list[str]) -> str:
    """Consecutive numbers as a range."""
    found: list[list[int]] = []
    for n in map(int, numbers):
        if found and found[-1][1] == n - 1:
            found[-1][1] = n
        else:
            found.append([n, n])
    return ", ".join(str(a) if a == b else f"{a}-{b}" for a, b in found)


def essential(guard: Expr, goal: Expr, state: Mapping[Var, int], rlimit: int = RLIMIT) -> list[Essential]:
    """What of a state is enough for the guard to hold and the goal to fail, in order of first occurrence.  The state
    must be such a state.  A query for each variable that an unsatisfiable core leaves."""
    good = or_(not_(guard), goal)
    read = list(variables([good]))
    encoder = Encoder(read)
    solver = z3.SolverFor("QF_BV")
    solver.set("rlimit", rlimit)
    solver.add(*encoder.in_range(read), encoder.term(good))
    literals: dict[z3.BoolRef, tuple[Var, int]] = {}
    for v in read:
        for i, said in enumerate(_values(encoder, v, state[v])):
            literal = z3.Bool(f"{i} of {v.name}")
            literals[literal] = v, i
            solver.add(z3.Implies(literal, said))
    core = list(literals)
    if solver.check(*core) == z3.unsat:
        core = list(solver.unsat_core())
        for v in reversed(read):
            without = [c for c in core if literals[c][0] is not v]
            if len(without) < len(core) and solver.check(*without) == z3.unsat:
                core = list(solver.unsat_core())
    bits: dict[Var, list[int]] = {}
    for literal in core:
        v, i = literals[literal]
        bits.setdefault(v, []).append(i)
    return [
        Essential(v, state[v], tuple(sorted(bits[v])) if v.type.kind is Kind.BITS else ()) for v in read if v in bits
    ]


def _values(encoder: Encoder, v: Var, value: int) -> list[z3.BoolRef]:
    """What fixes a variable to a value; bit by bit, for a set of bits."""
    x = encoder.symbols[v]
    if v.type.kind is Kind.BOOL:
        return [x if value else z3.Not(x)]
    if v.type.kind is Kind.INT:
        return [x == value]
    return [z3.Extract(i, i, x) == (value >> i & 1) for i in range(v.type.width)]


def of_step(system: System, edge: Edge, broken: Expr | None, before: tuple[int, ...]) -> list[Essential]:
    """What matters of the state before a step that breaks a conjunct; None: that assigns out of range.  The program
    counter of the step is not in it."""
    process = system.processes[edge.process]
    here = const(edge.src, process.pc.type)

    def reduced(e: Expr) -> Expr:
        return substitute(e, lambda leaf: here if leaf.payload is process.pc else None)

    guard = reduced(and_(process.runs, edge.guard))
    changed = effect(system, edge)
    goal = TRUE
    if broken is not None:
        goal = reduced(weakest_precondition(changed, broken))
    else:
        for v, rhs in changed.items():
            if v.type.kind is Kind.INT:
                goal = and_(goal, reduced(and_(le(integer(v.type.lo), rhs), le(rhs, integer(v.type.hi)))))
    return essential(guard, goal, dict(zip(system.variables, before, strict=True)))
