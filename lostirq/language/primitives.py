# SPDX-License-Identifier: GPL-2.0-or-later
"""Built-in functions with effects: stores, locked operations, fences, waits, nondeterminism and marks.

Each locked operation is one operation that reads and writes one access unit at once.  Its old value goes into a local
of the inlined copy, from where the surrounding expression reads it.
"""

from __future__ import annotations

import ast
from collections.abc import Callable
from typing import TYPE_CHECKING

from lostirq.ir.expr import (
    FALSE,
    TRUE,
    Expr,
    Kind,
    Role,
    Var,
    add,
    and_,
    band,
    bor,
    int_type,
    integer,
    is_const,
    ite,
    le,
    not_,
    put,
    sub,
    value_of,
    var,
)
from lostirq.ir.system import Access
from lostirq.language.builtins import arguments, bits_place, test_bit_of
from lostirq.language.graph import Op
from lostirq.language.places import (
    LockPlace,
    PackedPlace,
    PackedValue,
    Place,
    Ref,
    ScalarPlace,
    Value,
    WordsPlace,
    Write,
    leaves,
)
from lostirq.language.types import LockType, PackedType, Scalar

if TYPE_CHECKING:
    from lostirq.language.expand import Expander


def target_place(x: Expander, node: ast.expr) -> Ref:
    """A scalar or packed place that a primitive acts on; finding it reads nothing of it."""
    ref = x.place(node)
    if not isinstance(ref.type, (Scalar, PackedType)):
        raise x.fail(node, "LI010", f"a {ref.type} is not accessed as one unit", "name one of its parts")
    return ref


def writes_to(ref: Ref, value: Expr | PackedValue | Callable[[Expr], Expr]) -> tuple[Write, ...]:
    """The writes of a value, or of a function of the old value, to whatever the reference names."""
    found: list[Write] = []
    for cond, place in ref.alternatives:
        if isinstance(place, PackedPlace):
            assert isinstance(value, PackedValue)
            found += [Write(v, e, cond) for v, e in zip(place.vars, value.fields, strict=True)]
        else:
            assert isinstance(place, (ScalarPlace, LockPlace)) and not isinstance(value, PackedValue)
            found.append(Write(place.var, value if isinstance(value, Expr) else value(var(place.var)), cond))
    return tuple(found)


def store(x: Expander, node: ast.Call) -> None:
    target, value = arguments(x, node, (2,))
    plain_store(x, target, x.value(value), value, Access.NONE)


def lock_set(x: Expander, node: ast.Call) -> None:
    target, value = arguments(x, node, (2,))
    plain_store(x, target, x.value(value), value, Access.LOCKED)


def plain_store(x: Expander, target: ast.expr, value: Value, node: ast.AST, access: Access) -> None:
    if isinstance(value, Ref):
        value = x.read(value, node)
    ref = target_place(x, target)
    x.emit(Op.ASSIGN, writes=writes_to(ref, x.coerce(value, ref.type, node)), access=access)


def _peek(x: Expander, ref: Ref, node: ast.AST) -> Expr | PackedValue:
    """The old value, as part of the operation that also writes: not a read of its own."""
    groups = list(x.groups)
    value = x.read(ref, node)
    x.groups = groups
    return value


def _exchange(x: Expander, ref: Ref, writes: tuple[Write, ...], old: Expr | PackedValue, name: str) -> Value:
    """Write, and give the old value."""
    type_ = old.type if isinstance(old, PackedValue) else Scalar(old.type)
    result = x.fresh(f"{name}()", type_)
    x.emit(Op.ASSIGN, writes=(*x.write_binding(result, old), *writes), access=Access.LOCKED)
    return x.bound(result)


def xchg(x: Expander, node: ast.Call) -> Value:
    target, value = arguments(x, node, (2,))
    new = x.rvalue(value)
    ref = target_place(x, target)
    return _exchange(x, ref, writes_to(ref, x.coerce(new, ref.type, value)), _peek(x, ref, node), "xchg")


def cmpxchg(x: Expander, node: ast.Call) -> Value:
    target, expected, value = arguments(x, node, (3,))
    old, new = x.operands([expected, value])
    ref = target_place(x, target)
    have = _peek(x, ref, node)
    wanted, new = x.coerce(old, ref.type, expected), x.coerce(new, ref.type, value)
    done = x.compare(ast.Eq(), have, wanted, node)
    kept = [Write(w.var, ite(done, w.value, var(w.var)), w.cond) for w in writes_to(ref, new)]
    return _exchange(x, ref, tuple(kept), done, "cmpxchg")


