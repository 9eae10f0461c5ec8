# SPDX-License-Identifier: GPL-2.0-or-later
"""All engines agree on random hand-built systems, under SC and TSO."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, assume, given, settings

from lostirq.ir.system import Memory
from tests.differential.agreement import agree
from tests.differential.random_systems import systems


@pytest.mark.parametrize("memory", Memory)
def test_graph_agrees_with_interpreter(memory: Memory) -> None:
    @settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True)
    @given(systems(memory))
    def check(system):
        assume(agree(system, {}, {}))

    check()
