# SPDX-License-Identifier: GPL-2.0-or-later
"""Typed expressions of the transition system: a minimal operator core over bool, bounded int and bits.

Constructors fold constants and simplify; no evaluator relies on that.  The nodes themselves, and what each operator
means, are in `lostirq.ir.core`, whose names are exported here as well.

References: Gario and Micheli 2015, "PySMT" (interned terms, iterative walkers, a minimal core).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from lostirq.ir.core import BOOL as BOOL
from lostirq.ir.core import Expr as Expr
from lostirq.ir.core import Kind as Kind
from lostirq.ir.core import Op as Op
from lostirq.ir.core import Role as Role
from lostirq.ir.core import Type as Type
from lostirq.ir.core import Var as Var
from lostirq.ir.core import apply as apply
from lostirq.ir.core import bits_type as bits_type
from lostirq.ir.core import fold as fold
from lostirq.ir.core import int_type as int_type
from lostirq.ir.core import make
from lostirq.ir.core import postorder as postorder
from lostirq.ir.core import show as show
from lostirq.ir.core import variables as variables

# -- constructors -------------------------------------------------------------------------------------------------


def const(value: int, type_: Type) -> Expr:
    return make(Op.CONST, (), int(value), type_)


def boolean(value: bool | int) -> Expr:
    return const(1 if value else 0, BOOL)


def integer(value: int) -> Expr:
    return const(value, int_type(value, value))


TRUE = boolean(True)
FALSE = boolean(False)


def var(v: Var) -> Expr:
    return make(Op.VAR, (), v, v.type)


def old(v: Var) -> Expr:
    return make(Op.OLD, (), v, v.type)


def is_const(e: Expr) -> bool:
    return e.op is Op.CONST


def value_of(e: Expr) -> int:
    assert e.op is Op.CONST
    return e.payload  # type: ignore[return-value]  # a CONST carries an int


def not_(a: Expr) -> Expr:
    if is_const(a):
        return boolean(not value_of(a))
    if a.op is Op.NOT:
        return a.args[0]
    return make(Op.NOT, (a,), None, BOOL)


def _junction(op: Op, unit: Expr, zero: Expr, args: Iterable[Expr]) -> Expr:
    flat: dict[Expr, None] = {}
    for a in args:
        for b in a.args if a.op is op else (a,):
            if b is zero:
                return zero
            if b is not unit:
                flat.setdefault(b)
    if any(b.op is Op.NOT and b.args[0] in flat for b in flat):  # of a pair, one is a NOT
        return zero
    if not flat:
        return unit
    if len(flat) == 1:
        return next(iter(flat))
    return make(op, tuple(flat), None, BOOL)


def and_(*args: Expr) -> Expr:
    return _junction(Op.AND, TRUE, FALSE, args)


def or_(*args: Expr) -> Expr:
    return _junction(Op.OR, FALSE, TRUE, args)


def implies(a: Expr, b: Expr) -> Expr:
    return or_(not_(a), b)


def bounds(e: Expr) -> tuple[int, int]:
    """The range of an int expression, as its type says."""
    return e.type.lo, e.type.hi


def eq(a: Expr, b: Expr) -> Expr:
    if a is b:
        return TRUE
    if is_const(a) and is_const(b):
        return boolean(value_of(a) == value_of(b))
    if is_const(a):
        a, b = b, a
    if a.type.kind is Kind.BOOL and is_const(b):
        return a if value_of(b) else not_(a)
    if a.type.kind is Kind.INT and b.type.kind is Kind.INT and (a.type.hi < b.type.lo or b.type.hi < a.type.lo):
        return FALSE
    if a.op is Op.ITE and is_const(b) and is_const(a.args[1]) and is_const(a.args[2]):
        return ite(a.args[0], eq(a.args[1], b), eq(a.args[2], b))
    return make(Op.EQ, (a, b), None, BOOL)


def lt(a: Expr, b: Expr) -> Expr:
    if a.type.hi < b.type.lo:
        return TRUE
    if a.type.lo >= b.type.hi:
        return FALSE
    return make(Op.LT, (a, b), None, BOOL)


def le(a: Expr, b: Expr) -> Expr:
    if a.type.hi <= b.type.lo:
        return TRUE
    if a.type.lo > b.type.hi:
        return FALSE
    return make(Op.LE, (a, b), None, BOOL)


def add(a: Expr, b: Expr) -> Expr:
    if is_const(a) and is_const(b):
        return integer(value_of(a) + value_of(b))
    if is_const(b) and value_of(b) == 0:
        return a
    if is_const(a) and value_of(a) == 0:
        return b
    return make(Op.ADD, (a, b), None, int_type(a.type.lo + b.type.lo, a.type.hi + b.type.hi))


def sub(a: Expr, b: Expr) -> Expr:
    if is_const(a) and is_const(b):
        return integer(value_of(a) - value_of(b))
    if is_const(b) and value_of(b) == 0:
        return a
    return make(Op.SUB, (a, b), None, int_type(a.type.lo - b.type.hi, a.type.hi - b.type.lo))


def join(a: Type, b: Type) -> Type:
    """The smallest type that holds the values of both."""
    if a.kind is Kind.INT and b.kind is Kind.INT:
        names = a.names if a.names == b.names and a.lo == b.lo else ()
        return int_type(min(a.lo, b.lo), max(a.hi, b.hi), names)
    return a


def ite(c: Expr, a: Expr, b: Expr) -> Expr:
    if is_const(c):
        return a if value_of(c) else b
    if a is b:
        return a
    if c.op is Op.NOT:
        return ite(c.args[0], b, a)
    if a.type.kind is Kind.INT and is_const(a) and is_const(b) and value_of(a) == value_of(b):
        return a
    if a.type.kind is Kind.BOOL:
        if is_const(a):
            return or_(c, b) if value_of(a) else and_(not_(c), b)
        if is_const(b):
            return or_(not_(c), a) if value_of(b) else and_(c, a)
    return make(Op.ITE, (c, a, b), None, join(a.type, b.type))


def in_set(a: Expr, values: Iterable[int]) -> Expr:
    wanted = tuple(sorted({v for v in values if a.type.lo <= v <= a.type.hi}))
    if is_const(a):
        return boolean(value_of(a) in wanted)
    if not wanted:
        return FALSE
    if len(wanted) == a.type.hi - a.type.lo + 1:
        return TRUE
    if len(wanted) == 1:
        return eq(a, integer(wanted[0]))
    return make(Op.IN, (a,), wanted, BOOL)


def _bits2(op: Op, a: Expr, b: Expr, fold: Callable[[int, int], int]) -> Expr:
    assert a.type == b.type, (a.type, b.type)
    if is_const(a) and is_const(b):
        return const(fold(value_of(a), value_of(b)), a.type)
    return make(op, (a, b), None, a.type)


def band(a: Expr, b: Expr) -> Expr:
    for x, y in ((a, b), (b, a)):
        if is_const(x) and value_of(x) == 0:
            return x
        if is_const(x) and value_of(x) == (1 << x.type.width) - 1:
            return y
    return a if a is b else _bits2(Op.BAND, a, b, lambda x, y: x & y)


def bor(a: Expr, b: Expr) -> Expr:
    for x, y in ((a, b), (b, a)):
        if is_const(x) and value_of(x) == 0:
            return y
    return a if a is b else _bits2(Op.BOR, a, b, lambda x, y: x | y)


def bxor(a: Expr, b: Expr) -> Expr:
    return _bits2(Op.BXOR, a, b, lambda x, y: x ^ y)


def bnot(a: Expr) -> Expr:
    if is_const(a):
        return const(~value_of(a) & (1 << a.type.width) - 1, a.type)
    return a.args[0] if a.op is Op.BNOT else make(Op.BNOT, (a,), None, a.type)


def bit(a: Expr, i: Expr) -> Expr:
    if is_const(i) and not 0 <= value_of(i) < a.type.width:
        return FALSE
    if is_const(a) and is_const(i):
        return boolean(value_of(a) >> value_of(i) & 1)
    if is_const(a) and value_of(a) == 0:
        return FALSE
    return make(Op.BIT, (a, i), None, BOOL)


def put(a: Expr, i: Expr, b: Expr) -> Expr:
    if is_const(i) and not 0 <= value_of(i) < a.type.width:
        return a
    if is_const(a) and is_const(i) and is_const(b):
        mask = 1 << value_of(i)
        return const(value_of(a) | mask if value_of(b) else value_of(a) & ~mask, a.type)
    return make(Op.PUT, (a, i, b), None, a.type)


def highest(a: Expr) -> Expr:
    if is_const(a):
        return integer(value_of(a).bit_length() - 1)
    return make(Op.HIGHEST, (a,), None, int_type(-1, a.type.width - 1))


def count(a: Expr) -> Expr:
    if is_const(a):
        return integer(value_of(a).bit_count())
    return make(Op.COUNT, (a,), None, int_type(0, a.type.width))


def concat(*args: Expr) -> Expr:
    if len(args) == 1:
        return args[0]
    width = sum(a.type.width for a in args)
    if all(is_const(a) for a in args):
        total, shift = 0, 0
        for a in args:
            total |= value_of(a) << shift
            shift += a.type.width
        return const(total, bits_type(width))
    return make(Op.CONCAT, args, None, bits_type(width))


def extract(a: Expr, low: int, width: int) -> Expr:
    if low == 0 and width == a.type.width:
        return a
    if is_const(a):
        return const(value_of(a) >> low & (1 << width) - 1, bits_type(width))
    return make(Op.EXTRACT, (a,), (low, width), bits_type(width))


def encode(a: Expr, lo: int, width: int) -> Expr:
    if is_const(a):
        return const(value_of(a) - lo & (1 << width) - 1, bits_type(width))
    return make(Op.ENCODE, (a,), (lo, width), bits_type(width))


def decode(a: Expr, type_: Type) -> Expr:
    if type_.kind is Kind.BITS:
        return a
    lo = 0 if type_.kind is Kind.BOOL else type_.lo
    if is_const(a):
        return const(value_of(a) + lo, type_)
    return make(Op.DECODE, (a,), None, type_)


def occurs(name: str, *args: Expr) -> Expr:
    return make(Op.OCCURS, args, name, BOOL)


def empty(cpu: int) -> Expr:
    return make(Op.EMPTY, (), cpu, BOOL)


def seen(process: int, e: Expr) -> Expr:
    """An expression as the loads of a process see it: from the buffer of the CPU that it uses, else from memory."""
    return e if is_const(e) else make(Op.SEEN, (e,), process, e.type)


def buffered(process: int, e: Expr) -> Expr:
    """Each store to what a condition reads in the buffer of the CPU that a process uses: with it alone it is true."""
    return TRUE if is_const(e) else make(Op.BUFFERED, (e,), process, BOOL)


def settled(cpu: int, e: Expr) -> Expr:
    """The store buffer of a CPU holds no store to what an expression reads."""
    return TRUE if is_const(e) else make(Op.SETTLED, (e,), cpu, BOOL)


# -- rewriting ---------------------------------------------------------------------------------------------------------

LEAVES = (Op.VAR, Op.OLD, Op.OCCURS, Op.EMPTY, Op.SEEN, Op.BUFFERED, Op.SETTLED)    # what no operator computes

_BUILD: dict[Op, Callable[..., Expr]] = {
    Op.NOT: not_, Op.AND: and_, Op.OR: or_, Op.EQ: eq, Op.LT: lt, Op.LE: le, Op.ADD: add, Op.SUB: sub, Op.ITE: ite,
    Op.BAND: band, Op.BOR: bor, Op.BXOR: bxor, Op.BNOT: bnot, Op.BIT: bit, Op.PUT: put, Op.HIGHEST: highest,
    Op.COUNT: count, Op.CONCAT: concat,
}


_OF_BUFFERS: dict[Op, Callable[[int, Expr], Expr]] = {
    Op.SEEN: seen, Op.BUFFERED: buffered, Op.SETTLED: settled,
}


def rebuild(node: Expr, args: list[Expr]) -> Expr:
    """The node over other operands, simplified anew."""
    if all(x is y for x, y in zip(args, node.args, strict=True)):
        return node
    build = _BUILD.get(node.op)
    if build is not None:
        return build(*args)
    if node.op is Op.IN:
        return in_set(args[0], node.payload)  # type: ignore[arg-type]  # the payload of IN is a tuple of ints
    if node.op is Op.EXTRACT:
        return extract(args[0], *node.payload)  # type: ignore[misc]  # (low, width)
    if node.op is Op.ENCODE:
        return encode(args[0], *node.payload)  # type: ignore[misc]  # (lo, width)
    if node.op is Op.DECODE:
        return decode(args[0], node.type)
    if node.op in _OF_BUFFERS:
        return _OF_BUFFERS[node.op](node.payload, args[0])  # type: ignore[arg-type]  # the payload is a number
    return make(node.op, tuple(args), node.payload, node.type)


def substitute(root: Expr, mapping: Callable[[Expr], Expr | None], memo: dict[Expr, Expr] | None = None) -> Expr:
    """Replace leaves (VAR, OLD, OCCURS, and those about buffers) for which `mapping` gives an expression; simplifies on
    the way."""

    def visit(node: Expr, args: list[Expr]) -> Expr:
        rebuilt = rebuild(node, args) if args else node
        if node.op in LEAVES:  # a leaf of the source: never one put in its place
            return mapping(rebuilt) or rebuilt
        return rebuilt

    return fold(root, visit, memo)
