# SPDX-License-Identifier: GPL-2.0-or-later
"""A theorem: conjuncts that are inductive, no range that is left, and properties of steps that hold of each step.

What an edge lacks so that it keeps a range, or satisfies a step property, is looked for backward
(`lostirq.symbolic.backward`), once for each, and proved along with the rest.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from lostirq.ir.system import System
from lostirq.symbolic.backward import needed_by_edges
from lostirq.symbolic.induction import DEFAULT_RLIMIT, RANGE, Select, prove
from lostirq.symbolic.outcome import Conjunct, NotInductive, Outcome, Proved
from lostirq.symbolic.steps import prove_steps

MOST = 1000     # counterexamples that are looked at


def decide(
    system: System,
    conjuncts: Iterable[Conjunct],
    steps: Sequence[Conjunct],
    *,
    rlimit: int = DEFAULT_RLIMIT,
    progress: Callable[[int, int], None] | None = None,
    select: Select = list,
) -> tuple[Outcome, list[Conjunct]]:
    """The outcome, and the conjuncts that it is about: those given, and what was found.  The arguments are those of
    `lostirq.symbolic.induction.prove`."""
    whole = list(conjuncts)
    outcome = prove(system, whole, rlimit=rlimit, progress=progress, select=select)
    if _breaks(outcome, {RANGE}):
        every = prove(system, whole, rlimit=rlimit, most=MOST)
        found = needed_by_edges(system, whole, (), [edge for name, edge in _broken(every) if name == RANGE])
        more = [*whole, *found]
        again = prove(system, more, rlimit=rlimit, progress=progress, select=select) if found else outcome
        if isinstance(again, Proved):
            outcome, whole = again, more
    if not steps or not isinstance(outcome, Proved):
        return outcome, whole
    outcome = prove_steps(system, whole, steps, rlimit=rlimit, progress=progress, select=select)
    if _breaks(outcome, {goal.name for goal in steps}):
        of = {goal.name: goal for goal in steps}
        every = prove_steps(system, whole, steps, rlimit=rlimit, most=MOST)
        found = needed_by_edges(system, whole, [(of[name], edge) for name, edge in _broken(every)])
        more = [*whole, *found]
        if found and isinstance(prove(system, more, rlimit=rlimit, progress=progress, select=select), Proved):
            again = prove_steps(system, more, steps, rlimit=rlimit, progress=progress, select=select)
            if isinstance(again, Proved):
                return again, more
    return outcome, whole


def _breaks(outcome: Outcome, names: set[str]) -> bool:
    return isinstance(outcome, NotInductive) and outcome.counterexamples[0].conjunct in names


def _broken(outcome: Outcome) -> list[tuple[str, int]]:
    """Conjuncts, with the edges that break them."""
    return [(c.conjunct, c.edge) for c in outcome.counterexamples] if isinstance(outcome, NotInductive) else []
