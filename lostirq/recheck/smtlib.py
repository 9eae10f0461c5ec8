# SPDX-License-Identifier: GPL-2.0-or-later
"""Terms as SMT-LIB 2 text: bit-vectors only, strict enough for any solver.

A bool is a Bool, bits are a bit-vector of their width, and every int of a script is a signed bit-vector of one width,
large enough for every value that any term of the script can take: nothing overflows.  Each term is defined once, by a
name of our own making; no text of the files reaches the script.

References: Barrett, Fontaine and Tinelli, "The SMT-LIB Standard", version 2.6; Warren 2012,
"Hacker's Delight", 5.1-5.3.
"""

from __future__ import annotations

from collections.abc import Iterable

from lostirq.recheck.terms import Term, Terms, Wrong, high, low, walk, width

WIDEST = 64


class Script:
    """One script over the terms of all its queries."""

    def __init__(self, terms: Terms, roots: Iterable[Term]) -> None:
        self._terms = terms
        order = list(walk(roots))
        self.int_width = _int_width(order)
        self._names: dict[Term, str] = {}
        self._declared: dict[int, str] = {}
        self._masks: dict[tuple[str, int], str] = {}
        self._lines = ["(set-logic QF_BV)"]
        for t in order:
            self._define(t)

    def query(self, assertions: Iterable[Term], core: bool = False) -> None:
        """Can these be true together, with every int in its range?  `core`: and if not, which of them cannot, the n-th
        named q..._n."""
        given = list(assertions)
        reads = 0
        for t in given:
            reads |= t.reads
        self._lines.append("(push 1)")
        for number, name in self._declared.items():
            sort = self._terms.sorts[number]
            if reads >> number & 1 and sort[0] == "int":
                lowest, highest = self._int(low(sort)), self._int(high(sort))
                self._lines.append(f"(assert (and (bvsle {lowest} {name}) (bvsle {name} {highest})))")
        if core:
            first = len(self._lines)
            self._lines += [f"(assert (! {self._names[t]} :named q{first}_{n}))" for n, t in enumerate(given)]
            self._lines += ["(check-sat)", "(get-unsat-core)", "(pop 1)"]
        else:
            self._lines += [f"(assert {self._names[t]})" for t in given]
            self._lines += ["(check-sat)", "(pop 1)"]

    def text(self) -> str:
        return "\n".join([*self._lines, ""])

    # -- terms ------------------------------------------------------------------------------------------------------

    def _int(self, value: int) -> str:
        return f"(_ bv{value % (1 << self.int_width)} {self.int_width})"

    def _sort(self, t: Term) -> str:
        if t.sort[0] == "bool":
            return "Bool"
        return f"(_ BitVec {self.int_width if t.sort[0] == 'int' else width(t.sort)})"

    def _define(self, t: Term) -> None:
        name = f"t{len(self._names)}"
        if t.op == "var":
            self._declared[t.data] = name  # type: ignore[index]  # a variable number
            self._lines.append(f"(declare-const {name} {self._sort(t)})")
        else:
            body = self._text(t, [self._names[a] for a in t.args])
            self._lines.append(f"(define-fun {name} () {self._sort(t)} {body})")
        self._names[t] = name

    def _text(self, t: Term, a: list[str]) -> str:
        op = t.op
        if op == "const":
            if t.sort[0] == "bool":
                return "true" if t.data else "false"
            return self._int(t.data) if t.sort[0] == "int" else f"(_ bv{t.data} {width(t.sort)})"  # type: ignore[arg-type]  # a number
        if op in _PLAIN:
            return f"({_PLAIN[op]} {' '.join(a)})"
        if op == "in":
            return self._member(a[0], t.data)  # type: ignore[arg-type]  # a tuple of numbers
        if op == "concat":
            text = a[0]
            for upper in a[1:]:
                text = f"(concat {upper} {text})"
            return text
        if op == "extract":
            first, size = _two(t)
            return f"((_ extract {first + size - 1} {first}) {a[0]})"
        if op == "bit":
            return f"(distinct (bvand {a[0]} {self._mask(t.args[0], a[1])}) (_ bv0 {width(t.args[0].sort)}))"
        if op == "put":
            mask = self._mask(t, a[1])
            return f"(ite {a[2]} (bvor {a[0]} {mask}) (bvand {a[0]} (bvnot {mask})))"
        if op == "highest":
            return self._highest(a[0], width(t.args[0].sort))
        if op == "count":
            return self._count(a[0], width(t.args[0].sort))
        if op == "encode":
            first, size = _two(t)
            value = f"(ite {a[0]} {self._int(1)} {self._int(0)})" if t.args[0].sort[0] == "bool" else a[0]
            return self._resize(f"(bvsub {value} {self._int(first)})", self.int_width, size, "sign_extend")
        if op == "decode":
            size = width(t.args[0].sort)
            if t.data is None:
                return f"(distinct {a[0]} (_ bv0 {size}))"
            return f"(bvadd {self._resize(a[0], size, self.int_width, 'zero_extend')} {self._int(t.data)})"  # type: ignore[arg-type]  # a number
        raise Wrong(f"{op} has no meaning in a state")

    @staticmethod
    def _resize(text: str, old: int, new: int, extend: str) -> str:
        if new <= old:
            return text if new == old else f"((_ extract {new - 1} 0) {text})"
        return f"((_ {extend} {new - old}) {text})"

    def _mask(self, bits: Term, i: str) -> str:
        """Bit i alone, or no bit if i is outside; bits of one width and index share it."""
        size = width(bits.sort)
        if (i, size) not in self._masks:
            fits = f"(and (bvsle {self._int(0)} {i}) (bvslt {i} {self._int(size)}))"
            shifted = f"(bvshl (_ bv1 {size}) {self._resize(i, self.int_width, size, 'zero_extend')})"
            self._masks[i, size] = self._aux(f"(_ BitVec {size})", f"(ite {fits} {shifted} (_ bv0 {size}))")
        return self._masks[i, size]

    def _member(self, a: str, values: tuple[int, ...]) -> str:
        """Membership, by runs of consecutive values."""
        runs: list[tuple[int, int]] = []
        for v in sorted(set(values)):
            if runs and runs[-1][1] == v - 1:
                runs[-1] = (runs[-1][0], v)
            else:
                runs.append((v, v))
        tests = [f"(and (bvsle {self._int(lo)} {a}) (bvsle {a} {self._int(hi)}))" for lo, hi in runs]
        return f"(or false false {' '.join(tests)})"

    def _highest(self, a: str, size: int) -> str:
        """A binary search from the top: take the upper half if it has a bit, else the lower."""
        steps = max(1, (size - 1).bit_length())
        rest, digits = self._resize(a, size, 1 << steps, "zero_extend"), []
        for step in reversed(range(steps)):
            half = 1 << step
            rest = self._aux(f"(_ BitVec {2 * half})", rest)
            upper, lower = f"((_ extract {2 * half - 1} {half}) {rest})", f"((_ extract {half - 1} 0) {rest})"
            some = f"(distinct {upper} (_ bv0 {half}))"
            digits.append(f"(ite {some} {self._int(half)} {self._int(0)})")
            rest = f"(ite {some} {upper} {lower})"
        return f"(ite (= {a} (_ bv0 {size})) {self._int(-1)} {self._sum(digits)})"

    def _count(self, a: str, size: int) -> str:
        one, zero = self._int(1), self._int(0)
        return self._sum([f"(ite (= ((_ extract {i} {i}) {a}) #b1) {one} {zero})" for i in range(size)])

    @staticmethod
    def _sum(terms: list[str]) -> str:
        while len(terms) > 1:
            pairs = [terms[i : i + 2] for i in range(0, len(terms), 2)]
            terms = [f"(bvadd {p[0]} {p[1]})" if len(p) == 2 else p[0] for p in pairs]
        return terms[0]

    def _aux(self, sort: str, text: str) -> str:
        name = f"a{len(self._lines)}"
        self._lines.append(f"(define-fun {name} () {sort} {text})")
        return name


