# SPDX-License-Identifier: GPL-2.0-or-later
"""The plain operations on bits: a load and a store of one unit, which another agent can come between."""

from __future__ import annotations

import pytest

from lostirq.interpret import Interpreter
from lostirq.ir.system import Memory
from tests.unit.language import compiled, lines

MODEL = """
w: Words[4, 2]
found: bool

@thread(over=2)
def setter(i: Int[0, 1]):
    if {call}(w, 2 + i):
        found = True

@invariant("all")
def all_bits() -> bool:
    return not (at_rest("setter", 0) and at_rest("setter", 1)) or bit(w.word[1], 0) and bit(w.word[1], 1)
"""


@pytest.mark.parametrize("memory", Memory)
def test_a_load_and_a_store(memory: Memory) -> None:
    text = MODEL.replace("{call}", "__test_and_set_bit")
    edges = [e.split("; ") for e in lines(compiled(text, memory), "setter(0)")]
    assert [e[-1] for e in edges][:2] == ["load", "store"]
    assert any(part.startswith("w[1]:=(put setter(0).__test_and_set_bit()") for e in edges for part in e)


def test_a_bit_is_lost_between_them() -> None:
    for call, lost in (("test_and_set_bit", False), ("__test_and_set_bit", True)):
        found = Interpreter(compiled(MODEL.replace("{call}", call))).explore()
        assert ("all" in found.violations) is lost


def test_without_result_and_with_a_run_time_index() -> None:
    text = """
w: Words[4, 2]

@thread()
def clearer():
    i: Int[0, 3] = choose(0, 3)
    __set_bit(w, i)
    __clear_bit(w, i)

@hardware()
def other():
    while True:
        w.word[0] = 3

@invariant("all")
def cleared() -> bool:
    return not at_rest("clearer") or w.word[1] == 0
"""
    for memory in Memory:
        system = compiled(text, memory)
        assert {e.access.value for e in system.edges if e.process == 0} >= {"load", "store"}
        assert "all" not in Interpreter(system).explore().violations
