# SPDX-License-Identifier: GPL-2.0-or-later
"""`lostirq bugs --lift`: the shortest trace of each known bug, found again at full width.

`counterexamples/wide.toml` says what full width is; `counterexamples/SLUG/witness-256.json` holds what was found, and
is checked again before anything is searched.  Invariants: a witness counts only after the interpreter has replayed it
at full width and it violates a property of the same id; it is never claimed shortest: how far shorter runs were
searched is said beside it; a bug of liveness is out of reach and is said to be so.
"""

from __future__ import annotations

import time
import tomllib
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from lostirq.errors import LostirqError, UsageError
from lostirq.evidence.replay import confirm, replay
from lostirq.evidence.trace_file import StoredTrace, read, read_text, write
from lostirq.evidence.verdict import SearchOptions, Trace, Unknown, Violated
from lostirq.ir.digest import digest
from lostirq.ir.system import Form, System
from lostirq.language import Workspace, compile_scenario
from lostirq.workflow import jobs
from lostirq.workflow.bugs import Bug, attempt, library, patched_workspace, read_bug
from lostirq.workflow.check import CheckOptions
from lostirq.workflow.outcome import Outcome
from lostirq.workflow.workspace import choose, load

WIDTHS, WITNESS = "wide.toml", "witness-256.json"
SECONDS = 120.0           # for the search of one witness, if no --time is given


@dataclass(frozen=True, slots=True)
class Lifted:
    """What became of one bug.  `length` of the witness, `small` of the trace it was lifted from; `recorded`: it was not
    searched but stood in the library."""

    slug: str
    outcome: Outcome
    property: str = ""
    small: int = 0
    length: int | None = None
    why: str = ""
    recorded: bool = False
    seconds: float = 0.0
    trace: StoredTrace | None = None


def widths(root: Path) -> dict[str, int]:
    """The parameters of the full width.  Raises `UsageError` with the file and the cause."""
    path = root / "counterexamples" / WIDTHS
    try:
        data = tomllib.loads(read_text(path, "description of the full width"))
    except tomllib.TOMLDecodeError as e:
        raise UsageError(f"{path}: not TOML: {e}") from None
    found = data.get("parameters")
    if not isinstance(found, dict) or not found or not all(type(v) is int for v in found.values()):
        raise UsageError(f"{path}: [parameters] must give numbers, e.g. VECTORS = 256")
    return found


def lift_bugs(root: Path, wanted: tuple[str, ...], options: CheckOptions,
              on_result: Callable[[Lifted], None] = lambda result: None, *, record: bool = False) -> list[Lifted]:
    """All violated bugs, or those wanted, in parallel; in order of the slugs.  With `record`, write each witness, also
    one that was there: its digest may be new.
    Raises `UsageError`."""
    known = library(root)
    slugs = list(choose(wanted, known, "bug")) if wanted else list(known)
    todo = [b for b in (read_bug(known[slug]) for slug in slugs) if b.expected == "violated"]
    if wanted and not todo:
        raise UsageError(f"{slugs[0]}: a negative control has no counterexample to lift")
    base, wide = load(root), widths(root)
    arrived: dict[int, Lifted] = {}
    shown = 0
    running = jobs.run(todo, lambda bug, report: lift(base, bug, wide, options),
                       processes=options.processes, seconds=options.seconds)
    for done in running:
        slug, failure = todo[done.number].slug, done.failure or jobs.Failure(Outcome.INTERNAL, "no result")
        found = done.result or Lifted(slug, failure.outcome, why=failure.message)
        arrived[done.number] = found
        if record and found.trace is not None:
            write(known[slug] / WITNESS, found.trace)
        shown = jobs.in_order(arrived, shown, lambda _, result: on_result(result))
    return [arrived[n] for n in sorted(arrived)]


