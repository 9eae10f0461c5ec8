# SPDX-License-Identifier: GPL-2.0-or-later
"""Steps of a process: from each location, symbolic execution to the next ones.

A step executes the operation at its location (one access, or one atomic block) and then private operations up to the
next location.  A step that starts at a choice goes on to its first access, unless it comes round a loop or to a rest
first.  Paths that meet at an operation are merged by ITE if they agree on all that an edge says once (events, option,
access): the number of edges stays small and private branches cost nothing.
"""

from __future__ import annotations

import heapq
from dataclasses import dataclass, field, replace

from lostirq.ir.expr import FALSE, TRUE, Expr, Kind, Var, and_, const, is_const, ite, not_, or_, var
from lostirq.ir.expr import Op as ExprOp
from lostirq.ir.system import Access, Event, Sort
from lostirq.language.graph import Graph, Node, Op, drains
from lostirq.language.places import Write
from lostirq.language.rewrite import Facts, is_var, put_in
from lostirq.language.source import Report

PRIVATE, OPEN = 0, -1  # modes of a path; a positive number is the atomic block that it is in


@dataclass(eq=False, slots=True)
class Path:
    """A path of a step: its conditions in order, what it assigned, and what an edge says once."""

    literals: tuple[Expr, ...] = ()
    env: dict[Var, Expr] = field(default_factory=dict)
    events: tuple[Event, ...] = ()
    options: tuple[tuple[int, int], ...] = ()
    labels: tuple[str, ...] = ()
    access: Node | None = None
    marks: frozenset[str] = frozenset()  # of the location that comes next
    fair: str = ""  # strong or unfair, for this option alone
    writes: dict[Var, tuple[str, ...]] = field(default_factory=dict)  # the functions in which it assigned a variable
    looks: dict[Var, tuple[str, ...]] = field(default_factory=dict)  # and those in which it decided on one


@dataclass(frozen=True, eq=False, slots=True)
class Draft:
    """An edge before locations are numbered: operations stand for locations."""

    src: int
    dst: int
    guard: Expr
    assigns: dict[Var, Expr]
    events: tuple[Event, ...]
    choice: str
    fair: str
    node: Node
    drains: bool
    writes: dict[Var, tuple[str, ...]]
    looks: dict[Var, tuple[str, ...]]


@dataclass(eq=False, slots=True)
class Steps:
    """The steps of one process: locations in order of discovery, edges, and marks of locations."""

    locations: list[int]
    drafts: list[Draft]
    marks: dict[int, frozenset[str]]


def place_locations(graph: Graph, filled: set[int]) -> None:
    """Mark the operations at which a step starts.  `filled`: where the store buffer may hold something."""
    nodes = graph.reachable()
    lively = {n.region for n in nodes if n.region and (n.touched or n.op in (Op.WAIT, Op.CHOICE, Op.PICK))}
    for n in nodes:
        if n.op is Op.ATOMIC:
            n.location = n.region in lively or n.index in filled
        elif n.region:
            n.location = False
        elif n.op is Op.CHOICE:
            n.location = len(n.succ) != 1 or n.guards[0] is not TRUE
        elif n.op is Op.WAIT:
            n.location = n.cond is not TRUE
        elif n.op in (Op.PICK, Op.FENCE, Op.STEP, Op.END):
            n.location = True
        else:
            n.location = bool(n.touched) or n.access is Access.LOCKED and n.index in filled
    _cut_cycles(graph)


def _always(cond: Expr) -> bool:
    """Whether a condition over one number is true of all its values."""
    read = list(cond.reads)
    if len(read) != 1 or read[0].type.kind is not Kind.INT or read[0].type.size > 4096:
        return cond is TRUE
    v = read[0]
    return all(put_in(cond, {v: const(n, v.type)}) is TRUE for n in range(v.type.lo, v.type.hi + 1))


def _cut_cycles(graph: Graph) -> None:
    """Every cycle has a location: the head of a loop, if nothing else in it is one."""
    state: dict[int, int] = {}
    for root in graph.reachable():
        if root.index in state or root.location:
            continue
        stack: list[tuple[Node, int]] = [(root, 0)]
        state[root.index] = 1
        while stack:
            node, k = stack.pop()
            if k >= len(node.succ):
                state[node.index] = 2
                continue
            stack.append((node, k + 1))
            follower = graph.nodes[node.succ[k]]
            if follower.location:
                continue
            if state.get(follower.index) == 1:
                follower.location = True
            elif follower.index not in state:
                state[follower.index] = 1
                stack.append((follower, 0))


