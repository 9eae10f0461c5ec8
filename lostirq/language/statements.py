# SPDX-License-Identifier: GPL-2.0-or-later
"""Statements of a process or of a function that it calls, into operations.

After an error in a statement the next one is compiled as if it had been correct, so that several errors are shown at
once; a local whose first assignment failed is poisoned and silent.
"""

from __future__ import annotations

import ast
from collections.abc import Callable
from typing import TYPE_CHECKING

from lostirq.ir.expr import FALSE, TRUE, Expr, Kind, integer, is_const
from lostirq.language import primitives
from lostirq.language.builtins import loop_range
from lostirq.language.graph import Frame, Loop, Op, Pending, Turn
from lostirq.language.places import LocalPacked, LocalScalar, PackedValue, Poison, Ref, Value, Write
from lostirq.language.rewrite import literal
from lostirq.language.source import Abandon
from lostirq.language.types import LockType, PackedType, Scalar, SemType

if TYPE_CHECKING:
    from lostirq.language.expand import Expander


def block(x: Expander, body: list[ast.stmt]) -> None:
    """Statements in order; what cannot be reached is skipped."""
    for node in body:
        if not x.pending:
            return
        x.anchor = node
        try:
            statement(x, node)
        except Abandon:
            _poison(x, node)
        x.groups, x.checks = [], []


def _poison(x: Expander, node: ast.stmt) -> None:
    targets = node.targets if isinstance(node, ast.Assign) else [node.target] if isinstance(node, ast.AnnAssign) else []
    for target in targets:
        if isinstance(target, ast.Name):
            x.scope.names.setdefault(target.id, Poison())


def statement(x: Expander, node: ast.stmt) -> None:
    method = _METHODS.get(type(node))
    if method is None:
        shown = type(node).__name__
        raise x.report.fail(
            x.scope.source.header(node),
            "LI006",
            f"this statement is not part of the language ({shown})",
            "see docs/language.md, section 4",
        )
    x.universe.executed.add(x.scope.source.place(node))
    method(x, node)


def _expr(x: Expander, node: ast.Expr) -> None:
    if isinstance(node.value, ast.Constant) and isinstance(node.value.value, str):
        return
    if isinstance(node.value, ast.Call) and isinstance(node.value.func, ast.Name):
        value = x.perform(node.value.func.id, node.value)
        if isinstance(value, Ref) and isinstance(value.type, (Scalar, PackedType)):
            value = x.read(value, node)
        if x.groups and isinstance(value, (Expr, PackedValue)):
            x.capture(value, "unused")
    else:
        raise x.fail(node, "LI006", "an expression without effect is not a statement", "delete it")


def _pass(x: Expander, node: ast.Pass) -> None:
    """Nothing."""


# -- assignments --------------------------------------------------------------------------------------------------


def _assign(x: Expander, node: ast.Assign) -> None:
    if len(node.targets) != 1:
        raise x.fail(node, "LI006", "one target per assignment", "write one statement for each")
    target = node.targets[0]
    if isinstance(target, (ast.Tuple, ast.List)):
        _together(x, target.elts, node)
        return
    value = x.value(node.value)
    if isinstance(target, ast.Name):
        assign_name(x, target, value, None, node.value)
    else:
        x.emit(Op.ASSIGN, writes=_writes(x, target, value, node.value))


def _together(x: Expander, targets: list[ast.expr], node: ast.Assign) -> None:
    """Several fields of one packed unit, or several locals, at once."""
    if not isinstance(node.value, (ast.Tuple, ast.List)) or len(node.value.elts) != len(targets):
        raise x.fail(node, "LI006", "as many values as targets are needed", "a.x, a.y = 1, 2")
    values = x.operands(node.value.elts)
    writes: tuple[Write, ...] = ()
    for target, value in zip(targets, values, strict=True):
        if isinstance(target, ast.Name):
            binding = _local(x, target, value, None, node)
            writes += x.write_binding(binding, x._fit(binding, value, node))
        else:
            writes += _writes(x, target, value, node)
    x.emit(Op.ASSIGN, writes=writes)


