# SPDX-License-Identifier: GPL-2.0-or-later
"""Random examples: the same in each run, unless `make test-slow` asks for others by a seed."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
TEST = '''
from hypothesis import given, settings, strategies as st


@settings(max_examples=8, deadline=None)
@given(st.integers(0, 2**60))
def test_it(number: int) -> None:
    with open("drawn", "a") as f:
        f.write(f"{number}\\n")
'''


@pytest.fixture
def drawn(tmp_path: Path) -> Callable[..., str]:
    (tmp_path / "test_drawn.py").write_text(TEST)
    (tmp_path / "conftest.py").write_text((ROOT / "tests" / "conftest.py").read_text())

    def draw(*options: str) -> str:
        (tmp_path / "drawn").unlink(missing_ok=True)
        command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:xdist", *options]
        subprocess.run(command, cwd=tmp_path, check=True, capture_output=True, timeout=60)
        return (tmp_path / "drawn").read_text()
    return draw


def test_the_same_is_drawn_unless_a_seed_asks_for_others(drawn: Callable[..., str]) -> None:
    slow = next(x for x in (ROOT / "Makefile").read_text().splitlines() if "--hypothesis-seed" in x)
    anew = slow[slow.index("--hypothesis-profile"):slow.index(" $(SEED)")].split()
    assert anew == ["--hypothesis-profile", "anew", "--hypothesis-seed"]
    same = drawn()
    assert drawn() == same
    one = drawn(*anew, "1")
    assert drawn(*anew, "1") == one != same
