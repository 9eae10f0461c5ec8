# SPDX-License-Identifier: GPL-2.0-or-later
"""Verify a certificate: python -m lostirq.recheck SYSTEM.json CERTIFICATE.json [--solver NAME] [--limit N] [--json]

Verified means: the certificate is for this system and its properties, and a solver decided every obligation
(`obligations`).  Exit codes: 0 verified; 2 the files or the arguments are not what they must be; 125 not verified: the
certificate is for another system or theorem, an obligation fails, or the solver gave up on it.
"""

from __future__ import annotations

import argparse
import itertools
import json
import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from lostirq.recheck import read
from lostirq.recheck.obligations import Obligation, Steps, base, follows
from lostirq.recheck.smtlib import Script
from lostirq.recheck.solve import LIMITS, SOLVERS, TOGETHER, ask, known
from lostirq.recheck.terms import Term, Wrong

VERIFIED, NOT_VERIFIED, MALFORMED = 0, 125, 2
FOREIGN = "the certificate is for another system: the model or the property has changed"
SHOWN = 5          # failing obligations that are listed

Bad = list[tuple[str, str, tuple[int, ...]]]      # name, answer and edges of what is not unsatisfiable


@dataclass(frozen=True, slots=True)
class Result:
    """`verdict`: verified, failed (an obligation is false), undecided, foreign (another system or theorem), malformed.
    `failing`: obligations that are false or undecided; `edges`: the numbers of their edges."""

    verdict: str
    reason: str
    failing: tuple[str, ...] = ()
    edges: tuple[int, ...] = ()
    conjuncts: int = 0
    transitions: int = 0
    queries: int = 0

    @property
    def code(self) -> int:
        return {"verified": VERIFIED, "malformed": MALFORMED}.get(self.verdict, NOT_VERIFIED)


