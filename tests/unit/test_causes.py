# SPDX-License-Identifier: GPL-2.0-or-later
"""Private variables in reports: told where a later decision turns on them, under the function that they belong to."""

from __future__ import annotations

from lostirq.evidence.replay import confirm, replay
from lostirq.evidence.verdict import Trace
from lostirq.interpret import Interpreter
from lostirq.ir.digest import digest
from lostirq.ir.system import Memory
from lostirq.report.summary import functions
from lostirq.report.tell import About, account
from lostirq.report.text import render
from tests.unit.language import compiled

MODEL = """
posted: bool
quick: bool
rank: Int[0, 3] = 1
idle: bool
looked: Ghost[bool]


@function(kernel="k.c:arm")
def arm():
    quick = True
    rank = 2


@function(kernel="k.c:leave")
def leave():
    seen = posted
    arm()
    looked = True
    step()
    if {decision}:
        idle = True
        step()
    step()


@thread(role="guest")
def guest():
    step()
    leave()


@thread(role="sender")
def sender():
    step()
    if not idle:
        posted = True


@invariant("Q", title="nobody idles on a post")
def q() -> bool:
    return not ({violated})
"""


def report(decision: str = "quick", violated: str = "posted and idle", *, full: bool = False) -> str:
    """The counterexample that the interpreter finds."""
    system = compiled(MODEL.replace("{decision}", decision).replace("{violated}", violated), Memory.SC)
    moves = Interpreter(system).explore().violations["Q"]
    run = replay(system, Trace(system.name, "sc", digest(system), "Q", tuple(moves)))
    return render(run, confirm(run), full=full)


def squeezed(text: str) -> str:
    return " ".join(text.split())


def test_a_private_flag_on_which_the_run_turns_is_told_where_it_is_set_and_where_it_decides() -> None:
    said = report()
    assert "arm(): quick = 1" in said
    assert "quick == 1" in said
    assert said.index("quick = 1") < said.index("quick == 1") < said.index("idle = 1")


def test_a_private_variable_that_decides_nothing_stays_out() -> None:
    said = report("quick and rank > 0")         # it is 1 before the store, and 2 after it
    assert "quick == 1" in said and "rank" not in said
    assert "rank = 2" in report("quick and rank > 0", full=True)
    assert "rank = 2" in report("quick and rank > 1")


def test_a_fact_stands_under_its_own_function_not_under_that_of_the_access() -> None:
    said = squeezed(report("quick and rank > 1"))
    assert "arm(): quick = 1 rank = 2 leave():" in said


def test_a_note_of_the_instrumentation_is_told_if_it_is_told_in_the_end() -> None:
    assert "looked" not in report()
    said = report(violated="idle and looked")
    assert "[looked = 1]" in said and "in the end: idle = 1, looked = 1" in said


MUTE = """
done: bool
stop: bool


@thread(role="setter")
def setter():
    step()
    done = True
    stop = True


@thread(role="looker")
def looker():
    step()
    if not stop:
        with window("inside"):
            step()
            step()


@invariant("Q", title="nobody is inside when it is done")
def q() -> bool:
    return not (done and within("looker", "inside"))
"""


def test_a_column_that_would_say_nothing_says_what_it_looked_at() -> None:
    system = compiled(MUTE, Memory.SC)
    moves = Interpreter(system).explore().violations["Q"]
    run = replay(system, Trace(system.name, "sc", digest(system), "Q", tuple(moves)))
    assert "looker(): LD stop == 0" in render(run, confirm(run))


def test_functions_without_a_fact_are_not_affected_and_those_of_private_code_are() -> None:
    system = compiled(MODEL.replace("{decision}", "quick").replace("{violated}", "posted and idle"), Memory.SC)
    moves = Interpreter(system).explore().violations["Q"]
    run = replay(system, Trace(system.name, "sc", digest(system), "Q", tuple(moves)))
    mirrors = {"arm": "k.c:arm", "leave": "k.c:leave", "sender": "s.c:send", "guest": "g.c:run"}
    told = account(run, confirm(run), About(mirrors=mirrors))
    assert functions(told) == [("arm", "k.c"), ("leave", "k.c"), ("send", "s.c")]
    assert "violated: Q: nobody idles on a post" in told.failure
