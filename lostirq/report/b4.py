# SPDX-License-Identifier: GPL-2.0-or-later
"""Results in the protocol of `b4 review` checks: a JSON array of objects with tool, status, summary, url, details.

There is one object: b4 keeps one for each tool and message.  Its `status` is pass, warn or fail, that of the worst
result; what was not decided is a warning, because it is no verdict on the patch.  `details` are the results that are
not well.

References: b4 documentation, "CI check protocol" and b4.review-perpatch-check-cmd.
"""

from __future__ import annotations

import json

from lostirq.report.results import Result, Results, Status

MOST = 20


def b4(results: Results) -> str:
    """One JSON array."""
    bad = results.bad()
    lines = (f"{_status(r)}: {'>> ' if r.new else ''}{r.name} ({r.suite}): {r.said}" for r in bad)
    told = [" ".join(line.split()) for line in lines]
    if len(bad) > MOST:
        told[MOST:] = [f"{len(bad) - MOST} more"]
    details = "\n\n".join(["\n".join(told), *(r.details.rstrip("\n") for r in bad[:MOST] if r.details)])
    entry = _entry("lostirq", _worst(bad), results.summary or results.verdict, details)
    return json.dumps([entry], indent=1) + "\n"


def failed(status: Status, message: str) -> str:
    """The array of a command that has no results: its error is the whole of it."""
    told = Result("lostirq", "", status, "")
    return json.dumps([_entry("lostirq", _status(told), (message.splitlines() or [""])[0], message)], indent=1) + "\n"


def _entry(tool: str, status: str, summary: str, details: str) -> dict[str, str]:
    return {"tool": tool, "status": status, "summary": " ".join(summary.split()), "url": "", "details": details}


def _status(r: Result) -> str:
    return "fail" if r.status in (Status.FAIL, Status.ERROR) else "warn"


def _worst(bad: list[Result]) -> str:
    found = {_status(r) for r in bad}
    return "fail" if "fail" in found else "warn" if found else "pass"
