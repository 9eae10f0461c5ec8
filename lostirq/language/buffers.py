# SPDX-License-Identifier: GPL-2.0-or-later
"""Which plain stores enter the store buffer, and how many entries it needs (TSO only).

A store is buffered iff some path from it reaches, before a drain, a load of shared memory: only then can it be
observed late.  The set is closed under FIFO: a plain store that may follow a buffered one before a drain is buffered
too.  Units on which it depends who may run (`irqs_off`, the CPU of a task) are registers and scheduler state, not
memory: stores to them never enter the buffer.

Reference: Owens, Sarkar, Sewell 2009, "A better x86 memory model: x86-TSO".
"""

from __future__ import annotations

from lostirq.ir.system import Access, Sort
from lostirq.language.graph import Graph, Node, Op
from lostirq.language.source import Report

MAX_DEPTH = 16


def drains(node: Node) -> bool:
    """Whether an operation takes place only with an empty buffer."""
    return node.op in (Op.FENCE, Op.ATOMIC) or node.access is Access.LOCKED


def _loads(node: Node) -> bool:
    """A load of shared memory outside atomic blocks and locked operations."""
    return (
        not node.region
        and bool(node.touched)
        and (node.touched != node.stores or bool(node.reads))
        and not drains(node)
    )


class Flow:
    """The analysis of one process."""

    def __init__(self, graph: Graph, watched: frozenset[int]) -> None:
        self.graph = graph
        self.watched = watched
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
            late = everywhere or any(s in ahead for s in node.succ)
            node.buffered = self.candidate(node) and late
        self.spread()

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

    def depth(self, report: Report) -> int:
        """The greatest number of entries between drains."""
        level = {n.index: int(n.buffered) for n in self.nodes}
        by_index = {n.index: n for n in self.nodes}
        work = [n for n in self.nodes if n.buffered]
        while work:
            node = work.pop()
            for s in node.succ:
                follower = by_index[s]
                if self.drained(follower):
                    continue
                reached = level[node.index] + int(follower.buffered)
                if reached > MAX_DEPTH:
                    report.add(
                        follower.frame.span,
                        "LI030",
                        "the store buffer has no static bound: stores without a drain between them",
                        "a fence, a locked operation or drain() in the loop",
                    )
                    return 0
                if reached > level[s]:
                    level[s] = reached
                    work.append(follower)
        return max(level.values(), default=0)


def analyse(graphs: list[Graph], watched: frozenset[int], report: Report) -> tuple[int, dict[int, Flow]]:
    """Mark the buffered stores; returns the depth of the buffers and the flow of each process with one (by number)."""
    flows: dict[int, Flow] = {}
    for k, graph in enumerate(graphs):
        if graph.sort is not Sort.HARDWARE:
            flows[k] = Flow(graph, watched)
            if graph.sort is Sort.HANDLER:
                flows[k].rest = graph.rest
    on_cpu = [k for k in flows if graphs[k].cpu is not None and not graphs[k].private_cpu]
    schedulers = [k for k in on_cpu if graphs[k].sort is Sort.SCHEDULER]
    loose = any(_loads(n) for k in schedulers for n in flows[k].nodes)
    for k, flow in flows.items():
        flow.mark(everywhere=loose and k in on_cpu and graphs[k].sort is Sort.THREAD)
    if any(n.buffered for k in schedulers for n in flows[k].nodes):
        for k in on_cpu:
            flows[k].mark(everywhere=True)
    depths = {k: flow.depth(report) for k, flow in flows.items()}
    threads = [depths[k] for k in on_cpu if graphs[k].sort is Sort.THREAD]
    together = (sum(threads) if loose else max(threads, default=0)) + sum(depths[k] for k in schedulers)
    alone = [d for k, d in depths.items() if k not in on_cpu or graphs[k].sort is Sort.HANDLER]
    return max([together, *alone]), flows
