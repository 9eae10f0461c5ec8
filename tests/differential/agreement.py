# SPDX-License-Identifier: GPL-2.0-or-later
"""Do all engines say the same about a system?  The interpreter is the judge, of their traces too.

Without reductions: states, transitions, depth, verdict and shortest length of every property.  With any setting of
the reductions: verdict and shortest length, and the minimal trace itself.  Every trace is replayed by the interpreter
on the annotated system; of a lasso it is checked that the loop closes, is fair, meets the formula, never the goal.
"""

from __future__ import annotations

import importlib
import importlib.util
import itertools
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from pathlib import Path

from lostirq.evidence.verdict import Holds, Reductions, SearchOptions, SearchResult, Trace, Unknown, Violated
from lostirq.explicit.graph import check_graph
from lostirq.interpret import Exploration, Interpreter, RangeError, State
from lostirq.ir.system import RANGE, STUCK, Fair, Form, Property, System

Engine = Callable[[System, SearchOptions], SearchResult]
SETTINGS = tuple(Reductions(*flags) for flags in itertools.product((False, True), (False, None), (False, True)))


@dataclass(frozen=True)
class Summary:
    """What engines are compared on: for each property "holds", "violated 7", "reached 3", "not reached"; states,
    transitions and depth."""

    verdicts: tuple[tuple[str, str], ...]
    counts: tuple[int, int, int] | None = None


def compiled_engines(cache: Path) -> dict[str, Engine]:
    """The engines of `lostirq.explicit.search`, as far as they exist: compiled C and generated Python."""
    if importlib.util.find_spec("lostirq.explicit.search") is None:
        return {}
    check = importlib.import_module("lostirq.explicit.search").check
    return {
        "C": lambda system, options: check(system, options, cache),
        "Python": lambda system, options: check(system, replace(options, compiler=""), cache),
    }


def agree(
    system: System, engines: dict[str, Engine], settings: dict[str, Iterable[Reductions]], limit: int = 2000,
) -> bool:
    """Compare all engines on a system; False if it is too large to be worth it.  `settings`: the reductions to try, by
    engine, besides none at all."""
    reference = Interpreter(system)
    explored = reference.explore(limit)
    if not explored.complete:
        return False
    graph = check_graph(system)
    liveness = {p.key: word(system, p.key, graph) for p in system.properties if p.form is Form.RECURRENCE}
    expected = summary_of(system, explored, liveness)
    compare("graph", summary(system, graph), expected)
    replay(reference, graph)
    for name, engine in engines.items():
        for options in variants(system, settings.get(name, ())):
            result = engine(system, options)
            found, wanted = summary(system, result), expected
            if options.reductions != Reductions.none():
                found, wanted = replace(found, counts=None), replace(expected, counts=None)
            if not options.liveness:
                wanted = replace(wanted, verdicts=tuple(v for v in wanted.verdicts if v[0] not in liveness))
            compare(f"{name} {options.reductions}", found, wanted)
            replay(reference, result)
            assert traces(result) == traces(graph), f"{name} {options.reductions}: another minimal trace"
    return True


def variants(system: System, settings: Iterable[Reductions]) -> list[SearchOptions]:
    """Without reductions, and with each setting; symmetry, which recurrences rule out, also for safety alone."""
    found = [SearchOptions(reductions=r) for r in dict.fromkeys((Reductions.none(), *settings))]
    if any(p.symmetric for p in system.processes):
        found += [replace(o, liveness=False) for o in found if o.reductions.symmetry is not False]
    return found


def traces(result: SearchResult) -> dict[str, tuple[int, ...]]:
    """The traces that are said to be minimal, and so must be the same ones."""
    violations = {k: v.trace for k, v in result.verdicts.items() if isinstance(v, Violated)}
    return {k: t.moves for k, t in {**violations, **result.witnesses}.items() if t.minimal}


def compare(engine: str, found: Summary, expected: Summary) -> None:
    assert found == expected, f"{engine} differs from the interpreter:\n  {found}\n  {expected}"


def summary_of(system: System, explored: Exploration, liveness: dict[str, str]) -> Summary:
    """What the interpreter says; liveness is judged by the graph engine, and its lassos by `replay`."""
    words = dict(liveness)
    for key in (STUCK, RANGE):
        words[key] = f"violated {len(explored.violations[key])}" if key in explored.violations else "holds"
    for p in system.properties:
        if p.form in (Form.REACHABLE, Form.REACHABLE_STEP):
            words[p.key] = f"reached {len(explored.witnesses[p.key])}" if p.key in explored.witnesses else "not reached"
        elif p.form is not Form.RECURRENCE:
            words[p.key] = f"violated {len(explored.violations[p.key])}" if p.key in explored.violations else "holds"
    counts = explored.states, explored.transitions, len(explored.levels) - 1
    return Summary(tuple(sorted(words.items())), counts)


