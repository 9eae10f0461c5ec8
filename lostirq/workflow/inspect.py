# SPDX-License-Identifier: GPL-2.0-or-later
"""Questions about a counterexample: why is the property false, why is an agent not going on, what is the value of this?

Invariant: all answers are about the run as the interpreter replayed it.
"""

from __future__ import annotations

import textwrap
from collections.abc import Iterable
from dataclasses import dataclass

from lostirq.errors import UsageError
from lostirq.evidence.account import Reason
from lostirq.evidence.replay import Run
from lostirq.interpret import Interpreter, State
from lostirq.ir.expr import Expr, Kind, Op, Var
from lostirq.ir.system import Edge, Process
from lostirq.language.expressions import Asked, compile_expressions
from lostirq.report.reasons import View, evaluate
from lostirq.report.steps import Teller
from lostirq.report.summary import reasons
from lostirq.report.tell import speaker
from lostirq.report.text import WIDTH
from lostirq.workflow.counterexample import Counterexample
from lostirq.workflow.workspace import suggestion

EXPRESSION = "--show"


@dataclass(frozen=True, slots=True)
class Blocked:
    """An agent, a step that it could take next, and why it cannot: `why` is empty if it can."""

    agent: str
    column: str
    step: str
    why: tuple[Reason, ...]


@dataclass(frozen=True, slots=True)
class Row:
    """The values of the expressions in one state; `step` is what led to it."""

    state: int
    step: str
    values: tuple[str, ...]


def why(ce: Counterexample) -> str:
    """The failing part of the property, with its values."""
    if not ce.account.why:
        said = [ce.account.claim.headline, ce.account.failure]
        return "\n".join(dict.fromkeys(said)) + "\n"
    loop = ce.account.loop is not None
    verb = "what asks for it holds in the loop" if loop else "is false, because"
    lines = textwrap.wrap(f"{ce.account.claim.headline}{':' if loop else ''} {verb}{':' if loop else ''}", WIDTH)
    for row in reasons(ce.account.why):
        lines += textwrap.wrap(row, WIDTH, initial_indent="  - ", subsequent_indent="    ", break_long_words=False,
                               break_on_hyphens=False)
    lines += ["and what it asks for never happens there"] if loop else []
    return "\n".join(lines) + "\n"


def position(ce: Counterexample, at: int | None) -> int:
    """The number of a state: 0 is the initial one; None: the last.  Raises `UsageError`."""
    last = len(ce.run.steps)
    if at is None:
        return last
    if not 0 <= at <= last:
        raise UsageError(f"--at {at}: the run has the states 0 to {last}")
    return at


def disabled(ce: Counterexample, at: int | None = None, agent: str = "") -> list[Blocked]:
    """Each next step of each agent (or of one) in a state of the run, and what blocks it.  Raises `UsageError`."""
    return blocked(Teller(ce.run, ce.prop), position(ce, at), agent)


def blocked(teller: Teller, at: int, agent: str = "") -> list[Blocked]:
    """The same for any run that a teller tells."""
    state = teller.run.states[at]
    processes = list(teller.run.system.processes)
    if agent:
        chosen = [p for p in processes if agent in (p.name, p.family, teller.column_of(p))]
        if not chosen:
            known = dict.fromkeys(n for p in processes for n in (p.name, teller.column_of(p)))
            raise UsageError(f"no agent {agent!r}{suggestion(agent, known)}; known are {', '.join(known)}")
        processes = chosen
    return [b for p in processes for b in _Agent(teller.run, teller, p, state).blocked()]


