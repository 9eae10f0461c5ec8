# SPDX-License-Identifier: GPL-2.0-or-later
"""Equal reachable graphs, asked as an invariant of the base, and confirmed by exploring both."""

from __future__ import annotations

import pytest

from lostirq.interpret import Interpreter
from lostirq.ir.system import Memory, System
from lostirq.workflow.mutate_equal import KEY, question
from tests.unit.language import compiled

MODEL = """
x: Int[0, 3]
y: Int[0, 3]


@thread()
def copies():
    while True:
        idle()
        v = x
        if {test}:
            y = v
        event("copied", v)


@thread()
def writes():
    while True:
        idle()
        x = {value}
        x = 0


@invariant("T-1")
def small() -> bool:
    return y < 3
"""


def system(memory: Memory, test: str = "v < 3", value: int = 1) -> System:
    return compiled(MODEL.replace("{test}", test).replace("{value}", str(value)), memory)


def holds(asked: System | None) -> bool:
    assert asked is not None
    return KEY not in Interpreter(asked).explore().violations


@pytest.mark.parametrize("memory", Memory)
def test_a_condition_that_never_matters(memory: Memory) -> None:
    base, mutant = system(memory), system(memory, "True")
    assert holds(question(base, mutant)) and holds(question(mutant, base))
    ours, theirs = Interpreter(base).explore(), Interpreter(mutant).explore()
    assert (ours.states, ours.transitions) == (theirs.states, theirs.transitions)


@pytest.mark.parametrize("memory", Memory)
def test_a_condition_that_matters(memory: Memory) -> None:
    assert not holds(question(system(memory, value=3), system(memory, "True", value=3)))
    assert not holds(question(system(memory), system(memory, "v < 1")))     # an edge less
    assert not holds(question(system(memory, "v < 1"), system(memory)))     # an edge more


def test_other_locations_or_variables_are_another_shape() -> None:
    base = system(Memory.SC)
    assert question(base, compiled(MODEL.replace("{test}", "v < 3 and x < 3").replace("{value}", "1"))) is None
    assert question(base, compiled(MODEL.replace("{test}", "v < 3").replace("{value}", "1").replace("y < 3", "y < 2"))
                    ) is None


def test_another_event_is_seen() -> None:
    text = MODEL.replace("{test}", "v < 3").replace("{value}", "1")
    assert not holds(question(compiled(text), compiled(text.replace('"copied", v', '"copied", 0'))))
