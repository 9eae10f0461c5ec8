# SPDX-License-Identifier: GPL-2.0-or-later
"""Induction: proofs, counterexamples to induction, and everything that must not become a proof."""

from __future__ import annotations

import pytest
import z3
from hypothesis import given, settings
from hypothesis import strategies as st

from lostirq.ir import expr as x
from lostirq.ir.expr import BOOL, Expr, Kind, Var, bits_type, int_type
from lostirq.ir.system import System
from lostirq.symbolic.backward import needed
from lostirq.symbolic.encode import Encoder, transition
from lostirq.symbolic.induction import RANGE, evaluate, prove, step_query
from lostirq.symbolic.outcome import BaseFails, Conjunct, NotInductive, Proved, Undecided
from tests.unit import symbolic_toys as toys
from tests.unit.expressions import VARIABLES, booleans, integers, value_in, words


def mutual_exclusion(s: System) -> Expr:
    return x.not_(x.and_(*(x.eq(x.var(p.pc), x.integer(4)) for p in s.processes)))


def peterson_lemmas(s: System) -> list[Conjunct]:
    """The classical strengthening: a raised flag mirrors the location, and who is inside has the turn or is alone."""
    lemmas = []
    turn = s.variables[2]
    for me, p in enumerate(s.processes):
        flag, other = x.var(s.variables[me]), s.processes[1 - me]
        raised = x.in_set(x.var(p.pc), {1, 2, 3, 4})
        lemmas.append(Conjunct(f"flag[{me}]", x.eq(flag, raised)))
        inside = x.eq(x.var(p.pc), x.integer(4))
        yields = x.or_(x.eq(x.var(turn), x.integer(me)), x.in_set(x.var(other.pc), {0, 1}))
        lemmas.append(Conjunct(f"inside[{me}]", x.implies(inside, yields)))
    return lemmas


def test_mutual_exclusion_is_inductive_with_lemmas_and_not_without() -> None:
    s = toys.peterson()
    goal = Conjunct("mutual exclusion", mutual_exclusion(s))
    alone = prove(s, [goal])
    assert isinstance(alone, NotInductive)
    assert isinstance(prove(s, [goal, *peterson_lemmas(s)]), Proved)


def test_a_counterexample_to_induction_is_a_step_of_the_system() -> None:
    s = toys.peterson()
    goal = Conjunct("mutual exclusion", mutual_exclusion(s))
    outcome = prove(s, [goal], most=3)
    assert isinstance(outcome, NotInductive) and outcome.counterexamples
    for c in outcome.counterexamples:
        before = dict(zip(s.variables, c.before, strict=True))
        after = toys.successors(s, before)[c.edge]
        assert tuple(after.values()) == c.after
        assert evaluate(goal.formula, before) and not evaluate(goal.formula, after)


def test_a_wrong_lemma_is_found_in_the_broken_system() -> None:
    s = toys.peterson(broken=True)
    assert not isinstance(prove(s, [Conjunct("mutual exclusion", mutual_exclusion(s)), *peterson_lemmas(s)]), Proved)


def test_what_is_false_initially_is_named() -> None:
    s = toys.peterson()
    assert prove(s, [Conjunct("raised", x.var(s.variables[0]))]) == BaseFails(("raised",))


