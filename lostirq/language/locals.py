# SPDX-License-Identifier: GPL-2.0-or-later
"""What a lemma may name of a process besides memory and locations: the parameters and locals of inlined functions, and
the turn of a loop that it is in.

Invariants
  - The value is that of the copy of the function in which the process is; outside of all copies, and where no way from
    the start of the call has assigned it, it is the start value of the type (False, 0, or the lowest number).
  - What a lemma reads is kept as a variable, although no step needs it: it is a part of the system that is proved, of
    its digest and of what is rechecked.  Nothing of the behaviour depends on it.
  - Only lemmas may look: a property of locals would say something about the model, not about what it models, and a
    search may forget locals that no step needs any more.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from lostirq.ir.expr import TRUE, Expr, Role, Var, const, in_set, int_type, integer, or_, var, variables
from lostirq.ir.system import Process
from lostirq.language import inline, source, statements
from lostirq.language.builtins import MOST_TURNS, arguments
from lostirq.language.declarations import PROCESSES, Declarations, FunctionDecl
from lostirq.language.declarations import Role as Purpose
from lostirq.language.expand import Expander
from lostirq.language.graph import Graph, Node, Op
from lostirq.language.places import Binding, Copy, LocalPacked, LocalScalar, PackedValue, Ref, Value
from lostirq.language.scope import CallFrame, Scope
from lostirq.language.source import Abandon, Report
from lostirq.language.types import PackedType, Scalar, SemType
from lostirq.language.universe import Universe

if TYPE_CHECKING:
    from lostirq.language.properties import PropertyTranslator


@dataclass(frozen=True, eq=False, slots=True)
class Placed:
    """A copy of a function in a process, whose locations stand for these operations."""

    copy: Copy
    graph: Graph
    operations: tuple[int, ...]

    def _inside(self, operation: int) -> bool:
        path = self.graph.nodes[operation].frame.path
        return path == self.copy.path or path.startswith(f"{self.copy.path}/")

    def may_wait(self, operation: int) -> bool:
        """A way of the step from this location, which is inside of the copy, goes through a wait that is, too."""
        nodes = self.graph.nodes
        work = [(operation, True)] if self._inside(operation) else []
        seen = set(work)
        while work:
            k, idle = work.pop()             # idle: only choices so far, which are one step with what follows
            node = nodes[k]
            if node.op in (Op.WAIT, Op.ASSIGN) and node.cond is not TRUE and self._inside(k):
                return True
            idle = idle and (node.op is Op.PICK or not node.location)
            ahead = {(s, idle) for s in node.succ if s >= 0 and (idle or not nodes[s].location)} - seen
            seen |= ahead
            work += ahead
        return False

    def locations(self, variables: frozenset[Var]) -> tuple[int, ...]:
        """Those inside the copy to which some way leads that assigns one of the variables, in this call; all of them
        if nothing in it does, for what never changes is folded away."""
        inside = [n.index for n in self.graph.reachable() if self._inside(n.index)]
        writers = [k for k in inside if _written(self.graph.nodes[k]) & variables]
        work = [s for k in writers for s in self.graph.nodes[k].succ]
        found = set() if writers else set(inside)
        while work:
            k = work.pop()
            if k >= 0 and k not in found and self._inside(k):
                found.add(k)
                work += self.graph.nodes[k].succ
        return tuple(place for place, k in enumerate(self.operations) if k in found)


def _written(node: Node) -> frozenset[Var]:
    picked = frozenset() if node.pick is None else frozenset([node.pick])
    return picked | frozenset(w.var for w in node.writes)


def body(universe: Universe, decl: FunctionDecl, x: Expander) -> None:
    """Expand a body that no process calls: parameters bound to stand-ins, calls looked at but not inlined."""
    x.stack = (decl.name,)
    x.anchor = decl.node
    x.scope.names = {p.arg: stand_in(x, decl, p) for p in decl.parameters}
    type_ = None if decl.role is not Purpose.FUNCTION else inline.result_type(x, decl)
    result = None if type_ is None else x.fresh("return", type_)
    x.frames.append(CallFrame(decl, result, type_))
    x.emit(Op.NOP)
    statements.block(x, decl.node.body)
    if x.pending and result is not None:
        x.report.add(
            decl.source.header(decl.node), "LI019", f"'{decl.name}' may end without a value", "return on every path"
        )


def stand_in(x: Expander, decl: FunctionDecl, param: ast.arg) -> Binding:
    """A parameter of which nothing is known but its type."""
    if param.annotation is None:
        if decl.role in PROCESSES:
            return integer(0)
        raise x.report.fail(decl.source.span(param), "LI014", f"parameter '{param.arg}' has no type", "name: Type")
    type_ = x.universe.type_of(param.annotation, decl.source)
    if decl.role in PROCESSES:
        return integer(0)
    if isinstance(type_, (Scalar, PackedType)):
        made = x.fresh(param.arg, type_)
        value = x.bound(made)
        return made if param.arg in decl.assigned or isinstance(value, Ref) else value
    return Ref(((TRUE, x.universe.layout.place(f"{decl.name}.{param.arg}", type_)),))


def declared(universe: Universe, decl: FunctionDecl) -> Mapping[str, SemType | None]:
    """The parameters and locals of a function with their types; None: it names a structure."""
    aside = Universe(universe.declarations, universe.values, Report(), phantom=True)
    aside.lay_out()
    x = Expander(aside, decl.name, 0, Scope(decl.source, decl, {}, decl.name))
    try:
        body(aside, decl, x)
    except Abandon:
        return {}
    parameters = frozenset(p.arg for p in decl.parameters)
    return {name: _type(b) for name, b in x.scope.names.items() if name in parameters or not isinstance(b, Expr)}


def _type(binding: Binding) -> SemType | None:
    if isinstance(binding, LocalScalar):
        return Scalar(binding.var.type)
    if isinstance(binding, Expr):
        return Scalar(binding.type)
    return binding.type if isinstance(binding, (LocalPacked, PackedValue)) else None


def start_value(type_: SemType) -> Expr | PackedValue:
    """What stands for a local outside of its function."""
    if isinstance(type_, PackedType):
        return PackedValue(type_, tuple(const(t.lo, t) for _, t in type_.fields))
    assert isinstance(type_, Scalar)
    return const(type_.type.lo, type_.type)


def calls(declarations: Declarations, caller: str, called: str) -> bool:
    """Whether the code of a process or function contains a function or built-in, directly or through others."""
    functions = {d.name: d for d in declarations.functions()}
    found, work = {caller}, [caller]
    for name in work:
        for other, _ in source.calls(functions[name].node) if name in functions else ():
            if other not in found:
                found.add(other)
                work.append(other)
    return called in found


def _called(tr: PropertyTranslator, node: ast.Call, behind: int = 1) -> tuple[list[ast.expr], list[Process], str]:
    """The arguments, the process (if there is one) and the function, with so many arguments `behind` it."""
    args = arguments(tr, node, (2 + behind, 3 + behind))
    assert isinstance(node.func, ast.Name)
    called = node.func.id
    if not tr.lemma:
        raise tr.fail(node, "LI034", f"{called}() is for lemmas", "a property speaks of memory and of locations")
    named = args[-1 - behind]
    processes = tr.instances(args[: -1 - behind])
    family = tr.text(args[0], tr.context.families, "process")
    function = tr.text(named, tr.context.functions, "function")
    if len(processes) > 1:
        raise tr.fail(node, "LI012", f"there are {len(processes)} {family} processes", f'{called}("{family}", i, ...)')
    if not calls(tr.universe.declarations, family, function):
        raise tr.fail(named, "LI034", f"'{family}' never calls '{function}'")
    return args, processes, function


def at_wait(tr: PropertyTranslator, node: ast.Call) -> Value:
    """at_wait("process", i, "function"): inside of the function, the next step goes through a wait() or spin_lock()."""
    args, processes, function = _called(tr, node, behind=0)
    if not any(calls(tr.universe.declarations, function, name) for name in ("wait", "spin_lock")):
        raise tr.fail(args[-1], "LI034", f"'{function}' never waits", "a function that calls wait() or spin_lock()")
    found: list[Expr] = []
    for process in processes:
        places = {place for placed in tr.context.copies.get(process.index, ()) if placed.copy.function == function
                  for place, k in enumerate(placed.operations) if placed.may_wait(k)}  # fmt: skip
        found.append(in_set(var(process.pc), places))
    return or_(*found)


def local(tr: PropertyTranslator, node: ast.Call) -> Value:
    """local("process", i, "function", "name")."""
    args, processes, function = _called(tr, node)
    types = _types(tr, function)
    name = tr.text(args[-1], frozenset(types), f"local or parameter of '{function}'")
    type_ = types[name]
    if type_ is None:
        raise tr.fail(args[-1], "LI010", f"'{name}' of '{function}' names a structure", "name what it is a part of")
    found = tr.bound(_phantom(tr, function, type_)) if tr.universe.phantom else start_value(type_)
    for process in processes:
        for placed in tr.context.copies.get(process.index, ()):
            here = placed.copy.names.get(name) if placed.copy.function == function else None
            if here is not None:
                value = tr.coerce(tr.bound(here), type_, node)
                assert not isinstance(found, Ref)
                own = frozenset(variables(value.fields if isinstance(value, PackedValue) else [value]))
                found = tr.merge(in_set(var(process.pc), placed.locations(own)), value, found, node)
    return found


def turn(tr: PropertyTranslator, node: ast.Call) -> Value:
    """turn("process", i, "function", "variable"): the value of a loop's variable; -1 outside of the loop."""
    args, processes, function = _called(tr, node)
    loops = _loops(tr, function)
    name = tr.text(args[-1], frozenset(loops), f"loop variable of '{function}'")
    if tr.universe.phantom:
        return var(Var(f"{function}.{name}", int_type(-1, MOST_TURNS), -1, Role.LOCAL, 0))
    found: Value = integer(-1)
    for process in processes:
        for value, places in _turns(tr.context.copies.get(process.index, ()), function, loops[name]).items():
            if value < 0:
                raise tr.fail(args[-1], "LI034", f"'{name}' can be {value}", "-1 says that no turn is under way")
            assert isinstance(found, Expr)
            found = tr.merge(in_set(var(process.pc), places), integer(value), found, node)
    return found


