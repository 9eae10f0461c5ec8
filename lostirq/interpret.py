# SPDX-License-Identifier: GPL-2.0-or-later
"""The reference semantics: an interpreter over the annotated system, with store buffers of its own and no pass.

It is slow and short, and it is the oracle of all other engines: `lostirq.ir.system` says what an edge means, and each
sentence there is a line or two here.  Every counterexample is replayed by it before it is printed.

Invariants: a state is a pair (values in the order of `system.variables`, one FIFO of entries per CPU, oldest first); an
entry is (access unit, values of the variables of the unit in canonical order).  Edge `len(system.edges) + c` is the
flush of CPU c.  Under SC, and for a flat system, there are neither FIFOs nor such edges.

Reference: Owens, Sarkar and Sewell 2009, "A Better x86 Memory Model: x86-TSO", section 3 (the abstract machine).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from lostirq.errors import LostirqError
from lostirq.ir.expr import Expr, Kind, Op, Role, Var, apply, postorder, variables
from lostirq.ir.system import RANGE, STUCK, Edge, Form, Memory, Process, System

Values = tuple[int, ...]
Entry = tuple[int, Values]
Buffers = tuple[tuple[Entry, ...], ...]
State = tuple[Values, Buffers]
_Instruction = tuple[Expr, tuple[int, ...], int | None]    # a node, where its operands are, where its variable is


class RangeError(LostirqError):
    """A step assigns a value outside the range of an Int: an error of the model (LI050)."""

    exit_code = 2

    def __init__(self, edge: Edge, variable: Var, value: int) -> None:
        self.edge, self.variable, self.value = edge, variable, value
        lo, hi = variable.type.lo, variable.type.hi
        where = f"{edge.span.file}:{edge.span.line}:{edge.span.column + 1}"
        super().__init__(f"{where}: error LI050: {variable.name} = {value} is outside {lo}..{hi} (`{edge.text}`)")


@dataclass(frozen=True, slots=True)
class Exploration:
    """What `explore` saw.  `levels[d]`: states at distance d; `transitions`: pairs (state, enabled edge); `violations`
    and `witnesses`: a shortest trace by property key (also of STUCK and RANGE), the violating step included."""

    states: int
    transitions: int
    levels: tuple[int, ...]
    complete: bool
    violations: dict[str, tuple[int, ...]] = field(default_factory=dict)
    witnesses: dict[str, tuple[int, ...]] = field(default_factory=dict)


class Interpreter:
    """Executes a system.  `moves` and `step` are the transition relation; `explore` is breadth-first search on them."""

    def __init__(self, system: System) -> None:
        self.system = system
        self.buffering = system.memory is Memory.TSO and not system.flat
        self._index = {v: i for i, v in enumerate(system.variables)}
        self._from = system.edges_from()
        self._unit = {u: [self._index[v] for v in vs] for u, vs in system.units().items()}
        self._programs: dict[Expr, list[_Instruction]] = {}

    # -- expressions ----------------------------------------------------------------------------------------------

    def _evaluate(self, root: Expr, leaf: Callable[[Expr, list[int], int], int]) -> int:
        """The value of an expression; `leaf` gives the values of variables and of what else is not an operator."""
        program = self._programs.get(root)
        if program is None:
            program = self._programs[root] = self._compiled(root)
        value: list[int] = []
        for node, operands, position in program:
            args = [value[i] for i in operands]
            value.append(apply(node, args) if position is None else leaf(node, args, position))
        return value[-1]

    def _compiled(self, root: Expr) -> list[_Instruction]:
        order = {node: i for i, node in enumerate(postorder([root]))}
        return [(node, tuple(order[a] for a in node.args), self._position(node)) for node in order]

    def _position(self, node: Expr) -> int | None:
        """None for an operator; for a leaf the position of its variable in the state, -1 if it has none."""
        if node.op in (Op.VAR, Op.OLD):
            return self._index[node.payload]  # type: ignore[index]  # the payload of VAR and OLD is a Var
        return -1 if node.op in (Op.OCCURS, Op.EMPTY, Op.SEEN, Op.BUFFERED, Op.SETTLED) else None

    def _value(self, root: Expr, values: Values | list[int], buffers: Buffers) -> int:
        """An expression over the values given, which are memory or what a process sees of it."""
        if root.op is Op.CONST:
            return apply(root, [])

        def leaf(node: Expr, _: list[int], position: int) -> int:
            if node.op is Op.VAR:
                return values[position]
            if node.op is Op.EMPTY:
                return int(not buffers[node.payload]) if self.buffering else 1  # type: ignore[call-overload]  # a CPU
            if node.op is Op.SETTLED:
                units = {v.unit for v in variables(node.args) if v.role is Role.MEMORY}
                entries = buffers[node.payload] if self.buffering else ()  # type: ignore[call-overload]  # a CPU
                return int(not any(unit in units for unit, _ in entries))
            if node.op is Op.BUFFERED:
                process = self.system.processes[node.payload]  # type: ignore[call-overload]  # its number
                return int(self._buffered(process, node.args[0], (tuple(values), buffers)))
            if node.op is Op.SEEN:
                process = self.system.processes[node.payload]  # type: ignore[call-overload]  # its number
                return self._value(node.args[0], self.view(process, (tuple(values), buffers)), buffers)
            raise AssertionError(f"{node.op} outside a step property")

        return self._evaluate(root, leaf)

    def holds(self, formula: Expr, state: State) -> bool:
        """A formula over a state, as properties, `cpu=`, `holds=` and `masked=` see it: they read memory."""
        return bool(self._value(formula, *state))

    def holds_step(self, formula: Expr, before: State, move: int, after: State) -> bool:
        """A formula over a step: OLD is the value before, VAR after, OCCURS an event of the step."""
        seen = self.events(before, move)

        def leaf(node: Expr, args: list[int], position: int) -> int:
            if node.op is Op.OCCURS:
                return int((node.payload, tuple(args)) in seen)
            return before[0][position] if node.op is Op.OLD else self._value(node, *after)

        return bool(self._evaluate(formula, leaf))

    # -- what a process sees --------------------------------------------------------------------------------------

    def cpu(self, process: Process, state: State) -> int | None:
        """The number of the store buffer that the process uses now, None if it has none."""
        if not self.buffering or process.cpu is None:
            return None
        number = self._value(process.cpu, *state)
        return number if 0 <= number < self.system.cpus else None

    def view(self, process: Process, state: State) -> list[int]:
        """The values as the loads of the process see them: memory, overlaid by the entries of its CPU's buffer."""
        seen = list(state[0])
        cpu = self.cpu(process, state)
        if cpu is not None:
            for unit, entry in state[1][cpu]:
                for i, value in zip(self._unit[unit], entry, strict=True):
                    seen[i] = value
        return seen

    def _buffered(self, process: Process, condition: Expr, state: State) -> bool:
        """Each store to what the condition reads, in the buffer that the process uses, alone makes it true."""
        cpu = self.cpu(process, state)
        units = {v.unit for v in variables([condition]) if v.role is Role.MEMORY}
        stores = [] if cpu is None else [entry for entry in state[1][cpu] if entry[0] in units]
        alone = [self._flush((state[0], ((store,),)), 0)[0] for store in stores]
        return all(self._value(condition, values, state[1]) for values in alone)

    def events(self, state: State, move: int) -> list[tuple[str, Values]]:
        """The events of a move with the values of their arguments, in the state before it."""
        if move >= len(self.system.edges):
            return []
        edge = self.system.edges[move]
        if not edge.events:
            return []
        view = self.view(self.system.processes[edge.process], state)
        return [(e.name, tuple(self._value(a, view, state[1]) for a in e.args)) for e in edge.events]

    # -- the transition relation ----------------------------------------------------------------------------------

    def initial(self) -> State:
        return self.system.initial(), ((),) * self.system.cpus if self.buffering else ()

    def moves(self, state: State) -> list[int]:
        """The enabled edges, in order of their indices."""
        found = [move for process in self.system.processes for move in self._moves_of(process, state)]
        found += [len(self.system.edges) + c for c, entries in enumerate(state[1]) if entries]
        return sorted(found)

    def enabled(self, state: State, move: int) -> bool:
        """Is it one of `moves(state)`?"""
        if move >= len(self.system.edges):
            cpu = move - len(self.system.edges)
            return cpu < len(state[1]) and bool(state[1][cpu])
        return move in self._moves_of(self.system.processes[self.system.edges[move].process], state)

    def _moves_of(self, process: Process, state: State) -> list[int]:
        """The enabled edges of one process."""
        values, buffers = state
        edges = self._from.get((process.index, values[self._index[process.pc]]))
        if not edges or not self.holds(process.runs, state):
            return []
        cpu = self.cpu(process, state)
        view = self.view(process, state)
        return [edge.index for edge in edges if (cpu is None or self._admits(edge, buffers[cpu]))
                and self._value(edge.guard, view, buffers)]

    def _admits(self, edge: Edge, entries: tuple[Entry, ...]) -> bool:
        """Does the buffer of its CPU let the edge happen?"""
        if edge.drains and entries:
            return False
        return len(entries) + len(self._entered(edge)) <= self.system.depth

    def _entered(self, edge: Edge) -> list[int]:
        """The access units that an edge enters into the buffer, in order."""
        return list(dict.fromkeys(v.unit for v, _ in edge.assigns if v.role is Role.MEMORY and v.unit in edge.buffered))

    def step(self, state: State, move: int) -> State:
        """The state after a move, which must be one of `moves(state)`.  Raises RangeError."""
        if move >= len(self.system.edges):
            return self._flush(state, move - len(self.system.edges))
        values, buffers = state
        edge = self.system.edges[move]
        process = self.system.processes[edge.process]
        cpu = self.cpu(process, state)
        view = self.view(process, state)
        new = {self._index[v]: self._checked(edge, v, self._value(rhs, view, buffers)) for v, rhs in edge.assigns}
        entered = self._entered(edge) if cpu is not None else []
        late = {i for unit in entered for i in self._unit[unit]}
        memory = list(values)
        for i, value in new.items():
            if i not in late:
                memory[i] = value
        memory[self._index[process.pc]] = edge.dst
        if entered and cpu is not None:
            entries = [(unit, tuple(new.get(i, view[i]) for i in self._unit[unit])) for unit in entered]
            buffers = (*buffers[:cpu], (*buffers[cpu], *entries), *buffers[cpu + 1:])
        return tuple(memory), buffers

    def _checked(self, edge: Edge, variable: Var, value: int) -> int:
        if variable.type.kind is Kind.INT and not variable.type.lo <= value <= variable.type.hi:
            raise RangeError(edge, variable, value)
        return value

    def _flush(self, state: State, cpu: int) -> State:
        values, buffers = state
        (unit, entry), *rest = buffers[cpu]
        memory = list(values)
        for i, value in zip(self._unit[unit], entry, strict=True):
            memory[i] = value
        return tuple(memory), (*buffers[:cpu], tuple(rest), *buffers[cpu + 1:])

    def resting(self, state: State) -> bool:
        """Is every process at an idle location?"""
        pcs = ((p, state[0][self._index[p.pc]]) for p in self.system.processes)
        return all(p.locations[pc].idle for p, pc in pcs)

    # -- breadth-first search -------------------------------------------------------------------------------------

    def explore(self, limit: int | None = None) -> Exploration:
        """Every reachable state, level by level; gives up when there are more than `limit`."""
        start = self.initial()
        search = _Search(self, {start: None})
        search.visit(start)
        level, levels = [start], [1]
        while level:
            following: list[State] = []
            for state in level:
                for found in search.expand(state):
                    following.append(found)
                    if limit is not None and len(search.parents) > limit:
                        return search.result([*levels, len(following)], complete=False)
            level = following
            levels += [len(level)] if level else []
        return search.result(levels, complete=True)


