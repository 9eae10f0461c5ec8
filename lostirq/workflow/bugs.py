# SPDX-License-Identifier: GPL-2.0-or-later
"""`lostirq bugs`: re-introduce each known bug and see whether the checker still finds it.

`counterexamples/SLUG/` holds `bug.patch` (against the workspace), `bug.toml` (what is expected), `trace.json` and
`report.txt` (what was found, written by `--record`).  Invariants: nothing is written but by `--record`; a patch acts on
a copy in memory; a bug is reproduced only if a property that its description names is violated, at the recorded length,
by a run that takes a step that the model without the patch does not have; a negative control only if everything holds;
neither if the patch leaves the transition system as it is, or changes a property.
"""

from __future__ import annotations

import re
import time
import tomllib
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from lostirq.errors import UsageError
from lostirq.evidence.replay import confirm, replay
from lostirq.evidence.trace_file import StoredTrace, read, read_text, write, write_text
from lostirq.evidence.verdict import Holds, Progress, SearchResult, Trace, Unknown, Violated
from lostirq.ir.digest import digest
from lostirq.ir.system import Memory, System
from lostirq.language import Workspace, compile_scenario, load_sources
from lostirq.report.text import render
from lostirq.workflow import jobs
from lostirq.workflow.bug_base import base_steps, shared_store, takes_new_step
from lostirq.workflow.cache import ResultCache, engine_version, key_of, search_key, searched, texts_digest
from lostirq.workflow.check import BUILT_IN, CheckOptions, Deadline, selected
from lostirq.workflow.outcome import Outcome, of_reason
from lostirq.workflow.patching import apply
from lostirq.workflow.workspace import choose, load

_FIELDS = {"title": str, "bugs_md": str, "expected": str, "scenario": str, "memory": str, "property": list,
           "length": int, "reference": str, "needs_tso": bool, "explanation": str}
_NEEDED = ("title", "expected", "scenario", "memory")


@dataclass(frozen=True, slots=True)
class Bug:
    """A folder of the library.  `properties`: the ids by which it may be caught; `length`: None if not recorded."""

    slug: str
    folder: Path
    title: str
    expected: str                 # "violated" | "holds"
    scenario: str
    memory: Memory
    properties: tuple[str, ...] = ()
    length: int | None = None
    reference: str = ""
    entry: str = ""
    needs_tso: bool = False
    explanation: str = ""


@dataclass(frozen=True, slots=True)
class BugResult:
    """`verdict`: violated | holds | unknown | error; `why`: what is wrong if not `ok`; `stale`: the recorded trace is
    of an older model; `cached`: answered from the result cache."""

    slug: str
    expected: str
    verdict: str
    ok: bool
    outcome: Outcome
    length: int | None = None
    property: str = ""
    why: str = ""
    states: int = 0
    seconds: float = 0.0
    report: str = ""
    trace: StoredTrace | None = None
    stale: bool = False
    cached: bool = False


def library(root: Path) -> dict[str, Path]:
    """Slug -> folder, in order of the slugs."""
    folder = root / "counterexamples"
    if not folder.is_dir():
        return {}
    return {p.name: p for p in sorted(folder.iterdir()) if (p / "bug.toml").is_file() or (p / "bug.patch").is_file()}


def read_bug(folder: Path) -> Bug:
    """Raises `UsageError` with the file and the field."""
    path = folder / "bug.toml"
    try:
        data = tomllib.loads(read_text(path, "bug description"))
    except tomllib.TOMLDecodeError as e:
        raise UsageError(f"{path}: not TOML: {e}") from None
    for key, value in data.items():
        if key not in _FIELDS:
            raise UsageError(f"{path}: unknown field '{key}'; known are {', '.join(_FIELDS)}")
        if key == "property" and isinstance(value, str):
            data[key] = [value]
        elif not isinstance(value, _FIELDS[key]):
            raise UsageError(f"{path}: '{key}' must be a {_FIELDS[key].__name__}")
    missing = [key for key in _NEEDED if key not in data]
    if missing:
        raise UsageError(f"{path}: field '{missing[0]}' is missing")
    if data["expected"] not in ("violated", "holds"):
        raise UsageError(f"{path}: 'expected' must be 'violated' or 'holds'")
    if data["memory"] not in (m.value for m in Memory):
        raise UsageError(f"{path}: 'memory' must be 'sc' or 'tso'")
    if data["expected"] == "violated" and not data.get("property"):
        raise UsageError(f"{path}: 'property' must name the property that the bug breaks")
    return Bug(folder.name, folder, data["title"], data["expected"], data["scenario"], Memory(data["memory"]),
               tuple(map(str, data.get("property", ()))), data.get("length"), data.get("reference", ""),
               data.get("bugs_md", ""), data.get("needs_tso", False), data.get("explanation", "").strip())


