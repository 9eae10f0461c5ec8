# SPDX-License-Identifier: GPL-2.0-or-later
"""Expressions as text of a target language, with common subexpressions named once.

A dialect says how each operator is written; `Block` decides what gets a name.  The value of a text of type BOOL is 0 or
1; INT is a signed number, BITS an unsigned one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from lostirq.ir.expr import Expr, Kind, Op, Var

_DEEPEST = 24      # nesting of one text: compilers limit parentheses


class Dialect:
    """The Python spelling of the operators; subclasses change what differs."""

    def const(self, node: Expr) -> str:
        return str(node.payload)

    def node(self, node: Expr, a: list[str]) -> str:
        op = node.op
        if op in _INFIX:
            return "(" + _INFIX[op].join(a) + ")"
        if op is Op.CONST:
            return self.const(node)
        if op is Op.IN:
            return self.member(node.args[0], a[0], node.payload)  # type: ignore[arg-type]  # a tuple of ints
        if op is Op.BNOT:
            return f"({a[0]} ^ {self.mask(node.type.width)})"
        if op is Op.CONCAT:
            return self.concat(node, a)
        if op is Op.EXTRACT:
            low, width = _pair(node)
            return f"({a[0]} >> {low} & {self.mask(width)})"
        if op is Op.ENCODE:
            return self.encode(a[0], *_pair(node))
        if op is Op.DECODE:
            return self.decode(a[0], node.type.lo if node.type.kind is Kind.INT else 0)
        return self.other(node, a)

    def other(self, node: Expr, a: list[str]) -> str:
        width = node.args[0].type.width
        if node.op is Op.NOT:
            return f"({a[0]} ^ 1)"
        if node.op is Op.ITE:
            return f"({a[1]} if {a[0]} else {a[2]})"
        if node.op is Op.BIT:
            return f"({a[0]} >> {a[1]} & 1 if 0 <= {a[1]} < {width} else 0)"
        if node.op is Op.PUT:
            return f"put({a[0]}, {a[1]}, {a[2]}, {width})"
        if node.op is Op.HIGHEST:
            return f"(({a[0]}).bit_length() - 1)"
        if node.op is Op.COUNT:
            return f"({a[0]}).bit_count()"
        raise AssertionError(f"no text for {node.op}")

    def mask(self, width: int) -> str:
        return hex((1 << width) - 1)

    def member(self, node: Expr, text: str, values: tuple[int, ...]) -> str:
        return f"({text} in {{{', '.join(map(str, values))}}})"

    def concat(self, node: Expr, a: list[str]) -> str:
        parts, shift = [], 0
        for arg, text in zip(node.args, a, strict=True):
            parts.append(f"{text} << {shift}" if shift else text)
            shift += arg.type.width
        return "(" + " | ".join(parts) + ")"

    def encode(self, text: str, lo: int, width: int) -> str:
        return f"({text} - {lo} & {self.mask(width)})"

    def decode(self, text: str, lo: int) -> str:
        return f"({text} + {lo})" if lo else text

    def temporary(self, node: Expr, name: str, text: str) -> str:
        return f"{name} = {text}"


_INFIX = {
    Op.AND: " and ", Op.OR: " or ", Op.EQ: " == ", Op.LT: " < ", Op.LE: " <= ", Op.ADD: " + ", Op.SUB: " - ",
    Op.BAND: " & ", Op.BOR: " | ", Op.BXOR: " ^ ",
}


def _pair(node: Expr) -> tuple[int, int]:
    """The payload of EXTRACT (low, width) or ENCODE (lo, width)."""
    return node.payload  # type: ignore[return-value]  # two ints


class Block:
    """Statements of one block of generated code.  What is used twice, in one text or in later ones, gets a name in the
    block in which it was first needed; `inner()` opens a nested block that sees these names."""

    def __init__(self, dialect: Dialect, load: Callable[[Var], str], outer: Block | None = None) -> None:
        self.dialect, self.load = dialect, load
        self.lines: list[str] = []
        self._text: dict[Expr, str] = dict(outer._text) if outer else {}
        self._names: list[int] = outer._names if outer else [0]

    def inner(self) -> Block:
        return Block(self.dialect, self.load, self)

    def texts(self, roots: Iterable[Expr]) -> list[str]:
        """The texts of several expressions; adds the temporaries that they need to `lines`."""
        wanted = list(roots)
        uses: dict[Expr, int] = {}
        order: list[Expr] = []
        for node in self._new(wanted):
            order.append(node)
            for a in node.args:
                uses[a] = uses.get(a, 0) + 1
        for r in wanted:
            uses[r] = uses.get(r, 0) + 1
        local: dict[Expr, str] = {}
        depth: dict[Expr, int] = {}
        for node in order:
            args = [local[a] if a in local else self._text[a] for a in node.args]
            if node.op is Op.VAR:
                text = self.load(node.payload)  # type: ignore[arg-type]  # a Var
            else:
                text = self.dialect.node(node, args)
            depth[node] = 1 + max((depth.get(a, 0) for a in node.args), default=-1)
            if node.op is not Op.CONST and (uses[node] > 1 or depth[node] > _DEEPEST):
                depth[node] = 0
                name = f"t{self._names[0]}"
                self._names[0] += 1
                self.lines.append(self.dialect.temporary(node, name, text))
                self._text[node] = name
            local[node] = self._text.get(node, text)
        return [local[r] if r in local else self._text[r] for r in wanted]

    def text(self, root: Expr) -> str:
        return self.texts([root])[0]

    def _new(self, roots: list[Expr]) -> Iterable[Expr]:
        """Nodes without a name yet, operands first, not looking into those that have one."""
        seen: set[Expr] = set()
        for root in roots:
            stack: list[tuple[Expr, bool]] = [(root, False)]
            while stack:
                node, ready = stack.pop()
                if node in seen or node in self._text:
                    continue
                if ready:
                    seen.add(node)
                    yield node
                else:
                    stack.append((node, True))
                    stack.extend((a, False) for a in reversed(node.args))


