# SPDX-License-Identifier: GPL-2.0-or-later
"""Any number of interchangeable processes: one flag per local state, "somebody is there".

The local state of a member of a symmetric set is its location and the values of its live locals, of which there are
finitely many: the *posts*.  The set becomes one process without locations.  It has, for each location, a set of bits,
one per post, and for each step of a member from post t to post u two edges, both enabled while flag t is set: both set
flag u; one keeps flag t, for somebody else is still there, the other clears it.

Claim: for every number n >= 1 of members, each run of the system is, step by step, a run of the crowd with
    flag t  iff  some member is at post t,
and equal values of all that is shared.  A step from t to u keeps flag t iff another member is at t.  So what holds in
all reachable states of the crowd holds for every n.  The converse is not claimed: a crowd can be at two posts at once
of which the members exclude each other, so that a violation in it may be spurious.

A formula over two members is read as one over any number: `A(0) or A(1)` as "some member", `A(0) and A(1)` as "every
member".  Both readings are only taken from formulas that say the same of both.  `lostirq.symbolic.simulation` has the
claim checked by a solver, edge by edge and formula by formula.

Refused, with the reason: members that use a private store buffer; a guard outside the set that looks at a member; a
formula that tells members apart or counts them; what counts members (a ghost counter that anybody reads); too many
posts.

References: German and Sistla 1992, "Reasoning about systems with many processes"; Pnueli, Xu and Zuck 2002, "Liveness
with (0,1,infinity)-counter abstraction".
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import product

from lostirq.ir.expr import (
    BOOL,
    FALSE,
    Expr,
    Kind,
    Op,
    Role,
    Type,
    Var,
    add,
    and_,
    bit,
    bits_type,
    boolean,
    const,
    eq,
    int_type,
    integer,
    ite,
    old,
    postorder,
    put,
    substitute,
    var,
    variables,
)
from lostirq.ir.system import Edge, Event, Fair, Location, Process, Property, System
from lostirq.symbolic.readings import Reader, Refused, at

MOST_POSTS = 4096


@dataclass(frozen=True, slots=True)
class Place:
    """The posts of one location: all values of its live locals, the first one fastest.  `flags`: a bool if there is
    one post, else a set of bits."""

    location: int
    live: tuple[Var, ...]
    flags: Var

    posts: tuple[tuple[int, ...], ...]

    def number(self, after: dict[Var, Expr]) -> Expr:
        """The number of the post that the values of the locals make."""
        total, stride = integer(0), 1
        for v in self.live:
            digit = after.get(v, var(v))
            low = _values(v.type)[0]
            total = add(total, _scaled(digit, low, stride, v.type))
            stride *= len(_values(v.type))
        return total

    def occupied(self, flags: Expr, post: Expr) -> Expr:
        """Somebody is at this post."""
        return flags if self.flags.type.kind is Kind.BOOL else bit(flags, post)

    def marked(self, flags: Expr, post: Expr, value: bool) -> Expr:
        """The flags with that of one post set or cleared."""
        return boolean(value) if self.flags.type.kind is Kind.BOOL else put(flags, post, boolean(value))


def _values(type_: Type) -> range:
    if type_.kind is Kind.BOOL:
        return range(2)
    if type_.kind is Kind.BITS:
        return range(1 << type_.width)
    return range(type_.lo, type_.hi + 1)


def _scaled(digit: Expr, low: int, stride: int, type_: Type) -> Expr:
    """(digit - low) * stride: a sum has no products, so that more than one digit is a choice among constants."""
    if type_.kind is Kind.INT and stride == 1:
        return add(digit, integer(-low))
    found = integer(0)
    for value in _values(type_):
        found = ite(eq(digit, const(value, type_)), integer((value - low) * stride), found)
    return found


@dataclass(frozen=True, slots=True)
class Crowd:
    """`member`: the process whose steps stand for everybody's; `twin`: the variables of the other one -> its own;
    `system`: that with the crowd; `places`: by location of the member; `origin`: for each edge of the crowd the
    member's edge, the post that it starts from, and whether it keeps the flag."""

    source: System
    member: Process
    twin: dict[Var, Var]
    places: dict[int, Place]
    system: System
    origin: dict[int, tuple[Edge, tuple[int, ...], bool]]


