# SPDX-License-Identifier: GPL-2.0-or-later
"""Lowering: store buffers as variables."""

from __future__ import annotations

from lostirq.interpret import Interpreter
from lostirq.ir import expr as x
from lostirq.ir.expr import FALSE, Op, Role, postorder
from lostirq.ir.system import RANGE, Access, Event, Fair, Form, Memory, Sort, System
from lostirq.ir.tso import lower
from tests.unit.handmade import Sketch, local, memory

A, B = memory("a"), memory("b")


def store_buffering(model: Memory) -> System:
    """x = 1; r0 = y  ||  y = 1; r1 = x."""
    seen = local("seen0", 0), local("seen1", 1)
    s = Sketch(A, B, *seen, model=model, depth=1)
    for p, (mine, other) in enumerate(((A, B), (B, A))):
        s.process(3, idle=(2,), cpu=p)
        s.edge(p, 0, 1, (mine, x.TRUE), late=True)
        s.edge(p, 1, 2, (seen[p], x.var(other)))
    done = x.and_(s.at(0, 2), s.at(1, 2))
    neither = x.and_(x.not_(x.var(seen[0])), x.not_(x.var(seen[1])))
    s.property("sb", Form.REACHABLE, x.and_(done, neither, x.empty(0), x.empty(1)))
    return s.system()


def same(system: System) -> None:
    """The flat system has the same states, transitions, verdicts and lengths."""
    one, two = Interpreter(system).explore(), Interpreter(lower(system)).explore()
    assert (one.states, one.transitions, one.levels) == (two.states, two.transitions, two.levels)
    lengths = [{k: len(t) for k, t in {**e.violations, **e.witnesses}.items()} for e in (one, two)]
    assert lengths[0] == lengths[1]


def test_lowering_keeps_the_behaviour_and_the_edge_numbers() -> None:
    for model in Memory:
        system = store_buffering(model)
        same(system)
        flat = lower(system)
        assert flat.flat and lower(flat) is flat
        assert [e.index for e in flat.edges] == list(range(len(flat.edges)))
        assert [(e.process, e.src, e.dst) for e in flat.edges[:4]] == [(e.process, e.src, e.dst) for e in system.edges]
    found = Interpreter(lower(store_buffering(Memory.TSO))).explore()
    assert found.witnesses == {"sb": found.witnesses["sb"]} and len(found.witnesses["sb"]) == 6


def test_flat_systems_know_nothing_of_buffers() -> None:
    flat = lower(store_buffering(Memory.TSO))
    roots = [*flat.expressions(), *(p.formula for p in flat.properties)]
    assert not any(n.op is Op.EMPTY for n in postorder(roots))
    assert not any(e.drains or e.buffered for e in flat.edges)
    under_sc = lower(store_buffering(Memory.SC))
    assert not any(v.role is Role.BUFFER for v in under_sc.variables)
    assert len(under_sc.edges) == 4


def test_one_weakly_fair_flush_and_process_per_cpu() -> None:
    flat = lower(store_buffering(Memory.TSO))
    assert [p.name for p in flat.processes[2:]] == ["buffer(0)", "buffer(1)"]
    for e, p in zip(flat.edges[4:], flat.processes[2:], strict=True):
        assert (e.access, e.fair, e.process, p.sort) == (Access.FLUSH, Fair.WEAK, p.index, Sort.BUFFER)


def test_only_what_can_be_buffered_costs_state() -> None:
    s = Sketch(A, B, cpus=2, depth=2)
    s.process(2, cpu=0)
    s.process(2, cpu=1)
    s.edge(0, 0, 1, (A, x.TRUE), late=True)
    s.edge(1, 0, 1, (B, x.TRUE), drains=True)
    flat = lower(s.system())
    slots = [v for v in flat.variables if v.role is Role.BUFFER]
    assert [(v.name, v.type.bits) for v in slots] == [
        ("buffer(0).unit[0]", 1), ("buffer(0).value[0]", 1), ("buffer(0).unit[1]", 1), ("buffer(0).value[1]", 1),
    ]
    assert slots[0].type.names == ("free", "a")
    assert flat.edges[3].guard is FALSE                       # the flush of CPU 1
    same(s.system())


def test_units_of_different_width_and_kind_share_a_slot() -> None:
    n, word = memory("n", x.int_type(-3, 1), -1), memory("word", x.bits_type(3))
    on, mode = memory("pi.on", unit=7), memory("pi.mode", x.int_type(2, 3), 2, unit=7)
    got = local("got", 0, x.int_type(-3, 3)), local("bits", 0, x.bits_type(3))
    s = Sketch(n, word, on, mode, *got, cpus=1, depth=3)
    s.process(6, cpu=0)
    s.process(1, idle=(0,))
    s.edge(0, 0, 1, (n, x.integer(-3)), late=True)
    s.edge(0, 1, 2, (word, x.put(x.var(word), x.integer(2), x.TRUE)), late=True)
    s.edge(0, 2, 3, (mode, x.integer(3)), late=True)
    s.edge(0, 3, 4, (got[0], x.add(x.var(n), x.ite(x.var(on), x.integer(1), x.integer(0)))), (got[1], x.var(word)))
    s.edge(0, 4, 5, (got[0], x.var(mode)))
    s.edge(1, 0, 0, (on, x.not_(x.var(on))))
    same(s.system())
    tag = next(v for v in lower(s.system()).variables if v.name == "buffer(0).unit[0]")
    assert set(tag.type.names) == {"free", "n", "word", "pi"}


def test_a_cpu_that_is_known_at_run_time_only() -> None:
    where = memory("where", x.int_type(-1, 2))
    seen = local("seen", 0)
    s = Sketch(A, B, where, seen, cpus=2, depth=2)
    s.process(2, cpu=x.var(where))
    s.process(1)
    s.process(2, cpu=1)
    s.edge(0, 0, 1, (A, x.not_(x.var(A))), (seen, x.var(B)), late=True)
    s.edge(0, 1, 0, (B, x.not_(x.var(B))), drains=True)
    s.edge(1, 0, 0, (where, x.ite(x.eq(x.var(where), x.integer(2)), x.integer(-1), x.add(x.var(where), x.integer(1)))))
    s.edge(2, 0, 1, (B, x.var(A)), late=True)
    s.property("seen", Form.INVARIANT, x.or_(x.not_(x.var(seen)), x.empty(0), x.empty(1)))
    same(s.system())


def test_a_buffered_store_out_of_range_is_an_error_when_it_is_made() -> None:
    n = memory("n", x.int_type(0, 2))
    s = Sketch(n, cpus=1, depth=1)
    s.process(1, cpu=0)
    s.edge(0, 0, 0, (n, x.add(x.var(n), x.integer(1))), late=True)
    same(s.system())
    flat = lower(s.system())
    found = Interpreter(flat).explore()
    assert len(found.violations[RANGE]) == 5 and found.violations[RANGE][-1] == 0
    check = next(v for v in flat.variables if v.name == "n (stored)")
    assert check.type.bits == 0


def test_events_and_guards_see_forwarded_values() -> None:
    s = Sketch(A, B, cpus=1)
    s.process(3, cpu=0)
    s.edge(0, 0, 1, (A, x.TRUE), late=True)
    s.edge(0, 1, 2, guard=x.var(A), events=(Event("saw", (x.var(A),)),))
    s.property("saw", Form.REACHABLE_STEP, x.and_(x.occurs("saw", x.integer(1)), x.not_(x.var(A))))
    same(s.system())
    assert Interpreter(lower(s.system())).explore().witnesses == {"saw": (0, 1)}
