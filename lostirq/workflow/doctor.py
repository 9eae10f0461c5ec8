# SPDX-License-Identifier: GPL-2.0-or-later
"""`lostirq doctor`: is everything here that a check needs, and what to do about what is not."""

from __future__ import annotations

import importlib.metadata
import os
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from lostirq.errors import LostirqError
from lostirq.explicit.build import find_compiler, quick_compiler, unusable_cc
from lostirq.workflow.cache import LIMIT, ResultCache
from lostirq.workflow.workspace import load, locate

_PROGRAM = "int main(void) { return 0; }\n"


@dataclass(frozen=True, slots=True)
class Finding:
    """`state`: ok | missing (a check works without it) | broken (it does not)."""

    what: str
    state: str
    said: str


def doctor(workspace: Path | None, cache: Path) -> list[Finding]:
    """Never raises; each finding says what to do."""
    version = ".".join(map(str, sys.version_info[:3]))
    found = [Finding("Python", "ok" if sys.version_info >= (3, 11) else "broken", version)]
    found += [_package(name) for name in ("networkx", "z3-solver")]
    found += [_package("bitwuzla", "`lostirq recheck` needs it, and so does `make check`"),
              _package("cvc5", "only for --solver cvc5")]
    found += [_compiler(), _cache(cache), _results(cache), _workspace(workspace), _machine()]
    found += [_tool("spin", "only to cross-check exported models")]
    return found


def available_memory() -> int | None:
    """Bytes that can be had without swapping, None if the system does not say."""
    try:
        with open("/proc/meminfo", encoding="ascii") as f:
            for line in f:
                if line.startswith("MemAvailable:"):
                    return int(line.split()[1]) * 1024
    except (OSError, ValueError):
        pass
    return None


def _package(name: str, why: str = "") -> Finding:
    """`why`: what is without it, if a check is not."""
    try:
        return Finding(name, "ok", importlib.metadata.version(name))
    except importlib.metadata.PackageNotFoundError:
        said = "not installed; run `make setup`, or pip install lostirq again"
        return Finding(name, "missing", f"{said}: {why}") if why else Finding(name, "broken", said)


def _compiler() -> Finding:
    compiler, wrong = find_compiler(None), unusable_cc()
    if compiler is None:
        return Finding("C compiler", "missing", f"{wrong or 'none ($CC, cc, gcc, clang)'}: searches take the slow "
                       "path, with the same results; apt install gcc")
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder) / "t.c"
        source.write_text(_PROGRAM, encoding="ascii")
        try:
            command = [*compiler.command, "-O2", "-o", str(Path(folder) / "t"), str(source)]
            done = subprocess.run(command, capture_output=True, timeout=60, check=False)
        except (OSError, subprocess.TimeoutExpired) as e:
            return Finding("C compiler", "broken", f"{compiler.version} cannot be run: {e}")
        produced = (Path(folder) / "t").exists()
    if done.returncode != 0 or not produced:
        silent = "no message" if done.returncode else "it produces nothing"
        cause = (done.stderr.decode(errors="replace").strip().splitlines() or [silent])[0]
        return Finding("C compiler", "broken", f"{compiler.version} fails: {cause}; apt install gcc libc6-dev")
    quick = quick_compiler()
    first = f"{quick.version} goes first" if quick is not None else ""
    if not os.environ.get("CC", "").strip() and quick is None:
        first = "without tcc, which translates at once (apt install tcc)"
    return Finding("C compiler", "ok", "; ".join(x for x in (compiler.version, first, wrong) if x))


def _cache(cache: Path) -> Finding:
    try:
        cache.mkdir(mode=0o700, parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=cache) as f:
            f.write(b"x")
    except OSError as e:
        return Finding("cache", "broken", f"{cache}: {e.strerror or e}; choose another with --cache-dir")
    free = shutil.disk_usage(cache).free >> 20
    if cache.stat().st_uid != os.geteuid():
        return Finding("cache", "broken", f"{cache} belongs to somebody else; choose another with --cache-dir")
    return Finding("cache", "ok" if free >= 64 else "broken", f"{cache}, {free} MiB free")


def _results(cache: Path) -> Finding:
    entries, size = ResultCache(cache / "results").size()
    return Finding("result cache", "ok", f"{entries} answers, {size >> 10} KiB of at most {LIMIT >> 20} MiB; "
                   "--no-result-cache searches anew")


def _workspace(given: Path | None) -> Finding:
    try:
        root = locate(given, Path.cwd())
        workspace = load(root)
    except LostirqError as e:
        return Finding("workspace", "broken", str(e).splitlines()[0])
    return Finding("workspace", "ok", f"{root}, {len(workspace.scenarios)} scenarios")


def _machine() -> Finding:
    memory = available_memory()
    said = "unknown memory" if memory is None else f"{memory >> 20} MiB available"
    state = "missing" if memory is not None and memory < 1 << 30 else "ok"
    return Finding("machine", state, f"{os.cpu_count() or 1} cores, {said}")


def _tool(name: str, why: str) -> Finding:
    path = shutil.which(name)
    return Finding(name, "ok", path) if path else Finding(name, "missing", f"not needed; {why}")