def _writes(x: Expander, target: ast.expr, value: Value, node: ast.AST) -> tuple[Write, ...]:
    """The writes of an assignment to a field, an element or a field of a local packed value."""
    if isinstance(value, Ref):
        value = x.read(value, node)
    if isinstance(target, ast.Attribute) and isinstance(target.value, ast.Name):
        binding = x.scope.names.get(target.value.id)
        if isinstance(binding, LocalPacked):
            for (name, type_), v in zip(binding.type.fields, binding.vars, strict=True):
                if name == target.attr:
                    new = x.coerce(value, Scalar(type_), node)
                    assert isinstance(new, Expr)
                    return (Write(v, new),)
            raise x.fail(target, "LI011", f"{binding.type} has no field '{target.attr}'")
    if not isinstance(target, (ast.Attribute, ast.Subscript, ast.Name)):
        raise x.fail(target, "LI016", "this cannot be assigned to", "assign to a local, a field or an element")
    ref = primitives.target_place(x, target)
    return primitives.writes_to(ref, x.coerce(value, ref.type, node))


def assign_name(x: Expander, target: ast.Name, value: Value, type_: SemType | None, node: ast.AST) -> None:
    """x = e, for a local, a memory scalar at module level, or an alias of a structure."""
    if target.id not in x.scope.names and target.id in x.universe.memory:
        x.emit(Op.ASSIGN, writes=_writes(x, target, value, node))
        return
    if isinstance(value, Ref) and not isinstance(value.type, (Scalar, PackedType, LockType)):
        _alias(x, target, value, node)
        return
    if isinstance(value, Ref):
        value = x.read(value, node)
    binding = _local(x, target, value, type_, node)
    if binding is not None:
        x.emit(Op.ASSIGN, writes=x.write_binding(binding, x._fit(binding, value, node)))


def _alias(x: Expander, target: ast.Name, value: Ref, node: ast.AST) -> None:
    """pi = vcpu.pi_desc: another name of the structure, with its index captured here."""
    function = x.scope.function
    if function is not None and function.assigned.get(target.id, 0) > 1:
        raise x.fail(node, "LI016", f"'{target.id}' names a {value.type} and is assigned once", "use two names")
    fixed, writes = x.capture_ref(value, target.id)
    if writes or x.groups:
        x.emit(Op.ASSIGN, writes=writes)
    x.scope.names[target.id] = fixed


def _local(
    x: Expander, target: ast.Name, value: Expr | PackedValue, type_: SemType | None, node: ast.AST
) -> LocalScalar | LocalPacked:
    """The local variable of a name, made at its first assignment."""
    found = x.scope.names.get(target.id)
    if isinstance(found, (LocalScalar, LocalPacked)):
        if type_ is not None:
            x.coerce(x.bound(found), type_, node)
        return found
    if isinstance(found, Ref):
        raise x.fail(target, "LI016", f"'{target.id}' is a reference and cannot be assigned", "use another name")
    if isinstance(found, Poison):
        raise Abandon(target.id)
    if target.id in x.universe.declarations.names:
        raise x.fail(
            target, "LI016", f"'{target.id}' is declared at module level and is not memory", "rename the local"
        )
    if type_ is None:
        if isinstance(value, PackedValue):
            type_ = value.type
        else:
            function = x.scope.function
            again = function is not None and (function.assigned.get(target.id, 0) > 1 or target.id in function.looped)
            if is_const(value) and value.type.kind is Kind.INT and not value.type.names and again:
                raise x.fail(
                    target,
                    "LI014",
                    f"the type of '{target.id}' is not known from a number",
                    f"{target.id}: Int[lo, hi] = ...",
                )
            type_ = Scalar(value.type)
    if not isinstance(type_, (Scalar, PackedType)):
        raise x.fail(target, "LI014", f"a local is a scalar or a packed value, not a {type_}")
    binding = x.fresh(target.id, type_)
    x.scope.names[target.id] = binding
    return binding


