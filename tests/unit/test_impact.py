# SPDX-License-Identifier: GPL-2.0-or-later
"""`lostirq impact`: from a patch of a C source to the functions of the model, with and without the source."""

from __future__ import annotations

import argparse
import difflib
import io
from pathlib import Path

import pytest
from cli_toys import BUG_PATCH, run, toy
from json_schemas import valid

from lostirq.ir.system import Memory
from lostirq.language import Executed, compile_scenario, load_sources
from lostirq.workflow.commands import Setting
from lostirq.workflow.impact import executed
from lostirq.workflow.impact_command import run_impact
from lostirq.workflow.impact_source import functions, pieces
from lostirq.workflow.outcome import Outcome
from lostirq.workflow.patching import parse
from lostirq.workflow.workspace import sources

ROOT = Path(__file__).parents[2]
Capture = pytest.CaptureFixture[str]
SOURCE = """\
#define DEFINE_THING(name) int name
struct desc {
\tint pending;
};

static int helper(struct desc *d);

static int helper(struct desc *d)
{
\tif (d->pending)
\t\treturn 1;
\treturn 0;
}

void enter(struct desc *d,
\t   int flags)
{
\td->mode = INSIDE;
\tsmp_mb();

\tif (d->pending)
\t\td->seen = 1;
}
EXPORT_SYMBOL_GPL(enter);

DEFINE_THING(x);

void
post(struct desc *d)
{
\td->pending = 1;
\tsmp_mb();
\tif (d->mode == INSIDE)
\t\td->ipi = 1;
}
"""


def change(*edits: tuple[str, str], context: int = 3, file: str = "arch/toy.c", heading: bool = True) -> str:
    """A diff of the source, with headings as git makes them."""
    after = SOURCE
    for old, new in edits:
        assert after.count(old) == 1, old
        after = after.replace(old, new)
    rows = list(difflib.unified_diff(SOURCE.splitlines(), after.splitlines(), f"a/{file}", f"b/{file}", n=context,
                                     lineterm=""))
    for n, row in enumerate(rows):
        if heading and row.startswith("@@"):
            start = int(row.split()[1].split(",")[0][1:])
            before = [line for line in SOURCE.splitlines()[:start - 1] if line[:1].isalpha() or line[:1] == "_"]
            rows[n] = f"{row} {before[-1]}" if before else row
    return "\n".join(rows) + "\n"


FENCE = change(("smp_mb();\n\n", ""))


def tree(folder: Path, text: str = SOURCE) -> Path:
    (folder / "arch").mkdir(parents=True)
    (folder / "arch" / "toy.c").write_text(text)
    return folder


def report(folder: Path, text: str, capsys: Capture, *words: str) -> dict[str, object]:
    (folder / "k.patch").write_text(text)
    assert run(folder, "impact", str(folder / "k.patch"), "--json", *words) == 0
    return valid("impact", capsys.readouterr()[0])


def test_functions_of_a_source() -> None:
    assert functions(SOURCE.split("\n")) == [
        ("DEFINE_THING", 1, 1), ("helper", 8, 13), ("enter", 15, 23), ("post", 29, 35)]


@pytest.mark.parametrize("exact", [False, True])
def test_touched_function_leads_to_the_model(tmp_path: Path, capsys: Capture, exact: bool) -> None:
    folder = toy(tmp_path / "w")
    words = ("--kernel", str(tree(tmp_path / "k"))) if exact else ()
    found = report(folder, FENCE, capsys, *words)
    [f] = found["functions"]  # type: ignore[misc]
    assert (f["function"], f["model_function"], f["file"], f["line"]) == ("enter", "enter", "model/toy.py", 26)
    assert f["resolved"] is exact and f["same_file"] is True
    assert f["scenarios"] == ["one", "two"] and f["properties"] == ["T-1"] and f["known_bugs"] == ["no-fence"]
    assert found["not_modelled"] == [] and found["outside_functions"] == []


def test_source_after_the_patch_will_do(tmp_path: Path, capsys: Capture) -> None:
    folder = toy(tmp_path / "w")
    found = report(folder, FENCE, capsys, "--kernel", str(tree(tmp_path / "k", SOURCE.replace("smp_mb();\n\n", "", 1))))
    assert [(f["function"], f["resolved"]) for f in found["functions"]] == [  # type: ignore[attr-defined]
        ("enter", True)]