class _Search:
    """The book-keeping of `Interpreter.explore`: how each state was first reached, and what was found."""

    def __init__(self, interpreter: Interpreter, parents: dict[State, tuple[State, int] | None]) -> None:
        self.interpreter, self.parents = interpreter, parents
        self.transitions = 0
        self.violations: dict[str, tuple[int, ...]] = {}
        self.witnesses: dict[str, tuple[int, ...]] = {}
        self.by_form = {f: [p for p in interpreter.system.properties if p.form is f] for f in Form}

    def trace(self, state: State, *last: int) -> tuple[int, ...]:
        """The moves by which a state was first reached, then `last`."""
        moves = list(reversed(last))
        at = self.parents[state]
        while at is not None:
            moves.append(at[1])
            at = self.parents[at[0]]
        return tuple(reversed(moves))

    def visit(self, state: State) -> None:
        """Judge a new state."""
        for p in self.by_form[Form.INVARIANT]:
            if p.key not in self.violations and not self.interpreter.holds(p.formula, state):
                self.violations[p.key] = self.trace(state)
        for p in self.by_form[Form.REACHABLE]:
            if p.key not in self.witnesses and self.interpreter.holds(p.formula, state):
                self.witnesses[p.key] = self.trace(state)

    def judge(self, state: State, move: int, after: State) -> None:
        """Judge a step."""
        for p in self.by_form[Form.STEP]:
            if p.key not in self.violations and not self.interpreter.holds_step(p.formula, state, move, after):
                self.violations[p.key] = self.trace(state, move)
        for p in self.by_form[Form.REACHABLE_STEP]:
            if p.key not in self.witnesses and self.interpreter.holds_step(p.formula, state, move, after):
                self.witnesses[p.key] = self.trace(state, move)

    def expand(self, state: State) -> Iterable[State]:
        """Take every move; yields the states that are new."""
        moves = self.interpreter.moves(state)
        if not moves and not self.interpreter.resting(state):
            self.violations.setdefault(STUCK, self.trace(state))
        for move in moves:
            self.transitions += 1
            try:
                after = self.interpreter.step(state, move)
            except RangeError:
                self.violations.setdefault(RANGE, self.trace(state, move))
                continue
            self.judge(state, move, after)
            if after not in self.parents:
                self.parents[after] = (state, move)
                self.visit(after)
                yield after

    def result(self, levels: list[int], *, complete: bool) -> Exploration:
        return Exploration(
            len(self.parents), self.transitions, tuple(levels), complete, self.violations, self.witnesses,
        )
