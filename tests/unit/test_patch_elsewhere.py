# SPDX-License-Identifier: GPL-2.0-or-later
"""`lostirq patch` where no scenario that was compared differs: what it says of the others."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from cli_toys import BUG, BUG_PATCH, CONTROL_PATCH, run, toy
from json_schemas import valid

from lostirq.workflow import patch_elsewhere

Capture = pytest.CaptureFixture[str]
OTHERS = BUG_PATCH.replace("-    smp_mb()\n", "-    smp_mb()\n+    if SENDERS < 2:\n+        smp_mb()\n").replace(
    "@@ -28,3 +28,2 @@", "@@ -28,3 +28,4 @@")           # of SENDERS 1, which is what is asked for, nothing changes
LAID_OUT = BUG_PATCH.replace("-    smp_mb()\n", "-    smp_mb()\n+    if SENDERS > 0:\n+        smp_mb()\n").replace(
    "@@ -28,3 +28,2 @@", "@@ -28,3 +28,4 @@")


def patched(folder: Path, text: str, capsys: Capture, *words: str) -> tuple[int, Any]:
    (folder / "x.patch").write_text(text)
    code = run(folder, "patch", "--json", *words, str(folder / "x.patch"))
    out = capsys.readouterr().out
    valid("patch", out)
    return code, json.loads(out)


def test_what_changes_only_what_was_not_searched_is_undecided(tmp_path: Path, capsys: Capture) -> None:
    """It is not said to keep anything: the scenario that it changes is of a higher tier."""
    folder = toy(tmp_path / "w")
    code, value = patched(folder, OTHERS, capsys)
    assert (code, value["changed_elsewhere"]) == (125, ["two (standard)"])
    run(folder, "patch", str(folder / "x.patch"))
    assert "but it changes two (standard)" in " ".join(capsys.readouterr().out.split())
    assert patched(folder, OTHERS, capsys, "--tier", "standard")[0] == 1


def test_a_known_bug_stands_for_its_property_and_memory_model_alone(tmp_path: Path, capsys: Capture) -> None:
    """That its scenario is searched for it does not say that this scenario was compared."""
    folder = toy(tmp_path / "w", {"model/scenarios/sizes.py": ('memory=("tso",)', 'memory=("sc", "tso")')})
    bug = folder / "counterexamples" / "no-fence" / "bug.toml"
    bug.write_text(BUG.replace('"one"', '"two"').replace('"tso"', '"sc"'))
    code, value = patched(folder, OTHERS, capsys)
    assert (code, value["changed_elsewhere"]) == (125, ["two (standard)"])
    assert ["no-fence"] in [s["known_bugs"] for s in value["scenarios"]]


def test_a_scenario_that_is_gone_is_not_kept(tmp_path: Path, capsys: Capture) -> None:
    folder = toy(tmp_path / "w")
    lines = (folder / "model" / "scenarios" / "sizes.py").read_text().splitlines()
    at = next(n for n, line in enumerate(lines) if "standard" in line)
    gone = "\n".join(f"-{line}" for line in lines[at:])
    head = "--- a/model/scenarios/sizes.py\n+++ b/model/scenarios/sizes.py\n"
    text = f"{head}@@ -{at + 1},{len(lines) - at} +{at},0 @@\n{gone}\n"
    code, value = patched(folder, text, capsys, "--accept-spec")
    assert (code, value["changed_elsewhere"]) == (125, ["two (standard)"])


def test_other_sizes_do_not_stand_for_those_of_the_scenario(tmp_path: Path, capsys: Capture) -> None:
    folder = toy(tmp_path / "w")
    code, value = patched(folder, OTHERS.replace("< 2", "> 1"), capsys, "--set", "SENDERS=2")
    assert (code, value["changed_elsewhere"]) == (125, ["one (quick)"])


def test_what_was_compiled_is_remembered(tmp_path: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also by another question about the same patch."""
    folder = toy(tmp_path / "w")
    code, first = patched(folder, OTHERS, capsys, "--first")

    def never(*_: object) -> None:
        raise AssertionError("compiled again")

    monkeypatch.setattr(patch_elsewhere, "compile_memories", never)
    again, value = patched(folder, OTHERS, capsys)
    assert (again, value["changed_elsewhere"]) == (code, first["changed_elsewhere"]) and not value["cached"]
    assert run(folder, "patch", "--no-result-cache", str(folder / "x.patch")) == 3    # so it would have been noticed


