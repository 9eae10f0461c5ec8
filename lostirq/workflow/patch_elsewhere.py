# SPDX-License-Identifier: GPL-2.0-or-later
"""What a patch changes beyond the scenarios that were compared.

Invariants: asked only where no compared scenario differs, because to keep what is not touched would be no answer; a
scenario is left out only if both sides compile to systems of the same digest, or were found to do so before, from the
same files by the same engine.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from lostirq.ir.digest import digest
from lostirq.language import Workspace, compile_scenario
from lostirq.workflow import jobs
from lostirq.workflow.cache import ResultCache, engine_version, key_of, texts_digest
from lostirq.workflow.check import TIERS, CheckOptions
from lostirq.workflow.patch_report import Case, CaseResult
from lostirq.workflow.patch_run import Pair, failed


@dataclass(frozen=True, slots=True)
class _Mark:
    """The digest of the system of a scenario, as the result cache keeps it."""

    digest: str


def elsewhere(cases: list[Case], pair: Pair, options: CheckOptions, on_count: Callable[[int, int], None]
              ) -> tuple[tuple[str, ...], list[CaseResult]]:
    """The scenarios that are in no case and that the patch changes, each with its tier, and what could not be compared;
    `on_count` gets how many of how many are.  Raises `UsageError`, `LostirqError`."""
    compared = {c.scenario for c in cases}
    todo = [Case(name, allowed[-1]) for name, scenario in pair.base.scenarios.items()
            if name not in compared and name in pair.patched.scenarios and scenario.tier in TIERS
            if (allowed := [m for m in scenario.memory if m in options.memories])]
    texts = [(w, texts_digest(w.sources)) for w in (pair.base, pair.patched)]

    def work(case: Case, report: jobs.Report) -> bool:
        return len({_mark(w, text, case, options.results) for w, text in texts}) > 1

    differ: dict[int, bool] = {}
    cut: list[CaseResult] = []
    for done in jobs.run(todo, work, processes=options.processes, seconds=options.seconds):
        if done.result is None:
            cut += failed((todo[done.number],), done.failure)
        else:
            differ[done.number] = done.result
        on_count(len(differ) + len(cut), len(todo))
    changed = [todo[n].scenario for n in sorted(differ) if differ[n]]
    return tuple(f"{name} ({pair.base.scenarios[name].tier})" for name in changed), cut


def _mark(workspace: Workspace, texts: str, case: Case, store: ResultCache | None) -> str:
    key = key_of("mark", engine_version(), texts, case.scenario, case.memory.value)
    kept = store.get(key, _Mark) if store is not None else None
    if kept is not None:
        return kept.digest
    found = digest(compile_scenario(workspace, case.scenario, case.memory))
    if store is not None:
        store.put(key, _Mark(found))
    return found
