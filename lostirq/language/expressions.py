# SPDX-License-Identifier: GPL-2.0-or-later
"""Expressions given on the command line, over the states of a compiled scenario.

They are expressions of properties, read from their syntax tree and never executed; what is wrong with them is reported
like an error of the model.  A structure, an array or a set of bits stands for all its parts that are in the state.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass

from lostirq.errors import ModelErrors, UsageError
from lostirq.ir.expr import Expr, Op, Var, postorder, var
from lostirq.ir.system import System
from lostirq.language.compiler import Prepared, prepare
from lostirq.language.finish import Request, context_of
from lostirq.language.places import (
    ArrayPlace,
    LockPlace,
    PackedPlace,
    PackedValue,
    Place,
    Ref,
    ScalarPlace,
    StructPlace,
    Value,
    WordsPlace,
)
from lostirq.language.properties import Context, PropertyTranslator
from lostirq.language.rewrite import put_in_both, rename_in
from lostirq.language.scope import Scope
from lostirq.language.source import Abandon, Report, Source, parse
from lostirq.language.workspace import Workspace

MAX_TEXT = 4096
MAX_PARTS = 256


@dataclass(frozen=True, slots=True)
class Part:
    """A scalar of what was asked for: `label` is '' if it is the whole.  Several parts with a `base` are words of one
    set of bits, the lowest of which has that number."""

    label: str
    expr: Expr
    base: int = -1


@dataclass(frozen=True, slots=True)
class Asked:
    text: str
    parts: tuple[Part, ...]


def compile_expressions(workspace: Workspace, system: System, text: str, name: str = "expression") -> tuple[Asked, ...]:
    """The expressions of a comma-separated list, over the variables of `system`, which must be compiled from this
    workspace.  Raises `UsageError`, and `ModelErrors` with places in `text`, whose file is called `name`."""
    if not text.strip() or len(text) > MAX_TEXT:
        raise UsageError(f"{name}: give expressions separated by commas, {MAX_TEXT} characters or fewer")
    report = Report()
    parsed = parse(name, text, report)
    items = [] if parsed is None else _items(parsed[1], parsed[0], report)
    if parsed is not None and not report.found:
        prepared, context = _prepared(workspace, system)
        prepared.universe.report = report
        translator = PropertyTranslator(prepared.universe, Scope(parsed[0], None, {}), context)
        found = [asked for node in items for asked in _asked(translator, prepared, system, node)]
        if not report.found:
            return tuple(found)
    raise ModelErrors(report.found, {name: text})


def _prepared(workspace: Workspace, system: System) -> tuple[Prepared, Context]:
    """The scenario of a system once more, as far as expressions need it."""
    request = Request(system.name, system.memory, dict(system.parameters))
    report = Report()
    made = prepare(workspace.declarations, request, report)
    if made is None or report.found:
        raise ModelErrors(report.found, workspace.sources)
    return made, context_of(made.universe, request, system.processes, made.cpus,
                            lambda e: put_in_both(e, made.constants), made.constants, made.initial)


def _items(tree: ast.Module, source: Source, report: Report) -> list[ast.expr]:
    """The expressions between the commas."""
    if len(tree.body) != 1 or not isinstance(tree.body[0], ast.Expr):
        node = tree.body[0] if tree.body else tree
        report.add(source.span(node), "LI006", "expressions are needed here, no statements", "separate them by commas")
        return []
    value = tree.body[0].value
    return list(value.elts) if isinstance(value, ast.Tuple) else [value]


def _asked(translator: PropertyTranslator, prepared: Prepared, system: System, node: ast.expr) -> list[Asked]:
    """None if it is wrong; then the report says why."""
    known = {v.name: v for v in system.variables}
    source, report = translator.source(), prepared.universe.report
    parts: list[Part] = []
    absent: list[str] = []
    try:
        value = translator.value(node)
        if isinstance(value, Ref) and not value.static:
            value = translator.read(value, node)
        for part in _parts(value):
            expr = put_in_both(part.expr, prepared.constants)
            if part.label and _absent(expr, known):
                absent.append(part.label.lstrip("."))
                continue
            parts.append(Part(part.label, _over(expr, known, node, source, report), part.base))
            if len(parts) > MAX_PARTS:
                raise report.fail(source.span(node), "LI006", f"more than {MAX_PARTS} values", "name a part of it")
        if absent and not parts:
            raise report.fail(source.span(node), "LI034", "nothing in it is part of the state of this scenario: no "
                              f"step and no property depends on {', '.join(absent[:5])}")
    except Abandon:
        return []
    return [Asked(source.text_of(node), tuple(parts))]


def _absent(expr: Expr, known: dict[str, Var]) -> bool:
    """Does the expression name a variable that is no part of the state?"""
    return any(leaf.op is Op.VAR and getattr(leaf.payload, "name", "") not in known for leaf in postorder([expr]))


def _over(expr: Expr, known: dict[str, Var], node: ast.expr, source: Source, report: Report) -> Expr:
    """The expression over the variables of the system."""
    renamed: dict[Var, Var] = {}
    for leaf in postorder([expr]):
        if leaf.op in (Op.OLD, Op.OCCURS):
            raise report.fail(source.span(node), "LI034", "old() and occurs() are about a step, and this is about a "
                              "state", "look at the state before")
        if leaf.op is Op.VAR:
            v: Var = leaf.payload  # type: ignore[assignment]  # the payload of VAR is a Var
            if v.name not in known:
                raise report.fail(source.span(node), "LI034", f"'{v.name}' is no part of the state of this scenario: "
                                  "no step and no property depends on it")
            renamed[v] = known[v.name]
    return rename_in(expr, renamed)


def _parts(value: Value) -> Iterator[Part]:
    if isinstance(value, PackedValue):
        for (name, _), e in zip(value.type.fields, value.fields, strict=True):
            yield Part(f".{name}", e)
    elif isinstance(value, Ref):
        yield from _of_place("", value.alternatives[0][1])
    else:
        yield Part("", value)


def _of_place(label: str, place: Place) -> Iterator[Part]:
    if isinstance(place, (ScalarPlace, LockPlace)):
        yield Part(label, var(place.var))
    elif isinstance(place, PackedPlace):
        for (name, _), v in zip(place.type.fields, place.vars, strict=True):
            yield Part(f"{label}.{name}", var(v))
    elif isinstance(place, WordsPlace):
        base = 0
        for v in place.vars:
            yield Part(label, var(v), base)
            base += v.type.width
    elif isinstance(place, StructPlace):
        for name, field in place.fields.items():
            yield from _of_place(f"{label}.{name}", field)
    elif isinstance(place, ArrayPlace):
        for number, element in enumerate(place.elements):
            yield from _of_place(f"{label}[{number}]", element)
