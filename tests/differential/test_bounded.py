# SPDX-License-Identifier: GPL-2.0-or-later
"""The bounded search against the interpreter and the explicit engines, on random systems under SC and TSO.

For every safety property: the same verdict up to the depth searched, the same shortest length, and, against an engine
that minimises, the very same trace.  For systems of few states the encoding is compared state by state: Z3 enumerates
the reachable states of each level, and they are those of the interpreter.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lostirq.errors import ModelErrors
from lostirq.evidence.verdict import Reductions, SearchOptions, SearchResult, Trace, Unknown, Violated
from lostirq.explicit.graph import check_graph
from lostirq.explicit.search import check
from lostirq.interpret import Exploration, Interpreter, RangeError
from lostirq.ir.system import RANGE, STUCK, Form, Memory, System
from lostirq.ir.tso import lower
from lostirq.language import compile_scenario, load_sources
from lostirq.symbolic.bmc import check_bounded
from lostirq.symbolic.reach import reachable
from tests.differential.agreement import replay
from tests.differential.random_sources import sources
from tests.differential.random_systems import build

SYSTEMS, DEPTH, STATES = 100, 12, 400
ENUMERATED, FEW, SOURCES = 100, 60, 12


def random_systems(limit: int) -> Iterator[tuple[System, Exploration]]:
    """Systems whose graph has at most `limit` states, with what the interpreter finds in it."""
    seed = 0
    while True:
        seed += 1
        system = build(seed, Memory.TSO if seed % 2 else Memory.SC, 2 + seed % 2, 3 + seed // 2 % 2)
        explored = Interpreter(system).explore(limit)
        if explored.complete:
            yield system, explored


def traces(result: SearchResult) -> dict[str, Trace]:
    found = {k: v.trace for k, v in result.verdicts.items() if isinstance(v, Violated)}
    return found | result.witnesses


def compare(system: System, explored: Exploration, seen: Counter[str]) -> dict[str, Trace]:
    """Verdicts and lengths against the interpreter; gives the traces."""
    result = check_bounded(system, SearchOptions(max_depth=DEPTH))
    replay(Interpreter(system), result)
    found, shortest = traces(result), {**explored.violations, **explored.witnesses}
    for key in [STUCK, RANGE, *(p.key for p in system.properties if p.form is not Form.RECURRENCE)]:
        length = len(shortest[key]) if key in shortest else None
        if length is not None and length <= DEPTH:
            assert key in found and len(found[key].moves) == length, f"{system.name} {key}"
            seen["found"] += 1
        else:
            assert key not in found, f"{system.name} {key}"
            verdict = result.verdicts[key]
            assert result.complete or verdict == Unknown(f"depth {DEPTH} reached"), f"{system.name} {key}: {verdict}"
            seen["complete" if result.complete else "limit"] += 1
    if result.complete:
        assert result.depth + 1 >= len(explored.levels)
    return found


def test_bounded_search_agrees(tmp_path: Path) -> None:
    seen: Counter[str] = Counter()
    for number, (system, explored) in enumerate(random_systems(STATES)):
        if number == SYSTEMS:
            break
        found = compare(system, explored, seen)
        graph = traces(check_graph(system))
        # "" is the generated Python of the compiled engine; C, which costs a compiler run, for some.
        options = SearchOptions(reductions=Reductions.none(), compiler=None if number % 25 == 0 else "")
        compiled = traces(check(system, replace(options, liveness=False), tmp_path))
        for key, trace in found.items():
            assert trace == graph[key] == compiled[key], f"{system.name} {key}"
    assert seen["found"] >= 100 and seen["limit"] >= 100 and seen["complete"] >= 20, seen


def test_bounded_search_agrees_on_sources() -> None:
    """Systems that the front end makes, with handlers, schedulers and choices."""
    seen: Counter[str] = Counter()

    @settings(max_examples=8 * SOURCES, deadline=None, suppress_health_check=list(HealthCheck))
    @given(sources(), st.sampled_from(Memory))
    def judge(files: dict[str, str], memory: Memory) -> None:
        if seen["systems"] >= SOURCES:
            return
        try:
            system = compile_scenario(load_sources(files), "only", memory)
        except ModelErrors:
            return                      # stores without bound in a loop: see test_sources
        explored = Interpreter(system).explore(STATES)
        if explored.complete:
            seen["systems"] += 1
            found, graph = compare(system, explored, seen), traces(check_graph(system))
            assert all(trace == graph[key] for key, trace in found.items())

    judge()
    assert seen["systems"] == SOURCES and seen["found"] >= SOURCES // 3, seen


def levels(system: System) -> list[set[tuple[int, ...]]]:
    """The reachable states by distance, by the interpreter."""
    interpreter = Interpreter(system)
    found = [{interpreter.initial()}]
    seen = set(found[0])
    while found[-1]:
        found.append(set())
        for state in found[-2]:
            for move in interpreter.moves(state):
                try:
                    after = interpreter.step(state, move)
                except RangeError:
                    continue
                if after not in seen:
                    seen.add(after)
                    found[-1].add(after)
    return [{values for values, _ in level} for level in found[:-1]]


def test_reachable_states_agree() -> None:
    total = 0
    for number, (system, explored) in enumerate(random_systems(FEW)):
        if number == ENUMERATED:
            break
        flat = lower(system)
        found = reachable(flat, FEW)
        assert found == levels(flat), system.name
        assert [len(level) for level in found] == list(explored.levels), system.name
        total += explored.states
    assert total >= 10 * ENUMERATED
