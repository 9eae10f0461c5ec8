# SPDX-License-Identifier: GPL-2.0-or-later
"""What a run of an explicit engine found, and its translation into verdicts.  Shared by compiled and generated-Python
search, so that both judge alike."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from lostirq.evidence.verdict import (
    RANGE,
    STUCK,
    Holds,
    SearchOptions,
    SearchResult,
    Trace,
    Unknown,
    Verdict,
    Violated,
)
from lostirq.explicit.plan import Plan
from lostirq.interpret import Interpreter, State
from lostirq.ir.digest import digest
from lostirq.ir.system import Form, Property, System

Lasso = tuple[tuple[int, ...], tuple[int, ...]]


@dataclass(slots=True)
class Outcome:
    """`reason`: why the search is not complete, or ''; `seconds`: that it took. `first`: level of the first hit
    by check number. `traces`: the best moves by check number. `lassos`: by key of a recurrence, (stem, loop) or
    None if none violates it; missing if it was not decided, for `undecided[key]`."""

    engine: str
    reason: str = ""
    states: int = 0
    transitions: int = 0
    depth: int = 0
    peak_bytes: int = 0
    seconds: float = 0.0
    first: dict[int, int] = field(default_factory=dict)
    traces: dict[int, tuple[int, ...]] = field(default_factory=dict)
    lassos: dict[str, Lasso | None] = field(default_factory=dict)
    undecided: dict[str, str] = field(default_factory=dict)


def available_bytes() -> int:
    """The default memory limit: most of what is free now."""
    free = 4 << 30
    try:
        lines = dict(line.split(":", 1) for line in Path("/proc/meminfo").read_text().splitlines())
        free = int(lines["MemAvailable"].split()[0]) * 1024
        limit = Path("/sys/fs/cgroup/memory.max").read_text().strip()
        if limit.isdigit():
            free = min(free, int(limit) - int(Path("/sys/fs/cgroup/memory.current").read_text()))
    except (OSError, KeyError, ValueError):
        pass
    return max(64 << 20, free // 8 * 7)


def wanted_checks(plan: Plan, options: SearchOptions) -> set[int]:
    """Checks that must have hit before the search may stop early, or with `stop_first` one of them; empty: it never
    may."""
    keys = [k for k in plan.numbers if k not in (STUCK, RANGE)]
    if options.properties is not None:
        keys = list(options.properties)
    if options.stop_first:
        others = {p.key for p in plan.system.properties if p.form not in (Form.INVARIANT, Form.STEP)}
        return {plan.numbers[k] for k in keys if k not in others}
    return set() if plan.goals else {plan.numbers[k] for k in keys}


def result(system: System, plan: Plan, properties: tuple[Property, ...], options: SearchOptions, found: Outcome,
           started: float, compile_seconds: float) -> SearchResult:
    """The search result.  `system` is the one that traces refer to."""
    mark = digest(system)

    def trace(key: str, moves: tuple[int, ...], loop: int | None = None) -> Trace:
        return Trace(system.name, system.memory.value, mark, key, moves, loop, minimal=loop is None)

    verdicts: dict[str, Verdict] = {}
    witnesses: dict[str, Trace] = {}
    forms = {p.key: p.form for p in properties}
    for key in [*plan.numbers]:
        form = forms.get(key)
        number = plan.numbers[key]
        if form is Form.RECURRENCE:
            verdicts[key] = _recurrence(system, key, found, trace)
        elif number in found.traces and form in (Form.REACHABLE, Form.REACHABLE_STEP):
            witnesses[key] = trace(key, found.traces[number])
            verdicts[key] = Holds("a trace reaches it")
        elif number in found.traces:
            verdicts[key] = Violated(trace(key, found.traces[number]))
        elif number in found.first:
            verdicts[key] = Unknown("interrupted")
        elif found.reason:
            verdicts[key] = Unknown(found.reason)
        elif form in (Form.REACHABLE, Form.REACHABLE_STEP):
            verdicts[key] = Unknown("not reached")
        else:
            verdicts[key] = Holds(f"all {found.states} reachable states")
    for p in properties:
        verdicts.setdefault(p.key, Unknown("liveness not checked"))
    ordered = {p.key: verdicts[p.key] for p in properties} | {k: verdicts[k] for k in (STUCK, RANGE)}
    return SearchResult(
        found.engine, ordered, witnesses, found.states, found.transitions, found.depth, not found.reason, found.reason,
        time.monotonic() - started, compile_seconds, found.seconds, plan.layout.bits, plan.layout.words,
        found.peak_bytes,
    )


def closed(system: System, lasso: Lasso) -> Lasso:
    """The lasso on real states.  Where dead variables were cleared, the loop returns to the same state but for these;
    repeated, it soon returns to the very same."""
    interpreter = Interpreter(system)
    stem, loop = lasso
    state = interpreter.initial()
    for move in stem:
        state = interpreter.step(state, move)
    rounds: dict[State, int] = {}
    while loop and state not in rounds:
        rounds[state] = len(rounds)
        for move in loop:
            state = interpreter.step(state, move)
    before = rounds.get(state, 0)
    return stem + loop * before, loop * (len(rounds) - before)


def _recurrence(system: System, key: str, found: Outcome, trace: Callable[[str, tuple[int, ...], int], Trace]
                ) -> Verdict:
    if key not in found.lassos:
        return Unknown(found.undecided.get(key) or found.reason or "interrupted")
    lasso = found.lassos[key]
    if lasso is None:
        return Holds(f"all fair runs of {found.states} states")
    stem, loop = closed(system, lasso)
    return Violated(trace(key, (*stem, *loop), len(stem)))

