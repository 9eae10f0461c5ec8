# SPDX-License-Identifier: GPL-2.0-or-later
"""The compiled engine: loads generated and fixed code through ctypes and runs the search on a helper thread.

The calling thread stays in Python, so that it can show progress, watch the clock and take a Ctrl-C; it stops the C code
by a flag that the C code looks at between chunks of states.
"""

from __future__ import annotations

import ctypes
import threading
import time
from collections.abc import Callable
from pathlib import Path

from lostirq.evidence.verdict import Progress, SearchOptions
from lostirq.explicit.build import Compiler, load_model, load_runtime
from lostirq.explicit.outcome import Outcome, available_bytes, wanted_checks
from lostirq.explicit.plan import Plan

_NEVER = 0xFFFFFFFF
_REASONS = {0: "", 1: "interrupted", 2: "states", 3: "memory", 4: "stopped early"}
_TICK = 0.1         # seconds between two looks at the clock


class _Search(ctypes.Structure):
    """struct lq_search of runtime/runtime.h."""

    _fields_ = [
        ("model", ctypes.c_void_p), ("max_states", ctypes.c_uint64), ("max_bytes", ctypes.c_uint64),
        ("threads", ctypes.c_uint32), ("stop_early", ctypes.c_uint32), ("wanted", ctypes.c_void_p),
        ("status", ctypes.c_int32), ("levels", ctypes.c_uint32), ("states", ctypes.c_uint64),
        ("transitions", ctypes.c_uint64), ("frontier", ctypes.c_uint64), ("bytes", ctypes.c_uint64),
        ("peak_bytes", ctypes.c_uint64), ("first", ctypes.c_void_p), ("open", ctypes.c_void_p),
        ("stop", ctypes.c_int32), ("trouble", ctypes.c_int32), ("private", ctypes.c_uint64 * 16),
    ]


class Native:
    """One compiled system."""

    def __init__(self, plan: Plan, source: str, compiler: Compiler, cache: Path) -> None:
        self.plan = plan
        self._model = load_model(compiler, source, cache)
        self._runtime = load_runtime(compiler, plan.layout.words, cache)
        self._runtime.lq_run.argtypes = [ctypes.POINTER(_Search)]
        self._runtime.lq_close.argtypes = [ctypes.POINTER(_Search)]
        self._runtime.lq_mark.argtypes = [ctypes.POINTER(_Search), ctypes.c_void_p, ctypes.c_uint32]
        self._runtime.lq_mark.restype = ctypes.c_void_p
        self._runtime.lq_unmark.argtypes = [ctypes.c_void_p]
        self._runtime.lq_trace.argtypes = [ctypes.POINTER(_Search), ctypes.c_void_p, ctypes.c_uint32, ctypes.c_void_p]

    def run(self, options: SearchOptions, started: float) -> Outcome:
        """Explores, and finds the best trace of everything that was hit."""
        plan = self.plan
        wanted = wanted_checks(plan, options)
        first = (ctypes.c_uint32 * plan.count)(*[_NEVER] * plan.count)
        quiet = set(plan.goals.values()) | {plan.numbers[k] for k in plan.goals}
        opened = [sum(1 << i for i in range(64) if 64 * k + i < plan.count and 64 * k + i not in quiet)
                  for k in range(plan.count // 64 + 1)]
        open_bits = (ctypes.c_uint64 * len(opened))(*opened)
        flags = (ctypes.c_uint8 * plan.count)(*[i in wanted for i in range(plan.count)])
        s = _Search(
            model=ctypes.addressof(ctypes.c_char.in_dll(self._model, "lq_the_model")),
            max_states=options.max_states or 0, max_bytes=options.memory_bytes or available_bytes(),
            threads=max(1, options.threads), stop_early=bool(options.stop_early and wanted),
            wanted=ctypes.addressof(flags), first=ctypes.addressof(first), open=ctypes.addressof(open_bits),
        )
        found = Outcome("c")
        try:
            reason, failed = self._watch(s, lambda: self._runtime.lq_run(ctypes.byref(s)), options, started)
            found.reason = "memory" if failed else reason or _REASONS[s.status]
            found.states = min(s.states, options.max_states or s.states)
            found.transitions, found.depth, found.peak_bytes = s.transitions, max(0, s.levels - 1), s.peak_bytes
            found.first = {c: level for c, level in enumerate(first) if level != _NEVER}
            self._traces(s, found, started)
        finally:
            self._runtime.lq_close(ctypes.byref(s))
        return found

    def _traces(self, s: _Search, found: Outcome, started: float) -> None:
        patient = SearchOptions()
        numbers = sorted(found.first)
        for at in range(0, len(numbers), 64):
            some = numbers[at:at + 64]
            checks = (ctypes.c_uint32 * len(some))(*some)
            marks: list[int | None] = []

            def mark(c: ctypes.Array[ctypes.c_uint32] = checks, into: list[int | None] = marks) -> int:
                into.append(self._runtime.lq_mark(ctypes.byref(s), ctypes.addressof(c), len(c)))
                return 0

            s.stop = 0
            self._watch(s, mark, patient, started)
            if not marks or not marks[0]:
                return
            try:
                for which, number in enumerate(some):
                    moves = (ctypes.c_int32 * (found.first[number] + 1))()
                    length: list[int] = []

                    def trace(w: int = which, m: ctypes.Array[ctypes.c_int32] = moves, into: list[int] = length) -> int:
                        into.append(self._runtime.lq_trace(ctypes.byref(s), marks[0], w, ctypes.addressof(m)))
                        return 0

                    self._watch(s, trace, patient, started)
                    if length[0] >= 0:
                        found.traces[number] = tuple(moves[:length[0]])
            finally:
                self._runtime.lq_unmark(marks[0])

    def _watch(self, s: _Search, work: Callable[[], int], options: SearchOptions, started: float) -> tuple[str, int]:
        """Runs `work` on a helper thread; the reason for which it was stopped, and its result."""
        done = threading.Event()
        results: list[int] = []

        def body() -> None:
            try:
                results.append(work())
            finally:
                done.set()

        thread = threading.Thread(target=body, name="lostirq-search", daemon=True)
        thread.start()
        reason = ""
        while True:
            try:
                if done.wait(_TICK):
                    break
                seconds = time.monotonic() - started
                if options.seconds is not None and seconds > options.seconds and not reason:
                    reason = "timeout"
                    s.stop = 1
                if options.progress is not None:
                    options.progress(Progress(s.states, s.levels, s.frontier, seconds, s.bytes))
            except KeyboardInterrupt:
                reason = reason or "interrupted"
                s.stop = 1
        thread.join()
        return reason if s.stop else "", results[0] if results else -1
