# SPDX-License-Identifier: GPL-2.0-or-later
"""Ablations of a model: each fence, each locked operation, each order of two accesses, taken away one at a time.

An ablation is an edit of the sources of a workspace, so that it can be read, compiled and reported like any patch.

  fence    a full fence, or the call of a function that is nothing but one, is dropped;
  locked   a locked operation becomes a plain load followed by a plain store: it loses its atomicity and its fence;
  atomic   an atomic section of a program (not of hardware) becomes separate steps;
  swap     two neighbouring statements that both touch memory change places.

Invariants: an edit replaces whole statements and keeps the number of lines of everything else; generation reads only
syntax and is deterministic.  Whether a statement touches shared memory is not decided here: an ablation that changes
no transition system is found equal by its digest.

References: Alglave, Maranget and Tautschnig 2014, "Herding cats" (fence removal); /docs/language.md, section 4.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from enum import Enum

FENCES = frozenset({"smp_mb"})
LOCKED = {"lock_set": 1, "xchg": 1, "test_and_set": None, "test_and_clear": None}
_CALLS_WITHOUT_ACCESS = frozenset({
    "event", "idle", "strong", "unfair", "smp_wmb", "smp_rmb", "barrier", "smp_mb__before_atomic",
    "smp_mb__after_atomic",
})


class AblationKind(Enum):
    FENCE = "fence"
    LOCKED = "locked"
    ATOMIC = "atomic"
    SWAP = "swap"


@dataclass(frozen=True, slots=True)
class Ablation:
    """`edits`: (first line, last line, new text) of `file`, lines from 1; `name` is unique and says what is gone."""

    name: str
    kind: AblationKind
    file: str
    function: str
    line: int
    what: str
    edits: tuple[tuple[int, int, str], ...]

    def apply(self, sources: Mapping[str, str]) -> dict[str, str]:
        """A copy of the sources with the edits made."""
        return apply_all((self,), sources)


def apply_all(ablations: tuple[Ablation, ...], sources: Mapping[str, str]) -> dict[str, str]:
    """A copy of the sources with the edits of all, which must not overlap."""
    changed = dict(sources)
    for file in sorted({a.file for a in ablations}):
        lines = changed[file].splitlines(keepends=True)
        edits = sorted((e for a in ablations if a.file == file for e in a.edits), reverse=True)
        for first, last, text in edits:
            lines[first - 1 : last] = [text]
        changed[file] = "".join(lines)
    return changed


def ablations(sources: Mapping[str, str], prefix: str = "model/") -> list[Ablation]:
    """All single ablations of the functions in the files below `prefix`, in order of file and line."""
    trees = {name: ast.parse(text) for name, text in sorted(sources.items()) if name.startswith(prefix)}
    fences = FENCES | _fence_functions(trees.values())
    found: list[Ablation] = []
    for file, tree in trees.items():
        lines = sources[file].splitlines(keepends=True)
        for function in tree.body:
            if isinstance(function, ast.FunctionDef) and not _is_pure(function) and function.name not in fences:
                found.extend(_Site(file, function, lines, fences).all())
    return _numbered(found)


def _numbered(found: list[Ablation]) -> list[Ablation]:
    """Names by ordinal in the function instead of by line, so that they outlive edits elsewhere."""
    seen: dict[str, int] = {}
    named: list[Ablation] = []
    for a in sorted(found, key=lambda a: (a.file, a.line, a.kind.value)):
        seen[a.name] = seen.get(a.name, 0) + 1
        named.append(replace(a, name=f"{a.name}:{seen[a.name]}"))
    return named


def _decorators(function: ast.FunctionDef) -> Iterator[tuple[str, ast.expr]]:
    for d in function.decorator_list:
        call = d.func if isinstance(d, ast.Call) else d
        if isinstance(call, ast.Name):
            yield call.id, d


def _is_pure(function: ast.FunctionDef) -> bool:
    return any(name == "pure" for name, _ in _decorators(function))


def _is_hardware(function: ast.FunctionDef) -> bool:
    for name, d in _decorators(function):
        if name == "hardware" or isinstance(d, ast.Call) and any(k.arg == "hardware" for k in d.keywords):
            return True
    return False


def _fence_functions(trees: object) -> frozenset[str]:
    """Functions whose body is one fence and nothing else."""
    found = set()
    for tree in trees:  # type: ignore[attr-defined]  # an iterable of modules
        for f in tree.body:
            if isinstance(f, ast.FunctionDef):
                body = [s for s in f.body if not _is_docstring(s)]
                if len(body) == 1 and _called(body[0]) in FENCES:
                    found.add(f.name)
    return frozenset(found)


def _is_docstring(s: ast.stmt) -> bool:
    return isinstance(s, ast.Expr) and isinstance(s.value, ast.Constant)


def _called(s: ast.stmt) -> str:
    """Name of the function that an expression statement calls, or ''."""
    if isinstance(s, ast.Expr) and isinstance(s.value, ast.Call) and isinstance(s.value.func, ast.Name):
        return s.value.func.id
    return ""


@dataclass(frozen=True, slots=True)
class _Site:
    """Generation for one function."""

    file: str
    function: ast.FunctionDef
    lines: list[str]
    fences: frozenset[str]

    def all(self) -> Iterator[Ablation]:
        for block in self._blocks(self.function):
            for s in block:
                yield from self._fence(s, len(block))
                yield from self._locked(s)
                yield from self._atomic(s)
            for a, b in zip(block, block[1:], strict=False):
                yield from self._swap(a, b)

    def _blocks(self, node: ast.AST) -> Iterator[list[ast.stmt]]:
        """Statement lists outside atomic sections, depth first."""
        for name in ("body", "orelse"):
            block = getattr(node, name, None)
            if isinstance(block, list) and block and isinstance(block[0], ast.stmt):
                yield block
                for s in block:
                    if not _is_atomic(s):
                        yield from self._blocks(s)
        for case in getattr(node, "cases", []):
            yield case.body
            for s in case.body:
                if not _is_atomic(s):
                    yield from self._blocks(s)

    def _fence(self, s: ast.stmt, size: int) -> Iterator[Ablation]:
        if _called(s) in self.fences:
            yield self._make(AblationKind.FENCE, s, f"without {_called(s)}()", ((s, "pass\n"),))

    def _locked(self, s: ast.stmt) -> Iterator[Ablation]:
        header = _header(s)
        calls = [c for part in header for c in ast.walk(part)
                 if isinstance(c, ast.Call) and isinstance(c.func, ast.Name) and c.func.id in LOCKED]
        if len(calls) != 1 or isinstance(s, ast.While):
            return
        call = calls[0]
        name, place = call.func.id, ast.unparse(call.args[0])  # type: ignore[attr-defined]  # a Name, tested above
        value = {"test_and_set": "True", "test_and_clear": "False"}.get(name) or ast.unparse(call.args[1])
        if name == "lock_set" or _called(s) == name:
            new = f"{place} = {value}\n"
        else:
            indent = " " * s.col_offset
            rest = self._text_with(s, call, "plainly_read")
            new = f"plainly_read = {place}\n{indent}{place} = {value}\n{indent}{rest}"
        yield self._make(AblationKind.LOCKED, s, f"plain instead of {ast.unparse(call)}", ((s, new),))

    def _atomic(self, s: ast.stmt) -> Iterator[Ablation]:
        if _is_atomic(s) and not _is_hardware(self.function):
            text = "".join(self.lines[s.lineno - 1 : s.end_lineno])
            new = text.replace("with atomic():", "if True:", 1).lstrip(" ")
            yield self._make(AblationKind.ATOMIC, s, "atomic section as separate steps", ((s, new),))

    def _swap(self, a: ast.stmt, b: ast.stmt) -> Iterator[Ablation]:
        if _is_hardware(self.function) or not (_touches(a) and _touches(b)):
            return
        if _writes(a) & _reads(b) or _reads(a) & _writes(b):
            return
        first, second = self._text(a), self._text(b)
        yield self._make(AblationKind.SWAP, a, f"{_brief(b)} before {_brief(a)}", ((a, second), (b, first)))

    def _text(self, s: ast.stmt) -> str:
        return "".join(self.lines[s.lineno - 1 : s.end_lineno])[s.col_offset :]

    def _text_with(self, s: ast.stmt, call: ast.Call, replacement: str) -> str:
        """The text of a statement with one call, on one line, replaced."""
        lines = list(self.lines[s.lineno - 1 : s.end_lineno])
        at = call.lineno - s.lineno
        line = lines[at]
        lines[at] = line[: call.col_offset] + replacement + line[call.end_col_offset :]
        return "".join(lines)[s.col_offset :]

    def _make(self, kind: AblationKind, s: ast.stmt, what: str, news: tuple[tuple[ast.stmt, str], ...]) -> Ablation:
        name = f"{kind.value}:{self.file.removeprefix('model/')}:{self.function.name}"
        edits = tuple((t.lineno, t.end_lineno or t.lineno, " " * t.col_offset + new) for t, new in news)
        return Ablation(name, kind, self.file, self.function.name, s.lineno, what, edits)


def _is_atomic(s: ast.stmt) -> bool:
    return isinstance(s, ast.With) and ast.unparse(s.items[0].context_expr) == "atomic()"


def _header(s: ast.stmt) -> list[ast.AST]:
    """The parts of a statement that are evaluated by itself, without the blocks below it."""
    if isinstance(s, ast.If | ast.While):
        return [s.test]
    if isinstance(s, ast.With | ast.For | ast.Match | ast.FunctionDef):
        return []
    return [s]


def _touches(s: ast.stmt) -> bool:
    """A simple statement that may access memory: it reads or writes a field or an element, or calls something."""
    if not isinstance(s, ast.Expr | ast.Assign | ast.AnnAssign) or _is_docstring(s):
        return False
    if _called(s) in _CALLS_WITHOUT_ACCESS:
        return False
    return any(isinstance(n, ast.Attribute | ast.Subscript | ast.Call) for n in ast.walk(s))


def _writes(s: ast.stmt) -> set[str]:
    targets: list[ast.expr] = []
    if isinstance(s, ast.Assign):
        targets = s.targets
    elif isinstance(s, ast.AnnAssign):
        targets = [s.target]
    return {ast.unparse(t) for t in targets}


def _reads(s: ast.stmt) -> set[str]:
    found = (n for n in ast.walk(s) if isinstance(n, ast.Name | ast.Attribute | ast.Subscript))
    return {ast.unparse(n) for n in found if isinstance(n.ctx, ast.Load)}


def _brief(s: ast.stmt) -> str:
    text = ast.unparse(s).splitlines()[0]
    return text if len(text) <= 60 else text[:57] + "..."
