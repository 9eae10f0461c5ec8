# SPDX-License-Identifier: GPL-2.0-or-later
"""The patch applier: what it accepts, and the one line it gives for each thing it refuses."""

from __future__ import annotations

import difflib
import random
import shutil
import subprocess
from pathlib import Path

import pytest

from lostirq.errors import UsageError
from lostirq.workflow.patching import apply, apply_files, parse, reverse

SOURCES = {"model/a.py": "".join(f"line {i}\n" for i in range(1, 11)), "model/b.py": "x = 1\n"}

CHANGE = """\
--- a/model/a.py
+++ b/model/a.py
@@ -2,4 +2,4 @@
 line 2
-line 3
+line three
 line 4
 line 5
"""


def test_change_is_applied_and_located() -> None:
    patched = apply(SOURCES, CHANGE)
    assert patched.sources["model/a.py"] == SOURCES["model/a.py"].replace("line 3\n", "line three\n")
    assert patched.sources["model/b.py"] == SOURCES["model/b.py"]
    assert patched.changed == {"model/a.py": frozenset({2, 3})}


def test_text_of_a_mail_around_the_diff_is_skipped() -> None:
    mail = f"From: somebody\nSubject: [PATCH] move it\n\nBecause.\n---\n a.py | 2 +-\n\n{CHANGE}-- \n2.39\n"
    assert apply(SOURCES, mail).sources == apply(SOURCES, CHANGE).sources


def test_new_and_deleted_files() -> None:
    added = "--- /dev/null\n+++ b/model/c.py\n@@ -0,0 +1,2 @@\n+one\n+two\n"
    deleted = "--- a/model/b.py\n+++ /dev/null\n@@ -1 +0,0 @@\n-x = 1\n"
    patched = apply(SOURCES, added + deleted)
    assert patched.sources["model/c.py"] == "one\ntwo\n"
    assert "model/b.py" not in patched.sources


def test_removed_line_marks_the_code_around_it_not_the_comments() -> None:
    sources = {"model/a.py": "a()\n# why\nsmp_mb()\n\n# next\nb()\n"}
    patched = apply(sources, "--- a/model/a.py\n+++ b/model/a.py\n@@ -2,3 +2,2 @@\n # why\n-smp_mb()\n \n")
    assert patched.changed == {"model/a.py": frozenset({1, 5})}


@pytest.mark.parametrize("after", ["-- \n2.39\n", "--\n2.39\n", "", "\n", "\nbye\n",
                                   "--- a/model/b.py\n+++ b/model/b.py\n@@ -1 +1 @@\n-x = 1\n+x = 2\n"])
def test_what_may_follow_a_hunk(after: str) -> None:
    assert "line three\n" in apply(SOURCES, CHANGE + after).sources["model/a.py"]


@pytest.mark.parametrize(("one", "two"), [("i", "w"), ("c", "w"), ("c", "i"), ("o", "w"), ("w", "i"), ("1", "2")])
def test_names_as_git_writes_them_with_mnemonic_prefixes(one: str, two: str) -> None:
    text = CHANGE.replace("a/model", f"{one}/model").replace("b/model", f"{two}/model")
    assert apply(SOURCES, text).sources == apply(SOURCES, CHANGE).sources
    added = (f"diff --git {one}/model/c.py {two}/model/c.py\nnew file mode 100644\nindex 0..1\n--- /dev/null\n"
             f"+++ {two}/model/c.py\n@@ -0,0 +1 @@\n+one\n")
    assert apply(SOURCES, added).sources["model/c.py"] == "one\n"


def test_a_folder_of_one_letter_is_no_prefix() -> None:
    text = CHANGE.replace("a/model", "c/model").replace("b/model", "c/model")
    assert "line three" in apply({"c/model/a.py": SOURCES["model/a.py"]}, text).sources["c/model/a.py"]
    header = "diff --git c/e.py c/e.py\nnew file mode 100644\nindex 0000000..e69de29\n"
    assert apply(SOURCES, header).sources["c/e.py"] == ""


