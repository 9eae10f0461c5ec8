# SPDX-License-Identifier: GPL-2.0-or-later
"""CPUs and store buffers: which stores are buffered, what drains, who may run."""

from __future__ import annotations

import pytest

from lostirq.evidence.verdict import Holds, SearchOptions, Violated
from lostirq.explicit.search import check
from lostirq.ir.expr import show
from lostirq.ir.system import Access, Memory, System
from lostirq.language import compile_scenario
from tests.unit.language import compiled, errors, lines, load

TSO = Memory.TSO

STATE = """
x: Int[0, 3]
y: Int[0, 3]
z: Int[0, 3]
lock: Lock
own: bool

@hardware()
def reader():
    while True:
        match choose():
            case "x" if x == 1:
                y = 1
            case "y" if y == 1:
                z = 1
            case "z" if z == 1:
                x = 1

@invariant("all")
def everything() -> bool:
    return x + y + z < 9
"""


def thread(*body: str, decorator: str = "@thread()") -> System:
    text = f"{STATE}\n{decorator}\ndef t():\n" + "".join(f"    {line}\n" for line in body)
    return compiled(text, TSO)


def buffered(system: System, process: str = "t") -> list[str]:
    return [e.text for e in system.edges if e.buffered and system.processes[e.process].family == process]


def test_a_store_is_buffered_if_a_load_may_follow_before_a_drain() -> None:
    assert buffered(thread("x = 1", "v = y")) == ["x = 1"]
    assert buffered(thread("x = 1", "smp_mb()", "v = y", "x = v")) == []
    assert buffered(thread("x = 1", "set = xchg(z, 1)", "v = y", "x = v")) == []
    assert buffered(thread("x = 1", "with atomic():", "    z = y")) == []
    assert buffered(thread("x = 1", "wait(y == 1)")) == ["x = 1"]


def test_a_store_behind_a_buffered_one_is_buffered_too() -> None:
    system = thread("x = 1", "v = y", "y = 1", "z = v", "drain()", "x = 2")
    assert buffered(system) == ["x = 1", "y = 1", "z = v"]
    assert system.depth == 3


def test_the_depth_is_the_maximum_between_drains() -> None:
    assert thread("while True:", "    x = 1", "    v = y", "    drain()").depth == 1
    assert thread("x = 1", "v = y", "smp_mb()", "z = v", "w = y", "x = w").depth == 2
    assert thread("x = 1").depth == 0


def test_sequential_consistency_has_the_same_edges_without_buffers() -> None:
    text = f"{STATE}\n@thread()\ndef t():\n    x = 1\n    v = y\n    z = v\n"
    late, sequential = compiled(text, TSO), compiled(text, Memory.SC)
    assert sequential.depth == 0 and not any(e.buffered for e in sequential.edges)
    assert [line.replace("; buffered", "") for line in lines(late)] == lines(sequential)


def test_unlock_is_a_plain_store() -> None:
    body = "    spin_lock(lock)\n    spin_unlock(lock)\n    v = y\n    x = v\n"
    text = f"{STATE}\n@thread(over=2)\ndef t(i: Int[0, 1]):\n{body}"
    shared = compiled(text, TSO)
    assert set(buffered(shared)) == {"spin_unlock(lock)", "x = v"}
    assert [e.drains for e in shared.edges if e.text == "spin_lock(lock)"] == [True, True]


def test_a_locked_operation_on_private_memory_drains_where_something_may_be_buffered() -> None:
    assert "xchg(own, True)" not in [e.text for e in thread("test_and_set(own)", "x = 1").edges]
    system = thread("x = 1", "v = y", "test_and_set(own)", "z = v")
    drain = next(e for e in system.edges if e.text == "test_and_set(own)")
    assert drain.drains and drain.access is Access.LOCKED
    assert buffered(system) == ["x = 1"]


def test_hardware_has_no_buffer() -> None:
    system = thread("while True:", "    x = 1", "    v = y", "    z = v", decorator="@hardware()")
    assert buffered(system) == [] and not any(e.drains for e in system.edges)
    assert system.processes[-1].cpu is None


