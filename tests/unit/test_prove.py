# SPDX-License-Identifier: GPL-2.0-or-later
"""`prove`: lemmas of the modelling language, windows, and verdicts that are never better than they are."""

from __future__ import annotations

import pytest

from lostirq.errors import ModelErrors, UsageError
from lostirq.evidence.verdict import Holds, Unknown, Violated
from lostirq.ir.system import Memory
from lostirq.language import Workspace, compile_scenario, load_sources
from lostirq.workflow.prove import prove_property

MODEL = """
from lostirq.prelude import *

VECTORS = Param(256, "vectors")
WORDS = (VECTORS + 63) // 64
EARLY = Param(False, "read the bits before ON is cleared")
Vector = Int[0, VECTORS - 1]


class Descriptor(Struct):
    pir: Words[VECTORS, 64]
    on: bool


d: Descriptor


@thread(over=2, symmetric=True)
def poster(i: Int[0, 1]):
    while True:
        idle()
        v = choose(Vector)
        if not test_and_set_bit(d.pir, v):
            with window("post"):
                test_and_set(d.on)


@thread()
def harvester():
    while True:
        if d.on:
            if not EARLY:
                lock_set(d.on, False)
            with window("harvest"):
                for k in range(WORDS):
                    if d.pir.word[k] != 0:
                        xchg(d.pir.word[k], 0)
            if EARLY:
                lock_set(d.on, False)


@scenario(tier="proof", memory=("sc", "tso"))
class full_width:
    '''All vectors.'''
"""

PROPERTIES = """
from lostirq.prelude import *


@pure
def announced() -> bool:
    return bits(d.pir) == 0 or d.on or within("poster", "post")


@invariant("Q", excuses=("post", "harvest"))
def posted_is_announced() -> bool:
    '''Posted bits are announced, except while they are harvested.'''
    return announced() or within("harvester", "harvest")


@invariant("Z")
def nothing_is_posted() -> bool:
    '''Not true for long.'''
    return bits(d.pir) == 0


@invariant("B")
def on() -> bool:
    '''Not true at the start.'''
    return d.on
"""

PROOF = """
from lostirq.prelude import *


@lemma("whole", proves="Q", windows=("harvest",))
def whole() -> bool:
    '''After the harvest it will be true.'''
    return announced()
"""

WRONG = """
@lemma("false at the start", proves="Q")
def wrong() -> bool:
    '''Not true at the start.'''
    return d.on
"""

NONSENSE = """
@lemma("x", nonsense=1)
def f() -> bool:
    return True
"""


def workspace(proof: str = PROOF) -> Workspace:
    return load_sources({"model/d.py": MODEL, "properties/q.py": PROPERTIES, "proofs/q.py": proof})


@pytest.mark.parametrize("memory", list(Memory), ids=lambda m: m.value)
def test_a_window_is_proved_at_full_width(memory: Memory) -> None:
    report = prove_property(workspace(), "Q", "full_width", memory)
    assert isinstance(report.verdict, Holds), report.render()
    assert report.lemmas == ("whole",) and report.conjuncts > 2 and report.statistics is not None


def test_without_the_lemma_it_is_unknown_and_the_step_is_shown() -> None:
    report = prove_property(workspace(""), "Q", "full_width", Memory.SC)
    assert isinstance(report.verdict, Unknown) and "not inductive" in report.verdict.reason
    assert any("harvester" in line for line in report.step)
    assert "not proved" in report.render()


def test_a_bug_is_not_proved() -> None:
    report = prove_property(workspace(), "Q", "full_width", Memory.SC, overrides={"EARLY": 1})
    assert isinstance(report.verdict, Unknown)


def test_what_can_happen_is_not_proved() -> None:
    assert isinstance(prove_property(workspace(), "Z", "full_width", Memory.SC).verdict, Unknown)


def test_what_is_false_at_the_start_is_a_violation_of_no_steps() -> None:
    verdict = prove_property(workspace(), "B", "full_width", Memory.SC).verdict
    assert isinstance(verdict, Violated) and verdict.trace.moves == ()


def test_a_lemma_that_is_false_at_the_start_is_no_violation() -> None:
    report = prove_property(workspace(PROOF + WRONG), "Q", "full_width", Memory.SC)
    assert isinstance(report.verdict, Unknown) and "false at the start" in report.verdict.reason


def test_a_limit_is_unknown() -> None:
    report = prove_property(workspace(), "Q", "full_width", Memory.SC, overrides={"VECTORS": 8}, rlimit=1)
    assert isinstance(report.verdict, Unknown) and "gave up" in report.verdict.reason


def test_lemmas_are_no_properties_of_a_check() -> None:
    found = compile_scenario(workspace(), "full_width", Memory.SC)
    assert {p.id for p in found.properties} == {"Q", "Z", "B"}


def test_usage() -> None:
    with pytest.raises(UsageError, match="no property 'Q-99'"):
        prove_property(workspace(), "Q-99", "full_width", Memory.SC)
    with pytest.raises(ModelErrors):
        load_sources({"model/d.py": MODEL, "proofs/q.py": NONSENSE})
