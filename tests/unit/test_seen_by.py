# SPDX-License-Identifier: GPL-2.0-or-later
"""Lemmas that say what a store buffer still holds: `seen_by`, and `buffers_empty` of one CPU."""

from __future__ import annotations

import pytest

from lostirq.evidence.verdict import Holds, Unknown
from lostirq.interpret import Interpreter
from lostirq.ir import expr as x
from lostirq.ir.digest import from_json, to_json
from lostirq.ir.expr import Op, postorder
from lostirq.ir.system import Form, Memory, System
from lostirq.ir.tso import lower
from lostirq.language import Workspace, load_sources
from lostirq.workflow.prove import prove_property
from tests.unit.handmade import Sketch, memory
from tests.unit.language import errors, places
from tests.unit.test_tso import same

MODEL = """
from lostirq.prelude import *

FENCE = Param(True, "a fence before it goes inside")
announced: bool
count: Int[0, 3]
other: bool


@thread()
def owner():
    while True:
        idle()
        count = 2
        with window("counted"):
            announced = True
            with window("announced"):
                if other:
                    pass
                if FENCE:
                    smp_mb()
                with window("inside"):
                    step()
        smp_mb()
        announced = False
        smp_mb()


@thread()
def watcher():
    while True:
        idle()
        other = announced and count == 2
        smp_mb()


@scenario(tier="proof", memory=("sc", "tso"))
class toy:
    '''A thread announces itself, looks, and goes inside.'''
"""

PROPERTIES = """
from lostirq.prelude import *


@invariant("Q")
def inside_is_announced() -> bool:
    '''Inside, memory says so.'''
    return not within("owner", "inside") or announced and count == 2
"""

PROOF = """
from lostirq.prelude import *


@lemma("counted", proves="Q")
def what_is_counted() -> bool:
    '''From its store on, the owner sees what it counted.'''
    return not within("owner", "counted") or {}


@lemma("announced", proves="Q")
def what_is_announced() -> bool:
    '''From its store on, the owner sees what it announced.'''
    return not within("owner", "announced") or {}


@lemma("inside", proves="Q")
def nothing_is_buffered() -> bool:
    '''The fence has brought both stores to memory.'''
    return not within("owner", "inside") or {}
"""

SEEN = 'seen_by("owner", count == 2)', 'seen_by("owner", announced)', 'settled("owner", announced and count == 2)'
STORES = *SEEN[:2], 'announced and count == 2 and buffered("owner", announced) and buffered("owner", count == 2)'
EVERYWHERE = *SEEN[:2], "settled(announced and count == 2)"
EMPTIED = *SEEN[:2], 'buffers_empty("owner")'
MEMORY = "count == 2", "announced", "True"


def workspace(said: tuple[str, ...]) -> Workspace:
    return load_sources({"model/d.py": MODEL, "properties/q.py": PROPERTIES, "proofs/q.py": PROOF.format(*said)})


@pytest.mark.parametrize("memory", list(Memory), ids=lambda m: m.value)
@pytest.mark.parametrize("said", [SEEN, STORES, EVERYWHERE, EMPTIED])
def test_what_the_thread_sees_is_inductive(memory: Memory, said: tuple[str, ...]) -> None:
    report = prove_property(workspace(said), "Q", "toy", memory)
    assert isinstance(report.verdict, Holds), report.render()


def test_that_the_fence_is_the_reason_must_be_said() -> None:
    report = prove_property(workspace((*SEEN[:2], "True")), "Q", "toy", Memory.TSO)
    assert isinstance(report.verdict, Unknown) and "breaks Q" in report.verdict.reason


def test_what_memory_holds_is_not() -> None:
    assert isinstance(prove_property(workspace(MEMORY), "Q", "toy", Memory.SC).verdict, Holds)
    report = prove_property(workspace(MEMORY), "Q", "toy", Memory.TSO)
    assert isinstance(report.verdict, Unknown) and "not inductive" in report.verdict.reason


