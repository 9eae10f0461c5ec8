# SPDX-License-Identifier: GPL-2.0-or-later
"""What can be known of a flat system per program location: who touches a variable, where it is constant or dead.

Both analyses look at one process at a time and only at variables that no other process writes (constants) or touches
(liveness), so that steps of the others cannot invalidate them.  Properties, `runs`, used events and range checks count
as readers.  A property reads a variable at a location only if its formula, with the program counter fixed there, still
mentions the variable; locations that the formula does not tell apart are evaluated once.

References: Kildall 1973 (constants), Giegerich, Moencke and Wilhelm 1981 (faint variables); Yorav and Grumberg 2004,
"Static analysis for state-space reductions preserving temporal logics" (clearing dead variables is a bisimulation).
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from lostirq.ir.expr import FALSE, Expr, Kind, Op, Role, Type, Var, const, is_const, postorder, substitute, value_of
from lostirq.ir.system import Edge, Property, System


@dataclass(frozen=True, slots=True)
class Touch:
    """Processes whose edges read or write a variable; `public`: read by the `runs` of some process."""

    readers: dict[Var, frozenset[int]]
    writers: dict[Var, frozenset[int]]
    public: frozenset[Var]


@dataclass(frozen=True, slots=True)
class ProcessFlow:
    """Facts about one process, by location.  `known[l]` is None where no path leads; else the variables with one
    possible value there, the program counter included.  `live[l]`: candidates of the dead-variable analysis that may
    be read from l on.  `edges`: (edge, guard, assignments) under what is known, without those that cannot happen."""

    process: int
    owned: frozenset[Var]
    candidates: frozenset[Var]
    known: tuple[dict[Var, int] | None, ...]
    live: tuple[frozenset[Var], ...]
    edges: tuple[tuple[Edge, Expr, tuple[tuple[Var, Expr], ...]], ...]


def needs_check(target: Type, rhs: Expr) -> bool:
    """Whether the assigned value may lie outside an Int's range, as far as the types say."""
    return target.kind is Kind.INT and (rhs.type.lo < target.lo or rhs.type.hi > target.hi)


def replace(root: Expr, known: dict[Var, int], memo: dict[Expr, Expr]) -> Expr:
    """The expression with known variables (VAR) replaced by constants; `memo` belongs to this `known`."""
    if root.reads.isdisjoint(known.keys()):
        return root

    def constant(leaf: Expr) -> Expr | None:
        if leaf.op is Op.VAR and leaf.payload in known:
            return const(known[leaf.payload], leaf.type)
        return None

    return substitute(root, constant, memo)


def used_events(properties: Iterable[Property]) -> frozenset[str]:
    """Names of the events that some property asks for."""
    roots = [e for p in properties for e in (p.formula, p.goal)]
    return frozenset(str(n.payload) for n in postorder(roots) if n.op is Op.OCCURS)


def touches(system: System, events: frozenset[str]) -> Touch:
    readers: dict[Var, set[int]] = {v: set() for v in system.variables}
    writers: dict[Var, set[int]] = {v: set() for v in system.variables}
    for e in system.edges:
        roots = [e.guard, *(rhs for _, rhs in e.assigns), *(a for ev in e.events if ev.name in events for a in ev.args)]
        for root in roots:
            for v in root.reads:
                readers[v].add(e.process)
        for v, _ in e.assigns:
            writers[v].add(e.process)
    for p in system.processes:
        writers[p.pc].add(p.index)
    public = frozenset(v for p in system.processes for v in p.runs.reads)
    return Touch(
        {v: frozenset(s) for v, s in readers.items()}, {v: frozenset(s) for v, s in writers.items()}, public
    )


def _conjuncts(guard: Expr) -> Iterator[tuple[Var, int]]:
    """Equations that a guard implies."""
    for c in guard.args if guard.op is Op.AND else (guard,):
        if c.op is Op.VAR:
            yield c.payload, 1  # type: ignore[misc]  # a Var
        elif c.op is Op.NOT and c.args[0].op is Op.VAR:
            yield c.args[0].payload, 0  # type: ignore[misc]  # a Var
        elif c.op is Op.EQ and c.args[0].op is Op.VAR and is_const(c.args[1]):
            yield c.args[0].payload, value_of(c.args[1])  # type: ignore[misc]  # a Var


