# SPDX-License-Identifier: GPL-2.0-or-later
"""What a patch changes in a model: the declarations, with their lines, and the steps of a run.

Invariants: a change of comments, docstrings or layout is no change; a step counts as changed if the base has no such
step, or does not have it after the one that its process took before (so shows a step that was dropped or moved).
"""

from __future__ import annotations

import ast
import difflib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache

from lostirq.evidence.account import Account, Fact, Said
from lostirq.evidence.replay import Run
from lostirq.ir.core import show
from lostirq.ir.system import Edge, System


@dataclass(frozen=True, slots=True)
class Declared:
    """A declaration at the top of a file; lines count from 1 and include decorators; `mirrors` is what a function
    mirrors ('' if nothing)."""

    name: str
    file: str
    first: int
    last: int
    form: str
    mirrors: str = ""


@dataclass(frozen=True, slots=True)
class Touched:
    """A declaration that a patch changes, adds or removes; `removed` and `added` are its lines of code (of the base and
    of the patched model), with their numbers."""

    name: str
    file: str
    line: int
    mirrors: str
    removed: tuple[tuple[int, str], ...]
    added: tuple[tuple[int, str], ...]


def _parses(text: str) -> bool:
    try:
        ast.parse(text)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return False
    return True


@lru_cache(maxsize=512)
def declarations(file: str, text: str) -> tuple[Declared, ...]:
    """In order of the lines; nothing if the text is not Python (the front end tells that better)."""
    if not _parses(text):
        return ()
    tree = ast.parse(text)
    found = []
    for node in tree.body:
        name = _name(node)
        if name:
            first = min([node.lineno, *(d.lineno for d in getattr(node, "decorator_list", ()))])
            found.append(Declared(name, file, first, node.end_lineno or first, _form(node), _mirrors(node)))
    return tuple(found)


def _name(node: ast.stmt) -> str:
    if isinstance(node, ast.FunctionDef | ast.ClassDef):
        return node.name
    target: ast.expr | None = node.target if isinstance(node, ast.AnnAssign) else None
    if isinstance(node, ast.Assign) and len(node.targets) == 1:
        target = node.targets[0]
    return target.id if isinstance(target, ast.Name) else ""


def _form(node: ast.stmt) -> str:
    """What has meaning in a declaration."""
    if isinstance(node, ast.FunctionDef | ast.ClassDef) and ast.get_docstring(node) is not None:
        saved, node.body = node.body, node.body[1:] or [ast.Pass()]
        try:
            return ast.dump(node)
        finally:
            node.body = saved
    return ast.dump(node)


def _mirrors(node: ast.stmt) -> str:
    for decorator in getattr(node, "decorator_list", ()):
        for keyword in decorator.keywords if isinstance(decorator, ast.Call) else ():
            if keyword.arg == "kernel" and isinstance(keyword.value, ast.Constant):
                return str(keyword.value.value)
    return ""


def touched(base: Mapping[str, str], patched: Mapping[str, str]) -> tuple[Touched, ...]:
    """The declarations that differ, in order of file and line."""
    found: list[Touched] = []
    for file in sorted(set(base) | set(patched)):
        if not file.endswith(".py") or base.get(file) == patched.get(file):
            continue
        old_text, new_text = base.get(file, ""), patched.get(file, "")
        if not (_parses(old_text) and _parses(new_text)):
            continue                # an error of the model, which the front end tells better
        old = {d.name: d for d in declarations(file, old_text)}
        new = {d.name: d for d in declarations(file, new_text)}
        for name in dict.fromkeys([*new, *old]):
            before, after = old.get(name), new.get(name)
            if before is None or after is None or before.form != after.form:
                found.append(_touched(name, before, after, old_text.splitlines(), new_text.splitlines()))
    return tuple(sorted(found, key=lambda t: (t.file, t.line)))


def same_meaning(base: Mapping[str, str], patched: Mapping[str, str]) -> bool:
    """Do the files differ in comments, docstrings and layout at most?"""
    def forms(sources: Mapping[str, str]) -> dict[str, list[str]]:
        return {file: [d.form for d in declarations(file, text)] for file, text in sources.items()
                if patched.get(file) != base.get(file)}

    return set(base) == set(patched) and forms(base) == forms(patched)


