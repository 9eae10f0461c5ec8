# SPDX-License-Identifier: GPL-2.0-or-later
"""Interchangeable processes: which variables belong to which member, and a proof that swapping them changes nothing.

A declared set (`Process.symmetric`) is only a claim.  Variables of two members are matched by walking their edges side
by side; then every swap of the first member with another must map the edges of every process, their `runs` and every
checked property onto themselves.  Only then may states be sorted.  The store buffer of a member's private CPU is a part
of the member.

Reference: Ip and Dill 1996, "Better verification through symmetry" (scalarsets; here checked instead of typed).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from lostirq.ir.expr import Expr, Op, Role, Var, is_const, old, postorder, substitute, value_of, var
from lostirq.ir.system import Edge, Process, Property, Sort, System

_COMMUTATIVE = frozenset((Op.AND, Op.OR, Op.EQ, Op.ADD, Op.BAND, Op.BOR, Op.BXOR))


@dataclass(frozen=True, slots=True)
class SymmetricSet:
    """`variables[m]`: what belongs to member m, in corresponding order, its program counter first."""

    name: str
    processes: tuple[int, ...]
    variables: tuple[tuple[Var, ...], ...]


class _Mismatch(Exception):
    """Why two members are not interchangeable."""


def find(system: System, properties: tuple[Property, ...]) -> tuple[tuple[SymmetricSet, ...], dict[str, str]]:
    """The sets whose members are interchangeable, and for the other declared sets why they are not."""
    declared: dict[str, list[Process]] = {}
    for p in system.processes:
        if p.symmetric:
            declared.setdefault(p.symmetric, []).append(p)
    found: list[SymmetricSet] = []
    refused: dict[str, str] = {}
    for name, members in declared.items():
        if len(members) < 2:
            continue
        try:
            found.append(_Matcher(system, properties, members).match(name))
        except _Mismatch as reason:
            refused[name] = str(reason)
    return tuple(found), refused


class _Matcher:
    """Matching and checking of one declared set."""

    def __init__(self, system: System, properties: tuple[Property, ...], members: list[Process]) -> None:
        self.system, self.properties, self.members = system, properties, members
        self.edges: dict[int, list[Edge]] = {p.index: [] for p in system.processes}
        for e in system.edges:
            self.edges[e.process].append(e)
        self._classes: dict[tuple[object, ...], int] = {}
        self._class_of: dict[Expr, int] = {}

    def match(self, name: str) -> SymmetricSet:
        order = {v: i for i, v in enumerate(self.system.variables)}
        swaps: list[dict[Var, Var]] = []
        for other in self.members[1:]:
            swap = self.pair(self.members[0], other)
            swaps.append({v: w for v, w in swap.items() if v != w})
        moved = sorted(swaps[0], key=lambda v: (v != self.members[0].pc, order[v]))
        if any(set(s) != set(moved) for s in swaps):
            raise _Mismatch("its members use different variables")
        variables = [tuple(moved), *(tuple(s[v] for v in moved) for s in swaps)]
        flat = [v for m in variables for v in m]
        if len(set(flat)) != len(flat):
            raise _Mismatch("its members share variables that tell them apart")
        for other, swap in zip(self.members[1:], swaps, strict=True):
            self.verify(other, swap | {w: v for v, w in swap.items()})
        return SymmetricSet(name, tuple(p.index for p in self.members), tuple(variables))

    # -- matching -------------------------------------------------------------------------------------------------

    def satellite(self, p: Process) -> Process | None:
        """The process that flushes the store buffer of the private CPU of `p`."""
        if p.cpu is None or not is_const(p.cpu):
            return None
        return next((b for b in self.system.processes if b.sort is Sort.BUFFER and b.instance == value_of(p.cpu)), None)

    def pair(self, a: Process, b: Process) -> dict[Var, Var]:
        """Corresponding variables of two members."""
        found: dict[Var, Var] = {}
        pairs = [(a, b)]
        near, far = self.satellite(a), self.satellite(b)
        if near is not None and far is not None and near is not far:
            pairs.append((near, far))
        for p, q in pairs:
            self.unify_variable(p.pc, q.pc, found)
            mine, theirs = self.edges[p.index], self.edges[q.index]
            if len(mine) != len(theirs) or [x.idle for x in p.locations] != [x.idle for x in q.locations]:
                raise _Mismatch(f"{p.name} and {q.name} have different steps")
            self.unify(p.runs, q.runs, found)
            for e, f in zip(mine, theirs, strict=True):
                if (e.src, e.dst, e.fair, len(e.assigns)) != (f.src, f.dst, f.fair, len(f.assigns)):
                    raise _Mismatch(f"{p.name} and {q.name} have different steps")
                self.unify(e.guard, f.guard, found)
                for (v, x), (w, y) in zip(e.assigns, f.assigns, strict=True):
                    self.unify_variable(v, w, found)
                    self.unify(x, y, found)
        locals_ = [v for v in self.system.variables if v.owner in (a.index, b.index) and v.role is Role.LOCAL]
        if any(v not in found and v not in found.values() for v in locals_):
            raise _Mismatch(f"{a.name} and {b.name} have different local variables")
        return found

    def unify_variable(self, v: Var, w: Var, found: dict[Var, Var]) -> None:
        if found.setdefault(v, w) != w or v.type != w.type or v.init != w.init:
            raise _Mismatch(f"{v.name} and {w.name} do not correspond")

    def unify(self, x: Expr, y: Expr, found: dict[Var, Var]) -> None:
        todo = [(x, y)]
        seen: set[tuple[Expr, Expr]] = set()
        while todo:
            a, b = todo.pop()
            if (a, b) in seen:
                continue
            seen.add((a, b))
            if a.op is not b.op or len(a.args) != len(b.args):
                raise _Mismatch("its members compute differently")
            if a.op is Op.VAR:
                self.unify_variable(a.payload, b.payload, found)  # type: ignore[arg-type]  # Vars
            elif a.payload != b.payload:
                raise _Mismatch("its members use different constants")
            todo.extend(zip(a.args, b.args, strict=True))

    # -- verification ---------------------------------------------------------------------------------------------

    def verify(self, other: Process, swap: dict[Var, Var]) -> None:
        """Swapping the first member with `other` maps the system and its properties onto themselves."""
        memo: dict[Expr, Expr] = {}
        first = self.members[0]
        image = {first.index: other.index, other.index: first.index}
        near, far = self.satellite(first), self.satellite(other)
        if near is not None and far is not None:
            image |= {near.index: far.index, far.index: near.index}
        for p in self.system.processes:
            target = self.system.processes[image.get(p.index, p.index)]
            if self.key(self.swapped(p.runs, swap, memo)) != self.key(target.runs):
                raise _Mismatch(f"{p.name} tells its members apart")
            if p is not target or self.mentions(p, swap):
                mapped = Counter(self.shape(e, swap, memo) for e in self.edges[p.index])
                if mapped != Counter(self.shape(e, {}, {}) for e in self.edges[target.index]):
                    raise _Mismatch(f"{p.name} tells its members apart")
        for prop in self.properties:
            if not prop.symmetric:
                raise _Mismatch(f"property {prop.key} tells its members apart")
            for formula in (prop.formula, prop.goal):
                if self.key(self.swapped(formula, swap, memo)) != self.key(formula):
                    raise _Mismatch(f"property {prop.key} tells its members apart")

    def mentions(self, p: Process, swap: dict[Var, Var]) -> bool:
        for e in self.edges[p.index]:
            roots = [e.guard, *(x for _, x in e.assigns), *(a for ev in e.events for a in ev.args)]
            if any(v in swap for v, _ in e.assigns) or any(not r.reads.isdisjoint(swap) for r in roots):
                return True
        return False

    def swapped(self, root: Expr, swap: dict[Var, Var], memo: dict[Expr, Expr]) -> Expr:
        if not swap or root.reads.isdisjoint(swap):
            return root

        def other(leaf: Expr) -> Expr | None:
            if leaf.op in (Op.VAR, Op.OLD) and leaf.payload in swap:
                make = var if leaf.op is Op.VAR else old
                return make(swap[leaf.payload])
            return None

        return substitute(root, other, memo)

    def shape(self, e: Edge, swap: dict[Var, Var], memo: dict[Expr, Expr]) -> tuple[object, ...]:
        """What an edge is, up to the order of commutative operands and of assignments."""
        assigns = frozenset((swap.get(v, v), self.key(self.swapped(x, swap, memo))) for v, x in e.assigns)
        events = frozenset((x.name, tuple(self.key(self.swapped(a, swap, memo)) for a in x.args)) for x in e.events)
        return (e.src, e.dst, self.key(self.swapped(e.guard, swap, memo)), assigns, events, e.fair)

    def key(self, root: Expr) -> int:
        """A number that is equal for expressions that are equal up to commutativity."""
        if root not in self._class_of:
            for n in postorder([root]):
                if n not in self._class_of:
                    args: Iterable[int] = (self._class_of[a] for a in n.args)
                    ordered = tuple(sorted(args)) if n.op in _COMMUTATIVE else tuple(args)
                    signature = (n.op, n.payload, n.type, ordered)
                    self._class_of[n] = self._classes.setdefault(signature, len(self._classes))
        return self._class_of[root]
