# SPDX-License-Identifier: GPL-2.0-or-later
"""k-induction: what needs two or three steps, against k-induction by unrolling, the explicit engine and the checker."""

from __future__ import annotations

import itertools
from pathlib import Path

import pytest
import z3
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lostirq.explicit.sample import sample
from lostirq.ir import expr as x
from lostirq.ir.expr import BOOL, Expr, Var
from lostirq.ir.system import Form, Memory, Property, System
from lostirq.ir.tso import lower
from lostirq.symbolic.certificate import about, certificate, text
from lostirq.symbolic.induction import evaluate, prove
from lostirq.symbolic.outcome import BaseFails, Conjunct, NotInductive, Proved
from lostirq.symbolic.strengthen import strengthened
from lostirq.symbolic.unroll import Unrolling
from tests.differential.random_systems import systems
from tests.unit import symbolic_toys as toys
from tests.unit.recheck_toys import run


def pipeline(length: int, start: int = 0) -> tuple[System, Conjunct]:
    """Each step shifts a pipe by one, nothing comes in: the last place is never set.  A state in which only the first
    is set, which is not reachable, breaks it after `length` - 1 steps: it is `length`-inductive, and no less."""
    pipe = [toys.memory(f"pipe[{i}]", BOOL, int(i == start - 1), unit=i) for i in range(length)]
    shift = ((pipe[0], x.FALSE), *((b, x.var(a)) for a, b in zip(pipe, pipe[1:], strict=False)))
    made = toys.system("pipeline", tuple(pipe), {"p": [(0, 0, x.TRUE, shift)]})
    return made, Conjunct("last", x.not_(x.var(pipe[-1])))


def k_inductive(system: System, goal: Expr, k: int) -> bool:
    """By unrolling: no run of fewer than k steps breaks it, and it holds after k good states."""
    for free, steps in ((False, k - 1), (True, k)):
        unrolling, solver = Unrolling(system, free=free), z3.SolverFor("QF_BV")
        solver.add(*unrolling.states[0].in_range())
        for depth in range(steps + 1):
            bad = z3.Not(unrolling.formula(goal))
            if (not free or depth == k) and solver.check(bad) != z3.unsat:
                return False
            if free and depth < k:
                solver.add(unrolling.formula(goal))
            if solver.check(unrolling.leaves_range()) != z3.unsat and (not free or depth == k - 1):
                return False
            if depth < steps:
                solver.add(*unrolling.extend())
    return True


@pytest.mark.parametrize("k", [2, 3, 4])
def test_what_needs_k_steps_is_proved_with_k_and_not_with_less(k: int) -> None:
    s, goal = pipeline(k)
    for fewer in range(1, k):
        assert isinstance(prove(s, [goal, *strengthened(s, [goal], fewer)]), NotInductive)
        assert not k_inductive(s, goal.formula, fewer)
    added = strengthened(s, [goal], k)
    assert len(added) == k - 1 and isinstance(prove(s, [goal, *added]), Proved)
    assert k_inductive(s, goal.formula, k)


@pytest.mark.parametrize("k", [2, 3])
def test_the_base_is_checked_for_as_many_steps(k: int) -> None:
    """The first place is set at the start: the last one is after k - 1 steps, before the assumption is used up."""
    s, goal = pipeline(k, start=1)
    assert evaluate(goal.formula, dict(zip(s.variables, s.initial(), strict=True)))
    assert isinstance(prove(s, [goal, *strengthened(s, [goal], k)]), BaseFails)


@pytest.mark.parametrize("solver", ["bitwuzla", "cvc5"])
def test_the_checker_verifies_it_and_rejects_it_without_what_was_added(solver: str, tmp_path: Path) -> None:
    s, goal = pipeline(3)
    s = about(s, [Property("last", "last", Form.INVARIANT, goal.formula)])
    added = strengthened(s, [goal], 3)
    whole = text(certificate(s, s.properties, [goal, *added], added=[c.name for c in added]))
    assert run(tmp_path, s, whole, solver).verdict == "verified"
    for left in range(len(added)):
        less = [c for n, c in enumerate(added) if n != left]
        assert run(tmp_path, s, text(certificate(s, s.properties, [goal, *less])), solver).verdict == "failed"


def never_together(system: System, states: list[dict[Var, int]], most: int) -> list[Conjunct]:
    """Values of two variables that no reachable state has at once: true, and rarely inductive."""
    found: list[Conjunct] = []
    for a, b in itertools.combinations(system.variables, 2):
        seen = {(s[a], s[b]) for s in states}
        for u, v in itertools.product({s[a] for s in states}, {s[b] for s in states}):
            if (u, v) not in seen and len(found) < most:
                both = x.and_(x.eq(x.var(a), x.const(u, a.type)), x.eq(x.var(b), x.const(v, b.type)))
                found.append(Conjunct(f"{a.name} {u}, {b.name} {v}", x.not_(both)))
    return found


@settings(max_examples=16, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.sampled_from(Memory).flatmap(systems), st.integers(2, 3))
def test_random_systems(system: System, k: int) -> None:
    """What k-induction by unrolling proves is proved, and what is proved holds in every reachable state."""
    flat = lower(system)
    seen = sample(flat, 400)
    states = [dict(zip(seen.columns, row, strict=True)) for row in zip(*seen.columns.values(), strict=True)]
    goals = [Conjunct(p.key, p.formula) for p in flat.properties if p.form is Form.INVARIANT]
    for goal in [*goals, *(never_together(flat, states, 4) if seen.complete else ())]:
        if isinstance(prove(flat, [goal, *strengthened(flat, [goal], k)]), Proved):
            assert all(evaluate(goal.formula, state) for state in states)
        else:
            assert not k_inductive(flat, goal.formula, k)
