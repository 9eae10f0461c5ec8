# SPDX-License-Identifier: GPL-2.0-or-later
"""Frozen dataclasses as JSON values and back, driven by their annotations.

Invariants: `decode(kind, encode(value)) == value` for values built from dataclasses, enums, tuples, frozen sets, dicts
with text keys, and plain scalars; what does not fit the annotations raises `Misfit`, never makes a half-right value;
nothing that is read is ever executed.
"""

from __future__ import annotations

import dataclasses
import functools
import types
import typing
from collections.abc import Mapping
from enum import Enum
from typing import TypeVar, cast

T = TypeVar("T")
_SCALARS = (bool, int, float, str)


class Misfit(ValueError):
    """The JSON value is not one of this type."""


def encode(value: object) -> object:
    """A JSON value.  A dataclass becomes [its name, {field: value}], so that a union can be told apart."""
    if value is None or isinstance(value, _SCALARS):
        return value
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, tuple):
        return [encode(v) for v in value]
    if isinstance(value, frozenset):
        return sorted(typing.cast(frozenset[str], value))
    if isinstance(value, Mapping):
        return {str(k): encode(v) for k, v in value.items()}
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return [type(value).__name__, {f.name: encode(getattr(value, f.name)) for f in dataclasses.fields(value)}]
    raise TypeError(f"no JSON form for {type(value).__name__}")


def decode(kind: type[T], value: object) -> T:
    """The value of a dataclass.  Raises `Misfit`."""
    return cast(T, _decode(kind, value))


def _decode(kind: object, value: object) -> object:
    origin = typing.get_origin(kind)
    if origin in (typing.Union, types.UnionType):
        return _union(typing.get_args(kind), value)
    if origin is not None:
        return _generic(origin, typing.get_args(kind), value)
    if kind is type(None):
        return None if value is None else _misfit(kind, value)
    if kind is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if kind in _SCALARS:
        return value if type(value) is kind else _misfit(kind, value)
    if isinstance(kind, type) and issubclass(kind, Enum):
        try:
            return kind(value)
        except ValueError:
            return _misfit(kind, value)
    if isinstance(kind, type) and dataclasses.is_dataclass(kind):
        return _dataclass(kind, value)
    raise TypeError(f"cannot read {kind}")


def _union(kinds: tuple[object, ...], value: object) -> object:
    for kind in kinds:
        named = isinstance(value, list) and len(value) == 2 and isinstance(value[0], str)
        if dataclasses.is_dataclass(kind) and not (named and value[0] == getattr(kind, "__name__", "")):  # type: ignore[index]  # a list
            continue
        try:
            return _decode(kind, value)
        except Misfit:
            continue
    return _misfit(kinds, value)


def _generic(origin: object, args: tuple[object, ...], value: object) -> object:
    if origin is tuple and isinstance(value, list):
        if len(args) == 2 and args[1] is Ellipsis:
            return tuple(_decode(args[0], v) for v in value)
        if len(args) == len(value):
            return tuple(_decode(a, v) for a, v in zip(args, value, strict=True))
    if origin is frozenset and isinstance(value, list):
        return frozenset(_decode(args[0], v) for v in value)
    if origin is dict and args[0] is str and isinstance(value, dict):
        return {_decode(str, k): _decode(args[1], v) for k, v in value.items()}
    return _misfit(origin, value)


@functools.lru_cache(maxsize=64)
def _hints(kind: type) -> dict[str, object]:
    return dict(typing.get_type_hints(kind))


def _dataclass(kind: type, value: object) -> object:
    if not (isinstance(value, list) and len(value) == 2 and value[0] == kind.__name__ and isinstance(value[1], dict)):
        return _misfit(kind, value)
    fields = {f.name for f in dataclasses.fields(kind)}
    if set(value[1]) != fields:
        return _misfit(kind, value)
    hints = _hints(kind)
    return kind(**{name: _decode(hints[name], v) for name, v in value[1].items()})


def _misfit(kind: object, value: object) -> object:
    raise Misfit(f"{str(value)[:40]!r} is not {kind}")
