# SPDX-License-Identifier: GPL-2.0-or-later
"""Which scenarios an edit cannot change: those whose compilation never came to the statements that it is about.

Invariants: the front end is deterministic, and reads a function only statement by statement and by the facts that its
declaration keeps; so a scenario in which no edited statement was executed, by a process or in a property, compiles to
the same system as long as the declarations say the same.  Whatever else is edited may change every scenario.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Mapping

from lostirq.language import Statement, Workspace
from lostirq.workflow.mutate_edit import Edit, Mutant


def statements_of(sources: Mapping[str, str], group: Iterable[Mutant]) -> frozenset[Statement] | None:
    """The innermost statements of functions that hold the edits; None if one is elsewhere."""
    found: set[Statement] = set()
    for m in group:
        tree = ast.parse(sources[m.file])
        for edit in m.edits:
            innermost = _innermost(tree, edit)
            if innermost is None:
                return None
            found.add((m.file, innermost.lineno, innermost.col_offset))
    return frozenset(found)


def statements_replaced(before: Mapping[str, str], after: Mapping[str, str]) -> frozenset[Statement] | None:
    """All statements, as they were before, of the functions that are not the same after; None if something else is not,
    or a function is new or gone."""
    found: set[Statement] = set()
    if before.keys() != after.keys():
        return None
    for file in (f for f in before if before[f] != after[f]):
        old, new = (ast.parse(text[file]).body for text in (before, after))
        if len(old) != len(new):
            return None
        for a, b in zip(old, new, strict=True):
            if ast.dump(a) == ast.dump(b):
                continue
            if not isinstance(a, ast.FunctionDef) or not isinstance(b, ast.FunctionDef) or _header(a) != _header(b):
                return None
            found.update((file, s.lineno, s.col_offset) for s in ast.walk(a) if isinstance(s, ast.stmt))
    return frozenset(found)


def _header(f: ast.FunctionDef) -> tuple[object, ...]:
    return f.name, ast.dump(f.args), [ast.dump(d) for d in f.decorator_list], f.returns and ast.dump(f.returns)


def _innermost(tree: ast.Module, edit: Edit) -> ast.stmt | None:
    found: ast.stmt | None = None
    bodies = (s for f in tree.body if isinstance(f, ast.FunctionDef) for s in f.body)
    for node in (n for s in bodies for n in ast.walk(s)):       # the outer ones first
        if isinstance(node, ast.stmt) and _holds(node, edit):
            found = node
    return found


def _holds(node: ast.stmt, edit: Edit) -> bool:
    end = node.end_lineno or node.lineno, node.end_col_offset or 0
    return (node.lineno, node.col_offset) <= (edit.line, edit.column) and (edit.end_line, edit.end_column) <= end


def declared_alike(a: Workspace, b: Workspace) -> bool:
    """Do the declarations of two workspaces say the same about every function, and about the workspace?"""
    return _facts(a) == _facts(b)


def _facts(w: Workspace) -> tuple[object, ...]:
    d = w.declarations
    functions = {f.name: (f.role, f.assigned, f.looped, f.mutated) for f in d.functions()}
    return functions, d.windows, d.events
