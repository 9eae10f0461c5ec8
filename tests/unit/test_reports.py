# SPDX-License-Identifier: GPL-2.0-or-later
"""`lostirq report`: every format is read back by somebody else, and bad input is one line and exit code 2."""

from __future__ import annotations

import email
import json
import os
import re
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import itf_py
import pytest
from cli_toys import run, toy
from litmus_machine import outcomes, parse, possible
from test_account import LOST, account, confirm, run_of

from lostirq.errors import UsageError
from lostirq.evidence.account import Account, Change, Variable
from lostirq.evidence.replay import replay
from lostirq.evidence.trace_file import StoredTrace, read, render, write
from lostirq.evidence.verdict import Trace
from lostirq.ir.digest import digest
from lostirq.ir.system import Form, Memory
from lostirq.report.formats import FORMATS, rendering
from lostirq.report.github import escaped, github
from lostirq.report.itf import itf
from lostirq.report.litmus import litmus
from lostirq.report.mail import mail
from lostirq.report.mermaid import MOST, mermaid
from lostirq.report.perfetto import perfetto
from lostirq.report.selftest import selftest
from lostirq.report.text import WIDTH, text

ROOT = Path(__file__).parents[2]
BROKEN = {"model/toy.py": ("    smp_mb()\n    if desc.pending", "    if desc.pending")}
Capture = pytest.CaptureFixture[str]


def told() -> Account:
    found = run_of()
    return account(found, confirm(found))


def lasso() -> Account:
    """The sender starts over for ever; the property and its violation are put in by hand."""
    system = __import__("report_toys").posting(fence=True, memory=Memory.SC)
    back = replace(system.edges[9], dst=0)
    system = replace(system, edges=(*system.edges[:9], back))
    moves = (6, 7, 9, 6, 7, 9)
    prop = next(p for p in system.properties if p.form is Form.RECURRENCE)
    found = replay(system, Trace(system.name, "sc", digest(system), prop.key, moves, 3, False))
    return account(found, prop)


def renamed(made: Account) -> Account:
    """One more variable with names, from 2 on, that changes in the first step, twice more, and in the last."""
    values = {0: 3, 2: 4, 3: 2, len(made.steps) - 1: 3}
    v = Variable("x.stage", "x.stage", "int", "memory", 2, 2, 4, names=("TWO", "THREE", "FOUR"))
    at, before, steps = len(made.variables), v.initial, list(made.steps)
    for number, after in values.items():
        steps[number] = replace(steps[number], changes=(*steps[number].changes, Change(at, before, after)))
        before = after
    return replace(made, variables=(*made.variables, v), steps=tuple(steps))


def swollen(made: Account) -> Account:
    """Every text of the model is as nasty as can be."""
    nasty = "*/ (* *) ``` <b>&amp; # ; %% @someone :,\n|end\u2028"
    steps = tuple(replace(s, text=nasty, function=f"{s.function}", choice=nasty,
                          said=tuple(replace(x, facts=tuple(replace(f, text=nasty) for f in x.facts)) for x in s.said))
                  for s in made.steps)
    claim = replace(made.claim, title=nasty, statement=nasty, headline=nasty, source=nasty)
    return replace(made, steps=steps, claim=claim, failure=nasty)


# -- text for people ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("made", [told(), lasso()], ids=["run", "lasso"])
@pytest.mark.parametrize("form", [text, mail])
def test_nothing_is_wider_than_a_mail(form: object, made: Account) -> None:
    assert callable(form)
    assert [line for line in form(made).splitlines() if len(line) > WIDTH] == []


def test_mail_is_a_mail_and_invents_no_address() -> None:
    made = told()
    steps = tuple(replace(s, kernel="arch/toy.c:post") for s in made.steps)
    made = replace(made, steps=steps, configuration=replace(made.configuration, subject="TOY", kernel="9.9"))
    message = email.message_from_string(mail(made))
    assert message["Subject"] == "[BUG] TOY: violated: a vector stays in PIR: never delivered"
    assert "-f arch/toy.c" in " ".join(message["X-Maintainers"].split())
    body = message.get_payload()
    assert isinstance(body, str)
    assert "@" not in mail(made)
    for needed in ("kernel 9.9", "posting", "TSO", "What is accepted is delivered.", "post()", "arch/toy.c",
                   "lostirq check --scenario posting --property Q-2 --memory tso", "Fixes: <12 digits",
                   "*** violated: Q-2[0,2]: a vector stays in PIR: never delivered ***", "digest"):
        assert needed in body, needed


