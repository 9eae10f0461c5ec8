# SPDX-License-Identifier: GPL-2.0-or-later
"""The commands `lostirq prove` and `lostirq recheck`: their arguments, their runs, what they print.

Invariants: as in `lostirq.workflow.commands`.  A property is printed as proved only after the stand-alone checker has
verified the certificate of the proof; by default with a solver other than the one that found it.
"""

from __future__ import annotations

import argparse
import math
import os
import tempfile
import time
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from lostirq.errors import UsageError
from lostirq.evidence.verdict import Holds, Unknown
from lostirq.ir.system import Property, System
from lostirq.language import Workspace, compile_scenario
from lostirq.symbolic.outcome import Conjunct
from lostirq.workflow import certificates, jobs, proofs_page
from lostirq.workflow.certificates import Origin, Proof
from lostirq.workflow.commands import Setting
from lostirq.workflow.inferring import MOST, STATES, Wanted, inference, parameters, steps_ahead
from lostirq.workflow.outcome import Outcome, combine
from lostirq.workflow.proofs_page import Times
from lostirq.workflow.prove import TIER, load_with_proofs, prove_property
from lostirq.workflow.recheck import (
    DEFAULT,
    SOLVERS,
    Rechecked,
    add_needed,
    chosen,
    grouped,
    recheck,
    recheck_one,
    version,
)
from lostirq.workflow.unproved import Open, unproved, write_record
from lostirq.workflow.workspace import choose


def add_prove_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("property", nargs="*", help="only these")
    parser.add_argument("--all", action="store_true", dest="everything", help="every proof (the default)")
    parser.add_argument("--dry-run", action="store_true", help="write no certificates")
    parser.add_argument("--infer", action="store_true", help="look for lemmas that are missing")
    parser.add_argument("--small", action="append", default=[], metavar="NAME=VALUE",
                        help="with --infer: the small instance, instead of the scenario that goes with the proof")
    parser.add_argument("--states", type=int, default=STATES, metavar="N", help="with --infer: of it to look at")
    parser.add_argument("--tables", type=int, default=MOST, metavar="N", help="with --infer: candidates to try")
    parser.add_argument("--k", type=int, default=1, metavar="N",
                        help="k-induction: N states are assumed good before the next (default: 1)")
    parser.add_argument("--unproved", metavar="SCENARIO",
                        help="instead: the safety properties without a certificate, with all lemmas, in this scenario")
    parser.add_argument("--record", action="store_true", help="with --unproved: in proofs/unproved.json")
    _solver(parser)


def add_recheck_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("certificate", nargs="*", type=Path, help="files; none: all in proofs/certificates")
    parser.add_argument("-j", "--jobs", type=int, default=os.cpu_count() or 1, metavar="N", help="at once")
    parser.add_argument("--record", action="store_true", help="write the seconds into proofs/times.json")
    _solver(parser)


