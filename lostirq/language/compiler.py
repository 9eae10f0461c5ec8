# SPDX-License-Identifier: GPL-2.0-or-later
"""A scenario of a workspace into an annotated `System`: the pipeline of the front end.

instantiate -> expand every process -> fold constants -> derive sharing -> buffers -> steps -> assemble -> properties
"""

from __future__ import annotations

from dataclasses import dataclass, field

from lostirq.ir.expr import Expr, Var, is_const, value_of
from lostirq.ir.system import Access, Memory, Sort, System
from lostirq.language import assemble, buffers, sharing, symmetry
from lostirq.language.declarations import PROCESSES, Declarations
from lostirq.language.declarations import Role as Purpose
from lostirq.language.finish import Request, finish
from lostirq.language.graph import Graph, Node, Op
from lostirq.language.processes import instances, numbers, run_initial
from lostirq.language.rewrite import literal
from lostirq.language.source import Report, Statement
from lostirq.language.steps import Composer, place_locations
from lostirq.language.universe import Universe


@dataclass(frozen=True, slots=True)
class Executed:
    """What a scenario executes: the statements that are compiled, by processes or in what properties call (more than
    can be reached), and the functions of which something is left in a process when constants are folded."""

    statements: set[Statement] = field(default_factory=set)
    functions: set[str] = field(default_factory=set)


@dataclass(frozen=True, eq=False, slots=True)
class Prepared:
    """All processes with their operations and steps, before properties: `constants` is what folded away, `initial`
    the values of memory and locals at the start."""

    universe: Universe
    composed: list[assemble.Composed]
    cpus: int
    constants: dict[Var, Expr]
    initial: dict[Var, int]


@dataclass(frozen=True, eq=False, slots=True)
class Expanded:
    """The control-flow graphs of all processes, constants folded and sharing derived: what both memory models start
    from.  Nothing that follows changes it."""

    universe: Universe
    graphs: list[Graph]
    shared: sharing.Sharing
    cpus: int
    constants: dict[Var, Expr]
    initial: dict[Var, int]


def expand(declarations: Declarations, values: dict[str, int], report: Report) -> Expanded | None:
    """The graphs of a scenario, or None if the report has errors that leave none."""
    universe = Universe(declarations, values, report)
    universe.lay_out()
    if report.found:
        return None
    initial = {v: v.init for v in universe.variables}
    for decl in declarations.functions():
        if decl.role is Purpose.INITIAL:
            run_initial(universe, decl, initial)
    before = len(report.found)
    wanted = [(decl, numbers(universe, decl)) for decl in declarations.functions() if decl.role in PROCESSES]
    if len(report.found) > before:
        return None                         # what follows from a wrong number of processes is no error of its own
    graphs: list[Graph] = []
    for decl, which in wanted:
        instances(universe, decl, which, graphs)
    if report.found:
        return None
    folder = sharing.Folder(graphs, initial)
    folder.run()
    cpus = assemble.number_cpus(graphs, report)
    shared = sharing.derive(graphs)
    sharing.check_accesses(graphs, report)
    return Expanded(universe, graphs, shared, cpus, folder.constants, initial)


def prepare(declarations: Declarations, request: Request, report: Report, expanded: Expanded | None = None
            ) -> Prepared | None:
    """The processes of a scenario, or None if the report has errors.  `expanded`: the graphs of its values, if they are
    at hand."""
    found = expanded or expand(declarations, request.values, report)
    if found is None:
        return None
    graphs, initial = [g.own() for g in found.graphs], dict(found.initial)
    _locations(graphs, found.shared, request.memory, initial, report)
    if report.found:
        return None
    composed = _compose(graphs, initial, report)
    if report.found:
        return None
    constants = assemble.fold_unwritten(composed, initial)
    written = {v for c in composed for d in c.steps.drafts for v in d.assigns}
    constants |= {v: literal(v, initial[v]) for v in found.universe.variables if v not in written}  # read by properties
    symmetry.check(composed, initial, report)
    return Prepared(found.universe, composed, found.cpus, {**found.constants, **constants}, initial)


def compile_request(declarations: Declarations, request: Request, report: Report, expanded: Expanded | None = None,
                    executed: Executed | None = None) -> System | None:
    """The system, or None if the report has errors.  `expanded`, `executed`: see `prepare` and `compile_scenario`."""
    found = prepare(declarations, request, report, expanded)
    if found is None or report.found:
        return None
    system = finish(found.universe, request, found.composed, found.cpus, found.constants, found.initial)
    if executed is not None:
        executed.statements.update(found.universe.executed)
        frames = (node.frame for c in found.composed for node in c.graph.reachable())
        executed.functions.update(name for frame in frames for name in (*frame.stack, frame.function))
    return system


# -- locations and steps ------------------------------------------------------------------------------------------


def _locations(
    graphs: list[Graph],
    shared: sharing.Sharing,
    memory: Memory,
    initial: dict[Var, int],
    report: Report,
) -> None:
    """Find rests, buffered stores and locations."""
    for g in graphs:
        place_locations(g, set())
        if g.sort is Sort.HANDLER:
            values = _values(g, initial)
            g.rest = Composer(g, Report()).prologue(values)
            if not _is_wait(g.nodes[g.rest], g):
                report.add(
                    g.span,
                    "LI022",
                    f"the first location of handler '{g.name}' must be a wait or a choice",
                    "while True: wait(...)",
                )
    filled = buffers.analyse(graphs, shared.watched) if memory is Memory.TSO else {}
    for k, g in enumerate(graphs):
        if g.sort is Sort.HANDLER and g.rest in filled.get(k, ()):
            _exit_fence(g)
        place_locations(g, filled.get(k, set()))


def _is_wait(node: Node, graph: Graph) -> bool:
    """A wait, an atomic block that starts with one, or a choice between interrupts."""
    if node.op is Op.ATOMIC:
        return any(graph.nodes[s].op is Op.WAIT for s in node.succ)
    return node.op in (Op.WAIT, Op.CHOICE)


def _exit_fence(graph: Graph) -> None:
    """A drain before the handler returns to its rest, as the return from an interrupt is serialising."""
    rest = graph.nodes[graph.rest]
    fence = Node(len(graph.nodes), Op.FENCE, rest.frame, access=Access.FENCE, succ=[rest.index])
    graph.nodes.append(fence)
    graph.exit_fence = fence.index


def _values(graph: Graph, initial: dict[Var, int]) -> dict[Var, Expr]:
    found = {v: literal(v, n) for v, n in initial.items()}
    return found | {v: literal(v, v.init) for v in graph.locals}


def _compose(graphs: list[Graph], initial: dict[Var, int], report: Report) -> list[assemble.Composed]:
    composed: list[assemble.Composed] = []
    for g in graphs:
        composer = Composer(g, report)
        values = _values(g, initial)
        first = composer.prologue(values)
        for v, e in values.items():
            if is_const(e):
                initial[v] = value_of(e)
        composed.append(assemble.Composed(g, composer.compose(first), first))
    return composed
