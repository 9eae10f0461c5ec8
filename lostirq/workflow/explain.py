# SPDX-License-Identifier: GPL-2.0-or-later
"""`lostirq explain`: a counterexample (a file, a known bug's slug, `last`), a property or a scenario, in words.

A counterexample is replayed by the interpreter on the model as it is now before a word of it is printed.
"""

from __future__ import annotations

import textwrap
from dataclasses import dataclass
from pathlib import Path

from lostirq.errors import UsageError
from lostirq.language import PropertyInfo, Workspace
from lostirq.report.text import text as table
from lostirq.workflow.bugs import Bug, library, read_bug
from lostirq.workflow.counterexample import LAST as LAST
from lostirq.workflow.counterexample import find, is_one
from lostirq.workflow.workspace import load, suggestion


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
    if is_one(root, subject):
        found = find(root, subject, cache)
        return Explanation("trace", found.stored.trace.property, table(found.account, full=full))
    workspace = load(root)
    if subject in workspace.scenarios:
        return Explanation("scenario", subject, _scenario(workspace, subject))
    if subject in workspace.properties:
        return Explanation("property", subject, _property(workspace.properties[subject]))
    names = [*known, *workspace.scenarios, *workspace.properties]
    raise UsageError(f"nothing is called {subject!r}{suggestion(subject, names)}; give a trace file, a known bug, "
                     "'last', a property or a scenario (`lostirq list`)")


def _bug(root: Path, bug: Bug, cache: Path, *, full: bool) -> Explanation:
    lines = [f"{bug.slug}: {bug.title}"]
    lines += [f"{label}: {value}" for label, value in
              (("reference", bug.reference), ("expected", bug.expected)) if value]
    text = "\n".join(line for row in lines for line in _wrap(row)) + "\n"
    if bug.explanation:
        text += "\n" + "\n".join("\n".join(_wrap(p)) for p in bug.explanation.split("\n\n")) + "\n"
    if bug.expected == "violated" or (bug.folder / "trace.json").is_file():
        text += "\n" + table(find(root, bug.slug, cache).account, full=full)
    return Explanation("trace", bug.slug, text)


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
