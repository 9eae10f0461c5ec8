# SPDX-License-Identifier: GPL-2.0-or-later
"""`lostirq bugs --proofs`: what each known bug of safety does to the certificates of proofs/.

The lemmas of the certificate are tried on the system with the bug, the changed transitions first.  First the conjuncts
as the certificate has them: if they are inductive there too, the proof is kept.  If not, what was spread over locations
is made anew (`lostirq.workflow.certificates.retry`), and only then is the proof lost.  Where variables and initial
values are those of the base, no location is new and all conjuncts are still there, the unchanged transitions keep them,
as the certificate says: only the changed ones are asked.

Where the front end refuses the scenario with the bug under TSO, it is tried under SC: its runs are among those of TSO.

Invariants: a proof is *lost* only to a step that is shown, or an initial state; one that is *kept* was decided without
a solver's `unknown`; a certificate of another model than the base, and a system that is refused, decide nothing.
"""

from __future__ import annotations

import re
import time
from collections.abc import Mapping, Set
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from lostirq.errors import LostirqError, ModelErrors, UsageError
from lostirq.evidence.trace_file import read_text
from lostirq.evidence.verdict import Holds
from lostirq.ir.expr import Expr
from lostirq.ir.system import Form, Memory, System, served
from lostirq.language import Executed, Statement, Workspace, load_sources
from lostirq.symbolic.certificate import Json, Whole, whole
from lostirq.symbolic.changed import Change, Shape, Shapes, change
from lostirq.symbolic.decide import theorem
from lostirq.symbolic.families import Family, plain
from lostirq.symbolic.outcome import Conjunct, Proved
from lostirq.workflow import certificates, proofs_page
from lostirq.workflow.bug_proofs_record import BugRow, Fate, ProofRow, current, mark, mark_of_certificate
from lostirq.workflow.bugs import Bug
from lostirq.workflow.fitting import load_with_lemmas_that_fit
from lostirq.workflow.mutate_executed import declared_alike, statements_replaced
from lostirq.workflow.patching import apply
from lostirq.workflow.prove import load_with_proofs, prove_property
from lostirq.workflow.workspace import SOURCES, sources

# The parameters of vectors: in these a proof at full width and its small one differ.
_SIZES = frozenset({"VECTORS", "FIRST_VECTOR", "PIR_WORD", "IRR_WORD", "CLASS_SHIFT", "CLASS_BASE"})


@dataclass(frozen=True, slots=True)
class _Certificate:
    name: str
    data: Json
    origin: certificates.Origin
    mark: str

    def of(self, bug: Bug) -> bool:
        """Does it prove a property that the bug breaks?"""
        return bool(served(self.origin.property) & {*bug.properties})

    def stands_for(self, other: _Certificate) -> bool:
        """Is it of the same in another size: nothing but what vectors are differs, and no property is missing?"""
        mine, its = _parameters(self.data), _parameters(other.data)
        differ = {n for n in its if mine.get(n) != its[n]}
        return (served(other.origin.property) <= served(self.origin.property) and mine.keys() == its.keys()
                and bool(differ) and differ <= _SIZES)


@dataclass(slots=True)
class Base:
    """The workspace without bugs; what is computed of it is computed when it is asked for, once."""

    root: Path
    workspace: Workspace
    texts: dict[str, str]
    proofs: tuple[_Certificate, ...]
    _shapes: Shapes = field(default_factory=Shapes)
    _known: dict[str, Shape | None] = field(default_factory=dict)
    _functions: dict[str, frozenset[str]] = field(default_factory=dict)
    _executed: dict[str, Set[Statement]] = field(default_factory=dict)

    def shape(self, of: _Certificate) -> Shape | None:
        """The transitions of the base; None if the certificate is of another model."""
        if of.name not in self._known:
            seen = Executed()
            system = certificates.compiled(self.workspace, of.origin, seen)
            self._executed[of.name] = seen.statements
            is_current = certificates.current(of.data, system)
            self._known[of.name] = self._shapes.of(system) if is_current else None
            places = (place for p in system.processes for place in p.locations)
            self._functions[of.name] = frozenset(f for place in places for f in place.functions)
        return self._known[of.name]

    def functions(self, of: _Certificate) -> frozenset[str]:
        """The functions of the model that its processes pass through."""
        self.shape(of)
        return self._functions[of.name]

    def out_of_reach(self, of: _Certificate, edited: Set[Statement] | None) -> bool:
        """Does its scenario execute none of these statements?  None: it is not known which were edited."""
        return edited is not None and self.shape(of) is not None and edited.isdisjoint(self._executed[of.name])

    def changed(self, of: _Certificate, system: System) -> Change | None:
        before = self.shape(of)
        return None if before is None else change(before, self._shapes.of(system))


