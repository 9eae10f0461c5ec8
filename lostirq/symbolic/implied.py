# SPDX-License-Identifier: GPL-2.0-or-later
"""What need not be said at a location, because what is known there implies it.

The healed form of a lemma (`lostirq.symbolic.windows`) grows with each location that it is carried back over.  Where
the code has not looked yet at what it will decide on, the formula only says that the code is right, whatever it finds:
the lemmas imply it, and nothing has to be carried further.

Invariants: a formula is left out only if the given ones imply it wherever the process is at the
location and may step, so that whatever is inductive with it is inductive without it.  If the solver gives up, it stays.

Reference: Dijkstra 1975 (weakest preconditions).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from lostirq.ir.expr import TRUE, Expr, postorder
from lostirq.ir.system import Edge, Process, System
from lostirq.symbolic.induction import Prover, StepQueries
from lostirq.symbolic.outcome import Conjunct

RLIMIT = 5_000_000  # per query
SMALL = 40  # nodes: a formula that is no longer is said


class Implied:
    """What is known, and whether it implies a formula at a location."""

    def __init__(self, system: System, conjuncts: Iterable[Conjunct]) -> None:
        self._prover = Prover(system, (c.formula for c in conjuncts), RLIMIT)
        self._leaving = system.edges_from()

    def __call__(self, process: Process, place: int, goal: Expr) -> bool:
        """Is the formula implied wherever the process is at the location?"""
        edges = self._leaving.get((process.index, place), [])
        if goal is TRUE or not edges or sum(1 for _ in postorder([goal])) <= SMALL:
            return goal is TRUE
        queries = StepQueries(self._prover, _staying(edges[0]))
        return queries.implied(queries.open(queries.reduced(goal)))


def _staying(edge: Edge) -> Edge:
    """A step that changes nothing."""
    return replace(edge, dst=edge.src, guard=TRUE, assigns=(), events=(), buffered=frozenset())