def lift(base: Workspace, bug: Bug, wide: dict[str, int], options: CheckOptions) -> Lifted:
    """The witness of one bug: the recorded one if it still is one, else a new one.  Raises `UsageError`, `ModelErrors`,
    and `ReplayError` for a recorded one that is false."""
    started = time.monotonic()
    path = bug.folder / "trace.json"
    if not path.is_file():
        raise UsageError(f"{bug.slug}: no counterexample is recorded; run `lostirq bugs --record {bug.slug}`")
    trace = read(path).trace
    if trace.loop is not None:
        return Lifted(bug.slug, Outcome.SKIPPED, trace.property, len(trace.moves), why="a bug of liveness: a loop is "
                      "not lifted")
    workspace = patched_workspace(base, bug)
    ident = trace.property.partition("[")[0]
    large = compile_scenario(workspace, bug.scenario, bug.memory, overrides=wide, properties=(ident,))
    stored = found = _recorded(bug, large)
    if found is None:
        small = compile_scenario(workspace, bug.scenario, bug.memory)
        trace = trace if digest(small) == trace.digest else _found_again(base, bug, options)
        answer = _search(bug, small, trace, large, ident, wide, options)
        if isinstance(answer, str):
            return Lifted(bug.slug, Outcome.UNDECIDED, trace.property, len(trace.moves), why=answer,
                          seconds=time.monotonic() - started)
        found = answer
        confirm(replay(large, found.trace))
    found = _shorter(large, ident, found, options)
    return Lifted(bug.slug, Outcome.HOLDS, found.trace.property, len(trace.moves), len(found.trace.moves), "",
                  stored is not None, time.monotonic() - started, found)


def _found_again(base: Workspace, bug: Bug, options: CheckOptions) -> Trace:
    """The shortest trace in the scenario of the bug, where the model has changed since it was recorded."""
    found = attempt(base, bug.folder, replace(options, seconds=options.seconds or 300.0), lambda progress: None,
                    record=True)
    if found.trace is None:
        raise UsageError(f"{bug.slug}: the recorded trace is of an older model, and it is not found again: {found.why}")
    return found.trace.trace


def _recorded(bug: Bug, large: System) -> StoredTrace | None:
    """The witness of the library, replayed; one of an older model only if the model as it is takes the same run, and
    then without what was claimed of shorter ones."""
    path = bug.folder / WITNESS
    stored = read(path) if path.is_file() else None
    mark = digest(large)
    if stored is None:
        return None
    if stored.trace.digest == mark:
        confirm(replay(large, stored.trace))
        return stored
    renewed = replace(stored, trace=replace(stored.trace, digest=mark, minimal=False), searched=None)
    try:
        confirm(replay(large, renewed.trace))
    except LostirqError:
        return None
    return renewed


def _search(bug: Bug, small: System, trace: Trace, large: System, ident: str, wide: dict[str, int],
            options: CheckOptions) -> StoredTrace | str:
    """A witness, or why there is none."""
    from lostirq.symbolic.lift import Lifter, NotLifted

    wanted = tuple(p for p in large.properties if p.id == ident)
    try:
        found = Lifter(small, trace.moves, large, wanted).run(options.search_seconds or SECONDS)
    except NotLifted as e:
        return str(e)
    witness = Trace(large.name, large.memory.value, digest(large), found.key, found.moves, minimal=False)
    return StoredTrace(witness, bug.slug, tuple(sorted(wide.items())), properties=(ident,))


def _shorter(large: System, ident: str, found: StoredTrace, options: CheckOptions) -> StoredTrace:
    """Look for a shorter run, if a depth is given: how far there is none, or the shortest one instead."""
    from lostirq.symbolic.bmc import check_bounded

    if options.max_depth is None or found.trace.minimal:
        return found
    length = len(found.trace.moves)
    keys = tuple(p.key for p in large.properties if p.id == ident and p.form in (Form.INVARIANT, Form.STEP))
    result = check_bounded(large, SearchOptions(properties=keys, max_depth=min(options.max_depth, length - 1),
                                                seconds=options.search_seconds, rlimit=options.rlimit, stop_first=True))
    better = [v.trace for v in result.verdicts.values() if isinstance(v, Violated) and v.trace.property in keys]
    if better:
        best = min(better, key=lambda t: (len(t.moves), t.property))
        confirm(replay(large, best))
        return replace(found, trace=best)
    unknown = all(isinstance(v, Unknown) and v.reason.startswith("no depth") for v in result.verdicts.values())
    return found if unknown else replace(found, searched=result.depth)


def bound(stored: StoredTrace) -> str:
    """What is claimed of the length of a witness."""
    if stored.trace.minimal:
        return "shortest"
    if stored.searched is None:
        return "not claimed shortest"
    return f"not claimed shortest; no shorter one up to depth {stored.searched}"


__all__ = ["WITNESS", "Lifted", "bound", "lift", "lift_bugs", "widths"]
