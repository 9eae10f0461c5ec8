# SPDX-License-Identifier: GPL-2.0-or-later
"""The processes of a scenario, expanded: one graph for each instance, and what its decorator says about it.

@initial functions are executed here too, on the initial values of memory.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable

from lostirq.ir.expr import TRUE, Expr, Kind, Var, integer, is_const, value_of
from lostirq.ir.system import Sort
from lostirq.language import statements
from lostirq.language.declarations import FunctionDecl
from lostirq.language.declarations import Role as Purpose
from lostirq.language.expand import Expander
from lostirq.language.graph import Frame, Graph, Op
from lostirq.language.places import Binding, Copy
from lostirq.language.rewrite import literal
from lostirq.language.scope import CallFrame, Scope
from lostirq.language.source import Abandon
from lostirq.language.steps import Composer
from lostirq.language.translate import Translator
from lostirq.language.universe import Universe

MAX_INSTANCES = 256     # of one process

_SORTS = {
    Purpose.THREAD: Sort.THREAD,
    Purpose.HANDLER: Sort.HANDLER,
    Purpose.SCHEDULER: Sort.SCHEDULER,
    Purpose.HARDWARE: Sort.HARDWARE,
}


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
        end.frame = Frame(end.frame.span, f"end of {decl.name}", decl.name, (decl.name,), frozenset(), name)
    x.copies.append(Copy(decl.name, name, x.scope.names))
    return x


def numbers(universe: Universe, decl: FunctionDecl) -> tuple[int, ...]:
    """The numbers of the instances of a process, -1 for the only one; none, and a diagnostic, if they make no sense."""
    tr = Translator(universe, Scope(decl.source, None, {}))
    try:
        if "when" in decl.options and not tr.constant(decl.options["when"]):
            return ()
        over = decl.options.get("over")
        wanted = 0 if over is None else 1
        if len(decl.parameters) != wanted:
            mend = "one with over=, else none"
            raise tr.fail(decl.node, "LI012", f"process '{decl.name}' takes {wanted} parameter(s)", mend)
        if over is None:
            return (-1,)
        count = tr.constant(over)
        if not 0 <= count <= MAX_INSTANCES:
            said = f"the number of instances {count} is not in 0..{MAX_INSTANCES}"
            raise tr.fail(over, "LI014", said, f"a number from 0 to {MAX_INSTANCES}")
        return tuple(range(count))
    except Abandon:
        return ()


def instances(universe: Universe, decl: FunctionDecl, wanted: Iterable[int], graphs: list[Graph]) -> None:
    """Append the instances of a process that have these numbers."""
    try:
        for number in wanted:
            graphs.append(_instance(universe, decl, number, len(graphs)))
    except Abandon:
        return


def _instance(universe: Universe, decl: FunctionDecl, number: int, owner: int) -> Graph:
    name = decl.name if number < 0 else f"{decl.name}({number})"
    names: dict[str, Binding] = {} if number < 0 else {decl.parameters[0].arg: integer(number)}
    cpu = _lambda(universe, decl, "cpu", number)
    x = expand_process(universe, decl, name, owner, names, cpu)
    graph = Graph(name, decl.name, number, _SORTS[decl.role], x.nodes, x.locals, span=decl.source.header(decl.node))
    graph.copies, graph.cpu = tuple(x.copies), cpu
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


def run_initial(universe: Universe, decl: FunctionDecl, initial: dict[Var, int]) -> None:
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
    Composer(graph, universe.report).prologue(values)
    _keep(universe, graph, values, initial)


def _keep(universe: Universe, graph: Graph, values: dict[Var, Expr], initial: dict[Var, int]) -> None:
    for v, e in values.items():
        if is_const(e):
            initial[v] = value_of(e)
            if v.type.kind is Kind.INT and not v.type.lo <= initial[v] <= v.type.hi:
                message = f"'{v.name}' starts with {initial[v]}, outside its range"
                universe.report.add(graph.span, "LI050", message, "widen its type")
