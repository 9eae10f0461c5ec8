# SPDX-License-Identifier: GPL-2.0-or-later
"""Terms and SMT-LIB text of the stand-alone checker mean what `lostirq.ir.core.apply` says, operator by operator."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lostirq.ir import expr as x
from lostirq.ir.core import make
from lostirq.ir.expr import Expr, Kind, Op, Role, Var, bits_type, int_type
from lostirq.recheck.smtlib import Script
from lostirq.recheck.solve import LIMITS, ask
from lostirq.recheck.terms import BOOL, Sort, Term, Terms, Wrong
from lostirq.symbolic.certificate import _Rows
from tests.unit.expressions import VARIABLES, booleans, integers, reference, value_in, words

State = dict[Var, int]


def sort(v: Var) -> Sort:
    if v.type.kind is Kind.BOOL:
        return BOOL
    return ("bits", v.type.width) if v.type.kind is Kind.BITS else ("int", v.type.lo, v.type.hi)


def terms_of(variables: tuple[Var, ...], roots: list[Expr]) -> tuple[Terms, list[Term]]:
    """Expressions as terms of the checker, by way of the rows of a certificate."""
    terms, rows = Terms([sort(v) for v in variables]), _Rows()
    numbers = [rows.number(e) for e in roots]
    index = {v.name: k for k, v in enumerate(variables)}
    made: list[Term] = []
    for op, args, data in rows.rows:
        operands = tuple(made[a] for a in args)  # type: ignore[attr-defined]  # a list
        if op == "var":
            made.append(terms.var(index[str(data)]))
        elif op == "const":
            kind, value = data  # type: ignore[misc]  # a pair
            made.append(terms.const(value, {"bool": BOOL, "int": ("int",)}.get(kind, ("bits", kind))))
        else:
            made.append(terms.build(str(op), operands, tuple(data) if isinstance(data, list) else data))
    return terms, [made[n] for n in numbers]


def constant(terms: Terms, t: Term, value: int) -> Term:
    return terms.const(value, ("int",) if t.sort[0] == "int" else t.sort)


def answers(variables: tuple[Var, ...], cases: list[tuple[Expr, State]], solver: str) -> list[str]:
    """For each case: can the expression have its value?  Another one?  Another one, with the values put in first?"""
    terms, roots = terms_of(variables, [e for e, _ in cases])
    queries: list[list[Term]] = []
    for t, (e, state) in zip(roots, cases, strict=True):
        values = {k: terms.const(state[v], sort(v)) for k, v in enumerate(variables)}
        fixed = [terms.build("=", (terms.var(k), c)) for k, c in values.items()]
        same = terms.build("=", (t, constant(terms, t, reference(e, state))))
        put = terms.replace(same, values, (1 << len(values)) - 1, {})
        queries += [[*fixed, same], [*fixed, terms.negation(same)], [terms.negation(put)]]
    script = Script(terms, [t for q in queries for t in q])
    for q in queries:
        script.query(q)
    return ask(solver, [script.text()], len(queries), LIMITS[solver])


def cases() -> st.SearchStrategy[tuple[Expr, State]]:
    state = st.tuples(*(value_in(v.type) for v in VARIABLES)).map(lambda v: dict(zip(VARIABLES, v, strict=True)))
    return st.tuples(st.one_of(booleans(3), integers(3), words(3)), state)


@settings(max_examples=6, deadline=None)
@given(st.lists(cases(), min_size=15, max_size=15))
def test_random_expressions_mean_the_same(found: list[tuple[Expr, State]]) -> None:
    assert answers(VARIABLES, found, "bitwuzla") == ["sat", "unsat", "unsat"] * len(found)


A = Var("a", bits_type(256), 0, Role.MEMORY)
I = Var("i", int_type(-3, 260), 0, Role.MEMORY)  # noqa: E741
P = Var("p", x.BOOL, 0, Role.MEMORY)
WIDE = (x.highest(x.var(A)), x.count(x.var(A)), x.bit(x.var(A), x.var(I)), x.put(x.var(A), x.var(I), x.var(P)))


@pytest.mark.parametrize("solver", ["bitwuzla", "cvc5", "z3"])
def test_256_bits_in_every_solver(solver: str) -> None:
    words_ = (0, 1, 1 << 255, (1 << 256) - 1, 0x1234 << 60)
    found = [(e, {A: w, I: i, P: w & 1}) for e in WIDE for w, i in zip(words_, (-3, 0, 255, 256, 61), strict=True)]
    assert answers((A, I, P), found, solver) == ["sat", "unsat", "unsat"] * len(found)


def test_ranges_of_ints_are_assumed() -> None:
    terms = Terms([("int", 3, 9)])
    script = Script(terms, [big := terms.build("<", (terms.const(9, ("int",)), terms.var(0)))])
    script.query([big])
    assert ask("bitwuzla", [script.text()], 1, 1000) == ["unsat"]


def test_what_is_not_well_typed_is_refused() -> None:
    terms = Terms([BOOL, ("int", 0, 3), ("bits", 4), ("bits", 5)])
    p, i, a, b = (terms.var(k) for k in range(4))
    for op, args, data in (
        ("and", (p, i), None), ("and", (p,), None), ("not", (a,), None), ("=", (p, i), None), ("=", (a, b), None),
        ("<", (a, b), None), ("ite", (p, a, b), None), ("band", (a, b), None), ("bit", (i, a), None),
        ("extract", (a,), (2, 3)), ("extract", (a,), (0, 0)), ("in", (i,), None), ("decode", (i,), 0),
        ("encode", (a,), (0, 2)), ("check-sat", (), None), ("assert", (p,), None), ("occurs", (p,), "x"),
    ):  # fmt: skip
        with pytest.raises(Wrong):
            terms.build(op, args, data)
    for value, kind in ((2, BOOL), (16, ("bits", 4)), (-1, ("bits", 4)), ("1", BOOL)):
        with pytest.raises(Wrong):
            terms.const(value, kind)
    with pytest.raises(Wrong):
        terms.var(4)


def test_operators_of_the_language_and_of_the_checker_are_the_same() -> None:
    terms = Terms([BOOL, ("int", 0, 3), ("bits", 4)])
    p, i, a = (terms.var(k) for k in range(3))
    samples = {
        Op.NOT: (p,), Op.AND: (p, p), Op.OR: (p, p), Op.EQ: (i, i), Op.LT: (i, i), Op.LE: (i, i), Op.ADD: (i, i),
        Op.SUB: (i, i), Op.ITE: (p, i, i), Op.IN: (i,), Op.BAND: (a, a), Op.BOR: (a, a), Op.BXOR: (a, a), Op.BNOT: (a,),
        Op.BIT: (a, i), Op.PUT: (a, i, p), Op.HIGHEST: (a,), Op.COUNT: (a,), Op.CONCAT: (a, a), Op.EXTRACT: (a,),
        Op.ENCODE: (i,), Op.DECODE: (a,),
    }  # fmt: skip
    data = {Op.IN: (1, 2), Op.EXTRACT: (1, 2), Op.ENCODE: (0, 2), Op.DECODE: 0}
    for op, args in samples.items():
        assert terms.build(op.value, args, data.get(op)).sort
    annotated = {Op.EMPTY, Op.SEEN, Op.BUFFERED, Op.SETTLED}
    assert set(Op) - set(samples) == {Op.CONST, Op.VAR, Op.OLD, Op.OCCURS, *annotated}


def test_a_negative_decode() -> None:
    a = x.var(Var("a", bits_type(3), 0, Role.MEMORY))
    decoded = make(Op.DECODE, (a,), None, int_type(-5, 2))
    terms, [t] = terms_of((a.payload,), [decoded])  # type: ignore[arg-type]  # a Var
    assert t.sort == ("int", -5, 2)