Known = dict[Var, int]
Flowing = list[tuple[Edge, Expr, tuple[tuple[Var, Expr], ...]]]


class _Constants:
    """Forward analysis of one process.  `owned`: variables that only it writes; `fixed`: what nobody writes."""

    def __init__(self, system: System, process: int, owned: frozenset[Var], fixed: Known) -> None:
        self.pc, self.owned = system.processes[process].pc, owned
        self.at: list[Known | None] = [None] * len(system.processes[process].locations)
        self.at[self.pc.init] = {v: v.init for v in owned if v != self.pc} | fixed | {self.pc: self.pc.init}
        self.outgoing: list[list[Edge]] = [[] for _ in self.at]
        for e in system.edges:
            if e.process == process:
                self.outgoing[e.src].append(e)

    def run(self) -> Flowing:
        """Iterates to the fixed point; the edges under what is known at their sources."""
        rank = {location: i for i, location in enumerate(self.order())}
        work = [(0, self.pc.init)]
        results: dict[int, Flowing] = {}
        while work:
            _, location = heapq.heappop(work)
            known = self.at[location]
            assert known is not None
            memo: dict[Expr, Expr] = {}
            results[location] = []
            for e in self.outgoing[location]:
                moved = self.transfer(e, known, memo)
                if moved is None:
                    continue
                guard, assigns, after = moved
                results[location].append((e, guard, assigns))
                if self.join(e.dst, after) and (rank[e.dst], e.dst) not in work:
                    heapq.heappush(work, (rank[e.dst], e.dst))
        return [r for location in sorted(results) for r in results[location]]

    def order(self) -> list[int]:
        """Reverse postorder of the locations: successors late, so that most joins are complete when one is visited."""
        seen = {self.pc.init}
        out: list[int] = []
        stack = [(self.pc.init, iter(self.outgoing[self.pc.init]))]
        while stack:
            location, edges = stack[-1]
            e = next(edges, None)
            if e is None:
                stack.pop()
                out.append(location)
            elif e.dst not in seen:
                seen.add(e.dst)
                stack.append((e.dst, iter(self.outgoing[e.dst])))
        return out[::-1]

    def transfer(self, e: Edge, known: Known, memo: dict[Expr, Expr]) -> tuple[
            Expr, tuple[tuple[Var, Expr], ...], Known] | None:
        """Guard and assignments under what is known before the edge, and what is known after it; None if disabled."""
        guard = replace(e.guard, known, memo)
        if guard is FALSE:
            return None
        refined = {v: x for v, x in _conjuncts(guard) if v in self.owned and v not in known}
        if refined:
            known, memo = known | refined, {}
        assigns = tuple((v, replace(rhs, known, memo)) for v, rhs in e.assigns)
        after = dict(known)
        for v, rhs in assigns:
            if is_const(rhs) and v in self.owned:
                after[v] = value_of(rhs)
            else:
                after.pop(v, None)
        after[self.pc] = e.dst
        return guard, assigns, after

    def join(self, location: int, after: Known) -> bool:
        """Forgets at a location what does not hold after another way to it; whether that changes anything."""
        before = self.at[location]
        if before is None:
            self.at[location] = after
            return True
        lost = [v for v, x in before.items() if after.get(v) != x]
        for v in lost:
            del before[v]
        return bool(lost)


def _classes(formula: Expr, pc: Var, op: Op, size: int) -> dict[tuple[int, ...], list[int]] | None:
    """Locations grouped by the truth of the atoms over `pc` in the formula; None: the counter is used otherwise."""
    atoms: list[frozenset[int]] = []
    for n in postorder([formula]):
        if any(a.op is op and a.payload == pc for a in n.args):
            if n.op is Op.IN:
                atoms.append(frozenset(n.payload))  # type: ignore[call-overload]  # a tuple of ints
            elif n.op is Op.EQ and is_const(n.args[1]):
                atoms.append(frozenset((value_of(n.args[1]),)))
            else:
                return None
    grouped: dict[tuple[int, ...], list[int]] = {}
    for location in range(size):
        grouped.setdefault(tuple(location in a for a in atoms), []).append(location)
    return grouped


