# SPDX-License-Identifier: GPL-2.0-or-later
"""The reference algorithm for liveness: fair strongly connected components of the complete state graph.

A recurrence is violated by a fair run on which `formula` holds infinitely often and `goal` occurs only finitely often.
Arcs on which `goal` occurs are removed; what such a run visits infinitely often is then a strongly connected set of
states with these properties (fairness as `lostirq.ir.system` has it):

  weak    for each process: some WEAK edge of it is taken inside, or none is enabled in some state of the set;
  strong  for each location of a process: some STRONG edge from it is taken inside, or none is enabled in any state;
  goal    some state satisfies `formula`.

A component that fails `weak` or `goal` has no subset that passes, because a subset has fewer arcs and fewer states; one
that fails `strong` is searched again without the states in which the class is enabled (Streett).  Enabledness counts
the removed arcs too.  A single state without arcs is a set as well: the run that stays there for ever.

References: Emerson and Lei 1987, "Modalities for model checking"; Latvala and Heljanko 2000, "Coping with strong
fairness".
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import networkx as nx

from lostirq.explicit.state_graph import StateGraph
from lostirq.interpret import State
from lostirq.ir.system import Fair, FairClass, Form, Property, fairness_class


@dataclass(frozen=True, slots=True)
class Lasso:
    """A stem from the initial state, then a loop for ever; an empty loop stays where the stem ends."""

    stem: tuple[int, ...]
    loop: tuple[int, ...]


class FairGraph:
    """The fairness classes of a state graph: which are enabled in a node, which an edge takes."""

    def __init__(self, states: StateGraph) -> None:
        self.states = states
        of_edge = [fairness_class(e) for e in states.flat.edges]
        self.of_edge = of_edge
        self.enabled = [frozenset(c for m in moves if (c := of_edge[m]) is not None) for moves in states.enabled]
        self.classes = sorted({c for c in of_edge if c is not None}, key=lambda c: (c[0].value, *c[1:]))

    def unfair(self, graph: nx.MultiDiGraph, nodes: set[int]) -> list[FairClass]:
        """The classes to which a run that visits exactly these nodes for ever, on arcs of `graph`, is not fair."""
        taken = {
            self.of_edge[key] for n in nodes for after, keys in graph.adj[n].items() if after in nodes for key in keys
        }
        somewhere = frozenset[FairClass]().union(*(self.enabled[n] for n in nodes))
        everywhere = somewhere.intersection(*(self.enabled[n] for n in nodes))
        obliged = {Fair.WEAK: everywhere, Fair.STRONG: somewhere}
        return [c for c in self.classes if c in obliged[c[0]] and c not in taken]

    def components(self, graph: nx.MultiDiGraph, wanted: set[int]) -> Iterator[set[int]]:
        """The maximal fair strongly connected sets of `graph` that contain a node of `wanted`."""
        pending = [set(graph.nodes)]
        while pending:
            part = graph.subgraph(pending.pop())
            for nodes in sorted(nx.strongly_connected_components(part), key=min):
                unfair = self.unfair(graph, nodes) if nodes & wanted else []
                if not nodes & wanted or any(c[0] is Fair.WEAK for c in unfair):
                    continue
                if not unfair:
                    yield nodes
                    continue
                smaller = {n for n in nodes if not any(c in self.enabled[n] for c in unfair)}
                if smaller:
                    pending.append(smaller)

    def loop(self, graph: nx.MultiDiGraph, nodes: set[int], start: int) -> tuple[int, ...]:
        """A closed walk from `start` inside a fair set, which takes or finds disabled every class as it must."""
        if not self.enabled[start]:
            return ()                              # nothing obliges the run to leave
        inside = graph.subgraph(nodes).copy()
        walk: list[int] = []
        at = start
        for class_ in self.classes:
            taken = any(self.of_edge[m] == class_ for m in walk)
            if taken or not any(class_ in self.enabled[n] for n in nodes):
                continue
            arcs = {n: (after, key) for n, after, key in sorted(inside.edges(keys=True)) if self.of_edge[key] == class_}
            if arcs:
                way, at = _walk(inside, at, set(arcs))
                walk += [*way, arcs[at][1]]
                at = arcs[at][0]
            else:
                way, at = _walk(inside, at, {n for n in nodes if class_ not in self.enabled[n]})
                walk += way
        return (*walk, *_walk(inside, at, {start})[0])


def _walk(graph: nx.MultiDiGraph, source: int, targets: set[int]) -> tuple[list[int], int]:
    """A shortest way from a node to the nearest of some nodes: the edges taken, and where it ends."""
    if source in targets:
        return [], source
    came: dict[int, tuple[int, int]] = {}
    level = [source]
    while level:
        following: list[int] = []
        for node in level:
            for _, after, key in sorted(graph.out_edges(node, keys=True)):
                if after == source or after in came:
                    continue
                came[after] = (node, key)
                if after in targets:
                    return _back(came, source, after), after
                following.append(after)
        level = following
    raise AssertionError("a strongly connected set has a way between any two of its states")


def _back(came: dict[int, tuple[int, int]], source: int, node: int) -> list[int]:
    way: list[int] = []
    while node != source:
        node, key = came[node]
        way.append(key)
    return way[::-1]


def recurrence_violation(states: StateGraph, prop: Property) -> Lasso | None:
    """A fair run that violates a recurrence, or None if there is none.  The graph must be complete."""
    if prop.form is not Form.RECURRENCE:
        raise ValueError(f"{prop.key} is no recurrence")
    if not states.complete:
        raise ValueError("liveness needs the complete state graph")
    formula, goal = prop.formula, prop.goal
    step = states.interpreter.holds_step

    def outside(node: int, move: int, after: int) -> bool:
        before: State = states.state(node)
        return not step(goal, before, move, states.state(after))

    kept = nx.MultiDiGraph()
    kept.add_nodes_from(states.graph.nodes)
    kept.add_edges_from((n, a, k) for n, a, k in states.graph.edges(keys=True) if outside(n, k, a))
    wanted = set(states.where(formula))
    fair = FairGraph(states)
    found = min(fair.components(kept, wanted), key=lambda nodes: min(nodes & wanted), default=None)
    if found is None:
        return None
    start = min(found & wanted)                    # nodes are numbered breadth-first, so this stem is a shortest one
    return Lasso(states.trace(start), fair.loop(kept, found, start))
