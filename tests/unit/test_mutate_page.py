# SPDX-License-Identifier: GPL-2.0-or-later
"""Tables of mutants: each result in the right words, and notes that cannot be read are an error."""

from __future__ import annotations

from pathlib import Path

import pytest

from lostirq.errors import UsageError
from lostirq.workflow.mutate_page import NOTES, RECORD, Notes, read_notes, renewed, short
from lostirq.workflow.mutate_record import keep
from lostirq.workflow.mutate_run import Fate, MutantResult

HEAD = '{"format": "lostirq-mutants", "version": 1}\n'
RESULTS = [
    MutantResult("cpu:a.py:f:1", "cpu", "without fence()", Fate.SURVIVOR, why="2 systems exhausted", model="m"),
    MutantResult("cpu:a.py:g:1", "cpu", "without fence()", Fate.SURVIVOR, why="2 systems exhausted", model="m"),
    MutantResult("cpu:a.py:h:1", "cpu", "without mb()", Fate.KILLED, "Q-1[0]", "small", "tso", 7, model="m"),
    MutantResult("cpu:a.py:f:1 + cpu:a.py:g:1", "cpu", "without both", Fate.KILLED, "Q-2[0]", "small", "tso", 9),
    MutantResult("step:a.py:f:1", "step", "without x = y | z", Fate.UNKNOWN,
                 why="alive in 1 of 2 scenarios, the cheapest"),
    MutantResult("step:a.py:f:2", "step", "without y", Fate.KILLED, "W-1", why="no longer reached"),
]
PAGE = "text\n<!-- mutants: {} -->\nold\n<!-- end -->\nmore\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / RECORD).write_text(HEAD)
    for r in RESULTS:
        keep(tmp_path / RECORD, r)
    (tmp_path / NOTES).write_text('[[explained]]\nmutants = ["cpu:a.py:f:1"]\nwhy = """Nobody\n  looks."""\n')
    return tmp_path


def table(folder: Path, name: str) -> str:
    text = renewed(folder, PAGE.format(name))
    assert text.startswith("text\n") and text.endswith("<!-- end -->\nmore\n")
    return text.split("-->\n", 1)[1].split("<!-- end", 1)[0]


def test_a_fence_that_is_needed_only_together_with_another(folder: Path) -> None:
    rows = table(folder, "fences").splitlines()[2:]
    assert rows[0] == ("| without fence() | `a.py:f:1` | not needed: 2 systems exhausted | "
                       "with `a.py:g:1`: **needed**: [Q-2[0], 9 steps, `small`]"
                       "(interleavings.md#cpu-a-py-f-1-cpu-a-py-g-1) |")
    assert rows[2] == ("| without mb() | `a.py:h:1` | **needed**: "
                       "[Q-1[0], 7 steps, `small`](interleavings.md#cpu-a-py-h-1) |  |")


def test_counts(folder: Path) -> None:
    assert table(folder, "summary").splitlines()[2:] == [
        "| cpu | 2 |  | 2 |  |  | 4 |", "| step | 1 |  |  |  | 1 | 2 |", "| all | 3 | 0 | 2 | 0 | 1 | 6 |", "",
        "6 mutants, 3 of them on the last model that was tried (the others on earlier ones)."]
    assert "| Q-1 | 1 |" in table(folder, "killers")


def test_words(folder: Path) -> None:
    assert short(RESULTS[4], Notes()) == "open: alive in 1 of 2 scenarios, the cheapest"
    assert short(RESULTS[5], Notes()) == "**needed**: W-1 is no longer reached"
    assert table(folder, "open") == "- `step:a.py:f:1`: without x = y | z; alive in 1 of 2 scenarios, the cheapest\n"
    assert table(folder, "survivors") == "- Nobody looks.\n  - `cpu:a.py:f:1`: without fence()\n"
    assert table(folder, "undecided").count("\n") == 2


def test_what_cannot_be_made(folder: Path) -> None:
    assert renewed(folder, "no marks\n") == "no marks\n"
    with pytest.raises(UsageError, match="no table of mutants is called 'nonsense'"):
        renewed(folder, PAGE.format("nonsense"))
    for text, said in (("[[hole]]\nmutants = 3\n", r"\[\[hole\]\] number 1 needs"), ("[[", "mutants.toml: ")):
        (folder / NOTES).write_text(text)
        with pytest.raises(UsageError, match=said):
            read_notes(folder / NOTES)
