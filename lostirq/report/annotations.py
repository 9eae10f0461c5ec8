# SPDX-License-Identifier: GPL-2.0-or-later
"""Results as workflow commands of GitHub Actions, and as a summary in Markdown.

GitHub shows ten annotations of a kind per step, so the worst come first and the rest is counted.

References: GitHub documentation, "Workflow commands for GitHub Actions".
"""

from __future__ import annotations

from lostirq.report.github import escaped, fenced
from lostirq.report.results import Result, Results, Status, place

MOST = 10
MOST_DETAILS = 20
SUMMARY_BYTES = 900_000     # GitHub takes a mebibyte
_MARKS = {Status.PASS: "pass", Status.SKIP: "skipped"}


def workflow_commands(results: Results) -> str:
    """`::error` for what is violated or broken, `::warning` for what was not decided; '' if all is well."""
    shown: dict[str, list[str]] = {"error": [], "warning": []}
    for r in results.bad():
        kind = "error" if r.status in (Status.FAIL, Status.ERROR) else "warning"
        shown[kind].append(_command(kind, r))
    lines: list[str] = []
    for kind, found in shown.items():
        lines += found[:MOST - 1] if len(found) > MOST else found
        if len(found) > MOST:
            lines.append(f"::{kind}::{_text(f'{len(found) - MOST + 1} more; see the summary of the job')}")
    return "".join(line + "\n" for line in lines)


def _command(kind: str, r: Result) -> str:
    file, line = place(r)
    options = [f"file={_option(file)}", f"line={line}"] if file else []
    options.append(f"title={_option(f'{r.name} ({r.suite})')}")
    return f"::{kind} {','.join(options)}::{_text(r.said + (chr(10) + r.details if r.details else ''))}"


def _text(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _option(text: str) -> str:
    return _text(text).replace(":", "%3A").replace(",", "%2C")


def summary(results: Results) -> str:
    """Markdown for $GITHUB_STEP_SUMMARY: a table, and the counterexamples folded."""
    lines = [f"### {escaped(results.command)}: {escaped(results.verdict)}", ""]
    lines += [escaped(results.summary), ""] if results.summary else []
    lines += ["| | where | what | |", "|---|---|---|---|"]
    order = [*results.bad(), *(r for r in results.results if r.status in _MARKS)]
    for r in order:
        mark = _MARKS.get(r.status, f"**{r.status.value}**") + (" >>" if r.new else "")
        lines.append(f"| {mark} | {escaped(r.suite)} | {escaped(r.name)} | {escaped(r.said)} |")
    for r in [r for r in results.bad() if r.details][:MOST_DETAILS]:
        lines += ["", f"<details><summary>{escaped(r.name)}, {escaped(r.suite)}</summary>", "",
                  *fenced(r.details.splitlines()), "", "</details>"]
    text = "\n".join(lines) + "\n"
    if len(text.encode()) > SUMMARY_BYTES:
        text = text.encode()[:SUMMARY_BYTES].decode(errors="ignore") + "\n\n(cut off)\n"
    return text
