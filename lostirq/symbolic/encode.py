# SPDX-License-Identifier: GPL-2.0-or-later
"""Expressions and edges of a flat system as Z3 terms.

A bool is a Z3 Bool, `Bits[n]` an unsigned bit-vector of n bits, an int a *signed* bit-vector that is wide enough for
its range; operators widen their operands first, so that no term ever overflows.  (Z3's unbounded Int was measured and
left: an index into 256 bits then needs a conversion that no solver of bit-vectors sees through; see docs/proofs.md.)
HIGHEST and COUNT are a binary search and a tree of adders, BIT and PUT a shifter: all logarithmic in depth, so that
256 bits stay small.

Weakest preconditions are taken over our own expressions, not over Z3's: substituting into interned, simplifying
expressions decides most program counters before a solver is asked.

References: de Moura and Bjorner 2008, "Z3: an efficient SMT solver"; Warren 2012, "Hacker's Delight", section 5.1-5.3.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import cast

import z3

from lostirq.ir.expr import Expr, Kind, Op, Type, Var, and_, const, eq, fold, integer, substitute, var
from lostirq.ir.system import Edge, System

MANY_RUNS = 4   # of consecutive values, from which on a set is a decision diagram


def signed_width(lo: int, hi: int) -> int:
    """Bits of the smallest two's complement that holds lo..hi (lo <= hi)."""
    return max(hi.bit_length() if hi >= 0 else 0, (-lo - 1).bit_length() if lo < 0 else 0) + 1


def sort_of(type_: Type) -> z3.SortRef:
    """The sort of a variable of this type."""
    if type_.kind is Kind.BOOL:
        return z3.BoolSort()
    return z3.BitVecSort(type_.width if type_.kind is Kind.BITS else signed_width(type_.lo, type_.hi))


def constant(value: int, type_: Type) -> z3.ExprRef:
    """A value; of an Int as narrow as it can be, for operators widen their operands."""
    if type_.kind is Kind.BOOL:
        return z3.BoolVal(bool(value))
    if type_.kind is Kind.BITS:
        return z3.BitVecVal(value, type_.width)
    return z3.BitVecVal(value, signed_width(value, value))


def _widen(a: z3.BitVecRef, width: int) -> z3.BitVecRef:
    return z3.SignExt(width - a.size(), a) if a.size() < width else a


def _common(*terms: z3.ExprRef) -> list[z3.ExprRef]:
    """Signed terms at their largest width."""
    width = max(t.size() for t in terms)
    return [_widen(t, width) for t in terms]


def _index(i: z3.BitVecRef, width: int) -> tuple[z3.BoolRef, z3.BitVecRef]:
    """Whether 0 <= i < width, and i as an unsigned number of `width` bits (any value if it is outside)."""
    limit = z3.BitVecVal(width, signed_width(0, width))
    wide, bound = _common(i, limit)
    fits = z3.And(wide >= 0, wide < bound)
    return fits, z3.Extract(width - 1, 0, wide) if wide.size() >= width else z3.SignExt(width - wide.size(), wide)


def _highest(a: z3.BitVecRef) -> z3.BitVecRef:
    """Position of the highest set bit, -1 if there is none: a binary search that halves the word at each step."""
    width = a.size()
    steps = max(1, (width - 1).bit_length())
    rest = z3.ZeroExt((1 << steps) - width, a) if 1 << steps > width else a
    digits: list[z3.ExprRef] = []
    for step in reversed(range(steps)):
        half = 1 << step
        upper, lower = z3.Extract(2 * half - 1, half, rest), z3.Extract(half - 1, 0, rest)
        some = upper != 0
        digits.append(z3.If(some, z3.BitVecVal(1, 1), z3.BitVecVal(0, 1)))
        rest = z3.If(some, upper, lower)
    position = z3.ZeroExt(1, digits[0] if len(digits) == 1 else z3.Concat(*digits))
    return z3.If(a == 0, z3.BitVecVal(-1, steps + 1), position)


