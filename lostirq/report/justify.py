# SPDX-License-Identifier: GPL-2.0-or-later
"""Which variables decide the value of an expression: a small sufficient set, for explanations.

Invariant: any state that agrees with the given one on the returned variables gives the expression the same value.
The set is small, not smallest: a false conjunction is justified by its cheapest false operand.
"""

from __future__ import annotations

from collections.abc import Callable

from lostirq.ir.expr import Expr, Op, Var, apply, postorder

Leaf = tuple[Var, bool]    # (variable, is it the value before the step?)


def justify(root: Expr, now: Callable[[Var], int], before: Callable[[Var], int] | None = None,
            occurs: Callable[[str, tuple[int, ...]], bool] = lambda name, args: False,
            empty: Callable[[int], bool] = lambda cpu: True) -> dict[Leaf, int]:
    """The deciding variables with their values, in order of first occurrence.  Linear in the number of nodes, times
    the size of the sets."""
    before = before or now
    value: dict[Expr, int] = {}
    reason: dict[Expr, dict[Leaf, int]] = {}
    for node in postorder([root]):
        args = [value[a] for a in node.args]
        if node.op in (Op.VAR, Op.OLD):
            variable: Var = node.payload  # type: ignore[assignment]  # the payload of VAR and OLD is a Var
            is_old = node.op is Op.OLD
            value[node] = before(variable) if is_old else now(variable)
            reason[node] = {(variable, is_old): value[node]}
        elif node.op is Op.OCCURS:
            value[node] = int(occurs(str(node.payload), tuple(args)))
            reason[node] = _union([reason[a] for a in node.args])
        elif node.op is Op.EMPTY:
            value[node] = int(empty(int(node.payload)))  # type: ignore[call-overload]  # the payload is a CPU number
            reason[node] = {}
        else:
            value[node] = apply(node, args)
            reason[node] = _reason(node, value, reason)
    return reason[root]


def _reason(node: Expr, value: dict[Expr, int], reason: dict[Expr, dict[Leaf, int]]) -> dict[Leaf, int]:
    if node.op in (Op.AND, Op.OR):
        deciding = [a for a in node.args if value[a] == (node.op is Op.OR)]
        if deciding:
            return min((reason[a] for a in deciding), key=len)
    if node.op is Op.ITE:
        return _union([reason[node.args[0]], reason[node.args[1 if value[node.args[0]] else 2]]])
    return _union([reason[a] for a in node.args])


def _union(parts: list[dict[Leaf, int]]) -> dict[Leaf, int]:
    found: dict[Leaf, int] = {}
    for part in parts:
        found.update(part)
    return found
