# SPDX-License-Identifier: GPL-2.0-or-later
"""Generated Python: the same plan as `emit_c`, over one integer per state, for machines without a C compiler.

Word w of the packed state lies at bit 64 * w.  Only numbers of our own and identifiers of ours enter the text, so that
executing it executes nothing of the model's author.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import cast

from lostirq.evidence.verdict import STUCK
from lostirq.explicit.pack import WORD, Slot, lowest, merged
from lostirq.explicit.plan import Plan, PlannedEdge
from lostirq.explicit.render import Block, Dialect
from lostirq.ir.expr import FALSE, TRUE, Var, is_const, value_of

Step = tuple[int, int]      # (edge, successor); successor -1: the edge assigns out of range
Hit = tuple[int, int]       # (check, edge); edge -1: the state itself
Expand = Callable[[int, int, list[Step], list[Hit]], None]
Canon = Callable[[int], int]


@dataclass(frozen=True, slots=True)
class PythonModel:
    """`expand(state, open, steps, hits)` appends; `canon` gives the canonical form of a state; None: no symmetry."""

    initial: int
    expand: Expand
    canon: Canon | None


def put(a: int, i: int, b: int, width: int) -> int:
    """The bits `a` with bit i set to b; unchanged outside the width."""
    if not 0 <= i < width:
        return a
    return a | 1 << i if b else a & ~(1 << i)


def at(slot: Slot) -> int:
    """The position of a slot in the integer."""
    return slot.word * WORD + slot.shift


def _raw(var: Var, slot: Slot) -> str:
    low = lowest(var)
    text = f"s >> {at(slot)} & {(1 << slot.width) - 1:#x}"
    return f"(({text}) + {low})" if low else f"({text})"


class _Emitter:
    def __init__(self, plan: Plan) -> None:
        self.plan, self.layout, self.dialect = plan, plan.layout, Dialect()
        self.out: list[str] = []

    def load(self, var: Var) -> str:
        f = self.layout.fields[var]
        if f.stored is None:
            assert f.slot is not None
            return _raw(var, f.slot)
        if f.process < 0:
            return str(f.values[0])
        pc = self.load(self.layout.counters[f.process])
        others = {v for place, v in enumerate(f.values) if place not in f.stored}
        elsewhere = str(others.pop()) if len(others) == 1 else f"{f.values}[{pc}]"
        if not f.stored or f.slot is None:
            return elsewhere
        return f"({_raw(var, f.slot)} if {pc} in {_set(f.stored)} else {elsewhere})"

    def load_at(self, process: int, location: int) -> Callable[[Var], str]:
        def load(var: Var) -> str:
            f = self.layout.fields[var]
            if f.process == process and f.stored is not None:
                if f.slot is not None and location in f.stored:
                    return _raw(var, f.slot)
                return str(f.values[location])
            return self.load(var)

        return load

    def file(self) -> str:
        by_place: dict[tuple[int, int], list[PlannedEdge]] = {}
        for e in self.plan.edges:
            by_place.setdefault((e.process, e.src), []).append(e)
        for (process, location), edges in sorted(by_place.items()):
            self.location(process, location, edges)
        for p in self.plan.system.processes:
            places = [f"p{p.index}_{i}" if (p.index, i) in by_place else "nothing" for i in range(len(p.locations))]
            self.out.append(f"P{p.index} = [{', '.join(places)}]")
        self.checks()
        self.expand()
        self.canon()
        return "\n".join(["def nothing(s, o, steps, hits): pass", *self.out]) + "\n"

    def location(self, process: int, location: int, edges: list[PlannedEdge]) -> None:
        self.out.append(f"def p{process}_{location}(s, o, steps, hits):")
        for e in edges:
            outer = Block(self.dialect, self.load_at(process, location))
            guard = outer.text(e.guard)
            inner = outer.inner()
            ranges = inner.texts([x for x, _, _ in e.ranges])
            values = inner.texts([x for _, x, _ in e.writes])
            hits = inner.texts([x for _, x in e.hits])
            wrong = [f"not {lo} <= {t} <= {hi}" for t, (_, lo, hi) in zip(ranges, e.ranges, strict=True)]
            self.out += [" " + line for line in outer.lines]
            self.out.append(f" if {guard}:")
            self.out += ["  " + line for line in inner.lines]
            if wrong:
                self.out += [f"  if {' or '.join(wrong)}:", f"   steps.append(({e.index}, -1))", "  else:"]
            self.out.append(f"   steps.append(({e.index}, {self.successor(e, values)}))" if wrong
                            else f"  steps.append(({e.index}, {self.successor(e, values)}))")
            for (number, _), text in zip(e.hits, hits, strict=True):
                indent = "   " if wrong else "  "
                self.out.append(f"{indent}if o >> {number} & 1 and {text}: hits.append(({number}, {e.index}))")

    def successor(self, e: PlannedEdge, values: list[str]) -> str:
        gone, fixed = 0, 0
        parts: list[str] = []
        for (slot, x, low), text in zip(e.writes, values, strict=True):
            gone |= (1 << slot.width) - 1 << at(slot)
            if is_const(x):
                fixed |= value_of(x) - low << at(slot)
            else:
                parts.append(f"({text} - {low} << {at(slot)})" if low else f"({text} << {at(slot)})")
        keep = (1 << WORD * self.layout.words) - 1 & ~gone
        head = f"s & {keep:#x}" if gone else "s"
        return " | ".join([head, *([f"{fixed:#x}"] if fixed else []), *parts])

    def checks(self) -> None:
        checks = self.plan.checks
        self.out.append("def checks(s, o, hits):")
        self.out.append(f" a = o & {(1 << len(checks)) - 1:#x}")
        for p in self.plan.system.processes:
            if any(p.index in c.skip for c in checks):
                masks = [
                    sum(1 << c.number for c in checks if place not in c.skip.get(p.index, ()))
                    for place in range(len(p.locations))
                ]
                self.out.append(f" a &= {tuple(masks)}[{self.load(p.pc)}]")
        self.out.append(" if not a: return")
        for c in checks:
            if c.hit is FALSE:
                continue
            block = Block(self.dialect, self.load)
            text = block.text(c.hit)
            self.out.append(f" if a >> {c.number} & 1:")
            self.out += ["  " + line for line in block.lines]
            self.out.append(f"  if {text}: hits.append(({c.number}, -1))")

    def expand(self) -> None:
        self.out.append("def expand(s, o, steps, hits):")
        if self.plan.checks:
            self.out.append(" checks(s, o, hits)")
        for p in sorted({e.process for e in self.plan.edges}):
            call = f"P{p}[{self.load(self.layout.counters[p])}](s, o, steps, hits)"
            runs = self.plan.runs[p]
            if runs is TRUE:
                self.out.append(f" {call}")
            else:
                block = Block(self.dialect, self.load)
                text = block.text(runs)
                self.out += [" " + line for line in block.lines] + [f" if {text}: {call}"]
        number = self.plan.numbers[STUCK]
        rest = [
            f"{self.load(p.pc)} in {_set(idle)}"
            for p, idle in zip(self.plan.system.processes, self.plan.idle, strict=True)
            if idle is not None and len(idle) < len(p.locations)
        ]
        resting = " and ".join(rest) or "True"
        self.out.append(f" if not steps and o >> {number} & 1 and not ({resting}): hits.append(({number}, -1))")

    def canon(self) -> None:
        self.out.append("def canon(s):")
        for members in self.layout.members:
            chunks = [merged(m) for m in members]
            if not chunks[0]:
                continue
            keys = [", ".join(f"s >> {at(c)} & {(1 << c.width) - 1:#x}" for c in member) + "," for member in chunks]
            self.out.append(f" m = sorted([{', '.join(f'({k})' for k in keys)}])")
            gone = sum((1 << c.width) - 1 << at(c) for member in chunks for c in member)
            keep = (1 << WORD * self.layout.words) - 1 & ~gone
            parts = [f"m[{i}][{k}] << {at(c)}" for i, member in enumerate(chunks) for k, c in enumerate(member)]
            self.out.append(f" s = s & {keep:#x} | {' | '.join(parts)}")
        self.out.append(" return s")


def _set(values: frozenset[int]) -> str:
    return "{" + ", ".join(map(str, sorted(values))) + "}" if values else "()"


def emit(plan: Plan) -> str:
    """The Python source."""
    return _Emitter(plan).file()


def load(plan: Plan) -> PythonModel:
    """The generated functions."""
    names: dict[str, object] = {"put": put}
    exec(compile(emit(plan), "<generated>", "exec"), names)  # our own text, see the module's docstring
    initial = sum(word << WORD * w for w, word in enumerate(plan.initial))
    expand, canon = cast(Expand, names["expand"]), cast(Canon, names["canon"]) if plan.sets else None
    return PythonModel(initial, expand, canon)
