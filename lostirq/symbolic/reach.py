# SPDX-License-Identifier: GPL-2.0-or-later
"""The reachable states of a small flat system, enumerated by a solver: the encoding, seen from outside.

An image computation by all-solutions: a successor of the last level that was not seen is a model; it is blocked, and
the next one asked for, until there is none.  One question per state, so this is for systems of some hundred states: it
is how the encoding is compared with the interpreter, state by state.

Reference: McMillan 2002, "Applying SAT Methods in Unbounded Symbolic Model Checking".
"""

from __future__ import annotations

import z3

from lostirq.ir.system import System
from lostirq.symbolic.encode import Encoder, constant, equal
from lostirq.symbolic.unroll import Unrolling, any_of

Values = tuple[int, ...]


class TooMany(Exception):
    """More reachable states than the limit."""


def reachable(system: System, limit: int) -> list[set[Values]]:
    """The reachable states by distance, each as the values of `system.variables`.  Raises `TooMany`."""
    unrolling = Unrolling(system, free=True)
    solver = z3.SolverFor("QF_BV")
    solver.add(*unrolling.states[0].in_range(), *unrolling.extend())
    before, after = unrolling.states
    start = system.initial()
    levels = [{start}]
    solver.add(z3.Not(_is(after, system, start)))
    seen = 1
    while levels[-1]:
        here = z3.Bool(f"level {len(levels)}")
        solver.add(z3.Implies(here, any_of(_is(before, system, s) for s in sorted(levels[-1]))))
        levels.append(set())
        while True:
            answer = solver.check(here)
            if answer == z3.unsat:
                break
            if answer != z3.sat:
                raise TooMany(f"the solver gave up: {solver.reason_unknown()}")
            found = tuple(after.value(solver.model(), v) for v in system.variables)
            levels[-1].add(found)
            solver.add(z3.Not(_is(after, system, found)))
            seen += 1
            if seen > limit:
                raise TooMany(f"more than {limit} states")
    return levels[:-1]


def _is(encoder: Encoder, system: System, values: Values) -> z3.BoolRef:
    """The copy of the state has these values."""
    return z3.And(*(equal(v.type, encoder.symbols[v], constant(x, v.type))
                    for v, x in zip(system.variables, values, strict=True)))
