# SPDX-License-Identifier: GPL-2.0-or-later
"""A short way to write a small system by hand, for tests of the semantics."""

from __future__ import annotations

from lostirq.errors import Span
from lostirq.ir import expr as x
from lostirq.ir.expr import BOOL, TRUE, Expr, Role, Type, Var
from lostirq.ir.system import Access, Edge, Event, Fair, Form, Location, Memory, Process, Property, Sort, System


def memory(name: str, type_: Type = BOOL, init: int = 0, unit: int = -1) -> Var:
    """A shared variable; without `unit` it is an access unit of its own."""
    own = 1000 + sum(ord(c) << i for i, c in enumerate(name))
    return Var(name, type_, init, Role.MEMORY, -1, unit if unit >= 0 else own)


def local(name: str, owner: int, type_: Type = BOOL) -> Var:
    return Var(name, type_, 0, Role.LOCAL, owner)


class Sketch:
    """Processes are lists of edges; the locations follow from them."""

    def __init__(self, *variables: Var, model: Memory = Memory.TSO, cpus: int = 2, depth: int = 2) -> None:
        self.variables, self.model, self.cpus, self.depth = list(variables), model, cpus, depth
        self.edges: list[Edge] = []
        self.places: list[tuple[int, frozenset[int], Expr, Expr | None]] = []
        self.properties: list[Property] = []

    def process(
        self, locations: int, *, idle: tuple[int, ...] = (), cpu: Expr | int | None = None, runs: Expr = TRUE,
    ) -> int:
        """A process with that many locations, started at 0; its number."""
        number = x.integer(cpu) if isinstance(cpu, int) else cpu
        self.places.append((locations, frozenset(idle), runs, number))
        return len(self.places) - 1

    def edge(
        self, process: int, src: int, dst: int, *assigns: tuple[Var, Expr], guard: Expr = TRUE, late: bool = False,
        drains: bool = False, fair: Fair = Fair.WEAK, events: tuple[Event, ...] = (), text: str = "",
    ) -> int:
        """An edge; with `late` its stores to memory are buffered.  Its index."""
        units = frozenset(v.unit for v, _ in assigns if v.role is Role.MEMORY) if late else frozenset()
        access = Access.LOCKED if drains else Access.STORE if assigns else Access.NONE
        index = len(self.edges)
        self.edges.append(Edge(
            index, process, src, dst, guard, assigns, access, drains, units, events, fair, Span("hand.py", index + 1),
            f"f{process}", (f"f{process}",), text or f"edge {index}",
        ))
        return index

    def property(self, key: str, form: Form, formula: Expr, goal: Expr = TRUE) -> None:
        self.properties.append(Property(key, key, form, formula, goal))

    def pc(self, process: int) -> Var:
        return Var(f"p{process}.pc", x.int_type(0, self.places[process][0] - 1), 0, Role.PC, process)

    def at(self, process: int, location: int) -> Expr:
        return x.eq(x.var(self.pc(process)), x.integer(location))

    def system(self) -> System:
        processes = []
        for i, (count, idle, runs, cpu) in enumerate(self.places):
            locations = tuple(Location(Span("hand.py", n + 1), f"f{i}", idle=n in idle) for n in range(count))
            sort = Sort.HARDWARE if cpu is None else Sort.THREAD
            processes.append(Process(i, f"p{i}", f"p{i}", -1, sort, self.pc(i), locations, runs, cpu))
        variables = (*self.variables, *(p.pc for p in processes))
        depth = self.depth if self.model is Memory.TSO else 0
        return System(
            "handmade", self.model, False, variables, tuple(processes), tuple(self.edges), tuple(self.properties),
            self.cpus, depth,
        )
