# SPDX-License-Identifier: GPL-2.0-or-later
"""Run independent jobs in parallel processes, each in a fork of this one.

Invariants: every job yields exactly one `Done`, whatever happens to its process; on Ctrl-C (or when the time is up)
the jobs that run are interrupted once and may still report what they reached, those that wait are reported as not
started; no process outlives this one (each watches a pipe that only the parent holds open).
"""

from __future__ import annotations

import gc
import multiprocessing
import os
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from multiprocessing.context import ForkContext, ForkProcess
from typing import Generic, TypeVar

from lostirq.errors import LostirqError, UsageError
from lostirq.evidence.verdict import Progress
from lostirq.workflow.outcome import Outcome

J = TypeVar("J")
R = TypeVar("R")

GRACE = 10.0            # seconds that an interrupted job has to report
OVERTIME = 5.0          # seconds that a job whose own time is up has to end by itself
_REPORT_EVERY = 0.2     # seconds between two progress reports of one job
_YOUNG = 100_000        # objects that a job makes before it looks for cycles: 20 % of the front end's time with 700


@dataclass(frozen=True, slots=True)
class Failure:
    """A job without a result: an error to show, or `reason` why it was not decided."""

    outcome: Outcome
    message: str
    details: str = ""
    started: bool = True


@dataclass(frozen=True, slots=True)
class Done(Generic[R]):
    """`number`: position of the job in the list."""

    number: int
    result: R | None
    failure: Failure | None


@dataclass(slots=True)
class _Running:
    number: int
    process: ForkProcess
    pipe: Connection


Report = Callable[[Progress], None]


def in_order(arrived: Mapping[int, R], shown: int, tell: Callable[[int, R], None]) -> int:
    """Pass on what has arrived, but for a job only after all before it; how many are passed on."""
    while shown in arrived:
        tell(shown, arrived[shown])
        shown += 1
    return shown


def run(jobs: Sequence[J], work: Callable[[J, Report], R], *, processes: int = 1, seconds: float | None = None,
        on_progress: Callable[[int, Progress], None] = lambda number, progress: None) -> Iterator[Done[R]]:
    """The results, in the order in which they arrive.  `work` runs in the forks; its result must be picklable."""
    told: set[int] = set()
    for done in _run(jobs, work, processes, seconds, on_progress):
        told.add(done.number)
        yield done
    for lost in (n for n in range(len(jobs)) if n not in told):  # the interrupt came between its answer and here
        yield Done(lost, None, Failure(Outcome.INTERRUPTED, "interrupted"))


def _run(jobs: Sequence[J], work: Callable[[J, Report], R], processes: int, seconds: float | None,
         on_progress: Callable[[int, Progress], None]) -> Iterator[Done[R]]:
    if sys.platform == "win32":
        raise UsageError("Windows is supported through WSL")
    context = multiprocessing.get_context("fork")
    life, hold = os.pipe()
    pending = list(range(len(jobs)))
    running: list[_Running] = []
    end = None if seconds is None else time.monotonic() + seconds
    deadline = None if end is None else end + OVERTIME
    stopped: Outcome | None = None
    try:
        while pending or running:
            try:
                while pending and len(running) < max(1, processes):
                    if end is not None and time.monotonic() >= end:
                        yield from (Done(n, None, _not_started(Outcome.TIMEOUT)) for n in pending)
                        pending = []
                        break
                    number = pending.pop(0)
                    running.append(_start(context, number, jobs[number], work, (life, hold)))
                yield from _collect(running, on_progress, deadline)
                late = deadline is not None and time.monotonic() > deadline
                if late and stopped is None:
                    stopped = Outcome.TIMEOUT
            except KeyboardInterrupt:
                stopped = stopped or Outcome.INTERRUPTED
            if stopped is not None:
                done: Done[R]
                for done in _stop(running, on_progress):
                    cut = done.failure is not None and done.failure.outcome is Outcome.INTERRUPTED
                    yield Done(done.number, None, Failure(stopped, stopped.value)) if cut else done
                yield from (Done(n, None, _not_started(stopped)) for n in pending)
                return
    finally:
        for r in running:
            r.process.kill()
        os.close(hold)
        os.close(life)


