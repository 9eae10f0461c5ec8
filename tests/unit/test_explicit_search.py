# SPDX-License-Identifier: GPL-2.0-or-later
"""The explicit engines on systems by hand: counts, limits, interrupts, choice of properties; C and Python alike."""

from __future__ import annotations

import os
import signal
import threading
from dataclasses import replace
from pathlib import Path

import pytest

from lostirq.errors import UsageError
from lostirq.evidence.verdict import RANGE, STUCK, Holds, Progress, Reductions, SearchOptions, Unknown, Violated
from lostirq.explicit.search import check
from lostirq.interpret import Interpreter
from lostirq.ir import expr as x
from lostirq.ir.system import Form, Memory, System
from tests.unit.explicit_toys import mutex, rings
from tests.unit.handmade import Sketch, local, memory

COMPILERS = pytest.mark.parametrize("compiler", [None, ""], ids=["C", "Python"])
EXACT = Reductions.none()


@pytest.fixture(scope="session")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache") / "build"


@COMPILERS
@pytest.mark.parametrize("width,words", [(3, 1), (30, 2), (50, 3), (64, 4)])
def test_counts_do_not_depend_on_the_number_of_words(cache: Path, compiler: str | None, width: int, words: int) -> None:
    system = rings(width=width)
    explored = Interpreter(system).explore()
    found = check(system, SearchOptions(compiler=compiler, reductions=EXACT), cache)
    assert (found.states, found.transitions, found.depth) == (
        explored.states, explored.transitions, len(explored.levels) - 1)
    assert found.words == words and found.complete and not found.reason
    assert isinstance(found.verdicts["true"], Holds) and isinstance(found.verdicts["apart"], Violated)
    assert len(found.verdicts["apart"].trace.moves) == len(explored.violations["apart"])
    assert len(found.witnesses["words"].moves) == len(explored.witnesses["words"])
    assert found.verdicts["never"] == Unknown("not reached")


@COMPILERS
def test_both_engines_give_the_same_result(cache: Path, compiler: str | None) -> None:
    for system in (rings(), mutex(), mutex(broken=True)):
        for reductions in (EXACT, Reductions()):
            one = check(system, SearchOptions(reductions=reductions), cache)
            two = check(system, SearchOptions(reductions=reductions, compiler=compiler), cache)
            assert (one.verdicts, one.witnesses) == (two.verdicts, two.witnesses)
            assert (one.states, one.transitions, one.depth, one.bits) == (
                two.states, two.transitions, two.depth, two.bits)


@COMPILERS
def test_reductions_shrink_the_key_but_keep_verdicts(cache: Path, compiler: str | None) -> None:
    system = rings(width=60)
    exact = check(system, SearchOptions(compiler=compiler, reductions=EXACT), cache)
    key = check(system, SearchOptions(compiler=compiler, reductions=Reductions(False, False, True)), cache)
    dead = check(system, SearchOptions(compiler=compiler, reductions=Reductions(True, False, True)), cache)
    assert (key.states, key.transitions) == (exact.states, exact.transitions)
    assert dead.states <= exact.states and key.verdicts == exact.verdicts == dead.verdicts


@COMPILERS
def test_a_limit_on_states_leaves_what_is_open_unknown(cache: Path, compiler: str | None) -> None:
    system = rings()
    whole = check(system, SearchOptions(compiler=compiler, reductions=EXACT), cache)
    found = check(system, SearchOptions(compiler=compiler, reductions=EXACT, max_states=40), cache)
    assert found.reason == "states" and not found.complete and found.states == 40
    assert found.verdicts["true"] == Unknown("states") and found.verdicts["never"] == Unknown("states")
    enough = check(system, SearchOptions(compiler=compiler, reductions=EXACT, max_states=whole.states), cache)
    assert enough.complete and enough.verdicts == whole.verdicts
    barely = check(system, SearchOptions(compiler=compiler, reductions=EXACT, max_states=whole.states - 1), cache)
    assert not barely.complete and barely.reason == "states"
    assert barely.verdicts["apart"] == whole.verdicts["apart"]      # a violation stays one