def test_without_the_fence_it_is_not_proved() -> None:
    report = prove_property(workspace(SEEN), "Q", "toy", Memory.TSO, overrides={"FENCE": 0})
    assert isinstance(report.verdict, Unknown)
    assert isinstance(prove_property(workspace(SEEN), "Q", "toy", Memory.SC, overrides={"FENCE": 0}).verdict, Holds)


def moving(model: Memory) -> System:
    """A thread that stores and moves between two CPUs with its stores left behind; another one on CPU 1."""
    a, b, where = memory("a"), memory("b"), memory("where", x.int_type(-1, 1))
    s = Sketch(a, b, where, cpus=2, depth=2, model=model)
    s.process(2, cpu=x.var(where))
    s.process(1)
    s.process(2, cpu=1)
    s.edge(0, 0, 1, (a, x.not_(x.var(a))), late=True)
    s.edge(0, 1, 0, (b, x.var(a)), late=True)
    s.edge(1, 0, 0, (where, x.ite(x.eq(x.var(where), x.integer(1)), x.integer(-1), x.add(x.var(where), x.integer(1)))))
    s.edge(2, 0, 1, (b, x.not_(x.var(b))), late=True)
    s.edge(2, 1, 0, guard=x.var(b), drains=True)
    both = x.and_(x.var(a), x.not_(x.var(b)))
    for process in range(3):
        s.property(f"differs {process}", Form.REACHABLE, x.not_(x.eq(x.seen(process, both), both)))
        s.property(f"is {process}", Form.REACHABLE, x.seen(process, both))
        s.property(f"good {process}", Form.REACHABLE, x.and_(x.buffered(process, both), x.not_(x.settled(0, both))))
        s.property(f"bad {process}", Form.REACHABLE, x.and_(both, x.not_(x.buffered(process, both))))
        s.property(f"hidden {process}", Form.REACHABLE, x.and_(
            both, x.seen(process, both), x.not_(x.buffered(process, both))))
        s.property(f"never {process}", Form.INVARIANT, x.or_(x.not_(x.seen(process, both)), x.empty(1)))
    for cpu in range(2):
        s.property(f"only b {cpu}", Form.REACHABLE, x.and_(x.settled(cpu, x.var(a)), x.not_(x.settled(cpu, x.var(b)))))
        s.property(f"both {cpu}", Form.INVARIANT, x.or_(x.empty(cpu), x.not_(x.settled(cpu, both))))
        s.property(f"a {cpu}", Form.INVARIANT, x.settled(cpu, x.var(a)))
    return s.system()


@pytest.mark.parametrize("memory", list(Memory), ids=lambda m: m.value)
def test_the_interpreter_and_the_lowered_system_agree(memory: Memory) -> None:
    same(moving(memory))
    flat = lower(moving(memory))
    assert not any(n.op is Op.SEEN for p in flat.properties for n in postorder([p.formula]))


def test_hardware_and_a_process_without_a_buffer_see_memory() -> None:
    found = Interpreter(moving(Memory.TSO)).explore()
    assert "differs 1" not in found.witnesses and {"differs 0", "differs 2"} <= found.witnesses.keys()
    assert found.violations.keys() >= {"a 0", "a 1"} and not found.violations.keys() & {"both 0", "both 1"}
    assert not [k for k in Interpreter(moving(Memory.SC)).explore().witnesses if k.startswith("differs")]


def test_it_survives_the_file() -> None:
    system = moving(Memory.TSO)
    assert from_json(to_json(system)) == system


@pytest.mark.parametrize(
    ("column", "body"),
    [(12, 'seen_by("owner", x)'), (30, 'seen_by("p", 0, x)'), (12, 'old(seen_by("p", 0, x))'), (12, "settled(x)"),
     (12, 'buffered("p", 0, x)'), (12, 'buffers_empty("p", 0)')],
)
def test_misuse_is_told(column: int, body: str) -> None:
    text = f"""
x: bool

@thread(over=2)
def p(i: Int[0, 1]):
    while True:
        idle()
        x = not x

@invariant("Q")
def q() -> bool:
    return {body}
"""
    found = errors(text, Memory.TSO)
    assert {d.code for d in found} == {"LI034"} and places(found)[0][1] == 12