def _count(a: z3.BitVecRef) -> z3.BitVecRef:
    """Number of set bits: a balanced tree of adders, each one bit wider than its operands."""
    level: list[z3.BitVecRef] = [z3.ZeroExt(1, z3.Extract(i, i, a)) for i in range(a.size())]
    while len(level) > 1:
        pairs = [_common(*level[i : i + 2]) for i in range(0, len(level), 2)]
        level = [z3.ZeroExt(1, p[0]) + z3.ZeroExt(1, p[1]) if len(p) == 2 else p[0] for p in pairs]
    return level[0]


def _bit(node: Expr, a: z3.BitVecRef, i: z3.BitVecRef) -> z3.BoolRef:
    if node.args[1].op is Op.CONST:
        at = int(node.args[1].payload)  # type: ignore[call-overload]  # a CONST carries an int
        return z3.Extract(at, at, a) == 1 if 0 <= at < a.size() else z3.BoolVal(False)
    fits, shift = _index(i, a.size())
    return z3.And(fits, z3.Extract(0, 0, z3.LShR(a, shift)) == 1)


def _put(a: z3.BitVecRef, i: z3.BitVecRef, b: z3.BoolRef) -> z3.BitVecRef:
    fits, shift = _index(i, a.size())
    mask = z3.BitVecVal(1, a.size()) << shift
    return z3.If(fits, z3.If(b, a | mask, a & ~mask), a)


def equal(type_: Type, a: z3.ExprRef, b: z3.ExprRef) -> z3.BoolRef:
    """Two values of one kind are equal."""
    a, b = _common(a, b) if type_.kind is Kind.INT else (a, b)
    return a == b


def _plus(args: list[z3.ExprRef], sign: int) -> z3.BitVecRef:
    a, b = _common(*args)
    a, b = z3.SignExt(1, a), z3.SignExt(1, b)
    return a + b if sign > 0 else a - b


def _ite(node: Expr, args: list[z3.ExprRef]) -> z3.ExprRef:
    if node.type.kind is Kind.INT:
        return z3.If(args[0], *_common(args[1], args[2]))
    return z3.If(args[0], args[1], args[2])


def _in(node: Expr, a: z3.BitVecRef) -> z3.BoolRef:
    """Membership as a disjunction of runs of consecutive values, program locations of a window are few runs; if they
    are many, as a decision diagram over the bits."""
    values = cast(tuple[int, ...], node.payload)
    runs: list[list[int]] = []
    for value in values:
        if runs and runs[-1][1] == value - 1:
            runs[-1][1] = value
        else:
            runs.append([value, value])
    if len(runs) > MANY_RUNS and values[0] >= 0:
        return _decided(sum(1 << v for v in values), a)
    tests = []
    for lo, hi in runs:
        low, high, wide = _common(constant(lo, integer(lo).type), constant(hi, integer(hi).type), a)
        tests.append(wide == low if lo == hi else z3.And(low <= wide, wide <= high))
    return z3.Or(*tests)


def _decided(members: int, a: z3.BitVecRef) -> z3.BoolRef:
    """Whether bit a of `members` is set, for a >= 0 (False below): a test of one bit of a at each node."""
    digits = [z3.Extract(i, i, a) == 1 for i in range(a.size() - 1)]
    false, true = z3.BoolVal(False), z3.BoolVal(True)
    memo: dict[tuple[int, int], z3.BoolRef] = {}

    def decide(some: int, level: int) -> z3.BoolRef:
        if some == 0 or some == (1 << (1 << level)) - 1:
            return true if some else false
        found = memo.get((some, level))
        if found is None:
            half = 1 << level - 1
            upper, lower = decide(some >> half, level - 1), decide(some & (1 << half) - 1, level - 1)
            found = memo[some, level] = upper if upper is lower else z3.If(digits[level - 1], upper, lower)
        return found

    return z3.And(a >= 0, decide(members & (1 << (1 << len(digits))) - 1, len(digits)))


