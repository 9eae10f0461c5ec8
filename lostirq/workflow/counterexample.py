# SPDX-License-Identifier: GPL-2.0-or-later
"""A counterexample by its name: a trace file, a known bug's slug, or `last`; replayed on the model that it belongs to.

Invariant: what `find` gives was replayed by the interpreter and violates its property; a trace of another model is a
`UsageError`.  Only `as_recorded` trusts the account in a file, and says so.
"""

from __future__ import annotations

import tomllib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath

from lostirq.errors import UsageError
from lostirq.evidence.account import Account
from lostirq.evidence.replay import ReplayError, Run, confirm, replay
from lostirq.evidence.trace_file import StoredTrace, read, read_text
from lostirq.ir.digest import digest
from lostirq.ir.system import Memory, Property
from lostirq.language import Workspace, compile_scenario, load_sources
from lostirq.report.tell import About, account
from lostirq.workflow.bugs import Bug, attempt, library, patched_workspace, read_bug
from lostirq.workflow.check import CheckOptions
from lostirq.workflow.edits import edited
from lostirq.workflow.engines import Engine, settle
from lostirq.workflow.patching import apply
from lostirq.workflow.workspace import load, suggestion

LAST = "last.json"


@dataclass(frozen=True, slots=True)
class Counterexample:
    """`name`: as it was asked for; `prop` is None for the built-in properties; `stored` has its account."""

    name: str
    workspace: Workspace
    stored: StoredTrace
    run: Run
    prop: Property | None
    account: Account


@dataclass(frozen=True, slots=True)
class Project:
    """model/report.toml: how reports address the project that the model mirrors."""

    kernel: str = ""
    subject: str = ""
    selftests: str = ""
    include: tuple[str, ...] = ()
    skeleton: str = ""
    guest: str = ""


def project(root: Path) -> Project:
    """Raises `UsageError` with the file and the field."""
    version = root / "model" / "KERNEL"
    kernel = read_text(version, "kernel version").strip() if version.is_file() else ""
    path = root / "model" / "report.toml"
    if not path.is_file():
        return Project(kernel)
    try:
        data = tomllib.loads(read_text(path, "description of reports"))
    except tomllib.TOMLDecodeError as e:
        raise UsageError(f"{path}: not TOML: {e}") from None
    include = data.pop("include", [])
    if not isinstance(include, list) or not all(isinstance(v, str) for v in (*data.values(), *include)):
        raise UsageError(f"{path}: every field is a text, 'include' a list of texts")
    unknown = set(data) - {"subject", "selftests", "skeleton", "guest"}
    if unknown:
        raise UsageError(f"{path}: unknown field '{min(unknown)}'; known are subject, selftests, include, skeleton, "
                         "guest")
    for folder in (*include, data.get("selftests", ""), data.get("skeleton", "")):
        if PurePosixPath(folder).is_absolute() or ".." in PurePosixPath(folder).parts:
            raise UsageError(f"{path}: {folder!r} leaves its folder; give a path below it")
    return Project(kernel, include=tuple(include), **data)


def about(workspace: Workspace, found: Project, stored: StoredTrace, edits: tuple[str, ...]) -> About:
    """What an account says beside the run; `edits`: the files that the user changed."""
    mirrors = {f.name: f.kernel for f in workspace.functions if f.kernel}
    return About(found.kernel, found.subject, mirrors, dict(stored.overrides), stored.bug, bool(stored.patches),
                 edits)


def find(root: Path, subject: str, cache: Path) -> Counterexample:
    """Raises `UsageError` if there is no such counterexample, or if it belongs to another model."""
    known = library(root)
    if subject in known:
        return _of_bug(root, read_bug(known[subject]), cache)
    path = cache / LAST if subject == "last" else Path(subject)
    if subject == "last" and not path.is_file():
        raise UsageError(f"no counterexample yet: `lostirq check` writes the first one it finds to {path}")
    if subject != "last" and not path.exists() and path.suffix != ".json":
        there = load(root)
        kind = "property" if subject in there.properties else "scenario" if subject in there.scenarios else ""
        said = f"{subject!r} is a {kind}; this needs a counterexample: " if kind else (
            f"nothing is called {subject!r}{suggestion(subject, known)}; ")
        raise UsageError(f"{said}give a trace file, a known bug or 'last'")
    stored = read(path)
    return told(root, model_of(root, stored, str(path)), stored, str(path))


