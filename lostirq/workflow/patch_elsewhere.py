# SPDX-License-Identifier: GPL-2.0-or-later
"""What a patch changes beyond the cases that were compared.

Invariants: asked only where nothing that was compared in whole differs, because to keep what is not touched would be no
answer; every scenario of every tier counts, at its own sizes, under every memory model that it lists; one is left out
only if both sides compile to systems of the same digest, or were found to do so before, from the same files by the same
engine; one that is on one side alone differs.
"""

from __future__ import annotations

from collections.abc import Callable, Container
from dataclasses import dataclass

from lostirq.ir.digest import digest
from lostirq.ir.system import Memory
from lostirq.language import Workspace, compile_memories
from lostirq.workflow import jobs
from lostirq.workflow.cache import ResultCache, engine_version, key_of, texts_digest
from lostirq.workflow.check import TIERS, CheckOptions
from lostirq.workflow.patch_report import Case, CaseResult
from lostirq.workflow.patch_run import Pair, failed


@dataclass(frozen=True, slots=True)
class _Mark:
    """The digest of the system of a scenario, as the result cache keeps it."""

    digest: str


def elsewhere(compared: Container[tuple[str, Memory]], pair: Pair, options: CheckOptions,
              on_count: Callable[[int, int], None]) -> tuple[tuple[str, ...], list[CaseResult]]:
    """The scenarios that the patch changes where they are not `compared` in whole, each with its tier, and what could
    not be compared; `on_count` gets how many of how many are.  Raises `UsageError`, `LostirqError`."""
    sides = [{s.name: s for s in w.scenarios.values() if s.tier in TIERS} for w in (pair.base, pair.patched)]
    todo: list[tuple[Case, ...]] = []
    changed: dict[str, None] = {}
    for name in dict.fromkeys([*sides[0], *sides[1]]):
        here = [side.get(name) for side in sides]
        listed = [frozenset() if s is None else frozenset(s.memory) for s in here]
        left = [Case(name, m) for m in Memory if m in listed[0] | listed[1] and (name, m) not in compared]
        if left and listed[0] != listed[1]:
            changed[name] = None
        elif left:
            todo.append(tuple(left))
    texts = [(w, texts_digest(w.sources)) for w in (pair.base, pair.patched)]

    def work(cases: tuple[Case, ...], report: jobs.Report) -> bool:
        one, other = (_marks(w, text, cases, options.results) for w, text in texts)
        return one != other

    cut: list[CaseResult] = []
    for count, done in enumerate(jobs.run(todo, work, processes=options.processes, seconds=options.seconds), 1):
        on_count(count, len(todo))
        if done.result is None:
            cut += failed(todo[done.number], done.failure)
        elif done.result:
            changed[todo[done.number][0].scenario] = None
    found = [(name, sides[0].get(name) or sides[1][name]) for name in dict.fromkeys([*sides[0], *sides[1]])]
    return tuple(f"{name} ({s.tier})" for name, s in found if name in changed), cut


def _marks(workspace: Workspace, texts: str, cases: tuple[Case, ...], store: ResultCache | None) -> list[str]:
    """The digests of the systems of a scenario under some memory models."""
    keys = [key_of("mark", engine_version(), texts, case.scenario, case.memory.value) for case in cases]
    kept = [store.get(key, _Mark) if store is not None else None for key in keys]
    if all(kept):
        return [k.digest for k in kept if k is not None]
    systems = compile_memories(workspace, cases[0].scenario, [case.memory for case in cases])
    found = [digest(systems[case.memory]) for case in cases]
    for key, mark in zip(keys, found, strict=True):
        if store is not None:
            store.put(key, _Mark(mark))
    return found
