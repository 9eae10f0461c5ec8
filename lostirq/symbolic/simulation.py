# SPDX-License-Identifier: GPL-2.0-or-later
"""Is a crowd what it claims to be?  The claim of `lostirq.symbolic.crowd`, checked by a solver, part by part.

Let F be the flags of the state before a step, such that exactly the posts of members are set.  Checked is
  start     the flags of the initial state are those of the initial post, all else is what it was;
  complete  wherever a member's step can be taken, from a post, so can its two edges of the crowd (one, if nothing else
            can be told from the flags: the one that keeps the flag needs another member there);
  effect    then all that is shared has the same values after both, no value is out of range in one only, and the flags
            are those of the members' posts after the step: compared bit by bit, at an unknown bit; the events are the
            same;
  others    the steps of all others are untouched, and look at no member;
  formulas  with two members, each property says of the flags what the original says of the members.
An answer other than unsatisfiable, time-outs included, is a failure.

The steps are compared as sets of posts (a bit is set iff ...), not as the words that the construction computes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import cast

import z3

from lostirq.ir.expr import (
    BOOL,
    TRUE,
    Expr,
    Kind,
    Op,
    Role,
    Var,
    and_,
    boolean,
    const,
    eq,
    implies,
    int_type,
    integer,
    is_const,
    ite,
    not_,
    old,
    or_,
    show,
    substitute,
    var,
    variables,
)
from lostirq.ir.system import Edge, Event
from lostirq.symbolic.crowd import Crowd, Place
from lostirq.symbolic.encode import Encoder, sort_of
from lostirq.symbolic.readings import at

RLIMIT = 20_000_000


@dataclass(frozen=True, slots=True)
class Simulation:
    """`failed`: what is not shown, in words; the claim stands if there is none.  `solved`: queries, `simplified`: what
    needed none."""

    failed: tuple[str, ...]
    simplified: int
    solved: int


def check_simulation(c: Crowd, rlimit: int = RLIMIT) -> Simulation:
    """All obligations of the claim."""
    failed: list[str] = []
    simplified = solved = 0
    encoder = Encoder(())
    for name, goal in _obligations(c):
        if goal is TRUE:
            simplified += 1
            continue
        solved += 1
        if not _valid(encoder, goal, rlimit):
            failed.append(name)
    return Simulation(tuple(failed), simplified, solved)


def _valid(encoder: Encoder, goal: Expr, rlimit: int) -> bool:
    """Is the goal always true?  The encoder is that of all goals: most of their terms are shared."""
    read = variables([goal])
    for v in read:
        encoder.symbols.setdefault(v, z3.Const(v.name, sort_of(v.type)))
    solver = z3.SolverFor("QF_BV")
    solver.set("rlimit", rlimit)
    solver.add(*encoder.in_range(read), z3.Not(encoder.term(goal)))
    return bool(solver.check() == z3.unsat)


def _obligations(c: Crowd) -> Iterator[tuple[str, Expr]]:
    yield from _start(c)
    yield from _steps(c)
    yield from _others(c)
    for p, q in zip(c.source.properties, c.system.properties, strict=True):
        yield f"formula {p.key}", _formula(c, p.formula, q.formula)
        if p.goal is not TRUE:
            yield f"goal {p.key}", _formula(c, p.goal, q.goal)


def _start(c: Crowd) -> Iterator[tuple[str, Expr]]:
    for place in c.places.values():
        mine = tuple(v.init for v in place.live)
        marks = (int(place.location == c.member.pc.init and post == mine) << k for k, post in enumerate(place.posts))
        yield f"start at {place.location}", boolean(place.flags.init == sum(marks))


    flags, there = {p.flags for p in c.places.values()}, {v.name: v for v in c.source.variables}
    crowd = c.system.processes[c.member.index]
    for v in (v for v in c.system.variables if v not in flags and v != crowd.pc):
        was = there.get(v.name)
        yield f"start of {v.name}", boolean(was is not None and (was.type, was.init) == (v.type, v.init))
    yield "the crowd may always step", boolean(crowd.runs is TRUE)


def _steps(c: Crowd) -> Iterator[tuple[str, Expr]]:
    rename = renaming(c)
    made: dict[tuple[int, tuple[int, ...], bool], Edge] = {}
    for index, (edge, post, keeps) in c.origin.items():
        made[edge.index, post, keeps] = c.system.edges[index]
    for e in (e for e in c.source.edges if e.process == c.member.index):
        for keeps in (True, False):
            posts = c.places[e.src].posts
            goals = (_step(c, e, post, keeps, made.get((e.index, post, keeps)), rename) for post in posts)
            yield f"step {e.index}, somebody {'else is left' if keeps else 'alone'}", and_(*goals)


def _step(c: Crowd, e: Edge, post: tuple[int, ...], keeps: bool, made: Edge | None,
          rename: Callable[[Expr], Expr]) -> Expr:
    """A step of a member from a post, beside the edge that stands for it; `keeps`: another member is there."""
    source = c.places[e.src]
    values = dict(zip(source.live, post, strict=True))
    own = {c.member.pc, *c.twin.values()}

    def here(x: Expr) -> Expr:
        return rename(at(x, c.member.pc, e.src, values))

    flag = source.occupied(var(source.flags), integer(source.posts.index(post)))
    taken = and_(here(and_(c.member.runs, e.guard)), flag)
    if made is None:
        return not_(taken)
    theirs = dict(made.assigns)
    there = {v.name: v for v in c.system.variables}
    shared = {there[v.name]: here(x) for v, x in e.assigns if v not in own and v.name in there}
    flags = {p.flags for p in c.places.values()}
    goals = [made.guard, _events(made.events, e.events, here)]
    for v in {**shared, **{w: x for w, x in theirs.items() if w not in flags}}:
        goals.append(_same(shared.get(v, var(v)), theirs.get(v, var(v))))
    after = {v: here(x) for v, x in e.assigns if v in own}
    goals += [_flags(p, c, e, source, post, keeps, after, theirs) for p in c.places.values() if p.flags in theirs]
    untouched = [p for p in c.places.values() if p.flags not in theirs]
    goals.append(boolean(all(p.location not in (e.src, e.dst) for p in untouched)))
    return implies(taken, and_(*goals))


def _events(made: Sequence[Event], original: Sequence[Event], here: Callable[[Expr], Expr]) -> Expr:
    """The same events, in the same order, with the same arguments."""
    if [(x.name, len(x.args)) for x in made] != [(x.name, len(x.args)) for x in original]:
        return boolean(False)
    pairs = zip((a for x in made for a in x.args), (a for x in original for a in x.args), strict=True)
    return and_(*(_same(a, here(b)) for a, b in pairs))


def _flags(place: Place, c: Crowd, e: Edge, source: Place, post: tuple[int, ...], keeps: bool,
           after: dict[Var, Expr], theirs: dict[Var, Expr]) -> Expr:
    """At an unknown post of a place: its flag is set iff a member is there after the step."""
    unknown = var(Var("a post", int_type(0, max(0, len(place.posts) - 1)), 0, Role.GHOST))
    before = place.occupied(var(place.flags), unknown)
    if place.location == e.src:
        left = eq(unknown, integer(source.posts.index(post)))
        before = or_(and_(before, not_(left)), and_(left, boolean(keeps)))
    arrives = []
    now = {v: const(x, v.type) for v, x in zip(source.live, post, strict=True)} | after
    if place.location == e.dst:
        known = tuple(cast(int, now[v].payload) for v in place.live if is_const(now[v]))
        posts = place.posts if len(known) < len(place.live) else (known,)
        for there in posts:
            k = place.posts.index(there)
            same = (eq(now[v], const(x, v.type)) for v, x in zip(place.live, there, strict=True))
            arrives.append(and_(eq(unknown, integer(k)), *same))
    expected = or_(before, *arrives)
    return _same(place.occupied(theirs[place.flags], unknown), expected)


def _same(a: Expr, b: Expr) -> Expr:
    """Equal, or equivalent."""
    return or_(and_(a, b), and_(not_(a), not_(b))) if a.type.kind is Kind.BOOL else eq(a, b)


def renaming(c: Crowd) -> Callable[[Expr], Expr]:
    """Expressions of the source over the variables of the crowd: the same but for the numbers of their owners."""
    there = {v.name: v for v in c.system.variables}
    memo: dict[Expr, Expr] = {}

    def leaf(node: Expr) -> Expr | None:
        if node.op not in (Op.VAR, Op.OLD):
            return None
        new = there.get(cast(Var, node.payload).name)
        return None if new is None else old(new) if node.op is Op.OLD else var(new)

    return lambda e: substitute(e, leaf, memo)


def _others(c: Crowd) -> Iterator[tuple[str, Expr]]:
    """All other edges, in order, are the same; so are the processes."""
    rename = renaming(c)
    members = {p.index for p in c.source.processes if p.symmetric == c.member.symmetric}
    theirs = [e for e in c.source.edges if e.process not in members]
    kept = [e for e in c.system.edges if e.index not in c.origin]
    yield "all other steps", boolean(len(theirs) == len(kept))
    there = {v.name: v for v in c.system.variables}
    for e, f in zip(theirs, kept, strict=False):
        p, q = c.source.processes[e.process], c.system.processes[f.process]
        same = p.name == q.name and (e.src, e.dst) == (f.src, f.dst)
        same = same and rename(e.guard) is f.guard and rename(p.runs) is q.runs
        same = same and _events(f.events, e.events, rename) is TRUE
        assigns = [(there[v.name], rename(x)) for v, x in e.assigns if v.name in there]
        same = same and len(assigns) == len(f.assigns)
        same = same and all(v == w and x is y for (v, x), (w, y) in zip(assigns, f.assigns, strict=True))
        yield f"step {e.index} of {p.name}", boolean(same)


def _formula(c: Crowd, original: Expr, made: Expr) -> Expr:
    """What two members make of the flags, put into the formula of the crowd, against the original."""
    second = {v: w for w, v in c.twin.items()}
    flags = {p.flags: p for p in c.places.values()}

    def other(node: Expr) -> Expr | None:
        return var(second[node.payload]) if node.op is Op.VAR and node.payload in second else None

    def leaf(node: Expr) -> Expr | None:
        place = flags.get(node.payload) if node.op in (Op.VAR, Op.OLD) else None  # type: ignore[call-overload]  # a Var
        if place is None:
            return None
        here = eq(var(c.member.pc), const(place.location, c.member.pc.type))
        found: Expr = const(0, place.flags.type)
        for who, post in ((here, place.number({})), (substitute(here, other), substitute(place.number({}), other))):
            found = ite(who, place.marked(found, post, True), found)
        return _before(found) if node.op is Op.OLD else found

    return _same(_plain(renaming(c)(original)), _plain(substitute(made, leaf)))


def _before(e: Expr) -> Expr:
    return substitute(e, lambda n: old(cast(Var, n.payload)) if n.op is Op.VAR else None)


def _plain(e: Expr) -> Expr:
    """Values before the step, and events, as unknowns of their own."""

    def leaf(node: Expr) -> Expr | None:
        if node.op is Op.OLD:
            v = cast(Var, node.payload)
            return var(Var(f"{v.name} before", v.type, v.init, Role.GHOST))
        if node.op is Op.OCCURS:
            return var(Var(show(node), BOOL, 0, Role.GHOST))
        return None

    return substitute(e, leaf)
