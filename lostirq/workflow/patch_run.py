# SPDX-License-Identifier: GPL-2.0-or-later
"""The searches behind `lostirq patch`: each scenario under each memory model, on both sides.

Where there are many more cases than processes, those of one scenario are one job: its memory models are compiled
together.  What only one side needs is done for that side: the base is compiled where its result is not known.

Invariants: a violation is reported only after its replay; a side that is equal to the other by the digest of its system
is not searched; first of all, each side compared with itself is no change, and compiles to the same digest twice.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from functools import partial

from lostirq.errors import LostirqError, UsageError
from lostirq.evidence.account import Account
from lostirq.evidence.replay import confirm, replay
from lostirq.evidence.verdict import Progress
from lostirq.ir.digest import digest
from lostirq.ir.system import Memory, System
from lostirq.language import Workspace, compile_memories, compile_scenario, load_sources
from lostirq.report.tell import About, account
from lostirq.report.text import text
from lostirq.workflow import jobs
from lostirq.workflow.cache import texts_digest
from lostirq.workflow.check import CheckOptions, Deadline, Job, ScenarioResult, check_system, keep, recall
from lostirq.workflow.outcome import Outcome
from lostirq.workflow.patch_compare import Change, PatchVerdict, changes, identity_holds
from lostirq.workflow.patch_report import Case, CaseResult
from lostirq.workflow.patch_steps import Steps, marked

_ENOUGH = 4             # jobs per process: with fewer, processes would be idle in the end


@dataclass(frozen=True, eq=False, slots=True)
class Pair:
    """Both models, loaded."""

    base: Workspace
    patched: Workspace


def compiled(workspace: Workspace, job: Job, options: CheckOptions) -> System:
    """Raises `ModelErrors`."""
    return compile_scenario(workspace, job.scenario, job.memory, overrides=dict(options.overrides))


class _Systems:
    """The systems of one side in one scenario, compiled together when the first is asked for."""

    def __init__(self, workspace: Workspace, memories: Iterable[Memory], options: CheckOptions) -> None:
        self.workspace, self._memories, self._options = workspace, tuple(memories), options
        self._found: dict[Memory, System] = {}

    def of(self, job: Job) -> System:
        if not self._found:
            self._found = compile_memories(self.workspace, job.scenario, self._memories,
                                           overrides=dict(self._options.overrides))
        return self._found[job.memory]


def run_cases(cases: list[Case], pair: Pair, options: CheckOptions, on_case: Callable[[CaseResult], None],
              on_progress: Callable[[Case, Progress], None], *, first: bool) -> list[CaseResult]:
    """Every case, in processes; in order of the cases.  `first`: no more after one that breaks.  Raises `UsageError`,
    `LostirqError`."""
    todo = grouped(cases, options.processes)
    shared = options.shared_by(len(todo))
    deadline = Deadline.after(shared.seconds)
    found: dict[int, list[CaseResult]] = {}

    def work(group: tuple[Case, ...], report: jobs.Report) -> list[CaseResult]:
        return _group(group, pair, partial(deadline.limit, shared), report, twice=group is todo[0])

    for done in jobs.run(todo, work, processes=shared.processes, seconds=shared.seconds,
                         on_progress=lambda number, p: on_progress(todo[number][0], p)):
        found[done.number] = results = done.result or failed(todo[done.number], done.failure)
        for result in results:
            on_case(result)
        if first and any(c.verdict is PatchVerdict.BREAKS for result in results for c in result.changes):
            break
    told = {r.case: r for results in found.values() for r in results}
    return [told[c] for c in cases if c in told]


def grouped(cases: list[Case], processes: int) -> list[tuple[Case, ...]]:
    """The cases as jobs, in their order: those of a scenario together, if that leaves enough jobs for all processes."""
    groups: dict[object, list[Case]] = {}
    for case in cases:
        groups.setdefault(case if case.properties else case.scenario, []).append(case)
    if len(groups) < _ENOUGH * processes:
        return [(case,) for case in cases]
    return [tuple(group) for group in groups.values()]


def failed(group: tuple[Case, ...], failure: jobs.Failure | None) -> list[CaseResult]:
    """The results of a job that has none.  Raises `UsageError`, `LostirqError`."""
    label = group[0].label if len(group) == 1 else group[0].scenario
    if failure is not None and failure.outcome is Outcome.USAGE:
        raise UsageError(f"{label}: {failure.message}")
    if failure is not None and failure.outcome is Outcome.INTERNAL:
        raise LostirqError(f"{label}: {failure.message}")
    said = failure.message if failure is not None else "no result"
    outcome = failure.outcome if failure is not None else Outcome.INTERNAL
    return [CaseResult(case, failure=said, outcome=outcome) for case in group]


def _group(group: tuple[Case, ...], pair: Pair, options: Callable[[], CheckOptions], report: jobs.Report, *,
           twice: bool) -> list[CaseResult]:
    memories = tuple(case.memory for case in group)
    base, patched = (_Systems(w, memories, options()) for w in (pair.base, pair.patched))
    return [_case(case, base, patched, options(), report, twice=twice and case is group[0]) for case in group]


def _case(case: Case, base: _Systems, patched: _Systems, options: CheckOptions, report: jobs.Report, *,
          twice: bool) -> CaseResult:
    """One scenario under one memory model, on both sides."""
    job, whole = Job(case.scenario, case.memory), not case.properties
    options = options if whole else replace(options, properties=case.properties)
    base_texts, patched_texts = texts_digest(base.workspace.sources), texts_digest(patched.workspace.sources)
    before = recall(base_texts, job, options) if whole else None
    if case.scenario not in patched.workspace.scenarios:
        return CaseResult(case, failure="the patch removes this scenario", outcome=Outcome.UNDECIDED)
    theirs = base.workspace.scenarios.get(case.scenario)
    if theirs and case.memory in set(theirs.memory) - set(patched.workspace.scenarios[case.scenario].memory):
        return CaseResult(case, failure="the patch takes this memory model away", outcome=Outcome.UNDECIDED)
    new = patched.of(job)
    if case.scenario not in base.workspace.scenarios:
        only = check_system(new, options, report)
        return CaseResult(case, False, None, only, changes(replace(only, rows=()), only))
    mark = before.digest if before is not None else digest(base.of(job))
    if twice:
        _identity(((base.workspace, mark, "base"), (patched.workspace, digest(new), "patched model")), job, options)
    if mark == digest(new) and _witnesses(base.workspace) == _witnesses(patched.workspace):
        return CaseResult(case, same=True, before=before)
    after = recall(patched_texts, job, options) if whole else None
    if after is None:
        after = check_system(new, options, report, stop_early=not whole)
        _keep(patched_texts, job, options, after, whole=whole)
    if before is None:
        before = check_system(base.of(job), options, report, stop_early=not whole)
        _keep(base_texts, job, options, before, whole=whole)
    if not identity_holds((before, after)):
        raise LostirqError(f"{case.label}: a side compared with itself is not unchanged")
    found = tuple(c for c in changes(before, after) if whole or {c.key, c.id} & set(case.properties))
    return CaseResult(case, False, before, after, found)


def _witnesses(workspace: Workspace) -> dict[str, str]:
    """Which witness keeps which property from being vacuous: no part of a system, nor of its digest."""
    return {p: info.witness for p, info in workspace.properties.items() if info.witness}


def _keep(texts: str, job: Job, options: CheckOptions, found: ScenarioResult, *, whole: bool) -> None:
    if whole:
        keep(texts, job, options, found)


def _identity(sides: Iterable[tuple[Workspace, str, str]], job: Job, options: CheckOptions) -> None:
    """Base against base and patched against patched, from the texts on.  Raises `LostirqError`."""
    for model, mark, what in sides:
        again = digest(compiled(load_sources(dict(model.sources)), job, options))
        if again != mark:
            raise LostirqError(f"{job.scenario} {job.memory.value}: the {what} is another system when compiled again")


# -- the counterexamples, marked ----------------------------------------------------------------------------------


def tell(found: list[CaseResult], pair: Pair, options: CheckOptions) -> tuple[list[CaseResult], bool]:
    """The shortest new counterexample of each property told anew, with marks on the steps that the base does not have;
    and whether none was left out because of an interrupt.  Raises `LostirqError`."""
    best: dict[str, tuple[Change, int]] = {}
    new = ((c, n) for n, r in enumerate(found) if r.before is not None for c in r.changes if c.new_run and c.report)
    for change, number in sorted(new, key=lambda at: at[0].rank):
        best.setdefault(change.id, (change, number))
    todo = sorted({number for _, number in best.values()})

    def work(number: int, report: jobs.Report) -> dict[str, Account]:
        return _marked(found[number], {c.key for c, n in best.values() if n == number}, pair, options)

    results, whole = list(found), True
    for done in jobs.run(todo, work, processes=options.processes):
        if done.failure is not None and done.failure.outcome is Outcome.INTERNAL:
            raise LostirqError(f"{found[todo[done.number]].case.label}: {done.failure.message}")
        whole = whole and done.result is not None
        result, runs = found[todo[done.number]], done.result or {}
        told = tuple(replace(c, account=runs[c.key], report=text(runs[c.key])) if c.key in runs else c
                     for c in result.changes)
        results[todo[done.number]] = replace(result, changes=told)
    return results, whole


def _marked(result: CaseResult, wanted: set[str], pair: Pair, options: CheckOptions) -> dict[str, Account]:
    """The accounts of these counterexamples, by key, of one case."""
    job, after = Job(result.case.scenario, result.case.memory), result.after
    rows = after.rows if after is not None else ()
    plain, memories = replace(job, memory=Memory.SC), dict.fromkeys((job.memory, Memory.SC))
    base, new = (_Systems(w, memories, options) for w in (pair.base, pair.patched))
    patched = new.of(job)
    steps = Steps(base.of(job), None if job == plain else (base.of(plain), new.of(plain)))
    about = About(mirrors={f.name: f.kernel for f in pair.patched.functions if f.kernel}, patched=True)
    told: dict[str, Account] = {}
    for row in rows:
        if row.key in wanted and row.trace is not None:
            run = replay(patched, row.trace.trace)
            told[row.key] = marked(account(run, confirm(run), about), steps.changed(run))
    return told
