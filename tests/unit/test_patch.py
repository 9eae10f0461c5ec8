# SPDX-License-Identifier: GPL-2.0-or-later
"""`lostirq patch` from the outside: verdicts, what is said with them, and bad input."""

from __future__ import annotations

import io
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from cli_toys import BUG_PATCH, CONTROL_PATCH, FILES, run, toy
from json_schemas import valid

from lostirq.workflow.patch_compare import ABSENT, HOLDS, VIOLATED, Change, PatchVerdict, judge, worst

Capture = pytest.CaptureFixture[str]
UNKNOWN = "undecided: memory"
COMMENT = """\
--- a/model/toy.py
+++ b/model/toy.py
@@ -26,2 +26,4 @@
 def enter():
+    \"\"\"In.\"\"\"
+    # first the mode
     desc.mode = Mode.INSIDE
"""
REFACTORED = """\
--- a/model/toy.py
+++ b/model/toy.py
@@ -26,6 +26,11 @@
 @function(kernel="arch/toy.c:enter")
+def look():
+    if desc.pending:
+        desc.seen = True
+
+
+@function(kernel="arch/toy.c:enter")
 def enter():
     desc.mode = Mode.INSIDE
     smp_mb()
-    if desc.pending:
-        desc.seen = True
+    look()
"""
SPEC = """\
--- a/properties/toy.py
+++ b/properties/toy.py
@@ -11,3 +11,3 @@
         return True
-    return not desc.pending or desc.seen or desc.ipi
+    return True
"""
NO_IPI = """\
--- a/model/toy.py
+++ b/model/toy.py
@@ -40,3 +40,3 @@
     if desc.mode == Mode.INSIDE:
-        desc.ipi = True
+        desc.seen = True
"""


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """A workspace that must be the same afterwards."""
    made = toy(tmp_path / "w")
    yield made
    left = {p.relative_to(made).as_posix(): p.read_text() for part in ("model", "properties", "counterexamples")
            for p in (made / part).rglob("*") if p.is_file()}
    assert left == FILES


def patched(folder: Path, text: str, capsys: Capture, *words: str) -> tuple[int, str, str]:
    (folder / "x.patch").write_text(text)
    code = run(folder, "patch", *words, str(folder / "x.patch"))
    return code, *capsys.readouterr()


def found(folder: Path, text: str, capsys: Capture, *words: str) -> dict[str, object]:
    return valid("patch", patched(folder, text, capsys, "--json", *words)[1])


def test_bug_breaks_with_its_shortest_length_and_marks(folder: Path, capsys: Capture) -> None:
    code, out, _ = patched(folder, BUG_PATCH, capsys)
    assert code == 1
    assert "SUMMARY: breaks T-1" in out and "the same change as counterexamples/no-fence/bug.patch" in out
    assert "    -   29  smp_mb()" in out and "enter  (arch/toy.c:enter)" in out
    assert ">> desc.mode = INSIDE (in" in out or ">> LD desc.pending == 0" in out
    value = found(folder, BUG_PATCH, capsys)
    assert (value["verdict"], value["exit_code"], value["known_bug"]) == ("breaks", 1, "no-fence")
    [row] = [p for p in value["properties"] if p["id"] == "T-1"]  # type: ignore[attr-defined]
    assert (row["verdict"], row["before"], row["after"], row["memory"]) == ("breaks", "holds", "violated", "tso")
    assert row["length"] == min(c["length"] for c in row["cases"])
    [told] = [c["report"] for c in row["cases"] if ">>" in c["report"]]
    assert f"{row['length']} steps" in told
    exact = found(folder, BUG_PATCH, capsys, "--no-reductions")
    by_memory = {s["memory"]: s for s in exact["scenarios"]}  # type: ignore[attr-defined]
    assert by_memory["sc"]["states_after"] == 17 and by_memory["tso"]["states_after"] == 29


def test_what_is_broken_under_tso_only_is_kept_under_sc(folder: Path, capsys: Capture) -> None:
    assert patched(folder, BUG_PATCH, capsys, "--memory", "sc")[0] == 0


@pytest.mark.parametrize("text", [CONTROL_PATCH, COMMENT, REFACTORED], ids=["control", "comment", "refactored"])
def test_harmless_patches_keep(folder: Path, capsys: Capture, text: str) -> None:
    code, out, _ = patched(folder, text, capsys)
    assert code == 0 and "SUMMARY: keeps" in out


