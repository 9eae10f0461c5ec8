# SPDX-License-Identifier: GPL-2.0-or-later
"""`lostirq impact`: what a patch against the modelled source means for the model.

From the functions that the patch touches to the functions of the model that mirror them (`kernel=` of their
decorator), the scenarios that execute these, the properties that speak of what they write, the known bugs that touch
them, and the skeleton of the change to make: the function of the model with the hunk beside it, as comments, to be
translated by hand.

Invariants: nothing is written but to the file asked for; a touched function that the model does not have is listed as
such, never dropped; two functions of one name in different files are not confused: a match by name alone says so.
"""

from __future__ import annotations

import ast
import difflib
from collections.abc import Callable, Mapping, Sequence, Set
from dataclasses import dataclass
from pathlib import Path

from lostirq.errors import LostirqError, UsageError
from lostirq.ir.expr import Var, variables
from lostirq.ir.system import Form, Memory, System
from lostirq.language import Executed, Statement, Workspace, compile_scenario, load_sources
from lostirq.workflow import jobs
from lostirq.workflow.bugs import library
from lostirq.workflow.cache import ResultCache, engine_version, key_of, texts_digest
from lostirq.workflow.check import TIERS
from lostirq.workflow.impact_source import OUTSIDE, Piece, pieces
from lostirq.workflow.mail import split
from lostirq.workflow.outcome import Outcome
from lostirq.workflow.patch import touched_by
from lostirq.workflow.patch_steps import Declared, declarations
from lostirq.workflow.patching import parse
from lostirq.workflow.show import natural
from lostirq.workflow.workspace import SOURCES, sources

OnUse = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class Use:
    """What a scenario executes: function of the model -> ids of the properties that speak of what it writes;
    `compiled`: what was compiled and left nothing, such as a function whose value is a constant there."""

    scenario: str
    tier: str
    functions: dict[str, tuple[str, ...]]
    compiled: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Modelled:
    """A function of the model that mirrors a touched one.  `exact`: the file is the same, too; `scenarios` execute it,
    in order of the tiers; `bugs`: known bugs that touch it."""

    name: str
    file: str
    line: int
    mirrors: str
    exact: bool
    pieces: tuple[Piece, ...]
    scenarios: tuple[str, ...]
    properties: tuple[str, ...]
    bugs: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Impact:
    """`absent`: touched functions (file, name) that the model does not have; `outside`: files with changes in no
    function; `skeleton`: a unified diff against the workspace, '' if nothing modelled is touched; `tiers`: all
    scenarios by tier."""

    modelled: tuple[Modelled, ...]
    absent: tuple[tuple[str, str], ...]
    outside: tuple[str, ...]
    scenarios: tuple[str, ...]
    properties: tuple[str, ...]
    skeleton: str
    tiers: dict[str, tuple[str, ...]]


def impact(root: Path, raw: bytes, name: str, tree: Path | None, *, processes: int = 1,
           results: ResultCache | None = None, on_use: OnUse = lambda done, total: None) -> Impact:
    """`on_use` is told how many of the scenarios that are to be compiled are done.  Raises `UsageError`,
    `ModelErrors`, `LostirqError`."""
    files = [f for letter in split(raw, name) for f in parse(letter.text, letter.name, strict=False)]
    texts = sources(root)
    ours = next((f.path for f in files if f.path in texts or f.path.split("/")[0] in SOURCES), None)
    if ours is not None:
        raise UsageError(f"{name}: {ours} is a file of the model: lostirq patch judges such a patch; impact is for one "
                         "of the modelled source")
    touched = pieces(files, tree)
    known = [d for file, text in texts.items() for d in declarations(file, text) if d.mirrors]
    grouped = _group(touched)
    matches = {where: _matching(known, *where) for where in grouped if where[1] != OUTSIDE}
    workspace = load_sources(texts)
    used = uses(workspace, processes, results, on_use) if any(matches.values()) else []
    bugs = {folder.name: touched_by(folder, texts) for folder in library(root).values()} if used else {}
    modelled = tuple(_modelled(d, found, d.mirrors.partition(":")[0] == where[0], used, bugs)
                     for where, found in grouped.items() for d in matches.get(where, []))
    return Impact(
        modelled,
        tuple(w for w, found in matches.items() if not found),
        tuple(dict.fromkeys(file for file, function in grouped if function == OUTSIDE)),
        tuple(u.scenario for u in used if any(u.scenario in m.scenarios for m in modelled)),
        tuple(p for p in workspace.properties if any(p in m.properties for m in modelled)),
        skeleton(texts, modelled),
        {tier: tuple(u.scenario for u in used if u.tier == tier) for tier in TIERS},
    )


def _group(touched: Sequence[Piece]) -> dict[tuple[str, str], tuple[Piece, ...]]:
    found: dict[tuple[str, str], list[Piece]] = {}
    for piece in touched:
        found.setdefault((piece.file, piece.function), []).append(piece)
    return {where: tuple(some) for where, some in found.items()}


def _matching(known: Sequence[Declared], file: str, function: str) -> list[Declared]:
    """Those that mirror it; where none names this file, those that mirror a function of this name elsewhere."""
    same = [d for d in known if d.mirrors.partition(":")[2] == function]
    return [d for d in same if d.mirrors.partition(":")[0] == file] or same


def _modelled(d: Declared, found: tuple[Piece, ...], exact: bool, used: Sequence[Use],
              bugs: Mapping[str, frozenset[str]]) -> Modelled:
    here = [u for u in used if d.name in u.functions] or [u for u in used if d.name in u.compiled]
    speaking = dict.fromkeys(p for u in here for p in u.functions.get(d.name, ()))
    known = tuple(slug for slug, names in bugs.items() if d.name in names)
    return Modelled(d.name, d.file, d.first, d.mirrors, exact, found, tuple(u.scenario for u in here),
                    tuple(sorted(speaking, key=natural)), known)


