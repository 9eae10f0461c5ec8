# SPDX-License-Identifier: GPL-2.0-or-later
"""Why a formula is false (or true) in a state: the few conditions of it that suffice, each with its values.

Invariant: any state in which these conditions are as they are here gives the formula the same value.  The set is
small, not smallest: of several false operands of a conjunction the one with the fewest conditions is told.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence, Set
from dataclasses import dataclass, field

from lostirq.evidence.account import Reason
from lostirq.ir.expr import Expr, Kind, Op, Role, Type, Var, apply, postorder
from lostirq.ir.system import Process, System
from lostirq.report.lasting import lasting
from lostirq.report.names import Names
from lostirq.report.resting import Condition, Rest, leaves, locations

_LEAVES = (Op.VAR, Op.OLD, Op.OCCURS, Op.EMPTY)
_INFIX = {Op.EQ: "==", Op.LT: "<", Op.LE: "<=", Op.ADD: "+", Op.SUB: "-", Op.BAND: "&", Op.BOR: "|", Op.BXOR: "^"}
_CALLED = {Op.HIGHEST: "highest", Op.COUNT: "count", Op.CONCAT: "concat", Op.PUT: "put", Op.EXTRACT: "extract",
           Op.ENCODE: "bits", Op.DECODE: "number"}
LONG = 160      # characters of a condition that is told in whole


@dataclass(frozen=True, slots=True)
class View:
    """Where an expression is looked at: the values of variables now and before the step, its events, its buffers."""

    now: Callable[[Var], int]
    before: Callable[[Var], int]
    events: Set[tuple[str, tuple[int, ...]]] = frozenset()
    empty: Callable[[int], bool] = field(default=lambda cpu: True)

    def value(self, node: Expr, args: list[int]) -> int:
        if node.op is Op.VAR:
            return self.now(node.payload)  # type: ignore[arg-type]  # the payload of VAR is a Var
        if node.op is Op.OLD:
            return self.before(node.payload)  # type: ignore[arg-type]  # the payload of OLD is a Var
        if node.op is Op.OCCURS:
            return int((str(node.payload), tuple(args)) in self.events)
        if node.op is Op.EMPTY:
            return int(self.empty(int(node.payload)))  # type: ignore[call-overload]  # the payload is a CPU number
        return apply(node, args)


def evaluate(root: Expr, view: View) -> dict[Expr, int]:
    """The value of every node.  Linear."""
    value: dict[Expr, int] = {}
    for node in postorder([root]):
        value[node] = view.value(node, [value[a] for a in node.args])
    return value


def deciding(root: Expr, value: dict[Expr, int]) -> list[tuple[Expr, int]]:
    """The conditions that suffice for the value of a truth-valued formula, in order.  Linear times their number."""
    found: dict[Expr, dict[Expr, int]] = {}
    for node in postorder([root]):
        if node.type.kind is not Kind.BOOL:
            continue
        if node.op is Op.NOT:
            found[node] = found[node.args[0]]
        elif node.op in (Op.AND, Op.OR):
            alone = [found[a] for a in node.args if value[a] == (node.op is Op.OR)]
            found[node] = min(alone, key=len) if alone else _union([found[a] for a in node.args])
        elif node.op is Op.ITE:
            found[node] = _union([found[node.args[0]], found[node.args[1 if value[node.args[0]] else 2]]])
        elif node.op is Op.CONST:
            found[node] = {}
        else:
            found[node] = {node: value[node]}
    return list(found[root].items())


def _union(parts: list[dict[Expr, int]]) -> dict[Expr, int]:
    found: dict[Expr, int] = {}
    for part in parts:
        found.update(part)
    return found


class Speaker:
    """Puts conditions of one system into words."""

    def __init__(self, system: System, names: Names, column_of: Callable[[int], str]) -> None:
        self.system, self.names, self.column_of = system, names, column_of

    def reasons(self, root: Expr, view: View) -> tuple[Reason, ...]:
        """Why the formula has the value that it has: first what it says of data and events, then where processes are,
        then that nobody else moves."""
        value = evaluate(root, view)
        rest = Rest(self.system, deciding(root, value), value)
        nobody = rest.nobody()
        placed = [(node, truth) for node, truth in rest.others if self._is_place(node)]
        if nobody or len(rest.resting) < 3:
            placed += rest.settled(value) if nobody else rest.resting.values()
        data = [(node, truth) for node, truth in rest.others if not self._is_place(node)]
        data.sort(key=lambda condition: not self._of_sets(condition[0]))
        told = [self.reason(node, truth, value) for node, truth in (*data, *placed)]
        if nobody:
            told.append(Reason(rest.line()))
        else:
            names = [self.column_of(owner) for owner in rest.resting] if len(rest.resting) > 2 else []
            told += [Reason("at rest: " + ", ".join(dict.fromkeys(names)))] if names else []
            told += [Reason(said) for said in rest.said()]
        return tuple(dict.fromkeys(told))

    def throughout(self, root: Expr, views: Sequence[View]) -> tuple[Reason, ...]:
        """Why the formula keeps its value in all of the states of a loop; none if it changes, or for changing
        reasons."""
        values = [evaluate(root, view) for view in views]
        conditions = lasting(root, values) or []
        changing = {n for n in leaves(root) if len({value[n] for value in values}) > 1}
        data = [(node, truth) for node, truth in conditions if not self._is_place(node)]
        data.sort(key=lambda condition: not self._of_sets(condition[0]))
        told = [self.reason(node, truth, values[0], changing) for node, truth in data]
        told += [Reason(said) for said in self._whereabouts(
            [(node, truth) for node, truth in conditions if self._is_place(node)])]
        return tuple(dict.fromkeys(told))

    def _whereabouts(self, conditions: Sequence[Condition]) -> Iterator[str]:
        """Where processes always are and where they never come to."""
        for node, truth in conditions:
            for leaf in leaves(node):
                owner: int = leaf.payload.owner  # type: ignore[attr-defined]  # a Var
                process = self.system.processes[owner]
                inside = locations(node, leaf)
                where = self._functions(process, inside)
                rest = " (at rest)" if all(process.locations[k].idle for k in inside) else ""
                if inside:
                    yield f"{self.column_of(owner)} is {'always' if truth else 'never'} {' or '.join(where)}{rest}"

    @staticmethod
    def _functions(process: Process, inside: Sequence[int]) -> list[str]:
        """Locations by their functions, which are named alone where these are all that the process has there."""
        found = []
        for f in dict.fromkeys(process.locations[k].function for k in inside):
            here = [k for k in inside if process.locations[k].function == f]
            every = sum(at.function == f for at in process.locations)
            lines = sorted({(at.span.file, at.span.line) for at in (process.locations[k] for k in here)})
            at = f" at {lines[0][0]}:{lines[0][1]}" if len(lines) == 1 else ""
            found.append(f"in {f}()" if len(here) == every else f"in {f}(){at}" if at else f"in that part of {f}()")
        return found

    @staticmethod
    def _of_sets(node: Expr) -> bool:
        """Is it about a set of bits?  What is lost is a vector in one."""
        return any(n.type.kind is Kind.BITS for n in leaves(node))

    @staticmethod
    def _is_place(node: Expr) -> bool:
        """Does a condition say where processes are, and nothing else?"""
        found = leaves(node)
        return bool(found) and all(n.payload.role is Role.PC for n in found)  # type: ignore[attr-defined]  # a Var

    def reason(self, node: Expr, truth: int, value: dict[Expr, int], changing: Set[Expr] = frozenset()) -> Reason:
        """A condition in words, with the values of its variables, but of those that are `changing`."""
        variables = [n for n in leaves(node) if n not in changing]
        places = [n for n in variables if n.payload.role is Role.PC]  # type: ignore[attr-defined]  # a Var
        if places and len(places) == len(variables) == 1:
            return Reason(self._place(node, places[0], truth, value[places[0]]))
        said = self.phrase(node)
        text = said if truth else f"not {said}" if node.op in (Op.VAR, Op.OLD, Op.BIT, Op.OCCURS) else f"not ({said})"
        if node.op is Op.EQ and not truth:
            text = self._infix(node, "!=")
        if len(text) > LONG or text.count(" if ") > 1:
            text = self._long(node, truth, value, changing)
            changed = [n for n in variables if value[n] != n.payload.init]  # type: ignore[attr-defined]  # a Var
            rest = ["the others as at first"] if 0 < len(changed) < len(variables) and not changing else []
            return Reason(text, tuple(dict.fromkeys([*(self._is(n, value[n]) for n in changed or variables), *rest])))
        values = [self._is(n, value[n]) for n in variables if not (n is node or self._says_itself(node, n, truth))]
        return Reason(text, tuple(dict.fromkeys(values)))

    def _long(self, node: Expr, truth: int, value: dict[Expr, int], changing: Set[Expr]) -> str:
        """A condition that is too long to be read: what it asks, without what it asks it of."""
        size = len({n.payload for n in leaves(node)})
        of = "one variable" if size == 1 else f"{size} variables"
        said = "true" if truth else "false"
        if node.op not in (Op.EQ, Op.LT, Op.LE):
            return f"a condition on {of} is {said}"
        left, right = (f"{_CALLED[a.op]}(...)" if a.op in _CALLED else
                       "..." if changing & set(leaves(a)) else a.type.show(value[a]) for a in node.args)
        return f"a comparison of {of}, {left} {_INFIX[node.op]} {right}, is {said}"

    def _says_itself(self, node: Expr, leaf: Expr, truth: int) -> bool:
        """`x == 3` that is true need not be followed by `x is 3`."""
        return bool(truth) and node.op is Op.EQ and node.args[0] is leaf and node.args[1].op is Op.CONST

    def _is(self, leaf: Expr, value: int) -> str:
        v: Var = leaf.payload  # type: ignore[assignment]  # the payload of VAR and OLD is a Var
        name = self.column_of(v.owner) if v.role is Role.PC else self.names.name(v)
        return f"{name} {'was' if leaf.op is Op.OLD else 'is'} {self._shown(leaf, value)}"

    def _shown(self, leaf: Expr, value: int) -> str:
        v: Var = leaf.payload  # type: ignore[assignment]  # the payload of VAR and OLD is a Var
        if v.role is Role.PC:
            return f"in {self.system.processes[v.owner].locations[value].function}()"
        return self.names.value(v, value)

    def _place(self, node: Expr, leaf: Expr, truth: int, at: int) -> str:
        v: Var = leaf.payload  # type: ignore[assignment]  # the payload of VAR and OLD is a Var
        process = self.system.processes[v.owner]
        here = process.locations[at]
        was = "was" if leaf.op is Op.OLD else "is"
        rest = " (at rest)" if here.idle else ""
        text = f"{self.column_of(v.owner)} {was} in {here.function}() at {here.span.file}:{here.span.line}{rest}"
        inside = locations(node, leaf)
        if inside and all(process.locations[k].idle for k in inside) and not truth:
            text += ", not at rest"
        return text

    def phrase(self, root: Expr) -> str:
        """An expression in the manner of C.  Linear in the number of nodes, but for shared ones."""
        said: dict[Expr, str] = {}
        for node in postorder([root]):
            said[node] = self._node(node, [self._operand(a, said) for a in node.args])
            if len(said[node]) > 4 * LONG:
                said[node] = "(...)"
        return said[root]

    @staticmethod
    def _operand(node: Expr, said: dict[Expr, str]) -> str:
        loose = node.op in _INFIX or node.op in (Op.AND, Op.OR, Op.IN, Op.ITE)
        return f"({said[node]})" if loose else said[node]

    def _infix(self, node: Expr, sign: str) -> str:
        left, right = node.args
        if left.op is Op.COUNT and right.op is Op.CONST and right.payload == 0:     # how a test of all bits is compiled
            return f"{self._operand(left.args[0], {left.args[0]: self.phrase(left.args[0])})} {sign} {{}}"
        shown = [self._constant(a, b) if a.op is Op.CONST else self._operand(a, {a: self.phrase(a)})
                 for a, b in ((left, right), (right, left))]
        return f"{shown[0]} {sign} {shown[1]}"

    def _constant(self, node: Expr, other: Expr) -> str:
        """A constant, as values of what it is compared with are shown."""
        value = int(node.payload)  # type: ignore[call-overload]  # the payload of CONST is an int
        if other.op in (Op.VAR, Op.OLD):
            return self._shown(other, value)
        return _shown(other.type if other.type.names else node.type, value)

    def _node(self, node: Expr, args: list[str]) -> str:
        if node.op in (Op.VAR, Op.OLD):
            v: Var = node.payload  # type: ignore[assignment]  # the payload of VAR and OLD is a Var
            name = f"the location of {self.column_of(v.owner)}" if v.role is Role.PC else self.names.name(v)
            return f"old({name})" if node.op is Op.OLD else name
        if node.op is Op.CONST:
            return _shown(node.type, int(node.payload))  # type: ignore[call-overload]  # an int
        if node.op in (Op.EQ, Op.LT, Op.LE):
            return self._infix(node, _INFIX[node.op])
        if node.op in _INFIX:
            return f" {_INFIX[node.op]} ".join(args)
        simple = {Op.NOT: "not {0}", Op.BNOT: "~{0}", Op.BIT: "{0}[{1}]", Op.ITE: "{1} if {0} else {2}"}
        if node.op in simple:
            return simple[node.op].format(*args)
        if node.op in (Op.AND, Op.OR):
            return f" {node.op.value} ".join(args)
        if node.op is Op.IN:
            return f"{args[0]} in {{{', '.join(map(str, node.payload))}}}"  # type: ignore[call-overload]  # ints
        if node.op is Op.OCCURS:
            return f"{node.payload}({', '.join(args)}) occurs"
        if node.op is Op.EMPTY:
            return f"the store buffer of CPU {node.payload} is empty"
        return f"{_CALLED[node.op]}({', '.join(args)})"


def _shown(type_: Type, value: int) -> str:
    return type_.show(value)
