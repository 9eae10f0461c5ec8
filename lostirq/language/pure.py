# SPDX-License-Identifier: GPL-2.0-or-later
"""@pure functions and the bodies of properties: computed into one expression, branches merged by ITE.

All memory that a call reads counts as one group: one atomic look in the place of the call.
"""

from __future__ import annotations

import ast
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from lostirq.ir.expr import FALSE, TRUE, Expr, and_, integer, ite, not_
from lostirq.language.builtins import loop_range
from lostirq.language.declarations import FunctionDecl, Role
from lostirq.language.places import Binding, PackedValue, Poison, Ref, Value
from lostirq.language.scope import Scope
from lostirq.language.types import PackedType, Scalar

if TYPE_CHECKING:
    from lostirq.language.translate import Translator


@dataclass(slots=True)
class _Run:
    """The state of a symbolic run: the condition under which it still goes on, and what it returned under which."""

    live: Expr = TRUE
    returns: list[tuple[Expr, Value]] = field(default_factory=list)


def bind_arguments(tr: Translator, decl: FunctionDecl, node: ast.Call) -> list[tuple[ast.arg, ast.expr | None]]:
    """Pair parameters with the expressions of a call; None where the default applies."""
    params = decl.parameters
    given: dict[str, ast.expr] = {}
    for param, arg in zip(params, node.args, strict=False):
        given[param.arg] = arg
    for item in node.keywords:
        if item.arg is None or item.arg not in [p.arg for p in params]:
            raise tr.fail(node, "LI012", f"'{decl.name}' has no parameter '{item.arg}'")
        if item.arg in given:
            raise tr.fail(node, "LI012", f"parameter '{item.arg}' of '{decl.name}' is given twice")
        given[item.arg] = item.value
    optional = {p.arg for p in params[len(params) - len(decl.node.args.defaults) :]}
    missing = [p.arg for p in params if p.arg not in given and p.arg not in optional]
    if len(node.args) > len(params) or missing:
        wanted = ", ".join(p.arg for p in params)
        raise tr.fail(node, "LI012", f"'{decl.name}' takes ({wanted}): {len(params)}, not {len(node.args)}")
    return [(p, given.get(p.arg)) for p in params]


def default_of(decl: FunctionDecl, name: str) -> ast.expr:
    defaults = decl.node.args.defaults
    names = [p.arg for p in decl.parameters][len(decl.parameters) - len(defaults) :]
    return defaults[names.index(name)]


def argument_value(tr: Translator, decl: FunctionDecl, param: ast.arg, node: ast.expr | None) -> Value:
    """The value of one argument, checked against the declared type; references stay references."""
    if param.annotation is None:
        raise tr.report.fail(decl.source.span(param), "LI014", f"parameter '{param.arg}' has no type", "name: Type")
    type_ = tr.universe.type_of(param.annotation, decl.source)
    if node is None:
        caller, tr.scope = tr.scope, Scope(decl.source, None, {})
        try:
            return tr.coerce(tr.value(default_of(decl, param.arg)), type_, default_of(decl, param.arg))
        finally:
            tr.scope = caller
    value = tr.value(node)
    if isinstance(value, Ref) and value.type == type_ and not isinstance(type_, (Scalar, PackedType)):
        return value
    return tr.coerce(value, type_, node)


def call(tr: Translator, decl: FunctionDecl, node: ast.Call) -> Value:
    """A call of a @pure function in an expression."""
    if decl.role is not Role.PURE:
        if decl.role is Role.FUNCTION:
            raise tr.fail(node, "LI024", f"'{decl.name}' makes steps and cannot be called here", "make it @pure")
        raise tr.fail(node, "LI025", f"'{decl.name}' is not a function that can be called")
    before = len(tr.groups)
    names: dict[str, Binding] = {}
    for param, arg in bind_arguments(tr, decl, node):
        names[param.arg] = argument_value(tr, decl, param, arg)
    result = evaluate(tr, decl, names)
    looked = frozenset(u for g in tr.groups[before:] for u in g)
    del tr.groups[before:]
    tr.note(looked)
    return result


def evaluate(tr: Translator, decl: FunctionDecl, names: dict[str, Binding]) -> Value:
    """The value that a pure body returns for these parameters."""
    caller, tr.scope = tr.scope, Scope(decl.source, decl, dict(names))
    run = _Run()
    try:
        _block(tr, decl.node.body, run)
        if run.live is not FALSE or not run.returns:
            raise tr.fail(
                decl.node, "LI019", f"'{decl.name}' may end without returning a value", "return on every path"
            )
        result = run.returns[-1][1]
        for cond, value in reversed(run.returns[:-1]):
            result = _merge(tr, cond, value, result, decl.node)
        if decl.node.returns is not None:
            type_ = tr.universe.type_of(decl.node.returns, decl.source)
            if not isinstance(result, Ref) or result.type != type_:
                result = tr.coerce(result, type_, decl.node.returns)
        return result
    finally:
        tr.scope = caller