_PLAIN = {
    "not": "not", "and": "and", "or": "or", "=": "=", "<": "bvslt", "<=": "bvsle", "+": "bvadd", "-": "bvsub",
    "ite": "ite", "band": "bvand", "bor": "bvor", "bxor": "bvxor", "bnot": "bvnot",
}  # fmt: skip


def _two(t: Term) -> tuple[int, int]:
    """The parameters of an extract or encode."""
    return t.data  # type: ignore[return-value]  # two numbers


def _int_width(terms: Iterable[Term]) -> int:
    """Bits of a two's complement for every number that occurs, widths of words and values of sets included."""
    most = 1
    for t in terms:
        if t.sort[0] == "int":
            most = max(most, abs(low(t.sort)), abs(high(t.sort)))
        elif t.op in ("bit", "put"):
            most = max(most, width(t.args[0].sort))
        elif t.op == "in":
            most = max([most, *(abs(v) for v in t.data)])  # type: ignore[attr-defined]  # a tuple of numbers
        elif t.op == "encode":
            operand = t.args[0].sort
            span = max(abs(low(operand)), abs(high(operand))) if operand[0] == "int" else 1
            most = max(most, span + abs(_two(t)[0]))
    if most.bit_length() + 1 > WIDEST:
        raise Wrong(f"a number as large as {most}")
    return most.bit_length() + 1
