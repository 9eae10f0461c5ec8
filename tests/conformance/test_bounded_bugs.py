# SPDX-License-Identifier: GPL-2.0-or-later
"""Known bugs with Z3: the bounded search finds the counterexample of the compiled engine, and the witnesses at full
width are what they claim to be.

All witnesses are checked by `lostirq bugs --lift` and by the slow test here; the fast one takes every twentieth, and
lifts anew what the model has left behind.
"""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from lostirq.evidence.replay import confirm, replay
from lostirq.evidence.trace_file import read
from lostirq.evidence.verdict import SearchOptions, Violated
from lostirq.explicit.search import check
from lostirq.ir.digest import digest
from lostirq.language import Workspace, compile_scenario
from lostirq.symbolic.bmc import check_bounded
from lostirq.workflow.bugs import library, patched_workspace, read_bug
from lostirq.workflow.check import CheckOptions
from lostirq.workflow.lift import WITNESS, lift, widths
from lostirq.workflow.workspace import load

ROOT = Path(__file__).resolve().parents[2]
SHORT = ("planted-q7-poster-without-on", "planted-t1-kick-forces-exiting", "planted-q6-load-leaves-on",
         "on-set-before-pir", "planted-t9c-update-stops-early", "entry-fence-removed")
VIOLATED = tuple(slug for slug, folder in library(ROOT).items()
                 if tomllib.loads((folder / "bug.toml").read_text())["expected"] == "violated")
SAFETY = tuple(slug for slug in VIOLATED if read(library(ROOT)[slug] / "trace.json").trace.loop is None)


@pytest.fixture(scope="module")
def base() -> Workspace:
    return load(ROOT)


@pytest.mark.parametrize("slug", SHORT)
def test_the_same_counterexample_as_the_compiled_engine(base: Workspace, slug: str) -> None:
    """Length, changes of process and every single transition."""
    bug = read_bug(library(ROOT)[slug])
    system = compile_scenario(patched_workspace(base, bug), bug.scenario, bug.memory)
    keys = tuple(p.key for p in system.properties if p.id == bug.properties[0])
    options = SearchOptions(properties=keys, stop_first=True, stop_early=True)
    found, expected = check_bounded(system, options).verdicts, check(system, options).verdicts
    violated = {k: v.trace for k, v in expected.items() if isinstance(v, Violated) and k in keys}
    assert violated and {k: v.trace for k, v in found.items() if isinstance(v, Violated) and k in keys} == violated


@pytest.mark.parametrize("slug", SAFETY[::20])
def test_a_witness_at_full_width(base: Workspace, slug: str) -> None:
    found = lift(base, read_bug(library(ROOT)[slug]), widths(ROOT), CheckOptions())
    assert found.trace is not None, found.why
    assert dict(found.trace.overrides) == widths(ROOT)


@pytest.mark.slow
@pytest.mark.parametrize("slug", SAFETY)
def test_each_recorded_witness(base: Workspace, slug: str) -> None:
    bug = read_bug(library(ROOT)[slug])
    stored = read(bug.folder / WITNESS)
    large = compile_scenario(patched_workspace(base, bug), bug.scenario, bug.memory, overrides=widths(ROOT),
                             properties=stored.properties)
    assert stored.trace.digest == digest(large), f"renew it: lostirq bugs --lift --record {slug}"
    assert confirm(replay(large, stored.trace)) is not None
