# SPDX-License-Identifier: GPL-2.0-or-later
"""Counterexamples of the explicit engines against brute force: shortest, fewest changes of process, least by number."""

from __future__ import annotations

import itertools
from dataclasses import replace
from pathlib import Path

import pytest

from lostirq.errors import UsageError
from lostirq.evidence.verdict import Holds, Reductions, SearchOptions, SearchResult, Trace, Violated
from lostirq.explicit.search import check
from lostirq.interpret import Interpreter, State
from lostirq.ir import expr as x
from lostirq.ir.system import Fair, Form, Memory, Property, System
from tests.unit.explicit_toys import mutex, rings, senders

Paths = list[tuple[tuple[int, ...], State]]
COMPILERS = pytest.mark.parametrize("compiler", [None, ""], ids=["C", "Python"])


@pytest.fixture(scope="session")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache") / "build"


def hits(interpreter: Interpreter, prop: Property, moves: tuple[int, ...]) -> bool:
    """Does a sequence of moves end in a violation, or reach the witness?"""
    states = [interpreter.initial()]
    for move in moves:
        states.append(interpreter.step(states[-1], move))
    sought = prop.form in (Form.REACHABLE, Form.REACHABLE_STEP)
    if prop.form in (Form.INVARIANT, Form.REACHABLE):
        return interpreter.holds(prop.formula, states[-1]) == sought
    if len(states) < 2:
        return False
    return interpreter.holds_step(prop.formula, states[-2], moves[-1], states[-1]) == sought


def grow(interpreter: Interpreter, paths: Paths, seen: set[State]) -> tuple[Paths, Paths]:
    """All sequences that are one move longer; and of these the ones that lead to states not seen at shorter distance,
    since every prefix of a shortest trace is a shortest path."""
    longer = [((*moves, m), interpreter.step(state, m)) for moves, state in paths for m in interpreter.moves(state)]
    fresh = [(moves, state) for moves, state in longer if state not in seen]
    seen.update(state for _, state in fresh)
    return longer, fresh


def changes(system: System, moves: tuple[int, ...]) -> int:
    owner = {e.index: e.process for e in system.edges}
    flushes = len(system.edges)
    who = [owner.get(m, len(system.processes) + m - flushes) for m in moves]
    return sum(a != b for a, b in zip(who, who[1:], strict=False))


def best(system: System, prop: Property) -> tuple[int, ...]:
    """The minimal sequence, by trying all."""
    interpreter = Interpreter(system)
    paths: Paths = [((), interpreter.initial())]
    longer, seen = paths, {interpreter.initial()}
    while True:
        found = [moves for moves, _ in longer if hits(interpreter, prop, moves)]
        if found:
            return min(found, key=lambda m: (changes(system, m), m))
        longer, paths = grow(interpreter, paths, seen)


def said(found: SearchResult) -> dict[str, object]:
    """Verdicts without the words, which count states."""
    return {k: v.trace if isinstance(v, Violated) else type(v) for k, v in found.verdicts.items()}


def trace_of(found: SearchResult, key: str) -> Trace:
    verdict = found.verdicts[key]
    return verdict.trace if isinstance(verdict, Violated) else found.witnesses[key]


CASES = [
    (mutex(broken=True), "exclusion"), (rings(2, 5), "words"), (rings(2, 5), "kept"), (rings(2, 4), "apart"),
    (senders(2, Memory.SC), "two"), (senders(2, Memory.TSO), "grows"),
]


@pytest.mark.parametrize("system,key", CASES, ids=[f"{s.memory.value}-{k}" for s, k in CASES])
def test_traces_are_the_best_of_all(cache: Path, system: System, key: str) -> None:
    wanted = best(system, next(p for p in system.properties if p.key == key))
    for compiler, reductions in itertools.product((None, ""), (Reductions.none(), Reductions())):
        found = check(system, SearchOptions(compiler=compiler, reductions=reductions), cache)
        assert trace_of(found, key).moves == wanted


@COMPILERS
@pytest.mark.parametrize("model", list(Memory))
def test_symmetry_keeps_verdicts_and_traces(cache: Path, compiler: str | None, model: Memory) -> None:
    system = senders(3, model)
    off = check(system, SearchOptions(compiler=compiler, reductions=Reductions(True, False, True)), cache)
    for asked in (None, True):
        on = check(system, SearchOptions(compiler=compiler, reductions=Reductions(True, asked, True)), cache)
        assert said(on) == said(off) and on.witnesses == off.witnesses
        assert on.states < off.states / 3


