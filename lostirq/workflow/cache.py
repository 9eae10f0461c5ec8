# SPDX-License-Identifier: GPL-2.0-or-later
"""The result cache: what a check found, kept by the digest of everything that it depends on.

A key is the SHA-256 of the parts that a result depends on; the version of the program (`engine_version`, taken over its
own sources) is always among them.  Two kinds of entries: a search, by the digest of its transition system, and the
answer of a whole job, by the texts of the workspace, so that an unchanged job needs no front end.

Invariants: only what was decided is kept, never an answer that a limit cut off; an entry is written beside and renamed,
so that parallel runs and crashes leave whole entries or none; it carries its length and checksum, and one that is
damaged is ignored with a warning, removed and written anew; the folder is ours and closed to others, else it is not
used; the oldest entries go when the folder grows beyond `limit` bytes.  A cache that cannot be used is no error.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import json
import os
import stat
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import TypeVar

import lostirq
from lostirq.errors import not_kept
from lostirq.evidence.verdict import SearchOptions, SearchResult, Unknown
from lostirq.explicit.build import STALE
from lostirq.ir.digest import digest
from lostirq.ir.system import System
from lostirq.workflow.cache_codec import Misfit, decode, encode
from lostirq.workflow.engines import Engine, search

VERSION = 1
LIMIT = 256 << 20
_MAGIC = "lostirq-result"
_MAX_ENTRY = 32 << 20
_PROGRAM = ("errors.py", "interpret.py", "ir", "language", "evidence", "explicit", "symbolic", "report",
            *(f"workflow/{name}.py" for name in ("bug_base", "bugs", "cache", "cache_codec", "certificates", "check",
                                                 "engines", "fitting", "impact", "jobs", "outcome", "prove", "show",
                                                 "workspace")))
_DECIDED = ("not reached", "stopped early", "liveness not checked", "liveness needs another engine")

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class ResultCache:
    """A folder of results.  `warn` gets one line for each damaged entry, `unkept` one where nothing can be written."""

    root: Path
    warn: Callable[[str], None] = lambda line: None
    limit: int = LIMIT
    unkept: Callable[[str], None] = lambda line: None

    def get(self, key: str, kind: type[T]) -> T | None:
        """The entry, or None if there is none that can be trusted."""
        path = self.root / f"{key}.json"
        try:
            if not _ours(self.root):
                return None
            with open(os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK), "rb") as f:
                raw = f.read(_MAX_ENTRY + 1)
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as e:
            self.warn(f"result cache: {path.name} cannot be read ({e.strerror or e}); it is ignored")
            return None
        try:
            found = decode(kind, _body(raw))
        except ValueError as e:
            self.warn(f"result cache: {path.name} is damaged ({e}); it is ignored and written anew")
            with contextlib.suppress(OSError):
                path.unlink()
            return None
        with contextlib.suppress(OSError):
            os.utime(path)
        return found

    def put(self, key: str, value: object) -> None:
        """Keep a value; where that fails (no space, no permission), nothing is kept, and `unkept` is told."""
        body = json.dumps(encode(value), separators=(",", ":")).encode()
        if len(body) > min(_MAX_ENTRY - 1024, self.limit // 4):
            return
        temporary = ""
        try:
            self.root.mkdir(mode=0o700, parents=True, exist_ok=True)
            if not _ours(self.root):
                raise PermissionError("it is no folder of ours")
            handle, temporary = tempfile.mkstemp(prefix="new-", dir=self.root)
            with os.fdopen(handle, "wb") as f:
                f.write(f"{_MAGIC} {VERSION} {len(body)} {hashlib.sha256(body).hexdigest()}\n".encode() + body)
            os.replace(temporary, self.root / f"{key}.json")
            self.evict()
        except OSError as e:
            if temporary:
                Path(temporary).unlink(missing_ok=True)
            self.unkept(not_kept(self.root, e))

    def evict(self) -> None:
        """Remove the entries that were not used for longest until three quarters of the limit are left, and what
        crashes left behind."""
        entries, total = [], 0
        with os.scandir(self.root) as listed:
            for entry in listed:
                with contextlib.suppress(FileNotFoundError):
                    found = entry.stat(follow_symlinks=False)
                    total += found.st_size
                    entries.append((found.st_mtime, entry.name, found.st_size))
        for _, name, bytes_ in sorted(entries) if total > self.limit else []:
            if total <= self.limit // 4 * 3:
                break
            (self.root / name).unlink(missing_ok=True)
            total -= bytes_
        for when, name, _ in entries:
            if name.startswith("new-") and when < time.time() - STALE:
                (self.root / name).unlink(missing_ok=True)

    def size(self) -> tuple[int, int]:
        """(entries, bytes) now."""
        try:
            with os.scandir(self.root) as listed:
                sizes = [e.stat(follow_symlinks=False).st_size for e in listed if e.name.endswith(".json")]
        except OSError:
            return 0, 0
        return len(sizes), sum(sizes)


def _ours(root: Path) -> bool:
    """Is the folder (not a link to one) ours?  One that is open to others is closed.  Raises `OSError`."""
    found = root.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.geteuid():
        return False
    if stat.S_IMODE(found.st_mode) & 0o077:
        root.chmod(0o700)
    return True


def _body(raw: bytes) -> object:
    """Raises `ValueError` with the cause."""
    head, _, body = raw.partition(b"\n")
    words = head.decode(errors="replace").split(" ")
    if len(words) != 4 or words[0] != _MAGIC:
        raise Misfit("not an entry")
    if words[1] != str(VERSION):
        raise Misfit(f"format version {words[1]}")
    if words[2] != str(len(body)):
        raise Misfit("truncated")
    if words[3] != hashlib.sha256(body).hexdigest():
        raise Misfit("wrong checksum")
    return json.loads(body)


@functools.lru_cache(maxsize=1)
def engine_version() -> str:
    """A digest of the part of this program that results come from: any change of it makes all entries strangers."""
    root = Path(lostirq.__file__).parent
    return key_of(*(x for p in program() for x in (p.relative_to(root).as_posix(), p.read_bytes())))


def program() -> list[Path]:
    """The sources that results come from."""
    root = Path(lostirq.__file__).parent
    texts = [p for part in _PROGRAM for p in sorted([root / part] if part.endswith(".py") else (root / part).rglob("*"))
             if p.suffix in (".py", ".c", ".h")]
    return texts + sorted((root / "workflow").glob("patch*.py"))


def key_of(*parts: str | bytes) -> str:
    """One digest of several parts, none of which runs into the next."""
    found = hashlib.sha256()
    for part in parts:
        raw = part.encode(errors="surrogatepass") if isinstance(part, str) else part
        found.update(len(raw).to_bytes(8, "little") + raw)
    return found.hexdigest()


def texts_digest(sources: Mapping[str, str]) -> str:
    """One digest of the files of a workspace."""
    return key_of(*(x for item in sorted(sources.items()) for x in item))


def search_key(options: SearchOptions, engine: Engine) -> str:
    """What a result depends on besides the system; threads, memory and time only decide whether there is one."""
    resources = ("threads", "memory_bytes", "seconds", "until", "progress", "compiler", "unkept")
    said = {f.name: encode(getattr(options, f.name)) for f in fields(options) if f.name not in resources}
    return key_of(engine.value, str(options.compiler == ""), json.dumps(said, sort_keys=True))


def searched(system: System, engine: Engine, options: SearchOptions, build: Path | None,
             results: ResultCache | None) -> SearchResult:
    """`search`, or what it found before on a system of the same digest.  `build`: the cache of generated code.  Raises
    what `search` raises."""
    if results is None:
        return search(system, engine, options, build)
    key = key_of("search", engine_version(), digest(system), system.name, search_key(options, engine))
    kept = results.get(key, SearchResult)
    if kept is not None:
        return replace(kept, cached=True)
    found = search(system, engine, options, build)
    if decided(found):
        results.put(key, found)
    return found


def decided(found: SearchResult) -> bool:
    """Is the result one that no limit, interrupt or lack of memory has cut off?"""
    if found.reason not in ("", "stopped early"):
        return False
    return all(not isinstance(v, Unknown) or v.reason in _DECIDED for v in found.verdicts.values())