def _fetch(name: str, kind: Kind, f: Callable[[Expr, Expr], Expr]) -> Callable[[Expander, ast.Call], Value]:
    def build(x: Expander, node: ast.Call) -> Value:
        target, value = arguments(x, node, (2,))
        operand = x.scalar(value)
        ref = target_place(x, target)
        old = _peek(x, ref, node)
        if isinstance(old, PackedValue) or old.type.kind is not kind or old.type.names:
            raise x.fail(target, "LI010", f"'{name}' needs a {kind.value} place, not a {ref.type}")
        if kind is Kind.BITS:
            fitted = x.coerce(operand, Scalar(old.type), value)
            assert isinstance(fitted, Expr)
            operand = fitted
        elif operand.type.kind is not Kind.INT or operand.type.names:
            raise x.fail(value, "LI010", "a number is needed here")
        return _exchange(x, ref, writes_to(ref, lambda have: f(have, operand)), old, name)

    return build


def _bool_rmw(name: str, new: Expr) -> Callable[[Expander, ast.Call], Value]:
    def build(x: Expander, node: ast.Call) -> Value:
        (target,) = arguments(x, node, (1,))
        ref = target_place(x, target)
        old = _peek(x, ref, node)
        if isinstance(old, PackedValue) or old.type.kind is not Kind.BOOL:
            raise x.fail(target, "LI010", f"'{name}' needs a bool place, not a {ref.type}", "test_and_set_bit(W, i)")
        return _exchange(x, ref, writes_to(ref, new), old, name)

    return build


def bit_writes(ref: Ref, index: Expr, new: Expr) -> tuple[Write, ...]:
    """Set or clear one bit, wherever it lies; words that cannot hold it are not touched."""
    return tuple(Write(v, put(var(v), inner, new), cond)
                 for cond, place in ref.alternatives for v, inner in _bits_of(place, index))


def _bits_of(place: Place, index: Expr) -> list[tuple[Var, Expr]]:
    """The units of a place that can hold the bit, each with the number of the bit in it."""
    base = place.type.width if isinstance(place, WordsPlace) else 0
    inner = [(v, sub(index, integer(k * base))) for k, v in enumerate(leaves(place))]
    return [(v, i) for v, i in inner if i.type.hi >= 0 and i.type.lo < v.type.width]


def _bit_rmw(name: str, new: Expr, result: bool) -> Callable[[Expander, ast.Call], Value | None]:
    def build(x: Expander, node: ast.Call) -> Value | None:
        target, number = arguments(x, node, (2,))
        index = x.number_expr(number)
        ref = bits_place(x, target)
        groups = list(x.groups)
        old = test_bit_of(x, ref, index)
        x.groups = groups
        writes = bit_writes(ref, index, new)
        if result:
            return _exchange(x, ref, writes, old, name)
        x.emit(Op.ASSIGN, writes=writes, access=Access.LOCKED)
        return None

    return build


def _plain_bit(name: str, new: Expr, result: bool) -> Callable[[Expander, ast.Call], Value | None]:
    """A load of the unit, then a store of it: two accesses, neither of them locked."""

    def build(x: Expander, node: ast.Call) -> Value | None:
        target, number = arguments(x, node, (2,))
        index = x.number_expr(number)
        if any(v.role is not Role.LOCAL for v in index.reads):
            fixed = x.capture(index, name)
            assert isinstance(fixed, Expr)
            index = fixed
        ref, seen = x.capture_ref(bits_place(x, target), name)
        groups = list(x.groups)
        old = test_bit_of(x, ref, index)
        units = x.groups[len(groups):]
        stored: list[Write] = []
        for cond, place in ref.alternatives:
            for v, inner in _bits_of(place, index):
                copy = x.local(f"{name}()", v.type)
                seen += (Write(copy, var(v)),)
                inside = and_(cond, le(integer(0), inner), le(inner, integer(v.type.width - 1)))
                stored.append(Write(v, put(var(copy), inner, new), inside))
        found = x.fresh(f"{name}()", Scalar(TRUE.type)) if result else None
        x.groups = [*groups, *units]
        x.emit(Op.ASSIGN, writes=(*seen, *(x.write_binding(found, old) if found is not None else ())))
        x.emit(Op.ASSIGN, writes=tuple(stored))
        return None if found is None else x.bound(found)

    return build


def _lock_place(x: Expander, node: ast.Call) -> Ref:
    (target,) = arguments(x, node, (1,))
    ref = x.place(target)
    if not isinstance(ref.type, LockType):
        raise x.fail(target, "LI010", f"a Lock is needed here, not a {ref.type}")
    return ref


def spin_lock(x: Expander, node: ast.Call) -> None:
    ref = _lock_place(x, node)
    taken = _peek(x, ref, node)
    assert isinstance(taken, Expr)
    x.emit(Op.ASSIGN, writes=writes_to(ref, TRUE), access=Access.LOCKED, cond=not_(taken))


def spin_unlock(x: Expander, node: ast.Call) -> None:
    x.emit(Op.ASSIGN, writes=writes_to(_lock_place(x, node), FALSE))


