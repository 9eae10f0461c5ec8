# SPDX-License-Identifier: GPL-2.0-or-later
"""Traces on disk: JSON, versioned, written whole or not at all.

A file has the choices (`moves`), which are the counterexample, and may have its account, which is what people and
programs read of it where the model is not at hand; `lostirq/schemas/trace.schema.json` is its JSON Schema.

Invariants: what is read back equals what was written; a file of a newer version, a truncated or foreign file is a
`UsageError` that names the file and the cause; a file is replaced atomically, so that no reader sees half of one.
Version 1 had neither account nor patches, and is still read.
"""

from __future__ import annotations

import json
import os
import tempfile
from dataclasses import dataclass
from pathlib import Path

from lostirq.errors import UsageError, advice
from lostirq.evidence import records
from lostirq.evidence.account import Account, validate
from lostirq.evidence.verdict import Trace

FORMAT = "lostirq-trace"
VERSION = 2
MAX_BYTES = 64 << 20
MAX_MOVES = 1 << 22


@dataclass(frozen=True, slots=True)
class StoredTrace:
    """A trace and what is needed to find its system again: `bug` is the slug of the known bug whose patch the
    model carried ('' for none), `overrides` the scenario parameters that were changed on the command line, `patches`
    the texts of the patches that the model carried, in their order; `properties` the ids for which it was compiled
    (none: those of the scenario).  `searched`: no run of so many steps violates the property, where the trace is not
    minimal."""

    trace: Trace
    bug: str = ""
    overrides: tuple[tuple[str, int], ...] = ()
    patches: tuple[str, ...] = ()
    account: Account | None = None
    properties: tuple[str, ...] = ()
    searched: int | None = None


def to_json(stored: StoredTrace) -> dict[str, object]:
    trace = stored.trace
    out: dict[str, object] = {
        "format": FORMAT,
        "version": VERSION,
        "scenario": trace.scenario,
        "memory": trace.memory,
        "property": trace.property,
        "digest": trace.digest,
        "minimal": trace.minimal,
        "length": len(trace.moves),
        "moves": list(trace.moves),
        "loop": trace.loop,
    }
    if stored.bug:
        out["bug"] = stored.bug
    if stored.overrides:
        out["overrides"] = dict(stored.overrides)
    if stored.patches:
        out["patches"] = list(stored.patches)
    if stored.properties:
        out["properties"] = list(stored.properties)
    if stored.searched is not None:
        out["searched"] = stored.searched
    if stored.account is not None:
        out["account"] = records.encode(stored.account)
    return out


def schema() -> dict[str, object]:
    """The JSON Schema of a trace file."""
    number, text = {"type": "integer"}, {"type": "string"}
    natural = {"type": "integer", "minimum": 0}
    account = records.schema(Account)
    definitions = account.pop("$defs")
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "A counterexample of lostirq",
        "type": "object",
        "properties": {
            "format": {"const": FORMAT}, "version": {"enum": list(range(1, VERSION + 1))}, "scenario": text,
            "memory": text, "property": text, "digest": text, "minimal": {"type": "boolean"}, "length": natural,
            "moves": {"type": "array", "items": natural}, "loop": {"anyOf": [natural, {"type": "null"}]}, "bug": text,
            "overrides": {"type": "object", "additionalProperties": number},
            "patches": {"type": "array", "items": text}, "account": account,
            "properties": {"type": "array", "items": text}, "searched": natural,
        },
        "required": ["format", "version", "scenario", "memory", "property", "digest", "moves"],
        "additionalProperties": False,
        "$defs": definitions,
    }


def render(stored: StoredTrace) -> str:
    """The file's text: one key per line; in the account, one item of a list per line."""
    return _lines(to_json(stored), "", ("account",)) + "\n"


def _lines(value: dict[str, object], indent: str, opened: tuple[str, ...]) -> str:
    rows = []
    for key, item in value.items():
        if key in opened and isinstance(item, dict):
            shown = _lines(item, indent + "  ", ("steps", "variables"))
        elif key in opened and isinstance(item, list) and item:
            shown = "[" + ",".join(f"\n{indent}    {json.dumps(i)}" for i in item) + "]"
        else:
            shown = json.dumps(item)
        rows.append(f"{indent}  {json.dumps(key)}: {shown}")
    return "{\n" + ",\n".join(rows) + f"\n{indent}}}"


def write(path: Path, stored: StoredTrace) -> None:
    """Raises `UsageError` if the file cannot be written; then no part of it exists."""
    write_text(path, render(stored))


def read(path: Path) -> StoredTrace:
    """Raises `UsageError` with the file and the cause."""
    return from_json(read_json(path, "trace"), str(path))


