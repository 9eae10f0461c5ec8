# SPDX-License-Identifier: GPL-2.0-or-later
"""local(): what a lemma may say of the locals and parameters of inlined functions, and what it may not."""

from __future__ import annotations

from functools import partial

import pytest

from lostirq.ir.digest import digest
from lostirq.ir.system import Memory
from lostirq.language import compile_scenario
from tests.unit.language import errors, load, names, refuse_lemma, values_of_lemma, with_lemma
from tests.unit.states import reachable

MODEL = """
N = Param(2, "senders")
TWICE = Param(True, "two looks")

class Desc(Struct):
    control: Packed(on=bool, nv=Int[0, 3])
    count: Int[0, 3]

desc: Desc

@function()
def look(d: Desc, wanted: Int[0, 3]) -> bool:
    seen = d.control
    here: Int[0, 3] = d.count
    step()
    forgotten = here == 2
    step()
    return seen.on and here == wanted

@function()
def other(d: Desc):
    unused: Int[1, 4] = d.count + 1
    step()

@thread(over=N)
def sender(i: Int[0, N - 1]):
    while True:
        idle()
        v = choose(0, 3)
        look(desc, v)
        if TWICE:
            look(desc, 2)

@thread()
def writer():
    while True:
        idle()
        desc.count = choose(0, 3)
        other(desc)

@invariant("Q")
def q() -> bool:
    return desc.count < 4
"""


system, values = partial(with_lemma, MODEL), partial(values_of_lemma, MODEL)


def test_the_value_of_the_copy_in_which_the_process_is() -> None:
    inside = 'function_of("sender", 0, "look")'
    assert values(f'not {inside} or local("sender", 0, "look", "wanted") == 2', TWICE=0) == {True, False}
    assert values('local("sender", 0, "look", "wanted") == 3') == {True, False}
    first = 'local("sender", 0, "sender", "v") == 3 and local("sender", 0, "look", "wanted")'
    assert values(f"{first} == 2") == {True, False}  # in the second copy
    assert values(f"{first} == 1") == {False}        # in neither


def test_outside_of_the_function_it_is_the_start_value() -> None:
    assert values('local("sender", 0, "look", "here") == 0 or function_of("sender", 0, "look")') == {True}
    assert values('local("writer", "other", "unused") == 1 or function_of("writer", "other")') == {True}
    assert values('local("sender", 1, "look", "here") == 0', N=1) == {True}


def test_a_packed_local_has_fields() -> None:
    assert values('local("sender", 0, "look", "seen").nv == 0') == {True}
    assert values('local("sender", 0, "look", "seen").on') == {False}


def test_what_only_a_lemma_reads_is_kept() -> None:
    kept = "sender(0)/look.forgotten"
    assert kept not in names(system("True")) and kept in names(system('local("sender", 0, "look", "forgotten")'))
    both = 'local("sender", 0, "look", "forgotten") and local("sender", 0, "look", "here")'
    assert values(f"{both} == 2") == {True, False}
    assert values(f"{both} == 1") == {False}   # what the last call left is not looked at


def test_nothing_of_the_behaviour_depends_on_it() -> None:
    looks = 'local("sender", 0, "look", "forgotten") or local("writer", "other", "unused") > 1'
    less, more = system("True"), system(looks)
    columns = [names(more).index(name) for name in names(less)]
    assert {tuple(state[k] for k in columns) for state in reachable(more)} == reachable(less)
    assert digest(less) != digest(more) == digest(system(looks))


def test_only_the_lemmas_for_its_properties_are_a_part_of_a_scenario() -> None:
    text = """
        @invariant("R")
        def r() -> bool:
            return desc.count >= 0

        @lemma("x", proves="R")
        def x() -> bool:
            return not local("sender", 0, "look", "forgotten")

        @lemma("y", proves="Q")
        def y() -> bool:
            return desc.count < 4

        @scenario(properties=("Q",))
        class narrow:
            pass
    """
    s = compile_scenario(load(MODEL, proofs__p=text), "narrow", Memory.SC, lemmas=True)
    assert [p.key for p in s.properties] == ["Q", "y"] and "sender(0)/look.forgotten" not in names(s)


@pytest.mark.parametrize(
    ("call", "code", "said"),
    [
        ('local("reader", 0, "look", "here")', "LI034", "no process 'reader'"),
        ('local("sender", 0, "lock", "here")', "LI034", "no function 'lock'"),
        ('local("sender", 0, "look", "her")', "LI034", "no local or parameter of 'look' 'her'"),
        ('local("sender", 0, "other", "unused")', "LI034", "'sender' never calls 'other'"),
        ('local("sender", 0, "look", "d")', "LI010", "names a structure"),
        ('local("sender", "look", "here")', "LI012", "there are 2 sender processes"),
        ('local("look", "here")', "LI012", "takes 3 or 4 arguments"),
    ],
)
def test_what_is_wrong_is_said(call: str, code: str, said: str) -> None:
    refuse_lemma(MODEL, f"{call} == 0", code, said)


def test_a_property_may_not_look() -> None:
    text = '@invariant("P")\ndef p() -> bool:\n    return local("sender", 0, "look", "here") == 0\n'
    (found,) = errors(MODEL, properties__p=text)
    assert found.code == "LI034" and "for lemmas" in found.message
