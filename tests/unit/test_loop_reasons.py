# SPDX-License-Identifier: GPL-2.0-or-later
"""Why a loop violates a recurrence: conditions that last, suffice, and can be read."""

from __future__ import annotations

import itertools
import random
from pathlib import Path

import pytest

from lostirq.cli import main
from lostirq.ir.expr import BOOL, Expr, Role, Var, and_, ite, not_, or_, var
from lostirq.report.lasting import lasting
from lostirq.report.reasons import Speaker, View, evaluate
from lostirq.report.steps import Teller
from lostirq.report.tell import speaker
from lostirq.workflow.counterexample import find

ROOT = Path(__file__).parents[2]
NAMES = [Var(name, BOOL, 0, Role.MEMORY) for name in "abcd"]
LEAVES = [var(v) for v in NAMES]


def formula(draw: random.Random, depth: int) -> Expr:
    if depth == 0:
        return draw.choice(LEAVES)
    a, b, c = (formula(draw, depth - 1) for _ in range(3))
    return draw.choice([and_(a, b), or_(a, b), not_(a), ite(a, b, c)])


def view(state: tuple[int, ...]) -> View:
    return View(lambda v: state[NAMES.index(v)], lambda v: state[NAMES.index(v)])


@pytest.mark.parametrize("seed", range(200))
def test_what_lasts_suffices_and_lasts(seed: int) -> None:
    """Every state with these conditions gives the formula this value; none is told that differs within the loop."""
    draw = random.Random(seed)
    root = formula(draw, 3)
    states = [tuple(draw.randint(0, 1) for _ in NAMES) for _ in range(draw.randint(1, 3))]
    values = [evaluate(root, view(s)) for s in states]
    told = lasting(root, values)
    if told is None:
        assert any(len({v[n] for v in values}) > 1 for n in values[0])
        return
    assert all(v[n] == truth for v in values for n, truth in told)
    every = [evaluate(and_(root, *(n for n, _ in told)), view(s)) | evaluate(root, view(s))
             for s in itertools.product((0, 1), repeat=len(NAMES))]
    assert {v[root] for v in every if all(v.get(n) == truth for n, truth in told)} == {values[0][root]}


def test_it_is_none_only_where_conditions_change() -> None:
    a, b, c, _ = LEAVES
    states = [(1, 0, 1, 0), (1, 1, 0, 0)]
    values = [evaluate(root, view(s)) for root in (and_(a, or_(b, c)),) for s in states]
    assert lasting(and_(a, or_(b, c)), values) is None
    values = [evaluate(or_(a, and_(b, c)), view(s)) for s in states]
    assert lasting(or_(a, and_(b, c)), values) == [(a, 1)]


@pytest.mark.parametrize(("bug", "said"), [
    ("tpr-threshold-livelock", ["vCPU 0 is never in guest_instruction()", "vCPU 0 is never in asleep() (at rest)"]),
    ("wakeup-lock-with-interrupts-on", ["vCPU 0 is never in asleep() (at rest)"]),
    ("irq-window-requested-under-vid", ["guest.interrupt_flag"]),
])
def test_why_of_a_loop(bug: str, said: list[str], capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert main(["explain", bug, "--why", "--workspace", str(ROOT), "--cache-dir", str(tmp_path)]) == 0
    out = capsys.readouterr()[0]
    assert "asks for it holds in the loop:" in out.replace("\n", " ") and out.endswith("never happens there\n")
    assert "  - in every state of the loop:\n" in out and "as at first" not in out
    assert all(f"  - {x}\n" in out for x in said) and " at model/" not in out and " if " not in out
    assert max(map(len, out.splitlines())) <= 75


@pytest.mark.parametrize("bug", ["tpr-threshold-livelock", "entry-fence-removed", "planted-lv2-kick-without-ipi"])
def test_the_affected_functions_are_those_of_the_table(bug: str, tmp_path: Path) -> None:
    """What a heading of the table mirrors, where it mirrors something, is what the mail names for it."""
    told = [s for step in find(ROOT, bug, tmp_path).account.steps for s in step.said if s.kernel and not s.minor]
    named = {s.function: s.kernel.partition(":")[2] for s in told}
    assert sum(name == mirrored for name, mirrored in named.items()) > len(named) // 2
    assert len({(s.function, s.kernel) for s in told}) == len(named)


def test_a_loop_that_asks_now_and_then_says_so(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    words = ["explain", "planted-g3-wakes-itself", "--why", "--workspace", str(ROOT), "--cache-dir", str(tmp_path)]
    assert main(words) == 0
    out = capsys.readouterr()[0]
    assert "  - in one state of every round:\n" in out and "every state" not in out


def test_a_function_is_named_alone_only_where_all_of_it_is_meant(tmp_path: Path) -> None:
    ce = find(ROOT, "tpr-threshold-livelock", tmp_path)
    said_by: Speaker = speaker(Teller(ce.run, ce.prop))
    for process in ce.run.system.processes:
        for name in {at.function for at in process.locations}:
            here = [k for k, at in enumerate(process.locations) if at.function == name]
            assert said_by._functions(process, here) == [f"in {name}()"]
            if len(here) > 1:
                [said] = said_by._functions(process, here[:-1])
                assert said != f"in {name}()" and (" at " in said or "that part of" in said)
