# SPDX-License-Identifier: GPL-2.0-or-later
"""Which functions of a C source a patch touches: by the source itself, or else by what the hunks say.

With a source tree, the lines of a hunk are looked up in the file, as it was before the patch or as it is after; then
each changed line has its function.  Without one, the function is that of the `@@` line, until a line of the hunk opens
another one at its left margin.

Invariant: no guess is passed off as knowledge: `exact` says that the function was found in the source.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from lostirq.errors import UsageError
from lostirq.workflow.patching import FilePatch, Hunk

OUTSIDE = ""            # the name for lines that lie in no function
MAX_SOURCE = 8 << 20
_OPENS = re.compile(r"^(?!typedef\b|#)(?:[A-Za-z_][\w\s*]*?\b)?([A-Za-z_]\w*)\s*\(")
_MACRO = re.compile(r"^#\s*define\s+([A-Za-z_]\w*)")
_CALLED = re.compile(r"([A-Za-z_]\w*)\s*\(")


@dataclass(frozen=True, slots=True)
class Piece:
    """The part of a hunk that lies in one function; `lines` as in `Hunk`, context included; `line` of the old file."""

    file: str
    function: str
    line: int
    lines: tuple[tuple[str, str], ...]
    exact: bool

    @property
    def changes(self) -> bool:
        return any(kind != " " and text.strip() for kind, text in self.lines)


def pieces(files: Sequence[FilePatch], tree: Path | None) -> list[Piece]:
    """The touched functions, in order of the patch; pieces without a change are left out.  Raises `UsageError`."""
    if tree is not None and not tree.is_dir():
        raise UsageError(f"--kernel {tree}: no such folder")
    there = [f for f in files if f.old is not None and f.new is not None]
    if tree is not None and there and all(_source(tree, f) is None for f in there):
        raise UsageError(f"--kernel {tree}: has none of the files that the patch changes ({there[0].path}"
                         f"{', ...' if len(there) > 1 else ''}); give the top of a source tree")
    found: list[Piece] = []
    for patched in files:
        source = _source(tree, patched)
        spans = [] if source is None else functions(source)
        for hunk in patched.hunks:
            found += [p for p in _pieces(patched.path, hunk, source, spans) if p.changes]
    return found


def _source(tree: Path | None, patched: FilePatch) -> list[str] | None:
    for path in (patched.old, patched.new):
        if tree is None or path is None:
            continue
        full = (tree / path).resolve()
        if full.is_relative_to(tree.resolve()) and full.is_file() and full.stat().st_size <= MAX_SOURCE:
            return full.read_text(encoding="utf-8", errors="replace").split("\n")
    return None


def functions(source: Sequence[str]) -> list[tuple[str, int, int]]:
    """(name, first line, last line) of the macros, and of the functions of a C file in kernel style, whose bodies open
    and close at the left margin; lines count from 1."""
    found: list[tuple[str, int, int]] = []
    head: tuple[str, int] | None = None
    for number, line in enumerate(source, 1):
        macro = _MACRO.match(line)
        if macro is not None:
            last = next((n for n in range(number, len(source)) if not source[n - 1].endswith("\\")), len(source))
            found.append((macro.group(1), number, last))
        name = _opened(line)
        if name:
            head = (name, number)
        if head is not None and (line.startswith(";") or (line.rstrip().endswith(";") and not line[:1].isspace()
                                                          and number == head[1])):
            head = None             # a declaration
        if head is not None and line.startswith("{"):
            last = next((n for n in range(number + 1, len(source) + 1) if source[n - 1].startswith("}")), len(source))
            found.append((head[0], head[1], last))
            head = None
        elif head is not None and line.rstrip().endswith(");"):
            head = None             # a declaration of several lines
    return found


def _opened(line: str) -> str:
    """The function whose head begins on a line, '' if none does."""
    match = _OPENS.match(line)
    if match is None or line.rstrip().endswith((";", ":")):
        return ""
    name = next((m.group(1) for m in _CALLED.finditer(line) if not m.group(1).startswith("__attribute")), "")
    return "" if name.isupper() or name in ("if", "for", "while", "switch", "return", "sizeof") else name


def _pieces(path: str, hunk: Hunk, source: Sequence[str] | None, spans: list[tuple[str, int, int]]) -> Iterator[Piece]:
    place = None if source is None else _place(source, hunk)
    owner = _by_text(hunk) if place is None else _by_source(hunk, place, spans)
    start, lines, name = hunk.start, list[tuple[str, str]](), ""
    number = hunk.start
    for (kind, text), where in zip(hunk.lines, owner, strict=True):
        if where != name and lines:
            yield Piece(path, name, start, tuple(lines), place is not None)
            lines = []
        if not lines:
            start, name = number, where
        lines.append((kind, text))
        number += kind != "+"
    if lines:
        yield Piece(path, name, start, tuple(lines), place is not None)


def _place(source: Sequence[str], hunk: Hunk) -> tuple[str, int] | None:
    """('-' or '+', index of the first line): which side of the hunk stands in the source, and where."""
    for skipped, start in (("+", hunk.start), ("-", hunk.new_start)):
        side = [text.rstrip("\r") for kind, text in hunk.lines if kind != skipped]
        if not side:
            continue
        if list(source[start - 1:start - 1 + len(side)]) == side:
            return ("-" if skipped == "+" else "+"), start - 1
        places = [i for i in range(len(source) - len(side) + 1) if source[i] == side[0]
                  and list(source[i:i + len(side)]) == side]
        if len(places) == 1:
            return ("-" if skipped == "+" else "+"), places[0]
    return None


def _by_source(hunk: Hunk, place: tuple[str, int], spans: list[tuple[str, int, int]]) -> list[str]:
    side, number = place[0], place[1] + 1
    found: list[str] = []
    for kind, _ in hunk.lines:
        present = kind in (" ", side)
        at = number if present else max(1, number - 1)      # a line that is not there belongs to the one before it
        found.append(next((name for name, first, last in spans if first <= at <= last), OUTSIDE))
        number += present
    return found


def _by_text(hunk: Hunk) -> list[str]:
    name = _opened(hunk.heading) if hunk.heading else OUTSIDE
    found: list[str] = []
    for _, text in hunk.lines:
        macro = _MACRO.match(text)
        name = macro.group(1) if macro is not None else _opened(text) or name
        found.append(name)
        if text.startswith("}") or (macro is not None and not text.endswith("\\")):
            name = OUTSIDE
    return found
