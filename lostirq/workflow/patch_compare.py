# SPDX-License-Identifier: GPL-2.0-or-later
"""The verdict on a patch: base and patched model, property by property.

Invariants: *breaks* if a property that the base keeps is violated or becomes vacuous; else *undecided* if anything that
was looked at is undecided on either side; else *fixes* if a property that the base violates is kept; else *keeps*.  A
comparison of a side with itself never says *breaks* or *fixes* (`identity_holds`).

Reference: Lopes, Lee, Hur, Liu and Regehr 2021, "Alive2: bounded translation validation for LLVM" (identity first,
unsound apart from undecided, vacuous rejected).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum

from lostirq.evidence.account import Account
from lostirq.workflow.cache import key_of
from lostirq.workflow.check import Row, ScenarioResult
from lostirq.workflow.outcome import Outcome


class PatchVerdict(Enum):
    """In order of precedence."""

    BREAKS = "breaks"
    UNDECIDED = "undecided"
    FIXES = "fixes"
    KEEPS = "keeps"


OUTCOMES = {
    PatchVerdict.BREAKS: Outcome.VIOLATED,
    PatchVerdict.UNDECIDED: Outcome.UNDECIDED,
    PatchVerdict.FIXES: Outcome.HOLDS,
    PatchVerdict.KEEPS: Outcome.HOLDS,
}
ABSENT = "absent"       # of a property that one side does not have
VIOLATED = "violated"
HOLDS = "holds"


@dataclass(frozen=True, slots=True)
class Change:
    """One property instance in one scenario, before and after.  `before`, `after`: holds | violated | absent, or why it
    is not decided; `length` of the counterexample of the patched side (else of the base), `loop`: it is a lasso, `run`:
    equal for equal runs; `account` of the shortest new run of the property, with marks."""

    key: str
    id: str
    title: str
    scenario: str
    memory: str
    before: str
    after: str
    verdict: PatchVerdict
    length: int | None = None
    loop: bool = False
    report: str = ""
    run: str = ""
    account: Account | None = None

    @property
    def new_run(self) -> bool:
        """Does the patched side have a counterexample that the base is not known to have?"""
        return self.after == VIOLATED and self.before != VIOLATED

    @property
    def rank(self) -> tuple[bool, int, str, str, str]:
        """By which the best counterexample is the least: runs that end before runs that loop, then the shorter."""
        return self.loop, self.length or 0, self.scenario, self.memory, self.key


def worst(verdicts: Iterable[PatchVerdict]) -> PatchVerdict:
    """One verdict for several; *keeps* if there are none."""
    found = set(verdicts)
    return next((v for v in PatchVerdict if v in found), PatchVerdict.KEEPS)


def judge(before: str, after: str) -> PatchVerdict:
    """The verdict on one property instance."""
    if after == VIOLATED:
        if before in (HOLDS, ABSENT):
            return PatchVerdict.BREAKS
        return PatchVerdict.KEEPS if before == VIOLATED else PatchVerdict.UNDECIDED
    if after == ABSENT and before != ABSENT or after not in (HOLDS, ABSENT) or before not in (HOLDS, VIOLATED, ABSENT):
        return PatchVerdict.UNDECIDED
    return PatchVerdict.FIXES if (before, after) == (VIOLATED, HOLDS) else PatchVerdict.KEEPS


def state(row: Row | None) -> str:
    """holds | violated | absent, or the reason why it is not decided.  A value out of range is a violation too."""
    if row is None or row.outcome is Outcome.SKIPPED:
        return ABSENT
    if row.outcome is Outcome.HOLDS:
        return HOLDS
    if row.violated:
        return VIOLATED
    return f"undecided: {row.reason or row.outcome.value}"


def changes(before: ScenarioResult, after: ScenarioResult) -> tuple[Change, ...]:
    """All property instances of a scenario that was checked on both sides, in the order of the patched side."""
    old, new = {r.key: r for r in before.rows}, {r.key: r for r in after.rows}
    return tuple(_change(old.get(key), new.get(key), after) for key in dict.fromkeys([*new, *old]))


def _change(old: Row | None, new: Row | None, where: ScenarioResult) -> Change:
    row = new or old
    if row is None:
        raise ValueError("a change needs a row")
    was, now = state(old), state(new)
    shown = next((r for r in (new, old) if r is not None and r.trace is not None), None)
    trace = shown.trace.trace if shown is not None and shown.trace is not None else None
    report = new.report if new is not None and now == VIOLATED else ""
    return Change(row.key, row.id, row.title, where.scenario, where.memory.value, was, now, judge(was, now),
                  None if trace is None else len(trace.moves), trace is not None and trace.loop is not None, report,
                  "" if trace is None else key_of(trace.digest, ",".join(map(str, trace.moves))))


def identity_holds(results: Iterable[ScenarioResult]) -> bool:
    """Is every result, compared with itself, no change?"""
    return all(c.verdict in (PatchVerdict.KEEPS, PatchVerdict.UNDECIDED) for r in results for c in changes(r, r))


def lost_witnesses(before: Iterable[ScenarioResult], after: Iterable[ScenarioResult]) -> dict[str, str]:
    """Properties (id -> witness of the patched model) that have a witness which the base reaches in these scenarios,
    and on the patched side one that none reaches, though each was searched to the end."""
    was = {p for r in before for p, w in r.witness_of.items() if w in r.reached}
    results = list(after)
    now = {p for r in results for p, w in r.witness_of.items() if w in r.reached or not r.search.complete}
    return {p: w for p, w in sorted((p, w) for r in results for p, w in r.witness_of.items()) if p in was - now}
