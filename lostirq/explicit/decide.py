# SPDX-License-Identifier: GPL-2.0-or-later
"""A small decision procedure: can a formula be true at all?  By truth tables, all rows at once.

A row is an assignment to the variables of the formula; a set of rows is one integer, bit r for row r.  A bool is the
set of rows where it holds; an int or bits expression maps each value that it takes to its rows.  Atoms over a program
counter (`pc in ...`) are free, which allows more rows: so the answer False is certain, True means only "maybe".  Used
to drop step checks that cannot hit; verdicts depend on it only in that False must be right.

Reference: Knuth, The Art of Computer Programming 4A, 7.1.2 (truth tables as numbers).
"""

from __future__ import annotations

from lostirq.ir.expr import LEAVES, Expr, Kind, Op, Role, Var, apply, is_const, postorder, value_of

_MOST_ROWS = 1 << 13        # beyond, the answer is "maybe"
_MOST_PAIRS = 4096          # combinations of operand values that are looked at, likewise

Rows = int
Table = dict[int, Rows]     # by value


class _TooLarge(Exception):
    """Not worth it."""


def satisfiable(formula: Expr) -> bool:
    """False if no assignment makes the formula true; True if one does, or if it was too large to tell."""
    if is_const(formula):
        return bool(value_of(formula))
    try:
        return bool(_Tables(formula).value[formula].get(1, 0))
    except _TooLarge:
        return True


class _Tables:
    """The tables of all subexpressions of one formula."""

    def __init__(self, formula: Expr) -> None:
        nodes = list(postorder([formula]))
        self.atoms = [n for n in nodes if _is_atom(n)]
        used = {a for n in nodes if not _is_atom(n) for a in n.args} | {formula}
        variables = [n for n in nodes if n.op is Op.VAR and n in used]
        self.rows = 1
        for n in variables:
            self.rows *= n.type.size
            self.check_size()
        for _ in self.atoms:
            self.rows *= 2
            self.check_size()
        self.all = (1 << self.rows) - 1
        self.value: dict[Expr, Table] = {}
        period = 1
        for n in variables:
            low = n.type.lo if n.type.kind is Kind.INT else 0
            size = n.type.size
            self.value[n] = {low + v: self.pattern(period, size, v) for v in range(size)}
            period *= size
        for n in self.atoms:
            self.value[n] = {v: self.pattern(period, 2, v) for v in (0, 1)}
            period *= 2
        for n in nodes:
            if n not in self.value and n in used:
                self.value[n] = self.table(n)

    def check_size(self) -> None:
        if self.rows > _MOST_ROWS:
            raise _TooLarge

    def pattern(self, period: int, size: int, v: int) -> Rows:
        """The rows in which digit `v` of base `size` stands at the place worth `period`."""
        block = (1 << period) - 1 << period * v
        rows, length = block, period * size
        while length < self.rows:
            rows |= rows << length
            length *= 2
        return rows & self.all

    def table(self, n: Expr) -> Table:
        if n.op is Op.CONST:
            return {value_of(n): self.all}
        args = [self.value[a] for a in n.args]
        if n.op is Op.AND or n.op is Op.OR:
            rows = self.all if n.op is Op.AND else 0
            for a in args:
                rows = rows & a.get(1, 0) if n.op is Op.AND else rows | a.get(1, 0)
            return self.truth(rows)
        if n.op is Op.NOT:
            return self.truth(self.all & ~args[0].get(1, 0))
        if n.op is Op.ITE:
            return self.choice(args[0].get(1, 0), args[1], args[2])
        if n.op in LEAVES:
            raise _TooLarge
        return self.combine(n, args)

    def truth(self, rows: Rows) -> Table:
        return {v: r for v, r in ((1, rows), (0, self.all & ~rows)) if r}

    def choice(self, then: Rows, one: Table, two: Table) -> Table:
        out = {v: rows & then for v, rows in one.items()}
        for v, rows in two.items():
            out[v] = out.get(v, 0) | rows & ~then
        return {v: rows for v, rows in out.items() if rows}

    def combine(self, n: Expr, args: list[Table]) -> Table:
        """Any operator, by its meaning on all combinations of operand values."""
        pairs: list[tuple[list[int], Rows]] = [([], self.all)]
        for a in args:
            pairs = [([*values, v], rows & more) for values, rows in pairs for v, more in a.items() if rows & more]
            if len(pairs) > _MOST_PAIRS:
                raise _TooLarge
        out: Table = {}
        for values, rows in pairs:
            v = apply(n, values)
            out[v] = out.get(v, 0) | rows
        return out


def _is_atom(n: Expr) -> bool:
    """A comparison of a program counter with constants."""
    def counter(a: Expr) -> bool:
        return a.op is Op.VAR and isinstance(a.payload, Var) and a.payload.role is Role.PC

    if n.op is Op.IN:
        return counter(n.args[0])
    return n.op is Op.EQ and counter(n.args[0]) and is_const(n.args[1])


