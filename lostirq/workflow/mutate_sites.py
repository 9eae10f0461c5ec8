# SPDX-License-Identifier: GPL-2.0-or-later
"""All mutants of the functions of a model, from its syntax trees.

  cpu        a full fence, or the call of a function that is nothing but one, leaves only a compiler barrier;
  compiler   a barrier of either sort is gone, and the two accesses beside it have changed places;
  locked     a locked operation is a load and a store;
  lock       what is taken and given back (down and up, lock and unlock, disable and enable) is not taken;
  atomic     an atomic section of a program, not of hardware, is separate steps;
  order      two neighbouring accesses, statements or operands, change places; a condition is looked at earlier;
  step       a statement is gone;
  strengthened, weakened, negated
             a condition is false, without one of its alternatives; true, without one of its parts; the contrary.

Invariants: generation reads only syntax and is deterministic; conditions over configuration alone are left as they are;
data dependences by name are kept.  What touches shared memory is not decided here: a mutant that changes no transition
system is found equal by its digest.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

from lostirq.workflow.mutate_edit import Edit, Kind, Mutant
from lostirq.workflow.mutate_syntax import (
    LOCKED_BITS,
    LOCKED_VALUES,
    MARKS,
    Facts,
    blocks,
    call_name,
    called,
    configured,
    facts,
    header,
    is_atomic,
    is_code,
    is_hardware,
    reads,
    touches,
    writes,
)

EARLIER = "looked_at_earlier"


def mutants(sources: Mapping[str, str], prefix: str = "model/") -> list[Mutant]:
    """All mutants of the functions in the files below `prefix`, in order of kind, file and place."""
    trees = {name: ast.parse(text) for name, text in sorted(sources.items()) if name.startswith(prefix)}
    known = facts(list(trees.values()))
    found: list[Mutant] = []
    for file, tree in trees.items():
        for function in tree.body:
            if isinstance(function, ast.FunctionDef) and is_code(function) \
                    and function.name not in known.fences | known.marks:
                found.extend(_Site(file, sources[file].splitlines(), function, known).all())
    return _numbered(found)


def _numbered(found: list[Mutant]) -> list[Mutant]:
    """Names by ordinal in the function instead of by line, so that they outlive edits elsewhere."""
    order = list(Kind)
    seen: dict[str, int] = {}
    named: list[Mutant] = []
    for m in sorted(found, key=lambda m: (order.index(m.kind), m.file, m.line, m.edits)):
        seen[m.name] = seen.get(m.name, 0) + 1
        named.append(replace(m, name=f"{m.name}:{seen[m.name]}"))
    return named


@dataclass(frozen=True, slots=True)
class _Site:
    """Generation for one function."""

    file: str
    lines: Sequence[str]
    function: ast.FunctionDef
    known: Facts

    def all(self) -> Iterator[Mutant]:
        for block in blocks(self.function.body):
            yield from self._fences(block)
            yield from self._locks(block)
            for s in block:
                yield from self._locked(s)
                yield from self._atomic(s)
                yield from self._operands(s)
            yield from self._orders(block)
        for block in blocks(self.function.body, in_atomic=True):
            for s in block:
                yield from self._step(s)
                yield from self._conditions(s)

    # -- barriers and orders --------------------------------------------------------------------------------------

    def _fences(self, block: list[ast.stmt]) -> Iterator[Mutant]:
        for s in block:
            if called(s) in self.known.fences:
                yield self._make(Kind.CPU, s, f"without {called(s)}()", [Edit.of(s, "barrier()")])

    def _orders(self, block: list[ast.stmt]) -> Iterator[Mutant]:
        """Neighbours that change places, with at most one barrier between them, which is gone then."""
        if is_hardware(self.function):
            return
        seen = [s for s in block if called(s) in MARKS or not self.known.is_mark(s)]
        for k, b in enumerate(seen):
            barrier = seen[k - 1] if k and called(seen[k - 1]) in self.known.barriers else None
            before = k - (1 if barrier is None else 2)
            if before < 0 or called(b) in self.known.barriers:
                continue
            a = seen[before]
            edits = self._swapped(a, b)
            if edits:
                names = [call_name(c) for part in header(b) for c in ast.walk(part) if isinstance(c, ast.Call)]
                leading = next((n for n in names if n in self.known.leading), "")
                gone = f"the barrier of {leading}()" if leading else ""
                gone = gone if barrier is None else f"{called(barrier)}()"
                what = f"{_brief(b)} before {_brief(a)}" + (f", without {gone}" if gone else "")
                more = [] if barrier is None else [Edit.of(barrier, "pass")]
                yield self._make(Kind.COMPILER if gone else Kind.ORDER, a, what, [*edits, *more])

    def _swapped(self, a: ast.stmt, b: ast.stmt) -> list[Edit]:
        """The edits by which what b looks at comes before a; none if that is not possible or changes nothing."""
        constants = self.known.constants
        if not self._simple(a) or writes(a) & reads(b) or reads(a) & writes(b) or writes(a) & writes(b):
            return []
        if self._simple(b):
            return [Edit.of(a, self._text(b, a.col_offset)), Edit.of(b, self._text(a, b.col_offset))]
        looked = b.test if isinstance(b, ast.If) else b.value if isinstance(b, ast.Return) else None
        if looked is None or not touches(looked, constants) or writes(a) & reads(looked):
            return []
        first = f"{EARLIER} = {self._text(looked, a.col_offset)}\n{' ' * a.col_offset}"
        return [Edit(a.lineno, a.col_offset, a.lineno, a.col_offset, first), Edit.of(looked, EARLIER)]

    def _simple(self, s: ast.stmt) -> bool:
        """One statement, or one atomic section, that may touch memory, and is neither barrier nor mark."""
        if is_atomic(s):
            return True
        if not isinstance(s, ast.Expr | ast.Assign | ast.AnnAssign | ast.AugAssign):
            return False
        if called(s) in self.known.barriers or self.known.is_mark(s):
            return False
        targets = s.targets if isinstance(s, ast.Assign) else [] if isinstance(s, ast.Expr) else [s.target]
        return any(touches(n, self.known.constants) for n in [*targets, *([s.value] if s.value is not None else [])])

    def _operands(self, s: ast.stmt) -> Iterator[Mutant]:
        """The two sides of `and` and `or`."""
        if is_hardware(self.function) or isinstance(s, ast.Match) or called(s) == "wait":
            return
        for part in header(s):
            for n in ast.walk(part):
                if isinstance(n, ast.BoolOp):
                    for a, b in pairwise(n.values):
                        if touches(a, self.known.constants) and touches(b, self.known.constants):
                            edits = [Edit.of(a, self._part(b)), Edit.of(b, self._part(a))]
                            yield self._make(Kind.ORDER, s, f"{_brief(b)} before {_brief(a)}", edits)

    # -- atomicity ------------------------------------------------------------------------------------------------

    def _locked(self, s: ast.stmt) -> Iterator[Mutant]:
        no_room = isinstance(s, ast.While | ast.Match) or self._text(s, s.col_offset).startswith("elif")
        for call in (c for part in header(s) for c in ast.walk(part) if isinstance(c, ast.Call)):
            name = call_name(call)
            what = f"plain instead of {ast.unparse(call)}"
            if name in LOCKED_BITS:
                yield self._make(Kind.LOCKED, s, what, [Edit.of(call.func, f"__{name}")])
            elif name == "lock_set" and is_hardware(self.function):
                continue            # one store, and hardware has no store buffer
            elif name in LOCKED_VALUES and not no_room:
                yield self._make(Kind.LOCKED, s, what, self._plain(s, call, name))

    def _plain(self, s: ast.stmt, call: ast.Call, name: str) -> list[Edit]:
        place, *rest = [ast.unparse(a) for a in call.args]
        if name == "lock_set":
            return [Edit.of(s, f"{place} = {rest[0]}")]
        indent = " " * s.col_offset
        load, test = f"plainly_read = {place}\n{indent}", ""
        if name == "cmpxchg":
            load, test = f"plainly_read = {place} == {rest[0]}\n{indent}", f"if plainly_read:\n{indent}    "
        value = {"xchg": rest[0] if rest else "", "cmpxchg": rest[-1] if rest else "", "test_and_set": "True",
                 "test_and_clear": "False", "fetch_add": f"plainly_read + {rest[0] if rest else ''}",
                 "fetch_or": f"plainly_read | {rest[0] if rest else ''}",
                 "fetch_and": f"plainly_read & {rest[0] if rest else ''}"}[name]
        if called(s) == name:
            needed = name.startswith("fetch") or name == "cmpxchg"
            return [Edit.of(s, f"{load if needed else ''}{test}{place} = {value}")]
        start = Edit(s.lineno, s.col_offset, s.lineno, s.col_offset, f"{load}{test}{place} = {value}\n{indent}")
        return [start, Edit.of(call, "plainly_read")]

    def _atomic(self, s: ast.stmt) -> Iterator[Mutant]:
        if is_atomic(s) and not is_hardware(self.function) and isinstance(s, ast.With):
            item = s.items[0].context_expr
            edit = Edit(s.lineno, s.col_offset, item.lineno, (item.end_col_offset or 0), "if True")
            yield self._make(Kind.ATOMIC, s, "atomic section as separate steps", [edit])

    def _locks(self, block: list[ast.stmt]) -> Iterator[Mutant]:
        for k, s in enumerate(block):
            name, release = called(s), _release(called(s))
            if not release or name in self.known.fences:
                continue
            given: list[ast.stmt] = []
            for after in block[k + 1:]:
                given += [n for n in ast.walk(after) if isinstance(n, ast.Expr) and called(n) == release]
                if called(after) == release:
                    break
            if given:
                what = f"without {name}() ... {release}()"
                yield self._make(Kind.LOCK, s, what, [Edit.of(n, "pass") for n in (s, *given)])

    # -- steps and conditions -------------------------------------------------------------------------------------

    def _step(self, s: ast.stmt) -> Iterator[Mutant]:
        if called(s) in self.known.barriers or self.known.is_mark(s):
            return
        calls = isinstance(s, ast.Expr) and isinstance(s.value, ast.Call)
        places = isinstance(s, ast.Assign) and isinstance(s.targets[0], ast.Attribute | ast.Subscript)
        if calls or places or isinstance(s, ast.AugAssign) or isinstance(s, ast.Assign) and self._bound(s):
            yield self._make(Kind.STEP, s, f"without {_brief(s)}", [Edit.of(s, "pass")])

    def _bound(self, s: ast.Assign) -> bool:
        """Has the local a value already, before this assignment?"""
        names = {t.id for t in s.targets if isinstance(t, ast.Name)}
        earlier = [n for n in ast.walk(self.function) if isinstance(n, ast.Assign | ast.AnnAssign)
                   and (n.lineno, n.col_offset) < (s.lineno, s.col_offset) and writes(n) & names]
        return bool(names) and bool(earlier) and min(n.col_offset for n in earlier) <= s.col_offset

    def _conditions(self, s: ast.stmt) -> Iterator[Mutant]:
        tests = header(s) if isinstance(s, ast.If | ast.While | ast.Match) else []
        if called(s) == "wait" and isinstance(s, ast.Expr) and isinstance(s.value, ast.Call):
            tests = list(s.value.args)
        elif not tests:
            tests = [v for v in header(s) if isinstance(v, ast.BoolOp | ast.Compare)
                     or isinstance(v, ast.UnaryOp) and isinstance(v.op, ast.Not)]
            tests += [n.test for v in header(s) for n in ast.walk(v) if isinstance(n, ast.IfExp)]
        for test in tests:
            if configured(test, self.known.constants):
                continue
            text = _brief(test)
            yield self._make(Kind.NEGATED, s, f"not ({text})", [Edit.of(test, f"not ({self._part(test)})")])
            if not _is_junction(test, ast.And):
                yield self._make(Kind.WEAKENED, s, f"True instead of {text}", [Edit.of(test, "True")])
            if not _is_junction(test, ast.Or):
                yield self._make(Kind.STRENGTHENED, s, f"False instead of {text}", [Edit.of(test, "False")])
            yield from self._parts(s, test, True)

    def _parts(self, s: ast.stmt, test: ast.expr, positive: bool) -> Iterator[Mutant]:
        """Each part of a conjunction or disjunction left out."""
        if isinstance(test, ast.UnaryOp) and isinstance(test.op, ast.Not):
            yield from self._parts(s, test.operand, not positive)
        if not isinstance(test, ast.BoolOp):
            return
        weaker = isinstance(test.op, ast.And) is positive
        word = " and " if isinstance(test.op, ast.And) else " or "
        for k, part in enumerate(test.values):
            if not configured(part, self.known.constants):
                left = word.join(self._part(p) for j, p in enumerate(test.values) if j != k)
                text = f"({left})" if len(test.values) > 2 else left
                yield self._make(Kind.WEAKENED if weaker else Kind.STRENGTHENED, s,
                                 f"{_brief(test)} without {_brief(part)}", [Edit.of(test, text)])
            yield from self._parts(s, part, positive)

    # -- text -----------------------------------------------------------------------------------------------------

    def _text(self, node: ast.stmt | ast.expr, column: int) -> str:
        """The text of a node, its further lines moved as far as the first one is if it goes to `column`."""
        first, last = node.lineno - 1, (node.end_lineno or node.lineno) - 1
        rows = [line.encode() for line in self.lines[first:last + 1]]
        rows[-1] = rows[-1][: node.end_col_offset]
        rows[0] = rows[0][node.col_offset:]
        shift = column - node.col_offset if isinstance(node, ast.stmt) else 0
        rest = [(b" " * shift + r if shift > 0 else r[min(-shift, len(r) - len(r.lstrip())):]) for r in rows[1:]]
        return b"\n".join([rows[0], *rest]).decode()

    def _part(self, node: ast.expr) -> str:
        """The text of an operand, in one line, in parentheses if it needs them."""
        text = " ".join(self._text(node, node.col_offset).split())
        return f"({text})" if isinstance(node, ast.BoolOp | ast.IfExp) else text

    def _make(self, kind: Kind, s: ast.stmt, what: str, edits: Iterable[Edit]) -> Mutant:
        name = f"{kind.value}:{self.file.removeprefix('model/')}:{self.function.name}"
        return Mutant(name, kind, self.file, self.function.name, s.lineno, what, tuple(sorted(edits)))


def _is_junction(test: ast.expr, op: type[ast.boolop]) -> bool:
    return isinstance(test, ast.BoolOp) and isinstance(test.op, op)


def _release(name: str) -> str:
    """What gives back what `name` takes, or ''."""
    for take, give in (("down_", "up_"), ):
        if name.startswith(take):
            return give + name.removeprefix(take)
    for take, give in (("_lock", "_unlock"), ("_disable", "_enable")):
        if name.endswith(take):
            return name.removesuffix(take) + give
    return ""


def _brief(node: ast.AST) -> str:
    text = ast.unparse(node).splitlines()[0]
    return text if len(text) <= 70 else text[:67] + "..."


