# SPDX-License-Identifier: GPL-2.0-or-later
"""Theorems about steps: what a step property lacks is found backward, or the step that breaks it is told."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lostirq.explicit.sample import sample
from lostirq.ir import expr as x
from lostirq.ir.expr import Expr, Var, int_type
from lostirq.ir.system import Form, Memory, System
from lostirq.ir.tso import lower
from lostirq.symbolic.decide import decide
from lostirq.symbolic.induction import evaluate
from lostirq.symbolic.outcome import Conjunct, NotInductive, Proved, Undecided
from lostirq.symbolic.steps import over_step, prove_steps
from tests.differential.random_systems import systems
from tests.unit import symbolic_toys as toys


def relay(start: int) -> tuple[System, Conjunct]:
    """c goes to b, b to a, and a back to c; the property: whoever takes the last step stores 1."""
    a, b, c = (toys.memory(n, int_type(0, 3), start if n == "c" else 0) for n in "abc")
    steps: list[toys.Step] = [(0, 1, x.TRUE, ((b, x.var(c)),)), (1, 2, x.TRUE, ((a, x.var(b)),)),
                              (2, 0, x.TRUE, ((c, x.var(a)),))]
    made = toys.system("relay", (a, b, c), {"p": steps})
    pc = made.processes[0].pc
    leaves = x.eq(x.old(pc), x.integer(2))
    return made, Conjunct("stores one", x.implies(leaves, x.eq(x.var(c), x.integer(1))))


def holds(system: System, goal: Expr, states: list[dict[Var, int]]) -> bool:
    """Of every step from these states, by the interpreter."""
    for before in states:
        for index, after in toys.successors(system, before).items():
            step = over_step(goal, system.edges[index].events, lambda v, s=before: x.const(s[v], v.type),
                             lambda v, s=after: x.const(s[v], v.type))
            if not evaluate(step, {}):
                return False
    return True


def test_what_a_step_property_lacks_is_found() -> None:
    s, goal = relay(1)
    assert isinstance(prove_steps(s, [], [goal]), NotInductive)
    outcome, conjuncts = decide(s, [], [goal])
    assert isinstance(outcome, Proved) and conjuncts
    assert all(c.name.startswith("stores one before p:") for c in conjuncts)
    assert isinstance(prove_steps(s, conjuncts, [goal]), Proved)


def test_a_step_property_that_is_broken_is_told_and_nothing_is_added() -> None:
    s, goal = relay(2)
    given_ = Conjunct("in range", x.le(x.var(s.variables[0]), x.integer(3)))
    outcome, conjuncts = decide(s, [given_], [goal])
    assert isinstance(outcome, NotInductive) and outcome.counterexamples[0].conjunct == goal.name
    assert conjuncts == [given_]


def test_without_a_solver_it_is_unknown() -> None:
    s, goal = relay(1)
    outcome, _ = decide(s, [], [goal], rlimit=1)
    assert not isinstance(outcome, Proved)


def facts(system: System, states: list[dict[Var, int]], most: int) -> list[Conjunct]:
    """At some location of a process every step found a variable at one value: true, and rarely inductive."""
    found: list[Conjunct] = []
    for process, v in itertools.product(system.processes, system.variables):
        old = {w: x.old(w) for w in (process.pc, v)}
        for place in range(len(process.locations)):
            seen = {s[v] for s in states if s[process.pc] == place}
            if v is not process.pc and len(seen) == 1 and len(found) < most:
                here = x.eq(old[process.pc], x.const(place, process.pc.type))
                found.append(Conjunct(f"{v.name} at {process.name}:{place}",
                                      x.implies(here, x.eq(old[v], x.const(*seen, v.type)))))
    return found


@settings(max_examples=16, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.sampled_from(Memory).flatmap(systems))
def test_random_systems(system: System) -> None:
    """What is proved of all steps holds, as the interpreter has it, of every step from a reachable state."""
    flat = lower(system)
    seen = sample(flat, 300)
    states = [dict(zip(seen.columns, row, strict=True)) for row in zip(*seen.columns.values(), strict=True)]
    goals = [Conjunct(p.key, p.formula) for p in flat.properties if p.form is Form.STEP]
    for goal in [*goals, *(facts(flat, states, 4) if seen.complete else ())]:
        outcome, conjuncts = decide(flat, [], [goal])
        assert not isinstance(outcome, Undecided)
        if isinstance(outcome, Proved):
            assert holds(flat, goal.formula, states)
            assert all(evaluate(c.formula, state) for c in conjuncts for state in states)


@pytest.mark.parametrize("start", [0, 1, 3])
def test_it_is_what_the_interpreter_says(start: int) -> None:
    s, goal = relay(start)
    state, states = dict(zip(s.variables, s.initial(), strict=True)), []
    while state not in states:
        states.append(state)
        (state,) = toys.successors(s, state).values()
    outcome, _ = decide(s, [], [goal])
    assert isinstance(outcome, Proved) is holds(s, goal.formula, states) is (start == 1)