def crowd(system: System, name: str) -> Crowd:
    """Replace the members of a symmetric set, of which the flat system has two.  Events that no property asks for go:
    so give it only the properties that are wanted.  Lemmas have no say in what is kept, so that the result is the same
    with and without them.  Raises `Refused`."""
    asked = {n.payload for p in _goals(system) for n in postorder([p.formula, p.goal]) if n.op is Op.OCCURS}
    edges = (replace(e, events=tuple(x for x in e.events if x.name in asked)) for e in system.edges)
    system = replace(system, edges=tuple(edges))
    members = [p for p in system.processes if p.symmetric == name]
    if len(members) != 2:
        have = ", ".join(sorted({p.symmetric for p in system.processes if p.symmetric})) or "none"
        raise Refused(f"{system.name} has {len(members)} interchangeable processes {name!r}, not two; sets: {have}")
    return _Builder(system, name, members).build()


def _goals(system: System) -> list[Property]:
    return [p for p in system.properties if not p.proves]


class _Builder:
    def __init__(self, system: System, name: str, members: list[Process]) -> None:
        self.system, self.name, self.members = system, name, members
        self.member = members[0]
        indices = {p.index for p in members}
        self.own = frozenset(v for v in system.variables if v.owner == self.member.index)
        self.gone = frozenset(v for v in system.variables if v.owner in indices)
        self.edges = [e for e in system.edges if e.process == self.member.index]
        left = [p for p in system.processes if p.index not in indices]
        at = sum(1 for p in left if p.index < self.member.index)
        self.twin = self._twin()
        self.counters = self._counters()
        self.number = {p.index: i + (i >= at) for i, p in enumerate(left)}
        self.here = at

    def build(self) -> Crowd:
        self._refuse()
        places = self._places()
        reader = Reader(self.member.pc, self.twin, tuple(places.values()))
        pc = Var(f"{self.name}(*).pc", int_type(0, 0), 0, Role.PC, self.here)
        stay = [v for v in self.system.variables if v not in self.gone | self.counters]
        kept = [replace(v, owner=self.number.get(v.owner, -1)) for v in stay]
        moved = dict(zip(stay, kept, strict=True))
        flags = [p.flags for p in places.values()]
        renamed = _Renamed(moved)
        processes = self._processes(pc, renamed)
        edges: list[Edge] = []
        origin: dict[int, tuple[Edge, tuple[int, ...], bool]] = {}
        for e in self.system.edges:
            if e.process == self.member.index:
                for made, post, keeps in self._steps(e, places):
                    origin[len(edges)] = (e, post, keeps)
                    edges.append(renamed.edge(replace(made, index=len(edges), process=self.here)))
            elif e.process in self.number:
                edges.append(renamed.edge(replace(e, index=len(edges), process=self.number[e.process],
                                                  assigns=tuple(a for a in e.assigns if a[0] not in self.counters))))
        properties = tuple(renamed.property(p, reader) for p in self.system.properties)
        known = {*kept, pc, *flags}
        for p in properties:
            if self.member.family in p.singles and not p.proves:
                why = "it may count them, and there are only two here"
                raise Refused(f"{p.key} names a {self.name} by its number: {why}")
            gone = next((v.name for v in variables([p.formula, p.goal]) if v not in known), None)
            if gone is not None:
                raise Refused(f"{p.key} reads {gone}, which is not kept for any number of {self.name} processes")
        whole = replace(
            self.system, name=f"{self.system.name}, any number of {self.name}", variables=(*kept, pc, *flags),
            processes=processes, edges=tuple(edges), properties=properties,
            notes=(*self.system.notes, f"any number of {self.name} processes"),
        )  # fmt: skip
        return Crowd(self.system, self.member, self.twin, places, whole, origin)

    def _twin(self) -> dict[Var, Var]:
        """The variables of the second member -> those of the first, by name."""
        first, second = self.members[0], self.members[1]
        by_name = {v.name: v for v in self.system.variables}
        found: dict[Var, Var] = {}
        for v in self.system.variables:
            if v.owner == second.index:
                mine = by_name.get(first.name + v.name.removeprefix(second.name))
                if mine is None or mine.type != v.type or not v.name.startswith(second.name):
                    raise Refused(f"{first.name} and {second.name} have different variables")
                found[v] = mine
        return found

    # -- what is refused ------------------------------------------------------------------------------------------

    def _refuse(self) -> None:
        for p in self.system.processes:
            if p.index in self.number and any(v in self.gone for v in variables([p.runs])):
                raise Refused(f"whether {p.name} may run depends on the {self.name} processes")
        others = {v for p in self.members[1:] for v in self.system.variables if v.owner == p.index}
        for e in self.system.edges:
            if e.process in self.number:
                if any(v in self.gone for v in variables([e.guard, *(x for _, x in e.assigns)])):
                    where = f"{e.span.file}:{e.span.line}"
                    raise Refused(f"a step of {self.system.processes[e.process].name} looks at a {self.name} ({where})")
            elif any(v in others for v in variables([e.guard])) and e.process == self.member.index:
                raise Refused(f"a step of a {self.name} looks at another one ({e.span.file}:{e.span.line})")
        self._refuse_buffers()

    def _refuse_buffers(self) -> None:
        """A member's private store buffer would be a part of its local state."""
        for e in self.edges:
            written = {v.name for v, _ in e.assigns if v.name.startswith("buffer")}
            if written:
                raise Refused(f"a {self.name} leaves a store in its buffer ({e.span.file}:{e.span.line}: {e.text})")

    def _counters(self) -> frozenset[Var]:
        """Ghosts that members count up or down.  A crowd has no number: they are left out, if nobody reads them."""
        found = {v: e for e in self.edges for v, x in e.assigns
                 if v.role is Role.GHOST and v.type.kind is Kind.INT and v in variables([x])}  # fmt: skip
        told = {v for p in _goals(self.system) for v in variables([p.formula, p.goal])}
        told |= {v for p in self.system.processes for v in variables([p.runs])}
        for e in self.system.edges:
            told |= set(variables([e.guard, *(a for event in e.events for a in event.args)]))
            told |= {v for w, x in e.assigns for v in variables([x]) if v != w}
        for v in self.system.variables:
            if v in found and v in told:
                span = found[v].span
                raise Refused(f"{v.name} counts the {self.name} processes ({span.file}:{span.line})")
        return frozenset(found)

    # -- posts ----------------------------------------------------------------------------------------------------

    def _places(self) -> dict[int, Place]:
        live = self._live()
        found: dict[int, Place] = {}
        total = 0
        for location in range(len(self.member.locations)):
            locals_ = tuple(v for v in self.system.variables if v in live[location])
            size = 1
            for v in locals_:
                size *= len(_values(v.type))
            total += size
            if total > MOST_POSTS:
                raise Refused(f"a {self.name} has more than {MOST_POSTS} local states")
            mark = 0
            posts = tuple(tuple(reversed(p)) for p in product(*(_values(v.type) for v in reversed(locals_))))
            if location == self.member.pc.init:
                mark = 1 << posts.index(tuple(v.init for v in locals_))
            kind = BOOL if size == 1 else bits_type(size)
            name = f"{self.name}(*)@{location}"
            found[location] = Place(location, locals_, Var(name, kind, mark, Role.LOCAL, self.here), posts)
        return found

    def _live(self) -> list[frozenset[Var]]:
        """By location: the locals whose values matter from there on; what a property reads always does."""
        pc = self.member.pc
        told = {v for p in _goals(self.system) for v in variables([p.formula, p.goal])} & self.own - {pc}
        live = [frozenset(told)] * len(self.member.locations)
        grew = True
        while grew:
            grew = False
            for e in self.edges:
                after = live[e.dst]
                reads = [e.guard, self.member.runs, *(a for event in e.events for a in event.args)]
                reads += [x for v, x in e.assigns if v not in self.own or v in after]
                now = (set(variables(reads)) & self.own - {pc}) | (after - {v for v, _ in e.assigns})
                if not now <= live[e.src]:
                    live[e.src] |= now
                    grew = True
        return live

    # -- the crowd ------------------------------------------------------------------------------------------------

    def _processes(self, pc: Var, renamed: _Renamed) -> tuple[Process, ...]:
        place = Location(self.member.locations[0].span, self.member.locations[0].function, idle=True)
        one = Process(self.here, f"{self.name}(*)", self.member.family, -1, self.member.sort, pc, (place,),
                      column=self.member.column)  # fmt: skip
        found = [renamed.process(p, self.number[p.index]) for p in self.system.processes if p.index in self.number]
        found.insert(self.here, one)
        return tuple(found)

    def _steps(self, e: Edge, places: dict[int, Place]) -> Iterator[tuple[Edge, tuple[int, ...], bool]]:
        """The member's edge, from each post, with somebody left behind and without."""
        src, dst = places[e.src], places[e.dst]
        after = {v: x for v, x in e.assigns if v in self.own}
        target = dst.number(after)
        for k, post in enumerate(src.posts):
            values = dict(zip(src.live, post, strict=True))

            def here(x: Expr, values: dict[Var, int] = values) -> Expr:
                return at(x, self.member.pc, e.src, values)

            guard = here(and_(self.member.runs, e.guard, src.occupied(var(src.flags), integer(k))))
            if guard is FALSE:
                continue
            shared = tuple((v, here(x)) for v, x in e.assigns if v not in self.own | self.counters)
            events = tuple(Event(event.name, tuple(here(a) for a in event.args)) for event in e.events)
            for keeps in (True, False):
                flags = {src.flags: src.marked(var(src.flags), integer(k), keeps)}
                flags[dst.flags] = dst.marked(flags.get(dst.flags, var(dst.flags)), here(target), True)
                yield (replace(e, src=0, dst=0, guard=guard, assigns=(*shared, *flags.items()), events=events,
                               fair=Fair.NONE, drains=False), post, keeps)  # fmt: skip


