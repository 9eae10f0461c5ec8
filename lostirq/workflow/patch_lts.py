# SPDX-License-Identifier: GPL-2.0-or-later
"""Finite behaviours of labelled graphs: is every word of one a word of the other, and if not, a shortest that is not.

A graph has arcs with a label, or with none (''): a step that nobody sees.  Its words are the label sequences of its
finite paths.  First both graphs are reduced together by branching bisimilarity (one partition for both): if the starts
fall together, all words are equal.  Else each direction is asked for a word, over the subsets of the reduced graph,
breadth-first: with few pairs first, because a word that is missing is mostly short; then for a simulation, which shows
that none is missing where the subsets are too many; then with all pairs of the budget.

Invariants: an answer that is not None is exact; a word that is given is a shortest one, and the first in the order of
the labels.  The reduction is blind to infinite unseen runs, which have no word.

References: van Glabbeek and Weijland 1996, "Branching time and abstraction in bisimulation semantics"; Blom and Orzan
2003, "Distributed branching bisimulation reduction of state spaces" (signatures); Rabin and Scott 1959 (subsets);
`lostirq.workflow.patch_simulation`.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from lostirq.workflow.patch_simulation import simulated

UNSEEN = ""
_FEW = 500              # pairs of subsets that are tried before a simulation
_ANSWERS = 2_000_000    # budget of a simulation
Word = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Graph:
    """State 0 is the start; `arcs[s]` are (label, target, move)."""

    arcs: tuple[tuple[tuple[str, int, int], ...], ...]


@dataclass(frozen=True, slots=True)
class Compared:
    """`gained`: a shortest word of the second graph that the first lacks, `lost`: the other way round; None if there is
    none.  `decided`: (gained, lost) is known; `bisimilar`: without asking for words; `simulated`: by simulations
    alone."""

    gained: Word | None
    lost: Word | None
    decided: tuple[bool, bool]
    bisimilar: bool = False
    simulated: bool = False


def compare(first: Graph, second: Graph, budget: int) -> Compared:
    """`budget`: pairs of subsets that are looked at in each direction."""
    offset = len(first.arcs)
    arcs = [[(label, t) for label, t, _ in out] for out in first.arcs]
    arcs += [[(label, t + offset) for label, t, _ in out] for out in second.arcs]
    block = reduce(arcs)
    if block[0] == block[offset]:
        return Compared(None, None, (True, True), True)
    quotient: list[set[tuple[str, int]]] = [set() for _ in range(max(block) + 1)]
    for s, out in enumerate(arcs):
        quotient[block[s]].update((label, block[t]) for label, t in out if label or block[t] != block[s])
    small = [sorted(out) for out in quotient]
    lost, lost_known, one = _included(small, block[0], block[offset], budget)
    gained, gained_known, other = _included(small, block[offset], block[0], budget)
    return Compared(gained, lost, (gained_known, lost_known), simulated=one and other)


def _included(arcs: Sequence[Sequence[tuple[str, int]]], one: int, other: int, budget: int
              ) -> tuple[Word | None, bool, bool]:
    """(a shortest word of `one` that `other` lacks, or None; is that known?; by a simulation?)"""
    word, known = missing(arcs, one, other, min(_FEW, budget))
    if known:
        return word, True, False
    if simulated(arcs, one, other, _ANSWERS):
        return None, True, True
    return (*missing(arcs, one, other, budget), False) if budget > _FEW else (None, False, False)


def reduce(arcs: Sequence[Sequence[tuple[str, int]]]) -> list[int]:
    """The classes of branching bisimilarity, numbered from 0, by state.  O(arcs) for each round of refinement."""
    import networkx as nx  # here, because most commands do without it

    silent = nx.DiGraph()
    silent.add_nodes_from(range(len(arcs)))
    silent.add_edges_from((s, t) for s, out in enumerate(arcs) for label, t in out if not label)
    component = [0] * len(arcs)
    count = 0
    for members in nx.strongly_connected_components(silent):    # each comes before those that lead to it
        for s in members:
            component[s] = count
        count += 1
    joined: list[set[tuple[str, int]]] = [set() for _ in range(count)]
    for s, out in enumerate(arcs):
        joined[component[s]].update((label, component[t]) for label, t in out if label or component[t] != component[s])
    block, classes = [0] * count, 1
    while True:
        numbers: dict[object, int] = {}
        signatures: list[frozenset[tuple[str, int]]] = []
        after: list[int] = []
        for c in range(count):
            seen: set[tuple[str, int]] = set()
            for label, t in joined[c]:
                if label or block[t] != block[c]:
                    seen.add((label, block[t]))
                else:
                    seen |= signatures[t]
            signatures.append(frozenset(seen))
            after.append(numbers.setdefault((block[c], signatures[c]), len(numbers)))
        block = after
        if len(numbers) == classes:
            return [block[component[s]] for s in range(len(arcs))]
        classes = len(numbers)


def missing(arcs: Sequence[Sequence[tuple[str, int]]], one: int, other: int, budget: int) -> tuple[Word | None, bool]:
    """(a shortest word from `one` that `other` does not have, or None; is that known?)"""
    start = _closure(arcs, [one]), _closure(arcs, [other])
    seen, queue = {start}, deque([(start, Word())])
    while queue:
        (mine, theirs), word = queue.popleft()
        theirs_by = _after(arcs, theirs)
        for label, targets in sorted(_after(arcs, mine).items()):
            if label not in theirs_by:
                return (*word, label), True
            pair = _closure(arcs, targets), _closure(arcs, theirs_by[label])
            if pair not in seen:
                if len(seen) >= budget:
                    return None, False
                seen.add(pair)
                queue.append((pair, (*word, label)))
    return None, True


def _after(arcs: Sequence[Sequence[tuple[str, int]]], states: Iterable[int]) -> dict[str, set[int]]:
    found: dict[str, set[int]] = {}
    for s in states:
        for label, t in arcs[s]:
            if label:
                found.setdefault(label, set()).add(t)
    return found


def _closure(arcs: Sequence[Sequence[tuple[str, int]]], states: Iterable[int]) -> frozenset[int]:
    found = set(states)
    todo = list(found)
    while todo:
        for label, t in arcs[todo.pop()]:
            if not label and t not in found:
                found.add(t)
                todo.append(t)
    return frozenset(found)


def run_of(graph: Graph, word: Word) -> tuple[int, ...]:
    """The moves of a shortest path with a word of the graph.  Raises `ValueError` if it is not one."""
    start = (0, 0)
    came: dict[tuple[int, int], tuple[tuple[int, int], int] | None] = {start: None}
    queue = deque([start])
    while queue:
        at = queue.popleft()
        if at[1] == len(word):
            return _unwind(came, at)
        for label, target, move in graph.arcs[at[0]]:
            if not label or label == word[at[1]]:
                after = (target, at[1] + bool(label))
                if after not in came:
                    came[after] = (at, move)
                    queue.append(after)
    raise ValueError(f"not a word of the graph: {word}")


def _unwind(came: dict[tuple[int, int], tuple[tuple[int, int], int] | None], at: tuple[int, int]) -> tuple[int, ...]:
    moves: list[int] = []
    before = came[at]
    while before is not None:
        moves.append(before[1])
        before = came[before[0]]
    return tuple(reversed(moves))
