# SPDX-License-Identifier: GPL-2.0-or-later
"""Solvers, each in a process of its own: `python -m lostirq.recheck.solve NAME LIMIT` answers the scripts on stdin.

Scripts are kept apart by lines `(reset)`: each is given to a new solver.
One line for each check: sat, unsat or unknown.  Whatever else comes, or does not come, is no answer.
"""

from __future__ import annotations

import importlib.util
import resource
import subprocess
import sys
from collections.abc import Iterable

from lostirq.recheck.terms import Wrong

SOLVERS = {"bitwuzla": "bitwuzla", "cvc5": "cvc5", "z3": "z3"}          # name -> Python package
LIMITS = {"bitwuzla": 60_000, "cvc5": 20_000_000, "z3": 50_000_000}     # of one query; milliseconds, or a count
TOGETHER = {"bitwuzla": 4, "cvc5": 1, "z3": 12}     # queries to one solver: they share terms, and clauses (measured)
ANSWERS = ("sat", "unsat", "unknown")
MEMORY = 4 << 30
RESET = "(reset)\n"


def known(name: str) -> str:
    """The name, if there is such a solver here."""
    if name not in SOLVERS:
        raise Wrong(f"unknown solver {name!r}; one of {', '.join(SOLVERS)}")
    if importlib.util.find_spec(SOLVERS[name]) is None:
        raise Wrong(f"solver {name} is not installed: pip install {name if name != 'z3' else 'z3-solver'}")
    return name


def answer(name: str, scripts: Iterable[str], limit: int) -> subprocess.CompletedProcess[str]:
    """What the solver says to scripts."""
    command = [sys.executable, "-m", "lostirq.recheck.solve", name, str(limit)]
    return subprocess.run(command, input=RESET.join(scripts), capture_output=True, text=True, check=False)


def ask(name: str, scripts: Iterable[str], checks: int, limit: int) -> list[str]:
    """The answers to scripts, `checks` of them in all: those that did not come are unknown."""
    done = answer(name, scripts, limit)
    lines = done.stdout.split("\n")[:-1]
    if done.returncode == 0 and len(lines) == checks and all(line in ANSWERS for line in lines):
        return lines
    whole = [line for line in lines if line in ANSWERS]
    if done.stderr.strip():
        print(f"{name}: {done.stderr.strip().splitlines()[-1]}", file=sys.stderr)
    return [*whole, *["unknown"] * checks][:checks] if whole == lines else ["unknown"] * checks


# -- the other process ------------------------------------------------------------------------------------------------


def _bitwuzla(script: str, limit: int) -> None:
    import bitwuzla

    options = bitwuzla.Options()
    options.set("time-limit-per", limit)
    options.set("preprocess", False)                                   # measured: the queries share most of their terms
    bitwuzla.Parser(bitwuzla.TermManager(), options).parse(script, False, False)


def _cvc5(script: str, limit: int) -> None:
    import cvc5

    solver = cvc5.Solver(cvc5.TermManager())
    solver.setOption("incremental", "true")
    solver.setOption("bitblast", "eager")                              # measured: lazily, most questions take minutes
    solver.setOption("rlimit-per", str(limit))
    symbols = cvc5.SymbolManager(solver)
    parser = cvc5.InputParser(solver, symbols)
    parser.setStringInput(cvc5.InputLanguage.SMT_LIB_2_6, script, "script")
    while not (command := parser.nextCommand()).isNull():
        print(command.invoke(solver, symbols), end="", flush=True)


def _z3(script: str, limit: int) -> None:
    import z3

    context = z3.Context()
    text = f"(set-option :rlimit {limit})\n{script}"
    print(z3.Z3_eval_smtlib2_string(context.ref(), text), end="", flush=True)


def main(arguments: list[str]) -> int:
    name, limit = arguments
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    for script in sys.stdin.read().split(RESET):
        {"bitwuzla": _bitwuzla, "cvc5": _cvc5, "z3": _z3}[name](script, int(limit))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
