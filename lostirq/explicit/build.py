# SPDX-License-Identifier: GPL-2.0-or-later
"""Compiling generated C and caching the result, safely.

An entry of the cache is a directory named by a digest of source, headers, compiler version and flags; it holds the
shared object and its SHA-256, which is verified before every load.  It is built in a temporary directory beside and
appears by one atomic rename, so that two runs at once and crashes leave nothing half-written; what a crash left beside
is removed by a later build.  The cache has mode 0700 and must be ours.  If it cannot be used (full disk, read-only),
the object is built in a private temporary directory, and `Unkept` is told.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import functools
import hashlib
import os
import shlex
import shutil
import stat
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Literal

from lostirq.errors import UsageError, not_kept

_OBJECT, _HASH = "code.so", "sha256"
_COMMON = ("-std=gnu11", "-fPIC", "-shared", "-pipe", "-w")
FAST_FLAGS = ("-O0",)                   # half the speed of the search, a third of the time to compile
QUICK, QUICK_FLAGS = "tcc", ()          # the speed of -O0, a fiftieth of its time to compile
BETTER_FLAGS = ("-O1", "-fno-stack-protector")
RUNTIME_FLAGS = ("-O2", "-pthread")
STALE = 3600.0          # seconds after which what a crash left in a cache is removed
_ROOM = 1 << 20         # a file system with less of it has none
_NEW, _TRASH = "new-", "trash-"

Unkept = Callable[[str], None]      # gets the line about a cache that cannot be written


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


def quick_compiler() -> Compiler | None:
    """What translates generated code almost at once, if it is installed; none if the user has chosen a compiler."""
    command = None if os.environ.get("CC", "").strip() else _resolve(QUICK)
    if command is not None:
        with contextlib.suppress(UsageError):
            return Compiler(command, _version(command))
    return None


def unusable_cc() -> str:
    """What is wrong with $CC, where another compiler takes its place: `CC=icc not found`; '' if nothing is."""
    wanted = os.environ.get("CC", "")
    command = _resolve(wanted)
    if command is None:
        return f"CC={wanted} not found" if wanted.strip() else ""
    try:
        _version(command)
    except UsageError:
        return f"CC={wanted} does not run"
    return ""


def _resolve(name: str) -> tuple[str, ...] | None:
    try:
        words = shlex.split(name)
    except ValueError:                      # a quotation mark without the other
        return None
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


def load_model(
    compiler: Compiler, source: str, cache: Path, unkept: Unkept | None = None,
) -> tuple[ctypes.CDLL, bool]:
    """The compiled form of a generated file: optimised if the cache has it (True), else what compiles fastest."""
    better = _model(compiler, source, BETTER_FLAGS).cached(cache)
    if better is not None:
        return better, True
    quick = quick_compiler()
    if quick is not None and compiler == find_compiler(None):
        with contextlib.suppress(UsageError):       # what it cannot do, the other one can
            return _model(quick, source, QUICK_FLAGS).load(cache, unkept), False
    return _model(compiler, source, FAST_FLAGS).load(cache, unkept), False


def load_runtime(compiler: Compiler, words: int, cache: Path, unkept: Unkept | None = None) -> ctypes.CDLL:
    """The search code for states of that many words."""
    sources = runtime_sources()
    files = {name: text for name, text in sources.items() if name != "runtime.c"} | {"main.c": sources["runtime.c"]}
    return Build(compiler, files, (*RUNTIME_FLAGS, f"-DLQ_WORDS={words}")).load(cache, unkept)


def _model(compiler: Compiler, source: str, flags: tuple[str, ...]) -> Build:
    return Build(compiler, {"model.h": runtime_sources()["model.h"], "main.c": source}, flags)


@dataclass(frozen=True, slots=True)
class Build:
    """One shared object: its sources by file name (`main.c` is compiled), and the flags."""

    compiler: Compiler
    files: dict[str, str]
    flags: tuple[str, ...]

    def entry(self, cache: Path) -> Path:
        """Where the object is cached."""
        texts = (x for f in sorted(self.files.items()) for x in f)
        digest = hashlib.sha256()
        for part in (self.compiler.version, *self.compiler.command, *self.flags, *_COMMON, *texts):
            digest.update(len(part).to_bytes(8, "little") + part.encode())
        return cache / digest.hexdigest()

    def cached(self, cache: Path) -> ctypes.CDLL | None:
        """The object, if the cache has it."""
        entry = self.entry(cache)
        if _sound(entry):
            with contextlib.suppress(OSError):
                return ctypes.CDLL(str(entry / _OBJECT))
        return None

    def load(self, cache: Path, unkept: Unkept | None = None) -> ctypes.CDLL:
        """The object, built if need be."""
        try:
            _private(cache)
            found = self.cached(cache)
            if found is not None:
                return found
            with _folder(cache) as folder:
                _wait(self.start(folder), folder)
                return self.install(folder, cache)
        except (OSError, CompilerFailed) as error:
            found = self._load_once()       # what fails there too is not the fault of the cache
            _tell(unkept, cache, error)
            return found

    def _load_once(self) -> ctypes.CDLL:
        """Builds and loads without a cache."""
        try:
            with tempfile.TemporaryDirectory(prefix="lostirq-") as folder:
                _wait(self.start(Path(folder)), Path(folder))
                return ctypes.CDLL(str(Path(folder) / _OBJECT))
        except OSError as error:
            place = tempfile.gettempdir()
            raise UsageError(f"compiled code can be stored neither in the cache nor in {place}: {error}") from error
        except CompilerFailed as error:
            raise UsageError(f"{self.compiler.command[0]} failed: {error}") from error

    def start(self, folder: Path) -> subprocess.Popen[str]:
        """Starts the compiler in a folder of its own."""
        for name, text in self.files.items():
            (folder / name).write_text(text)
        command = [*self.compiler.command, *_COMMON, *self.flags, "-o", _OBJECT, "main.c"]
        return subprocess.Popen(
            command, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
            env={**os.environ, "TMPDIR": str(folder)},
        )

    def install(self, folder: Path, cache: Path) -> ctypes.CDLL:
        """Moves what was compiled in `folder` into the cache, unless another run was faster, and loads it."""
        entry = self.entry(cache)
        for name in self.files:
            (folder / name).unlink()
        (folder / _HASH).write_text(hashlib.sha256((folder / _OBJECT).read_bytes()).hexdigest() + "\n")
        if not _sound(entry):
            _discard(entry)
        try:
            folder.rename(entry)
        except OSError:
            if not _sound(entry):
                raise
        return ctypes.CDLL(str(entry / _OBJECT))


class Upgrade:
    """Compiles a generated file with optimisation while the search already runs on what compiled fastest."""

    def __init__(self, compiler: Compiler, source: str, cache: Path, unkept: Unkept | None = None) -> None:
        self._build, self._cache, self._unkept = _model(compiler, source, BETTER_FLAGS), cache, unkept
        self._stack = contextlib.ExitStack()
        self._running: subprocess.Popen[str] | None = None
        try:
            self._folder = self._stack.enter_context(_folder(cache))
            self._running = self._build.start(self._folder)
        except OSError as error:
            _tell(unkept, cache, error)

    def poll(self) -> ctypes.CDLL | None:
        """The object, once, as soon as it is there."""
        if self._running is None or self._running.poll() is None:
            return None
        running, self._running = self._running, None
        try:
            _wait(running, self._folder)
            return self._build.install(self._folder, self._cache)
        except CompilerFailed as error:
            if _full(self._cache):
                _tell(self._unkept, self._cache, error)
            elif self._unkept is not None:
                self._unkept(f"{self._build.compiler.command[0]} failed ({error}): the search goes on with slower code")
        except OSError as error:
            _tell(self._unkept, self._cache, error)
        return None                         # go on with what there is

    def close(self) -> None:
        running, self._running = self._running, None
        if running is not None:
            running.kill()
            running.wait()
            if running.stderr is not None:
                running.stderr.close()
        self._stack.close()


def _tell(unkept: Unkept | None, cache: Path, error: OSError | CompilerFailed) -> None:
    """Says that compiled code could not be kept."""
    if unkept is None:
        return
    if isinstance(error, CompilerFailed):
        error = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)) if _full(cache) else OSError(str(error))
    unkept(not_kept(cache, error))


def _full(cache: Path) -> bool:
    """A compiler does not tell a full disk in a way to rely on."""
    return shutil.disk_usage(cache).free < _ROOM


def _wait(running: subprocess.Popen[str], folder: Path) -> None:
    """Waits for the compiler that works in `folder`; raises CompilerFailed with the most telling line."""
    try:
        said = running.communicate()[1]
    except BaseException:
        running.kill()
        running.wait()
        raise
    if running.returncode:
        lines = said.strip().splitlines() or [f"exit code {running.returncode}"]
        raise CompilerFailed(next((x for x in lines if "error" in x), lines[0]))
    if not (folder / _OBJECT).exists():
        raise CompilerFailed("no error, but it produced nothing; is that a C compiler? ($CC)")
    if not _whole(folder / _OBJECT):
        raise CompilerFailed("no error, but what it produced is cut off: No space left on device")


def _whole(made: Path) -> bool:
    """Whether an ELF file (of 64 bits) has its end, the table of sections; tcc does not tell a full disk."""
    with made.open("rb") as f:
        head = f.read(64)
    if len(head) < 64 or head[:5] != b"\x7fELF\x02":
        return len(head) == 64
    order: Literal["little", "big"] = "little" if head[5] == 1 else "big"
    start, size, count = (int.from_bytes(head[a:b], order) for a, b in ((40, 48), (58, 60), (60, 62)))
    return start + size * count <= made.stat().st_size


@contextlib.contextmanager
def _folder(cache: Path) -> Iterator[Path]:
    """A folder in the cache to build in."""
    _clear(cache)
    folder = Path(tempfile.mkdtemp(prefix=_NEW, dir=cache))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _clear(cache: Path) -> None:
    """Removes what runs that were killed have left there."""
    with os.scandir(cache) as listed:
        for entry in listed:
            with contextlib.suppress(OSError):
                if entry.name.startswith((_NEW, _TRASH)) and entry.stat(follow_symlinks=False).st_mtime < (
                        time.time() - STALE):
                    shutil.rmtree(entry.path, ignore_errors=True)


def _private(cache: Path) -> None:
    """Makes sure that the cache exists, is ours, and is closed to others."""
    cache.mkdir(mode=0o700, parents=True, exist_ok=True)
    found = cache.stat()
    if found.st_uid != os.geteuid():
        raise PermissionError("it belongs to somebody else")
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
        trash = tempfile.mkdtemp(prefix=_TRASH, dir=entry.parent)
        with contextlib.suppress(OSError):
            entry.rename(Path(trash) / "entry")
        shutil.rmtree(trash, ignore_errors=True)
