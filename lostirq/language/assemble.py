# SPDX-License-Identifier: GPL-2.0-or-later
"""Composed steps of all processes into processes, locations and edges of a `System`.

Variables that no step changes fold away here too (private state that only a prologue writes), and with them edges and
locations that can no longer be taken.  Locations are numbered in order of discovery; 0 is the initial one.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from lostirq.ir.expr import FALSE, TRUE, Expr, Role, Var, and_, eq, int_type, integer, not_, or_, var
from lostirq.ir.system import Access, Edge, Event, Fair, Location, Process, Sort, System
from lostirq.language.graph import Graph, Node, Op
from lostirq.language.rewrite import is_var, literal, put_in, rename_in
from lostirq.language.sharing import read_groups
from lostirq.language.source import Report
from lostirq.language.steps import Draft, Steps

FOR_EVER = "while True"


@dataclass(frozen=True, eq=False, slots=True)
class Composed:
    """A process with its steps."""

    graph: Graph
    steps: Steps
    first: int


def fold_unwritten(composed: list[Composed], values: dict[Var, int]) -> dict[Var, Expr]:
    """Fold variables that no step changes, drop what cannot happen; returns the constants."""
    constants: dict[Var, Expr] = {}
    while True:
        written: set[Var] = set()
        read: dict[Var, None] = {}
        for c in composed:
            for d in c.steps.drafts:
                written.update(d.assigns)
                for e in (d.guard, *d.assigns.values(), *(a for ev in d.events for a in ev.args)):
                    read.update(dict.fromkeys(e.reads))
        fresh = {v: literal(v, values[v]) for v in read if v not in written and v not in constants}
        constants.update(fresh)
        memo: dict[Expr, Expr] = {}
        changed = False
        for c in composed:
            changed |= _simplify(c, fresh, memo)
        if not fresh and not changed:
            return constants


def _simplify(c: Composed, fresh: dict[Var, Expr], memo: dict[Expr, Expr]) -> bool:
    def sub(e: Expr) -> Expr:
        return e if e.reads.isdisjoint(fresh.keys()) else put_in(e, fresh, memo)

    kept: list[Draft] = []
    for d in c.steps.drafts:
        guard = sub(d.guard)
        if guard is not FALSE:
            events = tuple(Event(e.name, tuple(sub(a) for a in e.args)) for e in d.events)
            assigns = {v: sub(e) for v, e in d.assigns.items()}
            assigns = {v: e for v, e in assigns.items() if not is_var(e, v)}
            kept.append(replace(d, guard=guard, assigns=assigns, events=events))
    reached = {c.first: None}
    work = [c.first]
    by_src: dict[int, list[Draft]] = {}
    for d in kept:
        by_src.setdefault(d.src, []).append(d)
    for src in work:
        for d in by_src.get(src, ()):
            if d.dst not in reached:
                reached[d.dst] = None
                work.append(d.dst)
    kept = [d for d in kept if d.src in reached]
    changed = len(kept) != len(c.steps.drafts) or len(reached) != len(c.steps.locations)
    c.steps.drafts[:] = kept
    c.steps.locations[:] = [x for x in c.steps.locations if x in reached]
    return changed


def number_cpus(graphs: list[Graph], report: Report) -> int:
    """Give threads without cpu= a CPU of their own; returns the number of CPUs."""
    shared = 0
    for g in graphs:
        if g.cpu is not None:
            if g.cpu.type.lo < 0:
                report.add(
                    g.span,
                    "LI014",
                    f"the CPU number of '{g.name}' may be negative",
                    "give it the type Int[0, CPUS - 1]",
                )
            shared = max(shared, g.cpu.type.hi + 1)
    for g in graphs:
        if g.cpu is None and g.sort is not Sort.HARDWARE:
            g.cpu, g.private_cpu = integer(shared), True
            shared += 1
    return shared


def pc_of(c: Composed, index: int) -> Var:
    return Var(f"{c.graph.name}.pc", int_type(0, len(c.steps.locations) - 1), 0, Role.PC, index)


def make_process(c: Composed, index: int, everyone: list[Composed]) -> Process:
    """The process with its locations and the condition under which it may take steps."""
    g = c.graph
    return Process(
        index,
        g.name,
        g.family,
        g.instance,
        g.sort,
        pc_of(c, index),
        tuple(_location(c, n) for n in c.steps.locations),
        _runs(c, index, everyone),
        g.cpu,
        g.family if g.symmetric else "",
        g.column,
    )


def _location(c: Composed, index: int) -> Location:
    node = c.graph.nodes[index]
    rests = "idle" in c.steps.marks.get(index, ()) or node.op is Op.END or index == c.graph.rest
    frame = node.frame
    return Location(frame.span, frame.function, frame.windows, frozenset(frame.stack), rests, frame.text)


def _active(c: Composed, index: int) -> Expr:
    return not_(eq(var(pc_of(c, index)), integer(c.steps.locations.index(c.graph.rest))))


def _runs(c: Composed, index: int, everyone: list[Composed]) -> Expr:
    g = c.graph
    if g.sort is Sort.HARDWARE or g.private_cpu or g.cpu is None:
        return g.holds
    quiet: list[Expr] = []
    for k, other in enumerate(everyone):
        if other.graph.sort is Sort.HANDLER and other is not c and other.graph.cpu is not None:
            quiet.append(not_(and_(eq(g.cpu, other.graph.cpu), _active(other, k))))
    if g.sort is not Sort.HANDLER:
        return and_(g.holds, *quiet)
    return or_(_active(c, index), and_(TRUE if g.masked is None else not_(g.masked), g.holds, *quiet))


def make_edges(c: Composed, index: int, start: int, order: dict[Var, int]) -> list[Edge]:
    """The edges of a process, by source location, numbered from `start`."""
    place = {n: k for k, n in enumerate(c.steps.locations)}
    found: list[Edge] = []
    for d in sorted(c.steps.drafts, key=lambda d: place[d.src]):
        node = d.node
        assigns = tuple(sorted(d.assigns.items(), key=lambda item: order[item[0]]))
        units = {v.unit for v, _ in assigns if v.role is Role.MEMORY}
        found.append(
            Edge(
                start + len(found),
                index,
                place[d.src],
                place[d.dst],
                d.guard,
                assigns,
                _access(d),
                d.drains,
                frozenset(node.stores & units) if node.buffered else frozenset(),
                d.events,
                _fair(c, d),
                node.frame.span,
                node.frame.function,
                node.frame.stack,
                _said(node),
                d.choice,
                d.writes,
                d.looks,
            )
        )
    return found


def _said(node: Node) -> str:
    """What a step is shown as: a loop by its test, but one for ever as such.  Locations keep the test alone, by which
    certificates know them."""
    return FOR_EVER if node.op is Op.NOP and node.frame.text == "True" else node.frame.text


def _access(draft: Draft) -> Access:
    """The primitive that an edge is reported as."""
    node = draft.node
    if node.op in (Op.CHOICE, Op.PICK):
        looks = any(v.unit in node.touched for v in draft.guard.reads)
        return Access.LOAD if looks else Access.NONE
    if node.op is Op.ATOMIC:
        return Access.ATOMIC
    if node.access is not Access.NONE:
        return node.access
    if node.stores:
        return Access.STORE
    units = {u for g in node.reads for u in g & node.touched}
    if node.look and len(units) > 1 or len(read_groups(node)) > 1:
        return Access.ATOMIC
    return Access.LOAD if node.touched else Access.NONE


def _fair(c: Composed, d: Draft) -> Fair:
    """The option says it, else its location; leaving a declared rest is not fair, except that of a handler."""
    marks = c.steps.marks.get(d.src, frozenset())
    if d.fair or "strong" in marks or "unfair" in marks:
        return Fair.STRONG if (d.fair or ("strong" if "strong" in marks else "")) == "strong" else Fair.NONE
    return Fair.NONE if "idle" in marks and d.src != c.graph.rest else Fair.WEAK


def drop_unread(edges: list[Edge], kept: set[Var]) -> list[Edge]:
    """Remove assignments to variables that are not kept."""
    found: list[Edge] = []
    for e in edges:
        assigns = tuple((v, x) for v, x in e.assigns if v in kept)
        units = {v.unit for v, _ in assigns if v.role is Role.MEMORY}
        found.append(e if len(assigns) == len(e.assigns) else replace(e, assigns=assigns, buffered=e.buffered & units))
    return found


def live_variables(edges: list[Edge], roots: list[Expr]) -> set[Var]:
    """Variables on which guards, events and `roots` depend, directly or through assignments; and those whose
    assignments may leave their range, which is a model error that must be seen."""
    live: set[Var] = set()
    sources: dict[Var, set[Var]] = {}
    work: list[Var] = []

    def need(found: Iterable[Var]) -> None:
        for v in found:
            if v not in live:
                live.add(v)
                work.append(v)

    for e in edges:
        need(e.guard.reads)
        for event in e.events:
            for a in event.args:
                need(a.reads)
        for v, rhs in e.assigns:
            sources.setdefault(v, set()).update(rhs.reads)
            if v.message or rhs.type.lo < v.type.lo or rhs.type.hi > v.type.hi:
                need([v])
    for r in roots:
        need(r.reads)
    while work:
        need(sources.get(work.pop(), ()))
    return live


def rename(system: System, changed: dict[Var, Var]) -> System:
    """Replace variables everywhere (their final initial values)."""
    memo: dict[Expr, Expr] = {}

    def sub(e: Expr) -> Expr:
        return rename_in(e, changed, memo)

    edges = tuple(
        replace(
            e,
            guard=sub(e.guard),
            assigns=tuple((changed.get(v, v), sub(x)) for v, x in e.assigns),
            events=tuple(Event(ev.name, tuple(sub(a) for a in ev.args)) for ev in e.events),
        )
        for e in system.edges
    )
    processes = tuple(replace(p, runs=sub(p.runs), cpu=None if p.cpu is None else sub(p.cpu)) for p in system.processes)
    properties = tuple(replace(p, formula=sub(p.formula), goal=sub(p.goal)) for p in system.properties)
    return replace(system, edges=edges, processes=processes, properties=properties)
