# SPDX-License-Identifier: GPL-2.0-or-later
"""`lostirq explain --why | --disabled | --show`: answers on every state, errors like those of a compiler."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from cli_toys import run, toy

from lostirq.cli import main
from lostirq.evidence.trace_file import read
from lostirq.interpret import Interpreter
from lostirq.ir.expr import Expr, Op, and_, empty
from lostirq.ir.system import Memory
from lostirq.language import compile_scenario
from lostirq.language.properties import at_rest
from lostirq.report.reasons import View, deciding, evaluate
from lostirq.report.resting import Rest
from lostirq.workflow.counterexample import Counterexample, find
from lostirq.workflow.inspect import disabled, show
from lostirq.workflow.workspace import load

ROOT = Path(__file__).parents[2]
BROKEN = {"model/toy.py": ("    smp_mb()\n    if desc.pending", "    if desc.pending")}
Capture = pytest.CaptureFixture[str]


@pytest.fixture(scope="module")
def checked(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = toy(tmp_path_factory.mktemp("questions") / "w", BROKEN)
    assert run(folder, "check") == 1
    return folder


@pytest.fixture(scope="module")
def example(checked: Path) -> Counterexample:
    return find(checked, "last", checked / "cache")


def test_why(checked: Path, capsys: Capture) -> None:
    assert run(checked, "explain", "last", "--why") == 0
    out = capsys.readouterr()[0]
    assert out.startswith("T-1: no post is missed is false, because\n")
    for said in ("desc.pending", "not desc.seen", "not desc.ipi", "target is in"):
        assert f"  - {said}" in out
    assert max(map(len, out.splitlines())) <= 75
    assert out.splitlines()[-1] == "  - nobody moves: store buffers empty" and "store buffer of CPU" not in out
    assert out.index("desc.pending") < out.index("target is in")


def test_what_is_lost_comes_first_and_that_nobody_moves_is_one_line(capsys: Capture, tmp_path: Path) -> None:
    words = ["explain", "entry-fence-removed", "--why", "--workspace", str(ROOT), "--cache-dir", str(tmp_path)]
    assert main(words) == 0
    lines = capsys.readouterr()[0].splitlines()
    assert lines[1].startswith("  - pi_desc.pir != {} (")
    assert lines[-1] == "  - nobody else moves: no message in flight, store buffers empty"
    assert sum("store buffer" in line or "posted_intr" in line for line in lines) == 1


def rest_of(ce: Counterexample, formula: Expr, state: int = -1) -> Rest:
    values, buffers = ce.run.states[state]
    index = {v: i for i, v in enumerate(ce.run.system.variables)}
    found = evaluate(formula, View(lambda v: values[index[v]], lambda v: values[index[v]],
                                   empty=lambda cpu: not buffers[cpu]))
    return Rest(ce.run.system, deciding(formula, found), found)


def test_nobody_moves_only_if_the_conditions_say_so_of_all(example: Counterexample) -> None:
    """The conditions of the formula one by one: with any of those of rest left out, it is told in parts."""
    target, sender = example.run.system.processes[:2]
    parts = [at_rest(target), at_rest(sender), *(empty(c) for c in range(example.run.system.cpus))]
    assert rest_of(example, and_(*parts)).line() == "nobody moves: store buffers empty"
    assert rest_of(example, and_(*parts[1:])).line() == "nobody else moves: store buffers empty"
    assert rest_of(example, and_(*parts)).nobody() and rest_of(example, and_(*parts[1:])).nobody()
    for left in range(2, len(parts)):
        rest = rest_of(example, and_(*parts[:left], *parts[left + 1:]))
        assert not rest.nobody() and not rest.said() and any(n.op is Op.EMPTY for n, _ in rest.others)
    assert not rest_of(example, and_(*parts[2:])).nobody()


def test_the_reasons_suffice(example: Counterexample) -> None:
    """Any state of the run in which the conditions are as told violates the property too."""
    assert example.prop is not None
    index = {v: i for i, v in enumerate(example.run.system.variables)}

    def view(number: int) -> View:
        values, buffers = example.run.states[number]
        return View(lambda v: values[index[v]], lambda v: values[index[v]], empty=lambda cpu: not buffers[cpu])

    formula = example.prop.formula
    last = evaluate(formula, view(len(example.run.steps)))
    assert last[formula] == 0
    told = deciding(formula, last)
    assert told
    for number in range(len(example.run.states)):
        seen = evaluate(formula, view(number))
        if all(evaluate(node, view(number))[node] == truth for node, truth in told):
            assert seen[formula] == 0, number


def test_disabled_agrees_with_the_interpreter(example: Counterexample) -> None:
    interpreter = Interpreter(example.run.system)
    blocked = 0
    for at, state in enumerate(example.run.states):
        edges = [interpreter.system.edges[m] for m in interpreter.moves(state) if m < len(interpreter.system.edges)]
        moving = {interpreter.system.processes[e.process].name for e in edges}
        assert {b.agent for b in disabled(example, at) if not b.why} == moving, at
        assert {b.agent for b in disabled(example, at)} == {p.name for p in interpreter.system.processes}
        blocked += sum(bool(b.why) for b in disabled(example, at))
    assert blocked > 3


def test_a_full_buffer_is_a_reason(tmp_path: Path, capsys: Capture) -> None:
    """A fence waits while a store of its CPU is in the buffer; a load between the two makes that observable."""
    folder = toy(tmp_path / "w", {
        "model/toy.py": ("    smp_mb()\n    if desc.pending",
                         "    if desc.ipi:\n        desc.seen = True\n    smp_mb()\n    if desc.pending"),
        "properties/toy.py": ("return not desc.pending or desc.seen or desc.ipi", "return not desc.pending")})
    assert run(folder, "check", "--memory", "tso") == 1
    ce = find(folder, "last", folder / "cache")
    said = [(r.text, r.values) for at in range(len(ce.run.states)) for b in disabled(ce, at) for r in b.why]
    assert any("store buffer of CPU" in text and "is not empty" in text and values for text, values in said)


def test_disabled_text(checked: Path, capsys: Capture) -> None:
    assert run(checked, "explain", "last", "--disabled", "--at", "0") == 0
    out = capsys.readouterr()[0]
    assert out.startswith("state 0:\n") and "  can:    enter() at model/toy.py:28" in out
    assert run(checked, "explain", "last", "--disabled", "sender") == 0
    out = capsys.readouterr()[0]
    assert "target" not in out and "it has no further step" in out
    assert max(map(len, out.splitlines())) <= 75


def test_show(checked: Path, capsys: Capture) -> None:
    asked = 'desc.mode, desc.pending and not desc.seen, quiet("target"), desc'
    assert run(checked, "explain", "last", "--show", asked) == 0
    out = capsys.readouterr()[0]
    assert "   0  initial state" in out
    assert "      desc.mode = OUTSIDE" in out and "      desc.mode = INSIDE" in out
    assert "      desc.pending and not desc.seen = 1" in out
    assert "desc: pending = 0, mode = OUTSIDE, ipi = 0, seen = 0" in out


def test_a_structure_is_shown_without_what_is_no_part_of_the_state(tmp_path: Path, capsys: Capture) -> None:
    more = "    seen: bool\n    unused: bool\n\n\nclass Idle(Struct):\n    a: bool\n    b: bool\n\n\nidle: Idle\n"
    folder = toy(tmp_path / "w", {"model/toy.py": ("    seen: bool\n", more)})
    model = folder / "model" / "toy.py"
    written = "desc.ipi = True\n        desc.unused = True\n        idle.a = True\n        idle.b = True\n"
    text = model.read_text().replace(*BROKEN["model/toy.py"]).replace("desc.ipi = True\n", written)
    model.write_text(text)
    assert run(folder, "check") == 1
    assert run(folder, "explain", "last", "--show", "desc") == 0
    assert "desc: pending = 0, mode = OUTSIDE, ipi = 0, seen = 0\n" in capsys.readouterr()[0]
    for named, said in (("desc.unused", "'desc.unused' is no part of the state"), ("idle", "property depends on a, b")):
        assert run(folder, "explain", "last", "--show", named) == 2
        assert said in capsys.readouterr()[1]


def test_show_is_what_the_interpreter_has(example: Counterexample) -> None:
    asked, rows = show(example, "desc.pending, SENDERS + 1, desc.mode == Mode.INSIDE")
    assert [a.text for a in asked] == ["desc.pending", "SENDERS + 1", "desc.mode == Mode.INSIDE"]
    index = {v.name: i for i, v in enumerate(example.run.system.variables)}
    for row, (values, _) in zip(rows, example.run.states, strict=True):
        pending, mode = values[index["desc.pending"]], values[index["desc.mode"]]
        assert row.values == (str(pending), "2", str(int(mode == 1)))


@pytest.mark.parametrize(("text", "code", "place"), [
    ("desc.pendin", "LI011", "--show:1:1"),
    ("desc.mode, desk", "LI005", "--show:1:12"),
    ("1 +", "LI001", "--show:1"),
    ("x = 1", "LI006", "--show:1:1"),
    ("__import__('os').system('id')", "LI0", "--show:1:1"),
    ("(lambda: 1)()", "LI0", "--show:1:1"),
    ("old(desc.mode)", "LI034", "--show:1:1"),
    ('occurs("accept")', "LI034", "--show:1"),
    ("enter()", "LI024", "--show:1:1"),
    ("desc.mode + desc.pending", "LI010", "--show:1:1"),
    ("[" * 200, "LI0", "--show:1"),
])
def test_errors_of_expressions_are_those_of_a_compiler(checked: Path, capsys: Capture, text: str, code: str,
                                                       place: str) -> None:
    assert run(checked, "explain", "last", "--show", text) == 2
    out, err = capsys.readouterr()
    assert out == "" and f"error {code}" in err and err.startswith(place), err
    assert "Traceback" not in err


@pytest.mark.parametrize(("words", "said"), [
    (("last", "--show", ""), "give expressions"),
    (("last", "--show", "1," * 4000), "give expressions"),
    (("last", "--disabled", "--at", "99"), "the run has the states 0 to"),
    (("last", "--disabled", "sendr"), "did you mean sender"),
    (("last", "--at", "1"), "--at needs --disabled"),
    (("last", "--disabled", "--at", "-1"), ""),
    (("one", "--why"), "'one' is a scenario; this needs a counterexample"),
        (("T-1", "--why"), "'T-1' is a property; this needs a counterexample"),
        (("lasst", "--why"), "nothing is called 'lasst'"),
])
def test_usage_errors(checked: Path, capsys: Capture, words: tuple[str, ...], said: str) -> None:
    assert run(checked, "explain", *words) == 2
    out, err = capsys.readouterr()
    assert out == "" and said in err and len(err.splitlines()) == 1


def test_json(checked: Path, capsys: Capture) -> None:
    assert run(checked, "explain", "last", "--why", "--disabled", "--show", "desc.pending", "--json") == 0
    found = json.loads(capsys.readouterr()[0])
    assert found["kind"] == "trace" and found["why"] and found["expressions"] == ["desc.pending"]
    steps = len(read(checked / "cache" / "last.json").trace.moves)
    assert found["state"] == steps and len(found["states"]) == steps + 1
    assert {s["agent"] for s in found["steps"]} == {"target", "sender(0)"}


def test_what_nothing_reads_has_no_value(tmp_path: Path, capsys: Capture) -> None:
    """A field that is written and never read is no part of the state, and says so."""
    folder = toy(tmp_path / "w", {"model/toy.py": ("    seen: bool\n", "    seen: bool\n    unread: bool\n")})
    model = folder / "model" / "toy.py"
    model.write_text(model.read_text().replace("    smp_mb()\n    if desc.pending", "    desc.unread = True\n"
                                               "    if desc.pending"))
    assert run(folder, "check") == 1
    capsys.readouterr()
    system = compile_scenario(load(folder), "one", Memory.TSO)
    assert "desc.unread" not in [v.name for v in system.variables]
    assert run(folder, "explain", "last", "--show", "desc.unread") == 2
    assert "is no part of the state of this scenario" in capsys.readouterr()[1]
