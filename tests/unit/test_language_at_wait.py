# SPDX-License-Identifier: GPL-2.0-or-later
"""at_wait(): whether a process stands before a wait of a function, as lemmas say it."""

from __future__ import annotations

from functools import partial

import pytest

from lostirq.ir.digest import digest
from tests.unit.language import errors, lines, refuse_lemma, values_of_lemma, with_lemma

MODEL = """
locked: Array[bool, 2]
flag: bool
spin: Lock

@function()
def lock(k: Int[0, 1]):
    with atomic():
        wait(not locked[k])
        locked[k] = True

@function()
def section(k: Int[0, 1]):
    lock(k)
    flag = k == 0
    locked[k] = False

@function()
def steps():
    step()

@function()
def later():
    step()
    with atomic():
        flag = not flag
        wait(not locked[1])
    step()

@function()
def picked():
    k = choose(Int[0, 1])
    wait(locked[k])
    step()

@function()
def spun():
    step()
    spin_lock(spin)
    step()
    spin_unlock(spin)

@function()
def inner():
    wait(not locked[1])

@function()
def outer():
    with atomic():
        inner()
    step()

@thread(over=2)
def owner(i: Int[0, 1]):
    while True:
        section(0)

@thread()
def other():
    while True:
        idle()
        section(1)
        later()
        steps()
        wait(flag)

@thread()
def others():
    while True:
        picked()
        spun()
        outer()

@invariant("Q")
def q() -> bool:
    return not (flag and False)
"""


system, values = partial(with_lemma, MODEL), partial(values_of_lemma, MODEL)

INSIDE = 'function_of("owner", {i}, "section")'
WAITS = 'at_wait("owner", {i}, "section")'


def test_who_waits_has_not_got_it() -> None:
    """Whoever is in the section and does not wait has the lock, alone: that is what it is for."""
    mine, his = (f"{INSIDE} and not {WAITS}".format(i=i) for i in range(2))
    assert values(f"not ({mine}) or locked[0]") == {True}
    assert values(f"not ({mine}) or not ({his})") == {True}
    assert values(f"locked[0] == (({mine}) or ({his}))") == {True}
    assert values(mine) == values(WAITS.format(i=0)) == {True, False}


def test_a_wait_anywhere_in_an_atomic_block() -> None:
    later = 'at_wait("other", "later")'
    assert values(later) == {True, False}
    assert values(f'not {later} or function_of("other", "later")') == {True}
    assert values(f'function_of("other", "later") and not {later}') == {True, False}


def test_a_wait_behind_a_choice_and_a_spin_lock() -> None:
    """Both are one step with what comes before."""
    for name in ("picked", "spun", "outer"):
        inside = f'function_of("others", "{name}")'
        there = f'at_wait("others", "{name}")'
        assert values(there) == values(f"{inside} and not {there}") == {True, False}
        assert values(f"not {there} or {inside}") == {True}
    assert values('at_wait("others", "inner")') == {False}      # who stands before the block of `outer` is not in it


def test_those_of_other_functions_are_not_meant() -> None:
    """A wait of the thread itself is in none of the functions that it calls; one of `lock` is in `section`, too."""
    assert values('at_wait("other", "other")') == {True, False}
    assert values('not at_wait("other", "section") or function_of("other", "lock")') == {True}
    assert values('at_wait("other", "section") == at_wait("other", "lock")') == {True}
    assert values('at_wait("other", "later") and at_wait("other", "section")') == {False}


def test_it_changes_nothing_of_the_behaviour() -> None:
    plain, asked = system("True"), system('at_wait("other", "later")')
    assert [v.name for v in plain.variables] == [v.name for v in asked.variables]
    assert lines(plain) == lines(asked) and digest(plain) != digest(asked)


@pytest.mark.parametrize(
    ("call", "code", "said"),
    [
        ('at_wait("owner", 0, "later")', "LI034", "'owner' never calls 'later'"),
        ('at_wait("owner", "section")', "LI012", "there are 2 owner processes"),
        ('at_wait("nobody", "section")', "LI034", "no process 'nobody'"),
        ('at_wait("other", "sector")', "LI034", "no function 'sector'"),
        ('at_wait("other", "steps")', "LI034", "'steps' never waits"),
        ('at_wait("other")', "LI012", "takes 2 or 3 arguments"),
    ],
)
def test_what_is_wrong_is_said(call: str, code: str, said: str) -> None:
    refuse_lemma(MODEL, call, code, said)


def test_a_property_may_not_look() -> None:
    text = '@invariant("P")\ndef p() -> bool:\n    return at_wait("other", "later")\n'
    (found,) = errors(MODEL, properties__p=text)
    assert found.code == "LI034" and "for lemmas" in found.message
