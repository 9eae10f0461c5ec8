# SPDX-License-Identifier: GPL-2.0-or-later
"""The compiled engine: loads generated and fixed code through ctypes and runs the search on a helper thread.

The calling thread stays in Python, so that it can show progress, watch the clock and take a Ctrl-C; it stops the C code
by a flag that the C code looks at between chunks of states.
"""

from __future__ import annotations

import ctypes
import threading
import time
from collections.abc import Callable, Iterable
from pathlib import Path

from lostirq.evidence.verdict import RANGE, Progress, SearchOptions
from lostirq.explicit.build import Compiler, Unkept, Upgrade, load_model, load_runtime
from lostirq.explicit.outcome import Outcome, available_bytes, wanted_checks
from lostirq.explicit.plan import Plan
from lostirq.ir.system import Edge, Fair, FairClass, fairness_class

_NEVER = 0xFFFFFFFF
_REASONS = {0: "", 1: "interrupted", 2: "states", 3: "memory", 4: "stopped early"}
_CLASSES = 64           # of each kind, for runtime/live.h
_PATIENCE = 1.0     # seconds after which it pays to optimise the generated code
_PATIENT = SearchOptions()
_TICK = 0.1         # seconds between two looks at the clock


class _Labels(ctypes.Structure):
    """lq_labels of runtime/live.h."""

    _fields_ = [("count", ctypes.c_uint32), ("trigger", ctypes.c_uint32 * 8), ("goal", ctypes.c_uint32 * 8)]


class _Search(ctypes.Structure):
    """struct lq_search of runtime/runtime.h."""

    _fields_ = [
        ("model", ctypes.c_void_p), ("max_states", ctypes.c_uint64), ("max_bytes", ctypes.c_uint64),
        ("threads", ctypes.c_uint32), ("stop_early", ctypes.c_uint32), ("wanted", ctypes.c_void_p),
        ("status", ctypes.c_int32), ("levels", ctypes.c_uint32), ("states", ctypes.c_uint64),
        ("transitions", ctypes.c_uint64), ("frontier", ctypes.c_uint64), ("bytes", ctypes.c_uint64),
        ("peak_bytes", ctypes.c_uint64), ("first", ctypes.c_void_p), ("open", ctypes.c_void_p),
        ("stop", ctypes.c_int32), ("padding", ctypes.c_int32), ("private", ctypes.c_uint64 * 16),
    ]


_PROTOTYPES: dict[str, tuple[object, str]] = {
    "lq_run": (ctypes.c_int, "s"), "lq_close": (None, "s"), "lq_mark": (ctypes.c_void_p, "spu"),
    "lq_mark_state": (ctypes.c_void_p, "sq"), "lq_unmark": (None, "p"), "lq_level": (ctypes.c_uint32, "pu"),
    "lq_trace": (ctypes.c_int32, "spup"), "lq_graph_open": (ctypes.c_void_p, "spup"), "lq_graph_close": (None, "p"),
    "lq_graph_label": (ctypes.c_int, "pp"), "lq_recurrence": (ctypes.c_int, "pu"), "lq_loop": (ctypes.c_int64, "pup"),
    "lq_start": (ctypes.c_uint64, "p"), "lq_free": (None, "p"),
}
_LETTERS = {
    "s": ctypes.POINTER(_Search), "p": ctypes.c_void_p, "u": ctypes.c_uint32, "q": ctypes.c_uint64,
}


def _early(options: SearchOptions) -> int:
    """enum lq_early of runtime/runtime.h."""
    return 2 if options.stop_first else int(options.stop_early)


def _declare(library: ctypes.CDLL) -> None:
    """Types of results and arguments."""
    for name, (result, arguments) in _PROTOTYPES.items():
        function = getattr(library, name)
        function.restype, function.argtypes = result, [_LETTERS[letter] for letter in arguments]


def _address(model: ctypes.CDLL) -> int:
    return ctypes.addressof(ctypes.c_char.in_dll(model, "lq_the_model"))


def _number_classes(edges: Iterable[Edge], out: ctypes.Array[ctypes.c_uint8]) -> bool:
    """Writes the number of the fairness class of each edge, as runtime/live.h has it; true if there are too many."""
    numbers: dict[Fair, dict[FairClass, int]] = {Fair.WEAK: {}, Fair.STRONG: {}}
    for e in edges:
        kind = fairness_class(e)
        if kind is not None:
            known = numbers[kind[0]]
            number = known.setdefault(kind, len(known))
            if number >= _CLASSES:
                return True
            out[e.index] = 1 + number + (_CLASSES if e.fair is Fair.STRONG else 0)
    return False


