# SPDX-License-Identifier: GPL-2.0-or-later
"""Lowering of an annotated system to a flat one: store buffers become variables, flushes become edges.

After it no engine needs to know what TSO is.  Invariants:

- Edges keep their indices; the flush of CPU c is edge `len(annotated.edges) + c` of the process `buffer(c)`, weakly
  fair.  Every CPU has one; the guard of a CPU whose processes never buffer a store is FALSE, and it has no variables.
- The buffer of a CPU is `depth` slots, the oldest entry first.  A slot is a tag (0: free, k: the k-th access unit that
  this CPU can buffer) and the encoded unit, padded with zeros.  Used slots come first and free ones are all 0, so that
  equal buffers are equal states; the buffer is empty iff the tag of slot 0 is 0, and full iff the last tag is not.
- A CPU number that is known at run time only is resolved by ITE over the CPUs that it can be.
- An Int that is buffered is checked when its store enters the buffer: by an assignment to a variable of range 0..0,
  which costs no bit of the state, and which is out of range exactly if the store is.
- Flat edges have no `drains` and no `buffered`, flat expressions nothing about buffers.  Under SC nothing else changes.

Reference: Owens, Sarkar and Sewell 2009, "A Better x86 Memory Model: x86-TSO", section 3.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from lostirq.errors import Span
from lostirq.ir.expr import (
    FALSE,
    TRUE,
    Expr,
    Kind,
    Op,
    Role,
    Type,
    Var,
    and_,
    bits_type,
    bounds,
    concat,
    const,
    decode,
    encode,
    eq,
    extract,
    implies,
    int_type,
    integer,
    ite,
    le,
    not_,
    or_,
    substitute,
    var,
    variables,
)
from lostirq.ir.system import Access, Edge, Event, Fair, Location, Memory, Process, Property, Sort, System

Slot = tuple[Expr, Expr]    # (tag, encoded unit), as expressions


@dataclass(frozen=True, slots=True)
class Buffer:
    """The store buffer of one CPU: the units that it can hold, in the order of their tags, and its slots."""

    cpu: int
    units: tuple[int, ...]
    tags: tuple[Var, ...]
    values: tuple[Var, ...]

    @property
    def width(self) -> int:
        return self.values[0].type.width if self.values else 0

    def slots(self) -> list[Slot]:
        return [(var(t), var(v)) for t, v in zip(self.tags, self.values, strict=True)]

    def empty(self) -> Expr:
        return eq(var(self.tags[0]), integer(0)) if self.tags else TRUE


def lower(system: System) -> System:
    """The flat system with the same behaviour.  A flat system is returned as it is."""
    if system.flat:
        return system
    if system.memory is Memory.SC:
        return _Lowering(system, ()).flat()
    return _Lowering(system, buffers_of(system)).flat()


def cpus_of(system: System, process: Process) -> list[int]:
    """The CPUs on which a process can run, as the type of its CPU number says."""
    if process.cpu is None:
        return []
    lo, hi = bounds(process.cpu)
    return [c for c in range(system.cpus) if lo <= c <= hi]


def entered(edge: Edge) -> list[int]:
    """The access units that an edge enters into the store buffer, in order."""
    return list(dict.fromkeys(v.unit for v, _ in edge.assigns if v.role is Role.MEMORY and v.unit in edge.buffered))


def buffers_of(system: System) -> tuple[Buffer, ...]:
    """One buffer per CPU; `owner` of its variables is the process whose private CPU it is, else -1."""
    held: list[set[int]] = [set() for _ in range(system.cpus)]
    users: list[set[int]] = [set() for _ in range(system.cpus)]
    for p in system.processes:
        for c in cpus_of(system, p):
            users[c].add(p.index)
    for e in system.edges:
        for c in cpus_of(system, system.processes[e.process]):
            held[c].update(entered(e))
    units = system.units()
    found: list[Buffer] = []
    for c in range(system.cpus):
        order = tuple(sorted(held[c]))
        names = ("free", *(_unit_name(units[u]) for u in order))
        width = max((sum(v.type.bits for v in units[u]) for u in order), default=0)
        depth = system.depth if order else 0
        owner = min(users[c]) if len(users[c]) == 1 else -1
        tag, value = int_type(0, len(order), names), bits_type(max(1, width))
        found.append(Buffer(
            c, order,
            tuple(Var(f"buffer({c}).unit[{j}]", tag, 0, Role.BUFFER, owner) for j in range(depth)),
            tuple(Var(f"buffer({c}).value[{j}]", value, 0, Role.BUFFER, owner) for j in range(depth)),
        ))
    return tuple(found)


def _unit_name(variables: list[Var]) -> str:
    """The name of an access unit: of its variable, or what the names of its variables have in common."""
    if len(variables) == 1:
        return variables[0].name
    paths = [v.name.split(".") for v in variables]
    same = 0
    while all(len(p) > same for p in paths) and len({p[same] for p in paths}) == 1:
        same += 1
    return ".".join(paths[0][:same]) or variables[0].name


def pack(values: list[Expr], types: list[Type], width: int) -> Expr:
    """The bits of a unit, the first variable lowest, padded with zeros to `width`."""
    parts = [
        a if t.kind is Kind.BITS else encode(a, t.lo if t.kind is Kind.INT else 0, t.bits)
        for a, t in zip(values, types, strict=True) if t.bits
    ]
    pad = width - sum(p.type.width for p in parts)
    if pad:
        parts.append(const(0, bits_type(pad)))
    return concat(*parts)


def unpack(bits: Expr, types: list[Type], position: int) -> Expr:
    """The value of the variable at `position` of a packed unit."""
    low = sum(t.bits for t in types[:position])
    type_ = types[position]
    if not type_.bits:
        return const(type_.lo, type_)
    return decode(extract(bits, low, type_.bits), type_)


class _Lowering:
    """The rewriting of one system.  `buffers` is empty under SC."""

    def __init__(self, system: System, buffers: tuple[Buffer, ...]) -> None:
        self.system, self.buffers = system, buffers
        self.units = system.units()
        self.checks: dict[Var, Var] = {}
        self.direct: dict[Expr, Expr] = {}                       # memo of `memory`
        self.forwarded: dict[int, dict[Expr, Expr]] = {}         # memo of `seen`, by process

    def flat(self) -> System:
        edges = [self.edge(e) for e in self.system.edges]
        processes = [replace(p, runs=self.memory(p.runs)) for p in self.system.processes]
        variables = list(self.system.variables)
        for b in self.buffers:
            process = _buffer_process(b, len(processes))
            processes.append(process)
            edges.append(self.flush(b, process, len(edges)))
            variables += [process.pc, *(x for slot in zip(b.tags, b.values, strict=True) for x in slot)]
        variables += self.checks.values()
        return replace(
            self.system, flat=True, variables=tuple(variables), processes=tuple(processes), edges=tuple(edges),
            properties=tuple(self.property(p) for p in self.system.properties),
        )

    # -- reading --------------------------------------------------------------------------------------------------

    def memory(self, root: Expr) -> Expr:
        """An expression over memory: only what is about buffers is replaced."""

        def leaf(node: Expr) -> Expr | None:
            if node.op is Op.SEEN:
                return self.seen(self.system.processes[_number(node)], node.args[0])
            if node.op is Op.BUFFERED:
                return self.buffered(self.system.processes[_number(node)], node.args[0])
            if node.op is Op.SETTLED:
                return self.settled(_number(node), node.args[0])
            if node.op is not Op.EMPTY:
                return None
            return self.buffers[_number(node)].empty() if self.buffers else TRUE

        return substitute(root, leaf, self.direct)

    def seen(self, process: Process, root: Expr) -> Expr:
        """An expression as the loads of a process see it: forwarded from the buffer of its CPU."""

        def leaf(node: Expr) -> Expr | None:
            if node.op is Op.VAR and node.payload.role is Role.MEMORY:  # type: ignore[attr-defined]  # a Var
                return self.load(process, node.payload)  # type: ignore[arg-type]  # a Var
            return self.memory(node)

        return substitute(root, leaf, self.forwarded.setdefault(process.index, {}))

    def load(self, process: Process, variable: Var) -> Expr:
        loaded = var(variable)
        for b in self.cpus(process):
            loaded = ite(self.on(process, b), _newest(b, self.units, variable), loaded)
        return loaded

    def buffered(self, process: Process, root: Expr) -> Expr:
        """Each store that the buffer of the CPU of a process holds to what a condition reads makes it true."""
        found: list[Expr] = []
        for b in self.cpus(process):
            stores = [(slot, k) for slot in b.slots() for k in self.tags(b, root)]
            found.append(implies(self.on(process, b), and_(*(self.alone(b, slot, k, root) for slot, k in stores))))
        return and_(*found)

    def alone(self, b: Buffer, slot: Slot, k: int, root: Expr) -> Expr:
        """If a slot holds a store to the k-th unit of its buffer, a condition is true of memory with it."""
        variables = self.units[b.units[k - 1]]
        types = [v.type for v in variables]
        held = {var(v): unpack(slot[1], types, i) for i, v in enumerate(variables)}
        return implies(eq(slot[0], integer(k)), substitute(root, lambda node: held.get(node) or self.memory(node)))

    def tags(self, b: Buffer, root: Expr) -> list[int]:
        """The tags of the units that an expression reads."""
        units = dict.fromkeys(v.unit for v in variables([root]) if v.role is Role.MEMORY and v.unit in b.units)
        return [b.units.index(u) + 1 for u in units]

    def settled(self, cpu: int, e: Expr) -> Expr:
        """The buffer of a CPU has no slot for a unit that the expression reads."""
        if not self.buffers:
            return TRUE
        b = self.buffers[cpu]
        return and_(*(not_(eq(var(tag), integer(k))) for k in self.tags(b, e) for tag in b.tags))

    def cpus(self, process: Process) -> list[Buffer]:
        """The buffers that a process can use."""
        return [self.buffers[c] for c in cpus_of(self.system, process)] if self.buffers else []

    def on(self, process: Process, buffer: Buffer) -> Expr:
        """The process runs on the CPU of that buffer."""
        assert process.cpu is not None
        return eq(self.memory(process.cpu), integer(buffer.cpu))

    # -- edges ----------------------------------------------------------------------------------------------------

    def edge(self, e: Edge) -> Edge:
        process = self.system.processes[e.process]
        buffers = self.cpus(process)
        # A draining edge has an empty buffer, so that there is nothing to forward.
        read = self.memory if e.drains else lambda root: self.seen(process, root)
        guards = [read(e.guard)]
        late = entered(e) if buffers else []
        for b in buffers:
            if e.drains:
                guards.append(or_(not_(self.on(process, b)), b.empty()))
            if late:
                guards.append(or_(not_(self.on(process, b)), _room(b, len(late))))
        values = {v: read(rhs) for v, rhs in e.assigns}
        assigns = [(v, rhs) for v, rhs in values.items() if v.unit not in late or v.role is not Role.MEMORY]
        if late:
            assigns += self.enter(process, late, values, e.drains)
        return replace(
            e, guard=and_(*guards), assigns=tuple(assigns), drains=False, buffered=frozenset(),
            events=tuple(Event(x.name, tuple(read(a) for a in x.args)) for x in e.events),
        )

    def enter(
        self, process: Process, late: list[int], values: dict[Var, Expr], drained: bool,
    ) -> list[tuple[Var, Expr]]:
        """The assignments that put units at their new values into the buffer of the CPU of a process."""
        found: list[tuple[Var, Expr]] = []
        nowhere = TRUE                                            # on no CPU that has a buffer
        for b in self.cpus(process):
            here = self.on(process, b)
            nowhere = and_(nowhere, not_(here))
            slots = [(integer(0), const(0, bits_type(b.width)))] * len(b.tags) if drained else b.slots()
            for unit in late:
                slots = _pushed(slots, b.units.index(unit) + 1, self.packed(process, unit, values, b.width, drained))
            for tag, value, (new_tag, new_value) in zip(b.tags, b.values, slots, strict=True):
                for v, new in ((tag, new_tag), (value, new_value)):
                    if new is not var(v):
                        found.append((v, ite(here, new, var(v))))
        for v, rhs in values.items():
            if v.role is Role.MEMORY and v.unit in late:
                found += self.check(v, rhs)
                if nowhere is not FALSE:
                    found.append((v, ite(nowhere, rhs, var(v))))
        return found

    def packed(self, process: Process, unit: int, values: dict[Var, Expr], width: int, drained: bool) -> Expr:
        variables = self.units[unit]
        kept = {v: var(v) if drained else self.seen(process, var(v)) for v in variables if v not in values}
        return pack([values[v] if v in values else kept[v] for v in variables], [v.type for v in variables], width)

    def check(self, variable: Var, value: Expr) -> list[tuple[Var, Expr]]:
        """An assignment that is out of range iff `value` is out of the range of `variable`."""
        type_ = variable.type
        if type_.kind is not Kind.INT or (type_.lo <= value.type.lo and value.type.hi <= type_.hi):
            return []
        if variable not in self.checks:
            self.checks[variable] = Var(f"{variable.name} (stored)", int_type(0, 0), 0, Role.BUFFER)
        inside = and_(le(integer(type_.lo), value), le(value, integer(type_.hi)))
        return [(self.checks[variable], ite(inside, integer(0), integer(1)))]

    def flush(self, b: Buffer, process: Process, index: int) -> Edge:
        """The oldest entry of a buffer moves to memory, the others move up."""
        assigns: list[tuple[Var, Expr]] = []
        if b.tags:
            tag, value = b.slots()[0]
            for k, unit in enumerate(b.units, 1):
                types = [v.type for v in self.units[unit]]
                for i, v in enumerate(self.units[unit]):
                    assigns.append((v, ite(eq(tag, integer(k)), unpack(value, types, i), var(v))))
            shifted = [*b.slots()[1:], (integer(0), const(0, value.type))]
            for t, x, (new_tag, new_value) in zip(b.tags, b.values, shifted, strict=True):
                assigns += [(t, new_tag), (x, new_value)]
        return Edge(
            index, process.index, 0, 0, not_(b.empty()), tuple(assigns), Access.FLUSH, False, frozenset(), (),
            Fair.WEAK, Span(), "", (), f"CPU {b.cpu}: the oldest buffered store reaches memory",
        )

    def property(self, p: Property) -> Property:
        return replace(p, formula=self.memory(p.formula), goal=self.memory(p.goal))


def _number(node: Expr) -> int:
    """The number of the CPU of an EMPTY or SETTLED, of the process of a SEEN or BUFFERED."""
    assert isinstance(node.payload, int)
    return node.payload


def _buffer_process(b: Buffer, index: int) -> Process:
    pc = Var(f"buffer({b.cpu}).pc", int_type(0, 0), 0, Role.PC, index)
    place = Location(Span(), "", idle=True, text="store buffer")
    return Process(index, f"buffer({b.cpu})", "buffer", b.cpu, Sort.BUFFER, pc, (place,))


def _newest(b: Buffer, units: dict[int, list[Var]], variable: Var) -> Expr:
    """What a load on the CPU of a buffer sees: its newest entry for the unit, else memory."""
    loaded = var(variable)
    if variable.unit not in b.units:
        return loaded
    variables = units[variable.unit]
    tag = integer(b.units.index(variable.unit) + 1)
    for slot_tag, slot_value in b.slots():
        held = unpack(slot_value, [v.type for v in variables], variables.index(variable))
        loaded = ite(eq(slot_tag, tag), held, loaded)
    return loaded


def _room(b: Buffer, entries: int) -> Expr:
    """The buffer has that many free slots."""
    first = len(b.tags) - entries
    return eq(var(b.tags[first]), integer(0)) if first >= 0 else FALSE


def _pushed(slots: list[Slot], tag: int, value: Expr) -> list[Slot]:
    """The slots with one entry more, in the first that is free."""
    found: list[Slot] = []
    before = TRUE                                                 # all earlier slots are used
    for slot_tag, slot_value in slots:
        free = eq(slot_tag, integer(0))
        here = and_(before, free)
        found.append((ite(here, integer(tag), slot_tag), ite(here, value, slot_value)))
        before = not_(free)
    return found