def summary(system: System, result: SearchResult) -> Summary:
    assert result.complete, result.reason
    judged = [k for k, v in result.verdicts.items() if v != Unknown("liveness not checked")]
    words = tuple(sorted((key, word(system, key, result)) for key in judged))
    return Summary(words, (result.states, result.transitions, result.depth))


def word(system: System, key: str, result: SearchResult) -> str:
    """A verdict with its shortest length; lassos have none, because they are not minimal."""
    verdict = result.verdicts[key]
    if key in result.witnesses:
        assert isinstance(verdict, Holds)
        return f"reached {len(result.witnesses[key].moves)}"
    if isinstance(verdict, Violated):
        return "violated" if verdict.trace.loop is not None else f"violated {len(verdict.trace.moves)}"
    return "not reached" if isinstance(verdict, Unknown) and verdict.reason == "not reached" else _holds(verdict)


def _holds(verdict: object) -> str:
    assert isinstance(verdict, Holds), verdict
    return "holds"


# -- replay ---------------------------------------------------------------------------------------------------------


def replay(reference: Interpreter, result: SearchResult) -> None:
    """Every trace of a result shows what it claims."""
    traces = [v.trace for v in result.verdicts.values() if isinstance(v, Violated)]
    for trace in (*traces, *result.witnesses.values()):
        prop = next((p for p in reference.system.properties if p.key == trace.property), None)
        shows(reference, trace, prop)


def shows(reference: Interpreter, trace: Trace, prop: Property | None) -> None:
    states = run(reference, trace)
    last = trace.moves[-1] if trace.moves else -1
    if prop is None:
        assert trace.property in (STUCK, RANGE)
        if trace.property == STUCK:
            assert not reference.moves(states[-1]) and not reference.resting(states[-1])
        else:
            assert len(states) == len(trace.moves)          # the last move did not lead anywhere
    elif prop.form is Form.RECURRENCE:
        shows_lasso(reference, trace, prop, states)
    elif prop.form in (Form.INVARIANT, Form.REACHABLE):
        assert reference.holds(prop.formula, states[-1]) == (prop.form is Form.REACHABLE)
    else:
        held = reference.holds_step(prop.formula, states[-2], last, states[-1])
        assert held == (prop.form is Form.REACHABLE_STEP)


def run(reference: Interpreter, trace: Trace) -> list[State]:
    """The states of a trace, the initial one first; a last move that is out of range has no state after it."""
    states = [reference.initial()]
    for i, move in enumerate(trace.moves):
        assert move in reference.moves(states[-1]), f"move {move} at {i} of {trace}"
        try:
            states.append(reference.step(states[-1], move))
        except RangeError:
            assert trace.property == RANGE and i == len(trace.moves) - 1
    return states


def shows_lasso(reference: Interpreter, trace: Trace, prop: Property, states: list[State]) -> None:
    """The loop closes, meets the formula, never the goal, and is fair."""
    assert trace.loop is not None
    loop, moves = states[trace.loop:], trace.moves[trace.loop:]
    assert loop[0] == loop[-1]
    assert any(reference.holds(prop.formula, s) for s in loop)
    for before, move, after in zip(loop, moves, loop[1:], strict=False):
        assert not reference.holds_step(prop.goal, before, move, after)
    enabled = [{_class(reference, m) for m in reference.moves(s)} for s in loop]
    taken = {_class(reference, m) for m in moves}
    for fair, process, location in set().union(*enabled) - taken:
        if fair is Fair.WEAK:
            assert any((fair, process, location) not in e for e in enabled), f"unfair to process {process}"
        assert fair is not Fair.STRONG, f"unfair to process {process} at {location}"


def _class(reference: Interpreter, move: int) -> tuple[Fair, int, int]:
    """The fairness class of a move; a flush belongs to the store buffer, numbered after the processes."""
    edges = reference.system.edges
    if move >= len(edges):
        return Fair.WEAK, len(reference.system.processes) + move - len(edges), 0
    edge = edges[move]
    return edge.fair, edge.process, edge.src if edge.fair is Fair.STRONG else 0
