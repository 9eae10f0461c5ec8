# SPDX-License-Identifier: GPL-2.0-or-later
"""The awkward cases that the constructs were settled by compile, and mean what they should.

See docs/decisions/0001-language-constructs.md.  Verdicts are those of the interpreter, which knows nothing of the
front end.
"""

from __future__ import annotations

import pytest

from lostirq.interpret import Interpreter
from lostirq.ir.system import Form, Memory, Sort, System
from tests.unit.language import compiled, lines, names

SC, TSO = Memory.SC, Memory.TSO


def broken(system: System) -> set[str]:
    """Keys of the properties that are violated, witnesses not reached included."""
    found = Interpreter(system).explore()
    witnesses = {p.key for p in system.properties if p.form in (Form.REACHABLE, Form.REACHABLE_STEP)}
    return set(found.violations) | (witnesses - set(found.witnesses))


TWO_VMCS = """
VCPUS = Param(1, "virtual CPUs")
NESTED = Param(True, "two control structures per virtual CPU")
VcpuId = Int[0, VCPUS - 1]

class Vmcs(Struct):
    rvi: Int[0, 3]
    loaded: bool

class Vcpu(Struct):
    vmcs: Array[Vmcs, 2 if NESTED else 1]
    current: Int[0, 1 if NESTED else 0]
    kicks: Int[0, 1]

vcpus: Array[Vcpu, VCPUS]

def write_rvi(vmcs: Vmcs, vector: Int[0, 3]):
    vmcs.rvi = vector

@thread(over=VCPUS)
def run(i: VcpuId):
    vcpu = vcpus[i]
    while True:
        match choose():
            case "switch" if NESTED:
                vcpu.current = 1 - vcpu.current
            case "write":
                write_rvi(vcpu.vmcs[vcpu.current], 2)
            case "load":
                vmcs = vcpu.vmcs[vcpu.current]
                vcpu.current = 0
                vmcs.loaded = True
        step()

@invariant("both", over=VCPUS)
def both(i: VcpuId) -> bool:
    return vcpus[i].vmcs[len(vcpus[i].vmcs) - 1].rvi == 0

@invariant("captured", over=VCPUS)
def captured(i: VcpuId) -> bool:
    return not vcpus[i].vmcs[len(vcpus[i].vmcs) - 1].loaded
"""


def test_two_control_structures_per_cpu_and_a_reference_with_a_captured_index() -> None:
    """The alias keeps the structure it named, though the index changes afterwards."""
    system = compiled(TWO_VMCS)
    assert broken(system) == {"both[0]", "captured[0]"}
    assert "vcpus[0].vmcs[1].rvi" in names(system)


def test_a_structure_that_is_left_out_leaves_no_variable() -> None:
    system = compiled(TWO_VMCS, NESTED=0)
    assert not [n for n in names(system) if "vmcs[1]" in n or "current" in n]
    assert len(system.edges) < len(compiled(TWO_VMCS).edges)


RUN_TIME_INDEX = """
VCPUS = Param(2, "virtual CPUs")
VcpuId = Int[0, VCPUS - 1]

class Vcpu(Struct):
    requests: Bits[2]
    seen: bool

vcpus: Array[Vcpu, VCPUS]
last: VcpuId

def kick(vcpu: Vcpu):
    set_bit(vcpu.requests, 1)
    vcpu.seen = True
    if vcpu.requests != 0:
        last = index(vcpu)

@thread(over=2)
def sender(s: Int[0, 1]):
    i = choose(VcpuId)
    kick(vcpus[i])

@invariant("own")
def own() -> bool:
    return all(not vcpus[i].seen or bit(vcpus[i].requests, 1) for i in range(VCPUS))

@reachable("second")
def second() -> bool:
    return last == 1 and vcpus[0].requests == 0
"""


@pytest.mark.parametrize("memory", [SC, TSO])
def test_an_array_indexed_by_a_run_time_value(memory: Memory) -> None:
    system = compiled(RUN_TIME_INDEX, memory)
    assert broken(system) == set()
    stores = [e for e in system.edges if "vcpu.seen" in e.text and e.process == 0]
    if memory is TSO:
        assert len(stores) == 2 and all(len(e.buffered) == 1 for e in stores)     # one per value of the index
    else:
        assert len(stores) == 1


BROADCAST = """
CPUS = 2
HOLD = Param(True, "wait for the others with the lock held")
CpuId = Int[0, CPUS - 1]

class Pcpu(Struct):
    call: Message[bool]
    done: bool

pcpus: Array[Pcpu, CPUS]
lock: Lock

@thread(over=CPUS, cpu=lambda c: c)
def toggler(c: CpuId):
    spin_lock(lock)
    if not HOLD:
        spin_unlock(lock)
    lock_set(pcpus[1 - c].call, True)
    with window("waiting"):
        wait(not pcpus[1 - c].call)
    if HOLD:
        spin_unlock(lock)

@handler(over=CPUS, cpu=lambda c: c)
def call_function(c: CpuId):
    while True:
        wait(pcpus[c].call)
        pcpus[c].done = True
        pcpus[c].call = False

@invariant("exclusive")
def exclusive() -> bool:
    return not (within("toggler", 0, "waiting") and within("toggler", 1, "waiting"))

@reachable("all done")
def all_done() -> bool:
    return all(pcpus[c].done for c in range(CPUS)) and at_rest("toggler") and quiet()
"""


@pytest.mark.parametrize("memory", [SC, TSO])
@pytest.mark.parametrize("hold", [0, 1])
def test_a_lock_held_across_a_broadcast_that_waits(memory: Memory, hold: int) -> None:
    """The handler runs on top of a thread that spins, so that there is no deadlock; the lock excludes the other."""
    assert broken(compiled(BROADCAST, memory, HOLD=hold)) == (set() if hold else {"exclusive"})


