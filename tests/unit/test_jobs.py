# SPDX-License-Identifier: GPL-2.0-or-later
"""Parallel jobs: every job yields exactly one answer, whatever happens to its process."""

from __future__ import annotations

import os
import signal
import threading
import time

import pytest

from lostirq.errors import UsageError
from lostirq.evidence.verdict import Progress
from lostirq.workflow import jobs
from lostirq.workflow.jobs import Done, Failure, Report
from lostirq.workflow.outcome import Outcome


def gather(todo: list[str], processes: int = 2, seconds: float | None = None) -> dict[int, Done[str]]:
    return {d.number: d for d in jobs.run(todo, work, processes=processes, seconds=seconds)}


def work(job: str, report: Report) -> str:
    if job == "usage":
        raise UsageError("no such thing")
    if job == "crash":
        raise RuntimeError("boom")
    if job == "memory":
        raise MemoryError
    if job == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
    if job == "exit":
        os._exit(7)
    if job == "sleep":
        try:
            time.sleep(60)
        except KeyboardInterrupt:
            return "partial"
    if job == "deaf":
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        time.sleep(60)
    report(Progress(1, 2, 3, 0.5, 6))
    return job.upper()


def test_results_and_failures_are_told_apart() -> None:
    found = gather(["a", "usage", "crash", "memory", "kill", "exit", "b"])
    assert sorted(found) == list(range(7))
    assert [found[n].result for n in (0, 6)] == ["A", "B"]
    failures = {n: d.failure for n, d in found.items() if d.failure is not None}
    assert {n: f.outcome for n, f in failures.items()} == {
        1: Outcome.USAGE, 2: Outcome.INTERNAL, 3: Outcome.UNDECIDED, 4: Outcome.UNDECIDED, 5: Outcome.INTERNAL,
    }
    assert failures[1].message == "no such thing"
    assert "boom" in failures[2].message and "Traceback" not in failures[2].message
    assert "exit code 7" in failures[5].message


def test_progress_arrives() -> None:
    seen: list[tuple[int, Progress]] = []
    list(jobs.run(["a"], work, on_progress=lambda n, p: seen.append((n, p))))
    assert seen == [(0, Progress(1, 2, 3, 0.5, 6))]


def test_interrupt_collects_what_was_reached(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jobs, "GRACE", 1.0)
    threading.Timer(0.5, lambda: os.kill(os.getpid(), signal.SIGINT)).start()
    started = time.monotonic()
    found = gather(["sleep", "deaf", "later"])
    assert time.monotonic() - started < 10
    assert found[0].result == "partial"
    assert found[1].failure == Failure(Outcome.INTERRUPTED, "interrupted")
    assert found[2].failure is not None and found[2].failure.outcome is Outcome.INTERRUPTED
    assert "before it was started" in found[2].failure.message


def test_time_limit_stops_jobs_that_do_not_stop_themselves(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jobs, "OVERTIME", 0.1)
    found = gather(["sleep", "later"], processes=1, seconds=0.3)
    assert found[0].result == "partial"
    assert found[1].failure is not None and found[1].failure.outcome is Outcome.TIMEOUT


def test_an_interrupt_loses_no_job(monkeypatch: pytest.MonkeyPatch) -> None:
    """It may come when an answer was taken from its pipe and not yet given on."""
    join, interrupted = jobs.ForkProcess.join, []

    def interrupt(process: jobs.ForkProcess, timeout: float | None = None) -> None:
        if not interrupted:
            interrupted.append(True)
            raise KeyboardInterrupt
        join(process, timeout)

    monkeypatch.setattr(jobs.ForkProcess, "join", interrupt)
    done = gather(["a"])
    assert [(d.result, d.failure and d.failure.outcome) for d in done.values()] == [(None, Outcome.INTERRUPTED)]