def wait(x: Expander, node: ast.Call) -> None:
    (cond,) = arguments(x, node, (1,))
    x.emit(Op.WAIT, cond=x.look(cond), look=True)


def choose(x: Expander, node: ast.Call) -> Value:
    """choose(T), or choose(lo, hi) with both ends included."""
    args = arguments(x, node, (1, 2))
    options: list[tuple[int, Expr]] = []
    if len(args) == 1:
        type_ = x.universe.type_of(args[0], x.scope.source)
        if not isinstance(type_, Scalar):
            raise x.fail(
                args[0], "LI010", f"a value of {type_} cannot be chosen", "choose(bool), choose(Int[0, 3]), ..."
            )
        result = type_.type
        if result.size > 1 << 12:
            raise x.fail(args[0], "LI014", f"choose would have {result.size} options", "at most 4096")
        first = 0 if result.kind is not Kind.INT else result.lo
        options = [(first + k, TRUE) for k in range(result.size)]
    else:
        lo, hi = (x.number_expr(a) for a in args)
        result = int_type(lo.type.lo, max(lo.type.lo, hi.type.hi))
        if is_const(lo) and is_const(hi) and value_of(lo) > value_of(hi) and not x.universe.phantom:
            raise x.fail(node, "LI017", f"the range {value_of(lo)}..{value_of(hi)} is empty", "check the bounds")
        for k in range(result.lo, result.hi + 1):
            guard = and_(le(lo, integer(k)), le(integer(k), hi))
            if guard is not FALSE:
                options.append((k, guard))
    target = x.local("choose()", result)
    x.emit(Op.PICK, pick=target, options=tuple(options))
    return var(target)


def _mark(name: str) -> Callable[[Expander, ast.Call], None]:
    def build(x: Expander, node: ast.Call) -> None:
        arguments(x, node, (0,))
        if x.region:
            raise x.fail(node, "LI026", f"{name}() has no meaning inside an atomic block", "move it before the block")
        x.emit(Op.MARK, marks=frozenset({name}))

    return build


def _fence(op: Op) -> Callable[[Expander, ast.Call], None]:
    def build(x: Expander, node: ast.Call) -> None:
        arguments(x, node, (0,))
        if not x.region:
            x.emit(op, access=Access.FENCE if op is Op.FENCE else Access.NONE)

    return build


def _nothing(x: Expander, node: ast.Call) -> None:
    """A compiler barrier: nothing at run time."""
    arguments(x, node, (0,))


def event(x: Expander, node: ast.Call) -> None:
    if not node.args or not isinstance(node.args[0], ast.Constant) or not isinstance(node.args[0].value, str):
        raise x.fail(node, "LI026", 'an event is written event("name", arguments...)')
    args = tuple(x.scalar(a) for a in node.args[1:])
    x.emit(Op.EVENT, event=node.args[0].value, args=args)


EFFECTS: dict[str, Callable[[Expander, ast.Call], Value | None]] = {
    "WRITE_ONCE": store,
    "smp_store_release": store,
    "lock_set": lock_set,
    "xchg": xchg,
    "cmpxchg": cmpxchg,
    "fetch_add": _fetch("fetch_add", Kind.INT, add),
    "fetch_or": _fetch("fetch_or", Kind.BITS, bor),
    "fetch_and": _fetch("fetch_and", Kind.BITS, band),
    "test_and_set": _bool_rmw("test_and_set", TRUE),
    "test_and_clear": _bool_rmw("test_and_clear", FALSE),
    "test_and_set_bit": _bit_rmw("test_and_set_bit", TRUE, True),
    "set_bit": _bit_rmw("set_bit", TRUE, False),
    "test_and_clear_bit": _bit_rmw("test_and_clear_bit", FALSE, True),
    "clear_bit": _bit_rmw("clear_bit", FALSE, False),
    "__test_and_set_bit": _plain_bit("__test_and_set_bit", TRUE, True),
    "__set_bit": _plain_bit("__set_bit", TRUE, False),
    "__test_and_clear_bit": _plain_bit("__test_and_clear_bit", FALSE, True),
    "__clear_bit": _plain_bit("__clear_bit", FALSE, False),
    "spin_lock": spin_lock,
    "spin_unlock": spin_unlock,
    "wait": wait,
    "choose": choose,
    "event": event,
    "idle": _mark("idle"),
    "strong": _mark("strong"),
    "unfair": _mark("unfair"),
    "step": _fence(Op.STEP),
    "drain": _fence(Op.FENCE),
    "smp_mb": _fence(Op.FENCE),
    "smp_wmb": _nothing,
    "smp_rmb": _nothing,
    "smp_mb__before_atomic": _nothing,
    "smp_mb__after_atomic": _nothing,
    "barrier": _nothing,
}
