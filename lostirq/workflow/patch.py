# SPDX-License-Identifier: GPL-2.0-or-later
"""`lostirq patch`: what does a patch do to the properties?

Both sides are checked in the scenarios of a tier, and in the scenarios of the known bugs that touch the same functions,
for the properties of those bugs.  Only scenarios whose transition system the patch changes are searched; what the base
gives comes from the result cache where it is known.

Invariants: nothing is written to the workspace; a violation is reported only after its replay; a side that was not
decided makes the verdict *undecided* at best, and so does a change of the instrumentation that is not accepted; in the
first case, each side compared with itself is no change, and compiles to the same digest twice.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from lostirq.errors import ModelErrors, UsageError
from lostirq.evidence.trace_file import read, read_text
from lostirq.evidence.verdict import Progress
from lostirq.ir.system import Memory
from lostirq.language import Workspace, load_sources
from lostirq.workflow import jobs
from lostirq.workflow.bugs import library, read_bug
from lostirq.workflow.cache import engine_version, key_of, search_key, texts_digest
from lostirq.workflow.check import CheckOptions, Deadline, Job, check_system, plan, recall
from lostirq.workflow.outcome import Outcome
from lostirq.workflow.patch_behaviour import BehaviourReport, behaviour
from lostirq.workflow.patch_compare import PatchVerdict
from lostirq.workflow.patch_elsewhere import elsewhere
from lostirq.workflow.patch_report import Case, CaseResult, PatchReport, assemble
from lostirq.workflow.patch_run import Pair, compiled, run_cases, tell
from lostirq.workflow.patch_sources import Sides, accepted
from lostirq.workflow.patch_steps import Touched, at_lines, same_meaning
from lostirq.workflow.patching import apply
from lostirq.workflow.workspace import choose


@dataclass(frozen=True, slots=True)
class PatchOptions:
    """`first`: stop at the first property that breaks, the scenarios of the known bugs tried first; `proofs`: try the
    proofs on the patched model; `behaviour`: compare the sequences of `events` (all, if none are named), with so many
    states of each side at most; 0 for not."""

    check: CheckOptions
    accept_spec: bool = False
    first: bool = False
    proofs: bool = False
    behaviour: int = 0
    events: tuple[str, ...] = ()


def patch(root: Path, sides: Sides, options: PatchOptions,
          on_case: Callable[[CaseResult], None] = lambda result: None,
          on_progress: Callable[[Case, Progress], None] = lambda case, progress: None,
          on_count: Callable[[int, int], None] = lambda done, total: None) -> PatchReport:
    """The comparison of two sides; `on_count`: of the scenarios beyond those asked for, how many of how many are
    compared.  Raises `UsageError`, `LostirqError`."""
    patched = accepted(sides, accept=options.accept_spec)
    key = _key(root, sides.base, patched, options)
    cache = options.check.results
    kept = cache.get(key, PatchReport) if cache is not None else None
    if kept is not None:
        return replace(kept, cached=True, touched=sides.touched, others=sides.others)   # the same model, told
    deadline = Deadline.after(options.check.seconds)
    from lostirq.workflow.patch_proofs import proofs  # loads the solver, which an answer from the cache needs not

    base_model = _load(sides.base, "the base")
    patched_model = _load(patched, "the patched model")
    plan(base_model, options.check)                 # names that nothing has are told before anything takes long
    choose(options.events, sorted(base_model.declarations.events), "event")
    known = related(root, sides.base, sides.touched)
    cases = list_cases(patched_model if options.accept_spec else base_model, options, known)
    cases += [c for c in list_cases(base_model, options, {}) if c not in cases]
    identical = same_meaning(sides.base, patched)
    pair = Pair(base_model, patched_model)
    found = ([CaseResult(c, same=True) for c in cases] if identical
             else run_cases(cases, pair, deadline.limit(options.check), on_case, on_progress, first=options.first))
    found, whole = tell(found, pair, deadline.limit(options.check))
    missing = _missing_witnesses(found, pair, options)
    beyond = not identical and _nothing_differs(found)
    untried, cut = elsewhere(_compared(found, options.check), pair, deadline.limit(options.check), on_count
                             ) if beyond else ((), [])
    cases, found = [*cases, *(c.case for c in cut)], [*found, *cut]
    stopped = any(r.outcome in (Outcome.INTERRUPTED, Outcome.TIMEOUT) for r in found)
    report = replace(assemble(sides, base_model, cases, found, missing, known_as(root, sides), options.check,
                              all_told=identical or beyond),
                     proofs=proofs(root, sides, identical=identical, try_them=options.proofs and not stopped,
                                   processes=options.check.processes),
                     behaviour=_behaviour([] if stopped else found, pair, options, deadline)
                     if options.behaviour else None)
    good = report.verdict in (PatchVerdict.KEEPS, PatchVerdict.FIXES)
    if good and sides.instrumentation and not options.accept_spec and not all(c.same for c in found):
        report = replace(report, verdict=PatchVerdict.UNDECIDED, accept=True)
    if untried and report.verdict is PatchVerdict.KEEPS:
        report = replace(report, verdict=PatchVerdict.UNDECIDED, elsewhere=untried)
    if cache is not None and report.decided and whole:
        cache.put(key, report)
    return report


def _nothing_differs(found: list[CaseResult]) -> bool:
    """Is no scenario changed that was compared in whole, and nothing broken in others?"""
    broken = any(c.verdict is PatchVerdict.BREAKS for r in found for c in r.changes)
    return not broken and all(r.same for r in found if not r.case.properties)


def _compared(found: list[CaseResult], o: CheckOptions) -> frozenset[tuple[str, Memory]]:
    """What was compared in whole, at its own sizes."""
    return frozenset((r.case.scenario, r.case.memory) for r in found if not (r.case.properties or o.overrides))


def _key(root: Path, base: Mapping[str, str], patched: Mapping[str, str], options: PatchOptions) -> str:
    o = options.check
    wanted = search_key(o.search_options(o.properties, lambda progress: None, stop_early=False), o.engine)
    asked = key_of(o.tier, key_of(*o.scenarios), key_of(*(m.value for m in o.memories)),
                   key_of(*(f"{n}={v}" for n, v in o.overrides)))
    contents = [x for folder in library(root).values() for name in ("bug.toml", "bug.patch", "trace.json")
                if (folder / name).is_file() for x in (folder.name, read_text(folder / name, "known bug"))]
    contents += [x for path in sorted((root / "proofs" / "certificates").glob("*.json"))
                 for x in (path.name, read_text(path, "certificate"))]
    return key_of("patch", engine_version(), texts_digest(base), texts_digest(patched), wanted, asked,
                  str(options.first), str(options.accept_spec), str(options.proofs),
                  str(options.behaviour), ",".join(options.events), key_of(*contents))


def _load(sources: dict[str, str], what: str) -> Workspace:
    try:
        return load_sources({p: text for p, text in sources.items() if not p.startswith("proofs/")})
    except ModelErrors as e:
        raise UsageError(f"{what} is in error:\n{e}") from None


# -- which scenarios ----------------------------------------------------------------------------------------------


def related(root: Path, base: Mapping[str, str], touched: tuple[Touched, ...]) -> dict[str, Path]:
    """The known bugs (slug -> folder) whose patch touches a function that this one touches."""
    names = {t.name for t in touched}
    found: dict[str, Path] = {}
    for slug, folder in library(root).items():
        if names & touched_by(folder, base):
            found[slug] = folder
    return found


def touched_by(folder: Path, base: Mapping[str, str]) -> frozenset[str]:
    """Nothing, if the bug is not one of this base."""
    try:
        after = apply(base, read_text(folder / "bug.patch", "bug patch"))
    except UsageError:
        return frozenset()
    return at_lines(after.sources, after.changed)


def known_as(root: Path, sides: Sides) -> str:
    """The known bug that the patched side is, '' if none."""
    for slug, folder in library(root).items():
        try:
            if apply(sides.base, read_text(folder / "bug.patch", "bug patch")).sources == sides.patched:
                return slug
        except UsageError:
            continue
    return ""


def list_cases(workspace: Workspace, options: PatchOptions, known: Mapping[str, Path]) -> list[Case]:
    """The scenarios asked for, and those of the known bugs for their properties (unless scenarios were named)."""
    todo = plan(workspace, options.check)
    cases = [Case(job.scenario, job.memory) for job in todo]
    if options.check.scenarios or options.check.properties:
        return cases
    extra: dict[Job, tuple[list[str], list[str]]] = {}
    for slug, folder in known.items():
        try:
            bug = read_bug(folder)
            stored = folder / "trace.json"
            wanted = (read(stored).trace.property,) if stored.is_file() else bug.properties
        except UsageError:
            continue
        job = Job(bug.scenario, bug.memory)
        here = workspace.scenarios.get(bug.scenario)
        if here is None or bug.expected != "violated" or bug.memory not in options.check.memories:
            continue
        if options.first or job not in todo:
            slugs, properties = extra.setdefault(job, ([], []))
            slugs.append(slug)
            properties += [w for w in wanted if w not in properties]
    bugs = [Case(job.scenario, job.memory, tuple(properties), tuple(slugs))
            for job, (slugs, properties) in extra.items()]
    return [*bugs, *cases]


# -- what else is asked ----------------------------------------------------------------------------------------------


def _behaviour(found: list[CaseResult], pair: Pair, options: PatchOptions, deadline: Deadline
               ) -> tuple[BehaviourReport, ...]:
    """The scenarios that the patch changes, in their order.  Raises `LostirqError`."""
    shared = deadline.limit(options.check.shared_by(len(found)))
    todo = [Job(r.case.scenario, r.case.memory) for r in found if not (r.same or r.failure or r.case.properties)]

    def work(job: Job, report: jobs.Report) -> BehaviourReport:
        return behaviour(compiled(pair.base, job, shared), compiled(pair.patched, job, shared), options.events,
                         options.behaviour)

    rows: dict[int, BehaviourReport] = {}
    for done in jobs.run(todo, work, processes=shared.processes, seconds=shared.seconds):
        job = todo[done.number]
        why = done.failure.message if done.failure is not None else "no result"
        rows[done.number] = done.result or BehaviourReport(job.scenario, job.memory.value, "undecided", why)
    return tuple(rows[n] for n in sorted(rows))


# -- vacuity ------------------------------------------------------------------------------------------------------


def _missing_witnesses(found: list[CaseResult], pair: Pair, options: PatchOptions) -> dict[str, str]:
    """Properties that become vacuous: property -> witness.  Where the scenarios that the patch changes do not show the
    witness any more, those that it leaves alone are asked."""
    from lostirq.workflow.patch_compare import lost_witnesses

    if options.check.partial or options.first:
        return {}
    whole = [r for r in found if not r.case.properties]
    lost = lost_witnesses([r.before for r in whole if r.after is not None and r.before is not None],
                          [r.after for r in whole if r.after is not None])
    if not lost:
        return {}
    texts = texts_digest(pair.base.sources)
    for r in (r for r in whole if r.same):
        before = r.before or recall(texts, Job(r.case.scenario, r.case.memory), options.check)
        if before is None:
            wanted = replace(options.check, properties=tuple(sorted(set(lost.values()))))
            job = Job(r.case.scenario, r.case.memory)
            before = check_system(compiled(pair.base, job, wanted), wanted, lambda progress: None, stop_early=True)
        lost = {p: w for p, w in lost.items() if w not in before.reached}
    return lost
