# SPDX-License-Identifier: GPL-2.0-or-later
"""What a patch does to the proofs: a column of its own, never part of the verdict.

  kept   the patch does not change the system that the proof is about, or the lemmas of the base prove it again;
  lost   with the lemmas of the base, the proof fails: the lemma or property that a step breaks is named;
  stale  the patch changes the model, and the proof was not tried on it.

Invariant: *kept* is said only of an equal digest or of a proof that went through without a solver's `unknown`.
"""

from __future__ import annotations

from collections.abc import Mapping

from lostirq.errors import LostirqError, ModelErrors
from lostirq.evidence.verdict import Holds, Unknown
from lostirq.ir.digest import digest
from lostirq.ir.system import Memory
from lostirq.language import Workspace, compile_scenario, load_sources
from lostirq.workflow.patch_report import ProofReport
from lostirq.workflow.patch_sources import Sides
from lostirq.workflow.prove import TIER, prove_property

NOT_TRIED = "not tried; --proofs tries the lemmas of the base"


def proofs(sides: Sides, *, identical: bool, try_them: bool) -> tuple[ProofReport, ...]:
    """One row per proof of the base.  With `try_them`, a proof whose system changed is tried: minutes."""
    try:
        base = load_sources(sides.base)
    except ModelErrors:
        return ()
    rows = [(p, name, memory) for name, s in base.scenarios.items() if s.tier == TIER
            for memory in s.memory for p in s.properties or ()]
    if identical or not try_them:
        status, why = ("kept", "the same system") if identical else ("stale", NOT_TRIED)
        return tuple(ProofReport(p, name, memory.value, status, why) for p, name, memory in rows)
    try:
        patched = load_sources(_with_proofs_of_the_base(sides))
    except ModelErrors as e:
        why = f"the lemmas do not fit the patched model: {e.diagnostics[0].message}"
        return tuple(ProofReport(p, name, memory.value, "lost", why) for p, name, memory in rows)
    return tuple(_tried(base, patched, p, name, memory) for p, name, memory in rows)


def _with_proofs_of_the_base(sides: Sides) -> dict[str, str]:
    def of_proofs(sources: Mapping[str, str], *, wanted: bool) -> dict[str, str]:
        return {p: text for p, text in sources.items() if p.startswith("proofs/") is wanted}

    return dict(sorted((of_proofs(sides.patched, wanted=False) | of_proofs(sides.base, wanted=True)).items()))


def _tried(base: Workspace, patched: Workspace, name: str, scenario: str, memory: Memory) -> ProofReport:
    try:
        marks = {digest(compile_scenario(w, scenario, memory, lemmas=True)) for w in (base, patched)}
        if len(marks) == 1:
            return ProofReport(name, scenario, memory.value, "kept", "the same system")
        found = prove_property(patched, name, scenario, memory)
    except LostirqError as e:
        return ProofReport(name, scenario, memory.value, "lost", str(e).splitlines()[0])
    if isinstance(found.verdict, Holds):
        return ProofReport(name, scenario, memory.value, "kept", "proved again with the lemmas of the base")
    why = found.verdict.reason if isinstance(found.verdict, Unknown) else "violated initially"
    return ProofReport(name, scenario, memory.value, "lost", why)
