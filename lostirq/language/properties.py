# SPDX-License-Identifier: GPL-2.0-or-later
"""Properties of a workspace into formulas over the variables and program counters of a compiled scenario."""

from __future__ import annotations

import ast
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import cast

from lostirq.ir.expr import (
    TRUE,
    Expr,
    Kind,
    and_,
    fold,
    implies,
    in_set,
    integer,
    is_const,
    not_,
    occurs,
    old,
    or_,
    postorder,
    substitute,
    value_of,
    var,
)
from lostirq.ir.expr import Op as ExprOp
from lostirq.ir.system import CARRIED, PROMISED, Form, Memory, Process, Property, served
from lostirq.language import pure
from lostirq.language.builtins import IN_PROPERTIES, arguments
from lostirq.language.declarations import PROCESSES, PROPERTIES, Declarations, FunctionDecl
from lostirq.language.declarations import Role as Purpose
from lostirq.language.locals import Placed, at_wait, local, turn
from lostirq.language.places import Binding, PackedValue, Ref, Value
from lostirq.language.rewrite import rename_in, variable_of
from lostirq.language.scope import Scope, suggest
from lostirq.language.source import Abandon
from lostirq.language.stores import buffered, buffers_empty, empty_buffers, nothing_buffered, seen_by
from lostirq.language.translate import Translator
from lostirq.language.types import SemType
from lostirq.language.universe import Universe

_OF_BUFFERS = (ExprOp.EMPTY, ExprOp.SEEN, ExprOp.BUFFERED, ExprOp.SETTLED)
_FORMS = {
    Purpose.INVARIANT: Form.INVARIANT,
    Purpose.STEP: Form.STEP,
    Purpose.RECURRENCE: Form.RECURRENCE,
    Purpose.REACHABLE: Form.REACHABLE,
    Purpose.LEMMA: Form.INVARIANT,
}


@dataclass(frozen=True, eq=False, slots=True)
class Context:
    """What the built-ins of properties speak about."""

    processes: tuple[Process, ...]
    cpus: int
    memory: Memory
    families: frozenset[str]  # all processes of the workspace, also those left out
    windows: frozenset[str]
    events: frozenset[str]
    functions: frozenset[str]
    messages: tuple[Expr, ...] = ()  # each true while a message is in flight
    constants: Callable[[Expr], Expr] = lambda e: e
    copies: Mapping[int, tuple[Placed, ...]] = field(default_factory=dict)  # by process
    declared: dict[str, Mapping[str, SemType | None]] = field(default_factory=dict)  # locals of functions, when asked
    named: set[str] = field(default_factory=set)  # families of which the property at hand named one instance


class PropertyTranslator(Translator):
    """Expressions of properties."""

    def __init__(self, universe: Universe, scope: Scope, context: Context, lemma: bool = False) -> None:
        super().__init__(universe, scope)
        self.context, self.lemma = context, lemma

    def call(self, name: str, node: ast.Call) -> Value:
        if name in IN_PROPERTIES and self.universe.function(name) is None:
            return _BUILTINS[name](self, node)
        return super().call(name, node)

    def text(self, node: ast.expr, known: frozenset[str], what: str) -> str:
        if not isinstance(node, ast.Constant) or not isinstance(node.value, str):
            raise self.fail(node, "LI034", f"the name of a {what} is needed here, as a string")
        if node.value not in known:
            raise self.fail(node, "LI034", f"there is no {what} '{node.value}'", suggest(node.value, known))
        return node.value

    def instances(self, args: list[ast.expr]) -> list[Process]:
        """The processes that ("family"[, i]) names."""
        family = self.text(args[0], self.context.families, "process")
        found = [p for p in self.context.processes if p.family == family]
        if len(args) > 1:
            number = self.constant(args[1])
            self.context.named.add(family)
            if number >= 0 and any(p.instance < 0 for p in found):
                raise self.fail(args[1], "LI034", f"there is one {family}, without a number", "leave the number out")
            found = [p for p in found if p.instance == number]
        return found


