# SPDX-License-Identifier: GPL-2.0-or-later
"""A flat system as Murphi for Rumur, with the same reachable states.

Form: every variable, program counters included, is a state variable in its least range; one rule per edge.  Rumur's
operators on bits go beyond CMurphi's, so that the text is Rumur's dialect.  Run `rumur --deadlock-detection off
--symmetry-reduction off`.

Limits: Bits of more than 62 bits are refused (`UsageError`).

Reference: Dill et al. 1992, "Protocol verification as a hardware design aid"; the manual page rumur(1).
"""

from __future__ import annotations

from lostirq.errors import UsageError
from lostirq.ir.expr import Kind, Op, Type, and_, const, eq, var
from lostirq.ir.system import System
from lostirq.report.infix import Dialect, Writer, comment, fits, in_range
from lostirq.report.promela import identifier

MURPHI = Dialect(
    name="Murphi",
    width=62,
    booleans=("false", "true"),
    connectives={Op.AND: "&", Op.OR: "|", Op.EQ: "=", Op.LT: "<", Op.LE: "<="},
    conditional=lambda c, a, b: f"({c} ? {a} : {b})",
    truth=lambda a: f"({a} = 1)",
    number=lambda a: f"({a} ? 1 : 0)",
    assign=":=",
)


def _range(type_: Type) -> str:
    return "boolean" if type_.kind is Kind.BOOL else f"0 .. {type_.size - 1}"


def _scratch(type_: Type) -> str:
    return f"{type_.lo} .. {type_.hi}" if type_.kind is Kind.INT else _range(type_)


def murphi(system: System) -> str:
    """The text for Rumur.  Raises UsageError for what 62 bits cannot hold."""
    if not system.flat:
        raise UsageError("Murphi export reads a flat system: lower it first")
    w = Writer(MURPHI, {})
    for i, v in enumerate(system.variables):
        w.check(v.type, v.name)
        if v.type.size > 1:
            w.names[v] = f"v{i}_{identifier(v.name)}"
    lines = [f"-- Scenario {system.name}, memory model {system.memory.value}; written by lostirq.",
             "var"]  # fmt: skip
    lines += [f"  {name}: {_range(v.type)}; -- {v.name}" for v, name in w.names.items()]
    lines += ["", "startstate begin"]
    for v, name in w.names.items():
        start = w.constant(v.init, v.type) if v.type.kind is not Kind.INT else str(v.init - v.type.lo)
        lines.append(f"  {name} := {start};")
    lines.append("end;")
    for e in system.edges:
        p = system.processes[e.process]
        guard = w.expression(and_(eq(var(p.pc), const(e.src, p.pc.type)), p.runs, e.guard))
        changed = list(e.assigns)
        checks = [f'assert {w.expression(in_range(v, rhs))} "range";' for v, rhs in changed if not fits(v, rhs)]
        if e.dst != e.src:
            changed.append((p.pc, const(e.dst, p.pc.type)))
        w.scratch.clear()
        body = [f"{text};" for text in w.assignments(changed)]
        local = "".join(f" var {name}: {_scratch(t)};" for name, t in sorted(w.scratch.items()))
        lines += [f"-- {comment(e)}", f'rule "{e.index}" {guard} ==>{local} begin']
        lines += [f"  {' '.join([*checks, *body])}", "end;"]
    return "\n".join(lines) + "\n"
