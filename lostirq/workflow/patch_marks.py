# SPDX-License-Identifier: GPL-2.0-or-later
"""What a patch changes of the instrumentation: what the kernel code does not do, and properties judge it by.

A *mark* is a window, an event, an assignment to a ghost that a property reads (also through other ghosts) and that the
code of the base does not decide on, `idle()`, `strong()`, `unfair()`, and a call of a function that consists of marks.
All else is a *statement*: so is an assignment to a ghost that is a register (`irqs_off`), which the code decides on.

Invariants: marks have changed if, function by function, another sequence of them is left, or one stands elsewhere among
the statements.  The longest sequence of statements that both sides have in common tells what stood still: each of these
has to lie between the same marks on both sides, unless it changed places with one that moved.  So statements may come,
go, be indented, and move across marks; a mark that is widened, moved, or put under another condition is seen.  A
function that only one side has is read at the place of its calls.  It is a comparison of texts: a mark that is reached
less often because of what a statement does is no change of marks.
"""

from __future__ import annotations

import ast
import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache

from lostirq.language.builtins import EFFECTS
from lostirq.workflow.patch_marks_compare import Token, differences

_CALLS = ("event", "idle", "strong", "unfair")


@dataclass(frozen=True, slots=True)
class Mark:
    """A change: `what` stands in `function`, on a line of the patched file (of the base if it is gone)."""

    file: str
    line: int
    function: str
    what: str


@dataclass(frozen=True, slots=True)
class _Function:
    file: str
    node: ast.FunctionDef


def changed_marks(base: Mapping[str, str], patched: Mapping[str, str]) -> tuple[Mark, ...]:
    """In order of file and line.  Files that are no Python are left to the front end."""
    trees = [_trees(base), _trees(patched)]
    models = [_Model(t) for t in trees if t is not None]
    if len(models) < 2:
        return ()
    sides = [m.functions for m in models]
    ghosts = _ghosts(models)
    single = {n: f.node for n, f in (sides[0] | sides[1]).items() if (n in sides[0]) != (n in sides[1])}
    readers = [_Reader(ghosts, model, single) for model in models]
    for reader in readers:
        reader.find_quiet()
    found: list[Mark] = []
    for name in sorted(set(sides[0]) & set(sides[1])):
        old, new = sides[0][name], sides[1][name]
        if ast.dump(old.node) != ast.dump(new.node):
            found += _compared(name, old, new, readers)
    for name in sorted(set(single) - readers[0].read - readers[1].read):
        found += _compared(name, sides[0].get(name), sides[1].get(name), readers)
    found += _fields(models, ghosts)
    return tuple(sorted(dict.fromkeys(found), key=lambda m: (m.file, m.line, m.function, m.what)))


def _compared(name: str, old: _Function | None, new: _Function | None, readers: Sequence[_Reader]) -> list[Mark]:
    tokens = [reader.tokens(f.node) if f is not None else [] for reader, f in zip(readers, (old, new), strict=True)]
    there = new or old
    return [Mark(there.file, line, name, what) for line, what in differences(*tokens)] if there is not None else []


# -- reading ------------------------------------------------------------------------------------------------------


def _trees(sources: Mapping[str, str]) -> dict[str, list[ast.stmt]] | None:
    """File -> what stands in it; None if one is in error, which the front end tells better."""
    try:
        return {path: _parsed(text) for path, text in sorted(sources.items())
                if path.startswith(("model/", "properties/")) and not path.startswith("model/scenarios/")}
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None


@lru_cache(maxsize=64)
def _parsed(text: str) -> list[ast.stmt]:
    return ast.parse(text).body


