# SPDX-License-Identifier: GPL-2.0-or-later
"""What `check`, `bugs` and `patch` leave for continuous integration: results, and the files that carry them.

Invariants: a result is a success only if the outcome is; the files are written whole, also when properties are
violated; what goes to standard output instead of the usual text is one format alone.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import lostirq
from lostirq.errors import UsageError
from lostirq.evidence.trace_file import check_target, write_text
from lostirq.report.annotations import summary, workflow_commands
from lostirq.report.b4 import b4
from lostirq.report.junit import junit
from lostirq.report.ktap import ktap
from lostirq.report.results import Result, Results, Status
from lostirq.report.sarif import sarif
from lostirq.report.text import count
from lostirq.workflow.bugs import BugResult
from lostirq.workflow.check import CheckReport, Job, Row
from lostirq.workflow.commands import Setting
from lostirq.workflow.counterexample import with_account
from lostirq.workflow.outcome import Outcome, exit_code
from lostirq.workflow.show import mends

STATUS = {Outcome.HOLDS: Status.PASS, Outcome.VIOLATED: Status.FAIL, Outcome.SKIPPED: Status.SKIP,
          Outcome.TIMEOUT: Status.TIMEOUT, Outcome.UNDECIDED: Status.UNDECIDED, Outcome.INTERRUPTED: Status.UNDECIDED,
          Outcome.INTERNAL: Status.ERROR, Outcome.USAGE: Status.ERROR}


@dataclass(frozen=True, slots=True)
class Outputs:
    """Files to write; `ktap` may be `-`; `github` and `b4` speak on standard output."""

    junit: Path | None = None
    sarif: Path | None = None
    ktap: Path | None = None
    github: bool = False
    b4: bool = False

    @property
    def alone(self) -> bool:
        """Does one of them take the place of the usual text?"""
        return self.b4 or self.ktap == Path("-")

    @property
    def wanted(self) -> bool:
        return self != Outputs()


def add_arguments(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("for continuous integration")
    group.add_argument("--junit", type=Path, metavar="FILE", help="JUnit XML")
    group.add_argument("--sarif", type=Path, metavar="FILE", help="SARIF 2.1.0, the steps as thread flows")
    group.add_argument("--ktap", type=Path, metavar="FILE", help="KTAP; - for standard output, instead of the text")
    group.add_argument("--github", action="store_true",
                       help="annotations for GitHub Actions, and a summary in $GITHUB_STEP_SUMMARY")
    group.add_argument("--b4", action="store_true", help="b4's check protocol on standard output, instead of the text")


def outputs(o: argparse.Namespace) -> Outputs:
    """Raises `UsageError`."""
    found = Outputs(o.junit, o.sarif, o.ktap, o.github, o.b4)
    if sum([o.json, found.b4, found.ktap == Path("-")]) > 1:
        raise UsageError("--json, --b4 and --ktap - each want standard output for themselves; give one of them")
    if found.github and (o.json or found.alone):
        raise UsageError("--github writes to standard output, beside the text; give it without --json, --b4, --ktap -")
    for path in (found.junit, found.sarif, found.ktap):
        if path is not None and path != Path("-"):
            check_target(path)
    return found


def deliver(s: Setting, wanted: Outputs, results: Results) -> None:
    """Write all that is wanted.  Raises `UsageError` if a file cannot be written."""
    if wanted.github:           # first: they stand beside the text, also where a file cannot be written
        s.out.write(workflow_commands(results))
    for path, text in ((wanted.junit, junit), (wanted.sarif, sarif), (wanted.ktap, ktap)):
        if path is not None and path != Path("-"):
            write_text(path, text(results))
    if wanted.ktap == Path("-"):
        s.out.write(ktap(results))
    if wanted.b4:
        s.out.write(b4(results))
    if wanted.github:
        target = s.environment.get("GITHUB_STEP_SUMMARY")
        if target:
            _append(Path(target), summary(results))
    s.out.flush()


def deliver_check(s: Setting, wanted: Outputs, report: CheckReport, bugs: list[BugResult], outcome: Outcome) -> None:
    if wanted.wanted:
        deliver(s, wanted, of_check(s, report, bugs, outcome))


def deliver_bugs(s: Setting, wanted: Outputs, results: list[BugResult], outcome: Outcome) -> None:
    if wanted.wanted:
        deliver(s, wanted, of_bugs(s, results, outcome))


def _append(path: Path, text: str) -> None:
    try:
        with open(path, "a", encoding="utf-8") as f:
            f.write(text)
    except OSError as e:
        raise UsageError(f"$GITHUB_STEP_SUMMARY: cannot write {path}: {e.strerror or e}") from None


def of_check(s: Setting, report: CheckReport, bugs: Iterable[BugResult], outcome: Outcome) -> Results:
    """The results of `check`, with those of the known bugs behind."""
    root = s.root
    found: list[Result] = []
    for job in report.todo:
        if job in report.failures:
            failure = report.failures[job]
            found.append(Result(_suite(job), "search", STATUS[failure.outcome], "search", "search",
                                (failure.message.splitlines() or [failure.outcome.value])[0], failure.message))
        elif job in report.results:
            found += [_row(root, job, row) for row in report.results[job].rows]
    found += [Result("vacuity", prop, Status.UNDECIDED, f"{prop} is vacuous", prop,
                     f"its witness {witness} was reached in no scenario") for prop, witness in report.vacuous.items()]
    known = list(bugs)
    found += _bugs(root, known)
    bad = sum(r.status is Status.FAIL for r in found)
    said = f"{len(found)} results in {len(report.todo)} searches, {bad} failed; {outcome.value}"
    return Results("lostirq check", lostirq.__version__, outcome.value, exit_code(outcome, bisect=s.bisect),
                   tuple(found), said)


def of_bugs(s: Setting, results: list[BugResult], outcome: Outcome) -> Results:
    """The results of `bugs`: a known bug passes if it behaves as recorded."""
    good = sum(r.ok for r in results)
    return Results("lostirq bugs", lostirq.__version__, outcome.value, exit_code(outcome, bisect=s.bisect),
                   tuple(_bugs(s.root, results)), f"{good} of {len(results)} known bugs behave as recorded")


def _suite(job: Job) -> str:
    return f"{job.scenario} {job.memory.value}"


def _row(root: Path, job: Job, row: Row) -> Result:
    failed = row.trace if row.outcome is not Outcome.HOLDS else None
    account = None if failed is None else with_account(root, failed).account
    reason = "; ".join(mends([row.reason])) or row.reason or row.outcome.value
    message = "" if row.outcome is Outcome.HOLDS else reason
    if failed is not None:
        loop = "" if failed.trace.loop is None else ", a loop"
        message = f"violated in {count(len(failed.trace.moves), 'step')}{loop}"
    return Result(_suite(job), row.key, STATUS[row.outcome], row.title, row.id, message, row.report, account=account)


def _bugs(root: Path, results: list[BugResult]) -> list[Result]:
    found = []
    for r in results:
        status = Status.PASS if r.ok else STATUS[Outcome.VIOLATED if r.outcome is Outcome.HOLDS else r.outcome]
        message = "" if r.ok else (r.why.splitlines() or [r.outcome.value])[0]
        account = with_account(root, r.trace).account if r.trace is not None and not r.ok else None
        found.append(Result("known bugs", r.slug, status, f"known bug {r.slug}", "known-bug", message,
                            "" if r.ok else f"{r.why}\n\n{r.report}".strip(),
                            f"counterexamples/{r.slug}/bug.toml", 1, account))
    return found