def _merge(tr: Translator, cond: Expr, a: Value, b: Value, node: ast.AST) -> Value:
    if isinstance(a, Ref) and isinstance(b, Ref) and a.type == b.type:
        left = [(and_(cond, c), p) for c, p in a.alternatives]
        right = [(and_(not_(cond), c), p) for c, p in b.alternatives]
        return Ref(tuple(left + right))
    x = tr.read(a, node) if isinstance(a, Ref) else a
    y = tr.read(b, node) if isinstance(b, Ref) else b
    return tr.merge(cond, x, y, node)


def _block(tr: Translator, body: list[ast.stmt], run: _Run) -> None:
    for node in body:
        if run.live is FALSE:
            return
        _statement(tr, node, run)


def _statement(tr: Translator, node: ast.stmt, run: _Run) -> None:
    tr.universe.executed.add(tr.scope.source.place(node))
    if isinstance(node, ast.Pass) or isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
        return
    if isinstance(node, ast.Return) and node.value is not None:
        run.returns.append((run.live, tr.value(node.value)))
        run.live = FALSE
    elif isinstance(node, ast.If):
        _if(tr, node, run)
    elif isinstance(node, ast.Assign) and len(node.targets) == 1 and isinstance(node.targets[0], ast.Name):
        _assign(tr, node.targets[0].id, tr.value(node.value), node)
    elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name) and node.value is not None:
        type_ = tr.universe.type_of(node.annotation, tr.scope.source)
        _assign(tr, node.target.id, tr.coerce(tr.value(node.value), type_, node), node)
    elif isinstance(node, ast.AugAssign) and isinstance(node.target, ast.Name):
        value = tr.binary(node.op, tr.scalar(node.target), tr.scalar(node.value), node)
        _assign(tr, node.target.id, value, node)
    elif isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Attribute):
        _assign_field(tr, node.targets[0], node)
    elif isinstance(node, ast.For) and isinstance(node.target, ast.Name) and not node.orelse:
        _for(tr, node, node.target.id, run)
    else:
        raise tr.fail(
            node,
            "LI024",
            "this statement is not allowed in a pure function",
            "local assignments, if, for over a range, return",
        )


def _assign(tr: Translator, name: str, value: Value, node: ast.stmt) -> None:
    if isinstance(value, Ref) and isinstance(value.type, Scalar):
        value = tr.read(value, node)
    tr.scope.names[name] = value


def _assign_field(tr: Translator, target: ast.Attribute, node: ast.Assign) -> None:
    """new.nv = e, for a local packed value."""
    root = target.value
    old = tr.scope.names.get(root.id) if isinstance(root, ast.Name) else None
    if not isinstance(old, PackedValue) or not isinstance(root, ast.Name):
        raise tr.fail(node, "LI024", "a pure function does not write memory", "make it a @function")
    fields = list(old.fields)
    for k, (name, type_) in enumerate(old.type.fields):
        if name == target.attr:
            value = tr.coerce(tr.value(node.value), Scalar(type_), node)
            assert isinstance(value, Expr)
            fields[k] = value
            tr.scope.names[root.id] = PackedValue(old.type, tuple(fields))
            return
    raise tr.fail(node, "LI011", f"{old.type} has no field '{target.attr}'")


def _if(tr: Translator, node: ast.If, run: _Run) -> None:
    cond = tr.condition(node.test)
    start, live = dict(tr.scope.names), run.live
    phantom = tr.universe.phantom
    after: list[tuple[Expr, dict[str, Binding], Expr]] = []
    for side, body in ((cond, node.body), (not_(cond), node.orelse)):
        tr.scope.names, run.live = dict(start), and_(live, side)
        if run.live is not FALSE or phantom:
            _block(tr, body, run)
            after.append((side, tr.scope.names, run.live))
    tr.scope.names, run.live = _join(tr, after, node)


def _join(
    tr: Translator, after: list[tuple[Expr, dict[str, Binding], Expr]], node: ast.AST
) -> tuple[dict[str, Binding], Expr]:
    """Names and liveness after the branches of an if."""
    alive = [a for a in after if a[2] is not FALSE]
    if not alive:
        return (after[0][1] if after else {}), FALSE
    if len(alive) == 1:
        return alive[0][1], alive[0][2]
    (cond, left, live_left), (_, right, live_right) = alive
    names: dict[str, Binding] = {}
    for name in [*left, *(n for n in right if n not in left)]:
        a, b = left.get(name, Poison()), right.get(name, Poison())
        if a is b:
            names[name] = a
        elif isinstance(a, (Expr, PackedValue, Ref)) and isinstance(b, (Expr, PackedValue, Ref)):
            names[name] = _merge(tr, cond, a, b, node)
    return names, ite(cond, live_left, live_right)


def _for(tr: Translator, node: ast.For, name: str, run: _Run) -> None:
    numbers = loop_range(tr, node.iter)
    if tr.universe.phantom:
        numbers = numbers[:1] or [0]
    for number in numbers:
        if run.live is FALSE:
            break
        tr.scope.names[name] = integer(number)
        _block(tr, node.body, run)
