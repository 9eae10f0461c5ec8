# SPDX-License-Identifier: GPL-2.0-or-later
"""The Z3 encoding of every operator has the values of `lostirq.ir.expr.apply`, which defines them."""

from __future__ import annotations

import z3
from hypothesis import given, settings
from hypothesis import strategies as st

from lostirq.ir import expr as x
from lostirq.ir.expr import BOOL, Expr, Kind, Op, Role, Var, bits_type, int_type
from lostirq.symbolic.encode import Encoder, constant, signed_width
from tests.unit.expressions import VARIABLES, booleans, integers, reference, value_in, words


def symbolic(e: Expr, state: dict[Var, int]) -> int:
    encoder = Encoder(state)
    fixed = []
    for v, symbol in encoder.symbols.items():
        fixed.append((symbol, z3.BoolVal(bool(state[v])) if v.type is BOOL else z3.BitVecVal(state[v], symbol.size())))
    got = z3.simplify(z3.substitute(encoder.term(e), *fixed))
    if e.type.kind is Kind.BOOL:
        return int(z3.is_true(got))
    return int(got.as_signed_long() if e.type.kind is Kind.INT else got.as_long())


@settings(max_examples=400, deadline=None)
@given(
    st.one_of(booleans(3), integers(3), words(3)),
    st.tuples(*(value_in(v.type) for v in VARIABLES)),
)
def test_random_expressions_agree(e: Expr, values: tuple[int, ...]) -> None:
    state = dict(zip(VARIABLES, values, strict=True))
    assert symbolic(e, state) == reference(e, state)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, (1 << 256) - 1), st.integers(-3, 260), st.booleans())
def test_256_bits(word: int, index: int, on: bool) -> None:
    """The wide encodings, whose search depth and shifter differ from the narrow ones."""
    a = Var("a", bits_type(256), 0, Role.MEMORY)
    i = Var("i", int_type(-3, 260), 0, Role.MEMORY)
    p = Var("p", BOOL, 0, Role.MEMORY)
    state = {a: word, i: index, p: int(on)}
    for e in (
        x.highest(x.var(a)),
        x.count(x.var(a)),
        x.bit(x.var(a), x.var(i)),
        x.put(x.var(a), x.var(i), x.var(p)),
    ):
        assert symbolic(e, state) == reference(e, state)


def test_signed_width() -> None:
    for lo in range(-9, 9):
        for hi in range(lo, 9):
            width = signed_width(lo, hi)
            assert -(1 << width - 1) <= lo and hi < 1 << width - 1
            assert width == 1 or not (-(1 << width - 2) <= lo and hi < 1 << width - 2)


def test_every_operator_of_a_flat_state_is_encoded() -> None:
    from lostirq.symbolic.encode import _OPERATORS

    annotated = {Op.EMPTY, Op.SEEN, Op.BUFFERED, Op.SETTLED}
    assert set(Op) - set(_OPERATORS) == {Op.CONST, Op.VAR, Op.OLD, Op.OCCURS, *annotated}


def test_an_initial_value_is_in_range_however_narrow_it_is() -> None:
    """A constant has as few bits as it needs, in which a bound of its type need not fit."""
    for lo, hi in ((0, 2), (-1, 1), (-3, 0), (0, 5), (2, 7)):
        v = Var("v", int_type(lo, hi), lo, Role.MEMORY)
        for value in range(lo - 2, hi + 3):
            encoder = Encoder((v,))
            encoder.symbols[v] = constant(value, v.type)
            inside = z3.is_true(z3.simplify(z3.And(*encoder.in_range())))
            assert inside == (lo <= value <= hi), (lo, hi, value)
