# SPDX-License-Identifier: GPL-2.0-or-later
"""Standard output that names itself where it cannot be written.

Invariant: an error of this stream carries the file name `standard output`, as one of a file carries that of the file; a
reader who went away (`BrokenPipeError`) is told apart as before.
"""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import TextIO, TypeVar, cast

NAME = "standard output"

T = TypeVar("T")


class _Named(io.TextIOBase):
    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self.written = False

    def _try(self, action: Callable[[], T]) -> T:
        try:
            return action()
        except OSError as e:
            e.filename = NAME
            raise

    def write(self, text: str, /) -> int:
        self.written = True
        return self._try(lambda: self._stream.write(text))

    def flush(self) -> None:
        self._try(self._stream.flush)

    def isatty(self) -> bool:
        return self._stream.isatty()

    def fileno(self) -> int:
        return self._stream.fileno()


def named(stream: TextIO) -> TextIO:
    """The same stream, whose errors say which it is."""
    return cast(TextIO, _Named(stream))


def written(stream: TextIO) -> bool:
    """Was anything written to a stream that names itself, or tried to be?"""
    return isinstance(stream, _Named) and stream.written
