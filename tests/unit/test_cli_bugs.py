# SPDX-License-Identifier: GPL-2.0-or-later
"""`lostirq bugs`: a bug is found again, a control holds, and each way to be wrong is seen."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from cli_toys import run, toy

Capture = pytest.CaptureFixture[str]


def recorded(folder: Path, capsys: Capture) -> Path:
    assert run(folder, "bugs", "--record", "no-fence") == 0
    capsys.readouterr()
    return folder


def bug(folder: Path, capsys: Capture, slug: str = "no-fence") -> dict[str, object]:
    run(folder, "bugs", "--json", slug)
    [found] = json.loads(capsys.readouterr()[0])["bugs"]
    return dict(found)


def test_record_then_reproduce(tmp_path: Path, capsys: Capture) -> None:
    folder = toy(tmp_path / "w")
    assert run(folder, "bugs", "no-fence") == 1
    assert "no length is recorded" in capsys.readouterr()[0]
    recorded(folder, capsys)
    files = {p.name for p in (folder / "counterexamples" / "no-fence").iterdir()}
    assert files == {"bug.patch", "bug.toml", "trace.json", "report.txt"}
    assert run(folder, "bugs") == 0
    out, _ = capsys.readouterr()
    assert "no-fence     found again: T-1, " in out
    assert "more-fences  holds, as it must" in out
    assert "2 of 2 known bugs behave as recorded" in out


def test_record_is_stable(tmp_path: Path, capsys: Capture) -> None:
    folder = recorded(toy(tmp_path / "w"), capsys)
    first = {p.name: p.read_bytes() for p in (folder / "counterexamples" / "no-fence").iterdir()}
    recorded(folder, capsys)
    assert first == {p.name: p.read_bytes() for p in (folder / "counterexamples" / "no-fence").iterdir()}


def test_json_has_the_documented_shape(tmp_path: Path, capsys: Capture) -> None:
    folder = recorded(toy(tmp_path / "w"), capsys)
    assert run(folder, "bugs", "--json") == 0
    found = json.loads(capsys.readouterr()[0])["bugs"]
    assert [(b["slug"], b["expected"], b["verdict"], b["ok"]) for b in found] == [
        ("more-fences", "holds", "holds", True), ("no-fence", "violated", "violated", True)]
    assert found[1]["length"] > 0 and found[0]["length"] is None


def test_another_length_is_not_ok(tmp_path: Path, capsys: Capture) -> None:
    folder = recorded(toy(tmp_path / "w"), capsys)
    path = folder / "counterexamples" / "no-fence" / "bug.toml"
    path.write_text(path.read_text().replace("length = ", "length = 1"))
    found = bug(folder, capsys)
    assert not found["ok"] and "recorded are 1" in str(found["why"])


_SECOND = """

@invariant("T-2", title="an IPI finds a post", source="toy", witness="W-1", planted="no-fence")
def an_ipi_finds_a_post() -> bool:
    \"\"\"An IPI is sent only after a post.\"\"\"
    return not desc.ipi or desc.pending