CPU = """
CPUS = 2
CpuId = Int[0, CPUS - 1]

class Task(Struct):
    cpu: CpuId
    running: bool = True

class Pcpu(Struct):
    irqs_off: bool
    ipi: Message[bool]
    count: Int[0, 3]

task: Task
pcpus: Array[Pcpu, CPUS]
seen: Int[0, 3]

@thread(cpu=lambda: task.cpu, holds=lambda: task.running)
def t():
    while True:
        pcpus[this_cpu()].irqs_off = True
        seen = 1
        a = pcpus[0].count
        smp_mb()
        pcpus[this_cpu()].irqs_off = False
        seen = 0

@scheduler(cpu=lambda: task.cpu)
def sched():
    while True:
        idle()
        with atomic():
            wait(task.running)
            task.running = False
        c = choose(CpuId)
        with atomic():
            task.cpu = c
            task.running = True

@handler(over=CPUS, cpu=lambda c: c, masked=lambda c: pcpus[c].irqs_off)
def irq(c: CpuId):
    while True:
        wait(pcpus[c].ipi)
        pcpus[c].ipi = False
        pcpus[c].count = seen

@hardware()
def sender():
    while True:
        c = choose(CpuId)
        pcpus[c].ipi = True

@invariant("all")
def everything() -> bool:
    return pcpus[0].count < 3 or pcpus[1].count < 3
"""


def test_who_may_run() -> None:
    system = compiled(CPU.replace("pcpus[c].count = seen", "v = seen\n        pcpus[c].count = v"), TSO)
    t, sched, irq0, irq1, _ = system.processes
    active = [f"(and (= task.cpu {c}) (not (= irq({c}).pc 0)))" for c in range(2)]
    assert show(t.runs) == f"(and task.running (not {active[0]}) (not {active[1]}))"
    assert show(sched.runs) == f"(and (not {active[0]}) (not {active[1]}))"
    assert show(irq0.runs) == "(or (not (= irq(0).pc 0)) (not pcpus[0].irqs_off))"
    assert show(irq1.runs) == "(or (not (= irq(1).pc 0)) (not pcpus[1].irqs_off))"
    assert system.cpus == 2 and t.cpu is not None and show(t.cpu) == "task.cpu"


def test_registers_are_never_buffered_and_this_cpu_is_no_access() -> None:
    system = compiled(CPU.replace("pcpus[c].count = seen", "v = seen\n        pcpus[c].count = v"), TSO)
    stores = [e for e in system.edges if "irqs_off" in e.text]
    assert len(stores) == 2 and not any(e.buffered for e in stores)
    assert buffered(system) == ["seen = 1", "seen = 0"]


def test_entering_and_leaving_a_handler_drains() -> None:
    """The store before the last load needs a drain of its own; a store at the end does not."""
    text = CPU.replace("pcpus[c].count = seen", "pcpus[c].count = 1\n        v = seen\n        pcpus[c].count = v")
    system = compiled(text, TSO)
    own = [e for e in system.edges if e.process == 2]
    assert own[0].src == 0 and own[0].drains
    back = [e for e in own if e.dst == 0]
    assert [(e.access, e.drains) for e in back] == [(Access.FENCE, True)]
    plain = compiled(CPU.replace("pcpus[c].count = seen", "pcpus[c].count = 1"), TSO)
    assert [(e.access, e.drains) for e in plain.edges if e.process == 2 and e.dst == 0] == [(Access.STORE, False)]


def test_processes_without_a_cpu_have_one_of_their_own() -> None:
    text = "x: bool\n@thread(over=2)\ndef t(i: Int[0, 1]):\n    x = True\n@hardware()\ndef h():\n    x = False\n"
    system = compiled(text)
    assert system.cpus == 2 and [p.cpu and show(p.cpu) for p in system.processes] == ["0", "1", None]


PASSED_ON = """
x: bool
y: bool
flag: bool
both: Ghost[Int[0, 2]]
tasks: Array[bool, 1]

@thread(cpu=lambda: 0{holds0})
def writer():
    x = True
    {switch}

@thread(cpu=lambda: 0{holds1})
def reader():
    wait(flag)
    if not y:
        both = both + 1

@thread(cpu=lambda: 1)
def other():
    y = True
    smp_mb()
    if not x:
        both = both + 1

@invariant("seen")
def seen() -> bool:
    return both < 2
"""


