# SPDX-License-Identifier: GPL-2.0-or-later
"""Steps of small bodies as S-expressions: what one access is, what is joined to it, and how paths meet.

A line is `process source->target guard; assignments; buffered; drains; !event; 'option'; primitive`.
"""

from __future__ import annotations

import pytest

from lostirq.ir.system import Fair, Memory
from tests.unit.language import compiled, lines, names

STATE = """
x: Int[0, 3]
y: Int[0, 3]
b: bool
w: Words[4, 2]
private: Int[0, 3]
g: Ghost[Int[0, 3]]
class D(Struct):
    p: Packed(f=bool, n=Int[0, 1])
class S(Struct):
    on: bool
s: S
d: D

@invariant("all")
def everything() -> bool:
    return (x < 3 and y < 3 and private < 3 and g < 3) or b or s.on or d.p.f or d.p.n == 0 or test_bit(w, 0)
"""

OTHER = """
@hardware()
def other():
    while True:
        match choose():
            case "x":
                x = 1
            case "y":
                y = 1
            case "b":
                b = True
            case "s":
                s.on = True
            case "w":
                w.word[1] = 1
            case "d":
                d.p.n = 1
"""

GOLDEN: list[tuple[str, str, Memory, list[str]]] = [
    (
        "each operand that reads shared memory is a step; the others join one",
        """
    if b and x == 1 or private == 2:
        y = 1
    else:
        y = 2
    private = 2
""",
        Memory.SC,
        [
            "t 0->1 b; load",
            "t 0->2 (and (not b) (= private 2)); load",
            "t 0->3 (and (not b) (not (= private 2))); load",
            "t 1->2 (or (= x 1) (= private 2)); load",
            "t 1->3 (and (not (= x 1)) (not (= private 2))); load",
            "t 2->4 1; y:=1; private:=2; store",
            "t 3->4 1; y:=2; private:=2; store",
        ],
    ),
    (
        "private branches are merged",
        """
    v = 2 if x == 1 else 3
    private = v
    g = v
    y = private
""",
        Memory.SC,
        [
            "t 0->1 1; private:=(ite (= x 1) 2 3); g:=(ite (= x 1) 2 3); load",
            "t 1->2 1; y:=private; store",
        ],
    ),
    (
        "a loop over a shared load",
        """
    while not b:
        pass
    y = 1
""",
        Memory.SC,
        [
            "t 0->1 b; load",
            "t 0->0 (not b); load",
            "t 1->2 1; y:=1; store",
        ],
    ),
    (
        "a private loop has its head as location",
        """
    n: Int[0, 3] = 0
    while n < 3:
        n += 1
    y = n
""",
        Memory.SC,
        [
            "t 0->1 (not (< t.n 3)); none",
            "t 0->0 (< t.n 3); t.n:=(+ t.n 1); none",
            "t 1->2 1; y:=t.n; store",
        ],
    ),
    (
        "loops over constants are unrolled, constants fold",
        """
    for i in range(4):
        if i == 2:
            continue
        if test_bit(w, i):
            break
        private = i
    y = private
""",
        Memory.SC,
        [
            "t 0->1 1; private:=(ite (bit w[1] 1) private 3); load",
            "t 1->2 1; y:=private; store",
        ],
    ),
    (
        "a packed value, and a bit at a run-time index",
        """
    i = choose(0, 3)
    if test_and_clear_bit(w, i):
        event("got", i)
    p = d.p
    p.n = 0
    d.p = p
    v = xchg(d.p, p)
    if v == p:
        y = 0
""",
        Memory.SC,
        [
            "t 0->1 (not (bit w[0] 0)); w[0]:=(put w[0] 0 0); drains; '0'; locked",
            "t 0->1 (not (bit w[0] 1)); w[0]:=(put w[0] 1 0); drains; '1'; locked",
            "t 0->1 (not (bit w[1] 0)); w[1]:=(put w[1] 0 0); drains; '2'; locked",
            "t 0->1 (not (bit w[1] 1)); w[1]:=(put w[1] 1 0); drains; '3'; locked",
            "t 0->1 (bit w[0] 0); w[0]:=(put w[0] 0 0); drains; !got 0; '0'; locked",
            "t 0->1 (bit w[0] 1); w[0]:=(put w[0] 1 0); drains; !got 1; '1'; locked",
            "t 0->1 (bit w[1] 0); w[1]:=(put w[1] 0 0); drains; !got 2; '2'; locked",
            "t 0->1 (bit w[1] 1); w[1]:=(put w[1] 1 0); drains; !got 3; '3'; locked",
            "t 1->2 1; t.p.f:=d.p.f; t.p.n:=0; load",
            "t 2->3 1; d.p.f:=t.p.f; d.p.n:=t.p.n; store",
            "t 3->4 (and (= d.p.f t.p.f) (= d.p.n t.p.n)); d.p.f:=t.p.f; d.p.n:=t.p.n; drains; locked",
            "t 3->5 (not (and (= d.p.f t.p.f) (= d.p.n t.p.n))); d.p.f:=t.p.f; d.p.n:=t.p.n; drains; locked",
            "t 4->5 1; y:=0; store",
        ],
    ),
    (
        "an atomic block is one step, its wait the guard",
        """
    with atomic():
        wait(b)
        b = False
        for i in range(2):
            if x == i:
                y = i
                break
        private = x
    y = private
""",
        Memory.SC,
        [
            "t 0->1 b; y:=(ite (= x 0) 0 (ite (= x 1) 1 y)); b:=0; private:=x; drains; atomic",
            "t 1->2 1; y:=private; store",
        ],
    ),
    (
        "options with their guards, waits and fairness",
        """
    idle()
    strong()
    match choose():
        case "one" if b:
            unfair()
            private = 1
        case "two":
            wait(x == 1)
            private = 2
        case "three":
            private = 3
    step()
    y = private
""",
        Memory.SC,
        [
            "t 0->1 1; private:=3; 'three'; none",
            "t 0->1 (= x 1); private:=2; 'two'; load",
            "t 0->1 b; private:=1; 'one'; load",
            "t 1->2 1; none",
            "t 2->3 1; y:=private; store",
        ],
    ),
    (
        "locked operations, a fence that is none, a drain",
        """
    v = fetch_add(x, 1)
    smp_wmb()
    ok = cmpxchg(x, 0, 1)
    lock_set(b, ok)
    y = v
    if READ_ONCE(b):
        y = 2
    drain()
""",
        Memory.SC,
        [
            "t 0->1 1; x:=(+ x 1); t.v:=x; drains; locked",
            "t 1->2 1; x:=(ite (= x 0) 1 x); t.ok:=(= x 0); drains; locked",
            "t 2->3 1; b:=t.ok; drains; locked",
            "t 3->4 1; y:=t.v; store",
            "t 4->5 b; load",
            "t 4->6 (not b); load",
            "t 5->6 1; y:=2; store",
            "t 6->7 1; drains; fence",
        ],
    ),
    (
        "locked operations, a fence that is none, a drain",
        """
    v = fetch_add(x, 1)
    smp_wmb()
    ok = cmpxchg(x, 0, 1)
    lock_set(b, ok)
    y = v
    if READ_ONCE(b):
        y = 2
    drain()
""",
        Memory.TSO,
        [
            "t 0->1 1; x:=(+ x 1); t.v:=x; drains; locked",
            "t 1->2 1; x:=(ite (= x 0) 1 x); t.ok:=(= x 0); drains; locked",
            "t 2->3 1; b:=t.ok; drains; locked",
            "t 3->4 1; y:=t.v; buffered; store",
            "t 4->5 b; load",
            "t 4->6 (not b); load",
            "t 5->6 1; y:=2; buffered; store",
            "t 6->7 1; drains; fence",
        ],
    ),
    (
        "arithmetic with constants",
        """
    v = max(x, 1) // 2
    y = v % 2 + 1
    with window("one"), window("two"):
        y = 0
        with window("three"):
            y = 1
    y = 2
""",
        Memory.SC,
        [
            "t 0->1 1; t.v:=(ite (<= (ite (<= x 1) 1 x) 1) 0 1); load",
            "t 1->2 1; y:=(+ (ite (<= t.v 0) 0 1) 1); store",
            "t 2->3 1; y:=0; store",
            "t 3->4 1; y:=1; store",
            "t 4->5 1; y:=2; store",
        ],
    ),
]


