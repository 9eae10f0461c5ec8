# SPDX-License-Identifier: GPL-2.0-or-later
"""Which of the conditions that decide a formula say no more than that nobody moves: they are told in one line.

Invariant: "nobody else moves" is said only if the conditions say it of every process but those of one family, of every
message and of every store buffer; otherwise what they say is told in parts.
"""

from __future__ import annotations

from collections.abc import Iterable

from lostirq.ir.expr import Expr, Op, Role, Var, postorder
from lostirq.ir.system import Memory, Process, System

Condition = tuple[Expr, int]    # (node, its value)


def leaves(node: Expr) -> list[Expr]:
    return [n for n in postorder([node]) if n.op in (Op.VAR, Op.OLD)]


def locations(node: Expr, leaf: Expr) -> list[int]:
    """The locations that a condition on one program counter names."""
    if node.op is Op.IN and node.args[0] is leaf:
        return [int(k) for k in node.payload]  # type: ignore[attr-defined]  # the payload of IN is a tuple of ints
    if node.op is Op.EQ and node.args[0] is leaf and node.args[1].op is Op.CONST:
        return [int(node.args[1].payload)]  # type: ignore[call-overload]  # the payload of CONST is an int
    return []


class Rest:
    """The conditions of a formula, taken apart.  `others`: those that say more than that something is at rest;
    `resting`: the owner of each process that is only said to be at rest."""

    def __init__(self, system: System, conditions: Iterable[Condition], value: dict[Expr, int]) -> None:
        self.system = system
        self.others: list[Condition] = []
        self.resting: dict[int, Condition] = {}
        self._silent: dict[Var, Condition] = {}
        self._empty: dict[int, Condition] = {}
        for node, truth in conditions:
            if node.op is Op.EMPTY and truth:
                self._empty[int(node.payload)] = (node, truth)  # type: ignore[call-overload]  # a CPU number
                continue
            found = leaves(node)
            v = self._alone(found)
            if v is not None and v.message and value[found[0]] == v.init:
                self._silent[v] = (node, truth)
            elif v is not None and truth and self._only_rests(node, found[0], v):
                self.resting[v.owner] = (node, truth)
            else:
                self.others.append((node, truth))
        if not self._no_message():
            self.others += self._silent.values()
        if not self._no_store():
            self.others += self._empty.values()

    @staticmethod
    def _alone(found: list[Expr]) -> Var | None:
        """The one variable, as it is now, that a condition looks at."""
        if len(found) != 1 or found[0].op is not Op.VAR:
            return None
        return found[0].payload  # type: ignore[return-value]  # the payload of VAR is a Var

    def _only_rests(self, node: Expr, leaf: Expr, v: Var) -> bool:
        """Is it at rest, wherever?  That a vCPU is asleep says more."""
        if v.role is not Role.PC:
            return False
        return set(locations(node, leaf)) == {k for k, at in enumerate(self.system.processes[v.owner].locations)
                                              if at.idle}

    def _no_message(self) -> bool:
        return all(v in self._silent for v in self.system.variables if v.message)

    def _no_store(self) -> bool:
        return self.system.memory is Memory.SC or all(cpu in self._empty for cpu in range(self.system.cpus))

    def _moving(self) -> list[Process]:
        """The processes of which the conditions do not say that they are at rest."""
        return [p for k, p in enumerate(self.system.processes)
                if k not in self.resting and not all(at.idle for at in p.locations)]

    def nobody(self) -> bool:
        """Do the conditions say that nobody moves, but for processes of one family?"""
        alone = len({p.family for p in self._moving()}) < 2 and (self.resting or len(self.system.processes) < 2)
        return bool(alone) and self._no_message() and self._no_store() and bool(self._silent or self._empty)

    def said(self) -> list[str]:
        """What is said of messages and store buffers, in short."""
        facts = ["no message in flight"] if self._silent and self._no_message() else []
        return facts + (["store buffers empty"] if self._empty and self._no_store() else [])

    def line(self) -> str:
        """That nobody moves."""
        return f"nobody {'else ' if self._moving() else ''}moves: {', '.join(self.said())}"

    def settled(self, value: dict[Expr, int]) -> list[Condition]:
        """Where nobody is spared: who rests elsewhere than where it began."""
        pcs = {v.owner: v for v in self.system.variables if v.role is Role.PC}
        return [] if self._moving() else [c for owner, c in self.resting.items()
                                          if value[leaves(c[0])[0]] != pcs[owner].init]
