# SPDX-License-Identifier: GPL-2.0-or-later
"""One question to Z3 about a location: do the hypotheses there and the guard of an edge imply a goal?

There are two ways (measured: the second one takes 24 s instead of 39 for posted_interrupts_recognised_four, of
four vectors, and 326 s instead of 151 for posted_interrupts_full, of 256):
  anew     a solver for each question, with the hypotheses that share a variable with the goal or the guard; if those
           are not enough (as a rule they are), with all;
  shared   one solver for each location, with all hypotheses there; a goal is assumed for one question.  What it learned
           of the hypotheses it need not learn again.  For narrow words.

Invariant: `unsat` is said of some of the hypotheses, `sat` of all.  Limits are resource counts, for each question.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable
from itertools import islice

import z3

from lostirq.ir.expr import Expr, Kind
from lostirq.symbolic.encode import Encoder
from lostirq.symbolic.rewrite import Rewriter

NARROW = 16     # bits of the widest word for which solvers are shared
KEPT = 64       # locations whose solvers are kept
Masks = dict[Expr, int]     # formulas with the sets of their variables
Place = tuple[int, int]     # process, location


class Questions:
    """All questions about one system.  `counters`: the variables that connect nothing."""

    def __init__(self, rewriter: Rewriter, encoder: Encoder, counters: int, rlimit: int) -> None:
        self._rewriter, self._encoder, self._counters, self._rlimit = rewriter, encoder, counters, rlimit
        words = (v.type.width for v in rewriter.variables if v.type.kind is Kind.BITS)
        self._narrow = max(words, default=0) <= NARROW
        self._shared: OrderedDict[Place, _Shared] = OrderedDict()

    def ask(self, place: Place, known: Masks, guard: Masks, goal: Expr) -> tuple[z3.CheckSatResult, z3.Solver]:
        """unsat: the goal is implied; sat: the solver has a model.  `known` may have grown since it was asked about
        the location before, at its end."""
        if self._narrow:
            return self._of(place).ask(known, guard, goal)
        everything = [*guard, *known]
        near = self._near(known, guard, goal)
        solver = self._anew(goal, near)
        answer = solver.check()
        if answer != z3.unsat and len(near) < len(everything):
            solver = self._anew(goal, everything)
            answer = solver.check()
        return answer, solver

    def _of(self, place: Place) -> _Shared:
        found = self._shared.pop(place, None) or _Shared(self._rewriter, self._encoder, self._rlimit)
        self._shared[place] = found
        if len(self._shared) > KEPT:
            self._shared.popitem(last=False)
        return found

    def _near(self, known: Masks, guard: Masks, goal: Expr) -> list[Expr]:
        reach = self._rewriter.mask(goal)
        for mask in guard.values():
            reach |= mask
        reach &= ~self._counters
        return [*guard, *(h for h, mask in known.items() if mask & reach or not mask & ~self._counters)]

    def _anew(self, goal: Expr, hypotheses: list[Expr]) -> z3.Solver:
        mask = self._rewriter.mask(goal)
        for h in hypotheses:
            mask |= self._rewriter.mask(h)
        solver = _solver(self._rlimit)
        self._encoder.assume(solver, self._rewriter.members(mask), hypotheses)
        solver.add(z3.Not(self._encoder.term(goal)))
        return solver


class _Shared:
    """The solver of one location."""

    def __init__(self, rewriter: Rewriter, encoder: Encoder, rlimit: int) -> None:
        self._rewriter, self._encoder, self._solver = rewriter, encoder, _solver(rlimit)
        self._told = self._asked = self._ranges = 0

    def ask(self, known: Masks, guard: Masks, goal: Expr) -> tuple[z3.CheckSatResult, z3.Solver]:
        new = list(islice(known, self._told, None))
        self._told = len(known)
        self._tell(new, [*(known[h] for h in new), *guard.values(), self._rewriter.mask(goal)])
        self._asked += 1
        question = z3.Bool(f"question {self._asked}")
        wrong = z3.And(*map(self._encoder.term, guard), z3.Not(self._encoder.term(goal)))
        self._solver.add(z3.Implies(question, wrong))
        return self._solver.check(question), self._solver

    def _tell(self, formulas: Iterable[Expr], masks: Iterable[int]) -> None:
        """Assert formulas, and the ranges of variables that were not there before."""
        read = 0
        for mask in masks:
            read |= mask
        self._encoder.assume(self._solver, self._rewriter.members(read & ~self._ranges), formulas)
        self._ranges |= read


def _solver(rlimit: int) -> z3.Solver:
    solver = z3.SolverFor("QF_BV")
    solver.set("rlimit", rlimit)
    return solver
