# SPDX-License-Identifier: GPL-2.0-or-later
"""The reference semantics, sentence by sentence of `lostirq.ir.system`."""

from __future__ import annotations

import pytest

from lostirq.interpret import Interpreter, RangeError, State
from lostirq.ir import expr as x
from lostirq.ir.system import RANGE, STUCK, Event, Form, Memory
from tests.differential.random_systems import build
from tests.unit.handmade import Sketch, local, memory

A, B = memory("a"), memory("b")
SEEN = local("seen", 0)


def values(interpreter: Interpreter, state, *names: str) -> list[int]:
    index = {v.name: i for i, v in enumerate(interpreter.system.variables)}
    return [state[0][index[n]] for n in names]


def test_a_buffered_store_is_seen_by_its_cpu_at_once_and_by_others_after_the_flush() -> None:
    other = local("other", 1)
    s = Sketch(A, SEEN, other)
    s.process(3, cpu=0)
    s.process(2, cpu=1)
    s.edge(0, 0, 1, (A, x.TRUE), late=True)
    s.edge(0, 1, 2, (SEEN, x.var(A)))
    s.edge(1, 0, 1, (other, x.var(A)))
    i = Interpreter(s.system())
    stored = i.step(i.initial(), 0)
    assert values(i, stored, "a") == [0]
    assert i.moves(stored) == [1, 2, 3]                       # 3: the flush of CPU 0
    assert values(i, i.step(stored, 1), "seen") == [1]
    assert values(i, i.step(stored, 2), "other") == [0]
    flushed = i.step(stored, 3)
    assert values(i, flushed, "a") == [1] and i.moves(flushed) == [1, 2]
    assert values(i, i.step(flushed, 2), "other") == [1]


def test_flushes_keep_the_order_of_the_stores_and_loads_take_the_newest() -> None:
    n = memory("n", x.int_type(0, 3))
    seen = local("seen", 0, x.int_type(0, 3))
    s = Sketch(n, seen, cpus=1, depth=3)
    s.process(4, cpu=0)
    for value in (1, 2, 3):
        s.edge(0, value - 1, value, (n, x.integer(value)), late=True)
    s.edge(0, 3, 3, (seen, x.var(n)))
    i = Interpreter(s.system())
    state = i.initial()
    for move in (0, 1, 2, 3):
        state = i.step(state, move)
    assert values(i, state, "seen", "n") == [3, 0]
    found = []
    for _ in range(3):
        state = i.step(state, 4)
        found += values(i, state, "n")
    assert found == [1, 2, 3]


@pytest.mark.parametrize("seed", range(8))
def test_enabled_are_the_moves(seed: int) -> None:
    """Of each state of a random system, for all numbers, also some that no move has."""
    i = Interpreter(build(seed, Memory.TSO, 2, 3))
    numbers = range(-2, len(i.system.edges) + i.system.cpus + 2)
    state, some = i.initial(), 0
    for _ in range(40):
        moves = i.moves(state)
        assert [m for m in numbers if i.enabled(state, m)] == moves
        inside = [m for m in moves if m >= len(i.system.edges) or not ranged(i, state, m)]
        if not inside:
            break
        some += len(moves)
        state = i.step(state, inside[some % len(inside)])
    assert some


def ranged(i: Interpreter, state: State, move: int) -> bool:
    try:
        i.step(state, move)
    except RangeError:
        return True
    return False


def test_a_locked_operation_waits_for_its_own_buffer_only() -> None:
    s = Sketch(A, B)
    s.process(3, cpu=0)
    s.process(2, cpu=1)
    s.edge(0, 0, 1, (A, x.TRUE), late=True)
    s.edge(0, 1, 2, (B, x.TRUE), drains=True)
    s.edge(1, 0, 1, (B, x.TRUE), drains=True)
    i = Interpreter(s.system())
    stored = i.step(i.initial(), 0)
    assert i.moves(stored) == [2, 3]
    assert i.moves(i.step(stored, 3)) == [1, 2]


def test_a_store_waits_while_the_buffer_is_full() -> None:
    s = Sketch(A, B, cpus=1, depth=1)
    s.process(3, cpu=0)
    s.edge(0, 0, 1, (A, x.TRUE), late=True)
    s.edge(0, 1, 2, (B, x.TRUE), late=True)
    i = Interpreter(s.system())
    stored = i.step(i.initial(), 0)
    assert i.moves(stored) == [2]
    assert i.moves(i.step(stored, 2)) == [1]


def test_two_processes_on_one_cpu_share_its_buffer() -> None:
    other = local("other", 1)
    s = Sketch(A, other, cpus=1)
    s.process(2, cpu=0)
    s.process(2, cpu=0)
    s.edge(0, 0, 1, (A, x.TRUE), late=True)
    s.edge(1, 0, 1, (other, x.var(A)))
    i = Interpreter(s.system())
    assert values(i, i.step(i.step(i.initial(), 0), 1), "other", "a") == [1, 0]


def test_a_process_that_moves_leaves_its_stores_behind() -> None:
    where = memory("where", x.int_type(0, 1))
    s = Sketch(A, where, SEEN)
    s.process(3, cpu=x.var(where))
    s.process(2)
    s.edge(0, 0, 1, (A, x.TRUE), late=True)
    s.edge(0, 1, 2, (SEEN, x.var(A)))
    s.edge(1, 0, 1, (where, x.integer(1)))
    i = Interpreter(s.system())
    stored = i.step(i.initial(), 0)
    assert values(i, i.step(stored, 1), "seen") == [1]
    assert values(i, i.step(i.step(stored, 2), 1), "seen") == [0]


