# SPDX-License-Identifier: GPL-2.0-or-later
"""The table of docs/proofs.md: what is proved, made of the certificates and of the record of times.

Invariants: what is proved comes from the certificates alone; the record (proofs/times.json) holds seconds and versions,
which differ from machine to machine, and is written by `lostirq prove` and `lostirq recheck --record` only.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import cast

from lostirq.errors import UsageError
from lostirq.evidence.trace_file import read_text, write_text
from lostirq.symbolic.certificate import Json
from lostirq.workflow import certificates

RECORD = Path("proofs") / "times.json"
_TABLE = re.compile(r"(<!-- proofs -->\n)(.*?)(<!-- end -->)", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Times:
    """Of one certificate: the prover and its seconds, the checkers and theirs."""

    prover: str = ""
    proof: float = 0.0
    checks: Mapping[str, float] = field(default_factory=dict)


def recorded(root: Path) -> dict[str, Times]:
    """The record of a workspace, by the names of the certificates; empty if there is none.  Raises `UsageError`."""
    path = root / RECORD
    if not path.is_file():
        return {}
    try:
        return {name: Times(str(t["prover"]), float(t["seconds"]), {str(k): float(v) for k, v in t["checks"].items()})
                for name, t in json.loads(read_text(path, "record")).items()}  # fmt: skip
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise UsageError(f"{path}: not a record of times ({error!r}); remove it") from None


def record(root: Path, new: Mapping[str, Times]) -> None:
    """Put new times beside those that are there.  A new proof drops the checks of the one before it."""
    known = recorded(root)
    for name, t in new.items():
        before = known.get(name, Times())
        known[name] = t if t.prover else Times(before.prover, before.proof, {**before.checks, **t.checks})
    there = {path.stem for path in certificates.listed(root)}
    rows = {name: _row(t) for name, t in sorted(known.items()) if name in there}
    if rows:
        write_text(root / RECORD, json.dumps(rows, indent=1) + "\n")


def _row(t: Times) -> dict[str, object]:
    checks = {solver: round(seconds, 1) for solver, seconds in sorted(t.checks.items())}
    return {"prover": t.prover, "seconds": round(t.proof, 1), "checks": checks}


def table(root: Path) -> str:
    """The table, in Markdown."""
    times = recorded(root)
    lines = [
        "| property | scenario, memory | size | conjuncts | transitions | proved by | re-checked by |",
        "|---|---|---|---|---|---|---|",
    ]
    for path in certificates.listed(root):
        data = certificates.load(path)
        about = certificates.origin(data, path.name)
        counts = cast(dict[str, int], data.get("counts", {}))
        t = times.get(path.stem, Times())
        checks = "<br>".join(f"{solver}, {seconds:.0f} s" for solver, seconds in sorted(t.checks.items()))
        proved = f"{t.prover}, {t.proof:.0f} s" if t.prover else ""
        size = f"{counts.get('conjuncts', '')} | {counts.get('transitions', '')}"
        where = f"{about.scenario}, {about.memory.value}"
        lines.append(f"| {about.property} | {where} | {_size(data)} | {size} | {proved} | {checks} |")
    return "\n".join(lines) + "\n"


def _size(data: Json) -> str:
    """The parameters that count or measure something, and what the guest may not do."""
    parameters = cast(dict[str, int], data.get("parameters", {}))
    dropped = cast(list[str], data.get("dropped", []))
    assumed = cast(list[str], data.get("assumed", []))
    crowds = [note for note in assumed if note.startswith("any number of ")]
    sizes = [f"{name} {value}" for name, value in parameters.items() if value > 1 and name.endswith("S")
             and f"any number of {name.lower()[:-1]} processes" not in crowds]
    return ", ".join([*crowds, *sizes, *(f"without {name}" for name in dropped)])


def renewed(root: Path, text: str) -> str:
    """A page with its table made anew, if it has one."""
    return _TABLE.sub(lambda found: found[1] + table(root) + found[3], text)
