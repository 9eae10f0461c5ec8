# SPDX-License-Identifier: GPL-2.0-or-later
"""Expressions of the language into typed expressions of the transition system, with all names resolved.

A `Translator` reads memory in the place where it stands and records every read as one *group* of access units, so
that the number of accesses of a statement can be judged when it is known what is shared.  It has no effects; what
makes steps (`lostirq.language.expand`) derives from it.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from lostirq.ir.expr import (
    FALSE,
    TRUE,
    Expr,
    Kind,
    and_,
    bnot,
    const,
    eq,
    integer,
    is_const,
    le,
    lt,
    not_,
    or_,
    sub,
    value_of,
    var,
)
from lostirq.language import builtins, pure
from lostirq.language.declarations import ConstantDecl, EnumDecl, InstanceDecl, ParamDecl
from lostirq.language.operators import Operators
from lostirq.language.places import (
    ArrayPlace,
    Binding,
    LocalPacked,
    LocalScalar,
    LockPlace,
    PackedPlace,
    PackedValue,
    Place,
    Poison,
    Ref,
    ScalarPlace,
    StructPlace,
    Value,
    WordsPlace,
    choose_value,
)
from lostirq.language.scope import Scope, suggest
from lostirq.language.source import Abandon, Source
from lostirq.language.types import Scalar, WordsType, show

if TYPE_CHECKING:
    from lostirq.language.universe import Universe


class Translator(Operators):
    """Expressions without effects."""

    def __init__(self, universe: Universe, scope: Scope) -> None:
        self.universe = universe
        self.report = universe.report
        self.phantom = universe.phantom
        self.scope = scope
        self.groups: list[frozenset[int]] = []  # one per read of memory: the units of which one is read
        self.checks: list[Expr] = []  # conditions under which the run-time indices are in range

    def source(self) -> Source:
        return self.scope.source

    # -- entry points ---------------------------------------------------------------------------------------------

    def rvalue(self, node: ast.expr) -> Expr | PackedValue:
        """The value of an expression; places are read."""
        value = self.value(node)
        return self.read(value, node) if isinstance(value, Ref) else value

    def scalar(self, node: ast.expr) -> Expr:
        value = self.rvalue(node)
        if isinstance(value, PackedValue):
            raise self.fail(node, "LI010", f"a {value.type} is not a scalar", "name one of its fields")
        return value

    def condition(self, node: ast.expr) -> Expr:
        value = self.scalar(node)
        if value.type.kind is not Kind.BOOL:
            raise self.fail(node, "LI010", f"a condition must be bool, not {show(value.type)}", "compare it, e.g. != 0")
        return value

    def number_expr(self, node: ast.expr) -> Expr:
        value = self.scalar(node)
        if value.type.kind is not Kind.INT:
            raise self.fail(node, "LI010", f"a number is needed here, not {show(value.type)}")
        return value

    def constant_expr(self, node: ast.expr) -> Expr:
        value = self.scalar(node)
        if not is_const(value):
            if self.universe.phantom and value.type.kind is not Kind.BITS:
                return const(value.type.lo, value.type)
            raise self.fail(node, "LI009", "this must be a constant", "use parameters and numbers only")
        return value

    def constant(self, node: ast.expr) -> int:
        return value_of(self.constant_expr(node))

    def place(self, node: ast.expr) -> Ref:
        value = self.value(node)
        if not isinstance(value, Ref):
            raise self.fail(node, "LI016", "a place in memory is needed here", "name a field, such as task.state")
        return value

    # -- reading --------------------------------------------------------------------------------------------------

    def note(self, units: Iterable[int]) -> None:
        group = frozenset(u for u in units if u >= 0)
        if group:
            self.groups.append(group)

    def read(self, ref: Ref, node: ast.AST) -> Expr | PackedValue:
        first = ref.alternatives[0][1]
        if isinstance(first, (ScalarPlace, LockPlace)):
            found = [(c, p.var) for c, p in ref.alternatives if isinstance(p, (ScalarPlace, LockPlace))]
            self.note(v.unit for _, v in found)
            return choose_value([(c, var(v)) for c, v in found])
        if isinstance(first, PackedPlace):
            packed = [(c, p.vars) for c, p in ref.alternatives if isinstance(p, PackedPlace)]
            self.note(v[0].unit for _, v in packed)
            fields = [choose_value([(c, var(v[k])) for c, v in packed]) for k in range(len(first.vars))]
            return PackedValue(first.type, tuple(fields))
        raise self.fail(node, "LI010", f"a {ref.type} is not a value", "read one of its parts")

    # -- dispatch -------------------------------------------------------------------------------------------------

    def value(self, node: ast.expr) -> Value:
        method: Callable[[ast.expr], Value] | None = getattr(self, _METHODS.get(type(node), ""), None)
        if method is None:
            shown = type(node).__name__
            raise self.fail(
                node, "LI006", f"this expression is not part of the language ({shown})", "see docs/language.md"
            )
        return method(node)

    def _constant(self, node: ast.Constant) -> Value:
        if isinstance(node.value, bool):
            return TRUE if node.value else FALSE
        if isinstance(node.value, int):
            return integer(node.value)
        raise self.fail(node, "LI006", f"{node.value!r} is not a value of the language", "bool and int literals only")

    def _name(self, node: ast.Name) -> Value:
        binding = self.scope.names.get(node.id)
        if binding is not None:
            return self.bound(binding)
        decl = self.universe.declarations.names.get(node.id)
        if isinstance(decl, ParamDecl):
            return self.universe.param(decl)
        if isinstance(decl, ConstantDecl):
            return self.universe.constant(decl)
        if isinstance(decl, InstanceDecl):
            return Ref(((TRUE, self.universe.instance(decl, node, self.scope.source)),))
        if decl is not None:
            raise self.fail(node, "LI010", f"'{node.id}' is not a value", "call it, or name an enumerator or a field")
        if self.scope.function is not None and node.id in self.scope.function.assigned:
            raise self.fail(node, "LI015", f"'{node.id}' is used before it is assigned", "assign it first")
        known = [*self.scope.names, *self.universe.declarations.names]
        raise self.fail(node, "LI005", f"unknown name '{node.id}'", suggest(node.id, known))

    def bound(self, binding: Binding) -> Value:
        if isinstance(binding, LocalScalar):
            return var(binding.var)
        if isinstance(binding, LocalPacked):
            return PackedValue(binding.type, tuple(var(v) for v in binding.vars))
        if isinstance(binding, Poison):
            raise Abandon("its definition did not compile")
        return binding

    # -- places ---------------------------------------------------------------------------------------------------

    def _attribute(self, node: ast.Attribute) -> Value:
        if isinstance(node.value, ast.Name) and node.value.id not in self.scope.names:
            decl = self.universe.declarations.names.get(node.value.id)
            if isinstance(decl, EnumDecl):
                values = self.universe.enum(decl).values
                if node.attr not in values:
                    raise self.fail(
                        node, "LI011", f"enum '{decl.name}' has no '{node.attr}'", suggest(node.attr, values)
                    )
                return values[node.attr]
        value = self.value(node.value)
        if isinstance(value, PackedValue):
            found = value.get(node.attr)
            if found is None:
                raise self._no_field(node, str(value.type), [n for n, _ in value.type.fields])
            return found
        if isinstance(value, Ref):
            return Ref(tuple((c, self._field(p, node)) for c, p in value.alternatives))
        raise self.fail(node, "LI011", f"a {show(value.type)} has no field '{node.attr}'")

    def _no_field(self, node: ast.Attribute, owner: str, known: list[str]) -> Abandon:
        return self.fail(node, "LI011", f"{owner} has no field '{node.attr}'", suggest(node.attr, known))

    def _field(self, place: Place, node: ast.Attribute) -> Place:
        if isinstance(place, StructPlace):
            if node.attr not in place.fields:
                raise self._no_field(node, place.type.name, list(place.fields))
            return place.fields[node.attr]
        if isinstance(place, PackedPlace):
            for (n, t), v in zip(place.type.fields, place.vars, strict=True):
                if n == node.attr:
                    return ScalarPlace(Scalar(t), v)
            raise self._no_field(node, str(place.type), [n for n, _ in place.type.fields])
        raise self.fail(node, "LI011", f"a {place.type} has no field '{node.attr}'")

    def _subscript(self, node: ast.Subscript) -> Value:
        if isinstance(node.value, ast.Attribute) and node.value.attr == "word":
            base = self.value(node.value.value)
            if isinstance(base, Ref) and isinstance(base.type, WordsType):
                index = self.number_expr(node.slice)
                return self.select(base, index, node, self._words)
        base = self.value(node.value)
        if not isinstance(base, Ref):
            raise self.fail(node, "LI010", "only arrays have an index", "bits are read with bit(b, i)")
        index = self.number_expr(node.slice)
        return self.select(base, index, node, self._elements)

    def _elements(self, place: Place, node: ast.AST) -> tuple[Place, ...]:
        if isinstance(place, ArrayPlace):
            return place.elements
        raise self.fail(node, "LI010", f"a {place.type} has no index", "Words are read with .word[k] or test_bit(W, i)")

    @staticmethod
    def _words(place: Place, node: ast.AST) -> tuple[Place, ...]:
        assert isinstance(place, WordsPlace)
        return tuple(ScalarPlace(Scalar(v.type), v) for v in place.vars)

    def select(
        self, base: Ref, index: Expr, node: ast.AST, parts: Callable[[Place, ast.AST], tuple[Place, ...]]
    ) -> Ref:
        """The part of an array that an index names; a run-time index gives one alternative per value."""
        found: list[tuple[Expr, Place]] = []
        for cond, place in base.alternatives:
            elements = parts(place, node)
            size = len(elements)
            if is_const(index):
                k = value_of(index)
                if not 0 <= k < size:
                    if not self.universe.phantom:
                        raise self.fail(node, "LI017", f"index {k} is outside 0..{size - 1}", "check the bounds")
                    k = 0
                found.append((cond, elements[k]))
                continue
            if size == 0:
                raise self.fail(node, "LI017", "the array is empty in this scenario", "guard the access by its length")
            if not (index.type.lo >= 0 and index.type.hi < size):
                self.checks.append(or_(not_(cond), and_(le(integer(0), index), lt(index, integer(size)))))
            for k in range(max(0, index.type.lo), min(size - 1, index.type.hi) + 1):
                found.append((and_(cond, eq(index, integer(k))), elements[k]))
        possible = [(c, p) for c, p in found if c is not FALSE]
        if not possible:
            raise self.fail(node, "LI017", "the index is always out of range", "check the bounds")
        if len(possible) == 1:
            return Ref(((TRUE, possible[0][1]),))
        return Ref(tuple(possible))

    # -- operators ------------------------------------------------------------------------------------------------

    def _boolop(self, node: ast.BoolOp) -> Value:
        parts: list[Expr] = []
        stop = TRUE if isinstance(node.op, ast.Or) else FALSE
        for operand in node.values:
            part = self.condition(operand)
            parts.append(part)
            if part is stop and not self.universe.phantom:
                break
        return or_(*parts) if isinstance(node.op, ast.Or) else and_(*parts)

    def _unaryop(self, node: ast.UnaryOp) -> Value:
        if isinstance(node.op, ast.Not):
            return not_(self.condition(node.operand))
        operand = self.scalar(node.operand)
        if isinstance(node.op, ast.USub) and operand.type.kind is Kind.INT and not operand.type.names:
            return sub(integer(0), operand)
        if isinstance(node.op, ast.Invert) and operand.type.kind is Kind.BITS:
            return bnot(operand)
        raise self.fail(node, "LI010", f"this operator does not apply to {show(operand.type)}")

    def _ifexp(self, node: ast.IfExp) -> Value:
        cond = self.condition(node.test)
        if is_const(cond) and not self.universe.phantom:
            return self.value(node.body if cond is TRUE else node.orelse)
        return self.merge(cond, self.rvalue(node.body), self.rvalue(node.orelse), node)

    def _binop(self, node: ast.BinOp) -> Value:
        a, b = self.operands([node.left, node.right])
        if isinstance(a, PackedValue) or isinstance(b, PackedValue):
            raise self.fail(node, "LI010", "a packed value is not a number", "name one of its fields")
        return self.binary(node.op, a, b, node)

    def operands(self, nodes: list[ast.expr]) -> list[Expr | PackedValue]:
        """The values of several operands, left to right."""
        return [self.rvalue(n) for n in nodes]

    def _compare(self, node: ast.Compare) -> Value:
        if len(node.ops) == 1 and isinstance(node.ops[0], (ast.In, ast.NotIn)):
            return self._member(self.rvalue(node.left), node.comparators[0], isinstance(node.ops[0], ast.NotIn))
        values = self.operands([node.left, *node.comparators])
        return and_(*(self.compare(op, values[k], values[k + 1], node) for k, op in enumerate(node.ops)))

    def _member(self, left: Expr | PackedValue, node: ast.expr, negated: bool) -> Expr:
        if not isinstance(node, (ast.Tuple, ast.List, ast.Set)):
            raise self.fail(node, "LI006", "'in' needs a tuple of values", "x in (A, B)")
        found = or_(*(self.compare(ast.Eq(), left, self.rvalue(e), e) for e in node.elts))
        return not_(found) if negated else found

    # -- calls ----------------------------------------------------------------------------------------------------

    def _call(self, node: ast.Call) -> Value:
        if not isinstance(node.func, ast.Name):
            raise self.fail(node, "LI006", "only functions are called, by their name")
        return self.call(node.func.id, node)

    def call(self, name: str, node: ast.Call) -> Value:
        """Built-ins and @pure functions; what has effects is for the derived classes."""
        decl = self.universe.function(name)
        if decl is not None:
            return pure.call(self, decl, node)
        builtin = builtins.READERS.get(name)
        if builtin is not None:
            return builtin(self, node)
        if name in builtins.EFFECTS:
            raise self.fail(
                node, "LI024", f"'{name}' has an effect, which is not allowed here", "only look at memory here"
            )
        known = [*builtins.READERS, *builtins.EFFECTS, *self.universe.declarations.names]
        raise self.fail(node, "LI005", f"unknown function '{name}'", suggest(name, known))


_METHODS: dict[type[ast.expr], str] = {
    ast.Constant: "_constant",
    ast.Name: "_name",
    ast.Attribute: "_attribute",
    ast.Subscript: "_subscript",
    ast.BoolOp: "_boolop",
    ast.UnaryOp: "_unaryop",
    ast.IfExp: "_ifexp",
    ast.BinOp: "_binop",
    ast.Compare: "_compare",
    ast.Call: "_call",
}
