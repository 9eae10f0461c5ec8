# SPDX-License-Identifier: GPL-2.0-or-later
"""Bad input: one clear message with place and mend, the documented exit code, no traceback, no half-written file."""

from __future__ import annotations

import errno
import importlib.metadata
import json
import os
import shutil
import stat
import subprocess
import sys
import threading
from pathlib import Path
from urllib.parse import unquote

import pytest
from cli_toys import run, toy
from json_schemas import valid

from lostirq.cli import main
from lostirq.errors import UsageError
from lostirq.evidence.trace_file import write_text

Capture = pytest.CaptureFixture[str]


def one_line(capsys: Capture) -> str:
    out, err = capsys.readouterr()
    assert out == ""
    assert "Traceback" not in err
    assert len(err.splitlines()) == 1, err
    return err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ([], "no command given"),
        (["chekc"], "unknown command 'chekc' (did you mean check"),
        (["check", "--memroy", "sc"], "unknown argument '--memroy' (did you mean --memory"),
        (["check", "--memory", "tos"], "unknown memory model 'tos' (did you mean tso?"),
        (["check", "--engine", "compield"], "did you mean compiled?"),
        (["check", "--tier", "quik"], "did you mean quick?"),
        (["check", "--max-memory", "lots"], "give a size such as 3G"),
        (["check", "--max-memory", "0G"], "give a size such as 3G"),
        (["check", "--max-memory", "-3G"], "--max-memory -3G: give a size such as 3G or 500M"),
        (["check", "--timeout", "-5m"], "'-5m' is no time: give one such as"),
        (["check", "-j", "-1"], "'-1' is not a positive number"),
        (["check", "--timeout", "soon"], "is no time: give one such as"),
        (["check", "-j", "0"], "'0' is not a positive number"),
        (["check", "--set", "SENDERS"], "give NAME=NUMBER"),
        (["check", "--scenario"], "expected one argument"),
        (["export", "one"], "missing: --to"),
        (["export", "one", "--to", "graphlm"], "did you mean graphml?"),
        (["explain"], "missing: subject"),
        (["list", "extra"], "unknown part 'extra'; known are scenarios, properties, parameters, bugs"),
        (["list", "bug"], "did you mean bugs?"),
        (["list", "bugs", "extra"], "unknown argument 'extra'"),
    ],
)
def test_wrong_words(words: list[str], said: str, capsys: Capture) -> None:
    assert main(words) == 2
    assert said in one_line(capsys)


PATCH = "--- a/model/toy.py\n+++ b/model/toy.py\n@@ -900 +900 @@\n-nothing\n+something\n"
FAILING = [["check", "--memroy", "sc"], ["check", "--scenario", "oen"], ["check", "--workspace", "/nowhere"],
           ["patch", "x.patch"], ["patch", "absent.patch"], ["bugs", "no-fense"]]


@pytest.fixture
def failing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = toy(tmp_path / "w")
    (tmp_path / "x.patch").write_text(PATCH)
    monkeypatch.chdir(tmp_path)
    return folder


def both(folder: Path, capsys: Capture, *words: str) -> tuple[int, str, str]:
    code = main(list(words)) if "--workspace" in words else run(folder, *words)
    out, err = capsys.readouterr()
    assert err.startswith("lostirq: ") and len(err.splitlines()) == 1
    return code, out, err.removeprefix("lostirq: ").rstrip("\n")


@pytest.mark.parametrize("words", [*FAILING, ["impact", "absent.patch"], ["mutate", "--only", "nothing"],
                                   ["list", "bug"], ["explain", "T-2"], ["report", "absent.json"],
                                   ["export", "tow", "--to", "dot"], ["prove", "T-2"], ["recheck", "absent"],
                                   ["init", "w"], ["explore", "oen"]])
def test_json_is_one_object_also_of_an_error(words: list[str], failing: Path, capsys: Capture) -> None:
    code, out, said = both(failing, capsys, *words, "--json")
    assert code == 2
    assert valid("error", out) == {"format": "lostirq-error", "version": 1, "exit_code": 2, "error": said}


@pytest.mark.parametrize("words", FAILING)
def test_b4_has_one_entry_also_of_an_error(words: list[str], failing: Path, capsys: Capture) -> None:
    code, out, said = both(failing, capsys, *words, "--b4")
    assert code == 2
    [entry] = json.loads(out)
    assert entry == {"tool": "lostirq", "status": "fail", "summary": said, "url": "", "details": said}