def steps_of(body: str, memory: Memory = Memory.SC) -> list[str]:
    return lines(compiled(f"{STATE}{OTHER}\n@thread()\ndef t():{body}", memory), "t")


@pytest.mark.parametrize(("title", "body", "memory", "expected"), GOLDEN, ids=[f"{g[0]}, {g[2].value}" for g in GOLDEN])
def test_steps(title: str, body: str, memory: Memory, expected: list[str]) -> None:
    assert steps_of(body, memory) == expected


def test_fairness_of_options_rests_and_locations() -> None:
    body = """
    step()
    while True:
        idle()
        strong()
        match choose():
            case "as the location":
                y = 1
            case "never mind":
                unfair()
                y = 2
        idle()
        y = 3
        match choose():
            case "strong":
                strong()
                y = 1
            case "weak":
                y = 2
        unfair()
        y = 0
"""
    system = compiled(f"{STATE}{OTHER}\n@thread()\ndef t():{body}")
    fair = {(e.text, e.choice): e.fair for e in system.edges if e.process == 1}
    assert fair == {
        ("step()", ""): Fair.WEAK,
        ("y = 1", "as the location"): Fair.STRONG,
        ("y = 2", "never mind"): Fair.NONE,
        ("y = 3", ""): Fair.NONE,
        ("y = 1", "strong"): Fair.STRONG,
        ("y = 2", "weak"): Fair.WEAK,
        ("y = 0", ""): Fair.NONE,
    }
    assert [place.idle for place in system.processes[1].locations] == [False, True, True, False, False]