def _within(tr: PropertyTranslator, node: ast.Call) -> Value:
    args = arguments(tr, node, (1, 2, 3))
    window = ""
    if len(args) > 1 and isinstance(args[-1], ast.Constant) and isinstance(args[-1].value, str):
        window = tr.text(args[-1], tr.context.windows, "window")
        args = args[:-1]
    return or_(*(inside(p, window) for p in tr.instances(args)))


def inside(p: Process, window: str) -> Expr:
    """The process is inside the window; without one: not at rest."""
    if not window:
        return not_(at_rest(p))
    return in_set(var(p.pc), (k for k, loc in enumerate(p.locations) if window in loc.windows))


def at_rest(p: Process) -> Expr:
    return in_set(var(p.pc), (k for k, loc in enumerate(p.locations) if loc.idle))


def _at_rest(tr: PropertyTranslator, node: ast.Call) -> Value:
    return and_(*(at_rest(p) for p in tr.instances(arguments(tr, node, (1, 2)))))


def _function_of(tr: PropertyTranslator, node: ast.Call) -> Value:
    args = arguments(tr, node, (2, 3))
    name = tr.text(args[-1], tr.context.functions, "function")
    found: list[Expr] = []
    for p in tr.instances(args[:-1]):
        found.append(in_set(var(p.pc), (k for k, loc in enumerate(p.locations) if name in loc.functions)))
    return or_(*found)


def _quiet(tr: PropertyTranslator, node: ast.Call) -> Value:
    args = arguments(tr, node, (0, 1, 2))
    spared = tr.instances(args) if args else []
    rest = [at_rest(p) for p in tr.context.processes if p not in spared]
    return and_(*rest, *(not_(m) for m in tr.context.messages), *empty_buffers(tr))


def _occurs(tr: PropertyTranslator, node: ast.Call) -> Value:
    if not node.args or node.keywords:
        raise tr.fail(node, "LI012", 'occurs("event", arguments...)')
    name = tr.text(node.args[0], tr.context.events, "event")
    return occurs(name, *(tr.scalar(a) for a in node.args[1:]))


def _old(tr: PropertyTranslator, node: ast.Call) -> Value:
    (inner,) = arguments(tr, node, (1,))
    value = tr.rvalue(inner)
    if isinstance(value, Expr) and any(n.op in _OF_BUFFERS for n in postorder([value])):
        raise tr.fail(node, "LI034", "old() of a store buffer is not possible", "old() of memory and locations only")
    if isinstance(value, PackedValue):
        return PackedValue(value.type, tuple(as_old(e) for e in value.fields))
    return as_old(value)


def as_old(e: Expr) -> Expr:
    def leaf(node: Expr) -> Expr | None:
        v = variable_of(node)
        return old(v) if v is not None and node.op is ExprOp.VAR else None

    return substitute(e, leaf)


_BUILTINS: dict[str, Callable[[PropertyTranslator, ast.Call], Value]] = {
    "within": _within,
    "at_rest": _at_rest,
    "function_of": _function_of,
    "quiet": _quiet,
    "occurs": _occurs,
    "old": _old,
    "buffers_empty": buffers_empty,
    "local": local,
    "turn": turn,
    "at_wait": at_wait,
    "seen_by": seen_by,
    "settled": nothing_buffered,
    "buffered": buffered,
}


