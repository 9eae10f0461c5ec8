# SPDX-License-Identifier: GPL-2.0-or-later
"""Processes declared interchangeable are checked to be: every instance does the same, its own locals aside.

An engine may then sort their local states.  An instance number that reaches a guard, a value that is stored in shared
memory, or the argument of an event makes them different, and the declaration an error.
"""

from __future__ import annotations

from lostirq.ir.expr import Expr, Var
from lostirq.language.assemble import Composed
from lostirq.language.rewrite import rename_in
from lostirq.language.source import Report
from lostirq.language.steps import Draft


def check(composed: list[Composed], initial: dict[Var, int], report: Report) -> None:
    """LI037 for each family whose instances differ."""
    first: dict[str, Composed] = {}
    told: set[str] = set()
    for c in composed:
        if not c.graph.symmetric or c.graph.family in told:
            continue
        reference = first.setdefault(c.graph.family, c)
        where = None if reference is c else difference(reference, c, initial)
        if where is not None:
            told.add(c.graph.family)
            report.add(
                where.node.frame.span if isinstance(where, Draft) else c.graph.span,
                "LI037",
                f"'{reference.graph.name}' and '{c.graph.name}' differ here, but '{c.graph.family}' is symmetric",
                "do not use the instance number, or remove symmetric=True",
            )


def difference(a: Composed, b: Composed, initial: dict[Var, int]) -> Draft | Composed | None:
    """The first edge in which two processes differ, the process itself if it is not an edge, or None."""
    if len(a.graph.locals) != len(b.graph.locals) or len(a.steps.drafts) != len(b.steps.drafts):
        return b
    if a.steps.locations != b.steps.locations or a.first != b.first:
        return b
    if (
        not (a.graph.private_cpu and b.graph.private_cpu or a.graph.cpu is b.graph.cpu)
        or a.graph.holds is not b.graph.holds
    ):
        return b
    names = dict(zip(b.graph.locals, a.graph.locals, strict=True))
    if any(initial.get(v, v.init) != initial.get(w, w.init) for v, w in names.items()):
        return b
    memo: dict[Expr, Expr] = {}
    for x, y in zip(a.steps.drafts, b.steps.drafts, strict=True):
        if _signature(x, {}, {}) != _signature(y, names, memo):
            return y
    return None


def _signature(d: Draft, names: dict[Var, Var], memo: dict[Expr, Expr]) -> tuple[object, ...]:
    """All that a step means; expressions are interned, so that equality is identity."""

    def sub(e: Expr) -> Expr:
        return rename_in(e, names, memo) if names else e

    assigns = frozenset((names.get(v, v), sub(e)) for v, e in d.assigns.items())
    events = tuple((e.name, tuple(sub(a) for a in e.args)) for e in d.events)
    return d.src, d.dst, sub(d.guard), assigns, events, d.choice, d.fair, d.drains
