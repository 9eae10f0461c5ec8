# SPDX-License-Identifier: GPL-2.0-or-later
"""Operators on values, with their type rules: what mixes with what, and what is refused.

Enums mix only with themselves, bits only with bits of their width (an int literal beside bits becomes bits), packed
values are only compared.  `* // % << >>` of a run-time number need a constant on the right; they become a choice
between runs of arguments.
"""

from __future__ import annotations

import ast
from collections.abc import Callable

from lostirq.ir.expr import (
    Expr,
    Kind,
    Type,
    add,
    and_,
    band,
    bor,
    bxor,
    const,
    eq,
    integer,
    is_const,
    ite,
    le,
    lt,
    not_,
    sub,
    value_of,
)
from lostirq.language.places import PackedValue, Ref, Value
from lostirq.language.source import Abandon, Report, Source
from lostirq.language.types import PackedType, Scalar, SemType, same_kind, show

MAX_VALUES = 4096


class Operators:
    """Type rules; `phantom`: numbers out of range are let through, see `lostirq.language.universe`."""

    report: Report
    phantom: bool

    def source(self) -> Source:
        """The file in which the expression at hand stands."""
        raise AssertionError("defined by the translator")

    def fail(self, node: ast.AST, code: str, message: str, mend: str = "") -> Abandon:
        """Record an error at a node, and return what to raise."""
        return self.report.fail(self.source().header(node), code, message, mend)

    def read(self, ref: Ref, node: ast.AST) -> Expr | PackedValue:
        """The value of a place."""
        raise AssertionError("defined by the translator")

    def coerce(self, value: Value, type_: SemType, node: ast.AST) -> Expr | PackedValue:
        """Check that a value may be stored in a place of this type; adapt literals."""
        if isinstance(value, Ref):
            value = self.read(value, node)
        if isinstance(type_, PackedType) and isinstance(value, PackedValue) and value.type == type_:
            return value
        if isinstance(type_, Scalar) and isinstance(value, Expr):
            return self._coerce_scalar(value, type_.type, node)
        shown = show(value.type) if isinstance(value, Expr) else str(value.type)
        raise self.fail(node, "LI010", f"expected {type_}, found {shown}")

    def _coerce_scalar(self, value: Expr, type_: Type, node: ast.AST) -> Expr:
        have = value.type
        if type_.kind is Kind.BITS and have.kind is Kind.INT and is_const(value) and not have.names:
            if 0 <= value_of(value) < 1 << type_.width:
                return const(value_of(value), type_)
            raise self.fail(node, "LI050", f"{value_of(value)} does not fit into Bits[{type_.width}]")
        if not same_kind(have, type_):
            number = have.kind is Kind.INT and is_const(value) and not have.names
            shown = f"the number {value_of(value)}" if number else show(have)
            raise self.fail(node, "LI010", f"expected {show(type_)}, found {shown}")
        if type_.kind is Kind.INT and (have.hi < type_.lo or have.lo > type_.hi) and not self.phantom:
            shown = str(value_of(value)) if is_const(value) else show(have)
            raise self.fail(
                node, "LI050", f"{shown} is outside {show(type_)}", "widen the type, or guard the statement"
            )
        if type_.kind is Kind.INT and is_const(value) and type_.lo <= value_of(value) <= type_.hi:
            return const(value_of(value), type_) if type_.names else integer(value_of(value))
        return value

    def merge(self, cond: Expr, a: Expr | PackedValue, b: Expr | PackedValue, node: ast.AST) -> Expr | PackedValue:
        """One value or the other."""
        if isinstance(a, PackedValue) and isinstance(b, PackedValue) and a.type == b.type:
            return PackedValue(a.type, tuple(ite(cond, x, y) for x, y in zip(a.fields, b.fields, strict=True)))
        if isinstance(a, Expr) and isinstance(b, Expr):
            a, b = self._same(a, b, node)
            return ite(cond, a, b)
        raise self.fail(node, "LI010", "the two values differ in type")

    def _same(self, a: Expr, b: Expr, node: ast.AST) -> tuple[Expr, Expr]:
        """Two scalars of one kind; an int literal becomes bits beside bits."""
        if a.type.kind is Kind.BITS and b.type.kind is Kind.INT:
            b = self._coerce_scalar(b, a.type, node)
        elif b.type.kind is Kind.BITS and a.type.kind is Kind.INT:
            a = self._coerce_scalar(a, b.type, node)
        if not same_kind(a.type, b.type):
            raise self.fail(node, "LI010", f"{show(a.type)} and {show(b.type)} do not mix", "both sides need one type")
        return a, b

    def binary(self, op: ast.operator, a: Expr, b: Expr, node: ast.AST) -> Expr:
        if Kind.BITS in (a.type.kind, b.type.kind):
            a, b = self._same(a, b, node)
            on_bits = {ast.BitAnd: band, ast.BitOr: bor, ast.BitXor: bxor}.get(type(op))
            if on_bits is not None:
                return on_bits(a, b)
            if isinstance(op, ast.Sub):
                raise self.fail(node, "LI010", "'-' does not apply to bits", "write a & ~b")
            raise self.fail(node, "LI010", "this operator does not apply to bits", "use | & ^ ~")
        if a.type.kind is not Kind.INT or b.type.kind is not Kind.INT or a.type.names or b.type.names:
            raise self.fail(node, "LI010", f"this operator does not apply to {show(a.type)} and {show(b.type)}")
        return self._arithmetic(op, a, b, node)

    def _arithmetic(self, op: ast.operator, a: Expr, b: Expr, node: ast.AST) -> Expr:
        if isinstance(op, ast.Add):
            return add(a, b)
        if isinstance(op, ast.Sub):
            return sub(a, b)
        if is_const(a) and is_const(b):
            return integer(self._fold(op, value_of(a), value_of(b), node))
        if isinstance(op, (ast.Mult, ast.FloorDiv, ast.Mod, ast.LShift, ast.RShift)) and is_const(b):
            lo, hi = a.type.lo, a.type.hi
            if hi - lo >= MAX_VALUES:
                raise self.fail(node, "LI010", "the operand has too many values for this operator")
            return tabulate(a, lambda x: self._fold(op, x, value_of(b), node))
        raise self.fail(node, "LI010", "at run time, * // % << >> need a constant on the right")

    def _fold(self, op: ast.operator, a: int, b: int, node: ast.AST) -> int:
        if isinstance(op, (ast.FloorDiv, ast.Mod)) and b != 0:
            return a // b if isinstance(op, ast.FloorDiv) else a % b
        if isinstance(op, (ast.LShift, ast.RShift)) and 0 <= b <= 64:
            return a << b if isinstance(op, ast.LShift) else a >> b
        if isinstance(op, ast.Pow) and 0 <= b <= 64 and abs(a) <= 64:
            return int(a**b)
        simple: dict[type[ast.operator], Callable[[int, int], int]] = {
            ast.Mult: lambda x, y: x * y,
            ast.BitAnd: lambda x, y: x & y,
            ast.BitOr: lambda x, y: x | y,
            ast.BitXor: lambda x, y: x ^ y,
        }
        if type(op) in simple:
            result = simple[type(op)](a, b)
            if abs(result) < 1 << 64:
                return result
        raise self.fail(node, "LI009", "this constant cannot be computed", "division by zero, or too large")

    def compare(self, op: ast.cmpop, a: Expr | PackedValue, b: Expr | PackedValue, node: ast.AST) -> Expr:
        if isinstance(a, PackedValue) or isinstance(b, PackedValue):
            if not (isinstance(a, PackedValue) and isinstance(b, PackedValue) and a.type == b.type):
                raise self.fail(node, "LI010", "a packed value compares only with one of its own type")
            equal = and_(*(eq(x, y) for x, y in zip(a.fields, b.fields, strict=True)))
        else:
            a, b = self._same(a, b, node)
            if isinstance(op, (ast.Lt, ast.LtE, ast.Gt, ast.GtE)):
                if a.type.kind is not Kind.INT:
                    raise self.fail(node, "LI010", f"{show(a.type)} has no order")
                if isinstance(op, (ast.Gt, ast.GtE)):
                    a, b = b, a
                return lt(a, b) if isinstance(op, (ast.Lt, ast.Gt)) else le(a, b)
            equal = eq(a, b)
        if isinstance(op, ast.Eq):
            return equal
        if isinstance(op, ast.NotEq):
            return not_(equal)
        raise self.fail(node, "LI006", "this comparison is not part of the language", "use ==")


def tabulate(a: Expr, f: Callable[[int], int]) -> Expr:
    """f(a) for a bounded int, as a choice between runs of arguments of equal value."""
    lo, hi = a.type.lo, a.type.hi
    result = integer(f(hi))
    for x in range(hi - 1, lo - 1, -1):
        value = f(x)
        if value != f(x + 1):
            result = ite(le(a, integer(x)), integer(value), result)
    return result
