# SPDX-License-Identifier: GPL-2.0-or-later
"""The table of races: what it says is planted is planted, in the scenario that it names.

That the planted races are found is `lostirq bugs`, which reproduces every one of them.
"""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def rows() -> list[tuple[str, str, str]]:
    """(race, slug, scenario and memory) of each row."""
    lines = [line for line in (ROOT / "docs" / "races.md").read_text().splitlines() if line.startswith("| ")]
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    return [(c[0], c[2], c[3]) for c in cells[1:]]


@pytest.mark.parametrize(("race", "slug", "where"), rows(), ids=[slug for _, slug, _ in rows()])
def test_a_race_is_planted_where_the_table_says(race: str, slug: str, where: str) -> None:
    entry = tomllib.loads((ROOT / "counterexamples" / slug / "bug.toml").read_text())
    scenario, _, memory = where.partition(" ")
    assert (entry["scenario"], entry["memory"]) == (scenario, memory or "sc"), race
    assert (entry["expected"] == "holds") == ("(control)" in race), race


def test_a_race_that_needs_a_store_buffer_says_so() -> None:
    for race, slug, where in rows():
        entry = tomllib.loads((ROOT / "counterexamples" / slug / "bug.toml").read_text())
        assert not entry.get("needs_tso") or where.endswith(" tso"), race