@pytest.mark.parametrize("dash", [["--ktap", "-"], ["--ktap=-"]])
@pytest.mark.parametrize("words", FAILING)
def test_ktap_has_a_test_that_failed_also_of_an_error(
        words: list[str], dash: list[str], failing: Path, capsys: Capture) -> None:
    code, out, said = both(failing, capsys, *words, *dash)
    lines = out.splitlines()
    assert code == 2 and lines[:2] == ["KTAP version 1", "1..1"] and lines[-1] == "not ok 1 lostirq"
    assert f"  not ok 1 usage or model error # ERROR {said}" in lines


@pytest.mark.parametrize("words", FAILING)
def test_github_has_one_annotation_also_of_an_error(words: list[str], failing: Path, capsys: Capture) -> None:
    code, out, said = both(failing, capsys, *words, "--github")
    head, _, message = out.removesuffix("\n").partition(" (lostirq)::")
    assert code == 2 and head == "::error title=usage or model error"
    assert unquote(message) == f"usage or model error: {said}" and "\n" not in message


def test_an_error_in_a_model_is_one_object_and_one_entry(failing: Path, capsys: Capture) -> None:
    (failing / "model" / "toy.py").write_text("x = (\n")
    assert run(failing, "check", "--json") == 2
    out, err = capsys.readouterr()
    assert valid("error", out)["error"] == err.rstrip("\n") and "error LI001" in out
    assert run(failing, "check", "--b4") == 2
    out, err = capsys.readouterr()
    [entry] = json.loads(out)
    assert "\n" not in entry["summary"] and entry["details"] == err.rstrip("\n")
    assert run(failing, "check", "--bisect", "--json") == 128
    assert valid("error", capsys.readouterr()[0])["exit_code"] == 128


