# SPDX-License-Identifier: GPL-2.0-or-later
"""Typed expressions of the transition system: a minimal operator core over bool, bounded int and bits.

Values are Python ints everywhere; a bool is 0 or 1.  Expressions are immutable and interned (structural equality is
identity), so that walkers may use them as dictionary keys.  The intern table is a cache without meaning: nothing can
be read from it.  Constructors fold constants and simplify; no evaluator relies on that.

References: Gario and Micheli 2015, "PySMT" (interned terms, iterative walkers, a minimal core).
"""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from enum import Enum
from typing import TypeVar


class Kind(Enum):
    BOOL = "bool"
    INT = "int"
    BITS = "bits"


@dataclass(frozen=True, slots=True)
class Type:
    """A finite type.  INT: lo <= value <= hi; BITS: `width` bits, unsigned; `names`: how values of an INT are printed."""

    kind: Kind
    lo: int = 0
    hi: int = 1
    width: int = 0
    names: tuple[str, ...] = ()

    @property
    def size(self) -> int:
        """Number of values."""
        return 1 << self.width if self.kind is Kind.BITS else self.hi - self.lo + 1

    @property
    def bits(self) -> int:
        """Bits that a packed value needs (value - lo)."""
        return self.width if self.kind is Kind.BITS else (self.hi - self.lo).bit_length()

    def show(self, value: int) -> str:
        if self.kind is Kind.BOOL:
            return str(int(value))
        if self.kind is Kind.INT and self.names and 0 <= value - self.lo < len(self.names):
            return self.names[value - self.lo]
        if self.kind is Kind.BITS:
            return "{" + ", ".join(str(i) for i in range(self.width) if value >> i & 1) + "}"
        return str(value)


BOOL = Type(Kind.BOOL)


def int_type(lo: int, hi: int, names: tuple[str, ...] = ()) -> Type:
    return Type(Kind.INT, lo, hi, 0, names)


def bits_type(width: int) -> Type:
    return Type(Kind.BITS, 0, 0, width)


class Role(Enum):
    """What a variable is.  MEMORY may be touched by several processes; LOCAL and PC belong to one; GHOST is
    instrumentation; BUFFER holds a store buffer after TSO lowering."""

    MEMORY = "memory"
    LOCAL = "local"
    PC = "pc"
    GHOST = "ghost"
    BUFFER = "buffer"


@dataclass(frozen=True, slots=True)
class Var:
    """One scalar of the state.

    `name` is its path (`vcpus[0].pi_desc.control.on`); `init` its initial value; `owner` the index of the process of a
    LOCAL or PC, else -1; `unit` the access unit of MEMORY (variables with one unit number are one word), else -1;
    `message`: in flight while the value differs from `init`.
    """

    name: str
    type: Type
    init: int
    role: Role
    owner: int = -1
    unit: int = -1
    message: bool = False


class Op(Enum):
    CONST = "const"      # payload: int
    VAR = "var"          # payload: Var; in a step property: the value after the step
    OLD = "old"          # payload: Var; the value before the step (step properties only)
    NOT = "not"
    AND = "and"          # n-ary, n >= 2
    OR = "or"            # n-ary, n >= 2
    EQ = "="             # two operands of one kind
    LT = "<"             # int
    LE = "<="            # int
    ADD = "+"            # int
    SUB = "-"            # int
    ITE = "ite"          # bool, T, T
    IN = "in"            # int in a constant set; payload: frozenset of ints, stored as a sorted tuple
    BAND = "band"
    BOR = "bor"
    BXOR = "bxor"
    BNOT = "bnot"
    BIT = "bit"          # bits, int -> bool; false outside 0..width-1
    PUT = "put"          # bits, int, bool -> bits; unchanged outside
    HIGHEST = "highest"  # bits -> int in -1..width-1
    COUNT = "count"      # bits -> int in 0..width
    CONCAT = "concat"    # n-ary bits, the first operand is the lowest
    EXTRACT = "extract"  # bits -> bits; payload: (low, width)
    ENCODE = "encode"    # bool or int -> bits; payload: (lo, width): the bits of value - lo
    DECODE = "decode"    # bits -> bool or int: value = bits + type.lo (inverse of ENCODE; the type says which)
    OCCURS = "occurs"    # step properties: payload: event name; operands: its arguments
    EMPTY = "empty"      # payload: CPU number; its store buffer is empty (annotated IR only)


