# SPDX-License-Identifier: GPL-2.0-or-later
"""Lemmas about what a process alone writes: which of its variables are equal, or constant, at which location.

The code copies: `new = old; new.nv = WAKEUP`.  It sets and resets: interrupts are off here and on there.  That the
copies still agree, some locations later, is needed by proofs and is never worth a lemma by hand.  A forward analysis
finds it: optimistic, by congruence of the expressions that were assigned, over one process at a time.  Only its own
steps change locals, and memory that nobody else writes, so that nobody can interfere.  A set of bits that the code
cuts into words is looked at word by word.

What is found is only *proposed*: `lostirq.symbolic.induction` proves it along with the rest.

References: Alpern, Wegman and Zadeck 1988, "Detecting equality of variables in programs"; Kildall 1973, "A unified
approach to global program optimization".
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import cast

from lostirq.ir.expr import (
    FALSE,
    TRUE,
    Expr,
    Kind,
    Op,
    Role,
    Var,
    and_,
    bits_type,
    bnot,
    boolean,
    concat,
    const,
    eq,
    extract,
    fold,
    implies,
    in_set,
    integer,
    is_const,
    ite,
    not_,
    postorder,
    rebuild,
    value_of,
    var,
)
from lostirq.ir.system import Edge, Process, System
from lostirq.symbolic.encode import conjuncts_of
from lostirq.symbolic.outcome import Conjunct
from lostirq.symbolic.rewrite import Rewriter

Facts = dict[Expr, Expr]  # a variable, or a part of one -> a constant, or the first that it is equal to; none alone

Given = dict[int, Facts]


def _normal(e: Expr) -> Expr:
    """Constants of one value as one expression, whatever range they were typed with."""
    return integer(value_of(e)) if is_const(e) and e.type.kind is Kind.INT else e


def _learnt(guard: Expr) -> Facts:
    """What a guard says of single variables and parts."""
    found: Facts = {}
    for part in conjuncts_of(guard):
        negated = part.op is Op.NOT
        atom = part.args[0] if negated else part
        if atom.op is Op.VAR:
            found[atom] = boolean(not negated)
        elif not negated and _test(atom):
            found[atom.args[0]] = _normal(atom.args[1])
            if atom.args[0].op is Op.CONCAT and value_of(atom.args[1]) == 0:
                found.update({piece: const(0, piece.type) for piece in atom.args[0].args})
    return found


def _test(e: Expr | None) -> bool:
    """The expression compares with a constant."""
    return e is not None and e.op is Op.EQ and is_const(e.args[1])


def _cut(e: Expr) -> Expr:
    """The expression with parts taken where they come from."""

    def visit(node: Expr, args: list[Expr]) -> Expr:
        if node.op is Op.EXTRACT:
            return part_of(args[0], *cast(tuple[int, int], node.payload))
        return rebuild(node, args) if args else node

    return fold(e, visit)


def _cuts(system: System) -> dict[int, tuple[tuple[int, int], ...]]:
    """By width of a set of bits: the parts (low, width) between the places where the code cuts such sets.  What
    a store buffer holds is cut by its lowering alone."""
    found: dict[int, set[int]] = {}
    for node in postorder(system.expressions()):
        if node.op is Op.EXTRACT and getattr(node.args[0].payload, "role", None) is not Role.BUFFER:
            low, width = cast(tuple[int, int], node.payload)
            found.setdefault(node.args[0].type.width, {0, node.args[0].type.width}).update((low, low + width))
    cuts = {width: sorted(places) for width, places in found.items()}
    return {w: tuple((a, b - a) for a, b in zip(places, places[1:], strict=False)) for w, places in cuts.items()}


def part_of(e: Expr, low: int, width: int) -> Expr:
    """Bits `low` and up of a set, with what makes it up cut instead of the whole."""
    if low == 0 and width == e.type.width and e.op is not Op.EXTRACT:
        return e
    if e.op is Op.EXTRACT:
        first = low + cast(tuple[int, int], e.payload)[0]
        return extract(e.args[0], first, width) if e.args[0].op is Op.VAR else part_of(e.args[0], first, width)
    if e.op is Op.CONCAT:
        return _piece(e.args, low, width)
    if e.op is Op.ITE:
        test, then, other = e.args[0], part_of(e.args[1], low, width), part_of(e.args[2], low, width)
        if _test(test) and test.args[0] is then:
            then = const(value_of(test.args[1]), then.type)
        return ite(test, then, other)
    if e.op in (Op.BAND, Op.BOR, Op.BXOR):
        a, b = (part_of(x, low, width) for x in e.args)
        absent = e.op is Op.BAND and (a is bnot(b) or b is bnot(a))
        return const(0, a.type) if absent else rebuild(e, [a, b])
    return bnot(part_of(e.args[0], low, width)) if e.op is Op.BNOT else extract(e, low, width)


def _piece(args: tuple[Expr, ...], low: int, width: int) -> Expr:
    """A part of a concatenation."""
    pieces: list[Expr] = []
    for arg in args:
        size = arg.type.width
        first, last = max(low, 0), min(low + width, size)
        if first < last:
            pieces.append(part_of(arg, first, last - first))
        low -= size
    return concat(*pieces)


def own_variables(system: System, process: Process) -> list[Var]:
    """The locals of a process, and the memory that nobody else writes: it is as good as local."""
    mine = {v for e in system.edges if e.process == process.index for v, _ in e.assigns}
    others = {v for e in system.edges if e.process != process.index for v, _ in e.assigns}
    memory = {v for v in mine - others if v.role in (Role.MEMORY, Role.GHOST)}
    return [v for v in system.variables if v.role is Role.LOCAL and v.owner == process.index or v in memory]


class _Analysis:
    """The fixpoint for one process, over the variables, or parts of them, that are live at each location."""

    def __init__(
        self, system: System, process: Process, rewriter: Rewriter, given: Given, shields: Mapping[Var, Expr]
    ) -> None:
        self.locals = [*own_variables(system, process), *shields]
        self.rewriter = rewriter
        cuts = _cuts(system)
        self.units = sorted({width for parts in cuts.values() for _, width in parts})
        self.parts = {v: self._parts(v, cuts) for v in self.locals}
        self.leaving: dict[int, list[Edge]] = {}
        for e in system.edges:
            if e.process == process.index:
                self.leaving.setdefault(e.src, []).append(e)
        self.live = self._live()
        self.guards = {e: _cut(e.guard) for edges in self.leaving.values() for e in edges}
        start = process.pc.init
        initial = {s: x for v in self.live.get(start, ()) for s, x in self._divided(v, const(v.init, v.type))}
        self.given = {place: self._assumed(facts) for place, facts in given.items()}
        self.shields = {s: shields[v] for v in shields for s, _, _ in self.parts[v]}
        initial = {s: x for s, x in initial.items() if s not in self.shields}
        self.facts: dict[int, Facts] = {start: initial | self.given.get(start, {})}
        work = {start: None}
        while work:
            here = next(iter(work))
            del work[here]
            for e in self.leaving.get(here, ()):
                values = self._through(e, self.facts[here])
                if values is not None and self._meet(e.dst, values):
                    work[e.dst] = None

    @staticmethod
    def _parts(v: Var, cuts: dict[int, tuple[tuple[int, int], ...]]) -> tuple[tuple[Expr, int, int], ...]:
        """What is looked at of a variable: (symbol, low, width)."""
        places = cuts.get(v.type.width, ()) if v.type.kind is Kind.BITS else ()
        return tuple((extract(var(v), low, width), low, width) for low, width in places) or ((var(v), 0, v.type.width),)

    def _assumed(self, facts: Facts) -> Facts:
        """What is given of variables of the process, by symbol."""
        whole = {var(v): v for v in self.locals}
        return {s: x for e, value in facts.items() if e in whole for s, x in self._divided(whole[e], value)}

    def _divided(self, v: Var, value: Expr) -> list[tuple[Expr, Expr]]:
        """(symbol, value) of each part of a variable."""
        parts = self.parts[v]
        if v.type.kind is not Kind.BITS:
            return [(s, _normal(value)) for s, _, _ in parts]
        cut = _cut(value)
        return [(s, part_of(cut, low, width)) for s, low, width in parts]

    def _live(self) -> dict[int, tuple[Var, ...]]:
        """The locals whose value is still used, by location, and all memory."""
        memory = [v for v in self.locals if v.role is not Role.LOCAL]
        own = self.rewriter.mask_of(v for v in self.locals if v.role is Role.LOCAL)
        reads = {e: [(self.rewriter.mask_of([v]), self.rewriter.mask(rhs)) for v, rhs in e.assigns]
                 for edges in self.leaving.values() for e in edges}  # fmt: skip
        live: dict[int, int] = {}
        changed = True
        while changed:
            changed = False
            for place in sorted(self.leaving, reverse=True):
                needed = live.get(place, 0)
                for e in self.leaving[place]:
                    after = live.get(e.dst, 0)
                    needed |= self.rewriter.mask(e.guard)
                    for argument in (a for event in e.events for a in event.args):
                        needed |= self.rewriter.mask(argument)
                    for target, read in reads[e]:
                        if not target & own or after & target:
                            needed |= read
                    for target, _ in reads[e]:
                        after &= ~target
                    needed |= after
                if needed & own != live.get(place, 0):
                    live[place], changed = needed & own, True
        always = self.rewriter.mask_of(memory)
        places = dict.fromkeys([*self.leaving, *(e.dst for edges in self.leaving.values() for e in edges)])
        return {place: tuple(self.rewriter.members(live.get(place, 0) | always)) for place in places}

    def _through(self, edge: Edge, before: Facts) -> dict[Expr, Expr] | None:
        """The value after the edge of each symbol that is live then, over the state before; None if it never goes."""
        learnt = _learnt(self.guards[edge])
        empty = [e for e, value in learnt.items() if e.type.kind is Kind.BITS and value_of(value) == 0]
        learnt |= {part_of(e, low, unit): const(0, bits_type(unit)) for e in empty for unit in self.units
                   if e.type.width % unit == 0 for low in range(0, e.type.width, unit)}  # fmt: skip
        if any(is_const(before[s]) and before[s] is not value for s, value in learnt.items() if s in before):
            return None
        learnt |= {before[s]: x for s, x in learnt.items() if s in before and before[s].op in (Op.VAR, Op.EXTRACT)}
        known = before | learnt
        for s in [s for s, test in before.items() if _test(test) and known[s] is TRUE]:
            known[before[s].args[0]] = _normal(before[s].args[1])
        mapping = {v: concat(*values) if len(values) > 1 else values[0]
                   for v, parts in self.parts.items() for values in [[known.get(s, s) for s, _, _ in parts]]
                   if any(s in known for s, _, _ in parts)}  # fmt: skip
        memo: dict[Expr, Expr] = {}
        touched = self.rewriter.mask_of(mapping)
        if self.rewriter.replace(self.guards[edge], mapping, memo, touched) is FALSE:
            return None
        assigns = dict(edge.assigns)
        after: dict[Expr, Expr] = {}
        for v in self.live.get(edge.dst, ()):
            rhs = assigns.get(v)
            if rhs is None:
                after.update((s, known.get(s, s)) for s, _, _ in self.parts[v])
            else:
                divided = self._divided(v, self.rewriter.replace(rhs, mapping, memo, touched))
                after.update((s, learnt.get(x, x)) for s, x in divided)
        return after

    def _meet(self, place: int, values: dict[Expr, Expr]) -> bool:
        """Keep at a location what also holds for these values; whether that is less than before."""
        old = self.facts.get(place)
        groups: dict[tuple[Expr | None, Expr], Expr] = {}
        new: Facts = {}
        assumed = self.given.get(place, {})
        for s, value in values.items():
            if s in self.shields and not self._shielded(self.shields[s], values, old):
                continue
            if s in assumed:
                new[s] = assumed[s]
                continue
            key = (None if old is None else old.get(s, s), value)
            first = groups.setdefault(key, s)
            if is_const(value) and key[0] in (None, value):
                new[s] = value
            elif first is not s:
                new[s] = first
            elif s.type.kind is Kind.BOOL and not is_const(value):
                self._compare(s, value, groups, old, new)
        if old is not None:
            new.update({s: test for s, test in old.items() if s not in new and _test(test) and s in values
                        and is_const(values[s]) and is_const(values.get(test.args[0], s))
                        and eq(values[test.args[0]], test.args[1]) is values[s]})  # fmt: skip
        self.facts[place] = new
        return old is None or new != old


    @staticmethod
    def _shielded(shield: Expr, values: dict[Expr, Expr], old: Facts | None) -> bool:
        """The shield is up whenever the process is at the location."""
        return values.get(shield) is TRUE and (old is None or old.get(shield) is TRUE)

    @staticmethod
    def _compare(
        s: Expr, value: Expr, groups: dict[tuple[Expr | None, Expr], Expr], old: Facts | None, new: Facts
    ) -> None:
        """A bool that tells whether a variable has some value."""
        if old is not None and not _test(old.get(s)):
            return
        for (_, other), leader in groups.items():
            if _test(value) and other is value.args[0] and leader is not s:
                test = eq(leader, value.args[1])
                if old is None or old[s] is test:
                    new[s] = test
                return


def agreed(
    system: System,
    process: Process,
    rewriter: Rewriter,
    given: Given | None = None,
    shields: Mapping[Var, Expr] | None = None,
) -> dict[int, Facts]:
    """What the variables of the process, or parts of them, are equal to, by location: a constant, or another.  `given`:
    constants that lemmas give, by location.  `shields`: variables that others write as well, but not while the bool
    that is given with each is true; where the process has made it true, the variable is as good as its own."""
    return _Analysis(system, process, rewriter, given or {}, shields or {}).facts


def shields(
    system: System, process: Process, exclusions: Iterable[tuple[Expr, Expr]], known: Mapping[int, Given]
) -> dict[Var, Expr]:
    """The variables that others write only while a bool is true which excludes one of the process.  `exclusions`: pairs
    of bools that are never true together; `known`: what is known of the other processes."""
    pairs = [*exclusions]
    own = frozenset(own_variables(system, process))
    writers: dict[Var, list[Edge]] = {}
    for e in system.edges:
        for v, _ in e.assigns:
            writers.setdefault(v, []).append(e)
    found: dict[Var, Expr] = {}
    for v, edges in writers.items():
        others = [e for e in edges if e.process != process.index]
        if not others or len(others) == len(edges) or v.role not in (Role.MEMORY, Role.GHOST):
            continue
        for shield in (x for a, b in pairs for x, y in ((a, b), (b, a)) if x.payload in own
                       and all(known.get(e.process, {}).get(e.src, {}).get(y) is TRUE for e in others)):  # fmt: skip
            found[v] = shield
    return found


def agreements(
    system: System, process: Process, rewriter: Rewriter, known: dict[int, Facts] | None = None
) -> list[Conjunct]:
    """One conjunct per location of the process: what its variables agree on there."""
    found = agreed(system, process, rewriter) if known is None else known
    conjuncts: list[Conjunct] = []
    never = [i for i in range(len(process.locations)) if i not in found]
    if never:
        nowhere = not_(in_set(var(process.pc), never))
        conjuncts.append(Conjunct(f"locations of {process.name} that are not reached", nowhere))
    for place in sorted(found):
        facts = [eq(s, e) for s, e in found[place].items()]
        if facts:
            here = eq(var(process.pc), const(place, process.pc.type))
            conjuncts.append(Conjunct(f"locals of {process.name} at {place}", implies(here, and_(*facts))))
    return conjuncts
