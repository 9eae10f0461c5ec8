# SPDX-License-Identifier: GPL-2.0-or-later
"""The Z3 encoding of every operator has the values of `lostirq.ir.expr.apply`, which defines them."""

from __future__ import annotations

import z3
from hypothesis import given, settings
from hypothesis import strategies as st

from lostirq.ir import expr as x
from lostirq.ir.expr import BOOL, Expr, Kind, Op, Role, Type, Var, bits_type, int_type
from lostirq.symbolic.encode import Encoder, signed_width

WIDTHS = (1, 2, 3, 7, 8, 33)
VARIABLES = (
    *(Var(f"p{i}", BOOL, 0, Role.MEMORY) for i in range(2)),
    *(Var(f"i{lo}_{hi}", int_type(lo, hi), lo, Role.MEMORY) for lo, hi in ((0, 0), (-1, 7), (0, 5), (3, 9), (-4, -2), (0, 40))),
    *(Var(f"b{w}", bits_type(w), 0, Role.MEMORY) for w in WIDTHS),
)


def booleans(depth: int) -> st.SearchStrategy[Expr]:
    leaves = st.sampled_from([x.var(v) for v in VARIABLES if v.type.kind is Kind.BOOL] + [x.TRUE, x.FALSE])
    if depth == 0:
        return leaves
    b, i, w = booleans(depth - 1), integers(depth - 1), words(depth - 1)
    return st.one_of(
        leaves,
        st.builds(x.not_, b),
        st.builds(lambda *a: x.and_(*a), b, b, b),
        st.builds(lambda *a: x.or_(*a), b, b, b),
        st.builds(x.eq, b, b),
        st.builds(x.eq, i, i),
        w.flatmap(lambda a: words(depth - 1, a.type.width).map(lambda c: x.eq(a, c))),
        st.builds(x.lt, i, i),
        st.builds(x.le, i, i),
        st.builds(x.ite, b, b, b),
        st.builds(x.in_set, i, st.sets(st.integers(-5, 20), min_size=1)),
        st.builds(x.bit, w, i),
        st.builds(lambda a: x.decode(x.encode(a, 0, 1), BOOL), b),
    )


def integers(depth: int) -> st.SearchStrategy[Expr]:
    leaves = st.one_of(
        st.sampled_from([x.var(v) for v in VARIABLES if v.type.kind is Kind.INT]), st.integers(-9, 45).map(x.integer)
    )
    if depth == 0:
        return leaves
    b, i, w = booleans(depth - 1), integers(depth - 1), words(depth - 1)
    return st.one_of(
        leaves,
        st.builds(x.add, i, i),
        st.builds(x.sub, i, i),
        st.builds(x.ite, b, i, i),
        st.builds(x.highest, w),
        st.builds(x.count, w),
        words(depth - 1, 3).flatmap(lambda a: st.integers(-5, 5).map(lambda lo: x.decode(a, int_type(lo, lo + 7)))),
    )


def words(depth: int, width: int | None = None) -> st.SearchStrategy[Expr]:
    if width is None:
        return st.sampled_from(WIDTHS).flatmap(lambda chosen: words(depth, chosen))
    constants = st.integers(0, (1 << width) - 1).map(lambda value: x.const(value, bits_type(width)))
    leaves = st.one_of(constants, *(st.just(x.var(v)) for v in VARIABLES if v.type == bits_type(width)))
    if depth == 0:
        return leaves
    b, i, w = booleans(depth - 1), integers(depth - 1), words(depth - 1, width)
    options = [
        leaves,
        st.builds(x.band, w, w),
        st.builds(x.bor, w, w),
        st.builds(x.bxor, w, w),
        st.builds(x.bnot, w),
        st.builds(x.put, w, i, b),
        st.builds(x.ite, b, w, w),
        st.builds(x.encode, i, st.integers(-5, 5), st.just(width)),
        words(depth - 1, 33).flatmap(lambda a: st.integers(0, 33 - width).map(lambda low: x.extract(a, low, width))),
    ]
    if width > 1:
        options.append(
            st.integers(1, width - 1).flatmap(
                lambda low: st.builds(x.concat, words(depth - 1, low), words(depth - 1, width - low))
            )
        )
    return st.one_of(*options)


def value_in(type_: Type) -> st.SearchStrategy[int]:
    if type_.kind is Kind.BITS:
        return st.integers(0, (1 << type_.width) - 1)
    return st.integers(type_.lo, type_.hi)


def reference(e: Expr, state: dict[Var, int]) -> int:
    return x.fold(e, lambda n, a: state[n.payload] if n.op is Op.VAR else x.apply(n, a))  # type: ignore[index]


def symbolic(e: Expr, state: dict[Var, int]) -> int:
    encoder = Encoder(VARIABLES)
    fixed = [(s, z3.BoolVal(bool(state[v])) if v.type is BOOL else z3.BitVecVal(state[v], s.size())) for v, s in encoder.symbols.items()]
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
    a, i, p = Var("a", bits_type(256), 0, Role.MEMORY), Var("i", int_type(-3, 260), 0, Role.MEMORY), Var("p", BOOL, 0, Role.MEMORY)
    encoder = Encoder([a, i, p])
    fixed = [(encoder.symbols[a], z3.BitVecVal(word, 256)), (encoder.symbols[i], z3.BitVecVal(index, 10)), (encoder.symbols[p], z3.BoolVal(on))]
    for e in (x.highest(x.var(a)), x.count(x.var(a)), x.bit(x.var(a), x.var(i)), x.put(x.var(a), x.var(i), x.var(p))):
        got = z3.simplify(z3.substitute(encoder.term(e), *fixed))
        value = int(z3.is_true(got)) if e.type is BOOL else int(got.as_signed_long() if e.type.kind is Kind.INT else got.as_long())
        assert value == reference(e, {a: word, i: index, p: int(on)})


def test_signed_width() -> None:
    for lo in range(-9, 9):
        for hi in range(lo, 9):
            width = signed_width(lo, hi)
            assert -(1 << width - 1) <= lo and hi < 1 << width - 1
            assert width == 1 or not (-(1 << width - 2) <= lo and hi < 1 << width - 2)


def test_every_operator_of_a_flat_state_is_encoded() -> None:
    from lostirq.symbolic.encode import _OPERATORS

    assert set(Op) - set(_OPERATORS) == {Op.CONST, Op.VAR, Op.OLD, Op.OCCURS, Op.EMPTY}
