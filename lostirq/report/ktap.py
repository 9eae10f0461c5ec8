# SPDX-License-Identifier: GPL-2.0-or-later
"""Results in KTAP, nested: one test per suite, its results inside.

What was not decided is `not ok` with the directive TIMEOUT or ERROR: it never passes.

References: kernel Documentation/dev-tools/ktap.rst ("The Kernel Test Anything Protocol (KTAP), version 1").
"""

from __future__ import annotations

from lostirq.report.results import Result, Results, Status

INDENT = "  "


def ktap(results: Results) -> str:
    """The whole output, with plans."""
    suites = results.suites()
    lines = ["KTAP version 1", f"1..{len(suites)}"]
    for number, (suite, found) in enumerate(suites.items(), 1):
        lines += [f"{INDENT}KTAP version 1", f"{INDENT}1..{len(found)}"]
        for n, r in enumerate(found, 1):
            lines += [f"{INDENT}# {line}".rstrip() for line in _diagnosis(r)]
            lines.append(f"{INDENT}{_line(n, r)}")
        bad = any(r.status not in (Status.PASS, Status.SKIP) for r in found)
        skipped = all(r.status is Status.SKIP for r in found)
        lines.append(f"{'not ok' if bad else 'ok'} {number} {_name(suite)}" + (" # SKIP" if skipped else ""))
    return "\n".join(lines) + "\n"


def _line(number: int, r: Result) -> str:
    word = "ok" if r.status in (Status.PASS, Status.SKIP) else "not ok"
    directive = {Status.SKIP: "SKIP", Status.TIMEOUT: "TIMEOUT", Status.ERROR: "ERROR",
                 Status.UNDECIDED: "ERROR undecided:"}.get(r.status)
    said = f"{directive} {_flat(r.message)}".rstrip(" :") if directive else ""
    return f"{word} {number} {_name(r.name)}" + (f" # {said}" if said else "")


def _diagnosis(r: Result) -> list[str]:
    if r.status is not Status.FAIL:
        return []
    return [_flat(r.said), *r.details.splitlines()]


def _name(text: str) -> str:
    """A description: '#' would begin a directive."""
    return _flat(text).replace("#", "_")


def _flat(text: str) -> str:
    return " ".join(text.split())
