# SPDX-License-Identifier: GPL-2.0-or-later
"""The commands: each calls one function of a sibling module and prints what it gives, as text or as JSON.

Invariant: results go to `out`, and are the same bytes in every run; timing and progress go to `err`.
"""

from __future__ import annotations

import json
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TextIO

from lostirq.errors import UsageError, not_kept
from lostirq.evidence.trace_file import write, write_text
from lostirq.ir.system import Memory
from lostirq.workflow import jobs, show, ways
from lostirq.workflow.bugs import BugResult, bugs, library
from lostirq.workflow.check import CheckOptions, CheckReport, Job, ScenarioResult, check, plan, violations
from lostirq.workflow.counterexample import LAST, with_account
from lostirq.workflow.doctor import doctor
from lostirq.workflow.export import export
from lostirq.workflow.init import init
from lostirq.workflow.list import listing, to_json, to_text
from lostirq.workflow.outcome import Outcome, combine
from lostirq.workflow.progress import Status, use_colour
from lostirq.workflow.state_cost import state_cost
from lostirq.workflow.workspace import load, locate


@dataclass(frozen=True, slots=True)
class Setting:
    """Where a command runs and prints.  `cache` is the folder for generated code and the last counterexample."""

    workspace: Path | None
    cache: Path
    as_json: bool
    bisect: bool
    out: TextIO
    err: TextIO
    environment: Mapping[str, str]
    quiet: bool = False     # something else takes the place of the usual text
    unkept: Callable[[str], None] = lambda line: None   # gets a line where nothing can be kept, and says it once

    @property
    def speaks(self) -> bool:
        """Is the usual text wanted?"""
        return not (self.as_json or self.quiet)

    @property
    def root(self) -> Path:
        return locate(self.workspace, Path.cwd())

    def look_at_cache(self) -> None:
        """Say if nothing can be kept: the searches go on without, and compile anew each time."""
        try:
            self.cache.mkdir(mode=0o700, parents=True, exist_ok=True)
            with tempfile.TemporaryFile(dir=self.cache) as f:
                f.write(b"x" * 4096)
        except OSError as e:
            self.unkept(not_kept(self.cache, e))

    def lines(self, lines: list[str]) -> None:
        self.out.writelines(line + "\n" for line in lines)
        self.out.flush()

    def object(self, value: object) -> None:
        self.out.write(json.dumps(value, indent=1) + "\n")


def run_check(s: Setting, options: CheckOptions, *, with_bugs: bool = False, save: Path | None = None, several: int = 1,
              verbose: bool = False,
              deliver: Callable[[CheckReport, list[BugResult], Outcome], None] = lambda *_: None) -> Outcome:
    """`several`: counterexamples wanted of each property; `verbose`: also tell what holds, line by line; `deliver` gets
    what was found, after the usual text."""
    started = time.monotonic()
    root = s.root
    workspace = load(root)
    s.look_at_cache()
    known = library(root) if with_bugs else {}
    colour = use_colour(s.out, s.environment)
    todo = plan(workspace, options)
    status = Status(s.err, len(todo) + len(known))
    group: list[tuple[Job, ScenarioResult | jobs.Failure]] = []
    told: set[str] = set()

    def on_result(job: Job, result: ScenarioResult | jobs.Failure) -> None:
        status.finished(_label(job))
        if isinstance(result, jobs.Failure):
            result = replace(result, message="as above" if result.message in told else result.message, details="")
            told.add(result.message)
        group.append((job, result))
        if len(group) < sum(j.scenario == job.scenario for j in todo):
            return
        begun = any(not isinstance(r, jobs.Failure) or r.started for _, r in group)
        if begun and s.speaks:
            summary = workspace.scenarios[job.scenario].summary
            s.lines(show.scenario_lines(job.scenario, summary, group, colour=colour, verbose=verbose))
        group.clear()

    report = check(workspace, options, on_result, lambda job, p: status.show(_label(job), p))
    status.clear()
    found = [report.outcome]
    results: list[BugResult] = []
    more = ways.ways(workspace, report, options, several) if several > 1 else []
    if s.speaks:
        s.lines(show.counterexamples(report) + ways.lines(more))
    if known and report.outcome not in (Outcome.INTERRUPTED, Outcome.TIMEOUT):
        if s.speaks:
            s.lines(["", "known bugs"] if verbose else [])
        results = _run_bugs(s, root, (), options, status, verbose=verbose)
        found += [r.outcome for r in results]
    outcome = combine(found)
    _keep(s, root, report, save, more)
    if s.as_json:
        value = show.check_json(report, bisect=s.bisect) | ({"others": ways.to_objects(more)} if several > 1 else {})
        s.object(value | ({"bugs": show.bugs_json(results, outcome)["bugs"]} if with_bugs else {}))
    elif s.speaks:
        s.lines(show.bugs_summary(results) if results else [])
        s.lines(show.summary(report, {p.name for p in workspace.parameters.values() if not p.is_bool}))
    deliver(report, results, outcome)
    s.err.writelines(line + "\n" for line in show.timing(report, time.monotonic() - started))
    return outcome