def test_an_internal_error_is_an_object_and_never_passes(
        failing: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object, **__: object) -> None:
        raise ValueError("boom")

    def stopped(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setenv("TMPDIR", str(failing))
    for raised, code, status in ((broken, 3, "fail"), (stopped, 130, "warn")):
        monkeypatch.setattr("lostirq.workflow.commands.run_check", raised)
        assert run(failing, "check", "--json") == code
        assert valid("error", capsys.readouterr()[0])["exit_code"] == code
        assert run(failing, "check", "--b4") == code
        assert [e["status"] for e in json.loads(capsys.readouterr()[0])] == [status]


def test_what_fails_after_its_object_prints_no_second_one(
        failing: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file that goes bad between the look before the search and the end of it."""
    def full(*_: object) -> None:
        raise UsageError("cannot write j.xml: No space left on device")

    monkeypatch.setattr("lostirq.workflow.ci.write_text", full)
    assert run(failing, "check", "--json", "--junit", "j.xml") == 2
    out, err = capsys.readouterr()
    assert valid("check", out)["verdict"] == "holds" and "cannot write j.xml" in err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["check", "--scenario", "oen"], "unknown scenario 'oen' (did you mean one?"),
        (["check", "--property", "T1"], "unknown property 'T1' (did you mean T-1?"),
        (["check", "--scenario", "one", "--set", "SENDRES=1"], "; `lostirq list parameters` shows them"),
        (["prove", "T-2"], "unknown proof 'T-2'; there is no proof here"),
        (["bugs", "no-fense"], "unknown bug 'no-fense' (did you mean no-fence"),
        (["bugs", "--record"], "--record needs the names"),
        (["explain", "T-2"], "nothing is called 'T-2' (did you mean T-1"),
        (["explain", "last"], "no counterexample yet"),
        (["explain", "absent.json"], "cannot read trace absent.json: No such file"),
        (["export", "tow", "--to", "dot"], "unknown scenario 'tow' (did you mean two?"),
        (["export", "two", "--to", "dot", "--max-states", "5"], "more than 5 states without reductions (`check --no-r"),
        (["check", "--state-cost"], "--state-cost needs one --scenario"),
    ],
)
def test_unknown_names(words: list[str], said: str, tmp_path: Path, capsys: Capture) -> None:
    assert run(toy(tmp_path / "w"), *words) == 2
    assert said in one_line(capsys)


@pytest.mark.parametrize(
    ("old", "new", "code"),
    [
        ("desc.mode = Mode.INSIDE", "desc.mode = = Mode.INSIDE", "LI0"),
        ("desc.mode = Mode.INSIDE", "desc.mode = desc.seen", "LI0"),
        ("desc.mode = Mode.INSIDE", "desc.mdoe = Mode.INSIDE", "LI0"),
        ("    smp_mb()\n    if desc.pending", "    enter()\n    if desc.pending", "LI0"),
        ("    pending: bool", "    pending: Array[bool, SENDERS * 10 ** 9]", "LI0"),
        ("SENDERS = Param(1", "SENDERS = open(1", "LI0"),
    ],
)
@pytest.mark.parametrize("command", ["check", "list"])
def test_errors_in_a_model_have_place_code_and_caret(
    old: str, new: str, code: str, command: str, tmp_path: Path, capsys: Capture,
) -> None:
    assert run(toy(tmp_path / "w", {"model/toy.py": (old, new)}), command) == 2
    out, err = capsys.readouterr()
    text = out + err
    assert "model/toy.py:" in text and code in text and "^" in text
    assert "Traceback" not in text and "internal" not in text


def test_a_folder_that_is_no_workspace(tmp_path: Path, capsys: Capture) -> None:
    assert main(["check", "--workspace", str(tmp_path / "absent")]) == 2
    assert "no such folder" in one_line(capsys)
    assert main(["check", "--workspace", str(tmp_path)]) == 2
    assert "it has no model/" in one_line(capsys)


def test_a_model_file_that_is_not_text(tmp_path: Path, capsys: Capture) -> None:
    folder = toy(tmp_path / "w")
    (folder / "model" / "toy.py").write_bytes(b"x = \xff\n")
    assert run(folder, "check") == 2
    assert "toy.py" in one_line(capsys)


def test_a_link_out_of_the_workspace(tmp_path: Path, capsys: Capture) -> None:
    folder = toy(tmp_path / "w")
    (tmp_path / "secret.py").write_text("x = 1\n")
    (folder / "model" / "link.py").symlink_to(tmp_path / "secret.py")
    assert run(folder, "check") == 2
    assert "outside the workspace" in one_line(capsys)


@pytest.mark.parametrize(
    ("text", "said"),
    [("", "empty"), ("{", "truncated"), ("[1, 2]", "not a trace"),
     ('{"format": "lostirq-trace", "version": 9}', "version")],
)
def test_damaged_trace(text: str, said: str, tmp_path: Path, capsys: Capture) -> None:
    folder = toy(tmp_path / "w")
    path = tmp_path / "t.json"
    path.write_text(text)
    assert run(folder, "explain", str(path)) == 2
    assert said in one_line(capsys)


def test_trace_of_another_model(tmp_path: Path, capsys: Capture) -> None:
    folder = toy(tmp_path / "w", {"model/toy.py": ("    smp_mb()\n    if desc.pending", "    if desc.pending")})
    assert run(folder, "check", "--save", str(tmp_path)) == 1
    capsys.readouterr()
    toy(folder)
    assert run(folder, "explain", str(tmp_path / "T-1-one-tso.json")) == 2
    assert "belongs to another model" in one_line(capsys)


def test_no_compiler(tmp_path: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path / "nothing"))
    monkeypatch.delenv("CC", raising=False)
    folder = toy(tmp_path / "w")
    assert run(folder, "check", "--engine", "compiled") == 2
    assert "--engine fallback" in one_line(capsys)
    assert run(folder, "check") == 0
    assert "all hold" in capsys.readouterr()[0]


def test_broken_compiler(tmp_path: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
    cc = tmp_path / "cc"
    cc.write_text("#!/bin/sh\necho 'cc: internal confusion' >&2\nexit 1\n")
    cc.chmod(0o755)
    monkeypatch.setenv("CC", str(cc))
    assert run(toy(tmp_path / "w"), "check", "--engine", "compiled") in (2, 0)
    out, err = capsys.readouterr()
    assert "Traceback" not in out + err


def test_cache_that_cannot_be_written(tmp_path: Path, capsys: Capture) -> None:
    folder = toy(tmp_path / "w")
    blocked = tmp_path / "file"
    blocked.write_text("not a folder")
    assert main(["check", "--workspace", str(folder), "--cache-dir", str(blocked)]) == 0
    out, err = capsys.readouterr()
    assert "all hold" in out
    assert f"the cache {blocked} cannot be written" in err and "--cache-dir" in err


def test_too_little_memory_is_undecided(tmp_path: Path, capsys: Capture) -> None:
    assert run(toy(tmp_path / "w"), "check", "--max-memory", "1K") in (125, 2)
    out, err = capsys.readouterr()
    assert "all hold" not in out and "memory" in out + err


def test_two_runs_at_once_on_one_cache(tmp_path: Path) -> None:
    folder = toy(tmp_path / "w")
    command = [sys.executable, "-m", "lostirq.cli", "check", "--workspace", str(folder), "--cache-dir",
               str(tmp_path / "cache")]
    runs: list[subprocess.CompletedProcess[bytes]] = []
    threads = [threading.Thread(target=lambda: runs.append(subprocess.run(command, capture_output=True, check=False)))
               for _ in range(2)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert [r.returncode for r in runs] == [0, 0], [r.stderr for r in runs]
    assert runs[0].stdout == runs[1].stdout
    assert stat.S_IMODE(os.stat(tmp_path / "cache").st_mode) & 0o077 == 0


def test_output_that_cannot_be_written(tmp_path: Path, capsys: Capture) -> None:
    folder = toy(tmp_path / "w")
    (tmp_path / "file").write_text("")
    assert run(folder, "export", "one", "--to", "dot", "-o", str(tmp_path / "file" / "x.dot")) == 2
    assert "cannot write" in one_line(capsys)


def test_space_is_freed_only_where_there_is_none(
        tmp_path: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = toy(tmp_path / "w")
    assert run(folder, "init", "/proc/x") == 2
    assert one_line(capsys) == "lostirq: cannot write /proc/x: No such file or directory; choose another folder\n"
    with pytest.raises(UsageError, match=r"cannot write /proc/x: No such file or directory; choose another folder$"):
        write_text(Path("/proc/x"), "")

    def full(*_: object) -> None:
        raise OSError(errno.EDQUOT, "Disk quota exceeded")

    monkeypatch.setattr(os, "replace", full)
    with pytest.raises(UsageError, match=r": Disk quota exceeded; free some space, or choose another folder$"):
        write_text(tmp_path / "x", "")


def test_init_refuses_a_folder_in_use(tmp_path: Path, capsys: Capture) -> None:
    folder = toy(tmp_path / "w")
    assert run(folder, "init", str(tmp_path / "new")) == 0
    capsys.readouterr()
    assert run(folder, "init", str(tmp_path / "new")) == 2
    assert "not an empty folder" in one_line(capsys)
    assert main(["check", "--workspace", str(tmp_path / "new"), "--cache-dir", str(tmp_path / "c")]) == 0


def test_a_workspace_without_proofs_says_so(tmp_path: Path, capsys: Capture) -> None:
    assert run(toy(tmp_path / "w"), "prove") == 4
    assert capsys.readouterr()[0] == "no scenario of tier `proof` in this workspace\n"
    assert not (tmp_path / "w" / "proofs").exists()


def test_init_on_a_full_disk_leaves_nothing(tmp_path: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_: Path, to: Path, **__: object) -> None:
        to.mkdir()
        (to / "half.py").write_text("")
        raise shutil.Error([("a.py", str(to), "[Errno 28] No space left on device: 'a.py' -> 'b.py'"), ("b", "c", "d")])

    folder = toy(tmp_path / "w")
    monkeypatch.setattr(shutil, "copytree", full)
    assert run(folder, "init", str(tmp_path / "new" / "copy")) == 2
    assert "/new/copy: No space left on device; free some space, or choose another folder\n" in one_line(capsys)
    assert not (tmp_path / "new").exists()
    (tmp_path / "empty").mkdir()
    assert run(folder, "init", str(tmp_path / "empty")) == 2
    assert list((tmp_path / "empty").iterdir()) == []


def test_doctor_names_a_missing_solver(tmp_path: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
    version = importlib.metadata.version

    def without(name: str) -> str:
        if name == "bitwuzla":
            raise importlib.metadata.PackageNotFoundError(name)
        return version(name)

    monkeypatch.setattr(importlib.metadata, "version", without)
    assert run(toy(tmp_path / "w"), "doctor") == 0
    out = capsys.readouterr()[0]
    [line] = [line for line in out.splitlines() if "bitwuzla" in line]
    assert line.startswith("missing bitwuzla") and line.endswith("and so does `make check`")
    assert "ok      cvc5" in out


def test_a_reader_that_goes_away(tmp_path: Path) -> None:
    folder = toy(tmp_path / "w")
    script = f"{sys.executable} -m lostirq.cli export --workspace {folder} two --to dot | head -1"
    done = subprocess.run(["bash", "-c", script], capture_output=True, check=False)
    assert done.stdout.startswith(b"digraph")
    assert b"Traceback" not in done.stderr and b"Exception" not in done.stderr


def test_an_internal_error_is_one_line(tmp_path: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise ValueError("boom")

    monkeypatch.setattr("lostirq.workflow.commands.run_list", broken)
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    assert main(["list"]) == 3
    assert "internal error: ValueError: boom; please report it" in one_line(capsys)


@pytest.mark.parametrize("option", ["--save", "--junit", "--sarif", "--ktap"])
def test_a_place_that_cannot_be_written_is_said_before_the_search(tmp_path: Path, capsys: Capture, option: str) -> None:
    file = tmp_path / "file"
    file.write_text("kept")
    target = file if option == "--save" else tmp_path
    for place in (target, file / "below"):
        assert run(tmp_path, "check", "--workspace", str(toy(tmp_path / "w")), option, str(place)) == 2
        assert "cannot write" in one_line(capsys)
    assert file.read_text() == "kept"


@pytest.mark.parametrize("command", ["patch", "impact"])
def test_a_patch_without_an_end_is_refused(tmp_path: Path, capsys: Capture, command: str) -> None:
    endless = tmp_path / "endless.patch"
    with open(endless, "wb") as f:
        f.truncate(1 << 32)
    assert run(tmp_path, command, "--workspace", str(toy(tmp_path / "w")), str(endless)) == 2
    assert "larger than 16 MiB" in one_line(capsys)


@pytest.mark.parametrize(("redirected", "code"), [(">&-", 0), ("2>&-", 0), (">&- 2>&-", 0), (">/dev/full", 2),
                                                  ("2>/dev/full", 2), (">/dev/full 2>/dev/full", 2)])
def test_output_that_goes_nowhere_is_no_violation(tmp_path: Path, redirected: str, code: int) -> None:
    """Exit code 1 would say that a property is violated."""
    folder = toy(tmp_path / "w")
    script = f"{sys.executable} -m lostirq.cli check --workspace {folder} --cache-dir {tmp_path}/c {redirected}"
    done = subprocess.run(["bash", "-c", script], capture_output=True, check=False)
    assert done.returncode == code and b"internal error" not in done.stderr
    if redirected == ">/dev/full":
        assert b"lostirq: cannot write to standard output: No space left on device\n" in done.stderr


def test_an_internal_error_without_a_file(tmp_path: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object, **__: object) -> None:
        raise ValueError("boom")

    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("lostirq.workflow.commands.run_list", broken)
    monkeypatch.setattr("tempfile.NamedTemporaryFile", full)
    assert main(["list"]) == 3
    assert "please report it with the command" in one_line(capsys)


def test_files_that_are_none(tmp_path: Path, capsys: Capture) -> None:
    """A pipe without a writer, and links that lead to nothing: none is waited for."""
    folder = toy(tmp_path / "w")
    for make in (os.mkfifo, lambda p: os.symlink("odd.py", p), lambda p: os.symlink("absent.py", p)):
        make(folder / "model" / "odd.py")
        assert run(tmp_path, "check", "--workspace", str(folder)) == 2
        assert "odd.py: no file, or a link to none" in one_line(capsys)
        (folder / "model" / "odd.py").unlink()


def test_a_compiler_with_half_a_quotation(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CC", '"gcc')
    assert run(toy(tmp_path / "w"), "check") == 0


def test_a_model_that_is_passed_over_is_named(tmp_path: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder with model/ alone is no workspace: which one is taken instead is said, on stderr."""
    outer = toy(tmp_path / "outer")
    inner = outer / "inner"
    (inner / "model").mkdir(parents=True)
    (inner / "model" / "mine.py").write_text("from lostirq.prelude import *\n")
    monkeypatch.chdir(inner)
    assert main(["list"]) == 0
    out, err = capsys.readouterr()
    assert "One poster." in out and err == (
        f"lostirq: {inner} has model/ but no properties/: the workspace is {outer}; --workspace {inner} takes it\n")
    for folder, words in ((inner, ["--workspace", str(outer)]), (outer, [])):
        monkeypatch.chdir(folder)
        assert main(["list", *words]) == 0
        assert capsys.readouterr()[1] == ""
