# SPDX-License-Identifier: GPL-2.0-or-later
"""Weak simulation between states of a labelled graph: a proof that every word of one is a word of the other.

One state is simulated by another if each of its arcs can be answered, with unseen arcs before and after, by one that
leads to a state which simulates its target.  The greatest such relation is found from the pairs that the question
reaches: each pair counts the answers that are left to each of its arcs, and falls when one has none.

Invariants: True is exact, and implies the inclusion of words; False is exact too, but says nothing about words; None
means that the budget was not enough.

References: Milner 1989, "Communication and Concurrency", chapter 5 (weak simulation); Henzinger, Henzinger and Kopke
1995, "Computing simulations on finite and infinite graphs" (counters).
"""

from __future__ import annotations

from collections.abc import Sequence

Arcs = Sequence[Sequence[tuple[str, int]]]
_Pair = tuple[int, int]


def simulated(arcs: Arcs, one: int, other: int, budget: int) -> bool | None:
    """Is `one` weakly simulated by `other`?  `budget`: answers that are looked at, all pairs together; linear in it."""
    answers = _Answers(arcs)
    start = (one, other)
    left: dict[_Pair, list[int]] = {}                       # the answers left to each arc of a pair that has to be won
    waiting: dict[_Pair, list[tuple[_Pair, int]]] = {}      # for whom a pair is an answer
    todo, lost = [start], list[_Pair]()
    fallen: set[_Pair] = set()
    while todo:
        pair = todo.pop()
        if pair in left:
            continue
        left[pair] = []
        for label, target in arcs[pair[0]]:
            found = answers.of(pair[1], label)
            if target in found:
                continue                                    # a state simulates itself
            budget -= len(found)
            if budget < 0:
                return None
            for answer in ((target, u) for u in sorted(found)):
                waiting.setdefault(answer, []).append((pair, len(left[pair])))
                todo.append(answer)
            left[pair].append(len(found))
            if not found and pair not in fallen:
                fallen.add(pair)
                lost.append(pair)
    while lost:
        for pair, arc in waiting.get(lost.pop(), ()):
            left[pair][arc] -= 1
            if not left[pair][arc] and pair not in fallen:
                fallen.add(pair)
                lost.append(pair)
    return start not in fallen


class _Answers:
    """The states that a state can reach with a label, unseen arcs before and after; remembered."""

    def __init__(self, arcs: Arcs) -> None:
        self._arcs = arcs
        self._found: dict[tuple[int, str], frozenset[int]] = {}

    def of(self, state: int, label: str) -> frozenset[int]:
        key = (state, label)
        if key not in self._found:
            if label:
                targets = {t for s in self.of(state, "") for found, t in self._arcs[s] if found == label}
                self._found[key] = frozenset(u for t in targets for u in self.of(t, ""))
            else:
                self._found[key] = self._unseen(state)
        return self._found[key]

    def _unseen(self, state: int) -> frozenset[int]:
        found, todo = {state}, [state]
        while todo:
            for label, t in self._arcs[todo.pop()]:
                if not label and t not in found:
                    found.add(t)
                    todo.append(t)
        return frozenset(found)
