# SPDX-License-Identifier: GPL-2.0-or-later
"""What `check` and `bugs` print: lines for people, objects for programs.

Invariant: nothing here depends on time or on the order in which processes ended, so that two runs print the same bytes;
times are in `timing`, which goes to stderr.
"""

from __future__ import annotations

import re
import textwrap
from collections import Counter
from collections.abc import Container, Iterable
from dataclasses import dataclass

from lostirq.evidence.trace_file import to_json
from lostirq.report.text import count
from lostirq.workflow import jobs
from lostirq.workflow.bugs import BugResult
from lostirq.workflow.check import CheckReport, Job, Row, ScenarioResult, violations
from lostirq.workflow.lift import Lifted, bound
from lostirq.workflow.outcome import Outcome, combine, exit_code

WIDTH = 100
MOST = 3                # counterexamples printed in whole
_ALIKE = 3              # lines of one scenario that say the same of different properties
_WORDS = {Outcome.HOLDS: "PASS", Outcome.VIOLATED: "FAIL", Outcome.USAGE: "ERROR", Outcome.INTERNAL: "ERROR",
          Outcome.SKIPPED: "SKIP"}
_MENDS = {              # by how the reason begins
    "memory": "memory ran out: raise --max-memory, or search one at a time (-j 1)",
    "states": "the number of states was limited: raise --max-states",
    "timeout": "the time was up: raise --timeout",
    "timed out": "the time was up: raise --timeout",
    "depth": "runs were followed up to a length only: raise --max-depth or --time",
    "liveness needs another engine": "this engine has no liveness: leave out --engine",
}
_COLOURS = {"PASS": "32", "FAIL": "31", "ERROR": "31", "?": "33"}


@dataclass(frozen=True, slots=True)
class _Line:
    """What is said of one property."""

    outcome: Outcome
    labels: str             # memory models
    remark: str             # " (why)", or ''
    said: str


def word(outcome: Outcome, *, colour: bool = False) -> str:
    """PASS, FAIL, ERROR, SKIP, or ? for everything that was not decided; five columns wide."""
    said = _WORDS.get(outcome, "?")
    return f"\033[{_COLOURS[said]}m{said:<5}\033[0m" if colour and said in _COLOURS else f"{said:<5}"


def scenario_lines(name: str, summary: str, done: Iterable[tuple[Job, ScenarioResult | jobs.Failure]], *,
                   colour: bool = False, verbose: bool = False) -> list[str]:
    """A scenario under all its memory models: one line per memory model, then what does not hold.  Verbose: what was
    explored, then one line per property."""
    lines = [f"{name}: {summary}"] if verbose else []
    by_property: dict[str, list[tuple[str, list[Row]]]] = {}
    failed: dict[jobs.Failure, list[str]] = {}
    for job, result in done:
        label = job.memory.value.upper()
        if isinstance(result, jobs.Failure):
            failed.setdefault(result, []).append(label)
            lines += [] if verbose else [f"{name} {job.memory.value}: no result"]
            continue
        lines.append(f"  {label}: {size(result)}" if verbose else f"{name} {job.memory.value}: {_in_short(result)}")
        for row in result.rows:
            rows = by_property.setdefault(row.id, [])
            if not rows or rows[-1][0] != label:
                rows.append((label, []))
            rows[-1][1].append(row)
    for failure, labels in failed.items():
        first, *more = failure.message.splitlines() or [failure.outcome.value]
        lines.append(f"  {word(failure.outcome, colour=colour)} {'+'.join(labels):<7} {first}")
        lines += [f"    {line}" for line in more]
    told = [line for prop, fared in sorted(by_property.items(), key=lambda item: natural(item[0]))
            for line in _property_lines(prop, fared, verbose=verbose)]
    return lines + _rendered(told, colour=colour, verbose=verbose)


def _in_short(result: ScenarioResult) -> str:
    """How many properties hold, and what was explored for that."""
    rows: dict[str, list[Outcome]] = {}
    for row in result.rows:
        rows.setdefault(row.id, []).append(row.outcome)
    good, s = sum(combine(found) is Outcome.HOLDS for found in rows.values()), result.search
    held = f"{count(good, 'property', 'properties')} hold{'s' if good == 1 else ''}"
    if good < len(rows):
        held = f"{good} of {count(len(rows), 'property', 'properties')} hold{'s' if good == 1 else ''}"
    explored = size(result) if s.engine == "bmc" else f"{s.states:,} states{_incomplete(result)}"
    return f"{held}, {explored}"


