# SPDX-License-Identifier: GPL-2.0-or-later
"""Lemmas for windows: a descriptor in small, whose harvest is excused while it runs."""

from __future__ import annotations

from dataclasses import replace

from lostirq.errors import Span
from lostirq.ir import expr as x
from lostirq.ir.expr import BOOL, Expr, Role, Var, bits_type
from lostirq.ir.system import Location, Process, System
from lostirq.symbolic.implied import SMALL, Implied
from lostirq.symbolic.induction import prove
from lostirq.symbolic.outcome import Conjunct, NotInductive, Proved
from lostirq.symbolic.windows import heal
from tests.unit import symbolic_toys as toys

WIDTH = 256
PIR = toys.memory("pir", bits_type(WIDTH), unit=0)
ON = toys.memory("on", BOOL, unit=1)
SEEN = Var("harvester.seen", bits_type(WIDTH), 0, Role.LOCAL, owner=1)
NOTHING = x.const(0, bits_type(WIDTH))


def descriptor(early: bool = False) -> System:
    """A poster sets a bit, then ON; a harvester clears ON, reads the bits, takes them.  `early`: reads, then clears."""
    bit = x.bit(x.var(PIR), x.integer(200))
    clear, read = ((ON, x.FALSE),), ((SEEN, x.var(PIR)),)
    some = x.not_(x.eq(x.var(SEEN), NOTHING))
    poster: list[toys.Step] = [
        (0, 0, bit, ()),
        (0, 1, x.not_(bit), ((PIR, x.put(x.var(PIR), x.integer(200), x.TRUE)),)),
        (1, 0, x.TRUE, ((ON, x.TRUE),)),
    ]
    harvester: list[toys.Step] = [
        (0, 1, x.var(ON), read if early else clear),
        (1, 2, x.TRUE, clear if early else read),
        (2, 0, some, ((PIR, NOTHING),)),
        (2, 0, x.not_(some), ()),
    ]
    made = toys.system("descriptor", (PIR, ON, SEEN), {"poster": poster, "harvester": harvester})
    places = [Location(Span(), "harvest", frozenset({"harvest"} if i else ())) for i in range(3)]
    return replace(made, processes=(made.processes[0], replace(made.processes[1], locations=tuple(places))))


def whole(s: System) -> Expr:
    """PIR is empty, or ON, or the poster is about to set it."""
    posting = x.eq(x.var(s.processes[0].pc), x.integer(1))
    return x.or_(x.eq(x.var(PIR), NOTHING), x.var(ON), posting)


def excused(s: System) -> Conjunct:
    return Conjunct("pid", x.or_(whole(s), x.in_set(x.var(s.processes[1].pc), {1, 2})))


def test_a_property_with_a_window_needs_the_healed_lemma() -> None:
    s = descriptor()
    assert isinstance(prove(s, [excused(s)]), NotInductive)
    lemma = heal(s, "pid whole", ["harvest"], whole(s))
    assert [c.name for c in lemma] == ["pid whole", "pid whole at harvester:1", "pid whole at harvester:2"]
    assert isinstance(prove(s, [excused(s), *lemma]), Proved)


def test_the_window_of_another_excuses_nothing() -> None:
    s = descriptor()
    lemma = heal(s, "pid whole", ["harvest"], whole(s), others={1})
    assert lemma == [Conjunct("pid whole", whole(s))]
    outcome = prove(s, lemma)
    assert isinstance(outcome, NotInductive), "the harvester does break it, which is not its window any more"


def test_what_is_implied_is_not_carried_further() -> None:
    """Before the bits are read there is nothing to say but what holds anyway: the lemma stays where they are known."""
    s = descriptor()
    harvester = s.processes[1]
    asked: list[int] = []

    def known(process: Process, place: int, needed: Expr) -> bool:
        asked.append(place)
        return place == 1

    lemma = heal(s, "pid whole", ["harvest"], whole(s), implied=known)
    assert [c.name for c in lemma if c.formula is not x.TRUE] == ["pid whole", "pid whole at harvester:2"]
    assert asked == [2, 1]
    pc, read = x.eq(x.var(harvester.pc), x.integer(1)), x.eq(x.var(PIR), NOTHING)
    implied = Implied(s, [Conjunct("read", x.or_(x.not_(pc), read))])
    goal = x.or_(read, x.and_(*(x.bit(x.var(SEEN), x.integer(k)) for k in range(SMALL))))
    assert implied(harvester, 1, goal) and not implied(harvester, 2, goal)
    assert not implied(harvester, 1, read), "a short formula is said"


def test_reading_before_clearing_is_not_proved() -> None:
    s = descriptor(early=True)
    assert isinstance(prove(s, [excused(s), *heal(s, "pid whole", ["harvest"], whole(s))]), NotInductive)


def test_without_windows_the_lemma_is_the_fact() -> None:
    s = descriptor()
    assert heal(s, "pid", ["elsewhere"], whole(s)) == [Conjunct("pid", whole(s))]
