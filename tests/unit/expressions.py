# SPDX-License-Identifier: GPL-2.0-or-later
"""Random typed expressions over a fixed set of variables, and the reference evaluation of them."""

from __future__ import annotations

from hypothesis import strategies as st

from lostirq.ir import expr as x
from lostirq.ir.expr import BOOL, Expr, Kind, Op, Role, Type, Var, bits_type, int_type

WIDTHS = (1, 2, 3, 7, 8, 33)
RANGES = ((0, 0), (-1, 7), (0, 5), (3, 9), (-4, -2), (0, 40))
VARIABLES = (
    *(Var(f"p{i}", BOOL, 0, Role.MEMORY) for i in range(2)),
    *(Var(f"i{lo}_{hi}", int_type(lo, hi), lo, Role.MEMORY) for lo, hi in RANGES),
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
