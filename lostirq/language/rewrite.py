# SPDX-License-Identifier: GPL-2.0-or-later
"""Substitution of variables in expressions."""

from __future__ import annotations

from collections.abc import Mapping

from lostirq.ir.expr import (
    FALSE,
    TRUE,
    Expr,
    Kind,
    Op,
    Var,
    const,
    fold,
    integer,
    is_const,
    not_,
    old,
    rebuild,
    substitute,
    var,
)


def variable_of(e: Expr) -> Var | None:
    """The variable that an expression is, if it is just one, as it is now or as it was."""
    return e.payload if e.op in (Op.VAR, Op.OLD) and isinstance(e.payload, Var) else None


def is_var(e: Expr, v: Var) -> bool:
    return e.op is Op.VAR and e.payload == v


def put_in(e: Expr, values: Mapping[Var, Expr], memo: dict[Expr, Expr] | None = None) -> Expr:
    """Replace variables, where they are read now, by expressions."""

    def leaf(node: Expr) -> Expr | None:
        v = variable_of(node)
        return values.get(v) if v is not None and node.op is Op.VAR else None

    return substitute(e, leaf, memo)


def put_in_both(e: Expr, values: Mapping[Var, Expr]) -> Expr:
    """Replace variables by constants, also where their old value is meant."""

    def leaf(node: Expr) -> Expr | None:
        v = variable_of(node)
        return None if v is None else values.get(v)

    return substitute(e, leaf)


def rename_in(e: Expr, names: Mapping[Var, Var], memo: dict[Expr, Expr] | None = None) -> Expr:
    """Replace variables by others, now and old."""

    def leaf(node: Expr) -> Expr | None:
        v = variable_of(node)
        other = None if v is None else names.get(v)
        if other is None:
            return None
        return old(other) if node.op is Op.OLD else var(other)

    return substitute(e, leaf, memo)


def literal(v: Var, value: int) -> Expr:
    """The constant that stands for a variable."""
    return integer(value) if v.type.kind is Kind.INT and not v.type.names else const(value, v.type)


class Facts:
    """Simplifies expressions by conditions that are known to hold: what they decide becomes constant."""

    def __init__(self, conditions: tuple[Expr, ...]) -> None:
        self._known: dict[Expr, Expr] = {}
        for c in conditions:
            self._known[c], self._known[not_(c)] = TRUE, FALSE
            if c.op is Op.EQ and c.args[0].op is Op.VAR and is_const(c.args[1]):
                self._known[c.args[0]] = c.args[1]
        self._memo: dict[Expr, Expr] = {}

    def simplify(self, e: Expr) -> Expr:
        """The expression itself if it is a variable or a constant, so that copies stay copies."""
        if not self._known or e.op in (Op.VAR, Op.CONST):
            return e

        def visit(node: Expr, args: list[Expr]) -> Expr:
            found = self._known.get(node)
            if found is None:
                node = rebuild(node, args) if args else node
                found = self._known.get(node, node)
            return found

        return fold(e, visit, self._memo)
