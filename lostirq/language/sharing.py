# SPDX-License-Identifier: GPL-2.0-or-later
"""Constants folded away, and what is shared derived, over the control-flow graphs of all processes.

A variable to which nothing but its initial value is ever written is a constant; folding it cuts branches, which
removes writers, so both are repeated until nothing changes.  A unit is shared if two processes touch it and one of
them writes it.  What `cpu=`, `holds=` and `masked=` of a process read counts as touched by that process (a write to it
by another is a step: cli and sti are real steps), though reading it there is none.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from lostirq.ir.expr import FALSE, TRUE, Expr, Kind, Role, Var, is_const, value_of
from lostirq.ir.system import Access
from lostirq.language.graph import Graph, Node, Op
from lostirq.language.places import Write
from lostirq.language.rewrite import is_var, literal, put_in
from lostirq.language.source import Report


@dataclass(slots=True)
class _Facts:
    """What one operation says of variables: those that it mentions, and what it writes, None for no constant."""

    seen: dict[Var, None]
    writes: list[tuple[Var, int | None]]


class Folder:
    """Substitutes constants in graphs until nothing changes; `constants` holds all that were found.

    Only the operations that a new constant changes are looked at again."""

    def __init__(self, graphs: list[Graph], initial: dict[Var, int]) -> None:
        self.graphs = graphs
        self.initial = initial
        self.constants: dict[Var, Expr] = {}
        self._facts: dict[Node, _Facts] = {}
        self._mentions: dict[Var, list[Node]] = {}

    def run(self) -> None:
        live = changed = [node for g in self.graphs for node in g.reachable()]
        for node in live:
            facts = self._facts[node] = self._facts_of(node)
            for v in facts.seen:
                self._mentions.setdefault(v, []).append(node)
        while changed:
            cut = [node for node in changed if _prune(node)]
            if cut:
                self._facts.update((node, self._facts_of(node)) for node in cut)
                live = [node for g in self.graphs for node in g.reachable()]
            fresh = self._fresh_constants(live)
            self.constants.update(fresh)
            changed = self._apply(fresh)
        for g in self.graphs:
            g.cpu = None if g.cpu is None else put_in(g.cpu, self.constants)
            g.holds = put_in(g.holds, self.constants)
            g.masked = None if g.masked is None else put_in(g.masked, self.constants)

    def _facts_of(self, node: Node) -> _Facts:
        facts = _Facts({}, [])
        for w in node.writes:
            facts.seen[w.var] = None
            if w.cond is not FALSE and not is_var(w.value, w.var):
                facts.writes.append((w.var, value_of(w.value) if is_const(w.value) else None))
        if node.pick is not None:
            facts.seen[node.pick] = None
            values: set[int | None] = {v for v, _ in node.options}
            facts.writes += [(node.pick, v) for v in (values if len(values) == 1 else (None,))]
        for e in node.expressions():
            facts.seen.update(dict.fromkeys(e.reads))
        return facts

    def _fresh_constants(self, live: list[Node]) -> dict[Var, Expr]:
        written: dict[Var, set[int | None]] = {}
        deciding = [e for g in self.graphs for e in (g.cpu, g.holds, g.masked) if e is not None]
        seen: dict[Var, None] = {v: None for e in deciding for v in e.reads}
        for node in live:
            facts = self._facts[node]
            seen.update(facts.seen)
            for v, value in facts.writes:
                written.setdefault(v, set()).add(value)
        fresh: dict[Var, Expr] = {}
        for v in seen:
            values_of = written.get(v)
            if v.role in (Role.MEMORY, Role.GHOST):
                start = self.initial.get(v, v.init)
                if values_of is None or values_of == {start}:
                    fresh[v] = literal(v, start)
            elif values_of is None or len(values_of) == 1 and None not in values_of:
                value = v.init if values_of is None else next(iter(values_of))
                if value is not None and v.type.kind is Kind.INT and not v.type.lo <= value <= v.type.hi:
                    continue  # out of range: left for the engines to report
                fresh[v] = literal(v, v.init if value is None else value)
        return {v: e for v, e in fresh.items() if v not in self.constants}

    def _apply(self, fresh: dict[Var, Expr]) -> list[Node]:
        """The operations that have changed."""
        memo: dict[Expr, Expr] = {}

        def sub(e: Expr) -> Expr:
            return e if e.reads.isdisjoint(fresh.keys()) else put_in(e, fresh, memo)

        changed = list({node: None for v in fresh for node in self._mentions.get(v, ())})
        for node in changed:
            node.cond = sub(node.cond)
            node.guards = tuple(sub(g) for g in node.guards)
            node.args = tuple(sub(a) for a in node.args)
            node.options = tuple((v, sub(g)) for v, g in node.options)
            node.writes = tuple(Write(w.var, sub(w.value), sub(w.cond)) for w in node.writes if w.var not in fresh)
            node.writes = tuple(w for w in node.writes if w.cond is not FALSE)
            if node.pick in fresh:
                node.op, node.pick, node.options = Op.NOP, None, ()
            self._facts[node] = self._facts_of(node)
        return changed


def _prune(node: Node) -> bool:
    """Cut ways that cannot be taken."""
    if node.op is Op.BRANCH and is_const(node.cond):
        node.succ = [node.succ[0 if node.cond is TRUE else 1]]
        node.op, node.cond = Op.NOP, TRUE
    elif node.op is Op.CHOICE and any(g is FALSE for g in node.guards):
        kept = [k for k, g in enumerate(node.guards) if g is not FALSE]
        node.succ = [node.succ[k] for k in kept]
        node.guards = tuple(node.guards[k] for k in kept)
        node.labels = tuple(node.labels[k] for k in kept)
    elif node.op is Op.PICK and any(g is FALSE for _, g in node.options):
        node.options = tuple(o for o in node.options if o[1] is not FALSE)
    elif node.op in (Op.WAIT, Op.ASSIGN) and node.cond is FALSE and node.succ:
        node.succ = []
    else:
        return False
    return True


@dataclass(slots=True)
class Sharing:
    """`shared`: access units that several processes touch; `watched`: units on which it depends who may run."""

    shared: frozenset[int]
    watched: frozenset[int]


def derive(graphs: list[Graph]) -> Sharing:
    """Which units are shared; sets `touched` and `stores` of every operation to the shared units."""
    touched: dict[int, set[int]] = {}
    written: set[int] = set()
    watched: set[int] = set()
    units: dict[Node, tuple[frozenset[int], frozenset[int]]] = {}
    for k, graph in enumerate(graphs):
        for e in (graph.cpu, graph.holds, graph.masked):
            for unit in _units(e.reads) if e is not None else ():
                touched.setdefault(unit, set()).add(k)
                watched.add(unit)
        for node in graph.reachable():
            stores = _units(w.var for w in node.writes)
            seen = _units(v for e in node.expressions() for v in e.reads)
            looks = frozenset(u for group in node.reads for u in group if u in seen)
            units[node] = (looks | stores, stores)
            for unit in looks | stores:
                touched.setdefault(unit, set()).add(k)
            written |= stores
    shared = frozenset(u for u, who in touched.items() if len(who) > 1 and u in written)
    for node, (both, stores) in units.items():
        node.touched, node.stores = both & shared, stores & shared
    return Sharing(shared, frozenset(watched))


def _units(found: Iterable[Var]) -> frozenset[int]:
    return frozenset(v.unit for v in found if v.role is Role.MEMORY)


def read_groups(node: Node) -> list[frozenset[int]]:
    """The shared reads of an operation, each once."""
    found: dict[frozenset[int], None] = {}
    for group in node.reads:
        if group & node.touched:
            found.setdefault(group & node.touched)
    return list(found)


def count_accesses(node: Node) -> int:
    """Accesses to shared memory that an operation makes outside an atomic look."""
    always = {w.var.unit for w in node.writes if w.cond is TRUE and w.var.unit in node.stores}
    sometimes = any(w.cond is not TRUE and w.var.unit in node.stores for w in node.writes)
    reads = sum(1 for group in node.reads if group & node.touched)  # the same unit twice is two looks
    loads = min(reads, 1) if node.look else reads
    if node.access is Access.LOCKED:
        return loads + int(bool(node.stores))
    return loads + len(always) + int(sometimes)


def check_accesses(graphs: list[Graph], report: Report) -> None:
    """LI020: two accesses in one statement."""
    for graph in graphs:
        for node in graph.reachable():
            if node.region or not node.touched:
                continue
            if node.op is Op.EVENT:
                report.add(
                    node.frame.span,
                    "LI026",
                    "the arguments of an event read shared memory",
                    "load them into locals first",
                )
            elif count_accesses(node) > 1:
                report.add(
                    node.frame.span,
                    "LI020",
                    f"two accesses to shared memory in one statement ({node.frame.text})",
                    "split the statement: load into a local first, or use with atomic()",
                )
