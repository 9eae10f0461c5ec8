# SPDX-License-Identifier: GPL-2.0-or-later
"""What `lostirq patch` prints: lines for people, one object for programs.

Invariant: the same report gives the same bytes, whether it comes from a search or from the result cache (only `cached`
of the object tells).
"""

from __future__ import annotations

from lostirq.report.text import count
from lostirq.workflow.outcome import exit_code
from lostirq.workflow.patch_compare import Change, PatchVerdict
from lostirq.workflow.patch_report import UNCHANGED, CaseReport, PatchReport, ProofReport, PropertyReport
from lostirq.workflow.patch_steps import Touched
from lostirq.workflow.show import assumed, mends, natural, summarised

MOST = 3            # counterexamples told in whole
MOST_LINES = 12     # changed lines shown of one declaration


def lines(report: PatchReport) -> list[str]:
    """The whole report."""
    found = ["the patch changes"] if report.touched else [
        "the patch changes no step and no declaration (a skeleton of lostirq impact is comments: translate them first)"]
    found += [line for t in report.touched for line in _touched(t)]
    found += [f"  {path} (not part of the model)" for path in report.others]
    if report.specification:
        found.append(f"  the patch changes the specification: {', '.join(t.name for t in report.specification)}")
    found += [f"  the patch changes the instrumentation: {m.file}:{m.line}: {m.function}: {m.what}"
              for m in report.instrumentation]
    if report.slug:
        found.append(f"  the same change as counterexamples/{report.slug}/bug.patch")
    found += ["", *_cases(report.cases)]
    rows = sorted((p for p in report.properties if p.before != UNCHANGED), key=lambda p: natural(p.id))
    found += [""] if rows else []
    found += [_property(p) for p in rows if p.verdict is not PatchVerdict.KEEPS or p.changes]
    kept = sum(p.verdict is PatchVerdict.KEEPS and not p.changes for p in rows)
    found += [f"  {kept} properties hold before and after"] if kept else []
    found += _counterexamples(report)
    found += _behaviour(report)
    found += _proofs(report.proofs)
    states = [state for p in report.properties for c in p.changes for state in (c.before, c.after)]
    reasons = [*(c.failure for c in report.cases), *(state.removeprefix("undecided: ") for state in states)]
    cut = [f"  undecided: {mend}" for mend in mends(reasons)]
    return [*found, "", *summarised(summary(report)), *cut, *report.bounds, *assumed()]


def summary(report: PatchReport) -> str:
    """The verdict in one line."""
    def ids(verdict: PatchVerdict) -> str:
        return ", ".join(sorted((p.id for p in report.properties if p.verdict is verdict), key=natural))

    said = [report.verdict.value]
    if report.verdict is PatchVerdict.BREAKS:
        said = [f"breaks {ids(PatchVerdict.BREAKS)}"]
    elif report.verdict is PatchVerdict.FIXES:
        said = [f"fixes {ids(PatchVerdict.FIXES)}"]
    elif report.verdict is PatchVerdict.UNDECIDED:
        said = [f"undecided {ids(PatchVerdict.UNDECIDED)}".rstrip()]
    searched = sum(not c.same and not c.failure for c in report.cases)
    said.append(f"{searched} of {report.todo} scenarios and memory models searched, "
                f"{sum(c.same for c in report.cases)} not changed by the patch")
    if len(report.cases) < report.todo:
        said.append(f"stopped at the first that breaks, {report.todo - len(report.cases)} not looked at")
    said += [report.alone] if report.alone else []
    if report.elsewhere:
        said.append(f"but it changes {', '.join(report.elsewhere)}: --tier or --scenario searches them")
    if report.accept:
        said.append("nothing breaks, but the patch changes the instrumentation by which properties judge (above): "
                    "--accept-spec judges each side by its own")
    failed = sum(bool(c.failure) for c in report.cases)
    return "; ".join([*said, *([f"{failed} without a result"] if failed else [])])


def _touched(t: Touched) -> list[str]:
    found = [f"  {t.file}:{t.line}  {t.name}{f'  ({t.mirrors})' if t.mirrors else ''}"]
    rows = [(n, "-", text) for n, text in t.removed] + [(n, "+", text) for n, text in t.added]
    found += [f"    {sign} {n:>4}  {text}" for n, sign, text in rows[:MOST_LINES]]
    return found + ([f"      and {len(rows) - MOST_LINES} more lines"] if len(rows) > MOST_LINES else [])


def _cases(cases: tuple[CaseReport, ...]) -> list[str]:
    changed = [c for c in cases if not c.same]
    same = len(cases) - len(changed)
    width = max((len(c.scenario) for c in changed), default=0)
    found = [f"  {'scenario':<{width}}  {'memory':<6}  {'states before':>14}  {'after':>14}"] if changed else []
    for c in changed:
        counts = c.failure.splitlines()[0] if c.failure else f"{_number(c.states_before)}  {_number(c.states_after)}"
        why = f"  ({', '.join(c.properties)} of known bugs)" if c.properties else ""
        found.append(f"  {c.scenario:<{width}}  {c.memory.upper():<6}  {counts}{why}")
    return found + ([f"  {same} scenarios and memory models are not changed by the patch"] if same else [])


