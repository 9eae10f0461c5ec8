# SPDX-License-Identifier: GPL-2.0-or-later
"""Two ways of asking Z3, one answer: a model that the interpreter confirms, or none."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
import z3
from hypothesis import given, settings
from hypothesis import strategies as st

from lostirq.ir.expr import Expr, Kind, and_, eq, integer, le, not_, var
from lostirq.symbolic import asking
from lostirq.symbolic.asking import Questions
from lostirq.symbolic.encode import Encoder
from lostirq.symbolic.induction import DEFAULT_RLIMIT, evaluate
from lostirq.symbolic.rewrite import Rewriter
from tests.unit.expressions import VARIABLES, booleans

FORMULAS = st.lists(booleans(2), max_size=3)
# (location, hypotheses that are new there, guard, goal), one question after the other.
SESSIONS = st.lists(st.tuples(st.integers(0, 2), FORMULAS, FORMULAS, booleans(2)), min_size=1, max_size=6)
NUMBER = next(v for v in VARIABLES if v.type.kind is Kind.INT and v.type.hi - v.type.lo > 4)


class Session:
    """Questions with hypotheses that grow."""

    def __init__(self, narrow: int) -> None:
        self.rewriter = Rewriter(VARIABLES)
        self.encoder = Encoder(VARIABLES)
        before, asking.NARROW = asking.NARROW, narrow
        self.questions = Questions(self.rewriter, self.encoder, 0, DEFAULT_RLIMIT)
        asking.NARROW = before
        self.known: dict[int, dict[Expr, int]] = {}

    def ask(self, place: int, new: Sequence[Expr], guard: Sequence[Expr], goal: Expr) -> dict[str, int] | None:
        """The values of a state in which the goal is false; None if there is none."""
        known = self.known.setdefault(place, {})
        known.update((h, self.rewriter.mask(h)) for h in new)
        guards = {g: self.rewriter.mask(g) for g in guard}
        answer, solver = self.questions.ask((0, place), known, guards, goal)
        if answer == z3.unsat:
            return None
        assert answer == z3.sat
        model = solver.model()
        state = {v: self.encoder.value(model, v) for v in VARIABLES}
        assert all(evaluate(f, state) for f in (*known, *guards, not_(goal)))
        assert all(v.type.lo <= state[v] <= v.type.hi for v in VARIABLES if v.type.kind is Kind.INT)
        return {v.name: value for v, value in state.items()}


@settings(max_examples=60, deadline=None)
@given(SESSIONS)
def test_both_ways_agree(questions: list[tuple[int, list[Expr], list[Expr], Expr]]) -> None:
    shared, anew = Session(narrow=100), Session(narrow=0)
    for question in questions:
        assert (shared.ask(*question) is None) == (anew.ask(*question) is None)


@pytest.mark.parametrize("narrow", [0, 100])
def test_what_was_asked_before_is_not_assumed(narrow: int) -> None:
    x = var(NUMBER)
    low, high = integer(NUMBER.type.lo), integer(NUMBER.type.hi)
    session = Session(narrow)
    assert session.ask(0, [], [eq(x, low)], le(x, high)) is None, "the range of the type is known"
    assert session.ask(0, [], [], not_(eq(x, high))) is not None, "nothing is left of the guard before"
    assert session.ask(0, [not_(eq(x, high))], [], not_(eq(x, high))) is None, "hypotheses may come later"
    assert session.ask(1, [], [], not_(eq(x, high))) is not None, "and are of one location"


def test_a_location_that_was_put_away_is_asked_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(asking, "KEPT", 1)
    x, session = var(NUMBER), Session(narrow=100)
    high = eq(x, integer(NUMBER.type.hi))
    for _ in range(2):
        assert session.ask(0, [high], [], high) is None
        assert session.ask(1, [not_(high)], [], and_(high)) is not None
