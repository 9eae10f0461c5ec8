# SPDX-License-Identifier: GPL-2.0-or-later
"""k-induction as induction: what every run of fewer than k more steps keeps is a conjunct of its own.

Let P be the conjuncts, and pre(F) say that F holds after every step.  k-induction assumes P in k states of a run and
shows it in the next; its base are the first k states of a run.  Both follow from induction for P and pre(P) and ... and
pre^(k-1)(P), which speaks of one state: at the start it says that no run of fewer than k steps breaks P, which is the
base; and if P is k-inductive it is inductive, because a state of it has k - 1 good steps before it, whatever they are.
So the certificate is an ordinary one, and the checker need not know about k.

pre(F) is taken apart by transition and conjunct.  Where a transition keeps a conjunct because of the others, its
precondition is implied by them, and is left out; so only what fails in one round is added for the next.

Invariant: what is found is only *proposed*, and proved along with the rest by `lostirq.symbolic.induction`.

References: Sheeran, Singh and Stalmarck 2000, "Checking Safety Properties Using Induction and a SAT-Solver"; Dijkstra
1975 (weakest preconditions); Bjorner, Gurfinkel, McMillan and Rybalchenko 2015, "Horn Clause Solvers for Program
Verification", on k-induction as strengthening.
"""

from __future__ import annotations

from collections.abc import Iterable

from lostirq.ir.expr import TRUE, Expr, and_, implies, postorder
from lostirq.ir.system import Edge, System
from lostirq.symbolic.encode import effect, enabled, weakest_precondition
from lostirq.symbolic.induction import DEFAULT_RLIMIT, RANGE, prove
from lostirq.symbolic.outcome import Conjunct, NotInductive
from lostirq.symbolic.unroll import in_range

MOST = 2000         # conjuncts that are added in one round
NODES = 20_000      # of one of them


def strengthened(
    system: System, conjuncts: Iterable[Conjunct], k: int, *, rlimit: int = DEFAULT_RLIMIT
) -> tuple[Conjunct, ...]:
    """What makes the conjuncts of a flat system inductive if they are k-inductive, beside them (k = 1: nothing).
    Cut off at MOST and NODES: then less is added, and the proof may fail."""
    whole = list(conjuncts)
    given = len(whole)
    known = {c.formula for c in whole} | {TRUE}
    for _ in range(k - 1):
        outcome = prove(system, whole, rlimit=rlimit, most=MOST)
        if not isinstance(outcome, NotInductive):
            break
        for name, index in dict.fromkeys((c.conjunct, c.edge) for c in outcome.counterexamples):
            edge = system.edges[index]
            formula = _before(system, edge, [c.formula for c in whole if c.name == name] if name != RANGE else None)
            if formula not in known and sum(1 for _ in postorder([formula])) <= NODES:
                known.add(formula)
                whole.append(Conjunct(f"{name} after edge {index}", formula))
    return tuple(whole[given:])


def _before(system: System, edge: Edge, goals: list[Expr] | None) -> Expr:
    """Where the edge can be taken it leads to the goals, or stays in range if there are none."""
    after = in_range(edge) if goals is None else [weakest_precondition(effect(system, edge), g) for g in goals]
    return implies(enabled(system, edge), and_(*after))
