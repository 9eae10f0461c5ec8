# SPDX-License-Identifier: GPL-2.0-or-later
"""A status line on stderr, only where somebody watches: a terminal."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import TextIO

from lostirq.evidence.verdict import Progress


class Status:
    """`begin` names what runs; `show` rewrites the line at most five times a second; `clear` removes it."""

    def __init__(self, stream: TextIO, total: int) -> None:
        self._stream, self._total = stream, total
        self._live = stream.isatty()
        self._done = 0
        self._last = 0.0
        self._latest: dict[str, Progress] = {}

    def finished(self, name: str) -> None:
        self._done += 1
        self._latest.pop(name, None)
        self.clear()

    def show(self, name: str, progress: Progress) -> None:
        self._latest[name] = progress
        now = time.monotonic()
        if not self._live or now - self._last < 0.2:
            return
        self._last = now
        parts = [f"{n}: {_told(p)}" for n, p in sorted(self._latest.items())]
        line = f"[{self._done}/{self._total}] " + " | ".join(parts)
        self._stream.write("\r\033[K" + line[:160])
        self._stream.flush()

    def at(self, done: int, total: int, what: str) -> None:
        """For jobs without a progress of their own."""
        self._done, self._total = done, total
        if self._live:
            self._stream.write("\r\033[K" + f"[{done}/{total}] {what}"[:160])
            self._stream.flush()

    def clear(self) -> None:
        if self._live:
            self._stream.write("\r\033[K")
            self._stream.flush()


def _told(p: Progress) -> str:
    if not p.states:    # a bounded search counts none
        return f"depth {p.depth}, {p.seconds:.0f} s"
    return (f"{_size(p.states)} states, {_size(_rate(p))}/s, frontier {_size(p.frontier)}, depth {p.depth}, "
            f"{p.bytes >> 20} MiB")


def _rate(p: Progress) -> float:
    return p.states / p.seconds if p.seconds > 0 else 0.0


def _size(n: float) -> str:
    return f"{n / 1e6:.1f} M" if n >= 1e6 else f"{n / 1e3:.0f} k" if n >= 1e4 else f"{n:.0f}"


def use_colour(stream: TextIO, environment: Mapping[str, str]) -> bool:
    """Colour on a terminal unless NO_COLOR is set (no-color.org)."""
    return stream.isatty() and not environment.get("NO_COLOR") and environment.get("TERM") != "dumb"
