# SPDX-License-Identifier: GPL-2.0-or-later
"""Expressions as infix text over machine integers: what the exports to Promela and Murphi share.

A bool is a truth value, an int a number, bits the integer of their pattern.  Each export brings a `Dialect`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import cast

from lostirq.errors import UsageError
from lostirq.ir.expr import Expr, Kind, Op, Type, Var, and_, fold, int_type, integer, le, postorder, variables
from lostirq.ir.system import Edge

LONGEST = 200_000  # characters of one expression: beyond this the generated verifier does not compile in useful time
INFIX = {Op.ADD: "+", Op.SUB: "-", Op.BAND: "&", Op.BOR: "|", Op.BXOR: "^"}


@dataclass(frozen=True, slots=True)
class Dialect:
    """How a language writes what languages write differently; `width`: bits of its largest integer."""

    name: str
    width: int
    booleans: tuple[str, str]           # false, true
    connectives: dict[Op, str]          # AND, OR, EQ, LT, LE
    conditional: Callable[[str, str, str], str]
    truth: Callable[[str], str]         # a number 0 or 1 as a truth value
    number: Callable[[str], str]        # a truth value as a number
    assign: str


def offset(text: str, value: int) -> str:
    """text + value, in brackets."""
    return text if value == 0 else f"({text} {'+' if value > 0 else '-'} {abs(value)})"


def fits(v: Var, rhs: Expr) -> bool:
    """The type of the right-hand side says that it is in range."""
    return v.type.kind is not Kind.INT or v.type.lo <= rhs.type.lo <= rhs.type.hi <= v.type.hi


def in_range(v: Var, rhs: Expr) -> Expr:
    return and_(le(integer(v.type.lo), rhs), le(rhs, integer(v.type.hi)))


def comment(e: Edge) -> str:
    """The number and the text of an edge, on one line, without anything that ends a comment."""
    text = " ".join(f"{e.function}: {e.text}".split())
    return f"{e.index} {text}".replace("*/", "* /").replace("/*", "/ *").replace("--", "- -")


def runs_of(values: Iterable[int]) -> list[tuple[int, int]]:
    """Maximal intervals of sorted values."""
    runs: list[tuple[int, int]] = []
    for v in values:
        if runs and runs[-1][1] == v - 1:
            runs[-1] = (runs[-1][0], v)
        else:
            runs.append((v, v))
    return runs


@dataclass
class Writer:
    """Texts of expressions and assignments; `names` are the variables that exist, all others are constants."""

    dialect: Dialect
    names: dict[Var, str]
    scratch: dict[str, Type] = field(default_factory=dict)

    def check(self, type_: Type, what: str) -> None:
        width, name = self.dialect.width, self.dialect.name
        if type_.kind is Kind.BITS and type_.width > width:
            raise UsageError(f"{name} has no integer of more than {width} bits: {what} has {type_.width}")
        if type_.kind is Kind.INT and (type_.lo < -(1 << width - 1) or type_.hi >= 1 << width - 1):
            raise UsageError(f"{name} has no integer of more than {width} bits: {what} is in {type_.lo}..{type_.hi}")

    def mask(self, width: int) -> int:
        return self.pattern((1 << width) - 1)

    def pattern(self, value: int) -> int:
        """Bits as a signed integer of the dialect."""
        return value - (1 << self.dialect.width) if value >= 1 << self.dialect.width - 1 else value

    def expression(self, e: Expr, memo: dict[Expr, str] | None = None) -> str:
        return fold(e, self._visit, memo)

    def _visit(self, node: Expr, args: list[str]) -> str:
        self.check(node.type, "an expression")
        if node.op is Op.VAR:
            v = cast(Var, node.payload)
            if v not in self.names:
                return self.constant(v.init, v.type)
            return offset(self.names[v], v.type.lo) if v.type.kind is Kind.INT else self.names[v]
        if node.op is Op.CONST:
            return self.constant(cast(int, node.payload), node.type)
        text = self._operator(node, args)
        if len(text) > LONGEST:
            raise UsageError(f"{self.dialect.name} export: an expression grows to {len(text)} characters")
        return text

    def constant(self, value: int, type_: Type) -> str:
        if type_.kind is Kind.BOOL:
            return self.dialect.booleans[value]
        value = self.pattern(value) if type_.kind is Kind.BITS else value
        return str(value) if value >= 0 else f"({value})"

    def _operator(self, node: Expr, a: list[str]) -> str:
        op, d, width = node.op, self.dialect, node.args[0].type.width if node.args else 0
        if op in d.connectives or op in INFIX:
            return "(" + f" {d.connectives.get(op) or INFIX[op]} ".join(a) + ")"
        if op is Op.NOT:
            return f"!{a[0]}"
        if op is Op.BNOT:
            return f"(~{a[0]} & {self.mask(width)})"
        if op is Op.ITE:
            return d.conditional(*a)
        if op is Op.IN:
            return self._in(a[0], cast(tuple[int, ...], node.payload))
        if op is Op.HIGHEST:
            text = "(-1)"
            for i in range(width):
                text = d.conditional(self._bit(a[0], str(i)), str(i), text)
            return text
        if op is Op.COUNT:
            return "(" + " + ".join(f"(({a[0]} >> {i}) & 1)" for i in range(width)) + ")"
        if op in (Op.BIT, Op.PUT):
            return self._indexed(node, a)
        return self._packed(node, a)

    def _packed(self, node: Expr, a: list[str]) -> str:
        if node.op is Op.CONCAT:
            parts, low = [], 0
            for text, operand in zip(a, node.args, strict=True):
                parts.append(f"({text} << {low})" if low else text)
                low += operand.type.width
            return "(" + " | ".join(parts) + ")"
        if node.op is Op.EXTRACT:
            low, size = cast(tuple[int, int], node.payload)
            return f"(({a[0]} >> {low}) & {self.mask(size)})"
        if node.op is Op.ENCODE:
            lo, size = cast(tuple[int, int], node.payload)
            number = self.dialect.number(a[0]) if node.args[0].type.kind is Kind.BOOL else a[0]
            return f"({offset(number, -lo)} & {self.mask(size)})"
        if node.op is Op.DECODE:
            return self.dialect.truth(a[0]) if node.type.kind is Kind.BOOL else offset(a[0], node.type.lo)
        raise UsageError(f"{self.dialect.name} export: {node.op.name} has no meaning in a flat system; lower it first")

    def _bit(self, a: str, i: str) -> str:
        return self.dialect.truth(f"(({a} >> {i}) & 1)")

    def _in(self, a: str, values: tuple[int, ...]) -> str:
        both, either, equal, most = (self.dialect.connectives[o] for o in (Op.AND, Op.OR, Op.EQ, Op.LE))
        tests = (
            f"({a} {equal} {lo})" if lo == hi else f"(({lo} {most} {a}) {both} ({a} {most} {hi}))"
            for lo, hi in runs_of(values)
        )
        return "(" + f" {either} ".join(tests) + ")"

    def _indexed(self, node: Expr, a: list[str]) -> str:
        """BIT and PUT, with a test of the index where its type does not make it needless."""
        width, index, d = node.args[0].type.width, node.args[1].type, self.dialect
        if node.op is Op.BIT:
            inside, outside = self._bit(a[0], a[1]), d.booleans[0]
        else:
            inside = d.conditional(a[2], f"({a[0]} | (1 << {a[1]}))", f"({a[0]} & ~(1 << {a[1]}))")
            outside = a[0]
        low = f"(0 {d.connectives[Op.LE]} {a[1]})" if index.lo < 0 else ""
        high = f"({a[1]} {d.connectives[Op.LT]} {width})" if index.hi >= width else ""
        # Languages without short-circuit conditionals must not see a shift out of range: so one test inside the other.
        text = d.conditional(high, inside, outside) if high else inside
        return d.conditional(low, text, outside) if low else text

    def assignments(self, changed: list[tuple[Var, Expr]]) -> list[str]:
        """Statements with the effect of the parallel assignment, in an order that needs few scratch variables."""
        out: list[str] = []
        memo: dict[Expr, str] = {}
        changed = [(v, rhs) for v, rhs in changed if v in self.names]
        for node in postorder([rhs for _, rhs in changed]):
            operand = node.args[0] if node.args else node
            if node.op in (Op.HIGHEST, Op.COUNT, Op.IN) and operand.args and operand not in memo:
                text = self.expression(operand, dict(memo))
                memo[operand] = self._scratch(len(memo), operand.type)
                out.append(f"{memo[operand]} {self.dialect.assign} {text}")
        late: list[str] = []
        used = len(memo)
        reads = {v: variables([rhs]) for v, rhs in changed}
        left = dict(changed)
        while left:
            # A variable that nothing left reads can be assigned at once; only a cycle needs a scratch variable.
            free = next((v for v in left if not any(v in reads[o] for o in left if o is not v)), None)
            v = next(iter(left)) if free is None else free
            text = self.expression(left.pop(v), dict(memo))
            if v.type.kind is Kind.INT:
                text = offset(text, -v.type.lo)
            target = self.names[v]
            if free is None:
                target = self._scratch(used, int_type(0, v.type.size - 1) if v.type.kind is Kind.INT else v.type)
                used += 1
                late.append(f"{self.names[v]} {self.dialect.assign} {target}")
            out.append(f"{target} {self.dialect.assign} {text}")
        return out + late

    def _scratch(self, number: int, type_: Type) -> str:
        name = f"{'b' if type_.kind is Kind.BOOL else 't'}{number}"
        self.scratch[name] = type_
        return name
