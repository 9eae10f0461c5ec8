# SPDX-License-Identifier: GPL-2.0-or-later
"""The library of known bugs agrees with the oracle, a second model that shares no code and no author's reading.

The oracle judges loss alone, so a bug may break a structural property that it does not know.  What it does find lost
must be expected as violated; what it finds lost under TSO only must say so; the controls must hold in both.
"""

from __future__ import annotations

import json
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
ROWS = json.loads((Path(__file__).parent / "oracle_verdicts.json").read_text())["verdicts"]
NAMED = [r for r in ROWS if r["bug"] is not None]
CONTROLS = {"sleep-fence-removed", "wake-up-fence-removed", "wake-up-replaced-by-kick"}


def expectation(slug: str) -> dict[str, object]:
    return tomllib.loads((ROOT / "counterexamples" / slug / "bug.toml").read_text())


def test_the_table_names_bugs_of_the_library() -> None:
    assert len(NAMED) >= 20
    assert all((ROOT / "counterexamples" / r["bug"]).is_dir() for r in NAMED)


@pytest.mark.parametrize("row", NAMED, ids=[f"{r['mutant']}-{'+'.join(r['searched'])}" for r in NAMED])
def test_what_the_oracle_loses_the_model_violates(row: dict[str, object]) -> None:
    verdicts = {m: row[m]["verdict"] for m in ("sc", "tso")}  # type: ignore[index]  # rows of the table
    bug = expectation(str(row["bug"]))
    if "violated" in verdicts.values():
        assert bug["expected"] == "violated"
    if row["bug"] in CONTROLS:
        assert set(verdicts.values()) == {"holds"}
        assert bug["expected"] == "holds"
    if bug.get("needs_tso"):
        assert verdicts == {"sc": "holds", "tso": "violated"}
