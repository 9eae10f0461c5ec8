# SPDX-License-Identifier: GPL-2.0-or-later
"""The counterexample of every known bug is the ideal one: its steps and its changes of agent stand in a table.

The table (ideal_traces.txt) is changed by hand.  What is recorded must agree with it; for the bugs that are near the
initial state, a search of its own here, over the reference interpreter, confirms that there is nothing better.
"""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

import pytest

from lostirq.evidence.replay import confirm, replay
from lostirq.evidence.trace_file import StoredTrace, read
from lostirq.interpret import Interpreter, State
from lostirq.ir.system import Form, Property, System
from lostirq.language import Workspace, compile_scenario
from lostirq.report.litmus import litmus
from lostirq.report.tell import account
from lostirq.workflow.bugs import Bug, library, patched_workspace, read_bug
from lostirq.workflow.workspace import load

ROOT = Path(__file__).parents[2]
TABLE = Path(__file__).with_name("ideal_traces.txt")
NEAR = 12           # steps: up to here the search here takes a second or two
SAMPLE = 8          # of those, the ones that are always searched


@cache
def ideal() -> dict[str, tuple[int, int | None]]:
    """Slug -> (steps, changes of agent), or (at most so many steps, None) for a lasso."""
    found: dict[str, tuple[int, int | None]] = {}
    for line in TABLE.read_text().splitlines():
        if line and not line.startswith("#"):
            slug, steps, rest = line.split()
            assert slug not in found, slug
            found[slug] = (int(steps.removeprefix("<=")), None if rest == "loop" else int(rest))
    return found


@cache
def base() -> Workspace:
    return load(ROOT)


@cache
def bugs() -> dict[str, Bug]:
    found = {slug: read_bug(folder) for slug, folder in library(ROOT).items()}
    return {slug: bug for slug, bug in found.items() if bug.expected == "violated"}


def near() -> list[str]:
    return sorted((s for s, (steps, switches) in ideal().items() if steps <= NEAR and switches is not None),
                  key=lambda s: (ideal()[s][0], s))


def stored(slug: str) -> StoredTrace:
    return read(bugs()[slug].folder / "trace.json")


def system_of(slug: str) -> System:
    bug = bugs()[slug]
    workspace = patched_workspace(base(), bug)
    return compile_scenario(workspace, bug.scenario, bug.memory, properties=stored(slug).properties or None)


def test_every_known_bug_has_its_line() -> None:
    assert list(ideal()) == list(bugs())


@pytest.mark.parametrize("slug", sorted(ideal()))
def test_what_is_recorded_is_the_ideal(slug: str) -> None:
    steps, switches = ideal()[slug]
    bug, trace = bugs()[slug], stored(slug).trace
    said = " ".join((bug.folder / "report.txt").read_text().split())
    assert bug.length == len(trace.moves)
    if switches is None:
        assert trace.loop is not None and len(trace.moves) <= steps
        return
    assert trace.loop is None and trace.minimal
    counted = re.search(r"(\d+) steps?, the fewest possible; (\d+) changes? of agent", said)
    assert counted is not None
    assert (len(trace.moves), int(counted[1]), int(counted[2])) == (steps, steps, switches)


def best(system: System, key: str, limit: int) -> tuple[int, int] | None:
    """Fewest steps of a violation, and fewest changes of agent among those; None beyond `limit` steps.  Level by
    level: a shortest run passes only through states at their distance."""
    interpreter = Interpreter(system)
    [prop] = [p for p in system.properties if p.key == key]
    start = interpreter.initial()
    level: dict[tuple[State, int], int] = {(start, -1): 0}
    seen = {start}
    for depth in range(limit + 1):
        found = [n for (state, _), n in level.items() if violates(interpreter, prop, state)]
        if found:
            return depth, min(found)
        following: dict[tuple[State, int], int] = {}
        ends: list[int] = []
        for (state, last), switches in level.items():
            for move in interpreter.moves(state):
                edges = len(system.edges)
                agent = system.edges[move].process if move < edges else -2 - (move - edges)
                cost = switches + (last not in (-1, agent))
                after = interpreter.step(state, move)
                if prop.form is Form.STEP and not interpreter.holds_step(prop.formula, state, move, after):
                    ends.append(cost)
                if after not in seen and cost < following.get((after, agent), 1 << 30):
                    following[after, agent] = cost
        if ends:
            return depth + 1, min(ends)
        level = following
        seen |= {state for state, _ in following}
    return None


def violates(interpreter: Interpreter, prop: Property, state: State) -> bool:
    return prop.form is Form.INVARIANT and not interpreter.holds(prop.formula, state)


def confirm_ideal(slug: str) -> None:
    steps, switches = ideal()[slug]
    assert switches is not None
    assert best(system_of(slug), stored(slug).trace.property, steps) == (steps, switches)


@pytest.mark.parametrize("slug", near()[::max(1, len(near()) // SAMPLE)])
def test_there_is_nothing_better(slug: str) -> None:
    confirm_ideal(slug)


@pytest.mark.slow
@pytest.mark.parametrize("slug", near())
def test_there_is_nothing_better_for_any_near_bug(slug: str) -> None:
    confirm_ideal(slug)


def test_the_search_here_would_notice() -> None:
    """It finds a shorter run than one that is claimed, and it knows when there is none."""
    slug = near()[-1]
    steps, switches = ideal()[slug]
    system, key = system_of(slug), stored(slug).trace.property
    assert best(system, key, steps + 1) == (steps, switches)
    assert best(system, key, steps - 1) is None


@pytest.mark.parametrize("slug", ["entry-fence-removed", "mode-read-before-on"])
def test_litmus_of_known_races(slug: str) -> None:
    """The race of the entry against posting is one that a litmus test can say."""
    run = replay(system_of(slug), stored(slug).trace)
    text = litmus(account(run, confirm(run)))
    assert text.count("\nP") == 2 and "xchg(pi_desc_control, 1)" in text and "exists (" in text
