# SPDX-License-Identifier: GPL-2.0-or-later
"""The search on generated Python: level by level over a set of integers, with the same results as the compiled engine.

Traces are found as in `runtime/trace.c`: one backward pass marks the states on shortest paths, a forward pass finds the
real states among them, costs go backward, and the best moves are read off forward.
"""

from __future__ import annotations

import sys
import time

from lostirq.evidence.verdict import RANGE, Progress, SearchOptions
from lostirq.explicit.emit_py import Hit, PythonModel, Step, load
from lostirq.explicit.fallback_liveness import lassos
from lostirq.explicit.outcome import Outcome, available_bytes, wanted_checks
from lostirq.explicit.plan import Plan

_EVERY = 256        # states between two looks at the clock


class _Stop(Exception):
    """A limit was hit, or the user interrupted."""


class _Search:
    def __init__(self, plan: Plan, options: SearchOptions, started: float) -> None:
        self.plan, self.options, self.started = plan, options, started
        self.model: PythonModel = load(plan)
        self.found = Outcome("python")
        quiet = set(plan.goals.values()) | {plan.numbers[k] for k in plan.goals}
        self.open = sum(1 << c for c in range(plan.count) if c not in quiet)
        self.owner = {e.index: e.process for e in plan.edges}
        first = self.model.initial
        self.levels: list[list[int]] = [[self.model.canon(first) if self.model.canon else first]]
        self.seen = set(self.levels[0])
        self.limit = options.memory_bytes or available_bytes()

    def explore(self) -> None:
        wanted = wanted_checks(self.plan, self.options)
        found = self.found
        try:
            while self.levels[-1]:
                level = len(self.levels) - 1
                following = self.level(self.levels[-1], level)
                found.depth = level
                if not found.reason and following and self.decided(wanted):
                    found.reason = "stopped early"
                self.levels.append(following)
                if found.reason:
                    return
            self.levels.pop()
        except _Stop as stop:
            found.reason = str(stop)
        except KeyboardInterrupt:
            found.reason = "interrupted"
        finally:
            found.states = min(len(self.seen), self.options.max_states or len(self.seen))
            found.peak_bytes = self.bytes()

    def decided(self, wanted: set[int]) -> bool:
        """May the search stop here?"""
        if self.options.stop_first:
            return bool(wanted & set(self.found.first))
        return self.options.stop_early and bool(wanted) and wanted <= set(self.found.first)

    def level(self, states: list[int], level: int) -> list[int]:
        """Judges and expands one level; when states or memory run out, it is judged to its end all the same."""
        found, seen, expand, canon = self.found, self.seen, self.model.expand, self.model.canon
        following: list[int] = []
        most = self.options.max_states
        for i, state in enumerate(states):
            if i % _EVERY == 0:
                self.look(len(following) + len(states) - i)
            steps: list[Step] = []
            hits: list[Hit] = []
            expand(state, self.open, steps, hits)
            found.transitions += len(steps)
            for _, after in steps:
                if after < 0:
                    hits.append((self.plan.numbers[RANGE], -1))
                elif not found.reason:
                    to = canon(after) if canon else after
                    if to not in seen:
                        seen.add(to)
                        following.append(to)
            for check, _ in hits:
                if self.open >> check & 1:
                    found.first[check] = level
                    self.open &= ~(1 << check)
            if most is not None and len(seen) > most and not found.reason:
                found.reason = "states"
        return following

    def look(self, frontier: int) -> None:
        seconds = time.monotonic() - self.started
        if self.options.seconds is not None and seconds > self.options.seconds:
            raise _Stop("timeout")
        taken = self.bytes()
        if taken > self.limit:
            self.found.reason = self.found.reason or "memory"
        if self.options.progress is not None:
            self.options.progress(Progress(len(self.seen), len(self.levels) - 1, frontier, seconds, taken))

    def bytes(self) -> int:
        """The memory of the stored states, estimated: numbers, set and level lists."""
        return sys.getsizeof(self.seen) + len(self.seen) * (sys.getsizeof(1 << 64 * self.plan.layout.words) + 9)

    # -- traces ---------------------------------------------------------------------------------------------------

    def expand(self, state: int, opened: int) -> tuple[list[Step], list[Hit]]:
        steps: list[Step] = []
        hits: list[Hit] = []
        self.model.expand(state, opened, steps, hits)
        number = self.plan.numbers[RANGE]
        if opened >> number & 1:
            hits += [(number, edge) for edge, after in steps if after < 0]
        return [s for s in steps if s[1] >= 0], hits

    def canonical(self, state: int) -> int:
        return self.model.canon(state) if self.model.canon else state

    def traces(self) -> None:
        first = self.found.first
        marks = self.marks(max(first.values(), default=-1) + 1, first, None)
        for check, last in sorted(first.items()):
            self.found.traces[check] = self.trace(check, last, marks)

    def stem(self, target: int) -> tuple[int, ...]:
        """The best way to a stored state."""
        last = next(d for d, level in enumerate(self.levels) if target in level)
        return self.trace(0, last, self.marks(last + 1, {}, target), target)

    def marks(self, count: int, first: dict[int, int], target: int | None) -> list[dict[int, int]]:
        """By level: states on shortest paths to hits, with a bit for each check (bit 0 for the target)."""
        marks: list[dict[int, int]] = [{} for _ in range(count)]
        for level in reversed(range(count)):
            opened = sum(1 << c for c, at in first.items() if at == level)
            following = marks[level + 1] if level + 1 < count else {}
            for state in self.levels[level]:
                steps, hits = self.expand(state, opened)
                mask = int(state == target)
                for check, _ in hits:
                    mask |= 1 << check
                for _, after in steps:
                    mask |= following.get(self.canonical(after), 0)
                if mask:
                    marks[level][state] = mask
        return marks

    def trace(
        self, check: int, last: int, marks: list[dict[int, int]], target: int | None = None,
    ) -> tuple[int, ...]:
        layers: list[dict[int, list[Step]]] = [{self.model.initial: []}]
        for level in range(last):
            following: dict[int, list[Step]] = {}
            for state, useful in layers[level].items():
                for edge, after in self.expand(state, 0)[0]:
                    if marks[level + 1].get(self.canonical(after), 0) >> check & 1:
                        useful.append((edge, after))
                        following.setdefault(after, [])
            layers.append(following)
        costs: list[dict[int, dict[int, int]]] = [{} for _ in layers]
        ends: dict[int, list[int]] = {}
        for state in layers[last]:
            hits = self.expand(state, 1 << check)[1] if target is None else [(check, -1)]
            edges = [edge for c, edge in hits if c == check]
            ends[state] = edges
            costs[last][state] = {self.owner[e] if e >= 0 else -1: 0 for e in edges}
        for level in reversed(range(last)):
            for state, useful in layers[level].items():
                cost = costs[level].setdefault(state, {})
                for edge, after in useful:
                    process = self.owner[edge]
                    cost[process] = min(cost.get(process, 1 << 30), _arrive(costs[level + 1][after], process))
        return self.walk(layers, costs, ends)

    def walk(
        self, layers: list[dict[int, list[Step]]], costs: list[dict[int, dict[int, int]]], ends: dict[int, list[int]],
    ) -> tuple[int, ...]:
        state, process = self.model.initial, -1
        budget = min(costs[0][state].values())
        moves: list[int] = []
        for level in range(len(layers) - 1):
            after = costs[level + 1]
            edge, state = min(
                (edge, to) for edge, to in layers[level][state]
                if (process not in (-1, self.owner[edge])) + _arrive(after[to], self.owner[edge]) == budget
            )
            budget -= process not in (-1, self.owner[edge])
            process = self.owner[edge]
            moves.append(edge)
        last = [e for e in ends[state] if e < 0 or (process not in (-1, self.owner[e])) == budget]
        return tuple(moves) if min(last) < 0 else (*moves, min(last))


def _arrive(cost: dict[int, int], process: int) -> int:
    """Fewest changes of process to come after a step of `process`.  Key -1: nothing more is to be done."""
    if -1 in cost:
        return 0
    return min(cost.get(process, 1 << 30), 1 + min(cost.values()))


def run(plan: Plan, options: SearchOptions, started: float) -> Outcome:
    """Explores, and finds the best trace of everything that was hit."""
    search = _Search(plan, options, started)
    search.explore()
    try:
        search.traces()
        if plan.goals and not search.found.reason:
            search.found.undecided = dict.fromkeys(plan.goals, "timeout")
            late = started + options.seconds if options.seconds is not None else None
            for key, (start, loop) in lassos(plan, search.model, search.levels, search.found, late).items():
                search.found.lassos[key] = search.stem(start), loop
    except KeyboardInterrupt:
        search.found.undecided.update(dict.fromkeys(plan.goals, "interrupted"))
    return search.found