def patched_workspace(base: Workspace, bug: Bug) -> Workspace:
    """The workspace with the bug in it.  Raises `UsageError` and `ModelErrors`."""
    path = bug.folder / "bug.patch"
    patched = apply(base.sources, read_text(path, "bug patch"), str(path))
    judged = next((p for p in sorted({*base.sources, *patched.sources}) if p.startswith("properties/")
                   and base.sources.get(p) != patched.sources.get(p)), None)
    if judged is not None:
        raise UsageError(f"{path}: it changes {judged}; a known bug is in the model, and judged by the properties as "
                         "they are")
    return load_sources(patched.sources)


def bugs(root: Path, wanted: tuple[str, ...], options: CheckOptions,
         on_result: Callable[[BugResult], None] = lambda result: None,
         on_progress: Callable[[str, Progress], None] = lambda slug, progress: None, *,
         record: bool = False) -> list[BugResult]:
    """Try all, or those wanted, in parallel; in order of the slugs.  With `record`, write for each that was found again
    trace.json, report.txt and the length.  Raises `UsageError`."""
    known = library(root)
    slugs = choose(wanted, known, "bug") if wanted else list(known)
    base = load(root)
    keys = {} if record else _keys(base, {slug: known[slug] for slug in slugs}, options)
    kept = {} if options.results is None else {s: options.results.get(k, BugResult) for s, k in keys.items()}
    arrived = {n: replace(found, cached=True) for n, s in enumerate(slugs) if (found := kept.get(s)) is not None}
    left = [n for n in range(len(slugs)) if n not in arrived]
    options = replace(options, results=None) if record else options
    options = options.shared_by(len(left))
    deadline = Deadline.after(options.seconds)

    def tell(_: int, found: BugResult) -> None:
        on_result(found)

    shown = jobs.in_order(arrived, 0, tell)
    with shared_store(options.results) as store:
        for done in jobs.run([slugs[n] for n in left], lambda slug, report: attempt(
                                 base, known[slug], deadline.limit(options), report, record=record, store=store),
                             processes=options.processes, seconds=options.seconds,
                             on_progress=lambda number, p: on_progress(slugs[left[number]], p)):
            slug = slugs[left[done.number]]
            arrived[left[done.number]] = found = done.result or _failed(slug, done.failure)
            if record:
                _write_record(known[slug], found)
            elif options.results is not None and found.verdict in ("violated", "holds"):
                options.results.put(keys[slug], found)
            shown = jobs.in_order(arrived, shown, tell)
    return [arrived[n] for n in sorted(arrived)]


def _keys(base: Workspace, folders: dict[str, Path], options: CheckOptions) -> dict[str, str]:
    """Keys of the result cache: the workspace, the files of the bug, and what the search depends on."""
    wanted = search_key(options.search_options(None, lambda progress: None, stop_early=True), options.engine)
    texts = texts_digest(base.sources)
    found: dict[str, str] = {}
    for slug, folder in folders.items():
        files = [p for name in ("bug.patch", "bug.toml", "trace.json") if (p := folder / name).is_file()]
        contents = [x for p in files for x in (p.name, read_text(p, "known bug"))]
        found[slug] = key_of("bug", engine_version(), texts, wanted, slug, *contents)
    return found


def _failed(slug: str, failure: jobs.Failure | None) -> BugResult:
    found = failure or jobs.Failure(Outcome.INTERNAL, "no result")
    verdict = "error" if found.outcome in (Outcome.INTERNAL, Outcome.USAGE) else "unknown"
    return BugResult(slug, "", verdict, False, found.outcome, why=found.message)


