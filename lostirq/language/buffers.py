# SPDX-License-Identifier: GPL-2.0-or-later
"""Which plain stores enter the store buffer, and how many entries it needs (TSO only).

A store is buffered iff some path from it reaches, before a drain, a load of shared memory: only then can it be
observed late.  So is a store to some fields of a packed unit: it loads the others and stores them too, as they were
when it was executed, and what somebody else has stored there meanwhile is lost when it reaches memory.  Where a CPU
may pass to another thread without a drain, or from or to a scheduler that stores or loads, that one's loads count as
well, and all stores wait; so do those of a thread that may be moved to another CPU without a drain.  The set is closed
under FIFO: a plain store that may follow a buffered one before a drain is buffered too.  Units on which it depends who
may run (`irqs_off`, the CPU of a task) are registers and scheduler state, not memory: stores to them never enter the
buffer.

Reference: Owens, Sarkar, Sewell 2009, "A better x86 memory model: x86-TSO".
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations

from lostirq.ir.expr import TRUE, Var, is_const, value_of
from lostirq.ir.system import Edge, Sort
from lostirq.language.graph import Graph, Node, drains
from lostirq.language.places import Write
from lostirq.language.sharing import read_groups
from lostirq.language.source import Report

MAX_DEPTH = 16


def _loads(node: Node) -> bool:
    """A load of shared memory outside atomic blocks and locked operations."""
    return not node.region and bool(read_groups(node)) and not drains(node)


class Flow:
    """The analysis of one process."""

    def __init__(self, graph: Graph, watched: frozenset[int], fields: dict[int, set[Var]]) -> None:
        self.graph = graph
        self.watched = watched
        self.fields = fields
        self.nodes = graph.reachable()
        self.preds: dict[int, list[Node]] = {n.index: [] for n in self.nodes}
        for n in self.nodes:
            for s in n.succ:
                self.preds[s].append(n)
        self.rest = -1
        self.filled: set[int] = set()  # operations before which the buffer may hold something

    def candidate(self, node: Node) -> bool:
        return bool(node.stores - self.watched) and not node.region and not drains(node)

    def drained(self, node: Node) -> bool:
        return drains(node) or node.index == self.rest

    def mark(self, everywhere: bool) -> None:
        """Set `buffered` of the stores; `everywhere`: a load by another process of the CPU may come at any time."""
        ahead = self._load_ahead()
        for node in self.nodes:
            late = everywhere or self._partial(node) or any(s in ahead for s in node.succ)
            node.buffered = self.candidate(node) and late
        self.spread()

    def _partial(self, node: Node) -> bool:
        """Some fields of a packed unit are stored, not all."""
        stored = {w.var for w in node.writes}
        return any(not self.fields[unit] <= stored for unit in node.stores)

    def _load_ahead(self) -> set[int]:
        """Operations from which a shared load is reached before a drain: a store to some fields looks at the others."""
        work = [n for n in self.nodes if (_loads(n) or self.candidate(n) and self._partial(n)) and not self.drained(n)]
        found = {n.index for n in work}
        while work:
            for p in self.preds[work.pop().index]:
                if p.index not in found and not self.drained(p):
                    found.add(p.index)
                    work.append(p)
        return found

    def held(self) -> set[int]:
        """Operations before which the buffer may hold a store, if all that can be buffered are."""
        by_index = {n.index: n for n in self.nodes}
        work = [n for n in self.nodes if self.candidate(n)]
        found: set[int] = set()
        while work:
            for s in work.pop().succ:
                if s not in found:
                    found.add(s)
                    if not self.drained(by_index[s]):
                        work.append(by_index[s])
        return found

    def spread(self) -> None:
        """Close under FIFO, and note where the buffer may hold something."""
        by_index = {n.index: n for n in self.nodes}
        work = [n for n in self.nodes if n.buffered]
        while work:
            node = work.pop()
            for s in node.succ:
                follower = by_index[s]
                if s in self.filled:
                    continue
                self.filled.add(s)
                if self.drained(follower):
                    continue
                if self.candidate(follower):
                    follower.buffered = True
                work.append(follower)


def analyse(graphs: list[Graph], watched: frozenset[int]) -> dict[int, set[int]]:
    """Mark the buffered stores; returns for each process with a buffer the operations before which it may be filled."""
    flows: dict[int, Flow] = {}
    fields = _fields(graphs)
    for k, graph in enumerate(graphs):
        if graph.sort is not Sort.HARDWARE:
            flows[k] = Flow(graph, watched, fields)
            if graph.sort is Sort.HANDLER:
                flows[k].rest = graph.rest
    on_cpu = [flow for k, flow in flows.items() if _shares_cpu(graphs[k]) and graphs[k].sort is not Sort.HANDLER]
    loose = _loose(graphs) or any(f.graph.sort is Sort.SCHEDULER and any(map(f.candidate, f.nodes)) for f in on_cpu)
    late = [flow for flow in on_cpu if loose or _moved(flow, graphs)]
    for flow in flows.values():
        flow.mark(everywhere=flow in late)
    if any(n.buffered for flow in late for n in flow.nodes):
        for flow in late:
            flow.filled = {n.index for n in flow.nodes}  # whoever had the CPU before may have left something
    return {k: flow.filled for k, flow in flows.items()}


def _fields(graphs: list[Graph]) -> dict[int, set[Var]]:
    """The variables of each unit that anybody writes."""
    found: dict[int, set[Var]] = {}
    for graph in graphs:
        for node in graph.reachable():
            for w in node.writes:
                found.setdefault(w.var.unit, set()).add(w.var)
    return found


def _loose(graphs: list[Graph]) -> bool:
    """Whether what a thread stored may still wait when something else loads on its CPU: a scheduler that loads shared
    memory without draining first, or another thread."""
    loads = any(_loads(n) for g in graphs if g.sort is Sort.SCHEDULER and _shares_cpu(g) for n in g.reachable())
    return loads or _hands_over(graphs)


def _hands_over(graphs: list[Graph]) -> bool:
    """Whether a CPU may go from one thread to another without a drain of its buffer: one of them never gives it up or
    comes to it from another CPU, or what decides who holds it is written without a drain there."""
    threads = [g for g in graphs if g.sort is Sort.THREAD and _shares_cpu(g)]
    pairs = [(a, b) for a, b in combinations(threads, 2) if not _apart(a, b)]
    if any(g.holds is TRUE for pair in pairs for g in pair):
        return True
    return any(
        w.var in (g.cpu or TRUE).reads or w.var in g.holds.reads and not (_drains(n) and other.cpu is g.cpu)
        for g in dict.fromkeys(g for pair in pairs for g in pair)
        for other, n, w in _writes(graphs)
    )


def _moved(flow: Flow, graphs: list[Graph]) -> bool:
    """Whether a thread may come to another CPU while the buffer of the one before holds stores of it: by somebody else,
    or by itself without a drain.  Then its stores may reach memory in any order."""
    deciding = (flow.graph.cpu or TRUE).reads
    if flow.graph.sort is not Sort.THREAD or not deciding:
        return False
    held = flow.held()
    return any(
        w.var in deciding and (other is not flow.graph or n.index in held and not _drains(n))
        for other, n, w in _writes(graphs)
    )


def _writes(graphs: list[Graph]) -> Iterator[tuple[Graph, Node, Write]]:
    return ((g, n, w) for g in graphs for n in g.reachable() for w in n.writes)


def _drains(node: Node) -> bool:
    """Whether an operation takes place only with an empty buffer, alone or as part of an atomic block."""
    return bool(node.region) or drains(node)


def _apart(a: Graph, b: Graph) -> bool:
    """Whether two processes are always on different CPUs."""
    return (
        a.cpu is not None
        and b.cpu is not None
        and is_const(a.cpu)
        and is_const(b.cpu)
        and value_of(a.cpu) != value_of(b.cpu)
    )


def _shares_cpu(graph: Graph) -> bool:
    return graph.cpu is not None and not graph.private_cpu and graph.sort is not Sort.HARDWARE


def capacity(graphs: list[Graph], edges: list[Edge], report: Report, room: int = 0) -> int:
    """The greatest number of entries that a store buffer may hold.  What a thread leaves behind when its CPU goes to
    another is drained by the scheduler, unless that loads first.  A drain counts for all entries of its process, those
    on a CPU that it was moved away from too.  Where there is no bound: `room`, or, if that is 0, an error."""
    by_process: list[list[Edge]] = [[] for _ in graphs]
    for e in edges:
        by_process[e.process].append(e)
    depths = [_depth(found, report, room) for found in by_process]
    threads = [d for g, d in zip(graphs, depths, strict=True) if _shares_cpu(g) and g.sort is Sort.THREAD]
    schedulers = [d for g, d in zip(graphs, depths, strict=True) if _shares_cpu(g) and g.sort is Sort.SCHEDULER]
    together = (sum(threads) if _loose(graphs) else max(threads, default=0)) + sum(schedulers)
    return max([together, *depths])


def _depth(edges: list[Edge], report: Report, room: int) -> int:
    """The greatest number of entries of one process between drains."""
    level: dict[int, int] = {}
    leaving: dict[int, list[Edge]] = {}
    for e in edges:
        leaving.setdefault(e.src, []).append(e)
    work = list(leaving)
    while work:
        src = work.pop()
        for e in leaving.get(src, ()):
            reached = (0 if e.drains else level.get(src, 0)) + len(e.buffered)
            if reached > MAX_DEPTH and room:
                return max(room, *(len(e.buffered) for e in edges))
            if reached > MAX_DEPTH:
                message = "the store buffer has no static bound: stores without a drain between them"
                report.add(e.span, "LI030", message, "a fence, a locked operation or drain() in the loop")
                return 0
            if reached > level.get(e.dst, 0):
                level[e.dst] = reached
                work.append(e.dst)
    return max(level.values(), default=0)
