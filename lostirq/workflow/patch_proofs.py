# SPDX-License-Identifier: GPL-2.0-or-later
"""What a patch does to the proofs: a column of its own, never part of the verdict.

  kept   the patch does not change the system that the proof is about (what the proof was worth, it is worth), or the
         lemmas of the base prove it again;
  lost   with the lemmas of the base, the proof fails: the lemma or property that a step breaks is named;
  stale  the patch changes the model, and the proof was not tried on it, or a solver gave up.

The proofs are those that have a certificate (`lostirq.workflow.certificates`); in a workspace without certificates,
those of its scenarios of tier `proof`.

Invariant: *kept* is said only of an equal system or of a proof that went through without a solver's `unknown`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from lostirq.errors import LostirqError, ModelErrors
from lostirq.evidence.verdict import Holds, Unknown
from lostirq.ir.digest import digest
from lostirq.ir.system import Memory
from lostirq.language import Workspace, compile_scenario, load_sources
from lostirq.symbolic.certificate import Json
from lostirq.workflow import certificates, jobs
from lostirq.workflow.certificates import Kept, Lost
from lostirq.workflow.fitting import load_with_lemmas_that_fit
from lostirq.workflow.patch_report import ProofReport
from lostirq.workflow.patch_sources import Sides
from lostirq.workflow.prove import GAVE_UP, TIER, prove_property

NOT_TRIED = "not tried; --proofs tries the lemmas of the base"


@dataclass(frozen=True, slots=True)
class _Proof:
    """`data`: its certificate, None for a proof without one."""

    property: str
    scenario: str
    memory: Memory
    data: Json | None = None
    origin: certificates.Origin | None = None

    def row(self, status: str, why: str) -> ProofReport:
        return ProofReport(self.property, self.scenario, self.memory.value, status, why)


def proofs(root: Path, sides: Sides, *, identical: bool, try_them: bool, processes: int = 1) -> tuple[ProofReport, ...]:
    """One row per proof of the base.  With `try_them`, a proof whose system changed is tried: minutes.  Raises
    `UsageError` for a file that is no certificate."""
    try:
        base = load_sources(sides.base)
    except ModelErrors:
        return ()
    known = _known(root, base)
    if identical or not try_them:
        return tuple(p.row("kept", "the same system") if identical else p.row("stale", NOT_TRIED) for p in known)
    try:
        patched = load_with_lemmas_that_fit(_with_proofs_of_the_base(sides))
    except ModelErrors as e:
        why = f"the properties do not fit the patched model: {e.diagnostics[0].message}"
        return tuple(p.row("lost", why) for p in known)
    rows: dict[int, ProofReport] = {}
    for done in jobs.run(known, lambda p, report: _tried(base, patched, p), processes=processes):
        why = done.failure.message.splitlines()[0] if done.failure is not None else "no result"
        rows[done.number] = done.result or known[done.number].row("stale", why)
    return tuple(rows[n] for n in sorted(rows))


def _known(root: Path, base: Workspace) -> list[_Proof]:
    found = []
    for path in certificates.listed(root):
        data = certificates.load(path)
        origin = certificates.origin(data, str(path))
        found.append(_Proof(origin.property, origin.scenario, origin.memory, data, origin))
    return found or [_Proof(p, name, memory) for name, s in base.scenarios.items() if s.tier == TIER
                     for memory in s.memory for p in s.properties or ()]


def _with_proofs_of_the_base(sides: Sides) -> dict[str, str]:
    def of_proofs(sources: Mapping[str, str], *, wanted: bool) -> dict[str, str]:
        return {p: text for p, text in sources.items() if p.startswith("proofs/") is wanted}

    return dict(sorted((of_proofs(sides.patched, wanted=False) | of_proofs(sides.base, wanted=True)).items()))


def _tried(base: Workspace, patched: Workspace, proof: _Proof) -> ProofReport:
    try:
        if proof.data is not None and proof.origin is not None:
            return _by_certificate(base, patched, proof, proof.data, proof.origin)
        marks = {digest(compile_scenario(w, proof.scenario, proof.memory, lemmas=True)) for w in (base, patched)}
        if len(marks) == 1:
            return proof.row("kept", "the same system")
        found = prove_property(patched, proof.property, proof.scenario, proof.memory)
    except LostirqError as e:
        return proof.row("lost", str(e).splitlines()[0])
    if isinstance(found.verdict, Holds):
        return proof.row("kept", "proved again with the lemmas of the base")
    if isinstance(found.verdict, Unknown):
        return proof.row("stale" if found.verdict.reason.startswith(GAVE_UP) else "lost", found.verdict.reason)
    return proof.row("lost", "violated initially")


def _by_certificate(base: Workspace, patched: Workspace, proof: _Proof, data: Json,
                    origin: certificates.Origin) -> ProofReport:
    if not certificates.current(data, certificates.compiled(base, origin)):
        return proof.row("stale", "the certificate is of another model than the base")
    found = certificates.retry(data, certificates.compiled(patched, origin))
    if isinstance(found, Kept):
        return proof.row("kept", "the same system" if found.unchanged else "proved again with the lemmas of the base")
    if isinstance(found, Lost):
        return proof.row("lost", f"{found.lemma} is broken by a {found.step[0]}" if found.step else found.lemma)
    return proof.row("stale", found.reason)
