# SPDX-License-Identifier: GPL-2.0-or-later
"""The two sides of a patch, as texts: the base (a folder or a revision of it) and what the patches make of it.

Invariants: nothing is written; only files of the workspace (model/, properties/, proofs/, counterexamples/) can be
touched; the patches apply in the order given, whole or not at all; the patched side keeps the specification of the base
(properties/ with what they name, model/scenarios/ and the parameters) unless it is accepted.
"""

from __future__ import annotations

import ast
import os
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import BinaryIO

from lostirq.errors import UsageError
from lostirq.evidence.trace_file import read_text
from lostirq.workflow.mail import split
from lostirq.workflow.patch_marks import Mark, changed_marks
from lostirq.workflow.patch_steps import Touched, declarations, is_code, touched
from lostirq.workflow.patching import FilePatch, apply_files, parse, reverse
from lostirq.workflow.workspace import PARTS, SOURCES, sources

SPECIFICATION = ("properties/", "model/scenarios/")
LARGEST = 16 << 20      # bytes of a patch or of a mailbox
_PROGRAMS = (*SOURCES, "proofs")


@dataclass(frozen=True, slots=True)
class Sides:
    """`base`, `patched`: path -> text of model/, properties/ and proofs/.  `touched`: what differs; `specification`:
    the part of it that says what is checked; `others`: touched files that are no part of the model; `instrumentation`:
    the marks that differ."""

    base: dict[str, str]
    patched: dict[str, str]
    touched: tuple[Touched, ...]
    specification: tuple[Touched, ...]
    others: tuple[str, ...] = ()
    instrumentation: tuple[Mark, ...] = ()


def read_patches(names: Sequence[str], standard_input: bytes) -> list[tuple[str, tuple[FilePatch, ...]]]:
    """(name, files) of the patches in some files, in the order in which they apply; `-` is standard input.  Raises
    `UsageError`."""
    found: list[tuple[str, tuple[FilePatch, ...]]] = []
    for name in names:
        raw = standard_input if name == "-" else patch_bytes(name)
        shown = "standard input" if name == "-" else name
        found += [(letter.name, parse(letter.text, letter.name)) for letter in split(raw, shown)]
    return found


def patch_bytes(name: str, standard_input: BinaryIO | None = None) -> bytes:
    """A patch as it stands in a file, or comes from a stream.  Raises `UsageError`."""
    try:
        if standard_input is not None:
            raw = standard_input.read(LARGEST + 1)
        else:
            with open(name, "rb") as f:
                raw = f.read(LARGEST + 1)
    except OSError as e:
        raise UsageError(f"cannot read patch {name}: {e.strerror or e}") from None
    if len(raw) > LARGEST:
        raise UsageError(f"cannot read patch {name}: larger than {LARGEST >> 20} MiB")
    return raw


def turned(patches: Sequence[tuple[str, tuple[FilePatch, ...]]]) -> list[tuple[str, tuple[FilePatch, ...]]]:
    """The patches that take these back, the last one first."""
    return [(f"{name} (reversed)", reverse(files)) for name, files in reversed(patches)]


def make_sides(root: Path, patches: Sequence[tuple[str, tuple[FilePatch, ...]]],
               onto: Sequence[tuple[str, tuple[FilePatch, ...]]] = (), revision: str = "") -> Sides:
    """The base with `onto` applied, and that with `patches` applied.  Without patches, the patched side is the folder
    as it stands.  Raises `UsageError`."""
    start = at_revision(root, revision) if revision else sources(root, _PROGRAMS)
    extra = {} if revision else _named(root, [*onto, *patches], start)
    base = _applied(start | extra, onto)
    after = _applied(base, patches) if patches else sources(root, _PROGRAMS)
    others = tuple(p for p in sorted(set(base) | set(after)) if not _is_program(p) and base.get(p) != after.get(p))
    before, patched = _programs(base), _programs(after)
    differing = touched(before, patched)
    if len(patches) == 1:
        differing = tuple(_as_written(t, patches[0][1], before, patched) for t in differing)
    said = _specification(before) | _specification(patched)
    specified = tuple(t for t in differing if t.file.startswith(SPECIFICATION) or t.name in said)
    return Sides(before, patched, differing, specified, others, changed_marks(before, patched))


