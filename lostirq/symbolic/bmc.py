# SPDX-License-Identifier: GPL-2.0-or-later
"""Bounded search: does a run of at most so many steps violate a property?  One solver, depth by depth.

Invariants: a depth counts as searched only if the solver decided every question about it, so a violation that is found
is shortest; its trace is the minimal one (fewest changes of process, then least by edge number), the same that the
explicit engine finds; a limit of depth, time or resources gives `Unknown("depth N reached ...")`, where no run of N
steps or fewer violates the property.  `Holds` is said only if no run is longer than what was searched.

References: as `lostirq.symbolic.unroll`; Bjorner, Phan and Fleckenstein 2015, "nuZ: An Optimizing SMT Solver" (fewest
changes of process is a bound on a sum, tightened until it cannot be met).
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass, field

import z3

from lostirq.evidence.verdict import Holds, Progress, SearchOptions, SearchResult, Trace, Unknown, Verdict, Violated
from lostirq.interpret import Interpreter
from lostirq.ir.digest import digest
from lostirq.ir.system import RANGE, STUCK, Form, Property, System
from lostirq.ir.tso import lower
from lostirq.symbolic.unroll import Step, Unrolling, any_of

WITNESSES = (Form.REACHABLE, Form.REACHABLE_STEP)
NO_LIVENESS = "a bounded search decides safety only: liveness needs --engine compiled"
DEFAULT_RLIMIT = 200_000_000      # of Z3, for one question: minutes
DEFAULT_DEPTH = 16                # without a limit of depth or time: seconds for each scenario


class GaveUp(Exception):
    """The solver did not decide; the reason in words."""


@dataclass(frozen=True, slots=True)
class Limits:
    """`depth`: the most steps of a run; `rlimit`: of Z3, for one question; `until`: on the monotonic clock; `memory` in
    bytes."""

    depth: int | None = None
    rlimit: int = DEFAULT_RLIMIT
    until: float | None = None
    memory: int | None = None


class Search:
    """The bounded search of one system.  `system` is the one that traces refer to."""

    def __init__(self, system: System, limits: Limits) -> None:
        self.system, self.limits = system, limits
        self.unrolling = Unrolling(lower(system))
        self.interpreter = Interpreter(system)
        self.solver = z3.SolverFor("QF_BV")
        self.solver.set("rlimit", limits.rlimit)
        if limits.memory is not None:
            self.solver.set("max_memory", max(64, limits.memory >> 20))

    def ask(self, *assumptions: z3.BoolRef) -> z3.ModelRef | None:
        """A run with these assumptions, None if there is none.  Raises `GaveUp`."""
        if self.limits.until is not None:
            left = self.limits.until - time.monotonic()
            if left <= 0:
                raise GaveUp("time")
            self.solver.set("timeout", max(1, int(left * 1000)))
        try:
            answer = self.solver.check(*assumptions)
        except z3.Z3Exception as e:
            raise GaveUp("memory" if "memory" in str(e) else "resources") from None
        if answer == z3.sat:
            return self.solver.model()
        if answer == z3.unsat:
            return None
        reason = self.solver.reason_unknown()
        if self.limits.until is not None and time.monotonic() >= self.limits.until - 0.1:
            raise GaveUp("time")
        if "interrupt" in reason:
            raise KeyboardInterrupt
        raise GaveUp("memory" if "memory" in reason else "resources")

    def extend(self) -> None:
        self.solver.add(*self.unrolling.extend())

    # -- the minimal run ------------------------------------------------------------------------------------------

    def minimal(self, goal: z3.BoolRef, steps: list[Step], model: z3.ModelRef) -> tuple[int, ...]:
        """The moves of the minimal run through these steps that meets the goal; `model` is one.  Raises `GaveUp`."""
        self.solver.push()
        try:
            self.solver.add(goal)
            moves, bound = self._fewest(steps, self.unrolling.moves_in(model, steps))
            if steps[1:]:
                self.solver.add(z3.AtMost(*self.unrolling.switches(steps), bound) if bound else
                                z3.Not(any_of(self.unrolling.switches(steps))))
            return self._least(steps, moves)
        finally:
            self.solver.pop()

    def _fewest(self, steps: list[Step], moves: list[int]) -> tuple[list[int], int]:
        """A run with the fewest changes of process, and their number: a bound that is halved."""
        changes = self.unrolling.switches(steps)
        most, least = self._changes(moves), 0
        while least < most:
            middle = (least + most) // 2
            self.solver.push()
            self.solver.add(z3.AtMost(*changes, middle) if middle else z3.Not(any_of(changes)))
            model = self.ask()
            if model is None:
                least = middle + 1
            else:
                moves = self.unrolling.moves_in(model, steps)
                most = self._changes(moves)
            self.solver.pop()
        return moves, most

    def _changes(self, moves: list[int]) -> int:
        owners = [self.unrolling.system.edges[m].process for m in moves]
        return sum(a != b for a, b in zip(owners, owners[1:], strict=False))

    def _least(self, steps: list[Step], moves: list[int]) -> tuple[int, ...]:
        """The least run: at each step the least edge with which the rest still can be done."""
        state = self.interpreter.initial()
        found: list[int] = []
        for t, step in enumerate(steps):
            choices = {c.edge.index: c for c in step.choices}
            for move in self.interpreter.moves(state):
                if move >= moves[t]:
                    break
                model = self.ask(choices[move].taken)
                if model is not None:
                    moves = [*found, *self.unrolling.moves_in(model, steps)[t:]]
                    break
            found.append(moves[t])
            self.solver.add(choices[moves[t]].taken)
            if t + 1 < len(steps):
                state = self.interpreter.step(state, moves[t])
        return tuple(found)


@dataclass(slots=True)
class _Run:
    """What is still open, and what was found."""

    search: Search
    properties: tuple[Property, ...]
    judged: tuple[str, ...]       # the keys that decide when to stop early
    open: dict[str, Property | None]
    found: dict[str, tuple[int, ...]] = field(default_factory=dict)
    reached: int = -1             # all runs of so many steps are searched
    ended: bool = False           # there are no longer ones
    reason: str = ""

    def go(self, options: SearchOptions, started: float) -> None:
        try:
            for depth in self._depths():
                self.look(depth)
                self.reached = depth
                if options.progress is not None:
                    options.progress(Progress(0, depth, len(self.open), time.monotonic() - started, 0))
                if self.done(options):
                    self.reason = "stopped early"
                    return
        except GaveUp as e:
            self.reason = str(e)
        except KeyboardInterrupt:
            self.reason = "interrupted"

    def done(self, options: SearchOptions) -> bool:
        """Is everything decided that the search is for?"""
        if options.stop_first and any(k in self.found for k in self.judged):
            return True
        return not self.open or (options.stop_early and not any(k in self.open for k in self.judged))

    def _depths(self) -> Iterator[int]:
        """Depth after depth: the solver holds the runs of that many steps while the caller looks."""
        search = self.search
        yield 0
        while True:
            depth = search.unrolling.depth
            if search.limits.depth is not None and depth >= search.limits.depth:
                self.reason = "the limit"
                return
            self.leave()
            search.extend()
            if search.ask() is None:
                self.ended = True
                return
            yield depth + 1

    def leave(self) -> None:
        """Look for a step out of range, which is the last of its run, before the next step must stay inside."""
        if RANGE in self.open:
            unrolling = self.search.unrolling
            self.look_for({RANGE: unrolling.leaves_range()}, [*unrolling.steps, unrolling.next_step()])

    def look(self, depth: int) -> None:
        """Look for what ends in the last state or step."""
        unrolling = self.search.unrolling
        goals = {k: unrolling.stuck() if p is None else unrolling.hit(p) for k, p in self.open.items() if k != RANGE}
        self.look_for(goals, unrolling.steps)

    def look_for(self, goals: dict[str, z3.BoolRef], steps: list[Step]) -> None:
        """Settle those that a run through these steps can meet."""
        goals = {k: g for k, g in ((k, z3.simplify(g)) for k, g in goals.items()) if not z3.is_false(g)}
        while goals:
            some = z3.FreshBool("goal")
            self.search.solver.add(z3.Implies(some, any_of(goals.values())))
            model = self.search.ask(some)
            if model is None:
                return
            for key in [k for k, g in goals.items() if z3.is_true(model.eval(g, model_completion=True))]:
                self.found[key] = self.search.minimal(goals.pop(key), list(steps), model)
                del self.open[key]


def check_bounded(system: System, options: SearchOptions) -> SearchResult:
    """Search the runs of a system, shortest first, up to the limits of the options.  `states` and `transitions` of the
    result are 0, for a solver does not count them; `depth` is what was searched."""
    started = time.monotonic()
    until = None if options.seconds is None else started + options.seconds
    depth = DEFAULT_DEPTH if options.max_depth is None and until is None else options.max_depth
    limits = Limits(depth, options.rlimit or DEFAULT_RLIMIT, until, options.memory_bytes)
    wanted = system.properties if options.properties is None else tuple(
        p for p in system.properties if p.key in options.properties)
    search = Search(system, limits)
    flat = {p.key: p for p in search.unrolling.system.properties}
    still: dict[str, Property | None] = {p.key: flat[p.key] for p in wanted if p.form is not Form.RECURRENCE}
    still |= {STUCK: None, RANGE: None}
    judged = tuple(k for k, p in still.items() if k in (options.properties or [p.key for p in wanted])
                   and not (options.stop_first and p is not None and p.form in WITNESSES))
    run = _Run(search, wanted, judged, still)
    run.go(options, started)
    return _result(system, run, time.monotonic() - started)


def _result(system: System, run: _Run, seconds: float) -> SearchResult:
    mark = digest(system)
    verdicts: dict[str, Verdict] = {}
    witnesses: dict[str, Trace] = {}
    forms = {p.key: p.form for p in run.properties}
    for key in (*forms, STUCK, RANGE):
        if key in run.found:
            trace = Trace(system.name, system.memory.value, mark, key, run.found[key])
            if forms.get(key) in WITNESSES:
                witnesses[key], verdicts[key] = trace, Holds("a trace reaches it")
            else:
                verdicts[key] = Violated(trace)
        elif forms.get(key) is Form.RECURRENCE:
            verdicts[key] = Unknown(NO_LIVENESS)
        elif run.ended:
            verdicts[key] = Unknown("not reached") if forms.get(key) in WITNESSES else Holds(
                f"no run is longer than {run.reached} steps")
        else:
            verdicts[key] = Unknown(_limited(run))
    return SearchResult("bmc", verdicts, witnesses, depth=max(0, run.reached), complete=run.ended,
                        reason="" if run.ended else run.reason, seconds=seconds)


def _limited(run: _Run) -> str:
    if run.reason == "interrupted":
        return run.reason
    why = {"time": ": the time was up", "resources": ": Z3 reached its limit", "memory": ": out of memory"}
    if run.reason == "stopped early" and run.found:
        return run.reason
    said = f"depth {run.reached}" if run.reached >= 0 else "no depth"
    return f"{said} reached{why.get(run.reason, '')}"


__all__ = ["NO_LIVENESS", "GaveUp", "Limits", "Search", "check_bounded"]
