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
from lostirq.ir.system import Edge, System
from lostirq.symbolic.certificate import places

Key = int


@dataclass(frozen=True, slots=True)
class Change:
    """`edges`: indices of those that the base does not have.  `same_frame`: variables, initial values and processes are
    those of the base, and there is no location that it does not have."""

    edges: frozenset[int]
    same_frame: bool


@dataclass(frozen=True, slots=True)
class Shape:
    """Of one system: the numbers of its edges, in order, that of its frame, and those of its locations."""

    edges: tuple[Key, ...]
    frame: Key
    places: frozenset[Key]


class Shapes:
    """Numbers for what is equal in several systems: terms, edges, and the frame that they stand in."""

    def __init__(self) -> None:
        self._numbers: dict[tuple[object, ...], Key] = {}

    def _number(self, what: tuple[object, ...]) -> Key:
        return self._numbers.setdefault(what, len(self._numbers))

    def of(self, system: System) -> Shape:
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

        def edge(e: Edge) -> Key:
            p = system.processes[e.process]
            return self._number((
                "edge", p.name, labels[p.pc][e.src], labels[p.pc][e.dst], term(p.runs), term(e.guard),
                *((v.name, term(rhs)) for v, rhs in e.assigns),
                *((event.name, *map(term, event.args)) for event in e.events),
            ))  # fmt: skip

        frame = self._number((
            "frame",
            *((v.name, labels[v][v.init]) if v in labels else (v.name, v.type, v.init) for v in system.variables),
            *((p.name, p.pc.name) for p in system.processes),
        ))  # fmt: skip
        known = frozenset(self._number(("place", p.name, label)) for p in system.processes for label in labels[p.pc])
        return Shape(tuple(map(edge, system.edges)), frame, known)

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


def change(base: Shape, patched: Shape) -> Change:
    """What the patched system has that the base does not have."""
    known = frozenset(base.edges)
    edges = frozenset(n for n, key in enumerate(patched.edges) if key not in known)
    return Change(edges, base.frame == patched.frame and patched.places <= base.places)