@pytest.mark.parametrize(
    ("holds", "switch", "safe"),
    [
        (False, "flag = True", False),  # both may always run: a switch of threads is no step, and drains nothing
        (True, "flag = True\n    tasks[0] = True", False),  # a plain store gives the CPU away
        (True, "flag = True\n    lock_set(tasks[0], True)", True),  # a switch that drains
    ],
)
def test_a_store_may_wait_while_its_cpu_goes_to_another_thread(holds: bool, switch: str, safe: bool) -> None:
    conditions = (", holds=lambda: not tasks[0]", ", holds=lambda: tasks[0]") if holds else ("", "")
    text = PASSED_ON.format(holds0=conditions[0], holds1=conditions[1], switch=switch)
    system = compiled(text, TSO)
    assert bool(buffered(system, "writer")) != safe
    verdict = check(system, SearchOptions(compiler="")).verdicts["seen"]
    assert isinstance(verdict, Holds if safe else Violated)


def test_a_buffer_without_a_bound_may_be_given_room() -> None:
    text = """
flag: Array[bool, 2]
seen: Array[bool, 2]

@thread(over=2)
def t(i: Int[0, 1]):
    while True:
        flag[i] = True
        seen[i] = flag[1 - i]
        flag[i] = False

@invariant("any")
def anything() -> bool:
    return seen[0] or seen[1]
"""
    assert [d.code for d in errors(text, TSO)] == ["LI030"]
    assert compile_scenario(load(text), "only", TSO, room=2).depth == 2
    bounded = text.replace("        seen", "        smp_mb()\n        seen")
    assert compile_scenario(load(bounded), "only", TSO, room=7).depth == compiled(bounded, TSO).depth < 7


ANNOUNCED = """
x: bool
y: bool
seen: bool

@thread()
def t():
    x = True
    event("stored")
    seen = y

@thread()
def other():
    y = True
    if x:
        y = False

@step_property("never in the step of the event")
def never() -> bool:
    return not occurs("stored") or not x

@invariant("never at all")
def not_at_all() -> bool:
    return not x
"""


@pytest.mark.parametrize(("memory", "violated"), [
    (Memory.SC, {"never in the step of the event", "never at all"}), (TSO, {"never at all"}),
])
def test_only_sc_has_event_and_effect_of_a_buffered_store_in_one_step(memory: Memory, violated: set[str]) -> None:
    """TSO has all states of SC, and so its invariants; a flush is a step of its own, so not all its steps."""
    found = check(compiled(ANNOUNCED, memory), SearchOptions())
    assert {key for key, verdict in found.verdicts.items() if isinstance(verdict, Violated)} == violated


FIELDS = """
word: Packed(a=bool, b=bool)
done: Array[bool, 2]

@thread()
def first():
    word.a = True
    smp_mb()
    done[0] = True

@thread()
def second():
    word.b = True
    smp_mb()
    done[1] = True

@invariant("both")
def both() -> bool:
    return not (done[0] and done[1]) or (word.a and word.b)
"""


def test_a_store_to_a_field_stores_the_whole_unit_and_may_undo_another_one() -> None:
    late = compiled(FIELDS, TSO)
    assert buffered(late, "first") == ["word.a = True"]
    assert isinstance(check(late, SearchOptions()).verdicts["both"], Violated)
    assert isinstance(check(compiled(FIELDS), SearchOptions()).verdicts["both"], Holds)


def test_a_store_to_all_fields_is_as_any_other() -> None:
    whole = FIELDS.replace("word.a = True", "word.a, word.b = True, True").replace("word.b = True\n", "v = word.b\n")
    assert buffered(compiled(whole, TSO), "first") == []


def test_a_store_to_a_field_looks_at_the_others() -> None:
    """What was stored before may arrive after that look."""
    after = FIELDS.replace("    word.a", "    early = True\n    word.a").replace("done[1] = True", "done[1] = early")
    assert buffered(compiled(after + "\nearly: bool\n", TSO), "first") == ["early = True", "word.a = True"]
