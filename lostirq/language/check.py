# SPDX-License-Identifier: GPL-2.0-or-later
"""The check of a whole workspace, before any scenario: every function, also those that no scenario reaches.

Each body is compiled once by the same code as for a scenario, with its parameters bound to stand-ins and its calls
looked at but not inlined; both sides of every switch are looked at.
"""

from __future__ import annotations

import ast

from lostirq.ir.expr import integer
from lostirq.ir.system import Memory, served
from lostirq.language import pure
from lostirq.language.declarations import (
    PROCESSES,
    PROPERTIES,
    ConstantDecl,
    Declarations,
    EnumDecl,
    FunctionDecl,
    Role,
    StructDecl,
)
from lostirq.language.expand import Expander
from lostirq.language.locals import body, stand_in
from lostirq.language.properties import Context, PropertyCompiler, PropertyTranslator, property_id
from lostirq.language.scope import Scope
from lostirq.language.source import Abandon, Report, calls
from lostirq.language.translate import Translator
from lostirq.language.universe import Universe


def workspace(declarations: Declarations, report: Report) -> None:
    """Record the errors of all declarations."""
    values = {p.name: p.default for p in declarations.params()}
    universe = Universe(declarations, values, report, phantom=True)
    _types(universe)
    if report.found:
        return
    universe.lay_out()
    _recursion(declarations, report)
    if report.found:
        return
    context = _context(declarations)
    for decl in declarations.functions():
        try:
            _function(universe, decl, context)
        except Abandon:
            continue
    _properties(universe, context)


def _types(universe: Universe) -> None:
    for decl in universe.declarations.names.values():
        try:
            if isinstance(decl, StructDecl):
                universe.struct(decl)
            elif isinstance(decl, EnumDecl):
                universe.enum(decl)
            elif isinstance(decl, ConstantDecl):
                if _looks_like_type(universe, decl.value):
                    universe.type_of(decl.value, decl.source)
                else:
                    universe.constant(decl)
        except Abandon:
            continue


def _looks_like_type(universe: Universe, node: ast.expr) -> bool:
    if isinstance(node, ast.Subscript):
        return True
    if isinstance(node, ast.Call):
        return isinstance(node.func, ast.Name) and node.func.id == "Packed"
    if isinstance(node, ast.Name):
        decl = universe.declarations.names.get(node.id)
        if isinstance(decl, ConstantDecl):
            return decl.value is not node and _looks_like_type(universe, decl.value)
        return node.id in ("bool", "Lock") or isinstance(decl, (StructDecl, EnumDecl))
    return False


def _recursion(declarations: Declarations, report: Report) -> None:
    """LI013: a function that calls itself, directly or through others."""
    functions = {d.name: d for d in declarations.functions()}
    inside = {name: [c for c in calls(d.node) if c[0] in functions] for name, d in functions.items()}
    done: set[str] = set()
    for start in functions:
        path: list[str] = []
        stack: list[tuple[str, int]] = [(start, 0)] if start not in done else []
        while stack:
            name, k = stack.pop()
            if k == 0:
                path.append(name)
            if k >= len(inside[name]):
                done.add(path.pop())
                continue
            stack.append((name, k + 1))
            callee, call = inside[name][k]
            if callee in path:
                cycle = " -> ".join([*path[path.index(callee) :], callee])
                span = functions[name].source.span(call)
                report.add(span, "LI013", f"recursion: {cycle}", "model functions are inlined; use a loop")
            elif callee not in done:
                stack.append((callee, 0))


def _function(universe: Universe, decl: FunctionDecl, context: Context) -> None:
    if decl.role in PROPERTIES:
        return
    x = Expander(universe, decl.name, 0, Scope(decl.source, decl, {}, decl.name))
    if decl.role is Role.PURE:
        names = {p.arg: stand_in(x, decl, p) for p in decl.parameters}
        pure.evaluate(PropertyTranslator(universe, Scope(decl.source, decl, {}), context, lemma=True), decl, names)
        return
    body(universe, decl, x)
    if decl.role in PROCESSES:
        _options(universe, decl)


def _options(universe: Universe, decl: FunctionDecl) -> None:
    tr = Translator(universe, Scope(decl.source, None, {}))
    for option in ("over", "when"):
        if option in decl.options:
            tr.constant(decl.options[option])
    for option, roles in (("cpu", PROCESSES - {Role.HARDWARE}), ("masked", {Role.HANDLER})):
        if option in decl.options and decl.role not in roles:
            raise tr.fail(
                decl.options[option], "LI007", f"{option}= has no meaning for @{decl.role.value}", "remove it"
            )
    for option in ("cpu", "holds", "masked"):
        node = decl.options.get(option)
        if isinstance(node, ast.Lambda):
            tr.scope.names = {a.arg: integer(0) for a in node.args.args}
            if option == "cpu":
                tr.number_expr(node.body)
            else:
                tr.condition(node.body)
        elif node is not None:
            raise tr.fail(node, "LI007", f"{option}= is a lambda over the instance", f"{option}=lambda i: ...")


def _context(d: Declarations) -> Context:
    """What properties may name; there are no processes yet."""
    families = frozenset(f.name for f in d.functions() if f.role in PROCESSES)
    names = frozenset(f.name for f in d.functions())
    return Context((), 0, Memory.SC, families, d.windows, d.events, names)


def _properties(universe: Universe, context: Context) -> None:
    d = universe.declarations
    compiler = PropertyCompiler(universe, context)
    known: dict[str, FunctionDecl] = {}
    properties = [f for f in d.functions() if f.role in PROPERTIES]
    for decl in properties:
        ident = property_id(decl)
        if ident in known:
            where = known[ident].source.header(known[ident].node)
            universe.report.add(
                decl.source.header(decl.node),
                "LI004",
                f"property '{ident}' is declared twice, first in {where.file}:{where.line}",
            )
        known[ident] = decl
        try:
            compiler.instances(decl)
        except Abandon:
            continue
        goals = served(decl.text("proves"))
        if decl.role is Role.LEMMA and not (goals and goals <= {property_id(p) for p in properties}):
            universe.report.add(
                decl.source.header(decl.node),
                "LI033",
                f"the lemma is for '{decl.text('proves')}', which is no property",
            )
    for decl in properties:
        node = decl.options.get("witness")
        if node is None:
            continue
        name = node.id if isinstance(node, ast.Name) else decl.text("witness")
        target = known.get(name) or next((p for p in properties if p.name == name), None)
        if target is None or target.role is not Role.REACHABLE:
            universe.report.add(decl.source.span(node), "LI033", f"the witness '{name}' is not a @reachable property")