def _annassign(x: Expander, node: ast.AnnAssign) -> None:
    if not isinstance(node.target, ast.Name):
        raise x.fail(node, "LI006", "only locals are annotated", "remove the annotation")
    type_ = x.universe.type_of(node.annotation, x.scope.source)
    if node.value is not None:
        value = x.coerce(x.value(node.value), type_, node.value)
        assign_name(x, node.target, value, type_, node.value)
        return
    if not isinstance(type_, (Scalar, PackedType)):
        raise x.fail(node, "LI014", f"a local is a scalar or a packed value, not a {type_}")
    if node.target.id not in x.scope.names:
        x.scope.names[node.target.id] = x.fresh(node.target.id, type_)
    binding = x.scope.names[node.target.id]
    if isinstance(binding, (LocalScalar, LocalPacked)):
        local = (binding.var,) if isinstance(binding, LocalScalar) else binding.vars
        x.emit(Op.ASSIGN, writes=tuple(Write(v, literal(v, v.init)) for v in local))


def _augassign(x: Expander, node: ast.AugAssign) -> None:
    old, operand = x.operands([node.target, node.value])
    if isinstance(old, PackedValue) or isinstance(operand, PackedValue):
        raise x.fail(node, "LI010", "a packed value is not a number", "name one of its fields")
    value = x.binary(node.op, old, operand, node)
    if isinstance(node.target, ast.Name) and isinstance(x.scope.names.get(node.target.id), LocalScalar):
        assign_name(x, node.target, value, None, node)
    else:
        x.emit(Op.ASSIGN, writes=_writes(x, node.target, value, node))


# -- control ------------------------------------------------------------------------------------------------------


def _if(x: Expander, node: ast.If) -> None:
    yes, no = x.branch(node.test)
    ends: Pending = []
    for ways, body in ((yes, node.body), (no, node.orelse)):
        x.pending = ways
        block(x, body)
        ends += x.pending
    x.pending = ends


def _while(x: Expander, node: ast.While) -> None:
    if node.orelse:
        raise x.fail(node, "LI006", "a loop has no else")
    if x.region:
        raise x.fail(node, "LI023", "a while loop inside an atomic block", "use for over a range, with break")
    head = x.emit(Op.NOP)
    loop = Loop(head.index)
    x.frames[-1].loops.append(loop)
    try:
        yes, no = x.branch(node.test)
        x.pending = yes
        block(x, node.body)
        x.pending = x.pending + loop.continues
        x.join(head.index)
    finally:
        x.frames[-1].loops.pop()
    x.pending = no + loop.breaks


def _for(x: Expander, node: ast.For) -> None:
    if node.orelse or not isinstance(node.target, ast.Name):
        raise x.fail(node, "LI006", "a loop is written for name in range(...)", "no else, one name")
    numbers = loop_range(x, node.iter)
    if x.universe.phantom:
        numbers = numbers[:1] or [0]
    loop, outside = Loop(-1), x.turns
    x.frames[-1].loops.append(loop)
    try:
        for number in numbers:
            x.scope.names[node.target.id] = integer(number)
            x.turns = (*outside, Turn(x.scope.path, (node.lineno, node.col_offset), number))
            block(x, node.body)
            x.pending = x.pending + loop.continues
            loop.continues = []
    finally:
        x.frames[-1].loops.pop()
        x.turns = outside
    x.pending = x.pending + loop.breaks


def _leave(x: Expander, node: ast.stmt) -> None:
    loops = x.frames[-1].loops
    if not loops:
        raise x.fail(node, "LI006", "not inside a loop")
    (loops[-1].breaks if isinstance(node, ast.Break) else loops[-1].continues).extend(x.pending)
    x.pending = []


def _return(x: Expander, node: ast.Return) -> None:
    frame = x.frames[-1]
    if node.value is None or isinstance(node.value, ast.Constant) and node.value.value is None:
        if frame.result is not None:
            raise x.fail(node, "LI019", f"'{frame.decl.name}' must return a {frame.type}", "return a value")
    elif frame.result is None or frame.type is None:
        raise x.fail(node, "LI019", f"'{frame.decl.name}' has no result type", "declare it with -> Type")
    else:
        value = x.coerce(x.value(node.value), frame.type, node.value)
        x.emit(Op.ASSIGN, writes=x.write_binding(frame.result, value))
    frame.returns += x.pending
    x.pending = []


