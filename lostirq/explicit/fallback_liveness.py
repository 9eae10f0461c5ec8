# SPDX-License-Identifier: GPL-2.0-or-later
"""Fair strongly connected components on the graph of the generated-Python search: `runtime/live.c` and `lasso.c` again.

States are numbered in breadth-first order; arcs keep the order of the generated code, so that the lasso is the one that
the compiled engine finds.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass

from lostirq.evidence.verdict import RANGE
from lostirq.explicit.emit_py import Hit, PythonModel, Step
from lostirq.explicit.outcome import Outcome
from lostirq.explicit.plan import Plan
from lostirq.ir.system import Fair, FairClass, fairness_class

Arc = tuple[int, int]       # (successor or -1, edge)


@dataclass(slots=True)
class Graph:
    """`arcs[v]`: enabled edges; `goals[v]`: edges that reach the goal; `triggered[v]`, for the current recurrence."""

    states: list[int]
    arcs: list[list[Arc]]
    class_of: dict[int, FairClass]
    goals: list[set[int]]
    triggered: list[bool]

    def kept(self, v: int) -> list[Arc]:
        return [(w, e) for w, e in self.arcs[v] if w >= 0 and e not in self.goals[v]]

    def enabled(self, v: int) -> set[FairClass]:
        return {self.class_of[e] for _, e in self.arcs[v] if e in self.class_of}


def build(plan: Plan, model: PythonModel, levels: list[list[int]]) -> Graph:
    states = [s for level in levels for s in level]
    number = {s: i for i, s in enumerate(states)}
    arcs: list[list[Arc]] = []
    for s in states:
        steps: list[Step] = []
        hits: list[Hit] = []
        model.expand(s, 1 << plan.numbers[RANGE], steps, hits)
        taken = [(number[to], e) for e, to in steps if to >= 0]
        arcs.append(taken + [(-1, e) for e, to in steps if to < 0])
    class_of = {e.index: c for e in plan.system.edges if (c := fairness_class(e)) is not None}
    return Graph(states, arcs, class_of, [], [])


def lassos(
    plan: Plan, model: PythonModel, levels: list[list[int]], found: Outcome, late: float | None,
) -> dict[str, tuple[int, tuple[int, ...]]]:
    """By key of each recurrence that is violated: the packed state where the loop starts, and the loop.  Begins with
    none after the time `late`."""
    graph = build(plan, model, levels)
    distance = {s: d for d, level in enumerate(levels) for s in level}
    starts: dict[str, tuple[int, tuple[int, ...]]] = {}
    for key, goal in plan.goals.items():
        if late is not None and time.monotonic() > late:
            break
        trigger = plan.numbers[key]
        graph.goals, graph.triggered = [], []
        for s in graph.states:
            hits: list[Hit] = []
            model.expand(s, 1 << trigger | 1 << goal, [], hits)
            graph.goals.append({e for c, e in hits if c == goal})
            graph.triggered.append(any(c == trigger for c, _ in hits))
        best: tuple[tuple[int, int], int, set[int]] | None = None
        for nodes in fair_sets(graph):
            rank, start = min(((distance[graph.states[v]], graph.states[v]), v) for v in nodes if graph.triggered[v])
            if best is None or rank < best[0]:
                best = rank, start, nodes
        found.lassos[key] = None
        if best is not None:
            starts[key] = graph.states[best[1]], tuple(loop(graph, best[2], best[1]))
    return starts


def fair_sets(graph: Graph) -> Iterator[set[int]]:
    """The maximal fair strongly connected sets with a triggered state."""
    pending = [set(range(len(graph.states)))]
    while pending:
        region = pending.pop()
        for nodes in components(graph, region):
            if not any(graph.triggered[v] for v in nodes):
                continue
            taken = {graph.class_of.get(e) for v in nodes for w, e in graph.kept(v) if w in nodes}
            enabled = [graph.enabled(v) for v in nodes]
            if any(c[0] is Fair.WEAK and c not in taken for c in set.intersection(*enabled)):
                continue
            unfair = {c for c in set.union(*enabled) if c[0] is Fair.STRONG and c not in taken}
            if not unfair:
                yield nodes
                continue
            smaller = {v for v in nodes if not graph.enabled(v) & unfair}
            if smaller:
                pending.append(smaller)


def components(graph: Graph, region: set[int]) -> Iterator[set[int]]:
    """Strongly connected components inside a region; Tarjan's algorithm without recursion."""
    index: dict[int, int] = {}
    low: dict[int, int] = {}
    stack: list[int] = []
    done: set[int] = set()
    calls: list[tuple[int, Iterator[Arc]]] = []

    def enter(v: int) -> None:
        index[v] = low[v] = len(index)
        stack.append(v)
        calls.append((v, iter(graph.kept(v))))

    for root in sorted(region):
        if root in index:
            continue
        enter(root)
        while calls:
            v, arcs = calls[-1]
            step = next(arcs, None)
            if step is not None:
                w = step[0]
                if w in region and w not in index:
                    enter(w)
                elif w in region and w not in done:
                    low[v] = min(low[v], index[w])
                continue
            calls.pop()
            if calls:
                low[calls[-1][0]] = min(low[calls[-1][0]], low[v])
            if low[v] == index[v]:
                at = stack.index(v)
                nodes = set(stack[at:])
                del stack[at:]
                done |= nodes
                yield nodes


def loop(graph: Graph, nodes: set[int], start: int) -> list[int]:
    """A short closed walk from `start` that owes nothing to fairness; empty if the run may stay there."""
    moves: list[int] = []
    taken: set[FairClass] = set()
    weak = {c for c in graph.enabled(start) if c[0] is Fair.WEAK}
    strong = {c for c in graph.enabled(start) if c[0] is Fair.STRONG}
    at = start
    while True:
        owed = (weak | strong) - taken
        if not owed and at == start:
            return moves
        way = _nearest(graph, nodes, start, at, owed)
        for e, v in way:
            moves.append(e)
            if e in graph.class_of:
                taken.add(graph.class_of[e])
            weak &= graph.enabled(v)
            strong |= {c for c in graph.enabled(v) if c[0] is Fair.STRONG}
            at = v


def _nearest(graph: Graph, nodes: set[int], start: int, at: int, owed: set[FairClass]) -> list[tuple[int, int]]:
    """The way to the nearest arc or state that pays something owed, or if nothing is, to the start: (edge, state)."""
    weak = {c for c in owed if c[0] is Fair.WEAK}
    came: dict[int, list[tuple[int, int]]] = {at: []}
    queue = [at]
    for u in queue:
        for w, e in graph.kept(u):
            if w not in nodes:
                continue
            if graph.class_of.get(e) in owed:
                return [*came[u], (e, w)]
            if w in came:
                continue
            came[w] = [*came[u], (e, w)]
            if weak - graph.enabled(w) or (not owed and w == start):
                return came[w]
            queue.append(w)
    raise AssertionError("a fair set pays what it owes")
