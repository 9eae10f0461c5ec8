# SPDX-License-Identifier: GPL-2.0-or-later
"""What `make lint` runs: ruff over everything of ours, mypy in strict mode over the package."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_ruff() -> None:
    done = subprocess.run([sys.executable, "-m", "ruff", "check", "lostirq", "tests", "benchmarks", "build_hook.py"],
                          cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


def test_mypy() -> None:
    done = subprocess.run([sys.executable, "-m", "mypy"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout
