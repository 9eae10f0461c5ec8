# SPDX-License-Identifier: GPL-2.0-or-later
"""Memory of a scenario as places, and the values that expressions have.

A `Ref` names one of several places, each under a condition over the captured index; the conditions exclude each other.
Reading it is a choice between variables (ITE), writing it updates each under its condition.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from lostirq.ir.expr import TRUE, Expr, Role, Var, bits_type, ite
from lostirq.language.types import (
    BOOLEAN,
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


@dataclass(frozen=True, eq=False, slots=True)
class ScalarPlace:
    type: Scalar
    var: Var


@dataclass(frozen=True, eq=False, slots=True)
class PackedPlace:
    type: PackedType
    vars: tuple[Var, ...]


@dataclass(frozen=True, eq=False, slots=True)
class WordsPlace:
    type: WordsType
    vars: tuple[Var, ...]


@dataclass(frozen=True, eq=False, slots=True)
class LockPlace:
    type: LockType
    var: Var


@dataclass(frozen=True, eq=False, slots=True)
class StructPlace:
    """`index`: its number in the array that it is an element of, else -1."""

    type: StructType
    fields: dict[str, Place]
    index: int = -1


@dataclass(frozen=True, eq=False, slots=True)
class ArrayPlace:
    type: ArrayType
    elements: tuple[Place, ...]


Place = ScalarPlace | PackedPlace | WordsPlace | LockPlace | StructPlace | ArrayPlace


@dataclass(frozen=True, eq=False, slots=True)
class Ref:
    """One of `alternatives`, whichever condition holds; a static reference has the one alternative under TRUE."""

    alternatives: tuple[tuple[Expr, Place], ...]

    @property
    def type(self) -> SemType:
        return self.alternatives[0][1].type

    @property
    def static(self) -> bool:
        return len(self.alternatives) == 1


@dataclass(frozen=True, eq=False, slots=True)
class PackedValue:
    """The value of a packed unit, field by field in declaration order."""

    type: PackedType
    fields: tuple[Expr, ...]

    def get(self, name: str) -> Expr | None:
        for (n, _), e in zip(self.type.fields, self.fields, strict=True):
            if n == name:
                return e
        return None


@dataclass(frozen=True, eq=False, slots=True)
class LocalScalar:
    """A local variable as a binding of a name."""

    var: Var


@dataclass(frozen=True, eq=False, slots=True)
class LocalPacked:
    type: PackedType
    vars: tuple[Var, ...]


@dataclass(frozen=True, slots=True)
class Poison:
    """A local whose first assignment did not compile; using it says nothing more."""


Value = Expr | PackedValue | Ref
Binding = Expr | PackedValue | Ref | LocalScalar | LocalPacked | Poison


@dataclass(frozen=True, eq=False, slots=True)
class Copy:
    """An inlined copy of a function, or the body of a process: `path` as in the names of its locals, and its
    parameters and locals as they are bound at its end."""

    function: str
    path: str
    names: Mapping[str, Binding]


@dataclass(frozen=True, slots=True)
class Write:
    """`var` := `value` where `cond` holds (TRUE, or a value of a run-time index)."""

    var: Var
    value: Expr
    cond: Expr = TRUE


class Layout:
    """Makes the variables of memory, in order of declaration."""

    def __init__(self) -> None:
        self.variables: list[Var] = []
        self.units = 0

    def _unit(self) -> int:
        self.units += 1
        return self.units - 1

    def _variable(self, name: str, type_: Scalar, init: int | None, flags: tuple[bool, bool], unit: int) -> Var:
        ghost, message = flags
        value = type_.type.lo if init is None else init
        role = Role.GHOST if ghost else Role.MEMORY
        made = Var(name, type_.type, value, role, unit=-1 if ghost else unit, message=message)
        self.variables.append(made)
        return made

    def place(
        self,
        name: str,
        type_: SemType,
        init: int | None = None,
        flags: tuple[bool, bool] = (False, False),
        index: int = -1,
    ) -> Place:
        """The place of one declaration; `flags` (ghost, message) go down into the parts; `index`: see StructPlace."""
        if isinstance(type_, GhostType):
            return self.place(name, type_.inner, init, (True, flags[1]))
        if isinstance(type_, MessageType):
            return self.place(name, type_.inner, init, (flags[0], True))
        if isinstance(type_, Scalar):
            return ScalarPlace(type_, self._variable(name, type_, init, flags, self._unit()))
        if isinstance(type_, LockType):
            return LockPlace(type_, self._variable(name, BOOLEAN, 0, flags, self._unit()))
        if isinstance(type_, PackedType):
            unit = self._unit()
            made = [self._variable(f"{name}.{n}", Scalar(t), init, flags, unit) for n, t in type_.fields]
            return PackedPlace(type_, tuple(made))
        if isinstance(type_, WordsType):
            words = []
            for k, width in enumerate(type_.widths()):
                words.append(self._variable(f"{name}[{k}]", Scalar(bits_type(width)), init, flags, self._unit()))
            return WordsPlace(type_, tuple(words))
        if isinstance(type_, ArrayType):
            parts = [self.place(f"{name}[{k}]", type_.element, init, flags, k) for k in range(type_.length)]
            return ArrayPlace(type_, tuple(parts))
        return StructPlace(type_, {n: self.place(f"{name}.{n}", t, i, flags) for n, t, i in type_.fields}, index)


def leaves(place: Place) -> Iterator[Var]:
    """All variables of a place."""
    if isinstance(place, (ScalarPlace, LockPlace)):
        yield place.var
    elif isinstance(place, (PackedPlace, WordsPlace)):
        yield from place.vars
    elif isinstance(place, ArrayPlace):
        for e in place.elements:
            yield from leaves(e)
    else:
        for f in place.fields.values():
            yield from leaves(f)


def choose_value(options: list[tuple[Expr, Expr]]) -> Expr:
    """The value whose condition holds; the last one otherwise."""
    result = options[-1][1]
    for cond, value in reversed(options[:-1]):
        result = ite(cond, value, result)
    return result