# -- what executes what -------------------------------------------------------------------------------------------


def uses(workspace: Workspace, processes: int, results: ResultCache | None,
         on_use: OnUse = lambda done, total: None) -> list[Use]:
    """What each scenario executes, in order of the tiers; under the weakest memory model that it allows."""
    names = sorted((s for s in workspace.scenarios.values() if s.tier in TIERS), key=lambda s: TIERS.index(s.tier))
    texts = texts_digest(workspace.sources)
    keys = {s.name: key_of("use", engine_version(), texts, s.name) for s in names}
    found = {n: kept for n, k in keys.items() if results is not None and (kept := results.get(k, Use)) is not None}
    left = [s for s in names if s.name not in found]

    def work(index: int, report: jobs.Report) -> Use:
        s = left[index]
        memory = Memory.TSO if Memory.TSO in s.memory else Memory.SC
        seen = Executed()
        functions = executed(compile_scenario(workspace, s.name, memory, executed=seen), seen.functions)
        compiled = _holding(workspace, seen.statements) - functions.keys()
        return Use(s.name, s.tier, functions, tuple(sorted(compiled)))

    if left:
        on_use(0, len(left))
    for count, done in enumerate(jobs.run(list(range(len(left))), work, processes=processes), 1):
        on_use(count, len(left))
        if done.result is None:
            failure = done.failure or jobs.Failure(Outcome.INTERNAL, "no result")
            raise LostirqError(f"{left[done.number].name}: {failure.message}")
        found[done.result.scenario] = done.result
        if results is not None:
            results.put(keys[done.result.scenario], done.result)
    return [found[s.name] for s in names]


def _holding(workspace: Workspace, statements: Set[Statement]) -> set[str]:
    """The functions of the model that hold one of these statements."""
    lines: dict[str, set[int]] = {}
    for file, line, _ in statements:
        lines.setdefault(file, set()).add(line)
    known = (f for f in workspace.functions if f.span.file in lines)
    ends = {(file, node.lineno): node.end_lineno or node.lineno for file in lines
            for node in ast.parse(workspace.sources[file]).body if isinstance(node, ast.FunctionDef)}
    return {f.name for f in known if any(f.span.line <= line <= ends[f.span.file, f.span.line]
                                         for line in lines[f.span.file])}


def executed(system: System, functions: Set[str]) -> dict[str, tuple[str, ...]]:
    """Function -> ids of the properties that read what its steps write, or, of liveness, that wait for its events; all
    of them for one of the other `functions`, which have no step of their own, since others' steps do what they do."""
    writes: dict[str, set[Var]] = {}
    for edge in system.edges:
        for name in dict.fromkeys([*edge.stack, edge.function]):
            writes.setdefault(name, set()).update(v for v, _ in edge.assigns)
    reads: dict[str, set[Var]] = {}
    for p in system.properties:
        if p.form not in (Form.REACHABLE, Form.REACHABLE_STEP):
            reads.setdefault(p.id, set()).update(variables([p.formula, p.goal]))
    told = {name: tuple(p for p, read in reads.items() if read & written) for name, written in sorted(writes.items())}
    return told | {name: tuple(reads) for name in sorted(functions - told.keys())}


# -- the skeleton -------------------------------------------------------------------------------------------------


def skeleton(texts: Mapping[str, str], modelled: Sequence[Modelled]) -> str:
    """A unified diff that puts each hunk as comments at the top of the function that mirrors it; where several do, of
    the one of its name, or else of the first, with the others named."""
    notes: dict[str, dict[int, list[str]]] = {}
    mirrors: dict[tuple[str, str], list[Modelled]] = {}
    for m in modelled:
        mirrors.setdefault((m.pieces[0].file, m.pieces[0].function), []).append(m)
    for (_, function), found in mirrors.items():
        m = next((m for m in found if m.name == function), found[0])
        lines = texts[m.file].splitlines()
        at = _body(lines, m.line)
        indent = lines[at][:len(lines[at]) - len(lines[at].lstrip())] if at < len(lines) else "    "
        said = _notes(m, [other for other in found if other is not m])
        notes.setdefault(m.file, {}).setdefault(at, []).extend(f"{indent}{line}".rstrip() for line in said)
    return "".join(_diff(file, texts[file], found) for file, found in sorted(notes.items()))


def _notes(m: Modelled, others: Sequence[Modelled]) -> list[str]:
    found: list[str] = []
    for piece in m.pieces:
        found.append(f"# translate: {piece.file}:{piece.line} {piece.function}()")
        found += [f"# part of it may belong in {o.name}(), {o.file}:{o.line}" for o in others]
        found += [f"# {kind} {text.expandtabs(4)}" for kind, text in piece.lines]
    return found


def _body(lines: Sequence[str], first: int) -> int:
    """The index of the first statement of the function whose decorators begin on line `first`."""
    tree = ast.parse("\n".join(lines))
    for node in tree.body:
        if isinstance(node, ast.FunctionDef) and min([node.lineno, *(d.lineno for d in node.decorator_list)]) == first:
            documented = ast.get_docstring(node) is not None and len(node.body) > 1
            return node.body[1 if documented else 0].lineno - 1
    return first


def _diff(file: str, text: str, notes: Mapping[int, list[str]]) -> str:
    lines = text.splitlines()
    after = [new for n, line in enumerate(lines) for new in (*notes.get(n, []), line)]
    rows = difflib.unified_diff(lines, after, f"a/{file}", f"b/{file}", n=3, lineterm="")
    return "".join(f"{row}\n" for row in rows)
