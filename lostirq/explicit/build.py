# SPDX-License-Identifier: GPL-2.0-or-later
"""Compiling generated C and caching the result, safely.

An entry of the cache is a directory named by a digest of source, headers, compiler version and flags; it holds the
shared object and its SHA-256, which is verified before every load.  It is built in a temporary directory beside and
appears by one atomic rename, so that two runs at once and crashes leave nothing half-written.  The cache has mode 0700
and must be ours.  If it cannot be used (full disk, read-only), the object is built in a private temporary directory.
"""

from __future__ import annotations

import contextlib
import ctypes
import functools
import hashlib
import os
import shlex
import shutil
import stat
import subprocess
import tempfile
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

from lostirq.errors import UsageError

_OBJECT, _HASH = "code.so", "sha256"
_COMMON = ("-std=gnu11", "-fPIC", "-shared", "-pipe", "-w")
MODEL_FLAGS = ("-O1", "-fno-stack-protector")
RUNTIME_FLAGS = ("-O2", "-pthread")


@dataclass(frozen=True, slots=True)
class Compiler:
    """A C compiler: its command and what it says of its version."""

    command: tuple[str, ...]
    version: str


class CompilerFailed(Exception):
    """The compiler gave an error; its first lines."""


def find_compiler(wanted: str | None) -> Compiler | None:
    """The compiler to use: `wanted`, or $CC, cc, gcc, clang; None if there is none or none is wanted (`""`)."""
    if wanted == "":
        return None
    if wanted is not None:
        command = _resolve(wanted)
        if command is None:
            raise UsageError(f"no such C compiler: {wanted}")
        return Compiler(command, _version(command))
    for name in (os.environ.get("CC", ""), "cc", "gcc", "clang"):
        command = _resolve(name)
        if command is not None:
            with contextlib.suppress(UsageError):
                return Compiler(command, _version(command))
    return None


def _resolve(name: str) -> tuple[str, ...] | None:
    words = shlex.split(name)
    path = shutil.which(words[0]) if words else None
    return (path, *words[1:]) if path is not None else None


@functools.lru_cache(maxsize=8)
def _version(command: tuple[str, ...]) -> str:
    try:
        done = subprocess.run([*command, "--version"], capture_output=True, text=True, timeout=60, check=True)
    except (OSError, subprocess.SubprocessError) as error:
        raise UsageError(f"{command[0]} is not a usable C compiler: {error}") from error
    return done.stdout.partition("\n")[0]


def default_cache() -> Path:
    base = os.environ.get("XDG_CACHE_HOME") or os.path.join(os.path.expanduser("~"), ".cache")
    return Path(base) / "lostirq" / "build"


@functools.lru_cache(maxsize=1)
def runtime_sources() -> dict[str, str]:
    """The fixed C files, by name."""
    folder = resources.files("lostirq.explicit") / "runtime"
    files = sorted(folder.iterdir(), key=lambda f: f.name)
    return {f.name: f.read_text() for f in files if f.name.endswith((".c", ".h"))}


def load_model(compiler: Compiler, source: str, cache: Path) -> ctypes.CDLL:
    """The compiled form of a generated file."""
    return _load(compiler, {"model.h": runtime_sources()["model.h"], "main.c": source}, MODEL_FLAGS, cache)


def load_runtime(compiler: Compiler, words: int, cache: Path) -> ctypes.CDLL:
    """The search code for states of that many words."""
    sources = runtime_sources()
    files = {name: text for name, text in sources.items() if name != "runtime.c"} | {"main.c": sources["runtime.c"]}
    return _load(compiler, files, (*RUNTIME_FLAGS, f"-DLQ_WORDS={words}"), cache)


def _load(compiler: Compiler, files: dict[str, str], flags: tuple[str, ...], cache: Path) -> ctypes.CDLL:
    digest = hashlib.sha256()
    for part in (compiler.version, *compiler.command, *flags, *_COMMON, *(x for f in sorted(files.items()) for x in f)):
        digest.update(len(part).to_bytes(8, "little") + part.encode())
    try:
        _private(cache)
        entry = cache / digest.hexdigest()
        if not _sound(entry):
            _discard(entry)
            _install(compiler, files, flags, cache, entry)
        return ctypes.CDLL(str(entry / _OBJECT))
    except (OSError, CompilerFailed):
        return _load_once(compiler, files, flags)


def _load_once(compiler: Compiler, files: dict[str, str], flags: tuple[str, ...]) -> ctypes.CDLL:
    """Builds and loads without a cache."""
    try:
        with tempfile.TemporaryDirectory(prefix="lostirq-") as folder:
            _compile(compiler, files, flags, Path(folder))
            return ctypes.CDLL(str(Path(folder) / _OBJECT))
    except OSError as error:
        place = tempfile.gettempdir()
        raise UsageError(f"compiled code can be stored neither in the cache nor in {place}: {error}") from error
    except CompilerFailed as error:
        raise UsageError(f"{compiler.command[0]} failed: {error}") from error


def _private(cache: Path) -> None:
    """Makes sure that the cache exists, is ours, and is closed to others."""
    cache.mkdir(mode=0o700, parents=True, exist_ok=True)
    found = cache.stat()
    if found.st_uid != os.geteuid():
        raise PermissionError(f"{cache} belongs to somebody else")
    if stat.S_IMODE(found.st_mode) != 0o700:
        cache.chmod(0o700)


def _sound(entry: Path) -> bool:
    """Whether an entry is complete and unchanged."""
    try:
        wanted = (entry / _HASH).read_text().strip()
        return hashlib.sha256((entry / _OBJECT).read_bytes()).hexdigest() == wanted
    except (OSError, UnicodeDecodeError):
        return False


def _discard(entry: Path) -> None:
    """Removes a damaged entry: first out of the way, then for good."""
    if entry.exists():
        trash = tempfile.mkdtemp(prefix="trash-", dir=entry.parent)
        with contextlib.suppress(OSError):
            entry.rename(Path(trash) / "entry")
        shutil.rmtree(trash, ignore_errors=True)


def _install(compiler: Compiler, files: dict[str, str], flags: tuple[str, ...], cache: Path, entry: Path) -> None:
    folder = Path(tempfile.mkdtemp(prefix="new-", dir=cache))
    try:
        _compile(compiler, files, flags, folder)
        for name in files:
            (folder / name).unlink()
        (folder / _HASH).write_text(hashlib.sha256((folder / _OBJECT).read_bytes()).hexdigest() + "\n")
        try:
            folder.rename(entry)
        except OSError:
            if not _sound(entry):           # otherwise another run was faster
                raise
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _compile(compiler: Compiler, files: dict[str, str], flags: tuple[str, ...], folder: Path) -> None:
    for name, text in files.items():
        (folder / name).write_text(text)
    command = [*compiler.command, *_COMMON, *flags, "-o", _OBJECT, "main.c"]
    environment = {**os.environ, "TMPDIR": str(folder)}
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, env=environment, check=False)
    if done.returncode:
        lines = done.stderr.strip().splitlines() or [f"exit code {done.returncode}"]
        raise CompilerFailed(next((x for x in lines if "error" in x), lines[0]))
