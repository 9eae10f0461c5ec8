# SPDX-License-Identifier: GPL-2.0-or-later
"""Findings in the unmodified kernel: they still reproduce in the model, as long as they say, and their fixes verify."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

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
DETACHED = FINDINGS / "last-device-detached-while-blocking"
HIT = {"Q-1[0]", "LV-1[0,0]"}


@cache
def detachment(fixed: bool) -> SearchResult:
    """Scenario bypass with a device that is detached too, all properties, with and without the fix."""
    texts = sources(ROOT)
    if fixed:
        texts = apply(texts, (DETACHED / "fix.patch").read_text()).sources
    system = compile_scenario(load_sources(texts), "bypass", Memory.SC, overrides={"BYPASS_DETACH": 1})
    return check(system, SearchOptions())


def test_a_sender_does_not_wake_the_sleeper() -> None:
    """Scenario detach_sender: whatever a software sender does afterwards, the vCPU sleeps on."""
    system = compile_scenario(load_sources(sources(ROOT)), "detach_sender", Memory.SC)
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


def test_every_finding_is_complete() -> None:
    folders = sorted(p for p in FINDINGS.iterdir() if p.is_dir())
    assert DETACHED in folders
    for folder in folders:
        assert {"README.md", "trace.txt", "fix.patch"} <= {p.name for p in folder.iterdir()}, folder


def test_detachment_is_lost_and_nothing_else_is_violated() -> None:
    found = detachment(False)
    assert found.complete
    assert {key for key, verdict in found.verdicts.items() if isinstance(verdict, Violated)} == HIT


def test_recorded_trace_is_as_short_as_the_shortest() -> None:
    verdict = detachment(False).verdicts["Q-1[0]"]
    assert isinstance(verdict, Violated)
    recorded = re.search(r"^(\d+) steps, the fewest possible", (DETACHED / "trace.txt").read_text(), re.MULTILINE)
    assert recorded is not None
    assert int(recorded[1]) == len(verdict.trace.moves)
    assert f"{recorded[1]} steps" in (DETACHED / "README.md").read_text()


def test_fix_verifies() -> None:
    found = detachment(True)
    assert found.complete
    checked = [key for key in found.verdicts if not key.startswith("W-")]
    assert set(checked) >= HIT
    assert {key: v for key in checked if not isinstance(v := found.verdicts[key], Holds)} == {}
