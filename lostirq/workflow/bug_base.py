# SPDX-License-Identifier: GPL-2.0-or-later
"""What the unpatched model does in the scenario of a known bug: its digest and its steps.

Known bugs share scenarios, so this is found once for each scenario and memory model: the first job that needs it puts
it into a store (the result cache, or one of this run), where the others find it.  Invariants: a step is what it does,
by names, wherever it stands and however variables are numbered (`patch_steps.identity`); steps are kept as digests.
"""

from __future__ import annotations

import contextlib
import hashlib
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from lostirq.evidence.replay import Run
from lostirq.ir.digest import digest
from lostirq.ir.system import Edge, Memory, System
from lostirq.language import Workspace, compile_scenario
from lostirq.workflow.cache import ResultCache, engine_version, key_of, texts_digest
from lostirq.workflow.patch_steps import identity

_DIGITS = 16        # of the digest of a step: 64 bits


@dataclass(frozen=True, slots=True)
class BaseSteps:
    """`digest`: of the system; `steps`: what its edges do; `pairs`: two that a process can do in succession, where the
    first of all has nothing before it."""

    digest: str
    steps: frozenset[str]
    pairs: frozenset[str]


@contextlib.contextmanager
def shared_store(results: ResultCache | None) -> Iterator[ResultCache | None]:
    """The result cache, or else a folder that lasts as long as this run; None if there is no place for one."""
    folder = ""
    if results is None:
        with contextlib.suppress(OSError):
            folder = tempfile.mkdtemp(prefix="lostirq-bugs-")
    try:
        yield ResultCache(Path(folder)) if folder else results
    finally:
        if folder:
            shutil.rmtree(folder, ignore_errors=True)


def base_steps(base: Workspace, scenario: str, memory: Memory, store: ResultCache | None) -> BaseSteps:
    """From the store, or found and put there.  Raises `ModelErrors`."""
    key = "" if store is None else key_of("base steps", engine_version(), texts_digest(base.sources), scenario,
                                          memory.value)
    kept = None if store is None else store.get(key, BaseSteps)
    if kept is not None:
        return kept
    found = steps_of(compile_scenario(base, scenario, memory))
    if store is not None:
        store.put(key, found)
    return found


def steps_of(system: System) -> BaseSteps:
    names = [_name(system, e) for e in system.edges]
    leaving: dict[tuple[int, int], set[str]] = {}
    for edge, name in zip(system.edges, names, strict=True):
        leaving.setdefault((edge.process, edge.src), set()).add(name)
    pairs = {a + b for edge, a in zip(system.edges, names, strict=True)
             for b in leaving.get((edge.process, edge.dst), ())}
    pairs |= {b for process in system.processes for b in leaving.get((process.index, process.pc.init), ())}
    return BaseSteps(digest(system), frozenset(names), frozenset(pairs))


def takes_new_step(run: Run, base: BaseSteps) -> bool:
    """Does the run take a step, or two steps of one process in succession, that the unpatched system does not have?
    (A step that the patch drops, or moves, shows in what now follows what.)"""
    last: dict[int, str] = {}
    for step in run.steps:
        if step.edge is None:
            continue
        this, before = _name(run.system, step.edge), last.get(step.edge.process, "")
        if this not in base.steps or before + this not in base.pairs:
            return True
        last[step.edge.process] = this
    return False


def _name(system: System, edge: Edge) -> str:
    return hashlib.sha256("\0".join(identity(system, edge)).encode()).hexdigest()[:_DIGITS]
