# SPDX-License-Identifier: GPL-2.0-or-later
"""turn(): in which turn of an unrolled loop a process is, as lemmas say it."""

from __future__ import annotations

from functools import partial

import pytest

from lostirq.ir.digest import digest
from tests.unit.language import errors, refuse_lemma, values_of_lemma, with_lemma

MODEL = """
FIRST = Param(0, "where the loop starts")

flags: Bits[4]

@function()
def count(upto: Int[0, 4]) -> Int[0, 4]:
    counted: Int[0, 4] = 0
    for k in range(FIRST, 3):
        step()
        if k < upto:
            counted = min(counted + 1, 4)
    step()
    return counted

@function()
def down():
    for k in reversed(range(3)):
        step()
        for m in range(2):
            once()
            flags = with_bit(flags, k, m == 0)

@function()
def once():
    for k in range(1):
        step()

@function()
def twice():
    for k in range(2):
        step()
    flags = with_bit(flags, 2, True)
    for k in range(2):
        step()
    flags = with_bit(flags, 2, False)

@thread()
def counter():
    while True:
        idle()
        count(4)
        count(0)

@thread()
def walker():
    while True:
        idle()
        down()
        twice()

@invariant("Q")
def q() -> bool:
    return not bit(flags, 3)
"""


system, values = partial(with_lemma, MODEL), partial(values_of_lemma, MODEL)


TURN = 'turn("counter", "count", "k")'
WALK = 'turn("walker", "down", "{}")'


def test_each_turn_is_reached_and_none_outside_of_the_function() -> None:
    for k in range(3):
        assert values(f"{TURN} == {k}") == {True, False}
    assert values(f"{TURN} < 3") == {True}
    assert values(f'{TURN} == -1 or function_of("counter", "count")') == {True}


def test_behind_the_loop_no_turn_is_under_way() -> None:
    assert values(f'{TURN} == -1 and function_of("counter", "count")') == {True, False}


def test_what_a_loop_has_done_so_far_can_be_said() -> None:
    """Of all copies, those that count and those that do not."""
    counted = 'local("counter", "count", "counted")'
    assert values(f"{TURN} == -1 or {counted} == 0 or {counted} == {TURN}") == {True}
    assert values(f"{TURN} == -1 or {counted} == {TURN}") == {True, False}


def test_a_loop_downwards_and_one_inside_another() -> None:
    """Each variable is that of its own loop, also where another function's has the same name."""
    k, m = WALK.format("k"), WALK.format("m")
    for turn in range(3):
        assert values(f"{k} == {turn} and {m} == 1") == {True, False}
    assert values(f"{m} == -1 or {k} >= 0") == {True}
    assert values(f'turn("walker", "once", "k") == -1 or {m} >= 0') == {True}
    assert values(f'turn("walker", "once", "k") <= 0 and {k} <= 2') == {True}
    assert values(f"{k} != 0 or {m} == -1 or bit(flags, 2) == bit(flags, 1)") == {True}


def test_of_two_loops_over_one_variable_each_can_be_named() -> None:
    both, first, second = (f'turn("walker", "twice", "{k}")' for k in ("k", "k#1", "k#2"))
    for turn in range(2):
        assert values(f"{both} == {turn}") == values(f"{first} == {turn}") == values(f"{second} == {turn}")
    assert values(f"{first} == -1 or {second} == -1") == values(f"max({first}, {second}) == {both}") == {True}
    assert values(f"{second} == -1 or bit(flags, 2)") == {True}
    assert values(f"{first} == -1 or bit(flags, 2)") == {True, False}


def test_it_changes_nothing_of_the_behaviour() -> None:
    """A location tells the turn: no variable is kept for it."""
    plain, asked = system("True"), system(f"{TURN} == 0")
    assert [v.name for v in plain.variables] == [v.name for v in asked.variables]
    assert digest(plain) != digest(asked)


@pytest.mark.parametrize(
    ("call", "code", "said"),
    [
        ('turn("counter", "count", "i")', "LI034", "no loop variable of 'count' 'i'"),
        ('turn("counter", "count", "counted")', "LI034", "no loop variable of 'count' 'counted'"),
        ('turn("walker", "twice", "k#3")', "LI034", "no loop variable of 'twice' 'k#3'"),
        ('turn("counter", "down", "k")', "LI034", "'counter' never calls 'down'"),
        ('turn("reader", "count", "k")', "LI034", "no process 'reader'"),
        ('turn("counter", 0, "count", "k")', "LI034", "there is one counter, without a number"),
        ('turn("count", "k")', "LI012", "takes 3 or 4 arguments"),
    ],
)
def test_what_is_wrong_is_said(call: str, code: str, said: str) -> None:
    refuse_lemma(MODEL, f"{call} == 0", code, said)


def test_a_loop_below_zero_has_no_turns_to_name() -> None:
    refuse_lemma(MODEL, f"{TURN} == 0", "LI034", "'k' can be -1", FIRST=-1)


def test_a_property_may_not_look() -> None:
    text = f'@invariant("P")\ndef p() -> bool:\n    return {TURN} == 0\n'
    (found,) = errors(MODEL, properties__p=text)
    assert found.code == "LI034" and "for lemmas" in found.message
