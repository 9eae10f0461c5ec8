# SPDX-License-Identifier: GPL-2.0-or-later
"""Columns: the widths fill the line, texts break as little as they must, nothing leaves the page."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from lostirq.report.columns import GAP, SLACK, penalty, place, starts, widths, wrap

WORDS = st.lists(st.text("abc_", min_size=1, max_size=30), min_size=1, max_size=6).map(" ".join)
COLUMNS = st.lists(st.lists(WORDS, max_size=5), min_size=1, max_size=4)


def chosen(texts: list[list[str]], total: int = 75) -> list[int]:
    cost = [lambda w, t=t, i=i: penalty(t, w, last=i == len(texts) - 1) for i, t in enumerate(texts)]
    return widths(cost, [6] * len(texts), total)


@given(COLUMNS)
def test_columns_fill_the_width(texts: list[list[str]]) -> None:
    found = chosen(texts)
    assert sum(found) + GAP * (len(texts) - 1) == 75
    assert starts(found)[0] == 0 and min(found) > 0


@given(WORDS, st.integers(18, 60))
def test_wrapping_loses_nothing_and_keeps_to_the_column(item: str, width: int) -> None:
    lines = wrap(f"  {item}", width)
    assert " ".join(" ".join(lines).split()) == item
    assert all(len(line) <= max(width + SLACK, 34) for line in lines)


@given(WORDS, st.integers(0, 74))
def test_no_line_leaves_the_page_unless_a_word_does(item: str, start: int) -> None:
    lines = wrap(item, 20)
    placed = place(lines, start, 75)
    assert [line.lstrip() for line in placed] == [line.lstrip() for line in lines]
    assert max(map(len, placed)) <= max(75, *map(len, lines))


def test_the_longer_text_gets_the_wider_column() -> None:
    long, short = ["x = a_rather_long_value (was another_long_value)"], ["y = 1"]
    left, right = chosen([long, short])
    assert left > right
    assert wrap(long[0], left) == long
    assert chosen([short, short]) in ([36, 37], [37, 36])