def test_the_verdict_names_its_bounds(folder: Path, capsys: Capture) -> None:
    """Also one that comes from the result cache; of what was searched alone."""
    for _ in range(2):
        assert "\n  bounds: SENDERS 1\n  assumed: " in patched(folder, BUG_PATCH, capsys)[1]
    assert "\n  bounds: SENDERS 1..2\n" in patched(folder, BUG_PATCH, capsys, "--tier", "standard")[1]


def test_the_verdict_names_what_the_guest_does_not_do(tmp_path: Path, capsys: Capture) -> None:
    senders = 'SENDERS = Param(1, "posters")'
    model = (senders, senders + '\nGUEST_EOI = Param(True, "the guest does EOI")')
    folder = toy(tmp_path / "w", {"model/toy.py": model,
                                  "model/scenarios/sizes.py": ("    SENDERS = 1\n", "    GUEST_EOI = False\n")})
    patch = BUG_PATCH.replace("@@ -28,3 +28,2 @@", "@@ -29,3 +29,2 @@")
    assert "\n  the guest does not: GUEST_EOI\n  assumed: " in patched(folder, patch, capsys)[1]


def test_a_comment_and_a_refactoring_search_nothing(folder: Path, capsys: Capture) -> None:
    for text in (COMMENT, REFACTORED):
        value = found(folder, text, capsys)
        assert [s["unchanged"] for s in value["scenarios"]] == [True, True]  # type: ignore[attr-defined]


def test_onto_and_reverse_fix(folder: Path, capsys: Capture) -> None:
    bug = str(folder / "counterexamples" / "no-fence" / "bug.patch")
    code, out, _ = patched(folder, BUG_PATCH, capsys, "--onto", bug, "--reverse")
    assert code == 0 and "SUMMARY: fixes T-1" in out and "violated before, holds after" in out
    code, out, _ = patched(folder, CONTROL_PATCH, capsys, "--onto", bug)
    assert code == 0 and "violated before and after" in out


def test_reverse_of_what_is_not_applied_is_refused(folder: Path, capsys: Capture) -> None:
    code, _, err = patched(folder, BUG_PATCH, capsys, "--reverse")
    assert code == 2 and "does not apply" in err


def test_an_answer_from_the_cache_names_the_files_of_this_patch(folder: Path, capsys: Capture) -> None:
    """Two patches that change nothing of the model."""
    files = {name: f"--- /dev/null\n+++ b/model/{name}\n@@ -0,0 +1 @@\n+word\n" for name in ("README", "NOTES")}
    for name, text in files.items():
        said = found(folder, text, capsys)
        assert (said["cached"], said["other_files"]) == (name != "README", [f"model/{name}"])


def test_second_run_comes_from_the_cache_with_the_same_bytes(folder: Path, capsys: Capture) -> None:
    first, second = patched(folder, BUG_PATCH, capsys), patched(folder, BUG_PATCH, capsys)
    assert first[:2] == second[:2] and "from the result cache" in second[2] and "cache" not in first[2]
    assert found(folder, BUG_PATCH, capsys)["cached"] is True
    assert found(folder, BUG_PATCH, capsys, "--no-result-cache")["cached"] is False


def test_base_that_a_check_has_searched_is_not_searched_again(folder: Path, capsys: Capture) -> None:
    assert run(folder, "check") == 0
    code, out, _ = patched(folder, BUG_PATCH, capsys)
    assert code == 1 and "breaks T-1" in out


def test_lost_witness_is_vacuous_and_breaks(folder: Path, capsys: Capture) -> None:
    code, out, _ = patched(folder, NO_IPI, capsys)
    assert code == 1 and "vacuous: its witness W-1 is not reached any more" in out and "breaks T-1" in out


def test_cut_off_is_undecided(folder: Path, capsys: Capture) -> None:
    code, out, _ = patched(folder, BUG_PATCH, capsys, "--max-states", "5")
    assert code == 125 and "SUMMARY: undecided" in out
    value = found(folder, BUG_PATCH, capsys, "--max-states", "5")
    assert (value["verdict"], value["exit_code"]) == ("undecided", 125)