@pytest.mark.parametrize("width", [16, 64])
def test_unknown_is_never_success(width: int) -> None:
    """A solver stopped at once leaves every query that needs it undecided, be it shared by a location or not."""
    a, b = (toys.memory(n, bits_type(width), 1) for n in "ab")
    low = (x.extract(x.var(v), 0, width // 2) for v in (a, b))
    grow = ((a, x.bxor(x.var(a), x.var(b))), (b, x.concat(*low)))
    s = toys.system("mix", (a, b), {"p": [(0, 0, x.not_(x.eq(x.highest(x.var(a)), x.count(x.var(b)))), grow)]})
    goal = Conjunct("odd", x.not_(x.eq(x.count(x.bor(x.var(a), x.var(b))), x.integer(0))))
    assert isinstance(prove(s, [goal], rlimit=1), Undecided)
    assert isinstance(prove(s, [goal]), Proved | NotInductive)


def test_ranges_are_proved_along() -> None:
    n = toys.memory("n", int_type(0, 3))
    up = ((n, x.add(x.var(n), x.integer(1))),)
    free = toys.system("up", (n,), {"p": [(0, 0, x.TRUE, up)]})
    guarded = toys.system("up", (n,), {"p": [(0, 0, x.lt(x.var(n), x.integer(3)), up)]})
    outcome = prove(free, [])
    assert isinstance(outcome, NotInductive)
    assert outcome.counterexamples[0].conjunct == RANGE and outcome.counterexamples[0].after is None
    assert isinstance(prove(guarded, []), Proved)


def test_step_query_uses_its_hypotheses() -> None:
    s = toys.peterson()
    edge = s.edges[3]  # p0 looks at the turn while the flag of p1 is up
    goal = x.var(s.variables[0])
    assert not isinstance(step_query(s, edge, [], goal), type(step_query(s, edge, [goal], goal)))


STATES = st.tuples(*(value_in(v.type) for v in VARIABLES))


@st.composite
def small_systems(draw: st.DrawFn) -> System:
    """One process of three locations with random guards and assignments over the variables of the encoding test."""
    steps: list[toys.Step] = []
    for _ in range(draw(st.integers(1, 4))):
        chosen = draw(st.lists(st.sampled_from(VARIABLES), max_size=3, unique=True))
        assigns = tuple((v, draw(_of(v))) for v in chosen)
        steps.append((draw(st.integers(0, 2)), draw(st.integers(0, 2)), draw(booleans(2)), assigns))
    return toys.system("random", VARIABLES, {"p": steps})


def _of(v: Var) -> st.SearchStrategy[Expr]:
    if v.type is BOOL:
        return booleans(2)
    return words(2, v.type.width) if v.type.kind is Kind.BITS else integers(2)


@settings(max_examples=30, deadline=None)
@given(small_systems(), STATES)
def test_one_step_successors_are_those_of_the_interpreter(s: System, values: tuple[int, ...]) -> None:
    state = dict(zip(s.variables, (*values, 0), strict=True))
    before, after = Encoder(s.variables, "|before"), Encoder(s.variables, "|after")
    expected = toys.successors(s, state)
    for e in s.edges:
        solver = z3.Solver()
        solver.add(transition(s, e, before, after), *_fixed(before, state))
        if solver.check() == z3.sat:
            model = solver.model()
            got = {v: after.value(model, v) for v in s.variables}
            assert got == expected[e.index]
            solver.add(z3.Not(z3.And(*_fixed(after, got))))
            assert solver.check() == z3.unsat, "one edge, one successor"
        else:
            assert e.index not in expected


def _fixed(encoder: Encoder, state: dict[Var, int]) -> list[z3.BoolRef]:
    return [symbol == (bool(state[v]) if v.type is BOOL else state[v]) for v, symbol in encoder.symbols.items()]


def _chain(initial: int) -> System:
    """Round and round: c comes from d, b from c, a from b."""
    a, b, c, d = (toys.memory(n, int_type(0, 3), initial if n == "c" else 1) for n in "abcd")
    steps: list[toys.Step] = [(0, 1, x.TRUE, ((b, x.var(c)),)), (1, 2, x.TRUE, ((a, x.var(b)),)),
                              (2, 0, x.TRUE, ((c, x.var(d)),))]
    return toys.system("chain", (a, b, c, d), {"p": steps})


@pytest.mark.parametrize(("initial", "found"), [(1, 5), (0, 2)])
def test_what_must_have_held_before_is_found_or_false_at_the_start(initial: int, found: int) -> None:
    s = _chain(initial)
    a, pc = x.var(s.variables[0]), x.var(s.processes[0].pc)
    goal = Conjunct("a", x.implies(x.eq(pc, x.integer(2)), x.eq(a, x.integer(1))))
    assert isinstance(prove(s, [goal]), NotInductive)
    added = needed(s, [goal], ["a"], {})
    assert len(added) == found, "nothing is looked for before what is false at the start"
    outcome = prove(s, [goal, *added])
    assert isinstance(outcome, Proved) if initial else outcome == BaseFails((added[-1].name,))
