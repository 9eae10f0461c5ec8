# SPDX-License-Identifier: GPL-2.0-or-later
"""The bounded search on toys with known answers, its limits, and what it refuses."""

from __future__ import annotations

from dataclasses import replace

import pytest

from lostirq.evidence.replay import confirm, confirm_witness, replay
from lostirq.evidence.verdict import Holds, Progress, SearchOptions, SearchResult, Trace, Unknown, Violated
from lostirq.explicit.graph import check_graph
from lostirq.ir import expr as x
from lostirq.ir.expr import int_type
from lostirq.ir.system import RANGE, STUCK, Form, Memory, Property, System
from lostirq.language import compile_scenario
from lostirq.symbolic.bmc import NO_LIVENESS, check_bounded
from lostirq.symbolic.reach import TooMany, reachable
from lostirq.symbolic.unroll import Unrolling
from tests.unit.language import load
from tests.unit.symbolic_toys import memory, peterson, system

STORE_BUFFERING = """
    from lostirq.prelude import *
    a: bool
    b: bool
    done: Array[bool, 2]
    seen: Array[bool, 2]

    @thread
    def one():
        a = True
        seen[0] = b
        done[0] = True

    @thread
    def two():
        b = True
        seen[1] = a
        done[1] = True
"""
MISSED = """
    from lostirq.prelude import *
    from model.m import *

    @invariant("SB", source="toy")
    def sb() -> bool:
        '''One of the two sees the store of the other.'''
        return not (done[0] and done[1] and not seen[0] and not seen[1])
"""


def with_properties(s: System, *properties: Property) -> System:
    return replace(s, properties=properties)


def exclusion(broken: bool) -> System:
    s = peterson(broken)
    both = x.and_(*(x.eq(x.var(p.pc), x.integer(4)) for p in s.processes))
    inside = x.eq(x.var(s.processes[1].pc), x.integer(4))
    return with_properties(s, Property("safe", "safe", Form.INVARIANT, x.not_(both)),
                           Property("in", "in", Form.REACHABLE, inside))


def trace(result: SearchResult, key: str) -> Trace:
    verdict = result.verdicts[key]
    assert isinstance(verdict, Violated), verdict
    return verdict.trace


def test_shortest_and_minimal() -> None:
    s = exclusion(broken=True)
    found, expected = check_bounded(s, SearchOptions()), check_graph(s)
    assert trace(found, "safe") == trace(expected, "safe") and len(trace(found, "safe").moves) == 7
    assert found.witnesses == expected.witnesses
    for t in (trace(found, "safe"), found.witnesses["in"]):
        run = replay(s, t)
        assert (confirm(run) if t.property == "safe" else confirm_witness(run)) is not None


def test_a_bound_is_never_success() -> None:
    result = check_bounded(exclusion(broken=False), SearchOptions(max_depth=9))
    assert result.verdicts["safe"] == Unknown("depth 9 reached")
    assert isinstance(result.verdicts["in"], Holds)      # a witness is one at any depth
    assert (result.depth, result.complete) == (9, False)


def test_without_a_limit_there_is_a_default() -> None:
    result = check_bounded(exclusion(broken=False), SearchOptions())
    assert result.verdicts["safe"] == Unknown("depth 16 reached")


@pytest.mark.parametrize("options, said", [
    (SearchOptions(seconds=0.0), "depth 0 reached: the time was up"),
    (SearchOptions(rlimit=1), "reached: Z3 reached its limit"),
])
def test_limits_of_time_and_resources(options: SearchOptions, said: str) -> None:
    result = check_bounded(exclusion(broken=False), options)
    verdict = result.verdicts["safe"]
    assert isinstance(verdict, Unknown) and verdict.reason.endswith(said)
    assert not result.complete


def test_resources_are_counted_alike_in_each_run() -> None:
    s, options = exclusion(broken=False), SearchOptions(rlimit=2000, max_depth=40)
    first, second = (check_bounded(s, options).verdicts for _ in range(2))
    assert first == second and str(first["safe"]).count("Z3 reached its limit") == 1


def test_progress_is_told_for_each_depth() -> None:
    seen: list[Progress] = []
    check_bounded(exclusion(broken=False), SearchOptions(max_depth=4, progress=seen.append))
    assert [p.depth for p in seen] == [0, 1, 2, 3, 4]


def test_liveness_is_refused() -> None:
    s = exclusion(broken=False)
    live = Property("live", "live", Form.RECURRENCE, x.TRUE, x.occurs("never"))
    result = check_bounded(with_properties(s, live), SearchOptions(max_depth=3))
    assert result.verdicts["live"] == Unknown(NO_LIVENESS)


def test_where_runs_end_all_is_decided() -> None:
    """Without a loop there is a longest run, and what holds up to there holds."""
    v = memory("v", int_type(0, 2))
    count = [(0, 1, x.TRUE, ((v, x.add(x.var(v), x.integer(1))),)), (1, 2, x.TRUE, ())]
    s = with_properties(system("ends", (v,), {"p": count}),
                        Property("low", "low", Form.INVARIANT, x.le(x.var(v), x.integer(1))),
                        Property("high", "high", Form.REACHABLE, x.eq(x.var(v), x.integer(2))))
    result = check_bounded(s, SearchOptions())
    assert isinstance(result.verdicts["low"], Holds) and result.verdicts["high"] == Unknown("not reached")
    assert result.complete and result.depth == 2


def test_built_in_properties() -> None:
    """A step out of range ends its run; a state where nothing moves must be at rest."""
    v = memory("v", int_type(0, 2))
    more = ((v, x.add(x.var(v), x.integer(1))),)
    leaves = check_bounded(system("leaves", (v,), {"p": [(0, 0, x.TRUE, more)]}), SearchOptions())
    assert len(trace(leaves, RANGE).moves) == 3 and isinstance(leaves.verdicts[STUCK], Holds)
    waits = x.eq(x.var(v), x.integer(2))
    stuck = check_bounded(system("waits", (v,), {"p": [(0, 1, x.TRUE, more), (1, 2, waits, ())]}), SearchOptions())
    assert len(trace(stuck, STUCK).moves) == 1 and isinstance(stuck.verdicts[RANGE], Holds)


def test_stops_early() -> None:
    """At the first violation: a witness that is reached before is none."""
    s = exclusion(broken=True)
    assert check_bounded(s, SearchOptions(stop_early=True, properties=("safe",))).depth == 7
    found = check_bounded(s, SearchOptions(stop_first=True))
    assert found.depth == 7 and found.witnesses


def test_store_buffers() -> None:
    """Both threads miss the store of the other: only with store buffers."""
    workspace = load(STORE_BUFFERING, properties__q=MISSED)
    sc, tso = (compile_scenario(workspace, "only", m) for m in (Memory.SC, Memory.TSO))
    assert isinstance(check_bounded(sc, SearchOptions(max_depth=12)).verdicts["SB"], Holds)
    found, expected = check_bounded(tso, SearchOptions(max_depth=12)), check_graph(tso)
    assert trace(found, "SB") == trace(expected, "SB")


def test_all_states_of_a_toy() -> None:
    levels = reachable(peterson(), 100)
    explored = check_graph(peterson())
    assert sum(map(len, levels)) == explored.states and len(levels) == explored.depth + 1
    with pytest.raises(TooMany):
        reachable(peterson(), 5)


def test_only_flat_systems_are_unrolled() -> None:
    with pytest.raises(ValueError, match="lower it first"):
        Unrolling(replace(peterson(), flat=False))