def attempt(base: Workspace, folder: Path, options: CheckOptions, report: jobs.Report, *,
            record: bool = False, store: ResultCache | None = None) -> BugResult:
    """Try one bug against the workspace; `store` keeps what several bugs need of the base.  Raises `UsageError`,
    `ModelErrors` for a folder that is not in order."""
    started = time.monotonic()
    bug = read_bug(folder)
    workspace = patched_workspace(base, bug)
    _known_scenario(bug, workspace)
    _known_scenario(bug, base)
    system = compile_scenario(workspace, bug.scenario, bug.memory)
    original = base_steps(base, bug.scenario, bug.memory, store)
    if digest(system) == original.digest:
        return _unchanged(bug, started)
    if bug.expected == "holds":
        return _control(bug, system, options, report, started)
    recorded = "" if record else _recorded(bug)
    misnamed = _misnamed(bug, system, recorded)
    if misnamed:
        return _wrong(bug, "error", misnamed, started)
    found = _hunt(bug, system, recorded, options, report)
    trace = _first(bug, system, found)
    if trace is None:
        return _not_caught(bug, found, started)
    run = replay(system, trace)
    text = render(run, confirm(run))
    why = "" if record else _against_record(bug, trace)
    if not why and not takes_new_step(run, original):
        why = "the counterexample takes no step that the patch changes"
    if bug.needs_tso and not why:
        why = _under_sc(bug, workspace, options, report)
    return BugResult(bug.slug, bug.expected, "violated", not why, Outcome.VIOLATED if why else Outcome.HOLDS,
                     len(trace.moves), trace.property, why, found.states, time.monotonic() - started, text,
                     StoredTrace(trace, bug.slug), not record and _stale(bug, trace))


def _write_record(folder: Path, result: BugResult) -> None:
    if result.trace is None or not result.ok:
        return
    write(folder / "trace.json", result.trace)
    write_text(folder / "report.txt", result.report)
    path = folder / "bug.toml"
    text = re.sub(r"(?m)^length *=.*\n", "", read_text(path, "bug description"))
    lines = text.splitlines(keepends=True)
    at = next((i + 1 for i, line in enumerate(lines) if line.startswith("memory")), len(lines))
    write_text(path, "".join([*lines[:at], f"length = {result.length}\n", *lines[at:]]))


def _known_scenario(bug: Bug, workspace: Workspace) -> None:
    try:
        choose((bug.scenario,), workspace.scenarios, "scenario")
    except UsageError as e:
        raise UsageError(f"{bug.folder / 'bug.toml'}: {e}") from None


def _recorded(bug: Bug) -> str:
    """The property that the recorded run violates; '' without a record."""
    stored = bug.folder / "trace.json"
    return read(stored).trace.property if stored.is_file() else ""


def _misnamed(bug: Bug, system: System, recorded: str) -> str:
    """What is wrong if the record is of a property that the description does not name.  Raises `UsageError` if one that
    the description names, or the recorded one, is none of this scenario."""
    ids = {name: p.id for p in system.properties for name in (p.id, p.key)}
    absent = next((w for w in bug.properties if w not in ids), None)
    if absent is not None:
        raise UsageError(f"{bug.folder / 'bug.toml'}: no property {absent} in scenario {bug.scenario}")
    anew = f"`lostirq bugs --record {bug.slug}` writes it anew"
    if recorded and recorded not in ids:
        raise UsageError(f"{bug.folder / 'trace.json'}: no property {recorded} in scenario {bug.scenario}; {anew}")
    if recorded and not {recorded, ids[recorded]} & {*bug.properties}:
        return f"trace.json is of {recorded}, and bug.toml names {', '.join(bug.properties)}; {anew}"
    return ""


def _hunt(bug: Bug, system: System, recorded: str, options: CheckOptions, report: jobs.Report) -> SearchResult:
    """Search for the recorded property alone, if there is one, else for all that may catch the bug."""
    wanted = (recorded,) if recorded else bug.properties
    keys = tuple(p.key for p in system.properties if p.id in wanted or p.key in wanted)
    return searched(system, options.engine, options.search_options(keys, report, stop_early=True), options.cache_dir,
                    options.results)


