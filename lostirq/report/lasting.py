# SPDX-License-Identifier: GPL-2.0-or-later
"""Why a formula stays as it is round after round of a loop: the conditions that keep their values in all of its states.

Invariant: any state in which these conditions are as they are here gives the formula the same value; they are so in
every state of the loop.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from lostirq.ir.expr import Expr, Kind, Op, postorder
from lostirq.report.resting import Condition

_TRUTH = (Op.NOT, Op.AND, Op.OR, Op.ITE, Op.CONST)     # what is looked through


def lasting(root: Expr, values: Sequence[Mapping[Expr, int]]) -> list[Condition] | None:
    """Conditions that suffice for the value of a formula in every state, given the value of every node in each; None
    if those that last do not suffice.  Linear in nodes times states, times the number of conditions."""
    found: dict[Expr, dict[Expr, int] | None] = {}      # None: what lasts does not decide it
    for node in postorder([root]):
        if node.type.kind is not Kind.BOOL:
            continue
        known = [found[a] for a in node.args] if node.op in _TRUTH else []
        if len({v[node] for v in values}) > 1:
            found[node] = None
        elif node.op in (Op.AND, Op.OR):
            alone = [r for a, r in zip(node.args, known, strict=True)
                     if r is not None and values[0][a] == (node.op is Op.OR)]
            found[node] = min(alone, key=len) if alone else _all(known)
        elif node.op is Op.ITE:
            branch = node.args[1 if values[0][node.args[0]] else 2]
            found[node] = _all([found[node.args[0]], found[branch]])
        else:
            found[node] = _all(known) if node.op in _TRUTH else {node: values[0][node]}
    decided = found[root]
    return None if decided is None else list(decided.items())


def _all(parts: Sequence[dict[Expr, int] | None]) -> dict[Expr, int] | None:
    found: dict[Expr, int] = {}
    for part in parts:
        if part is None:
            return None
        found.update(part)
    return found