class _Agent:
    """One process in one state."""

    def __init__(self, run: Run, teller: Teller, process: Process, state: State) -> None:
        self.system, self.teller, self.process, self.state = run.system, teller, process, state
        self.interpreter = teller.interpreter
        self.index = {v: i for i, v in enumerate(run.system.variables)}
        self.cpu = self.interpreter.cpu(process, state)
        self.entries = state[1][self.cpu] if self.cpu is not None else ()

    def blocked(self) -> list[Blocked]:
        p = self.process
        here = p.locations[self.state[0][self.index[p.pc]]]
        edges = self.system.edges_from().get((p.index, self.state[0][self.index[p.pc]]), [])
        column = self.teller.column_of(p)
        if not edges:
            rest = "at rest in" if here.idle else "at the end of"
            return [Blocked(p.name, column, f"{rest} {here.function}()", (Reason("it has no further step"),))]
        runs = self.unmet(p.runs, list(self.state[0])) if not self.interpreter.holds(p.runs, self.state) else ()
        found: dict[str, tuple[Reason, ...]] = {}     # branches of a statement are one step: one can, or none
        for e in edges:
            name = self.named(e)
            if found.get(name, (Reason(""),)):
                found[name] = self.least(found.get(name), runs or self.why_not(e))
        return [Blocked(p.name, column, name, why) for name, why in found.items()]

    @staticmethod
    def least(one: tuple[Reason, ...] | None, other: tuple[Reason, ...]) -> tuple[Reason, ...]:
        return other if one is None or len(other) < len(one) else one

    def named(self, edge: Edge) -> str:
        text = " ".join(edge.text.split())
        choice = f" [{edge.choice}]" if edge.choice else ""
        return f"{edge.function}() at {edge.span.file}:{edge.span.line}: {text}{choice}"

    def why_not(self, edge: Edge) -> tuple[Reason, ...]:
        """Empty if the step can be taken."""
        if edge.index in self.interpreter.moves(self.state):
            return ()
        view = self.interpreter.view(self.process, self.state)
        found = list(self.unmet(edge.guard, view))
        if edge.drains and self.entries:
            waiting = "; ".join(self.entry(e) for e in self.entries)
            found.append(Reason(f"the store buffer of CPU {self.cpu} is not empty", (waiting,)))
        elif not found:
            found.append(Reason(f"the store buffer of CPU {self.cpu} is full: {len(self.entries)} of "
                                f"{self.system.depth} entries"))
        return tuple(found)

    def entry(self, entry: tuple[int, tuple[int, ...]]) -> str:
        members = self.system.units()[entry[0]]
        return ", ".join(self.teller.names.all_are(list(zip(members, entry[1], strict=True))))

    def unmet(self, formula: Expr, values: list[int]) -> tuple[Reason, ...]:
        """Why a guard is false over these values; empty if it is true."""
        view = View(lambda v: values[self.index[v]], lambda v: values[self.index[v]],
                    empty=lambda cpu: not self.state[1] or not self.state[1][cpu])
        if evaluate(formula, view)[formula]:
            return ()
        return speaker(self.teller).reasons(formula, view)


def show(ce: Counterexample, text: str) -> tuple[tuple[Asked, ...], list[Row]]:
    """The values of expressions in every state.  Raises `UsageError`, `ModelErrors` with places in `text`."""
    asked = compile_expressions(ce.workspace, ce.run.system, text, EXPRESSION)
    interpreter = ce.run.interpreter
    index = {v: i for i, v in enumerate(ce.run.system.variables)}
    rows = []
    for number, state in enumerate(ce.run.states):
        rows.append(Row(number, _led(ce, number), tuple(_shown(a, state, index, interpreter) for a in asked)))
    return asked, rows


def _led(ce: Counterexample, number: int) -> str:
    if number == 0:
        return "initial state"
    step = ce.account.steps[number - 1]
    return f"{step.column}: {step.function}()" if step.function else f"{step.column}: store buffer"


def _shown(asked: Asked, state: State, index: dict[Var, int], interpreter: Interpreter) -> str:
    values, buffers = state
    view = View(lambda v: values[index[v]], lambda v: values[index[v]],
                empty=lambda cpu: not interpreter.buffering or not buffers[cpu])
    words: dict[str, list[int]] = {}
    found: dict[str, str] = {}
    for part in asked.parts:
        value = evaluate(part.expr, view)[part.expr]
        if part.base >= 0:
            bits = words.setdefault(part.label, [])
            bits += [part.base + i for i in range(part.expr.type.width) if value >> i & 1]
            found[part.label] = "{" + ", ".join(map(str, bits)) + "}"
        else:
            found[part.label] = _named(part.expr, value)
    if list(found) == [""]:
        return found[""]
    return ", ".join(f"{label.lstrip('.')} = {value}" if label else value for label, value in found.items())


def _named(expr: Expr, value: int) -> str:
    if expr.type.kind is Kind.INT and expr.op is Op.ITE and not expr.type.names:
        return next((a.type.show(value) for a in expr.args[1:] if a.type.names), str(value))
    return expr.type.show(value)


def disabled_text(found: Iterable[Blocked], at: int) -> str:
    """What every agent could do next in a state, and what keeps it from that."""
    lines = [f"state {at}:"]
    agent = ""
    for b in found:
        if b.agent != agent:
            agent = b.agent
            lines.append(f"{b.column} ({b.agent})" if b.column != b.agent else b.agent)
        lines += _wrapped(("  can:    " if not b.why else "  cannot: ") + b.step, "          ")
        for row in reasons(b.why):
            lines += _wrapped(f"          - {row}", "            ")
    return "\n".join(lines) + "\n"


def _wrapped(text: str, then: str) -> list[str]:
    return textwrap.wrap(text, WIDTH, subsequent_indent=then, break_long_words=False, break_on_hyphens=False,
                         drop_whitespace=True)


def show_text(asked: tuple[Asked, ...], rows: list[Row]) -> str:
    """One line per state, and under it the expressions whose values are new."""
    lines: list[str] = []
    before: tuple[str, ...] = ()
    for row in rows:
        lines.append(f"{row.state:>4}  {row.step}")
        for number, (a, value) in enumerate(zip(asked, row.values, strict=True)):
            if not before or before[number] != value:
                lines += _wrapped(f"      {a.text} = {value}" if "=" not in value else f"      {a.text}: {value}",
                                  "        ")
        before = row.values
    return "\n".join(lines) + "\n"