class Expr:
    """An interned node: `op`, operands `args`, `payload`, result `type`."""

    __slots__ = ("op", "args", "payload", "type", "_hash", "__weakref__")
    op: Op
    args: tuple[Expr, ...]
    payload: object
    type: Type

    def __hash__(self) -> int:
        return self._hash

    def __eq__(self, other: object) -> bool:
        return self is other

    def __repr__(self) -> str:
        return show(self)

    def __reduce__(self) -> tuple[object, ...]:
        return (_make, (self.op, self.args, self.payload, self.type))


_interned: weakref.WeakValueDictionary[tuple[object, ...], Expr] = weakref.WeakValueDictionary()


def _make(op: Op, args: tuple[Expr, ...], payload: object, type_: Type) -> Expr:
    key = (op, args, payload, type_)
    found = _interned.get(key)
    if found is None:
        found = object.__new__(Expr)
        found.op, found.args, found.payload, found.type = op, args, payload, type_
        found._hash = hash((op, tuple(id(a) for a in args), payload, type_))
        _interned[key] = found
    return found


# -- constructors -------------------------------------------------------------------------------------------------


def const(value: int, type_: Type) -> Expr:
    return _make(Op.CONST, (), int(value), type_)


def boolean(value: bool | int) -> Expr:
    return const(1 if value else 0, BOOL)


def integer(value: int) -> Expr:
    return const(value, int_type(value, value))


TRUE = boolean(True)
FALSE = boolean(False)


def var(v: Var) -> Expr:
    return _make(Op.VAR, (), v, v.type)


def old(v: Var) -> Expr:
    return _make(Op.OLD, (), v, v.type)


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
    return _make(Op.NOT, (a,), None, BOOL)


def _junction(op: Op, unit: Expr, zero: Expr, args: Iterable[Expr]) -> Expr:
    flat: dict[Expr, None] = {}
    for a in args:
        for b in a.args if a.op is op else (a,):
            if b is zero:
                return zero
            if b is not unit:
                flat.setdefault(b)
    if any(not_(b) in flat for b in flat):
        return zero
    if not flat:
        return unit
    if len(flat) == 1:
        return next(iter(flat))
    return _make(op, tuple(flat), None, BOOL)


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
    return _make(Op.EQ, (a, b), None, BOOL)


def lt(a: Expr, b: Expr) -> Expr:
    if a.type.hi < b.type.lo:
        return TRUE
    if a.type.lo >= b.type.hi:
        return FALSE
    return _make(Op.LT, (a, b), None, BOOL)


def le(a: Expr, b: Expr) -> Expr:
    if a.type.hi <= b.type.lo:
        return TRUE
    if a.type.lo > b.type.hi:
        return FALSE
    return _make(Op.LE, (a, b), None, BOOL)


def add(a: Expr, b: Expr) -> Expr:
    if is_const(a) and is_const(b):
        return integer(value_of(a) + value_of(b))
    if is_const(b) and value_of(b) == 0:
        return a
    if is_const(a) and value_of(a) == 0:
        return b
    return _make(Op.ADD, (a, b), None, int_type(a.type.lo + b.type.lo, a.type.hi + b.type.hi))


def sub(a: Expr, b: Expr) -> Expr:
    if is_const(a) and is_const(b):
        return integer(value_of(a) - value_of(b))
    if is_const(b) and value_of(b) == 0:
        return a
    return _make(Op.SUB, (a, b), None, int_type(a.type.lo - b.type.hi, a.type.hi - b.type.lo))


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
    return _make(Op.ITE, (c, a, b), None, join(a.type, b.type))


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
    return _make(Op.IN, (a,), wanted, BOOL)


def _bits2(op: Op, a: Expr, b: Expr, fold: Callable[[int, int], int]) -> Expr:
    assert a.type == b.type, (a.type, b.type)
    if is_const(a) and is_const(b):
        return const(fold(value_of(a), value_of(b)), a.type)
    return _make(op, (a, b), None, a.type)


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
    return a.args[0] if a.op is Op.BNOT else _make(Op.BNOT, (a,), None, a.type)


