# SPDX-License-Identifier: GPL-2.0-or-later
"""The pages about mutants show the record; it is of mutants that exist; no survivor is left without a word."""

from __future__ import annotations

from itertools import chain
from pathlib import Path

import pytest

from lostirq.workflow.mutate_edit import Kind, name_of, what_of
from lostirq.workflow.mutate_page import NOTES, PLUS, RECORD, read_notes, renewed
from lostirq.workflow.mutate_record import read_record
from lostirq.workflow.mutate_run import Fate, groups, looked_at
from lostirq.workflow.mutate_sites import mutants
from lostirq.workflow.workspace import sources

DOCS = Path(__file__).parents[2] / "docs"
RESULTS = read_record(DOCS / RECORD).results
NOTED = read_notes(DOCS / NOTES)
EXIST = {name_of(g): what_of(g) for g in groups(mutants(sources(DOCS.parent)))}


@pytest.mark.parametrize("page", ["barriers.md", "mutants.md"])
def test_the_tables_are_made_of_the_record(page: str) -> None:
    text = (DOCS / page).read_text()
    assert "<!-- mutants: " in text and renewed(DOCS, text) == text, "make docs"


def test_the_record_is_of_mutants_that_exist() -> None:
    """`lostirq mutate --out docs/mutants.jsonl --again --only ...` runs anew what a change of the model has moved."""
    moved = [n for n, r in RESULTS.items() if EXIST.get(n) != r.what]
    assert RESULTS and moved == []


def test_every_fence_is_in_the_record() -> None:
    fences = {n for n in EXIST if n.startswith(f"{Kind.CPU.value}:") and PLUS not in n}
    assert fences and sorted(fences - set(RESULTS)) == []


def test_every_survivor_is_explained_once_or_is_a_hole_and_nothing_else_is() -> None:
    """What is still open may be explained ahead; what was killed, or shown to make no difference, may not."""
    said = [n for note in chain(NOTED.explained, NOTED.holes) for n in note.mutants]
    survivors = {n for n, r in RESULTS.items() if r.fate is Fate.SURVIVOR}
    open_still = {n for n, r in RESULTS.items() if looked_at(r) is not None}
    assert sorted(survivors - set(said)) == []
    assert sorted(set(said) - survivors - open_still) == []
    assert len(said) == len(set(said))


def test_the_pairings_name_mutants_that_exist() -> None:
    assert [n for note in NOTED.pairings for n in note.mutants if n not in EXIST] == []