def _as_written(t: Touched, patch: Sequence[FilePatch], before: Mapping[str, str], after: Mapping[str, str]) -> Touched:
    """With the lines that the author removed and added, if these are what leads from the one declaration to the other:
    a line that moves down over others is the same change as these others moving up."""
    numbers: dict[str, set[int]] = {"-": set(), "+": set()}
    for hunk in (h for f in patch if f.path == t.file for h in f.hunks):
        at = {"-": hunk.start, "+": hunk.new_start}
        for kind, _ in hunk.lines:
            if kind != " ":
                numbers[kind].add(at[kind])
            for side in ("-", "+") if kind == " " else (kind,):
                at[side] += 1
    told, left = [], []
    for kind, texts in (("-", before), ("+", after)):
        span = next((d for d in declarations(t.file, texts.get(t.file, "")) if d.name == t.name), None)
        if span is None:
            return t
        lines = list(enumerate(texts[t.file].splitlines(), 1))[span.first - 1:span.last]
        told.append(tuple((n, text.strip()) for n, text in lines if n in numbers[kind] and is_code(text)))
        left.append([text for n, text in lines if n not in numbers[kind]])
    return replace(t, removed=told[0], added=told[1]) if left[0] == left[1] else t


def accepted(sides: Sides, *, accept: bool) -> dict[str, str]:
    """The patched side with the specification by which it is judged.  Raises `UsageError` if the patch changes it and
    that is not accepted."""
    if sides.specification and not accept:
        what = ", ".join(f"{t.file}: {t.name}" for t in sides.specification[:4])
        more = len(sides.specification) - 4
        raise UsageError(f"the patch changes the specification ({what}{f' and {more} more' if more > 0 else ''}); "
                         "--accept-spec judges each side by its own")
    if accept:
        return sides.patched
    kept = {p: text for p, text in sides.patched.items() if not p.startswith(SPECIFICATION)}
    return dict(sorted((kept | {p: text for p, text in sides.base.items() if p.startswith(SPECIFICATION)}).items()))


def _specification(sources: Mapping[str, str]) -> frozenset[str]:
    """What says what is checked, of all files: the parameters, for a scenario lives by their defaults, and what
    properties and scenarios name, also through each other: `@pure` functions, constants, aliases, enums."""
    said: dict[str, set[str]] = {}
    parameters: set[str] = set()
    todo: list[str] = []
    for path, text in sources.items():
        try:
            body = ast.parse(text).body
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            continue                # an error of the model, which the front end tells better
        for node in body:
            asks = path.startswith(SPECIFICATION)
            names = _names(node)
            if isinstance(node, ast.Assign) and _names(node.value) & {"Param"}:
                parameters |= names
            if asks or isinstance(node, ast.ImportFrom):
                todo += sorted(names) if asks else []
                for renamed in node.names if isinstance(node, ast.ImportFrom) else ():
                    said.setdefault(renamed.asname or renamed.name, set()).add(renamed.name)
            if _says(node, asks):
                for name in _defined(node):
                    said.setdefault(name, set()).update(names)
    reached: set[str] = set()
    while todo:
        name = todo.pop()
        if name in said and name not in reached:
            reached.add(name)
            todo += sorted(said[name])
    return frozenset(reached | parameters - {"Param"})


def _says(node: ast.stmt, asks: bool) -> bool:
    """Can it be a part of what a property says?  A structure or a variable is what the property speaks of."""
    if isinstance(node, ast.FunctionDef):
        return asks or any(_names(d) & {"pure"} for d in node.decorator_list)
    return isinstance(node, ast.Assign) or (isinstance(node, ast.ClassDef) and any(_names(b) & {"Enum"} for b in
                                                                                   node.bases))


def _defined(node: ast.stmt) -> set[str]:
    if isinstance(node, ast.FunctionDef | ast.ClassDef):
        return {node.name}
    return {n.id for target in node.targets for n in ast.walk(target) if isinstance(n, ast.Name)} if isinstance(
        node, ast.Assign) else set()


