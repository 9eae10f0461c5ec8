# SPDX-License-Identifier: GPL-2.0-or-later
"""The pages about mutants show the record; it is of mutants that exist; no survivor is left without a word."""

from __future__ import annotations

import re
from itertools import chain
from pathlib import Path

import pytest

from lostirq.report.text import count
from lostirq.workflow.mutate_edit import PLUS, Kind, name_of, what_of
from lostirq.workflow.mutate_page import NOTES, read_notes, renewed
from lostirq.workflow.mutate_record import read_record
from lostirq.workflow.mutate_run import Fate, groups, looked_at
from lostirq.workflow.mutate_runs import PAGE, RECORD, anchor, mark, sections, told, written
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


def test_every_barrier_that_a_run_shows_to_be_needed_has_its_interleaving() -> None:
    """`make mutants` searches those that are missing; the run of each has the length and the property of the record."""
    page = sections((DOCS / PAGE).read_text())
    shown = told(RESULTS.values())
    assert shown and sorted(page) == sorted(mark(r) for r in shown)
    assert written(shown, page) == (DOCS / PAGE).read_text()
    for r in shown:
        run = page[mark(r)]
        assert f"\n    {r.property}" in run and f"scenario {r.scenario}, memory model {r.memory.upper()}" in run, r.name
        assert not r.length or f"\n    {count(r.length, 'step')}, the fewest possible" in run, r.name
    linked = {anchor(r.name) for r in shown}
    found = set(re.findall(rf"\({PAGE}#([^)]+)\)", (DOCS / "barriers.md").read_text()))
    assert found and found <= linked and len(linked) == len(shown)


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
