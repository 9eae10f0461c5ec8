# SPDX-License-Identifier: GPL-2.0-or-later
"""Marks among statements: do those of one function differ from those of another version of it?

Invariants: as in `lostirq.workflow.patch_marks`; quadratic in the number of statements.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher


@dataclass(frozen=True, slots=True)
class Token:
    """A statement, the head or end of a compound one, or a mark (`mark` says which).  `size`: tokens below a head."""

    text: str
    line: int
    mark: str = ""
    size: int = 0
    structure: bool = False


def differences(old: Sequence[Token], new: Sequence[Token]) -> list[tuple[int, str]]:
    """(line, what) of the marks that differ."""
    marks = [[t for t in side if t.mark] for side in (old, new)]
    texts = [[t.text for t in side] for side in marks]
    if texts[0] != texts[1]:
        found = []
        for tag, i, j, k, m in SequenceMatcher(None, texts[0], texts[1], autojunk=False).get_opcodes():
            if tag != "equal":
                gone = {t.mark: t.line for t in marks[0][i:j]}
                come = {t.mark: t.line for t in marks[1][k:m]}
                found += [(line, f"{what} removed") for what, line in gone.items() if what not in come]
                found += [(line, f"{what} added" if what not in gone else f"{what} moved")
                          for what, line in come.items()]
        return found
    if not texts[0]:
        return []
    before, after = _placed(old), _placed(new)
    pairs = _aligned(before, after)
    found = [(marks[1][n].line, f"{marks[1][n].mark} moved") for n in sorted(_crossed(before, after, pairs))]
    for side, own in ((old, 0), (new, 1)):
        kept = {(before, after)[own][pair[own]][2] for pair in pairs}
        for at, token in enumerate(side):
            below = range(at + 1, at + 1 + token.size)
            inner = [n for n in below if side[n].mark]
            if inner and at not in kept and not any(n in kept and not side[n].structure for n in below):
                found.append((side[inner[0]].line, f"{side[inner[0]].mark} under another condition"))
    return found


def _placed(tokens: Sequence[Token]) -> list[tuple[str, int, int]]:
    """Of each statement: the text, how many marks are before it, the place."""
    found, before = [], 0
    for at, token in enumerate(tokens):
        if token.mark:
            before += 1
        else:
            found.append((token.text, before, at))
    return found


def _aligned(old: Sequence[tuple[str, int, int]], new: Sequence[tuple[str, int, int]]) -> list[tuple[int, int]]:
    """The longest common sequence of statements; among those, one with most statements between the same marks."""
    one = len(old) + len(new) + 1
    best = [[0] * (len(new) + 1) for _ in range(len(old) + 1)]
    for i in reversed(range(len(old))):
        for j in reversed(range(len(new))):
            value = max(best[i + 1][j], best[i][j + 1])
            if old[i][0] == new[j][0]:
                value = max(value, best[i + 1][j + 1] + one + (old[i][1] == new[j][1]))
            best[i][j] = value
    found, i, j = [], 0, 0
    while i < len(old) and j < len(new):
        if old[i][0] == new[j][0] and best[i][j] == best[i + 1][j + 1] + one + (old[i][1] == new[j][1]):
            found.append((i, j))
            i, j = i + 1, j + 1
        elif best[i][j] == best[i + 1][j]:
            i += 1
        else:
            j += 1
    return found


def _crossed(old: Sequence[tuple[str, int, int]], new: Sequence[tuple[str, int, int]],
             pairs: Sequence[tuple[int, int]]) -> set[int]:
    """The marks that lie on the other side of a statement that stood still and changed places with none."""
    still = [{pair[own] for pair in pairs} for own in (0, 1)]
    arrived: dict[str, deque[int]] = {}
    for n, (text, place, _) in enumerate(new):
        if n not in still[1]:
            arrived.setdefault(text, deque()).append(place)
    moved: Counter[tuple[int, int]] = Counter()
    for n, (text, place, _) in enumerate(old):
        if n not in still[0] and arrived.get(text):
            moved[place, arrived[text].popleft()] += 1
    found: set[int] = set()
    for i, j in pairs:
        here, there = old[i][1], new[j][1]
        if here == there:
            continue
        if moved[there, here]:
            moved[there, here] -= 1
        else:
            found |= set(range(min(here, there), max(here, there)))
    return found
