# SPDX-License-Identifier: GPL-2.0-or-later
"""The explicit engine: from a system to verdicts, by compiled C or by generated Python with the same results.

Invariants: traces are edge numbers of the system that was given; they are shortest, then have the fewest changes of
process, then are least by edge number, whatever the reductions, the number of threads and the engine.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

from lostirq.errors import UsageError
from lostirq.evidence.verdict import RANGE, STUCK, SearchOptions, SearchResult
from lostirq.explicit import fallback
from lostirq.explicit.build import default_cache, find_compiler
from lostirq.explicit.emit_c import TooWide, emit
from lostirq.explicit.native import Native
from lostirq.explicit.outcome import Outcome, result
from lostirq.explicit.plan import Plan, make_plan
from lostirq.ir.system import Form, Property, System
from lostirq.ir.tso import lower


def check(system: System, options: SearchOptions | None = None, cache_dir: Path | None = None) -> SearchResult:
    """Explores the reachable states and judges the properties.  Raises UsageError for unknown keys, an unusable
    compiler, and reductions that are unsound for what is asked."""
    options = options or SearchOptions()
    started = time.monotonic()
    flat = lower(system)
    properties = selected(flat, options)
    checked = tuple(p for p in properties if options.liveness or p.form is not Form.RECURRENCE)
    plan = make_plan(flat, checked, options.reductions)
    found, compiling = _run(plan, options, cache_dir or default_cache(), started)
    return result(system, plan, properties, options, found, started, compiling)


def selected(system: System, options: SearchOptions) -> tuple[Property, ...]:
    """The properties to check, in the system's order."""
    if options.properties is None:
        return system.properties
    known = {p.key for p in system.properties} | {STUCK, RANGE}
    for key in options.properties:
        if key not in known:
            raise UsageError(f"{system.name} has no property {key}")
    return tuple(p for p in system.properties if p.key in options.properties)


def _run(plan: Plan, options: SearchOptions, cache: Path, started: float) -> tuple[Outcome, float]:
    """What the search found, and the seconds that compiling took."""
    run: Callable[[SearchOptions, float], Outcome] = partial(fallback.run, plan)
    compiling = 0.0
    compiler = find_compiler(options.compiler)
    if compiler is not None:
        before = time.monotonic()
        try:
            run = Native(plan, emit(plan), compiler, cache, options.unkept).run
            compiling = time.monotonic() - before
        except TooWide:
            pass
    before = time.monotonic()
    found = run(options, started)
    found.seconds = time.monotonic() - before
    return found, compiling
