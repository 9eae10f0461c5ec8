# SPDX-License-Identifier: GPL-2.0-or-later
"""Random litmus programs: the final outcomes are those of the textbook's x86-TSO machine.

The machine below buffers every plain store in a FIFO of any length, and knows nothing of which stores need a buffer;
the compiler does, and must not lose an outcome by it.

Reference: Owens, Sarkar and Sewell 2009, "A Better x86 Memory Model: x86-TSO", section 3.
"""

from __future__ import annotations

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lostirq.interpret import Interpreter
from lostirq.ir.system import Memory, System
from tests.conformance.litmus import Threads, final, source
from tests.conformance.models import compiled

VARIABLES = "x", "y"
REGISTERS = tuple(f"r{i}" for i in range(4))
Outcome = tuple[tuple[str, int], ...]


@st.composite
def programs(draw: st.DrawFn) -> Threads:
    """Two or three threads of one to three instructions; every load has a register of its own, four in all."""
    registers = list(REGISTERS)
    threads: list[tuple[str, ...]] = []
    for _ in range(draw(st.integers(2, 3))):
        thread: list[str] = []
        for _ in range(draw(st.integers(1, 3))):
            place, value = draw(st.sampled_from(VARIABLES)), draw(st.integers(1, 2))
            kind = draw(st.sampled_from(("store", "store", "load", "load", "load", "fence", "swap")))
            if kind in ("load", "swap") and not registers:
                kind = "store"
            if kind == "store":
                thread.append(f"{place} = {value}")
            elif kind == "load":
                thread.append(f"{registers.pop(0)} = {place}")
            elif kind == "swap":
                thread.append(f"{registers.pop(0)} = xchg({place}, {value})")
            else:
                thread.append("smp_mb()")
        threads.append(tuple(thread))
    return tuple(threads)


def machine(threads: Threads, buffering: bool) -> set[Outcome]:
    """All final values, by exhaustive execution of the abstract machine."""
    start = ((0,) * len(threads), ((),) * len(threads), tuple((n, 0) for n in (*VARIABLES, *REGISTERS)))
    seen, stack, found = {start}, [start], set()
    while stack:
        places, buffers, values = stack.pop()
        after = []
        for t, thread in enumerate(threads):
            if buffers[t]:
                (name, value), *rest = buffers[t]
                after.append((places, _put(buffers, t, tuple(rest)), _set(values, name, value)))
            if places[t] < len(thread):
                moved = _put(places, t, places[t] + 1)
                after += [(moved, *s) for s in _execute(thread[places[t]], t, buffers, values, buffering)]
        if not after:
            found.add(values)
        for state in after:
            if state not in seen:
                seen.add(state)
                stack.append(state)
    return found


def _execute(instruction, t, buffers, values, buffering):
    """The successors (buffers, values) of one instruction."""
    if instruction == "smp_mb()":
        return [] if buffers[t] else [(buffers, values)]
    target, _, operand = instruction.partition(" = ")
    if operand.isdigit():
        if buffering:
            return [(_put(buffers, t, (*buffers[t], (target, int(operand)))), values)]
        return [(buffers, _set(values, target, int(operand)))]
    if operand.startswith("xchg"):
        name, value = operand[len("xchg("):-1].split(", ")
        old = dict(values)[name]
        return [] if buffers[t] else [(buffers, _set(_set(values, name, int(value)), target, old))]
    forwarded = dict([*values, *buffers[t]])
    return [(buffers, _set(values, target, forwarded[operand]))]


def _put(items: tuple, position: int, item) -> tuple:
    return (*items[:position], item, *items[position + 1:])


def _set(values: Outcome, name: str, value: int) -> Outcome:
    return tuple((n, value if n == name else v) for n, v in values)


def outcomes(system: System) -> set[Outcome]:
    """All final values of what is not constant (a store that is private may be part of the initial state)."""
    interpreter = Interpreter(system)
    index = {v.name: i for i, v in enumerate(system.variables)}
    seen, stack, found = {interpreter.initial()}, [interpreter.initial()], set()
    while stack:
        state = stack.pop()
        moves = interpreter.moves(state)
        if not moves:
            found.add(tuple((n, state[0][index[n]]) for n in (*VARIABLES, *REGISTERS) if n in index))
        for move in moves:
            after = interpreter.step(state, move)
            if after not in seen:
                seen.add(after)
                stack.append(after)
    return found


@settings(max_examples=120, deadline=None, suppress_health_check=list(HealthCheck))
@given(programs(), st.sampled_from(Memory))
def test_outcomes_are_those_of_the_abstract_machine(threads: Threads, memory: Memory) -> None:
    everything = " or ".join(f"{n} == 2" for n in (*VARIABLES, *REGISTERS))      # what nobody reads would not be kept
    system = compiled(source(threads), final(threads, f"({everything})"), memory)
    kept = {v.name for v in system.variables}
    expected = {tuple((n, v) for n, v in o if n in kept) for o in machine(threads, memory is Memory.TSO)}
    assert outcomes(system) == expected
