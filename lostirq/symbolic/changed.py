# SPDX-License-Identifier: GPL-2.0-or-later
"""Which transitions of a system another one does not have, whatever its locations are numbered.

Variables go by their names, and a location by what is there (`lostirq.symbolic.certificate.places`), as in a
certificate.  Invariant: an edge that is not named does the same, under the same guard, between the same locations, as
one of the other system; a program counter that is read otherwise than by comparison with numbers makes no edge equal.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

from lostirq.ir.expr import Expr, Op, Var, fold
from lostirq.ir.system import System
from lostirq.symbolic.certificate import places

Key = int


@dataclass(frozen=True, slots=True)
class Change:
    """`edges`: indices of those that the base does not have.  `same_frame`: variables, initial values, processes and
    locations are those of the base."""

    edges: frozenset[int]
    same_frame: bool


class Shapes:
    """Numbers for what is equal in several systems: terms, edges, and the frame that they stand in."""

    def __init__(self) -> None:
        self._numbers: dict[tuple[object, ...], Key] = {}

    def _number(self, what: tuple[object, ...]) -> Key:
        return self._numbers.setdefault(what, len(self._numbers))

    def of(self, system: System) -> tuple[list[Key], Key]:
        """The numbers of the edges, in order, and that of the frame."""
        labels = {p.pc: places(p) for p in system.processes}
        memo: dict[Expr, Key] = {}

        def visit(node: Expr, args: list[Key]) -> Key:
            counter = next((a.payload for a in node.args if a.op is Op.VAR and a.payload in labels), None)
            if counter is not None:
                return self._compared(node, args, labels[counter], system)
            if node.op in (Op.VAR, Op.OLD):
                v = cast(Var, node.payload)
                return self._number((node.op, v.name, None if v in labels else v.type))
            return self._number((node.op, node.payload, node.type, *args))

        def term(e: Expr) -> Key:
            return fold(e, visit, memo)

        edges = [
            self._number((
                "edge", p.name, labels[p.pc][e.src], labels[p.pc][e.dst], term(p.runs), term(e.guard),
                *((v.name, term(rhs)) for v, rhs in e.assigns),
                *((event.name, *map(term, event.args)) for event in e.events),
            ))
            for e in system.edges for p in (system.processes[e.process],)
        ]  # fmt: skip
        frame = (*((v.name, labels.get(v) and labels[v][v.init], None if v in labels else (v.type, v.init))
                   for v in system.variables),
                 *((p.name, p.pc.name, frozenset(labels[p.pc])) for p in system.processes))  # fmt: skip
        return edges, self._number(("frame", *frame))

    def _compared(self, node: Expr, args: list[Key], labels: list[str], system: System) -> Key:
        """A comparison of a program counter with numbers; of another kind, a number that nothing else has."""
        if node.op is Op.IN:
            values = cast(tuple[int, ...], node.payload)
            return self._number((node.op, args[0], frozenset(labels[v] for v in values if v < len(labels))))
        constants = [a for a in node.args if a.op is Op.CONST]
        if node.op is Op.EQ and len(constants) == 1 and cast(int, constants[0].payload) < len(labels):
            of = next(n for a, n in zip(node.args, args, strict=True) if a.op is Op.VAR)
            return self._number((node.op, of, labels[cast(int, constants[0].payload)]))
        return self._number((node.op, id(system), node))


def change(base: tuple[list[Key], Key], patched: tuple[list[Key], Key]) -> Change:
    """What the patched system has that the base does not have, from their numbers (`Shapes.of`)."""
    known = frozenset(base[0])
    edges = frozenset(n for n, key in enumerate(patched[0]) if key not in known)
    return Change(edges, base[1] == patched[1])
