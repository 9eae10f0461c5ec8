# SPDX-License-Identifier: GPL-2.0-or-later
"""The graph engine: small scenarios explored straight into a networkx graph, and judged there.

It is the readable engine: shortest paths, components, dominators and exports (`StateGraph`, `graph_export`), and the
reference for liveness (`graph_liveness`).  It knows no reduction, so its counts are those of the interpreter.  A limit
that was hit leaves every undecided property `Unknown`.
"""

from __future__ import annotations

import resource
import sys
import time
from collections.abc import Callable

from lostirq.errors import UsageError
from lostirq.evidence.verdict import Holds, Progress, SearchOptions, SearchResult, Trace, Unknown, Verdict, Violated
from lostirq.explicit.graph_export import to_dot, to_graphml, write
from lostirq.explicit.graph_liveness import Lasso, recurrence_violation
from lostirq.explicit.graph_minimal import minimal_trace
from lostirq.explicit.state_graph import StateGraph, explore_graph
from lostirq.ir.digest import digest
from lostirq.ir.system import RANGE, STUCK, Form, Property, System

__all__ = [
    "Lasso", "StateGraph", "check_graph", "explore_graph", "judge", "minimal_trace", "recurrence_violation", "to_dot",
    "to_graphml", "write",
]

_CHECK_EVERY = 256      # states between two looks at the clock and the memory


def check_graph(system: System, options: SearchOptions | None = None) -> SearchResult:
    """Explore a system and judge its properties.  Threads, compiler and reductions of the options do not apply; it does
    not stop early.  Traces are minimal.  Raises UsageError for unknown keys."""
    options = options or SearchOptions()
    unknown = set(options.properties or ()) - {p.key for p in system.properties} - {STUCK, RANGE}
    if unknown:
        raise UsageError(f"{system.name} has no property {min(unknown)}")
    started = time.monotonic()
    states = explore_graph(system, options.max_states, _limits(options, started))
    verdicts: dict[str, Verdict] = {}
    witnesses: dict[str, Trace] = {}
    for key, found in judge(states, options).items():
        if isinstance(found, Trace) and _is_witness(system, key):
            witnesses[key] = found
            verdicts[key] = Holds("a trace reaches it")
        else:
            verdicts[key] = Violated(found) if isinstance(found, Trace) else found
    return SearchResult(
        "graph", verdicts, witnesses, states.states, states.transitions,
        depth=max(depth for _, depth in states.graph.nodes(data="depth")),
        complete=states.complete, reason=states.reason, seconds=time.monotonic() - started, peak_bytes=_resident(),
    )


def judge(states: StateGraph, options: SearchOptions | None = None) -> dict[str, Trace | Verdict]:
    """By property key: a trace (of a violation, or to a witness), or a verdict without one."""
    options = options or SearchOptions()
    mark = digest(states.system)
    found: dict[str, Trace | Verdict] = {}

    def settle(key: str, moves: tuple[int, ...] | None, loop: int | None = None, *, witness: bool = False) -> None:
        if moves is not None:
            found[key] = Trace(
                states.system.name, states.system.memory.value, mark, key, moves, loop, minimal=loop is None,
            )
        elif not states.complete:
            found[key] = Unknown(states.reason)
        else:
            found[key] = Unknown("not reached") if witness else Holds("all reachable states")

    settle(STUCK, minimal_trace(states, nodes=states.stuck()))
    settle(RANGE, minimal_trace(states, steps=states.overflows))
    for p in states.system.properties:
        if options.properties is not None and p.key not in options.properties:
            continue
        lowered = _lowered(states, p)
        if p.form is not Form.RECURRENCE:
            settle(p.key, _reached(states, lowered), witness=_is_witness(states.system, p.key))
        elif options.liveness and states.complete:
            lasso = recurrence_violation(states, lowered)
            settle(p.key, (*lasso.stem, *lasso.loop) if lasso else None, len(lasso.stem) if lasso else None)
        else:
            found[p.key] = Unknown(states.reason or "liveness not checked")
    return found


def _lowered(states: StateGraph, prop: Property) -> Property:
    """The property over the flat system."""
    return next(p for p in states.flat.properties if p.key == prop.key)


def _is_witness(system: System, key: str) -> bool:
    return any(p.key == key and p.form in (Form.REACHABLE, Form.REACHABLE_STEP) for p in system.properties)


def _reached(states: StateGraph, prop: Property) -> tuple[int, ...] | None:
    """The minimal trace to a violation of an invariant or step property, or to a witness."""
    sought = prop.form in (Form.REACHABLE, Form.REACHABLE_STEP)
    if prop.form in (Form.INVARIANT, Form.REACHABLE):
        return minimal_trace(states, nodes=[n for n in range(states.states) if states.holds(prop.formula, n) == sought])
    step = states.interpreter.holds_step
    return minimal_trace(states, steps=[
        (n, move) for n in range(states.states) for move, after in states.arcs(n)
        if step(prop.formula, states.state(n), move, states.state(after)) == sought
    ])


def _limits(options: SearchOptions, started: float) -> Callable[[int], str]:
    """Why to stop now, looked up every so many states."""
    expanded = 0

    def stop(states: int) -> str:
        nonlocal expanded
        expanded += 1
        if expanded % _CHECK_EVERY:
            return ""
        if options.seconds is not None and time.monotonic() - started > options.seconds:
            return "timeout"
        if options.memory_bytes is not None and _resident() > options.memory_bytes:
            return "memory"
        if options.progress is not None:
            options.progress(Progress(states, 0, states - expanded, time.monotonic() - started, _resident()))
        return ""

    return stop


def _resident() -> int:
    """The most memory that this process has had, in bytes."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024