@pytest.mark.parametrize(("before", "after", "shown"), [
    (HOLDS, VIOLATED, True), (ABSENT, VIOLATED, True), (UNKNOWN, VIOLATED, True), (VIOLATED, VIOLATED, False),
    (HOLDS, UNKNOWN, False), (VIOLATED, HOLDS, False),
])  # fmt: skip
def test_a_counterexample_is_shown_where_the_base_is_not_known_to_have_it(before: str, after: str, shown: bool) -> None:
    """Also where the search of the base was cut off: then it is shown, and is no verdict."""
    change = Change("T-1[0]", "T-1", "", "one", "sc", before, after, judge(before, after))
    assert change.new_run is shown


def test_first_stops_at_the_known_bug(folder: Path, capsys: Capture) -> None:
    value = found(folder, BUG_PATCH, capsys, "--first", "-j", "1")
    assert value["verdict"] == "breaks" and value["not_looked_at"] == 2
    [case] = value["scenarios"]  # type: ignore[misc]
    assert (case["known_bugs"], case["properties"]) == (["no-fence"], ["T-1"])


def test_scenario_of_a_known_bug_outside_the_tier_is_tried(tmp_path: Path, capsys: Capture) -> None:
    folder = toy(tmp_path / "w", {"counterexamples/no-fence/bug.toml": ('scenario = "one"', 'scenario = "two"')})
    cases = found(folder, BUG_PATCH, capsys)["scenarios"]
    assert [(c["scenario"], c["known_bugs"]) for c in cases] == [  # type: ignore[attr-defined]
        ("two", ["no-fence"]), ("one", None), ("one", None)]
    other = found(folder, CONTROL_PATCH, capsys)["scenarios"]
    assert [c["scenario"] for c in other] == ["one", "one"]  # type: ignore[attr-defined]


def test_specification_is_changed_only_if_accepted(folder: Path, capsys: Capture) -> None:
    code, _, err = patched(folder, SPEC, capsys)
    assert code == 2 and "changes the specification (properties/toy.py: no_post_is_missed)" in err
    code, out, _ = patched(folder, SPEC, capsys, "--accept-spec")
    assert code == 0 and "the patch changes the specification: no_post_is_missed" in out
    assert found(folder, SPEC, capsys, "--accept-spec")["specification"] == ["properties/toy.py:6: no_post_is_missed"]
    comment = SPEC.replace("+    return True", "+    # why\n+    return not desc.pending or desc.seen or desc.ipi")
    assert patched(folder, comment.replace("@@ -11,3 +11,3 @@", "@@ -11,2 +11,3 @@"), capsys)[0] == 0


NEW_SCENARIO = """\
--- a/model/scenarios/sizes.py
+++ b/model/scenarios/sizes.py
@@ -6,1 +6,9 @@
+@scenario(tier="quick", memory=("sc",))
+class three:
+    \"\"\"Three posters.\"\"\"
+
+    SENDERS = 3
+
+
+
 @scenario(tier="quick", memory=("sc", "tso"))
"""


def test_new_and_removed_scenarios(folder: Path, capsys: Capture) -> None:
    value = found(folder, NEW_SCENARIO, capsys, "--accept-spec")
    assert value["verdict"] == "keeps"
    by_name = {s["scenario"]: s for s in value["scenarios"]}  # type: ignore[attr-defined]
    assert by_name["three"]["states_before"] is None and by_name["three"]["states_after"] > 0
    assert by_name["one"]["unchanged"] is True
    (folder / "new.patch").write_text(NEW_SCENARIO)
    back = ("--onto", str(folder / "new.patch"), "--reverse", "--accept-spec")
    code, out, _ = patched(folder, NEW_SCENARIO, capsys, *back)
    assert code == 125 and "the patch removes this scenario" in out


def test_parameters_belong_to_the_specification(folder: Path, capsys: Capture) -> None:
    text = ("--- a/model/toy.py\n+++ b/model/toy.py\n@@ -8 +8 @@\n-SENDERS = Param(1, \"posters\")\n"
            "+SENDERS = Param(0, \"posters\")\n")
    code, _, err = patched(folder, text, capsys)
    assert code == 2 and "changes the specification (model/toy.py: SENDERS)" in err


def test_mbox_from_standard_input(folder: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
    start = "From 0123456789abcdef Mon Sep 17 00:00:00 2001\n"
    raw = "".join(f"{start}Subject: [PATCH {n}/2] x\n\n---\n{text}-- \n2\n\n"
                  for n, text in ((2, COMMENT), (1, CONTROL_PATCH)))
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(raw.encode())))
    assert run(folder, "patch", "-") == 0
    assert "SUMMARY: keeps" in capsys.readouterr()[0]


