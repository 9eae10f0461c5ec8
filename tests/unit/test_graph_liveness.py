# SPDX-License-Identifier: GPL-2.0-or-later
"""Fair components: by hand, and against an enumeration of all sets of states."""

from __future__ import annotations

import itertools
from pathlib import Path

import networkx as nx
import pytest
from hypothesis import HealthCheck, assume, given, settings

from lostirq.evidence.verdict import Holds, SearchOptions, Unknown, Violated
from lostirq.explicit.graph_liveness import Lasso, recurrence_violation
from lostirq.explicit.search import check
from lostirq.explicit.state_graph import StateGraph, explore_graph
from lostirq.ir import expr as x
from lostirq.ir.system import Event, Fair, Form, Memory, Property
from tests.differential.random_systems import systems
from tests.unit.handmade import Sketch, memory

A = memory("a")
GOAL = Event("goal", ())


def violation(s: Sketch, formula=x.TRUE) -> Lasso | None:
    s.property("L", Form.RECURRENCE, formula, x.occurs("goal"))
    states = explore_graph(s.system())
    return recurrence_violation(states, states.flat.properties[-1])


def worker(fair: Fair) -> Sketch:
    """A spinner for ever, and a worker whose step is the goal."""
    s = Sketch(A, model=Memory.SC)
    s.process(1)
    s.process(1)
    s.edge(0, 0, 0, (A, x.not_(x.var(A))))
    s.edge(1, 0, 0, fair=fair, events=(GOAL,))
    return s


def test_a_step_that_stays_enabled_is_taken_if_it_is_weakly_fair() -> None:
    assert violation(worker(Fair.WEAK)) is None
    assert violation(worker(Fair.STRONG)) is None
    assert violation(worker(Fair.NONE)) == Lasso((), (0, 0))


def test_a_step_that_is_enabled_now_and_again_needs_strong_fairness() -> None:
    for fair, holds in ((Fair.WEAK, False), (Fair.STRONG, True)):
        s = Sketch(A, model=Memory.SC)
        s.process(1)
        s.process(1)
        s.edge(0, 0, 0, (A, x.not_(x.var(A))))
        s.edge(1, 0, 0, guard=x.var(A), fair=fair, events=(GOAL,))
        assert (violation(s) is None) == holds


def test_a_run_may_stay_where_nothing_obliges_it_to_leave() -> None:
    s = Sketch(A, model=Memory.SC)
    s.process(2, idle=(0, 1))
    s.edge(0, 0, 1, (A, x.TRUE), fair=Fair.WEAK)
    s.edge(0, 1, 0, (A, x.FALSE), fair=Fair.NONE, events=(GOAL,))
    assert violation(s, x.var(A)) == Lasso((0,), ())
    assert violation(s, x.not_(x.var(A))) is None             # there the weak step is due


def test_a_buffered_store_reaches_memory_in_the_end() -> None:
    s = Sketch(A, cpus=1, depth=1)
    s.process(2, idle=(1,), cpu=0)
    s.process(1)
    s.edge(0, 0, 1, (A, x.TRUE), late=True)
    s.edge(1, 0, 0)
    assert violation(s, x.not_(x.var(A))) is None


def test_the_states_of_an_unfair_strong_class_are_left_out_and_the_rest_searched_again() -> None:
    """The big component is unfair because the goal's process is enabled at a; the loop that avoids a is fair."""
    s = Sketch(A, model=Memory.SC)
    s.process(3)
    s.process(1)
    s.edge(0, 0, 1)
    s.edge(0, 1, 0)
    s.edge(0, 1, 2, (A, x.TRUE))
    s.edge(0, 2, 0, (A, x.FALSE))
    s.edge(1, 0, 0, guard=x.var(A), fair=Fair.STRONG, events=(GOAL,))
    assert violation(s, x.not_(x.var(A))) == Lasso((), (0, 1))


