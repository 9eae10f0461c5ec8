# SPDX-License-Identifier: GPL-2.0-or-later
"""JSON form of a system, and its canonical digest.

`to_json` keeps everything; `from_json` is its inverse.  `digest` is taken over what has meaning only: types, initial
values, roles, access units, structure, formulas; variables, processes, locations and edges count by their numbers.
Names, spans, texts and file names are left out, so that a comment or a renaming keeps the digest.  Expressions are
numbered in order of first occurrence, operands first, so that equal systems have equal bytes.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable

from lostirq.errors import Span
from lostirq.ir.core import Expr, Kind, Op, Role, Type, Var, make, postorder
from lostirq.ir.system import Access, Edge, Event, Fair, Form, Location, Memory, Process, Property, Sort, System

FORMAT = 1

Json = dict[str, object]


class FormatError(ValueError):
    """Not the JSON form of a system."""


class _Table:
    """Expressions by number."""

    def __init__(self, variables: tuple[Var, ...], names: bool) -> None:
        self.variables = {v: k for k, v in enumerate(variables)}
        self.names = names
        self.numbers: dict[Expr, int] = {}
        self.rows: list[list[object]] = []

    def number(self, root: Expr) -> int:
        for node in postorder([root]):
            if node not in self.numbers:
                payload: object = node.payload
                if node.op in (Op.VAR, Op.OLD):
                    payload = self.variables[node.payload]  # type: ignore[index]  # a Var
                elif isinstance(payload, tuple):
                    payload = list(payload)
                row = [node.op.value, [self.numbers[a] for a in node.args], payload, _type(node.type, self.names)]
                self.numbers[node] = len(self.rows)
                self.rows.append(row)
        return self.numbers[root]


def _type(t: Type, names: bool) -> list[object]:
    return [t.kind.value, t.lo, t.hi, t.width, *([list(t.names)] if names else [])]


def _span(s: Span) -> list[object]:
    return [s.file, s.line, s.column, s.end_line, s.end_column]


def to_json(system: System) -> Json:
    """Everything, as JSON values; keys in a fixed order."""
    table = _Table(system.variables, names=True)
    processes = [_process(p, system, table) for p in system.processes]
    edges = [_edge(e, system, table) for e in system.edges]
    properties = [_property(p, table) for p in system.properties]
    return {
        "format": FORMAT,
        "name": system.name,
        "memory": system.memory.value,
        "flat": system.flat,
        "cpus": system.cpus,
        "depth": system.depth,
        "parameters": [list(p) for p in system.parameters],
        "dropped": list(system.dropped),
        "notes": list(system.notes),
        "variables": [
            [v.name, _type(v.type, True), v.init, v.role.value, v.owner, v.unit, v.message] for v in system.variables
        ],
        "processes": processes,
        "edges": edges,
        "properties": properties,
        "expressions": table.rows,
    }


def _process(p: Process, system: System, table: _Table) -> Json:
    return {
        "name": p.name,
        "family": p.family,
        "instance": p.instance,
        "sort": p.sort.value,
        "pc": table.variables[p.pc],
        "runs": table.number(p.runs),
        "cpu": None if p.cpu is None else table.number(p.cpu),
        "symmetric": p.symmetric,
        "column": p.column,
        "locations": [
            [_span(x.span), x.function, sorted(x.windows), sorted(x.functions), x.idle, x.text] for x in p.locations
        ],
    }


def _edge(e: Edge, system: System, table: _Table) -> list[object]:
    return [
        e.process,
        e.src,
        e.dst,
        table.number(e.guard),
        [[table.variables[v], table.number(x)] for v, x in e.assigns],
        e.access.value,
        e.drains,
        sorted(e.buffered),
        [[v.name, [table.number(a) for a in v.args]] for v in e.events],
        e.fair.value,
        _span(e.span),
        e.function,
        list(e.stack),
        e.text,
        e.choice,
    ]


def _property(p: Property, table: _Table) -> Json:
    return {
        "key": p.key,
        "id": p.id,
        "form": p.form.value,
        "formula": table.number(p.formula),
        "goal": table.number(p.goal),
        "title": p.title,
        "statement": p.statement,
        "source": p.source,
        "excuses": list(p.excuses),
        "witness": p.witness,
        "planted": p.planted,
        "symmetric": p.symmetric,
        "span": _span(p.span),
        "proves": p.proves,
        "windows": list(p.windows),
        "singles": list(p.singles),
        "others": sorted(p.others),
    }


def from_json(data: Json) -> System:
    """The system of a JSON form; raises FormatError if it is not one."""
    try:
        if data["format"] != FORMAT:
            raise FormatError(f"format {data['format']} is not {FORMAT}")
        return _read(data)
    except (KeyError, TypeError, ValueError, IndexError, AttributeError) as error:
        raise FormatError(f"not the JSON form of a system: {error!r}") from None


def _read_type(row: list) -> Type:  # type: ignore[type-arg]  # JSON
    kind, lo, hi, width, names = row
    return Type(Kind(kind), lo, hi, width, tuple(names))


def _read_expressions(d: dict, variables: tuple[Var, ...]) -> list[Expr]:  # type: ignore[type-arg]  # JSON
    """Operands come before their users."""
    table: list[Expr] = []
    for op_name, args, payload, type_ in d["expressions"]:
        op = Op(op_name)
        if op in (Op.VAR, Op.OLD):
            payload = variables[payload]
        elif isinstance(payload, list):
            payload = tuple(payload)
        table.append(make(op, tuple(table[a] for a in args), payload, _read_type(type_)))
    return table


def _read_edges(d: dict, variables: tuple[Var, ...], table: list[Expr]) -> tuple[Edge, ...]:  # type: ignore[type-arg]  # JSON
    return tuple(
        Edge(
            k,
            proc,
            src,
            dst,
            table[guard],
            tuple((variables[v], table[x]) for v, x in assigns),
            Access(access),
            drains,
            frozenset(buffered),
            tuple(Event(n, tuple(table[a] for a in args)) for n, args in events),
            Fair(fair),
            Span(*span),
            function,
            tuple(stack),
            text,
            choice,
        )
        for k, (
            proc,
            src,
            dst,
            guard,
            assigns,
            access,
            drains,
            buffered,
            events,
            fair,
            span,
            function,
            stack,
            text,
            choice,
        ) in enumerate(d["edges"])
    )


def _read(data: Json) -> System:
    d: dict = data  # type: ignore[type-arg]  # JSON, checked by use
    variables = tuple(Var(n, _read_type(t), i, Role(r), o, u, m) for n, t, i, r, o, u, m in d["variables"])
    table = _read_expressions(d, variables)
    processes = tuple(
        Process(
            k,
            p["name"],
            p["family"],
            p["instance"],
            Sort(p["sort"]),
            variables[p["pc"]],
            tuple(
                Location(Span(*s), f, frozenset(w), frozenset(fs), idle, text)
                for s, f, w, fs, idle, text in p["locations"]
            ),
            table[p["runs"]],
            None if p["cpu"] is None else table[p["cpu"]],
            p["symmetric"],
            p["column"],
        )
        for k, p in enumerate(d["processes"])
    )
    edges = _read_edges(d, variables, table)
    properties = tuple(
        Property(
            p["key"],
            p["id"],
            Form(p["form"]),
            table[p["formula"]],
            table[p["goal"]],
            p["title"],
            p["statement"],
            p["source"],
            tuple(p["excuses"]),
            p["witness"],
            p["planted"],
            p["symmetric"],
            Span(*p["span"]),
            p["proves"],
            tuple(p["windows"]),
            tuple(p.get("singles", ())),
            frozenset(p.get("others", ())),
        )
        for p in d["properties"]
    )
    return System(
        d["name"],
        Memory(d["memory"]),
        d["flat"],
        variables,
        processes,
        edges,
        properties,
        d["cpus"],
        d["depth"],
        tuple((n, v) for n, v in d["parameters"]),
        tuple(d["dropped"]),
        tuple(d["notes"]),
    )


def canonical(system: System, *, properties: bool = True) -> str:
    """The text over which the digest is taken."""
    table = _Table(system.variables, names=False)
    symmetric = list(dict.fromkeys(p.symmetric for p in system.processes if p.symmetric))
    processes: list[object] = []
    for p in system.processes:
        processes.append(
            [
                p.sort.value,
                table.variables[p.pc],
                [[x.idle, sorted(x.windows)] for x in p.locations],
                table.number(p.runs),
                None if p.cpu is None else table.number(p.cpu),
                symmetric.index(p.symmetric) if p.symmetric else -1,
            ]
        )
    edges = [_edge(e, system, table)[:10] for e in system.edges]
    formulas = _formulas(system.properties, table) if properties else []
    body = [
        FORMAT,
        system.memory.value,
        system.flat,
        system.cpus,
        system.depth,
        [[*_type(v.type, False), v.init, v.role.value, v.owner, v.unit, v.message] for v in system.variables],
        processes,
        edges,
        formulas,
        table.rows,
    ]
    return json.dumps(body, separators=(",", ":"), sort_keys=True)


def _formulas(found: Iterable[Property], table: _Table) -> list[object]:
    return [[p.key, p.form.value, table.number(p.formula), table.number(p.goal)] for p in found]


def digest(system: System, *, properties: bool = True) -> str:
    """SHA-256 of the canonical text, in hexadecimal; without `properties`, of the transition system alone."""
    found = system.digests.get(properties)
    if found is None:
        found = hashlib.sha256(canonical(system, properties=properties).encode()).hexdigest()
        system.digests[properties] = found
    return found
