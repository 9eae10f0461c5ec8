# SPDX-License-Identifier: GPL-2.0-or-later
"""Certificates on disk: proofs/certificates/, and what becomes of one when the model changes.

Invariants: a certificate is written for a proof only, and is the same bytes each time; one whose system has changed
is stale, and proves nothing: its lemmas may be tried again (`retry`), which is a new proof or none.

Reference: `lostirq.symbolic.certificate` (what is in it), `lostirq.recheck` (what it is worth).
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import cast

from lostirq.errors import UsageError
from lostirq.evidence.trace_file import read_text, write_text
from lostirq.ir.digest import digest
from lostirq.ir.system import Form, Memory, Property, System, served
from lostirq.ir.tso import lower
from lostirq.language import Executed, Workspace, compile_scenario
from lostirq.symbolic import certificate as terms
from lostirq.symbolic.certificate import Json
from lostirq.symbolic.decide import decide
from lostirq.symbolic.induction import DEFAULT_RLIMIT, Select
from lostirq.symbolic.outcome import BaseFails, Conjunct, NotInductive, Proved, Undecided
from lostirq.workflow.populate import populated
from lostirq.workflow.prove import describe, invariant

FOLDER = Path("proofs") / "certificates"


@dataclass(frozen=True, slots=True)
class Origin:
    """What a certificate is about: properties (their ids, with commas) of a scenario under a memory model, and the
    parameters that differ from it."""

    property: str
    scenario: str
    memory: Memory
    overrides: tuple[tuple[str, int], ...] = ()

    def file(self) -> Path:
        """Its path in the workspace."""
        extra = "".join(f"-{name}={value}" for name, value in self.overrides)
        name = f"{self.scenario}-{self.memory.value}{extra}.json"
        return FOLDER / (name if "," in self.property else f"{self.property}-{name}")


@dataclass(frozen=True, slots=True)
class Proof:
    """What the certificate of a proof says: of a flat system, its targets, its lemmas by hand, all conjuncts."""

    system: System
    targets: tuple[Property, ...]
    lemmas: tuple[Property, ...]
    conjuncts: tuple[Conjunct, ...]


def make(origin: Origin, proof: Proof, added: tuple[str, ...] = ()) -> Json:
    """The certificate of a proof.  `added`: names of conjuncts that come neither from lemmas nor from the system."""
    notes: Json = {
        "property": origin.property,
        "scenario": origin.scenario,
        "memory": origin.memory.value,
        "overrides": dict(origin.overrides),
        "parameters": dict(proof.system.parameters),
        "dropped": list(proof.system.dropped),
        "assumed": list(proof.system.notes),
    }
    return terms.certificate(
        proof.system, proof.targets, proof.conjuncts, lemmas=proof.lemmas, added=added, notes=notes
    )


def write(root: Path, origin: Origin, made: Json) -> Path:
    """Write the certificate into a workspace, whole or not at all; its path.  Raises `OSError`."""
    path = root / origin.file()
    path.parent.mkdir(parents=True, exist_ok=True)
    new = path.with_suffix(".new")
    write_text(new, terms.text(made))
    new.replace(path)
    return path


def listed(root: Path) -> list[Path]:
    """The certificates of a workspace."""
    return sorted((root / FOLDER).glob("*.json"))


def load(path: Path) -> Json:
    """A certificate as it is on disk, not yet believed.  Raises `UsageError`."""
    try:
        data = json.loads(read_text(path, "certificate"))
    except (ValueError, RecursionError) as error:
        raise UsageError(f"{path}: not a certificate, or cut off: {error}") from None
    if not isinstance(data, dict):
        raise UsageError(f"{path}: not a certificate: no JSON object")
    return cast(Json, data)


def origin(data: Json, name: str) -> Origin:
    """Which system a certificate says it is about.  Raises `UsageError`."""
    words = [data.get(key) for key in ("property", "scenario", "memory")]
    given = data.get("overrides", {})
    good = all(isinstance(w, str) for w in words) and words[2] in [m.value for m in Memory]
    if not good or not isinstance(given, dict) or not all(isinstance(v, int) for v in given.values()):
        raise UsageError(f"{name}: a certificate names its property, scenario, memory and overrides")
    return Origin(str(words[0]), str(words[1]), Memory(words[2]), tuple(sorted(given.items())))


def compiled(workspace: Workspace, about: Origin, executed: Executed | None = None) -> System:
    """The flat system that a certificate is about, from the model as it is, with its lemmas: what only they read is a
    part of it.  `executed`: see `compile_scenario`.  Raises `UsageError`, `ModelErrors`."""
    system = compile_scenario(workspace, about.scenario, about.memory, overrides=dict(about.overrides), lemmas=True,
                              executed=executed)
    return populated(workspace, about.scenario, system, about.property) if about.property else lower(system)


def theorem(system: System, property_: str) -> list[Property]:
    """The instances of a property."""
    return [p for p in system.properties if served(property_) & {p.id, p.key} and not p.proves]


def absent(property_: str, goals: Iterable[Property]) -> list[str]:
    """The ids of a property that have no instance among the goals."""
    return sorted(served(property_) - {name for p in goals for name in (p.id, p.key)})


def current(data: Json, system: System) -> bool:
    """Is the certificate about this very system?  If not, it is stale."""
    goals = theorem(system, str(data.get("property")))
    return bool(goals) and data.get("system") == digest(terms.about(system, goals))


# -- a changed model --------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Kept:
    """The lemmas prove the property of the changed system too.  `unchanged`: it is the same system."""

    proof: Proof | None
    unchanged: bool = False


@dataclass(frozen=True, slots=True)
class Lost:
    """`lemma`: the conjunct that a step breaks, or that is false at the start; `step`: the step in words (its first
    state need not be reachable); `vanished`: lemmas that could not be tried, with the reason."""

    lemma: str
    step: tuple[str, ...]
    vanished: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class NotTried:
    """Undecided: a limit, or nothing to prove in the changed system."""

    reason: str


def retry(data: Json, system: System, rlimit: int = DEFAULT_RLIMIT, select: Select = list) -> Kept | Lost | NotTried:
    """Try the lemmas of a certificate on a flat system that may have changed.  `select` gives the order of the edges.

    A lemma that the system brings along (compiled with `lemmas=True`) is taken as it is there; another one is
    translated by the names in it.  What was spread over windows and locations is made anew.  Added conjuncts that are
    no longer inductive are left out, one after the other, until the rest is, or a lemma or the property itself breaks.
    Raises `UsageError` if the data are no certificate."""
    if current(data, system):
        return Kept(None, unchanged=True)
    about = str(data.get("property"))
    targets = theorem(system, about)
    if (gone := absent(about, targets)) or not targets:
        return NotTried(f"the property {', '.join(gone) or about} is not there any more")
    try:
        old = terms.read(data, system)
    except ValueError as error:
        raise UsageError(str(error)) from None
    lemmas = _lemmas(old, system, targets)
    conjuncts = invariant(system, targets, lemmas)
    names = {c.name for c in conjuncts}
    added = [c for c in old.added if c.name not in names]
    steps = [Conjunct(p.key, p.formula) for p in targets if p.form is Form.STEP]
    while True:
        outcome, tried = decide(system, [*conjuncts, *added], steps, rlimit=rlimit, select=select)
        if isinstance(outcome, Proved):
            return Kept(Proof(system, tuple(targets), tuple(lemmas), tuple(tried)))
        if isinstance(outcome, Undecided):
            name, edge, reason = outcome.open[0]
            return NotTried(f"the solver gave up on edge {edge}, {name}: {reason}")
        wrong = _wrong(outcome)
        if not any(c.name in wrong for c in added):
            shown = outcome.counterexamples[0] if isinstance(outcome, NotInductive) else None
            step = describe(system, tried, shown) if shown is not None else ("false at the start",)
            return Lost(wrong[0], step, old.vanished)
        added = [c for c in added if c.name not in wrong]


def _wrong(outcome: BaseFails | NotInductive) -> tuple[str, ...]:
    if isinstance(outcome, BaseFails):
        return outcome.conjuncts
    return tuple(c.conjunct for c in outcome.counterexamples)


def _lemmas(old: terms.Read, system: System, targets: list[Property]) -> list[Property]:
    """Those of the system for these targets, and those of the certificate that it does not have."""
    ids = {p.id for p in targets} | {p.key for p in targets}
    here = [p for p in system.properties if p.proves and served(p.proves) & ids]
    names = {p.key for p in here}
    return here + [
        Property(key, key, Form.INVARIANT, formula, proves=targets[0].id, windows=windows)
        for key, windows, formula in old.lemmas
        if key not in names
    ]
