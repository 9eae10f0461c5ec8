# SPDX-License-Identifier: GPL-2.0-or-later
"""Reachable states of a system, as many as asked for: all of them if they are that few, else a sample.

The sample is made of random walks in which, for a stretch at a time, only some of the processes are awake: uniform
walks hardly ever take one process far while the others stand still.  It is deterministic: the seed is an argument.
Every state given is reachable; nothing is claimed about those that are not given unless `complete`.

Reference: Burckhardt, Kothari, Musuvathi and Nagarakatte 2010, "A randomized scheduler with probabilistic guarantees
of finding bugs" (few changes of priority reach most states that matter).
"""

from __future__ import annotations

import random
from dataclasses import dataclass, replace

from lostirq.evidence.verdict import Reductions
from lostirq.explicit.emit_py import PythonModel, Step, load
from lostirq.explicit.pack import WORD
from lostirq.explicit.plan import Plan, make_plan
from lostirq.ir.expr import Kind, Var
from lostirq.ir.system import System

STRETCH = 120        # steps between two changes of who is awake
KEPT = 0.3          # share of the states of a walk that are kept: neighbours tell little


@dataclass(frozen=True, slots=True)
class Sample:
    """`columns[v][n]`: the value of a variable in state n.  `complete`: these are all reachable states."""

    columns: dict[Var, list[int]]
    states: int
    complete: bool


def sample(system: System, most: int, seed: int = 0) -> Sample:
    """Up to `most` reachable states of a flat system; time and memory linear in `most`."""
    plan = make_plan(system, (), Reductions.none())
    model = load(plan)
    seen = _everything(model, most)
    complete = seen is not None
    if seen is None:
        walks = _Walks(plan, seed)
        walks.run(most)
        seen = walks.seen
    columns: dict[Var, list[int]] = {}
    states = list(seen)
    for v, f in plan.layout.fields.items():
        if f.slot is None or f.stored is not None:
            columns[v] = [plan.layout.read(v, _words(s, plan.layout.words)) for s in states]
            continue
        shift, mask = f.slot.word * WORD + f.slot.shift, (1 << f.slot.width) - 1
        low = v.type.lo if v.type.kind is Kind.INT else 0
        columns[v] = [(s >> shift & mask) + low for s in states]
    return Sample(columns, len(states), complete)


def _words(state: int, count: int) -> tuple[int, ...]:
    return tuple(state >> WORD * w & (1 << WORD) - 1 for w in range(count))


def _everything(model: PythonModel, most: int) -> dict[int, None] | None:
    """All reachable states in breadth-first order, None if there are more than `most`."""
    seen: dict[int, None] = {model.initial: None}
    level = [model.initial]
    while level:
        following: list[int] = []
        for state in level:
            steps: list[Step] = []
            model.expand(state, 0, steps, [])
            for _, after in steps:
                if after >= 0 and after not in seen:
                    seen[after] = None
                    following.append(after)
        if len(seen) > most:
            return None
        level = following
    return seen


class _Walks:
    """Random walks.  One starts behind the edge from which the fewest of some did; a stretch belongs to the process of
    that edge and to some others."""

    def __init__(self, plan: Plan, seed: int) -> None:
        self.choose = random.Random(seed)
        self.processes = sorted({e.process for e in plan.edges})
        self.single = {p: _alone(plan, p) for p in self.processes}
        self.initial = self.single[self.processes[0]].initial if self.processes else 0
        self.seen: dict[int, None] = {self.initial: None}
        self.taken: dict[int, int] = {}                         # edge -> how often
        self.started: dict[int, int] = {}                       # edge -> walks that started behind it
        self.after: dict[int, tuple[int, int]] = {}             # edge -> a state that it led to, and its process

    def run(self, most: int) -> None:
        idle = 0
        while len(self.seen) < most and idle < 4 * most and self.processes:
            state, mover = self.start()
            share = self.choose.choice((0.0, 0.15, 0.3, 0.6))
            awake = [mover, *(p for p in self.processes if p != mover and self.choose.random() < share)]
            for _ in range(STRETCH):
                following = self.step(state, awake)
                idle += 1
                if following is None:
                    break
                state = following
                if state not in self.seen and (self.choose.random() < KEPT or len(self.after) > len(self.started)):
                    self.seen[state] = None
                    idle = 0
            self.started.update((e, 0) for e in self.after if e not in self.started)

    def start(self) -> tuple[int, int]:
        """A state to start from, and the process that is sure to be awake."""
        if not self.after:
            return self.initial, self.choose.choice(self.processes)
        some = self.choose.choices(list(self.after), k=32)
        edge = min(some, key=lambda e: (self.started[e], e))
        self.started[edge] += 1
        return self.after[edge]

    def step(self, state: int, awake: list[int]) -> int | None:
        """A successor by a process that is awake, None if none of some that were tried can step."""
        for _ in range(2 * len(awake)):
            process = self.choose.choice(awake)
            steps: list[Step] = []
            self.single[process].expand(state, 0, steps, [])
            options = [s for s in steps if s[1] >= 0]
            if options:
                edge, after = self.choose.choice(options)
                if len(options) > 1 and self.choose.random() < 0.5:
                    edge, after = min(options, key=lambda o: (self.taken.get(o[0], 0), o[0]))
                self.taken[edge] = self.taken.get(edge, 0) + 1
                if edge not in self.after or self.choose.random() < 0.1:
                    self.after[edge] = after, process
                return after
        return None


def _alone(plan: Plan, process: int) -> PythonModel:
    """The steps of one process."""
    return load(replace(plan, edges=tuple(e for e in plan.edges if e.process == process), checks=()))