def test_empty_files_come_and_go() -> None:
    """Alone, and beside other changes; as git writes them."""
    head = "diff --git a/model/e.py b/model/e.py\n{} file mode 100644\nindex {}\n"
    new, gone = head.format("new", "0000000..e69de29"), head.format("deleted", "e69de29..0000000")
    for text in (new, new + CHANGE, CHANGE + new):
        assert apply(SOURCES, text).sources["model/e.py"] == ""
    assert "model/e.py" not in apply(SOURCES | {"model/e.py": ""}, gone).sources
    assert apply_files(SOURCES | {"model/e.py": ""}, reverse(parse(new))).sources == SOURCES
    with pytest.raises(UsageError, match="lines of it would be left"):
        apply(SOURCES | {"model/e.py": "x\n"}, gone)


def test_a_patch_that_is_applied_already_says_so() -> None:
    done = apply(SOURCES, CHANGE).sources
    with pytest.raises(UsageError) as error:
        apply(done, CHANGE, "x.patch")
    assert str(error.value).startswith("x.patch: is applied already (reversed it applies): model/a.py: hunk 1 (line 2)")
    with pytest.raises(UsageError, match="is not applied, so that it cannot be taken back"):
        apply_files(SOURCES, reverse(parse(CHANGE)), "x.patch")


def test_what_would_apply_anywhere_is_not_said_to_be_applied() -> None:
    """The reverse of a hunk without context, or of a deleted file, looks at nothing."""
    for text in ("--- a/model/a.py\n+++ b/model/a.py\n@@ -3 +2,0 @@\n-line x\n",
                 "--- a/model/z.py\n+++ /dev/null\n@@ -1 +0,0 @@\n-x\n"):
        with pytest.raises(UsageError) as error:
            apply(SOURCES, text)
        assert "applied already" not in str(error.value)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "no change found"),
        ("hello\n", "no change found"),
        (CHANGE.replace("-line 3", "-line 4"),
         "hunk 1 (line 2) does not apply: line 3 should be 'line 4', found 'line 3'"),
        (CHANGE.replace("@@ -2,4 +2,4 @@", "@@ -20,4 +20,4 @@").replace("-line 3", "-line x"), "only 10 lines"),
        (CHANGE.replace("@@ -2,4", "@@ -2,x"), "cannot read"),
        ("\n".join(CHANGE.split("\n")[:5]), "ends in the middle"),
        (CHANGE.replace("+2,4 @@", "+2,3 @@"), "more lines than its '@@' line says"),
        (CHANGE.replace("model/a.py", "../outside.py"), "not a path inside the workspace"),
        (CHANGE.replace("a/model/a.py", "/etc/passwd").replace("b/model/a.py", "/etc/passwd"), "not a path inside"),
        (CHANGE.replace("a/model/a.py", "a/model/z.py").replace("b/model/a.py", "b/model/z.py"), "not a file of the"),
        (CHANGE.replace("b/model/a.py", "b/model/z.py"), "renames model/a.py to model/z.py"),
        ("GIT binary patch\n" + CHANGE, "binary"),
        ("new file mode 120000\n" + CHANGE, "symbolic links"),
        ("rename from x\n" + CHANGE, "renames are not accepted"),
        ("@@ -1 +1 @@\n-a\n+b\n", "without the '---'"),
        ("--- a/model/a.py\n+++ b/model/a.py\nnothing\n", "no hunk follows"),
        ("--- /dev/null\n+++ b/model/b.py\n@@ -0,0 +1 @@\n+x\n", "exists already"),
        ("--- /dev/null\n+++ /dev/null\n@@ -0,0 +1 @@\n+x\n", "both sides"),
        (CHANGE + CHANGE, "twice"),
        (CHANGE + "\0", "NUL byte"),
        (CHANGE.replace("@@ -2,", f"@@ -{'9' * 5000},"), "hunk 1: cannot read '@@ -9999"),
        (CHANGE.replace("+2,4", f"+2,{'9' * 5000}"), "cannot read"),
        (CHANGE + "-line 6\n", "more lines than its '@@' line says"),
        (CHANGE + " line 6\n-line 7\n", "more lines than its '@@' line says"),
        (CHANGE + " \n-line 7\n", "more lines than its '@@' line says"),
        (CHANGE + "--- line 6\n", "more lines than its '@@' line says"),
        (CHANGE.replace("-line 3", " line 3").replace("+line three\n", ""), "changes nothing: its hunks leave"),
        (CHANGE.replace("+line three", "+line 3"), "changes nothing"),
        ('diff --git "a/model/\\303.py" "b/model/\\303.py"\nnew file mode 100644\nindex 0..1\n', "quoted file names"),
    ],
)
def test_refused_with_one_clear_line(text: str, said: str) -> None:
    with pytest.raises(UsageError) as error:
        apply(SOURCES, text, "bug.patch")
    assert said in str(error.value)
    assert str(error.value).startswith("bug.patch")
    assert "\n" not in str(error.value)


