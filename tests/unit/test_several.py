# SPDX-License-Identifier: GPL-2.0-or-later
"""`lostirq check --all N`: further counterexamples differ in their code, are the shortest that do, and are all."""

from __future__ import annotations

import json
from itertools import count
from pathlib import Path

import pytest
from cli_toys import run, toy

from lostirq.evidence.replay import confirm, replay
from lostirq.evidence.trace_file import read
from lostirq.evidence.verdict import RANGE, SearchOptions, SearchResult, Trace, Violated
from lostirq.explicit.search import check
from lostirq.interpret import Interpreter
from lostirq.ir.digest import digest
from lostirq.ir.system import Memory, System
from lostirq.language import compile_scenario, load_sources
from lostirq.workflow.several import NONE, meetings, passed, several

Capture = pytest.CaptureFixture[str]
MODEL = '''\
# SPDX-License-Identifier: GPL-2.0-or-later
"""Three ways to the same end, of different length, and a detour that is no way of its own."""
from lostirq.prelude import *


class Cell(Struct):
    way: Int[0, 3]
    detours: Int[0, 2]
    done: bool


cell: Cell


@function()
def short():
    cell.done = True


@function()
def middle():
    cell.way = 2
    cell.done = True


@function()
def long():
    cell.way = 2
    cell.way = 3
    cell.way = 1
    cell.done = True


@thread()
def walker():
    pick = choose(0, 2)
    if pick == 0:
        short()
    if pick == 1:
        middle()
    if pick == 2:
        long()


@thread(over=2)
def stroller(i: Int[0, 1]):
    cell.detours = 1
    cell.detours = 0
'''
REST = {
    "properties/p.py": '''\
# SPDX-License-Identifier: GPL-2.0-or-later
"""One property."""
from lostirq.prelude import *


@invariant("P-1", title="never done")
def never_done() -> bool:
    """Nothing is ever done, or it is still looked at how."""
    return not cell.done or cell.way > 3 or cell.detours > 2
''',
    "model/scenarios/s.py": '''\
# SPDX-License-Identifier: GPL-2.0-or-later
"""One scenario."""
from lostirq.prelude import *


@scenario(tier="quick", memory=("sc",))
class only:
    """All of it."""
''',
}


def system() -> System:
    return compile_scenario(load_sources({"model/m.py": MODEL, **REST}), "only", Memory.SC)


def search(s: System, options: SearchOptions) -> SearchResult:
    return check(s, SearchOptions(properties=options.properties, stop_early=True, compiler="",
                                  max_states=options.max_states), None)


def first(s: System) -> Trace:
    verdict = search(s, SearchOptions(properties=("P-1",))).verdicts["P-1"]
    assert isinstance(verdict, Violated)
    return verdict.trace


def all_violating_codes(s: System) -> list[tuple[int, frozenset[object]]]:
    """The sets of code of all runs without repetition of a state that end in a violation: by brute force."""
    interpreter = Interpreter(s)
    [prop] = [p for p in s.properties if p.key == "P-1"]
    found: list[tuple[int, frozenset[object]]] = []
    work = [((), interpreter.initial(), frozenset([interpreter.initial()]))]
    while work:
        moves, state, seen = work.pop()
        if not interpreter.holds(prop.formula, state):
            trace = Trace(s.name, "sc", digest(s), "P-1", moves)
            found.append((len(moves), passed(trace, s)))
            continue
        for move in interpreter.moves(state):
            after = interpreter.step(state, move)
            if after not in seen:
                work.append(((*moves, move), after, seen | {after}))
    return found


def test_each_differs_from_all_before_and_is_shortest() -> None:
    s = system()
    begin = first(s)
    found = several(s, begin, 9, search, SearchOptions())
    assert found.reason == NONE
    traces = [begin, *found.traces]
    codes = [passed(t, s) for t in traces]
    known = all_violating_codes(s)
    for number, trace in enumerate(traces):
        earlier = codes[:number]
        assert not any(e <= codes[number] for e in earlier)
        best = min(length for length, c in known if not any(e <= c for e in earlier))
        assert len(trace.moves) == best
        assert confirm(replay(s, trace)) is not None
    assert not [c for _, c in known if not any(e <= c for e in codes)]      # so that there is no other
    assert len(traces) == 3 and [len(t.moves) for t in traces] == sorted(len(t.moves) for t in traces)


RACE = '''\
# SPDX-License-Identifier: GPL-2.0-or-later
"""Two races of a writer and a reader, each also behind a detour; and a number that grows too large."""
from lostirq.prelude import *


class Cell(Struct):
    full: bool
    told: bool
    missed: bool
    strolls: Int[0, 3]
    detours: Int[0, 1]


cell: Cell


@thread()
def writer():
    cell.full = True
    cell.told = True


@function()
def quick_look():
    if not cell.full:
        cell.missed = True


@function()
def second_look():
    if not cell.told:
        cell.missed = True


@thread()
def reader():
    while choose(0, 1) == 0:
        cell.detours = 1
        cell.detours = 0
    if choose(0, 1) == 0:
        quick_look()
    else:
        second_look()


@thread()
def stroller():
    while True:
        cell.strolls = cell.strolls + 1
'''
MISSED = REST | {"properties/p.py": '''\
# SPDX-License-Identifier: GPL-2.0-or-later
"""One property."""
from lostirq.prelude import *


@invariant("P-1", title="nothing is missed")
def nothing_missed() -> bool:
    """What is there is never missed."""
    return not (cell.missed and cell.told)
'''}


