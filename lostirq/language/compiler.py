# SPDX-License-Identifier: GPL-2.0-or-later
"""A scenario of a workspace into an annotated `System`: the pipeline of the front end.

instantiate -> expand every process -> fold constants -> derive sharing -> buffers -> steps -> assemble -> properties
"""

from __future__ import annotations

import ast
from dataclasses import dataclass

from lostirq.ir.expr import TRUE, Expr, Kind, Var, eq, integer, is_const, not_, value_of, var
from lostirq.ir.system import Access, Edge, Memory, Process, Property, Sort, System
from lostirq.language import assemble, buffers, sharing, statements, symmetry
from lostirq.language.declarations import PROCESSES, Declarations, FunctionDecl
from lostirq.language.declarations import Role as Purpose
from lostirq.language.expand import Expander
from lostirq.language.graph import Frame, Graph, Node, Op
from lostirq.language.places import Binding
from lostirq.language.properties import Context, PropertyCompiler
from lostirq.language.rewrite import Reads, literal, put_in_both
from lostirq.language.scope import CallFrame, Scope
from lostirq.language.source import Abandon, Report
from lostirq.language.steps import Composer, place_locations
from lostirq.language.translate import Translator
from lostirq.language.universe import Universe

_SORTS = {
    Purpose.THREAD: Sort.THREAD,
    Purpose.HANDLER: Sort.HANDLER,
    Purpose.SCHEDULER: Sort.SCHEDULER,
    Purpose.HARDWARE: Sort.HARDWARE,
}


@dataclass(frozen=True, slots=True)
class Request:
    """What to compile: parameter values, the memory model, and which properties (None: all that apply)."""

    name: str
    memory: Memory
    values: dict[str, int]
    properties: tuple[str, ...] | None = None
    dropped: tuple[str, ...] = ()
    lemmas: bool = False


def compile_request(declarations: Declarations, request: Request, report: Report) -> System | None:
    """The system, or None if the report has errors."""
    universe = Universe(declarations, request.values, report)
    universe.lay_out()
    if report.found:
        return None
    reads = Reads()
    initial = {v: v.init for v in universe.variables}
    for decl in declarations.functions():
        if decl.role is Purpose.INITIAL:
            _run_initial(universe, decl, initial, reads)
    graphs: list[Graph] = []
    for decl in declarations.functions():
        if decl.role in PROCESSES:
            _instances(universe, decl, graphs)
    if report.found:
        return None
    folder = sharing.Folder(graphs, reads, initial)
    folder.run()
    for g in graphs:
        g.cpu = None if g.cpu is None else folder.substituted(g.cpu)
        g.holds = folder.substituted(g.holds)
        g.masked = None if g.masked is None else folder.substituted(g.masked)
    cpus = assemble.number_cpus(graphs, report)
    shared = sharing.derive(graphs, reads)
    sharing.check_accesses(graphs, report)
    _locations(graphs, shared, request.memory, reads, initial, report)
    if report.found:
        return None
    composed = _compose(graphs, reads, initial, report)
    if report.found:
        return None
    constants = assemble.fold_unwritten(composed, initial, reads)
    symmetry.check(composed, initial, report)
    if report.found:
        return None
    system = _system(universe, request, composed, cpus, {**folder.constants, **constants}, initial, reads)
    return None if report.found else system


# -- processes ----------------------------------------------------------------------------------------------------


def expand_process(
    universe: Universe, decl: FunctionDecl, name: str, owner: int, names: dict[str, Binding], cpu: Expr | None = None
) -> Expander:
    """The operations of one process or function body."""
    x = Expander(universe, name, owner, Scope(decl.source, decl, names, name))
    x.cpu = cpu
    x.stack = (decl.name,)
    x.anchor = decl.node
    x.frames.append(CallFrame(decl, None, None))
    x.emit(Op.NOP)
    statements.block(x, decl.node.body)
    x.pending = x.pending + x.frames[-1].returns
    x.region, x.windows = 0, frozenset()
    x.anchor = decl.node
    if x.pending:
        end = x.emit(Op.END, 0)
        end.frame = Frame(end.frame.span, f"end of {decl.name}", decl.name, (decl.name,), frozenset())
    return x


def _instances(universe: Universe, decl: FunctionDecl, graphs: list[Graph]) -> None:
    """Append the instances of a process."""
    tr = Translator(universe, Scope(decl.source, None, {}))
    try:
        if "when" in decl.options and not tr.constant(decl.options["when"]):
            return
        over = decl.options.get("over")
        wanted = 0 if over is None else 1
        if len(decl.parameters) != wanted:
            mend = "one with over=, else none"
            raise tr.fail(decl.node, "LI012", f"process '{decl.name}' takes {wanted} parameter(s)", mend)
        for number in [-1] if over is None else range(tr.constant(over)):
            graphs.append(_instance(universe, decl, number, len(graphs)))
    except Abandon:
        return


def _instance(universe: Universe, decl: FunctionDecl, number: int, owner: int) -> Graph:
    name = decl.name if number < 0 else f"{decl.name}({number})"
    names: dict[str, Binding] = {} if number < 0 else {decl.parameters[0].arg: integer(number)}
    cpu = _lambda(universe, decl, "cpu", number)
    x = expand_process(universe, decl, name, owner, names, cpu)
    graph = Graph(name, decl.name, number, _SORTS[decl.role], x.nodes, x.locals, span=decl.source.header(decl.node))
    graph.cpu = cpu
    graph.holds = _lambda(universe, decl, "holds", number) or TRUE
    graph.masked = _lambda(universe, decl, "masked", number)
    symmetric = decl.options.get("symmetric")
    tr = Translator(universe, Scope(decl.source, None, {}))
    graph.symmetric = symmetric is not None and bool(tr.constant(symmetric))
    role = decl.text("role") or decl.name.replace("_", " ")
    graph.column = role.replace("{}", str(number)) if "{}" in role else role + (f" {number}" if number >= 0 else "")
    if graph.sort is Sort.HANDLER and graph.cpu is None:
        universe.report.add(graph.span, "LI022", f"handler '{decl.name}' has no cpu=", "cpu=lambda c: c")
    return graph


