# SPDX-License-Identifier: GPL-2.0-or-later
"""Measure the compiled engine side by side with SPIN and Rumur on the same systems, in one run.

    python -m benchmarks.run                      the toys of benchmarks/models and the quick scenarios of the checkout
    python -m benchmarks.run --only pi_large      one scenario
    python -m benchmarks.run --tier standard      other scenarios of the checkout

The comparison is on the flat system with all optional reductions off and no properties, in every tool.  Counts of
states and transitions are compared first: a row whose counts differ is an error, and no time is printed for it.
Seconds are those of the search (of the whole verifier process for SPIN and Rumur, whose start-up is some hundredths);
generation and compilation of code are left out.  The reduced search, with all properties, is what `lostirq check`
does; it has its own columns.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

from benchmarks import rumur, spin
from lostirq.errors import UsageError
from lostirq.evidence.verdict import Reductions, SearchOptions, SearchResult
from lostirq.explicit.search import check
from lostirq.ir.system import System
from lostirq.ir.tso import lower
from lostirq.language import compile_scenario, load_workspace
from lostirq.report.murphi import murphi
from lostirq.report.promela import promela

ROOT = Path(__file__).resolve().parent.parent
LIMIT_BYTES = 3 << 30


@dataclass(frozen=True, slots=True)
class Other:
    """Another tool's run: `seconds` None if it did not finish, `note` why, or which options were the fastest."""

    seconds: float | None
    note: str
    bytes_per_state: float = 0.0


@dataclass(frozen=True, slots=True)
class Row:
    """One scenario under one memory model.  `rate`: states per second; `complete`: the search without reductions was,
    so that there is a comparison; `reduced_*`: with the default reductions and all properties."""

    scenario: str
    memory: str
    complete: bool
    states: int
    transitions: int
    bits: int
    words: int
    bytes_per_state: float
    seconds: float
    rate: float
    compile_seconds: float
    spin: Other
    rumur: Other
    reduced_states: int
    reduced_bits: int
    reduced_seconds: float
    reduced_rate: float
    reduced_bytes_per_state: float


class CountsDiffer(Exception):
    """Two tools disagree on the same system: one of them, or an export, is wrong."""


@dataclass(frozen=True, slots=True)
class Limits:
    """`repeat`: searches per row; `most`: states of a comparison; `seconds`: of one run of another tool."""

    repeat: int
    most: int
    seconds: float


def plain(system: System, limits: Limits) -> SearchResult:
    """The fastest of several searches without optional reductions and properties; the first if it is incomplete."""
    options = SearchOptions(properties=(), reductions=Reductions.none(), liveness=False, memory_bytes=LIMIT_BYTES,
                            max_states=limits.most)  # fmt: skip
    first = check(system, options)
    again = [check(system, options) for _ in range(limits.repeat - 1)] if first.complete else []
    return min((first, *again), key=lambda r: r.search_seconds)


def _compare(tool: str, result: SearchResult, states: int, transitions: int) -> None:
    if (states, transitions) != (result.states, result.transitions):
        raise CountsDiffer(f"{tool} has {states} states, {transitions} transitions; "
                           f"{result.engine} {result.states}, {result.transitions}")  # fmt: skip


def fastest(runs: Iterator[tuple[str, Callable[[], tuple[float, float]]]], failures: type[Exception]) -> Other:
    """The best of several settings of another tool; each gives (seconds, bytes per state)."""
    best, notes = Other(None, ""), []
    for label, run in runs:
        try:
            seconds, per_state = run()
        except (failures, UsageError) as failure:
            notes.append(f"{label}: {str(failure).splitlines()[0][:80]}")
            continue
        if best.seconds is None or seconds < best.seconds:
            best = Other(seconds, label, per_state)
    return best if best.seconds is not None else Other(None, "; ".join(notes))


def with_spin(system: System, result: SearchResult, seconds: float) -> Other:
    missing = spin.available()
    if missing:
        return Other(None, missing)
    table = max(16, result.states.bit_length())

    def one(setting: spin.Setting) -> tuple[float, float]:
        got = spin.run(promela(system, **dict(setting.form)), setting.options, table_bits=table,
                       depth=max(10_000, result.states + 1), memory_mb=LIMIT_BYTES >> 20, seconds=seconds)  # fmt: skip
        _compare("SPIN", result, got.states, got.transitions)
        return got.seconds, got.peak_bytes / got.states

    return fastest(((k, partial(one, s)) for k, s in spin.SAFE.items()), spin.SpinFailed)


def with_rumur(system: System, result: SearchResult, seconds: float) -> Other:
    missing = rumur.available()
    if missing:
        return Other(None, missing)

    def one(options: tuple[str, ...]) -> tuple[float, float]:
        got = rumur.run(murphi(system), options, set_bytes=32 << max(16, result.states.bit_length()), seconds=seconds)
        _compare("Rumur", result, got.states, got.rules)
        return got.seconds, 0.0

    return fastest(((k, partial(one, o)) for k, o in rumur.OPTIONS.items()), rumur.RumurFailed)