def test_a_detour_is_no_other_race() -> None:
    """What differs is where the agents meet: two looks, and no further run for the detour before each."""
    s = compile_scenario(load_sources({"model/m.py": RACE, **MISSED}), "only", Memory.SC)
    begin = first(s)
    found = several(s, begin, 9, search, SearchOptions())
    assert found.reason == NONE and len(found.traces) == 1
    looks = [{c[1] for c in meetings(t, s)} - {"writer"} for t in (begin, *found.traces)]
    assert sorted(map(sorted, looks)) == [["quick_look"], ["second_look"]]
    assert not meetings(begin, s) <= passed(found.traces[0], s)


TWO = '''\
# SPDX-License-Identifier: GPL-2.0-or-later
"""Two independent races on one path."""
from lostirq.prelude import *


class Cell(Struct):
    full: bool
    told: bool
    missed: bool
    strolls: Int[0, 3]


cell: Cell


@thread()
def writer():
    cell.full = True
    cell.told = True


@function()
def after_full():
    cell.strolls = 1
    cell.missed = True


@function()
def after_told():
    cell.strolls = 2
    cell.missed = True


@thread()
def reader():
    seen: bool = cell.full
    smp_mb()
    if not seen:
        after_full()
    else:
        again: bool = cell.told
        if not again:
            after_told()
'''


def test_what_was_found_where_agents_meet_tells_races_apart() -> None:
    """The second race passes all the accesses of the first, and goes on from them in another way."""
    s = compile_scenario(load_sources({"model/m.py": TWO, **MISSED}), "only", Memory.SC)
    found = several(s, first(s), 9, search, SearchOptions())
    assert len(found.traces) == 1
    assert any(c[0] == "reader" and "cell.told" in c[4] for c in passed(found.traces[0], s))


def test_a_value_out_of_range_has_ways_too() -> None:
    s = compile_scenario(load_sources({"model/m.py": RACE, **MISSED}), "only", Memory.SC)
    verdict = search(s, SearchOptions(properties=(RANGE,))).verdicts[RANGE]
    assert isinstance(verdict, Violated)
    found = several(s, verdict.trace, 3, search, SearchOptions())
    assert (found.traces, found.reason) == ((), NONE)


def test_as_many_as_wanted() -> None:
    s = system()
    assert several(s, first(s), 1, search, SearchOptions()) .traces == ()
    found = several(s, first(s), 2, search, SearchOptions())
    assert len(found.traces) == 1 and found.reason == "" and not found.traces[0].minimal


def test_a_bound_is_not_the_end() -> None:
    s = system()
    found = several(s, first(s), 9, search, SearchOptions(max_states=5))
    assert found.reason not in ("", NONE)


def test_interchangeable_processes_are_the_same_code() -> None:
    s = system()
    names = [p.name for p in s.processes]
    by_process = {n: {e.index for e in s.edges if s.processes[e.process].name == n} for n in names}
    one, two = (Trace(s.name, "sc", "", "P-1", (min(by_process[n]),)) for n in ("stroller(0)", "stroller(1)"))
    assert passed(one, s) == passed(two, s) and one != two


def test_command(tmp_path: Path, capsys: Capture) -> None:
    folder = toy(tmp_path / "w")
    for name, text in {"model/m.py": MODEL, **REST}.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    words = ["--scenario", "only", "--all", "9", "--save", str(tmp_path / "ce")]
    assert run(folder, "check", *words) == 1
    out = capsys.readouterr()[0]
    assert "P-1 in only sc, another way (2):" in out and "P-1 in only sc, another way (3):" in out
    assert f"P-1 in only sc: 3 ways; {NONE}" in out
    saved = sorted(p.name for p in (tmp_path / "ce").glob("P-1*.json"))
    assert saved == ["P-1-only-sc-2.json", "P-1-only-sc-3.json", "P-1-only-sc.json"]
    for name, least in zip(("P-1-only-sc.json", "P-1-only-sc-2.json", "P-1-only-sc-3.json"), count(), strict=False):
        assert read(tmp_path / "ce" / name).account is not None, least
        assert run(folder, "explain", str(tmp_path / "ce" / name)) == 0
    capsys.readouterr()
    assert run(folder, "check", "--scenario", "only", "--all", "2", "--json") == 1
    [others] = json.loads(capsys.readouterr()[0])["others"]
    assert others["key"] == "P-1" and len(others["traces"]) == 1 and others["reason"] == ""
