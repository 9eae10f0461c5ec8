# SPDX-License-Identifier: GPL-2.0-or-later
"""A run of a small instance, found again in a larger one: same order of processes, same places of the text, free data.

The larger instance is executed symbolically along the run: at each position the process of the small step takes a step
of the same place; before and after it the process may take further steps (a loop over words goes round more often), a
store buffer may be flushed, and a step that has no counterpart may be left out.  An option of a choice is taken only
where the small run takes it.  Data (which vector is sent, which word holds it) are inputs, that Z3 chooses at the end;
on the way it says which branches are still possible.  Best first, by the number of steps that were added or left out.

Invariant: what is returned has been executed with numbers, edge by edge; that it violates the property is for
`lostirq.evidence.replay` to confirm.  Nothing is claimed of its length.

References: King 1976, "Symbolic execution and program testing"; Hart, Nilsson and Raphael 1968 (best-first search).
"""

from __future__ import annotations

import heapq
import itertools
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import cast

import z3

from lostirq.errors import LostirqError
from lostirq.interpret import Interpreter
from lostirq.ir.expr import (
    FALSE,
    TRUE,
    Expr,
    Op,
    Var,
    and_,
    apply,
    const,
    eq,
    fold,
    integer,
    le,
    not_,
    or_,
    substitute,
    var,
    variables,
)
from lostirq.ir.system import Form, Property, Sort, System
from lostirq.ir.tso import lower
from lostirq.symbolic.encode import Encoder
from lostirq.symbolic.merged import Group, Place, State, Taken, groups_from, place_of, step

AHEAD = 4.0            # what a step of the small run still to do weighs against a step added
LEFT_OUT = 16.0        # what a step left out weighs
DEFAULT_RLIMIT = 20_000_000


class NotLifted(LostirqError):
    """The run was not found in the larger instance; the reason in words."""


@dataclass(frozen=True, slots=True)
class Node:
    """A symbolic state of the larger instance.  `done`: how many small steps are behind; `condition`: what the data
    must fulfil; `data`: some that do; `path`: what was taken."""

    done: int
    state: State
    condition: tuple[Expr, ...]
    data: dict[Var, int]
    path: tuple[Taken, ...]
    cost: float


Successor = tuple[State, tuple[Expr, ...], dict[Var, int], tuple[Taken, ...]]


@dataclass(frozen=True, slots=True)
class Lifting:
    """`moves` of the larger instance, the key of what they violate, and how hard it was."""

    moves: tuple[int, ...]
    key: str
    nodes: int
    seconds: float


