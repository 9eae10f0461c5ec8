# SPDX-License-Identifier: GPL-2.0-or-later
"""A flat system as Promela, with the same reachable states and transitions to the unit.

Form: global variables, one `active proctype` per process, one label per location, one `d_step` per edge.  A program
counter is a variable of its own only where something besides its process reads it; elsewhere SPIN's control point is
it.  All right-hand sides of an edge are evaluated before any is assigned, through `hidden` scratch variables, which are
no part of SPIN's state.  `benchmarks/run.py` measures the forms against each other and compares with the fastest.

Counts: run `spin -o1 -o2 -o3 -a FILE` (no data-flow optimisation, dead variables or merged statements: each would
change the counts), compile with -DNOREDUCE, run `pan -E -m10000000` (by itself it follows no path of more than 10,000
steps, goes on, and counts less).  SPIN prints one more transition than there are, because it counts the initial state
as one.  An assignment out of range is an assertion; counts agree only where none fails.

Limits: Bits of more than 32 bits and Ints beyond 32 bits are refused (`UsageError`).

Reference: Holzmann 2003, "The SPIN Model Checker", chapters 3 and 7, appendix A (d_step, hidden, unsigned).
"""

from __future__ import annotations

import re

from lostirq.errors import UsageError
from lostirq.ir.expr import Expr, Kind, Op, Role, Var, and_, const, eq, substitute, var
from lostirq.ir.expr import variables as variables_of
from lostirq.ir.system import Edge, Form, Process, System
from lostirq.report.infix import Dialect, Writer, comment, fits, in_range

PROMELA = Dialect(
    name="Promela",
    width=32,
    booleans=("0", "1"),
    connectives={Op.AND: "&&", Op.OR: "||", Op.EQ: "==", Op.LT: "<", Op.LE: "<="},
    conditional=lambda c, a, b: f"({c} -> {a} : {b})",
    truth=lambda a: a,
    number=lambda a: a,
    assign="=",
)


def identifier(text: str) -> str:
    return re.sub(r"\W+", "_", text).strip("_")


def _declaration(w: Writer, v: Var, packed: bool) -> str:
    name, bits = w.names[v], v.type.bits
    start = w.pattern(v.init) if v.type.kind is Kind.BITS else v.init - (v.type.lo if v.type.kind is Kind.INT else 0)
    initial = f" = {start}" if start else ""
    if packed and v.type.kind is Kind.BOOL:
        return f"bool {name}{initial};"
    if packed and bits < PROMELA.width:
        return f"unsigned {name} : {bits}{initial};"
    kind = "byte" if bits <= 8 else "short" if bits <= 15 else "int"
    return f"{kind} {name}{initial};"


def _read_elsewhere(system: System, formulas: list[Expr]) -> set[Var]:
    """The program counters that something besides their own process reads."""
    counters = {p.pc: p.index for p in system.processes}
    found = {v for v in variables_of(formulas) if v in counters}
    for e in system.edges:
        reads = variables_of([system.processes[e.process].runs, e.guard, *(rhs for _, rhs in e.assigns)])
        found.update(v for v in reads if counters.get(v, e.process) != e.process)
    return found


def _option(w: Writer, p: Process, e: Edge, memo: dict[Expr, Expr]) -> str:
    """Guard and assignments of an edge, inside its d_step."""
    here = const(e.src, p.pc.type)

    def local(leaf: Expr) -> Expr | None:
        return here if leaf.op is Op.VAR and leaf.payload is p.pc else None

    guard = w.expression(and_(substitute(p.runs, local, memo), substitute(e.guard, local, memo)))
    changed = [(v, substitute(rhs, local, memo)) for v, rhs in e.assigns]
    checks = [f"assert({w.expression(in_range(v, rhs))})" for v, rhs in changed if not fits(v, rhs)]
    if p.pc in w.names and e.dst != e.src:
        changed.append((p.pc, const(e.dst, p.pc.type)))
    return "; ".join(["true" if guard == "1" else guard, *checks, *w.assignments(changed)])


def _process(w: Writer, p: Process, outgoing: dict[tuple[int, int], list[Edge]]) -> list[str]:
    """One proctype: a label per location, the first one first."""
    count = len(p.locations)
    labels = [f"end_L{i}" if p.locations[i].idle else f"L{i}" for i in range(count)]
    lines = [f"\nactive proctype p{p.index}_{identifier(p.name)}() {{"]
    for i in [p.pc.init, *(i for i in range(count) if i != p.pc.init)]:
        edges = outgoing.get((p.index, i), [])
        if not edges:
            lines.append(f"{labels[i]}: false;")
            continue
        memo: dict[Expr, Expr] = {}
        lines.append(f"{labels[i]}: if")
        for e in edges:
            lines.append(f"  :: d_step {{ {_option(w, p, e, memo)} }}; goto {labels[e.dst]} /* {comment(e)} */")
        lines.append("  fi;")
    lines.append("}")
    return lines


def _one_loop(w: Writer, system: System) -> list[str]:
    """The other form: one process, all program counters explicit."""
    lines = ["\nactive proctype all() {", "end_all: do"]
    for e in system.edges:
        p = system.processes[e.process]
        at = w.expression(eq(var(p.pc), const(e.src, p.pc.type)))
        lines.append(f"  :: d_step {{ {at} && {_option(w, p, e, {})} }} /* {comment(e)} */")
    return [*lines, "  od", "}"]


def promela(system: System, *, invariants: bool = False, packed: bool = True, processes: bool = True) -> str:
    """The Promela text of a flat system.

    `invariants`: with a monitor process that asserts the invariants of the system (it adds no transition as long as
    they hold).  For measuring only: `packed`: bit fields, else bytes and ints; `processes`: one proctype per process,
    else one loop over explicit program counters.  Raises UsageError for what 32-bit integers cannot hold."""
    if not system.flat:
        raise UsageError("Promela export reads a flat system: lower it first")
    formulas = [p.formula for p in system.properties if invariants and p.form is Form.INVARIANT]
    explicit = _read_elsewhere(system, formulas) if processes else {p.pc for p in system.processes}
    w = Writer(PROMELA, {})
    for i, v in enumerate(system.variables):
        w.check(v.type, v.name)
        if (v.role is not Role.PC or v in explicit) and v.type.size > 1:
            w.names[v] = f"v{i}_{identifier(v.name)}"
    outgoing = system.edges_from()
    body = [line for p in system.processes for line in _process(w, p, outgoing)] if processes else _one_loop(w, system)
    if formulas:
        body += ["\nactive proctype monitor() {\nend_monitor: d_step {"]
        body += [f"    !{w.expression(and_(*formulas))}; assert(false) }}\n}}"]
    head = [f"/* Scenario {system.name}, memory model {system.memory.value}; written by lostirq export --to promela.",
            "   spin -o1 -o2 -o3 -a FILE && cc -O3 -DSAFETY -DNOREDUCE -o pan pan.c && ./pan -E -m10000000",
            "   (-m: longest path; takes 500 MB.  SPIN prints one transition more than there are: the start.)  */", ""]
    head += [f"{_declaration(w, v, packed)}  /* {v.name} */" for v in w.names]
    head += [f"hidden int {name};" for name in sorted(w.scratch)]
    return "\n".join([*head, *body]) + "\n"