@COMPILERS
def test_a_limit_on_memory_gives_unknown(cache: Path, compiler: str | None) -> None:
    options = SearchOptions(compiler=compiler, memory_bytes=1 << 20, seconds=60.0)
    found = check(rings(5, 8), options, cache)
    assert found.reason == "memory" and found.verdicts["true"] == Unknown("memory")
    assert found.verdicts[RANGE] == Unknown("memory") and found.peak_bytes < 3 << 20


@COMPILERS
def test_a_limit_on_time_gives_unknown(cache: Path, compiler: str | None) -> None:
    found = check(rings(6, 8), SearchOptions(compiler=compiler, seconds=0.3), cache)
    assert found.reason == "timeout" and found.verdicts["true"] == Unknown("timeout")
    assert found.states > 1


@COMPILERS
def test_ctrl_c_reports_what_was_reached(cache: Path, compiler: str | None) -> None:
    system = rings(6, 8)
    check(rings(2, 8), SearchOptions(compiler=compiler), cache)
    timer = threading.Timer(1.0, os.kill, (os.getpid(), signal.SIGINT))
    timer.start()
    try:
        found = check(system, SearchOptions(compiler=compiler, seconds=100.0), cache)
    finally:
        timer.join()
    assert found.reason == "interrupted" and found.verdicts["true"] == Unknown("interrupted")
    assert found.states > 1


@COMPILERS
def test_progress_is_shown(cache: Path, compiler: str | None) -> None:
    seen: list[Progress] = []
    check(rings(6, 8), SearchOptions(compiler=compiler, seconds=1.0, progress=seen.append), cache)
    assert seen and all(p.states > 0 and p.bytes > 0 for p in seen)
    assert [p.states for p in seen] == sorted(p.states for p in seen)


@COMPILERS
def test_only_the_asked_properties_are_checked(cache: Path, compiler: str | None) -> None:
    found = check(rings(), SearchOptions(compiler=compiler, properties=("true",)), cache)
    assert set(found.verdicts) == {"true", STUCK, RANGE}
    with pytest.raises(UsageError, match="no property nonsense"):
        check(rings(), SearchOptions(compiler=compiler, properties=("nonsense",)), cache)


@COMPILERS
def test_stopping_early(cache: Path, compiler: str | None) -> None:
    options = SearchOptions(compiler=compiler, properties=("apart", "words"), stop_early=True, reductions=EXACT)
    whole = check(rings(), replace(options, stop_early=False), cache)
    found = check(rings(), options, cache)
    assert found.reason == "stopped early" and found.states < whole.states
    assert found.verdicts["apart"] == whole.verdicts["apart"] and found.witnesses == whole.witnesses
    assert found.verdicts[STUCK] in (whole.verdicts[STUCK], Unknown("stopped early"))
    never = check(rings(), replace(options, properties=("true",)), cache)
    assert never.complete and isinstance(never.verdicts["true"], Holds)


@COMPILERS
def test_stopping_at_the_first(cache: Path, compiler: str | None) -> None:
    """One of two is decided: the search stops there, with the same shortest trace; if none is, it is complete."""
    options = SearchOptions(compiler=compiler, properties=("apart", "true"), stop_first=True, reductions=EXACT)
    whole = check(rings(), replace(options, stop_first=False), cache)
    found = check(rings(), options, cache)
    assert found.reason == "stopped early" and found.states < whole.states
    assert found.verdicts["apart"] == whole.verdicts["apart"] and found.verdicts["true"] == Unknown("stopped early")
    assert check(rings(), replace(options, properties=("true",)), cache).complete