def test_what_an_option_says_of_itself_outlives_the_events_and_marks_of_its_step() -> None:
    body = """
    while True:
        match choose():
            case "with an event":
                unfair()
                event("happens", 1)
                y = 1
            case "with a location that says otherwise":
                unfair()
                strong()
                y = 2
            case "event first":
                event("happens", 3)
                unfair()
                y = 3
"""
    system = compiled(f"{STATE}{OTHER}\n@thread()\ndef t():{body}")
    fair = {e.text: e.fair for e in system.edges if e.process == 1}
    assert fair == {"y = 1": Fair.NONE, "y = 2": Fair.NONE, "y = 3": Fair.NONE}


def test_windows_follow_calls_and_locations_know_their_functions() -> None:
    system = compiled(
        STATE
        + OTHER
        + """
def inner():
    y = 1

def outer():
    inner()
    with window("late"):
        inner()

@thread()
def t():
    with window("all"):
        outer()
    y = 2
"""
    )
    process = system.processes[1]
    assert [sorted(place.windows) for place in process.locations] == [["all"], ["all", "late"], [], []]
    assert [sorted(place.functions) for place in process.locations] == [
        ["inner", "outer", "t"],
        ["inner", "outer", "t"],
        ["t"],
        ["t"],
    ]
    first = next(e for e in system.edges if e.process == 1)
    assert (first.function, first.stack, first.text) == ("inner", ("t", "outer", "inner"), "y = 1")
    assert process.locations[-1].idle and process.locations[-1].text == "end of t"


def test_the_private_prologue_belongs_to_the_initial_state() -> None:
    system = compiled(f"{STATE}{OTHER}\n@thread()\ndef t():\n    private = 2\n    g = 1\n    y = 1\n    private = 0\n")
    init = {v.name: v.init for v in system.variables}
    assert (init["private"], init["t.pc"], "g" in init) == (2, 0, False)  # g stays 1: a constant
    assert lines(system, "t") == ["t 0->1 1; y:=1; private:=0; store"]


def test_what_nobody_writes_folds_away_and_with_it_what_it_turns_off() -> None:
    text = """
on: bool
deep: bool
x: bool
y: bool
@thread(over=2)
def t(i: Int[0, 1]):
    if on:
        deep = True
    if deep:
        x = True
    if x:
        y = True
    y = False
"""
    system = compiled(text)
    assert names(system) == ["t(0).pc", "t(1).pc"] and not system.edges
    assert "x" in names(compiled(text.replace("on: bool", "on: bool = True")))


def test_a_choice_with_one_option_left_is_none() -> None:
    body = """
    match choose():
        case "one" if False:
            y = 1
        case "two":
            private = 1
    y = 2
"""
    assert steps_of(body) == ["t 0->1 1; y:=2; store"]


def test_a_step_that_starts_at_a_choice_ends_where_a_loop_comes_round() -> None:
    body = """
    while True:
        wait(b)
        match choose():
            case "skip":
                pass
            case "go":
                y = 1
"""
    assert steps_of(body) == [
        "t 0->1 b; load",
        "t 1->0 1; 'skip'; none",
        "t 1->0 1; y:=1; 'go'; store",
    ]


