# SPDX-License-Identifier: GPL-2.0-or-later
"""Small random annotated systems, built by hand: what no model source says, every engine must still agree on.

They are wilder than what the front end makes: CPU numbers that change or name no CPU, buffers that are full, stores out
of range, processes that may not run, several stores of one step, fairness of every kind.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from random import Random

from hypothesis import strategies as st

from lostirq.errors import Span
from lostirq.ir import expr as x
from lostirq.ir.expr import BOOL, TRUE, Expr, Kind, Role, Type, Var
from lostirq.ir.system import Access, Edge, Event, Fair, Form, Location, Memory, Process, Property, Sort, System

SMALL, SIGNED, PAIR = x.int_type(0, 2), x.int_type(-1, 1), x.bits_type(2)
TYPES = (BOOL, SMALL, SIGNED, PAIR)
EVENTS = ("ping", "pong")


@dataclass
class Builder:
    """A system in the making."""

    random: Random
    memory: Memory
    cpus: int
    depth: int
    places: int
    shared: list[Var] = field(default_factory=list)
    ghosts: list[Var] = field(default_factory=list)
    locals: list[Var] = field(default_factory=list)
    processes: list[Process] = field(default_factory=list)
    edges: list[Edge] = field(default_factory=list)

    def pick(self, options):
        return self.random.choice(list(options))

    def chance(self, percent: int) -> bool:
        return self.random.randrange(100) < percent

    # -- expressions ----------------------------------------------------------------------------------------------

    def leaf(self, type_: Type, readable: list[Var]) -> Expr:
        fitting = [v for v in readable if v.type == type_]
        if fitting and self.chance(70):
            return x.var(self.pick(fitting))
        if type_.kind is Kind.INT:
            return x.integer(self.random.randint(type_.lo, type_.hi))
        return x.const(self.random.randint(0, type_.size - 1), type_)

    def formula(self, readable: list[Var], depth: int = 2) -> Expr:
        """A bool expression."""
        shape = self.random.randint(0, 7) if depth else 0
        if shape == 0:
            return self.leaf(BOOL, readable)
        if shape == 1:
            return x.not_(self.formula(readable, depth - 1))
        if shape == 2:
            return x.and_(self.formula(readable, depth - 1), self.formula(readable, depth - 1))
        if shape == 3:
            return x.or_(self.formula(readable, depth - 1), self.formula(readable, depth - 1))
        if shape == 4:
            return x.bit(self.value(PAIR, readable, depth - 1), self.value(SIGNED, readable, depth - 1))
        compare = self.pick((x.eq, x.lt, x.le))
        if shape == 5:
            return compare(self.value(SMALL, readable, depth - 1), self.value(SIGNED, readable, depth - 1))
        if shape == 6:
            wanted = self.random.sample(range(3), self.random.randint(1, 2))
            return x.in_set(self.value(SMALL, readable, depth - 1), wanted)
        return x.eq(self.value(PAIR, readable, depth - 1), self.value(PAIR, readable, depth - 1))

    def value(self, type_: Type, readable: list[Var], depth: int = 1) -> Expr:
        """An expression of a kind, with values within the type."""
        if type_.kind is Kind.BOOL:
            return self.formula(readable, depth)
        shape = self.random.randint(0, 3) if depth else 0
        if shape <= 1:
            return self.leaf(type_, readable)
        if shape == 2:
            one, two = (self.value(type_, readable, depth - 1) for _ in range(2))
            return x.ite(self.formula(readable, depth - 1), one, two)
        if type_.kind is Kind.BITS:
            one = self.value(type_, readable, depth - 1)
            if self.chance(50):
                return self.pick((x.band, x.bor, x.bxor))(one, self.value(type_, readable, depth - 1))
            return x.put(one, self.value(SIGNED, readable, depth - 1), self.formula(readable, depth - 1))
        if type_ == SMALL:
            return x.count(self.value(PAIR, readable, depth - 1))
        return x.highest(self.value(PAIR, readable, depth - 1))

    def stored(self, v: Var, readable: list[Var]) -> Expr:
        """A right-hand side; now and then one that can be out of range."""
        if v.type.kind is Kind.INT and self.chance(14):
            return self.pick((x.add, x.sub))(self.leaf(v.type, readable), self.leaf(SMALL, readable))
        return self.value(v.type, readable)

    # -- processes ------------------------------------------------------------------------------------------------

    def process(self, index: int) -> None:
        places = self.places
        pc = Var(f"p{index}.pc", x.int_type(0, places - 1), 0, Role.PC, index)
        own = [Var(f"p{index}.{t.kind.value}{i}", t, 0, Role.LOCAL, index)
               for i, t in enumerate(self.random.choices(TYPES, k=self.random.randint(1, 2)))]
        self.locals += own
        cpu = self.cpu(index)
        readable = self.shared + self.ghosts + own
        locations = []
        for place in range(places):
            outgoing = 0 if place and self.chance(12) else self.random.randint(1, 2)
            fair = self.pick((Fair.WEAK, Fair.WEAK, Fair.WEAK, Fair.STRONG, Fair.NONE))
            for _ in range(outgoing):
                self.edge(index, place, places, fair, own, readable, cpu is not None)
            idle = self.chance(40)
            windows = frozenset({"w"}) if self.chance(30) else frozenset()
            locations.append(Location(Span(), "", windows, frozenset(), idle))
        runs = TRUE
        if self.processes and self.chance(20):
            runs = x.eq(x.var(self.pick(self.processes).pc), x.integer(0))
        elif self.chance(10):
            runs = self.formula(self.shared, 1)
        sort = Sort.HARDWARE if cpu is None else Sort.THREAD
        self.processes.append(Process(index, f"p{index}", f"p{index}", -1, sort, pc, tuple(locations), runs, cpu))

    def cpu(self, index: int) -> Expr | None:
        shape = self.random.randint(0, 9)
        if shape == 0:
            return None
        if shape <= 6:
            return x.integer(index % self.cpus)
        if shape == 7:
            return x.ite(self.formula(self.shared, 1), x.integer(0), x.integer(self.cpus - 1))
        return self.leaf(self.pick((SMALL, SIGNED)), self.shared)

    def edge(
        self, process: int, src: int, places: int, fair: Fair, own: list[Var], readable: list[Var], buffers: bool,
    ) -> None:
        access = self.pick((Access.LOAD, Access.STORE, Access.STORE, Access.LOCKED, Access.FENCE, Access.ATOMIC))
        assigns: dict[Var, Expr] = {}
        dst = (src + 1) % places if self.chance(60) else self.random.randint(0, places - 1)
        targets = {Access.LOAD: own, Access.STORE: self.shared, Access.LOCKED: self.shared + own,
                   Access.FENCE: own, Access.ATOMIC: self.shared + own}[access]
        count = {Access.FENCE: 0, Access.ATOMIC: 2}.get(access, 1)
        for _ in range(count):
            v = self.pick(targets)
            assigns[v] = self.stored(v, readable)
        if self.ghosts and self.chance(15):
            assigns[self.ghosts[0]] = self.value(self.ghosts[0].type, readable)
        locked = access in (Access.LOCKED, Access.FENCE, Access.ATOMIC)
        drains = buffers and self.chance(85 if locked else 5)
        late = {v.unit for v in assigns if v.role is Role.MEMORY} if buffers and not drains else set()
        guard = self.formula(readable) if self.chance(30) else TRUE
        events = ()
        if self.chance(40):
            events = (Event(self.pick(EVENTS), (self.leaf(SMALL, self.pick((readable, self.shared))),)),)
        index = len(self.edges)
        self.edges.append(Edge(
            index, process, src, dst, guard, tuple(assigns.items()), access, drains,
            frozenset(late), events, fair, Span("random.py", index + 1), "f", ("f",), f"statement {index}",
        ))

    # -- properties -----------------------------------------------------------------------------------------------

    def watched(self) -> Expr:
        """A formula over a state, which may look at locations and store buffers."""
        seen = self.formula(self.shared + self.ghosts + self.locals)
        if self.chance(30):
            p = self.pick(self.processes)
            place = self.random.randint(0, len(p.locations) - 1)
            seen = x.or_(seen, x.not_(x.eq(x.var(p.pc), x.integer(place))))
        if self.chance(20):
            seen = x.or_(seen, x.empty(self.random.randint(0, self.cpus - 1)))
        return seen

    def happened(self) -> Expr:
        return x.occurs(self.pick(EVENTS), x.integer(self.random.randint(0, 2)))

    def step_formula(self) -> Expr:
        changed = self.pick(self.shared + self.ghosts)
        kept = x.eq(x.var(changed), x.old(changed))
        return x.or_(kept, self.happened() if self.chance(50) else self.formula(self.shared, 1))

    def properties(self) -> tuple[Property, ...]:
        return (
            Property("I", "I", Form.INVARIANT, x.or_(self.watched(), self.watched())),
            Property("J", "J", Form.INVARIANT, x.or_(self.watched(), self.watched(), self.watched())),
            Property("S", "S", Form.STEP, self.step_formula()),
            Property("L", "L", Form.RECURRENCE, self.watched(), self.happened()),
            Property("W", "W", Form.REACHABLE, x.not_(x.or_(self.watched(), self.watched()))),
            Property("V", "V", Form.REACHABLE_STEP, x.not_(self.step_formula())),
        )


def build(seed: int, memory: Memory, processes: int, places: int) -> System:
    """The system of a seed: processes of at most that many locations."""
    random = Random(seed)
    b = Builder(random, memory, random.randint(1, 3), random.randint(1, 2) if memory is Memory.TSO else 0, places)
    unit = 0
    for i, t in enumerate(random.choices(TYPES, k=random.randint(2, 4))):
        unit += 0 if i and b.chance(25) else 1               # some variables share a unit with the one before
        init = random.randint(t.lo, t.hi) if t.kind is Kind.INT else 0
        b.shared.append(Var(f"m{i}", t, init, Role.MEMORY, -1, unit))
    if b.chance(25):
        b.ghosts.append(Var("ghost", b.pick(TYPES), 0, Role.GHOST))
    for index in range(processes):
        b.process(index)
    variables = (*b.shared, *b.ghosts, *b.locals, *(p.pc for p in b.processes))
    return System(
        f"random {seed}", memory, False, variables, tuple(b.processes), tuple(b.edges), b.properties(), b.cpus, b.depth,
    )


def systems(memory: Memory) -> st.SearchStrategy[System]:
    """Random annotated systems.  Hypothesis draws the size and a seed: choices drawn one by one are mostly dull."""
    return st.builds(build, st.integers(0, 2**40), st.just(memory), st.integers(2, 3), st.integers(3, 4))