def bit(a: Expr, i: Expr) -> Expr:
    if is_const(i) and not 0 <= value_of(i) < a.type.width:
        return FALSE
    if is_const(a) and is_const(i):
        return boolean(value_of(a) >> value_of(i) & 1)
    if is_const(a) and value_of(a) == 0:
        return FALSE
    return _make(Op.BIT, (a, i), None, BOOL)


def put(a: Expr, i: Expr, b: Expr) -> Expr:
    if is_const(i) and not 0 <= value_of(i) < a.type.width:
        return a
    if is_const(a) and is_const(i) and is_const(b):
        mask = 1 << value_of(i)
        return const(value_of(a) | mask if value_of(b) else value_of(a) & ~mask, a.type)
    return _make(Op.PUT, (a, i, b), None, a.type)


def highest(a: Expr) -> Expr:
    if is_const(a):
        return integer(value_of(a).bit_length() - 1)
    return _make(Op.HIGHEST, (a,), None, int_type(-1, a.type.width - 1))


def count(a: Expr) -> Expr:
    if is_const(a):
        return integer(value_of(a).bit_count())
    return _make(Op.COUNT, (a,), None, int_type(0, a.type.width))


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
    return _make(Op.CONCAT, args, None, bits_type(width))


def extract(a: Expr, low: int, width: int) -> Expr:
    if low == 0 and width == a.type.width:
        return a
    if is_const(a):
        return const(value_of(a) >> low & (1 << width) - 1, bits_type(width))
    return _make(Op.EXTRACT, (a,), (low, width), bits_type(width))


def encode(a: Expr, lo: int, width: int) -> Expr:
    if is_const(a):
        return const(value_of(a) - lo & (1 << width) - 1, bits_type(width))
    return _make(Op.ENCODE, (a,), (lo, width), bits_type(width))


def decode(a: Expr, type_: Type) -> Expr:
    if type_.kind is Kind.BITS:
        return a
    lo = 0 if type_.kind is Kind.BOOL else type_.lo
    if is_const(a):
        return const(value_of(a) + lo, type_)
    return _make(Op.DECODE, (a,), None, type_)


def occurs(name: str, *args: Expr) -> Expr:
    return _make(Op.OCCURS, args, name, BOOL)


def empty(cpu: int) -> Expr:
    return _make(Op.EMPTY, (), cpu, BOOL)


# -- walkers ------------------------------------------------------------------------------------------------------

T = TypeVar("T")


def postorder(roots: Iterable[Expr]) -> Iterator[Expr]:
    """Every node once, operands before their users; iterative."""
    seen: set[Expr] = set()
    for root in roots:
        stack: list[tuple[Expr, bool]] = [(root, False)]
        while stack:
            node, ready = stack.pop()
            if node in seen:
                continue
            if ready:
                seen.add(node)
                yield node
            else:
                stack.append((node, True))
                stack.extend((a, False) for a in reversed(node.args) if a not in seen)


def fold(root: Expr, visit: Callable[[Expr, list[T]], T], memo: dict[Expr, T] | None = None) -> T:
    """Bottom-up evaluation; `visit` gets the node and the results of its operands.  Linear in the number of nodes."""
    memo = {} if memo is None else memo
    if root not in memo:
        for node in postorder([root]):
            if node not in memo:
                memo[node] = visit(node, [memo[a] for a in node.args])
    return memo[root]


def rebuild(node: Expr, args: list[Expr]) -> Expr:
    """The node over other operands, simplified anew."""
    if all(x is y for x, y in zip(args, node.args, strict=True)):
        return node
    build: dict[Op, Callable[..., Expr]] = {
        Op.NOT: not_, Op.AND: and_, Op.OR: or_, Op.EQ: eq, Op.LT: lt, Op.LE: le, Op.ADD: add, Op.SUB: sub,
        Op.ITE: ite, Op.BAND: band, Op.BOR: bor, Op.BXOR: bxor, Op.BNOT: bnot, Op.BIT: bit, Op.PUT: put,
        Op.HIGHEST: highest, Op.COUNT: count, Op.CONCAT: concat,
    }
    if node.op in build:
        return build[node.op](*args)
    if node.op is Op.IN:
        return in_set(args[0], node.payload)  # type: ignore[arg-type]  # the payload of IN is a tuple of ints
    if node.op is Op.EXTRACT:
        return extract(args[0], *node.payload)  # type: ignore[misc]  # (low, width)
    if node.op is Op.ENCODE:
        return encode(args[0], *node.payload)  # type: ignore[misc]  # (lo, width)
    if node.op is Op.DECODE:
        return decode(args[0], node.type)
    return _make(node.op, tuple(args), node.payload, node.type)


