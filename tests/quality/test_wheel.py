# SPDX-License-Identifier: GPL-2.0-or-later
"""The wheel works from an empty folder: it carries the workspace, and what the compiled engine is built from."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def unpacked(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--disable-pip-version-check", "--no-build-isolation",
               "--no-deps", "-w", str(folder), str(ROOT)]
    done = subprocess.run(command, capture_output=True, check=False, cwd=folder)
    assert done.returncode == 0, done.stderr.decode()
    [wheel] = folder.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(folder / "site")
    return folder / "site"


def lostirq(unpacked: Path, where: Path, *words: str) -> subprocess.CompletedProcess[str]:
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": str(unpacked), "LOSTIRQ_CACHE": str(where / "cache")}
    code = "import sys; from lostirq.cli import main; sys.exit(main())"
    return subprocess.run([sys.executable, "-c", code, *words], capture_output=True, text=True, check=False, cwd=where,
                          env=environment)


def test_it_carries_the_workspace(unpacked: Path) -> None:
    carried = unpacked / "lostirq" / "workspace_data"
    for part in ("model", "properties", "proofs", "counterexamples"):
        ours = {p.relative_to(ROOT) for p in (ROOT / part).rglob("*") if p.is_file() and "__pycache__" not in p.parts}
        assert {p.relative_to(carried) for p in (carried / part).rglob("*") if p.is_file()} == ours
    assert list((unpacked / "lostirq" / "explicit" / "runtime").glob("*.c"))


def test_it_runs_from_an_empty_folder(unpacked: Path, tmp_path: Path) -> None:
    listed = lostirq(unpacked, tmp_path, "list")
    assert listed.returncode == 0, listed.stderr
    assert "Scenarios" in listed.stdout
    doctor = lostirq(unpacked, tmp_path, "doctor")
    assert str(unpacked / "lostirq" / "workspace_data") in doctor.stdout


def test_the_workspace_can_be_copied_out_and_used(unpacked: Path, tmp_path: Path) -> None:
    assert lostirq(unpacked, tmp_path, "init", "mine").returncode == 0
    (tmp_path / "mine" / "model" / "broken.py").write_text("def f(:\n")
    found = lostirq(unpacked, tmp_path / "mine", "list")
    assert found.returncode == 2
    assert "model/broken.py:1:" in found.stderr