@COMPILERS
def test_stuck_and_range(cache: Path, compiler: str | None) -> None:
    """A counter that runs over, and a process that waits for ever."""
    counter, mine = memory("counter", x.int_type(0, 3)), local("mine", 1)
    s = Sketch(counter, mine, model=Memory.SC, cpus=0)
    s.process(1)
    s.process(3, idle=(0,))
    s.edge(0, 0, 0, (counter, x.add(x.var(counter), x.integer(1))))
    s.edge(1, 0, 1)
    s.edge(1, 1, 2, (mine, x.TRUE), guard=x.eq(x.var(counter), x.integer(3)))
    found = check(s.system(), SearchOptions(compiler=compiler), cache)
    explored = Interpreter(s.system()).explore()
    assert isinstance(found.verdicts[RANGE], Violated) and found.verdicts[RANGE].trace.moves == (0, 0, 0, 0)
    assert isinstance(found.verdicts[STUCK], Holds) and STUCK not in explored.violations
    assert (found.states, found.transitions) == (explored.states, explored.transitions)
    waiting = Sketch(counter, mine, model=Memory.SC, cpus=0)
    waiting.process(1, idle=(0,))
    waiting.process(3, idle=(0,))
    waiting.edge(1, 0, 1)
    waiting.edge(1, 1, 2, guard=x.var(mine))
    stuck = check(waiting.system(), SearchOptions(compiler=compiler), cache).verdicts[STUCK]
    assert isinstance(stuck, Violated) and stuck.trace.moves == (0,)


def test_values_of_more_than_a_word_need_the_python_engine(cache: Path) -> None:
    low, high = memory("low", x.bits_type(60)), memory("high", x.bits_type(60))
    s = Sketch(low, high, model=Memory.SC, cpus=0)
    s.process(1, idle=(0,))
    both = x.concat(x.var(low), x.var(high))
    full = x.not_(x.eq(both, x.const(0, x.bits_type(120))))
    s.edge(0, 0, 0, (high, x.put(x.var(high), x.integer(59), x.TRUE)), guard=x.not_(full))
    s.property("empty", Form.INVARIANT, x.not_(full))
    found = check(s.system(), SearchOptions(), cache)
    assert found.engine == "python" and found.states == 2
    assert isinstance(found.verdicts["empty"], Violated) and found.verdicts["empty"].trace.moves == (0,)


def test_threads_change_nothing(cache: Path) -> None:
    system: System = rings(4, 8)
    one = check(system, SearchOptions(reductions=EXACT), cache)
    assert one.states > 50_000
    for threads in (2, 3):
        more = check(system, SearchOptions(reductions=EXACT, threads=threads), cache)
        assert (more.verdicts, more.witnesses) == (one.verdicts, one.witnesses)
        assert (more.states, more.transitions, more.depth) == (one.states, one.transitions, one.depth)
    for limit in (1000, 20_000):
        some = [check(system, SearchOptions(reductions=EXACT, threads=t, max_states=limit), cache) for t in (1, 2)]
        assert some[0].verdicts == some[1].verdicts and some[0].states == some[1].states == limit
        assert some[0].transitions == some[1].transitions and some[0].depth == some[1].depth


@COMPILERS
def test_a_goal_keeps_alive_what_it_reads_of_the_state_before(cache: Path, compiler: str | None) -> None:
    """No step reads x, and only OLD of it stands in the goal: cleared as dead, it would reach the goal at each step."""
    v = memory("x")
    s = Sketch(v, model=Memory.SC, cpus=0)
    s.process(2)
    s.edge(0, 0, 1, (v, x.TRUE))
    s.edge(0, 0, 1, (v, x.FALSE))
    s.edge(0, 1, 1)
    s.property("off again", Form.RECURRENCE, x.TRUE, x.not_(x.old(v)))
    for reductions in (Reductions(), EXACT):
        found = check(s.system(), SearchOptions(compiler=compiler, reductions=reductions), cache)
        assert isinstance(found.verdicts["off again"], Violated), reductions