def test_an_entry_carries_its_whole_unit() -> None:
    on, sn = memory("on", unit=1), memory("sn", unit=1)
    s = Sketch(on, sn, cpus=1)
    s.process(3, cpu=0)
    s.process(2)
    s.edge(0, 0, 1, (on, x.TRUE), late=True)
    s.edge(1, 0, 1, (sn, x.TRUE))
    i = Interpreter(s.system())
    late = i.step(i.step(i.step(i.initial(), 0), 1), 2)       # store on; hardware sets sn; the flush overwrites it
    assert values(i, late, "on", "sn") == [1, 0]


def test_hardware_and_processes_on_no_cpu_act_on_memory() -> None:
    where = memory("where", x.int_type(-1, 0), -1)
    s = Sketch(A, B, where, cpus=1)
    s.process(2)
    s.process(2, cpu=x.var(where))
    s.edge(0, 0, 1, (A, x.TRUE), late=True)
    s.edge(1, 0, 1, (B, x.TRUE), late=True)
    i = Interpreter(s.system())
    assert values(i, i.step(i.step(i.initial(), 0), 1), "a", "b") == [1, 1]


def test_under_sc_nothing_is_buffered() -> None:
    s = Sketch(A, model=Memory.SC)
    s.process(2, idle=(1,), cpu=0)
    s.edge(0, 0, 1, (A, x.TRUE), late=True)
    i = Interpreter(s.system())
    assert values(i, i.step(i.initial(), 0), "a") == [1]
    assert i.explore().states == 2


def test_right_hand_sides_are_evaluated_before_anything_is_assigned() -> None:
    s = Sketch(A, B, model=Memory.SC)
    s.process(3)
    s.edge(0, 0, 1, (A, x.TRUE))
    s.edge(0, 1, 2, (A, x.var(B)), (B, x.var(A)))
    i = Interpreter(s.system())
    assert values(i, i.step(i.step(i.initial(), 0), 1), "a", "b") == [0, 1]


def test_a_process_that_may_not_run_has_no_moves_and_runs_reads_memory() -> None:
    s = Sketch(A, B, cpus=1)
    s.process(3, cpu=0, runs=x.not_(x.var(A)))
    s.edge(0, 0, 1, (A, x.TRUE), late=True)
    s.edge(0, 1, 2, (B, x.TRUE), late=True)
    i = Interpreter(s.system())
    stored = i.step(i.initial(), 0)
    assert i.moves(stored) == [1, 2]                          # it would not run if it saw its own store
    assert i.moves(i.step(stored, 2)) == []


def test_assigning_out_of_range_is_an_error_of_the_model_with_its_place() -> None:
    n = memory("n", x.int_type(0, 1))
    s = Sketch(n, cpus=1)
    s.process(3, cpu=0)
    s.edge(0, 0, 1, (n, x.add(x.var(n), x.integer(1))), late=True)
    s.edge(0, 1, 2, (n, x.add(x.var(n), x.integer(1))), late=True, text="n += 1")
    i = Interpreter(s.system())
    stored = i.step(i.initial(), 0)
    with pytest.raises(RangeError, match=r"hand.py:2:1: error LI050: n = 2 is outside 0..1 \(`n \+= 1`\)"):
        i.step(stored, 1)                                     # the load is forwarded, so that 1 + 1 is stored
    found = i.explore()
    assert found.violations[RANGE] == (0, 1)
    assert (found.states, found.transitions) == (3, 4)        # the step out of range counts, and leads nowhere


def test_stuck_is_only_who_is_not_at_rest() -> None:
    for idle, stuck in (((1,), False), ((), True)):
        s = Sketch(A, model=Memory.SC)
        s.process(2, idle=idle)
        s.edge(0, 0, 1, (A, x.TRUE))
        found = Interpreter(s.system()).explore()
        assert (STUCK in found.violations) == stuck
    assert found.violations[STUCK] == (0,)


def test_properties_of_states_and_steps_with_shortest_traces() -> None:
    n = memory("n", x.int_type(0, 3))
    s = Sketch(n, model=Memory.SC)
    s.process(2, idle=(0,))
    s.edge(0, 0, 1, (n, x.integer(1)), guard=x.eq(x.var(n), x.integer(0)))
    s.edge(0, 1, 0, (n, x.integer(2)), events=(Event("ping", (x.var(n),)),))
    s.property("small", Form.INVARIANT, x.le(x.var(n), x.integer(1)))
    s.property("grows", Form.STEP, x.lt(x.old(n), x.var(n)))
    s.property("silent", Form.STEP, x.not_(x.occurs("ping", x.integer(1))))
    s.property("loud", Form.STEP, x.not_(x.occurs("ping", x.integer(2))))
    s.property("two", Form.REACHABLE, x.eq(x.var(n), x.integer(2)))
    s.property("three", Form.REACHABLE, x.eq(x.var(n), x.integer(3)))
    s.property("pinged", Form.REACHABLE_STEP, x.occurs("ping", x.integer(1)))
    found = Interpreter(s.system()).explore()
    assert found.levels == (1, 1, 1) and found.complete
    assert found.violations == {"small": (0, 1), "silent": (0, 1)}
    assert found.witnesses == {"two": (0, 1), "pinged": (0, 1)}


def test_a_limit_leaves_the_exploration_incomplete() -> None:
    n = memory("n", x.int_type(0, 9))
    s = Sketch(n, model=Memory.SC)
    s.process(1)
    s.edge(0, 0, 0, (n, x.add(x.var(n), x.integer(1))), guard=x.lt(x.var(n), x.integer(9)))
    assert not Interpreter(s.system()).explore(5).complete
    assert Interpreter(s.system()).explore(10).complete
