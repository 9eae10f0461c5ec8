# SPDX-License-Identifier: GPL-2.0-or-later
"""docs/orderings.md shows the recorded ablations, and they are those of the model as it is."""

from __future__ import annotations

import json
from pathlib import Path

from benchmarks.orderings import page
from lostirq.workflow.ablate import groups
from lostirq.workflow.orderings import ablations
from lostirq.workflow.workspace import sources

ROOT = Path(__file__).parents[2]
RESULTS = json.loads((ROOT / "docs" / "orderings.json").read_text())


def test_the_table_is_made_of_the_record() -> None:
    text = (ROOT / "docs" / "orderings.md").read_text()
    assert page(text, RESULTS) == text


def test_the_record_is_of_ablations_that_exist() -> None:
    now = {" + ".join(a.name for a in g): " and ".join(a.what for a in g) for g in groups(ablations(sources(ROOT)))}
    assert {r["name"] for r in RESULTS} <= set(now)
    assert [r["name"] for r in RESULTS if r["what"] != now[r["name"]]] == []
