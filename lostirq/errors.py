# SPDX-License-Identifier: GPL-2.0-or-later
"""Errors that a user can mend, each with its place.

`ModelErrors` carries several diagnostics at once, as a compiler does.  `UsageError` is one line and exit code 2.
Anything else that escapes is a bug of ours (exit code 3).
"""

from __future__ import annotations

import errno
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True, order=True)
class Span:
    """A place in a source file; lines count from 1, columns from 0."""

    file: str = ""
    line: int = 0
    column: int = 0
    end_line: int = 0
    end_column: int = 0


@dataclass(frozen=True, slots=True)
class Diagnostic:
    """One error of a model: `code` is LI0xx, `message` the cause, `mend` what to do about it."""

    span: Span
    code: str
    message: str
    mend: str = ""

    def render(self, source: str | None = None) -> str:
        """The diagnostic as a compiler prints it; `source` is the text of the file, if at hand."""
        where = f"{self.span.file}:{self.span.line}:{self.span.column + 1}"
        out = [f"{where}: error {self.code}: {self.message}"]
        lines = source.splitlines() if source is not None else []
        if 0 < self.span.line <= len(lines):
            line = lines[self.span.line - 1].expandtabs(1).replace("\0", "?")
            out.append(f"    {line}")
            width = 1
            if self.span.end_line == self.span.line:
                width = max(1, self.span.end_column - self.span.column)
            out.append("    " + " " * self.span.column + "^" + "~" * (min(width, len(line)) - 1))
        if self.mend:
            out.append(f"    mend: {self.mend}")
        return "\n".join(out)


class LostirqError(Exception):
    """Base of all errors that are reported without a traceback."""

    exit_code = 3


class UsageError(LostirqError):
    """Wrong arguments, files or settings: one line, exit code 2."""

    exit_code = 2


def advice(error: OSError, otherwise: str) -> str:
    """What to do about a file that cannot be written: `otherwise`, and room is made only where none is left."""
    return f"free some space, or {otherwise}" if error.errno in (errno.ENOSPC, errno.EDQUOT) else otherwise


def not_kept(cache: Path, error: OSError) -> str:
    """The line about a cache that cannot be written: the run is right without it, and longer."""
    return (f"the cache {cache} cannot be written ({error.strerror or error}): what is made is not kept; "
            f"{advice(error, 'choose another --cache-dir')}")


class ModelErrors(LostirqError):
    """One or several errors in a workspace; `sources` maps file names to their text, for the carets; `given`: values of
    parameters (`SENDERS=9`) that somebody gave for this run alone, which may be the cause."""

    exit_code = 2

    def __init__(self, diagnostics: list[Diagnostic], sources: dict[str, str] | None = None,
                 given: tuple[str, ...] = ()) -> None:
        self.diagnostics = sorted(set(diagnostics), key=lambda d: (d.span, d.code, d.message))
        self.sources = dict(sources or {})
        self.given = given
        super().__init__(self.render())

    def render(self) -> str:
        said = f"with {' '.join(f'--set {value}' for value in self.given)}:"
        shown = [said] * bool(self.given) + [d.render(self.sources.get(d.span.file)) for d in self.diagnostics]
        count = len(self.diagnostics)
        shown.append(f"{count} error{'s' if count != 1 else ''}")
        return "\n".join(shown)
