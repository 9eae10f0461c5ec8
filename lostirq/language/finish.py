# SPDX-License-Identifier: GPL-2.0-or-later
"""The last part of the pipeline: processes with their steps into a `System` with its properties.

Variables that nothing reads are dropped, and initial values are those after the private prologues.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from lostirq.ir.expr import Expr, Var, eq, not_, var
from lostirq.ir.system import Edge, Memory, Process, Property, System
from lostirq.language import assemble, buffers
from lostirq.language.declarations import PROCESSES
from lostirq.language.locals import Placed
from lostirq.language.properties import Context, PropertyCompiler
from lostirq.language.rewrite import literal, put_in_both
from lostirq.language.universe import Universe


@dataclass(frozen=True, slots=True)
class Request:
    """What to compile: parameter values, the memory model, which properties (None: all that apply), and `room`, the
    entries of a store buffer that has no static bound (0: that is an error)."""

    name: str
    memory: Memory
    values: dict[str, int]
    properties: tuple[str, ...] | None = None
    dropped: tuple[str, ...] = ()
    lemmas: bool = False
    room: int = 0


def finish(
    universe: Universe,
    request: Request,
    composed: list[assemble.Composed],
    cpus: int,
    constants: dict[Var, Expr],
    initial: dict[Var, int],
) -> System:
    """`composed`: the processes with their steps; `constants`: what folded away; `initial`: final initial values."""

    def fold(e: Expr) -> Expr:
        return put_in_both(e, constants)

    for c in composed:
        g = c.graph
        g.holds, g.masked = fold(g.holds), None if g.masked is None else fold(g.masked)
        g.cpu = None if g.cpu is None else fold(g.cpu)
    processes = tuple(assemble.make_process(c, k, composed) for k, c in enumerate(composed))
    everything = [*universe.variables, *(v for c in composed for v in c.graph.locals)]
    order = {v: k for k, v in enumerate(everything)}
    edges: list[Edge] = []
    for k, c in enumerate(composed):
        edges += assemble.make_edges(c, k, len(edges), order)
    context = context_of(universe, request, processes, cpus, fold, constants, initial, composed)
    properties = tuple(PropertyCompiler(universe, context).all(request.properties, request.lemmas))
    roots = [x for p in processes for x in (p.runs, p.cpu) if x is not None]
    roots += [x for p in properties for x in (p.formula, p.goal)]
    live = assemble.live_variables(edges, roots)
    edges = assemble.drop_unread(edges, live)
    depth = buffers.capacity([c.graph for c in composed], edges, universe.report, request.room)
    return _renew(universe, request, composed, processes, edges, properties, cpus, depth, initial, live)


def context_of(
    universe: Universe,
    request: Request,
    processes: tuple[Process, ...],
    cpus: int,
    fold: Callable[[Expr], Expr],
    constants: dict[Var, Expr],
    initial: dict[Var, int],
    composed: Sequence[assemble.Composed] = (),
) -> Context:
    """What properties speak about; `fold` puts constants into an expression; `composed`: for lemmas about locals."""
    d = universe.declarations
    messages = tuple(
        not_(eq(var(v), literal(v, v.init))) for v in universe.variables if v.message and v not in constants
    )
    return Context(
        processes,
        cpus,
        request.memory,
        frozenset(f.name for f in d.functions() if f.role in PROCESSES),
        d.windows,
        d.events,
        frozenset(f.name for f in d.functions()),
        messages,
        fold,
        {k: tuple(placed(c)) for k, c in enumerate(composed)},
    )


def placed(c: assemble.Composed) -> Iterator[Placed]:
    """The copies of functions in a process."""
    for copy in c.graph.copies:
        yield Placed(copy, c.graph, tuple(c.steps.locations))


def _renew(
    universe: Universe,
    request: Request,
    composed: list[assemble.Composed],
    processes: tuple[Process, ...],
    edges: list[Edge],
    properties: tuple[Property, ...],
    cpus: int,
    depth: int,
    initial: dict[Var, int],
    live: set[Var],
) -> System:
    """Put the final initial values into the variables, and everything together."""
    renamed: dict[Var, Var] = {}
    variables: list[Var] = []

    def add(v: Var) -> None:
        final = Var(v.name, v.type, initial.get(v, v.init), v.role, v.owner, v.unit, v.message)
        renamed[v] = final
        variables.append(final)

    for v in universe.variables:
        if v in live:
            add(v)
    for c, p in zip(composed, processes, strict=True):
        add(p.pc)
        for v in c.graph.locals:
            if v in live:
                add(v)
    system = System(
        request.name,
        request.memory,
        False,
        tuple(variables),
        processes,
        tuple(edges),
        properties,
        cpus,
        depth if request.memory is Memory.TSO else 0,
        tuple(sorted(request.values.items())),
        request.dropped,
    )
    changed = {a: b for a, b in renamed.items() if a != b}
    return assemble.rename(system, changed) if changed else system