class Composer:
    """Makes the steps of one process."""

    def __init__(self, graph: Graph, report: Report) -> None:
        self.graph = graph
        self.report = report
        self.nodes = graph.reachable()
        self.rank = {n.index: k for k, n in enumerate(self.nodes)}
        self.marks: dict[int, frozenset[str]] = {}

    # -- whole process --------------------------------------------------------------------------------------------

    def prologue(self, values: dict[Var, Expr]) -> int:
        """Run the private code before the first location on constants; `values` are initial ones and are updated."""
        path = Path(env=values)
        ends = self._run([(0, 0, PRIVATE, path)])
        (end, final), *more = ends
        if more or final.literals:
            raise AssertionError(f"the prologue of {self.graph.name} is not deterministic")
        if final.events:
            self.report.add(
                self.graph.span, "LI026", "an event before the first step of a process", "put it into a step"
            )
        values.update(final.env)
        self._arrive(end, final.marks)
        return end

    def compose(self, first: int) -> Steps:
        """All steps, from the locations that are reached."""
        locations: dict[int, None] = {first: None}
        work = [first]
        drafts: list[Draft] = []
        while work:
            src = work.pop(0)
            for draft in self._from(src):
                drafts.append(draft)
                if draft.dst not in locations:
                    locations[draft.dst] = None
                    work.append(draft.dst)
        return Steps(list(locations), drafts, self.marks)

    def _arrive(self, node: int, marks: frozenset[str]) -> None:
        """A mark that one path brings counts for all."""
        self.marks[node] = self.marks.get(node, frozenset()) | marks

    def _from(self, src: int) -> list[Draft]:
        node = self.graph.nodes[src]
        found: list[Draft] = []
        for end, path in self._run(self._execute(node, Path(), 0)):
            self._arrive(end, path.marks)
            if end == self.graph.rest and self.graph.exit_fence >= 0 and src != self.graph.exit_fence:
                end = self.graph.exit_fence
            acted = path.access or node
            known = Facts(path.literals)
            assigns = {v: known.simplify(e) for v, e in path.env.items() if not is_var(e, v)}
            needs = self.graph.sort is not Sort.HARDWARE and (drains(acted) or src == self.graph.rest)
            guard = and_(*path.literals)
            found.append(Draft(src, end, guard, assigns, path.events, ", ".join(path.labels), path.fair, acted, needs,
                               path.writes, path.looks))
        return found

    # -- one step -------------------------------------------------------------------------------------------------

    def _run(self, start: list[tuple[int, int, int, Path]]) -> list[tuple[int, Path]]:
        """Follow (operation, rounds, mode, path) to the next locations, merging where paths meet."""
        queue: list[tuple[int, int, int]] = []
        waiting: dict[tuple[int, int, int], list[Path]] = {}
        ends: dict[int, list[Path]] = {}

        def push(item: tuple[int, int, int, Path]) -> None:
            index, rounds, mode, path = item
            if index < 0:
                return
            if self._stops(self.graph.nodes[index], rounds, mode, path):
                ends.setdefault(index, []).append(path)
                return
            key = (rounds, self.rank[index], mode)
            if key not in waiting:
                waiting[key] = []
                heapq.heappush(queue, key)
            waiting[key].append(path)

        for item in start:
            push(item)
        while queue:
            key = heapq.heappop(queue)
            rounds, rank, mode = key
            node = self.nodes[rank]
            for path in self._merge(waiting.pop(key)):
                for item in self._continue(node, path, rounds, mode):
                    push(item)
        return [(end, p) for end, paths in ends.items() for p in self._merge(paths)]

    def _stops(self, node: Node, rounds: int, mode: int, path: Path) -> bool:
        """Whether the step ends before this operation."""
        if mode > 0 and node.region == mode and node.op is not Op.ATOMIC:
            return False
        if not node.location:
            return False
        if mode != OPEN:
            return True
        passive = node.op in (Op.STEP, Op.END, Op.NOP)
        return passive or rounds > 0 or "idle" in path.marks

    def _continue(self, node: Node, path: Path, rounds: int, mode: int) -> list[tuple[int, int, int, Path]]:
        if node.location and mode == OPEN:
            return self._execute(node, path, rounds)
        inside = mode > 0 and node.region == mode
        return self._operate(node, path, rounds, mode if inside or mode == OPEN else PRIVATE)

    def _execute(self, node: Node, path: Path, rounds: int) -> list[tuple[int, int, int, Path]]:
        """The operation at a location."""
        if node.op in (Op.CHOICE, Op.PICK):
            return self._operate(node, path, rounds, OPEN)
        acted = replace(path, access=node, marks=frozenset())
        return self._operate(node, acted, rounds, node.region if node.op is Op.ATOMIC else PRIVATE)

    def _operate(self, node: Node, path: Path, rounds: int, mode: int) -> list[tuple[int, int, int, Path]]:
        """The effect of one operation, and where each way leads."""
        found: list[tuple[int, Path | None]] = []
        if node.op is Op.BRANCH:
            cond = self._value(node.cond, path)
            path = self._looked(path, node, cond)
            found = [(0, self._assume(path, cond)), (1, self._assume(path, not_(cond)))]
        elif node.op is Op.CHOICE:
            for k, guard in enumerate(node.guards):
                cond = self._value(guard, path)
                chosen = self._assume(self._looked(path, node, cond), cond)
                found.append((k, chosen and self._chosen(chosen, node, k, node.labels[k])))
        elif node.op is Op.PICK and node.pick is not None:
            for value, guard in node.options:
                chosen = self._assume(path, self._value(guard, path))
                if chosen is not None:
                    chosen = self._chosen(chosen, node, value, node.pick.type.show(value))
                    chosen.env = {**chosen.env, node.pick: const(value, node.pick.type)}
                found.append((0, chosen))
        elif node.op is Op.EVENT:
            event = Event(node.event, tuple(self._value(a, path) for a in node.args))
            found = [(0, replace(path, events=(*path.events, event)))]
        elif node.op is Op.MARK:
            found = [(0, self._marked(path, node, mode))]
        else:
            found = [(0, p) for p in self._assign(node, path)]
        out: list[tuple[int, int, int, Path]] = []
        for way, after in found:
            if after is not None and way < len(node.succ):
                target = node.succ[way]
                back = self.rank.get(target, -1) <= self.rank.get(node.index, -1)
                out.append((target, rounds + int(back), mode, after))
        return out

    def _marked(self, path: Path, node: Node, mode: int) -> Path:
        """idle() is said of the next location; so are strong() and unfair(), but after a choice of the option taken."""
        if mode == OPEN and "idle" not in node.marks:
            return replace(path, fair=path.fair or next(iter(node.marks)))
        return replace(path, marks=path.marks | node.marks)

    def _chosen(self, path: Path, node: Node, option: int, label: str) -> Path:
        """Record an option; one that is forced leaves no label."""
        if node.op is Op.CHOICE and len(node.guards) == 1 or node.op is Op.PICK and len(node.options) == 1:
            return path
        options, labels = (*path.options, (node.index, option)), (*path.labels, label)
        return replace(path, options=options, labels=labels)

    def _assign(self, node: Node, path: Path) -> list[Path]:
        cond = self._value(node.cond, path)
        assumed = self._assume(self._looked(path, node, cond), cond)
        if assumed is None:
            return []
        if not node.writes:
            return [assumed]
        conds = list({w.cond: None for w in node.writes if w.cond is not TRUE}) if node.buffered else []
        if not conds:
            return [self._written(assumed, node.writes, node.frame.stack)]
        found: list[Path] = []
        for k, cond in enumerate(conds):
            taken = self._assume(assumed, self._value(cond, assumed))
            if taken is not None:
                kept = [Write(w.var, w.value) for w in node.writes if w.cond in (cond, TRUE)]
                apart = replace(taken, options=(*taken.options, (node.index, k)))  # one entry each: never merged
                found.append(self._written(apart, tuple(kept), node.frame.stack))
        some = or_(*(self._value(c, assumed) for c in conds))
        neither = None if _always(some) else self._assume(assumed, not_(some))
        if neither is not None:  # out of range: what is written without condition says so, or nothing is written
            kept = [Write(w.var, w.value) for w in node.writes if w.cond is TRUE]
            apart = replace(neither, options=(*neither.options, (node.index, len(conds))))
            found.append(self._written(apart, tuple(kept), node.frame.stack))
        return found

    def _looked(self, path: Path, node: Node, cond: Expr) -> Path:
        """A decision, noted with its functions: the first on each variable."""
        new = {v: node.frame.stack for v in cond.reads if v not in path.looks}
        return replace(path, looks=path.looks | new) if new else path

    def _written(self, path: Path, writes: tuple[Write, ...], stack: tuple[str, ...]) -> Path:
        """All values are those before the operation."""
        env = dict(path.env)
        for w in writes:
            value = self._value(w.value, path)
            cond = self._value(w.cond, path)
            env[w.var] = ite(cond, value, env.get(w.var, var(w.var)))
        return replace(path, env=env, writes=path.writes | {w.var: stack for w in writes})

    def _value(self, e: Expr, path: Path) -> Expr:
        return e if e.reads.isdisjoint(path.env.keys()) else put_in(e, path.env)

    def _assume(self, path: Path, cond: Expr) -> Path | None:
        """The path under one more condition, or None if it contradicts."""
        if cond is TRUE:
            return path
        literals = list(path.literals)
        for part in cond.args if cond.op is ExprOp.AND else (cond,):
            if part is FALSE or not_(part) in literals or _excluded(part, literals):
                return None
            if part not in literals:
                literals.append(part)
        return replace(path, literals=tuple(literals))

    # -- merging --------------------------------------------------------------------------------------------------

    def _merge(self, paths: list[Path]) -> list[Path]:
        groups: dict[tuple[object, ...], list[Path]] = {}
        for p in paths:
            groups.setdefault((p.events, p.options, p.access, p.marks, p.fair), []).append(p)
        found: list[Path] = []
        for group in groups.values():
            while len(group) > 1:
                pairs = [(i, j) for j in range(len(group)) for i in range(j)]
                i, j = max(pairs, key=lambda ij: _common(group[ij[0]].literals, group[ij[1]].literals))
                group[i] = self._merge_two(group[i], group.pop(j))
            found += group
        return found

    def _merge_two(self, a: Path, b: Path) -> Path:
        same = _common(a.literals, b.literals)
        left, right = a.literals[same:], b.literals[same:]
        if len(right) == 1 and len(left) > 1:
            a, b, left, right = b, a, right, left
        tell = and_(*left)
        env: dict[Var, Expr] = {}
        for v in [*a.env, *(v for v in b.env if v not in a.env)]:
            x, y = a.env.get(v, var(v)), b.env.get(v, var(v))
            env[v] = x if x is y else ite(tell, x, y)
        if len(left) == 1 and right and right[0] is not_(left[0]):
            rest = or_(tell, and_(*right[1:]))
        else:
            rest = or_(tell, and_(*right))
        literals = a.literals[:same] if rest is TRUE else (*a.literals[:same], rest)
        return replace(a, literals=literals, env=env, writes=_both(a.writes, b.writes), looks=_both(a.looks, b.looks))


def _both(a: dict[Var, tuple[str, ...]], b: dict[Var, tuple[str, ...]]) -> dict[Var, tuple[str, ...]]:
    """Of two functions that did the same to a variable, what both are called from."""
    return b | {v: stack if b.get(v, stack) == stack else _shared(stack, b[v]) for v, stack in a.items()}


def _shared(a: tuple[str, ...], b: tuple[str, ...]) -> tuple[str, ...]:
    return a[:next((k for k, (x, y) in enumerate(zip(a, b, strict=False)) if x != y), min(len(a), len(b)))]


def _common(a: tuple[Expr, ...], b: tuple[Expr, ...]) -> int:
    k = 0
    while k < len(a) and k < len(b) and a[k] is b[k]:
        k += 1
    return k


def _excluded(part: Expr, literals: list[Expr]) -> bool:
    """Whether a literal says that the same expression has another constant value."""
    if part.op is not ExprOp.EQ or not is_const(part.args[1]):
        return False
    return any(
        e.op is ExprOp.EQ
        and e.args[0] is part.args[0]
        and is_const(e.args[1])
        and e.args[1].payload != part.args[1].payload
        for e in literals
    )