def location_classes(formula: Expr, pc: Var, op: Op, size: int) -> list[list[int]]:
    """Locations that the formula, where it reads `pc` (VAR or OLD of it), does not tell apart."""
    grouped = _classes(formula, pc, op, size)
    return list(grouped.values()) if grouped is not None else [[location] for location in range(size)]


def fixed_at(formula: Expr, pc: Var, op: Op, size: int) -> Iterator[tuple[list[int], Expr]]:
    """The formula with the program counter (VAR or OLD of it) fixed: groups of locations, and the residual formula."""
    for locations in location_classes(formula, pc, op, size):
        yield locations, _fix(formula, pc, op, const(locations[0], pc.type))


def _fix(formula: Expr, pc: Var, op: Op, value: Expr) -> Expr:
    return substitute(formula, lambda n: value if n.op is op and n.payload == pc else None)


def _property_reads(
    system: System, process: int, properties: Iterable[Property], candidates: frozenset[Var],
) -> list[set[Var]]:
    """Candidates that properties read, by location of the process."""
    p = system.processes[process]
    at: list[set[Var]] = [set() for _ in p.locations]
    for prop in properties:
        for formula in (prop.formula, prop.goal):
            if not formula.reads & candidates:
                continue
            for op in (Op.VAR, Op.OLD):         # a goal is over steps too
                for locations, residual in fixed_at(formula, p.pc, op, len(p.locations)):
                    found = candidates.intersection(n.payload for n in postorder([residual]) if n.op is op)
                    for location in locations:
                        at[location] |= found
    return at


def liveness(flowing: Flowing, base: list[set[Var]], candidates: frozenset[Var], events: frozenset[str]
             ) -> tuple[frozenset[Var], ...]:
    """Backward analysis of faint variables: an assignment to a dead one reads nothing, unless its range is checked."""
    live = [frozenset(s) for s in base]
    always: list[frozenset[Var]] = []
    for e, guard, assigns in flowing:
        found = set(guard.reads)
        for v, rhs in assigns:
            if needs_check(v.type, rhs) or v not in candidates:
                found |= rhs.reads
        for ev in e.events:
            if ev.name in events:
                for a in ev.args:
                    found |= a.reads
        always.append(candidates & found)
    changed = True
    while changed:
        changed = False
        for (e, _, assigns), use in zip(reversed(flowing), reversed(always), strict=True):
            after = live[e.dst]
            needed = after.difference(v for v, _ in assigns) | use
            for v, rhs in assigns:
                if v in after:
                    needed |= rhs.reads & candidates
            if not needed <= live[e.src]:
                live[e.src] |= needed
                changed = True
    return tuple(live)


def analyse(
    system: System, properties: tuple[Property, ...], watched: frozenset[str] = frozenset(),
) -> tuple[Touch, tuple[ProcessFlow, ...]]:
    """All facts about a flat system, with respect to the properties that will be checked, and to events that are
    watched whatever these ask for."""
    events = used_events(properties) | watched
    touch = touches(system, events)
    fixed = {v: v.init for v in system.variables if not touch.writers[v]}
    flows = []
    for p in system.processes:
        owned = frozenset(v for v, w in touch.writers.items() if w == {p.index})
        candidates = frozenset(
            v for v in owned
            if v.role is not Role.PC and touch.readers[v] <= {p.index} and v not in touch.public
        )
        constants = _Constants(system, p.index, owned, fixed)
        flowing = constants.run()
        base = _property_reads(system, p.index, properties, candidates)
        live = liveness(flowing, base, candidates, events)
        flows.append(ProcessFlow(p.index, owned, candidates, tuple(constants.at), live, tuple(flowing)))
    return touch, tuple(flows)
