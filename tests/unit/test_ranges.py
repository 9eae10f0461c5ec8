# SPDX-License-Identifier: GPL-2.0-or-later
"""Intervals of the locals that lemmas name: a scan that goes from word to word, and a count that has no bound."""

from __future__ import annotations

from lostirq.interpret import Interpreter
from lostirq.ir import expr as x
from lostirq.ir.expr import Expr, Role, Var
from lostirq.ir.system import Memory, System
from lostirq.ir.tso import lower
from lostirq.symbolic.induction import prove
from lostirq.symbolic.outcome import Proved
from lostirq.symbolic.ranges import interval, ranges
from tests.unit.language import compiled

SCAN = """
SIZE = Param(256, "bits")
UNIT = Param(64, "bits of a word")
Position = Int[-1, SIZE - 1]
words: Words[SIZE, UNIT]
seen: Position
total: Int[0, 200]

@function()
def scan() -> Position:
    found: Position = -1
    for k in range(SIZE // UNIT):
        w = words.word[k]
        if w != 0:
            found = k * UNIT + highest(w)
    return found

@thread()
def scanner():
    n: Int[0, 200] = 0
    while True:
        idle()
        seen = scan()
        n = (n + 1) % 200
        total = n
        smp_mb()

@thread()
def writer():
    while True:
        idle()
        v = choose(0, SIZE - 1)
        if not test_and_set_bit(words, v):
            clear_bit(words, v)

@thread()
def reader():
    while True:
        idle()
        wait(seen == 3 and total == 7)
"""


def named(system: System, name: str) -> Expr:
    found = [v for v in system.variables if v.role is Role.LOCAL and v.name.endswith(name)]
    assert len(found) == 1, [v.name for v in system.variables]
    return x.var(found[0])


def test_a_scan_has_only_seen_the_words_before() -> None:
    system = lower(compiled(SCAN))
    found = named(system, "found")
    conjuncts = ranges(system, [x.eq(found, x.integer(3))])
    bounds = {part.args[1].payload for c in conjuncts for n in x.postorder([c.formula])
              for part in [n] if n.op is x.Op.LE and n.args[0] is found}  # fmt: skip
    assert bounds == {-1, 63, 127, 191}
    assert isinstance(prove(system, conjuncts), Proved)


def test_it_is_true_of_every_state_that_is_reached() -> None:
    system = lower(compiled(SCAN, SIZE=4, UNIT=2))
    interpreter = Interpreter(system)
    conjuncts = ranges(system, [named(system, "found"), named(system, ".n")])
    level = seen = {interpreter.initial()}
    for _ in range(25):
        level = {interpreter.step(s, m) for s in level for m in interpreter.moves(s)} - seen
        seen = seen | level
        assert all(interpreter.holds(c.formula, s) for s in level for c in conjuncts)
    assert conjuncts and len(seen) > 200


def test_a_count_without_a_bound_is_given_up() -> None:
    system = lower(compiled(SCAN))
    assert all("n" not in {v.name for v in x.variables([c.formula])} for c in ranges(system, [named(system, ".n")]))


def test_nothing_is_said_of_what_no_lemma_names() -> None:
    system = lower(compiled(SCAN, Memory.TSO))
    assert ranges(system, []) == [] and ranges(system, [x.TRUE]) == []


def test_an_interval_holds_what_the_number_can_be() -> None:
    a, b = (Var(name, x.int_type(-5, 5), 0, Role.LOCAL) for name in "ab")
    known = {a: (1, 2), b: (-3, 0)}
    choice = x.ite(x.var(Var("c", x.BOOL, 0, Role.LOCAL)), x.var(a), x.var(b))
    assert interval(x.add(x.var(a), x.var(b)), known) == (-2, 2)
    assert interval(x.sub(x.var(a), x.var(b)), known) == (1, 5)
    assert interval(choice, known) == (-3, 2)
    assert interval(x.highest(x.var(Var("w", x.bits_type(8), 0, Role.MEMORY))), known) == (-1, 7)
