# SPDX-License-Identifier: GPL-2.0-or-later
"""Of a counterexample to induction, what matters is enough, and nothing of it is too much."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from symbolic_toys import memory, peterson, system

from lostirq.ir import expr as x
from lostirq.ir.expr import BOOL, Expr, Var, bits_type, int_type
from lostirq.symbolic.induction import evaluate, prove
from lostirq.symbolic.infer_step import Essential, essential, of_step
from lostirq.symbolic.outcome import Conjunct, NotInductive

PIR = memory("pending", bits_type(8), unit=0)
FLAG = memory("flag", BOOL, unit=1)
N = memory("n", int_type(0, 3), unit=2)
M = memory("m", int_type(0, 3), unit=3)
ALL = (PIR, FLAG, N, M)
FORMULAS: tuple[Expr, ...] = (
    x.bit(x.var(PIR), x.var(N)), x.eq(x.var(PIR), x.const(0, PIR.type)), x.var(FLAG),
    x.le(x.var(N), x.var(M)), x.or_(x.var(FLAG), x.eq(x.var(N), x.integer(2))),
    x.eq(x.highest(x.var(PIR)), x.integer(5)),
)  # fmt: skip
STATES = st.tuples(st.integers(0, 255), st.booleans(), st.integers(0, 3), st.integers(0, 3))


def agree(found: list[Essential], state: dict[Var, int]) -> bool:
    def same(e: Essential) -> bool:
        care = sum(1 << i for i in e.bits) if e.bits else -1
        return state[e.var] & care == e.value & care

    return all(same(e) for e in found)


@given(st.sampled_from(FORMULAS), st.sampled_from(FORMULAS), STATES, st.lists(STATES, max_size=20))
def test_what_matters_is_enough(guard: Expr, goal: Expr, one: tuple[int, ...], others: list[tuple[int, ...]]) -> None:
    state = dict(zip(ALL, map(int, one), strict=True))
    if not evaluate(guard, state) or evaluate(goal, state):
        return
    found = essential(guard, goal, state)
    assert agree(found, state)
    for other in others:
        changed = dict(zip(ALL, map(int, other), strict=True))
        for e in found:
            care = sum(1 << i for i in e.bits) if e.bits else -1
            changed[e.var] = changed[e.var] & ~care | e.value & care
        assert evaluate(guard, changed) and not evaluate(goal, changed)


def test_one_bit_of_many_matters() -> None:
    state = {PIR: 0b10110, FLAG: 1, N: 0, M: 3}
    found = essential(x.TRUE, x.not_(x.bit(x.var(PIR), x.integer(2))), state)
    assert [e.show() for e in found] == ["pending contains 2"]
    found = essential(x.var(FLAG), x.bit(x.var(PIR), x.integer(3)), state)
    assert [e.show() for e in found] == ["flag = 1", "pending does not contain 3"]


def test_of_a_step_the_rest_is_dropped() -> None:
    s = peterson()
    goal = x.not_(x.and_(*(x.eq(x.var(p.pc), x.integer(4)) for p in s.processes)))
    outcome = prove(s, [Conjunct("mutual exclusion", goal)])
    assert isinstance(outcome, NotInductive)
    step = outcome.counterexamples[0]
    names = [e.var.name for e in of_step(s, s.edges[step.edge], goal, step.before)]
    assert "p1.pc" in names and len(names) == 2


def test_of_a_step_out_of_range() -> None:
    s = system("up", (N, FLAG), {"p": [(0, 0, x.TRUE, ((N, x.add(x.var(N), x.integer(1))),))]})
    found = of_step(s, s.edges[0], None, (3, 0, 0))
    assert [e.show() for e in found] == ["n = 3"]
