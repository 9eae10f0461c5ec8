# SPDX-License-Identifier: GPL-2.0-or-later
"""Formulas that differ only in numbers that move together (a property of each vector, a step for each bit of a word),
as one formula about an unknown number: it and what has a constant distance to it.

Whatever is proved of the general formula, for every number in the range of the unknown, holds of each member; where it
has no solution, for no number, no member has one.  That a member is the general formula with its number put in is
checked, term by term.  What does not fit stays as it is.

Reference: Plotkin 1970, "A note on inductive generalization" (anti-unification), for numbers only.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from lostirq.recheck.terms import Term, Terms


class Families:
    """Families of formulas over one system; what is known of the shapes of terms is kept."""

    def __init__(self, terms: Terms) -> None:
        self._terms = terms
        self._shapes: dict[tuple[object, ...], int] = {}
        self._shape_of: dict[Term, int] = {}

    def together(self, formulas: Sequence[Term]) -> list[tuple[list[int], Term]]:
        """The formulas, or general ones in the place of many, with the positions of those that they stand for; the
        unknowns are variables of their own, numbered after all others."""
        groups: dict[int, list[int]] = {}
        for position, formula in enumerate(formulas):
            groups.setdefault(self._shape(formula), []).append(position)
        found: list[tuple[list[int], Term]] = []
        for members in groups.values():
            general = _general(self._terms, [formulas[m] for m in members]) if len(members) > 2 else None
            found += [([m], formulas[m]) for m in members] if general is None else [(members, general)]
        return found

    def _shape(self, formula: Term) -> int:
        """A number for what the formula is without its numbers."""
        known, stack = self._shape_of, [formula]
        while stack:
            t = stack[-1]
            missing = [a for a in t.args if a not in known]
            if missing:
                stack += missing
                continue
            row = ("number",) if _is_number(t) else (t.op, t.data, tuple(known[a] for a in t.args))
            known[stack.pop()] = self._shapes.setdefault(row, len(self._shapes))
        return known[formula]


def _is_number(t: Term) -> bool:
    return t.op == "const" and t.sort[0] == "int"


def _general(terms: Terms, members: list[Term]) -> Term | None:
    """What all members are instances of, or None."""
    first = members[0]
    moves = [0]
    columns: set[int] = set()
    for other in members[1:]:
        found = _differences(first, other)
        columns |= {a for a, _ in found}
        moves += {b - a for a, b in found}
    if len(moves) != len(members) or not columns:
        return None
    start, hole = min(columns), len(terms.sorts)
    values = [start + move for move in moves]
    terms.sorts.append(("int", min(values), max(values)))
    unknown = terms.var(hole)
    shifted = {c: terms.build("+", (unknown, terms.const(c - start, ("int",)))) for c in columns} | {start: unknown}
    general = _meet(terms, first, members[1], shifted)
    for value, member in zip(values, members, strict=True):
        if terms.replace(general, {hole: terms.const(value, ("int",))}, 1 << hole, {}) is not member:
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


def _meet(terms: Terms, a: Term, b: Term, holes: Mapping[int, Term]) -> Term:
    """The first formula with what stands for its number where that differs from the number of the second."""
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
            known[pair] = x if x is y else holes[x.data]  # type: ignore[index]  # a number
        else:
            known[pair] = terms.again(x, tuple(known[p] for p in zip(x.args, y.args, strict=True)))
    return known[a, b]
