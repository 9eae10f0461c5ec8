# SPDX-License-Identifier: GPL-2.0-or-later
"""`lostirq list`: the scenarios, properties, parameters and known bugs of a workspace."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from lostirq.language import PropertyInfo, Workspace
from lostirq.workflow.bugs import Bug, library, read_bug
from lostirq.workflow.check import BUILT_IN
from lostirq.workflow.show import natural

PARTS = ("scenarios", "properties", "parameters", "bugs")


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


def to_json(found: Listing, part: str = "") -> dict[str, object]:
    """All, or one of `PARTS`."""
    rows: dict[str, list[dict[str, object]]] = {
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
        "parameters": [
            {"name": p.name, "default": bool(p.default) if p.is_bool else p.default, "doc": p.doc}
            for p in found.workspace.parameters.values()
        ],
        "bugs": [
            {"slug": b.slug, "title": b.title, "expected": b.expected, "scenario": b.scenario, "memory": b.memory.value,
             "length": b.length}
            for b in found.bugs
        ],
    }
    return {"format": "lostirq-list", "version": 1, **{name: rows[name] for name in PARTS if part in ("", name)}}


def to_text(found: Listing, part: str = "") -> str:
    """All, or one of `PARTS`; each under its heading."""
    scenarios = found.workspace.scenarios
    width = max((len(n) for n in scenarios), default=0)
    rows = {"scenarios": [
        "Scenarios (`check` takes the tiers quick, standard and deep, others by name; bugs: for known bugs;",
        "sample: what others build on)",
        *(f"  {s.name:<{width}}  {'bugs' if s.bugs else s.tier:<8}  {'+'.join(m.value for m in s.memory):<6}  "
          f"{s.summary}" for s in scenarios.values())]}
    checked = {k: p for k, p in found.properties.items() if not p.form.startswith("reachable")}
    width = max((len(n) for n in checked), default=0)
    rows["properties"] = [f"Properties (beside {' and '.join(BUILT_IN)}, which every model has)",
                          *(f"  {p.id:<{width}}  {p.form:<13}  {_title(p)}" for p in checked.values())]
    parameters = found.workspace.parameters
    width = max((len(n) for n in parameters), default=0)
    rows["parameters"] = ["Parameters (`check --set NAME=N`), and the value where a scenario gives none",
                          *(f"  {p.name:<{width}}  {bool(p.default) if p.is_bool else p.default!s:<5}  {p.doc}".rstrip()
                            for p in parameters.values())]
    width = max((len(b.slug) for b in found.bugs), default=0)
    rows["bugs"] = ["Known bugs", *(f"  {b.slug:<{width}}  {b.expected:<8}  {b.title}" for b in found.bugs)]
    return "\n\n".join("\n".join(rows[name]) for name in PARTS if part in ("", name)) + "\n"


def _title(p: PropertyInfo) -> str:
    return p.title or (p.statement.strip().splitlines() or [""])[0]