@pytest.mark.parametrize(("elsewhere", "holds"), [(True, True), (False, False)])
def test_strong_fairness_is_owed_at_each_location(elsewhere: bool, holds: bool, tmp_path: Path) -> None:
    """A process that goes round by another strong step must still take the one that leads to the goal, unless both
    are steps from one location, which are one class; all three engines say so."""
    s = Sketch(A, model=Memory.SC)
    s.process(2)
    s.process(1)
    s.edge(0, 0, 1, fair=Fair.NONE)
    s.edge(0, 0, 0, fair=Fair.STRONG, events=(GOAL,))
    s.edge(0, 1, 0, fair=Fair.STRONG)
    if not elsewhere:
        s.edge(0, 0, 1, fair=Fair.STRONG)
    s.edge(1, 0, 0, (A, x.not_(x.var(A))))
    assert (violation(s) is None) == holds
    for compiler in (None, ""):
        verdict = check(s.system(), SearchOptions(compiler=compiler), tmp_path).verdicts["L"]
        assert isinstance(verdict, Holds if holds else Violated)


def test_more_strong_locations_than_the_compiled_engine_has_room_for(tmp_path: Path) -> None:
    """64 are judged, 65 are undecided; never taken for fair or unfair."""
    for locations, decided in ((64, True), (65, False)):
        s = Sketch(A, model=Memory.SC)
        s.process(locations)
        for at in range(locations):
            s.edge(0, at, (at + 1) % locations, fair=Fair.STRONG)
        s.property("L", Form.RECURRENCE, x.TRUE, x.occurs("goal"))
        verdict = check(s.system(), SearchOptions(), tmp_path).verdicts["L"]
        assert isinstance(verdict, Violated) if decided else verdict == Unknown("more than 64 fairness classes")


def test_refuses_what_it_cannot_judge() -> None:
    s = worker(Fair.NONE)
    s.property("I", Form.INVARIANT, x.TRUE)
    s.property("L", Form.RECURRENCE, x.TRUE)
    complete, cut = explore_graph(s.system()), explore_graph(s.system(), 1)
    with pytest.raises(ValueError, match="I is no recurrence"):
        recurrence_violation(complete, s.properties[0])
    assert not cut.complete
    with pytest.raises(ValueError, match="complete state graph"):
        recurrence_violation(cut, s.properties[1])


# -- against enumeration --------------------------------------------------------------------------------------------


def enumerated(states: StateGraph, prop: Property) -> bool:
    """Is there a fair run that violates the recurrence?  Tries every set of states that it could visit for ever."""
    step = states.interpreter.holds_step
    arcs = [
        (n, after, key) for n in range(states.states) for key, after in states.arcs(n)
        if not step(prop.goal, states.state(n), key, states.state(after))
    ]
    good = set(states.where(prop.formula))
    fair = {e.index: (e.fair, e.process, e.src if e.fair is Fair.STRONG else 0)
            for e in states.flat.edges if e.fair is not Fair.NONE}
    enabled = [{fair[m] for m in moves if m in fair} for moves in states.enabled]
    for size in range(1, states.states + 1):
        for chosen in itertools.combinations(range(states.states), size):
            inside = [a for a in arcs if a[0] in chosen and a[1] in chosen]
            if good & set(chosen) and _connected(chosen, inside) and _fair(chosen, inside, fair, enabled):
                return True
    return False


def _connected(chosen, inside) -> bool:
    graph = nx.DiGraph()
    graph.add_nodes_from(chosen)
    graph.add_edges_from((n, a) for n, a, _ in inside)
    return nx.is_strongly_connected(graph)


def _fair(chosen, inside, fair, enabled) -> bool:
    taken = {fair[key] for _, _, key in inside if key in fair}
    for kind in set(fair.values()) - taken:
        where = [kind in enabled[n] for n in chosen]
        if all(where) if kind[0] is Fair.WEAK else any(where):
            return False
    return True


@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
@given(systems(Memory.SC))
def test_agrees_with_an_enumeration_of_all_sets_of_states(system) -> None:
    states = explore_graph(system, 10)
    assume(states.complete)
    prop = next(p for p in states.flat.properties if p.form is Form.RECURRENCE)
    assert (recurrence_violation(states, prop) is not None) == enumerated(states, prop)