def test_a_long_subject_is_folded_and_comes_back_whole() -> None:
    made = told()
    title = "a title that is so long that no subject of a mail should ever be as long as this one is"
    out = mail(replace(made, claim=replace(made.claim, title=title, headline=title)))
    assert max(map(len, out.splitlines()[:3])) <= WIDTH
    assert " ".join(email.message_from_string(out)["Subject"].split()) == f"[BUG] violated: {title}"


def test_mail_says_if_the_bug_was_planted() -> None:
    made = told()
    assert "on purpose" not in mail(made)
    planted = replace(made, configuration=replace(made.configuration, bug="no-fence"))
    assert "on purpose: it carries the known bug 'no-fence'" in " ".join(mail(planted).split())
    assert "lostirq bugs no-fence" in mail(planted)


def test_github_markdown_keeps_its_fences() -> None:
    made = swollen(told())
    out = github(made)
    fences = re.findall(r"^(`{3,})(\w*)$", out, re.MULTILINE)
    assert len(fences) == 6 and [len(a) for a, _ in fences] == [4, 4, 3, 3, 4, 4]
    bare = re.sub(r"^(`{3,})\w*\n.*?^\1$", "", out, flags=re.DOTALL | re.MULTILINE)
    bare = re.sub(r"`[^`\n]*`", "", bare)
    assert "@someone" not in bare and "<b>" not in bare
    assert re.findall(r"(?<!\\)<[^>]*>", bare) == ["<details>", "<summary>", "</summary>", "</details>"]


def test_escaping_of_markdown() -> None:
    assert escaped("a_b <c> #1 | x\ny") == "a\\_b \\<c\\> \\#1 \\| x y"


# -- diagrams and interchange -----------------------------------------------------------------------------------------


def test_itf_is_read_back() -> None:
    made = told()
    trace = itf_py.trace_from_json(json.loads(itf(made)))
    assert trace.loop is None and len(trace.states) == len(LOST) + 1
    assert trace.vars[1:] == [v.name for v in made.variables]
    for values, state in zip(made.states(), trace.states, strict=True):
        for v, value in zip(made.variables, values, strict=True):
            seen = state.values[v.name]
            if v.kind == "bits":
                assert seen == frozenset(v.base + i for i in range(v.width) if value >> i & 1)
            elif v.names:
                assert seen == v.names[value - v.low]
            else:
                assert int(seen) == value
    assert trace.states[-1].values["mbt::actionTaken"].startswith("vCPU 0: vm_entry")


def test_itf_of_a_lasso_loops() -> None:
    trace = itf_py.trace_from_json(json.loads(itf(lasso())))
    assert trace.loop == 3
    without = {k: v for k, v in trace.states[3].values.items() if not k.startswith("mbt::")}
    assert without == {k: v for k, v in trace.states[-1].values.items() if not k.startswith("mbt::")}


def test_mermaid_has_one_line_per_message() -> None:
    for made in (told(), lasso(), swollen(told())):
        lines = mermaid(made).splitlines()
        assert lines[0] == "sequenceDiagram"
        shape = re.compile(r"\s+(%% .*|participant A\d+ as .*|A\d+-->>A\d+: .*|Note over A\d+(,A\d+)?: .*|loop .*|end)")
        assert [x for x in lines[1:] if not shape.fullmatch(x)] == []
        for line in lines[3:]:
            assert not re.search(r"[<>;](?<!#\d\d;)", line.replace("-->>", "")), line
    assert sum("loop for ever" in x for x in mermaid(lasso()).splitlines()) == 1


