# SPDX-License-Identifier: GPL-2.0-or-later
"""Lemmas for the windows that a property excuses: what is broken inside will be whole when the window is left.

A property with windows says nothing about the states inside them, so it is not inductive: nothing is known where a
window is left.  The *healed* form of a fact says for each location of a window that the fact will hold once the
process, by its own steps alone, has left the window: the weakest precondition of the way out.  Edges that go back in a
loop inside a window add nothing to it.  The way on with the largest guards is required wherever no other one is open:
that is what its guards say if the code never gets stuck there, and smaller.  If several processes have windows, the
ones that run on top of others heal first: hardware and handlers, then schedulers, then threads.

This only *proposes* conjuncts; whether others' steps keep them is for `lostirq.symbolic.induction` to prove.  So an
odd window costs a proof, never its soundness.

References: Owicki and Gries 1976, "An axiomatic proof technique for parallel programs I" (annotations that must not be
interfered with); Dijkstra 1975 (weakest preconditions).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Set

from lostirq.ir.expr import (
    FALSE,
    TRUE,
    Expr,
    Kind,
    Op,
    Role,
    and_,
    const,
    eq,
    fold,
    implies,
    in_set,
    is_const,
    not_,
    or_,
    postorder,
    rebuild,
    substitute,
    value_of,
    var,
)
from lostirq.ir.system import CARRIED, PROMISED, Edge, Process, Sort, System
from lostirq.symbolic.encode import conjuncts_of, weakest_precondition
from lostirq.symbolic.outcome import Conjunct

Facts = Mapping[int, Mapping[Expr, Expr]]
Known = Callable[[Process, int, Expr], bool]  # is the formula known wherever the process is at the location?

# Who heals first: the innermost formula is that of the process that runs last.
_ORDER = {Sort.THREAD: 0, Sort.SCHEDULER: 1, Sort.HANDLER: 2, Sort.HARDWARE: 3, Sort.BUFFER: 4}


def inside(process: Process, windows: frozenset[str]) -> tuple[int, ...]:
    """The locations of a process that lie in one of the windows, or in one of the functions of that name."""
    return tuple(i for i, place in enumerate(process.locations) if (place.windows | place.functions) & windows)


def _outward(places: tuple[int, ...], leaving: Mapping[int, list[Edge]]) -> list[int]:
    """The locations, each after all that it leads to, loops aside (depth-first postorder)."""
    order: list[int] = []
    seen: set[int] = set()
    for root in places:
        stack = [] if root in seen else [(root, iter(leaving[root]))]
        seen.add(root)
        while stack:
            here, edges = stack[-1]
            step = next(edges, None)
            if step is None:
                stack.pop()
                order.append(here)
            elif step.dst in leaving and step.dst not in seen:
                seen.add(step.dst)
                stack.append((step.dst, iter(leaving[step.dst])))
    return order


def _whichever(ways: Mapping[Expr, list[Expr]]) -> Expr:
    """Each way on, under its guards; the one with the largest guards wherever none of the others is open.  What all
    guards demand is left out: until it comes, an empty store buffer for example, the process waits."""
    if not ways:
        return TRUE
    parts = [dict.fromkeys(conjuncts_of(g)) for those in ways.values() for g in those]
    common = {g for g in parts[0] if all(g in p for p in parts)}
    guards = {
        way: or_(*(and_(*(g for g in conjuncts_of(guard) if g not in common)) for guard in those))
        for way, those in ways.items()
    }
    last = max(guards, key=lambda way: sum(1 for _ in postorder([guards[way]])))
    others = [way for way in guards if way is not last]
    rest = and_(*(not_(guards[way]) for way in others))
    return and_(*(implies(guards[way], way) for way in others), implies(rest, last))


def given(guard: Expr, e: Expr, free: Iterable[Expr] = ()) -> Expr:
    """The expression where the guard holds: what the guard says need not be asked again.  `free`: slots of store
    buffers for which a store waits; it will find them free."""
    known = {g.args[0] if g.op is Op.NOT else g: FALSE if g.op is Op.NOT else TRUE for g in conjuncts_of(guard)}
    known |= dict.fromkeys(free, TRUE)
    return fold(e, lambda node, args: known.get(node) or (rebuild(node, args) if args else node))


def _slot(e: Expr) -> bool:
    """The expression compares the tag of a slot of a store buffer with a number; 0: the slot is free."""
    return e.op is Op.EQ and getattr(e.args[0].payload, "role", None) is Role.BUFFER and is_const(e.args[1])


def _awaited(edge: Edge, after: Expr) -> list[Expr]:
    """The slots that must be free for the edge to store something of which the formula speaks."""
    tags = [rhs for v, rhs in edge.assigns if v.role is Role.BUFFER and v.type.kind is Kind.INT]
    stored = {value_of(n) for n in postorder(tags) if is_const(n) and n.type.kind is Kind.INT} - {0}
    if stored.isdisjoint(value_of(n.args[1]) for n in postorder([after]) if _slot(n)):
        return []
    return [part for g in conjuncts_of(edge.guard) if g.op is Op.OR for part in g.args if _slot(part)]


class Large(Exception):
    """A formula has more nodes than it may have."""


def healed(
    system: System,
    process: Process,
    windows: frozenset[str],
    goal: Expr,
    facts: Facts | None = None,
    implied: Known | None = None,
    most: int | None = None,
) -> list[tuple[int | None, Expr]]:
    """(location, what must hold there); None: outside of the windows.  `facts`: what variables are equal to, by
    location; it makes the formulas smaller.  What is `implied` is not carried further.  Raises `Large` if a formula has
    more than `most` nodes."""
    places = inside(process, windows)
    outgoing = system.edges_from()
    leaving = {i: outgoing.get((process.index, i), []) for i in places}
    needed: dict[int, Expr] = {}
    for i in _outward(places, leaving):
        ways: dict[Expr, list[Expr]] = {}
        for e in leaving[i]:
            if e.dst in leaving and e.dst not in needed:
                continue  # goes back
            changed = {**dict(e.assigns), process.pc: const(e.dst, process.pc.type)}
            after = needed[e.dst] if e.dst in leaving else goal
            fixed = _fixed(process, i, (facts or {}).get(i, {}))
            guard = substitute(e.guard, fixed)
            if guard is FALSE:
                continue
            here = given(guard, substitute(weakest_precondition(changed, after), fixed), _awaited(e, after))
            ways.setdefault(here, []).append(guard)
        needed[i] = _whichever(ways)
        if most is not None and sum(1 for _ in postorder([needed[i]])) > most:
            raise Large
        if implied is not None and implied(process, i, needed[i]):
            needed[i] = TRUE
    return [(None, goal), *((i, needed[i]) for i in places)]


def _fixed(process: Process, place: int, facts: Mapping[Expr, Expr]) -> Callable[[Expr], Expr | None]:
    """Leaf mapping that puts in the program counter and what is known."""
    known = {**facts, var(process.pc): const(place, process.pc.type)}
    return known.get


def _at(process: Process, place: int | None, places: tuple[int, ...]) -> Expr:
    if place is None:
        return not_(in_set(var(process.pc), places))
    return eq(var(process.pc), const(place, process.pc.type))


def promised(
    system: System, windows: frozenset[str], goal: Expr, known: Mapping[int, Facts] | None = None
) -> Expr:
    """The goal, or one of the processes that are inside the windows will make it hold, by its own steps, until it has
    left them.  What is promised must be a disjunction for this to say anything: the goal where it fails is weakened."""
    kept: list[Expr] = [goal]
    for process in system.processes:
        for place, needed in healed(system, process, windows, goal, (known or {}).get(process.index)):
            if place is not None and needed is not goal:
                kept.append(and_(eq(var(process.pc), const(place, process.pc.type)), needed))
    return or_(*kept)


def heal(
    system: System,
    name: str,
    windows: Iterable[str],
    goal: Expr,
    known: Mapping[int, Facts] | None = None,
    implied: Known | None = None,
    most: int | None = None,
    others: Set[int] = frozenset(),
) -> list[Conjunct]:
    """Conjuncts that say: the goal holds outside of the windows, and inside them it will once they are left.
    `others`: processes that may be in a window and excuse nothing.  `known`: by process, what is known at its
    locations.  `implied`: what need not be said.  Raises `Large` if one has more than `most` nodes."""
    named = tuple(windows)
    wanted = frozenset(name for name in named if not name.startswith(PROMISED) and name != CARRIED)
    promises = frozenset(name.removeprefix(PROMISED) for name in named if name.startswith(PROMISED))
    if promises:
        goal = promised(system, promises, goal, known)
    facts: list[tuple[str, Expr, Expr]] = [(name, TRUE, goal)]
    for process in sorted(system.processes, key=lambda p: (_ORDER[p.sort], p.index)):
        places = inside(process, wanted)
        if not places or process.index in others:
            continue
        grown: list[tuple[str, Expr, Expr]] = []
        for title, where, fact in facts:
            here_known = (known or {}).get(process.index)
            for place, needed in healed(system, process, wanted, fact, here_known, implied, most):
                label = title if place is None else f"{title} at {process.name}:{place}"
                here = and_(where, _at(process, place, places))
                grown.append((label, here, needed))
        facts = grown
    return [Conjunct(title, implies(where, fact)) for title, where, fact in facts]
