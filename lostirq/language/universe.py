# SPDX-License-Identifier: GPL-2.0-or-later
"""The declarations of a workspace under one set of parameter values: constants, types and memory.

Names are resolved on first use, so that the order of files and declarations does not matter; a cycle is an error.
A *phantom* universe serves the check of functions that no scenario reaches: lengths of 0 count as 1 and numbers out
of range are let through, because both branches of a switch are looked at.
"""

from __future__ import annotations

import ast
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from lostirq.ir.expr import BOOL, Expr, Type, Var, bits_type, boolean, const, int_type, integer, value_of
from lostirq.language import translate
from lostirq.language.declarations import (
    ConstantDecl,
    Declarations,
    EnumDecl,
    FunctionDecl,
    InstanceDecl,
    ParamDecl,
    StructDecl,
)
from lostirq.language.places import Layout, Place
from lostirq.language.scope import Scope, suggest
from lostirq.language.source import Abandon, Report, Source, Statement
from lostirq.language.types import (
    ArrayType,
    GhostType,
    LockType,
    MessageType,
    PackedType,
    Scalar,
    SemType,
    StructType,
    WordsType,
)

T = TypeVar("T")
MAX_LENGTH = 4096
MAX_WIDTH = 4096


@dataclass(frozen=True, eq=False, slots=True)
class EnumInfo:
    type: Type
    values: dict[str, Expr]


