# SPDX-License-Identifier: GPL-2.0-or-later
"""Where the columns of a table begin, and how a text is wrapped inside one.

Invariants: the columns and the gaps fill the width; among the ways to share it, the one that breaks the texts least is
taken, and among those the most even one; no line is longer than the width, unless one word is.
"""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Sequence

GAP = 2
LEAST = 18
SLACK = 6       # characters that an item may stick out of its column rather than be broken


def wrap(item: str, width: int) -> list[str]:
    """The lines of an item in a column of `width`.  A word that is too long makes them longer: it may reach into the
    next columns, where nothing else stands in its row; so may the last few characters of an item."""
    if len(item) <= width + SLACK:
        return [item]
    indent = len(item) - len(item.lstrip())
    return textwrap.wrap(item, max(width, longest(item)), subsequent_indent=" " * (indent + 2),
                         break_long_words=False, break_on_hyphens=False) or [""]


def longest(item: str) -> int:
    """What the longest word of an item needs, where it stands if the item is broken before it."""
    words = item.split()
    indent = len(item) - len(item.lstrip())
    return max((len(word) + indent + (2 if i else 0) for i, word in enumerate(words)), default=0)


def penalty(items: Sequence[str], width: int, *, last: bool) -> int:
    """How badly items sit in a column of this width: each break of an item counts, more for each further one; so does
    a word that reaches out of the column, more so at the right edge, where the line has to begin further left."""
    lines = [wrap(i, width) for i in items]
    broken = sum((len(ls) - 1) ** 2 for ls in lines)
    return 2 * broken + sum((3 if last else 2) for ls in lines if max(map(len, ls)) > width)


def place(lines: Sequence[str], start: int, total: int) -> list[str]:
    """Lines in their column; where one of them would reach over the right edge, all begin further left."""
    begin = max(0, min(start, total - max(map(len, lines), default=0)))
    return [" " * begin + line for line in lines]


def widths(cost: Sequence[Callable[[int], int]], least: Sequence[int], total: int) -> list[int]:
    """The widths of the columns; `cost` gives the penalty of a column at a width, `least` its least width.  Calls each
    cost at most `total` times; otherwise O(columns * total^2)."""
    free = total - GAP * (len(cost) - 1)
    even = free // len(cost)
    best: dict[int, tuple[int, int, list[int]]] = {0: (0, 0, [])}    # width used -> (penalty, unevenness, widths)
    for column, smallest in zip(cost, least, strict=True):
        at = {w: column(w) for w in range(min(max(LEAST, smallest), even), free + 1)}
        following: dict[int, tuple[int, int, list[int]]] = {}
        for used, (bad, uneven, chosen) in best.items():
            for w, more in at.items():
                candidate = (bad + more, uneven + (w - even) ** 2, [*chosen, w])
                if used + w <= free and (used + w not in following or candidate < following[used + w]):
                    following[used + w] = candidate
        best = following
    return best[free][2]


def starts(chosen: Sequence[int]) -> list[int]:
    """The first position of each column."""
    found, at = [], 0
    for width in chosen:
        found.append(at)
        at += width + GAP
    return found
