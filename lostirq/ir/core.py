# SPDX-License-Identifier: GPL-2.0-or-later
"""Terms: types, variables, operators, interned nodes, and the one definition of what each operator means.

Values are Python ints everywhere; a bool is 0 or 1.  Types, variables and expressions are immutable and interned
(structural equality is identity), so that walkers may use them as dictionary keys.  The intern tables are caches
without meaning: nothing can be read from them.  A look-up takes no lock; what is added, under one, is complete.  Terms
are built by the constructors of `lostirq.ir.expr`, which also re-exports all that is here.

References: Gario and Micheli 2015, "PySMT" (interned terms, iterative walkers, a minimal core).
"""

from __future__ import annotations

import functools
import os
import threading
import weakref
from collections.abc import Callable, Iterable, Iterator
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, fields
from enum import Enum
from typing import TYPE_CHECKING, TypeVar, cast

if TYPE_CHECKING:
    from _typeshed import DataclassInstance


V = TypeVar("V")
_singles: weakref.WeakValueDictionary[tuple[object, ...], object] = weakref.WeakValueDictionary()
_adding = threading.RLock()  # entered again where what is added has the collector forget something
os.register_at_fork(before=_adding.acquire, after_in_parent=_adding.release, after_in_child=_adding.release)


def _single(cls: type[V], values: tuple[object, ...]) -> V:
    """The one object of a frozen class with these values, in the order of its fields."""
    key = (cls, *values)
    found = _singles.get(key)
    if found is None:
        new = object.__new__(cls)
        for field, value in zip(fields(cls), values, strict=True):  # type: ignore[arg-type]  # a dataclass
            object.__setattr__(new, field.name, value)
        with _adding:
            found = _singles.setdefault(key, new)
    return cast(V, found)


def _fields_of(instance: DataclassInstance) -> tuple[object, ...]:
    return tuple(getattr(instance, f.name) for f in fields(instance))


class Kind(Enum):
    BOOL = "bool"
    INT = "int"
    BITS = "bits"

    __hash__ = object.__hash__   # members are single; that of Enum hashes the name, at every look-up


@dataclass(frozen=True, eq=False, slots=True, weakref_slot=True, init=False)
class Type:
    """A finite type.  INT: lo <= value <= hi; BITS: `width` bits, unsigned; `names`: how values of an INT are
    printed."""

    kind: Kind
    lo: int
    hi: int
    width: int
    names: tuple[str, ...]

    def __new__(cls, kind: Kind, lo: int = 0, hi: int = 1, width: int = 0, names: tuple[str, ...] = ()) -> Type:
        return _single(cls, (kind, lo, hi, width, names))

    def __reduce__(self) -> tuple[object, ...]:
        return Type, _fields_of(self)

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


@functools.lru_cache(maxsize=1024)
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

    __hash__ = object.__hash__


@dataclass(frozen=True, eq=False, slots=True, weakref_slot=True, init=False)
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
    owner: int
    unit: int
    message: bool

    def __new__(cls, name: str, type: Type, init: int, role: Role, owner: int = -1, unit: int = -1,
                message: bool = False) -> Var:
        return _single(cls, (name, type, init, role, owner, unit, message))

    def __reduce__(self) -> tuple[object, ...]:
        return Var, _fields_of(self)


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
    SEEN = "seen"        # payload: process number; the operand as the loads of that process see it (annotated only)
    BUFFERED = "buffered"  # likewise; bool: each store to what the operand reads, alone, in that buffer makes it true
    SETTLED = "settled"  # payload: CPU number; no store to what the operand reads is in its buffer (annotated only)

    __hash__ = object.__hash__


class Expr:
    """An interned node: `op`, operands `args`, `payload`, result `type`.  Equality and hash are those of identity."""

    __slots__ = ("op", "args", "payload", "type", "_reads", "__weakref__")
    op: Op
    args: tuple[Expr, ...]
    payload: object
    type: Type
    _reads: AbstractSet[Var] | None

    @property
    def reads(self) -> AbstractSet[Var]:
        """The variables read (VAR and OLD), in order of first occurrence; found once."""
        if self._reads is None:
            self._reads = variables((self,)).keys()
        return self._reads

    def __repr__(self) -> str:
        return show(self)

    def __reduce__(self) -> tuple[object, ...]:
        return (make, (self.op, self.args, self.payload, self.type))


class _Kept(weakref.ref[Expr]):
    """An entry of the table of nodes (a WeakValueDictionary takes three times as long to look up)."""

    __slots__ = ("key",)
    key: tuple[object, ...]


_interned: dict[tuple[object, ...], _Kept] = {}


def _forget(gone: _Kept) -> None:
    with _adding:
        if _interned.get(gone.key) is gone:
            del _interned[gone.key]


def make(op: Op, args: tuple[Expr, ...], payload: object, type_: Type) -> Expr:
    key = (op, args, payload, type_)
    kept = _interned.get(key)
    found = None if kept is None else kept()
    if found is None:
        new = object.__new__(Expr)
        new.op, new.args, new.payload, new.type, new._reads = op, args, payload, type_, None
        entry = _Kept(new, _forget)
        entry.key = key
        with _adding:
            kept = _interned.get(key)
            found = None if kept is None else kept()
            if found is None:
                _interned[key], found = entry, new
    return found


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


def variables(roots: Iterable[Expr]) -> dict[Var, None]:
    """The variables read (VAR and OLD), in order of first occurrence."""
    return {n.payload: None for n in postorder(roots) if n.op in (Op.VAR, Op.OLD)}  # type: ignore[misc]  # a Var


def fold(root: Expr, visit: Callable[[Expr, list[T]], T], memo: dict[Expr, T] | None = None) -> T:
    """Bottom-up evaluation; `visit` gets the node and the results of its operands.  Linear in the number of nodes."""
    memo = {} if memo is None else memo
    stack = [root]
    while stack:
        node = stack[-1]
        if node in memo:
            stack.pop()
            continue
        missing = [a for a in node.args if a not in memo]
        if missing:
            stack.extend(reversed(missing))
        else:
            stack.pop()
            memo[node] = visit(node, [memo[a] for a in node.args])
    return memo[root]


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
        low, width = cast(tuple[int, int], node.payload)
        return args[0] >> low & (1 << width) - 1
    if op is Op.ENCODE:
        lo, width = cast(tuple[int, int], node.payload)
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
            return cast(Var, node.payload).name
        if node.op is Op.OLD:
            return f"(old {cast(Var, node.payload).name})"
        extra = [] if node.payload is None else [str(node.payload)]
        return "(" + " ".join([node.op.value, *extra, *args]) + ")"

    return fold(root, visit)
