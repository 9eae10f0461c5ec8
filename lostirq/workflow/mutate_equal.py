# SPDX-License-Identifier: GPL-2.0-or-later
"""Is the reachable graph of a mutant that of the base?  Asked of the base, as an invariant of it.

Where both have the same variables, locations and properties, and differ in some edges only, let D be, for each location
where the edges differ: every edge of the one that is enabled here has an enabled counterpart in the other with the same
effect, events, fairness and successor, and the reverse.  If D holds in every reachable state of the base, then by
induction over the length of runs both reach the same states by the same steps: the mutant is equivalent, whatever
property is asked.  If it does not hold, nothing is said.

Invariants: only an exhausted search says yes; the two systems are compared after lowering, so that store buffers count.

Reference: Offutt and Pan 1997, "Automatically Detecting Equivalent Mutants and Infeasible Paths" (constraints over the
original program).
"""

from __future__ import annotations

from dataclasses import replace

from lostirq.ir.expr import FALSE, Expr, and_, eq, implies, integer, or_, var
from lostirq.ir.system import Edge, Form, Process, Property, System
from lostirq.ir.tso import lower

KEY = "same graph"


def question(base: System, mutant: System) -> System | None:
    """The base with the one property D; None if the two are not of the same shape."""
    one, other = lower(base), lower(mutant)
    if one.variables != other.variables or [_shape(p) for p in one.processes] != [_shape(p) for p in other.processes]:
        return None
    if [_stated(p) for p in one.properties] != [_stated(p) for p in other.properties]:
        return None
    ours, theirs = one.edges_from(), other.edges_from()
    parts: list[Expr] = []
    for process, src in sorted(ours.keys() | theirs.keys()):
        mine, others = ours.get((process, src), []), theirs.get((process, src), [])
        if [_meaning(e) for e in mine] == [_meaning(e) for e in others]:
            continue
        here = eq(var(one.processes[process].pc), integer(src))
        same = and_(*(_matched(e, others) for e in mine), *(_matched(e, mine) for e in others))
        parts.append(implies(here, same))
    return replace(one, properties=(Property(KEY, KEY, Form.INVARIANT, and_(*parts), symmetric=False),))


def _shape(p: Process) -> object:
    return (p.name, p.sort, p.pc, p.runs, p.cpu, p.symmetric,
            [(x.idle, x.windows) for x in p.locations])


def _stated(p: Property) -> object:
    return p.key, p.form, p.formula, p.goal


def _meaning(e: Edge) -> object:
    return e.dst, e.guard, e.assigns, e.events, e.fair


def _matched(edge: Edge, others: list[Edge]) -> Expr:
    """Wherever the edge is enabled, one of the others is too and does the same."""
    return implies(edge.guard, or_(*(and_(o.guard, _alike(edge, o)) for o in others)))


def _alike(a: Edge, b: Edge) -> Expr:
    """Both go to the same state with the same events."""
    if a.dst != b.dst or a.fair is not b.fair or [(e.name, len(e.args)) for e in a.events] != [
            (e.name, len(e.args)) for e in b.events]:
        return FALSE
    ours, theirs = dict(a.assigns), dict(b.assigns)
    same = [eq(ours.get(v, var(v)), theirs.get(v, var(v))) for v in dict.fromkeys([*ours, *theirs])]
    same += [eq(x, y) for e, f in zip(a.events, b.events, strict=True) for x, y in zip(e.args, f.args, strict=True)]
    return and_(*same)
