# SPDX-License-Identifier: GPL-2.0-or-later
"""The reachable states of a small scenario as a networkx graph, for reading and asking.

Invariants: nodes are 0, 1, ... in breadth-first order, 0 is the initial state; node `n` has the attributes `state`
(the values in the order of `flat.variables`) and `depth`.  An arc is one enabled edge that was taken; its key is the
index of the edge.  Successors are computed by the interpreter on the *flat* system, so that lowering is compared with
the interpreter's own store buffers.

Reference: Hagberg, Schult and Swart 2008, "Exploring network structure, dynamics, and function using NetworkX".
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

import networkx as nx

from lostirq.interpret import Interpreter, RangeError, State
from lostirq.ir.expr import Expr
from lostirq.ir.system import Edge, System
from lostirq.ir.tso import lower

Predicate = Expr | Callable[[int], bool]


@dataclass(frozen=True, slots=True)
class StateGraph:
    """`system` as given, `flat` as explored.  `enabled[n]`: all enabled edges of node n, also those that go out of
    range, have no arc and are listed in `overflows` as (node, edge).  `frontier`: nodes that were not expanded, and
    `reason` why ("states", "timeout", "memory" or "interrupted")."""

    system: System
    flat: System
    graph: nx.MultiDiGraph
    interpreter: Interpreter
    parents: tuple[tuple[int, int] | None, ...]       # (node, edge) by which a node was first reached
    enabled: tuple[tuple[int, ...], ...]
    overflows: tuple[tuple[int, int], ...] = ()
    frontier: frozenset[int] = field(default_factory=frozenset)
    reason: str = ""

    @property
    def complete(self) -> bool:
        return not self.frontier

    @property
    def states(self) -> int:
        return len(self.parents)

    @property
    def transitions(self) -> int:
        return sum(len(moves) for moves in self.enabled)

    # -- looking at nodes -----------------------------------------------------------------------------------------

    def state(self, node: int) -> State:
        """The state of a node, as the interpreter of the flat system has it."""
        return self.graph.nodes[node]["state"], ()

    def value(self, node: int, name: str) -> int:
        """The value of the variable of that name."""
        position = next(i for i, v in enumerate(self.flat.variables) if v.name == name)
        values: tuple[int, ...] = self.graph.nodes[node]["state"]
        return values[position]

    def holds(self, formula: Predicate, node: int) -> bool:
        """Does a node satisfy a formula over the flat system, or a Python predicate on nodes?"""
        if isinstance(formula, Expr):
            return self.interpreter.holds(formula, self.state(node))
        return formula(node)

    def where(self, formula: Predicate) -> list[int]:
        """The nodes that satisfy a formula, in breadth-first order."""
        return [n for n in range(self.states) if self.holds(formula, n)]

    def stuck(self) -> list[int]:
        """Nodes without an enabled edge that are not at rest."""
        return [
            n for n in range(self.states)
            if n not in self.frontier and not self.enabled[n] and not self.interpreter.resting(self.state(n))
        ]

    def edge(self, index: int) -> Edge:
        return self.flat.edges[index]

    def arcs(self, node: int) -> list[tuple[int, int]]:
        """(edge index, successor) of the moves of a node, in order of the edges."""
        return sorted((key, target) for _, target, key in self.graph.out_edges(node, keys=True))

    # -- questions ------------------------------------------------------------------------------------------------

    def trace(self, node: int) -> tuple[int, ...]:
        """A shortest way from the initial state: edge indices."""
        moves: list[int] = []
        at = self.parents[node]
        while at is not None:
            moves.append(at[1])
            at = self.parents[at[0]]
        return tuple(reversed(moves))

    def shortest_path(self, source: Predicate, target: Predicate) -> list[tuple[int, int | None]] | None:
        """A shortest path from some node with `source` to some node with `target`: pairs (node, edge taken from it),
        the last with None.  Its length is 0 if a node satisfies both; None if there is none.  O(nodes + arcs)."""
        goal = set(self.where(target))
        came: dict[int, tuple[int, int] | None] = dict.fromkeys(self.where(source))
        queue = deque(came)
        while queue:
            node = queue.popleft()
            if node in goal:
                return self._unwind(came, node)
            for key, after in self.arcs(node):
                if after not in came:
                    came[after] = (node, key)
                    queue.append(after)
        return None

    @staticmethod
    def _unwind(came: dict[int, tuple[int, int] | None], node: int) -> list[tuple[int, int | None]]:
        path: list[tuple[int, int | None]] = [(node, None)]
        at = came[node]
        while at is not None:
            path.append(at)
            at = came[at[0]]
        return list(reversed(path))

    def components(self) -> list[frozenset[int]]:
        """The strongly connected components, each before those that it can reach; ties by the least node."""
        condensed = nx.condensation(self.graph)
        order = nx.lexicographical_topological_sort(condensed, key=lambda c: min(condensed.nodes[c]["members"]))
        return [frozenset(condensed.nodes[c]["members"]) for c in order]

    def bottom_components(self) -> list[frozenset[int]]:
        """The components that are never left: where the system ends up if it runs long enough."""
        return [c for c in self.components() if all(after in c for n in c for _, after in self.arcs(n))]

    def dominators(self, target: Predicate) -> list[int]:
        """The nodes that every way from the initial state to a node with `target` passes, the initial one first."""
        wanted = self.where(target)
        if not wanted:
            return []
        joined = nx.DiGraph(self.graph)
        joined.add_edges_from((n, "target") for n in wanted)
        immediate = nx.immediate_dominators(joined, 0)
        chain: list[int] = []
        at = immediate["target"]
        while at is not None:
            chain.append(at)
            at = immediate.get(at) if at != 0 else None
        return chain[::-1]

    def restricted(self, nodes: Iterable[int]) -> nx.MultiDiGraph:
        """The graph on these nodes only (a view)."""
        return self.graph.subgraph(nodes)


def explore_graph(
    system: System, limit: int | None = None, stop: Callable[[int], str] | None = None,
) -> StateGraph:
    """Every reachable state of a system, annotated or flat, breadth-first.  With more than `limit` states, on Ctrl-C,
    or when `stop(states)` gives a reason, the graph stays incomplete."""
    flat = lower(system)
    interpreter = Interpreter(flat)
    building = _Building(interpreter, nx.MultiDiGraph(name=system.name))
    reason = ""
    try:
        while building.queue and not reason:
            states = len(building.parents)
            reason = "states" if limit is not None and states > limit else stop(states) if stop is not None else ""
            if not reason:
                building.expand()
    except KeyboardInterrupt:
        reason = "interrupted"
    frontier = frozenset(building.queue)
    enabled = [building.enabled.get(n, ()) for n in range(len(building.parents))]
    return StateGraph(
        system, flat, building.graph, interpreter, tuple(building.parents), tuple(enabled), tuple(building.overflows),
        frontier, reason if frontier else "",
    )


class _Building:
    """A graph in the making; `queue` holds the nodes that are not expanded."""

    def __init__(self, interpreter: Interpreter, graph: nx.MultiDiGraph) -> None:
        self.interpreter, self.graph = interpreter, graph
        start = interpreter.initial()
        self.number: dict[State, int] = {start: 0}
        self.parents: list[tuple[int, int] | None] = [None]
        self.enabled: dict[int, tuple[int, ...]] = {}
        self.overflows: list[tuple[int, int]] = []
        self.queue = deque([0])
        graph.add_node(0, state=start[0], depth=0)

    def expand(self) -> None:
        """Take every move of the first node of the queue; an interrupt leaves it there."""
        node = self.queue[0]
        state: State = (self.graph.nodes[node]["state"], ())
        moves = self.interpreter.moves(state)
        steps: list[tuple[int, State]] = []
        overflows: list[tuple[int, int]] = []
        for move in moves:
            try:
                steps.append((move, self.interpreter.step(state, move)))
            except RangeError:
                overflows.append((node, move))
        for move, after in steps:
            if after not in self.number:
                self.number[after] = len(self.parents)
                self.parents.append((node, move))
                self.graph.add_node(self.number[after], state=after[0], depth=self.graph.nodes[node]["depth"] + 1)
                self.queue.append(self.number[after])
            self.graph.add_edge(node, self.number[after], key=move)
        self.enabled[node] = tuple(moves)
        self.overflows += overflows
        self.queue.popleft()