def test_what_is_cut_off_is_undecided(tmp_path: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = toy(tmp_path / "w")
    assert patched(folder, LAID_OUT, capsys)[0] == 0

    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(patch_elsewhere, "compile_memories", interrupted)
    code, value = patched(folder, LAID_OUT, capsys, "--no-result-cache")
    assert (code, value["verdict"], value["changed_elsewhere"]) == (130, "undecided", [])
    assert [s["failure"] for s in value["scenarios"] if s["scenario"] == "two"] == ["interrupted"]


def test_what_was_not_asked_for_is_named(tmp_path: Path, capsys: Capture) -> None:
    """Also for who reads one line; a property that no scenario judged has no verdict."""
    folder = toy(tmp_path / "w")
    whole = patched(folder, CONTROL_PATCH, capsys)[1]
    assert {p["id"] for p in whole["properties"]} >= {"T-1"}
    for words, said in ((("--memory", "sc"), "only what was asked for (SC), not 1 other of the quick tier, the known "
                         "bugs under TSO, vacuity"),
                        (("--property", "T-1"), "only what was asked for (T-1), not the known bugs, vacuity")):
        assert run(folder, "patch", *words, str(folder / "x.patch")) == 0
        assert said in " ".join(capsys.readouterr().out.split())
        assert patched(folder, CONTROL_PATCH, capsys, *words)[1]["asked_alone"] == said
        assert run(folder, "patch", "--b4", *words, str(folder / "x.patch")) == 0
        assert said in capsys.readouterr().out
    assert run(folder, "patch", str(folder / "x.patch")) == 0
    assert "asked for" not in capsys.readouterr().out


def test_what_is_shown_is_what_the_author_wrote(tmp_path: Path, capsys: Capture) -> None:
    """One line that moves down over another is also that one moving up."""
    folder = toy(tmp_path / "w")
    lines = (folder / "model" / "toy.py").read_text().splitlines()
    at = next(n for n, text in enumerate(lines) if text == "    smp_mb()")
    above, fence = lines[at - 1], lines[at]
    up = f"+{fence}\n {above}\n-{fence}\n"
    down = f"-{above}\n {fence}\n+{above}\n"
    for body, shown in ((up, fence), (down, above)):
        value = patched(folder, f"--- a/model/toy.py\n+++ b/model/toy.py\n@@ -{at},2 +{at},2 @@\n{body}", capsys)[1]
        [step] = value["steps"]
        assert {text for _, text in step["removed"] + step["added"]} == {shown.strip()}


def test_a_hunk_that_stands_elsewhere_is_shown_where_it_applies(tmp_path: Path, capsys: Capture) -> None:
    fences = "    smp_mb()\n    desc.seen = False\n    smp_mb()\n    if desc.pending"
    folder = toy(tmp_path / "w", {"model/toy.py": ("    smp_mb()\n    if desc.pending", fences)})
    text = ("--- a/model/toy.py\n+++ b/model/toy.py\n@@ -29,2 +29 @@\n-    smp_mb()\n     if desc.pending:\n")
    [step] = patched(folder, text, capsys)[1]["steps"]
    assert step["removed"] == [[31, "smp_mb()"]]


def test_branches_that_change_places_are_marked(tmp_path: Path, capsys: Capture) -> None:
    """Also under TSO, where each of the steps is one of the base."""
    whole = "    if desc.pending:\n        desc.seen = True\n    else:\n        desc.seen = False\n"
    folder = toy(tmp_path / "w", {"model/toy.py": ("    if desc.pending:\n        desc.seen = True\n", whole)})
    turned = whole.replace("True", "x").replace("False", "True").replace("x", "False")
    body = "".join(f"-{line}\n" for line in whole.splitlines()) + "".join(f"+{line}\n" for line in turned.splitlines())
    text = f"--- a/model/toy.py\n+++ b/model/toy.py\n@@ -30,4 +30,4 @@\n{body}"
    for memory in ("sc", "tso"):
        assert patched(folder, text, capsys, "--memory", memory)[0] == 1
        run(folder, "patch", "--memory", memory, str(folder / "x.patch"))
        assert any(line.strip().startswith(">> ") for line in capsys.readouterr().out.splitlines()), memory
