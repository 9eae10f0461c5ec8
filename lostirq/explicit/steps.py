# SPDX-License-Identifier: GPL-2.0-or-later
"""Step checks, specialised to edges: a formula over a step becomes one over the state before it, or vanishes.

Most edges write nothing that a step property reads.  For them the formula differs only in which events occur and on
which side of its location tests the step begins and ends, so it is specialised once for each such combination, and
dropped where truth tables show that it cannot hit.
"""

from __future__ import annotations

from lostirq.explicit.decide import satisfiable
from lostirq.explicit.flow import location_classes
from lostirq.ir.expr import FALSE, Expr, Op, Var, and_, const, eq, old, or_, postorder, substitute, var
from lostirq.ir.system import Edge, System

Marks = tuple[tuple[str, tuple[Expr, ...]], ...]


class StepCheck:
    """One check over steps: `formula` says when it hits, over OLD, VAR and OCCURS."""

    def __init__(self, system: System, number: int, formula: Expr) -> None:
        self.number, self.formula = number, formula
        self._events = frozenset(str(n.payload) for n in postorder([formula]) if n.op is Op.OCCURS)
        self._counters = [p.pc for p in system.processes]
        self._support = formula.reads
        self._classes = {
            p.index: [_numbered(formula, p.pc, op, len(p.locations)) for op in (Op.OLD, Op.VAR)]
            for p in system.processes if p.pc in self._support
        }
        self._placed: dict[tuple[object, ...], Expr] = {}
        self._decided: dict[Expr, bool] = {}
        self._still: dict[Expr, Expr] = {}

    def hit(self, e: Edge, guard: Expr, values: dict[Var, Expr]) -> Expr:
        """When the edge hits, over the state before it.  `values`: what the edge assigns, the counter included."""
        placed = self._at(e)
        if placed is FALSE:
            return FALSE
        written = {v: x for v, x in values.items() if v in self._support and x is not var(v)}
        written.pop(self._counters[e.process], None)
        if not written:
            found = self._still.get(placed)
            if found is None:
                found = self._still[placed] = self._drop(_before(placed, {}))
            return found
        found = _before(placed, written)
        return found if self._maybe(and_(guard, found)) else FALSE

    def _at(self, e: Edge) -> Expr:
        """The formula with events and the locations of the process decided."""
        marks: Marks = tuple((x.name, x.args) for x in e.events if x.name in self._events)
        classes = self._classes.get(e.process)
        places = (e.process, classes[0][e.src], classes[1][e.dst]) if classes else (-1, 0, 0)
        key = (marks, *places)
        if key not in self._placed:
            pc = self._counters[e.process]

            def decide(leaf: Expr) -> Expr | None:
                if leaf.op is Op.OCCURS:
                    return _occurs(leaf, marks)
                if leaf.op in (Op.OLD, Op.VAR) and leaf.payload == pc:
                    return const(e.src if leaf.op is Op.OLD else e.dst, pc.type)
                return None

            self._placed[key] = substitute(self.formula, decide, {})
        return self._placed[key]

    def _drop(self, hit: Expr) -> Expr:
        return hit if self._maybe(hit) else FALSE

    def _maybe(self, hit: Expr) -> bool:
        if hit not in self._decided:
            self._decided[hit] = satisfiable(hit)
        return self._decided[hit]


def _numbered(formula: Expr, pc: Var, op: Op, size: int) -> list[int]:
    """For each location, the number of its class: the formula does not tell members of a class apart."""
    out = [0] * size
    for number, locations in enumerate(location_classes(formula, pc, op, size)):
        for at in locations:
            out[at] = number
    return out


def _occurs(leaf: Expr, marks: Marks) -> Expr:
    """OCCURS on an edge with these events.  Arguments of events, over the state before the step, become OLD."""
    same = [
        and_(*(eq(_as_old(a), b) for a, b in zip(args, leaf.args, strict=True)))
        for name, args in marks if name == leaf.payload and len(args) == len(leaf.args)
    ]
    return or_(*same)


def _as_old(root: Expr) -> Expr:
    return substitute(root, lambda n: old(n.payload) if n.op is Op.VAR else None)  # type: ignore[arg-type]  # a Var


def _before(formula: Expr, written: dict[Var, Expr]) -> Expr:
    """The formula over the state before a step that writes this."""

    def before(leaf: Expr) -> Expr | None:
        if leaf.op is Op.OLD:
            return var(leaf.payload)  # type: ignore[arg-type]  # a Var
        if leaf.op is Op.VAR:
            return written.get(leaf.payload)  # type: ignore[call-overload,no-any-return]  # a Var
        return None

    return substitute(formula, before, {})
