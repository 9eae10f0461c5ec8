# SPDX-License-Identifier: GPL-2.0-or-later
"""A replayed and confirmed run into its account: the one place where a report looks at the model.

Invariant: the account of a run depends on nothing but the run, its property and `About`; two are equal.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Set
from dataclasses import dataclass, field, replace

import lostirq
from lostirq.evidence.account import (
    Account,
    Agent,
    Buffer,
    Change,
    Claim,
    Configuration,
    Entry,
    Fact,
    Reason,
    Said,
    Seen,
    Step,
    Variable,
)
from lostirq.evidence.replay import Run
from lostirq.evidence.replay import Step as Move
from lostirq.interpret import RangeError, State
from lostirq.ir.expr import Role, Var
from lostirq.ir.system import RANGE, STUCK, Form, Property
from lostirq.report.reasons import Speaker, View
from lostirq.report.steps import Said as Told
from lostirq.report.steps import Teller


@dataclass(frozen=True, slots=True)
class About:
    """What a run does not know: the version that the model mirrors, how mails begin, what each function of the model
    mirrors (name -> source), the parameters that were changed, the known bug or the patches that the model carried,
    the files that are not as in the package."""

    kernel: str = ""
    subject: str = ""
    mirrors: Mapping[str, str] = field(default_factory=dict)
    overrides: Mapping[str, int] = field(default_factory=dict)
    bug: str = ""
    patched: bool = False
    edited: tuple[str, ...] = ()


def headline(prop: Property | None, key: str) -> str:
    """The property in one line."""
    if prop is None:
        built_in = {STUCK: "something can move, or all are at rest", RANGE: "every value is in the range of its type"}
        return f"{key}: {built_in.get(key, '')}"
    said = prop.title or (prop.statement.strip().splitlines() or [""])[0]
    return f"{prop.key}: {said}".rstrip(": ")


def account(run: Run, prop: Property | None, about: About | None = None) -> Account:
    """The account of a confirmed run; `prop` is what it violates, None for the built-in properties."""
    return _Account(run, prop, about or About()).made()


class _Account:
    """Puts an account together."""

    def __init__(self, run: Run, prop: Property | None, about: About) -> None:
        self.run, self.system, self.prop, self.about = run, run.system, prop, about
        self.short, self.full = Teller(run, prop), Teller(run, prop, full=True)
        self.names = self.short.names
        self.position = {v: i for i, v in enumerate(self.system.variables)}
        self.units = self.system.units()

    def made(self) -> Account:
        trace = self.run.trace
        return Account(
            configuration=self.configuration(),
            claim=self.claim(),
            agents=tuple(Agent(p.name, self.short.column_of(p), p.sort.value) for p in self.system.processes),
            columns=tuple(self.short.columns()),
            variables=tuple(self.variable(v) for v in self.system.variables),
            steps=tuple(self.step(n, s) for n, s in enumerate(self.run.steps)),
            failure=self.failure(),
            end=tuple(self.short.in_the_end()),
            why=self.why(),
            loop=trace.loop,
            minimal=trace.minimal,
        )

    def configuration(self) -> Configuration:
        s, about = self.system, self.about
        return Configuration(
            tool=lostirq.__version__, scenario=s.name, memory=s.memory.value, digest=self.run.trace.digest,
            parameters=dict(s.parameters), overrides=dict(about.overrides), kernel=about.kernel, subject=about.subject,
            bug=about.bug, patched=about.patched, edited=about.edited, dropped=s.dropped, notes=s.notes,
        )

    def claim(self) -> Claim:
        key, p = self.run.trace.property, self.prop
        if p is None:
            return Claim(key, key, "built-in", headline(p, key))
        return Claim(p.key, p.id, p.form.value, headline(p, key), p.title, p.statement, p.source, p.span.file,
                     p.span.line)

    def variable(self, v: Var) -> Variable:
        t = v.type
        return Variable(v.name, self.names.name(v), t.kind.value, v.role.value, v.init, t.lo, t.hi, t.width,
                        self.names.base(v), t.names, v.unit if v.role is Role.MEMORY else -1)

    def step(self, number: int, s: Move) -> Step:
        touch = self.short.touched(number)
        merged = _merged(self.short.told(number, number + 1), self.full.told(number, number + 1))
        common = {
            "writes": tuple(Seen(self.position[v], new, v in touch.buffered) for v, (_, new) in touch.writes.items()),
            "changes": tuple(self.changes(s.before, s.after)),
            "buffers": tuple(self.buffers(s.before, s.after)),
        }
        if s.edge is None:
            return Step(s.move, -1, touch.column, merged, cpu=s.cpu, **common)  # type: ignore[arg-type]  # as above
        e = s.edge
        kernel = next((self.about.mirrors[f] for f in reversed(e.stack) if self.about.mirrors.get(f)), "")
        events = tuple(f"{name}({', '.join(map(str, args))})"
                       for name, args in self.short.interpreter.events(s.before, s.move))
        said = tuple(replace(x, kernel=self.about.mirrors.get(x.function, "") or
                             (kernel if x.function == self.short.heading(e) else "")) for x in merged)
        return Step(
            s.move, e.process, touch.column, said, function=e.function, stack=e.stack, kernel=kernel, file=e.span.file,
            line=e.span.line, text=e.text.strip(), choice=e.choice, access=e.access.value, drains=e.drains,
            reads=tuple(Seen(self.position[v], value) for v, value in touch.reads.items()),
            events=events, **common)  # type: ignore[arg-type]  # as above

    def changes(self, before: State, after: State) -> list[Change]:
        found = []
        for v, i in self.position.items():
            old, new = before[0][i], after[0][i]
            if old != new:
                shown = () if v.role is Role.PC else tuple(self.names.change(v, old, new))
                found.append(Change(i, old, new, shown))
        return found

    def buffers(self, before: State, after: State) -> list[Buffer]:
        found = []
        for cpu, (old, new) in enumerate(zip(before[1], after[1], strict=True)):
            if old != new:
                found.append(Buffer(cpu, tuple(self.entry(unit, values) for unit, values in new)))
        return found

    def entry(self, unit: int, values: tuple[int, ...]) -> Entry:
        members = self.units[unit]
        shown = ", ".join(self.names.all_are(list(zip(members, values, strict=True))))
        return Entry(tuple(self.position[v] for v in members), values, shown)

    def failure(self) -> str:
        if self.run.trace.property == RANGE and self.run.steps:
            last_step = self.run.steps[-1]
            try:
                self.run.interpreter.step(last_step.before, last_step.move)
            except RangeError as e:
                t = e.variable.type
                return f"violated: {RANGE}: {self.names.name(e.variable)} = {e.value} is outside {t.lo}..{t.hi}"
        if self.run.trace.property != STUCK:
            return f"violated: {headline(self.prop, self.run.trace.property)}"
        last = self.run.states[-1][0]
        places = ((p, p.locations[last[self.position[p.pc]]]) for p in self.system.processes)
        return "stuck: " + "; ".join(f"{p.name} waits in {at.function}()" for p, at in places if not at.idle)

    def why(self) -> tuple[Reason, ...]:
        if self.prop is None:
            return ()
        run, interpreter, formula = self.run, self.short.interpreter, self.prop.formula
        state, before = run.states[-1], run.states[-1]
        events: list[tuple[str, tuple[int, ...]]] = []
        if self.prop.form in (Form.STEP, Form.REACHABLE_STEP) and run.steps:
            before = run.steps[-1].before
            events = interpreter.events(before, run.steps[-1].move)
        if self.prop.form is Form.RECURRENCE:
            rounds = run.states[run.trace.loop or 0:]
            always = speaker(self.short).throughout(formula, [self.view(s, s) for s in rounds])
            if always and interpreter.holds(formula, rounds[0]):
                return (Reason("in every state of the loop:"), *always)
            state = before = next((s for s in rounds if interpreter.holds(formula, s)), state)
        found = speaker(self.short).reasons(formula, self.view(state, before, frozenset(events)))
        return (Reason("in one state of every round:"), *found) if self.prop.form is Form.RECURRENCE else found

    def view(self, state: State, before: State, events: Set[tuple[str, tuple[int, ...]]] = frozenset()) -> View:
        return View(lambda v: state[0][self.position[v]], lambda v: before[0][self.position[v]], events,
                    lambda cpu: not state[1] or not state[1][cpu])


def speaker(teller: Teller) -> Speaker:
    """Words for the conditions of the system that a teller tells of."""
    return Speaker(teller.system, teller.names, lambda n: teller.column_of(teller.system.processes[n]))


def _merged(short: list[Told], full: list[Told]) -> tuple[Said, ...]:
    """What a step says in full, with what is left out of the short form marked."""
    waiting = deque(short)
    found: list[Said] = []
    for said in full:
        same = bool(waiting) and waiting[0].function == said.function and set(waiting[0].facts) <= set(said.facts)
        kept = list(waiting.popleft().facts) if same else []
        facts = []
        for text in said.facts:
            facts.append(Fact(text, minor=text not in kept))
            if text in kept:
                kept.remove(text)
        found.append(Said(said.column, said.function, tuple(facts), minor=not same))
    found += [Said(s.column, s.function, tuple(Fact(t) for t in s.facts)) for s in waiting]
    return tuple(found)
