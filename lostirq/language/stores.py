# SPDX-License-Identifier: GPL-2.0-or-later
"""What a lemma may ask of store buffers: what a process sees, and whether a store is still on its way.

Invariants
  - Only lemmas may ask: properties read memory, as everybody but the storing CPU does.
  - Under SC nothing is buffered, so that one lemma serves both memory models.

Reference: Owens, Sarkar and Sewell 2009, "A Better x86 Memory Model: x86-TSO", section 3.
"""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from lostirq.ir.expr import TRUE, Expr, Kind, and_, empty, eq, integer, not_, or_, seen, settled
from lostirq.ir.expr import buffered as buffered_of
from lostirq.ir.system import Memory, Process
from lostirq.language.builtins import arguments
from lostirq.language.places import PackedValue, Value

if TYPE_CHECKING:
    from lostirq.language.properties import PropertyTranslator


def seen_by(tr: PropertyTranslator, node: ast.Call) -> Value:
    """seen_by("process"[, i], e); e itself where the scenario leaves the process out."""
    processes, value = _one(tr, node)
    if tr.context.memory is Memory.SC or not processes:
        return value
    if isinstance(value, PackedValue):
        return PackedValue(value.type, tuple(seen(processes[0].index, e) for e in value.fields))
    return seen(processes[0].index, value)


def buffered(tr: PropertyTranslator, node: ast.Call) -> Value:
    """buffered("process"[, i], condition): what is on its way to memory makes it true; of one access unit."""
    processes, value = _one(tr, node)
    if not isinstance(value, Expr) or value.type.kind is not Kind.BOOL:
        raise tr.fail(node.args[-1], "LI010", "a condition is needed here")
    return TRUE if tr.context.memory is Memory.SC or not processes else buffered_of(processes[0].index, value)


def _one(tr: PropertyTranslator, node: ast.Call) -> tuple[list[Process], Expr | PackedValue]:
    """The process that ("process"[, i], value) names, if the scenario has it, and the value."""
    args = _arguments(tr, node, (2, 3))
    processes, value = tr.instances(args[:-1]), tr.rvalue(args[-1])
    if len(processes) > 1:
        raise tr.fail(node, "LI012", f"there are {len(processes)} of them", "the number of one, after its name")
    return processes, value


def nothing_buffered(tr: PropertyTranslator, node: ast.Call) -> Value:
    """settled(e), of all store buffers; settled("process"[, i], e), of that of its CPU."""
    args = _arguments(tr, node, (1, 2, 3))
    value, cpus = tr.rvalue(args[-1]), range(tr.context.cpus)
    read: tuple[Expr, ...] = value.fields if isinstance(value, PackedValue) else (value,)
    processes = tr.instances(args[:-1]) if len(args) > 1 else []
    if tr.context.memory is Memory.SC:
        return TRUE
    everywhere = [and_(*(settled(c, e) for e in read)) for c in cpus]
    return and_(*everywhere) if len(args) == 1 else _where_they_run(processes, everywhere)


def buffers_empty(tr: PropertyTranslator, node: ast.Call) -> Value:
    """buffers_empty(), of all; in lemmas buffers_empty("process"[, i]), of its CPU."""
    args = arguments(tr, node, (0, 1, 2)) and _arguments(tr, node, (1, 2))
    everywhere = empty_buffers(tr)
    return _where_they_run(tr.instances(args), everywhere) if args else and_(*everywhere)


def empty_buffers(tr: PropertyTranslator) -> list[Expr]:
    """For each CPU, that its store buffer is empty."""
    return [TRUE if tr.context.memory is Memory.SC else empty(c) for c in range(tr.context.cpus)]


def _where_they_run(processes: list[Process], everywhere: list[Expr]) -> Expr:
    """What is true of each CPU, of those that the processes use."""
    numbers = [p.cpu for p in processes if p.cpu is not None]
    return and_(*(or_(not_(eq(number, integer(c))), e) for number in numbers for c, e in enumerate(everywhere)))


def _arguments(tr: PropertyTranslator, node: ast.Call, allowed: tuple[int, ...]) -> list[ast.expr]:
    args = arguments(tr, node, allowed)
    if not tr.lemma:
        assert isinstance(node.func, ast.Name)
        raise tr.fail(node, "LI034", f"{node.func.id}() is for lemmas", "a property speaks of memory and of locations")
    return args
