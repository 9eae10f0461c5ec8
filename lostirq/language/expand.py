# SPDX-License-Identifier: GPL-2.0-or-later
"""A process into its control-flow graph: calls inlined, loops over constants unrolled, references resolved.

Every statement becomes a few operations; conditions short-circuit left to right, each operand that reads memory an
operation of its own.  Arguments that read memory are captured in locals of the inlined copy; arguments over locals are
substituted when the callee never assigns the parameter, which is the same because a caller's locals cannot change
while the callee runs.
"""

from __future__ import annotations

import ast
import functools

from lostirq.errors import Span
from lostirq.ir.expr import (
    FALSE,
    TRUE,
    Expr,
    Kind,
    Role,
    Type,
    Var,
    and_,
    eq,
    int_type,
    integer,
    is_const,
    ite,
    var,
)
from lostirq.language import inline, primitives
from lostirq.language.builtins import EFFECTS
from lostirq.language.declarations import Role as Purpose
from lostirq.language.graph import Frame, Node, Op, Pending, Turn
from lostirq.language.places import Copy, LocalPacked, LocalScalar, PackedValue, Ref, Value, Write
from lostirq.language.scope import CallFrame, Scope
from lostirq.language.source import Source
from lostirq.language.translate import Translator
from lostirq.language.types import PackedType, Scalar, SemType
from lostirq.language.universe import Universe

MAX_NODES = 100_000


