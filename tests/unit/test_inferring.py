# SPDX-License-Identifier: GPL-2.0-or-later
"""`prove --infer`: a lemma by hand is found instead, in its small instance; and every way in which that is not so."""

from __future__ import annotations

import pytest

from lostirq.cli import main
from lostirq.errors import UsageError
from lostirq.evidence.verdict import Holds, Unknown
from lostirq.ir.system import Memory
from lostirq.language import Workspace, load_sources
from lostirq.workflow.inferring import Wanted, inference, parameters, small_instance
from lostirq.workflow.prove import ProofReport, prove_property

MODEL = """
from lostirq.prelude import *

VECTORS = Param(256, "vectors")
LATE = Param(False, "the flag is set before the bit")
Vector = Int[0, VECTORS - 1]


class Box(Struct):
    pending: Bits[VECTORS]
    flag: bool
    lost: bool


box: Box


@thread()
def sender():
    while True:
        idle()
        v = choose(Vector)
        if LATE:
            lock_set(box.flag, True)
        wait(box.pending == 0)
        test_and_set_bit(box.pending, v)
        if not LATE:
            lock_set(box.flag, True)


@thread()
def receiver():
    while True:
        wait(box.flag)
        lock_set(box.flag, False)
        if box.pending == 0:
            lock_set(box.lost, True)
        with atomic():
            box.pending = 0


@scenario(tier="proof", memory=("sc", "tso"), properties=("N",))
class full_width:
    '''All vectors.'''


@scenario(tier="sample", memory=("sc", "tso"), base=full_width)
class full_width_small:
    '''Two of them.'''

    VECTORS = 2


@scenario(tier="sample", memory=("sc", "tso"))
class other:
    '''No instance of the same code.'''

    LATE = True
    VECTORS = 2
"""

PROPERTIES = """
from lostirq.prelude import *


@invariant("N")
def nothing_is_lost() -> bool:
    '''The flag never comes without a bit.'''
    return not box.lost
"""


def workspace() -> Workspace:
    return load_sources({"model/box.py": MODEL, "properties/n.py": PROPERTIES})


def proved(memory: Memory, wanted: Wanted | None, **overrides: int) -> ProofReport:
    ws = workspace()
    infer = inference(ws, "N", "full_width", memory, wanted) if wanted is not None else None
    return prove_property(ws, "N", "full_width", memory, overrides=overrides, infer=infer)


@pytest.mark.parametrize("memory", list(Memory), ids=lambda m: m.value)
def test_what_is_missing_is_found(memory: Memory) -> None:
    without = proved(memory, None)
    assert isinstance(without.verdict, Unknown) and "not inductive" in without.verdict.reason
    report = proved(memory, Wanted())
    assert isinstance(report.verdict, Holds), report.render()
    assert report.found and f"inferred: {len(report.found)}" in report.render()


def test_a_small_instance_by_parameters() -> None:
    assert isinstance(proved(Memory.SC, Wanted(small=(("VECTORS", 3),))).verdict, Holds)


def test_two_runs_find_the_same() -> None:
    assert proved(Memory.SC, Wanted()).found == proved(Memory.SC, Wanted()).found


def test_a_sample_is_enough_to_guess() -> None:
    assert isinstance(proved(Memory.SC, Wanted(states=10)).verdict, Holds | Unknown)


def test_a_bug_stays_a_step_and_its_state_is_looked_up() -> None:
    report = proved(Memory.SC, Wanted(small=(("VECTORS", 2), ("LATE", 1))), LATE=1)
    assert isinstance(report.verdict, Unknown) and "not inductive" in report.verdict.reason
    assert "a reachable state of the small instance agrees with it" in report.step


def test_no_candidate_may_be_tried() -> None:
    report = proved(Memory.SC, Wanted(tables=0))
    assert isinstance(report.verdict, Unknown)
    assert "no reachable state of the small instance agrees with it" in report.step


def test_bad_input() -> None:
    ws = workspace()
    with pytest.raises(UsageError, match="no small instance other_small"):
        small_instance(ws, "N", "other", Memory.SC, {})
    with pytest.raises(UsageError, match="NAME=VALUE"):
        parameters(["VECTORS"])
    with pytest.raises(UsageError, match="other locations"):
        prove_property(ws, "N", "full_width", Memory.SC,
                       infer=inference(ws, "N", "full_width", Memory.SC, Wanted(small=(("LATE", 1), ("VECTORS", 2)))))


def test_options_of_infer_alone_are_an_error(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["prove", "Q-7", "--states", "5"]) == 2
    assert "--infer" in capsys.readouterr().err
