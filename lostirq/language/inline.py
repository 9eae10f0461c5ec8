# SPDX-License-Identifier: GPL-2.0-or-later
"""Calls, inlined: arguments bound, the body expanded in place, the result in a local.

Arguments that must be fixed at the call (they read memory, or the callee assigns the parameter) are captured, all in
one operation; other arguments are substituted.
"""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from lostirq.ir.expr import Expr, Kind, Role
from lostirq.language import pure, statements
from lostirq.language.declarations import FunctionDecl
from lostirq.language.graph import Op
from lostirq.language.places import Binding, Copy, PackedValue, Ref, Value, Write
from lostirq.language.scope import CallFrame, Scope
from lostirq.language.types import PackedType, Scalar, SemType

if TYPE_CHECKING:
    from lostirq.language.expand import Expander


def inline(x: Expander, decl: FunctionDecl, node: ast.Call) -> Value | None:
    if decl.name in x.stack and not x.universe.phantom:
        cycle = " -> ".join([*x.stack[x.stack.index(decl.name) :], decl.name])
        raise x.fail(node, "LI013", f"recursion: {cycle}", "model functions are inlined; use a loop")
    number = x.scope.calls.get(decl.name, 0)
    x.scope.calls[decl.name] = number + 1
    path = f"{x.scope.path}/{decl.name}" + (f"#{number}" if number else "")
    names = _arguments(x, decl, node, path)
    type_ = None if decl.node.returns is None else result_type(x, decl)
    caller, anchor = x.scope, x.anchor
    x.scope = Scope(decl.source, decl, names, path)
    result = None if type_ is None else x.fresh("return", type_)
    frame = CallFrame(decl, result, type_)
    if x.universe.phantom:
        x.scope = caller
        return None if result is None else x.bound(result)
    x.stack += (decl.name,)
    x.frames.append(frame)
    try:
        statements.block(x, decl.node.body)
        if x.pending and result is not None:
            raise x.fail(decl.node, "LI019", f"'{decl.name}' may end without a value", "return on every path")
    finally:
        x.frames.pop()
        x.stack = x.stack[:-1]
        x.copies.append(Copy(decl.name, path, x.scope.names))
        x.scope, x.anchor = caller, anchor
        x.pending = x.pending + frame.returns
    return None if result is None else x.bound(result)


def result_type(x: Expander, decl: FunctionDecl) -> SemType | None:
    node = decl.node.returns
    if node is None or isinstance(node, ast.Constant) and node.value is None:
        return None
    type_ = x.universe.type_of(node, decl.source)
    if not isinstance(type_, (Scalar, PackedType)):
        raise x.report.fail(
            decl.source.span(node), "LI010", f"a function that makes steps cannot return a {type_}", "make it @pure"
        )
    return type_


def _arguments(x: Expander, decl: FunctionDecl, node: ast.Call, path: str) -> dict[str, Binding]:
    """Bind the parameters; what must be fixed now is captured, all in one operation."""
    pairs = pure.bind_arguments(x, decl, node)
    names: dict[str, Binding] = {}
    writes: tuple[Write, ...] = ()
    values: list[tuple[str, Value, SemType]] = []
    for k, (param, arg) in enumerate(pairs):
        value = pure.argument_value(x, decl, param, arg)
        later = any(a is not None and x.effectful(a) for _, a in pairs[k + 1 :])
        if later and not isinstance(value, Ref) and not stable_value(value):
            value = x.capture(value, param.arg)
        assert param.annotation is not None
        values.append((param.arg, value, x.universe.type_of(param.annotation, decl.source)))
    caller, x.scope = x.scope, Scope(decl.source, decl, {}, path)
    try:
        for name, value, type_ in values:
            binding, more = _bind(x, decl, name, value, type_)
            names[name] = binding
            writes += more
    finally:
        x.scope = caller
    if writes:
        x.emit(Op.ASSIGN, writes=writes)
    return names


def _bind(
    x: Expander, decl: FunctionDecl, name: str, value: Value, type_: SemType
) -> tuple[Binding, tuple[Write, ...]]:
    if isinstance(value, Ref):
        if all(stable(c) for c, _ in value.alternatives):
            return value, ()
        return x.capture_ref(value, name)
    kept = name not in decl.assigned and name not in decl.mutated
    if kept and stable_value(value) and _within(value, type_):
        return value, ()
    target = x.fresh(name, type_)
    return target, x.write_binding(target, value)


def stable(e: Expr) -> bool:
    """Whether an expression is over locals only."""
    return all(v.role is Role.LOCAL for v in e.reads)


def stable_value(value: Expr | PackedValue) -> bool:
    return all(stable(e) for e in (value.fields if isinstance(value, PackedValue) else (value,)))


def _within(value: Value, type_: SemType) -> bool:
    if isinstance(value, Expr) and isinstance(type_, Scalar) and value.type.kind is Kind.INT:
        return type_.type.lo <= value.type.lo and value.type.hi <= type_.type.hi
    return True