_Loops = frozenset[tuple[int, int]]     # where they begin


def _loops(tr: PropertyTranslator, function: str) -> dict[str, _Loops]:
    """The loops of a function over a variable, by its name; by "k#2", the second one over k."""
    decl = tr.universe.function(function)
    found: dict[str, list[tuple[int, int]]] = {}
    for n in ast.walk(decl.node) if decl is not None else ():
        if isinstance(n, ast.For) and isinstance(n.target, ast.Name):
            found.setdefault(n.target.id, []).append((n.lineno, n.col_offset))
    each = {f"{k}#{n}": frozenset({at}) for k, those in found.items() for n, at in enumerate(sorted(those), 1)}
    return each | {k: frozenset(those) for k, those in found.items()}


def _turns(copies: Iterable[Placed], function: str, loops: _Loops) -> dict[int, list[int]]:
    """The locations in each turn of loops of a function."""
    found: dict[int, list[int]] = {}
    for placed in copies:
        if placed.copy.function != function:
            continue
        for place, k in enumerate(placed.operations):
            turns = placed.graph.nodes[k].frame.turns
            for value in [t.value for t in turns if t.path == placed.copy.path and t.begin in loops][-1:]:
                found.setdefault(value, []).append(place)
    return found


def _types(tr: PropertyTranslator, function: str) -> Mapping[str, SemType | None]:
    known = tr.context.declared
    if function not in known:
        decl = tr.universe.function(function)
        known[function] = {} if decl is None else declared(tr.universe, decl)
    return known[function]


def _phantom(tr: PropertyTranslator, function: str, type_: SemType) -> LocalScalar | LocalPacked:
    """A variable of which nothing is known but its type: there are no processes when a workspace is checked."""
    if isinstance(type_, PackedType):
        made = tuple(Var(f"{function}.{n}", t, t.lo, Role.LOCAL, 0) for n, t in type_.fields)
        return LocalPacked(type_, made)
    assert isinstance(type_, Scalar)
    return LocalScalar(Var(function, type_.type, type_.type.lo, Role.LOCAL, 0))
