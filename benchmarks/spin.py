# SPDX-License-Identifier: GPL-2.0-or-later
"""Run SPIN on an exported system and read what it printed.

Only safe settings: full state storage, no bitstate, no hash compaction, no partial-order reduction (it would change the
counts), no merging of statements.  A run that ran out of memory or depth is an error, not a result.

Reference: `man spin`; Holzmann 2003, "The SPIN Model Checker", chapter 19 (options of the verifier).
"""

from __future__ import annotations

import re
import shutil
import subprocess
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Setting:
    """Compiler options, and switches of the export.  Each keeps all states and all counts."""

    options: tuple[str, ...] = ()
    form: tuple[tuple[str, bool], ...] = ()


SAFE: dict[str, Setting] = {
    "depth-first": Setting(),
    "breadth-first": Setting(("-DBFS",)),
    "depth-first, bytes": Setting(form=(("packed", False),)),
    "depth-first, one loop": Setting(form=(("processes", False),)),
}
ALWAYS = ("-w", "-DSAFETY", "-DNOREDUCE", "-DNOBOUNDCHECK")
GENERATE = ("-o1", "-o2", "-o3", "-a")


class SpinFailed(Exception):
    """SPIN, the compiler or the verifier did not finish; the text says which and what it printed."""


@dataclass(frozen=True, slots=True)
class SpinRun:
    """`transitions` without the initial state, which SPIN counts as one; `seconds` wall time of the verifier alone."""

    states: int
    transitions: int
    vector_bytes: int
    depth: int
    errors: int
    seconds: float
    compile_seconds: float
    peak_bytes: int


def available() -> str | None:
    """None if SPIN can run here, else why not."""
    for tool in ("spin", "cc"):
        if shutil.which(tool) is None:
            return f"{tool} is not installed"
    return None


def _run(command: list[str], cwd: Path, seconds: float) -> str:
    try:
        done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, timeout=seconds, check=False)
    except subprocess.TimeoutExpired as late:
        raise SpinFailed(f"{command[0]}: no result within {seconds:.0f} s") from late
    if done.returncode != 0:
        raise SpinFailed(f"{' '.join(command)}: {done.stdout[-2000:]}{done.stderr[-2000:]}")
    return done.stdout


def _number(pattern: str, text: str) -> float:
    found = re.search(pattern, text)
    if found is None:
        raise SpinFailed(f"the verifier printed no {pattern!r}: {text[-2000:]}")
    return float(found.group(1))


def run(text: str, options: tuple[str, ...] = (), *, table_bits: int = 22, depth: int = 10_000_000,
        memory_mb: int = 3000, seconds: float = 600, level: str = "-O3") -> SpinRun:  # fmt: skip
    """Verify a Promela text exhaustively.  `table_bits`: SPIN's -w (slots of its hash table), which should be near the
    number of states for a fair comparison; `depth`: longest path of its depth-first search; `level`: of the C
    compiler's optimisation."""
    with tempfile.TemporaryDirectory(prefix="lostirq-spin-") as name:
        folder = Path(name)
        (folder / "model.pml").write_text(text)
        begin = time.perf_counter()
        _run(["spin", *GENERATE, "model.pml"], folder, seconds)
        _run(["cc", level, *ALWAYS, f"-DMEMLIM={memory_mb}", *options, "-o", "pan", "pan.c"], folder, seconds)
        compiled = time.perf_counter() - begin
        arguments = ["./pan", "-E", "-n", f"-w{table_bits}"]
        if "-DBFS" not in options:
            arguments.append(f"-m{depth}")
        begin = time.perf_counter()
        output = _run(arguments, folder, seconds)
        elapsed = time.perf_counter() - begin
    for trouble in ("out of memory", "max search depth too small", "Search not completed", "search depth exceeded"):
        if trouble in output:
            raise SpinFailed(f"{trouble}: {output[-1000:]}")
    usage = _number(r"([\d.]+)\s+total actual memory usage", output)
    return SpinRun(
        states=int(_number(r"(\d+) states, stored", output)),
        transitions=int(_number(r"(\d+) transitions", output)) - 1,
        vector_bytes=int(_number(r"State-vector (\d+) byte", output)),
        depth=int(_number(r"depth reached (\d+)", output)),
        errors=int(_number(r"errors: (\d+)", output)),
        seconds=elapsed,
        compile_seconds=compiled,
        peak_bytes=int(usage * (1 << 20)),
    )