def measure(system: System, limits: Limits, others: bool) -> Row:
    """One row; without a comparison if the system is too large for one."""
    flat = lower(system)
    result = plain(flat, limits)
    reduced = check(system, SearchOptions(memory_bytes=LIMIT_BYTES, liveness=False))
    skipped = Other(None, "not asked for")
    if not result.complete:
        skipped = Other(None, f"not compared: without reductions not exhausted ({result.reason})")
        others = False
    return Row(
        system.name, system.memory.value, result.complete, result.states, result.transitions, result.bits,
        result.words, result.peak_bytes / result.states, result.search_seconds,
        result.states / max(result.search_seconds, 1e-9),
        result.compile_seconds, with_spin(flat, result, limits.seconds) if others else skipped,
        with_rumur(flat, result, limits.seconds) if others else skipped, reduced.states, reduced.bits,
        reduced.search_seconds, reduced.states / max(reduced.search_seconds, 1e-9),
        reduced.peak_bytes / max(reduced.states, 1),
    )  # fmt: skip


def systems(tier: str, only: list[str]) -> Iterator[System]:
    for folder in (ROOT / "benchmarks" / "models", ROOT):
        workspace = load_workspace(folder)
        for name, scenario in workspace.scenarios.items():
            wanted = name in only if only else folder != ROOT or scenario.tier == tier
            for memory in scenario.memory if wanted else ():
                yield compile_scenario(workspace, name, memory)


def ratio(other: Other, seconds: float) -> str:
    return f"{other.seconds / max(seconds, 1e-9):.1f}x" if other.seconds is not None else "-"


HEAD = ("scenario", "mem", "states", "transitions", "bits", "B/state", "s", "M/s", "SPIN s", "ratio", "B/state",
        "Rumur s", "ratio", "reduced", "bits", "B/state", "s", "M/s")  # fmt: skip


def cells(r: Row) -> tuple[str, ...]:
    return (
        r.scenario, r.memory, f"{'' if r.complete else '>'}{r.states:,}", f"{r.transitions:,}", str(r.bits),
        f"{r.bytes_per_state:.0f}", f"{r.seconds:.3f}", f"{r.rate / 1e6:.2f}",
        f"{r.spin.seconds:.2f}" if r.spin.seconds is not None else "-", ratio(r.spin, r.seconds),
        f"{r.spin.bytes_per_state:.0f}" if r.spin.seconds is not None else "-",
        f"{r.rumur.seconds:.2f}" if r.rumur.seconds is not None else "-", ratio(r.rumur, r.seconds),
        f"{r.reduced_states:,}", str(r.reduced_bits), f"{r.reduced_bytes_per_state:.0f}", f"{r.reduced_seconds:.3f}",
        f"{r.reduced_rate / 1e6:.2f}",
    )  # fmt: skip


def table(rows: list[Row]) -> str:
    """The rows as a table of fixed width, and what was compared with."""
    lines = [HEAD, *(cells(r) for r in rows)]
    widths = [max(len(line[i]) for line in lines) for i in range(len(HEAD))]
    out = ["  ".join(c.ljust(w) if i < 2 else c.rjust(w) for i, (c, w) in enumerate(zip(line, widths, strict=True)))
           for line in lines]  # fmt: skip
    out += [f"{r.scenario} {r.memory}: SPIN: {r.spin.note}; Rumur: {r.rumur.note}" for r in rows]
    return "\n".join(out)


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tier", default="quick", help="tier of the checkout's scenarios (default: quick)")
    parser.add_argument("--only", action="append", default=[], metavar="SCENARIO", help="only these scenarios")
    parser.add_argument("--repeat", type=int, default=3, help="searches per row, the fastest counts (default: 3)")
    parser.add_argument("--seconds", type=float, default=120, help="time limit of one run of another tool")
    parser.add_argument("--most", type=int, default=20_000_000, help="states up to which tools are compared")
    parser.add_argument("--alone", action="store_true", help="without SPIN and Rumur")
    parser.add_argument("--json", action="store_true", help="print the rows as JSON")
    given = parser.parse_args(arguments)
    rows: list[Row] = []
    try:
        for system in systems(given.tier, given.only):
            rows.append(measure(system, Limits(given.repeat, given.most, given.seconds), not given.alone))
            print(table(rows[-1:]), file=sys.stderr, flush=True)
    except CountsDiffer as wrong:
        print(f"counts differ: {wrong}", file=sys.stderr)
        return 1
    print(json.dumps([asdict(r) for r in rows], indent=2) if given.json else table(rows))
    return 0


if __name__ == "__main__":
    sys.exit(main())