class _Model:
    """One side.  `functions`: by name, the second of a name by its file too; `fields`: (structure, field) -> (file,
    declaration), with '' for variables; `typed`: what a field, variable or parameter of a name may be."""

    def __init__(self, trees: Mapping[str, list[ast.stmt]]) -> None:
        self.functions: dict[str, _Function] = {}
        self.fields: dict[tuple[str, str], tuple[str, ast.AnnAssign]] = {}
        self.typed: dict[str, set[str]] = {}
        self.properties = [n for path, body in trees.items() if path.startswith("properties/") for n in body]
        for path, body in trees.items():
            for outer in body if path.startswith("model/") else ():
                if isinstance(outer, ast.FunctionDef):
                    name = outer.name if outer.name not in self.functions else f"{path}: {outer.name}"
                    self.functions[name] = _Function(path, outer)
                    for parameter in outer.args.args:
                        self._type(parameter.arg, parameter.annotation)
                for node in outer.body if isinstance(outer, ast.ClassDef) else [outer]:
                    if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
                        self.fields[outer.name if isinstance(outer, ast.ClassDef) else "", node.target.id] = path, node
                        self._type(node.target.id, node.annotation)

    def _type(self, name: str, annotation: ast.expr | None) -> None:
        self.typed.setdefault(name, set()).update(_words(annotation) if annotation is not None else ())

    def ghosts(self) -> set[str]:
        return {name for (_, name), (_, node) in self.fields.items() if "Ghost" in _words(node.annotation)}

    def is_ghost(self, place: ast.expr, ghosts: frozenset[str]) -> bool:
        """Is it a place of one of these?  Where a field of the name is none elsewhere, the structure decides."""
        while isinstance(place, ast.Subscript):
            place = place.value
        if isinstance(place, ast.Name):
            return place.id in ghosts and ("", place.id) in self.fields
        if not isinstance(place, ast.Attribute) or place.attr not in ghosts:
            return False
        owner = place.value
        while isinstance(owner, ast.Subscript):
            owner = owner.value
        name = owner.attr if isinstance(owner, ast.Attribute) else owner.id if isinstance(owner, ast.Name) else ""
        own = [node for (outer, field_name), (_, node) in self.fields.items()
               if field_name == place.attr and (outer in self.typed.get(name, ()))]
        return not own or any("Ghost" in _words(node.annotation) for node in own)


def _ghosts(models: Sequence[_Model]) -> frozenset[str]:
    """The ghosts that properties read, by name, also through other ghosts or through `@pure` functions, and that the
    code of the base does not decide on."""
    every = {name for model in models for name in model.ghosts()}
    functions = [f.node for model in models for f in model.functions.values()]
    roots: list[ast.AST] = [n for model in models for n in model.properties]
    roots += [f for f in functions if _is_pure(f)]
    read = {w for root in roots for w in _words(root)} & every
    writes = [n for f in functions for n in ast.walk(f) if isinstance(n, ast.Assign | ast.AugAssign | ast.AnnAssign)]
    while True:
        more = {w for n in writes if any(_words(p) & read for p in _places(n)) and n.value is not None
                for w in _words(n.value)} & every - read
        if not more:
            break
        read |= more
    while True:
        reader = _Reader(frozenset(read), models[0], {})
        reader.find_quiet()
        decided = {w for w in reader.decides() if w in read}
        if not decided:
            return frozenset(read)
        read -= decided


def _is_pure(node: ast.FunctionDef) -> bool:
    return any("pure" in _words(d) for d in node.decorator_list)


def _words(root: ast.AST) -> set[str]:
    return {n.id if isinstance(n, ast.Name) else n.attr for n in ast.walk(root)
            if isinstance(n, ast.Name | ast.Attribute)}


def _places(node: ast.Assign | ast.AugAssign | ast.AnnAssign) -> list[ast.expr]:
    """What an assignment writes."""
    found: list[ast.expr] = []
    todo = list(node.targets) if isinstance(node, ast.Assign) else [node.target]
    while todo:
        place = todo.pop()
        if isinstance(place, ast.Tuple):
            todo += place.elts
        else:
            found.append(place)
    return found


def _fields(models: Sequence[_Model], ghosts: frozenset[str]) -> list[Mark]:
    """Ghosts that are declared in another way."""
    old, new = (m.fields for m in models)
    found = []
    for key in sorted(set(old) | set(new)):
        before, after = old.get(key), new.get(key)
        there = after or before
        if there is None or key[1] not in ghosts or (before and after and ast.dump(before[1]) == ast.dump(after[1])):
            continue
        if any(side is not None and "Ghost" in _words(side[1].annotation) for side in (before, after)):
            found.append(Mark(there[0], there[1].lineno, key[0], f"declaration of ghost {key[1]}"))
    return found


