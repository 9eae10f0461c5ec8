# SPDX-License-Identifier: GPL-2.0-or-later
"""A small annotated system by hand, in the shape of posting against VM entry, for the tests of replay and report."""

from __future__ import annotations

from lostirq.errors import Span
from lostirq.ir import expr as x
from lostirq.ir.expr import BOOL, Expr, Role, Type, Var, int_type
from lostirq.ir.system import Access, Edge, Event, Fair, Form, Location, Memory, Process, Property, Sort, System

MODE = Var("vcpus[0].mode", int_type(0, 1, ("OUTSIDE_GUEST_MODE", "IN_GUEST_MODE")), 0, Role.MEMORY, unit=0)
ON = Var("vcpus[0].pi_desc.control.on", BOOL, 0, Role.MEMORY, unit=1)
PIR = Var("vcpus[0].pi_desc.pir[0]", x.bits_type(4), 0, Role.MEMORY, unit=2)
IPI = Var("pcpus[0].ipi", BOOL, 0, Role.MEMORY, unit=3, message=True)
SEEN = Var("vcpu_thread(0).on", BOOL, 0, Role.LOCAL, owner=0)
ENTERED = Var("vcpus[0].entered", BOOL, 0, Role.MEMORY, unit=4)


def _edge(index: int, process: int, src: int, guard: Expr, assigns: tuple[tuple[Var, Expr], ...], access: Access,
          function: str, text: str, *, drains: bool = False, buffered: frozenset[int] = frozenset(), dst: int = -1,
          fair: Fair = Fair.WEAK, events: tuple[Event, ...] = (), choice: str = "") -> Edge:  # fmt: skip
    outer = ("vcpu_thread", "vcpu_enter_guest") if process == 0 else ("sender",)
    stack = outer if function in outer else (*outer, function)
    span = Span("model/toy.py", 10 * process + src + 1, 4, 10 * process + src + 1, 4 + len(text))
    return Edge(index, process, src, src + 1 if dst < 0 else dst, guard, assigns, access, drains, buffered, events,
                fair, span, function, stack, text, choice)


def posting(*, fence: bool, memory: Memory = Memory.TSO) -> System:
    """The vCPU sets its mode and then looks at ON; the sender sets PIR and ON and then looks at the mode."""
    entry = [
        _edge(0, 0, 0, x.TRUE, ((MODE, x.const(1, MODE.type)),), Access.STORE, "vcpu_enter_guest",
              "vcpu.mode = Mode.IN_GUEST_MODE", buffered=frozenset({0})),
        _edge(1, 0, 1, x.TRUE, (), Access.FENCE if fence else Access.NONE, "vcpu_enter_guest", "smp_mb()",
              drains=fence),
        _edge(2, 0, 2, x.var(ON), ((SEEN, x.var(ON)),), Access.LOAD, "vmx_sync_pir_to_irr", "if not pi.control.on:"),
        _edge(3, 0, 2, x.not_(x.var(ON)), ((SEEN, x.var(ON)),), Access.LOAD, "vmx_sync_pir_to_irr",
              "if not pi.control.on:", dst=4),
        _edge(4, 0, 3, x.TRUE, ((PIR, x.const(0, PIR.type)),), Access.LOCKED, "vmx_sync_pir_to_irr", "xchg(pi.pir, 0)",
              drains=True),
        _edge(5, 0, 4, x.TRUE, ((ENTERED, x.TRUE),), Access.ATOMIC, "vm_entry", "with atomic():", drains=True),
    ]
    vector = x.const(2, int_type(0, 3))
    post = [
        _edge(6, 1, 0, x.TRUE, ((PIR, x.put(x.var(PIR), vector, x.TRUE)),), Access.LOCKED, "pi_test_and_set_pir",
              "test_and_set_bit(pi.pir, vector)", drains=True, events=(Event("accept", (vector,)),)),
        _edge(7, 1, 1, x.TRUE, ((ON, x.TRUE),), Access.LOCKED, "pi_test_and_set_on", "test_and_set(pi.control.on)",
              drains=True),
        _edge(8, 1, 2, x.eq(x.var(MODE), x.const(1, MODE.type)), ((IPI, x.TRUE),), Access.LOAD,
              "kvm_vcpu_trigger_posted_interrupt", "if vcpu.mode == Mode.IN_GUEST_MODE:"),
        _edge(9, 1, 2, x.eq(x.var(MODE), x.const(0, MODE.type)), (), Access.LOAD, "kvm_vcpu_trigger_posted_interrupt",
              "if vcpu.mode == Mode.IN_GUEST_MODE:"),
    ]
    processes = (_process(0, "vcpu_thread(0)", "vCPU 0", 5, 0), _process(1, "sender(0)", "sender", 3, 1))
    lost = x.and_(x.var(ENTERED), x.bit(x.var(PIR), vector), x.not_(x.var(IPI)),
                  x.eq(x.var(processes[1].pc), x.integer(3)))
    properties = (
        Property("Q-2[0,2]", "Q-2", Form.INVARIANT, x.not_(lost), title="a vector stays in PIR: never delivered",
                 statement="What is accepted is delivered.", witness="W-2"),
        Property("W-2", "W-2", Form.REACHABLE, x.var(IPI)),
        Property("S-1", "S-1", Form.STEP, x.implies(x.occurs("accept", vector), x.not_(x.old(ON))), title="ON clear"),
        Property("LV-1", "LV-1", Form.RECURRENCE, x.bit(x.var(PIR), vector), x.occurs("deliver"), title="delivered"),
    )
    variables = (MODE, ON, PIR, IPI, ENTERED, SEEN, *(p.pc for p in processes))
    depth = 1 if memory is Memory.TSO else 0
    return System("posting", memory, False, variables, processes, tuple(entry + post), properties, 2, depth)


def _process(index: int, name: str, column: str, last: int, cpu: int) -> Process:
    locations = tuple(Location(Span("model/toy.py", 10 * index + i + 1), name, idle=i == last) for i in range(last + 1))
    pc: Var = Var(f"{name}.pc", _range(last), 0, Role.PC, owner=index)
    return Process(index, name, name.split("(")[0], 0, Sort.THREAD, pc, locations, x.TRUE, x.integer(cpu), "", column)


def _range(last: int) -> Type:
    return int_type(0, last)