def base(root: Path) -> Base:
    """With its proofs, the small ones first.  Raises `UsageError` for a workspace without certificates, or with a file
    that is none."""
    found = []
    seconds = proofs_page.recorded(root)
    for path in certificates.listed(root):
        data = certificates.load(path)
        found.append(_Certificate(path.stem, data, certificates.origin(data, path.name), mark_of_certificate(path)))
    if not found:
        raise UsageError(f"{root / certificates.FOLDER}: there are no certificates (`lostirq prove --all` makes them)")
    found.sort(key=lambda c: (_transitions(c.data), seconds[c.name].proof if c.name in seconds else 0.0, c.name))
    return Base(root, load_with_proofs(root), sources(root, (*SOURCES, "proofs")), tuple(found))


def _transitions(data: Json) -> int:
    counts = data.get("counts")
    return int(counts.get("transitions", 0)) if isinstance(counts, dict) else 0


def due(about: Base, bug: Bug, *, every: bool = False) -> list[str]:
    """The proofs to try, in this order: the small ones (of the fewest vectors), those of its properties first, and the
    large ones of its properties that no small one stands for; with `every` all."""
    fewest = min(_vectors(c) for c in about.proofs)
    small = [c for c in about.proofs if _vectors(c) == fewest]
    ours = [c for c in about.proofs
            if c.of(bug) and c not in small and not any(s.stands_for(c) for s in small)]
    chosen = [*sorted(small, key=lambda c: not c.of(bug)), *ours]
    rest = [c for c in about.proofs if c not in chosen] if every else []
    return [c.name for c in [*chosen, *sorted(rest, key=lambda c: not c.of(bug))]]


def _vectors(of: _Certificate) -> int:
    return _parameters(of.data).get("VECTORS", 0)


def tried(about: Base, bug: Bug, known: BugRow | None = None, *, every: bool = False) -> BugRow:
    """What the bug does to the proofs that are `due`, one after the other, until one is lost, or with `every` to all.
    `known`: what is recorded; what is of this bug and these certificates stays."""
    path = bug.folder / "bug.patch"
    row = recorded(about, bug, known)
    if settled(about, bug, row, every=every):
        return _explained(about, bug, row)
    patched = apply(about.texts, read_text(path, "bug patch"), str(path))
    why, workspace = "", None
    try:
        workspace = load_with_lemmas_that_fit(patched.sources)
    except ModelErrors as e:
        why = f"the properties do not fit the model with the bug: {e.diagnostics[0].message}"
    edited = _edited(about, patched.sources, workspace)
    by_name = {c.name: c for c in about.proofs}
    for proof in (by_name[name] for name in due(about, bug, every=every) if name not in row.proofs):
        started = time.monotonic()
        found = ProofRow(proof.mark, Fate.REFUSED, why)
        if workspace is not None:
            found = _of(about, proof, workspace, edited)
        row = row.having(proof.name, found.after(time.monotonic() - started))
        if found.fate is Fate.LOST and not every:
            break
    return _explained(about, bug, row if row.lost() else _with_unchanged(about, row, edited))


