# SPDX-License-Identifier: GPL-2.0-or-later
"""Frozen dataclasses to JSON and back, and their JSON Schema, all three read from the annotations.

Invariants: `decode(cls, encode(x)) == x`; what `decode` accepts, `schema` accepts, and the reverse; a field that has
its default is left out; unknown, missing and misshapen fields are `UsageError`s that name the place.  Understood are
bool, int, str, `X | None`, `tuple[X, ...]`, `dict[str, X]` and dataclasses of these.

References: JSON Schema, draft 2020-12.
"""

from __future__ import annotations

import dataclasses
import types
import typing
from typing import TypeVar

from lostirq.errors import UsageError

R = TypeVar("R")
MAX_ITEMS = 1 << 22


def encode(value: object) -> object:
    """The JSON form of a record or of a part of one."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        out: dict[str, object] = {}
        for field in dataclasses.fields(value):
            item = getattr(value, field.name)
            if field.default is dataclasses.MISSING or item != field.default:
                out[field.name] = encode(item)
        return out
    if isinstance(value, tuple):
        return [encode(v) for v in value]
    if isinstance(value, dict):
        return {str(k): encode(v) for k, v in value.items()}
    return value


def decode(cls: type[R], data: object, place: str) -> R:
    """The record that `data` stands for; `place` says what is read.  Raises `UsageError`."""
    value = _decode(cls, data, place)
    assert isinstance(value, cls)
    return value


def _decode(wanted: object, data: object, place: str) -> object:
    origin, args = typing.get_origin(wanted), typing.get_args(wanted)
    if dataclasses.is_dataclass(wanted) and isinstance(wanted, type):
        return _record(wanted, data, place)
    if origin in (types.UnionType, typing.Union):
        if data is None:
            return None
        [inner] = [a for a in args if a is not type(None)]
        return _decode(inner, data, place)
    if origin is tuple:
        if not isinstance(data, list) or len(data) > MAX_ITEMS:
            raise UsageError(f"{place}: a list is needed here")
        return tuple(_decode(args[0], item, f"{place}[{n}]") for n, item in enumerate(data))
    if origin is dict:
        if not isinstance(data, dict):
            raise UsageError(f"{place}: an object is needed here")
        return {str(k): _decode(args[1], v, f"{place}.{k}") for k, v in data.items()}
    if not isinstance(wanted, type) or not isinstance(data, wanted) or (wanted is int and isinstance(data, bool)):
        name = {bool: "true or false", int: "a number", str: "a text"}.get(typing.cast(type, wanted), str(wanted))
        raise UsageError(f"{place}: {name} is needed here")
    return data


def _record(cls: type, data: object, place: str) -> object:
    if not isinstance(data, dict):
        raise UsageError(f"{place}: an object is needed here")
    hints = typing.get_type_hints(cls)
    fields = {f.name: f for f in dataclasses.fields(cls)}
    for key in data:
        if key not in fields:
            raise UsageError(f"{place}: unknown field '{key}'")
    values: dict[str, object] = {}
    for name, field in fields.items():
        if name in data:
            values[name] = _decode(hints[name], data[name], f"{place}.{name}")
        elif field.default is dataclasses.MISSING:
            raise UsageError(f"{place}: field '{name}' is missing")
    return cls(**values)


def schema(cls: type) -> dict[str, object]:
    """The JSON Schema of a record, with the definitions of all the records in it under `$defs`."""
    found: dict[str, dict[str, object]] = {}
    top = _schema(cls, found)
    return {**top, "$defs": dict(sorted(found.items()))}


def _schema(wanted: object, found: dict[str, dict[str, object]]) -> dict[str, object]:
    origin, args = typing.get_origin(wanted), typing.get_args(wanted)
    if dataclasses.is_dataclass(wanted) and isinstance(wanted, type):
        if wanted.__name__ not in found:
            found[wanted.__name__] = {}
            hints = typing.get_type_hints(wanted)
            fields = dataclasses.fields(wanted)
            found[wanted.__name__] = {
                "type": "object",
                "properties": {f.name: _schema(hints[f.name], found) for f in fields},
                "required": [f.name for f in fields if f.default is dataclasses.MISSING],
                "additionalProperties": False,
            }
        return {"$ref": f"#/$defs/{wanted.__name__}"}
    if origin in (types.UnionType, typing.Union):
        [inner] = [a for a in args if a is not type(None)]
        return {"anyOf": [_schema(inner, found), {"type": "null"}]}
    if origin is tuple:
        return {"type": "array", "items": _schema(args[0], found)}
    if origin is dict:
        return {"type": "object", "additionalProperties": _schema(args[1], found)}
    return {"type": {bool: "boolean", int: "integer", str: "string"}[typing.cast(type, wanted)]}
