# SPDX-License-Identifier: GPL-2.0-or-later
"""proofs/bugs.json: what became of the proofs with each known bug, as `lostirq bugs --proofs --record` found it.

Invariants: a row is of the bytes of one patch and, for each proof, of what one certificate says, by their digests: what
is of others is stale, and is tried again; the file is written whole or not at all, in order of the names, and has no
times.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from enum import Enum
from pathlib import Path

from lostirq.errors import UsageError
from lostirq.evidence.trace_file import read_text, write_text
from lostirq.symbolic.certificate import text as text_of
from lostirq.workflow import certificates

RECORD = Path("proofs") / "bugs.json"


class Fate(Enum):
    """Of a proof with a bug: its system is the same; its lemmas still prove it; they do not; the front end refuses the
    system or the lemmas, so that there is nothing to prove; not decided."""

    UNCHANGED = "unchanged"
    KEPT = "kept"
    LOST = "lost"
    REFUSED = "refused"
    OPEN = "open"


@dataclass(frozen=True, slots=True)
class ProofRow:
    """`certificate`: the digest of the file; `why`: the lemma that fails, or why it is refused or open; `step`: the
    transition; `changed`: how many transitions the base does not have; `seconds` are not recorded."""

    certificate: str
    fate: Fate
    why: str = ""
    step: str = ""
    changed: int = 0
    seconds: float = 0.0

    def after(self, seconds: float) -> ProofRow:
        return replace(self, seconds=seconds)


@dataclass(frozen=True, slots=True)
class BugRow:
    """`patch`: the digest of the file; `proofs` by the names of the certificates; `reason`: why none sees it."""

    patch: str
    proofs: Mapping[str, ProofRow] = field(default_factory=dict)
    reason: str = ""

    def lost(self) -> list[str]:
        return [name for name, row in self.proofs.items() if row.fate is Fate.LOST]

    def open(self) -> list[str]:
        return [name for name, row in self.proofs.items() if row.fate is Fate.OPEN]

    def having(self, name: str, row: ProofRow) -> BugRow:
        return replace(self, proofs={**self.proofs, name: row})

    def because(self, reason: str) -> BugRow:
        return replace(self, reason=reason)


def mark(path: Path) -> str:
    """The digest of a file, short.  Raises `UsageError`."""
    return _short(read_text(path, "file"))


def mark_of_certificate(path: Path) -> str:
    """The digest of a certificate, short, without what its checker begins with: no bug changes that.  Raises
    `UsageError`."""
    return _short(text_of({key: value for key, value in certificates.load(path).items() if key != "needed"}))


def _short(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def current(known: BugRow | None, patch: str, marks: Mapping[str, str]) -> BugRow:
    """What of a row is still of this patch and these certificates; what was left open is to be tried again."""
    if known is None or known.patch != patch:
        return BugRow(patch)
    rows = {name: row for name, row in known.proofs.items()
            if row.certificate == marks.get(name) and row.fate is not Fate.OPEN}
    return BugRow(patch, rows, known.reason if rows == known.proofs else "")


def read_record(root: Path) -> dict[str, BugRow]:
    """By slug; empty if there is none.  Raises `UsageError`."""
    path = root / RECORD
    if not path.is_file():
        return {}
    try:
        return {str(slug): _bug(row) for slug, row in json.loads(read_text(path, "record")).items()}
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise UsageError(f"{path}: not a record of bugs and proofs ({error!r}); remove it") from None


def _bug(row: dict[str, dict[str, dict[str, str]]]) -> BugRow:
    proofs = {name: ProofRow(str(p["certificate"]), Fate(p["fate"]), str(p.get("why", "")), str(p.get("step", "")),
                             int(p.get("changed", 0))) for name, p in row["proofs"].items()}  # fmt: skip
    return BugRow(str(row["patch"]), proofs, str(row.get("reason", "")))


def write_record(root: Path, rows: Mapping[str, BugRow]) -> None:
    """Raises `UsageError`."""
    made = {slug: {"patch": b.patch, **({"reason": b.reason} if b.reason else {}),
                   "proofs": {name: _proof(p) for name, p in sorted(b.proofs.items())}}
            for slug, b in sorted(rows.items())}  # fmt: skip
    path = root / RECORD
    new = path.with_suffix(".new")
    write_text(new, json.dumps(made, indent=1) + "\n")
    new.replace(path)


def _proof(row: ProofRow) -> dict[str, object]:
    said = {k: v for k, v in asdict(row).items() if v not in ("", 0) and k != "seconds"}
    return said | {"fate": row.fate.value}
