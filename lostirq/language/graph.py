# SPDX-License-Identifier: GPL-2.0-or-later
"""The control-flow graph of one process after inlining: primitive operations with all references resolved.

Invariants: node 0 is the entry; `succ` has one entry per way out (two for BRANCH: true, false; one per option for
CHOICE; none for END).  `reads` lists one group of access units per read that the program text makes; which of them
are accesses is only known when it is known what is shared.
"""

from __future__ import annotations

from dataclasses import dataclass, field, fields, replace
from enum import Enum
from operator import attrgetter

from lostirq.errors import Span
from lostirq.ir.expr import TRUE, Expr, Var
from lostirq.ir.system import Access, Sort
from lostirq.language.places import Copy, Write


class Op(Enum):
    NOP = "nop"  # loop heads and joins
    ASSIGN = "assign"  # parallel writes; `cond` must hold (spin_lock)
    BRANCH = "branch"
    WAIT = "wait"
    CHOICE = "choice"  # match choose(): one option per successor
    PICK = "pick"  # v = choose(T)
    FENCE = "fence"
    STEP = "step"
    ATOMIC = "atomic"  # entry of an atomic block
    EVENT = "event"
    MARK = "mark"  # idle() and strong()
    END = "end"


@dataclass(frozen=True, slots=True)
class Turn:
    """A turn of an unrolled loop: the inlined copy that it is in, where it begins (line, column), the value of its
    variable."""

    path: str
    begin: tuple[int, int]
    value: int


@dataclass(frozen=True, eq=False, slots=True)
class Frame:
    """Where an operation stands: shared by the operations of one statement."""

    span: Span
    text: str
    function: str
    stack: tuple[str, ...]
    windows: frozenset[str]
    path: str = ""  # of the inlined copy: the prefix of the names of its locals
    turns: tuple[Turn, ...] = ()  # of the loops around it, outermost first


@dataclass(eq=False, slots=True)
class Node:
    """One operation."""

    index: int
    op: Op
    frame: Frame
    region: int = 0  # the atomic block that it lies in, 0 for none
    cond: Expr = TRUE  # BRANCH, WAIT; ASSIGN: must hold
    writes: tuple[Write, ...] = ()
    reads: tuple[frozenset[int], ...] = ()
    access: Access = Access.NONE  # LOCKED and FENCE drain
    look: bool = False  # several reads are one atomic look
    guards: tuple[Expr, ...] = ()  # CHOICE, one per option
    labels: tuple[str, ...] = ()
    pick: Var | None = None
    options: tuple[tuple[int, Expr], ...] = ()  # PICK: values, each under a guard
    event: str = ""
    args: tuple[Expr, ...] = ()
    marks: frozenset[str] = frozenset()
    succ: list[int] = field(default_factory=list)
    touched: frozenset[int] = frozenset()  # units read or written, after folding
    stores: frozenset[int] = frozenset()  # units written
    buffered: bool = False
    location: bool = False

    def expressions(self) -> list[Expr]:
        found = [self.cond, *self.guards, *self.args, *(g for _, g in self.options)]
        for w in self.writes:
            found += [w.value, w.cond]
        return found


_FIELDS = attrgetter(*(f.name for f in fields(Node)))


def drains(node: Node) -> bool:
    """Whether an operation takes place only with an empty buffer."""
    return node.op in (Op.FENCE, Op.ATOMIC) or node.access is Access.LOCKED


@dataclass(eq=False, slots=True)
class Graph:
    """A process: its operations, and what the scenario says about it."""

    name: str
    family: str
    instance: int
    sort: Sort
    nodes: list[Node]
    locals: list[Var]
    cpu: Expr | None = None
    holds: Expr = TRUE
    masked: Expr | None = None
    symmetric: bool = False
    column: str = ""
    span: Span = Span()
    copies: tuple[Copy, ...] = ()
    private_cpu: bool = False
    rest: int = -1  # HANDLER: the operation at which it is not active
    exit_fence: int = -1  # HANDLER: the drain before it returns to its rest, if one is needed

    def own(self) -> Graph:
        """A copy whose operations can be changed without changing these."""
        return replace(self, nodes=[Node(*_FIELDS(n)) for n in self.nodes], locals=list(self.locals))

    def reachable(self) -> list[Node]:
        """Nodes that the entry reaches, in reverse postorder."""
        seen = {0}
        order: list[Node] = []
        stack: list[tuple[int, int]] = [(0, 0)]
        while stack:
            index, k = stack.pop()
            succ = self.nodes[index].succ
            if k < len(succ):
                stack.append((index, k + 1))
                if succ[k] >= 0 and succ[k] not in seen:
                    seen.add(succ[k])
                    stack.append((succ[k], 0))
            else:
                order.append(self.nodes[index])
        order.reverse()
        return order


Pending = list[tuple[int, int]]  # ways out (node, number) that lead to the operation that comes next


@dataclass(slots=True)
class Loop:
    """The ways out of a loop that is being expanded."""

    head: int  # -1 in an unrolled loop
    breaks: Pending = field(default_factory=list)
    continues: Pending = field(default_factory=list)