def _start(context: ForkContext, number: int, job: J, work: Callable[[J, Report], R],
           life: tuple[int, int]) -> _Running:
    ours, theirs = context.Pipe(duplex=False)
    process = context.Process(target=_child, args=(job, work, theirs, life), daemon=False)
    sys.stdout.flush()
    sys.stderr.flush()
    process.start()
    theirs.close()
    return _Running(number, process, ours)


def _child(job: J, work: Callable[[J, Report], R], pipe: Connection, life: tuple[int, int]) -> None:
    """The body of a fork: own process group (the parent passes Ctrl-C on, once), ends with the parent."""
    os.setpgid(0, 0)
    os.close(life[1])
    gc.freeze()         # what it inherits is no garbage
    gc.set_threshold(_YOUNG, 50, 1000)
    threading.Thread(target=_watch, args=(life[0],), daemon=True).start()
    last = [0.0]

    def report(progress: Progress) -> None:
        now = time.monotonic()
        if now - last[0] >= _REPORT_EVERY:
            last[0] = now
            pipe.send(progress)

    try:
        answer: object = (work(job, report), None)
    except KeyboardInterrupt:
        answer = (None, Failure(Outcome.INTERRUPTED, "interrupted"))
    except MemoryError:
        answer = (None, Failure(Outcome.UNDECIDED, "out of memory; raise --max-memory or run fewer jobs (-j 1)"))
    except LostirqError as e:
        answer = (None, failure_of(e))
    except Exception as e:  # the boundary: whatever else escapes is reported, not printed as a traceback
        answer = (None, Failure(Outcome.INTERNAL, f"{type(e).__name__}: {e}", traceback.format_exc()))
    pipe.send(answer)
    pipe.close()


def _not_started(outcome: Outcome) -> Failure:
    return Failure(outcome, f"{outcome.value} before it was started", started=False)


def failure_of(error: LostirqError) -> Failure:
    """An error of the user's is usage; one of ours (exit code 3) is internal."""
    return Failure(Outcome.USAGE if error.exit_code == 2 else Outcome.INTERNAL, str(error))


def _watch(life: int) -> None:
    try:
        os.read(life, 1)
    finally:
        os._exit(1)


def _collect(running: list[_Running], on_progress: Callable[[int, Progress], None],
             deadline: float | None) -> Iterator[Done[R]]:
    patience = 1.0 if deadline is None else max(0.0, min(1.0, deadline - time.monotonic()))
    ready = wait([r.pipe for r in running], timeout=patience)
    for r in [r for r in running if r.pipe in ready]:
        done: Done[R] | None = _receive(r, on_progress)
        if done is not None:
            running.remove(r)
            r.process.join()
            yield done


def _receive(r: _Running, on_progress: Callable[[int, Progress], None]) -> Done[R] | None:
    try:
        message = r.pipe.recv()
    except (EOFError, OSError):
        r.process.join()
        return Done(r.number, None, _died(r.process.exitcode or 0))
    if isinstance(message, Progress):
        on_progress(r.number, message)
        return None
    result, failure = message
    return Done(r.number, result, failure)


def _died(code: int) -> Failure:
    if code == -signal.SIGKILL:
        return Failure(Outcome.UNDECIDED, "killed by the system (out of memory?); lower --max-memory or run fewer jobs")
    what = signal.Signals(-code).name if code < 0 else f"exit code {code}"
    return Failure(Outcome.INTERNAL, f"the search process ended without a result ({what})")


def _stop(running: list[_Running], on_progress: Callable[[int, Progress], None]) -> Iterator[Done[R]]:
    for r in running:
        if r.process.pid is not None and r.process.is_alive():
            os.kill(r.process.pid, signal.SIGINT)
    end = time.monotonic() + GRACE
    while running and time.monotonic() < end:
        try:
            yield from _collect(running, on_progress, end)
        except KeyboardInterrupt:
            break
    for r in list(running):
        r.process.kill()
        r.process.join()
        running.remove(r)
        yield Done(r.number, None, Failure(Outcome.INTERRUPTED, "interrupted"))