def substitute(root: Expr, mapping: Callable[[Expr], Expr | None], memo: dict[Expr, Expr] | None = None) -> Expr:
    """Replace leaves (VAR, OLD, OCCURS, EMPTY) for which `mapping` gives an expression; simplifies on the way."""

    def visit(node: Expr, args: list[Expr]) -> Expr:
        rebuilt = rebuild(node, args) if args else node
        if node.op in (Op.VAR, Op.OLD, Op.OCCURS, Op.EMPTY):  # a leaf of the source: never one that was put in its place
            return mapping(rebuilt) or rebuilt
        return rebuilt

    return fold(root, visit, memo)


def variables(roots: Iterable[Expr]) -> dict[Var, None]:
    """The variables read (VAR and OLD), in order of first occurrence."""
    return {n.payload: None for n in postorder(roots) if n.op in (Op.VAR, Op.OLD)}  # type: ignore[misc]  # a Var


def apply(node: Expr, args: list[int]) -> int:
    """The value of an operator over values: the one definition of what each operator means."""
    op = node.op
    if op is Op.CONST:
        return node.payload  # type: ignore[return-value]  # an int
    if op is Op.NOT:
        return 1 - args[0]
    if op is Op.AND:
        return int(all(args))
    if op is Op.OR:
        return int(any(args))
    if op is Op.EQ:
        return int(args[0] == args[1])
    if op is Op.LT:
        return int(args[0] < args[1])
    if op is Op.LE:
        return int(args[0] <= args[1])
    if op is Op.ADD:
        return args[0] + args[1]
    if op is Op.SUB:
        return args[0] - args[1]
    if op is Op.ITE:
        return args[1] if args[0] else args[2]
    if op is Op.IN:
        return int(args[0] in node.payload)  # type: ignore[operator]  # a tuple of ints
    if op is Op.BAND:
        return args[0] & args[1]
    if op is Op.BOR:
        return args[0] | args[1]
    if op is Op.BXOR:
        return args[0] ^ args[1]
    if op is Op.BNOT:
        return ~args[0] & (1 << node.type.width) - 1
    if op is Op.BIT:
        return args[0] >> args[1] & 1 if 0 <= args[1] < node.args[0].type.width else 0
    if op is Op.PUT:
        if not 0 <= args[1] < node.type.width:
            return args[0]
        return args[0] | 1 << args[1] if args[2] else args[0] & ~(1 << args[1])
    if op is Op.HIGHEST:
        return args[0].bit_length() - 1
    if op is Op.COUNT:
        return args[0].bit_count()
    if op is Op.CONCAT:
        total, shift = 0, 0
        for a, v in zip(node.args, args, strict=True):
            total |= v << shift
            shift += a.type.width
        return total
    if op is Op.EXTRACT:
        low, width = node.payload  # type: ignore[misc]  # (low, width)
        return args[0] >> low & (1 << width) - 1
    if op is Op.ENCODE:
        lo, width = node.payload  # type: ignore[misc]  # (lo, width)
        return args[0] - lo & (1 << width) - 1
    if op is Op.DECODE:
        return args[0] + (node.type.lo if node.type.kind is Kind.INT else 0)
    raise AssertionError(f"no value for {op}")


def show(root: Expr) -> str:
    """An S-expression, for goldens and debugging."""

    def visit(node: Expr, args: list[str]) -> str:
        if node.op is Op.CONST:
            return str(node.payload)
        if node.op is Op.VAR:
            return node.payload.name  # type: ignore[attr-defined]  # a Var
        if node.op is Op.OLD:
            return f"(old {node.payload.name})"  # type: ignore[attr-defined]  # a Var
        extra = [] if node.payload is None else [str(node.payload)]
        return "(" + " ".join([node.op.value, *extra, *args]) + ")"

    return fold(root, visit)
