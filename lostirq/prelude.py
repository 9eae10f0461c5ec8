# SPDX-License-Identifier: GPL-2.0-or-later
"""Names of the modelling language, for editors and linters only.

A model file starts with `from lostirq.prelude import *`, which the compiler ignores: it never executes a model, and
these definitions have no meaning for it.  What the names mean is in docs/language.md.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from enum import Enum
from typing import Any

__all__ = [
    "Array",
    "Bits",
    "Enum",
    "Ghost",
    "Int",
    "Lock",
    "Message",
    "Packed",
    "Param",
    "Struct",
    "Words",
    "__clear_bit",
    "__set_bit",
    "__test_and_clear_bit",
    "__test_and_set_bit",
    "at_rest",
    "atomic",
    "barrier",
    "bit",
    "bits",
    "buffers_empty",
    "choose",
    "clear_bit",
    "cmpxchg",
    "drain",
    "event",
    "extract",
    "index",
    "insert",
    "unfair",
    "fetch_add",
    "fetch_and",
    "fetch_or",
    "function",
    "function_of",
    "handler",
    "hardware",
    "highest",
    "idle",
    "lemma",
    "initial",
    "invariant",
    "local",
    "lock_set",
    "occurs",
    "old",
    "popcount",
    "pure",
    "quiet",
    "reachable",
    "READ_ONCE",
    "recurrence",
    "scenario",
    "scheduler",
    "seen_by",
    "set_bit",
    "settled",
    "smp_load_acquire",
    "smp_mb",
    "smp_mb__after_atomic",
    "smp_mb__before_atomic",
    "smp_rmb",
    "smp_store_release",
    "smp_wmb",
    "spin_lock",
    "spin_unlock",
    "step",
    "step_property",
    "strong",
    "test_and_clear",
    "test_and_clear_bit",
    "test_and_set",
    "test_and_set_bit",
    "test_bit",
    "this_cpu",
    "thread",
    "turn",
    "buffered",
    "wait",
    "at_wait",
    "window",
    "with_bit",
    "within",
    "WRITE_ONCE",
    "xchg",
]


class _Any:
    """Stands for types and values: everything is allowed, nothing happens."""

    def __init__(self, *args: Any, **options: Any) -> None: ...

    def __class_getitem__(cls, item: Any) -> Any:
        return cls

    def __getattr__(self, name: str) -> Any:
        return self

    def __call__(self, *args: Any, **options: Any) -> Any:
        return self


class Struct:
    """Base of structures."""


class Int(_Any):
    """Int[lo, hi]: a bounded integer."""


class Bits(_Any):
    """Bits[n]: one access unit of n bits."""


class Words(_Any):
    """Words[n, w]: n bits in access units of w bits."""


class Array(_Any):
    """Array[T, n]."""


class Packed(_Any):
    """Packed(name=type, ...): one access unit with named fields."""


class Lock(_Any):
    """A spin lock."""


class Ghost(_Any):
    """Ghost[T]: instrumentation."""


class Message(_Any):
    """Message[T]: in flight while it differs from its initial value."""


def Param(default: Any, text: str = "") -> Any:
    """A scenario parameter."""
    return default


def _decorator(*args: Any, **options: Any) -> Any:
    return (lambda decorated: decorated) if options or not callable(args[0] if args else None) else args[0]


def _operation(*args: Any) -> Any:
    return None


@contextmanager
def atomic() -> Iterator[None]:
    """One step."""
    yield


@contextmanager
def window(name: str) -> Iterator[None]:
    """Names the program locations inside."""
    yield


_Decorator = Callable[..., Any]
_Operation = Callable[..., Any]

function: _Decorator = _decorator
pure: _Decorator = _decorator
initial: _Decorator = _decorator
thread: _Decorator = _decorator
handler: _Decorator = _decorator
scheduler: _Decorator = _decorator
hardware: _Decorator = _decorator
scenario: _Decorator = _decorator
invariant: _Decorator = _decorator
step_property: _Decorator = _decorator
recurrence: _Decorator = _decorator
reachable: _Decorator = _decorator
lemma: _Decorator = _decorator

at_rest: _Operation = _operation
barrier: _Operation = _operation
bit: _Operation = _operation
bits: _Operation = _operation
buffers_empty: _Operation = _operation
choose: _Operation = _operation
__clear_bit: _Operation = _operation
__set_bit: _Operation = _operation
__test_and_clear_bit: _Operation = _operation
__test_and_set_bit: _Operation = _operation
clear_bit: _Operation = _operation
cmpxchg: _Operation = _operation
drain: _Operation = _operation
event: _Operation = _operation
fetch_add: _Operation = _operation
fetch_and: _Operation = _operation
fetch_or: _Operation = _operation
function_of: _Operation = _operation
highest: _Operation = _operation
idle: _Operation = _operation
local: _Operation = _operation
lock_set: _Operation = _operation
occurs: _Operation = _operation
old: _Operation = _operation
popcount: _Operation = _operation
quiet: _Operation = _operation
READ_ONCE: _Operation = _operation
seen_by: _Operation = _operation
set_bit: _Operation = _operation
settled: _Operation = _operation
smp_load_acquire: _Operation = _operation
smp_mb: _Operation = _operation
smp_mb__after_atomic: _Operation = _operation
smp_mb__before_atomic: _Operation = _operation
smp_rmb: _Operation = _operation
smp_store_release: _Operation = _operation
smp_wmb: _Operation = _operation
spin_lock: _Operation = _operation
spin_unlock: _Operation = _operation
step: _Operation = _operation
strong: _Operation = _operation
test_and_clear: _Operation = _operation
test_and_clear_bit: _Operation = _operation
test_and_set: _Operation = _operation
test_and_set_bit: _Operation = _operation
test_bit: _Operation = _operation
extract: _Operation = _operation
insert: _Operation = _operation
index: _Operation = _operation
unfair: _Operation = _operation
this_cpu: _Operation = _operation
turn: _Operation = _operation
buffered: _Operation = _operation
wait: _Operation = _operation
at_wait: _Operation = _operation
with_bit: _Operation = _operation
within: _Operation = _operation
WRITE_ONCE: _Operation = _operation
xchg: _Operation = _operation
