# SPDX-License-Identifier: GPL-2.0-or-later
"""What a formula over two interchangeable processes says of any number of them.

`A(0) or A(1)` is read as "some member", `A(0) and A(1)` as "every member"; only if both halves are the same formula but
for the member.  Everything else that mentions a member is refused: it tells members apart, or counts them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Protocol, cast

from lostirq.errors import UsageError
from lostirq.ir.expr import (
    FALSE,
    Expr,
    Kind,
    Op,
    Type,
    Var,
    and_,
    const,
    eq,
    integer,
    not_,
    old,
    or_,
    postorder,
    rebuild,
    substitute,
    var,
    variables,
)


class Refused(UsageError):
    """The set cannot be replaced by a crowd; the message says why."""


class Posts(Protocol):
    """The local states of one location of a member (`lostirq.symbolic.crowd.Place`)."""

    @property
    def location(self) -> int: ...
    @property
    def live(self) -> tuple[Var, ...]: ...
    @property
    def flags(self) -> Var: ...
    @property
    def posts(self) -> tuple[tuple[int, ...], ...]: ...
    def occupied(self, flags: Expr, post: Expr) -> Expr: ...


def at(e: Expr, pc: Var, location: int, values: Mapping[Var, int]) -> Expr:
    """An expression with a member at a location, and with these values of its locals."""

    def leaf(node: Expr) -> Expr | None:
        if node.op not in (Op.VAR, Op.OLD):
            return None
        v = cast(Var, node.payload)
        if v == pc:
            return const(location, pc.type)
        return const(values[v], v.type) if v in values else None

    return substitute(e, leaf)


@dataclass(frozen=True, slots=True)
class Reader:
    """`twin`: the variables of the second member -> those of the first; `pc`: of the first."""

    pc: Var
    twin: Mapping[Var, Var]
    places: tuple[Posts, ...]

    def read(self, e: Expr, name: str) -> Expr:
        """The formula over the flags.  Raises `Refused`; `name`: of the property, for its message."""
        who = self._who([e])
        if not who:
            return e
        if e.op is Op.NOT:
            return not_(self.read(e.args[0], name))
        if e.op in (Op.AND, Op.OR):
            return self._junction(e, name)
        telling = [a for a in e.args if self._who([a])]
        if who == {0, 1} and telling and all(a.type.kind is Kind.BOOL for a in (e, *telling)):
            return rebuild(e, [self.read(a, name) for a in e.args])
        raise Refused(f"{name} tells the processes of a set apart, or counts them")

    def _who(self, e: Iterable[Expr]) -> set[int]:
        """The members that expressions mention."""
        found = variables(e)
        first = set(self.twin.values())
        return {0 for v in found if v in first} | {1 for v in found if v in self.twin}

    def _junction(self, e: Expr, name: str) -> Expr:
        build: Callable[..., Expr] = and_ if e.op is Op.AND else or_
        mine = [a for a in e.args if self._who([a]) == {0}]
        theirs = [a for a in e.args if self._who([a]) == {1}]
        rest = [self.read(a, name) for a in e.args if self._who([a]) in (set(), {0, 1})]
        if not mine and not theirs:
            return build(*rest)
        if {substitute(a, self._first) for a in theirs} != set(mine):
            raise Refused(f"{name} tells the processes of a set apart, or counts them")
        part = build(*mine)
        some = self.some(part, name) if e.op is Op.OR else not_(self.some(not_(part), name))
        return build(*rest, some)

    def _first(self, node: Expr) -> Expr | None:
        v = self.twin.get(node.payload) if node.op in (Op.VAR, Op.OLD) else None  # type: ignore[call-overload]  # a Var
        return None if v is None else old(v) if node.op is Op.OLD else var(v)

    def some(self, e: Expr, name: str) -> Expr:
        """Somebody is at a post at which the formula over the first member holds."""
        before = {n.op for n in _leaves(e) if n.payload in set(self.twin.values())}
        if before == {Op.VAR, Op.OLD}:
            raise Refused(f"{name} compares what a process was with what it is")
        flags = old if before == {Op.OLD} else var
        found: list[Expr] = []
        for place in self.places:
            here = at(e, self.pc, place.location, {})
            if here is FALSE:
                continue
            if not any(v in place.live for v in variables([here])):
                found.append(and_(here, nonempty(flags(place.flags), place.flags.type)))
                continue
            for k, post in enumerate(place.posts):
                told = at(here, self.pc, place.location, dict(zip(place.live, post, strict=True)))
                found.append(and_(told, place.occupied(flags(place.flags), integer(k))))
        return or_(*found)


def nonempty(flags: Expr, type_: Type) -> Expr:
    """Some flag is set."""
    return flags if type_.kind is Kind.BOOL else not_(eq(flags, const(0, type_)))


def _leaves(e: Expr) -> list[Expr]:
    return [n for n in postorder([e]) if n.op in (Op.VAR, Op.OLD)]
