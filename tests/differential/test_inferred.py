# SPDX-License-Identifier: GPL-2.0-or-later
"""Inferred invariants hold in every reachable state of random systems, whatever states they were guessed from."""

from __future__ import annotations

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lostirq.explicit.sample import sample
from lostirq.ir.expr import Var
from lostirq.ir.system import Form, Memory, System
from lostirq.ir.tso import lower
from lostirq.symbolic.candidates import features, tables
from lostirq.symbolic.houdini import Houdini
from lostirq.symbolic.induction import RANGE, evaluate, prove
from lostirq.symbolic.infer import infer
from lostirq.symbolic.outcome import Conjunct, NotInductive, Proved
from tests.differential.random_systems import systems

MOST = 150
PATIENT = settings(max_examples=12, deadline=None, suppress_health_check=list(HealthCheck))


def reachable(system: System) -> list[dict[Var, int]] | None:
    """All reachable states, None if they are many."""
    found = sample(system, MOST)
    if not found.complete:
        return None
    return [dict(zip(found.columns, row, strict=True)) for row in zip(*found.columns.values(), strict=True)]


@PATIENT
@given(st.sampled_from(Memory).flatmap(systems), st.integers(1, 10))
def test_tables_guessed_from_few_states_are_weakened_until_they_hold(system: System, few: int) -> None:
    flat = lower(system)
    states = reachable(flat)
    if states is None:
        return
    columns = {v: [s[v] for s in states[:few]] for v in flat.variables}
    made = tables(features(flat, flat, columns))
    Houdini(flat, made).run()
    assert all(evaluate(t.whole(), state) for t in made for state in states)
    outcome = prove(flat, [t.conjunct() for t in made], most=1000)
    if isinstance(outcome, NotInductive):
        assert {c.conjunct for c in outcome.counterexamples} == {RANGE}
    else:
        assert isinstance(outcome, Proved)


@PATIENT
@given(st.sampled_from(Memory).flatmap(systems))
def test_what_is_found_for_a_property_is_a_proof_or_a_gap(system: System) -> None:
    flat = lower(system)
    states = reachable(flat)
    if states is None:
        return
    columns = {v: [s[v] for s in states] for v in flat.variables}
    for p in flat.properties:
        if p.form is not Form.INVARIANT:
            continue
        goal = Conjunct(p.key, p.formula)
        found = infer(flat, flat, columns, [goal], complete=True, most=6)
        assert all(evaluate(c.formula, state) for c in found.conjuncts for state in states)
        outcome = prove(flat, [goal, *found.conjuncts])
        true = all(evaluate(p.formula, state) for state in states)
        assert true or found.gaps or not evaluate(p.formula, states[0])
        if not found.gaps and evaluate(p.formula, states[0]):
            assert isinstance(outcome, Proved)