def _encode(node: Expr, a: z3.ExprRef) -> z3.BitVecRef:
    lo, width = cast(tuple[int, int], node.payload)
    if node.args[0].type.kind is Kind.BOOL:
        a = z3.If(a, z3.BitVecVal(1, 2), z3.BitVecVal(0, 2))
    low = z3.BitVecVal(lo, signed_width(lo, lo))
    wide, low = (_widen(t, width + 1) for t in _common(a, low))
    return z3.Extract(width - 1, 0, z3.SignExt(1, wide) - z3.SignExt(1, low))


def _decode(node: Expr, a: z3.BitVecRef) -> z3.ExprRef:
    if node.type.kind is Kind.BOOL:
        return a != 0
    low = z3.BitVecVal(node.type.lo, signed_width(node.type.lo, node.type.lo))
    return _plus([z3.ZeroExt(1, a), low], +1)


_OPERATORS: dict[Op, Callable[[Expr, list[z3.ExprRef]], z3.ExprRef]] = {
    Op.NOT: lambda n, a: z3.Not(a[0]),
    Op.AND: lambda n, a: z3.And(*a),
    Op.OR: lambda n, a: z3.Or(*a),
    Op.EQ: lambda n, a: equal(n.args[0].type, a[0], a[1]),
    Op.LT: lambda n, a: (lambda x, y: x < y)(*_common(*a)),
    Op.LE: lambda n, a: (lambda x, y: x <= y)(*_common(*a)),
    Op.ADD: lambda n, a: _plus(a, +1),
    Op.SUB: lambda n, a: _plus(a, -1),
    Op.ITE: _ite,
    Op.IN: lambda n, a: _in(n, a[0]),
    Op.BAND: lambda n, a: a[0] & a[1],
    Op.BOR: lambda n, a: a[0] | a[1],
    Op.BXOR: lambda n, a: a[0] ^ a[1],
    Op.BNOT: lambda n, a: ~a[0],
    Op.BIT: lambda n, a: _bit(n, a[0], a[1]),
    Op.PUT: lambda n, a: _put(a[0], a[1], a[2]),
    Op.HIGHEST: lambda n, a: _highest(a[0]),
    Op.COUNT: lambda n, a: _count(a[0]),
    Op.CONCAT: lambda n, a: z3.Concat(*reversed(a)),
    Op.EXTRACT: lambda n, a: z3.Extract(n.payload[0] + n.payload[1] - 1, n.payload[0], a[0]),  # type: ignore[index]  # a pair
    Op.ENCODE: lambda n, a: _encode(n, a[0]),
    Op.DECODE: lambda n, a: _decode(n, a[0]),
}


def encode(node: Expr, args: list[z3.ExprRef]) -> z3.ExprRef:
    """The term of a constant or an operator over the terms of its operands."""
    if node.op is Op.CONST:
        return constant(node.payload, node.type)  # type: ignore[arg-type]  # a CONST carries an int
    if node.op not in _OPERATORS:
        raise ValueError(f"{node.op.name} has no meaning in one state of a flat system")
    return _OPERATORS[node.op](node, args)


