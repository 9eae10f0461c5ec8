# SPDX-License-Identifier: GPL-2.0-or-later
"""What lemmas about store buffers take for granted: used slots come first, free ones hold nothing, and what the others
hold is in the range of its variable.

A lemma that says what a thread sees (`seen_by`) looks for the newest entry of a unit.  A store goes into the first slot
that is free, and is the newest only if no slot after it is used.  `lostirq.ir.tso` keeps it so; nobody assumes it: it
is proved along with the rest.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import pairwise

from lostirq.ir.expr import Expr, Role, Var, and_, const, eq, implies, integer, var, variables
from lostirq.ir.system import Sort, System
from lostirq.symbolic.certificate import buffered_ranges
from lostirq.symbolic.outcome import Conjunct


def slots_of(system: System) -> dict[str, list[tuple[Var, Var]]]:
    """The slots (tag, value) of each store buffer of a flat system, the oldest first, by the name of its process."""
    found: dict[str, list[tuple[Var, Var]]] = {}
    for e in system.edges:
        process = system.processes[e.process]
        held = [v for v, _ in e.assigns if v.role is Role.BUFFER] if process.sort is Sort.BUFFER else []
        if held:
            found[process.name] = list(zip(held[::2], held[1::2], strict=True))
    return found


def in_order(system: System, formulas: Iterable[Expr]) -> list[Conjunct]:
    """The facts, for each store buffer of which the formulas speak."""
    spoken = variables(formulas).keys()
    found: list[Conjunct] = []
    for name, slots in slots_of(system).items():
        if not spoken.isdisjoint(v for slot in slots for v in slot):
            free = [eq(var(tag), integer(0)) for tag, _ in slots]
            first = [implies(here, after) for here, after in pairwise(free)]
            clean = [implies(here, eq(var(value), const(0, value.type)))
                     for here, (_, value) in zip(free, slots, strict=True)]  # fmt: skip
            found.append(Conjunct(f"slots of {name} in order", and_(*first, *clean)))
    return [*found, *buffered_ranges(system)] if found else []