def test_mermaid_folds_what_is_too_long() -> None:
    made = told()
    long = replace(made, steps=made.steps * 30)
    assert len(mermaid(long).splitlines()) < MOST + 12
    assert "... steps" in mermaid(long)


def test_mermaid_draws_an_arrow_from_the_write_to_its_read() -> None:
    system = __import__("report_toys").posting(fence=True, memory=Memory.SC)
    moves = (6, 7, 0, 1, 2)         # the post, then the entry that sees ON
    found = replay(system, Trace(system.name, "sc", digest(system), "Q-2[0,2]", moves))
    assert "A0-->>A1: vmx_sync_pir_to_irr(): LD control.on == 1" in mermaid(account(found, None))


def test_perfetto_events_are_well_formed() -> None:
    for made in (told(), lasso()):
        data = json.loads(perfetto(made))
        events = data["traceEvents"]
        assert {e["ph"] for e in events} <= {"M", "X", "i", "s", "f", "C"}
        slices = [e for e in events if e["ph"] == "X" and e["cat"] != "value"]
        assert [s["ts"] for s in slices] == [1000 * n for n in range(len(made.steps))]
        assert all(s["dur"] == 1000 for s in slices)
        agents = next(e["pid"] for e in events if e["name"] == "process_name" and e["args"]["name"] == "agents")
        assert all(s["pid"] == agents for s in slices)
        threads = {e["tid"]: e["args"]["name"] for e in events if e["name"] == "thread_name" and e["pid"] == agents}
        assert [threads[s["tid"]] for s in slices] == [s.column for s in made.steps]
        starts = {e["id"]: e["ts"] for e in events if e["ph"] == "s"}
        ends = {e["id"]: e["ts"] for e in events if e["ph"] == "f"}
        assert starts.keys() == ends.keys() and all(starts[i] < ends[i] for i in starts)


@pytest.mark.parametrize("made", [told(), lasso(), renamed(told())], ids=["run", "lasso", "back-and-forth"])
def test_perfetto_shows_each_value_that_has_a_name_while_it_stands(made: Account) -> None:
    """At each step the slice of its thread is the value behind that step; what has no names is a counter."""
    events = json.loads(perfetto(made))["traceEvents"]
    memory = next(e["pid"] for e in events if e["name"] == "process_name" and e["args"]["name"] == "shared memory")
    threads = {e["tid"]: e["args"]["name"] for e in events if e["name"] == "thread_name" and e["pid"] == memory}
    slices = [e for e in events if e["ph"] == "X" and e["pid"] == memory]
    changed = {c.variable for s in made.steps for c in s.changes}
    shared = [n for n in changed if made.variables[n].role == "memory"]
    named = {made.variables[n].short: n for n in shared if made.variables[n].names}
    assert sorted(threads.values()) == sorted(named)
    assert {e["name"] for e in events if e["ph"] == "C"} == {made.variables[n].short for n in shared
                                                           if not made.variables[n].names}
    for tid, short in threads.items():
        v = made.variables[named[short]]
        for number, state in enumerate(made.states()[1:]):
            [now] = [s for s in slices if s["tid"] == tid and s["ts"] <= number * 1000 < s["ts"] + s["dur"]]
            assert now["name"] == v.names[state[named[short]] - v.low]
            assert now["args"]["value"] == state[named[short]]


# -- litmus -----------------------------------------------------------------------------------------------------------


def test_litmus_of_a_race_needs_store_buffers() -> None:
    test = parse(litmus(told()))
    assert len(test.threads) == 2
    assert possible(test, buffers=True) and not possible(test, buffers=False)


def test_litmus_with_the_fence_is_impossible() -> None:
    made = litmus(told())
    line = next(x for x in made.splitlines() if "vcpus_0_mode, 1" in x or "*vcpus_0_mode, 1" in x)
    fenced = parse(made.replace(line, f"{line}\n\tsmp_mb();"))
    assert not possible(fenced, buffers=True)