class Lifter:
    """The search for one run.  `wanted`: properties of which one is to be violated at the end of the run."""

    def __init__(self, small: System, moves: tuple[int, ...], large: System, wanted: tuple[Property, ...],
                 rlimit: int = DEFAULT_RLIMIT) -> None:
        self.annotated, self.system = large, lower(large)
        flat = {p.key: p for p in self.system.properties}
        self.wanted = tuple(flat[p.key] for p in wanted)
        lowered = lower(small)
        self.track = [place_of(lowered, lowered.edges[m]) for m in moves]
        self.names = {p.name: p.index for p in self.system.processes}
        self.buffers = {p.index: None for p in self.system.processes if p.sort is Sort.BUFFER}
        self.groups = groups_from(self.system)
        self.rlimit = rlimit
        self.encoder = Encoder(())
        self.nodes = 0

    # -- is it possible? ------------------------------------------------------------------------------------------

    def solved(self, condition: Iterable[Expr], data: dict[Var, int]) -> dict[Var, int] | None:
        """Data that fulfil a condition: those given, if they do, else some that Z3 finds.  What it leaves open is taken
        for impossible: that costs a witness, no truth."""
        parts = [e for e in condition if e is not TRUE]
        if all(evaluate(e, data) for e in parts):
            return data
        inputs = list(variables(parts))
        return self.model(parts, inputs, [])

    def model(self, parts: list[Expr], inputs: list[Var], fixed: list[Expr]) -> dict[Var, int] | None:
        """A solver of its own for each question: conditions share few inputs, and what is learnt is soon useless."""
        for v in inputs:
            if v not in self.encoder.symbols:
                self.encoder.symbols.update(Encoder([v]).symbols)
        solver = z3.SolverFor("QF_BV")
        solver.set("rlimit", self.rlimit)
        solver.add(*self.encoder.in_range(inputs), *(self.encoder.term(e) for e in (*parts, *fixed)))
        if solver.check() != z3.sat:
            return None
        found = solver.model()
        return {v: self.encoder.value(found, v) for v in inputs}

    # -- the search -----------------------------------------------------------------------------------------------

    def run(self, seconds: float = 60.0, most: int = 20_000) -> Lifting:
        """Raises `NotLifted`."""
        started = time.monotonic()
        start: State = {v: const(v.init, v.type) for v in self.system.variables}
        order = itertools.count()
        queue = [(0.0, next(order), Node(0, start, (), {}, (), 0.0))]
        seen: set[object] = set()
        furthest = 0
        while queue:
            _, _, node = heapq.heappop(queue)
            mark = (node.done, len(node.path) if node.condition else 0, tuple(node.state.values()),
                    frozenset(node.condition))
            if mark in seen:
                continue
            seen.add(mark)
            self.nodes += 1
            furthest = max(furthest, node.done)
            if node.done == len(self.track):
                found = self.finish(node)
                if found is not None:
                    return Lifting(*found, self.nodes, time.monotonic() - started)
            if self.nodes >= most or time.monotonic() - started > seconds:
                raise NotLifted(f"gave up at step {furthest} of {len(self.track)} after {self.nodes} states")
            for after in self.children(node):
                rank = after.cost + AHEAD * (len(self.track) - after.done)
                heapq.heappush(queue, (rank, next(order), after))
        raise NotLifted(f"no way beyond step {furthest} of {len(self.track)}")

    def children(self, node: Node) -> Iterator[Node]:
        k = node.done
        movers: dict[int, None] = {}
        if k < len(self.track):
            movers[self.names[self.track[k][0]]] = None
            yield Node(k + 1, node.state, node.condition, node.data, node.path, node.cost + LEFT_OUT)
        if k:
            movers[self.names[self.track[k - 1][0]]] = None
        movers |= self.buffers
        wanted: Place | None = self.track[k] if k < len(self.track) else None
        for process in movers:
            for group in self.open_groups(node.state, process):
                fits = group.place == wanted
                if not fits and group.place[-1]:
                    continue            # an option that the small run does not take
                after = self.take(node, group)
                if after is not None and fits:
                    yield Node(k + 1, *after, node.cost)
                if after is not None:
                    yield Node(k, *after, node.cost + 1)

    def open_groups(self, state: State, process: int) -> list[Group]:
        at = state[self.system.processes[process].pc].payload
        return self.groups.get((process, at), [])  # type: ignore[arg-type]  # a CONST carries an int

    def take(self, node: Node, group: Group) -> Successor | None:
        """The state after the group, if some data allow it."""
        found = step(self.system, node.state, group, len(node.path))
        if found is None:
            return None
        condition, taken = found
        conditions, data = node.condition, node.data
        if condition is not TRUE:
            conditions = (*conditions, *(c for c in _parts(condition) if c not in conditions))
            if len(conditions) > len(node.condition):
                possible = self.solved(conditions, data)
                if possible is None:
                    return None
                data = possible
        return {**node.state, **taken.after}, conditions, data, (*node.path, taken)

    # -- the end --------------------------------------------------------------------------------------------------

    def finish(self, node: Node) -> tuple[tuple[int, ...], str] | None:
        """The moves and the key of what they violate, if this is the end of a violation."""
        bad = [(p, self.violated(node, p)) for p in self.wanted]
        bad = [(p, e) for p, e in bad if e is not FALSE]
        if not bad:
            return None
        condition = [c for c in (*node.condition, or_(*(e for _, e in bad))) if c is not TRUE]
        values = self.solved(condition, node.data)
        if values is None:
            return None
        values = self.least(condition, values)
        key = next(p.key for p, e in bad if evaluate(e, values))
        return self.concrete(node.path, values), key

    def violated(self, node: Node, p: Property) -> Expr:
        """When the property is violated in the last state or step."""
        if p.form is Form.INVARIANT:
            return not_(_put(p.formula, node.state))
        if p.form is not Form.STEP or not node.path:
            return FALSE
        taken = node.path[-1]
        before = self.state_before(node)

        def leaf(n: Expr) -> Expr | None:
            if n.op is Op.OCCURS:
                return or_(*(and_(test, *(eq(a, b) for a, b in zip(args, n.args, strict=True)))
                             for test, (name, args) in taken.events if name == n.payload and len(args) == len(n.args)))
            if n.op in (Op.VAR, Op.OLD) and n.payload in node.state:
                return (node.state if n.op is Op.VAR else before)[n.payload]
            return None

        return not_(substitute(p.formula, leaf, {}))

    def state_before(self, node: Node) -> State:
        state: State = {v: const(v.init, v.type) for v in self.system.variables}
        for taken in node.path[:-1]:
            state.update(taken.after)
        return state

    def least(self, condition: list[Expr], values: dict[Var, int]) -> dict[Var, int]:
        """Data that fulfil the condition: for each input in turn the least value, so that they are always the same."""
        inputs = list(variables(condition))
        fixed: list[Expr] = []
        for v in inputs:
            low, high = v.type.lo, values.get(v, v.init)
            while low < high:
                middle = (low + high) // 2
                found = self.model(condition, inputs, [*fixed, le(var(v), integer(middle))])
                if found is None:
                    low = middle + 1
                else:
                    values, high = found, found[v]
            fixed.append(eq(var(v), integer(high)))
        return values

    def concrete(self, path: tuple[Taken, ...], values: dict[Var, int]) -> tuple[int, ...]:
        """The edges that the path takes with these data, executed one by one."""
        interpreter = Interpreter(self.system)
        index = {v: i for i, v in enumerate(self.system.variables)}
        state = interpreter.initial()
        moves: list[int] = []
        for taken in path:
            wanted = {index[v]: evaluate(e, values) for v, e in taken.after.items()}
            heard = {(name, tuple(evaluate(a, values) for a in args)) for test, (name, args) in taken.events
                     if evaluate(test, values)}
            edges = {e.index for f in taken.group.families for e in f.members}
            for move in interpreter.moves(state):
                if move in edges and set(interpreter.events(state, move)) == heard:
                    after = interpreter.step(state, move)
                    if all(after[0][i] == x for i, x in wanted.items()):
                        break
            else:
                raise NotLifted(f"the data do not lead through step {len(moves)} of the lifted run")
            moves.append(move)
            state = after
        return tuple(moves)


def evaluate(e: Expr, values: dict[Var, int]) -> int:
    """The value of an expression over inputs; an input that decides nothing has its initial value."""
    def visit(n: Expr, args: list[int]) -> int:
        if n.op is Op.VAR:
            v = cast(Var, n.payload)
            return values.get(v, v.init)
        return apply(n, args)

    return fold(e, visit)


def _put(e: Expr, state: State) -> Expr:
    return substitute(e, lambda n: state.get(n.payload) if n.op is Op.VAR else None, {})  # type: ignore[call-overload]  # a Var


def _parts(e: Expr) -> tuple[Expr, ...]:
    return e.args if e.op is Op.AND else (e,)


__all__ = ["Lifter", "Lifting", "NotLifted", "evaluate"]
