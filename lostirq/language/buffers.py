# SPDX-License-Identifier: GPL-2.0-or-later
"""Which plain stores enter the store buffer, and how many entries it needs (TSO only).

A store is buffered iff some path from it reaches, before a drain, a load of shared memory: only then can it be
observed late.  So is a store to some fields of a packed unit: it stores the others too, as they were when it was
executed, and what somebody else has stored there meanwhile is lost when it reaches memory.  Where a CPU may pass to
another thread without a drain, or from or to a scheduler that stores or loads, that one's loads count as well.  The set
is closed under FIFO: a plain store that may follow a buffered one before a drain is buffered too.  Units on which it
depends who may run (`irqs_off`, the CPU of a task) are registers and scheduler state, not memory: stores to them never
enter the buffer.

Reference: Owens, Sarkar, Sewell 2009, "A better x86 memory model: x86-TSO".
"""

from __future__ import annotations

from itertools import combinations

from lostirq.ir.expr import TRUE, Var, is_const, value_of, variables
from lostirq.ir.system import Edge, Sort
from lostirq.language.graph import Graph, Node, drains
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
        """Operations from which a shared load is reached before a drain."""
        work = [n for n in self.nodes if _loads(n) and not self.drained(n)]
        found = {n.index for n in work}
        while work:
            for p in self.preds[work.pop().index]:
                if p.index not in found and not self.drained(p):
                    found.add(p.index)
                    work.append(p)
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
    on_cpu = [k for k in flows if _shares_cpu(graphs[k])]
    schedulers = [k for k in on_cpu if graphs[k].sort is Sort.SCHEDULER]
    loose = _loose(graphs) or any(flows[k].candidate(n) for k in schedulers for n in flows[k].nodes)
    for k, flow in flows.items():
        flow.mark(everywhere=loose and k in on_cpu and graphs[k].sort is not Sort.HANDLER)
    if any(n.buffered for k in schedulers for n in flows[k].nodes):
        for k in on_cpu:
            flows[k].mark(everywhere=True)
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
    """Whether a CPU may go from one thread to another without a drain: one of them never gives it up, or what decides
    who holds it is written by hardware or without a drain."""
    threads = [g for g in graphs if g.sort is Sort.THREAD and _shares_cpu(g)]
    pairs = [(a, b) for a, b in combinations(threads, 2) if not _apart(a, b)]
    if any(g.holds is TRUE for pair in pairs for g in pair):
        return True
    deciding = {v for pair in pairs for g in pair for v in variables([g.holds, g.cpu or TRUE])}
    return any(
        any(w.var in deciding for w in n.writes)
        and (g.sort is Sort.HARDWARE or not n.region and not drains(n))
        for g in graphs
        for n in g.reachable()
    )


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
    another is drained by the scheduler, unless that loads first.  Where there is no bound: `room`, or, if that is 0, an
    error."""
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
