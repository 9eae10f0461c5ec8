# SPDX-License-Identifier: GPL-2.0-or-later
"""A CPU that changes hands: what one process has left in its store buffer, the next one and others see late.

Each toy is store buffering (SB) spread over processes: that both loads give 0 shows that the store of x waited in the
buffer of CPU 0 while something else loaded y there.
"""

from __future__ import annotations

import pytest

from lostirq.interpret import Interpreter
from lostirq.ir.system import Memory
from tests.unit.language import compiled, outcomes

TSO = Memory.TSO

MEMORY = """
x: Int[0, 3]
y: Int[0, 3]
flag: Int[0, 3]
r1: Int[0, 3]
r2: Int[0, 3]
r3: Int[0, 3]
on: Array[bool, 2]
frozen: bool
where: Int[0, 1]
given: Ghost[bool]

@initial
def start():
    on[0] = True

@invariant("all are kept")
def kept() -> bool:
    return x + y + r1 + r2 + r3 < 6
"""

OTHER = """
@thread(cpu=lambda: 2)
def other():
    y = 1
    smp_mb()
    r2 = x
"""


def results(text: str, memory: Memory = TSO) -> set[tuple[int, ...]]:
    """The final (r1, r2)."""
    return outcomes(compiled(MEMORY + text, memory), "r1", "r2")


def test_a_scheduler_lets_a_thread_run_before_its_store_has_arrived() -> None:
    text = """
@scheduler(cpu=lambda: 0)
def scheduler_of():
    x = 1
    on[1] = True

@thread(cpu=lambda: 0, holds=lambda: on[1])
def next_one():
    r1 = y
"""
    assert (0, 0) in results(text + OTHER)
    assert (0, 0) not in results(text.replace("x = 1\n", "x = 1\n    drain()\n") + OTHER)


def test_a_store_of_a_scheduler_does_not_overtake_that_of_the_thread_before() -> None:
    """What a third one sees of two stores of one CPU is in their order."""
    text = """
@thread(cpu=lambda: 0, holds=lambda: on[0])
def before():
    x = 1
    on[0] = False

@scheduler(cpu=lambda: 0)
def scheduler_of():
    wait(not on[0])
    r3 = flag
    y = 1

@thread
def other():
    r1 = y
    r2 = x
"""
    assert (1, 0) not in results(text)
    assert {(0, 0), (0, 1), (1, 1)} <= results(text)


SWITCH = """
@thread(cpu=lambda: 0{first})
def before():
    x = 1
    {gives}

@thread(cpu=lambda: 0{second})
def after():
    wait(flag == 1)
    r1 = y
"""


@pytest.mark.parametrize(("first", "second", "gives"), [
    ("", "", "flag = 1"),
    (", holds=lambda: not frozen", ", holds=lambda: not frozen", "flag = 1"),  # nobody writes it: always true
    (", holds=lambda: not given", ", holds=lambda: given", "flag = 1\n    given = True"),  # in a ghost
    (", holds=lambda: on[0]", ", holds=lambda: on[1]", "flag = 1\n    on[1] = True\n    on[0] = False"),
])
def test_a_thread_gives_its_cpu_to_another_one_without_a_drain(first: str, second: str, gives: str) -> None:
    text = SWITCH.format(first=first, second=second, gives=gives)
    assert (0, 0) in results(text + OTHER)
    drained = text.replace("r1 = y", "drain()\n    r1 = y")
    assert (0, 0) not in results(drained + OTHER)


@pytest.mark.parametrize("who", ["@thread(cpu=lambda: 1)", "@hardware"])
def test_a_drain_of_another_cpu_is_none_of_the_cpu_that_changes_hands(who: str) -> None:
    text = f"""
@thread(cpu=lambda: 0, holds=lambda: on[0])
def before():
    x = 1

@thread(cpu=lambda: 0, holds=lambda: on[1])
def after():
    r1 = y

{who}
def switcher():
    with atomic():
        on[0] = False
        on[1] = True
"""
    assert (0, 0) in results(text + OTHER)
    assert (0, 0) not in results(text.replace(who, "@scheduler(cpu=lambda: 0)") + OTHER)


MOVED = """
@thread(cpu=lambda: where)
def moved():
    x = 1
    {itself}
    y = 1

{other}

@thread
def observer():
    r1 = y
    r2 = x
"""


@pytest.mark.parametrize(("itself", "other", "late"), [
    ("where = 1", "", True),
    ("drain()\n    where = 1", "", False),
    ("with atomic():\n        where = 1", "", False),
    ("flag = 1", "@hardware\ndef mover():\n    where = 1", True),
    ("flag = 1", "@thread\ndef mover():\n    with atomic():\n        where = 1", True),
])
def test_stores_of_a_thread_that_is_moved_may_arrive_in_any_order(itself: str, other: str, late: bool) -> None:
    assert ((1, 0) in results(MOVED.format(itself=itself, other=other))) == late


@pytest.mark.parametrize("operation", ["lock_set(r3, 2)", "with atomic():\n        r3 = 2"])
def test_a_private_locked_operation_drains_what_the_thread_before_has_left(operation: str) -> None:
    text = SWITCH.format(first=", holds=lambda: on[0]", second=", holds=lambda: on[1]",
                         gives="flag = 1\n    on[1] = True\n    on[0] = False")
    assert (0, 0) not in results(text.replace("r1 = y", f"{operation}\n    r1 = y") + OTHER)
    assert (0, 0) in results(text.replace("r1 = y", "r3 = 2\n    r1 = y") + OTHER)


WORDS = "w[0]", "w[1]"

INDEXED = """
a: Array[bool, 2]
w: Words[4, 2]

@thread
def writer():
    k = choose(0, {most})
    {store}
    r1 = y

@thread
def other():
    q = {first}
    r3 = 1 if q else 0
    y = 1

@thread
def third():
    q = {second}
    r2 = 1 if q else 0
"""


@pytest.mark.parametrize("memory", Memory)
def test_a_run_time_index_out_of_range_is_found_under_both_memories(memory: Memory) -> None:
    text = INDEXED.format(most=3, store="a[k] = True", first="a[0]", second="a[1]")
    assert "range" in Interpreter(compiled(MEMORY + text, memory)).explore().violations
    within = INDEXED.format(most=1, store="a[k] = True", first="a[0]", second="a[1]")
    assert "range" not in Interpreter(compiled(MEMORY + within, memory)).explore().violations


@pytest.mark.parametrize("memory", Memory)
def test_a_plain_bit_out_of_range_is_not_written_under_both_memories(memory: Memory) -> None:
    """The step takes place: the writer comes to its end with nothing written."""
    text = INDEXED.format(most=7, store="__set_bit(w, k)", first="w.word[0] != 0", second="w.word[1] != 0")
    assert outcomes(compiled(MEMORY + text, memory), *WORDS) == {(0, 0), (1, 0), (2, 0), (0, 1), (0, 2)}
