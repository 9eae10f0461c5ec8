# SPDX-License-Identifier: GPL-2.0-or-later
"""Progress goes to terminals only, and colour only where it is wanted."""

from __future__ import annotations

import io

import pytest

from lostirq.evidence.verdict import Progress
from lostirq.workflow.outcome import Outcome
from lostirq.workflow.progress import Status, use_colour
from lostirq.workflow.show import natural, summarised, word


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_a_terminal_sees_states_rate_frontier_depth_and_memory() -> None:
    terminal = Terminal()
    status = Status(terminal, 7)
    status.finished("other")
    status.show("one sc", Progress(3_000_000, 41, 52_000, 1.5, 300 << 20))
    assert "[1/7] one sc: 3.0 M states, 2.0 M/s, frontier 52 k, depth 41, 300 MiB" in terminal.getvalue()
    status.clear()
    assert terminal.getvalue().endswith("\r\033[K")


def test_a_file_sees_nothing() -> None:
    stream = io.StringIO()
    status = Status(stream, 1)
    status.show("one sc", Progress(1, 1, 1, 1.0, 1))
    status.finished("one sc")
    assert stream.getvalue() == ""


@pytest.mark.parametrize(
    ("environment", "wanted"),
    [({}, True), ({"NO_COLOR": "1"}, False), ({"NO_COLOR": ""}, True), ({"TERM": "dumb"}, False)],
)
def test_colour(environment: dict[str, str], wanted: bool) -> None:
    assert use_colour(Terminal(), environment) is wanted
    assert not use_colour(io.StringIO(), environment)


def test_words_are_as_wide_with_colour_as_without() -> None:
    for outcome in Outcome:
        plain, coloured = word(outcome), word(outcome, colour=True)
        assert plain in coloured and len(plain) == 5
    assert word(Outcome.UNDECIDED).strip() == word(Outcome.TIMEOUT).strip() == "?"


def test_natural_order() -> None:
    assert sorted(["T-10", "T-2", "T-9c", "LV-1", "T-9"], key=natural) == ["LV-1", "T-2", "T-9", "T-9c", "T-10"]


def test_a_summary_of_many_names_is_wrapped_between_them() -> None:
    names = [f"LV-{n}[{n}]" for n in range(43)]
    lines = summarised(f"43 properties in 1 scenario under TSO; undecided: {', '.join(names)}")
    assert len(lines) > 2 and max(map(len, lines)) <= 100 and lines[0].startswith("SUMMARY: 43 properties")
    assert all(line.startswith("  LV-") for line in lines[1:])
    assert " ".join(" ".join(lines).split()).endswith(", ".join(names))