class Expander(Translator):
    """Builds the operations of one process."""

    def __init__(self, universe: Universe, name: str, owner: int, scope: Scope) -> None:
        super().__init__(universe, scope)
        self.name = name
        self.owner = owner
        self.nodes: list[Node] = []
        self.pending: Pending = []
        self.locals: list[Var] = []
        self.copies: list[Copy] = []
        self.names: dict[str, int] = {}
        self.stack: tuple[str, ...] = ()
        self.windows: frozenset[str] = frozenset()
        self.turns: tuple[Turn, ...] = ()
        self.region = 0
        self.regions = 0
        self.frames: list[CallFrame] = []
        self.anchor: ast.AST = ast.Pass()
        self.looking = 0
        self.index_check: Var | None = None
        self.cpu: Expr | None = None
        self._effectful: dict[int, bool] = {}

    # -- building -------------------------------------------------------------------------------------------------

    def emit(self, op: Op, ways: int = 1, writes: tuple[Write, ...] = (), **fields: object) -> Node:
        """Append an operation behind all pending ways; it takes the reads noted since the last one."""
        if len(self.nodes) >= MAX_NODES:
            raise self.fail(
                self.anchor, "LI002", f"process '{self.name}' has too many operations", "split the scenario"
            )
        span, text = _shown(self.scope.source, self.anchor)
        frame = Frame(span, text, self.stack[-1], self.stack, self.windows, self.scope.path, self.turns)
        node = Node(len(self.nodes), op, frame, self.region, writes=writes)
        for key, value in fields.items():
            setattr(node, key, value)
        self._take_reads(node)
        self.nodes.append(node)
        self.join(node.index)
        node.succ = [-1] * ways
        self.pending = [(node.index, k) for k in range(ways)] if ways == 1 else []
        return node

    def _take_reads(self, node: Node) -> None:
        """Give an operation the reads that occur in it; a value that is only used later keeps its read till then."""
        if self.groups:
            used = {v.unit for e in node.expressions() for v in e.reads}
            node.reads = tuple(g for g in self.groups if g & used)
            self.groups = [g for g in self.groups if not g & used]
        if self.checks:
            held = {u for g in self.groups for u in g}
            ready = [c for c in self.checks if not any(v.unit in held for v in c.reads)]
            self.checks = [c for c in self.checks if c not in ready]
            if ready:
                node.writes += (self._checked(ready),)

    def _checked(self, conditions: list[Expr]) -> Write:
        """A write that leaves the range of its variable if a run-time index is out of range: a model error."""
        if self.index_check is None:
            self.index_check = Var(f"{self.name}.index", int_type(0, 0), 0, Role.LOCAL, self.owner)
            self.locals.append(self.index_check)
        return Write(self.index_check, ite(and_(*conditions), integer(0), integer(1)))

    def join(self, target: int) -> None:
        for node, way in self.pending:
            self.nodes[node].succ[way] = target

    def local(self, name: str, type_: Type) -> Var:
        """A fresh local variable of the inlined copy at hand."""
        path = f"{self.scope.path}.{name}"
        count = self.names.get(path, 0)
        self.names[path] = count + 1
        made = Var(path if count == 0 else f"{path}#{count}", type_, _start(type_), Role.LOCAL, self.owner)
        self.locals.append(made)
        return made

    def fresh(self, name: str, type_: SemType) -> LocalScalar | LocalPacked:
        if isinstance(type_, PackedType):
            return LocalPacked(type_, tuple(self.local(f"{name}.{n}", t) for n, t in type_.fields))
        assert isinstance(type_, Scalar)
        return LocalScalar(self.local(name, type_.type))

    def write_binding(self, target: LocalScalar | LocalPacked, value: Expr | PackedValue) -> tuple[Write, ...]:
        if isinstance(target, LocalScalar):
            assert isinstance(value, Expr)
            return (Write(target.var, value),)
        assert isinstance(value, PackedValue)
        return tuple(Write(v, e) for v, e in zip(target.vars, value.fields, strict=True))

    def capture(self, value: Expr | PackedValue, name: str) -> Expr | PackedValue:
        """The value as it is now, in a fresh local."""
        type_ = value.type if isinstance(value, PackedValue) else Scalar(value.type)
        target = self.fresh(name, type_)
        self.emit(Op.ASSIGN, writes=self.write_binding(target, value))
        bound = self.bound(target)
        assert not isinstance(bound, Ref)
        return bound

    def capture_ref(self, ref: Ref, name: str) -> tuple[Ref, tuple[Write, ...]]:
        """The reference with its index fixed now; the writes must be emitted."""
        if ref.static:
            return ref, ()
        index = self.local(name, int_type(0, len(ref.alternatives) - 1))
        value: Expr = integer(len(ref.alternatives) - 1)
        for k in range(len(ref.alternatives) - 2, -1, -1):
            value = ite(ref.alternatives[k][0], integer(k), value)
        fixed = tuple((eq(var(index), integer(k)), p) for k, (_, p) in enumerate(ref.alternatives))
        return Ref(fixed), (Write(index, value),)

    # -- expressions with effects ---------------------------------------------------------------------------------

    def look(self, node: ast.expr) -> Expr:
        """A condition in one atomic look: no effects in it."""
        self.looking += 1
        try:
            return self.condition(node)
        finally:
            self.looking -= 1

    def effectful(self, node: ast.AST) -> bool:
        """Whether an expression contains a call that makes steps."""
        known = self._effectful.get(id(node))
        if known is None:
            known = any(
                isinstance(n, ast.Call) and isinstance(n.func, ast.Name) and self._makes_steps(n.func.id)
                for n in ast.walk(node)
            )
            self._effectful[id(node)] = known
        return known

    def _makes_steps(self, name: str) -> bool:
        decl = self.universe.function(name)
        return name in EFFECTS if decl is None else decl.role is not Purpose.PURE

    def operands(self, nodes: list[ast.expr]) -> list[Expr | PackedValue]:
        """Left to right; what was read before a call is captured before it."""
        values: list[Expr | PackedValue] = []
        for k, node in enumerate(nodes):
            value = self.rvalue(node)
            if not self.looking and any(self.effectful(n) for n in nodes[k + 1 :]) and not inline.stable_value(value):
                value = self.capture(value, "operand")
            values.append(value)
        return values

    def _is_plain(self, node: ast.expr) -> bool:
        """Whether a short-circuit expression may be one expression: nothing in it is a step of its own."""
        if self.looking:
            return True
        if self.effectful(node):
            return False
        if self.region:
            return True
        groups, checks = list(self.groups), list(self.checks)
        try:
            self._probe(node)
            return self.groups == groups
        finally:
            self.groups, self.checks = groups, checks

    def _probe(self, node: ast.expr) -> None:
        self.looking += 1
        try:
            self.value(node)
        finally:
            self.looking -= 1

    def _boolop(self, node: ast.BoolOp) -> Value:
        if self._is_plain(node):
            return super()._boolop(node)
        yes, no = self.branch(node)
        return self._either([(yes, TRUE), (no, FALSE)], node)

    def _ifexp(self, node: ast.IfExp) -> Value:
        if self._is_plain(node):
            return super()._ifexp(node)
        yes, no = self.branch(node.test)
        values: list[tuple[Pending, ast.expr]] = [(yes, node.body), (no, node.orelse)]
        ends: Pending = []
        target: LocalScalar | LocalPacked | None = None
        for ways, side in values:
            if not ways:
                continue
            self.pending = ways
            value = self.rvalue(side)
            if target is None:
                other = node.orelse if side is node.body else node.body
                target = self.fresh("either", self._either_type(value, other))
            self.emit(Op.ASSIGN, writes=self.write_binding(target, self._fit(target, value, side)))
            ends += self.pending
        self.pending = ends
        if target is None:
            raise self.fail(node, "LI010", "this expression has no value")
        return self.bound(target)

    def _either_type(self, value: Expr | PackedValue, other: ast.expr) -> SemType:
        """A type for both sides of a conditional expression; the other side is only looked at for its type."""
        if isinstance(value, PackedValue):
            return value.type
        if value.type.kind is Kind.INT and not self.effectful(other):
            groups, checks = list(self.groups), list(self.checks)
            self.looking += 1
            try:
                found = self.scalar(other)
                if found.type.kind is Kind.INT:
                    return Scalar(
                        int_type(min(found.type.lo, value.type.lo), max(found.type.hi, value.type.hi), value.type.names)
                    )
            finally:
                self.looking -= 1
                self.groups, self.checks = groups, checks
        return Scalar(value.type)

    def _fit(self, target: LocalScalar | LocalPacked, value: Expr | PackedValue, node: ast.AST) -> Expr | PackedValue:
        return self.coerce(value, target.type if isinstance(target, LocalPacked) else Scalar(target.var.type), node)

    def _either(self, sides: list[tuple[Pending, Expr]], node: ast.AST) -> Expr:
        """A bool local that tells by which way one came."""
        if not sides[0][0] or not sides[1][0]:
            self.pending = sides[0][0] or sides[1][0]
            return TRUE if sides[0][0] else FALSE
        target = self.local("condition", TRUE.type)
        ends: Pending = []
        for ways, value in sides:
            self.pending = ways
            self.emit(Op.ASSIGN, writes=(Write(target, value),))
            ends += self.pending
        self.pending = ends
        return var(target)

    def branch(self, test: ast.expr) -> tuple[Pending, Pending]:
        """Ways on which the condition is true and false."""
        if isinstance(test, ast.UnaryOp) and isinstance(test.op, ast.Not):
            yes, no = self.branch(test.operand)
            return no, yes
        if isinstance(test, ast.BoolOp) and not self._is_plain(test):
            decided: Pending = []
            going = self.pending
            wanted = 0 if isinstance(test.op, ast.And) else 1
            for operand in test.values:
                self.pending = going
                ways = self.branch(operand)
                going = ways[wanted]
                decided += ways[1 - wanted]
                if not going:
                    break
            return (going, decided) if wanted == 0 else (decided, going)
        self.anchor = test
        cond = self.condition(test)
        folds = not self.universe.phantom or isinstance(test, ast.Constant)  # a switch is tried both ways
        if is_const(cond) and not self.groups and folds:
            return (self.pending, []) if cond is TRUE else ([], self.pending)
        node = self.emit(Op.BRANCH, 2, cond=cond)
        return [(node.index, 0)], [(node.index, 1)]

    # -- calls ----------------------------------------------------------------------------------------------------

    def call(self, name: str, node: ast.Call) -> Value:
        value = self.perform(name, node)
        if value is None:
            raise self.fail(node, "LI019", f"'{name}' returns no value", "declare a result with -> Type")
        return value

    def perform(self, name: str, node: ast.Call) -> Value | None:
        """A call, with its effects; None if it has no value."""
        decl = self.universe.function(name)
        if name == "this_cpu" and decl is None:
            return self._this_cpu(node)
        if self.looking or decl is not None and decl.role is Purpose.PURE:
            return super().call(name, node)
        if decl is not None:
            if decl.role is not Purpose.FUNCTION:
                raise self.fail(node, "LI025", f"'{name}' is a process or a property; it cannot be called")
            return inline.inline(self, decl, node)
        if name in primitives.EFFECTS:
            return primitives.EFFECTS[name](self, node)
        return super().call(name, node)

    def _this_cpu(self, node: ast.Call) -> Expr:
        """The CPU that the process runs on: a register, so that reading it is no access."""
        if self.universe.phantom:
            return integer(0)
        if self.cpu is None:
            raise self.fail(node, "LI010", f"'{self.name}' has no cpu=, so this_cpu() has no meaning", "declare cpu=")
        return self.cpu


def _start(type_: Type) -> int:
    return type_.lo if type_.kind is Kind.INT else 0


@functools.lru_cache(maxsize=8192)
def _shown(source: Source, node: ast.AST) -> tuple[Span, str]:
    """The place of an operation, and its text: of a statement the head."""
    head = node
    if isinstance(node, (ast.If, ast.While)):
        head = node.test
    elif isinstance(node, ast.Match):
        head = node.subject
    text = source.text_of(head)
    span = source.header(node) if isinstance(node, ast.stmt) else source.span(node)
    return span, text if len(text) <= 160 else text[:157] + "..."
