# SPDX-License-Identifier: GPL-2.0-or-later
"""Substitution that visits only what it changes: a proof rewrites thousands of conjuncts once per edge.

Every expression has a set of variables, kept as a bit mask; a subterm whose set is disjoint from what is replaced is
returned as it is.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import cast

from lostirq.ir.expr import Expr, Op, Var, fold, rebuild


class Rewriter:
    """Masks of the variables of expressions, and substitution by them."""

    def __init__(self, variables: Iterable[Var]) -> None:
        self._bit: dict[Var, int] = {v: 1 << i for i, v in enumerate(variables)}
        self.variables = tuple(self._bit)
        self._masks: dict[Expr, int] = {}

    def mask(self, e: Expr) -> int:
        """The set of variables that an expression reads."""
        known = self._masks.get(e)
        return fold(e, self._union, self._masks) if known is None else known

    def _union(self, node: Expr, masks: list[int]) -> int:
        if node.op is Op.VAR:
            return self._bit[cast(Var, node.payload)]
        union = 0
        for m in masks:
            union |= m
        return union

    def mask_of(self, variables: Iterable[Var]) -> int:
        union = 0
        for v in variables:
            union |= self._bit[v]
        return union

    def members(self, mask: int) -> Iterator[Var]:
        """The variables of a set, in order."""
        while mask:
            low = mask & -mask
            yield self.variables[low.bit_length() - 1]
            mask ^= low

    def replace(self, root: Expr, mapping: Mapping[Var, Expr], memo: dict[Expr, Expr], touched: int) -> Expr:
        """`root` with variables replaced.  `touched`: the set of its keys; `memo` belongs to the mapping."""
        if not self.mask(root) & touched:
            return root
        found = memo.get(root)
        if found is not None:
            return found
        stack = [(root, False)]
        while stack:
            node, ready = stack.pop()
            if node in memo:
                continue
            if not self.mask(node) & touched:
                memo[node] = node
            elif node.op is Op.VAR:
                memo[node] = mapping[cast(Var, node.payload)]
            elif ready:
                memo[node] = rebuild(node, [memo[a] for a in node.args])
            else:
                stack.append((node, True))
                stack.extend((a, False) for a in node.args if a not in memo)
        return memo[root]
