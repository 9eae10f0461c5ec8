# SPDX-License-Identifier: GPL-2.0-or-later
"""`lostirq explain`: a counterexample (a file, a known bug's slug, `last`), a property or a scenario, in words.

A counterexample is replayed by the interpreter on the model as it is now before a word of it is printed.
"""

from __future__ import annotations

import textwrap
from dataclasses import dataclass
from pathlib import Path

from lostirq.errors import UsageError
from lostirq.evidence.replay import confirm, replay
from lostirq.evidence.trace_file import StoredTrace, read
from lostirq.ir.digest import digest
from lostirq.ir.system import Memory
from lostirq.language import PropertyInfo, Workspace, compile_scenario
from lostirq.report.text import render
from lostirq.workflow.bugs import Bug, attempt, library, patched_workspace, read_bug
from lostirq.workflow.check import CheckOptions
from lostirq.workflow.engines import Engine, settle
from lostirq.workflow.workspace import load, suggestion

LAST = "last.json"


@dataclass(frozen=True, slots=True)
class Explanation:
    """`kind`: trace | property | scenario; `text` ends with a newline."""

    kind: str
    name: str
    text: str


def explain(root: Path, subject: str, cache: Path, *, full: bool = False) -> Explanation:
    """Raises `UsageError` if there is no such thing, or if the trace belongs to another model."""
    known = library(root)
    if subject in known:
        return _bug(root, read_bug(known[subject]), cache, full=full)
    if subject == "last":
        path = cache / LAST
        if not path.is_file():
            raise UsageError(f"no counterexample yet: `lostirq check` writes the first one it finds to {path}")
        return _trace(root, path, read(path), full=full)
    if Path(subject).suffix == ".json" or Path(subject).exists():
        return _trace(root, Path(subject), read(Path(subject)), full=full)
    workspace = load(root)
    if subject in workspace.scenarios:
        return Explanation("scenario", subject, _scenario(workspace, subject))
    if subject in workspace.properties:
        return Explanation("property", subject, _property(workspace.properties[subject]))
    names = [*known, *workspace.scenarios, *workspace.properties]
    raise UsageError(f"nothing is called {subject!r}{suggestion(subject, names)}; give a trace file, a known bug, "
                     "'last', a property or a scenario (`lostirq list`)")


def _trace(root: Path, path: Path, stored: StoredTrace, *, full: bool) -> Explanation:
    if stored.bug:
        known = library(root)
        if stored.bug not in known:
            raise UsageError(f"{path}: belongs to the known bug {stored.bug!r}, which this workspace does not have"
                             + suggestion(stored.bug, known))
        workspace, _ = patched_workspace(load(root), read_bug(known[stored.bug]))
    else:
        workspace = load(root)
    return Explanation("trace", stored.trace.property, told(workspace, stored, str(path), full=full))


def told(workspace: Workspace, stored: StoredTrace, name: str, *, full: bool) -> str:
    """Replay, confirm, render.  Raises `UsageError` if the trace does not belong to this workspace."""
    trace = stored.trace
    if trace.scenario not in workspace.scenarios:
        close = suggestion(trace.scenario, workspace.scenarios)
        raise UsageError(f"{name}: no scenario {trace.scenario!r} here{close}")
    if trace.memory not in (m.value for m in Memory):
        raise UsageError(f"{name}: unknown memory model {trace.memory!r}")
    system = compile_scenario(workspace, trace.scenario, Memory(trace.memory), overrides=dict(stored.overrides),
                              properties=stored.properties or None)
    run = replay(system, trace)
    return render(run, confirm(run), full=full)


def _bug(root: Path, bug: Bug, cache: Path, *, full: bool) -> Explanation:
    lines = [f"{bug.slug}: {bug.title}"]
    lines += [f"{label}: {value}" for label, value in
              (("fixed by", bug.reference), ("entry", bug.entry), ("expected", bug.expected)) if value]
    text = "\n".join(line for row in lines for line in _wrap(row)) + "\n"
    if bug.explanation:
        text += "\n" + "\n".join("\n".join(_wrap(p)) for p in bug.explanation.split("\n\n")) + "\n"
    stored = bug.folder / "trace.json"
    if bug.expected == "violated" and not stored.is_file():
        raise UsageError(f"{bug.slug}: no counterexample is recorded; run `lostirq bugs --record {bug.slug}`")
    if stored.is_file():
        base = load(root)
        workspace, _ = patched_workspace(base, bug)
        trace = read(stored)
        system = compile_scenario(workspace, bug.scenario, bug.memory)
        if trace.trace.digest != digest(system):
            trace = _found_again(base, bug, cache)
        text += "\n" + told(workspace, trace, str(stored), full=full)
    return Explanation("trace", bug.slug, text)


def _found_again(base: Workspace, bug: Bug, cache: Path) -> StoredTrace:
    """The counterexample on the model as it is now, where the recorded one is of an older model."""
    options = CheckOptions(engine=settle(Engine.AUTO), cache_dir=cache / "build")
    found = attempt(base, bug.folder, options, lambda progress: None, record=True)
    if found.trace is None:
        raise UsageError(f"{bug.slug}: the recorded trace is of an older model, and it is not found again: {found.why}")
    return found.trace


def _scenario(workspace: Workspace, name: str) -> str:
    scenario = workspace.scenarios[name]
    rows = [f"{name}: {scenario.summary}", f"tier {scenario.tier}; memory models "
            + ", ".join(m.value for m in scenario.memory)]
    rows += [f"  {k} = {v}" for k, v in scenario.parameters.items()]
    return "\n".join(rows) + "\n"


def _property(p: PropertyInfo) -> str:
    rows = [f"{p.id}: {p.title}" if p.title else p.id, f"kind: {p.form}", *_wrap(p.statement.strip())]
    rows += [f"source: {p.source}"] if p.source else []
    rows += [f"witness: {p.witness}"] if p.witness else []
    rows += [f"planted bug: {p.planted}"] if p.planted else []
    rows += [f"declared at {p.span.file}:{p.span.line}"]
    return "\n".join(rows) + "\n"


def _wrap(text: str) -> list[str]:
    return textwrap.wrap(" ".join(text.split()), 75, subsequent_indent="  ") or [""]
