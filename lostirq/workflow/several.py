# SPDX-License-Identifier: GPL-2.0-or-later
"""`lostirq check --all N`: several counterexamples of a property that pass through different code, the shortest first.

What a run is about are the edges at which its agents meet: those that touch memory that another agent touches in it
too, one of the two writing; with them, those that are taken only because of what was read there; all of its edges, if
its agents do not meet.  Each further run avoids at least one of these
edges of every run before it, so the same race with a detour does not count again.  They are found by search in a
product: a process that moves first chooses, for every run found so far, one such edge, which is then disabled.

Invariants: a further run is replayed and confirmed on the system itself; among those that differ from all before, it is
a shortest one; that there is no further one is said only after a complete search.  Edges of interchangeable processes
are one edge.  Liveness is left out: a disabled edge changes what is fair; so is being stuck, which it brings about.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from lostirq.errors import Span
from lostirq.evidence.replay import confirm, replay
from lostirq.evidence.verdict import Holds, SearchOptions, SearchResult, Trace, Violated
from lostirq.ir.core import variables
from lostirq.ir.expr import TRUE, Expr, Role, Var, and_, eq, int_type, integer, not_, var
from lostirq.ir.system import RANGE, Access, Edge, Fair, Form, Location, Process, Sort, System

Code = tuple[str, str, int, int, str, str]      # family, function, from, to, text, choice
Search = Callable[[System, SearchOptions], SearchResult]
Strip = Callable[[tuple[int, ...]], tuple[int, ...]]
NONE = "there is no other"
_NAME = "the choice of what to avoid"


@dataclass(frozen=True, slots=True)
class Several:
    """The further traces, without the first; `reason` says why there are no more: '' if as many as wanted were found,
    `NONE`, else why the search for the next one gave up."""

    traces: tuple[Trace, ...]
    reason: str = ""


def code(edge: Edge, system: System) -> Code:
    """An edge, wherever its process stands among its like."""
    return (system.processes[edge.process].family, edge.function, edge.src, edge.dst, edge.text, edge.choice)


def passed(trace: Trace, system: System) -> frozenset[Code]:
    """The code that a run passes through."""
    return frozenset(code(system.edges[m], system) for m in trace.moves if m < len(system.edges))


def meetings(trace: Trace, system: System) -> frozenset[Code]:
    """The code of a run at which its agents meet, and that asks what they found there; all of it if they do not."""
    edges = [system.edges[m] for m in trace.moves if m < len(system.edges)]
    stores = [{v.unit for v, _ in e.assigns if v.role is Role.MEMORY} for e in edges]
    touches = [s | {v.unit for v in variables([e.guard, *(x for _, x in e.assigns)]) if v.role is Role.MEMORY}
               for e, s in zip(edges, stores, strict=True)]
    owners: dict[int, set[int]] = {}
    writers: dict[int, set[int]] = {}
    for e, stored, touched in zip(edges, stores, touches, strict=True):
        for unit in touched:
            owners.setdefault(unit, set()).add(e.process)
        for unit in stored:
            writers.setdefault(unit, set()).add(e.process)
    met: list[Edge] = []
    found: set[Var] = set()         # locals whose values come from where agents meet
    for e, stored, touched in zip(edges, stores, touches, strict=True):
        meets = (any(owners[u] - {e.process} for u in stored)
                 or any(writers.get(u, set()) - {e.process} for u in touched))
        if meets or found & variables([e.guard]).keys():
            met.append(e)
        for v, x in e.assigns:
            if v.role is Role.LOCAL:
                read = variables([x])
                fresh = meets and any(r.role is Role.MEMORY for r in read)
                (found.add if fresh or found & read.keys() else found.discard)(v)
    return frozenset(code(e, system) for e in met or edges)


def several(system: System, first: Trace, wanted: int, search: Search, options: SearchOptions) -> Several:
    """At most `wanted - 1` further traces of the property that `first` violates."""
    prop = next((p for p in system.properties if p.key == first.property), None)
    if first.property != RANGE and (prop is None or prop.form not in (Form.INVARIANT, Form.STEP)):
        return Several((), "no others are looked for, for this kind of property")
    alone = replace(options, properties=(first.property,), stop_early=True)
    found = [first]
    while len(found) < wanted:
        product, strip = avoiding(system, [meetings(t, system) for t in found])
        result = search(product, alone)
        verdict = result.verdicts[first.property]
        if isinstance(verdict, Holds):
            return Several(tuple(found[1:]), NONE)
        if not isinstance(verdict, Violated):
            return Several(tuple(found[1:]), verdict.reason)
        trace = replace(first, moves=strip(verdict.trace.moves), minimal=False)
        confirm(replay(system, trace))
        found.append(trace)
    return Several(tuple(found[1:]))


def avoiding(system: System, sets: list[frozenset[Code]]) -> tuple[System, Strip]:
    """The system in which each run avoids one edge of each set, and how a trace of it becomes one of `system`."""
    index = len(system.processes)
    unit = max((v.unit for v in system.variables), default=-1) + 1
    orders = [sorted(s) for s in sets]
    chosen: list[Var] = [Var(f"avoided[{n}]", int_type(0, max(0, len(order) - 1)), 0, Role.MEMORY, unit=unit + n)
                         for n, order in enumerate(orders)]
    pc: Var = Var(f"{_NAME}.pc", int_type(0, len(sets)), 0, Role.PC, owner=index)
    ready = eq(var(pc), integer(len(sets)))
    places = tuple(Location(Span(), _NAME, idle=n == len(sets)) for n in range(len(sets) + 1))
    chooser = Process(index, _NAME, _NAME, -1, Sort.HARDWARE, pc, places, TRUE, None)
    edges = [replace(e, guard=and_(ready, e.guard, *_allowed(code(e, system), orders, chosen))) for e in system.edges]
    for n, order in enumerate(orders):
        for k in range(len(order)):
            edges.append(Edge(len(edges), index, n, n + 1, TRUE, ((chosen[n], integer(k)),), Access.ATOMIC, False,
                              frozenset(), (), Fair.NONE, Span(), _NAME, (_NAME,), f"avoid {k}"))
    here, there = len(system.edges), len(edges)

    def strip(moves: tuple[int, ...]) -> tuple[int, ...]:
        return tuple(m if m < here else m - there + here for m in moves if m < here or m >= there)

    product = replace(system, variables=(*system.variables, *chosen, pc), processes=(*system.processes, chooser),
                      edges=tuple(edges))
    return product, strip


def _allowed(this: Code, orders: list[list[Code]], chosen: list[Var]) -> list[Expr]:
    """Conditions under which an edge is not the one to avoid."""
    return [not_(eq(var(v), integer(order.index(this)))) for order, v in zip(orders, chosen, strict=True)
            if this in order]
