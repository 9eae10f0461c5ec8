# SPDX-License-Identifier: GPL-2.0-or-later
"""A theorem: conjuncts that are inductive, no range that is left, and properties of steps that hold of each step.

What an edge lacks so that it keeps a range, or satisfies a step property, is looked for backward
(`lostirq.symbolic.backward`), once for each of the two, and proved along with the rest.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable, Sequence

from lostirq.ir.system import System
from lostirq.symbolic.backward import needed_by_edges
from lostirq.symbolic.induction import DEFAULT_RLIMIT, RANGE, Select, prove
from lostirq.symbolic.outcome import Conjunct, NotInductive, Outcome, Proved, Undecided
from lostirq.symbolic.steps import prove_steps

MOST = 1000     # counterexamples that are looked at
Progress = Callable[[int, int], None]


def theorem(
    system: System,
    conjuncts: Sequence[Conjunct],
    steps: Sequence[Conjunct],
    *,
    rlimit: int = DEFAULT_RLIMIT,
    most: int = 1,
    progress: Progress | None = None,
    select: Select = list,
) -> Outcome:
    """Are the conjuncts inductive, and do the steps from them satisfy the step properties?  The arguments are those of
    `lostirq.symbolic.induction.prove`."""
    outcome = prove(system, conjuncts, rlimit=rlimit, most=most, progress=progress, select=select)
    if steps and isinstance(outcome, Proved):
        return prove_steps(system, conjuncts, steps, rlimit=rlimit, most=most, progress=progress, select=select)
    return outcome


def decide(
    system: System,
    conjuncts: Iterable[Conjunct],
    steps: Sequence[Conjunct],
    *,
    rlimit: int = DEFAULT_RLIMIT,
    progress: Progress | None = None,
    select: Select = list,
) -> tuple[Outcome, list[Conjunct]]:
    """The outcome, and the conjuncts that it is about: those given, and what was found.  What was found is left out if
    it does not help; if with it the solver gives up, that is the outcome."""
    whole = list(conjuncts)
    goals = {goal.name: goal.formula for goal in steps}
    outcome = theorem(system, whole, steps, rlimit=rlimit, progress=progress, select=select)
    for kind, later in (({RANGE}, goals), (goals, ())):
        if not _breaks(outcome, kind):
            continue
        every = theorem(system, whole, steps, rlimit=rlimit, most=MOST, select=select)
        broken = [(c.conjunct, c.edge) for c in every.counterexamples] if isinstance(every, NotInductive) else []
        found = needed_by_edges(system, whole, goals, broken)
        if found:
            more = [*whole, *found]
            again = theorem(system, more, steps, rlimit=rlimit, progress=progress, select=select)
            if isinstance(again, Proved | Undecided) or _breaks(again, later):
                outcome, whole = again, more
    return outcome, whole


def _breaks(outcome: Outcome, names: Container[str]) -> bool:
    return isinstance(outcome, NotInductive) and outcome.counterexamples[0].conjunct in names
