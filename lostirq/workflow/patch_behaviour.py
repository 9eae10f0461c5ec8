# SPDX-License-Identifier: GPL-2.0-or-later
"""Behaviour difference: can somebody who sees the events alone tell the patched model from the base?

The events are those that steps are marked with (`event("accept", v)`), with their arguments, in the state before the
step; a step with several is seen as one.  Every reachable state is explored, by generated Python; variables that are
dead (for the events, too) are cleared, which is a bisimulation.  Beyond the budget the answer is *undecided*.

Invariants: *same* is said only of equal digests, of bisimilar graphs, or where both inclusions were decided; a word
that distinguishes comes with a run that was found in the explored graph; none of it is part of the verdict.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from lostirq.evidence.verdict import Reductions
from lostirq.explicit.emit_py import load
from lostirq.explicit.pack import WORD
from lostirq.explicit.plan import Plan, make_plan
from lostirq.interpret import Interpreter
from lostirq.ir.core import variables
from lostirq.ir.digest import digest
from lostirq.ir.system import System
from lostirq.ir.tso import lower
from lostirq.workflow.patch_lts import UNSEEN, Graph, Word, compare, run_of

STATES = 300_000        # of one side, by default
NO_EVENT = "no step of either model has such an event"
PAIRS = 20_000          # pairs of subsets, in each direction


@dataclass(frozen=True, slots=True)
class Direction:
    """A shortest sequence of events that one side has and the other lacks, and a run with it, one step a line."""

    events: Word
    run: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class BehaviourReport:
    """`relation`: same | more (the patched model can do more) | less | different | undecided; `how`: by what."""

    scenario: str
    memory: str
    relation: str
    how: str
    gained: Direction | None = None
    lost: Direction | None = None


def behaviour(base: System, patched: System, events: tuple[str, ...], states: int,
              stop: Callable[[], bool] = lambda: False) -> BehaviourReport:
    """Compare two systems.  `events`: names of the events that are seen, () for all; `states`: budget of each side."""
    name, memory = patched.name, patched.memory.value
    if digest(base, properties=False) == digest(patched, properties=False):
        return BehaviourReport(name, memory, "same", "the same system")
    if not watched(base, events) | watched(patched, events):
        return BehaviourReport(name, memory, "undecided", NO_EVENT)
    graphs = []
    for system, what in ((base, "the base"), (patched, "the patched model")):
        graph = observed(system, events, states, stop)
        if graph is None:
            return BehaviourReport(name, memory, "undecided", f"{what} has more than {states} states")
        graphs.append(graph)
    found = compare(graphs[0], graphs[1], PAIRS)
    gained = None if found.gained is None else _direction(patched, graphs[1], found.gained)
    lost = None if found.lost is None else _direction(base, graphs[0], found.lost)
    if found.bisimilar:
        return BehaviourReport(name, memory, "same", "bisimilar")
    how = ("each simulates the other" if found.simulated else "by the sets of states after each sequence of events")
    if not all(found.decided):
        return BehaviourReport(name, memory, "undecided", f"more than {PAIRS} pairs of sets of states", gained, lost)
    relation = {(False, False): "same", (True, False): "more", (False, True): "less", (True, True): "different"}
    return BehaviourReport(name, memory, relation[gained is not None, lost is not None], how, gained, lost)


def watched(system: System, events: tuple[str, ...]) -> frozenset[str]:
    """The names of the events that are seen."""
    return frozenset(e.name for edge in system.edges for e in edge.events if not events or e.name in events)


def observed(system: System, events: tuple[str, ...], limit: int, stop: Callable[[], bool]) -> Graph | None:
    """The reachable graph with its events as labels; None if it is larger than the limit, or at a stop."""
    flat = lower(system)
    plan = make_plan(flat, (), Reductions(dead=True, symmetry=False, key=False), watched(flat, events))
    model, label_of = load(plan), _labels(flat, plan, events)
    number, queue, arcs = {model.initial: 0}, deque([model.initial]), list[tuple[tuple[str, int, int], ...]]()
    while queue:
        if len(number) > limit or (len(arcs) % 256 == 0 and stop()):
            return None
        state = queue.popleft()
        steps: list[tuple[int, int]] = []
        model.expand(state, 0, steps, [])
        out: list[tuple[str, int, int]] = []
        for move, after in sorted(steps):
            if after < 0:           # out of range: nothing follows
                continue
            if after not in number:
                number[after] = len(number)
                queue.append(after)
            out.append((label_of[move](state) if move in label_of else UNSEEN, number[after], move))
        arcs.append(tuple(out))
    return Graph(tuple(arcs))


def _labels(flat: System, plan: Plan, events: tuple[str, ...]) -> dict[int, Callable[[int], str]]:
    """What is seen of each edge with events, in a packed state."""
    interpreter = Interpreter(flat)

    def text(move: int, values: tuple[int, ...]) -> str:
        return " + ".join(f"{name}({', '.join(map(str, given))})"
                          for name, given in interpreter.events((values, ()), move) if not events or name in events)

    def by_state(move: int) -> Callable[[int], str]:
        def label(state: int) -> str:
            words = [state >> WORD * w & (1 << WORD) - 1 for w in range(plan.layout.words)]
            return text(move, tuple(plan.layout.read(v, words) for v in flat.variables))
        return label

    def constantly(said: str) -> Callable[[int], str]:
        return lambda state: said

    found: dict[int, Callable[[int], str]] = {}
    for move, edge in enumerate(flat.edges):
        seen = [e for e in edge.events if not events or e.name in events]
        if seen and not variables(x for e in seen for x in e.args):
            found[move] = constantly(text(move, tuple(v.init for v in flat.variables)))
        elif seen:
            found[move] = by_state(move)
    return found


def _direction(system: System, graph: Graph, word: Word) -> Direction:
    """The run step by step; consecutive steps of one process in one function stand on one line."""
    flat = lower(system)
    lines: list[str] = []
    for move in run_of(graph, word):
        edge = flat.edges[move]
        head = f"{flat.processes[edge.process].name}: {edge.function}(): "
        if lines and lines[-1].startswith(head):
            lines[-1] += f"; {edge.text}"
        else:
            lines.append(head + edge.text)
    return Direction(word, tuple(lines))
