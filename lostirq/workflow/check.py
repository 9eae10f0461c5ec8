# SPDX-License-Identifier: GPL-2.0-or-later
"""`lostirq check`: every property in the chosen scenarios, in parallel processes.

Invariants: a violation is reported only after the interpreter has replayed it; an unknown verdict, an incomplete search
or a property whose witness was reached nowhere is never success; the results do not depend on the order in which the
processes end.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase
from pathlib import Path

from lostirq.errors import UsageError
from lostirq.evidence.replay import confirm, confirm_witness, replay
from lostirq.evidence.trace_file import StoredTrace
from lostirq.evidence.verdict import Holds, Progress, Reductions, SearchOptions, SearchResult, Unknown
from lostirq.interpret import Interpreter
from lostirq.ir.digest import digest
from lostirq.ir.system import RANGE, STUCK, Form, Memory, Property, System
from lostirq.language import Workspace, compile_scenario
from lostirq.report.text import headline, render
from lostirq.workflow import jobs
from lostirq.workflow.cache import ResultCache, decided, engine_version, key_of, search_key, searched, texts_digest
from lostirq.workflow.engines import Engine
from lostirq.workflow.outcome import Outcome, combine, of_reason
from lostirq.workflow.workspace import choose

TIERS = ("quick", "standard", "deep")
BUILT_IN = (STUCK, RANGE)
_WITNESSES = (Form.REACHABLE, Form.REACHABLE_STEP)
NOT_REACHED = "not reached"     # the reason of a witness that the complete graph does not reach


@dataclass(frozen=True, slots=True)
class CheckOptions:
    """What to check and with what.  Empty tuples mean everything of `tier`; `memory_bytes` is for all processes;
    `threads` of one search, None for what `processes` leave idle; `results`: answers of earlier runs."""

    tier: str = "quick"
    scenarios: tuple[str, ...] = ()
    properties: tuple[str, ...] = ()
    memories: tuple[Memory, ...] = (Memory.SC, Memory.TSO)
    overrides: tuple[tuple[str, int], ...] = ()
    engine: Engine = Engine.COMPILED
    processes: int = 1
    threads: int | None = None
    memory_bytes: int | None = None
    seconds: float | None = None
    max_states: int | None = None
    max_depth: int | None = None
    rlimit: int | None = None
    search_seconds: float | None = None     # of one search; `seconds` are those of all
    until: float | None = None              # when those of all are over, on the monotonic clock
    reductions: Reductions = Reductions()
    cache_dir: Path | None = None
    results: ResultCache | None = None
    unkept: Callable[[str], None] | None = None     # gets a line where compiled code cannot be kept

    @property
    def partial(self) -> bool:
        """Was only a part of the workspace asked for?  Then a witness may be out of sight."""
        return bool(self.scenarios or self.properties or self.overrides or self.memories != (Memory.SC, Memory.TSO))

    def shared_by(self, searches: int) -> CheckOptions:
        """The options when there are only so many searches: fewer processes, each with more memory and threads."""
        processes = max(1, min(self.processes, searches))
        return replace(self, processes=processes, threads=self.threads or max(1, self.processes // processes))

    def search_options(self, keys: tuple[str, ...] | None, report: jobs.Report, *, stop_early: bool) -> SearchOptions:
        share = None if self.memory_bytes is None else self.memory_bytes // max(1, self.processes)
        given = [s for s in (self.seconds, self.search_seconds) if s is not None]
        return SearchOptions(properties=keys, threads=self.threads or 1, max_states=self.max_states, memory_bytes=share,
                             seconds=min(given, default=None), until=self.until, stop_early=stop_early,
                             reductions=self.reductions, progress=report, max_depth=self.max_depth, rlimit=self.rlimit,
                             unkept=self.unkept)


@dataclass(frozen=True, slots=True)
class Deadline:
    """When the time of a whole command is up, on the monotonic clock, which forks share."""

    at: float | None

    @staticmethod
    def after(seconds: float | None) -> Deadline:
        return Deadline(None if seconds is None else time.monotonic() + seconds)

    def limit(self, options: CheckOptions) -> CheckOptions:
        """The options with what is left of the time, and when it is over: a search may begin much later."""
        left = 0.0 if self.at is None else max(0.0, self.at - time.monotonic())
        return options if self.at is None else replace(options, seconds=left, until=self.at)


@dataclass(frozen=True, slots=True)
class Job:
    scenario: str
    memory: Memory


@dataclass(frozen=True, slots=True)
class Row:
    """One property instance in one scenario.  `report` and `trace` belong to a violation or to a reached witness."""

    key: str
    id: str
    form: str
    title: str
    outcome: Outcome
    reason: str = ""
    report: str = ""
    trace: StoredTrace | None = None

    @property
    def violated(self) -> bool:
        """A value out of range is a violation too, though of a model in error, which the exit code says."""
        return self.outcome in (Outcome.VIOLATED, Outcome.USAGE)


@dataclass(frozen=True, slots=True)
class ScenarioResult:
    """`reached`: ids of the witnesses that were reached; `witness_of`: property id -> id of its witness."""

    scenario: str
    memory: Memory
    digest: str
    search: SearchResult
    rows: tuple[Row, ...]
    reached: frozenset[str] = frozenset()
    witness_of: dict[str, str] = field(default_factory=dict)
    dropped: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    parameters: tuple[tuple[str, int], ...] = ()

    @property
    def outcome(self) -> Outcome:
        return combine(r.outcome for r in self.rows)


@dataclass(frozen=True, slots=True)
class CheckReport:
    """`failures` maps a job to the error that kept it from a result; `vacuous` maps a property id to its witness."""

    todo: tuple[Job, ...]
    results: dict[Job, ScenarioResult]
    failures: dict[Job, jobs.Failure]
    vacuous: dict[str, str]

    @property
    def outcome(self) -> Outcome:
        found = [r.outcome for r in self.results.values()] + [f.outcome for f in self.failures.values()]
        return combine([*found, *([Outcome.UNDECIDED] if self.vacuous else [])])


def plan(workspace: Workspace, options: CheckOptions) -> tuple[Job, ...]:
    """The (scenario, memory model) pairs to check, in the order of the workspace; without the scenarios that are for
    known bugs only, unless named.  Raises `UsageError`."""
    known = [*BUILT_IN, *workspace.properties]
    choose([p.split("[")[0] for p in options.properties], known, "property")
    choose([name for name, _ in options.overrides], workspace.parameters, "parameter")
    if options.scenarios:
        names = choose(options.scenarios, workspace.scenarios, "scenario")
    else:
        tiers = TIERS[: TIERS.index(options.tier) + 1]
        names = [n for n, s in workspace.scenarios.items() if s.tier in tiers and not s.bugs]
    pairs = []
    for n in names:             # under a memory model that it does not list only where both are named
        listed = [m for m in workspace.scenarios[n].memory if m in options.memories]
        pairs += [Job(n, m) for m in listed or (options.memories if n in options.scenarios else ())]
    if options.scenarios and not pairs:
        raise UsageError(f"scenario {names[0]} is not checked under this memory model; it has "
                         + ", ".join(m.value for m in workspace.scenarios[names[0]].memory))
    return tuple(pairs)


def check(workspace: Workspace, options: CheckOptions,
          on_result: Callable[[Job, ScenarioResult | jobs.Failure], None] = lambda job, result: None,
          on_progress: Callable[[Job, Progress], None] = lambda job, progress: None) -> CheckReport:
    """Check all; `on_result` is called in the order of the plan, as soon as a job and all before it are done."""
    todo = plan(workspace, options)
    arrived: dict[int, ScenarioResult | jobs.Failure] = {}
    texts = texts_digest(workspace.sources)
    for number, job in enumerate(todo):
        kept = recall(texts, job, options)
        if kept is not None:
            arrived[number] = kept
    left = [n for n in range(len(todo)) if n not in arrived]
    options = options.shared_by(len(left))
    deadline = Deadline.after(options.seconds)
    running = jobs.run([todo[n] for n in left],
                       lambda job, report: check_scenario(workspace, job, deadline.limit(options), report),
                       processes=options.processes, seconds=options.seconds,
                       on_progress=lambda number, p: on_progress(todo[left[number]], p))

    def tell(number: int, found: ScenarioResult | jobs.Failure) -> None:
        on_result(todo[number], found)

    shown = jobs.in_order(arrived, 0, tell)
    for done in running:
        number = left[done.number]
        arrived[number] = found = done.result or done.failure or jobs.Failure(Outcome.INTERNAL, "no result")
        if isinstance(found, ScenarioResult):
            keep(texts, todo[number], options, found)
        shown = jobs.in_order(arrived, shown, tell)
    results = {todo[n]: r for n, r in sorted(arrived.items()) if isinstance(r, ScenarioResult)}
    failures = {todo[n]: r for n, r in sorted(arrived.items()) if isinstance(r, jobs.Failure)}
    return CheckReport(todo, results, failures, {} if options.partial or failures else vacuous(results.values()))


def _key(texts: str, job: Job, options: CheckOptions) -> str:
    wanted = options.search_options(options.properties, lambda progress: None, stop_early=False)
    changed = "\0".join(f"{name}={value}" for name, value in options.overrides)
    return key_of("scenario", engine_version(), texts, job.scenario, job.memory.value, changed,
                  search_key(wanted, options.engine))


def recall(texts: str, job: Job, options: CheckOptions) -> ScenarioResult | None:
    """The result of an earlier run on the same files (`texts_digest`)."""
    if options.results is None:
        return None
    found = options.results.get(_key(texts, job, options), ScenarioResult)
    return None if found is None else replace(found, search=replace(found.search, cached=True))


def keep(texts: str, job: Job, options: CheckOptions, found: ScenarioResult) -> None:
    """Keep a result for `recall`, if it is one that no limit has cut off."""
    if options.results is not None and decided(found.search):
        fresh = replace(found, search=replace(found.search, cached=False))
        options.results.put(_key(texts, job, options), fresh)


def check_scenario(workspace: Workspace, job: Job, options: CheckOptions, report: jobs.Report) -> ScenarioResult:
    """Compile, search, replay one scenario under one memory model."""
    system = compile_scenario(workspace, job.scenario, job.memory, overrides=dict(options.overrides))
    return check_system(system, options, report)


def check_system(system: System, options: CheckOptions, report: jobs.Report, *,
                 stop_early: bool = False) -> ScenarioResult:
    """Search a scenario that is compiled, and replay what was found."""
    keys = selected(system, options.properties)
    found = searched(system, options.engine, options.search_options(keys, report, stop_early=stop_early),
                     options.cache_dir, options.results)
    by_key, mark = {p.key: p for p in system.properties}, digest(system)
    interpreter = Interpreter(system)
    rows = tuple(_row(interpreter, by_key.get(key), key, found, options, mark) for key in found.verdicts)
    reached = frozenset(by_key[key].id for key, trace in found.witnesses.items()
                        if confirm_witness(replay(system, trace, mark, interpreter)) is by_key[key])
    witness_of = {p.id: p.witness for p in system.properties if p.witness and p.key in found.verdicts}
    return ScenarioResult(system.name, system.memory, mark, found,
                          _checked(rows, by_key, options.properties), reached, witness_of,
                          system.dropped, system.notes, system.parameters)


def _checked(rows: Iterable[Row], by_key: dict[str, Property], wanted: tuple[str, ...]) -> tuple[Row, ...]:
    """Without the witnesses that nobody named: one that is not reached in this scenario is no failure of it.  Where
    nothing of what was asked for is decided here, that the built-in properties hold is no answer either."""
    found: list[Row] = []
    for r in rows:
        prop = by_key.get(r.key)
        if prop is None or prop.form not in _WITNESSES:
            found.append(r)
        elif _named(prop, wanted):
            found.append(replace(r, outcome=Outcome.SKIPPED) if r.reason == NOT_REACHED else r)
    answered = any(r.key in wanted if r.key in BUILT_IN else r.outcome is not Outcome.SKIPPED for r in found)
    return tuple(r for r in found if not wanted or answered or r.outcome is not Outcome.HOLDS)


def _named(prop: Property, wanted: Iterable[str]) -> bool:
    """Is the property one of these ids, keys or globs?"""
    return any(prop.key == w or fnmatchcase(prop.id, w) for w in wanted)


def selected(system: System, wanted: tuple[str, ...]) -> tuple[str, ...] | None:
    """The keys to check for a list of ids, keys or globs; their witnesses and the built-in properties included.  None
    means all."""
    if not wanted:
        return None
    found = [p for p in system.properties if _named(p, wanted)]
    witnesses = {p.witness for p in found if p.witness}
    found += [p for p in system.properties if p.id in witnesses and p not in found]
    return (*(k for k in BUILT_IN if k in wanted), *(p.key for p in found))


def _row(interpreter: Interpreter, prop: Property | None, key: str, found: SearchResult, options: CheckOptions,
         mark: str) -> Row:
    verdict = found.verdicts[key]
    form = prop.form.value if prop is not None else "built-in"
    title = headline(prop, key).removeprefix(f"{key}: ")
    row_id = prop.id if prop is not None else key
    if isinstance(verdict, Holds):
        return Row(key, row_id, form, title, Outcome.HOLDS, verdict.evidence)
    if isinstance(verdict, Unknown):
        return Row(key, row_id, form, title, of_reason(verdict.reason), verdict.reason)
    run = replay(interpreter.system, verdict.trace, mark, interpreter)
    text = render(run, confirm(run))
    outcome = Outcome.USAGE if key == RANGE else Outcome.VIOLATED
    return Row(key, row_id, form, title, outcome, "", text, StoredTrace(verdict.trace, "", options.overrides))


def vacuous(results: Iterable[ScenarioResult]) -> dict[str, str]:
    """Properties whose witness was reached in no scenario that checked them."""
    reached: set[tuple[str, str]] = set()
    wanted: dict[tuple[str, str], None] = {}
    for result in results:
        for prop, witness in sorted(result.witness_of.items()):
            wanted.setdefault((prop, witness))
            if witness in result.reached:
                reached.add((prop, witness))
    return {prop: witness for prop, witness in wanted if (prop, witness) not in reached}


def violations(report: CheckReport) -> list[tuple[Job, Row]]:
    """The best first: runs that end before runs that loop, then the shorter, then in the order of the plan."""
    found = [(job, row) for job, result in report.results.items() for row in result.rows if row.trace is not None]

    def rank(item: tuple[Job, Row]) -> tuple[bool, int]:
        trace = item[1].trace
        return (trace is not None and trace.trace.loop is not None), 0 if trace is None else len(trace.trace.moves)

    return sorted(found, key=rank)
