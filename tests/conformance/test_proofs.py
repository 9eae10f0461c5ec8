# SPDX-License-Identifier: GPL-2.0-or-later
"""The proofs of proofs/ go through at full width, and fail on the bugs that break what they prove."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from lostirq.evidence.verdict import Holds, Unknown
from lostirq.ir.system import Memory
from lostirq.language import load_sources
from lostirq.workflow.patching import apply
from lostirq.workflow.prove import load_with_proofs, prove_property
from lostirq.workflow.workspace import SOURCES, sources

ROOT = Path(__file__).resolve().parents[2]
SCENARIO = "posted_interrupts_full"
SMALL = {"VECTORS": 4, "FIRST_VECTOR": 0, "PIR_WORD": 2, "IRR_WORD": 2, "CLASS_SHIFT": 1, "CLASS_BASE": 1,
         "SENDERS": 1, "KICKERS": 0, "IPIV": 0}  # fmt: skip
BUGS = sorted(
    path.parent.name
    for path in (ROOT / "counterexamples").glob("*/bug.toml")
    if tomllib.loads(path.read_text()).get("property") == ["Q-7"] and (path.parent / "bug.patch").exists()
)




PROOFS = (
    (SCENARIO, Memory.SC),
    pytest.param(SCENARIO, Memory.TSO, marks=pytest.mark.slow),
    pytest.param("posted_interrupts_attach", Memory.TSO, marks=pytest.mark.slow),
)


@pytest.mark.parametrize("scenario, memory", PROOFS, ids=lambda p: p.value if isinstance(p, Memory) else p)
def test_posted_is_announced_with_all_vectors(scenario: str, memory: Memory) -> None:
    report = prove_property(load_with_proofs(ROOT), "Q-7", scenario, memory)
    assert isinstance(report.verdict, Holds), report.render()
    assert dict(report.parameters)["VECTORS"] == 256


def test_the_small_width_is_proved_too() -> None:
    """So that the bugs below fail for what they are, not for the width."""
    report = prove_property(load_with_proofs(ROOT), "Q-7", SCENARIO, Memory.TSO, overrides=SMALL)
    assert isinstance(report.verdict, Holds), report.render()


@pytest.mark.parametrize("slug", BUGS)
def test_a_known_bug_is_not_proved(slug: str) -> None:
    before = sources(ROOT, (*SOURCES, "proofs"))
    patched = apply(before, (ROOT / "counterexamples" / slug / "bug.patch").read_text(), slug)
    report = prove_property(load_sources({**before, **patched.sources}), "Q-7", SCENARIO, Memory.TSO, overrides=SMALL)
    assert isinstance(report.verdict, Unknown) and "not inductive" in report.verdict.reason, report.render()
    assert any("PIR" in line or "pi_desc" in line for line in report.step), report.render()


def test_there_are_such_bugs() -> None:
    assert len(BUGS) >= 2
