# SPDX-License-Identifier: GPL-2.0-or-later
"""`lostirq bugs --proofs`: the command around `lostirq.workflow.bug_proofs`.

Invariants: what is recorded of the same patch and the same certificates is not tried again; the record is written after
each proof that was tried, so that a run that was interrupted goes on where it stopped.
"""

from __future__ import annotations

import time
from collections.abc import Mapping

from lostirq.errors import UsageError
from lostirq.workflow.bug_proofs import base, tried
from lostirq.workflow.bug_proofs_page import broken, safety_bugs
from lostirq.workflow.bug_proofs_record import BugRow, Fate, ProofRow, read_record, write_record
from lostirq.workflow.commands import Setting
from lostirq.workflow.outcome import Outcome
from lostirq.workflow.workspace import choose


def run_bug_proofs(s: Setting, wanted: tuple[str, ...], *, record: bool, every: bool, anew: bool,
                   seconds: float | None) -> Outcome:
    """`anew`: also what is recorded; `seconds`: begin no bug later than that.  Raises `UsageError`."""
    started = time.monotonic()
    root = s.root
    about = base(root)
    known = {bug.slug: bug for bug in safety_bugs(root, about.workspace)}
    slugs = choose(wanted, known, "bug of safety") if wanted else list(known)
    if not slugs:
        raise UsageError("there are no known bugs of safety here")
    before = read_record(root)
    rows: dict[str, BugRow] = {}
    left = list(slugs)
    while left and (seconds is None or time.monotonic() - started < seconds):
        slug = left.pop(0)
        begun = time.monotonic()
        spent: dict[str, ProofRow] = {}
        for row in tried(about, known[slug], None if anew else before.get(slug), every=every, tell=spent.__setitem__):
            rows[slug] = row
            if record and spent:
                write_record(root, {k: r for k, r in {**read_record(root), slug: row}.items() if k in known})
        if not s.as_json:
            s.lines(_lines(slug, rows[slug]))
        if spent:
            costs = ", ".join(f"{name} {found.seconds:.0f} s" for name, found in spent.items())
            s.err.write(f"{slug}: {time.monotonic() - begun:.0f} s ({costs})\n")
    outcome = _outcome(rows, left)
    if s.as_json:
        s.object({"format": "lostirq-bug-proofs", "version": 1, "outcome": outcome.value,
                  "bugs": [_object(slug, row) for slug, row in rows.items()]})
    else:
        s.lines(_summary(rows, left))
    s.err.write(f"time: {time.monotonic() - started:.0f} s\n")
    return outcome


def _outcome(rows: Mapping[str, BugRow], left: list[str]) -> Outcome:
    """HOLDS if of each bug it is known whether a proof sees it."""
    if left:
        return Outcome.TIMEOUT
    return Outcome.HOLDS if all(row.lost() or row.reason for row in rows.values()) else Outcome.UNDECIDED


def _lines(slug: str, row: BugRow) -> list[str]:
    lost = row.lost()
    if not lost:
        return [f"{slug}: no proof is lost" if row.reason else f"{slug}: undecided",
                *([f"  {row.reason}"] if row.reason else []),
                *(f"  {name}: {row.proofs[name].why}" for name in row.open())]
    return [f"{slug}: proof lost", *(f"  {name}: {broken(row.proofs[name])}" for name in lost)]


def _summary(rows: Mapping[str, BugRow], left: list[str]) -> list[str]:
    lost = sum(bool(row.lost()) for row in rows.values())
    said = f"{lost} of {len(rows)} bugs make a proof fail"
    unseen = sum(bool(row.reason) for row in rows.values())
    said += f"; {unseen} are seen by none" if unseen else ""
    return [said + (f"; {len(left)} were not tried, out of time" if left else "")]


def _object(slug: str, row: BugRow) -> dict[str, object]:
    proofs = [{"certificate": name, "fate": p.fate.value, **({"why": p.why} if p.why else {}),
               **({"step": p.step} if p.fate is Fate.LOST and p.step else {})} for name, p in row.proofs.items()]
    return {"slug": slug, "lost": bool(row.lost()), "reason": row.reason, "proofs": proofs}
