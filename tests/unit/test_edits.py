# SPDX-License-Identifier: GPL-2.0-or-later
"""A report of a model that the user edited says so; that of another model, or of an added scenario, does not."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest
from cli_toys import MODEL, run, toy

from lostirq.workflow import edits
from lostirq.workflow.edits import edited

FENCE = "    desc.mode = Mode.INSIDE\n    smp_mb()\n"
Capture = pytest.CaptureFixture[str]


@pytest.fixture
def carried(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The toy as the workspace of the package."""
    folder = toy(tmp_path / "package")
    monkeypatch.setattr(edits, "packaged", lambda: folder)
    return folder


def change(folder: Path, old: str, new: str) -> None:
    text = (folder / "model/toy.py").read_text()
    assert old in text
    (folder / "model/toy.py").write_text(text.replace(old, new))


def test_a_mail_says_that_the_model_was_edited(carried: Path, tmp_path: Path, capsys: Capture) -> None:
    mine = tmp_path / "mine"
    shutil.copytree(carried, mine)
    assert edited(mine) == ()
    change(mine, FENCE, "    desc.mode = Mode.INSIDE\n")
    assert run(mine, "check") == 1 and run(mine, "report", "last", "--format", "lkml") == 0
    said = " ".join(capsys.readouterr()[0].split())
    assert "NOTE: The model was changed: model/toy.py differs from lostirq " in said
    assert run(mine, "report", "last", "--format", "github") == 0
    assert "The model was changed: model/toy.py differs" in capsys.readouterr()[0]


def test_what_is_no_edit(carried: Path, tmp_path: Path) -> None:
    mine = tmp_path / "mine"
    shutil.copytree(carried, mine)
    change(mine, FENCE, f"    # a comment\n{FENCE}")
    (mine / "model/scenarios/mine.py").write_text("from lostirq.prelude import *\n")
    assert edited(mine) == ()
    (mine / "model/more.py").write_text("from lostirq.prelude import *\n")
    (mine / "properties/toy.py").unlink()
    assert edited(mine) == ("model/more.py", "properties/toy.py")


def test_another_model_is_no_copy(carried: Path, tmp_path: Path) -> None:
    other = toy(tmp_path / "other", {"model/KERNEL": ("0.0", "9.9"), "model/toy.py": (FENCE, "    step()\n")})
    assert edited(other) == ()
    strange = tmp_path / "strange"
    for name, text in {"model/KERNEL": "0.0\n", "model/other.py": MODEL}.items():
        (strange / name).parent.mkdir(parents=True, exist_ok=True)
        (strange / name).write_text(text)
    assert edited(strange) == ()


def test_the_folder_of_the_package_is_compared_with_its_last_commit(carried: Path) -> None:
    def git(*words: str) -> None:
        subprocess.run(["git", "-c", "user.name=n", "-c", "user.email=e", *words], cwd=carried, check=True,
                       capture_output=True)

    change(carried, FENCE, "    desc.mode = Mode.INSIDE\n")
    assert edited(carried) == ()        # nobody knows what it was
    change(carried, "    desc.mode = Mode.INSIDE\n", FENCE)
    git("init")
    git("add", ".")
    git("commit", "-m", "first")
    assert edited(carried) == ()
    change(carried, FENCE, "    desc.mode = Mode.INSIDE\n")
    assert edited(carried) == ("model/toy.py",)
    git("commit", "-a", "-m", "second")
    assert edited(carried) == ()
