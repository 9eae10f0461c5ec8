# SPDX-License-Identifier: GPL-2.0-or-later
"""`lostirq list`: the scenarios, properties and known bugs of a workspace."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from lostirq.language import PropertyInfo, Workspace
from lostirq.workflow.bugs import Bug, library, read_bug
from lostirq.workflow.check import BUILT_IN
from lostirq.workflow.show import natural


@dataclass(frozen=True, slots=True)
class Listing:
    """In the order of the workspace (scenarios) and of their names (properties, bugs)."""

    workspace: Workspace
    properties: dict[str, PropertyInfo]
    bugs: tuple[Bug, ...]


def listing(root: Path, workspace: Workspace) -> Listing:
    """Raises `UsageError` and `ModelErrors`."""
    found = tuple(read_bug(p) for p in library(root).values())
    return Listing(workspace, dict(sorted(workspace.properties.items(), key=lambda item: natural(item[0]))), found)


def to_json(found: Listing) -> dict[str, object]:
    return {
        "format": "lostirq-list",
        "version": 1,
        "scenarios": [
            {"name": s.name, "tier": s.tier, "memory": [m.value for m in s.memory], "summary": s.summary,
             "parameters": dict(s.parameters)}
            for s in found.workspace.scenarios.values()
        ],
        "properties": [
            {"id": p.id, "kind": p.form, "title": p.title, "statement": p.statement, "source": p.source,
             "witness": p.witness, "planted": p.planted}
            for p in found.properties.values()
        ],
        "bugs": [
            {"slug": b.slug, "title": b.title, "expected": b.expected, "scenario": b.scenario, "memory": b.memory.value,
             "length": b.length}
            for b in found.bugs
        ],
    }


def to_text(found: Listing) -> str:
    rows = ["Scenarios (`check` takes the tiers quick, standard and deep, others by name; bugs: for known bugs;",
            "sample: what others build on)"]
    width = max((len(n) for n in found.workspace.scenarios), default=0)
    for s in found.workspace.scenarios.values():
        memory = "+".join(m.value for m in s.memory)
        rows.append(f"  {s.name:<{width}}  {'bugs' if s.bugs else s.tier:<8}  {memory:<6}  {s.summary}")
    checked = {k: p for k, p in found.properties.items() if not p.form.startswith("reachable")}
    rows += ["", f"Properties (beside {' and '.join(BUILT_IN)}, which every model has)"]
    width = max((len(n) for n in checked), default=0)
    rows += [f"  {p.id:<{width}}  {p.form:<13}  {_title(p)}" for p in checked.values()]
    rows += ["", "Known bugs"]
    width = max((len(b.slug) for b in found.bugs), default=0)
    rows += [f"  {b.slug:<{width}}  {b.expected:<8}  {b.title}" for b in found.bugs]
    return "\n".join(rows) + "\n"


def _title(p: PropertyInfo) -> str:
    return p.title or (p.statement.strip().splitlines() or [""])[0]
