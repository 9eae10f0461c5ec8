# SPDX-License-Identifier: GPL-2.0-or-later
"""The results of a command, as continuous integration sees them: what was tried, how it went, and where to look.

The files beside this one render them: `junit`, `sarif`, `ktap`, `annotations`, `b4`.

Invariants: only PASS is success, and SKIP none at all; the order of results is that of the command, so that two runs
give the same bytes; nothing depends on the time.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from lostirq.evidence.account import Account


class Status(Enum):
    """The worst first."""

    ERROR = "error"             # a tool, a model or a machine failed
    FAIL = "fail"               # violated; a known bug that does not behave as recorded; a patch that breaks
    UNDECIDED = "undecided"
    TIMEOUT = "timeout"
    SKIP = "skip"
    PASS = "pass"


@dataclass(frozen=True, slots=True)
class Result:
    """One property in one scenario, one known bug, ...  `suite` groups results; `name` is unique in it; `rule` is the
    same for all instances of a property; `message` is one line, `details` the whole report; `file` and `line` are the
    place to look at; `new` marks what was not so before."""

    suite: str
    name: str
    status: Status
    title: str = ""
    rule: str = ""
    message: str = ""
    details: str = ""
    file: str = ""
    line: int = 0
    account: Account | None = None
    new: bool = False

    @property
    def said(self) -> str:
        """The result in one line."""
        title = self.title or self.name
        return f"{title}: {self.message}" if self.message else title


@dataclass(frozen=True, slots=True)
class Results:
    """`command` gave these; `verdict` and `exit_code` are those of the whole."""

    command: str
    version: str
    verdict: str
    exit_code: int
    results: tuple[Result, ...]
    summary: str = ""

    def suites(self) -> dict[str, list[Result]]:
        found: dict[str, list[Result]] = {}
        for r in self.results:
            found.setdefault(r.suite, []).append(r)
        return found

    def bad(self) -> list[Result]:
        """What is neither success nor skipped, the worst first."""
        order = list(Status)
        found = [r for r in self.results if r.status not in (Status.PASS, Status.SKIP)]
        return sorted(found, key=lambda r: (order.index(r.status), not r.new))

    def count(self, *wanted: Status) -> int:
        return sum(r.status in wanted for r in self.results)


def place(result: Result) -> tuple[str, int]:
    """Where to point: what the result says, else the last step of its run, else where its property is declared."""
    if result.file:
        return result.file, max(1, result.line)
    if result.account is not None:
        for step in reversed(result.account.steps):
            if step.file:
                return step.file, max(1, step.line)
        return result.account.claim.file, max(1, result.account.claim.line)
    return "", 0