def _solver(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--solver", default=DEFAULT, metavar="NAME", help=f"that verifies: {', '.join(SOLVERS)}")
    parser.add_argument("--limit", type=int, metavar="N", help="of one question: milliseconds (bitwuzla), else a count")


@dataclass(frozen=True, slots=True)
class _Answer:
    """Of one proof: the outcome, the text, the certificate with its seconds (proof, check) if it was verified."""

    outcome: Outcome
    text: str
    seconds: tuple[float, float] | None = None


def run_prove(s: Setting, o: argparse.Namespace) -> Outcome:
    """Every proof of proofs/, or those of the properties wanted, in parallel."""
    if o.unproved is not None:
        return _run_unproved(s, o)
    if o.record:
        raise UsageError("--record is for --unproved: the times of the proofs are recorded by `lostirq prove` itself")
    if o.everything and o.property:
        raise UsageError("--all proves every property; name none with it")
    if not o.infer and (o.small or o.states != STATES or o.tables != MOST):
        raise UsageError("--small, --states and --tables are for --infer")
    if o.states < 1 or o.tables < 0:
        raise UsageError("--states and --tables: give a positive number")
    if o.k < 1 or (o.infer and o.k > 1):
        raise UsageError("--k N: a number from 1, without --infer")
    wanted_lemmas: Wanted | int = o.k
    if o.infer:
        wanted_lemmas = Wanted(parameters(o.small), o.states, o.tables)
    solver = chosen(o.solver)
    workspace = load_with_proofs(s.root)
    todo = planned(workspace, tuple(o.property))
    whole = {x.file() for x in planned(workspace, ())}
    root = s.root

    def work(about: Origin, _: jobs.Report) -> _Answer:
        annotated = compiled[about.scenario, about.memory]
        keep = not o.dry_run and about.file() in whole
        return _prove(root, workspace, about, annotated, solver, o.limit, wanted_lemmas, write=keep)

    found: dict[int, _Answer] = {}
    started = time.monotonic()
    systems = dict.fromkeys((x.scenario, x.memory) for x in todo)  # compiled once, before the forks
    compiled = {(name, memory): compile_scenario(workspace, name, memory, lemmas=True) for name, memory in systems}
    taken = proofs_page.recorded(root)
    order = sorted(range(len(todo)), key=lambda n: _longest(taken, [todo[n].file()]))
    for done in jobs.run([todo[n] for n in order], work, processes=o.jobs, seconds=o.timeout):
        found[order[done.number]] = done.result or _failed(todo[order[done.number]], done.failure)
    if todo and not (o.dry_run or o.property):
        timed = {todo[n].file().stem: a.seconds for n, a in sorted(found.items()) if a.seconds is not None}
        proofs_page.record(root, {name: Times(f"Z3 {version('z3')}", proof, {_named(solver): check})
                                  for name, (proof, check) in timed.items()})  # fmt: skip
    if s.as_json:
        s.object({"format": "lostirq-prove", "version": 1, "proofs": [
            {"property": x.property, "scenario": x.scenario, "memory": x.memory.value,
             "verdict": found[n].outcome.value, "text": found[n].text} for n, x in enumerate(todo)]})
    else:
        s.lines([found[n].text for n in sorted(found)] or [f"no scenario of tier `{TIER}` in this workspace"])
    s.err.write(f"time: {time.monotonic() - started:.1f} s in all\n")
    return combine(a.outcome for a in found.values())


def _run_unproved(s: Setting, o: argparse.Namespace) -> Outcome:
    """What is not proved, and why.  UNDECIDED if there is anything."""
    if o.property or o.everything or o.infer or o.dry_run or o.k != 1:
        raise UsageError("--unproved SCENARIO tries all that is not proved: it goes with --record and --json alone")

    def tell(row: Open) -> None:
        if not s.as_json:
            s.lines([f"{row.property}: {row.verdict}", *(f"  {line}" for line in row.step)])

    found = unproved(s.root, load_with_proofs(s.root), o.unproved, tell)
    if o.record:
        write_record(s.root, found)
    if s.as_json:
        s.object({"format": "lostirq-unproved", "version": 1, **asdict(found)})
    else:
        s.lines([f"{len(found.rows)} safety properties have no certificate at full width"])
    return Outcome.UNDECIDED if found.rows else Outcome.HOLDS


def planned(workspace: Workspace, wanted: tuple[str, ...]) -> list[Origin]:
    """One proof for each proof scenario and memory model, of all its properties, or of the wanted ones: what is
    inductive together is proved at once.  Raises `UsageError`."""
    scenarios = {name: s for name, s in workspace.scenarios.items() if s.tier == TIER}
    known = dict.fromkeys(p for s in scenarios.values() for p in s.properties or ())
    chosen_ids = choose(wanted, known, "proof") if wanted else list(known)
    found = []
    for name, scenario in scenarios.items():
        ids = [p for p in scenario.properties or () if p in chosen_ids]
        found += [Origin(", ".join(ids), name, memory) for memory in scenario.memory if ids]
    return found


def _prove(
    root: Path, workspace: Workspace, about: Origin, annotated: System, solver: str, limit: int | None,
    lemmas: Wanted | int, *, write: bool,
) -> _Answer:  # fmt: skip
    """One proof: found, written down, verified."""
    proofs: list[Proof] = []

    def keep(system: System, targets: list[Property], lemmas: list[Property], conjuncts: list[Conjunct]) -> None:
        proofs.append(Proof(system, tuple(targets), tuple(lemmas), tuple(conjuncts)))

    named = about.property, about.scenario, about.memory
    infer = steps_ahead(lemmas) if isinstance(lemmas, int) else inference(workspace, *named, lemmas)
    report = prove_property(workspace, *named, on_proof=keep, infer=infer, annotated=annotated)
    if not proofs or not isinstance(report.verdict, Holds):
        undecided = isinstance(report.verdict, Unknown)
        return _Answer(Outcome.UNDECIDED if undecided else Outcome.VIOLATED, report.render())
    with tempfile.TemporaryDirectory(prefix="lostirq-prove-") as folder:
        path = certificates.write(Path(folder), about, certificates.make(about, proofs[0], report.found))
        add_needed(proofs[0].system, path)
        verified = recheck_one(proofs[0].system, path, solver, limit)
        if verified.outcome is not Outcome.HOLDS:
            verdict = Unknown(f"its certificate is not verified: {verified.reason}")
            text = replace(report, verdict=verdict, step=verified.failing).render()
            return _Answer(verified.outcome, text)
        if write:
            certificates.write(root, about, certificates.load(path))
    where = f"; {about.file()}" if write else "; not kept"
    text = f"{report.render()}\n  certificate verified by {_named(solver)}{where}"
    return _Answer(Outcome.HOLDS, text, (report.seconds, verified.seconds))


def _longest(taken: Mapping[str, Times], paths: Iterable[Path]) -> float:
    """Sorts what took longest to the front, so that no core waits for it at the end; what was never timed is first."""
    times = [taken.get(path.stem) for path in paths]
    return -sum(math.inf if t is None else t.proof + sum(t.checks.values()) for t in times)


def _failed(about: Origin, failure: jobs.Failure | None) -> _Answer:
    told = failure or jobs.Failure(Outcome.INTERNAL, "no result")
    return _Answer(told.outcome, f"{about.property} in {about.scenario}, {about.memory.value}: {told.message}")


def _named(solver: str) -> str:
    return f"{solver} {version(solver)}"


def run_recheck(s: Setting, o: argparse.Namespace) -> Outcome:
    """Verify certificates against the model as it is."""
    solver, root = chosen(o.solver), s.root
    if o.jobs < 1:
        raise UsageError(f"-j {o.jobs}: give a positive number")
    missing = [path for path in o.certificate if not path.is_file()]
    if missing:
        raise UsageError(f"{missing[0]}: no such certificate")
    paths = list(o.certificate) or certificates.listed(root)
    workspace, started = load_with_proofs(root), time.monotonic()
    taken = proofs_page.recorded(root)
    todo = sorted(grouped(paths), key=lambda x: _longest(taken, x[1]))

    def work(item: tuple[Origin, tuple[Path, ...]], _: jobs.Report) -> list[Rechecked]:
        return recheck(workspace, *item, solver, o.limit)

    found: dict[Path, Rechecked] = {}
    for done in jobs.run(todo, work, processes=o.jobs):
        told = done.failure or jobs.Failure(Outcome.INTERNAL, "no result")
        for n, path in enumerate(todo[done.number][1]):
            found[path] = done.result[n] if done.result else Rechecked(path, told.outcome.value, told.message)
    results = [found[path] for path in dict.fromkeys(paths)]
    if o.record:
        proofs_page.record(root, {r.certificate.stem: Times(checks={_named(solver): r.seconds})
                                  for r in results if r.outcome is Outcome.HOLDS})  # fmt: skip
    if s.as_json:
        s.object({"format": "lostirq-recheck", "version": 1, "solver": _named(solver), "certificates": [
            {"certificate": r.certificate.name, "verdict": r.verdict, "reason": r.reason, "failing": list(r.failing)}
            for r in results]})  # fmt: skip
    else:
        good = sum(r.outcome is Outcome.HOLDS for r in results)
        s.lines([*(r.render() for r in results), f"{good} of {len(results)} certificates verified"])
    s.err.write(f"time: {time.monotonic() - started:.1f} s in all\n")
    return combine(r.outcome for r in results)
