# SPDX-License-Identifier: GPL-2.0-or-later
"""What the command line loads: a solver only for what needs one."""

from __future__ import annotations

import subprocess
import sys

import pytest

_ASK = """
import io, sys
from contextlib import redirect_stdout
from lostirq.cli import main
with redirect_stdout(io.StringIO()):
    try:
        main(sys.argv[1:])
    except SystemExit:
        pass
print(*sorted(m for m in ("z3", "networkx", "lostirq.workflow.prove_command") if m in sys.modules))
"""


def loaded(*words: str) -> list[str]:
    done = subprocess.run([sys.executable, "-c", _ASK, *words], capture_output=True, text=True, check=True)
    return done.stdout.split()


@pytest.mark.parametrize("words", [("--help",), ("list",), ("check", "--help"), ("patch", "--help"), ("report",),
                                   ("explain", "Q-7")])
def test_what_needs_no_solver_loads_none(words: tuple[str, ...]) -> None:
    assert loaded(*words) == []


def test_the_proofs_load_it() -> None:
    assert "z3" in loaded("prove", "--help")
