# SPDX-License-Identifier: GPL-2.0-or-later
"""`lostirq prove`: a property for any length of run, by induction with the lemmas of proofs/.

Invariants: a property is reported as proved only if it and all its lemmas hold initially, every edge keeps them, and
no edge leaves the range of an Int; all of it without a solver's `unknown`.  A step that breaks a lemma is no violation
of the property: its first state need not be reachable, so the verdict is unknown and the step is shown.

Reference: `lostirq.symbolic.induction`.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from lostirq.errors import UsageError
from lostirq.evidence.verdict import Holds, Trace, Unknown, Verdict, Violated
from lostirq.ir.digest import digest
from lostirq.ir.expr import TRUE, Expr, Op, and_, const, is_const, postorder, substitute, var
from lostirq.ir.system import CARRIED, Form, Memory, Process, Property, System, served
from lostirq.language import Workspace, compile_scenario, load_sources
from lostirq.symbolic.agreement import agreed, agreements, shields
from lostirq.symbolic.backward import needed
from lostirq.symbolic.buffered import in_order
from lostirq.symbolic.decide import decide
from lostirq.symbolic.encode import conjuncts_of
from lostirq.symbolic.implied import Implied
from lostirq.symbolic.induction import DEFAULT_RLIMIT
from lostirq.symbolic.infer import Inferred
from lostirq.symbolic.infer_step import of_step
from lostirq.symbolic.outcome import BaseFails, Conjunct, Counterexample, NotInductive, Outcome, Proved, Statistics
from lostirq.symbolic.ranges import ranges
from lostirq.symbolic.rewrite import Rewriter
from lostirq.symbolic.windows import Large, heal, inside
from lostirq.workflow.populate import populated
from lostirq.workflow.workspace import SOURCES, sources

GAVE_UP = "the solver gave up"
LARGE = 1000  # nodes: conjuncts of which it is asked whether others imply them
TIER = "proof"  # tier of the scenarios that exist for proofs: too large to be explored


@dataclass(frozen=True, slots=True)
class ProofReport:
    """`lemmas`: names as in proofs/; `conjuncts`: with lemmas spread over the locations of their windows, and those
    that were found by themselves (`lostirq.symbolic.agreement`); `found`: those that were inferred;
    `step`: the step that is not inductive, in words."""

    property: str
    scenario: str
    memory: Memory
    verdict: Verdict
    lemmas: tuple[str, ...]
    conjuncts: int
    edges: int
    parameters: tuple[tuple[str, int], ...]
    dropped: tuple[str, ...]
    statistics: Statistics | None = None
    step: tuple[str, ...] = ()
    found: tuple[str, ...] = ()
    seconds: float = 0.0

    def render(self) -> str:
        """Lines for a terminal, without times."""
        verdict = {Holds: "proved", Violated: "violated initially"}.get(type(self.verdict), "not proved")
        lines = [f"{self.property} in {self.scenario}, {self.memory.value}: {verdict}"]
        if isinstance(self.verdict, Unknown):
            lines[0] += f": {self.verdict.reason}"
        lemmas = ", ".join(self.lemmas) or "none"
        lines.append(f"  {self.conjuncts} conjuncts, {self.edges} transitions; lemmas: {lemmas}")
        if self.statistics is not None:
            s = self.statistics
            lines.append(f"  obligations: {s.sliced} sliced, {s.simplified} by simplification, {s.solved} by Z3")
        if self.found:
            lines.append(f"  inferred: {len(self.found)}")
            lines += [f"    {name}" for name in self.found]
        if self.dropped:
            lines.append(f"  dropped guest choices: {', '.join(self.dropped)}")
        return "\n".join([*lines, *(f"  {line}" for line in self.step)])


def load_with_proofs(root: Path) -> Workspace:
    """The workspace with its lemmas and proof scenarios.  Raises `UsageError` and `ModelErrors`."""
    return load_sources(sources(root, (*SOURCES, "proofs")))


def goals(system: System, property_: str) -> tuple[list[Property], list[Property]]:
    """The instances of a property, and the lemmas that are for it.  Raises `UsageError`."""
    names = served(property_)
    wanted = [p for p in system.properties if names & {p.id, p.key} and not p.proves]
    missing = sorted(names - {n for p in wanted for n in (p.id, p.key)})
    if missing:
        raise UsageError(f"no property {missing[0]!r} in {system.name}")
    wrong = next((p for p in wanted if p.form not in (Form.INVARIANT, Form.STEP)), None)
    if wrong is not None:
        raise UsageError(f"{wrong.key} is a {wrong.form.value}; only invariants and steps can be proved by induction")
    return wanted, [p for p in system.properties if served(p.proves) & {*names, *(w.id for w in wanted)}]


def invariant(system: System, targets: list[Property], lemmas: list[Property]) -> list[Conjunct]:
    """All that is proved inductive together: the property, its lemmas, spread over their windows, and what is found."""
    rewriter = Rewriter(system.variables)
    known: dict[int, dict[int, dict[Expr, Expr]]] = {}
    excluded = _exclusions(lemmas)
    for _ in range(2 if excluded else 1):  # what is known of the others tells when they keep off
        known = {
            p.index: agreed(system, p, rewriter, _constants(system, p, lemmas), shields(system, p, excluded, known))
            for p in system.processes
        }
    conjuncts = [Conjunct(p.key, p.formula) for p in targets if p.form is Form.INVARIANT]
    conjuncts += [Conjunct(lemma.key, lemma.formula) for lemma in lemmas if not lemma.windows]
    conjuncts += in_order(system, (lemma.formula for lemma in lemmas))
    conjuncts += ranges(system, (lemma.formula for lemma in lemmas))
    for process in system.processes:
        conjuncts += agreements(system, process, rewriter, known[process.index])
    for lemma in lemmas:
        if lemma.windows:
            conjuncts += _spread(system, lemma, known, conjuncts)
    back = tuple(lemma.key for lemma in lemmas if CARRIED in lemma.windows)
    if back:
        facts = {p: {place: {s: e for s, e in here.items() if s.op is Op.VAR} for place, here in places.items()}
                 for p, places in known.items()}  # fmt: skip
        names = [c.name for c in conjuncts if c.name.startswith(back)]
        conjuncts += needed(system, conjuncts, names, facts)
    return conjuncts


def _spread(
    system: System, lemma: Property, known: dict[int, dict[int, dict[Expr, Expr]]], conjuncts: list[Conjunct]
) -> list[Conjunct]:
    """A lemma, spread over its windows; without what the conjuncts imply, if it gets large."""
    try:
        return heal(system, lemma.key, lemma.windows, lemma.formula, known, most=LARGE, others=lemma.others)
    except Large:
        shorter = heal(system, lemma.key, lemma.windows, lemma.formula, known, Implied(system, conjuncts),
                       others=lemma.others)
        return [c for c in shorter if c.formula is not TRUE]


def _exclusions(lemmas: list[Property]) -> list[tuple[Expr, Expr]]:
    """The pairs of bools of which lemmas say that they are never true together."""
    return [(part.args[0].args[0], part.args[1].args[0]) for lemma in lemmas if not lemma.windows
            for part in conjuncts_of(lemma.formula) if part.op is Op.OR and len(part.args) == 2
            and all(x.op is Op.NOT and x.args[0].op is Op.VAR for x in part.args)]  # fmt: skip


def _constants(system: System, process: Process, lemmas: list[Property]) -> dict[int, dict[Expr, Expr]]:
    """What lemmas say of single variables where no window is open, by location of the process."""
    found: dict[int, dict[Expr, Expr]] = {}
    for lemma in lemmas:
        windows = frozenset(lemma.windows)
        if any(inside(p, windows) for p in system.processes if p is not process and p.index not in lemma.others):
            continue
        by_place = any(_constant(part) for part in postorder([lemma.formula]))
        for place in sorted(set(range(len(process.locations))) - set(inside(process, windows))):
            here = {var(process.pc): const(place, process.pc.type)}
            formula = substitute(lemma.formula, here.get) if by_place else lemma.formula
            found.setdefault(place, {}).update((c.args[0], c.args[1]) for c in conjuncts_of(formula) if _constant(c))
    return found


def _constant(e: Expr) -> bool:
    """A variable is equal to a constant."""
    return e.op is Op.EQ and e.args[0].op is Op.VAR and is_const(e.args[1])


def prove_property(
    workspace: Workspace,
    property_: str,
    scenario: str,
    memory: Memory,
    *,
    overrides: Mapping[str, int] | None = None,
    rlimit: int = DEFAULT_RLIMIT,
    progress: Callable[[int, int], None] | None = None,
    on_proof: Callable[[System, list[Property], list[Property], list[Conjunct]], None] | None = None,
    infer: Callable[[System, list[Conjunct]], Inferred] | None = None,
    annotated: System | None = None,
) -> ProofReport:
    """Prove all instances of an invariant in one scenario.  `on_proof` is called with the flat system, the targets, the
    lemmas and all conjuncts if it is proved.  `infer` finds conjuncts that are missing (`lostirq.workflow.inferring`).
    `annotated`: the scenario with its lemmas, if it is compiled already.  Raises `UsageError` and `ModelErrors`."""
    begin = time.monotonic()
    if annotated is None:
        annotated = compile_scenario(workspace, scenario, memory, overrides=dict(overrides or {}), lemmas=True)
    system = populated(workspace, scenario, annotated, property_)
    targets, lemmas = goals(system, property_)
    conjuncts = invariant(system, targets, lemmas)
    steps = [Conjunct(p.key, p.formula) for p in targets if p.form is Form.STEP]
    inferred = infer(system, conjuncts) if infer is not None else Inferred()
    conjuncts += inferred.conjuncts
    outcome: Outcome | None = inferred.outcome()
    if outcome is None:
        outcome, conjuncts = decide(system, conjuncts, steps, rlimit=rlimit, progress=progress)
    keys = frozenset(p.key for p in targets)
    if on_proof is not None and isinstance(outcome, Proved):
        on_proof(system, targets, lemmas, conjuncts)
    return ProofReport(
        property_, scenario, memory, _verdict(annotated, outcome, keys), tuple(p.key for p in lemmas), len(conjuncts),
        len(system.edges), system.parameters, system.dropped,
        outcome.statistics if isinstance(outcome, Proved) else None,
        _step(system, conjuncts, outcome, inferred), tuple(c.name for c in inferred.conjuncts),
        time.monotonic() - begin,
    )  # fmt: skip


def _step(system: System, conjuncts: list[Conjunct], outcome: Outcome, inferred: Inferred) -> tuple[str, ...]:
    """The step that breaks a conjunct, and what is known of the state that it starts from."""
    if not isinstance(outcome, NotInductive):
        return ()
    known = [gap.reachable.value for gap in inferred.gaps[:1] if gap.counterexample is outcome.counterexamples[0]]
    return (*describe(system, conjuncts, outcome.counterexamples[0]), *known)


def _verdict(annotated: System, outcome: Outcome, targets: frozenset[str]) -> Verdict:
    if isinstance(outcome, Proved):
        return Holds("inductive, with no limit on the length of a run")
    if isinstance(outcome, BaseFails):
        violated = next((name for name in outcome.conjuncts if name in targets), None)
        if violated is None:
            return Unknown(f"lemma {outcome.conjuncts[0]} is false in the initial state")
        return Violated(Trace(annotated.name, annotated.memory.value, digest(annotated), violated, ()))
    if isinstance(outcome, NotInductive):
        found = outcome.counterexamples[0]
        return Unknown(f"not inductive: edge {found.edge} breaks {found.conjunct}")
    name, edge, reason = outcome.open[0]
    return Unknown(f"{GAVE_UP} on edge {edge}, {name}: {reason}")


def describe(system: System, conjuncts: list[Conjunct], found: Counterexample) -> tuple[str, ...]:
    """A counterexample to induction in words: what matters of the state before (whatever the rest is, the step breaks
    the conjunct), and what the step changes."""
    edge = system.edges[found.edge]
    process = system.processes[edge.process]
    counters = {p.pc: p for p in system.processes}
    broken = and_(*(c.formula for c in conjuncts if c.name == found.conjunct)) if found.after is not None else None
    here = f"  {process.pc.name} = {edge.src}{_place(process, edge.src)}"
    lines = [f"step of {process.name} in {edge.function} ({edge.span.file}:{edge.span.line}): {edge.text}"]
    lines += ["from any state, reachable or not, in which", here]
    for e in of_step(system, edge, broken, found.before):
        lines.append(f"  {e.show()}{_place(counters.get(e.var), e.value)}")
    lines.append("to" if found.after is not None else "with an assignment out of range, from the values above")
    for v, old, new in zip(system.variables, found.before, found.after or (), strict=False):
        if old != new:
            lines.append(f"  {v.name} = {v.type.show(new)}{_place(counters.get(v), new)}")
    lines.append(f"which breaks {found.conjunct}")
    return tuple(lines)


def _place(process: Process | None, value: int) -> str:
    if process is None:
        return ""
    place = process.locations[value]
    return f"  (in {place.function}, line {place.span.line}: {place.text})"
