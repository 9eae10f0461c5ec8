# SPDX-License-Identifier: GPL-2.0-or-later
"""What became of mutants, kept in a file of JSON lines, so that a run that was interrupted goes on where it stopped.

The first line names the format.  A line with `baseline` is the model as it was when the lines behind it were written:
its scenarios and their digests; the other lines are one mutant each, the last one of a name counts.

Invariants: a line is appended and flushed as soon as a mutant is decided; a last line that was cut off is dropped; any
other line that cannot be read is a `UsageError` with its number.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from lostirq.errors import UsageError
from lostirq.evidence.trace_file import read_text, write_text
from lostirq.ir.system import Memory
from lostirq.workflow.mutate_run import BaseCase, Fate, MutantResult

FORMAT, VERSION = "lostirq-mutants", 1


@dataclass(frozen=True, slots=True)
class Record:
    """`baselines` by the name of the model (see `model_name`); `results` by the name of the mutant."""

    baselines: dict[str, tuple[BaseCase, ...]]
    results: dict[str, MutantResult]


def model_name(digests: Sequence[str]) -> str:
    """A short name for the transition systems of all scenarios together."""
    return hashlib.sha256(" ".join(sorted(digests)).encode()).hexdigest()[:12]


def read_record(path: Path) -> Record:
    """An absent file is an empty record.  Raises `UsageError`."""
    record = Record({}, {})
    if not path.exists():
        return record
    lines = read_text(path, "record of mutants").split("\n")
    for number, line in enumerate(lines, 1):
        if not line:
            continue
        place = f"{path}:{number}"
        try:
            data = json.loads(line)
        except ValueError:
            if number == len(lines):
                break               # cut off while it was written
            raise UsageError(f"{place}: not a line of JSON; delete it, or start a new file") from None
        _read_line(record, data, number, place)
    return record


def _read_line(record: Record, data: object, number: int, place: str) -> None:
    if not isinstance(data, dict):
        raise UsageError(f"{place}: an object is needed")
    if number == 1:
        if data.get("format") != FORMAT or data.get("version") != VERSION:
            raise UsageError(f"{place}: not a record of mutants that this version reads ({FORMAT}, {VERSION})")
    elif "baseline" in data:
        rows = data["baseline"] if isinstance(data["baseline"], list) else []
        found = tuple(_case(row, place) for row in rows)
        record.baselines[model_name([b.digest for b in found])] = found
    else:
        result = _result(data, place)
        record.results[result.name] = result


def _case(row: object, place: str) -> BaseCase:
    try:
        assert isinstance(row, dict)
        return BaseCase(str(row["scenario"]), Memory(row["memory"]), str(row["digest"]), int(row["states"]),
                        int(row["words"]), tuple(map(str, row["reached"])))
    except (AssertionError, KeyError, TypeError, ValueError):
        raise UsageError(f"{place}: a scenario of a baseline cannot be read") from None


def _result(data: dict[str, object], place: str) -> MutantResult:
    kinds = {f.name: int if isinstance(f.default, int) else str for f in dataclasses.fields(MutantResult)}
    wrong = [k for k, v in data.items() if k not in kinds or not isinstance(v, kinds[k])]
    missing = [k for k in ("name", "kind", "what", "fate") if k not in data]
    if wrong or missing or data["fate"] not in [f.value for f in Fate]:
        raise UsageError(f"{place}: {', '.join(wrong or missing) or 'fate'} cannot be read")
    return MutantResult(**(data | {"fate": Fate(data["fate"])}))  # type: ignore[arg-type]  # checked above


def begin(path: Path, base: Sequence[BaseCase], record: Record) -> None:
    """Make the file if there is none, and say which model the lines to come are about."""
    if not path.exists():
        write_text(path, json.dumps({"format": FORMAT, "version": VERSION}) + "\n")
    if model_name([b.digest for b in base]) != next(reversed(record.baselines), ""):
        rows = [asdict(b) | {"memory": b.memory.value} for b in base]
        _append(path, {"baseline": rows})


def keep(path: Path, result: MutantResult) -> None:
    _append(path, to_json(result))


def to_json(result: MutantResult) -> dict[str, object]:
    """What differs from the defaults."""
    found = asdict(result) | {"fate": result.fate.value}
    return {f.name: found[f.name] for f in dataclasses.fields(result) if found[f.name] != f.default}


def _append(path: Path, value: object) -> None:
    try:
        with path.open("rb+") as f:
            text = f.read()
            f.seek(text.rfind(b"\n") + 1)       # over what an earlier run did not finish
            f.truncate()
            f.write(json.dumps(value, ensure_ascii=False).encode() + b"\n")
    except OSError as e:
        raise UsageError(f"{path} cannot be written: {e.strerror or e}; choose another file with --out") from None