def natural(text: str) -> list[tuple[int, str]]:
    """Sort key in which numbers count as numbers: T-2 before T-10."""
    return [(int(part), "") if part.isdigit() else (-1, part) for part in re.split(r"(\d+)", text)]


def size(result: ScenarioResult) -> str:
    s = result.search
    if s.engine == "bmc":
        return f"all runs up to {count(s.depth, 'step')}" + ("; there are no longer ones" if s.complete else "")
    return f"{s.states:,} states, {s.transitions:,} transitions, depth {s.depth}{_incomplete(result)}"


def _incomplete(result: ScenarioResult) -> str:
    return "" if result.search.complete else f", not complete ({result.search.reason or 'stopped early'})"


def _property_lines(prop: str, found: list[tuple[str, list[Row]]], *, verbose: bool) -> list[_Line]:
    """One line, or one per group of memory models that fared differently; unless verbose, not where it holds."""
    groups: dict[tuple[Outcome, str], list[str]] = {}
    title = ""
    for label, rows in found:
        outcome = combine(r.outcome for r in rows)
        worst = next(r for r in rows if r.outcome is outcome) if rows else None
        title = title or (worst.title if worst is not None else "")
        groups.setdefault((outcome, _remark(worst)), []).append(label)
    return [_Line(outcome, "+".join(labels), remark, f"{prop:<8} {title}{remark}")
            for (outcome, remark), labels in groups.items() if verbose or outcome is not Outcome.HOLDS]


def _rendered(rows: list[_Line], *, colour: bool, verbose: bool) -> list[str]:
    """The lines; unless verbose, one for many that a limit has cut off alike."""
    cut = Counter((r.outcome, r.labels, r.remark) for r in rows if mends([r.remark.strip(" ()")]) and not verbose)
    lines: dict[str, None] = {}
    for r in rows:
        alike = cut[r.outcome, r.labels, r.remark]
        said = r.said if alike <= _ALIKE else f"{alike} properties are not decided{r.remark}; -v names them"
        lines[f"  {word(r.outcome, colour=colour)} {r.labels:<7} {said}".rstrip()] = None
    return list(lines)


def mends(reasons: Iterable[str]) -> list[str]:
    """What can be done about searches that were cut off for these reasons, each once."""
    given = tuple(reasons)
    return list(dict.fromkeys(mend for start, mend in _MENDS.items() if any(r.startswith(start) for r in given)))


def _remark(row: Row | None) -> str:
    if row is None or row.outcome is Outcome.HOLDS:
        return ""
    if row.trace is not None:
        trace = row.trace.trace
        return f" ({count(len(trace.moves), 'step')}{'' if trace.loop is None else ', a loop'})"
    return f" ({row.reason})"


def counterexamples(report: CheckReport) -> list[str]:
    """The best counterexample of each property, whole, but at most `MOST`; several that are one run only once."""
    best: dict[str, Row] = {}
    for _, row in violations(report):
        best.setdefault(row.id, row)
    runs: dict[tuple[object, ...], list[str]] = {}
    for row in best.values():
        if row.trace is not None:
            runs.setdefault((row.trace.trace.digest, row.trace.trace.moves), []).append(row.id)
    lines: list[str] = []
    for ids in list(runs.values())[:MOST]:
        lines += ["", best[ids[0]].report.rstrip("\n")]
        lines += [f"(the same run violates {', '.join(ids[1:])})"] if ids[1:] else []
    if len(runs) > MOST:
        lines += ["", f"{count(len(runs) - MOST, 'more counterexample')}; --save DIR writes all"]
    return lines


def summary(report: CheckReport, sizes: Container[str]) -> list[str]:
    """Verdict, bounds and assumptions.  `sizes`: the parameters that are numbers."""
    results = list(report.results.values())
    ids = {r.id for result in results for r in result.rows}
    scenarios = {j.scenario for j in report.todo}
    memories = list(dict.fromkeys(j.memory.value.upper() for j in report.todo))
    bad = sorted({r.id for s in results for r in s.rows if r.violated}, key=natural)
    open_ = sorted({r.id for s in results for r in s.rows if not (r.violated or r.outcome is Outcome.HOLDS)},
                   key=natural)
    lines = [""]
    idle = dict.fromkeys(f"{j.scenario} {j.memory.value}" for j, f in report.failures.items() if not f.started)
    lines += _wrapped("not started: ", ", ".join(idle)) if idle else []
    for prop, witness in report.vacuous.items():
        lines.append(f"  ?     {prop}: vacuous: its witness {witness} was reached in no scenario")
    said = [count(len(ids), "property", "properties") + f" in {count(len(scenarios), 'scenario')} under "
            + " and ".join(memories)]
    said += [f"violated: {', '.join(bad)}"] if bad else []
    said += [f"undecided: {', '.join(open_)}"] if open_ else []
    said += [f"without a result: {count(len(report.failures), 'search', 'searches')}"] if report.failures else []
    said += ["all hold"] if report.outcome is Outcome.HOLDS else []
    lines += summarised("; ".join(said))
    reasons = [r.reason for s in results for r in s.rows if r.outcome is not Outcome.HOLDS]
    reasons += [f.message for f in report.failures.values()] + [s.search.reason for s in results if report.vacuous]
    lines += [f"  undecided: {mend}" for mend in mends(reasons)]
    lines += assumptions(results, sizes)
    return lines