def _first(bug: Bug, system: System, found: SearchResult) -> Trace | None:
    """The shortest violation; among equals, that of the property that the description names first."""
    ids = {p.key: p.id for p in system.properties}

    def rank(trace: Trace) -> tuple[int, int, str]:
        names = (trace.property, ids.get(trace.property, ""))
        place = min((bug.properties.index(n) for n in names if n in bug.properties), default=len(bug.properties))
        return len(trace.moves), place, trace.property

    traces = [v.trace for v in found.verdicts.values() if isinstance(v, Violated) and v.trace.property not in BUILT_IN]
    return min(traces, key=rank, default=None)


def _against_record(bug: Bug, trace: Trace) -> str:
    if bug.length is None:
        return "no length is recorded; run `lostirq bugs --record " + bug.slug + "`"
    if trace.loop is None and bug.length != len(trace.moves):
        return f"the shortest counterexample has {len(trace.moves)} steps, recorded are {bug.length}"
    return ""


def _stale(bug: Bug, trace: Trace) -> bool:
    stored = bug.folder / "trace.json"
    return not stored.is_file() or read(stored).trace.digest != trace.digest


def _not_caught(bug: Bug, found: SearchResult, started: float) -> BugResult:
    unknown = [v.reason for v in found.verdicts.values() if isinstance(v, Unknown)]
    if unknown:
        return BugResult(bug.slug, bug.expected, "unknown", False, of_reason(unknown[0]), why=unknown[0],
                         states=found.states, seconds=time.monotonic() - started)
    others = [k for k in BUILT_IN if isinstance(found.verdicts.get(k), Violated)]
    said = f"not caught by {', '.join(bug.properties)}" + (f"; but {', '.join(others)} is violated" if others else "")
    return _wrong(bug, "holds", said, started, found.states)


def _unchanged(bug: Bug, started: float) -> BugResult:
    return _wrong(bug, "holds", f"the patch changes nothing in scenario {bug.scenario}", started)


def _wrong(bug: Bug, verdict: str, why: str, started: float, states: int = 0) -> BugResult:
    return BugResult(bug.slug, bug.expected, verdict, False, Outcome.VIOLATED, why=why, states=states,
                     seconds=time.monotonic() - started)


def _control(bug: Bug, system: System, options: CheckOptions, report: jobs.Report, started: float) -> BugResult:
    """A negative control: everything (or the listed properties) must hold on the complete graph."""
    absent = next((p for p in bug.properties if p not in BUILT_IN and not selected(system, (p,))), None)
    if absent is not None:
        raise UsageError(f"{bug.folder / 'bug.toml'}: no property {absent} in scenario {bug.scenario}")
    keys = selected(system, bug.properties)
    found = searched(system, options.engine, options.search_options(keys, report, stop_early=False),
                     options.cache_dir, options.results)
    forms = {p.key: p.form.value for p in system.properties}
    verdicts = {k: v for k, v in found.verdicts.items() if not forms.get(k, "").startswith("reachable")}
    spent = time.monotonic() - started
    for key, verdict in verdicts.items():
        if isinstance(verdict, Violated):
            run = replay(system, verdict.trace)
            return BugResult(bug.slug, bug.expected, "violated", False, Outcome.VIOLATED, len(verdict.trace.moves), key,
                             f"{key} is violated", found.states, spent, render(run, confirm(run)),
                             StoredTrace(verdict.trace, bug.slug))
        if isinstance(verdict, Unknown):
            return BugResult(bug.slug, bug.expected, "unknown", False, of_reason(verdict.reason), property=key,
                             why=verdict.reason, states=found.states, seconds=spent)
    if not any(isinstance(v, Holds) for v in verdicts.values()):
        return _wrong(bug, "holds", "no property was checked", started)
    return BugResult(bug.slug, bug.expected, "holds", True, Outcome.HOLDS, states=found.states, seconds=spent)


def _under_sc(bug: Bug, workspace: Workspace, options: CheckOptions, report: jobs.Report) -> str:
    """A bug of the store buffers must vanish without them; '' if it does."""
    system = compile_scenario(workspace, bug.scenario, Memory.SC)
    keys = selected(system, bug.properties)
    found = searched(system, options.engine, options.search_options(keys, report, stop_early=False),
                     options.cache_dir, options.results)
    for key in keys or ():
        verdict = found.verdicts[key]
        if isinstance(verdict, Violated):
            return f"does not need store buffers: {key} is violated under SC"
        if isinstance(verdict, Unknown) and verdict.reason != "not reached":
            return f"undecided under SC: {verdict.reason}"
    return ""
