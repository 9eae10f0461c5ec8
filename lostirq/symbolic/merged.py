# SPDX-License-Identifier: GPL-2.0-or-later
"""Edges that do the same with other data, as one symbolic step: the data are inputs, for a solver to choose.

Two edges belong together if they are of one process, lead from one location to another, and come from one statement:
`choose(Vector)` makes one edge per vector, an access to `word[vector / 64]` one per word.  Invariants: every member is
the step for some inputs, and every choice of inputs for which the step is enabled is a member (families are checked in
`lostirq.symbolic.families`; the choice among families is an input of its own).  Events take part: what a step property
hears is symbolic as well.  Edges that are no family, because a constant stands where none is sought, are taken by
sample: fewer data, but no wrong ones.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from lostirq.ir.expr import (
    FALSE,
    Expr,
    Kind,
    Op,
    Role,
    Var,
    and_,
    bits_type,
    const,
    eq,
    int_type,
    integer,
    ite,
    le,
    or_,
    substitute,
    var,
)
from lostirq.ir.system import Edge, System
from lostirq.symbolic.encode import enabled
from lostirq.symbolic.families import Family, families

SAMPLE = 8          # single edges of a group that are tried
Place = tuple[str, str, int, int, tuple[str, ...], str]    # process, file, line, column, functions, option taken
State = dict[Var, Expr]                                 # over inputs only
Heard = tuple[str, tuple[Expr, ...]]


def place_of(system: System, edge: Edge) -> Place:
    """Where in the text an edge comes from, whatever the sizes of the scenario are: numbers that were chosen are
    left out of the option taken."""
    process = system.processes[edge.process]
    option = ", ".join(word for word in edge.choice.split(", ") if not word.lstrip("-").isdecimal())
    return process.name, edge.span.file, edge.span.line, edge.span.column, edge.stack, option


@dataclass(frozen=True, slots=True)
class Group:
    """Edges of one process between two locations, from one place of the text.  The right-hand sides of the general
    edges go on, after the assignments, with the arguments of the events."""

    process: int
    dst: int
    place: Place
    families: tuple[Family, ...]
    heard: tuple[tuple[tuple[str, int], ...], ...]      # for each family: its events, name and number of arguments


@dataclass(frozen=True, slots=True)
class Taken:
    """A group that was taken in a symbolic run: `after` are the variables that it may change."""

    group: Group
    after: Mapping[Var, Expr]
    events: tuple[tuple[Expr, Heard], ...]              # each with the condition under which it occurs


def _event_var(k: int, type_kind: Kind) -> Var:
    return Var(f"argument {k} of the events of an edge", int_type(0, 0) if type_kind is Kind.INT else bits_type(1),
               0, Role.GHOST)


def _with_events(edge: Edge) -> Edge:
    """The edge with the arguments of its events as further assignments, so that they are generalised alike."""
    more = [a for event in edge.events for a in event.args]
    return replace(edge, assigns=(*edge.assigns, *((_event_var(k, a.type.kind), a) for k, a in enumerate(more))))


def groups_from(system: System) -> dict[tuple[int, int], list[Group]]:
    """The groups of each (process, location)."""
    found: dict[tuple[int, int], dict[tuple[object, ...], list[Edge]]] = {}
    for e in system.edges:
        key = e.dst, place_of(system, e)
        found.setdefault((e.process, e.src), {}).setdefault(key, []).append(e)
    return {at: [_group(system, members) for members in parts.values()] for at, parts in found.items()}


def _group(system: System, members: list[Edge]) -> Group:
    by_events: dict[tuple[tuple[str, int], ...], list[Edge]] = {}
    for e in members:
        by_events.setdefault(tuple((x.name, len(x.args)) for x in e.events), []).append(e)
    found: list[tuple[Family, tuple[tuple[str, int], ...]]] = []
    for heard, edges in by_events.items():
        found += [(f, heard) for f in _sample(families(map(_with_events, edges)))]
    return Group(members[0].process, members[0].dst, place_of(system, members[0]), tuple(f for f, _ in found),
                 tuple(h for _, h in found))


def _sample(found: list[Family]) -> list[Family]:
    """The families of several edges, and of single edges at most so many, evenly spaced."""
    single = [f for f in found if f.input is None]
    if len(single) <= SAMPLE:
        return found
    kept = {round(k * (len(single) - 1) / (SAMPLE - 1)) for k in range(SAMPLE)}
    return [f for f in found if f.input is not None] + [f for k, f in enumerate(single) if k in kept]


class Inputs:
    """The inputs of one step of a symbolic run, named by its number: equal runs have equal inputs."""

    def __init__(self, number: int) -> None:
        self.number = number
        self.made: list[Var] = []

    def fresh(self, lo: int, hi: int) -> Var:
        found = Var(f"input {self.number}.{len(self.made)}", int_type(lo, hi), lo, Role.GHOST)
        self.made.append(found)
        return found


@dataclass(frozen=True, slots=True)
class _Case:
    """One family with its inputs in place."""

    guard: Expr
    values: dict[Var, Expr]
    events: tuple[Heard, ...]


def step(system: System, state: State, group: Group, number: int) -> tuple[Expr, Taken] | None:
    """When the group can be taken from a symbolic state, as step `number` of a run, and what it does; None if it never
    can."""
    inputs = Inputs(number)
    cases = [c for k in range(len(group.families)) for c in [_case(system, state, group, k, inputs)] if c is not None]
    if not cases:
        return None
    tests = _selectors(len(cases), inputs)
    condition = or_(*(and_(t, c.guard) for t, c in zip(tests, cases, strict=True)))
    if condition is FALSE:
        return None
    after: dict[Var, Expr] = {}
    for v in dict.fromkeys(v for c in cases for v in c.values):
        value = state[v]
        for test, c in reversed(list(zip(tests, cases, strict=True))):
            value = ite(test, c.values.get(v, state[v]), value)
        after[v] = value
    pc = system.processes[group.process].pc
    after[pc] = const(group.dst, pc.type)
    events = tuple((t, e) for t, c in zip(tests, cases, strict=True) for e in c.events)
    return condition, Taken(group, after, events)


def _selectors(count: int, inputs: Inputs) -> list[Expr]:
    """One test per case; the last is what is left."""
    if count == 1:
        return [const(1, eq(integer(0), integer(0)).type)]
    chosen = var(inputs.fresh(0, count - 1))
    return [eq(chosen, integer(k)) for k in range(count)]


def _case(system: System, state: State, group: Group, number: int, inputs: Inputs) -> _Case | None:
    family = group.families[number]
    edge = family.general
    mapping: dict[Var, Expr] = dict(state)
    memo: dict[Expr, Expr] = {}
    limits: list[Expr] = []
    if family.input is not None:
        given = inputs.fresh(family.input.type.lo, family.input.type.hi)
        mapping[family.input] = var(given)

    def put(e: Expr) -> Expr:
        return substitute(e, lambda n: mapping.get(n.payload) if n.op is Op.VAR else None, memo)  # type: ignore[call-overload]  # a Var

    guard = put(enabled(system, edge))
    if guard is FALSE:
        return None
    plain = edge.assigns[: len(edge.assigns) - sum(n for _, n in group.heard[number])]
    values = {v: put(rhs) for v, rhs in plain}
    for v, value in values.items():
        if v.type.kind is Kind.INT and not v.type.lo <= value.type.lo <= value.type.hi <= v.type.hi:
            limits.append(and_(le(integer(v.type.lo), value), le(value, integer(v.type.hi))))
    rest = iter([put(rhs) for _, rhs in edge.assigns[len(plain):]])
    events = tuple((name, tuple(next(rest) for _ in range(size))) for name, size in group.heard[number])
    return _Case(and_(guard, *limits), values, events)