def test_machine_knows_store_buffering() -> None:
    text_ = """C SB
{
}
P0(int *x, int *y)
{
	int r0;
	WRITE_ONCE(*x, 1);
	r0 = READ_ONCE(*y);
}
P1(int *x, int *y)
{
	int r0;
	WRITE_ONCE(*y, 1);
	r0 = READ_ONCE(*x);
}
exists (0:r0=0 /\\ 1:r0=0)
"""
    assert possible(parse(text_), buffers=True) and not possible(parse(text_), buffers=False)
    assert len(outcomes(parse(text_), buffers=True)) == 4


def test_litmus_says_no() -> None:
    made = told()
    with pytest.raises(UsageError, match="goes on for ever"):
        litmus(lasso())
    hardware = replace(made, agents=tuple(replace(a, sort="hardware") for a in made.agents))
    with pytest.raises(UsageError, match="is hardware"):
        litmus(hardware)
    handler = replace(made, agents=tuple(replace(a, sort="handler") for a in made.agents))
    with pytest.raises(UsageError, match="interrupt handler"):
        litmus(handler)
    alone = replace(made, steps=tuple(replace(s, column="one") for s in made.steps))
    with pytest.raises(UsageError, match="no word of memory"):
        litmus(alone)
    with pytest.raises(UsageError, match="is no longer a litmus test"):
        litmus(replace(made, steps=made.steps[:-1] * 9))


# -- skeleton ---------------------------------------------------------------------------------------------------------

TEMPLATE = (ROOT / "model" / "selftest.c.in").read_text()


def kernel_tree() -> Path | None:
    named = os.environ.get("LOSTIRQ_KERNEL_TREE")
    places = [Path(named)] if named else [Path("/usr/src/linux"), Path("/lib/modules") / os.uname().release / "source"]
    return next((p for p in places if (p / "tools/testing/selftests/kvm/include/kvm_util.h").is_file()), None)


@pytest.mark.parametrize("made", [told(), lasso(), swollen(told())], ids=["run", "lasso", "nasty"])
def test_skeleton_is_filled_in(made: Account) -> None:
    out = selftest(made, TEMPLATE, "vCPU")
    assert not re.search(r"@\w+@", out)
    assert "SKELETON" in out and "does not force the interleaving" in out
    code = re.sub(r"/\*.*?\*/", "", out, flags=re.DOTALL)
    assert "*/" not in code and "/*" not in code and code.count("{") == code.count("}")
    assert "static void agent_sender(struct kvm_vm *vm)" in code


def test_skeleton_compiles_against_a_kernel_tree(tmp_path: Path, capsys: Capture) -> None:
    tree, compiler = kernel_tree(), shutil.which("cc")
    if tree is None or compiler is None:
        pytest.skip("no kernel tree with selftests (name one in LOSTIRQ_KERNEL_TREE), or no C compiler")
    folder = toy(tmp_path / "w", BROKEN)
    for name in ("report.toml", "selftest.c.in"):
        shutil.copy(ROOT / "model" / name, folder / "model" / name)
    run(folder, "check")
    capsys.readouterr()
    assert run(folder, "report", "last", "--format", "selftest", "--kernel", str(tree)) == 0, capsys.readouterr()
    broken = (folder / "model" / "selftest.c.in").read_text().replace("vcpu_run(vcpu)", "vcpu_ruin(vcpu, 1, 2")
    (folder / "model" / "selftest.c.in").write_text(broken)
    assert run(folder, "report", "last", "--format", "selftest", "--kernel", str(tree)) == 2
    assert "does not compile" in capsys.readouterr()[1]


def test_unknown_field_of_a_skeleton() -> None:
    with pytest.raises(UsageError, match="unknown field @nothing@"):
        selftest(told(), "@claim@ @nothing@", "vCPU")


# -- the command ------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def checked(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A workspace with a counterexample."""
    folder = toy(tmp_path_factory.mktemp("report") / "w", BROKEN)
    shutil.copy(ROOT / "model" / "report.toml", folder / "model" / "report.toml")
    (folder / "model" / "selftest.c.in").write_text("/* @claim@ */\n@each@\nvoid @name@(void)\n{\n@steps@\n}\n@end@\n")
    assert run(folder, "check") == 1
    return folder


