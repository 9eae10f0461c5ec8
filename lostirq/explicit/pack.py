# SPDX-License-Identifier: GPL-2.0-or-later
"""Packing of a state into 64-bit words: which bits hold which variable, at which location.

Without reductions every variable has bits of its own.  `dead` stores zero for a variable where it is dead.  `key`
gives no bits to what the location determines, and lets variables of one process share bits if never both are needed.
Interchangeable processes get chunks of the same inner layout: the chunks, sorted as numbers, are a canonical form.

Invariants: no field straddles a word; unused bits are zero; a variable that is not stored at a location reads as its
constant there, or as the lowest value of its type: always inside its type.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from lostirq.errors import UsageError
from lostirq.evidence.verdict import Reductions
from lostirq.explicit.flow import ProcessFlow, Touch
from lostirq.explicit.symmetry import SymmetricSet
from lostirq.ir.expr import Kind, Role, Var
from lostirq.ir.system import System

WORD = 64


@dataclass(frozen=True, slots=True)
class Slot:
    """`width` bits of word `word` from bit `shift`."""

    word: int
    shift: int
    width: int

    @property
    def mask(self) -> int:
        return (1 << self.width) - 1 << self.shift


@dataclass(frozen=True, slots=True)
class Field:
    """Where a variable is.  With `stored` None the slot always holds it; else only at those locations of process
    `process`, and elsewhere the value is `values[location]`.  Without a slot it is never stored."""

    var: Var
    slot: Slot | None
    process: int = -1
    stored: frozenset[int] | None = None
    values: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Shared:
    """A slot whose meaning depends on the location of `process`: the variable that it holds there, or None."""

    process: int
    slot: Slot
    occupant: tuple[Var | None, ...]


@dataclass(frozen=True, slots=True)
class Layout:
    """`members[s]` lists, for symmetric set s, the slots of each member, most significant first."""

    fields: dict[Var, Field]
    counters: tuple[Var, ...]
    shared: tuple[Shared, ...]
    members: tuple[tuple[tuple[Slot, ...], ...], ...]
    bits: int
    words: int

    def read(self, var: Var, state: Sequence[int]) -> int:
        """The value of a variable in a packed state."""
        f = self.fields[var]
        if f.stored is not None:
            at = self.read(self.counters[f.process], state) if f.process >= 0 else 0
            if at not in f.stored:
                return f.values[at]
        assert f.slot is not None
        return (state[f.slot.word] >> f.slot.shift & (1 << f.slot.width) - 1) + lowest(var)

    def pack(self, values: dict[Var, int]) -> tuple[int, ...]:
        """The state with these values; what is not stored at the locations is dropped."""
        words = [0] * self.words
        for v, f in self.fields.items():
            if f.slot is not None and (f.stored is None or values[self.counters[f.process]] in f.stored):
                words[f.slot.word] |= values[v] - lowest(v) << f.slot.shift
        return tuple(words)


def merged(slots: tuple[Slot, ...]) -> list[Slot]:
    """Adjacent slots of one word as one."""
    out: list[Slot] = []
    for s in slots:
        if not s.width:
            continue
        last = out[-1] if out else None
        if last is not None and last.word == s.word and last.shift + last.width == s.shift:
            out[-1] = Slot(s.word, last.shift, last.width + s.width)
        else:
            out.append(s)
    return out


def lowest(var: Var) -> int:
    return var.type.lo if var.type.kind is Kind.INT else 0


@dataclass(frozen=True, slots=True)
class _Request:
    """Bits to be placed: variables with the locations at which they are stored (None: always)."""

    process: int
    tenants: tuple[tuple[Var, frozenset[int] | None], ...]

    @property
    def width(self) -> int:
        return max(v.type.bits for v, _ in self.tenants)


@dataclass(slots=True)
class _Wanted:
    """What layout() collects: requests for bits, and for variables that are not always stored (process, values)."""

    requests: list[_Request]
    elsewhere: dict[Var, tuple[int, tuple[int, ...]]]


def _want(wanted: _Wanted, flow: ProcessFlow, touch: Touch, public: frozenset[Var], reductions: Reductions,
          order: dict[Var, int]) -> None:
    """Requests for the variables that only one process writes, its program counter apart."""
    needs: list[tuple[Var, frozenset[int]]] = []
    everywhere = frozenset(range(len(flow.known)))
    for v in sorted(flow.owned, key=order.__getitem__):
        if v.role is Role.PC:
            continue
        unreached = {at for at in everywhere if flow.known[at] is None}
        dead = {at for at in everywhere if reductions.dead and v in flow.candidates and v not in flow.live[at]}
        fixed = {at for at in everywhere if v in (flow.known[at] or {})}
        values = tuple((flow.known[at] or {}).get(v, lowest(v)) for at in sorted(everywhere))
        if reductions.key:
            needed = everywhere - unreached - dead - fixed
            if v in public or touch.readers[v] - {flow.process} or needed == everywhere:
                if needed:
                    wanted.requests.append(_Request(flow.process, ((v, None if not dead else everywhere - dead),)))
                    wanted.elsewhere[v] = (flow.process, (lowest(v),) * len(values))
                    continue
            elif needed:
                needs.append((v, needed))
            wanted.elsewhere[v] = (flow.process, values)
        else:
            wanted.requests.append(_Request(flow.process, ((v, None if not dead else everywhere - dead),)))
            wanted.elsewhere[v] = (flow.process, (lowest(v),) * len(values))
    groups: list[list[tuple[Var, frozenset[int]]]] = []
    for v, needed in sorted(needs, key=lambda n: (-n[0].type.bits, order[n[0]])):
        home = next((g for g in groups if all(not needed & other for _, other in g)), None)
        if home is None:
            groups.append([(v, needed)])
        else:
            home.append((v, needed))
    wanted.requests += [_Request(flow.process, tuple(g)) for g in groups]


def _place(widths: list[list[int]]) -> tuple[list[list[tuple[int, int]]], int]:
    """First fit decreasing: each item (a list of widths that stay together in order) gets (word, shift) per width."""
    free: list[int] = []
    placed: list[list[tuple[int, int]]] = [[] for _ in widths]
    for i in sorted(range(len(widths)), key=lambda i: (-sum(widths[i]), i)):
        total = sum(widths[i])
        word = next((w for w, room in enumerate(free) if room >= total), None)
        if word is None:
            word = len(free)
            free.append(WORD)
        shift = WORD - free[word]
        free[word] -= total
        for width in widths[i]:
            placed[i].append((word, shift))
            shift += width
    return placed, max(1, len(free))


def _chunks(requests: list[int], widths: list[int]) -> list[list[int]]:
    """Requests cut into runs of at most a word."""
    out: list[list[int]] = []
    room = 0
    for r, width in zip(requests, widths, strict=True):
        if not out or width > room:
            out.append([])
            room = WORD
        out[-1].append(r)
        room -= width
    return out


def layout(system: System, touch: Touch, flows: tuple[ProcessFlow, ...], sets: tuple[SymmetricSet, ...],
           public: frozenset[Var], reductions: Reductions) -> Layout:
    """The layout of a flat system.  `public`: variables that are looked at in every state, wherever their
    process is; they get bits of their own, so that reading them needs no look at the location."""
    order = {v: i for i, v in enumerate(system.variables)}
    wanted = _Wanted([_Request(-1, ((p.pc, None),)) for p in system.processes], {})
    for flow in flows:
        _want(wanted, flow, touch, public, reductions, order)
    single = frozenset(v for flow in flows for v in flow.owned)
    for v in system.variables:
        if v in single:
            continue
        if reductions.key and not touch.writers[v]:
            wanted.elsewhere[v] = (-1, (v.init,))
        else:
            wanted.requests.append(_Request(-1, ((v, None),)))
    requests = wanted.requests
    for r in requests:
        if r.width > WORD:
            raise UsageError(f"{r.tenants[0][0].name}: the explicit engines pack at most {WORD} bits per variable")
    items, groups = _items(requests, sets)
    placed, words = _place([[requests[r].width for r in item] for item in items])
    slot_of = {
        r: Slot(w, s, requests[r].width)
        for item, at in zip(items, placed, strict=True) for r, (w, s) in zip(item, at, strict=True)
    }
    members = tuple(tuple(tuple(slot_of[r] for r in m) for m in group) for group in groups)
    return _finish(system, wanted, slot_of, members, words)


def _items(requests: list[_Request], sets: tuple[SymmetricSet, ...]) -> tuple[list[list[int]], list[list[list[int]]]]:
    """What is placed together, and for each symmetric set the requests of each member in corresponding order."""
    tenant_of = {r.tenants: i for i, r in enumerate(requests)}
    items: list[list[int]] = []
    groups: list[list[list[int]]] = []
    taken: set[int] = set()
    for s in sets:
        first = set(s.variables[0])
        base = [i for i, r in enumerate(requests) if r.tenants[0][0] in first]
        group = []
        for member in s.variables:
            to = dict(zip(s.variables[0], member, strict=True))
            images = [tenant_of.get(tuple((to[v], at) for v, at in requests[i].tenants)) for i in base]
            if None in images:
                raise SymmetryLost
            group.append([i for i in images if i is not None])
        groups.append(group)
        for mine in group:
            taken |= set(mine)
            items += _chunks(mine, [requests[i].width for i in mine])
    items += [[i] for i in range(len(requests)) if i not in taken]
    return items, groups


class SymmetryLost(Exception):
    """The analyses treat members of a symmetric set differently; the reduction cannot be used."""


def _finish(
    system: System, wanted: _Wanted, slot_of: dict[int, Slot], members: tuple[tuple[tuple[Slot, ...], ...], ...],
    words: int,
) -> Layout:
    fields: dict[Var, Field] = {}
    shared: list[Shared] = []
    for i, r in enumerate(wanted.requests):
        for v, at in r.tenants:
            conditional = (r.process, at, wanted.elsewhere[v][1]) if at is not None else ()
            fields[v] = Field(v, slot_of[i], *conditional)
        if any(at is not None for _, at in r.tenants):
            size = len(system.processes[r.process].locations)
            stored = [(v, at) for v, at in r.tenants if at is not None]
            occupant = tuple(next((v for v, at in stored if here in at), None) for here in range(size))
            shared.append(Shared(r.process, slot_of[i], occupant))
    for v, (process, values) in wanted.elsewhere.items():
        if v not in fields:
            fields[v] = Field(v, None, process, frozenset(), values)
    bits = sum(s.width for s in slot_of.values())
    counters = tuple(p.pc for p in system.processes)
    return Layout({v: fields[v] for v in system.variables}, counters, tuple(shared), members, bits, words)
