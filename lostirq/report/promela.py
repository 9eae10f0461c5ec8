# SPDX-License-Identifier: GPL-2.0-or-later
"""A flat system as Promela, with the same reachable states and transitions to the unit.

Form: global variables, one `active proctype` per process, one label per location, one `d_step` per edge.  A program
counter is a variable of its own only where something besides its process reads it; elsewhere SPIN's control point is
it.  Of the forms tried this is the one in which SPIN is fastest (one `do` over explicit program counters: 2-3 times
slower).  All right-hand sides of an edge are evaluated before any is assigned, through `hidden` scratch variables,
which are no part of SPIN's state.

Counts: run `spin -o1 -o2 -o3 -a FILE` (no data-flow optimisation, dead variables or merged statements: each would
change the counts), compile with -DNOREDUCE, run `pan -E`.  SPIN prints one more transition than there are, because it
counts the initial state as one.  An assignment out of range is an assertion; counts agree only where none fails.

Limits: Bits of more than 32 bits and Ints beyond 32 bits are refused (`UsageError`).

Reference: Holzmann 2003, "The SPIN Model Checker", chapters 3 and 7, appendix A (d_step, hidden, unsigned).
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import cast

from lostirq.errors import UsageError
from lostirq.ir.expr import Expr, Kind, Op, Role, Type, Var, and_, const, fold, integer, le, postorder, substitute
from lostirq.ir.expr import variables as variables_of
from lostirq.ir.system import Edge, Form, Process, System

WORD = 32
LONGEST = 200_000  # characters of one expression: beyond this the generated verifier does not compile in useful time


def _mask(width: int) -> str:
    return str((1 << width) - 1) if width < WORD else "-1"


def _signed(value: int) -> int:
    """A 32-bit pattern as C's int holds it."""
    return value - (1 << WORD) if value >= 1 << (WORD - 1) else value


def _offset(value: int) -> str:
    return f"+ {value}" if value >= 0 else f"- {-value}"


def _check(type_: Type, what: str) -> None:
    if type_.kind is Kind.BITS and type_.width > WORD:
        raise UsageError(f"Promela has no integer of more than {WORD} bits: {what} has {type_.width}")
    if type_.kind is Kind.INT and (type_.lo < -(1 << WORD - 1) or type_.hi >= 1 << WORD - 1):
        raise UsageError(f"Promela has no integer of more than {WORD} bits: {what} ranges over {type_.lo}..{type_.hi}")


def _runs(values: Iterable[int]) -> list[tuple[int, int]]:
    runs: list[tuple[int, int]] = []
    for v in values:
        if runs and runs[-1][1] == v - 1:
            runs[-1] = (runs[-1][0], v)
        else:
            runs.append((v, v))
    return runs


def _in(a: str, values: Iterable[int]) -> str:
    tests = (f"({a} == {lo})" if lo == hi else f"({lo} <= {a} && {a} <= {hi})" for lo, hi in _runs(values))
    return "(" + " || ".join(tests) + ")"


def _highest(a: str, width: int) -> str:
    if width <= 1:
        return f"({a} -> 0 : -1)"
    text = "-1"
    for i in range(width):
        text = f"(({a} >> {i} & 1) -> {i} : {text})"
    return text


def _indexed(a: str, i: str, width: int, lo: int, hi: int, inside: str, outside: str) -> str:
    """`inside`, guarded by 0 <= i < width where the type of i does not say so."""
    tests = [t for t, needed in ((f"{i} >= 0", lo < 0), (f"{i} < {width}", hi >= width)) if needed]
    return f"(({' && '.join(tests)}) -> {inside} : {outside})" if tests else inside