def _with(x: Expander, node: ast.With) -> None:
    windows, region = x.windows, x.region
    try:
        for item in node.items:
            call = item.context_expr
            name = call.func.id if isinstance(call, ast.Call) and isinstance(call.func, ast.Name) else ""
            if name == "atomic" and isinstance(call, ast.Call) and not call.args and item.optional_vars is None:
                _enter_atomic(x, node)
            elif name == "window" and isinstance(call, ast.Call) and len(call.args) == 1:
                label = call.args[0]
                if not isinstance(label, ast.Constant) or not isinstance(label.value, str):
                    raise x.fail(call, "LI026", 'a window has a name: window("harvest")')
                x.windows |= {label.value}
            else:
                raise x.fail(item.context_expr, "LI006", 'with takes atomic() or window("name")')
        block(x, node.body)
    finally:
        x.windows, x.region = windows, region


def _enter_atomic(x: Expander, node: ast.With) -> None:
    if x.region:
        return
    x.regions += 1
    x.region = x.regions
    entry = x.emit(Op.ATOMIC)
    source = x.scope.source
    shown = "; ".join(source.text_of(s) for s in node.body[:4] if not isinstance(s, ast.Pass))
    text = f"atomic: {shown}" + ("; ..." if len(node.body) > 4 else "")
    entry.frame = Frame(
        source.header(node),
        text[:197] + "..." if len(text) > 200 else text,
        entry.frame.function,
        entry.frame.stack,
        entry.frame.windows,
        entry.frame.path,
        entry.frame.turns,
    )


def _match(x: Expander, node: ast.Match) -> None:
    subject = node.subject
    if not (isinstance(subject, ast.Call) and isinstance(subject.func, ast.Name) and subject.func.id == "choose"):
        raise x.fail(subject, "LI006", "match is for nondeterminism only", "match choose(): ..., or if/elif")
    if subject.args or subject.keywords:
        raise x.fail(subject, "LI012", "match choose() has no arguments", "v = choose(T) chooses a value")
    labels: list[str] = []
    cases: list[tuple[str, Expr, list[ast.stmt]]] = []
    for case in node.cases:
        pattern = case.pattern
        label = (
            pattern.value.value
            if isinstance(pattern, ast.MatchValue) and isinstance(pattern.value, ast.Constant)
            else None
        )
        if not isinstance(label, str):
            raise x.fail(pattern, "LI006", 'a case has a name: case "sti": ...')
        labels.append(label)
        guard = _guard(x, case)
        if guard is not FALSE or x.phantom:
            cases.append((label, guard, case.body))
    if len(set(labels)) != len(labels):
        raise x.fail(node.subject, "LI004", "two cases have the same name", "rename one")
    x.anchor = node
    guards = tuple(guard for _, guard, _ in cases)
    choice = x.emit(Op.CHOICE, len(cases), guards=guards, labels=tuple(label for label, _, _ in cases), look=True)
    ends: Pending = []
    for k, (_, _, body) in enumerate(cases):
        x.pending = [(choice.index, k)]
        block(x, body)
        ends += x.pending
    x.pending = ends


def _guard(x: Expander, case: ast.match_case) -> Expr:
    return TRUE if case.guard is None else x.look(case.guard)


_METHODS: dict[type[ast.stmt], Callable[..., None]] = {
    ast.Expr: _expr,
    ast.Pass: _pass,
    ast.Assign: _assign,
    ast.AnnAssign: _annassign,
    ast.AugAssign: _augassign,
    ast.If: _if,
    ast.While: _while,
    ast.For: _for,
    ast.Break: _leave,
    ast.Continue: _leave,
    ast.Return: _return,
    ast.With: _with,
    ast.Match: _match,
}