class Universe:
    """See the module; `values` maps parameters to numbers."""

    def __init__(
        self, declarations: Declarations, values: dict[str, int], report: Report, phantom: bool = False
    ) -> None:
        self.declarations = declarations
        self.values = values
        self.report = report
        self.phantom = phantom
        self.layout = Layout()
        self.memory: dict[str, Place] = {}
        self._constants: dict[str, Expr] = {}
        self._enums: dict[str, EnumInfo] = {}
        self._structs: dict[str, StructType] = {}
        self._aliases: dict[str, SemType] = {}
        self._resolving: list[str] = []
        self.executed: set[Statement] = set()   # by processes, and by what properties call

    @property
    def variables(self) -> list[Var]:
        return self.layout.variables

    def lay_out(self) -> None:
        """Make the variables of all instances."""
        for decl in self.declarations.instances():
            try:
                type_ = self.type_of(decl.node.annotation, decl.source)
                init = self._initial(decl.node, type_, decl.source)
                self.memory[decl.name] = self.layout.place(decl.name, type_, init)
            except Abandon:
                continue

    # -- constants ------------------------------------------------------------------------------------------------

    def number(self, node: ast.expr, source: Source) -> int:
        """The value of a constant int or bool expression at module level."""
        translator = translate.Translator(self, Scope(source, None, {}))
        return translator.constant(node)

    def constant(self, decl: ConstantDecl) -> Expr:
        """The value of `NAME = expression`."""
        found = self._constants.get(decl.name)
        if found is None:
            translator = translate.Translator(self, Scope(decl.source, None, {}))
            found = self._guarded(decl.name, decl.value, decl.source, lambda: translator.constant_expr(decl.value))
            self._constants[decl.name] = found
        return found

    def param(self, decl: ParamDecl) -> Expr:
        value = self.values.get(decl.name, decl.default)
        return boolean(value) if decl.is_bool else integer(value)

    def _guarded(self, name: str, node: ast.AST, source: Source, make: Callable[[], T]) -> T:
        """Run `make`, with a check that `name` does not depend on itself."""
        if name in self._resolving:
            cycle = " -> ".join([*self._resolving[self._resolving.index(name) :], name])
            raise self.report.fail(
                source.span(node), "LI013", f"'{name}' is declared by itself: {cycle}", "break the cycle"
            )
        self._resolving.append(name)
        try:
            return make()
        finally:
            self._resolving.pop()

    # -- types ----------------------------------------------------------------------------------------------------

    def enum(self, decl: EnumDecl) -> EnumInfo:
        found = self._enums.get(decl.name)
        if found is None:
            numbers = {n: self.number(v, decl.source) for n, v in decl.members}
            lo, hi = min(numbers.values()), max(numbers.values())
            if hi - lo >= MAX_LENGTH or len(set(numbers.values())) != len(numbers):
                raise self.report.fail(
                    decl.source.header(decl.node),
                    "LI008",
                    f"the numbers of enum '{decl.name}' are not small and distinct",
                )
            by_number = {v: n for n, v in numbers.items()}
            type_ = int_type(lo, hi, tuple(by_number.get(k, str(k)) for k in range(lo, hi + 1)))
            found = EnumInfo(type_, {n: const(v, type_) for n, v in numbers.items()})
            self._enums[decl.name] = found
        return found

    def struct(self, decl: StructDecl) -> StructType:
        found = self._structs.get(decl.name)
        if found is None:
            found = self._guarded(decl.name, decl.node, decl.source, lambda: self._struct(decl))
            self._structs[decl.name] = found
        return found

    def _struct(self, decl: StructDecl) -> StructType:
        fields: list[tuple[str, SemType, int | None]] = []
        for item in decl.fields:
            assert isinstance(item.target, ast.Name)
            name = item.target.id
            if any(n == name for n, _, _ in fields):
                raise self.report.fail(
                    decl.source.span(item), "LI004", f"field '{name}' is declared twice", "rename one"
                )
            type_ = self.type_of(item.annotation, decl.source)
            fields.append((name, type_, self._initial(item, type_, decl.source)))
        return StructType(decl.name, tuple(fields))

    def _initial(self, node: ast.AnnAssign, type_: SemType, source: Source) -> int | None:
        if node.value is None:
            return None
        inner = type_
        while isinstance(inner, (GhostType, MessageType, ArrayType)):
            inner = inner.element if isinstance(inner, ArrayType) else inner.inner
        if not isinstance(inner, Scalar):
            raise self.report.fail(source.span(node.value), "LI008", f"a {inner} has no initial value of its own")
        translator = translate.Translator(self, Scope(source, None, {}))
        value = translator.coerce(translator.constant_expr(node.value), inner, node.value)
        assert isinstance(value, Expr)
        return value_of(value)

    def type_of(self, node: ast.expr, source: Source) -> SemType:
        """Resolve a type; bounds become numbers."""
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            return self._named_type(node.value, node, source)
        if isinstance(node, ast.Name):
            return self._named_type(node.id, node, source)
        if isinstance(node, ast.Subscript) and isinstance(node.value, ast.Name):
            return self._generic(node.value.id, node, source)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "Packed":
            return self._packed(node, source)
        raise self.report.fail(
            source.span(node), "LI014", f"'{source.text_of(node)}' is not a type", "bool, Int[lo, hi], ..."
        )

    def _named_type(self, name: str, node: ast.expr, source: Source) -> SemType:
        if name == "bool":
            return Scalar(BOOL)
        if name == "Lock":
            return LockType()
        if name in ("int", "Int", "Bits", "Words", "Array", "str", "float", "list", "dict"):
            raise self.report.fail(
                source.span(node), "LI014", f"'{name}' has no bound", "write Int[lo, hi], Bits[n], ..."
            )
        decl = self.declarations.names.get(name)
        if isinstance(decl, EnumDecl):
            return Scalar(self.enum(decl).type)
        if isinstance(decl, StructDecl):
            return self.struct(decl)
        if isinstance(decl, ConstantDecl):
            if name not in self._aliases:
                self._aliases[name] = self._guarded(
                    name, decl.value, decl.source, lambda: self.type_of(decl.value, decl.source)
                )
            return self._aliases[name]
        message = f"unknown type '{name}'" if decl is None else f"'{name}' is not a type"
        mend = suggest(name, self.declarations.names)
        raise self.report.fail(source.span(node), "LI005" if decl is None else "LI014", message, mend)

    def _generic(self, name: str, node: ast.Subscript, source: Source) -> SemType:
        args = list(node.slice.elts) if isinstance(node.slice, ast.Tuple) else [node.slice]
        expected = {"Int": 2, "Bits": 1, "Words": 2, "Array": 2, "Ghost": 1, "Message": 1}
        if name not in expected or len(args) != expected[name]:
            raise self.report.fail(
                source.span(node),
                "LI014",
                f"'{source.text_of(node)}' is not a type",
                "Int[lo, hi], Bits[n], Words[n, w], Array[T, n], Ghost[T], Message[T]",
            )
        if name == "Ghost":
            return GhostType(self.type_of(args[0], source))
        if name == "Message":
            return MessageType(self.type_of(args[0], source))
        if name == "Array":
            element, length = self.type_of(args[0], source), self.number(args[1], source)
            self._bounded(0 <= length <= MAX_LENGTH, node, source, f"the length {length} is not in 0..{MAX_LENGTH}")
            return ArrayType(element, max(1, length) if self.phantom else length)
        numbers = [self.number(a, source) for a in args]
        if name == "Int":
            lo, hi = numbers
            self._bounded(lo <= hi + 1 and hi - lo < 1 << 32, node, source, f"Int[{lo}, {hi}] is empty or too large")
            return Scalar(int_type(lo, max(lo, hi)))
        ok = 0 < numbers[0] <= MAX_WIDTH and numbers[-1] > 0
        self._bounded(ok, node, source, f"a width is not in 1..{MAX_WIDTH}")
        return Scalar(bits_type(numbers[0])) if name == "Bits" else WordsType(numbers[0], numbers[1])

    def _bounded(self, ok: bool, node: ast.AST, source: Source, message: str) -> None:
        if not ok:
            raise self.report.fail(source.span(node), "LI014", message, "give it a finite bound")

    def _packed(self, node: ast.Call, source: Source) -> PackedType:
        fields: list[tuple[str, Type]] = []
        for item in node.keywords:
            type_ = self.type_of(item.value, source)
            if item.arg is None or not isinstance(type_, Scalar):
                raise self.report.fail(source.span(item), "LI014", "a field of Packed(...) is name=scalar type")
            fields.append((item.arg, type_.type))
        if node.args or not fields:
            raise self.report.fail(source.span(node), "LI014", "Packed(...) has named fields", "Packed(on=bool, ...)")
        return PackedType(tuple(fields))

    # -- names ----------------------------------------------------------------------------------------------------

    def function(self, name: str) -> FunctionDecl | None:
        decl = self.declarations.names.get(name)
        return decl if isinstance(decl, FunctionDecl) else None

    def instance(self, decl: InstanceDecl, node: ast.AST, source: Source) -> Place:
        if decl.name not in self.memory:
            raise self.report.fail(source.span(node), "LI009", f"'{decl.name}' is memory, not a constant")
        return self.memory[decl.name]