def _with_unchanged(about: Base, row: BugRow, edited: Set[Statement] | None) -> BugRow:
    """With the proofs that need not be tried, because the bug is out of their reach."""
    for proof in about.proofs:
        with suppress(LostirqError):        # a base that is refused decides nothing
            if proof.name not in row.proofs and about.out_of_reach(proof, edited):
                row = row.having(proof.name, ProofRow(proof.mark, Fate.UNCHANGED))
    return row


def _edited(about: Base, sources_: Mapping[str, str], workspace: Workspace | None) -> Set[Statement] | None:
    """The statements of the functions that a bug changes, as they were; None if more may have changed."""
    if workspace is None or not declared_alike(about.workspace, workspace):
        return None
    return statements_replaced(about.texts, sources_)


def recorded(about: Base, bug: Bug, known: BugRow | None) -> BugRow:
    """What of a row is of this bug and these certificates."""
    return current(known, mark(bug.folder / "bug.patch"), {c.name: c.mark for c in about.proofs})


def settled(about: Base, bug: Bug, row: BugRow, *, every: bool) -> bool:
    """Is there nothing left to try?"""
    return {*due(about, bug, every=every)} <= set(row.proofs) or bool(row.lost() and not every)


def _of(about: Base, proof: _Certificate, workspace: Workspace, edited: Set[Statement] | None) -> ProofRow:
    try:
        if about.shape(proof) is None:
            return ProofRow(proof.mark, Fate.OPEN, "the certificate is of another model; prove it again")
        if about.out_of_reach(proof, edited):
            return ProofRow(proof.mark, Fate.UNCHANGED)
        system = certificates.compiled(workspace, proof.origin)
        if certificates.current(proof.data, system):
            return ProofRow(proof.mark, Fate.UNCHANGED)
        change_ = about.changed(proof, system)
    except LostirqError as e:
        return _under_sc(about, proof, workspace, str(e).splitlines()[0])
    assert change_ is not None      # the shape of the base is there
    count = len(change_.edges)
    if _inductive(proof.data, system, change_):
        return ProofRow(proof.mark, Fate.KEPT, changed=count)
    found = certificates.retry(proof.data, system, select=lambda grouped: _first(grouped, change_))
    if isinstance(found, certificates.Kept):
        return ProofRow(proof.mark, Fate.KEPT, changed=count)
    if isinstance(found, certificates.Lost):
        return ProofRow(proof.mark, Fate.LOST, found.lemma, _step(found.step), count)
    return ProofRow(proof.mark, Fate.OPEN, found.reason, changed=count)


def _under_sc(about: Base, proof: _Certificate, workspace: Workspace, refused: str) -> ProofRow:
    """A scenario that is refused: is its proof lost under SC, where that of the base goes through?"""
    row = ProofRow(proof.mark, Fate.REFUSED, refused)
    o = proof.origin
    if o.memory is Memory.SC:
        return row
    try:
        found, before = (prove_property(w, o.property, o.scenario, Memory.SC, overrides=dict(o.overrides))
                         for w in (workspace, about.workspace))
    except LostirqError:
        return row
    if not found.step or not isinstance(before.verdict, Holds):
        return row
    return ProofRow(proof.mark, Fate.LOST, f"{found.step[-1].removeprefix('which breaks ')}, under SC",
                    _step(found.step))


def _inductive(data: Json, system: System, changed: Change) -> bool:
    """Do the conjuncts of the certificate, as they are, prove its properties of the changed system?  False: not so."""
    try:
        old = whole(data, system)
    except ValueError as error:
        raise UsageError(str(error)) from None
    targets = certificates.theorem(system, str(data.get("property")))
    if not targets or not _same_theorem(old, {p.key: p.formula for p in targets}):
        return False
    enough = changed.same_frame and not old.vanished

    def select(grouped: list[Family]) -> list[Family]:
        first = _first(grouped, changed)
        return [f for f in first if _touches(f, changed)] if enough else first

    steps = [Conjunct(p.key, p.formula) for p in targets if p.form is Form.STEP]
    return isinstance(theorem(system, old.conjuncts, steps, select=select), Proved)


