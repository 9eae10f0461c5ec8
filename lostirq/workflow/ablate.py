# SPDX-License-Identifier: GPL-2.0-or-later
"""Try the ablations of `lostirq.workflow.orderings` on the scenarios of a workspace, and tabulate what happens.

Invariants: every ablation ends in one of: *violated* (property, scenario, memory model, shortest length), *verified*
(every scenario tried was exhausted and no safety property was violated), *unchanged* (no scenario's transition system
differs), *refused* (the model does not compile with it; the reason is kept), *unknown*.  Verified means: in these
scenarios.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path

from lostirq.errors import ModelErrors
from lostirq.evidence.verdict import Unknown, Violated
from lostirq.ir.digest import digest
from lostirq.ir.system import Form, Memory, System
from lostirq.language import Workspace, compile_scenario, load_sources
from lostirq.workflow import jobs
from lostirq.workflow.check import CheckOptions
from lostirq.workflow.engines import search
from lostirq.workflow.orderings import Ablation, AblationKind, ablations, apply_all
from lostirq.workflow.workspace import sources

Case = tuple[str, Memory]


@dataclass(frozen=True, slots=True)
class AblationResult:
    """`verdict` as in the module's text; `property`, `scenario`, `memory`, `length` of the first violation found."""

    name: str
    what: str
    verdict: str
    property: str = ""
    scenario: str = ""
    memory: str = ""
    length: int = 0
    why: str = ""


def cases(workspace: Workspace, tier: str) -> list[Case]:
    """Scenarios of a tier, under TSO where they allow it: a run under SC is a run under TSO that flushes at once."""
    return [(s.name, Memory.TSO if Memory.TSO in s.memory else Memory.SC)
            for s in workspace.scenarios.values() if s.tier == tier]


def groups(found: Sequence[Ablation]) -> list[tuple[Ablation, ...]]:
    """Every single ablation, then every pair of fences that one program can be without."""
    fences = [a for a in found if a.kind is AblationKind.FENCE]
    singles: list[tuple[Ablation, ...]] = [(a,) for a in found]
    return singles + list(combinations(fences, 2))


def ablate(root: Path, tier: str, options: CheckOptions, wanted: Callable[[str], bool] = lambda name: True,
           on_result: Callable[[AblationResult], None] = lambda result: None) -> list[AblationResult]:
    """Try all ablations whose name is wanted, in parallel; results in order of generation."""
    texts = sources(root)
    base = {case: digest(compile_scenario(load_sources(texts), *case)) for case in cases(load_sources(texts), tier)}
    todo = [g for g in groups(ablations(texts)) if wanted(_name(g))]
    done: dict[int, AblationResult] = {}
    for d in jobs.run(todo, lambda g, report: attempt(g, texts, base, options, report), processes=options.processes):
        group = todo[d.number]
        done[d.number] = d.result or AblationResult(_name(group), _what(group), "unknown",
                                                    why=d.failure.message if d.failure else "no result")
        on_result(done[d.number])
    return [done[n] for n in sorted(done)]


def _name(group: Sequence[Ablation]) -> str:
    return " + ".join(a.name for a in group)


def _what(group: Sequence[Ablation]) -> str:
    return " and ".join(a.what for a in group)


def attempt(group: tuple[Ablation, ...], texts: Mapping[str, str], base: Mapping[Case, str],
            options: CheckOptions, report: jobs.Report) -> AblationResult:
    """One ablation on every case whose transition system it changes, until one is violated."""
    name, what = _name(group), _what(group)
    try:
        workspace = load_sources(apply_all(group, texts))
        systems = {case: compile_scenario(workspace, *case) for case in base}
    except ModelErrors as e:
        return AblationResult(name, what, "refused", why=f"{e.diagnostics[0].code}: {e.diagnostics[0].message}")
    changed = {case: s for case, s in systems.items() if digest(s) != base[case]}
    if not changed:
        return AblationResult(name, what, "unchanged", why="no scenario of the tier executes it")
    unknown = ""
    for case, system in changed.items():
        key, length, reason = _violation(system, options, report)
        if key:
            return AblationResult(name, what, "violated", key, case[0], case[1].value, length)
        if reason:
            unknown = unknown or f"{case[0]}/{case[1].value}: {reason}"
    if unknown:
        return AblationResult(name, what, "unknown", why=unknown)
    return AblationResult(name, what, "verified", why=f"{len(changed)} systems exhausted")


def _violation(system: System, options: CheckOptions, report: jobs.Report) -> tuple[str, int, str]:
    """(key, shortest length, '') of the first violated property, ('', 0, reason) if undecided, ('', 0, '') if all hold.

    Safety alone: the quiescent properties say of every place where an interrupt can get stuck that it does not."""
    keys = tuple(p.key for p in system.properties if p.form in (Form.INVARIANT, Form.STEP))
    found = search(system, options.engine, options.search_options(keys, report, stop_early=True), options.cache_dir)
    bad = sorted((len(v.trace.moves), k) for k, v in found.verdicts.items() if isinstance(v, Violated))
    if bad:
        return bad[0][1], bad[0][0], ""
    return "", 0, next((v.reason for v in found.verdicts.values() if isinstance(v, Unknown)), "")
