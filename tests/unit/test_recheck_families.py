# SPDX-License-Identifier: GPL-2.0-or-later
"""Properties that differ only in a number are checked as one, and no instance is lost in it."""

from __future__ import annotations

from pathlib import Path

import pytest

from lostirq.ir.system import Memory, System
from lostirq.ir.tso import lower
from lostirq.language import compile_scenario, load_sources
from lostirq.recheck.families import Families
from lostirq.recheck.obligations import Steps
from lostirq.recheck.read import certificate as read_certificate
from lostirq.recheck.read import load
from lostirq.recheck.read import system as read_system
from lostirq.recheck.terms import Term, Terms
from lostirq.symbolic.certificate import about, certificate, text
from lostirq.workflow.prove import goals
from tests.unit.recheck_toys import run

WIDTH = 8
MODEL = """
V = Int[0, 7]
first: Bits[8]
second: Bits[8]

@thread()
def mover():
    while True:
        v = choose(V)
        with atomic():
            first = with_bit(first, v, True)
            event("accept", v)
        with atomic():
            moved = first
            first = 0
            second = second | {taken}

@step_property("T", over=8)
def moves_on(v: Int[0, 7]) -> bool:
    leaves = old(bit(first, v)) and not bit(first, v)
    comes = bit(first, v) and not old(bit(first, v))
    return (not leaves or bit(second, v)) and (not comes or occurs("accept", v))

@scenario(tier="proof", memory=("sc",), properties=("T",))
class small:
    pass
"""


def numbers(terms: Terms, *values: int) -> list[Term]:
    return [terms.const(v, ("int",)) for v in values]


def instance(terms: Terms, value: int, other: int, event: int) -> Term:
    """bit `value` of the first variable implies bit `other` of the second, or the event, and a number that stays."""
    a, b = terms.var(0), terms.var(1, "old")
    first, second, asked, fixed = numbers(terms, value, other, event, 3)
    given = terms.negation(terms.build("bit", (a, first)))
    known = terms.build("bit", (terms.build("put", (b, fixed, terms.true)), second))
    return terms.any_of([given, known, terms.occurs("accept", (asked,))])


def fresh() -> Terms:
    return Terms([("bits", WIDTH), ("bits", WIDTH)] * 2)


def test_instances_become_one_formula() -> None:
    terms = fresh()
    members = [instance(terms, v, v, v) for v in (1, 2, 3, 5)]
    [(those, general)] = Families(terms).together(members)
    assert those == [0, 1, 2, 3] and general.reads >> 4 == 1 and terms.sorts[4:] == [("int", 1, 5)]
    assert general not in members


def test_numbers_with_a_constant_distance_move_together() -> None:
    """The unknown stands for the smallest of them; each member is the general formula with a number put in."""
    terms = fresh()
    members = [instance(terms, v + 2, v, v + 4) for v in (0, 1, 3)]
    [(those, general)] = Families(terms).together(members)
    assert those == [0, 1, 2] and terms.sorts[4:] == [("int", 0, 3)]
    for v, member in zip((0, 1, 3), members, strict=True):
        assert terms.replace(general, {4: terms.const(v, ("int",))}, 1 << 4, {}) is member


@pytest.mark.parametrize("rows", [
    [(1, 1, 1), (2, 2, 2)],                                 # two are not worth it
    [(1, 2, 1), (2, 4, 2), (3, 6, 3)],                      # two numbers that move, not by the same
    [(1, 1, 1), (1, 1, 1), (2, 2, 2)],                      # the first of them twice
    [(2, 3, 2), (3, 4, 3), (3, 5, 3)],                      # a distance that changes
    [(1, 1, 1), (2, 2, 2), (3, 3, 4)],                      # one number is wrong
    [(1, 1, 1), (2, 2, 1), (3, 3, 1)][:2] + [(4, 4, 2)],    # two that move, one of them seldom
])
def test_what_does_not_fit_stays(rows: list[tuple[int, int, int]]) -> None:
    terms = fresh()
    members = [instance(terms, *row) for row in rows]
    assert Families(terms).together(members) == [([n], member) for n, member in enumerate(members)]


def test_other_formulas_keep_their_place() -> None:
    terms = fresh()
    alone = terms.build("bit", (terms.var(0), *numbers(terms, 0)))
    members = [instance(terms, v, v, v) for v in range(WIDTH)]
    found = Families(terms).together([alone, *members, terms.negation(alone)])
    assert [those for those, _ in found] == [[0], [*range(1, WIDTH + 1)], [WIDTH + 1]]


def system(taken: str) -> System:
    workspace = load_sources({"model/m.py": MODEL.format(taken=taken)})
    flat = lower(compile_scenario(workspace, "small", Memory.SC))
    return about(flat, goals(flat, "T")[0])


def test_all_instances_are_verified_at_once(tmp_path: Path) -> None:
    flat = system("moved")
    found = run(tmp_path, flat, text(certificate(flat, flat.properties, ())))
    assert found.verdict == "verified" and "T (8 instances)" in found.reason
    read = read_system(load(tmp_path / "system.json"))
    steps = Steps(read, read_certificate(load(tmp_path / "certificate.json"), read))
    assert len(steps.properties) == WIDTH and len(steps.general) == 1
    posts = {n for n, e in enumerate(read.edges) if any(name == "accept" for name, _ in e.events)}
    of_posts = [c for o in steps.obligations() for c in o.cases if posts & {*c.edges}]
    assert len(posts) == WIDTH and any({*c.edges} == posts for c in of_posts)      # one case for all of them


@pytest.mark.parametrize("lost", [0, 5, 7])
def test_the_one_instance_that_fails_is_named(lost: int, tmp_path: Path) -> None:
    flat = system(f"with_bit(moved, {lost}, False)")
    found = run(tmp_path, flat, text(certificate(flat, flat.properties, ())))
    assert found.verdict == "failed" and found.failing
    assert all(f"T[{lost}]" in line for line in found.failing), found.failing
