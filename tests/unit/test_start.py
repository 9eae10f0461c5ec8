# SPDX-License-Identifier: GPL-2.0-or-later
"""What the command line loads: a solver only for what needs one; and Ctrl-C while it loads."""

from __future__ import annotations

import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from lostirq.__main__ import INTERRUPTED
from lostirq.workflow.outcome import EXIT_CODES, Outcome

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


_INTERRUPT = """
import os, signal, sys

class Finder:
    def find_spec(self, name, path=None, target=None):
        if name == MODULE:
            os.kill(os.getpid(), signal.SIGINT)

sys.meta_path.insert(0, Finder())
from lostirq.__main__ import main
assert "argparse" not in sys.modules and "lostirq.cli" not in sys.modules
sys.exit(main())
"""


@pytest.mark.parametrize("module", ["lostirq.cli", "lostirq.errors", "lostirq.workflow.check", "z3"])
def test_ctrl_c_while_the_program_loads_is_one_line(module: str) -> None:
    script = _INTERRUPT.replace("MODULE", repr(module))
    words = [sys.executable, "-c", script, "prove", "--help"]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (EXIT_CODES[Outcome.INTERRUPTED], "lostirq: interrupted\n")


def test_the_command_begins_where_that_is_taken() -> None:
    project = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text())
    assert project["project"]["scripts"] == {"lostirq": "lostirq.__main__:main"}
    assert EXIT_CODES[Outcome.INTERRUPTED] == INTERRUPTED
    done = subprocess.run([sys.executable, "-m", "lostirq", "--version"], capture_output=True, text=True, check=True)
    assert done.stdout.startswith("lostirq ")