class PropertyCompiler:
    """All properties of a workspace, for one scenario."""

    def __init__(self, universe: Universe, context: Context) -> None:
        self.universe = universe
        self.context = context
        self.declarations: Declarations = universe.declarations

    def all(self, wanted: tuple[str, ...] | None, lemmas: bool) -> list[Property]:
        """Instances of the wanted properties, of their witnesses and lemmas, in order of declaration."""
        decls = [d for d in self.declarations.functions() if d.role in PROPERTIES]
        decls = [d for d in decls if lemmas or d.role is not Purpose.LEMMA]
        chosen = set(wanted) if wanted is not None else {property_id(d) for d in decls}
        for d in decls:
            if property_id(d) in chosen:
                chosen |= {witness_id(self.declarations, d)}
        chosen |= {property_id(d) for d in decls if d.role is Purpose.LEMMA and served(d.text("proves")) & chosen}
        found: list[Property] = []
        for d in decls:
            if property_id(d) in chosen:
                try:
                    found += self.instances(d)
                except Abandon:
                    continue
        return found

    def _translator(self, decl: FunctionDecl, names: dict[str, Binding] | None = None) -> PropertyTranslator:
        return PropertyTranslator(self.universe, Scope(decl.source, None, names or {}), self.context,
                                  decl.role is Purpose.LEMMA)

    def instances(self, decl: FunctionDecl) -> list[Property]:
        tr = self._translator(decl)
        if "when" in decl.options and not tr.constant(decl.options["when"]) and not self.universe.phantom:
            return []
        over = decl.options.get("over")
        sizes = [] if over is None else over.elts if isinstance(over, ast.Tuple) else [over]
        if len(sizes) != len(decl.parameters):
            raise tr.fail(
                decl.node,
                "LI012",
                f"'{decl.name}' has {len(decl.parameters)} parameter(s), over= gives {len(sizes)}",
                "one size for each",
            )
        numbers: list[tuple[int, ...]] = [()]
        for size in sizes:
            count = tr.constant(size)
            if self.universe.phantom:
                count = 1
            numbers = [(*n, k) for n in numbers for k in range(count)]
        return [self._instance(decl, n) for n in numbers]

    def _instance(self, decl: FunctionDecl, numbers: tuple[int, ...]) -> Property:
        names: dict[str, Binding] = {}
        for param, number in zip(decl.parameters, numbers, strict=True):
            names[param.arg] = integer(number)
        tr = self._translator(decl, names)
        self.context.named.clear()
        result = pure.evaluate(tr, decl, names)
        if isinstance(result, Ref):
            result = tr.read(result, decl.node)
        if not isinstance(result, Expr) or result.type.kind is not Kind.BOOL:
            raise tr.fail(decl.node, "LI010", "a property must return bool")
        formula, form = self.context.constants(result), _FORMS[decl.role]
        over_steps = any(n.op in (ExprOp.OLD, ExprOp.OCCURS) for n in postorder([formula]))
        if form is Form.REACHABLE and over_steps:
            form = Form.REACHABLE_STEP
        elif over_steps and form is Form.INVARIANT:
            raise tr.fail(decl.node, "LI034", "old() and occurs() are for step properties", "use @step_property")
        formula, goal = implies(self._where(tr, decl, names), formula), self._goal(tr, decl, names)
        ident = property_id(decl)
        key = ident + ("[" + ",".join(str(n) for n in numbers) + "]" if numbers else "")
        return Property(
            key,
            ident,
            form,
            formula,
            goal,
            decl.text("title"),
            decl.text("statement") or " ".join(decl.docstring.split()),
            decl.text("source"),
            self._labels(tr, decl, "excuses"),
            witness_id(self.declarations, decl),
            decl.text("planted"),
            symmetric=insensitive(formula, self.context.processes),
            span=decl.source.header(decl.node),
            proves=decl.text("proves"),
            windows=self._where_spread(tr, decl),
            singles=tuple(sorted(self.context.named)),
            others=self._others(decl, numbers) if decl.role is Purpose.LEMMA else frozenset(),
        )

    def _others(self, decl: FunctionDecl, numbers: tuple[int, ...]) -> frozenset[int]:
        """Of the families that are over a parameter of the lemma, the processes with a number that it does not have."""
        over = decl.options.get("over")
        sizes = over.elts if isinstance(over, ast.Tuple) else [] if over is None else [over]
        asked: dict[str, set[int]] = {}
        for size, number in zip(sizes, numbers, strict=True):
            asked.setdefault(ast.unparse(size), set()).add(number)
        families = {d.name: asked.get(ast.unparse(d.options["over"])) for d in self.declarations.functions()
                    if d.role in PROCESSES and "over" in d.options}  # fmt: skip
        return frozenset(p.index for p in self.context.processes
                         if (own := families.get(p.family)) is not None and p.instance not in own)  # fmt: skip

    def _where_spread(self, tr: PropertyTranslator, decl: FunctionDecl) -> tuple[str, ...]:
        known = self.context.windows | self.context.functions
        promised = self._labels(tr, decl, "promised", known)
        back = decl.options.get("carried_back")
        carried = (CARRIED,) if isinstance(back, ast.Constant) and back.value is True else ()
        return (*self._labels(tr, decl, "windows", known), *(f"{PROMISED}{name}" for name in promised), *carried)

    def _labels(
        self, tr: PropertyTranslator, decl: FunctionDecl, option: str, known: frozenset[str] | None = None
    ) -> tuple[str, ...]:
        node = decl.options.get(option)
        if node is None:
            return ()
        items = node.elts if isinstance(node, (ast.Tuple, ast.List)) else [node]
        return tuple(tr.text(i, self.context.windows if known is None else known, "window") for i in items)

    def _where(self, tr: PropertyTranslator, decl: FunctionDecl, names: dict[str, Binding]) -> Expr:
        """at=, process=: where an invariant is looked at."""
        if "at" not in decl.options:
            return TRUE
        if decl.role is not Purpose.INVARIANT:
            raise tr.fail(decl.node, "LI007", "at= is for invariants", "use within(...) in the body")
        process = decl.options.get("process")
        if process is None:
            raise tr.fail(decl.node, "LI007", "at= needs process=", 'process="vcpu_thread"')
        family = tr.text(process, self.context.families, "process")
        found = [p for p in self.context.processes if p.family == family]
        first = next(iter(names.values()), None)
        if isinstance(first, Expr) and is_const(first) and any(p.instance >= 0 for p in found):
            self.context.named.add(family)
            found = [p for p in found if p.instance == value_of(first)]
        return or_(*(inside(p, w) for p in found for w in self._labels(tr, decl, "at")))

    def _goal(self, tr: PropertyTranslator, decl: FunctionDecl, names: dict[str, Binding]) -> Expr:
        node = decl.options.get("goal")
        if decl.role is not Purpose.RECURRENCE:
            return TRUE
        if node is None:
            raise tr.fail(decl.node, "LI007", "a recurrence needs goal=", 'goal="enter"')
        goal = self.universe.function(node.id) if isinstance(node, ast.Name) else None
        if goal is not None:
            given = dict(zip((p.arg for p in goal.parameters), names.values(), strict=False))
            if goal.role is not Purpose.PURE or len(goal.parameters) != len(names):
                raise tr.fail(node, "LI007", "the goal is an event or a @pure function of the same parameters")
            result = pure.evaluate(tr, goal, given)
            if not isinstance(result, Expr) or result.type.kind is not Kind.BOOL:
                raise tr.fail(node, "LI010", "a goal must return bool")
            return self.context.constants(result)
        name = tr.text(node, self.context.events, "event")
        return occurs(name, *(e for e in names.values() if isinstance(e, Expr)))