class Checker:
    """One system, one certificate, one solver."""

    def __init__(self, system: read.System, certificate: read.Certificate, solver: str, limit: int) -> None:
        self.system, self.certificate = system, certificate
        self._solver, self._limit = solver, limit
        self.queries = 0
        t = system.terms
        self._start = [t.build("=", (t.var(v), t.const(n, t.sorts[v]))) for v, n in enumerate(system.initial)]

    def check(self) -> Result:
        s, c = self.system, self.certificate
        if c.digest != s.digest:
            return Result("foreign", FOREIGN)
        if c.theorem != s.properties:
            return Result("foreign", "the theorem of the certificate is not the property of the model")
        for key, (form, _) in c.theorem.items():
            if form not in ("invariant", "step"):
                return Result("foreign", f"{key} is neither an invariant nor a step property")
        terms = s.terms
        invariant = [t for _, t in c.conjuncts]
        goals = [("base: conjunct", name, [*self._start, terms.negation(t)]) for name, t in base(s, c)]
        goals += [("theorem:", key, [*invariant, terms.negation(t)]) for key, t in follows(c) if t not in invariant]
        answers = self._ask([query for _, _, query in goals])
        bad: Bad = [(f"{kind} {n}", a, ()) for (kind, n, _), a in zip(goals, answers, strict=True) if a != "unsat"]
        return self._result(bad or self._steps(Steps(s, c)))

    def _steps(self, steps: Steps) -> Bad:
        """What is not unsatisfiable, edge by edge and goal by goal."""
        todo = steps.obligations()
        return list(dict.fromkeys(bad for o in self._left(todo) for bad in self._apart(steps, o)))

    def _left(self, todo: list[Obligation]) -> list[Obligation]:
        """Those that are not unsatisfiable, with all assumptions where fewer do not suffice."""
        answers = self._ask([o.query(self.system.terms) for o in todo])
        left = [replace(o, fewer=None) for o, answer in zip(todo, answers, strict=True) if answer != "unsat"]
        again = any(o.fewer is not None for o in todo)
        return self._left(left) if left and again else left

    def _apart(self, steps: Steps, o: Obligation) -> Bad:
        """Case by case, then goal by goal: each by itself may be easier for the solver than all at once, and then they
        are verified, one by one."""
        found: Bad = []
        for case in self._left([replace(o, cases=(case,)) for case in o.cases]):
            single = steps.singly(case)
            for one, answer in zip(single, self._ask([x.query(self.system.terms) for x in single]), strict=True):
                if answer != "unsat":
                    [edge] = one.cases[0].edges
                    found.append((f"step: edge {edge}, {', '.join(one.cases[0].goals)}", answer, (edge,)))
        return found

    def _ask(self, queries: list[list[Term]]) -> list[str]:
        """The answers; each is "unsat" if the obligation holds.  In each script, the solver is first asked whether
        there is an initial state: one that does not say so is not believed."""
        false = self.system.terms.false
        left = [q for q in queries if false not in q]
        if not left:
            return ["unsat"] * len(queries)
        size = TOGETHER[self._solver]
        groups = [left[at : at + size] for at in range(0, len(left), size)]
        self.queries += len(left)
        found = iter(ask(self._solver, map(self._script, groups), len(groups) + len(left), self._limit))
        answers: list[str] = []
        for group in groups:
            sane = next(found) == "sat"
            answers += [answer if sane else "unknown" for answer in itertools.islice(found, len(group))]
        decided = iter(answers)
        return ["unsat" if false in q else next(decided) for q in queries]

    def _script(self, queries: list[list[Term]]) -> str:
        read = 0
        for t in itertools.chain(*queries):
            read |= t.reads
        asked = [[t for t in self._start if t.reads & read], *queries]
        script = Script(self.system.terms, (t for q in asked for t in q))
        for q in asked:
            script.query(q)
        return script.text()

    def _result(self, bad: Bad) -> Result:
        size = (len(self.certificate.conjuncts), len(self.system.edges), self.queries)
        if not bad:
            ids = Counter(key.partition("[")[0] for key in self.certificate.theorem)
            keys = ", ".join(f"{name} ({count} instances)" if count > 1 else name for name, count in ids.items())
            return Result("verified", f"{keys}: every obligation decided by {self._solver}", (), (), *size)
        failing = tuple(f"{name}: {'fails' if a == 'sat' else 'the solver gave up'}" for name, a, _ in bad[:SHOWN])
        edges = tuple(dict.fromkeys(e for _, _, those in bad[:SHOWN] for e in those))
        failed = sum(a == "sat" for _, a, _ in bad)
        if failed:
            return Result("failed", f"{failed} obligations fail", failing, edges, *size)
        return Result("undecided", f"{self._solver} gave up on {len(bad)} obligations", failing, edges, *size)


def verify(system: Path, certificate: Path, solver: str, limit: int | None) -> Result:
    try:
        name = known(solver)
        s, data = read.system(read.load(system)), read.load(certificate)
        if isinstance(data.get("system"), str) and data["system"] != s.digest:
            return Result("foreign", FOREIGN)          # its terms may speak of what this system does not have
        c = read.certificate(data, s)
        return Checker(s, c, name, LIMITS[name] if limit is None else limit).check()
    except Wrong as error:
        return Result("malformed", str(error))


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m lostirq.recheck", allow_abbrev=False, description=__doc__)
    parser.add_argument("system", type=Path)
    parser.add_argument("certificate", type=Path)
    parser.add_argument("--solver", default="bitwuzla", help=", ".join(SOLVERS))
    parser.add_argument("--limit", type=int, help="of one query: milliseconds (bitwuzla), resource units (cvc5, z3)")
    parser.add_argument("--json", action="store_true")
    o = parser.parse_args(arguments)
    result = verify(o.system, o.certificate, o.solver, o.limit)
    if o.json:
        print(json.dumps(asdict(result)))
    else:
        print("\n  ".join([f"{result.verdict}: {result.reason}", *result.failing]))
    return result.code


if __name__ == "__main__":
    sys.exit(main())
