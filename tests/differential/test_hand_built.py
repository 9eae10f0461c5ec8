# SPDX-License-Identifier: GPL-2.0-or-later
"""All engines agree on random hand-built systems, under SC and TSO."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, assume, given, settings

from lostirq.evidence.verdict import Reductions
from lostirq.ir.system import Memory
from tests.differential.agreement import SETTINGS, agree, compiled_engines
from tests.differential.random_systems import systems

QUIET = list(HealthCheck)


@pytest.mark.parametrize("memory", Memory, ids=lambda m: m.value)
def test_graph_agrees_with_interpreter(memory: Memory) -> None:
    @settings(max_examples=100, deadline=None, suppress_health_check=QUIET)
    @given(systems(memory))
    def check(system):
        assume(agree(system, {}, {}))

    check()


@pytest.mark.parametrize("memory", Memory, ids=lambda m: m.value)
def test_generated_python_agrees_with_every_reduction(memory: Memory, tmp_path) -> None:
    engines = {"Python": compiled_engines(tmp_path)["Python"]}

    @settings(max_examples=40, deadline=None, suppress_health_check=QUIET)
    @given(systems(memory))
    def check(system):
        assume(agree(system, engines, {"Python": SETTINGS}, limit=500))

    check()


@pytest.mark.parametrize("memory", Memory, ids=lambda m: m.value)
def test_compiled_c_agrees(memory: Memory, tmp_path) -> None:
    engines = {"C": compiled_engines(tmp_path)["C"]}

    @settings(max_examples=25, deadline=None, suppress_health_check=QUIET)
    @given(systems(memory))
    def check(system):
        assume(agree(system, engines, {"C": (Reductions(),)}))

    check()