def test_lines_decide_not_the_heading(tmp_path: Path, capsys: Capture) -> None:
    """With little context, git's heading names the function before; the source knows better."""
    text = change(("\td->pending = 1;\n", "\td->pending = 2;\n"), context=0, heading=False).replace(
        " @@\n", " @@ void enter(struct desc *d,\n")
    folder = toy(tmp_path / "w")
    guessed = report(folder, text, capsys)["functions"]
    known = report(folder, text, capsys, "--kernel", str(tree(tmp_path / "k")))["functions"]
    assert [(f["function"], f["resolved"]) for f in guessed] == [("enter", False)]  # type: ignore[attr-defined]
    assert [(f["function"], f["resolved"]) for f in known] == [("post", True)]  # type: ignore[attr-defined]


def test_hunk_over_two_functions_and_what_is_not_modelled(tmp_path: Path, capsys: Capture) -> None:
    folder = toy(tmp_path / "w")
    text = change(("\treturn 0;", "\treturn 2;"), ("d->mode = INSIDE", "d->mode = OUTSIDE"),
                  ("int pending", "u8 pending"))
    for words in ((), ("--kernel", str(tree(tmp_path / "k")))):
        found = report(folder, text, capsys, *words)
        assert [f["function"] for f in found["functions"]] == ["enter"]  # type: ignore[attr-defined]
        assert found["not_modelled"] == [{"source": "arch/toy.c", "function": "helper"}]
        assert found["outside_functions"] == ["arch/toy.c"]


def test_same_name_in_another_file_says_so(tmp_path: Path, capsys: Capture) -> None:
    found = report(toy(tmp_path / "w"), change(("smp_mb();\n\n", ""), file="drivers/toy.c"), capsys)
    assert [f["same_file"] for f in found["functions"]] == [False]  # type: ignore[attr-defined]


def test_skeleton_is_a_patch_that_applies_and_changes_nothing(tmp_path: Path, capsys: Capture) -> None:
    folder = toy(tmp_path / "w")
    (folder / "k.patch").write_text(FENCE)
    assert run(folder, "impact", str(folder / "k.patch"), "-o", str(folder / "skeleton.patch")) == 0
    out = capsys.readouterr()[0]
    skeleton = (folder / "skeleton.patch").read_text()
    assert skeleton in out
    assert "+    # translate: arch/toy.c:16 enter()" in skeleton and "+    # -     smp_mb();" in skeleton
    assert run(folder, "patch", str(folder / "skeleton.patch")) == 0
    assert "SUMMARY: keeps" in capsys.readouterr()[0]
    assert run(folder, "impact", str(folder / "k.patch"), "--skeleton") == 0
    assert capsys.readouterr()[0] == skeleton


@pytest.mark.parametrize("name", ["enter", "arrive"])
def test_a_function_that_several_mirror_has_its_hunk_once(tmp_path: Path, capsys: Capture, name: str) -> None:
    """In the function of its name, or else in the first; the others are named."""
    mark = '@function(kernel="arch/toy.c:enter")\n'
    folder = toy(tmp_path / "w", {"model/toy.py": (mark, f"{mark}def before():\n    step()\n\n\n{mark}")})
    text = (folder / "model/toy.py").read_text()
    text = text.replace("def enter()", f"def {name}()").replace("    enter()", f"    before()\n    {name}()")
    (folder / "model/toy.py").write_text(text)
    found = report(folder, FENCE, capsys)
    assert {f["model_function"] for f in found["functions"]} == {"before", name}  # type: ignore[attr-defined]
    skeleton = str(found["skeleton"])
    assert skeleton.count("translate:") == skeleton.count("# -     smp_mb();") == 1
    chosen, other = ("enter", "before") if name == "enter" else ("before", "arrive")
    assert f"+    # part of it may belong in {other}(), model/toy.py:" in skeleton
    assert f" def {chosen}():\n+    # translate: arch/toy.c:16 enter()\n" in skeleton


def test_a_terminal_sees_how_far_it_is(tmp_path: Path) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    folder = toy(tmp_path / "w")
    (folder / "k.patch").write_text(FENCE)
    asked = argparse.Namespace(file=str(folder / "k.patch"), kernel=None, output=None, skeleton=False)
    for err, seen in ((Terminal(), True), (io.StringIO(), False)):
        setting = Setting(folder, tmp_path / str(seen), False, False, io.StringIO(), err, {})
        assert run_impact(setting, asked, 1, io.BytesIO()) is Outcome.HOLDS
        for n in range(3):
            assert (f"[{n}/2] scenarios compiled" in err.getvalue()) is seen
    assert not err.getvalue()


