# SPDX-License-Identifier: GPL-2.0-or-later
"""The minimal trace to a set of states or steps of a state graph.

Minimal: shortest; among the shortest, the fewest changes of process from one step to the next; among those, the least
sequence of edge numbers.  So it is always the same one, whichever engine looks for it.

Invariant: only arcs that go one level deeper can lie on a shortest trace; the least number of changes still to come is
computed level by level from the end, the trace is read off from the start.
"""

from __future__ import annotations

from collections.abc import Iterable

from lostirq.explicit.state_graph import StateGraph

Arc = tuple[int, int, int]         # edge, its process, node after it (-1: the end)


def minimal_trace(
    states: StateGraph, nodes: Iterable[int] = (), steps: Iterable[tuple[int, int]] = (),
) -> tuple[int, ...] | None:
    """The minimal trace to one of `nodes`, or through one of `steps` (node, edge) as its last; None without any."""
    depth = dict(states.graph.nodes(data="depth"))
    ends = [(depth[n], n, -1) for n in nodes] + [(depth[n] + 1, n, move) for n, move in steps]
    if not ends:
        return None
    length = min(ends)[0]
    if length == 0:
        return ()
    final = {(n, move) for d, n, move in ends if d == length}
    levels: list[list[int]] = [[] for _ in range(length + 1)]
    for n, d in depth.items():
        if d <= length:
            levels[d].append(n)
    arcs = _useful(states, levels, final)
    return _read_off(arcs, _changes(arcs, levels))


def _useful(states: StateGraph, levels: list[list[int]], final: set[tuple[int, int]]) -> dict[int, list[Arc]]:
    """The arcs of each node that can be part of a shortest trace, in order of their edges."""
    arcs: dict[int, list[Arc]] = {n: [] for n in levels[-1] if (n, -1) in final}
    for level in reversed(levels[:-1]):
        for n in level:
            found = [(key, states.edge(key).process, after) for key, after in states.arcs(n) if after in arcs]
            found = [a for a in found if _deeper(states, n, a[2])]
            found += [(move, states.edge(move).process, -1) for end, move in final if end == n and move >= 0]
            if found:
                arcs[n] = sorted(found)
    return arcs


def _deeper(states: StateGraph, node: int, after: int) -> bool:
    levels = states.graph.nodes
    return bool(levels[after]["depth"] == levels[node]["depth"] + 1)


def _changes(arcs: dict[int, list[Arc]], levels: list[list[int]]) -> dict[int, dict[int, int]]:
    """By node and edge taken from it: the fewest changes of process after that edge."""
    changes: dict[int, dict[int, int]] = {-1: {}}
    for level in reversed(levels):
        for n in level:
            if n in arcs:
                changes[n] = {key: _least(arcs, changes, after, process) for key, process, after in arcs[n]}
    return changes


def _least(arcs: dict[int, list[Arc]], changes: dict[int, dict[int, int]], node: int, process: int) -> int:
    """The fewest changes of process from a node on, if `process` took the step to it."""
    costs = (changes[node][key] + (other != process) for key, other, _ in arcs.get(node, ()))
    return min(costs, default=0)


def _read_off(arcs: dict[int, list[Arc]], changes: dict[int, dict[int, int]]) -> tuple[int, ...]:
    moves: list[int] = []
    node, last = 0, -1
    while arcs.get(node):
        def cost(arc: Arc, node: int = node, last: int = last) -> tuple[int, int]:
            return changes[node][arc[0]] + (last not in (-1, arc[1])), arc[0]

        key, last, node = min(arcs[node], key=cost)
        moves.append(key)
    return tuple(moves)