def is_one(root: Path, subject: str) -> bool:
    """Does a word name a counterexample, rather than a property or a scenario?"""
    path = Path(subject)
    return subject == "last" or path.suffix == ".json" or path.exists() or subject in library(root)


def model_of(root: Path, stored: StoredTrace, name: str) -> Workspace:
    """The workspace that a trace belongs to: the one at `root`, with the known bug or the patches that it names."""
    workspace = load(root)
    if stored.bug:
        known = library(root)
        if stored.bug not in known:
            raise UsageError(f"{name}: belongs to the known bug {stored.bug!r}, which this workspace does not have"
                             + suggestion(stored.bug, known))
        workspace = patched_workspace(workspace, read_bug(known[stored.bug]))
    return _patched(workspace, stored.patches, name)


def _patched(workspace: Workspace, patches: Sequence[str], name: str) -> Workspace:
    sources = workspace.sources
    for number, text in enumerate(patches, 1):
        sources = apply(sources, text, f"{name}: patch {number}").sources
    return load_sources(sources) if patches else workspace


def told(root: Path, workspace: Workspace, stored: StoredTrace, name: str) -> Counterexample:
    """Replay, confirm, tell.  Raises `UsageError` if the trace does not belong to this workspace."""
    trace = stored.trace
    if trace.scenario not in workspace.scenarios:
        close = suggestion(trace.scenario, workspace.scenarios)
        raise UsageError(f"{name}: no scenario {trace.scenario!r} here{close}")
    if trace.memory not in (m.value for m in Memory):
        raise UsageError(f"{name}: unknown memory model {trace.memory!r}")
    system = compile_scenario(workspace, trace.scenario, Memory(trace.memory), overrides=dict(stored.overrides),
                              properties=stored.properties or None)
    try:
        run = replay(system, trace)
        prop = confirm(run)
    except ReplayError as e:
        raise UsageError(f"{name}: damaged: {e}") from None
    made = account(run, prop, about(workspace, project(root), stored, edited(root)))
    return Counterexample(name, workspace, replace(stored, account=made), run, prop, made)


def with_account(root: Path, stored: StoredTrace) -> StoredTrace:
    """The trace with its account; found on the model at `root`, or on it with its bug or its patches."""
    if stored.account is not None:
        return stored
    return told(root, model_of(root, stored, "trace"), stored, "trace").stored


def as_recorded(subject: str, cache: Path) -> StoredTrace:
    """The trace in a file with its account, neither replayed nor compared with a model.  Raises `UsageError`."""
    stored = read(cache / LAST if subject == "last" else Path(subject))
    if stored.account is None:
        raise UsageError(f"{subject}: has no account of its own; report it where its model is, without --as-recorded")
    there = replace(stored.account.configuration, recorded=True)
    return replace(stored, account=replace(stored.account, configuration=there))


def _of_bug(root: Path, bug: Bug, cache: Path) -> Counterexample:
    path = bug.folder / "trace.json"
    if not path.is_file():
        why = "it must hold" if bug.expected == "holds" else f"run `lostirq bugs --record {bug.slug}`"
        raise UsageError(f"{bug.slug}: no counterexample is recorded; {why}")
    base = load(root)
    workspace = patched_workspace(base, bug)
    stored = read(path)
    if stored.trace.digest != digest(compile_scenario(workspace, bug.scenario, bug.memory)):
        stored = _found_again(base, bug, cache)
    return told(root, workspace, stored, str(path))


def _found_again(base: Workspace, bug: Bug, cache: Path) -> StoredTrace:
    """The counterexample on the model as it is now, where the recorded one is of an older model."""
    options = CheckOptions(engine=settle(Engine.AUTO), cache_dir=cache / "build")
    found = attempt(base, bug.folder, options, lambda progress: None, record=True)
    if found.trace is None:
        raise UsageError(f"{bug.slug}: the recorded trace is of an older model, and it is not found again: {found.why}")
    return found.trace
