# SPDX-License-Identifier: GPL-2.0-or-later
"""Steps against operations: what the front end composes symbolically is what its operations do one by one.

The walker below executes the operations of a process on numbers, one path at a time, with no merging, no folding of
expressions and no facts, and must find the same successors as the edges of the system, in every state of random models.
Stores act at once in both (SC); store buffers are compared elsewhere.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings

from lostirq.interpret import Interpreter, RangeError
from lostirq.ir.core import apply
from lostirq.ir.expr import Expr, Op, Var, fold, variables
from lostirq.ir.system import Memory
from lostirq.language import Workspace, compile_scenario, load_sources, load_workspace
from lostirq.language.compiler import Prepared, prepare
from lostirq.language.finish import Request
from lostirq.language.graph import Graph, Node
from lostirq.language.graph import Op as Kind
from lostirq.language.source import Report
from tests.differential.random_sources import sources
from tests.unit.language import load
from tests.unit.test_language_awkward import BROADCAST, CMPXCHG, PREEMPTS, RUN_TIME_INDEX, SHARED_FUNCTION, TWO_VMCS

EXAMPLES, COMPARED, STATES = 150, 100, 60

Values = dict[Var, int]


def value(e: Expr, values: Values) -> int:
    """The value of an expression, operator by operator."""

    def visit(node: Expr, args: list[int]) -> int:
        return values[node.payload] if node.op is Op.VAR else apply(node, args)  # type: ignore[index]  # a Var

    return fold(e, visit)


class Walker:
    """Successors of a location by executing operations; `open_` until the first access of a step from a choice."""

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self.order = {n.index: k for k, n in enumerate(graph.reachable())}

    def successors(self, start: int, values: Values) -> set[tuple[int, tuple[tuple[Var, int], ...]]]:
        node = self.graph.nodes[start]
        open_ = node.op in (Kind.CHOICE, Kind.PICK)
        region = node.region if node.op is Kind.ATOMIC else 0
        found = set()
        for end, after in self.walk(node, dict(values), open_, region, False, False):
            found.add((end, tuple(sorted(after.items(), key=lambda item: item[0].name))))
        return found

    def walk(
        self, node: Node, values: Values, open_: bool, region: int, round_: bool, idle: bool
    ) -> Iterator[tuple[int, Values]]:
        """Execute one operation and go on."""
        for target, after in self.operate(node, values):
            follower = self.graph.nodes[target]
            came_round = round_ or self.order[target] <= self.order[node.index]
            rests = idle or "idle" in node.marks
            if region and (follower.region != region or follower.op is Kind.ATOMIC):
                inside = 0
            else:
                inside = region
            if not follower.location or inside:
                yield from self.walk(follower, after, open_, inside, came_round, rests)
            elif not open_ or came_round or rests or follower.op in (Kind.STEP, Kind.END, Kind.NOP):
                yield target, after
            else:
                more = follower.op in (Kind.CHOICE, Kind.PICK)
                block = follower.region if follower.op is Kind.ATOMIC else 0
                yield from self.walk(follower, after, more, block, came_round, False)

    def operate(self, node: Node, values: Values) -> Iterator[tuple[int, Values]]:
        if node.op is Kind.BRANCH:
            yield node.succ[0 if value(node.cond, values) else 1], values
        elif node.op is Kind.CHOICE:
            for way, guard in zip(node.succ, node.guards, strict=True):
                if value(guard, values):
                    yield way, values
        elif node.op is Kind.PICK and node.pick is not None:
            for number, guard in node.options:
                if value(guard, values):
                    yield node.succ[0], {**values, node.pick: number}
        elif node.succ and value(node.cond, values):
            after = dict(values)
            for w in node.writes:
                if value(w.cond, values):
                    after[w.var] = value(w.value, values)
            yield node.succ[0], after


def compare(workspace: Workspace, name: str, overrides: dict[str, int]) -> int:
    """Compare in the first states; returns the number of comparisons, or -1 if the model leaves the range of an Int."""
    system = compile_scenario(workspace, name, Memory.SC, overrides=overrides)
    values = {p.name: p.default for p in workspace.parameters.values()} | overrides
    report = Report()
    prepared = prepare(workspace.declarations, Request(name, Memory.SC, values), report)
    assert isinstance(prepared, Prepared) and not report.found
    interpreter = Interpreter(system)
    index = {v.name: k for k, v in enumerate(system.variables)}
    walkers = [Walker(c.graph) for c in prepared.composed]
    seen = {interpreter.initial()}
    work = list(seen)
    compared = 0
    while work and len(seen) < STATES:
        state = work.pop(0)
        base = {v: state[0][index[v.name]] if v.name in index else n for v, n in prepared.initial.items()}
        for p, c, walker in zip(system.processes, prepared.composed, walkers, strict=True):
            if not interpreter.holds(p.runs, state):
                continue
            expected = set()
            for end, after in walker.successors(c.steps.locations[state[0][index[p.pc.name]]], base):
                kept = {v.name: n for v, n in after if v.name in index}
                place = c.steps.locations.index(end)
                values_after = tuple(kept.get(v.name, state[0][k]) for k, v in enumerate(system.variables))
                both = zip(system.variables, values_after, strict=True)
                expected.add(tuple(place if v == p.pc else n for v, n in both))
            try:
                moves = [m for m in interpreter.moves(state) if system.edges[m].process == p.index]
                after_moves = [interpreter.step(state, m) for m in moves]
            except RangeError:
                return -1
            assert {s[0] for s in after_moves} == expected, (
                f"{p.name} at {p.locations[state[0][index[p.pc.name]]].text}"
            )
            compared += 1
            for s in after_moves:
                if s not in seen:
                    seen.add(s)
                    work.append(s)
    return compared


def test_random_models() -> None:
    outcome: Counter[str] = Counter()

    @settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck))
    @given(sources())
    def check(files: dict[str, str]) -> None:
        if outcome["compared"] < COMPARED:
            found = compare(load_sources(files), "only", {})
            outcome["compared" if found > 0 else "out of range"] += 1

    check()
    assert outcome["compared"] >= COMPARED, outcome


def test_the_awkward_models() -> None:
    for text, switches in (
        (TWO_VMCS, ({}, {"NESTED": 0})),
        (RUN_TIME_INDEX, ({},)),
        (PREEMPTS, ({}, {"CLI": 0})),
        (SHARED_FUNCTION, ({}, {"EXTRA": 1, "LATE": 1})),
        (CMPXCHG, ({}, {"WHOLE": 0})),
        (BROADCAST, ({}, {"HOLD": 0})),
    ):
        for overrides in switches:
            assert compare(load(text), "only", dict(overrides)) >= 7


def unnoticed(prepared: Prepared) -> list[str]:
    """Operations in which a shared unit occurs that they are not known to touch: steps would be missed."""
    nodes = [(c.graph, n) for c in prepared.composed for n in c.graph.reachable()]
    shared = {u for _, n in nodes for u in n.touched}
    found: list[str] = []
    for graph, node in nodes:
        registers = {v.unit for v in variables([graph.cpu])} if graph.cpu is not None else set()
        units = {v.unit for e in node.expressions() for v in variables([e])} & shared
        if not units <= node.touched | registers or not (node.location or node.region or not node.touched):
            found.append(f"{graph.name}: {node.frame.text}")
    return found


def test_no_access_goes_unnoticed() -> None:
    @settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck))
    @given(sources())
    def check(files: dict[str, str]) -> None:
        workspace = load_sources(files)
        values = {p.name: p.default for p in workspace.parameters.values()}
        prepared = prepare(workspace.declarations, Request("only", Memory.SC, values), Report())
        assert prepared is not None and unnoticed(prepared) == []

    check()


@pytest.mark.parametrize("quick", [True, pytest.param(False, marks=pytest.mark.slow)])
def test_no_access_of_the_workspace_goes_unnoticed(quick: bool) -> None:
    workspace = load_workspace(Path(__file__).parents[2])
    for name, scenario in workspace.scenarios.items():
        if (scenario.tier == "quick") is not quick:
            continue
        values = {p.name: p.default for p in workspace.parameters.values()} | scenario.parameters
        prepared = prepare(workspace.declarations, Request(name, Memory.SC, values), Report())
        assert prepared is not None and unnoticed(prepared) == []
