# SPDX-License-Identifier: GPL-2.0-or-later
"""Further counterexamples of what `check` found violated: one search after the other per property, in parallel.

Invariant: the first counterexample of each property is the one that `check` printed; the further ones are replayed.
"""

from __future__ import annotations

from dataclasses import dataclass

from lostirq.evidence.replay import confirm, replay
from lostirq.evidence.trace_file import StoredTrace, to_json
from lostirq.ir.system import STUCK
from lostirq.language import Workspace, compile_scenario
from lostirq.report.text import render
from lostirq.workflow import jobs
from lostirq.workflow.check import CheckOptions, CheckReport, Deadline, Job, Row, violations
from lostirq.workflow.engines import search
from lostirq.workflow.several import several


@dataclass(frozen=True, slots=True)
class Ways:
    """The further ways in which a property fails in one scenario; `reason`: why there are no more, '' if as many as
    wanted were found."""

    job: Job
    row: Row
    traces: tuple[StoredTrace, ...]
    reports: tuple[str, ...]
    reason: str


def ways(workspace: Workspace, report: CheckReport, options: CheckOptions, wanted: int) -> list[Ways]:
    """For each violated property, where its best counterexample was found; in the order of `violations`."""
    best: dict[str, tuple[Job, Row]] = {}
    for job, row in violations(report):
        if row.key != STUCK:
            best.setdefault(row.id, (job, row))
    todo = list(best.values())
    shared = options.shared_by(max(1, len(todo)))
    deadline = Deadline.after(options.seconds)
    found: dict[int, Ways] = {}
    for done in jobs.run(todo, lambda item, tell: _of(workspace, item, deadline.limit(shared), wanted, tell),
                         processes=shared.processes, seconds=options.seconds):
        job, row = todo[done.number]
        why = done.failure.message if done.failure is not None else "no result"
        found[done.number] = done.result or Ways(job, row, (), (), why)
    return [found[n] for n in sorted(found)]


def _of(workspace: Workspace, item: tuple[Job, Row], options: CheckOptions, wanted: int, tell: jobs.Report) -> Ways:
    job, row = item
    assert row.trace is not None
    system = compile_scenario(workspace, job.scenario, job.memory, overrides=dict(options.overrides))
    found = several(system, row.trace.trace, wanted, lambda s, o: search(s, options.engine, o, options.cache_dir),
                    options.search_options(None, tell, stop_early=True))
    runs = [replay(system, trace) for trace in found.traces]
    return Ways(job, row, tuple(StoredTrace(t, "", options.overrides) for t in found.traces),
                tuple(render(run, confirm(run)) for run in runs), found.reason)


def lines(found: list[Ways]) -> list[str]:
    """What is printed below the counterexamples."""
    out: list[str] = []
    for w in found:
        where = f"{w.row.key} in {w.job.scenario} {w.job.memory.value}"
        for number, text in enumerate(w.reports, 2):
            out += ["", f"{where}, another way ({number}):", "", text.rstrip("\n")]
        if w.reason:
            out += ["", f"{where}: {1 + len(w.reports)} {'way' if not w.reports else 'ways'}; {w.reason}"]
    return out


def to_objects(found: list[Ways]) -> list[dict[str, object]]:
    return [{"key": w.row.key, "scenario": w.job.scenario, "memory": w.job.memory.value, "reason": w.reason,
             "traces": [to_json(t) for t in w.traces], "reports": list(w.reports)} for w in found]