def _lambda(universe: Universe, decl: FunctionDecl, option: str, number: int) -> Expr | None:
    """`cpu=lambda i: ...` and the like, for one instance."""
    node = decl.options.get(option)
    if node is None:
        return None
    body, names = node, {}
    if isinstance(node, ast.Lambda):
        body = node.body
        params = [a.arg for a in node.args.args]
        if len(params) > 1 or number < 0 and params:
            raise universe.report.fail(
                decl.source.span(node), "LI012", f"{option}= takes the instance number", "lambda i: ..."
            )
        names = {p: integer(number) for p in params}
    tr = Translator(universe, Scope(decl.source, None, dict(names)))
    return tr.number_expr(body) if option == "cpu" else tr.condition(body)


def _run_initial(universe: Universe, decl: FunctionDecl, initial: dict[Var, int], reads: Reads) -> None:
    """Execute an @initial function on the initial values."""
    before = len(universe.report.found)
    if any(isinstance(n, ast.While) for n in ast.walk(decl.node)):
        universe.report.add(
            decl.source.header(decl.node), "LI024", "an @initial function has no while loop", "for over a range"
        )
        return
    x = expand_process(universe, decl, decl.name, -1, {})
    if len(universe.report.found) > before:
        return
    graph = Graph(decl.name, decl.name, -1, Sort.HARDWARE, x.nodes, x.locals, span=decl.source.header(decl.node))
    for node in graph.reachable():
        if node.op in (Op.CHOICE, Op.PICK, Op.WAIT):
            universe.report.add(node.frame.span, "LI024", "an @initial function only assigns", "no wait, no choose")
            return
        node.location = node.op is Op.END
    values = {v: literal(v, n) for v, n in initial.items()} | {v: literal(v, v.init) for v in x.locals}
    Composer(graph, reads, universe.report).prologue(values)
    _keep(universe, graph, values, initial)


def _keep(universe: Universe, graph: Graph, values: dict[Var, Expr], initial: dict[Var, int]) -> None:
    for v, e in values.items():
        if is_const(e):
            initial[v] = value_of(e)
            if v.type.kind is Kind.INT and not v.type.lo <= initial[v] <= v.type.hi:
                message = f"'{v.name}' starts with {initial[v]}, outside its range"
                universe.report.add(graph.span, "LI050", message, "widen its type")


# -- locations and steps ------------------------------------------------------------------------------------------


def _locations(
    graphs: list[Graph],
    shared: sharing.Sharing,
    memory: Memory,
    reads: Reads,
    initial: dict[Var, int],
    report: Report,
) -> None:
    """Find rests, buffered stores and locations."""
    for g in graphs:
        place_locations(g, set())
        if g.sort is Sort.HANDLER:
            values = _values(g, initial)
            g.rest = Composer(g, reads, Report()).prologue(values)
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
    fence = Node(len(graph.nodes), Op.FENCE, rest.frame, access=Access.FENCE, implicit=True, succ=[rest.index])
    graph.nodes.append(fence)
    graph.exit_fence = fence.index


def _values(graph: Graph, initial: dict[Var, int]) -> dict[Var, Expr]:
    found = {v: literal(v, n) for v, n in initial.items()}
    return found | {v: literal(v, v.init) for v in graph.locals}


def _compose(graphs: list[Graph], reads: Reads, initial: dict[Var, int], report: Report) -> list[assemble.Composed]:
    composed: list[assemble.Composed] = []
    for g in graphs:
        composer = Composer(g, reads, report)
        values = _values(g, initial)
        first = composer.prologue(values)
        for v, e in values.items():
            if is_const(e):
                initial[v] = value_of(e)
        composed.append(assemble.Composed(g, composer.compose(first), first))
    return composed


# -- the system ---------------------------------------------------------------------------------------------------


def _system(
    universe: Universe,
    request: Request,
    composed: list[assemble.Composed],
    cpus: int,
    constants: dict[Var, Expr],
    initial: dict[Var, int],
    reads: Reads,
) -> System:
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
    context = _context(universe, request, processes, cpus, fold, constants, initial)
    properties = tuple(PropertyCompiler(universe, context).all(request.properties, request.lemmas))
    roots = [x for p in processes for x in (p.runs, p.cpu) if x is not None]
    roots += [x for p in properties for x in (p.formula, p.goal)]
    live = assemble.live_variables(edges, roots, reads)
    edges = assemble.drop_unread(edges, live)
    depth = buffers.capacity([c.graph for c in composed], edges, universe.report)
    return _renew(universe, request, composed, processes, edges, properties, cpus, depth, initial, live)


def _context(
    universe: Universe,
    request: Request,
    processes: tuple[Process, ...],
    cpus: int,
    fold: object,
    constants: dict[Var, Expr],
    initial: dict[Var, int],
) -> Context:
    d = universe.declarations
    messages = tuple(
        not_(eq(var(v), literal(v, v.init))) for v in universe.variables if v.message and v not in constants
    )
    assert callable(fold)
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
    )


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
