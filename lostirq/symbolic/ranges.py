# SPDX-License-Identifier: GPL-2.0-or-later
"""How large the numbers are that lemmas speak of: an interval for each local of a process, at each location.

A scan that goes from word to word keeps the highest position found so far, which lies in the words that it has seen.
That is never worth a lemma by hand, nor can one say it: the word is a location.  A forward analysis over intervals
finds it, for the locals that lemmas name.  Only the steps of the process change them.

What is found is only *proposed*; `lostirq.symbolic.induction` proves it along with the rest.

Reference: Cousot and Cousot 1976, "Static determination of dynamic properties of programs" (intervals, widening).
"""

from __future__ import annotations

from collections.abc import Iterable

from lostirq.ir.expr import (
    Expr,
    Kind,
    Op,
    Role,
    Var,
    and_,
    const,
    eq,
    fold,
    implies,
    integer,
    le,
    value_of,
    var,
    variables,
)
from lostirq.ir.system import Edge, Process, System
from lostirq.symbolic.outcome import Conjunct

Interval = tuple[int, int]
Intervals = dict[Var, Interval]
PATIENCE = 20  # times that an interval may grow at a location before it is given up there


def ranges(system: System, formulas: Iterable[Expr]) -> list[Conjunct]:
    """One conjunct for each location at which a local that the formulas name is in less than the range of its type."""
    found: list[Conjunct] = []
    named = [v for v in variables(formulas) if v.role is Role.LOCAL and v.type.kind is Kind.INT]
    for process in system.processes:
        mine = [v for v in named if v.owner == process.index]
        for place, known in sorted(_analysis(system, process, mine).items()) if mine else ():
            facts = [part for v, (lo, hi) in known.items() for part in _inside(v, lo, hi)]
            if facts:
                here = eq(var(process.pc), const(place, process.pc.type))
                found.append(Conjunct(f"ranges of {process.name} at {place}", implies(here, and_(*facts))))
    return found


def _inside(v: Var, lo: int, hi: int) -> list[Expr]:
    """What an interval says that the type does not."""
    low = [le(integer(lo), var(v))] if lo > v.type.lo else []
    return low + ([le(var(v), integer(hi))] if hi < v.type.hi else [])


def _analysis(system: System, process: Process, mine: list[Var]) -> dict[int, Intervals]:
    """The intervals of the locals, by location that is reached."""
    leaving: dict[int, list[Edge]] = {}
    for e in system.edges:
        if e.process == process.index:
            leaving.setdefault(e.src, []).append(e)
    known: dict[int, Intervals] = {process.pc.init: {v: (v.init, v.init) for v in mine}}
    grown: dict[int, int] = {}
    work = [process.pc.init]
    while work:
        here = work.pop()
        for e in leaving.get(here, ()):
            after = _after(e, known[here], mine)
            before = known.get(e.dst)
            joined = after if before is None else {v: _join(before[v], after[v]) for v in mine}
            if joined != before:
                grown[e.dst] = grown.get(e.dst, 0) + 1
                wide = grown[e.dst] > PATIENCE
                known[e.dst] = {v: (v.type.lo, v.type.hi) if wide else joined[v] for v in mine}
                work.append(e.dst)
    return known


def _after(e: Edge, known: Intervals, mine: list[Var]) -> Intervals:
    """The intervals after an edge; what is out of range is an error of its own."""
    assigns = dict(e.assigns)
    found: Intervals = {}
    for v in mine:
        lo, hi = interval(assigns[v], known) if v in assigns else known[v]
        found[v] = (max(lo, v.type.lo), min(hi, v.type.hi)) if lo <= v.type.hi and hi >= v.type.lo else known[v]
    return found


def interval(e: Expr, known: Intervals) -> Interval:
    """The values that a number may have."""

    def visit(node: Expr, args: list[Interval]) -> Interval:
        if node.type.kind is not Kind.INT:
            return 0, 0
        if node.op is Op.CONST:
            return value_of(node), value_of(node)
        if node.op is Op.VAR and isinstance(node.payload, Var) and node.payload in known:
            return known[node.payload]
        if node.op is Op.ADD:
            return args[0][0] + args[1][0], args[0][1] + args[1][1]
        if node.op is Op.SUB:
            return args[0][0] - args[1][1], args[0][1] - args[1][0]
        if node.op is Op.ITE:
            return _join(args[1], args[2])
        return node.type.lo, node.type.hi

    return fold(e, visit)


def _join(a: Interval, b: Interval) -> Interval:
    return min(a[0], b[0]), max(a[1], b[1])