@pytest.mark.parametrize("form", [f for f in FORMATS if f != "html"])
def test_every_format_is_reachable(checked: Path, capsys: Capture, form: str) -> None:
    assert run(checked, "report", "last", "--format", form) == 0
    first = capsys.readouterr()[0]
    assert run(checked, "report", "last", "--format", form, "--json") == 0
    assert json.loads(capsys.readouterr()[0])["text"] == first
    assert run(checked, "report", "last", "--format", form, "-o", str(checked / "out")) == 0
    assert (checked / "out").read_text() == first and first.endswith("\n")


@pytest.mark.parametrize("form", [f for f in FORMATS if f not in ("html", "json", "selftest")])
def test_a_rendering_reads_the_account_alone(checked: Path, capsys: Capture, form: str) -> None:
    assert run(checked, "report", "last", "--format", form) == 0
    found = read(checked / "cache" / "last.json").account
    assert found is not None and rendering(form)(found) == capsys.readouterr()[0]


def test_json_is_the_trace_file(checked: Path, capsys: Capture) -> None:
    assert run(checked, "report", "last", "--format", "json") == 0
    assert capsys.readouterr()[0] == (checked / "cache" / "last.json").read_text()


def test_known_bug_by_its_name(checked: Path, capsys: Capture, tmp_path: Path) -> None:
    folder = toy(tmp_path / "w")
    assert run(folder, "bugs", "--record", "no-fence") == 0
    capsys.readouterr()
    assert run(folder, "report", "no-fence", "--format", "lkml") == 0
    assert "known bug 'no-fence'" in " ".join(capsys.readouterr()[0].split())
    assert run(folder, "report", "more-fences") == 2
    assert "it must hold" in capsys.readouterr()[1]


