# SPDX-License-Identifier: GPL-2.0-or-later
"""Certificates: what was proved of a flat system, as data that `lostirq.recheck` verifies on its own.

A certificate has the digest of the system with the properties proved, these properties, and the conjuncts of an
inductive invariant, as terms over named variables; no solver commands.  It is written for proofs only.  The system is
not part of it: it is compiled from the model again and handed to the checker beside it.

Lemmas survive a change of the model: variables go by their names, and a number that a program counter is compared with
goes by what is at that location (`places`).  A term that speaks of what is no longer there is left out, and named.

What the checker does not take for granted is added here: a field of a store buffer has as many values as its bits,
which can be more than its type; that a buffer holds only what was in range when it was stored is a conjunct like any
other.

Reference: lostirq/recheck/read.py describes both files.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import cast

from lostirq.ir import expr as x
from lostirq.ir.core import make
from lostirq.ir.digest import canonical, digest
from lostirq.ir.expr import (
    BOOL,
    FALSE,
    Expr,
    Kind,
    Op,
    Role,
    Var,
    bits_type,
    const,
    encode,
    extract,
    implies,
    in_set,
    int_type,
    integer,
    le,
    occurs,
    old,
    postorder,
    substitute,
    var,
)
from lostirq.ir.system import Process, Property, Sort, System
from lostirq.symbolic.outcome import Conjunct

Json = dict[str, object]
FORMAT = "lostirq certificate 1"
SYSTEM_FORMAT = "lostirq system 1"


class Vanished(Exception):
    """A term speaks of a variable or a location that the system does not have, or not with that type."""


def about(system: System, theorem: Iterable[Property]) -> System:
    """The system with no property but those of a theorem: what a certificate is pinned to."""
    return replace(system, properties=tuple(theorem))


def system_file(system: System, theorem: Iterable[Property]) -> str:
    """The text that `lostirq.recheck` reads as the system."""
    names = json.dumps([v.name for v in system.variables])
    return f'{{"format": "{SYSTEM_FORMAT}", "names": {names}, "system": {canonical(about(system, theorem))}}}\n'


class _Rows:
    """Terms by number, operands first."""

    def __init__(self) -> None:
        self.rows: list[list[object]] = []
        self._numbers: dict[Expr, int] = {}

    def number(self, root: Expr) -> int:
        for node in postorder([root]):
            if node not in self._numbers:
                self._numbers[node] = len(self.rows)
                self.rows.append([node.op.value, [self._numbers[a] for a in node.args], _data(node)])
        return self._numbers[root]


def _data(node: Expr) -> object:
    if node.op is Op.CONST:
        kind = node.type.kind
        return [node.type.width if kind is Kind.BITS else kind.value, node.payload]
    if node.op is Op.DECODE:
        return None if node.type.kind is Kind.BOOL else node.type.lo
    if isinstance(node.payload, Var):
        return node.payload.name
    return list(node.payload) if isinstance(node.payload, tuple) else node.payload


def certificate(
    system: System,
    theorem: Iterable[Property],
    conjuncts: Iterable[Conjunct],
    *,
    lemmas: Iterable[Property] = (),
    added: Iterable[str] = (),
    notes: Mapping[str, object] | None = None,
) -> Json:
    """The certificate of a proof, its keys in a fixed order.  `lemmas`: those by hand that the conjuncts were spread
    from; `added`: names of the conjuncts that neither they nor the system give; `notes`: where it comes from."""
    goals, invariant, rows = tuple(theorem), [*conjuncts], _Rows()
    names = {c.name for c in invariant}
    invariant += [c for c in buffered_ranges(system) if c.name not in names]
    return {
        "format": FORMAT,
        **(notes or {}),
        "system": digest(about(system, goals)),
        "counts": {"conjuncts": len(invariant), "transitions": len(system.edges)},
        "theorem": [[p.key, p.form.value, rows.number(p.formula)] for p in goals],
        "lemmas": [[p.key, list(p.windows), rows.number(p.formula)] for p in lemmas],
        "added": list(added),
        "conjuncts": [[c.name, rows.number(c.formula)] for c in invariant],
        "places": {p.pc.name: places(p) for p in system.processes if len(p.locations) > 1},
        "terms": rows.rows,
    }


def text(made: Json) -> str:
    """The bytes of a certificate: lists of lists one item a line, so that two versions can be compared."""
    parts = []
    for key, value in made.items():
        rows = isinstance(value, list) and any(isinstance(row, list) for row in value)
        shown = "[\n" + ",\n".join(_short(row) for row in cast(list[object], value)) + "\n]" if rows else _short(value)
        parts.append(f"{json.dumps(key)}: {shown}")
    return "{\n" + ",\n".join(parts) + "\n}\n"


def _short(value: object) -> str:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=True)


# -- what the checker does not take for granted -----------------------------------------------------------------------


def buffered_ranges(system: System) -> list[Conjunct]:
    """Whatever a store buffer holds for an int is in its range, for every slot.

    A flush assigns ite(tag of slot 0 = k, decode(bits of slot 0), ...), and moves the other slots up: the fact is this
    condition and the range, over the tag and the value of each slot."""
    found: list[Conjunct] = []
    for e in system.edges:
        if system.processes[e.process].sort is not Sort.BUFFER:
            continue
        held = [v for v, _ in e.assigns if v.role is Role.BUFFER]
        slots = list(zip(held[::2], held[1::2], strict=True))
        for v, rhs in e.assigns:
            if v.type.kind is not Kind.INT or rhs.op is not Op.ITE or rhs.args[1].op is not Op.DECODE:
                continue
            tested, decoded = rhs.args[:2]
            bits = decoded.args[0]
            top = v.type.lo + (1 << bits.type.width) - 1
            if top <= v.type.hi:
                continue
            wide = make(Op.DECODE, (bits,), None, int_type(v.type.lo, top))
            fact = implies(tested, le(wide, integer(v.type.hi)))
            for slot in slots:
                moved = _moved(fact, dict(zip(slots[0], slot, strict=True)))
                found.append(Conjunct(f"{slot[1].name} is in range for {v.name}", moved))
    return found


def _moved(fact: Expr, names: Mapping[Var, Var]) -> Expr:
    return substitute(fact, lambda leaf: var(names[cast(Var, leaf.payload)]) if leaf.payload in names else None)


# -- terms that survive a change of the model -------------------------------------------------------------------------


def places(process: Process) -> list[str]:
    """A name for each location of a process: what is there, numbered if there are several alike."""
    seen: dict[str, int] = {}
    found: list[str] = []
    for place in process.locations:
        label = f"{place.function}: {' '.join(place.text.split())[:60]}"
        seen[label] = seen.get(label, 0) + 1
        found.append(label if seen[label] == 1 else f"{label} ({seen[label]})")
    return found


@dataclass(frozen=True, slots=True)
class Read:
    """What a certificate says, over a system.  `vanished`: names that are left out, with the reason."""

    lemmas: tuple[tuple[str, tuple[str, ...], Expr], ...]
    added: tuple[Conjunct, ...]
    vanished: tuple[tuple[str, str], ...]


def read(data: Json, system: System) -> Read:
    """The lemmas and added conjuncts of a certificate, translated to a system that may have changed.  Raises
    `ValueError` if the data are no certificate."""
    try:
        return _read(cast(dict, data), system)  # type: ignore[type-arg]  # JSON, checked by use
    except (KeyError, TypeError, IndexError, AttributeError, AssertionError) as error:
        raise ValueError(f"not a certificate: {error!r}") from None


def _read(data: dict, system: System) -> Read:  # type: ignore[type-arg]  # JSON
    if data["format"] != FORMAT:
        raise ValueError(f"format {data['format']!r} is not {FORMAT!r}")
    table = _Translation(data, system)
    vanished: list[tuple[str, str]] = []
    lemmas: list[tuple[str, tuple[str, ...], Expr]] = []
    added: list[Conjunct] = []
    for key, windows, number in data["lemmas"]:
        try:
            lemmas.append((key, tuple(windows), table.term(number)))
        except Vanished as error:
            vanished.append((key, str(error)))
    wanted = frozenset(data["added"])
    for name, number in data["conjuncts"]:
        try:
            if name in wanted:
                added.append(Conjunct(name, table.term(number)))
        except Vanished as error:
            vanished.append((name, str(error)))
    return Read(tuple(lemmas), tuple(added), tuple(vanished))


@dataclass(frozen=True, slots=True)
class Whole:
    """All that a certificate proves and rests on, over a system: its theorem (property, formula), its conjuncts."""

    theorem: tuple[Conjunct, ...]
    conjuncts: tuple[Conjunct, ...]
    vanished: tuple[tuple[str, str], ...]


def whole(data: Json, system: System) -> Whole:
    """The conjuncts of a certificate, also those that were spread over locations, translated to a system that may have
    changed.  Nobody is at a location that is gone: on the states of the system, and where all its locations were there
    before, they say what they said.  Raises `ValueError` if the data are no certificate."""
    vanished: list[tuple[str, str]] = []

    def over(rows: list[tuple[str, int]]) -> tuple[Conjunct, ...]:
        found = []
        for name, number in rows:
            try:
                found.append(Conjunct(name, table.term(number)))
            except Vanished as error:
                vanished.append((name, str(error)))
        return tuple(found)

    try:
        read_as = cast(dict, data)  # type: ignore[type-arg]  # JSON, checked by use
        table = _Translation(read_as, system, gone=FALSE)
        theorem = over([(key, number) for key, _, number in read_as["theorem"]])
        return Whole(theorem, over(read_as["conjuncts"]), tuple(vanished))
    except (KeyError, TypeError, IndexError, AttributeError, AssertionError) as error:
        raise ValueError(f"not a certificate: {error!r}") from None


class _Translation:
    """The terms of a certificate, over a system.  `gone`: what "at a location that is gone" becomes, if anything."""

    def __init__(self, data: dict, system: System, gone: Expr | None = None) -> None:  # type: ignore[type-arg]  # JSON
        self._gone = gone
        self._rows: list[list] = data["terms"]  # type: ignore[type-arg]  # JSON
        self._variables = {v.name: v for v in system.variables}
        self._old: dict[str, list[str]] = data["places"]
        self._new = {p.pc.name: {label: k for k, label in enumerate(places(p))} for p in system.processes}
        self._made: dict[int, Expr] = {}

    def term(self, root: int) -> Expr:
        stack = [root]
        while stack:
            number = stack[-1]
            if not all(0 <= a < number for a in self._rows[number][1]):
                raise ValueError(f"term {number} has an operand that does not come before it")
            missing = [a for a in self._rows[number][1] if a not in self._made]
            if missing:
                stack += missing
            else:
                self._made[stack.pop()] = self._node(number)
        return self._made[root]

    def _node(self, number: int) -> Expr:
        op, args, data = self._rows[number]
        operands = [self._made[a] for a in args]
        if op in ("var", "old"):
            if data not in self._variables:
                raise Vanished(f"there is no {data} any more")
            return (var if op == "var" else old)(self._variables[data])
        if op == "const":
            kind, value = data
            type_ = BOOL if kind == "bool" else int_type(value, value) if kind == "int" else bits_type(kind)
            return const(value, type_)
        if op == "occurs":
            return occurs(data, *operands)
        if op in ("=", "in"):
            try:
                operands, data = self._placed(args, operands, data)
            except Vanished:
                if self._gone is not None:
                    return self._gone
                raise
        elif isinstance(data, list):
            data = tuple(data)
        return _typed(Op(op), operands, data)

    def _placed(self, args: list[int], operands: list[Expr], data: object) -> tuple[list[Expr], object]:
        """The numbers of locations, as they are now."""
        of = next((self._rows[a][2] for a in args if self._rows[a][0] == "var" and self._rows[a][2] in self._old), None)
        if of is None:
            return operands, tuple(data) if isinstance(data, list) else data
        if isinstance(data, list):
            # A set of locations without those that are gone; new ones are not in it.
            labels = (self._old[of][n] for n in data)
            return operands, tuple(sorted(self._new[of][n] for n in labels if n in self._new[of]))
        return [self._location(of, e) if e.op is Op.CONST else e for e in operands], data

    def _location(self, counter: str, number: Expr) -> Expr:
        label = self._old[counter][cast(int, number.payload)]
        if label not in self._new[counter]:
            raise Vanished(f"{counter} has no location {label!r} any more")
        return integer(self._new[counter][label])


def _typed(op: Op, operands: list[Expr], data: object) -> Expr:
    """The term, simplified as the constructors do.  Raises `Vanished` where a variable has another type than it had."""
    kinds = [e.type.kind for e in operands]
    wanted = _KINDS.get(op)
    if wanted is not None and any(k is not wanted[min(n, len(wanted) - 1)] for n, k in enumerate(kinds)):
        raise Vanished(f"a variable in {op.value!r} has another type now")
    same = operands[-2:] if op in (Op.EQ, Op.ITE, Op.BAND, Op.BOR, Op.BXOR) else []
    if any(e.type.kind is not same[0].type.kind or e.type.width != same[0].type.width for e in same):
        raise Vanished(f"a variable in {op.value!r} has another type now")
    if op is Op.DECODE:
        if data is None:
            return make(op, tuple(operands), None, BOOL)
        low = cast(int, data)
        return make(op, tuple(operands), None, int_type(low, low + (1 << operands[0].type.width) - 1))
    if op is Op.IN:
        return in_set(operands[0], cast(tuple[int, ...], data))
    if op in (Op.EXTRACT, Op.ENCODE):
        first, size = cast(tuple[int, int], data)
        return extract(operands[0], first, size) if op is Op.EXTRACT else encode(operands[0], first, size)
    return _BUILD[op](*operands)


_INT, _BITS, _BOOL = Kind.INT, Kind.BITS, Kind.BOOL
_KINDS: dict[Op, tuple[Kind, ...]] = {
    Op.NOT: (_BOOL,), Op.AND: (_BOOL,), Op.OR: (_BOOL,), Op.LT: (_INT,), Op.LE: (_INT,), Op.ADD: (_INT,),
    Op.SUB: (_INT,), Op.IN: (_INT,),
    Op.BAND: (_BITS,), Op.BOR: (_BITS,), Op.BXOR: (_BITS,), Op.BNOT: (_BITS,), Op.BIT: (_BITS, _INT),
    Op.PUT: (_BITS, _INT, _BOOL), Op.HIGHEST: (_BITS,), Op.COUNT: (_BITS,), Op.CONCAT: (_BITS,), Op.EXTRACT: (_BITS,),
    Op.DECODE: (_BITS,),
}  # fmt: skip
_BUILD: dict[Op, Callable[..., Expr]] = {
    Op.NOT: x.not_, Op.AND: x.and_, Op.OR: x.or_, Op.EQ: x.eq, Op.LT: x.lt, Op.LE: x.le, Op.ADD: x.add, Op.SUB: x.sub,
    Op.ITE: x.ite, Op.BAND: x.band, Op.BOR: x.bor, Op.BXOR: x.bxor, Op.BNOT: x.bnot, Op.BIT: x.bit, Op.PUT: x.put,
    Op.HIGHEST: x.highest, Op.COUNT: x.count, Op.CONCAT: x.concat,
}  # fmt: skip
