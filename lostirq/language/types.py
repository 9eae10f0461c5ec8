# SPDX-License-Identifier: GPL-2.0-or-later
"""Types of the modelling language, resolved for one scenario: every bound is a number.

Scalars carry the type of the intermediate representation; the others say how scalars are put together.  Two packed
types are the same if their fields are.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from lostirq.ir.expr import BOOL, Kind, Type


@dataclass(frozen=True, slots=True)
class Scalar:
    """bool, Int, an enum, or Bits."""

    type: Type

    def __str__(self) -> str:
        return show(self.type)


@dataclass(frozen=True, slots=True)
class PackedType:
    """One access unit with named scalar fields."""

    fields: tuple[tuple[str, Type], ...]

    def __str__(self) -> str:
        return "Packed(" + ", ".join(f"{n}={show(t)}" for n, t in self.fields) + ")"


@dataclass(frozen=True, slots=True)
class WordsType:
    """`bits` bits in access units of `width` bits; the last unit may be narrower."""

    bits: int
    width: int

    def widths(self) -> tuple[int, ...]:
        return tuple(min(self.width, self.bits - low) for low in range(0, self.bits, self.width))

    def __str__(self) -> str:
        return f"Words[{self.bits}, {self.width}]"


@dataclass(frozen=True, slots=True)
class LockType:
    def __str__(self) -> str:
        return "Lock"


@dataclass(frozen=True, slots=True)
class ArrayType:
    element: SemType
    length: int

    def __str__(self) -> str:
        return f"Array[{self.element}, {self.length}]"


@dataclass(frozen=True, slots=True)
class GhostType:
    inner: SemType

    def __str__(self) -> str:
        return f"Ghost[{self.inner}]"


@dataclass(frozen=True, slots=True)
class MessageType:
    inner: SemType

    def __str__(self) -> str:
        return f"Message[{self.inner}]"


@dataclass(frozen=True, slots=True)
class StructType:
    """Fields in order of declaration, each with its type and its initial value, if given."""

    name: str
    fields: tuple[tuple[str, SemType, int | None], ...] = field(compare=False)

    def __str__(self) -> str:
        return self.name


SemType = Scalar | PackedType | WordsType | LockType | ArrayType | GhostType | MessageType | StructType
BOOLEAN = Scalar(BOOL)


def show(type_: Type) -> str:
    if type_.kind is Kind.BOOL:
        return "bool"
    if type_.kind is Kind.BITS:
        return f"Bits[{type_.width}]"
    if type_.names:
        return "enum {" + ", ".join(type_.names) + "}"
    return f"Int[{type_.lo}, {type_.hi}]"


def same_kind(a: Type, b: Type) -> bool:
    """Whether values of the two may be compared or assigned: enums only with themselves."""
    if a.kind is not b.kind:
        return False
    if a.kind is Kind.BITS:
        return a.width == b.width
    return a.kind is Kind.BOOL or a.names == b.names