def _names(root: ast.AST) -> set[str]:
    """The names in it, and the one that stands as a string after `goal=`."""
    found = {n.id for n in ast.walk(root) if isinstance(n, ast.Name)}
    return found | {k.value.value for k in ast.walk(root) if isinstance(k, ast.keyword) and k.arg == "goal"
                    and isinstance(k.value, ast.Constant) and isinstance(k.value.value, str)}


def _is_program(path: str) -> bool:
    return path.endswith(".py") and path.split("/")[0] in _PROGRAMS


def _programs(files: Mapping[str, str]) -> dict[str, str]:
    return {p: text for p, text in files.items() if _is_program(p)}


def _applied(files: Mapping[str, str], patches: Sequence[tuple[str, tuple[FilePatch, ...]]]) -> dict[str, str]:
    found = dict(files)
    for name, patched in patches:
        for f in patched:
            if f.path.split("/")[0] not in PARTS or "/" not in f.path:
                raise UsageError(f"{name}: {f.path} lies outside the workspace ({', '.join(f'{p}/' for p in PARTS)}); "
                                 "what a patch of the kernel means for the model: lostirq impact")
            if any(part.startswith(".") for part in f.path.split("/")):
                raise UsageError(f"{name}: {f.path} is a hidden file")
        found = apply_files(found, patched, name).sources
    return found


def _named(root: Path, patches: Sequence[tuple[str, tuple[FilePatch, ...]]],
           known: Mapping[str, str]) -> dict[str, str]:
    """Files of the workspace that are no model files, but are named by a patch."""
    found: dict[str, str] = {}
    for path in sorted({f.path for _, files in patches for f in files} - set(known)):
        full = root / path
        if path.split("/")[0] in PARTS and full.is_file():
            if not full.resolve().is_relative_to(root.resolve()):
                raise UsageError(f"{path} is a link to a file outside the workspace")
            found[path] = read_text(full, "file")
    return found


def at_revision(root: Path, revision: str) -> dict[str, str]:
    """The model files of a workspace at a git revision.  Raises `UsageError`."""
    commit = _git(root, revision, "rev-parse", "--verify", "--quiet", "--end-of-options", f"{revision}^{{commit}}")
    name = commit.decode().strip()
    rows = _git(root, revision, "ls-tree", "-r", "-z", name, "--", *_PROGRAMS).split(b"\0")
    found: dict[str, str] = {}
    for row in (r for r in rows if r):
        head, _, raw = row.partition(b"\t")
        mode, kind, identifier = head.decode().split(" ")
        path = raw.decode(errors="replace")
        if not _is_program(path) or kind != "blob":
            continue
        if mode == "120000":
            raise UsageError(f"--base {revision}: {path} is a symbolic link")
        text = _git(root, revision, "cat-file", "blob", identifier)
        try:
            found[path] = text.decode("utf-8")
        except UnicodeDecodeError:
            raise UsageError(f"--base {revision}: {path} is not UTF-8 text") from None
    if not any(p.startswith("model/") for p in found):
        raise UsageError(f"--base {revision}: that revision has no model/ here")
    return dict(sorted(found.items()))


def _git(root: Path, revision: str, *words: str) -> bytes:
    try:
        done = subprocess.run(["git", *words], cwd=root, capture_output=True, check=False, timeout=60,
                              stdin=subprocess.DEVNULL, env={**os.environ, "LC_ALL": "C"})
    except (OSError, subprocess.SubprocessError) as e:
        raise UsageError(f"--base {revision}: git cannot be run: {e}") from None
    if done.returncode != 0:
        said = done.stderr.decode(errors="replace")
        if "not a git repository" in said:
            raise UsageError(f"--base {revision}: {root} is in no git repository; a patch needs none")
        said = (done.stderr.decode(errors="replace").strip().splitlines() or ["no such revision of this folder"])[0]
        raise UsageError(f"--base {revision}: {said}")
    return done.stdout