def run_bugs(s: Setting, wanted: tuple[str, ...], options: CheckOptions, *, record: bool = False,
             deliver: Callable[[list[BugResult], Outcome], None] = lambda *_: None) -> Outcome:
    started = time.monotonic()
    root = s.root
    if record and not wanted:
        raise UsageError("--record needs the names of known bugs (`lostirq list`), or '*'")
    s.look_at_cache()
    results = _run_bugs(s, root, wanted, options, Status(s.err, len(wanted) or len(library(root))), record=record)
    outcome = combine(r.outcome for r in results)
    if s.as_json:
        s.object(show.bugs_json(results, outcome, bisect=s.bisect))
    elif s.speaks:
        s.lines(show.bugs_summary(results))
    deliver(results, outcome)
    s.err.write(f"time: {time.monotonic() - started:.1f} s in all\n")
    return outcome


def run_lift(s: Setting, wanted: tuple[str, ...], options: CheckOptions, *, record: bool = False) -> Outcome:
    """The counterexamples of known bugs at full width."""
    from lostirq.workflow.lift import Lifted, lift_bugs

    started = time.monotonic()
    width = max((len(slug) for slug in library(s.root)), default=0)
    colour = use_colour(s.out, s.environment)

    def on_result(result: Lifted) -> None:
        if not s.as_json:
            s.lines([show.lift_line(result, width, colour=colour)])

    results = lift_bugs(s.root, wanted, options, on_result, record=record)
    outcome = combine(r.outcome for r in results)
    if s.as_json:
        s.object(show.lift_json(results, outcome, bisect=s.bisect))
    else:
        s.lines(show.lift_summary(results))
    s.err.write(f"time: {time.monotonic() - started:.1f} s in all\n")
    return outcome


def _run_bugs(s: Setting, root: Path, wanted: tuple[str, ...], options: CheckOptions, status: Status, *,
              record: bool = False, verbose: bool = True) -> list[BugResult]:
    width = max((len(slug) for slug in library(root)), default=0)
    colour = use_colour(s.out, s.environment)

    def on_result(result: BugResult) -> None:
        status.finished(result.slug)
        if s.speaks and (verbose or not result.ok):
            s.lines([show.bug_line(result, width, colour=colour)])

    results = bugs(root, wanted, options, on_result, status.show, record=record)
    status.clear()
    return results


def run_list(s: Setting, part: str = "") -> Outcome:
    """All, or one of `PARTS` of lostirq.workflow.list."""
    root = s.root
    found = listing(root, load(root))
    if s.as_json:
        s.object(to_json(found, part))
    else:
        s.out.write(to_text(found, part))
    return Outcome.HOLDS


def run_export(s: Setting, scenario: str, memory: Memory, target: str, output: Path | None, limit: int,
               overrides: Mapping[str, int]) -> Outcome:
    text = export(load(s.root), scenario, memory, target, limit=limit, overrides=overrides)
    if output is not None:
        write_text(output, text)
    elif s.as_json:
        s.object({"format": "lostirq-export", "version": 1, "to": target, "scenario": scenario, "text": text})
    else:
        s.out.write(text)
    return Outcome.HOLDS


def run_init(s: Setting, target: Path) -> Outcome:
    said = init(s.root, target)
    if s.as_json:
        s.object({"format": "lostirq-init", "version": 1, "folder": str(target)})
    else:
        s.out.write(said)
    return Outcome.HOLDS


def run_doctor(s: Setting) -> Outcome:
    found = doctor(s.workspace, s.cache)
    if s.as_json:
        s.object({"format": "lostirq-doctor", "version": 1,
                  "findings": [{"what": f.what, "state": f.state, "said": f.said} for f in found]})
    else:
        width = max(len(f.what) for f in found)
        s.lines([f"{f.state:<8}{f.what:<{width}}  {f.said}" for f in found])
    return Outcome.USAGE if any(f.state == "broken" for f in found) else Outcome.HOLDS


def run_state_cost(s: Setting, scenario: str, memory: Memory, limit: int) -> Outcome:
    found = state_cost(load(s.root), scenario, memory, limit=limit)
    if s.as_json:
        s.object({"format": "lostirq-state-cost", "version": 1, "scenario": scenario, "states": found.states,
                  "fields": [{"name": name, "without": states} for name, states in found.without]})
    else:
        s.lines([f"{found.states:,} states in {scenario}, {memory.value.upper()}; without the field:"])
        s.lines([f"  {states:>12,}  {found.states / max(1, states):6.2f}x  {name}" for name, states in found.without])
    return Outcome.HOLDS


def _label(job: Job) -> str:
    return f"{job.scenario} {job.memory.value}"


def _keep(s: Setting, root: Path, report: CheckReport, save: Path | None, more: list[ways.Ways]) -> None:
    """Store the counterexamples with their accounts: the first as `last`, all of them in the folder asked for."""
    found = violations(report)
    for job, row in found:
        if save is not None and row.trace is not None:
            name = f"{row.key}-{job.scenario}-{job.memory.value}".replace("/", "_")
            write(save / f"{name}.json", with_account(root, row.trace))
            write_text(save / f"{name}.txt", row.report)
    for w in more:
        for number, (trace, text) in enumerate(zip(w.traces, w.reports, strict=True), 2):
            if save is not None:
                name = f"{w.row.key}-{w.job.scenario}-{w.job.memory.value}-{number}".replace("/", "_")
                write(save / f"{name}.json", with_account(root, trace))
                write_text(save / f"{name}.txt", text)
    if not found or found[0][1].trace is None:
        return
    try:
        write(s.cache / LAST, with_account(root, found[0][1].trace))
    except UsageError as e:
        s.err.write(f"lostirq: the counterexample was not kept: {e}\n")
        return
    s.err.write("the first counterexample again: lostirq explain last\n")
