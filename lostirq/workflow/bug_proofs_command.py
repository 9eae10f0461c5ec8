# SPDX-License-Identifier: GPL-2.0-or-later
"""`lostirq bugs --proofs`: the command around `lostirq.workflow.bug_proofs`.

Invariants: what is recorded of the same patch and the same certificates is not tried again; the record is written after
each bug, so that a run that was interrupted goes on where it stopped.
"""

from __future__ import annotations

import time
from collections.abc import Collection, Mapping
from pathlib import Path

from lostirq.errors import UsageError
from lostirq.workflow import jobs
from lostirq.workflow.bug_proofs import base, recorded, settled, tried
from lostirq.workflow.bug_proofs_page import broken, fates, safety_bugs
from lostirq.workflow.bug_proofs_record import BugRow, Fate, read_record, write_record
from lostirq.workflow.commands import Setting
from lostirq.workflow.outcome import Outcome, combine
from lostirq.workflow.workspace import choose

FEW = 3     # bugs for which it is not worth while to read all proofs beforehand


def run_bug_proofs(s: Setting, wanted: tuple[str, ...], *, record: bool, every: bool, anew: bool, processes: int,
                   seconds: float | None) -> Outcome:
    """`anew`: also what is recorded; `seconds`: for all.  Raises `UsageError`."""
    started = time.monotonic()
    root = s.root
    about = base(root)
    known = {bug.slug: bug for bug in safety_bugs(root, about.workspace)}
    slugs = choose(wanted, known, "bug of safety") if wanted else list(known)
    if not slugs:
        raise UsageError("there are no known bugs of safety here")
    before = {} if anew else read_record(root)
    todo = [slug for slug in slugs
            if not settled(about, known[slug], recorded(about, known[slug], before.get(slug)), every=every)]
    if len(todo) > FEW:
        for proof in about.proofs:
            about.shape(proof)      # once, before the forks
    rows = {slug: tried(about, known[slug], before[slug], every=every) for slug in slugs if slug not in todo}
    for slug in rows:
        _tell(s, slug, rows[slug], len(about.proofs))
    left = seconds if seconds is None else max(0.0, seconds - (time.monotonic() - started))
    failed = []
    for done in jobs.run(todo, lambda slug, report: tried(about, known[slug], before.get(slug), every=every),
                         processes=processes, seconds=left):
        slug = todo[done.number]
        if done.result is None:
            failure = done.failure or jobs.Failure(Outcome.INTERNAL, "no result")
            failed.append(failure.outcome)
            s.err.write(f"{slug}: {failure.message}\n")
            continue
        rows[slug] = done.result
        _tell(s, slug, rows[slug], len(about.proofs))
        if record:
            _keep(root, {slug: rows[slug]}, known)
    if record:
        _keep(root, rows, known)
    outcome = combine([*failed, *map(_outcome, rows.values())])
    if s.as_json:
        s.object({"format": "lostirq-bug-proofs", "version": 1, "outcome": outcome.value,
                  "bugs": [_object(slug, row) for slug, row in sorted(rows.items())]})
    else:
        s.lines(_summary(rows, len(failed)))
    s.err.write(f"time: {time.monotonic() - started:.0f} s\n")
    return outcome


def _keep(root: Path, rows: Mapping[str, BugRow], known: Collection[str]) -> None:
    """Put rows beside those that are there, without those of bugs that are gone."""
    before = read_record(root)
    after = {slug: row for slug, row in {**before, **rows}.items() if slug in known}
    if after != before:
        write_record(root, after)


def _tell(s: Setting, slug: str, row: BugRow, proofs: int) -> None:
    if not s.as_json:
        s.lines(_lines(slug, row, proofs))
    costs = [f"{name} {found.seconds:.0f} s" for name, found in row.proofs.items() if found.seconds]
    if costs:
        s.err.write(f"{slug}: {sum(p.seconds for p in row.proofs.values()):.0f} s ({', '.join(costs)})\n")


def _outcome(row: BugRow) -> Outcome:
    """HOLDS if it is known whether a proof sees the bug."""
    return Outcome.HOLDS if row.lost() or row.reason else Outcome.UNDECIDED


def _lines(slug: str, row: BugRow, proofs: int) -> list[str]:
    lost = row.lost()
    if not lost:
        return [f"{slug}: no proof that was tried is lost" if row.reason else f"{slug}: undecided",
                *([f"  {fates(row, proofs)}: {row.reason}"] if row.reason else []),
                *(f"  {name}: {row.proofs[name].why}" for name in row.open())]
    return [f"{slug}: proof lost", *(f"  {name}: {broken(row.proofs[name])}" for name in lost)]


def _summary(rows: Mapping[str, BugRow], left: int) -> list[str]:
    lost = sum(bool(row.lost()) for row in rows.values())
    said = f"{lost} of {len(rows)} bugs make a proof fail"
    unseen = sum(bool(row.reason) for row in rows.values())
    said += f", {unseen} make none fail that was tried" if unseen else ""
    return [said + (f"; {left} have no answer" if left else "")]


def _object(slug: str, row: BugRow) -> dict[str, object]:
    proofs = [{"certificate": name, "fate": p.fate.value, **({"why": p.why} if p.why else {}),
               **({"step": p.step} if p.fate is Fate.LOST and p.step else {})} for name, p in row.proofs.items()]
    return {"slug": slug, "lost": bool(row.lost()), "reason": row.reason, "proofs": proofs}