def test_nested_choices_are_one_step_with_both_labels() -> None:
    body = """
    match choose():
        case "send":
            v = choose(0, 1)
            y = v
"""
    assert steps_of(body) == ["t 0->1 1; y:=0; '0'; store", "t 0->1 1; y:=1; '1'; store"]
    body += '        case "stop":\n            pass\n'
    assert [e.split("; ")[-2] for e in steps_of(body)] == ["'stop'", "'send, 0'", "'send, 1'"]


def test_an_index_out_of_range_is_an_error_at_run_time() -> None:
    """A variable of one value gets another: every engine reports it."""
    body = """
    i: Int[-1, 1] = -1
    while b:
        i = 0
    array[i] = True
"""
    system = compiled(
        f"{STATE}{OTHER}array: Array[bool, 2]\n@thread()\ndef t():{body}@invariant('a')\ndef a() -> bool:\n"
        "    return array[0] == array[1]\n"
    )
    assert "t.index" in names(system)
    check = next(x for e in system.edges for v, x in e.assigns if v.name == "t.index")
    assert (check.type.lo, check.type.hi) == (0, 1)


def test_results_and_captured_arguments() -> None:
    text = (
        STATE
        + OTHER
        + """
def twice(n: Int[0, 3], m: Int[0, 3]) -> bool:
    n = 1 if m == 2 else n
    y = n
    return n == 1

@thread()
def t():
    if twice(private, 2) and twice(3, x):
        y = 0
    private = 1
"""
    )
    assert lines(compiled(text), "t") == [
        "t 0->1 1; y:=1; store",
        "t 1->3 1; t/twice#1.n:=(ite (= x 2) 1 3); load",
        "t 3->4 (= t/twice#1.n 1); y:=t/twice#1.n; store",
        "t 3->2 (not (= t/twice#1.n 1)); y:=t/twice#1.n; private:=1; store",
        "t 4->2 1; y:=0; private:=1; store",
    ]


def test_a_value_that_is_held_keeps_its_access_till_it_is_used() -> None:
    """The load of y is made where its value is used, as a step of its own, after those of the condition."""
    assert steps_of("\n    v = y + (1 if b and x == 1 else 0)\n    private = v if v < 3 else 0\n") == [
        "t 0->1 b; load",
        "t 0->2 (not b); t.either:=0; load",
        "t 1->2 1; t.either:=(ite (= x 1) 1 0); load",
        "t 2->3 1; private:=(ite (< (+ y t.either) 3) (+ y t.either) 0); load",
    ]


def test_what_was_read_before_a_call_is_captured_before_it() -> None:
    text = STATE + OTHER + """
def bump() -> Int[0, 3]:
    private = 2
    return 1

@thread()
def t():
    step()
    private = 1
    step()
    v = private + bump()
    y = v
"""
    assert lines(compiled(text), "t") == [
        "t 0->1 1; private:=1; none",
        "t 1->2 1; private:=2; t.v:=(+ private 1); none",
        "t 2->3 1; y:=t.v; store",
    ]


def test_operands_of_a_value_short_circuit_too() -> None:
    """Not one look at both: each is a step, and the second is not made if the first decides."""
    assert steps_of("\n    v = b or s.on\n    y = 1 if v else 0\n") == [
        "t 0->1 (not b); load",
        "t 0->2 b; t.v:=1; load",
        "t 1->2 1; t.v:=s.on; load",
        "t 2->3 1; y:=(ite t.v 1 0); store",
    ]


def test_a_loop_that_only_a_return_leaves() -> None:
    """A cmpxchg loop that retries until it may return: every path that ends returns."""
    text = STATE + OTHER + """
def seen() -> bool:
    while True:
        v = x
        if v == 1:
            return True

@thread()
def t():
    if seen():
        y = 1
"""
    assert [line.rsplit("; ", 1)[1] for line in lines(compiled(text), "t")] == ["load", "load", "store"]


def test_a_step_of_a_loop_for_ever_is_shown_as_that_and_not_as_its_test() -> None:
    """Its location keeps the test, by which certificates know it; the test of another loop says enough."""
    def shown(loop: str, body: str) -> set[tuple[str, str]]:
        s = compiled(f"{STATE}\n@thread()\ndef t():\n    while {loop}:\n        {body}\n\n"
                     "@thread()\ndef u():\n    b = True\n    b = False\n")
        return {(e.text, s.processes[0].locations[e.src].text) for e in s.edges if e.process == 0}

    assert shown("True", "private = 1") == {("while True", "True")}
    assert shown("b", "private = 1") == {("b", "b")}
