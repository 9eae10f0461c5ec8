# SPDX-License-Identifier: GPL-2.0-or-later
"""Verdicts, traces and what a search reports: the objects that pass between engines, replay and reports.

Three values everywhere: `Holds`, `Violated`, `Unknown`.  A limit that was hit, a time-out, an interrupt is `Unknown`
with its reason, never success.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from lostirq.ir.system import RANGE as RANGE
from lostirq.ir.system import STUCK as STUCK


@dataclass(frozen=True, slots=True)
class Trace:
    """A choice sequence: `moves` are edge indices of the system with this `digest` (flushes included, numbered as in
    `lostirq.ir.tso`), from the initial state.  A lasso repeats `moves[loop:]` for ever; `loop` is None otherwise."""

    scenario: str
    memory: str
    digest: str
    property: str
    moves: tuple[int, ...]
    loop: int | None = None
    minimal: bool = True      # shortest, then fewest context switches, then least by edge number


@dataclass(frozen=True, slots=True)
class Holds:
    """`evidence`: what was exhausted or proved, in words."""

    evidence: str = ""


@dataclass(frozen=True, slots=True)
class Violated:
    trace: Trace


@dataclass(frozen=True, slots=True)
class Unknown:
    """`reason`: e.g. "memory", "timeout", "interrupted", "states", "not reached"."""

    reason: str


Verdict = Holds | Violated | Unknown


@dataclass(frozen=True, slots=True)
class Reductions:
    """Optional reductions; all keep verdicts and shortest lengths.  With all off, counts equal the interpreter's.
    `symmetry`: None uses it where it is sound; True insists, and is refused (UsageError) where it is not."""

    dead: bool = True           # clear variables that are dead at a location
    symmetry: bool | None = None    # sort the local states of interchangeable processes
    key: bool = True            # share and compress bits of the key; no effect on counts

    @staticmethod
    def none() -> Reductions:
        return Reductions(False, False, False)


@dataclass(frozen=True, slots=True)
class Progress:
    states: int
    depth: int
    frontier: int
    seconds: float
    bytes: int


@dataclass(frozen=True, slots=True)
class SearchOptions:
    """What a search may use.  `properties`: keys to check (None: all of the system).  `stop_early`: stop as soon as
    every checked property is decided (violated, or for a witness: reached); `stop_first`: as soon as an invariant or a
    step property is violated, at the end of its level.  `compiler`: path or name of a C compiler, "" for none."""

    properties: tuple[str, ...] | None = None
    threads: int = 1
    max_states: int | None = None
    memory_bytes: int | None = None
    seconds: float | None = None
    until: float | None = None        # on the monotonic clock: when the time of the whole command is up
    stop_early: bool = False
    stop_first: bool = False
    liveness: bool = True
    reductions: Reductions = Reductions()
    compiler: str | None = None       # None: find one ($CC, cc, gcc, clang)
    progress: Callable[[Progress], None] | None = None
    max_depth: int | None = None      # bounded search: the most steps of a run
    rlimit: int | None = None         # bounded search: resource count of Z3 for one question (None: its default)
    unkept: Callable[[str], None] | None = None     # gets a line where compiled code cannot be kept


@dataclass(frozen=True, slots=True)
class SearchResult:
    """`verdicts` by property key; for a REACHABLE witness `Violated` never occurs: `Holds` with its trace in
    `witnesses`, or `Unknown("not reached")`.  `transitions` counts pairs (state, enabled edge)."""

    engine: str
    verdicts: dict[str, Verdict]
    witnesses: dict[str, Trace] = field(default_factory=dict)
    states: int = 0
    transitions: int = 0
    depth: int = 0
    complete: bool = False
    reason: str = ""                  # why not complete
    seconds: float = 0.0              # in all: code generation, compilation, search, traces
    compile_seconds: float = 0.0      # of it in the C compiler
    search_seconds: float = 0.0       # of it searching, traces and liveness included
    bits: int = 0                     # bits of a packed state
    words: int = 0                    # 64-bit words of a packed state
    peak_bytes: int = 0
    cached: bool = False              # answered from the result cache
