# SPDX-License-Identifier: GPL-2.0-or-later
"""What each step of a run says to a reader: its column, its function, and the few facts that carry the argument.

Invariants: every step yields its `Said`s in order; with `full` nothing is left out.  Otherwise a load is told only if
another column writes the variable somewhere in the run, or could, and the run is about the object that it belongs to;
a store only if another column touches it or if it decides the violation.  What only one column touches is told where
a later decision of it would be another one without the store (`lostirq.report.causes`).  So the accesses that a race
turns on stay, and the hundred fields that nobody contended for go.

A step is one access and the private code after it: each fact stands under the function that it happens in.

References: race tables in the kernel: Documentation/virt/kvm/vcpu-requests.rst, kernel/sched/membarrier.c.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

from lostirq.evidence.replay import Run, Step
from lostirq.interpret import State
from lostirq.ir.expr import Kind, Op, Role, Var, is_const, postorder, variables
from lostirq.ir.system import Access, Edge, Form, Process, Property, System
from lostirq.report.causes import decisions
from lostirq.report.justify import justify
from lostirq.report.names import Names


@dataclass(frozen=True, slots=True)
class Said:
    """`function` heads the facts ('' for none); `facts` may be empty: the step only goes on."""

    column: str
    function: str
    facts: tuple[str, ...]


DRAINED = "store buffer is empty"
_Placed = tuple[tuple[str, ...], str]       # (functions, outermost first; fact)


@dataclass(frozen=True, slots=True)
class Touch:
    """What one step reads (with the values that it saw) and writes (before, after), of MEMORY and GHOST variables."""

    column: str
    reads: dict[Var, int]
    writes: dict[Var, tuple[int, int]]
    buffered: frozenset[Var]


class Teller:
    """Tells a run.  `prop` is the violated property, or None for the built-in ones."""

    def __init__(self, run: Run, prop: Property | None, *, full: bool = False) -> None:
        self.run, self.system, self.prop, self.full = run, run.system, prop, full
        self.interpreter = run.interpreter
        self.names = Names(run.system)
        self._index = {v: i for i, v in enumerate(run.system.variables)}
        self._steps_in = _steps_per_function(run.system)
        self._owners: list[str] = _flush_owners(run, self.column_of)
        self._touches = [self._touch(s, n) for n, s in enumerate(run.steps)]
        self.deciding = self._deciding()
        self._readers, self._writers = self._who_touches()
        self._private_stores, self._private_looks = decisions(run, self.interpreter, self.column_of, self._touchers)
        self._objects = {o for v in self._writers if self._disputed(v) for o in [v.name.rpartition(".")[0]] if "." in o}
        self._rivals = _writers_in(run.system)
        self._places = _places(run.system)
        self._mute: frozenset[str] = frozenset()
        self._alone = len({t.column for t in self._touches}) < 2
        self._marks = _events_of(prop)
        self._mute = self._silent()

    def told(self, start: int = 0, end: int | None = None) -> list[Said]:
        """What the steps from `start` to before `end` say, in order."""
        return [said for n, s in list(enumerate(self.run.steps))[start:end] for said in self._tell(n, s)]

    def touched(self, number: int) -> Touch:
        """What a step reads and writes."""
        return self._touches[number]

    def columns(self) -> list[str]:
        """The columns that take part, in the order in which they come in."""
        return list(dict.fromkeys(t.column for t in self._touches))

    def column_of(self, process: Process) -> str:
        """The heading: the role that the model gives it, else its name, without the number if there is only one."""
        alone = sum(p.family == process.family for p in self.system.processes) == 1
        return process.column or (process.family if alone else process.name)

    def in_the_end(self) -> list[str]:
        """The facts that make the property false, of memory and instrumentation."""
        told = self._final()
        facts = self.names.all_are([(v, value) for v, old, value in told if old], "was")
        facts += self.names.all_are([(v, value) for v, old, value in told if not old])
        for v, value in ((v, x) for (v, old), x in self.deciding.items() if v.role is Role.PC and not old):
            process = self.system.processes[v.owner]
            place = process.locations[value]
            if not place.idle:
                facts.append(f"{self.column_of(process)} is in {place.function}()")
        return facts

    def _final(self) -> list[tuple[Var, bool, int]]:
        """The deciding variables that are told in the end: (variable, is it the value before the step?, value)."""
        told = [(v, old, value) for (v, old), value in self.deciding.items()
                if v.role in (Role.MEMORY, Role.GHOST) and not (v.message and value == v.init)]
        touched = [t for t in told if t[0] in self._writers or self._belongs(t[0])]
        return touched if len(touched) > 1 else sorted(told, key=lambda t: t not in touched)

    # -- analysis -------------------------------------------------------------------------------------------------

    @staticmethod
    def _holds(state: State, cpu: int) -> bool:
        """Is there a store in the buffer of a CPU?"""
        return bool(state[1]) and bool(state[1][cpu])

    def _view(self, process: Process, state: State) -> list[int]:
        return self.interpreter.view(process, state)

    def _touch(self, step: Step, number: int) -> Touch:
        if step.edge is None:
            flushed = {v: (step.before[0][i], step.after[0][i]) for v, i in self._index.items()
                       if step.before[0][i] != step.after[0][i]}
            return Touch(self._owners[number], {}, flushed, frozenset())
        edge = step.edge
        process = self.system.processes[edge.process]
        view, after = self._view(process, step.before), self._view(process, step.after)
        reads: dict[Var, int] = {}
        writes: dict[Var, tuple[int, int]] = {}
        for target, e in ((None, edge.guard), *edge.assigns):
            if target is not None and target.role not in (Role.MEMORY, Role.LOCAL):
                continue
            deciding = justify(e, lambda v: view[self._index[v]], empty=lambda cpu: not self._holds(step.before, cpu))
            reads |= {v: x for (v, _), x in deciding.items() if v.role is Role.MEMORY and v != target}
        for v, rhs in edge.assigns:
            before, new = view[self._index[v]], after[self._index[v]]
            if v.role is Role.MEMORY and (before != new or is_const(rhs)):
                writes[v] = (before, new)
        late = edge.buffered if self.interpreter.cpu(process, step.before) is not None else frozenset()
        return Touch(self.column_of(process), reads, writes, frozenset(v for v in writes if v.unit in late))

    def _deciding(self) -> dict[tuple[Var, bool], int]:
        if self.prop is None or not self.run.states:
            return {}
        last = self.run.steps[-1] if self.run.steps else None
        step_property = self.prop.form in (Form.STEP, Form.REACHABLE_STEP) and last is not None
        now = self.run.states[-1]
        before = last.before if step_property and last is not None else now
        if self.prop.form is Form.RECURRENCE:
            loop = self.run.trace.loop or 0
            now = next((s for s in self.run.states[loop:] if self.interpreter.holds(self.prop.formula, s)), now)
            before = now
        events = self.interpreter.events(last.before, last.move) if step_property and last is not None else []
        return justify(self.prop.formula, lambda v: now[0][self._index[v]], lambda v: before[0][self._index[v]],
                       lambda name, args: (name, args) in events, lambda cpu: not self._holds(now, cpu))

    def _who_touches(self) -> tuple[dict[Var, set[str]], dict[Var, set[str]]]:
        readers: dict[Var, set[str]] = {}
        writers: dict[Var, set[str]] = {}
        for touch in self._touches:
            for v in touch.reads:
                readers.setdefault(v, set()).add(touch.column)
            for v in touch.writes:
                writers.setdefault(v, set()).add(touch.column)
        return readers, writers

    def _touchers(self, v: Var) -> set[str]:
        return self._writers.get(v, set()) | self._readers.get(v, set())

    def _disputed(self, v: Var) -> bool:
        """Does one column write it, and another touch it or the violation depend on it?"""
        return len(self._touchers(v)) > 1 or self._decides(v)

    def _decides(self, v: Var) -> bool:
        return (v, False) in self.deciding or (v, True) in self.deciding

    def _belongs(self, v: Var) -> bool:
        """Is it a part of an object, such as a descriptor, that the run is about?"""
        return any(v.name.startswith(o + ".") for o in self._objects)

    def _silent(self) -> frozenset[str]:
        """The columns that would say nothing: they say what they looked at of what the others could have written."""
        talking = {t.column for n, t in enumerate(self._touches)
                   if any(self._tells_store(v, t.column, n) for v in t.writes)
                   or any(self._tells_load(v, t, n) for v in t.reads)}
        return frozenset(t.column for t in self._touches) - talking

    def _tells_load(self, v: Var, touch: Touch, number: int) -> bool:
        if self.full or self._writers.get(v, set()) - {touch.column} or (number, v) in self._private_looks:
            return True
        alone = not touch.writes and sum(r.unit == v.unit for r in touch.reads) == 1     # not a copy of a whole word
        rivals = {self.column_of(p) for p in self._rivals.get(v, ())} - {touch.column}
        if touch.column in self._mute:
            return bool(rivals & {t.column for t in self._touches})
        return alone and bool(rivals) and self._belongs(v)

    def _tells_store(self, v: Var, column: str, number: int) -> bool:
        if self.full or self._alone or self._decides(v) or (number, v) in self._private_stores | self._private_looks:
            return True
        return bool(self._touchers(v) - {column})

    # -- telling --------------------------------------------------------------------------------------------------

    def _tell(self, number: int, step: Step) -> list[Said]:
        touch = self._touches[number]
        if step.edge is None:
            facts = [f"store buffer: {self.names.is_(v, new, '=')} reaches memory"
                     for v, (_, new) in touch.writes.items() if self._tells_store(v, touch.column, number)]
            return [Said(touch.column, "", tuple(facts))]
        edge = step.edge
        chosen = f"chooses {edge.choice}" if edge.choice.isdecimal() else edge.choice
        said = [Said(touch.column, self.system.processes[edge.process].locations[edge.src].function, (chosen,))]
        reads = self._reads(number, edge, touch, step)
        writes = self._writes(number, edge, touch)
        placed = [*reads, *writes] if edge.access is Access.LOAD else [*writes, *reads]
        if edge.access is Access.FENCE and (self.full or self._buffered_before(number, edge)):
            placed.append((edge.stack, _statement(edge.text)))
        placed += [(edge.stack, fact) for fact in self._events(edge, step)] + self._notes(edge, step)
        if self.full and not placed:
            placed.append((edge.stack, _statement(edge.text)))
        told = edge.choice and (self.full or not edge.choice.isdecimal())
        return [*(said if told else []), *self._grouped(touch.column, edge, placed)]

    def _grouped(self, column: str, edge: Edge, placed: list[_Placed]) -> list[Said]:
        """The facts under their functions, first that of the access, though it says nothing."""
        groups: dict[str, list[str]] = {self.heading(edge): []}
        for stack, fact in placed:
            name = self.heading(edge) if stack == edge.stack else stack[-1] if stack else edge.function
            groups.setdefault(name, []).append(fact)
        return [Said(column, function, tuple(facts)) for function, facts in groups.items()]

    def _notes(self, edge: Edge, step: Step) -> list[_Placed]:
        """What the instrumentation notes down, as far as the violation depends on it, and where threads go."""
        found: list[_Placed] = []
        told = {v for v, _, _ in self._final()} | self._places
        for v, _ in edge.assigns:
            before, after = step.before[0][self._index[v]], step.after[0][self._index[v]]
            if v.role is Role.GHOST and before != after and (self.full or v in told):
                found.append((edge.written_in.get(v, edge.stack), f"[{self.names.is_(v, after, '=')}]"))
        return found

    def _writes(self, number: int, edge: Edge, touch: Touch) -> list[_Placed]:
        facts: list[_Placed] = []
        order = {v: n for n, v in enumerate(edge.written_in)}      # as the program has it
        for v, (before, after) in sorted(touch.writes.items(), key=lambda write: order.get(write[0], -1)):
            same = before == after and (edge.access is Access.ATOMIC or self._writers[v] == {touch.column})
            if not self._tells_store(v, touch.column, number) or (same and not self.full):
                continue
            stack = edge.written_in.get(v, edge.stack)
            late = " (in store buffer)" if v in touch.buffered else ""
            if late:
                facts.append((stack, self.names.is_(v, after, "=") + late))
            else:
                facts.extend((stack, change) for change in self.names.change(v, before, after))
        return facts

    def _reads(self, number: int, edge: Edge, touch: Touch, step: Step) -> list[_Placed]:
        facts: list[_Placed] = []
        for v, value in touch.reads.items():
            if v in touch.writes or not self._tells_load(v, touch, number):
                continue
            private = not self._touchers(v) - {touch.column}
            stack = edge.looked_in.get(v, edge.stack) if private else edge.stack
            said = self.names.is_(v, value)
            if edge.access is Access.LOAD and stack == edge.stack:
                said = "LD " + said
            elif touch.writes or edge.access in (Access.ATOMIC, Access.LOCKED):
                said = self.names.is_(v, value, "is")
            facts.append((stack, said + self._staleness(v, value, edge, step)))
        return facts

    def _staleness(self, v: Var, value: int, edge: Edge, step: Step) -> str:
        """A load that misses a store which another CPU still buffers, or that its own buffer forwards."""
        _, buffers = step.before
        own = self.interpreter.cpu(self.system.processes[edge.process], step.before)
        members = self.system.units().get(v.unit, [])
        for cpu, entries in enumerate(buffers):
            newest = [e[1][members.index(v)] for e in entries if e[0] == v.unit]
            if cpu == own and newest:
                return " (from its own store buffer)"
            if cpu != own and newest and newest[-1] != value:
                return f" ({v.type.show(newest[-1])} is still in a store buffer)"
        return ""

    def _events(self, edge: Edge, step: Step) -> list[str]:
        if not edge.events:
            return []
        return [f"[{name}{'(' + ', '.join(map(str, args)) + ')' if args else ''}]"
                for name, args in self.interpreter.events(step.before, step.move) if self.full or name in self._marks]

    def _buffered_before(self, number: int, edge: Edge) -> bool:
        """Did the CPU of a fence have a store in its buffer at some time before it?  Else the fence says nothing."""
        cpu = self.interpreter.cpu(self.system.processes[edge.process], self.run.steps[number].before)
        return cpu is not None and any(self._holds(s.before, cpu) for s in self.run.steps[:number])

    def heading(self, edge: Edge) -> str:
        """What the access of a step stands under."""
        return self._heading(edge.stack, edge.function)

    def _heading(self, stack: tuple[str, ...], innermost: str) -> str:
        """The innermost function that is more than a wrapper around one access."""
        return next((name for name in reversed(stack) if self._steps_in[name] > 1), innermost)


def _writers_in(system: System) -> dict[Var, list[Process]]:
    """The processes that can write each variable, in this scenario."""
    found: dict[Var, dict[int, Process]] = {}
    for edge in system.edges:
        for v, _ in edge.assigns:
            found.setdefault(v, {})[edge.process] = system.processes[edge.process]
    return {v: list(by.values()) for v, by in found.items()}


def _places(system: System) -> frozenset[Var]:
    """Where threads are: the numbers, instrumentation of the model, on which it depends who may run."""
    found = variables(e for p in system.processes for e in (p.runs, p.cpu) if e is not None)
    return frozenset(v for v in found if v.role is Role.GHOST and v.type.kind is Kind.INT)


def _events_of(prop: Property | None) -> frozenset[str]:
    """The events that a property speaks of."""
    if prop is None:
        return frozenset()
    nodes = postorder([prop.formula, prop.goal])
    return frozenset(str(n.payload) for n in nodes if n.op is Op.OCCURS)


def _statement(text: str) -> str:
    """The statement of a step that is no access; `drain()` of the language is no function of what is modelled."""
    first = text.strip().splitlines()
    said = first[0].strip() if first else ""
    return DRAINED if said == "drain()" else said


def _steps_per_function(system: System) -> Counter[str]:
    """Number of distinct source lines with steps in each function, its callees included."""
    places = {(name, e.span.file, e.span.line) for e in system.edges for name in e.stack}
    return Counter(name for name, _, _ in places)


def _flush_owners(run: Run, column_of: Callable[[Process], str]) -> list[str]:
    """For each step that is a flush, the column whose store reaches memory ('' for other steps)."""
    queues: dict[int, list[str]] = {}
    owners: list[str] = []
    for step in run.steps:
        if step.edge is None:
            queue = queues.get(step.cpu, [])
            owners.append(queue.pop(0) if queue else f"CPU {step.cpu}")
            continue
        owners.append("")
        for cpu, (old, new) in enumerate(zip(step.before[1], step.after[1], strict=True)):
            entered = len(new) - len(old)
            queues.setdefault(cpu, []).extend([column_of(run.system.processes[step.edge.process])] * entered)
    return owners