class _Renamed:
    """Expressions and what holds them, over variables whose owners have new numbers."""

    def __init__(self, moved: dict[Var, Var]) -> None:
        self._moved = moved
        self._memo: dict[Expr, Expr] = {}

    def __call__(self, e: Expr) -> Expr:
        return substitute(e, self._leaf, self._memo)

    def _leaf(self, node: Expr) -> Expr | None:
        new = self._moved.get(node.payload) if node.op in (Op.VAR, Op.OLD) else None  # type: ignore[call-overload]  # a Var
        return None if new is None else old(new) if node.op is Op.OLD else var(new)

    def edge(self, e: Edge) -> Edge:
        events = tuple(Event(event.name, tuple(self(a) for a in event.args)) for event in e.events)
        assigns = tuple((self._moved.get(v, v), self(x)) for v, x in e.assigns)
        return replace(e, guard=self(e.guard), assigns=assigns, events=events)

    def process(self, p: Process, index: int) -> Process:
        return replace(p, index=index, pc=self._moved[p.pc], runs=self(p.runs),
                       cpu=None if p.cpu is None else self(p.cpu))  # fmt: skip

    def property(self, p: Property, reader: Reader) -> Property:
        return replace(p, formula=self(reader.read(p.formula, p.key)), goal=self(reader.read(p.goal, p.key)))
