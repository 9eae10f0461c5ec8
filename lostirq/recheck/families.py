# SPDX-License-Identifier: GPL-2.0-or-later
"""Formulas that differ only in one number (a property of each vector), as one formula about an unknown number.

Whatever is proved of the general formula, for every number in the range of the unknown, holds of each member: that a
member is the general formula with its number put in is checked, term by term.  What does not fit stays as it is.

Reference: Plotkin 1970, "A note on inductive generalization" (anti-unification), for numbers only.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from lostirq.recheck.terms import Term, Terms, walk

Named = tuple[str, Term]


def together(terms: Terms, formulas: Iterable[Named]) -> list[Named]:
    """The formulas, or general ones in the place of many, named by the first; the unknowns are variables of their own,
    numbered after all others."""
    shapes: dict[tuple[object, ...], int] = {}
    groups: dict[int, list[Named]] = {}
    for name, formula in formulas:
        groups.setdefault(_shape(shapes, formula), []).append((name, formula))
    found: list[Named] = []
    for members in groups.values():
        general = _general(terms, [f for _, f in members]) if len(members) > 2 else None
        found += members if general is None else [(members[0][0], general)]
    return found


def _is_number(t: Term) -> bool:
    return t.op == "const" and t.sort[0] == "int"


def _shape(shapes: dict[tuple[object, ...], int], formula: Term) -> int:
    """A number for what the formula is without its numbers."""
    known: dict[Term, int] = {}
    for t in walk([formula]):
        row = ("number",) if _is_number(t) else (t.op, t.data, tuple(known[a] for a in t.args))
        known[t] = shapes.setdefault(row, len(shapes))
    return known[formula]


def _general(terms: Terms, members: list[Term]) -> Term | None:
    """What all members are instances of, or None."""
    first = members[0]
    pairs = [_differences(first, other) for other in members[1:]]
    if any(len(found) != 1 for found in pairs) or len({a for found in pairs for a, _ in found}) != 1:
        return None
    values = [next(iter(pairs[0]))[0], *(b for found in pairs for _, b in found)]
    hole = len(terms.sorts)
    terms.sorts.append(("int", min(values), max(values)))
    general = _meet(terms, first, members[1], terms.var(hole))
    for value, member in zip(values, members, strict=True):
        if _instance(terms, general, {hole: terms.const(value, ("int",))}) is not member:
            return None
    return general


def _differences(a: Term, b: Term) -> set[tuple[int, int]]:
    """The pairs of numbers in which two formulas of one shape differ."""
    found: set[tuple[int, int]] = set()
    seen = {(a, b)}
    todo = [(a, b)]
    while todo:
        x, y = todo.pop()
        if x is not y and _is_number(x):
            found.add((x.data, y.data))  # type: ignore[arg-type]  # numbers
        new = {pair for pair in zip(x.args, y.args, strict=True) if pair[0] is not pair[1]} - seen
        seen |= new
        todo += new
    return found


def _meet(terms: Terms, a: Term, b: Term, hole: Term) -> Term:
    """The first formula with the hole where its number differs from that of the second."""
    known: dict[tuple[Term, Term], Term] = {}
    stack = [(a, b)]
    while stack:
        pair = x, y = stack[-1]
        missing = [p for p in zip(x.args, y.args, strict=True) if p not in known] if x is not y else []
        if missing:
            stack += missing
            continue
        stack.pop()
        if x is y or _is_number(x):
            known[pair] = x if x is y else hole
        else:
            known[pair] = _again(terms, x, tuple(known[p] for p in zip(x.args, y.args, strict=True)))
    return known[a, b]


def _instance(terms: Terms, general: Term, values: Mapping[int, Term]) -> Term:
    """The formula with numbers put in, also for what events are asked for."""
    known: dict[Term, Term] = {}
    for t in walk([general]):
        if t.op == "var":
            known[t] = values.get(t.data, t)  # type: ignore[call-overload]  # a variable number
        else:
            known[t] = _again(terms, t, tuple(known[a] for a in t.args))
    return known[general]


def _again(terms: Terms, t: Term, args: tuple[Term, ...]) -> Term:
    if args == t.args:
        return t
    return terms.occurs(t.data, args) if t.op == "occurs" else terms.build(t.op, args, t.data)
