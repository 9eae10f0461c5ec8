# SPDX-License-Identifier: GPL-2.0-or-later
"""Findings in the unmodified kernel: they still reproduce in the model, as long as they say, and their fixes verify."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

import pytest

from lostirq.evidence.replay import find_property, replay
from lostirq.evidence.verdict import Holds, SearchOptions, SearchResult, Violated
from lostirq.explicit.search import check
from lostirq.interpret import Interpreter
from lostirq.ir.system import Memory
from lostirq.language import compile_scenario, load_sources
from lostirq.workflow.patching import apply
from lostirq.workflow.workspace import sources

ROOT = Path(__file__).parents[2]
FINDINGS = ROOT / "counterexamples" / "findings"
DETACHED = "last-device-detached-while-blocking"
MIGRATED = "preempted-sleeper-migrates-under-a-post"
HIT = {"Q-1[0]", "LV-1[0,0]"}
WHERE = {DETACHED: ("bypass", {"BYPASS_DETACH": 1}), MIGRATED: ("migration_sender", {})}
DEAF = ("detach_sender", "migration_sender")      # with a software sender
EACH = pytest.mark.parametrize("finding", sorted(WHERE))


@cache
def searched(finding: str, fixed: bool) -> SearchResult:
    """All properties in the scenario of a finding, with and without its fix."""
    texts = sources(ROOT)
    if fixed:
        texts = apply(texts, (FINDINGS / finding / "fix.patch").read_text()).sources
    name, overrides = WHERE[finding]
    system = compile_scenario(load_sources(texts), name, Memory.SC, overrides=dict(overrides))
    return check(system, SearchOptions())


@pytest.mark.parametrize("scenario", DEAF)
def test_a_sender_does_not_wake_the_sleeper(scenario: str) -> None:
    """Whatever a software sender does afterwards, the vCPU sleeps on."""
    system = compile_scenario(load_sources(sources(ROOT)), scenario, Memory.SC)
    found = check(system, SearchOptions(properties=("Q-1[0]",), stop_first=True, liveness=False))
    verdict = found.verdicts["Q-1[0]"]
    assert isinstance(verdict, Violated)
    interpreter = Interpreter(system)
    state = replay(system, verdict.trace).states[-1]
    lost = find_property(system, "Q-1[0]").formula
    sender = next(p.index for p in system.processes if p.name.startswith("sender"))
    seen, todo, sent = {state}, [state], 0
    while todo:
        state = todo.pop()
        for move in interpreter.moves(state):
            if move >= len(system.edges) or system.edges[move].process != sender:
                continue
            after = interpreter.step(state, move)
            if any(name == "sent" for name, _ in interpreter.events(state, move)):
                sent += 1
                assert not interpreter.holds(lost, after)
            if after not in seen:
                seen.add(after)
                todo.append(after)
    assert sent > 0


@EACH
def test_every_finding_is_complete(finding: str) -> None:
    assert {p.name for p in FINDINGS.iterdir() if p.is_dir()} == set(WHERE)
    assert {"README.md", "trace.txt", "fix.patch"} <= {p.name for p in (FINDINGS / finding).iterdir()}


@EACH
def test_it_is_lost_and_nothing_else_is_violated(finding: str) -> None:
    found = searched(finding, False)
    assert found.complete
    assert {key for key, verdict in found.verdicts.items() if isinstance(verdict, Violated)} == HIT


@EACH
def test_recorded_trace_is_as_short_as_the_shortest(finding: str) -> None:
    verdict = searched(finding, False).verdicts["Q-1[0]"]
    assert isinstance(verdict, Violated)
    text = (FINDINGS / finding / "trace.txt").read_text()
    recorded = re.search(r"^(\d+) steps, the fewest possible", text, re.MULTILINE)
    assert recorded is not None
    assert int(recorded[1]) == len(verdict.trace.moves)
    assert f"{recorded[1]} steps" in (FINDINGS / finding / "README.md").read_text()


@EACH
def test_fix_verifies(finding: str) -> None:
    found = searched(finding, True)
    assert found.complete
    checked = [key for key in found.verdicts if not key.startswith("W-")]
    assert set(checked) >= HIT
    assert {key: v for key in checked if not isinstance(v := found.verdicts[key], Holds)} == {}
