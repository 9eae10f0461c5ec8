# SPDX-License-Identifier: GPL-2.0-or-later
"""Where the environment may stop for ever: a lost interrupt shows only in runs in which nobody comes to its rescue.

A guest may stay at an instruction boundary for ever, and a vCPU asleep, while everybody else is at rest.  A model, or a
front end, in which that is not fair would pass every recurrence.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from lostirq.evidence.verdict import SearchOptions, Violated
from lostirq.explicit.search import check
from lostirq.ir.system import Memory
from lostirq.language import Workspace, compile_scenario, load_sources
from lostirq.workflow.patching import apply
from lostirq.workflow.workspace import sources

ROOT = Path(__file__).parents[2]
STAYS = '''
from lostirq.prelude import *
from model.state import *
from properties.views import *


@pure
def leaves_the_guest(i: VcpuId) -> bool:
    """It does not stay where it is."""
    return not at_boundary(i)


@pure
def wakes(i: VcpuId) -> bool:
    """It does not go on sleeping."""
    return not sleeps(i)


@recurrence("X-1", title="a guest leaves", source="none", over=VCPUS, goal=leaves_the_guest, witness="W-eligible",
            planted="planted-lv1-window-exit-ignored")
def guest_leaves(i: VcpuId) -> bool:
    """The guest of vCPU i runs, and nobody else moves."""
    return at_boundary(i) and nobody_moves(i)


@recurrence("X-2", title="a sleeper wakes", source="none", over=VCPUS, goal=wakes, witness="W-eligible",
            planted="planted-lv1-window-exit-ignored")
def sleeper_wakes(i: VcpuId) -> bool:
    """vCPU i sleeps, and nobody else moves."""
    return sleeps(i) and nobody_moves(i)
'''


@pytest.fixture(scope="module")
def workspace() -> Workspace:
    return load_sources({**sources(ROOT), "properties/stays.py": STAYS})


@pytest.mark.parametrize(
    ("name", "halts"),
    [("two_togglers", True), ("pv_kick", True), ("device_halt", True), ("sender_halt", True),
     ("injection_device", True), ("ipi_virtualization", True), ("bypass", True), ("userspace_device", True),
     ("injection_timer", True), ("hyperv_eoi", False)],
)
def test_a_guest_may_stay_and_a_sleeper_may_sleep(workspace: Workspace, tmp_path: Path, name: str, halts: bool) -> None:
    system = compile_scenario(workspace, name, Memory.TSO)
    stays = tuple(p for p in system.properties if p.key.split("[")[0] in {"X-1", *(["X-2"] if halts else [])})
    verdicts = check(replace(system, properties=stays), SearchOptions(), tmp_path).verdicts
    assert stays
    assert [p.key for p in stays if not isinstance(verdicts[p.key], Violated)] == []


def test_a_thread_that_waits_for_its_turn_excuses_no_lost_wakeup(tmp_path: Path) -> None:
    """Two vCPUs on one pCPU: where the wakeup handler forgets one, its interrupt is lost, whoever has the pCPU."""
    bug = ROOT / "counterexamples" / "wakeup-handler-stops-at-the-first" / "bug.patch"
    patched = apply(sources(ROOT), bug.read_text(), bug.name)
    system = compile_scenario(load_sources(patched.sources), "overcommit", Memory.SC)
    lost = tuple(p for p in system.properties if p.id == "LV-1")
    verdicts = check(replace(system, properties=lost), SearchOptions(), tmp_path).verdicts
    assert any(isinstance(verdicts[p.key], Violated) for p in lost), verdicts
