# SPDX-License-Identifier: GPL-2.0-or-later
"""The table of docs/proofs.md of the proofs that known bugs break: made of proofs/bugs.json.

Invariant: a function of the record, the certificates and the library of bugs; what was recorded of another patch or of
another certificate is said to be stale, and a bug without a record is in the table as well.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

from lostirq.language import Workspace
from lostirq.workflow import certificates
from lostirq.workflow.bug_proofs_record import BugRow, Fate, ProofRow, mark, mark_of_certificate, read_record
from lostirq.workflow.bugs import Bug, library, read_bug
from lostirq.workflow.workspace import load

SAFETY = ("invariant", "step_property")
UNTRIED, UNDECIDED = "not tried yet", "not decided"
_TABLE = re.compile(r"(<!-- bugs and proofs -->\n)(.*?)(<!-- end -->)", re.DOTALL)


def safety_bugs(root: Path, workspace: Workspace) -> list[Bug]:
    """The known bugs that must be found, by a property of safety; in order of the slugs."""
    known = [read_bug(folder) for folder in library(root).values()]
    return [b for b in known if b.expected == "violated"
            and any(p in workspace.properties and workspace.properties[p].form in SAFETY for p in b.properties)]


def broken(row: ProofRow) -> str:
    """The lemma that fails, and the transition: without numbers of locations, which say nothing to a reader."""
    lemma = re.sub(r" (at|before) \S+:\d+.*$", "", row.why)
    return f"{lemma}, by {row.step}" if row.step and row.step != "false at the start" else f"{lemma} {row.step}".strip()


def table(root: Path) -> str:
    """A sentence and the table, in Markdown."""
    record = read_record(root)
    marks = {path.stem: mark_of_certificate(path) for path in certificates.listed(root)}
    bugs = safety_bugs(root, load(root))
    rows = {bug.slug: record.get(bug.slug, BugRow("")) for bug in bugs}
    stale = {bug.slug for bug in bugs if bug.slug in record and _stale(bug, rows[bug.slug], marks)}
    lines = ["| known bug | breaks | proof | lemma that fails, transition |", "|---|---|---|---|"]
    for bug in bugs:
        lines += _rows(bug, rows[bug.slug], bug.slug in stale, len(marks))
    return "\n".join([_sentence(rows, stale), "", *lines]) + "\n"


def _stale(bug: Bug, row: BugRow, marks: dict[str, str]) -> bool:
    """Is anything in the row of another patch, or of a certificate that is not there any more?"""
    of_others = any(marks.get(name) != p.certificate for name, p in row.proofs.items())
    return of_others or row.patch != mark(bug.folder / "bug.patch")


def _sentence(rows: dict[str, BugRow], stale: set[str]) -> str:
    counts = Counter("lost" if r.lost() else "unseen" if r.reason else _left(r) for r in rows.values())
    said = f"Of {len(rows)} known bugs of safety, {counts['lost']} make a proof fail"
    said += f", {counts['unseen']} make none fail that was tried" if counts["unseen"] else ""
    said += "".join(f", {counts[left]} are {left}" for left in (UNTRIED, UNDECIDED) if counts[left])
    old = f" {len(stale)} rows are stale: of an older patch or certificate." if stale else ""
    return f"{said}.{old}"


def _rows(bug: Bug, row: BugRow, stale: bool, proofs: int) -> Iterable[str]:
    what = f"| {bug.slug}{' (stale)' if stale else ''} | {', '.join(bug.properties)} |"
    for name in row.lost():
        yield f"{what} {name} | {_cell(broken(row.proofs[name]))} |"
    if not row.lost():
        tried = f"{fates(row, proofs)}: " if row.proofs else ""
        yield f"{what} none lost | {tried}{_cell(row.reason) or _left(row)} |"


def _left(row: BugRow) -> str:
    return UNDECIDED if row.proofs else UNTRIED


def fates(row: BugRow, proofs: int) -> str:
    """How many of the proofs are unchanged, kept, ... or were not tried; `proofs`: how many there are."""
    counts = Counter(p.fate for p in row.proofs.values())
    said = [f"{counts[fate]} {fate.value}" for fate in Fate if counts[fate]]
    left = proofs - len(row.proofs)
    return ", ".join([*said, *([f"{left} not tried"] if left > 0 else [])])


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def renewed(root: Path, text: str) -> str:
    """A page with its table made anew, if it has one."""
    return _TABLE.sub(lambda found: found[1] + table(root) + found[3], text)
