# SPDX-License-Identifier: GPL-2.0-or-later
"""One call for all engines: a system in, a `SearchResult` out."""

from __future__ import annotations

import time
from dataclasses import replace
from enum import Enum
from pathlib import Path

from lostirq.errors import UsageError
from lostirq.evidence.verdict import Holds, SearchOptions, SearchResult, Trace, Unknown, Verdict, Violated
from lostirq.explicit.build import find_compiler, unusable_cc
from lostirq.explicit.search import check
from lostirq.interpret import Exploration, Interpreter
from lostirq.ir.digest import digest
from lostirq.ir.system import RANGE, STUCK, Form, System


class Engine(Enum):
    AUTO = "auto"              # compiled if there is a C compiler, else fallback
    COMPILED = "compiled"
    FALLBACK = "fallback"
    GRAPH = "graph"
    INTERPRET = "interpret"
    BMC = "bmc"                # Z3, runs up to a length; safety only


def settle(engine: Engine) -> Engine:
    """AUTO resolved.  Raises `UsageError` if the compiled engine is asked for and there is no compiler."""
    if engine in (Engine.GRAPH, Engine.INTERPRET, Engine.FALLBACK, Engine.BMC):
        return engine
    if find_compiler(None) is not None:
        return Engine.COMPILED
    if engine is Engine.COMPILED:
        raise UsageError("--engine compiled: no C compiler found ($CC, cc, gcc, clang); install one (apt install gcc) "
                         "or use --engine fallback, which gives the same results, slower")
    return Engine.FALLBACK


def compiler_remark(asked: Engine) -> str:
    """One line where the engine asked for does not have the C compiler that one may expect, else ''."""
    if asked not in (Engine.AUTO, Engine.COMPILED):
        return ""
    compiler, wrong = find_compiler(None), unusable_cc()
    if compiler is None:
        said = wrong or "no C compiler ($CC, cc, gcc, clang)"
        return f"{said}: the slow path, with the same results; apt install gcc"
    return f"{wrong}; {Path(compiler.command[0]).name} is used" if wrong else ""


def search(system: System, engine: Engine, options: SearchOptions, cache_dir: Path | None) -> SearchResult:
    """At most until `options.until`; an interrupt after that says that the time was up, and no more.  Raises what the
    engine raises: `LostirqError`, `MemoryError`."""
    if options.until is None:
        return _search(system, engine, options, cache_dir)
    left = max(0.0, options.until - time.monotonic())
    seconds = left if options.seconds is None else min(left, options.seconds)
    found = _search(system, engine, replace(options, seconds=seconds), cache_dir)
    return _timed_out(found) if time.monotonic() >= options.until else found


def _timed_out(found: SearchResult) -> SearchResult:
    """The result of a search that was interrupted because its time was up."""
    verdicts = {k: Unknown("timeout") if v == Unknown("interrupted") else v for k, v in found.verdicts.items()}
    return replace(found, verdicts=verdicts, reason="timeout" if found.reason == "interrupted" else found.reason)


def _search(system: System, engine: Engine, options: SearchOptions, cache_dir: Path | None) -> SearchResult:
    if engine is Engine.GRAPH:
        from lostirq.explicit.graph import check_graph

        return check_graph(system, options)
    if engine is Engine.INTERPRET:
        return _interpret(system, options)
    if engine is Engine.BMC:
        from lostirq.symbolic.bmc import check_bounded

        return check_bounded(system, options)
    compiler = "" if engine is Engine.FALLBACK else options.compiler
    return check(system, replace(options, compiler=compiler), cache_dir)


def _interpret(system: System, options: SearchOptions) -> SearchResult:
    """Breadth-first search by the reference interpreter.  It has no liveness: those properties stay undecided."""
    started = time.monotonic()
    seen = Interpreter(system).explore(options.max_states)
    mark = digest(system)
    verdicts: dict[str, Verdict] = {}
    witnesses: dict[str, Trace] = {}
    keys = [STUCK, RANGE, *(p.key for p in system.properties)]
    forms = {p.key: p.form for p in system.properties}
    for key in keys if options.properties is None else [k for k in keys if k in options.properties]:
        trace = _trace(system, mark, key, seen)
        if trace is not None and forms.get(key) in (Form.REACHABLE, Form.REACHABLE_STEP):
            witnesses[key] = trace
            verdicts[key] = Holds("a trace reaches it")
        elif trace is not None:
            verdicts[key] = Violated(trace)
        else:
            verdicts[key] = _without_trace(forms.get(key), seen)
    return SearchResult("interpret", verdicts, witnesses, seen.states, seen.transitions, depth=len(seen.levels) - 1,
                        complete=seen.complete, reason="" if seen.complete else "states",
                        seconds=time.monotonic() - started)


def _trace(system: System, mark: str, key: str, seen: Exploration) -> Trace | None:
    moves = seen.violations.get(key, seen.witnesses.get(key))
    if moves is None:
        return None
    return Trace(system.name, system.memory.value, mark, key, tuple(moves), minimal=False)


def _without_trace(form: Form | None, seen: Exploration) -> Verdict:
    if form is Form.RECURRENCE:
        return Unknown("liveness needs another engine")
    if not seen.complete:
        return Unknown("states")
    if form in (Form.REACHABLE, Form.REACHABLE_STEP):
        return Unknown("not reached")
    return Holds(f"{seen.states} states exhausted")