def summarised(said: str) -> list[str]:
    """The verdict, which names all that failed, in lines that a terminal and a mail show whole."""
    return textwrap.wrap(f"SUMMARY: {said}", WIDTH, subsequent_indent="  ", break_long_words=False,
                         break_on_hyphens=False)


def assumptions(results: Iterable[ScenarioResult], sizes: Container[str]) -> list[str]:
    """What the verdicts are bounded by and rest on."""
    found = list(results)
    notes = dict.fromkeys(note for r in found for note in r.notes)
    return [*bounds(found, sizes), *assumed(), *(line for note in notes for line in _wrapped("note: ", note))]


def bounds(results: Iterable[ScenarioResult], sizes: Container[str]) -> list[str]:
    """The sizes of the scenarios, and what the most general guest does not do there."""
    found = list(results)
    ranges: dict[str, set[int]] = {}
    dropped: dict[str, set[str]] = {}
    for r in found:
        for name, value in r.parameters:
            ranges.setdefault(name, set()).add(value)
        for choice in r.dropped:
            dropped.setdefault(choice, set()).add(r.scenario)
    everywhere = len({r.scenario for r in found})
    said = [f"{k} {_range(v)}" for k, v in ranges.items() if k in sizes and v != {0}]
    lines = _wrapped("bounds: ", ", ".join(said)) if said else []
    if dropped:
        said = [c if len(s) == everywhere else f"{c} (in {count(len(s), 'scenario')})" for c, s in dropped.items()]
        lines += _wrapped("the guest does not: ", ", ".join(said))
    return lines


def assumed() -> list[str]:
    """What every verdict rests on."""
    return _wrapped("assumed: ", "compiler reordering absent; fair scheduling, flushes and IPIs (docs/language.md)")


def _range(values: set[int]) -> str:
    low, high = min(values), max(values)
    return str(low) if low == high else f"{low}..{high}"


def _wrapped(label: str, text: str) -> list[str]:
    return textwrap.wrap(label + text, WIDTH, initial_indent="  ", subsequent_indent="    ")


def timing(report: CheckReport, seconds: float) -> list[str]:
    """Where the time went, for stderr."""
    results = sorted(report.results.values(), key=lambda r: -r.search.seconds)
    new = [r for r in results if not r.search.cached]
    lines = [f"time: {seconds:.1f} s in all"]
    lines += [f"  {count(len(results) - len(new), 'answer')} from the result cache"] if len(new) < len(results) else []
    for r in new[:5]:
        s = r.search
        if s.engine == "bmc":
            lines.append(f"  {s.seconds:7.1f} s  {r.scenario} {r.memory.value}: runs up to {count(s.depth, 'step')}")
            continue
        wide = f" of {count(s.bits, 'bit')}" if s.bits else ""     # an engine for reading packs no states
        compiled = f"; {s.compile_seconds:.1f} s of it in the C compiler" if s.engine == "c" else ""
        lines.append(f"  {s.seconds:7.1f} s  {r.scenario} {r.memory.value}: {s.states:,} states{wide}, "
                     f"{s.peak_bytes >> 20} MiB{compiled}")
    return lines


def check_json(report: CheckReport, *, bisect: bool = False) -> dict[str, object]:
    return {
        "format": "lostirq-check",
        "version": 1,
        "verdict": report.outcome.value,
        "exit_code": exit_code(report.outcome, bisect=bisect),
        "results": [_result_json(r) for r in report.results.values()],
        "failures": [{"scenario": j.scenario, "memory": j.memory.value, "outcome": f.outcome.value,
                      "message": f.message} for j, f in report.failures.items()],
        "vacuous": [{"property": p, "witness": w} for p, w in report.vacuous.items()],
    }


