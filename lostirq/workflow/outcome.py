# SPDX-License-Identifier: GPL-2.0-or-later
"""Outcomes of a command and the exit codes they become.

Invariant: only `HOLDS` is 0; whatever was not decided never outranks a violation and is never success.
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import Enum


class Outcome(Enum):
    """In order of precedence: with several, the first one that occurred decides."""

    INTERNAL = "internal error"
    USAGE = "usage or model error"
    VIOLATED = "violated"
    INTERRUPTED = "interrupted"
    UNDECIDED = "undecided"
    TIMEOUT = "timed out"
    SKIPPED = "skipped"
    HOLDS = "holds"


EXIT_CODES = {
    Outcome.HOLDS: 0,
    Outcome.VIOLATED: 1,
    Outcome.USAGE: 2,
    Outcome.INTERNAL: 3,
    Outcome.SKIPPED: 4,
    Outcome.TIMEOUT: 124,
    Outcome.UNDECIDED: 125,
    Outcome.INTERRUPTED: 130,
}

_BISECT = {Outcome.HOLDS: 0, Outcome.VIOLATED: 1, Outcome.USAGE: 128, Outcome.INTERNAL: 128, Outcome.INTERRUPTED: 130}


def combine(outcomes: Iterable[Outcome]) -> Outcome:
    """One outcome for several; SKIPPED if there are none.  What was skipped beside what holds does not count."""
    found = set(outcomes)
    if found == {Outcome.HOLDS, Outcome.SKIPPED}:
        return Outcome.HOLDS
    return next((o for o in Outcome if o in found), Outcome.SKIPPED)


def exit_code(outcome: Outcome, *, bisect: bool = False) -> int:
    """The exit code; with `bisect`, the one that `git bisect run` understands: 125 skips a commit, 128 stops."""
    return _BISECT.get(outcome, 125) if bisect else EXIT_CODES[outcome]


def of_reason(reason: str) -> Outcome:
    """The outcome of `Unknown(reason)`."""
    return {"timeout": Outcome.TIMEOUT, "interrupted": Outcome.INTERRUPTED}.get(reason, Outcome.UNDECIDED)