def bad_files(folder: Path) -> dict[str, tuple[str, str]]:
    good = (folder / "cache" / "last.json").read_text()
    data = json.loads(good)
    changed = {**data, "digest": "0" * 64}
    del changed["account"]
    return {
        "truncated": (good[: len(good) // 2], "is truncated"),
        "empty": ("", "is empty"),
        "not-json": ("this is a mail\n", "not JSON"),
        "newer": (json.dumps({**data, "version": 3}), "use a newer lostirq"),
        "other-model": (json.dumps(changed), "belongs to another model"),
        "other-tool": (json.dumps({"format": "x"}), "not a trace of this tool"),
        "other-scenario": (json.dumps({**changed, "scenario": "on"}), "no scenario 'on' here (did you mean one"),
        "other-memory": (json.dumps({**changed, "memory": "arm"}), "unknown memory model"),
        "other-moves": (json.dumps({**data, "moves": data["moves"][:-1] + [10**30]}), "damaged"),
        "not-enabled": (json.dumps({k: v for k, v in data.items() if k != "account"} | {
            "moves": data["moves"][::-1]}), "damaged"),
        "no-violation": (json.dumps({k: v for k, v in data.items() if k != "account"} | {
            "moves": data["moves"][:-1], "length": len(data["moves"]) - 1}), "does not violate"),
        "bad-account": (json.dumps({**data, "account": {**data["account"], "steps": []}}), "damaged"),
    }


@pytest.mark.parametrize("kind", ["truncated", "empty", "not-json", "newer", "other-model", "other-tool",
                                  "other-scenario", "other-memory", "other-moves", "not-enabled", "no-violation",
                                  "bad-account"])
@pytest.mark.parametrize("command", ["report", "explain"])
def test_bad_input_is_one_line_and_exit_2(checked: Path, capsys: Capture, command: str, kind: str) -> None:
    content, said = bad_files(checked)[kind]
    path = checked / f"{kind}.json"
    path.write_text(content)
    assert run(checked, command, str(path)) == 2
    out, err = capsys.readouterr()
    assert out == "" and said in err and len(err.splitlines()) == 1, err


@pytest.mark.parametrize(("words", "said"), [
    (("last", "--format", "pdf"), "unknown format 'pdf'"),
    (("nothing",), "nothing is called 'nothing'"),
    (("no-fense",), "did you mean no-fence"),
    (("absent.json",), "No such file"),
    (("last", "--kernel", "."), "--kernel is for --format selftest"),
    (("last", "--format", "selftest", "--kernel", "."), "has no tools/testing/selftests/kvm"),
])
def test_usage_errors(checked: Path, capsys: Capture, words: tuple[str, ...], said: str) -> None:
    assert run(checked, "report", *words) == 2
    out, err = capsys.readouterr()
    assert out == "" and said in err and len(err.splitlines()) == 1


def test_as_recorded_needs_no_model(checked: Path, capsys: Capture, tmp_path: Path) -> None:
    stored = read(checked / "cache" / "last.json")
    assert stored.account is not None
    foreign = replace(stored, trace=replace(stored.trace, digest="1" * 64), account=replace(
        stored.account, configuration=replace(stored.account.configuration, digest="1" * 64)))
    write(tmp_path / "t.json", foreign)
    assert run(checked, "report", str(tmp_path / "t.json")) == 2
    assert "another model" in capsys.readouterr()[1]
    assert run(checked, "report", str(tmp_path / "t.json"), "--as-recorded") == 0
    assert "*** violated: T-1: no post is missed ***" in capsys.readouterr()[0]
    assert run(checked, "report", "last", "--as-recorded") == 0
    assert "*** violated: T-1: no post is missed ***" in capsys.readouterr()[0]
    for words, replayed in ((("--as-recorded",), False), ((), True)):
        for form in ("lkml", "github", "html"):
            assert run(checked, "report", "last", "--format", form, *words) == 0
            assert ("was replayed by an interpreter" in " ".join(capsys.readouterr()[0].split())) is replayed
    (tmp_path / "bare.json").write_text(render(StoredTrace(stored.trace)))
    assert run(checked, "report", str(tmp_path / "bare.json"), "--as-recorded") == 2
    assert "no account" in capsys.readouterr()[1]


def test_patches_travel_with_the_trace(checked: Path, capsys: Capture, tmp_path: Path) -> None:
    folder = toy(tmp_path / "w")
    patch = (folder / "counterexamples" / "no-fence" / "bug.patch").read_text()
    stored = read(checked / "cache" / "last.json")
    write(tmp_path / "t.json", StoredTrace(stored.trace, patches=(patch,)))
    assert run(folder, "report", str(tmp_path / "t.json"), "--format", "lkml") == 0
    assert "carries the patches" in " ".join(capsys.readouterr()[0].split())
    write(tmp_path / "u.json", StoredTrace(stored.trace, patches=("--- a/model/toy.py\n",)))
    assert run(folder, "report", str(tmp_path / "u.json")) == 2


@pytest.mark.parametrize(("line", "said"), [
    ("subject = 3", "every field is a text"),
    ("colour = 'red'", "unknown field 'colour'"),
    ("skeleton = '../../etc/passwd'", "leaves its folder"),
    ("include = ['/etc']", "leaves its folder"),
    ("subject = ", "not TOML"),
])
def test_bad_description_of_reports(checked: Path, capsys: Capture, line: str, said: str) -> None:
    path = checked / "model" / "report.toml"
    good = path.read_text()
    try:
        path.write_text(line + "\n")
        assert run(checked, "report", "last") == 2
        assert said in capsys.readouterr()[1]
    finally:
        path.write_text(good)


def test_compiler_is_not_asked_to_run_anything(monkeypatch: pytest.MonkeyPatch, checked: Path, tmp_path: Path) -> None:
    """The skeleton is parsed, not linked and not run."""
    commands: list[list[str]] = []

    def fake(command: list[str], **_: object) -> subprocess.CompletedProcess[str]:
        commands.append(command)
        return subprocess.CompletedProcess(command, 0, "", "")

    from lostirq.workflow import report

    monkeypatch.setattr(report.subprocess, "run", fake)
    (tmp_path / "tools/testing/selftests/kvm/include").mkdir(parents=True)
    assert run(checked, "report", "last", "--format", "selftest", "--kernel", str(tmp_path)) == 0
    [command] = commands
    assert "-fsyntax-only" in command and not [w for w in command if w.startswith(("-o", "-fplugin", "-B"))]