def test_a_file_that_moved_is_followed_if_there_is_only_one_place() -> None:
    shifted = {"model/a.py": "new first line\n" + SOURCES["model/a.py"]}
    expected = "new first line\n" + apply(SOURCES, CHANGE).sources["model/a.py"]
    assert apply(shifted, CHANGE).sources["model/a.py"] == expected
    twice = {"model/a.py": "new first line\n" + SOURCES["model/a.py"] * 2}
    with pytest.raises(UsageError, match="stand in 2 other places"):
        apply(twice, CHANGE)


def test_no_fuzz_where_patch_would_ignore_context() -> None:
    other = {"model/a.py": SOURCES["model/a.py"].replace("line 5", "line five")}
    with pytest.raises(UsageError, match="line 5 should be 'line 5', found 'line five'"):
        apply(other, CHANGE)
    moved = {"model/a.py": "one more\n" * 3 + other["model/a.py"]}
    with pytest.raises(UsageError, match="line 8 should be 'line 5', found 'line five'"):    # where most of it stands
        apply(moved, CHANGE)


def test_agrees_with_git_on_random_edits(tmp_path: Path) -> None:
    rng = random.Random(7)
    for round_ in range(12):
        before = [f"statement {rng.randrange(9)}\n" for _ in range(rng.randrange(1, 60))]
        after = [line for line in before if rng.random() > 0.1]
        for _ in range(rng.randrange(1, 6)):
            after.insert(rng.randrange(len(after) + 1), f"added {rng.randrange(100)}\n")
        text = "".join(difflib.unified_diff(before, after, "a/f.py", "b/f.py", n=rng.randrange(4)))
        if not text:
            continue
        folder = tmp_path / str(round_)
        folder.mkdir()
        (folder / "f.py").write_text("".join(before))
        subprocess.run(["git", "apply", "--unidiff-zero", "-"], input=text.encode(), cwd=folder, check=True)
        assert apply({"f.py": "".join(before)}, text).sources["f.py"] == (folder / "f.py").read_text()


@pytest.mark.parametrize("how", [(), ("--no-prefix",), ("-R",), ("--cached",), ("HEAD",), ("-U0",)])
@pytest.mark.parametrize("mnemonic", ["false", "true"])
def test_reads_what_git_writes_with_its_settings(tmp_path: Path, how: tuple[str, ...], mnemonic: str) -> None:
    """A change, a new file, an empty one, and the same gone; against the index, a commit and the folder."""
    before = {"model/a.py": SOURCES["model/a.py"], "model/gone.py": "x = 1\n", "model/none.py": ""}
    after = {"model/a.py": apply(SOURCES, CHANGE).sources["model/a.py"], "model/new.py": "y = 2\n", "model/e.py": ""}

    def git(*words: str) -> str:
        who = ("-c", "user.name=n", "-c", "user.email=e@example.org", "-c", f"diff.mnemonicPrefix={mnemonic}")
        return subprocess.run(["git", *who, *words], cwd=tmp_path, capture_output=True, text=True, check=True).stdout

    def write(files: dict[str, str]) -> None:
        shutil.rmtree(tmp_path / "model", ignore_errors=True)
        (tmp_path / "model").mkdir()
        for name, text in files.items():
            (tmp_path / name).write_text(text)

    git("init", "-q")
    write(before)
    git("add", ".")
    git("commit", "-q", "-m", "before")
    write(after)
    git("add", ".") if how in (("--cached",), ("HEAD",)) else git("add", "-N", "model/new.py", "model/e.py")
    text = git("diff", "--no-renames", *how)
    one, two = (after, before) if how == ("-R",) else (before, after)
    assert apply(one, text).sources == two


def test_parse_lists_files() -> None:
    assert [f.path for f in parse(CHANGE)] == ["model/a.py"]