def test_several_files_apply_in_order(folder: Path, capsys: Capture) -> None:
    (folder / "1.patch").write_text(CONTROL_PATCH)
    (folder / "2.patch").write_text(BUG_PATCH)
    assert run(folder, "patch", str(folder / "1.patch"), str(folder / "2.patch")) == 1
    assert "post  (arch/toy.c:post)" in capsys.readouterr()[0]


def git(folder: Path, *words: str) -> None:
    subprocess.run(["git", "-c", "user.name=n", "-c", "user.email=e@example.org", *words], cwd=folder, check=True,
                   capture_output=True)


def test_a_base_without_git_is_told_in_words(tmp_path: Path, capsys: Capture) -> None:
    assert run(toy(tmp_path / "w"), "patch", "--base", "HEAD") == 2
    assert f"--base HEAD: {tmp_path / 'w'} is in no git repository; " in capsys.readouterr()[1]


def test_base_is_a_revision(tmp_path: Path, capsys: Capture) -> None:
    folder = toy(tmp_path / "w")
    git(folder, "init", "-q")
    git(folder, "add", "model", "properties")
    git(folder, "commit", "-q", "-m", "good")
    assert run(folder, "patch", "--base", "HEAD") == 0
    assert "SUMMARY: keeps" in capsys.readouterr()[0]
    model = folder / "model" / "toy.py"
    model.write_text(model.read_text().replace("    smp_mb()\n    if desc.pending", "    if desc.pending"))
    assert run(folder, "patch", "--base", "HEAD") == 1
    assert "SUMMARY: breaks T-1" in capsys.readouterr()[0]
    code, out, _ = patched(folder, CONTROL_PATCH, capsys, "--base", "HEAD")
    assert code == 0 and "SUMMARY: keeps" in out
    for name in ("no-such", "--upload-pack=x", "HEAD:model", ""):
        assert run(folder, "patch", f"--base={name}") == 2
        assert len(capsys.readouterr()[1].splitlines()) == 1


BINARY = "diff --git a/model/x.bin b/model/x.bin\nindex 1..2 100644\nGIT binary patch\nliteral 1\nx\n"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "is empty"),
        ("Subject: [PATCH] x\nFrom: a@b\n\nhello\n", "a mail without a diff"),
        (BUG_PATCH.replace("model/toy.py", "README.md"), "README.md lies outside the workspace"),
        (BUG_PATCH.replace("model/toy.py", "model/../../x.py"), "not a path inside the workspace"),
        (BUG_PATCH.replace("a/model/toy.py", "/etc/passwd").replace("b/model/toy.py", "/etc/passwd"), "not a path"),
        (BUG_PATCH.replace("-    smp_mb()", "-    smp_wmb()"), "does not apply: line 29"),
        (BUG_PATCH.replace("     if desc.pending:", "     if desc.pending2:"), "would apply only with fuzz"),
        (BUG_PATCH.replace("-    smp_mb()", "-    smp_mb()\n+    smp_mb(").replace("+28,2", "+28,3"), "error LI001"),
        (BUG_PATCH.replace("-    smp_mb()", "-    smp_mb()\n+    nothing()").replace("+28,2", "+28,3"), "error LI005"),
        (BINARY, "binary changes are not accepted"),
        ("diff --git a/model/toy.py b/model/t.py\nsimilarity index 100%\nrename from model/toy.py\nrename to x\n",
         "renames are not accepted"),
        ("diff --git a/model/toy.py b/model/toy.py\nold mode 100644\nnew mode 100755\n", "modes are not accepted"),
        ("diff --git a/model/l.py b/model/l.py\nnew file mode 120000\n--- /dev/null\n+++ b/model/l.py\n"
         "@@ -0,0 +1 @@\n+toy.py\n\\ No newline at end of file\n", "symbolic links are not accepted"),
        ("--- /dev/null\n+++ b/model/.hidden.py\n@@ -0,0 +1 @@\n+x = 1\n", "hidden file"),
    ],
)
def test_bad_input_is_one_error_and_exit_2(folder: Path, capsys: Capture, text: str, said: str) -> None:
    code, out, err = patched(folder, text, capsys)
    assert code == 2 and out == "" and said in err
    assert err.startswith("lostirq: ") and "Traceback" not in err
    if "error LI" not in said:
        assert len(err.splitlines()) == 1


