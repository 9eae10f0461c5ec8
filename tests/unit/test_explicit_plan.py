# SPDX-License-Identifier: GPL-2.0-or-later
"""Analyses and layout: what is constant or dead where, who shares bits, and that packing loses nothing."""

from __future__ import annotations

from dataclasses import replace
from random import Random

import pytest

from lostirq.evidence.verdict import Reductions
from lostirq.explicit.emit_py import Step
from lostirq.explicit.emit_py import load as load_model
from lostirq.explicit.flow import analyse
from lostirq.explicit.pack import WORD, Layout
from lostirq.explicit.plan import Plan, make_plan
from lostirq.interpret import Interpreter
from lostirq.ir import expr as x
from lostirq.ir.expr import Role, Var
from lostirq.ir.system import Form, Memory, System
from lostirq.ir.tso import lower
from tests.differential.random_systems import build
from tests.unit.explicit_toys import rings, senders
from tests.unit.handmade import Sketch, local, memory

EXACT, DEAD, KEY, BOTH = (Reductions(dead, False, key) for dead, key in ((0, 0), (1, 0), (0, 1), (1, 1)))


def plan_of(system: System, reductions: Reductions) -> Plan:
    flat = lower(system)
    return make_plan(flat, flat.properties, reductions)


def relay() -> tuple[System, dict[str, Var]]:
    """A process reads twice, one value at a time; its mode is a function of its location, which another one reads."""
    inbox, outbox = memory("inbox", x.bits_type(4)), memory("outbox", x.bits_type(4))
    mode = memory("mode", x.int_type(0, 3))
    first, second = local("first", 0, x.bits_type(4)), local("second", 0, x.bits_type(4))
    s = Sketch(inbox, outbox, mode, first, second, model=Memory.SC, cpus=0)
    s.process(4, idle=(0,))
    s.process(1, idle=(0,))
    s.edge(0, 0, 1, (first, x.var(inbox)), (mode, x.integer(1)))
    s.edge(0, 1, 2, (outbox, x.var(first)))
    s.edge(0, 2, 3, (second, x.var(inbox)), (mode, x.integer(3)))
    s.edge(0, 3, 0, (outbox, x.bnot(x.var(second))), (mode, x.integer(0)))
    s.edge(1, 0, 0, (inbox, x.bnot(x.var(outbox))), guard=x.eq(x.var(mode), x.integer(1)))
    s.property("low", Form.INVARIANT, x.le(x.var(mode), x.integer(3)))
    return s.system(), {v.name: v for v in (inbox, outbox, mode, first, second)}


def test_what_is_known_and_live_at_each_location() -> None:
    system, v = relay()
    _, flows = analyse(lower(system), system.properties)
    known = [{name for name in v if k is not None and v[name] in k} for k in flows[0].known]
    assert [k is None for k in flows[0].known] == [False] * 4
    assert all("mode" in k for k in known) and [flows[0].known[i][v["mode"]] for i in range(4)] == [0, 1, 1, 3]
    assert [sorted(x.name for x in live) for live in flows[0].live] == [[], ["first"], [], ["second"]]


def test_bits_are_shared_and_functions_of_the_location_take_none() -> None:
    system, v = relay()
    layout = plan_of(system, BOTH).layout
    assert layout.fields[v["mode"]].slot is None
    assert layout.fields[v["first"]].slot == layout.fields[v["second"]].slot is not None
    assert layout.bits == 2 + 4 + 4 + 4                      # the location, inbox, outbox, and one of the two locals
    assert plan_of(system, EXACT).layout.bits == 2 + 4 + 4 + 2 + 4 + 4


def test_a_property_keeps_alive_what_it_reads_where_it_reads_it() -> None:
    system, v = relay()
    sketch_pc = system.processes[0].pc
    looks = x.or_(x.not_(x.eq(x.var(sketch_pc), x.integer(2))), x.not_(x.bit(x.var(v["first"]), x.integer(0))))
    system = replace(system, properties=(replace(system.properties[0], formula=looks),))
    _, flows = analyse(lower(system), system.properties)
    assert [sorted(x.name for x in live) for live in flows[0].live] == [[], ["first"], ["first"], ["second"]]


def test_the_layout_is_sound() -> None:
    """No field straddles a word, slots do not overlap, and members of a symmetric set look alike."""
    for system in (rings(3, 5, 60), senders(3, Memory.TSO), *(build(seed, Memory.TSO, 3, 4) for seed in range(20))):
        for reductions in (EXACT, DEAD, KEY, BOTH, Reductions()):
            layout = plan_of(system, reductions).layout
            slots = {f.slot for f in layout.fields.values() if f.slot is not None and f.slot.width}
            taken = [0] * layout.words
            for s in slots:
                assert s.width > 0 and s.shift + s.width <= WORD and not taken[s.word] & s.mask
                taken[s.word] |= s.mask
            assert sum(t.bit_count() for t in taken) == layout.bits
            for members in layout.members:
                assert len({tuple(s.width for s in m) for m in members}) == 1


@pytest.mark.parametrize("reductions", [EXACT, DEAD, KEY, BOTH], ids=["exact", "dead", "key", "both"])
def test_generated_code_follows_the_interpreter_on_random_walks(reductions: Reductions) -> None:
    """What is stored is what the interpreter has; what is not stored is dead or known."""
    for seed in range(12):
        system = lower(build(seed, Memory.TSO, 3, 4))
        plan = make_plan(system, system.properties, reductions)
        model, interpreter, random = load_model(plan), Interpreter(system), Random(seed)
        packed, state = model.initial, interpreter.initial()
        for _ in range(60):
            values = dict(zip(system.variables, state[0], strict=True))
            agree(plan.layout, words_of(packed, plan.layout.words), values, exact=reductions in (EXACT, KEY))
            steps: list[Step] = []
            model.expand(packed, 0, steps, [])
            assert sorted(e for e, _ in steps) == interpreter.moves(state)
            inside = [(e, to) for e, to in steps if to >= 0]
            if not inside:
                break
            move, packed = random.choice(inside)
            state = interpreter.step(state, move)


def words_of(packed: int, count: int) -> tuple[int, ...]:
    return tuple(packed >> WORD * w & (1 << WORD) - 1 for w in range(count))


def agree(layout: Layout, words: tuple[int, ...], values: dict[Var, int], *, exact: bool) -> None:
    assert layout.pack(values) == words
    for v, value in values.items():
        f = layout.fields[v]
        counter = values[layout.counters[f.process]] if f.process >= 0 else 0
        if exact or v.role is Role.PC or f.stored is None or counter in f.stored:
            assert layout.read(v, words) == value
