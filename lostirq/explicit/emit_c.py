# SPDX-License-Identifier: GPL-2.0-or-later
"""Generated C: one translation unit per system that holds its transition relation and its checks, and nothing else.

The search itself is fixed C (`runtime/`), compiled once per number of words; both meet in `struct lq_model`
(`runtime/model.h`).  The code is straight-line per (process, location), on fields taken from the packed words.
Identifiers are numbers: no name of the model reaches the compiler.
"""

from __future__ import annotations

from collections.abc import Callable

from lostirq.evidence.verdict import RANGE, STUCK
from lostirq.explicit.pack import Slot, lowest, merged
from lostirq.explicit.plan import Check, Plan, PlannedEdge
from lostirq.explicit.render import Block, Dialect
from lostirq.ir.expr import FALSE, TRUE, Expr, Kind, Op, Var, is_const, value_of


class TooWide(Exception):
    """An expression needs more than 64 bits: only the Python engine can evaluate it."""


class _C(Dialect):
    """The C spelling.  BOOL and INT are i64, BITS u64; `tables` collects constant tables of the file."""

    def __init__(self) -> None:
        self.tables: dict[str, str] = {}

    def table(self, type_: str, values: list[int], suffix: str = "") -> str:
        text = f"static const {type_} %s[] = {{{', '.join(f'{v}{suffix}' for v in values)}}};"
        return self.tables.setdefault(text, f"table{len(self.tables)}")

    def const(self, node: Expr) -> str:
        assert isinstance(node.payload, int)
        if node.type.kind is Kind.BITS:
            return f"{node.payload:#x}ull" if node.payload > 9 else f"{node.payload}ull"
        return str(node.payload) if node.payload >= 0 else f"({node.payload})"

    def node(self, node: Expr, a: list[str]) -> str:
        if node.type.kind is Kind.BITS and node.type.width > 64:
            raise TooWide
        if node.op in (Op.AND, Op.OR):
            simple = all(len(x) < 24 for x in a)
            sign = {Op.AND: " & " if simple else " && ", Op.OR: " | " if simple else " || "}[node.op]
            return "(" + sign.join(a) + ")"
        return super().node(node, a)

    def other(self, node: Expr, a: list[str]) -> str:
        width = node.args[0].type.width
        if node.op is Op.NOT:
            return f"!{a[0]}"
        if node.op is Op.ITE:
            return f"({a[0]} ? {a[1]} : {a[2]})"
        if node.op is Op.BIT:
            if is_const(node.args[1]):
                return f"(i64)({a[0]} >> {a[1]} & 1)"
            return f"lq_bit({a[0]}, {a[1]}, {width})"
        if node.op is Op.PUT:
            return f"lq_put({a[0]}, {a[1]}, {a[2]}, {width})"
        if node.op is Op.HIGHEST:
            return f"lq_highest({a[0]})"
        if node.op is Op.COUNT:
            return f"(i64)__builtin_popcountll({a[0]})"
        return super().other(node, a)

    def mask(self, width: int) -> str:
        return f"{(1 << width) - 1:#x}ull"

    def member(self, node: Expr, text: str, values: tuple[int, ...]) -> str:
        return self.member_of(text, values, node.type.lo, node.type.hi)

    def member_of(self, text: str, values: tuple[int, ...], lo: int, hi: int) -> str:
        first, last = values[0], values[-1]
        if last - first + 1 == len(values):
            return f"((u64)({text} - {first}) <= {last - first})" if len(values) > 1 else f"({text} == {first})"
        if hi - lo < 64:
            mask = sum(1 << v - lo for v in values)
            return f"(i64)({mask:#x}ull >> ({text} - {lo}) & 1)" if lo else f"(i64)({mask:#x}ull >> {text} & 1)"
        words = [0] * ((hi - lo) // 64 + 1)
        for v in values:
            words[(v - lo) // 64] |= 1 << (v - lo) % 64
        return f"lq_in({self.table('u64', words, 'ull')}, {text} - {lo})"

    def concat(self, node: Expr, a: list[str]) -> str:
        if node.type.width > 64:
            raise TooWide
        return super().concat(node, a)

    def encode(self, text: str, lo: int, width: int) -> str:
        return f"((u64)({text} - {lo}) & {self.mask(width)})"

    def decode(self, text: str, lo: int) -> str:
        return f"((i64){text} + {lo})" if lo else f"(i64){text}"

    def temporary(self, node: Expr, name: str, text: str) -> str:
        return f"const {'u64' if node.type.kind is Kind.BITS else 'i64'} {name} = {text};"


def raw(var: Var, slot: Slot) -> str:
    """The field in its slot."""
    full = slot.shift + slot.width == 64
    text = f"s{slot.word} >> {slot.shift}" if slot.shift else f"s{slot.word}"
    if slot.width == 0:
        text = "0"
    elif not full:
        text = f"{text} & {(1 << slot.width) - 1:#x}"
    if var.type.kind is Kind.BITS:
        return f"({text})"
    low = lowest(var)
    return f"((i64)({text}) + {low})" if low else f"(i64)({text})"


class _Emitter:
    def __init__(self, plan: Plan) -> None:
        self.plan, self.layout, self.c = plan, plan.layout, _C()
        self.out: list[str] = []
        self.words = plan.layout.words
        self.args = ", ".join(f"u64 s{w}" for w in range(self.words))
        self.pass_on = ", ".join(f"s{w}" for w in range(self.words))

    # -- loads ----------------------------------------------------------------------------------------------------

    def load(self, var: Var) -> str:
        """A variable, wherever its process is."""
        f = self.layout.fields[var]
        if f.stored is None:
            assert f.slot is not None
            return raw(var, f.slot)
        if f.process < 0:
            return str(f.values[0])
        pc = self.load(self.layout.counters[f.process])
        others = {v for at, v in enumerate(f.values) if at not in f.stored}
        if len(others) == 1:
            value = str(others.pop())
            suffix = "ull" if var.type.kind is Kind.BITS else ""
            elsewhere = f"{value}{suffix}"
        else:
            type_ = "u64" if var.type.kind is Kind.BITS else "i64"
            elsewhere = f"{self.c.table(type_, list(f.values))}[{pc}]"
        if not f.stored or f.slot is None:
            return elsewhere
        if not others:
            others = set()
        inside = self.c.member_of(pc, tuple(sorted(f.stored)), 0, len(f.values) - 1)
        return f"({inside} ? {raw(var, f.slot)} : {elsewhere})"

    def load_at(self, process: int, location: int) -> Callable[[Var], str]:
        """A loader for code that runs where `process` is at `location`."""

        def load(var: Var) -> str:
            f = self.layout.fields[var]
            if f.process == process and f.stored is not None:
                if f.slot is not None and location in f.stored:
                    return raw(var, f.slot)
                return str(f.values[location])
            return self.load(var)

        return load

    # -- code -----------------------------------------------------------------------------------------------------

    def file(self) -> str:
        self.checks()
        for p in self.plan.system.processes:
            self.process(p.index)
        self.expand()
        self.canon()
        self.model()
        tables = [text % name for text, name in self.c.tables.items()]
        return "\n".join(['#include "model.h"', *tables, *self.out]) + "\n"

    def opened(self, number: int) -> str:
        return f"(h->open[{number >> 6}] >> {number & 63} & 1)"

    def checks(self) -> None:
        """State checks; those that the locations rule out are masked by tables, one look per process."""
        checks = self.plan.checks
        self.out.append(f"static void checks({self.args}, lq_hits *h) {{")
        for group in range(0, len(checks), 64):
            some = checks[group:group + 64]
            self.out.append(f"  {{ u64 a = h->open[{group >> 6}] & {(1 << len(some)) - 1:#x}ull;")
            for p in self.plan.system.processes:
                if any(p.index in c.skip for c in some):
                    masks = [
                        sum(1 << i for i, c in enumerate(some) if at not in c.skip.get(p.index, ()))
                        for at in range(len(p.locations))
                    ]
                    self.out.append(f"  a &= {self.c.table('u64', masks, 'ull')}[{self.load(p.pc)}];")
            self.out.append("  if (a) {")
            for i, c in enumerate(some):
                self.check(i, c)
            self.out.append("  } }")
        self.out.append("}")

    def check(self, bit: int, c: Check) -> None:
        if c.hit is FALSE:
            return
        block = Block(self.c, self.load)
        text = block.text(c.hit)
        self.out.append(f"  if (a >> {bit} & 1) {{")
        self.out += ["    " + line for line in block.lines]
        self.out.append(f"    if ({text}) lq_hit(h, {c.number}, -1);")
        self.out.append("  }")

    def process(self, index: int) -> None:
        by_location: dict[int, list[PlannedEdge]] = {}
        for e in self.plan.edges:
            if e.process == index:
                by_location.setdefault(e.src, []).append(e)
        if not by_location:
            return
        self.out.append(f"static u32 p{index}({self.args}, u64 *restrict o, u32 *restrict e, u32 n, lq_hits *h) {{")
        runs = self.plan.runs[index]
        if runs is not TRUE:
            block = Block(self.c, self.load)
            text = block.text(runs)
            self.out += ["  " + line for line in block.lines] + [f"  if (!{text}) return n;"]
        self.out.append(f"  switch ({self.load(self.layout.counters[index])}) {{")
        for location, edges in sorted(by_location.items()):
            self.out.append(f"  case {location}: {{")
            for e in edges:
                self.edge(e)
            self.out.append("  } break;")
        self.out += ["  }", "  return n;", "}"]

    def edge(self, e: PlannedEdge) -> None:
        outer = Block(self.c, self.load_at(e.process, e.src))
        guard = outer.text(e.guard)
        inner = outer.inner()
        self.out.append("   {")
        self.out += ["    " + line for line in outer.lines]
        self.out.append(f"    if ({guard}) {{")
        inside = inner.texts([x for x, _, _ in e.ranges])
        wrong = [f"({t} < {lo} || {t} > {hi})" for t, (_, lo, hi) in zip(inside, e.ranges, strict=True)]
        values = inner.texts([x for _, x, _ in e.writes])
        hits = inner.texts([x for _, x in e.hits])
        self.out += ["      " + line for line in inner.lines]
        if wrong:
            number = self.plan.numbers[RANGE]
            self.out.append(f"      if ({' || '.join(wrong)}) {{")
            self.out.append(f"        h->errors++; if ({self.opened(number)}) lq_hit(h, {number}, {e.index});")
            self.out.append("      } else {")
        for word in range(self.words):
            self.out.append(f"      o[n * {self.words} + {word}] = {self.word(word, e, values)};")
        self.out.append(f"      e[n++] = {e.index};")
        for (number, _), text in zip(e.hits, hits, strict=True):
            self.out.append(f"      if ({self.opened(number)} && {text}) lq_hit(h, {number}, {e.index});")
        if wrong:
            self.out.append("      }")
        self.out += ["    }", "   }"]

    def word(self, word: int, e: PlannedEdge, values: list[str]) -> str:
        """One word of the successor."""
        keep, fixed = (1 << 64) - 1, 0
        parts: list[str] = []
        for (slot, x, low), text in zip(e.writes, values, strict=True):
            if slot.word != word:
                continue
            keep &= ~slot.mask
            if is_const(x):
                fixed |= value_of(x) - low << slot.shift
                continue
            shifted = f"(u64)({text} - {low})" if low else f"(u64){text}"
            parts.append(f"({shifted} << {slot.shift})" if slot.shift else shifted)
        if keep == (1 << 64) - 1:
            return f"s{word}"
        head = [f"(s{word} & {keep:#x}ull)"] if keep else []
        return " | ".join(head + ([f"{fixed:#x}ull"] if fixed or not (head or parts) else []) + parts)

    def expand(self) -> None:
        self.out.append("static u32 expand(const u64 *s, u64 *restrict o, u32 *restrict e, lq_hits *h) {")
        for w in range(self.words):
            self.out.append(f"  const u64 s{w} = s[{w}];")
        self.out += ["  u32 n = 0;", "  h->count = 0; h->errors = 0;"]
        if self.plan.checks:
            self.out.append(f"  checks({self.pass_on}, h);")
        for index in sorted({e.process for e in self.plan.edges}):
            self.out.append(f"  n = p{index}({self.pass_on}, o, e, n, h);")
        number = self.plan.numbers[STUCK]
        rest = []
        for p, idle in zip(self.plan.system.processes, self.plan.idle, strict=True):
            if idle is not None and len(idle) < len(p.locations):
                pc = self.load(p.pc)
                rest.append(self.c.member_of(pc, tuple(sorted(idle)), 0, len(p.locations) - 1) if idle else "0")
        resting = " && ".join(rest) or "1"
        self.out.append(f"  if (n == 0 && h->errors == 0 && {self.opened(number)} && !({resting}))")
        self.out += [f"    lq_hit(h, {number}, -1);", "  return n;", "}"]

    def canon(self) -> None:
        """Sorts the chunks of every symmetric set: in place, for n states."""
        if not self.plan.sets:
            return
        self.out.append("static void canon(u64 *o, u32 n) {")
        self.out.append(f"  for (u32 i = 0; i < n; i++, o += {self.words}) {{")
        for members in self.layout.members:
            self.sort([merged(m) for m in members])
        self.out += ["  }", "}"]

    def sort(self, chunks: list[list[Slot]]) -> None:
        size, parts = len(chunks), len(chunks[0])
        if not parts:
            return
        lines = [
            f"u64 m{m}_{k} = o[{c.word}] >> {c.shift} & {(1 << c.width) - 1:#x}ull;"
            for m, member in enumerate(chunks) for k, c in enumerate(member)
        ]
        for last in range(size - 1, 0, -1):
            for m in range(last):
                less = ""
                for k in reversed(range(parts)):
                    here = f"m{m + 1}_{k} < m{m}_{k}"
                    less = here if not less else f"{here} || (m{m + 1}_{k} == m{m}_{k} && ({less}))"
                swaps = " ".join(
                    f"{{ const u64 x = m{m}_{k}; m{m}_{k} = m{m + 1}_{k}; m{m + 1}_{k} = x; }}" for k in range(parts)
                )
                lines.append(f"if ({less}) {{ {swaps} }}")
        for m, member in enumerate(chunks):
            for k, c in enumerate(member):
                lines.append(f"o[{c.word}] = (o[{c.word}] & {(1 << 64) - 1 - c.mask:#x}ull) | m{m}_{k} << {c.shift};")
        self.out += ["  {", *("    " + line for line in lines), "  }"]

    def model(self) -> None:
        plan = self.plan
        owner = {e.index: e.process for e in plan.edges}
        size = 1 + max((e.index for e in plan.system.edges), default=0)
        self.out.append(f"static const u64 initial[] = {{{', '.join(f'{w:#x}ull' for w in plan.initial)}}};")
        self.out.append(f"static const u32 process_of[] = {{{', '.join(str(owner.get(i, 0)) for i in range(size))}}};")
        most = len(plan.checks) + 1 + (plan.count - len(plan.checks)) * max(1, plan.widest)
        canon = "canon" if plan.sets else "0"
        self.out.append(
            f"const lq_model lq_the_model = {{{self.words}, {size}, {len(plan.system.processes)}, {plan.count}, "
            f"{max(1, plan.widest)}, {most}, initial, process_of, expand, {canon}}};"
        )


def emit(plan: Plan) -> str:
    """The C source.  Raises TooWide."""
    return _Emitter(plan).file()