def _touched(name: str, before: Declared | None, after: Declared | None, old: list[str], new: list[str]) -> Touched:
    there = after or before
    if there is None:
        raise ValueError(name)
    a = [] if before is None else old[before.first - 1:before.last]
    b = [] if after is None else new[after.first - 1:after.last]
    removed: list[tuple[int, str]] = []
    added: list[tuple[int, str]] = []
    for tag, i, j, k, m in difflib.SequenceMatcher(None, a, b, autojunk=False).get_opcodes():
        if tag != "equal":
            removed += [((before.first if before else 0) + n, a[n].strip()) for n in range(i, j) if is_code(a[n])]
            added += [((after.first if after else 0) + n, b[n].strip()) for n in range(k, m) if is_code(b[n])]
    return Touched(name, there.file, there.first, there.mirrors, tuple(removed), tuple(added))


def is_code(line: str) -> bool:
    """Is it neither empty nor a comment?"""
    return bool(line.strip()) and not line.strip().startswith("#")


def at_lines(sources: Mapping[str, str], lines: Mapping[str, frozenset[int]]) -> frozenset[str]:
    """The declarations that lie on some of the lines."""
    return frozenset(d.name for file, numbers in lines.items() if file in sources and file.endswith(".py")
                     for d in declarations(file, sources[file]) if any(d.first <= n <= d.last for n in numbers))


Names = Callable[[Edge], frozenset[tuple[str, ...]]]


class Steps:
    """The steps that a base system knows, by what they do, wherever they stand and however variables are numbered.
    What a step does beside a store buffer depends on what that may hold, which a patch changes far from where it is:
    under TSO it counts as what it does under SC (`plain`: the systems of the base and of the patched model)."""

    def __init__(self, base: System, plain: tuple[System, System] | None = None) -> None:
        self._plain = None if plain is None else plain[1]
        names = _names(base, None if plain is None else plain[0])
        leaving = base.edges_from()
        self._known = {name for e in base.edges for name in names(e)}
        self._pairs = {(one, other) for a in base.edges for b in leaving.get((a.process, a.dst), ())
                       for one in names(a) for other in names(b)}

    def changed(self, run: Run) -> frozenset[int]:
        """The numbers of the steps of a run that are not as in the base."""
        found: set[int] = set()
        last: dict[int, frozenset[tuple[str, ...]]] = {}
        names = _names(run.system, self._plain)
        for number, step in enumerate(run.steps):
            if step.edge is None:
                continue
            this, before = names(step.edge), last.get(step.edge.process)
            if self._known.isdisjoint(this) or (
                    before is not None and self._pairs.isdisjoint((a, b) for a in before for b in this)):
                found.add(number)
            last[step.edge.process] = this
        return frozenset(found)


def _names(system: System, plain: System | None) -> Names:
    """What an edge does; with `plain`, what it does there: a statement of a call has as many edges in both, in one
    order, or else it may be any of them."""
    if plain is None:
        return lambda edge: frozenset((identity(system, edge),))
    there, here = _by_statement(plain), _by_statement(system)
    place = {edge.index: (where, n) for where, edges in here.items() for n, edge in enumerate(edges)}

    def names(edge: Edge) -> frozenset[tuple[str, ...]]:
        where, n = place[edge.index]
        same = there.get(where, [])
        if len(same) == len(here[where]):
            same = same[n:n + 1]
        return frozenset(identity(plain, e) for e in same) or frozenset((where,))

    return names


def _by_statement(system: System) -> dict[tuple[str, ...], list[Edge]]:
    """The edges of each statement of each call, by names."""
    found: dict[tuple[str, ...], list[Edge]] = {}
    for e in system.edges:
        where = (system.processes[e.process].name, e.function, e.text, e.choice, e.access.value, *e.stack)
        found.setdefault(where, []).append(e)
    return found


def identity(system: System, edge: Edge) -> tuple[str, ...]:
    """What an edge does, by names."""
    effect = ";".join(f"{v.name}={show(rhs)}" for v, rhs in edge.assigns)
    buffered = ",".join(sorted(v.name for v, _ in edge.assigns if v.unit in edge.buffered))
    return (system.processes[edge.process].name, edge.function, edge.text, edge.choice, show(edge.guard), effect,
            edge.access.value, str(edge.drains), buffered)


def marked(account: Account, changed: frozenset[int]) -> Account:
    """The account with `>>` before what the changed steps say; one that would say nothing says its statement."""
    steps = []
    for number, step in enumerate(account.steps):
        if number in changed:
            said = tuple(replace(s, minor=False, facts=tuple(Fact(f">> {f.text}") for f in s.facts))
                         for s in step.said if s.facts)
            quiet = (Said(step.column, step.function, (Fact(f">> {step.text}"),)),)
            step = replace(step, said=said or quiet)
        steps.append(step)
    return replace(account, steps=tuple(steps))