def property_id(decl: FunctionDecl) -> str:
    return decl.text("id") or decl.name


def witness_id(declarations: Declarations, decl: FunctionDecl) -> str:
    """The id of the witness: a string, or the name of its function."""
    node = decl.options.get("witness")
    if isinstance(node, ast.Name):
        found = declarations.names.get(node.id)
        return property_id(found) if isinstance(found, FunctionDecl) else node.id
    return decl.text("witness")


def insensitive(formula: Expr, processes: tuple[Process, ...]) -> bool:
    """Whether a formula does not tell interchangeable processes apart: exchanging two neighbours changes nothing."""
    sets: dict[str, list[Process]] = {}
    for p in processes:
        if p.symmetric:
            sets.setdefault(p.symmetric, []).append(p)
    of_one = (ExprOp.SEEN, ExprOp.BUFFERED)
    if any(n.op in of_one and processes[cast(int, n.payload)].symmetric for n in postorder([formula])):
        return False
    for members in sets.values():
        for a, b in zip(members, members[1:], strict=False):
            swap = {a.pc: b.pc, b.pc: a.pc}

            table: dict[object, int] = {}
            if _normal(rename_in(formula, swap), table) != _normal(formula, table):
                return False
    return True


def _normal(root: Expr, table: dict[object, int]) -> int:
    """A number that formulas share iff they are equal up to the order of operands of AND, OR and =."""

    def visit(node: Expr, args: list[int]) -> int:
        ordered = sorted(args) if node.op in (ExprOp.AND, ExprOp.OR, ExprOp.EQ) else args
        return table.setdefault((node.op, tuple(ordered), node.payload), len(table))

    return fold(root, visit)
