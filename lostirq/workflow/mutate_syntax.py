# SPDX-License-Identifier: GPL-2.0-or-later
"""What the mutators ask about the syntax of a model: what touches memory, what is a barrier, what is configuration.

Invariants: only syntax is read, so the answers may be too generous: a mutant that changes nothing is found by its
transition system; the answers depend on the text alone.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

FENCES = frozenset({"smp_mb", "drain"})
BARRIERS = frozenset({"smp_wmb", "smp_rmb", "smp_mb__before_atomic", "smp_mb__after_atomic", "barrier"})
MARKS = frozenset({"event", "idle", "strong", "unfair", "step"})
PRIVATE = frozenset({
    "bit", "bits", "choose", "extract", "highest", "index", "insert", "len", "max", "min", "popcount", "range",
    "this_cpu", "with_bit",
})
LOCKED_BITS = ("test_and_set_bit", "test_and_clear_bit", "set_bit", "clear_bit")
LOCKED_VALUES = ("lock_set", "xchg", "cmpxchg", "test_and_set", "test_and_clear", "fetch_add", "fetch_or", "fetch_and")


@dataclass(frozen=True, slots=True)
class Facts:
    """Of all files together: `fences` and `barriers` by the name of what is called (functions that are nothing but a
    fence included), `leading` the functions that begin with a barrier, `constants` the names that are configuration,
    `ghosts` the fields that no code reads, and `marks` the functions that write nothing else."""

    fences: frozenset[str]
    barriers: frozenset[str]
    leading: frozenset[str]
    constants: frozenset[str]
    ghosts: frozenset[str]
    marks: frozenset[str]

    def is_mark(self, s: ast.stmt) -> bool:
        """Instrumentation: it has a meaning for properties and fairness only."""
        return is_mark(s, self.marks, self.ghosts, self.constants)


def facts(trees: Sequence[ast.Module]) -> Facts:
    functions: dict[str, ast.FunctionDef] = {}
    constants: set[str] = set()
    for tree in trees:
        for s in tree.body:
            if isinstance(s, ast.FunctionDef):
                functions[s.name] = s
            elif isinstance(s, ast.ClassDef):
                constants.add(s.name)
            elif isinstance(s, ast.Assign):
                constants.update(t.id for t in s.targets if isinstance(t, ast.Name))
    alone = {n for n, f in functions.items() if [called(s) in FENCES for s in real_body(f)] == [True]}
    barriers = BARRIERS | FENCES | alone
    leading: set[str] = set()
    while True:
        more = {n for n, f in functions.items() if n not in leading | alone and _begins(f, barriers | leading)}
        if not more:
            break
        leading |= more
    configuration = frozenset(constants)
    ghosts = _ghosts(trees, configuration)
    marks = MARKS | {n for n, f in functions.items() if is_code(f) and real_body(f) and all(
        is_mark(s, MARKS, ghosts, configuration) or isinstance(s, ast.AnnAssign) for s in real_body(f))}
    return Facts(frozenset(FENCES | alone), frozenset(barriers), frozenset(leading), configuration, ghosts, marks)


def is_mark(s: ast.stmt, marks: frozenset[str], ghosts: frozenset[str], constants: frozenset[str]) -> bool:
    """A call of a mark, a write of ghosts, or a condition over locals and ghosts with nothing else below it."""
    if isinstance(s, ast.If):
        return not touches(s.test, constants, ghosts) and all(is_mark(t, marks, ghosts, constants)
                                                              for t in [*s.body, *s.orelse])
    return called(s) in marks or is_docstring(s) or isinstance(s, ast.Pass) or writes_only(s, ghosts)


def _ghosts(trees: Sequence[ast.Module], constants: frozenset[str]) -> frozenset[str]:
    """Names of ghost fields that nothing reads but what writes such fields, and decides whether to."""
    fields = [s for tree in trees for c in tree.body if isinstance(c, ast.ClassDef) for s in c.body
              if isinstance(s, ast.AnnAssign) and ast.unparse(s.annotation).startswith("Ghost[")]
    ghosts = frozenset(s.target.id for s in fields if isinstance(s.target, ast.Name))
    while True:
        written = {id(n) for tree in trees for s in ast.walk(tree) if isinstance(s, ast.Assign | ast.AugAssign | ast.If)
                   and is_mark(s, MARKS, ghosts, constants) for n in ast.walk(s)}
        read = {n.attr for tree in trees for n in ast.walk(tree) if isinstance(n, ast.Attribute)
                and isinstance(n.ctx, ast.Load) and id(n) not in written}
        if not ghosts & read:
            return ghosts
        ghosts -= read


def writes_only(s: ast.stmt, fields: frozenset[str]) -> bool:
    """Is it an assignment to one of these fields?"""
    if isinstance(s, ast.Assign):
        return all(isinstance(t, ast.Attribute) and t.attr in fields for t in s.targets)
    return isinstance(s, ast.AugAssign) and isinstance(s.target, ast.Attribute) and s.target.attr in fields


def _begins(function: ast.FunctionDef, wanted: Iterable[str]) -> bool:
    """Is the first thing that the function does a call of one of these?"""
    first = next(iter(real_body(function)), None)
    if isinstance(first, ast.With) and is_window(first):
        first = first.body[0]
    if isinstance(first, ast.If):
        return isinstance(first.test, ast.Call) and call_name(first.test) in wanted
    value = first.value if isinstance(first, ast.Expr | ast.Return | ast.Assign) else None
    return isinstance(value, ast.Call) and call_name(value) in wanted


def real_body(function: ast.FunctionDef) -> list[ast.stmt]:
    return [s for s in function.body if not is_docstring(s)]


def is_docstring(s: ast.stmt) -> bool:
    return isinstance(s, ast.Expr) and isinstance(s.value, ast.Constant)


def call_name(call: ast.Call) -> str:
    return call.func.id if isinstance(call.func, ast.Name) else ""


def called(s: ast.stmt) -> str:
    """Name of the function that an expression statement calls, or ''."""
    return call_name(s.value) if isinstance(s, ast.Expr) and isinstance(s.value, ast.Call) else ""


def decorators(function: ast.FunctionDef) -> Iterator[tuple[str, ast.expr]]:
    for d in function.decorator_list:
        call = d.func if isinstance(d, ast.Call) else d
        if isinstance(call, ast.Name):
            yield call.id, d


def is_code(function: ast.FunctionDef) -> bool:
    """A function that makes steps: not a predicate, not initial values."""
    return not any(name in ("pure", "initial") for name, _ in decorators(function))


def is_hardware(function: ast.FunctionDef) -> bool:
    return any(name == "hardware" or isinstance(d, ast.Call) and any(k.arg == "hardware" for k in d.keywords)
               for name, d in decorators(function))


def is_window(s: ast.stmt) -> bool:
    return isinstance(s, ast.With) and all(ast.unparse(i.context_expr).startswith("window(") for i in s.items)


def is_atomic(s: ast.stmt) -> bool:
    return isinstance(s, ast.With) and ast.unparse(s.items[0].context_expr) == "atomic()"


def flat(block: list[ast.stmt]) -> list[ast.stmt]:
    """The statements of a block, with those of its windows in their place."""
    found: list[ast.stmt] = []
    for s in block:
        found += flat(s.body) if isinstance(s, ast.With) and is_window(s) else [s]
    return found


def bodies(s: ast.stmt) -> list[list[ast.stmt]]:
    """The blocks directly below a statement."""
    found = [getattr(s, name, None) for name in ("body", "orelse")] + [c.body for c in getattr(s, "cases", [])]
    return [b for b in found if b and isinstance(b[0], ast.stmt)]


def blocks(body: list[ast.stmt], *, in_atomic: bool = False) -> Iterator[list[ast.stmt]]:
    """All flattened blocks, outermost first; inside atomic sections only if asked for."""
    block = flat(body)
    yield block
    for s in block:
        if in_atomic or not is_atomic(s):
            for below in bodies(s):
                yield from blocks(below, in_atomic=in_atomic)


def header(s: ast.stmt) -> list[ast.expr]:
    """The expressions that a statement evaluates by itself, without the blocks below it."""
    if isinstance(s, ast.If | ast.While):
        return [s.test]
    if isinstance(s, ast.Match):
        return [c.guard for c in s.cases if c.guard is not None]
    if isinstance(s, ast.Expr | ast.Assign | ast.AnnAssign | ast.AugAssign | ast.Return):
        return [s.value] if s.value is not None else []
    return []


def configured(node: ast.expr, constants: frozenset[str]) -> bool:
    """Is the value decided by the scenario alone?"""
    return all(n.id in constants for n in ast.walk(node) if isinstance(n, ast.Name))


def touches(node: ast.AST, constants: frozenset[str], ghosts: frozenset[str] = frozenset()) -> bool:
    """May it touch memory beside these ghosts: does it name a field or an element, or call something?"""
    for n in ast.walk(node):
        if isinstance(n, ast.Call) and call_name(n) not in PRIVATE:
            return True
        known = isinstance(n, ast.Attribute) and n.attr in ghosts
        if isinstance(n, ast.Attribute | ast.Subscript) and not known and not configured(n, constants):
            return True
    return False


def writes(s: ast.stmt) -> set[str]:
    if isinstance(s, ast.Assign):
        return {ast.unparse(t) for t in s.targets}
    return {ast.unparse(s.target)} if isinstance(s, ast.AnnAssign | ast.AugAssign) else set()


def reads(node: ast.AST) -> set[str]:
    found = (n for n in ast.walk(node) if isinstance(n, ast.Name | ast.Attribute | ast.Subscript))
    return {ast.unparse(n) for n in found if isinstance(n.ctx, ast.Load)}
