# SPDX-License-Identifier: GPL-2.0-or-later
"""Run Rumur on an exported system and read what it printed.

Reference: `man rumur`.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

OPTIONS: dict[str, tuple[str, ...]] = {
    "default": (),
    "tuned": ("--pack-state", "off", "--scalarset-schedules", "off", "--counterexample-trace", "off"),
}
ALWAYS = ("--deadlock-detection", "off", "--symmetry-reduction", "off", "--threads", "1", "--quiet")


class RumurFailed(Exception):
    """Rumur, the compiler or the verifier did not finish; the text says which and what it printed."""


@dataclass(frozen=True, slots=True)
class RumurRun:
    """`rules`: rules fired, which is the number of transitions; `seconds`: wall time of the verifier alone."""

    states: int
    rules: int
    seconds: float
    compile_seconds: float


def available() -> str | None:
    """None if Rumur can run here, else why not."""
    for tool in ("rumur", "cc"):
        if shutil.which(tool) is None:
            return f"{tool} is not installed"
    return None


def _run(command: list[str], cwd: Path, seconds: float) -> str:
    try:
        done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, timeout=seconds, check=False)
    except subprocess.TimeoutExpired as late:
        raise RumurFailed(f"{command[0]}: no result within {seconds:.0f} s") from late
    if done.returncode != 0:
        raise RumurFailed(f"{' '.join(command)}: {done.stdout[-2000:]}{done.stderr[-2000:]}")
    return done.stdout


def run(text: str, options: tuple[str, ...] = (), *, set_bytes: int = 1 << 26, seconds: float = 600,
        level: str = "-O3") -> RumurRun:  # fmt: skip
    """Verify a Murphi text exhaustively.  `set_bytes`: the initial size of its set of states; `level`: of the C
    compiler's optimisation."""
    with tempfile.TemporaryDirectory(prefix="lostirq-rumur-") as name:
        folder = Path(name)
        (folder / "model.m").write_text(text)
        begin = time.perf_counter()
        size = ("--set-capacity", str(set_bytes))
        _run(["rumur", *ALWAYS, *size, *options, "-o", "model.c", "model.m"], folder, seconds)
        compiler = ["cc", "-mcx16", "-std=c11", level, "-march=native", "-w", "-o", "model", "model.c", "-lpthread"]
        _run(compiler, folder, seconds)
        compiled = time.perf_counter() - begin
        begin = time.perf_counter()
        output = _run(["./model"], folder, seconds)
        elapsed = time.perf_counter() - begin
    found = re.search(r"([\d,]+) states, ([\d,]+) rules fired", output)
    if found is None or "No error found" not in output:
        raise RumurFailed(output[-2000:])
    states, rules = (int(g.replace(",", "")) for g in found.groups())
    return RumurRun(states, rules, elapsed, compiled)
