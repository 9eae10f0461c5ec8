# SPDX-License-Identifier: GPL-2.0-or-later
"""Small flat systems built by hand, for the tests of the symbolic engine and of the exports."""

from __future__ import annotations

from contextlib import suppress

from lostirq.errors import Span
from lostirq.interpret import Interpreter, RangeError
from lostirq.ir import expr as x
from lostirq.ir.expr import BOOL, Expr, Role, Type, Var, int_type
from lostirq.ir.system import Access, Edge, Fair, Location, Memory, Process, Sort, System

Assigns = tuple[tuple[Var, Expr], ...]
Step = tuple[int, int, Expr, Assigns]  # source, destination, guard, assignments


def memory(name: str, type_: Type, init: int = 0, unit: int = 0) -> Var:
    return Var(name, type_, init, Role.MEMORY, unit=unit)


def system(name: str, variables: tuple[Var, ...], processes: dict[str, list[Step]]) -> System:
    """A flat system; locations of a process count from 0, the first is its start, one without steps is idle."""
    made: list[Process] = []
    edges: list[Edge] = []
    for index, (title, steps) in enumerate(processes.items()):
        size = 1 + max(max(s, d) for s, d, _, _ in steps)
        pc = Var(f"{title}.pc", int_type(0, size - 1), 0, Role.PC, owner=index)
        busy = {s for s, _, _, _ in steps}
        places = tuple(Location(Span(), title, idle=i not in busy) for i in range(size))
        made.append(Process(index, title, title, -1, Sort.THREAD, pc, places))
        for s, d, guard, assigns in steps:
            edges.append(Edge(len(edges), index, s, d, guard, assigns, Access.ATOMIC, False, frozenset(), (),
                              Fair.WEAK, Span(), title, (title,), f"{s} -> {d}"))  # fmt: skip
    return System(name, Memory.SC, True, (*variables, *(p.pc for p in made)), tuple(made), tuple(edges), (), 0)


def peterson(broken: bool = False) -> System:
    """Two processes, one access a step; `broken` sets the flag after the turn."""
    flags = tuple(memory(f"flag[{i}]", BOOL, unit=i) for i in range(2))
    turn = memory("turn", int_type(0, 1), unit=2)
    processes: dict[str, list[Step]] = {}
    for me in range(2):
        other = 1 - me
        raise_flag: Assigns = ((flags[me], x.TRUE),)
        give_turn: Assigns = ((turn, x.integer(other)),)
        first, second = (give_turn, raise_flag) if broken else (raise_flag, give_turn)
        processes[f"p{me}"] = [
            (0, 1, x.TRUE, first),
            (1, 2, x.TRUE, second),
            (2, 4, x.not_(x.var(flags[other])), ()),
            (2, 3, x.var(flags[other]), ()),
            (3, 4, x.eq(x.var(turn), x.integer(me)), ()),
            (3, 2, x.eq(x.var(turn), x.integer(other)), ()),
            (4, 0, x.TRUE, ((flags[me], x.FALSE),)),
        ]
    return system("peterson", (*flags, turn), processes)


def successors(s: System, state: dict[Var, int]) -> dict[int, dict[Var, int]]:
    """The state after each enabled edge, by its index, as the interpreter has it; out of range there is none."""
    interpreter = Interpreter(s)
    start = (tuple(state.values()), ())
    found: dict[int, dict[Var, int]] = {}
    for move in interpreter.moves(start):
        with suppress(RangeError):
            found[move] = dict(zip(s.variables, interpreter.step(start, move)[0], strict=True))
    return found