def from_json(data: object, name: str) -> StoredTrace:
    if not isinstance(data, dict) or data.get("format") != FORMAT:
        raise UsageError(f'{name}: not a trace of this tool (no "format": "{FORMAT}")')
    _known_version(data, name)
    texts = [_text(data, key, name) for key in ("scenario", "memory", "digest", "property")]
    moves, loop = data.get("moves"), data.get("loop")
    if not isinstance(moves, list) or len(moves) > MAX_MOVES or not all(_natural(m) for m in moves):
        raise UsageError(f"{name}: 'moves' must be a list of transition numbers")
    if data.get("length", len(moves)) != len(moves):
        raise UsageError(f"{name}: damaged: 'length' is {data['length']!r}, but there are {len(moves)} moves")
    if loop is not None and not (isinstance(loop, int) and _natural(loop) and loop <= len(moves)):
        raise UsageError(f"{name}: 'loop' must be null or the position of a move")
    overrides = data.get("overrides", {})
    if not isinstance(overrides, dict) or not all(isinstance(v, int) for v in overrides.values()):
        raise UsageError(f"{name}: 'overrides' must map parameters to numbers")
    bug = data.get("bug", "")
    if not isinstance(bug, str):
        raise UsageError(f"{name}: 'bug' must be the name of a known bug")
    patches = data.get("patches", [])
    if not isinstance(patches, list) or not all(isinstance(p, str) for p in patches):
        raise UsageError(f"{name}: 'patches' must be the texts of patches")
    properties, searched = data.get("properties", []), data.get("searched")
    if not isinstance(properties, list) or not all(isinstance(p, str) for p in properties):
        raise UsageError(f"{name}: 'properties' must be a list of ids")
    if searched is not None and not (isinstance(searched, int) and _natural(searched)):
        raise UsageError(f"{name}: 'searched' must be a number of steps")
    scenario, memory, digest, key = texts
    trace = Trace(scenario, memory, digest, key, tuple(moves), loop, bool(data.get("minimal", True)))
    return StoredTrace(trace, bug, tuple(sorted((str(k), int(v)) for k, v in overrides.items())), tuple(patches),
                       _account(data, trace, name), tuple(properties), searched)


def _known_version(data: dict[str, object], name: str) -> None:
    version = data.get("version")
    if isinstance(version, int) and version > VERSION:
        raise UsageError(f"{name}: trace format version {version}; this program reads up to version {VERSION}: "
                         "use a newer lostirq")
    if not isinstance(version, int) or isinstance(version, bool) or version < 1:
        raise UsageError(f"{name}: trace format version {version!r} is none of 1..{VERSION}")


def _account(data: dict[str, object], trace: Trace, name: str) -> Account | None:
    """The account of a trace, which must tell of this very trace."""
    if "account" not in data:
        return None
    found = validate(records.decode(Account, data["account"], f"{name}: account"), f"{name}: account")
    about = (found.configuration.scenario, found.configuration.memory, found.configuration.digest, found.claim.key)
    if about != (trace.scenario, trace.memory, trace.digest, trace.property):
        raise UsageError(f"{name}: damaged: the account tells of another trace")
    if tuple(s.move for s in found.steps) != trace.moves or (found.loop, found.minimal) != (trace.loop, trace.minimal):
        raise UsageError(f"{name}: damaged: the account tells of other steps")
    return found


def read_json(path: Path, what: str) -> object:
    """The JSON value in a file of a user.  Raises `UsageError` with the file, the place and the cause."""
    text = read_text(path, what)
    try:
        value: object = json.loads(text)
        json.dumps(value, ensure_ascii=False).encode()
        return value
    except UnicodeEncodeError:
        raise UsageError(f"{path}: {what} has a text that is no Unicode (half of a surrogate pair)") from None
    except json.JSONDecodeError as e:
        cut = e.pos >= len(text.rstrip()) or e.msg.startswith("Unterminated string")
        cause = "truncated" if cut else f"not JSON ({e.msg})"
        raise UsageError(f"{path}:{e.lineno}:{e.colno}: {what} is {'empty' if not text.strip() else cause}") from None
    except RecursionError:
        raise UsageError(f"{path}: {what} is nested too deeply") from None


def read_text(path: Path, what: str) -> str:
    """Raises `UsageError` with the file and the cause."""
    try:
        with open(path, "rb") as f:
            raw = f.read(MAX_BYTES + 1)
    except OSError as e:
        raise UsageError(f"cannot read {what} {path}: {e.strerror or e}") from None
    if len(raw) > MAX_BYTES:
        raise UsageError(f"cannot read {what} {path}: larger than {MAX_BYTES >> 20} MiB")
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError as e:
        raise UsageError(f"cannot read {what} {path}: byte {e.start} is not UTF-8 text") from None


def check_target(path: Path, *, folder: bool = False) -> None:
    """Before a long run: can a file (or folder) of this name be written at all?  Raises `UsageError`."""
    above = path if folder else path.parent
    while not os.path.lexists(above) and above != above.parent:
        above = above.parent
    if not folder and path.is_dir():
        why = "it is a folder"
    elif not folder and _special(path):
        if os.access(path, os.W_OK):
            return
        why = "it is not writable"
    elif not above.is_dir():
        why = f"{above} is no folder"
    elif not os.access(above, os.W_OK | os.X_OK):
        why = f"{above} is not writable"
    else:
        return
    raise UsageError(f"cannot write {path}: {why}; give another place")


def write_text(path: Path, text: str) -> None:
    """Write beside the target, then rename.  Raises `UsageError`; the old file, if any, is then untouched.  A link
    stays one: what it points to is replaced.  A device or a pipe is written to, and stays what it is."""
    temporary = ""
    try:
        if _special(path):
            with path.open("w", encoding="utf-8") as f:
                f.write(text)
            return
        path = Path(os.path.realpath(path))
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
        with os.fdopen(handle, "w", encoding="utf-8") as f:
            f.write(text)
            f.flush()
            os.fsync(f.fileno())
        os.chmod(temporary, 0o644)
        os.replace(temporary, path)
    except OSError as e:
        if temporary:
            Path(temporary).unlink(missing_ok=True)
        raise UsageError(f"cannot write {path}: {e.strerror or e}; {advice(e, 'choose another folder')}") from None


def _special(path: Path) -> bool:
    """Is it there, and neither a file nor a folder?"""
    return path.exists() and not path.is_file() and not path.is_dir()


def _text(data: dict[str, object], key: str, name: str) -> str:
    value = data.get(key)
    if not isinstance(value, str):
        raise UsageError(f"{name}: '{key}' is missing or not a text")
    return value


def _natural(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0
