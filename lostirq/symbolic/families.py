# SPDX-License-Identifier: GPL-2.0-or-later
"""Edges that differ only in a number, as one edge with an unknown: `choose(Vector)` makes one edge per vector.

A family is proved once, with the number as an input that ranges over the values of its members; each member is the
general edge with its own value put in (which is checked), so that what holds of the general edge holds of all.  If the
general edge cannot be proved, the members are tried one by one, so that a family never hides which one is to blame.

Reference: Plotkin 1970, "A note on inductive generalization" (anti-unification), for numbers only.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace

from lostirq.ir.expr import (
    Expr,
    Kind,
    Op,
    Role,
    Var,
    add,
    and_,
    fold,
    implies,
    in_set,
    int_type,
    integer,
    is_const,
    postorder,
    rebuild,
    substitute,
    value_of,
    var,
)
from lostirq.ir.system import Edge, Event

INPUT = "the number in which the transitions of a family differ"
_INDEXED = (Op.BIT, Op.PUT)


@dataclass(frozen=True, slots=True)
class Family:
    """`general` has the index of the first member; `input`: None for a single edge; `values`: of it, by member."""

    members: tuple[Edge, ...]
    general: Edge
    input: Var | None
    values: tuple[int, ...] = ()


def _expressions(edge: Edge) -> list[Expr]:
    return [edge.guard, *(rhs for _, rhs in edge.assigns), *(a for event in edge.events for a in event.args)]


def _map_numbers(e: Expr, change: Callable[[int], Expr], whole: bool) -> Expr:
    """Apply `change` to the constants that index bits and, if `whole`, to the expression itself if it is one."""
    if is_const(e):
        return change(value_of(e)) if whole and e.type.kind is Kind.INT else e

    def visit(node: Expr, args: list[Expr]) -> Expr:
        if node.op in _INDEXED and is_const(args[1]):
            args = [args[0], change(value_of(args[1])), *args[2:]]
        return rebuild(node, args) if args else node

    return fold(e, visit)


def _shape(edge: Edge) -> tuple[tuple[object, ...], tuple[int, ...]]:
    """The edge without its numbers, and the numbers in order of occurrence."""
    numbers: list[int] = []
    hole = var(Var("", int_type(0, 1 << 16), 0, Role.GHOST))

    def take(value: int) -> Expr:
        numbers.append(value)
        return hole

    shapes = tuple(_map_numbers(e, take, whole=i > 0) for i, e in enumerate(_expressions(edge)))
    targets = tuple(v for v, _ in edge.assigns)
    events = tuple((event.name, len(event.args)) for event in edge.events)
    return (edge.process, edge.src, edge.dst, targets, events, shapes, len(numbers)), tuple(numbers)


def _generalise(members: list[tuple[Edge, tuple[int, ...]]]) -> Family | None:
    """The family of edges of one shape, if their numbers move together."""
    first = members[0][0]
    columns = list(zip(*(numbers for _, numbers in members), strict=True))
    pivot = next((i for i, column in enumerate(columns) if len(set(column)) > 1), None)
    if pivot is None:
        return None
    values = columns[pivot]
    unknown = Var(INPUT, int_type(min(values), max(values)), min(values), Role.GHOST)
    terms = _terms(columns, values, unknown)
    if terms is None:
        return None
    queue = iter(terms)
    rewritten = [_map_numbers(e, lambda _: next(queue), whole=i > 0) for i, e in enumerate(_expressions(first))]
    guard = and_(rewritten[0], in_set(var(unknown), values))
    rest = iter(rewritten[1:])
    assigns = tuple((v, next(rest)) for v, _ in first.assigns)
    events = tuple(Event(event.name, tuple(next(rest) for _ in event.args)) for event in first.events)
    for (member, _), value in zip(members, values, strict=True):
        instances = (_instance(g, unknown, value) for g in rewritten)
        if any(i is not plain(e) for i, e in zip(instances, _expressions(member), strict=True)):
            return None
    general = replace(first, guard=guard, assigns=assigns, events=events)
    return Family(tuple(e for e, _ in members), general, unknown, values)


def _terms(columns: list[tuple[int, ...]], values: tuple[int, ...], unknown: Var) -> list[Expr] | None:
    """Each column of numbers as a constant or as the unknown, shifted; None if they do not move together."""
    terms: list[Expr] = []
    for column in columns:
        shifts = {c - p for c, p in zip(column, values, strict=True)}
        if len(set(column)) == 1:
            terms.append(integer(column[0]))
        elif len(shifts) == 1:
            terms.append(add(var(unknown), integer(shifts.pop())))
        else:
            return None
    return terms


@dataclass(frozen=True, slots=True)
class Pattern:
    """Formulas that differ only in numbers: `general` is that of the member whose number is in the unknown `input`,
    whatever it is; None for a single formula.  `members`: positions in the list that was given."""

    members: tuple[int, ...]
    general: Expr
    input: Var | None


VECTOR = "the number in which the instances of a property differ"


def _all_numbers(e: Expr, change: Callable[[int], Expr]) -> Expr:
    """Apply `change` to every number of a formula."""

    def visit(node: Expr, args: list[Expr]) -> Expr:
        if is_const(node):
            return change(value_of(node)) if node.type.kind is Kind.INT else node
        return rebuild(node, args) if args else node

    return fold(e, visit)


def patterns(formulas: Sequence[Expr]) -> list[Pattern]:
    """All formulas, in patterns where possible, in order of their first members."""
    groups: dict[tuple[Expr, int], list[tuple[int, tuple[int, ...]]]] = {}
    hole = var(Var("", int_type(-(1 << 16), 1 << 16), 0, Role.GHOST))
    for i, e in enumerate(formulas):
        numbers = tuple(value_of(n) for n in postorder([e]) if is_const(n) and n.type.kind is Kind.INT)
        shape = _all_numbers(e, lambda _: hole)
        groups.setdefault((shape, len(numbers)), []).append((i, numbers))
    found: list[Pattern] = []
    for members in groups.values():
        general = _pattern(formulas, members) if len(members) > 2 else None
        found += [general] if general is not None else [Pattern((i,), formulas[i], None) for i, _ in members]
    return found


def _pattern(formulas: Sequence[Expr], members: list[tuple[int, tuple[int, ...]]]) -> Pattern | None:
    """The pattern of formulas of one shape, if their numbers move together."""
    columns = list(zip(*(numbers for _, numbers in members), strict=True))
    values = next((column for column in columns if len(set(column)) > 1), None)
    if values is None:
        return None
    unknown = Var(VECTOR, int_type(min(values), max(values)), min(values), Role.GHOST)
    terms = _terms(columns, values, unknown)
    if terms is None:
        return None
    first = members[0][0]
    constants = [n for n in postorder([formulas[first]]) if is_const(n) and n.type.kind is Kind.INT]
    replacement = dict(zip(constants, terms, strict=True))
    general = fold(formulas[first], lambda n, args: replacement.get(n) or (rebuild(n, args) if args else n))
    for (i, _), value in zip(members, values, strict=True):
        if _instance(general, unknown, value) is not plain(formulas[i]):
            return None
    return Pattern(tuple(i for i, _ in members), implies(in_set(var(unknown), values), general), unknown)


def plain(e: Expr) -> Expr:
    """Numbers without the ranges that they were typed with, so that equal expressions are identical."""

    def visit(node: Expr, args: list[Expr]) -> Expr:
        if is_const(node):
            return integer(value_of(node)) if node.type.kind is Kind.INT else node
        return rebuild(node, args) if args else node

    return fold(e, visit)


def _instance(general: Expr, unknown: Var, value: int) -> Expr:
    return plain(substitute(general, lambda leaf: integer(value) if leaf.payload == unknown else None))


def families(edges: Iterable[Edge]) -> list[Family]:
    """All edges, in families where possible, in order of their first members."""
    groups: dict[tuple[object, ...], list[tuple[Edge, tuple[int, ...]]]] = {}
    for e in edges:
        shape, numbers = _shape(e)
        groups.setdefault(shape, []).append((e, numbers))
    found: list[Family] = []
    for members in groups.values():
        general = _generalise(members) if len(members) > 2 else None
        found += [general] if general is not None else [Family((e,), e, None) for e, _ in members]
    return found


__all__ = ["INPUT", "VECTOR", "Family", "Pattern", "families", "patterns", "plain"]
