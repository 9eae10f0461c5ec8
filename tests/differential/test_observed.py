# SPDX-License-Identifier: GPL-2.0-or-later
"""What `lostirq patch --behaviour` explores against the interpreter: the same events after the same events.

The graph of generated Python has its dead variables cleared, so it is smaller; it must be bisimilar to the graph of the
interpreter, which clears nothing, on random systems and on a scenario of the core model.
"""

from __future__ import annotations

from collections import deque
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lostirq.interpret import Interpreter, RangeError
from lostirq.ir.system import Memory, System
from lostirq.ir.tso import lower
from lostirq.language import compile_scenario, load_workspace
from lostirq.workflow.patch_behaviour import observed
from lostirq.workflow.patch_lts import UNSEEN, Graph, compare
from tests.differential.random_systems import EVENTS, systems

ROOT = Path(__file__).parents[2]
MOST = 3_000
EXAMPLES = 60


def interpreted(system: System, events: tuple[str, ...], limit: int) -> Graph | None:
    """Every state and every arc, by the reference."""
    interpreter = Interpreter(lower(system))
    number = {interpreter.initial(): 0}
    queue, arcs = deque(number), list[tuple[tuple[str, int, int], ...]]()
    while queue:
        if len(number) > limit:
            return None
        state = queue.popleft()
        out = []
        for move in interpreter.moves(state):
            seen = [f"{name}({', '.join(map(str, values))})" for name, values in interpreter.events(state, move)
                    if not events or name in events]
            try:
                after = interpreter.step(state, move)
            except RangeError:
                continue
            if after not in number:
                number[after] = len(number)
                queue.append(after)
            out.append((" + ".join(seen) or UNSEEN, number[after], move))
        arcs.append(tuple(out))
    return Graph(tuple(arcs))


def agree(system: System, events: tuple[str, ...], most: int = MOST) -> bool:
    """Compare the two; false if the system is too large for that."""
    reference = interpreted(system, events, most)
    if reference is None:
        return False
    found = observed(system, events, most, lambda: False)
    assert found is not None and len(found.arcs) <= len(reference.arcs)
    assert compare(found, reference, 100).bisimilar
    labels = [{label for out in g.arcs for label, _, _ in out} for g in (found, reference)]
    assert labels[0] == labels[1]
    return True


@pytest.mark.parametrize("memory", list(Memory))
def test_random_systems(memory: Memory) -> None:
    compared = 0

    @settings(max_examples=EXAMPLES, deadline=None, database=None, suppress_health_check=list(HealthCheck))
    @given(systems(memory), st.sampled_from([(), (EVENTS[0],)]))
    def check(system: System, events: tuple[str, ...]) -> None:
        nonlocal compared
        compared += agree(system, events)

    check()
    assert compared > EXAMPLES // 3


def test_a_scenario_of_the_core() -> None:
    system = compile_scenario(load_workspace(ROOT), "pv_kick", Memory.TSO)
    assert agree(system, ("halt", "sleep", "wake"), 100_000)