def test_symmetry_that_is_not_there(cache: Path) -> None:
    """A declared set whose members differ is not reduced; who insists is told why."""
    system = senders(2, Memory.TSO, aside=True)
    off = check(system, SearchOptions(reductions=Reductions(True, False, True)), cache)
    default = check(system, SearchOptions(), cache)
    assert (default.states, default.verdicts) == (off.states, off.verdicts)
    with pytest.raises(UsageError, match="senders cannot be reduced"):
        check(system, SearchOptions(reductions=Reductions(True, True, True)), cache)


def test_a_property_that_tells_members_apart_refuses_symmetry(cache: Path) -> None:
    system = senders(2, Memory.SC)
    at = next(p for p in system.properties if p.form is Form.STEP)
    first = system.processes[0].pc
    apart = replace(at, key="apart", formula=x.or_(x.eq(x.old(first), x.integer(0)), x.eq(x.var(first), x.integer(0))))
    system = replace(system, properties=(*system.properties, apart))
    with pytest.raises(UsageError, match="property apart tells its members apart"):
        check(system, SearchOptions(reductions=Reductions(True, True, True)), cache)
    on = check(system, SearchOptions(properties=("two",), reductions=Reductions(True, True, True)), cache)
    off = check(system, SearchOptions(properties=("two",), reductions=Reductions(True, False, True)), cache)
    assert said(on) == said(off) and on.states < off.states


@COMPILERS
def test_liveness(cache: Path, compiler: str | None) -> None:
    good = check(mutex(), SearchOptions(compiler=compiler), cache)
    assert all(isinstance(v, Holds) for v in good.verdicts.values())
    lazy = replace(mutex(), edges=tuple(replace(e, fair=Fair.NONE) for e in mutex().edges))
    for reductions in (Reductions.none(), Reductions()):
        found = check(lazy, SearchOptions(compiler=compiler, reductions=reductions), cache)
        verdict = found.verdicts["progress0"]
        assert isinstance(verdict, Violated) and verdict.trace.moves == (0, 1) and verdict.trace.loop == 2
        assert not verdict.trace.minimal


@COMPILERS
def test_liveness_is_not_judged_on_a_part(cache: Path, compiler: str | None) -> None:
    found = check(mutex(), SearchOptions(compiler=compiler, max_states=5), cache)
    assert found.verdicts["progress0"].reason == "states"
    without = check(mutex(), SearchOptions(compiler=compiler, liveness=False), cache)
    assert without.complete and without.verdicts["progress0"].reason == "liveness not checked"


def test_liveness_refuses_symmetry(cache: Path) -> None:
    system = senders(2, Memory.SC)
    recurrence = Property("served", "served", Form.RECURRENCE, system.properties[0].formula)
    system = replace(system, properties=(*system.properties, recurrence))
    with pytest.raises(UsageError, match="does not preserve liveness"):
        check(system, SearchOptions(reductions=Reductions(True, True, True)), cache)
    default = check(system, SearchOptions(), cache)
    assert default.states == check(system, SearchOptions(reductions=Reductions(True, False, True)), cache).states


def test_more_recurrences_than_one_batch(cache: Path) -> None:
    """The compiled engine labels the graph for eight recurrences at a time; each has its own verdict."""
    lazy = replace(mutex(), edges=tuple(replace(e, fair=Fair.NONE) for e in mutex().edges))
    violated, held = lazy.properties[1], replace(lazy.properties[1], formula=x.FALSE)
    many = tuple(replace(held if i % 3 else violated, key=f"L{i}") for i in range(20))
    system = replace(lazy, properties=many)
    for compiler in (None, ""):
        found = check(system, SearchOptions(compiler=compiler), cache)
        for i in range(20):
            verdict = found.verdicts[f"L{i}"]
            assert isinstance(verdict, Holds) if i % 3 else isinstance(verdict, Violated) and verdict.trace.loop == 2


def test_lassos_of_both_engines_are_the_same(cache: Path) -> None:
    """A strong class that is enabled again and again and never taken is no violation; a weak one may be postponed."""
    for fair in Fair:
        edges = tuple(replace(e, fair=fair) if e.index == 2 else e for e in mutex(broken=True).edges)
        system = replace(mutex(broken=True), edges=edges)
        for reductions in (Reductions.none(), Reductions()):
            one, two = (check(system, SearchOptions(compiler=c, reductions=reductions), cache) for c in (None, ""))
            assert one.verdicts == two.verdicts
        assert isinstance(one.verdicts["progress0"], Holds if fair is not Fair.NONE else Violated)
