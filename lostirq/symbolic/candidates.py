# SPDX-License-Identifier: GPL-2.0-or-later
"""Candidates for an inductive invariant: which values of small features of a state go together.

A *feature* is something of few values that can be read off a state of the full system and off a state of a small
instance of it: a program counter, a flag, an enumeration, whether a set of bits is empty, whether a number is the one
that stands for none, or two of these at once.  A *table* says which values of two features were seen together in states
of the small instance; what was never seen together is the candidate.  Tables cover value facts at a location, facts at
sets of locations, exclusions of locations of two processes, and implications between flags, also at a location.

Invariants: the two systems have the same processes with the same locations, and the names of their variables agree;
`UsageError` otherwise.  Tables only grow: what is taken into one is never taken out.

References: Flanagan and Leino 2001, "Houdini, an annotation assistant for ESC/Java"; Ernst et al. 2007, "The Daikon
system for dynamic detection of likely invariants".
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from lostirq.errors import UsageError
from lostirq.ir.expr import (
    FALSE,
    TRUE,
    Expr,
    Kind,
    Role,
    Var,
    and_,
    const,
    eq,
    implies,
    in_set,
    integer,
    is_const,
    not_,
    or_,
    var,
)
from lostirq.ir.system import System
from lostirq.symbolic.outcome import Conjunct

MANY = 16       # values of a feature that is no program counter
SUPPORT = 25    # states of a sample with a value, below which what was not seen with that value means nothing
Columns = Mapping[Var, Sequence[int]]


@dataclass(frozen=True, slots=True, eq=False)
class Feature:
    """`term` over the full system, `values` that it can have, `column` of what it was in the sampled states; `owner`:
    the process it is local to, else -1; `counter`: the process whose program counter it is, else -1.  With two `parts`,
    the value is that of the first times the number of values of the second, plus that of the second, by position."""

    name: str
    term: Expr
    values: tuple[int, ...]
    column: tuple[int, ...] = field(repr=False)
    owner: int = -1
    counter: int = -1
    parts: tuple[Feature, ...] = ()

    def atoms(self) -> tuple[Feature, ...]:
        return self.parts or (self,)

    def equals(self, value: int, after: Mapping[Feature, Expr]) -> Expr:
        """The feature has this value; `after`: terms to take in place of those of features."""
        if self.parts:
            size = len(self.parts[1].values)
            indices = (value // size, value % size)
            return and_(*(p.equals(p.values[i], after) for p, i in zip(self.parts, indices, strict=True)))
        return eq(after.get(self, self.term), const(value, self.term.type))


def both(a: Feature, b: Feature) -> Feature:
    """Two features as one."""
    size = len(b.values)
    left, right = ({v: i for i, v in enumerate(f.values)} for f in (a, b))
    column = tuple(left[x] * size + right[y] for x, y in zip(a.column, b.column, strict=True))
    return Feature(f"{a.name}, {b.name}", a.term, tuple(range(len(a.values) * size)), column, parts=(a, b))


def same_shape(full: System, small: System) -> None:
    """Raises `UsageError` unless the small system is an instance of the same code."""
    if [p.name for p in full.processes] != [p.name for p in small.processes]:
        raise UsageError(f"{small.name} is no small instance of {full.name}: it has other processes")
    for p, q in zip(full.processes, small.processes, strict=True):
        if [(x.function, x.text) for x in p.locations] != [(x.function, x.text) for x in q.locations]:
            raise UsageError(
                f"{small.name} is no small instance of {full.name}: {p.name} has other locations "
                "(words and registers must be as many)"
            )


def features(full: System, small: System, columns: Columns) -> list[Feature]:
    """The features that both systems have, in the order of the variables; what nothing writes is none."""
    same_shape(full, small)
    theirs = {v.name: v for v in small.variables}
    written = {v for e in full.edges for v, _ in e.assigns} | {p.pc for p in full.processes}
    found: list[Feature] = []
    words: dict[str, list[tuple[Var, Var]]] = {}
    for v in full.variables:
        w = theirs.get(v.name)
        if w is None or w not in columns or v not in written:
            continue
        found += _of_variable(v, w, columns[w])
        if v.type.kind is Kind.BITS and (group := re.match(r"(.*)\[\d+\]$", v.name)) and v.role is Role.MEMORY:
            words.setdefault(group[1], []).append((v, w))
    for name, those in words.items():
        if len(those) > 1:
            term = and_(*(eq(var(v), const(0, v.type)) for v, _ in those))
            rows = zip(*(columns[w] for _, w in those), strict=True)
            found.append(Feature(f"{name} is empty", term, (0, 1), tuple(int(not any(row)) for row in rows)))
    return found


def _of_variable(v: Var, w: Var, column: Sequence[int]) -> Iterator[Feature]:
    owner = v.owner if v.role is Role.LOCAL else -1
    if v.role is Role.PC:
        if v.type.hi > v.type.lo:
            yield Feature(v.name, var(v), tuple(range(v.type.lo, v.type.hi + 1)), tuple(column), v.owner, v.owner)
    elif v.type.kind is Kind.BOOL:
        yield Feature(v.name, var(v), (0, 1), tuple(column), owner)
    elif v.type.kind is Kind.BITS:
        term = eq(var(v), const(0, v.type))
        yield Feature(f"{v.name} is empty", term, (0, 1), tuple(int(x == 0) for x in column), owner)
    elif (v.type.lo, v.type.hi) == (w.type.lo, w.type.hi) and 1 < v.type.size <= MANY:
        yield Feature(v.name, var(v), tuple(range(v.type.lo, v.type.hi + 1)), tuple(column), owner)
    elif v.type.lo == w.type.lo < 0:
        term = eq(var(v), integer(v.type.lo))
        yield Feature(f"{v.name} is none", term, (0, 1), tuple(int(x == w.type.lo) for x in column), owner)


class Table:
    """The pairs (value of `first`, value of `second`) that are allowed; `first` is a program counter if one of the two
    is."""

    def __init__(self, first: Feature, second: Feature, support: int = 0) -> None:
        """`support`: values that fewer sampled states have may go with everything."""
        if second.counter >= 0 and (first.counter < 0 or len(first.values) < len(second.values)):
            first, second = second, first
        self.first, self.second = first, second
        self.name = f"{second.name} by {first.name}"
        self.allowed: dict[int, set[int]] = {y: set() for y in second.values}
        self._facts: dict[int | None, Expr] = {}
        for x, y in sorted(set(zip(first.column, second.column, strict=True))):
            self.allowed[y].add(x)
        if support:
            rare = {x for x, n in _counts(first).items() if n < support}
            for y, n in _counts(second).items():
                self.allowed[y].update(first.values if n < support else rare)

    def has(self, x: int, y: int) -> bool:
        return x in self.allowed[y]

    def add(self, x: int, y: int) -> bool:
        """Allow a pair; whether that is new."""
        if x in self.allowed[y]:
            return False
        self.allowed[y].add(x)
        self._facts.clear()
        return True

    def give_up(self) -> None:
        """Allow everything."""
        for xs in self.allowed.values():
            xs.update(self.first.values)
        self._facts.clear()

    def fact(self, x: int) -> Expr:
        """What the table says where the first feature is x."""
        if x not in self._facts:
            forbidden = (y for y, xs in sorted(self.allowed.items()) if x not in xs)
            self._facts[x] = and_(*(implies(self.second.equals(y, {}), FALSE) for y in forbidden))
        return self._facts[x]

    def formula(self, after: Mapping[Feature, Expr]) -> Expr:
        """What the table says; `after`: terms to take in place of those of features."""
        parts = []
        for y, xs in sorted(self.allowed.items()):
            here = self.second.equals(y, after)
            if here is not FALSE:
                parts.append(implies(here, self._among(xs, after)))
        return and_(*parts)

    def _among(self, xs: set[int], after: Mapping[Feature, Expr]) -> Expr:
        """The first feature has one of these values."""
        term = after.get(self.first, self.first.term)
        if self.first.counter >= 0 or is_const(term):
            return in_set(term, xs)
        if term.type.kind is Kind.INT:  # so that what no state has, but a store buffer could encode, breaks no table
            return not_(in_set(term, set(self.first.values) - xs))
        if len(xs) == len(self.first.values):
            return TRUE
        return or_(*(self.first.equals(x, after) for x in sorted(xs)))

    def whole(self) -> Expr:
        """What the table says of a state."""
        if None not in self._facts:
            self._facts[None] = self.formula({})
        return self._facts[None]

    def conjunct(self) -> Conjunct:
        return Conjunct(self.name, self.whole())


def _counts(f: Feature) -> dict[int, int]:
    """How many states have each value."""
    counts = dict.fromkeys(f.values, 0)
    for value in f.column:
        counts[value] += 1
    return counts


def tables(found: Sequence[Feature]) -> list[Table]:
    """One table for each program counter and each feature that is not local to another process."""
    made: list[Table] = []
    for u in found:
        for v in found:
            if u.counter < 0 or v is u or (v.owner not in (-1, u.counter) and v.counter < 0):
                continue
            if v.counter < 0 or v.counter > u.counter:
                made.append(Table(u, v))
    return made