"""


@pytest.mark.parametrize(("named", "code", "said"), [
    ('["T-2"]', 1, "trace.json is of T-1, and bug.toml names T-2"),
    ('["T-9"]', 2, "bug.toml: no property T-9 in scenario one"),
    ('["T-1", "T-9"]', 2, "bug.toml: no property T-9 in scenario one"),
    ('["T-2", "T-1"]', 0, "found again: T-1"),
])
def test_a_record_is_judged_by_what_the_description_names(
    named: str, code: int, said: str, tmp_path: Path, capsys: Capture,
) -> None:
    last = "    return desc.ipi\n"
    folder = recorded(toy(tmp_path / "w", {"properties/toy.py": (last, last + _SECOND)}), capsys)
    path = folder / "counterexamples" / "no-fence" / "bug.toml"
    path.write_text(path.read_text().replace('["T-1"]', named))
    assert run(folder, "bugs", "no-fence") == code
    assert said in capsys.readouterr()[0]


def test_a_bug_that_is_not_caught_is_not_ok(tmp_path: Path, capsys: Capture) -> None:
    folder = toy(tmp_path / "w", {"counterexamples/no-fence/bug.toml": ('memory = "tso"', 'memory = "sc"')})
    found = bug(folder, capsys)
    assert (found["verdict"], found["ok"]) == ("holds", False)
    assert "not caught by T-1" in str(found["why"])


def test_a_control_that_fails_is_not_ok(tmp_path: Path, capsys: Capture) -> None:
    folder = toy(tmp_path / "w", {"counterexamples/no-fence/bug.toml": ('"violated"', '"holds"')})
    found = bug(folder, capsys)
    assert (found["verdict"], found["ok"]) == ("violated", False)


def test_a_bug_that_does_not_need_store_buffers(tmp_path: Path, capsys: Capture) -> None:
    change = ("-    smp_mb()\n     if desc.pending:\n", "-    smp_mb()\n-    if desc.pending:\n+    if desc.seen:\n")
    folder = toy(tmp_path / "w", {"counterexamples/no-fence/bug.patch": change})
    path = folder / "counterexamples" / "no-fence" / "bug.patch"
    path.write_text(path.read_text().replace("@@ -28,3 +28,2 @@", "@@ -28,3 +28,2 @@"))
    found = bug(folder, capsys)
    assert not found["ok"]


def test_a_patch_that_changes_nothing(tmp_path: Path, capsys: Capture) -> None:
    folder = toy(tmp_path / "w", {"counterexamples/more-fences/bug.patch": ("+    smp_mb()", "+    # nothing")})
    found = bug(folder, capsys, "more-fences")
    assert not found["ok"] and "changes nothing" in str(found["why"])


@pytest.mark.parametrize(
    ("name", "old", "new", "said"),
    [
        ("no-fence/bug.patch", "-    smp_mb()", "-    smp_rmb()", "hunk 1 (line 28) does not apply"),
        ("no-fence/bug.patch", "     if desc.pending:\n", "@@", "fewer lines than its"),
        ("no-fence/bug.patch", "model/toy.py", "../toy.py", "not a path inside the workspace"),
        ("no-fence/bug.toml", "title", "tilte", "unknown field 'tilte'"),
        ("no-fence/bug.toml", 'scenario = "one"', 'scenario = "oen"', "did you mean one?"),
        ("no-fence/bug.toml", '["T-1"]', '["T-9"]', "no property T-9"),
        ("no-fence/bug.toml", '["T-1"]', '["T-1", "T-9"]', "bug.toml: no property T-9 in scenario one"),
        ("no-fence/bug.toml", '"tso"', '"arm"', "'memory' must be"),
        ("no-fence/bug.toml", '"violated"', '"maybe"', "'expected' must be"),
        ("no-fence/bug.toml", "title = ", "title ", "not TOML"),
    ],
)
def test_folders_that_are_not_in_order(
    name: str, old: str, new: str, said: str, tmp_path: Path, capsys: Capture,
) -> None:
    folder = toy(tmp_path / "w", {f"counterexamples/{name}": (old, new)})
    assert run(folder, "bugs", "no-fence") == 2
    out, err = capsys.readouterr()
    assert said in out + err
    assert "Traceback" not in out + err and "internal" not in out + err
    assert not (folder / "counterexamples" / "no-fence" / "trace.json").exists()


def test_damaged_record(tmp_path: Path, capsys: Capture) -> None:
    folder = recorded(toy(tmp_path / "w"), capsys)
    path = folder / "counterexamples" / "no-fence" / "trace.json"
    path.write_text(path.read_text()[:40])
    assert run(folder, "bugs", "no-fence") == 2
    assert "trace.json" in capsys.readouterr()[0]


def test_one_is_told_as_one_and_none_as_none(tmp_path: Path, capsys: Capture) -> None:
    folder = toy(tmp_path / "w")
    assert run(folder, "bugs", "-v", "more-fences") == 0
    assert "1 of 1 known bug behaves as recorded (0 found again, 1 holds)" in capsys.readouterr()[0]
    shutil.rmtree(folder / "counterexamples")
    assert run(folder, "bugs") == 4
    assert capsys.readouterr()[0] == "\nSUMMARY: no known bugs here\n"


def test_explain_a_known_bug(tmp_path: Path, capsys: Capture) -> None:
    folder = recorded(toy(tmp_path / "w"), capsys)
    assert run(folder, "explain", "no-fence") == 0
    out, _ = capsys.readouterr()
    assert out.startswith("no-fence: the fence of the entry is missing")
    assert "the load overtakes the store" in out
    assert (folder / "counterexamples" / "no-fence" / "report.txt").read_text() in out


def test_a_trace_of_an_older_model_is_found_anew(tmp_path: Path, capsys: Capture) -> None:
    folder = recorded(toy(tmp_path / "w"), capsys)
    path = folder / "model" / "toy.py"
    text = path.read_text().replace("SENDERS = Param", "# a line more\nSENDERS = Param")
    path.write_text(text.replace("        desc.ipi = True", "        smp_mb()\n        desc.ipi = True"))
    assert run(folder, "bugs", "no-fence") == 0
    assert "1 recorded trace of an older model" in capsys.readouterr()[0]
    assert run(folder, "explain", "no-fence") == 0
    assert "*** violated: T-1: no post is missed ***" in capsys.readouterr()[0]


def test_explain_names_no_list_that_is_not_here(tmp_path: Path, capsys: Capture) -> None:
    bug = "counterexamples/no-fence/bug.toml"
    folder = recorded(toy(tmp_path / "w", {bug: ('reference = "', 'bugs_md = "X 9"\nreference = "')}), capsys)
    assert run(folder, "explain", "no-fence") == 0
    out = capsys.readouterr()[0]
    assert "reference: none: a toy" in out and "X 9" not in out


def test_check_with_bugs(tmp_path: Path, capsys: Capture) -> None:
    folder = recorded(toy(tmp_path / "w"), capsys)
    assert run(folder, "check", "--with-bugs") == 0
    out, _ = capsys.readouterr()
    assert "all hold" in out and "2 of 2 known bugs" in out and "found again:" not in out
    assert run(folder, "check", "--with-bugs", "-v") == 0
    assert "PASS  no-fence" in capsys.readouterr()[0]


def test_a_control_of_a_property_that_is_not_there_does_not_hold(tmp_path: Path, capsys: Capture) -> None:
    wrong = {"counterexamples/more-fences/bug.toml": ('property = ["T-1"]', 'property = ["T-1", "T-17"]')}
    assert run(toy(tmp_path / "w", wrong), "bugs", "more-fences") == 2
    assert "no property T-17 in scenario one" in capsys.readouterr()[0]