@pytest.mark.parametrize(
    ("words", "said"),
    [((), "no patch given"), (("--reverse", "--base", "HEAD"), "--reverse and --onto need"),
     (("-", "-"), "standard input can be read once"), (("no-such-file",), "cannot read patch no-such-file")],
)
def test_bad_arguments(folder: Path, capsys: Capture, words: tuple[str, ...], said: str) -> None:
    assert run(folder, "patch", *words) == 2
    assert said in capsys.readouterr()[1]


def test_nothing_of_a_patch_is_executed(folder: Path, capsys: Capture) -> None:
    mark = folder / "executed"
    text = BUG_PATCH.replace("-    smp_mb()", f"-    smp_mb()\n+    open({str(mark)!r}, 'w')").replace("+28,2", "+28,3")
    assert patched(folder, text, capsys)[0] == 2 and not mark.exists()


INSIDE = '''\
"""What is proved."""
from lostirq.prelude import *


@invariant("P-1", title="inside", source="toy", witness="W-1", planted="no-fence")
def inside() -> bool:
    """What was seen was seen inside."""
    return not desc.seen or desc.mode == Mode.INSIDE
'''
PROOF = '''\
"""Where it is proved."""
from lostirq.prelude import *


@scenario(tier="proof", memory=("sc",), properties=("P-1",))
class proof_of_inside:
    """One poster."""
'''
OUTSIDE_AGAIN = """\
--- a/model/toy.py
+++ b/model/toy.py
@@ -30,2 +30,3 @@ def enter():
     if desc.pending:
         desc.seen = True
+    desc.mode = Mode.OUTSIDE
"""


@pytest.mark.parametrize("certified", [False, True])
def test_proofs_have_a_column_of_their_own(tmp_path: Path, capsys: Capture, certified: bool) -> None:
    folder = toy(tmp_path / "w")
    (folder / "properties" / "inside.py").write_text(INSIDE)
    (folder / "proofs").mkdir()
    (folder / "proofs" / "inside.py").write_text(PROOF)
    if certified:
        assert run(folder, "prove") == 0
        assert list((folder / "proofs" / "certificates").iterdir())
    capsys.readouterr()
    for text, options, status, why in (
        (OUTSIDE_AGAIN, (), "stale", "not tried"), (OUTSIDE_AGAIN, ("--proofs",), "lost", "P-1"),
        (CONTROL_PATCH, ("--proofs",), "kept", "proved again"), (COMMENT, (), "kept", "the same system"),
    ):
        value = found(folder, text, capsys, *options)
        [row] = value["proofs"]  # type: ignore[misc]
        assert (row["property"], row["status"]) == ("P-1", status) and why in row["why"]


@pytest.mark.parametrize(
    ("before", "after", "verdict"),
    [
        (HOLDS, VIOLATED, PatchVerdict.BREAKS), (ABSENT, VIOLATED, PatchVerdict.BREAKS),
        (VIOLATED, VIOLATED, PatchVerdict.KEEPS), (HOLDS, HOLDS, PatchVerdict.KEEPS),
        (VIOLATED, HOLDS, PatchVerdict.FIXES), (HOLDS, UNKNOWN, PatchVerdict.UNDECIDED),
        (VIOLATED, UNKNOWN, PatchVerdict.UNDECIDED), (UNKNOWN, HOLDS, PatchVerdict.UNDECIDED),
        (UNKNOWN, VIOLATED, PatchVerdict.UNDECIDED), (UNKNOWN, UNKNOWN, PatchVerdict.UNDECIDED),
        (HOLDS, ABSENT, PatchVerdict.UNDECIDED), (VIOLATED, ABSENT, PatchVerdict.UNDECIDED),
        (ABSENT, HOLDS, PatchVerdict.KEEPS), (ABSENT, ABSENT, PatchVerdict.KEEPS),
    ],
)
def test_verdict_on_one_property(before: str, after: str, verdict: PatchVerdict) -> None:
    assert judge(before, after) is verdict


def test_order_of_verdicts() -> None:
    b, u, f, k = PatchVerdict.BREAKS, PatchVerdict.UNDECIDED, PatchVerdict.FIXES, PatchVerdict.KEEPS
    assert (worst([k, f, u, b]), worst([k, f, u]), worst([k, f]), worst([k]), worst([])) == (b, u, f, k, k)