def _operator(node: Expr, a: list[str]) -> str:
    """The text of an operator over the texts of its operands; bits are int patterns, bools 0 or 1."""
    op, width = node.op, node.args[0].type.width if node.args else 0
    if op in (Op.NOT, Op.BNOT):
        return f"!{a[0]}" if op is Op.NOT else f"(~{a[0]} & {_mask(width)})"
    infix = {Op.AND: "&&", Op.OR: "||", Op.EQ: "==", Op.LT: "<", Op.LE: "<=", Op.ADD: "+", Op.SUB: "-",
             Op.BAND: "&", Op.BOR: "|", Op.BXOR: "^"}  # fmt: skip
    if op in infix:
        return "(" + f" {infix[op]} ".join(a) + ")"
    if op is Op.ITE:
        return f"({a[0]} -> {a[1]} : {a[2]})"
    if op is Op.IN:
        return _in(a[0], node.payload)  # type: ignore[arg-type]  # a tuple of ints
    if op is Op.HIGHEST:
        return _highest(a[0], width)
    if op is Op.COUNT:
        return "(" + " + ".join(f"({a[0]} >> {i} & 1)" for i in range(width)) + ")"
    if op is Op.CONCAT:
        parts, low = [], 0
        for text, operand in zip(a, node.args, strict=True):
            parts.append(f"({text} << {low})" if low else text)
            low += operand.type.width
        return "(" + " | ".join(parts) + ")"
    if op is Op.EXTRACT:
        low, size = cast(tuple[int, int], node.payload)
        return f"({a[0]} >> {low} & {_mask(size)})"
    if op is Op.ENCODE:
        lo, size = cast(tuple[int, int], node.payload)
        return f"(({a[0]} {_offset(-lo)}) & {_mask(size)})"
    if op is Op.DECODE:
        if node.type.kind is Kind.BOOL:
            return f"({a[0]} != 0)"
        return f"({a[0]} {_offset(node.type.lo)})" if node.type.lo else a[0]
    if op in (Op.BIT, Op.PUT):
        lo, hi = node.args[1].type.lo, node.args[1].type.hi
        if op is Op.BIT:
            return _indexed(a[0], a[1], width, lo, hi, f"({a[0]} >> {a[1]} & 1)", "0")
        put = f"({a[2]} -> {a[0]} | (1 << {a[1]}) : {a[0]} & ~(1 << {a[1]}))"
        return _indexed(a[0], a[1], width, lo, hi, put, a[0])
    raise UsageError(f"Promela export: {op.name} has no meaning in a state; lower the system first")


@dataclass
class _Writer:
    """Names of the variables, and the text so far."""

    names: dict[Var, str]
    lines: list[str] = field(default_factory=list)
    temporaries: int = 0

    def expression(self, e: Expr, memo: dict[Expr, str] | None = None) -> str:
        text = fold(e, self._visit, memo)
        if len(text) > LONGEST:
            raise UsageError(f"Promela export: an expression grows to {len(text)} characters")
        return text

    def _visit(self, node: Expr, args: list[str]) -> str:
        _check(node.type, "an expression")
        if node.op is Op.CONST:
            value = int(node.payload)  # type: ignore[call-overload]  # an int
            value = _signed(value) if node.type.kind is Kind.BITS else value
            return str(value) if value >= 0 else f"({value})"
        if node.op is Op.VAR:
            v: Var = node.payload  # type: ignore[assignment]  # a Var
            if v not in self.names:
                return str(v.init)
            return f"({self.names[v]} {_offset(v.type.lo)})" if v.type.kind is Kind.INT and v.type.lo else self.names[v]
        if any(len(a) > LONGEST for a in args):
            raise UsageError("Promela export: an expression grows too large")
        return _operator(node, args)

    def assignments(self, changed: list[tuple[Var, Expr]]) -> list[str]:
        """Statements with the effect of the parallel assignment."""
        out: list[str] = []
        memo: dict[Expr, str] = {}
        for node in postorder([rhs for _, rhs in changed]):
            if node.op in (Op.HIGHEST, Op.COUNT, Op.IN) and node.args[0].args and node.args[0] not in memo:
                out.append(f"t{self._temporary(len(memo))} = {self.expression(node.args[0])}")
                memo[node.args[0]] = f"t{len(memo)}"
        used = len(memo)
        for v, rhs in changed:
            if v.type.kind is Kind.INT and not v.type.lo <= rhs.type.lo <= rhs.type.hi <= v.type.hi:
                out.append(f"assert({self.expression(and_(le(integer(v.type.lo), rhs), le(rhs, integer(v.type.hi))))})")
        late: list[str] = []
        changed = [(v, rhs) for v, rhs in changed if v in self.names]
        for position, (v, rhs) in enumerate(changed):
            text = self.expression(rhs, dict(memo))
            if v.type.kind is Kind.INT and v.type.lo:
                text = f"{text} {_offset(-v.type.lo)}"
            if any(v in variables_of([other]) for _, other in changed[position + 1 :]):
                temporary = f"t{self._temporary(used)}"
                used += 1
                out.append(f"{temporary} = {text}")
                late.append(f"{self.names[v]} = {temporary}")
            else:
                out.append(f"{self.names[v]} = {text}")
        return out + late

    def _temporary(self, number: int) -> int:
        self.temporaries = max(self.temporaries, number + 1)
        return number


