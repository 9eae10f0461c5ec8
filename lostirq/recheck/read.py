# SPDX-License-Identifier: GPL-2.0-or-later
"""The two files: a transition system and a certificate.  Whatever is not exactly as described here raises `Wrong`.

System file    {"format": "lostirq system 1", "names": [name of each variable], "system": body}
  body         [1, memory, flat, cpus, depth, variables, processes, edges, properties, expressions]
  variable     [kind, lo, hi, width, initial value, role, owner, unit, message]
  process      [sort, number of its program counter, locations, runs, cpu, symmetric set]
  edge         [process, source, target, guard, [[variable, value], ...], access, drains, buffered,
                [[event, [argument, ...]], ...], fairness]
  property     [key, form, formula, goal]
  expression   [operator, [operand, ...], data, [kind, lo, hi, width]]; operands come first, and are numbers of rows
The digest of a system is the SHA-256 of its body, written as JSON without spaces.  Names are not part of it: they only
say which variables the lemmas mean.

Certificate    {"format": "lostirq certificate 1", "system": digest, "terms": [...], "theorem": [...],
                "conjuncts": [...], ...}
  term         [operator, [operand, ...], data]; data of a var: its name; of a const: [kind, value], the kind of bits
               being their width; of an occurs: the name of the event; of a decode: its lowest value, null for a bool
  theorem      [[key, form, term], ...]; form is "invariant" or "step"
  conjunct     [name, term]
It may have "needed": [[process, location, [conjunct, ...]], ...], all numbers: which conjuncts suffice for the steps of
a process from there.  Nothing is believed of that: it is where the checker begins.
Other entries say where it came from.  They are not read here, and nothing depends on them.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import cast

from lostirq.recheck.terms import BOOL, Sort, Term, Terms, Wrong, walk

MOST_BYTES = 256 << 20
ENTRIES = {"format", "system", "terms", "theorem", "conjuncts"}          # that a certificate must have
NOTES = {"needed", "property", "scenario", "memory", "overrides", "parameters", "dropped", "assumed", "counts",
         "lemmas", "added", "places"}  # fmt: skip

Event = tuple[str, tuple[Term, ...]]                                      # its name and its arguments


@dataclass(frozen=True, slots=True)
class Edge:
    """One transition: enabled where the program counter of its process is `source` and the guard holds (`runs` of the
    process included); assigns, then the program counter becomes `target`."""

    process: int
    source: int
    target: int
    guard: Term
    assigns: dict[int, Term]
    events: tuple[Event, ...]


@dataclass(frozen=True, slots=True)
class System:
    """`counters`: of each process, the variable that is its program counter; `places`: how many locations it has."""

    digest: str
    terms: Terms
    names: tuple[str, ...]
    initial: tuple[int, ...]
    counters: tuple[int, ...]
    places: tuple[int, ...]
    edges: tuple[Edge, ...]
    properties: dict[str, tuple[str, Term]]


@dataclass(frozen=True, slots=True)
class Certificate:
    digest: str
    theorem: dict[str, tuple[str, Term]]
    conjuncts: tuple[tuple[str, Term], ...]
    needed: dict[tuple[int, int], frozenset[int]]


def load(path: Path) -> dict[str, object]:
    """A JSON object of a file."""
    try:
        if path.stat().st_size > MOST_BYTES:
            raise Wrong(f"{path}: larger than {MOST_BYTES >> 20} MiB")
        found = json.loads(path.read_bytes())
    except OSError as error:
        raise Wrong(f"{path}: {error.strerror or error}") from None
    except (ValueError, RecursionError) as error:
        raise Wrong(f"{path}: not JSON, or cut off ({error})") from None
    if not isinstance(found, dict):
        raise Wrong(f"{path}: not a JSON object")
    return cast(dict[str, object], found)


def system(data: dict[str, object]) -> System:
    if data.get("format") != "lostirq system 1":
        raise Wrong(f"not a system file: format {data.get('format')!r}")
    try:
        return _system(data)
    except (TypeError, ValueError, IndexError, KeyError, AttributeError) as error:
        raise Wrong(f"a system file that is malformed: {error!r}") from None


def _system(data: dict) -> System:  # type: ignore[type-arg]  # JSON; whatever does not fit ends as Wrong
    body = data["system"]
    digest = hashlib.sha256(json.dumps(body, separators=(",", ":"), sort_keys=True).encode()).hexdigest()
    version, _, flat, _, _, variables, processes, edges, properties, rows = body
    if version != 1 or flat is not True:
        raise Wrong("the system is of another version, or its store buffers are not spelled out")
    names = tuple(_text(n) for n in data["names"])
    if len(names) != len(variables) or len(set(names)) != len(names):
        raise Wrong("the variables do not have a name each")
    terms = Terms([_sort(v[:4]) for v in variables] * 2)
    table: list[Term] = []
    for op, args, payload, sort in rows:
        operands = tuple(table[_below(a, len(table))] for a in args)
        if op == "const":
            table.append(terms.const(payload, _sort(sort)))
        elif op in ("var", "old"):
            table.append(terms.var(_below(payload, len(names)), op))
        elif op == "occurs":
            table.append(terms.occurs(payload, operands))
        else:
            if op == "decode":
                payload = None if sort[0] == "bool" else sort[1]
            table.append(terms.build(op, operands, tuple(payload) if isinstance(payload, list) else payload))
    counters = tuple(_below(p[1], len(names)) for p in processes)
    found = System(
        digest, terms, names, tuple(v[4] for v in variables), counters, tuple(len(p[2]) for p in processes),
        tuple(_edge(e, processes, table, terms) for e in edges),
        {_text(key): (_text(form), table[formula]) for key, form, formula, _ in properties},
    )  # fmt: skip
    _sane(found)
    return found


def _edge(row: list, processes: list, table: list[Term], terms: Terms) -> Edge:  # type: ignore[type-arg]  # JSON
    process, source, target, guard, assigns, _, drains, buffered, events, _ = row
    if drains or buffered:
        raise Wrong("an edge whose store buffer is not spelled out")
    values = {_below(v, len(terms.sorts) // 2): table[x] for v, x in assigns}
    if len(values) != len(assigns):
        raise Wrong("an edge that assigns one variable twice")
    enabled = terms.all_of((table[processes[process][3]], table[guard]))
    return Edge(
        _below(process, len(processes)), source, target, enabled, values,
        tuple((_text(name), tuple(table[a] for a in args)) for name, args in events),
    )  # fmt: skip


def _sane(s: System) -> None:
    """What the obligations rely on."""
    if len(set(s.counters)) != len(s.counters):
        raise Wrong("two processes share a program counter")
    for k, (pc, places) in enumerate(zip(s.counters, s.places, strict=True)):
        if s.terms.sorts[pc] != ("int", 0, places - 1):
            raise Wrong(f"the program counter of process {k} does not range over its locations")
    for value, sort, name in zip(s.initial, s.terms.sorts, s.names, strict=False):
        if sort[0] == "int" and not sort[1] <= value <= sort[2]:  # type: ignore[operator]  # numbers
            raise Wrong(f"{name} is out of its range at the start")
        s.terms.const(value, sort)
    for k, e in enumerate(s.edges):
        for place in (e.source, e.target):
            _below(place, s.places[e.process])
        wrong = [s.names[v] for v, x in e.assigns.items() if v in s.counters or not alike(x.sort, s.terms.sorts[v])]
        if wrong or e.guard.sort != BOOL:
            raise Wrong(f"edge {k} is not well typed: {', '.join(wrong) or 'its guard'}")
        arguments = (a for _, args in e.events for a in args)
        if any(t.op in ("old", "occurs") for t in walk([e.guard, *e.assigns.values(), *arguments])):
            raise Wrong(f"edge {k} speaks of a state before the step")
    for key, (_, formula) in s.properties.items():
        if formula.sort != BOOL:
            raise Wrong(f"property {key} is not well typed")


def alike(a: Sort, b: Sort) -> bool:
    return a[0] == b[0] and (a[0] == "int" or a == b)


def certificate(data: dict[str, object], s: System) -> Certificate:
    """A certificate, its names looked up in a system."""
    if data.get("format") != "lostirq certificate 1":
        raise Wrong(f"not a certificate: format {data.get('format')!r}")
    if not ENTRIES <= data.keys() <= ENTRIES | NOTES:
        odd = sorted(ENTRIES - data.keys()) or sorted(data.keys() - ENTRIES - NOTES)
        raise Wrong(f"a certificate that lacks, or should not have, {', '.join(odd)}")
    try:
        return _certificate(data, s)
    except (TypeError, ValueError, IndexError, KeyError, AttributeError) as error:
        raise Wrong(f"a certificate that is malformed: {error!r}") from None


def _certificate(data: dict, s: System) -> Certificate:  # type: ignore[type-arg]  # JSON, as above
    named: dict[object, int] = {name: k for k, name in enumerate(s.names)}
    table: list[Term] = []
    for k, (op, args, payload) in enumerate(data["terms"]):
        operands = tuple(table[_below(a, k)] for a in args)
        try:
            table.append(_term(s.terms, named, op, operands, payload))
        except Wrong as error:
            raise Wrong(f"term {k}: {error}") from None
    theorem = {_text(key): (_text(form), table[_below(t, len(table))]) for key, form, t in data["theorem"]}
    conjuncts = tuple((_text(name), table[_below(t, len(table))]) for name, t in data["conjuncts"])
    for name, t in [*((n, t) for n, (_, t) in theorem.items()), *conjuncts]:
        if t.sort != BOOL:
            raise Wrong(f"{name} is not well typed: no formula, but {t.sort}")
    for name, t in conjuncts:
        if any(x.op in ("old", "occurs") for x in walk([t])):
            raise Wrong(f"{name} speaks of a step, not of a state")
    if len(theorem) != len(data["theorem"]) or not theorem:
        raise Wrong("a theorem without properties, or with one twice")
    needed = {
        (_below(k, len(s.counters)), _below(place, s.places[k])): frozenset(_below(n, len(conjuncts)) for n in numbers)
        for k, place, numbers in data.get("needed", ())
    }
    return Certificate(_text(data["system"]), theorem, conjuncts, needed)


def _term(terms: Terms, numbers: Mapping[object, int], op: object, args: tuple[Term, ...], data: object) -> Term:
    if not isinstance(op, str):
        raise Wrong(f"not an operator: {op!r}")
    if op in ("var", "old"):
        if data not in numbers:
            raise Wrong(f"the model has no variable {data!r}")
        return terms.var(numbers[data], op)
    if op == "const":
        kind, value = cast(Sequence[object], data)
        return terms.const(value, {"bool": BOOL, "int": ("int",)}.get(cast(str, kind)) or _sort(["bits", 0, 0, kind]))
    if op == "occurs":
        return terms.occurs(data, args)
    return terms.build(op, args, tuple(data) if isinstance(data, list) else data)


def _sort(row: Sequence[object]) -> Sort:
    kind, lo, hi, bits = row
    if kind == "bool":
        return BOOL
    if kind == "int" and isinstance(lo, int) and isinstance(hi, int) and lo <= hi:
        return ("int", lo, hi)
    if kind == "bits" and isinstance(bits, int) and bits > 0:
        return ("bits", bits)
    raise Wrong(f"not a sort: {row!r}")


def _below(value: object, limit: int) -> int:
    if not isinstance(value, int) or not 0 <= value < limit:
        raise Wrong(f"{value!r} is not a number below {limit}")
    return value


def _text(value: object) -> str:
    if not isinstance(value, str) or not value.isprintable() or len(value) > 1000:
        raise Wrong(f"not a name: {value!r}")
    return value