def _number(n: int | None) -> str:
    return f"{'' if n is None else format(n, ','):>14}"


def _property(p: PropertyReport) -> str:
    where = f" in {p.scenario} {p.memory.upper()}" if p.scenario else ""
    if p.vacuous:
        said = f"vacuous: its witness {p.vacuous} is not reached any more"
    elif p.before == p.after:
        said = f"{p.after} before and after"
    else:
        said = f"{p.before} before, {p.after} after"
    length = f", {count(p.length, 'step')}" if p.length is not None else ""
    return f"  {p.verdict.value.upper():<9} {p.id:<8} {p.title}: {said}{length}{where}".rstrip()


def _counterexamples(report: PatchReport) -> list[str]:
    broken = [c for p in report.properties for c in p.changes if c.new_run and c.report]
    best: dict[str, list[Change]] = {}
    for c in sorted(broken, key=lambda c: c.rank):
        if all(c.id != b.id for run in best.values() for b in run):
            best.setdefault(c.run, []).append(c)
    found: list[str] = []
    for first, *others in list(best.values())[:MOST]:
        found += ["", first.report.rstrip("\n")]
        found += [f"(the same run violates {', '.join(c.id for c in others)})"] if others else []
    return found + (["", f"{len(best) - MOST} more counterexamples in --json"] if len(best) > MOST else [])


def _behaviour(report: PatchReport) -> list[str]:
    """The relation in each scenario; the shortest words that distinguish, over all scenarios."""
    rows = report.behaviour
    if not rows:
        same = all(c.same for c in report.cases) and len(report.cases) == report.todo and not report.elsewhere
        said = "the same systems" if same else "not compared in any scenario that was looked at"
        return [] if rows is None else ["", f"behaviour: {said}"]
    found = ["", "behaviour: the sequences of events of the patched model"]
    for r in rows:
        words = [f"{sign} {', '.join(d.events)}" for sign, d in (("+", r.gained), ("-", r.lost)) if d is not None]
        found.append(f"  {r.scenario} {r.memory.upper()}: {r.relation} ({r.how})" + "".join(f"; {w}" for w in words))
    for what, all_ in (("only the patched model does", [r.gained for r in rows]),
                       ("only the base does", [r.lost for r in rows])):
        some = [d for d in all_ if d is not None]
        if some:
            best = min(some, key=lambda d: (len(d.events), len(d.run)))
            found += ["", f"  {what}: {', '.join(best.events)}", *(f"    {line}" for line in best.run)]
    return found


def _proofs(rows: tuple[ProofReport, ...]) -> list[str]:
    if not rows:
        return []
    width = max(len(r.property) for r in rows)
    if len({(r.status, r.why) for r in rows}) == 1:
        return ["", f"proofs: {len(rows)} {rows[0].status} ({rows[0].why})"]
    return ["", "proofs", *(f"  {r.property:<{width}}  {r.scenario} {r.memory.upper()}: {r.status} ({r.why})"
                            for r in rows)]


def to_json(report: PatchReport) -> dict[str, object]:
    """The object of `--json`."""
    return {
        "format": "lostirq-patch",
        "version": 1,
        "verdict": report.verdict.value,
        "exit_code": exit_code(report.outcome),
        "cached": report.cached,
        "known_bug": report.slug or None,
        "steps": [{"name": t.name, "file": t.file, "line": t.line, "mirrors": t.mirrors or None,
                   "removed": [list(r) for r in t.removed], "added": [list(r) for r in t.added]}
                  for t in report.touched],
        "specification": [f"{t.file}:{t.line}: {t.name}" for t in report.specification],
        "instrumentation": [f"{m.file}:{m.line}: {m.function}: {m.what}" for m in report.instrumentation],
        "needs_accept_spec": report.accept,
        "other_files": list(report.others),
        "scenarios": [{"scenario": c.scenario, "memory": c.memory, "unchanged": c.same,
                       "states_before": c.states_before, "states_after": c.states_after,
                       "properties": list(c.properties) or None, "known_bugs": list(c.slugs) or None,
                       "failure": c.failure or None} for c in report.cases],
        "properties": [_property_json(p) for p in report.properties],
        "proofs": [{"property": r.property, "scenario": r.scenario, "memory": r.memory, "status": r.status,
                    "why": r.why} for r in report.proofs],
        "behaviour": [{"scenario": r.scenario, "memory": r.memory, "relation": r.relation, "how": r.how,
                       "gained": None if r.gained is None else list(r.gained.events),
                       "lost": None if r.lost is None else list(r.lost.events)} for r in report.behaviour or ()],
        "not_looked_at": report.todo - len(report.cases),
        "changed_elsewhere": list(report.elsewhere),
        "asked_alone": report.alone or None,
    }


def _property_json(p: PropertyReport) -> dict[str, object]:
    return {
        "id": p.id, "title": p.title, "verdict": p.verdict.value, "before": p.before, "after": p.after,
        "length": p.length, "scenario": p.scenario or None, "memory": p.memory or None, "vacuous": p.vacuous or None,
        "cases": [{"key": c.key, "scenario": c.scenario, "memory": c.memory, "before": c.before, "after": c.after,
                   "verdict": c.verdict.value, "length": c.length, "loop": c.loop, "report": c.report or None}
                  for c in p.changes],
    }
