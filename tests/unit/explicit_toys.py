# SPDX-License-Identifier: GPL-2.0-or-later
"""Systems by hand for the explicit engines: of any size and width, with symmetry, with fairness."""

from __future__ import annotations

from dataclasses import replace

from lostirq.ir import expr as x
from lostirq.ir.system import Event, Fair, Form, Memory, System
from tests.unit.handmade import Sketch, local, memory


def rings(processes: int = 3, locations: int = 5, width: int = 3) -> System:
    """Processes that walk in circles, each with a word of `width` bits that counts a little; one shared flag.  The
    number of states does not depend on the width, the number of 64-bit words of a state does."""
    flag = memory("flag")
    words = [local(f"w{p}", p, x.bits_type(width)) for p in range(processes)]
    s = Sketch(flag, *words, model=Memory.SC, cpus=0)
    for _ in range(processes):
        s.process(locations, idle=(0,))
    high = x.const(3 << width - 2, x.bits_type(width))
    for p, w in enumerate(words):
        for at in range(locations):
            after = (at + 1) % locations
            if at == 1:
                s.edge(p, at, after, (w, x.bxor(x.var(w), high)))
                s.edge(p, at, (at + 2) % locations)
            elif at == 2:
                turned = x.put(x.var(w), x.integer(0), x.not_(x.bit(x.var(w), x.integer(0))))
                s.edge(p, at, after, (w, turned), (flag, x.not_(x.var(flag))))
            elif at == 3:
                s.edge(p, at, after, guard=x.or_(x.var(flag), x.bit(x.var(w), x.integer(0))))
            else:
                s.edge(p, at, after)
    last = locations - 1
    everyone = x.and_(*(s.at(p, last) for p in range(processes)))
    s.property("apart", Form.INVARIANT, x.not_(everyone))
    s.property("true", Form.INVARIANT, x.or_(x.var(flag), x.not_(x.var(flag))))
    s.property("words", Form.REACHABLE, x.and_(*(x.bit(x.var(w), x.integer(width - 1)) for w in words)))
    s.property("never", Form.REACHABLE, x.and_(s.at(0, 0), s.at(0, 1)))
    s.property("kept", Form.STEP, x.or_(x.eq(x.old(flag), x.var(flag)), x.not_(s.at(0, 3)), s.at(1, 0)))
    return s.system()


def mutex(*, broken: bool = False) -> System:
    """Peterson's algorithm for two processes under SC; `broken`: the turn is not given away."""
    wants, turn = (memory("wants0"), memory("wants1")), memory("turn")
    s = Sketch(*wants, turn, model=Memory.SC, cpus=0)
    for _ in range(2):
        s.process(4, idle=(0,))
    for p in range(2):
        mine = x.eq(x.var(turn), x.boolean(p))
        s.edge(p, 0, 1, (wants[p], x.TRUE), fair=Fair.NONE)
        s.edge(p, 1, 2, *(() if broken else ((turn, x.boolean(1 - p)),)))
        s.edge(p, 2, 3, guard=x.or_(x.not_(x.var(wants[1 - p])), mine), events=(Event("enter", (x.integer(p),)),))
        s.edge(p, 3, 0, (wants[p], x.FALSE))
    s.property("exclusion", Form.INVARIANT, x.not_(x.and_(s.at(0, 3), s.at(1, 3))))
    for p in range(2):
        s.property(f"progress{p}", Form.RECURRENCE, s.at(p, 2), x.occurs("enter", x.integer(p)))
    return s.system()


def senders(count: int, model: Memory, *, aside: bool = False) -> System:
    """Interchangeable senders that add to a shared counter, each with a private CPU, and a reader.  With `aside` the
    last one writes something else, which breaks the symmetry that is still declared."""
    total, flag = memory("total", x.int_type(0, 3)), memory("flag")
    seen = [local(f"seen{p}", p, x.int_type(0, 3)) for p in range(count)]
    s = Sketch(total, flag, *seen, model=model, cpus=count + 1, depth=1)
    for p in range(count):
        s.process(4, idle=(0,), cpu=p)
    reader = s.process(2, idle=(0, 1), cpu=count)
    late = model is Memory.TSO
    for p, mine in enumerate(seen):
        value = x.FALSE if aside and p == count - 1 else x.TRUE
        s.edge(p, 0, 1, (mine, x.var(total)))
        s.edge(p, 1, 2, (flag, value), late=late)
        less = x.lt(x.var(mine), x.integer(3))
        s.edge(p, 2, 3, (total, x.add(x.var(mine), x.integer(1))), guard=less, late=late)
        s.edge(p, 2, 3, guard=x.not_(less))
        s.edge(p, 3, 0, (mine, x.integer(0)), drains=late)
    s.edge(reader, 0, 1, (flag, x.FALSE), guard=x.eq(x.var(total), x.integer(3)), drains=late)
    some = x.eq(x.var(total), x.integer(2))
    pairs = [x.and_(s.at(p, 2), s.at(q, 2), some) for p in range(count) for q in range(p)]
    s.property("two", Form.INVARIANT, x.not_(x.or_(*pairs)))
    s.property("grows", Form.STEP, x.le(x.old(total), x.var(total)))
    system = s.system()
    processes = tuple(replace(p, symmetric="senders") if p.index < count else p for p in system.processes)
    return replace(system, processes=processes)

