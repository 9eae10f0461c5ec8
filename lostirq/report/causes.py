# SPDX-License-Identifier: GPL-2.0-or-later
"""Private variables on which a run turns: what one column writes, and what it later decides otherwise because of that.

A store to a variable that nobody else touches matters to a reader where a later decision depends on it: the guard of a
step that has alternatives is true, and would be false if the variable still had the value from before the store.  So a
field that is set and asked for, but decides nothing in this run, stays out; and so does a second look that finds what
the first one found.

Invariant: every pair that is given is a step of the run and a variable that it writes (a store) or that its guard reads
(a look), evaluated in the states of the run.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence

from lostirq.evidence.replay import Run
from lostirq.interpret import Buffers, Interpreter
from lostirq.ir.expr import Expr, Role, Var
from lostirq.ir.system import Process
from lostirq.report.justify import justify

Places = frozenset[tuple[int, Var]]     # (number of the step, variable)


def decisions(run: Run, interpreter: Interpreter, column_of: Callable[[Process], str],
              touchers: Callable[[Var], set[str]]) -> tuple[Places, Places]:
    """The private stores that decide later on, and the looks where they do.  Linear in the run times the guards."""
    system = run.system
    index = {v: i for i, v in enumerate(system.variables)}
    ways = Counter((e.process, e.src) for e in system.edges)
    written: dict[Var, tuple[int, int]] = {}    # the last step that changed it, and the value before
    stores: set[tuple[int, Var]] = set()
    looks: set[tuple[int, Var]] = set()
    for number, step in enumerate(run.steps):
        edge = step.edge
        if edge is None:
            continue
        process = system.processes[edge.process]
        view, after = interpreter.view(process, step.before), interpreter.view(process, step.after)
        buffers = step.before[1]
        for v in _deciding(edge.guard, view, buffers, index) if ways[edge.process, edge.src] > 1 else ():
            if v.role is Role.MEMORY and v in written and touchers(v) <= {column_of(process)}:
                since, before = written[v]
                other = [before if i == index[v] else x for i, x in enumerate(view)]
                if not interpreter.holds(edge.guard, (tuple(other), buffers)):
                    looks |= set() if (since, v) in stores else {(number, v)}
                    stores.add((since, v))
        written |= {v: (number, view[index[v]]) for v, _ in edge.assigns if view[index[v]] != after[index[v]]}
    return frozenset(stores), frozenset(looks)


def _deciding(guard: Expr, view: Sequence[int], buffers: Buffers, index: Mapping[Var, int]) -> list[Var]:
    found = justify(guard, lambda v: view[index[v]], empty=lambda cpu: not (buffers and buffers[cpu]))
    return [v for v, _ in found]
