# SPDX-License-Identifier: GPL-2.0-or-later
"""Explicit-state search over resumable programs on an SC or TSO memory, for the hand-written oracle.

Deliberately shares nothing with the package under test: a program is a Python generator that yields one `Op` for each
atomic step.  A generator cannot be copied, so a program's place is the list of answers its steps have given; it is run
again from its start to find the next step (memoised).  Answers should therefore say no more than the program needs:
`view` cuts them down, `Call` runs a program of its own and keeps only what it returns, returning `Go` forgets them all.

Invariants: a program touches shared state through ops alone, and is a pure function of its arguments and answers.  A
state is bad (`lost`) when no move that must happen is left and something accepted was not delivered; moves marked
optional (the guest executes HLT, a preemption, ...) do not rescue anybody.

References: P. Sewell et al., "x86-TSO: a rigorous and usable programmer's model for x86 multiprocessors", CACM, 2010.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Hashable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

BLOCKED = object()                               # answer of a step that cannot be taken now
RESUME = object()                                # returned by a program that interrupted another
V = 0                                            # the agent that is the vCPU thread

Frame = tuple[str, tuple[Hashable, ...], tuple[Hashable, ...]]
Stack = tuple[Frame, ...]
Buffer = tuple[tuple[str, Hashable], ...]
State = tuple[tuple[Hashable, ...], tuple[Buffer, ...], tuple[Stack, ...]]
Alternatives = Callable[["World"], Iterable[tuple[Hashable, bool]]]
Act = Callable[["World", int, Hashable], Hashable]
Program = Generator["Op | Call", Hashable, Hashable]


class World:
    """A state being modified: shared memory, one FIFO store buffer and one stack of programs per agent."""

    __slots__ = ("places", "memory", "buffers", "stacks", "tso")

    def __init__(
        self, places: dict[str, int], memory: list, buffers: list[Buffer], stacks: list[Stack], tso: bool
    ) -> None:
        self.places, self.memory, self.buffers, self.stacks, self.tso = places, memory, buffers, stacks, tso

    def __getitem__(self, name: str) -> Any:
        return self.memory[self.places[name]]

    def __setitem__(self, name: str, value: Hashable) -> None:
        self.memory[self.places[name]] = value

    def set(self, **values: Hashable) -> None:
        for name, value in values.items():
            self[name] = value

    def load(self, agent: int, name: str) -> Hashable:
        """What `agent` reads: its own youngest buffered store, else memory."""
        for stored, value in reversed(self.buffers[agent]):
            if stored == name:
                return value
        return self[name]

    def store(self, agent: int, name: str, value: Hashable) -> None:
        if self.tso:
            self.buffers[agent] += ((name, value),)
        else:
            self[name] = value

    def copy(self) -> World:
        return World(self.places, self.memory.copy(), self.buffers.copy(), self.stacks.copy(), self.tso)

    def freeze(self) -> State:
        return tuple(self.memory), tuple(self.buffers), tuple(self.stacks)


@dataclass(frozen=True, slots=True)
class Op:
    """One atomic step.  `act` returns the answer, or BLOCKED; a fence waits until the agent's buffer is empty.

    `alternatives` lists (value, optional) pairs, one successor for each.  A private op touches nothing that another
    agent reads, and runs together with the step before it.
    """

    label: str
    act: Act
    fence: bool = False
    alternatives: Alternatives | None = None
    private: bool = False


class Call(NamedTuple):
    """Runs a program to its end; the answer is what it returns."""

    name: str
    arguments: tuple[Hashable, ...] = ()


class Go(NamedTuple):
    """Returned by a program to be replaced by another."""

    name: str
    arguments: tuple[Hashable, ...] = ()


def ld(name: str, view: Callable = lambda value: value) -> Op:
    return Op(f"LD {name}", lambda w, me, _: view(w.load(me, name)))


def st(name: str, value: Hashable, also: Callable[[World], object] | None = None) -> Op:
    def act(w: World, me: int, _: Hashable) -> Hashable:
        w.store(me, name, value)
        if also:
            also(w)
        return None
    return Op(f"ST {name}={value}", act)


def rmw(label: str, name: str, update: Callable, view: Callable, also: Callable[[World], object] | None = None) -> Op:
    """A locked read-modify-write; answers a view of the old value."""
    def act(w: World, me: int, _: Hashable) -> Hashable:
        old = w[name]
        w[name] = update(old)
        if also:
            also(w)
        return view(old)
    return Op(f"RMW {label}", act, fence=True)


def mb(label: str) -> Op:
    return Op(f"MB {label}", lambda w, me, _: None, fence=True)


def do(label: str, act: Callable[[World], Hashable], fence: bool = False) -> Op:
    return Op(label, lambda w, me, _: act(w), fence)


def private(act: Callable[[World], Hashable]) -> Op:
    return Op("", lambda w, me, _: act(w), private=True)


class Machine(Protocol):
    """A system of programs.  `environment` lists the moves that belong to no program, as (label, optional, world)."""

    tso: bool
    agents: tuple[str, ...]

    def initial(self) -> World: ...
    def environment(self, here: World) -> Iterator[tuple[str, bool, World]]: ...
    def owed(self, world: World) -> bool: ...
    def at_rest(self, world: World) -> bool: ...
    def error(self, world: World) -> str | None: ...


@dataclass(frozen=True, slots=True)
class Outcome:
    """`status` is safe, lost, deadlock, livelock, unknown (state limit) or what `Machine.error` says."""

    status: str
    states: int
    trace: tuple[str, ...] = ()

    @property
    def length(self) -> int | None:
        return len(self.trace) if self.status not in ("safe", "unknown", "livelock") else None


class Search:
    """Breadth-first, so that the trace of the first bad state is a shortest one."""

    def __init__(self, machine: Machine) -> None:
        self.machine = machine
        self.steps: dict[Frame, Hashable] = {}
        self.names = machine.initial().places

    def resume(self, frame: Frame) -> Hashable:
        """The next op of a program, or what it returned."""
        if frame not in self.steps:
            name, arguments, answers = frame
            program = getattr(self.machine, name)(*arguments)
            try:
                op = next(program)
                for answer in answers:
                    op = program.send(answer)
                self.steps[frame] = op
            except StopIteration as stop:
                self.steps[frame] = stop.value
        return self.steps[frame]

    def settle(self, world: World, agent: int) -> None:
        """Run private steps, returns and tail calls until the agent stands before an op that others may see."""
        stack = world.stacks[agent]
        while stack:
            place = self.resume(stack[-1])
            if isinstance(place, Op):
                if not place.private:
                    break
                stack = answered(stack, place.act(world, agent, None))
            elif isinstance(place, Call):
                stack += ((place.name, place.arguments, ()),)
            elif isinstance(place, Go):
                stack = (*stack[:-1], (place.name, place.arguments, ()))
            else:
                stack = stack[:-1]
                if stack and place is not RESUME:
                    stack = answered(stack, place)
        world.stacks[agent] = stack

    def thaw(self, state: State) -> World:
        return World(self.names, list(state[0]), list(state[1]), list(state[2]), self.machine.tso)

    def successors(self, here: World) -> Iterator[tuple[str, bool, State]]:
        """All moves as (label, optional, next state): programs, buffer flushes, environment."""
        for agent, name in enumerate(self.machine.agents):
            if here.stacks[agent]:
                yield from self.program_moves(here, agent, name)
            if here.buffers[agent]:
                world = here.copy()
                stored, value = world.buffers[agent][0]
                world[stored] = value
                world.buffers[agent] = world.buffers[agent][1:]
                yield f"{name}: flush {stored}={value}", False, world.freeze()
        for label, optional, world in self.machine.environment(here):
            for agent in range(len(world.stacks)):
                self.settle(world, agent)
            yield label, optional, world.freeze()

    def program_moves(self, here: World, agent: int, name: str) -> Iterator[tuple[str, bool, State]]:
        op = self.resume(here.stacks[agent][-1])
        if not isinstance(op, Op):
            raise TypeError(f"{here.stacks[agent][-1]} stands at {op!r}, not at a step")
        if op.fence and here.buffers[agent]:
            return
        for value, optional in ((None, False),) if op.alternatives is None else op.alternatives(here):
            world = here.copy()
            answer = op.act(world, agent, value)
            if answer is BLOCKED:
                continue
            world.stacks[agent] = answered(world.stacks[agent], answer)
            self.settle(world, agent)
            yield f"{name}: {op.label}{'' if value is None else f' {value}'}", optional, world.freeze()

    def run(self, limit: int = 2_000_000) -> Outcome:
        start = self.machine.initial()
        for agent in range(len(start.stacks)):
            self.settle(start, agent)
        states = [start.freeze()]
        number = {states[0]: 0}
        parents: list[tuple[int, str]] = [(0, "")]
        forced_into: list[list[int]] = [[]]                      # by state, those with a move into it that must happen
        paid: list[int] = []
        here = 0
        while here < len(states):
            world = self.thaw(states[here])
            status, owed, forced = self.machine.error(world), self.machine.owed(world), False
            if not owed:
                paid.append(here)
            for label, optional, successor in () if status else self.successors(world):
                there = number.setdefault(successor, len(states))
                if there == len(states):
                    states.append(successor)
                    parents.append((here, label))
                    forced_into.append([])
                if not optional:
                    forced = True
                    forced_into[there].append(here)
            if status is None and not forced and (owed or not self.machine.at_rest(world)):
                status = "lost" if owed else "deadlock"
            if status is not None:
                return Outcome(status, len(states), trace(parents, here))
            if len(states) > limit:
                return Outcome("unknown", len(states))
            here += 1
        return Outcome("safe" if reaching(paid, forced_into) == len(states) else "livelock", len(states))


def reaching(paid: list[int], forced_into: list[list[int]]) -> int:
    """How many states have moves that must happen to one with nothing owed; the others can only spin."""
    reached, work = set(paid), list(paid)
    while work:
        fresh = [state for state in forced_into[work.pop()] if state not in reached]
        reached.update(fresh)
        work.extend(fresh)
    return len(reached)


def answered(stack: Stack, answer: Hashable) -> Stack:
    name, arguments, answers = stack[-1]
    return (*stack[:-1], (name, arguments, (*answers, answer)))


def trace(parents: list[tuple[int, str]], state: int) -> tuple[str, ...]:
    labels: list[str] = []
    while state:
        state, label = parents[state]
        labels.append(label)
    return tuple(reversed(labels))