def _result_json(r: ScenarioResult) -> dict[str, object]:
    s = r.search
    return {
        "scenario": r.scenario, "memory": r.memory.value, "digest": r.digest, "engine": s.engine, "states": s.states,
        "transitions": s.transitions, "depth": s.depth, "complete": s.complete, "reason": s.reason, "bits": s.bits,
        "words": s.words, "parameters": dict(r.parameters), "dropped": list(r.dropped), "notes": list(r.notes),
        "witnesses": sorted(r.reached), "cached": s.cached,
        "properties": [
            {"key": row.key, "id": row.id, "kind": row.form,
             "verdict": (Outcome.VIOLATED if row.violated else row.outcome).value, "reason": row.reason,
             "length": None if row.trace is None else len(row.trace.trace.moves),
             "trace": None if row.trace is None else to_json(row.trace), "report": row.report or None}
            for row in r.rows
        ],
    }


def bug_line(r: BugResult, width: int, *, colour: bool = False) -> str:
    """One known bug: did it behave as expected?"""
    outcome = Outcome.HOLDS if r.ok else Outcome.VIOLATED if r.outcome is Outcome.HOLDS else r.outcome
    if r.ok and r.verdict == "violated":
        said = f"found again: {r.property}, {count(r.length or 0, 'step')}"
    elif r.ok:
        said = "holds, as it must"
    else:
        said = r.why.replace("\n", "\n" + " " * 8)
    return f"  {word(outcome, colour=colour)} {r.slug:<{width}}  {said}"


def lift_line(r: Lifted, width: int, *, colour: bool = False) -> str:
    """One known bug at full width."""
    length = f"{count(r.length or 0, 'step')} at full width, {r.small} in its scenario"
    said = r.why if r.trace is None else f"{r.property}, {length}; {bound(r.trace)}"
    return f"  {word(r.outcome, colour=colour)} {r.slug:<{width}}  {said}"


def lift_summary(results: list[Lifted]) -> list[str]:
    missing = sum(r.outcome not in (Outcome.HOLDS, Outcome.SKIPPED) for r in results)
    skipped = sum(r.outcome is Outcome.SKIPPED for r in results)
    said = f"{sum(r.trace is not None for r in results)} of {len(results)} known bugs have a witness at full width"
    said += f"; {skipped} of liveness are out of scope" if skipped else ""
    return ["", f"SUMMARY: {said}" + (f"; {missing} without one" if missing else "")]


def lift_json(results: list[Lifted], outcome: Outcome, *, bisect: bool = False) -> dict[str, object]:
    return {
        "format": "lostirq-lift", "version": 1, "verdict": outcome.value,
        "exit_code": exit_code(outcome, bisect=bisect),
        "bugs": [{"slug": r.slug, "property": r.property, "length": r.length, "length_in_scenario": r.small,
                  "minimal": r.trace is not None and r.trace.trace.minimal,
                  "searched": None if r.trace is None else r.trace.searched, "ok": r.trace is not None, "why": r.why,
                  "moves": [] if r.trace is None else list(r.trace.trace.moves)} for r in results],
    }


def bugs_summary(results: list[BugResult]) -> list[str]:
    if not results:
        return ["", "SUMMARY: no known bugs here"]
    good = sum(r.ok for r in results)
    controls = sum(r.ok and r.verdict == "holds" for r in results)
    said = f"{good} of {count(len(results), 'known bug')} {'behaves' if good == 1 else 'behave'} as recorded "
    said += f"({good - controls} found again, {controls} {'holds' if controls == 1 else 'hold'})"
    stale = sum(r.stale for r in results)
    note = f"  {count(stale, 'recorded trace')} of an older model; lostirq bugs --record '*' renews them"
    told = [f"  undecided: {mend}" for mend in mends(r.why for r in results if not r.ok)]
    return ["", f"SUMMARY: {said}", *told, *([note] if stale else [])]


def bugs_json(results: list[BugResult], outcome: Outcome, *, bisect: bool = False) -> dict[str, object]:
    return {
        "format": "lostirq-bugs",
        "version": 1,
        "verdict": outcome.value,
        "exit_code": exit_code(outcome, bisect=bisect),
        "bugs": [
            {"slug": r.slug, "expected": r.expected, "verdict": r.verdict, "length": r.length, "ok": r.ok,
             "property": r.property, "why": r.why, "states": r.states, "stale": r.stale,
             "cached": r.cached}
            for r in results
        ],
    }
