# SPDX-License-Identifier: GPL-2.0-or-later
"""Which conjuncts suffice for the steps from each location.

Usage: python -m lostirq.recheck.needed SYSTEM.json CERTIFICATE.json

Prints the rows of the entry "needed" of the certificate (`read`), as JSON.  They are asked of bitwuzla once, when a
certificate is made: with them, the checker and every other solver are several times faster.  The checker does not use
this program, and need not believe what it found.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from lostirq.recheck import read
from lostirq.recheck.obligations import Obligation, Steps
from lostirq.recheck.smtlib import Script
from lostirq.recheck.solve import LIMITS, TOGETHER, answer
from lostirq.recheck.terms import Wrong

SOLVER = "bitwuzla"
CORES = "(set-option :produce-unsat-cores true)\n"


def needed(system: read.System, certificate: read.Certificate) -> list[list[object]]:
    """The rows [process, location, conjuncts].  None for a location of which something was not decided."""
    steps = Steps(system, replace(certificate, needed={}))
    todo = [o for o in steps.obligations() if system.terms.false not in o.query(system.terms)]
    found: dict[tuple[int, int], set[int]] = {}
    unknown: set[tuple[int, int]] = set()
    while todo:
        for o, core in zip(todo, cores := _cores(system, todo), strict=False):
            numbers = tuple(steps.at(o.process, o.source).values())
            found.setdefault((o.process, o.source), set()).update(numbers[n] for n in core if n < len(numbers))
        unknown |= {(o.process, o.source) for o in todo[len(cores) : len(cores) + 1]}     # and on behind it
        todo = todo[len(cores) + 1 :]
    return [[*at, sorted(numbers)] for at, numbers in sorted(found.items()) if at not in unknown]


def _cores(system: read.System, todo: Sequence[Obligation]) -> list[list[int]]:
    """Of the first obligations, up to one that is not decided: which formulas of their queries have no solution."""
    size, scripts = TOGETHER[SOLVER], []
    for first in range(0, len(todo), size):
        queries = [o.query(system.terms) for o in todo[first : first + size]]
        script = Script(system.terms, (t for q in queries for t in q))
        for q in queries:
            script.query(q, core=True)
        scripts.append(CORES + script.text())
    lines = answer(SOLVER, scripts, LIMITS[SOLVER]).stdout.splitlines()
    found = []
    for said, core in zip(lines[::2], lines[1::2], strict=False):
        if said != "unsat" or not re.fullmatch(r"\(( *q\d+_\d+)* *\)", core):
            break
        found.append([int(n) for n in re.findall(r"_(\d+)", core)])
    return found


def main(arguments: Sequence[str]) -> int:
    if len(arguments) != 2:
        print("usage: python -m lostirq.recheck.needed SYSTEM.json CERTIFICATE.json", file=sys.stderr)
        return 2
    system, certificate = arguments
    try:
        s, data = read.system(read.load(Path(system))), read.load(Path(certificate))
        rows = needed(s, read.certificate(data, s))
    except Wrong as error:
        print(error, file=sys.stderr)
        return 2
    print(json.dumps(rows))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
