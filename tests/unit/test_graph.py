# SPDX-License-Identifier: GPL-2.0-or-later
"""The graph engine: verdicts, limits, and the questions that users ask of a graph."""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree
from pathlib import Path

import networkx as nx
import pytest

from lostirq.errors import UsageError
from lostirq.evidence.verdict import Holds, SearchOptions, Unknown, Violated
from lostirq.explicit.graph import check_graph, explore_graph, to_dot, to_graphml, write
from lostirq.ir import expr as x
from lostirq.ir.system import RANGE, STUCK, Form, Memory
from tests.unit.handmade import Sketch, memory

N = memory("n", x.int_type(0, 4))
STEPS = 'n := "one" more'


def counter() -> Sketch:
    """Counts 0 1 2, then either 3 for ever or 4 for ever."""
    s = Sketch(N, model=Memory.SC)
    s.process(2, idle=(1,))
    s.edge(0, 0, 0, (N, x.add(x.var(N), x.integer(1))), guard=x.lt(x.var(N), x.integer(2)), text=STEPS)
    s.edge(0, 0, 1, (N, x.integer(3)), guard=at(2))
    s.edge(0, 0, 0, (N, x.integer(4)), guard=at(2))
    s.edge(0, 0, 0, guard=at(4))
    s.property("small", Form.INVARIANT, x.lt(x.var(N), x.integer(4)))
    s.property("positive", Form.INVARIANT, x.le(x.integer(0), x.var(N)))
    s.property("three", Form.REACHABLE, at(3))
    s.property("never", Form.REACHABLE, x.and_(at(0), s.at(0, 1)))
    s.property("rises", Form.STEP, x.or_(x.lt(x.old(N), x.var(N)), at(4)))
    s.property("leaves", Form.RECURRENCE, at(4))
    return s


def at(value: int) -> x.Expr:
    return x.eq(x.var(N), x.integer(value))


def test_verdicts_counts_and_traces() -> None:
    result = check_graph(counter().system())
    assert (result.states, result.transitions, result.depth, result.complete) == (5, 5, 3, True)
    small = result.verdicts["small"]
    assert isinstance(small, Violated) and small.trace.moves == (0, 0, 2)
    assert isinstance(result.verdicts["positive"], Holds)
    assert result.witnesses["three"].moves == (0, 0, 1) and isinstance(result.verdicts["three"], Holds)
    assert result.verdicts["never"] == Unknown("not reached")
    assert all(isinstance(result.verdicts[key], Holds) for key in ("rises", STUCK, RANGE, "leaves"))


def test_the_minimal_trace_is_the_least_of_those_with_the_fewest_changes_of_process() -> None:
    """Two processes take two steps each in any order; of the six ways the two without detour change process once."""
    s = Sketch(N, model=Memory.SC)
    for _ in range(2):
        s.process(3, idle=(2,))
    for src, p in ((0, 1), (0, 0), (1, 1), (1, 0)):
        s.edge(p, src, src + 1, (N, x.add(x.var(N), x.integer(1))))
    s.property("four", Form.REACHABLE, at(4))
    s.property("fourth", Form.REACHABLE_STEP, x.and_(x.eq(x.old(N), x.integer(3)), at(4)))
    result = check_graph(s.system())
    assert result.witnesses["four"].moves == (0, 2, 1, 3)
    assert result.witnesses["fourth"].moves == (0, 2, 1, 3) and result.witnesses["four"].minimal


def test_an_unknown_property_is_an_error_of_usage() -> None:
    with pytest.raises(UsageError, match="handmade has no property nothing"):
        check_graph(counter().system(), SearchOptions(properties=("nothing",)))


def test_only_the_properties_asked_for() -> None:
    result = check_graph(counter().system(), SearchOptions(properties=("positive",)))
    assert set(result.verdicts) == {STUCK, RANGE, "positive"}


def test_a_limit_is_never_success() -> None:
    result = check_graph(counter().system(), SearchOptions(max_states=2))
    assert not result.complete and result.reason == "states"
    assert set(result.verdicts.values()) == {Unknown("states")}
    found = check_graph(counter().system(), SearchOptions(max_states=4))
    assert isinstance(found.verdicts["small"], Violated)      # a violation that was seen stands
    assert found.verdicts["positive"] == Unknown("states")


def test_time_and_memory_run_out() -> None:
    wide = memory("wide", x.int_type(0, 999))
    s = Sketch(wide, model=Memory.SC)
    s.process(1)
    s.edge(0, 0, 0, (wide, x.add(x.var(wide), x.integer(1))), guard=x.lt(x.var(wide), x.integer(999)))
    s.property("I", Form.INVARIANT, x.TRUE)
    for options, reason in ((SearchOptions(seconds=0.0), "timeout"), (SearchOptions(memory_bytes=1), "memory")):
        result = check_graph(s.system(), options)
        assert result.reason == reason and result.verdicts["I"] == Unknown(reason)


def test_liveness_that_was_not_asked_for_is_unknown() -> None:
    result = check_graph(counter().system(), SearchOptions(liveness=False))
    assert result.verdicts["leaves"] == Unknown("liveness not checked")


def test_questions() -> None:
    states = explore_graph(counter().system())
    (three,), (four,) = states.where(at(3)), states.where(at(4))
    assert states.shortest_path(at(1), at(4)) == [(1, 0), (2, 2), (four, None)]
    assert states.shortest_path(at(3), at(4)) is None
    assert states.shortest_path(at(3), at(3)) == [(three, None)]
    assert states.components() == [frozenset({n}) for n in (0, 1, 2, three, four)]
    assert states.bottom_components() == [frozenset({three}), frozenset({four})]
    assert states.dominators(at(4)) == [0, 1, 2, four]
    assert states.dominators(lambda n: n in (three, four)) == [0, 1, 2]
    assert states.dominators(x.FALSE) == []
    assert states.value(four, "n") == 4
    assert nx.is_directed_acyclic_graph(states.restricted([0, 1, 2]))


def test_graphml_and_dot_carry_readable_labels(tmp_path: Path) -> None:
    states = explore_graph(counter().system())
    root = ElementTree.fromstring(to_graphml(states))
    space = {"g": "http://graphml.graphdrawing.org/xmlns"}
    assert len(root.findall(".//g:node", space)) == 5 and len(root.findall(".//g:edge", space)) == 5
    dot = to_dot(states)
    assert r'0 [label="state 0\lp0 at f0 line 1\ln = 0\l", style=bold];' in dot
    assert r'0 -> 1 [label="p0: n := \"one\" more"];' in dot
    write(states, tmp_path / "g.dot")
    write(states, tmp_path / "g.graphml")
    assert (tmp_path / "g.dot").read_text() == dot
    assert (tmp_path / "g.graphml").read_text() == to_graphml(states)
    assert to_graphml(explore_graph(counter().system())) == to_graphml(states)