def _same_theorem(old: Whole, targets: dict[str, Expr]) -> bool:
    """But for the ranges that numbers were typed with, which a certificate does not have."""
    return {c.name: plain(c.formula) for c in old.theorem} == {name: plain(f) for name, f in targets.items()}


def _touches(family: Family, changed: Change) -> bool:
    return any(edge.index in changed.edges for edge in family.members)


def _first(grouped: list[Family], changed: Change) -> list[Family]:
    """All, those with changed edges before the others."""
    return sorted(grouped, key=lambda family: not _touches(family, changed))


def _step(step: tuple[str, ...]) -> str:
    """The transition, without its line of the file, which moves with every edit."""
    return re.sub(r"( in )? \([^()\s]*:\d+\)", "", step[0]).removeprefix("step of ") if step else ""


# -- why no proof sees a bug ------------------------------------------------------------------------------------------


def _explained(about: Base, bug: Bug, row: BugRow) -> BugRow:
    """With a reason, if all proofs that are due were tried and none is lost."""
    if row.lost() or not settled(about, bug, row, every=False) or row.open():
        return row.because("")
    return row.because("; ".join(_reasons(about, bug, row)))


def _reasons(about: Base, bug: Bug, row: BugRow) -> list[str]:
    found = []
    unchanged = all(r.fate is Fate.UNCHANGED for r in row.proofs.values())
    touched = _functions_touched(about, bug) if unchanged else []
    absent = [f for f in touched if not any(f in about.functions(c) for c in about.proofs)]
    refused = [r.why for r in row.proofs.values() if r.fate is Fate.REFUSED]
    if refused:
        found.append(f"with the bug, scenarios are refused: {refused[0]}")
    if absent:
        found.append(f"the proofs have no step in {', '.join(absent)}")
    sizes = {n: p.default for n, p in about.workspace.parameters.items()}
    chosen = about.workspace.scenarios[bug.scenario].parameters
    sizes |= chosen
    shown = {n for n, p in about.workspace.parameters.items() if n in chosen or p.is_bool and "ghost" not in p.doc}
    its = [c for c in about.proofs if served(c.origin.property) & {*bug.properties}]
    theirs = {n: [_parameters(c.data).get(n, 0) for c in its or about.proofs] for n in sizes}
    more = [f"{n} {int(v)}" for n, v in sorted(sizes.items()) if n in shown and int(v) > max(theirs[n])]
    if more:
        found.append(f"its scenario has {', '.join(more)}, more than any proof{' of it' if its else ''}")
    proved = frozenset(p for c in about.proofs for p in served(c.origin.property))
    beyond = [p for p in bug.properties if p not in proved]
    if beyond:
        found.append(f"{', '.join(beyond)} is not proved")
    if not found:
        found.append("their transition systems do not change" if unchanged else "the proofs go through with it")
        off = [n for n, p in sorted(about.workspace.parameters.items())
               if p.is_bool and not n.startswith("GUEST_") and not sizes[n] and all(theirs[n])]
        found += [f"those of it have {', '.join(off)}, which its scenario does not have"] if off else []
    return found


def _parameters(data: Json) -> dict[str, int]:
    given = data.get("parameters")
    return {str(n): int(v) for n, v in given.items()} if isinstance(given, dict) else {}


def _functions_touched(about: Base, bug: Bug) -> list[str]:
    """The functions of the model in which the patch changes lines."""
    path = bug.folder / "bug.patch"
    patched = apply(about.texts, read_text(path, "bug patch"), str(path))
    found: dict[str, None] = {}
    try:
        declared = load_sources(patched.sources).declarations.functions()
    except ModelErrors:
        return []
    for d in declared:
        lines = patched.changed.get(d.source.name, frozenset())
        if any(d.node.lineno <= n <= (d.node.end_lineno or d.node.lineno) for n in lines):
            found[d.name] = None
    return list(found)