class Encoder:
    """Z3 terms over one copy of the state; `suffix` tells copies apart.  Expressions are encoded once (linear)."""

    def __init__(self, variables: Iterable[Var], suffix: str = "") -> None:
        self.symbols: dict[Var, z3.ExprRef] = {v: z3.Const(v.name + suffix, sort_of(v.type)) for v in variables}
        self._memo: dict[Expr, z3.ExprRef] = {}
        self._ranges: dict[Var, list[z3.BoolRef]] = {}

    def assume(self, solver: z3.Solver, variables: Iterable[Var], formulas: Iterable[Expr]) -> None:
        """Assert formulas, and the ranges of variables.  Past the wrappers of z3py: their checks of each argument took
        as long as the solver."""
        context = solver.ctx.ref()
        for fact in (*self.in_range(variables), *map(self.term, formulas)):
            z3.Z3_solver_assert(context, solver.solver, fact.ast)

    def term(self, e: Expr) -> z3.ExprRef:
        """The term of `e`, in which OLD, OCCURS and EMPTY must not occur (step properties are rewritten first)."""
        found = self._memo.get(e)
        return fold(e, self._visit, self._memo) if found is None else found

    def _visit(self, node: Expr, args: list[z3.ExprRef]) -> z3.ExprRef:
        if node.op is Op.VAR:
            return self.symbols[node.payload]  # type: ignore[index]  # a Var
        return encode(node, args)

    def in_range(self, variables: Iterable[Var] | None = None) -> list[z3.BoolRef]:
        """What the type of each Int says about its symbol, where the bit-vector could hold more.  That of an initial
        value may be narrower than the type."""
        facts: list[z3.BoolRef] = []
        for v in self.symbols if variables is None else variables:
            if v not in self._ranges:
                self._ranges[v] = self._range(v) if v.type.kind is Kind.INT else []
            facts += self._ranges[v]
        return facts

    def _range(self, v: Var) -> list[z3.BoolRef]:
        x = self.symbols[v]
        width = max(x.size(), signed_width(v.type.lo, v.type.hi))
        x = z3.SignExt(width - x.size(), x) if x.size() < width else x
        low = [x >= v.type.lo] if v.type.lo > -(1 << width - 1) else []
        return low + ([x <= v.type.hi] if v.type.hi < (1 << width - 1) - 1 else [])

    def value(self, model: z3.ModelRef, v: Var) -> int:
        """The value of a variable in a model, as the interpreter has it; the initial one if the model is silent."""
        got = model.eval(self.symbols[v], model_completion=False)
        if z3.is_true(got) or z3.is_false(got):
            return int(z3.is_true(got))
        if not z3.is_bv_value(got):
            return v.init
        return int(got.as_signed_long() if v.type.kind is Kind.INT else got.as_long())


def conjuncts_of(e: Expr) -> tuple[Expr, ...]:
    """The parts of a conjunction."""
    return e.args if e.op is Op.AND else (e,)


def enabled(system: System, edge: Edge) -> Expr:
    """The states of a flat system in which the edge can be taken, the program counter included."""
    process = system.processes[edge.process]
    return and_(eq(var(process.pc), const(edge.src, process.pc.type)), process.runs, edge.guard)


def effect(system: System, edge: Edge) -> dict[Var, Expr]:
    """What the edge assigns, the program counter included; all right-hand sides are over the state before."""
    process = system.processes[edge.process]
    changed = dict(edge.assigns)
    if edge.dst != edge.src:
        changed[process.pc] = const(edge.dst, process.pc.type)
    return changed


def weakest_precondition(changed: Mapping[Var, Expr], goal: Expr, memo: dict[Expr, Expr] | None = None) -> Expr:
    """The goal after the assignment, as an expression over the state before.  `memo` serves one assignment only."""
    return substitute(goal, lambda leaf: changed.get(leaf.payload) if leaf.op is Op.VAR else None, memo)  # type: ignore[call-overload]  # a Var


def transition(system: System, edge: Edge, before: Encoder, after: Encoder) -> z3.BoolRef:
    """The edge as a relation between two copies of the state, frame included."""
    changed = effect(system, edge)
    parts = [before.term(enabled(system, edge))]
    for v in system.variables:
        term = before.term(changed[v]) if v in changed else before.symbols[v]
        if v.type.kind is Kind.INT:
            parts.append(z3.And(*after.in_range([v])))
            parts.append((lambda x, y: x == y)(*_common(after.symbols[v], term)))
        else:
            parts.append(after.symbols[v] == term)
    return z3.And(*parts)