PREEMPTS = """
CLI = Param(True, "interrupts off around the two stores")
x: Int[0, 2]
y: Int[0, 2]
irqs_off: bool
ipi: Message[bool]

@thread(cpu=lambda: 0)
def worker():
    while True:
        if CLI:
            irqs_off = True
        x = 1
        y = 1
        if CLI:
            irqs_off = False
        x = 0
        y = 0

@handler(cpu=lambda: 0, masked=lambda: irqs_off)
def interrupt():
    while True:
        wait(ipi)
        with window("handler"):
            ipi = False
            a = x
            if a == 1:
                with window("inside"):
                    b = y
                    if b == 0:
                        with window("torn"):
                            step()

@hardware()
def device():
    while True:
        idle()
        wait(not ipi)
        ipi = True

@invariant("nothing under a handler")
def nested() -> bool:
    return not within("interrupt", "torn")
"""


@pytest.mark.parametrize("memory", [SC, TSO])
@pytest.mark.parametrize("cli", [0, 1])
def test_a_handler_that_preempts_a_thread_on_the_same_cpu(memory: Memory, cli: int) -> None:
    """With interrupts off it cannot come between the two stores; without, it can."""
    system = compiled(PREEMPTS, memory, CLI=cli)
    assert broken(system) == (set() if cli else {"nothing under a handler"})
    handler = next(p for p in system.processes if p.sort is Sort.HANDLER)
    assert handler.locations[0].idle


def test_cli_is_a_step_because_it_decides_whether_a_handler_may_run() -> None:
    stores = [e for e in compiled(PREEMPTS).edges if "irqs_off" in e.text]
    assert [e.text for e in stores] == ["irqs_off = True", "irqs_off = False"]
    assert not any(e.buffered for e in compiled(PREEMPTS, TSO).edges if "irqs_off" in e.text)


SHARED_FUNCTION = """
THREADS = Param(2, "threads")
EXTRA = Param(0, "devices")
LATE = Param(False, "the kernel reads the flag before it takes the bit")
ThreadId = Int[0, THREADS - 1]

class Desc(Struct):
    bits: Bits[2]
    on: bool
    posts: Ghost[Int[0, 2]]

desc: Desc

def post(d: Desc, v: Int[0, 1]):
    if LATE and d.on:
        return
    if test_and_set_bit(d.bits, v):
        return
    if not test_and_set(d.on):
        d.posts = d.posts + 1 if d.posts < 2 else 2

@thread(over=THREADS, symmetric=True)
def sender(i: ThreadId):
    v = choose(0, 1)
    post(desc, v)

@hardware(over=EXTRA)
def device(i: Int[0, EXTRA - 1]):
    desc.on = False

@invariant("once")
def once() -> bool:
    return desc.posts <= 1

@invariant("set")
def is_set() -> bool:
    return desc.on or within("sender") or desc.bits == 0
"""


def test_a_function_that_several_threads_run_at_once() -> None:
    system = compiled(SHARED_FUNCTION)
    assert broken(system) == set()
    assert [p.symmetric for p in system.processes] == ["sender", "sender"]
    first, second = lines(system, "sender(0)"), lines(system, "sender(1)")
    assert [e.replace("sender(1)", "sender(0)") for e in second] == first


def test_a_component_left_out_costs_nothing_and_one_more_does() -> None:
    without, with_one = compiled(SHARED_FUNCTION), compiled(SHARED_FUNCTION, EXTRA=1)
    assert [p.family for p in without.processes] == ["sender", "sender"]
    assert "once" in broken(with_one)


def test_behaviour_by_kernel_version() -> None:
    """A switch adds its code to the system, and only then."""
    new, old = compiled(SHARED_FUNCTION), compiled(SHARED_FUNCTION, LATE=1)
    assert not any(e.text == "d.on" for e in new.edges) and any("d.on" in e.text for e in old.edges)


CMPXCHG = """
Cpu = Int[0, 1]
WHOLE = Param(True, "the whole word at once")

class Desc(Struct):
    control: Packed(on=bool, sn=bool, ndst=Cpu)

desc: Desc
posted: bool

@thread()
def load():
    done = False
    while not done:
        old = desc.control
        new = old
        new.ndst = 1
        new.sn = False
        if WHOLE:
            done = cmpxchg(desc.control, old, new)
        else:
            desc.control = new
            done = True

@hardware()
def device():
    with atomic():
        desc.control.on = True
        posted = True

@invariant("not lost")
def not_lost() -> bool:
    return desc.control.on == posted

@reachable("moved")
def moved() -> bool:
    return desc.control.ndst == 1 and desc.control.on
"""


@pytest.mark.parametrize("memory", [SC, TSO])
def test_a_whole_word_cmpxchg_loop_against_a_device_that_sets_one_bit(memory: Memory) -> None:
    assert broken(compiled(CMPXCHG, memory)) == set()
    assert "not lost" in broken(compiled(CMPXCHG, memory, WHOLE=0))


def test_the_cmpxchg_is_one_step_and_compares_all_fields() -> None:
    done = [e for e in lines(compiled(CMPXCHG), "load") if "locked" in e]
    same = "(and (= desc.control.on load.old.on) (= desc.control.sn load.old.sn) (= desc.control.ndst load.old.ndst))"
    new = "; ".join(f"desc.control.{f}:=load.new.{f}" for f in ("on", "sn", "ndst"))
    assert done == [f"load 1->2 {same}; {new}; drains; locked", f"load 1->0 (not {same}); drains; locked"]
