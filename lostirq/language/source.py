# SPDX-License-Identifier: GPL-2.0-or-later
"""Source files of a workspace: parsed, never executed, with limits on size and depth.

Python's own parser reads the text; what exceeds a limit is refused before anything walks the tree, so that a patch
from a stranger cannot exhaust the stack or the memory.
"""

from __future__ import annotations

import ast
import functools
import re
import warnings
from dataclasses import dataclass, field

from lostirq.errors import Diagnostic, Span

MAX_BYTES = 1 << 20
MAX_NESTING = 60
MAX_NODES = 200_000
MAX_BRACKETS = 80


class Abandon(Exception):
    """The construct at hand cannot be compiled; its diagnostic is recorded.  Never leaves the front end."""


@dataclass(slots=True)
class Report:
    """Collects diagnostics, so that several are shown at once."""

    found: list[Diagnostic] = field(default_factory=list)

    def add(self, span: Span, code: str, message: str, mend: str = "") -> None:
        self.found.append(Diagnostic(span, code, message, mend))

    def fail(self, span: Span, code: str, message: str, mend: str = "") -> Abandon:
        """Record and return the exception to raise."""
        self.add(span, code, message, mend)
        return Abandon(message)


Statement = tuple[str, int, int]    # its file, line (from 1) and column (in bytes, from 0)


@dataclass(frozen=True, eq=False, slots=True)
class Source:
    """One file: `name` relative to the workspace, its text and lines."""

    name: str
    text: str
    lines: tuple[str, ...]

    def span(self, node: ast.AST) -> Span:
        line = getattr(node, "lineno", 1)
        end = getattr(node, "end_lineno", line) or line
        return Span(
            self.name,
            line,
            self._column(line, getattr(node, "col_offset", 0)),
            end,
            self._column(end, getattr(node, "end_col_offset", 0) or 0),
        )

    def _column(self, line: int, offset: int) -> int:
        """Characters for the byte offset that the parser gives."""
        text = self.lines[line - 1] if 0 < line <= len(self.lines) else ""
        return offset if text.isascii() else len(text.encode()[:offset].decode(errors="replace"))

    def place(self, node: ast.stmt) -> Statement:
        return self.name, node.lineno, node.col_offset

    def header(self, node: ast.AST) -> Span:
        """The first line of a statement: where a compound statement is reported."""
        whole = self.span(node)
        if whole.end_line == whole.line:
            return whole
        width = len(self.lines[whole.line - 1]) if whole.line <= len(self.lines) else whole.column + 1
        return Span(whole.file, whole.line, whole.column, whole.line, width)

    def text_of(self, node: ast.AST) -> str:
        """The source of a node on one line."""
        span = self.span(node)
        if span.line == span.end_line:
            return self.lines[span.line - 1][span.column : span.end_column]
        parts = [self.lines[span.line - 1][span.column :]]
        parts += self.lines[span.line : span.end_line - 1]
        parts.append(self.lines[span.end_line - 1][: span.end_column])
        return re.sub(r"\s+", " ", " ".join(p.split("  #")[0].strip() for p in parts))


def _brackets_too_deep(text: str) -> bool:
    depth = 0
    for ch in text:
        if ch in "([{":
            depth += 1
            if depth > MAX_BRACKETS:
                return True
        elif ch in ")]}":
            depth = max(0, depth - 1)
    return False


def _nesting(tree: ast.AST) -> tuple[int, int]:
    """(greatest depth, number of nodes), iteratively."""
    deepest, count = 0, 0
    stack: list[tuple[ast.AST, int]] = [(tree, 0)]
    while stack:
        node, depth = stack.pop()
        deepest, count = max(deepest, depth), count + 1
        stack.extend((child, depth + 1) for child in ast.iter_child_nodes(node))
    return deepest, count


def _syntax(error: SyntaxError) -> tuple[str, str]:
    """What Python says, and what it proposes ('' where it only says that something is wrong)."""
    said = error.msg or "invalid syntax"
    advice = re.fullmatch(r"(.+?)\. ((?:Maybe|Perhaps|Did) .+)", said)
    if advice is not None:
        return advice[1], f"Python asks: {advice[2]}"
    for pattern, mend in ((r"expected (.+)", "write {} here"), (r"(.+) was never closed", "close {}"),
                          (r"unmatched (.+)", "remove {}, or open it")):
        found = re.fullmatch(pattern, said)
        if found is not None:
            return said, mend.format(found[1])
    return said, ""


def parse(name: str, text: str, report: Report) -> tuple[Source, ast.Module] | None:
    """Parse one file; on failure the diagnostic is recorded and None returned."""
    found = _parsed(name, text)
    if isinstance(found, Diagnostic):
        report.found.append(found)
        return None
    return found


@functools.lru_cache(maxsize=4096)
def calls(tree: ast.Module | ast.FunctionDef) -> tuple[tuple[str, ast.Call], ...]:
    """The calls by name in a tree that `parse` returned: what is called, and the call."""
    return tuple((n.func.id, n) for n in ast.walk(tree) if isinstance(n, ast.Call) and isinstance(n.func, ast.Name))


@functools.lru_cache(maxsize=256)
def _parsed(name: str, text: str) -> tuple[Source, ast.Module] | Diagnostic:
    """Nothing changes a tree, so a patch costs the parsing of the files that it touches."""
    source = Source(name, text, tuple(text.splitlines()))
    start = Span(name, 1, 0, 1, 1)
    if len(text.encode(errors="surrogatepass")) > MAX_BYTES or _brackets_too_deep(text):
        return Diagnostic(start, "LI002", "the file is too large or nested too deeply", "split it into smaller files")
    if "\0" in text:
        before = text[:text.index("\0")]
        line, column = before.count("\n") + 1, len(before) - before.rfind("\n") - 1
        return Diagnostic(Span(name, line, column, line, column + 1), "LI001", "syntax error: a NUL byte",
                          "remove it; a file is UTF-8 text")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            tree = ast.parse(text, filename=name)
    except SyntaxError as error:
        line, column = error.lineno or 1, max(0, (error.offset or 1) - 1)
        said, mend = _syntax(error)
        return Diagnostic(Span(name, line, column, line, column + 1), "LI001", f"syntax error: {said}", mend)
    except (ValueError, RecursionError, MemoryError):
        return Diagnostic(start, "LI002", "the file cannot be parsed (nested too deeply)", "simplify it")
    depth, count = _nesting(tree)
    if depth > MAX_NESTING or count > MAX_NODES:
        return Diagnostic(start, "LI002", "the file is too large or nested too deeply",
                          "split it into smaller functions")
    return source, tree