def _declaration(v: Var, name: str, packed: bool) -> str:
    bits = v.type.bits
    start = _signed(v.init) if v.type.kind is Kind.BITS else v.init - v.type.lo if v.type.kind is Kind.INT else v.init
    initial = f" = {start}" if start else ""
    if v.type.kind is Kind.BOOL:
        return f"{'bool' if packed else 'byte'} {name}{initial};"
    if packed and bits < WORD:
        return f"unsigned {name} : {bits}{initial};"
    kind = "byte" if bits <= 8 else "short" if bits <= 15 else "int"
    return f"{kind} {name}{initial};"


def _identifier(text: str) -> str:
    return re.sub(r"\W+", "_", text).strip("_")


def _comment(e: Edge) -> str:
    text = " ".join(f"{e.function}: {e.text}".split()).replace("*/", "* /").replace("/*", "/ *")
    return f"/* {e.index} {text} */"


def _explicit(system: System, formulas: list[Expr]) -> set[Var]:
    """The program counters that something besides their own process reads."""
    found: set[Var] = set()
    counters = {p.pc: p.index for p in system.processes}
    for e in system.edges:
        reads = variables_of([system.processes[e.process].runs, e.guard, *(rhs for _, rhs in e.assigns)])
        found.update(v for v in reads if v in counters and counters[v] != e.process)
        found.update(v for v, _ in e.assigns if v in counters)
    found.update(v for v in variables_of(formulas) if v in counters)
    return found


def _process(w: _Writer, system: System, p: Process, outgoing: dict[tuple[int, int], list[Edge]]) -> None:
    others = [i for i in range(len(p.locations)) if i != p.pc.init]
    labels = [f"end_L{i}" if p.locations[i].idle else f"L{i}" for i in range(len(p.locations))]
    w.lines.append(f"\nactive proctype p{p.index}_{_identifier(p.name)}() {{")
    for i in [p.pc.init, *others]:
        edges = outgoing.get((p.index, i), [])
        if not edges:
            w.lines.append(f"{labels[i]}: false;")
            continue
        w.lines.append(f"{labels[i]}: if")
        here = const(i, p.pc.type)
        memo: dict[Expr, Expr] = {}

        def local(leaf: Expr, pc: Var = p.pc, here: Expr = here) -> Expr | None:
            return here if leaf.op is Op.VAR and leaf.payload is pc else None

        for e in edges:
            changed = [(v, substitute(rhs, local, memo)) for v, rhs in e.assigns]
            if p.pc in w.names and e.dst != e.src:
                changed.append((p.pc, const(e.dst, p.pc.type)))
            guard = w.expression(and_(substitute(p.runs, local, memo), substitute(e.guard, local, memo)))
            body = "; ".join(["true" if guard == "1" else guard, *w.assignments(changed)])
            w.lines.append(f"  :: d_step {{ {body} }}; goto {labels[e.dst]} {_comment(e)}")
        w.lines.append("  fi;")
    w.lines.append("}")


def promela(system: System, *, invariants: bool = False, packed: bool = True) -> str:
    """The Promela text of a flat system.  `invariants`: with a monitor process that asserts the invariants of the
    system (it adds no transition as long as they hold).  `packed`: bit fields, else bytes and ints (larger states, for
    comparison).  Raises UsageError for what Promela's 32-bit integers cannot hold."""
    if not system.flat:
        raise UsageError("Promela export reads a flat system: lower it first")
    formulas = [p.formula for p in system.properties if invariants and p.form is Form.INVARIANT]
    explicit = _explicit(system, formulas)
    names: dict[Var, str] = {}
    for i, v in enumerate(system.variables):
        _check(v.type, v.name)
        if (v.role is not Role.PC or v in explicit) and v.type.size > 1:
            names[v] = f"v{i}_{_identifier(v.name)}"
    w = _Writer(names)
    outgoing = system.edges_from()
    for p in system.processes:
        _process(w, system, p, outgoing)
    if formulas:
        w.lines.append("\nactive proctype monitor() {\nend_monitor: d_step {")
        w.lines.append(f"    !{w.expression(and_(*formulas))}; assert(false) }}\n}}")
    head = [f"/* Scenario {system.name}, memory model {system.memory.value}; written by lostirq export --to promela.",
            "   spin -o1 -o2 -o3 -a FILE && cc -O3 -DSAFETY -DNOREDUCE -o pan pan.c && ./pan -E  */", ""]  # fmt: skip
    head += [f"{_declaration(v, name, packed)}  /* {v.name} */" for v, name in names.items()]
    head += [f"hidden int t{i};" for i in range(w.temporaries)]
    return "\n".join([*head, *w.lines]) + "\n"