class _Renamed(ast.NodeTransformer):
    """A body with what it is called with in the place of its parameters."""

    def __init__(self, given: Mapping[str, ast.expr]) -> None:
        self._given = given

    def visit_Name(self, node: ast.Name) -> ast.expr:
        there = self._given.get(node.id)
        return copy.deepcopy(there) if there is not None and isinstance(node.ctx, ast.Load) else node


@dataclass(slots=True)
class _Reader:
    """The tokens of one side.  `single`: the functions that only one side has; `read`: those met at a call; `quiet`:
    the functions that consist of marks."""

    ghosts: frozenset[str]
    model: _Model
    single: Mapping[str, ast.FunctionDef]
    quiet: set[str] = field(default_factory=set)
    read: set[str] = field(default_factory=set)
    inside: list[str] = field(default_factory=list)

    def find_quiet(self) -> None:
        while True:
            more = {n for n, f in self.model.functions.items() if n not in self.quiet and n not in self.single
                    and self.marks_only(f.node.body)}
            if not more:
                return
            self.quiet |= more

    def decides(self) -> set[str]:
        """The ghosts that statements read, also through `@pure` functions."""
        found: set[str] = set()
        functions = self.model.functions
        called: set[str] = set()
        for name, function in functions.items():
            if name in self.quiet or _is_pure(function.node):
                continue
            for root in (*function.node.decorator_list, *self._statements(function.node.body)):
                for node in ast.walk(root):
                    if isinstance(node, ast.Attribute | ast.Name) and isinstance(node.ctx, ast.Load) and \
                            self.model.is_ghost(node, self.ghosts):
                        found |= _words(node) & self.ghosts
                called |= _words(root)
        todo = sorted(called & set(functions))
        seen: set[str] = set()
        while todo:
            name = todo.pop()
            node_ = functions[name].node
            if name not in seen and _is_pure(node_):
                seen.add(name)
                found |= _words(node_) & self.ghosts
                todo += sorted(_words(node_) & set(functions))
        return found

    def _statements(self, body: Sequence[ast.stmt]) -> list[ast.AST]:
        """What is no mark: simple statements, and what compound ones decide on."""
        found: list[ast.AST] = []
        for node in body:
            if self._simple(node) or self.marks_only([node]):
                continue
            if isinstance(node, ast.If | ast.While):
                found += [node.test, *self._statements([*node.body, *node.orelse])]
            elif isinstance(node, ast.For):
                found += [node.iter, *self._statements(node.body)]
            elif isinstance(node, ast.With):
                found += [*(i.context_expr for i in node.items), *self._statements(node.body)]
            elif isinstance(node, ast.Match):
                found += [node.subject, *(c.guard for c in node.cases if c.guard is not None)]
                found += [n for c in node.cases for n in self._statements(c.body)]
            else:
                found.append(node)
        return found

    def tokens(self, function: ast.FunctionDef) -> list[Token]:
        return self._block(function.body)

    def marks_only(self, body: Sequence[ast.stmt]) -> bool:
        """Are there marks in it, and besides them nothing that matters?"""
        found = False
        for node in body:
            if isinstance(node, ast.Pass) or self._neutral(node):
                continue
            inner = [*getattr(node, "body", []), *getattr(node, "orelse", [])]
            below = isinstance(node, ast.If | ast.For | ast.With) and self.marks_only(inner) and not self._acts(node)
            if not below and not self._simple(node):
                return False
            found = True
        return found

    def _acts(self, node: ast.If | ast.For | ast.With) -> bool:
        """Does its head more than look?"""
        heads = [node.test] if isinstance(node, ast.If) else [node.iter] if isinstance(node, ast.For) else [
            i.context_expr for i in node.items]
        calls = {n.func.id for head in heads for n in ast.walk(head) if isinstance(n, ast.Call)
                 and isinstance(n.func, ast.Name)}
        return any(c in EFFECTS or (c in self.model.functions and not _is_pure(self.model.functions[c].node))
                   for c in calls)

    @staticmethod
    def _neutral(node: ast.stmt) -> bool:
        """A docstring, or a local constant."""
        if isinstance(node, ast.Expr):
            return isinstance(node.value, ast.Constant)
        return isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name) and isinstance(node.value,
                                                                                                   ast.Constant)

    def _simple(self, node: ast.stmt) -> str:
        """Which mark a simple statement is, '' if none."""
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Call) and isinstance(node.value.func, ast.Name):
            name = node.value.func.id
            return ast.unparse(node.value) if name in _CALLS or name in self.quiet else ""
        if isinstance(node, ast.Assign | ast.AugAssign | ast.AnnAssign):
            return ast.unparse(node) if all(self.model.is_ghost(p, self.ghosts) for p in _places(node)) else ""
        return ""

    def _block(self, body: Sequence[ast.stmt]) -> list[Token]:
        found: list[Token] = []
        for node in body:
            if isinstance(node, ast.Pass) or (isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)):
                continue
            if isinstance(node, ast.With):
                found += self._with(node)
            elif self._simple(node):
                found.append(Token(ast.dump(node), node.lineno, self._simple(node)))
            elif self.marks_only([node]):
                found.append(Token(ast.dump(node), node.lineno, ast.unparse(node).splitlines()[0]))
            elif isinstance(node, ast.If | ast.For | ast.While):
                found += self._compound(node, [(getattr(node, "test", None) or getattr(node, "iter", None), node.body),
                                               (None, node.orelse)])
            elif isinstance(node, ast.Match):
                found += self._compound(node, [(node.subject, []), *((c.guard, c.body) for c in node.cases)],
                                        [ast.dump(c.pattern) for c in node.cases])
            else:
                found += [*self._called(node), Token(ast.dump(node), node.lineno)]
        return found

    def _with(self, node: ast.With) -> list[Token]:
        first = node.items[0].context_expr
        rest = [copy.copy(node)] if len(node.items) > 1 else []
        for inner in rest:
            inner.items = node.items[1:]
        if isinstance(first, ast.Call) and isinstance(first.func, ast.Name) and first.func.id == "window":
            said = ast.unparse(first)
            return [Token(f"open {said}", node.lineno, said), *self._block(rest or node.body),
                    Token(f"close {said}", node.end_lineno or node.lineno, said)]
        return self._compound(node, [(first, rest or node.body)])

    def _compound(self, node: ast.stmt, parts: Sequence[tuple[ast.expr | None, Sequence[ast.stmt]]],
                  patterns: Sequence[str] = ()) -> list[Token]:
        kind = type(node).__name__
        found: list[Token] = []
        for number, (test, body) in enumerate(parts):
            if number and not body and not patterns:
                continue
            head = ast.dump(test) if test is not None else ""
            text = f"{kind} {number and (patterns[number - 1] if patterns else 'else')} {head}"
            inner = self._block(body)
            found += self._called(test) if test is not None else []
            found.append(Token(text, node.lineno, size=len(inner), structure=True))
            found += inner
        return [*found, Token(f"end {kind}", node.end_lineno or node.lineno, structure=True)]

    def _called(self, root: ast.AST) -> list[Token]:
        """What the functions do that a statement calls and that only one side has."""
        found: list[Token] = []
        for call in (n for n in ast.walk(root) if isinstance(n, ast.Call) and isinstance(n.func, ast.Name)):
            name = call.func.id if isinstance(call.func, ast.Name) else ""
            there = self.single.get(name)
            if there is None or name in self.inside:
                continue
            self.read.add(name)
            given = {a.arg: e for a, e in zip(there.args.args, call.args, strict=False)}
            given |= {k.arg: k.value for k in call.keywords if k.arg}
            body = [_Renamed(given).visit(copy.deepcopy(n)) for n in there.body]
            self.inside.append(name)
            found += self._block(body)
            self.inside.pop()
        return found