class Native:
    """One compiled system."""

    def __init__(self, plan: Plan, source: str, compiler: Compiler, cache: Path, unkept: Unkept | None = None) -> None:
        self.plan, self._source, self._compiler, self._cache = plan, source, compiler, cache
        self._unkept = unkept
        model, self._best = load_model(compiler, source, cache, unkept)
        self._loaded = [model]
        self._upgrade: Upgrade | None = None
        self._stopped = ""
        self._runtime = load_runtime(compiler, plan.layout.words, cache, unkept)
        _declare(self._runtime)

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
            model=_address(self._loaded[-1]),
            max_states=options.max_states or 0, max_bytes=options.memory_bytes or available_bytes(),
            threads=max(1, options.threads), stop_early=_early(options) if wanted else 0,
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
            if plan.goals and not found.reason:
                self._lassos(s, found, options, started)
                found.peak_bytes = s.peak_bytes
        finally:
            self._runtime.lq_close(ctypes.byref(s))
        return found

    def _traces(self, s: _Search, found: Outcome, started: float) -> None:
        numbers = sorted(found.first)
        for at in range(0, len(numbers), 64):
            some = numbers[at:at + 64]
            checks = (ctypes.c_uint32 * len(some))(*some)
            marks = self._call(s, started, self._runtime.lq_mark, ctypes.addressof(checks), len(some))
            if not marks:
                return
            try:
                for which, number in enumerate(some):
                    moves = self._trace(s, started, marks, which)
                    if moves is not None:
                        found.traces[number] = moves
            finally:
                self._runtime.lq_unmark(marks)

    def _trace(self, s: _Search, started: float, marks: int, which: int) -> tuple[int, ...] | None:
        moves = (ctypes.c_int32 * (self._runtime.lq_level(marks, which) + 1))()
        length = self._call(s, started, self._runtime.lq_trace, marks, which, ctypes.addressof(moves))
        return tuple(moves[:length]) if length >= 0 else None

    # -- liveness -------------------------------------------------------------------------------------------------

    def _lassos(self, s: _Search, found: Outcome, options: SearchOptions, started: float) -> None:
        """Judges every recurrence on the complete graph; what cannot be judged goes to `undecided`."""
        plan, lib = self.plan, self._runtime
        size = 1 + max((e.index for e in plan.system.edges), default=0)
        fair = (ctypes.c_uint8 * size)()
        if _number_classes(plan.system.edges, fair):
            found.undecided = dict.fromkeys(plan.goals, f"more than {_CLASSES} fairness classes")
            return
        limit = SearchOptions(seconds=options.seconds)
        found.undecided = dict.fromkeys(plan.goals, "memory")
        keys = list(plan.goals)
        batches = [keys[at:at + 8] for at in range(0, len(keys), 8)]
        labels = [_Labels(len(b), (*map(plan.numbers.get, b),), (*map(plan.goals.get, b),)) for b in batches]
        asked = ctypes.addressof(fair), plan.numbers[RANGE], ctypes.addressof(labels[0])
        graph = self._call(s, started, lib.lq_graph_open, *asked, limit=limit)
        try:
            for batch, label in zip(batches if graph else [], labels, strict=False):
                again = ctypes.addressof(label)
                if batch is not batches[0] and self._call(
                        s, started, lib.lq_graph_label, again, graph=graph, limit=limit):
                    break
                for which, key in enumerate(batch):
                    if self._stopped:
                        break
                    self._lasso(s, graph, which, key, found, limit, started)
        finally:
            if graph:
                lib.lq_graph_close(graph)
        if self._stopped:
            found.undecided.update((k, self._stopped) for k in plan.goals if k not in found.lassos)

    def _lasso(
        self, s: _Search, graph: int, which: int, key: str, found: Outcome, limit: SearchOptions, started: float,
    ) -> None:
        """Judges one recurrence.  A violation, once found, is written out without regard to the time."""
        lib = self._runtime
        result = self._call(s, started, lib.lq_recurrence, which, graph=graph, limit=limit)
        if result == 0:
            found.lassos[key] = None
        if result != 1:
            return
        moves = ctypes.c_void_p()
        length = self._call(s, started, lib.lq_loop, which, ctypes.byref(moves), graph=graph)
        marks = self._call(s, started, lib.lq_mark_state, lib.lq_start(graph)) if length >= 0 else None
        stem = self._trace(s, started, marks, 0) if marks else None
        if stem is not None:
            loop = (ctypes.c_int32 * length).from_address(moves.value) if moves.value and length else ()
            found.lassos[key] = stem, tuple(loop)
        if marks:
            lib.lq_unmark(marks)
        lib.lq_free(moves)

    # -- running --------------------------------------------------------------------------------------------------

    def _call(
        self, s: _Search, started: float, function: Callable[..., int], *args: object, graph: int | None = None,
        limit: SearchOptions = _PATIENT,
    ) -> int:
        """A call on the search or on its graph; without limits, unless `limit` says otherwise, but with Ctrl-C.  What
        is undone because it was stopped is a failure; `_stopped` then says why."""
        s.stop = 0
        results: list[int] = []

        def work() -> int:
            results.append(function(ctypes.byref(s) if graph is None else graph, *args))
            return 0

        self._stopped = self._watch(s, work, limit, started)[0]
        return results[0] if results else -1

    def _improve(self, s: _Search) -> None:
        """Optimises the code of a search that takes long, and lets it use the result from its next round on."""
        if self._best:
            return
        if self._upgrade is None:
            self._upgrade = Upgrade(self._compiler, self._source, self._cache, self._unkept)
        better = self._upgrade.poll()
        if better is not None:
            self._loaded.append(better)
            self._best = True
            s.model = _address(better)

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
        begun = time.monotonic()
        while True:
            try:
                if done.wait(_TICK):
                    break
                seconds = time.monotonic() - started
                if time.monotonic() - begun > _PATIENCE:
                    self._improve(s)
                if options.seconds is not None and seconds > options.seconds and not reason:
                    reason = "timeout"
                    s.stop = 1
                if options.progress is not None:
                    options.progress(Progress(s.states, s.levels, s.frontier, seconds, s.bytes))
            except KeyboardInterrupt:
                reason = reason or "interrupted"
                s.stop = 1
        thread.join()
        if self._upgrade is not None:
            self._upgrade.close()
        return reason if s.stop else "", results[0] if results else -1
