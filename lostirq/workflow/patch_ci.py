# SPDX-License-Identifier: GPL-2.0-or-later
"""What `lostirq patch` leaves for continuous integration and for b4: one result per property and scenario.

Invariants: only what the patch breaks is a failure, and it is marked as new; what was violated before and still is
passes, and says so; what was not decided does not pass, neither as a property nor as a whole.  Results point at the
first line that the patch changed.
"""

from __future__ import annotations

import lostirq
from lostirq.report.results import Result, Results, Status
from lostirq.report.text import count
from lostirq.workflow.ci import STATUS, Outputs, deliver
from lostirq.workflow.commands import Setting
from lostirq.workflow.outcome import Outcome, exit_code
from lostirq.workflow.patch_compare import Change, PatchVerdict
from lostirq.workflow.patch_report import CaseReport, PatchReport
from lostirq.workflow.patch_show import summary
from lostirq.workflow.patch_steps import Touched

_STATUS = {PatchVerdict.BREAKS: Status.FAIL, PatchVerdict.UNDECIDED: Status.UNDECIDED, PatchVerdict.FIXES: Status.PASS,
           PatchVerdict.KEEPS: Status.PASS}


def deliver_patch(s: Setting, wanted: Outputs, report: PatchReport) -> None:
    """Raises `UsageError` if a file cannot be written."""
    if wanted.wanted:
        deliver(s, wanted, of_patch(report))


def of_patch(report: PatchReport) -> Results:
    """The results; those that the patch breaks first among their like."""
    file, line = next(((t.file, _first(t)) for t in report.touched), ("", 0))
    found = [_change(c, file, line) for p in report.properties for c in p.changes]
    found += [Result(_suite(c), "search", STATUS[c.outcome], "search", "search", c.failure.splitlines()[0], c.failure)
              for c in report.cases if c.failure and c.outcome is not Outcome.HOLDS]
    found += [Result("vacuity", p.id, Status.UNDECIDED if p.verdict is PatchVerdict.UNDECIDED else Status.FAIL, p.title,
                     p.id, p.vacuous, "", file, line, new=True) for p in report.properties if p.vacuous]
    if report.verdict is not PatchVerdict.BREAKS:       # the properties that break are failures by themselves
        found.append(Result("patch", "verdict", _STATUS[report.verdict], f"verdict: {report.verdict.value}", "verdict",
                            summary(report), "", file, line))
    breaks = [p.id for p in report.properties if p.verdict is PatchVerdict.BREAKS]
    fixes = [p.id for p in report.properties if p.verdict is PatchVerdict.FIXES]
    said = [f"verdict: {report.verdict.value}", f"{len(report.cases)} search{'' if len(report.cases) == 1 else 'es'}"]
    said += [report.alone] if report.alone else []
    said += [f"breaks {', '.join(breaks)}"] if breaks else []
    said += [f"fixes {', '.join(fixes)}"] if fixes else []
    said += [f"known bug {report.slug}"] if report.slug else []
    return Results("lostirq patch", lostirq.__version__, report.verdict.value, exit_code(report.outcome), tuple(found),
                   "; ".join(said))


def _first(touched: Touched) -> int:
    """The first line that is new, else the first that is gone, in the numbers of its side."""
    return next((number for number, _ in (*touched.added, *touched.removed)), touched.line)


def _suite(c: CaseReport | Change) -> str:
    return f"{c.scenario} {c.memory}"


def _change(c: Change, file: str, line: int) -> Result:
    message = f"{c.before} before, {c.after} after"
    if c.length is not None:
        message += f" ({count(c.length, 'step')}{', a loop' if c.loop else ''})"
    bad = c.verdict is not PatchVerdict.KEEPS
    return Result(_suite(c), c.key, _STATUS[c.verdict], c.title, c.id, message, c.report if bad else "", file, line,
                  c.account if bad else None, new=c.verdict is PatchVerdict.BREAKS)