def test_nothing_modelled_is_touched(tmp_path: Path, capsys: Capture) -> None:
    folder = toy(tmp_path / "w")
    (folder / "k.patch").write_text(change(("\treturn 0;", "\treturn 2;")))
    assert run(folder, "impact", str(folder / "k.patch")) == 0
    assert "no modelled function is touched" in capsys.readouterr()[0]
    assert run(folder, "impact", str(folder / "k.patch"), "-o", str(folder / "s")) == 2
    assert run(folder, "impact", str(folder / "k.patch"), "--skeleton") == 2
    assert capsys.readouterr()[1].count("there is no skeleton") == 2
    assert run(folder, "impact", str(folder / "k.patch"), "--skeleton", "--json") == 0
    valid("impact", capsys.readouterr()[0])
    (tmp_path / "tree" / "arch").mkdir(parents=True)
    (folder / "k.patch").write_text("--- a/arch/gone.c\n+++ /dev/null\n@@ -1,3 +0,0 @@\n-int f(void)\n-{\n-}\n")
    assert run(folder, "impact", str(folder / "k.patch"), "--kernel", str(tmp_path / "tree")) == 0  # the tree after it


def test_the_skeleton_goes_to_a_file_or_to_the_terminal(tmp_path: Path, capsys: Capture) -> None:
    folder = toy(tmp_path / "w")
    (folder / "k.patch").write_text(FENCE)
    assert run(folder, "impact", str(folder / "k.patch"), "--skeleton") == 0
    shown = capsys.readouterr()[0]
    assert run(folder, "impact", str(folder / "k.patch"), "--skeleton", "-o", str(folder / "s")) == 0
    assert capsys.readouterr()[0] == "" and (folder / "s").read_text() == shown


def test_renames_and_binary_files_of_a_large_patch_are_passed_over() -> None:
    text = ("diff --git a/x.c b/y.c\nsimilarity index 90%\nrename from x.c\nrename to y.c\n--- a/x.c\n+++ b/y.c\n"
            "@@ -1,2 +1,2 @@ int f(void)\n a\n-b\n+c\ndiff --git a/z.bin b/z.bin\nindex 1..2 100644\n"
            "Binary files a/z.bin and b/z.bin differ\n")
    assert [(p.file, p.function) for p in pieces(parse(text, strict=False), None)] == [("y.c", "f")]


@pytest.mark.parametrize(
    ("text", "words", "said"),
    [("", (), "is empty"), ("hello\n", (), "no change found"), (FENCE, ("--kernel", "/no/such"), "no such folder"),
     (FENCE, ("--kernel", "/usr"), "has none of the files that the patch changes (arch/toy.c); give the top"),
     (BUG_PATCH.replace("a/model/toy.py", "a/model/new.py").replace("b/model/toy.py", "b/model/new.py"), (),
      "model/new.py is a file of the model"),
     (BUG_PATCH, (), "model/toy.py is a file of the model: lostirq patch judges such a patch"),
     ("\n".join(FENCE.split("\n")[:7]), (), "ends in the middle")],
)
def test_bad_input(tmp_path: Path, capsys: Capture, text: str, words: tuple[str, ...], said: str) -> None:
    folder = toy(tmp_path / "w")
    (folder / "k.patch").write_text(text)
    assert run(folder, "impact", str(folder / "k.patch"), *words) == 2
    err = capsys.readouterr()[1]
    assert said in err and len(err.splitlines()) == 1


def test_file_outside_the_tree_is_not_read(tmp_path: Path, capsys: Capture) -> None:
    (tmp_path / "k").mkdir()
    (tmp_path / "secret.c").write_text("int f(void)\n{\n\tsecret;\n}\n")
    text = "--- a/../secret.c\n+++ b/../secret.c\n@@ -3 +3 @@\n-\tsecret;\n+\tx;\n"
    folder = toy(tmp_path / "w")
    (folder / "k.patch").write_text(text)
    assert run(folder, "impact", str(folder / "k.patch"), "--kernel", str(tmp_path / "k")) == 2


def test_a_function_that_others_steps_have_swallowed_is_not_forgotten() -> None:
    """Of this project's model: a store to the VMCS is a part of the step that comes before it."""
    workspace = load_sources(sources(ROOT))
    seen = Executed()
    system = compile_scenario(workspace, "sender_halt", Memory.TSO, executed=seen)
    found = executed(system, seen.functions)
    assert "vmx_set_rvi" not in executed(system, set()) and "Q-5" in found["vmx_set_rvi"]
    assert set(found["vmx_sync_pir_to_irr"]) < set(found["vmx_set_rvi"])    # of which it is not known what it writes
    assert "apic_set_isr" not in found          # APICv is always on there
