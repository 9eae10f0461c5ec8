# SPDX-License-Identifier: GPL-2.0-or-later
"""Terms: typed, shared (equal terms are one object), with the few simplifications that decide program counters.

Sorts: ("bool",), ("int", lo, hi) with the smallest and largest value the term can have, ("bits", width).  The sort of a
term is computed from its operands; what the files say about sorts is used for variables, constants and the lowest value
of a `decode` only.  A term that is not well typed raises `Wrong`.

Meaning of the operators (ints are whole numbers, bits are unsigned): `bit a i` is bit i of a, false outside of a;
`put a i b` is a with bit i set to b, or a outside; `highest a` the position of the highest bit, or -1; `count a` the
number of bits; the first operand of `concat` is the lowest; `extract a` takes `width` bits from `low`; `encode a` is
the lowest `width` bits of a - lo; `decode a` is a + lo, or a bool; `in a` is membership in a set of constants.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

Sort = tuple[object, ...]
BOOL: Sort = ("bool",)


class Wrong(Exception):
    """A file is not what it must be: malformed, not well typed, or for another model."""


class Term:
    """One term.  `data`: the value of a const, the variable number of a var or old, or a parameter of the operator.
    `reads`: the variables in it, as a bit mask of their numbers (old ones are not counted)."""

    __slots__ = ("op", "args", "data", "sort", "reads")

    def __init__(self, op: str, args: tuple[Term, ...], data: object, sort: Sort, reads: int) -> None:
        self.op, self.args, self.data, self.sort, self.reads = op, args, data, sort, reads


# operator -> sorts of its operands; "*" repeats the last one (two operands at least)
_SIGNATURES: dict[str, str] = {
    "not": "bool", "and": "bool *", "or": "bool *", "<": "int int", "<=": "int int", "+": "int int", "-": "int int",
    "in": "int", "band": "bits bits", "bor": "bits bits", "bxor": "bits bits", "bnot": "bits", "bit": "bits int",
    "put": "bits int bool", "highest": "bits", "count": "bits", "concat": "bits *", "extract": "bits",
}  # fmt: skip


class Terms:
    """The terms over the variables of one system; `sorts` by variable number."""

    def __init__(self, sorts: Iterable[Sort]) -> None:
        self.sorts = list(sorts)
        self._known: dict[tuple[object, ...], Term] = {}
        self.true, self.false = self.const(1, BOOL), self.const(0, BOOL)

    # -- making terms -----------------------------------------------------------------------------------------------

    def _make(self, op: str, args: tuple[Term, ...], data: object, sort: Sort) -> Term:
        key = (op, args, data, sort)
        found = self._known.get(key)
        if found is None:
            reads = 1 << data if op == "var" and isinstance(data, int) else 0
            for a in args:
                reads |= a.reads
            found = self._known[key] = Term(op, args, data, sort, reads)
        return found

    def const(self, value: object, sort: Sort) -> Term:
        if not isinstance(value, int):
            raise Wrong(f"a constant that is no number: {value!r}")
        if sort[0] == "int":
            return self._make("const", (), value, ("int", value, value))
        if not 0 <= value < (2 if sort == BOOL else 1 << width(sort)):
            raise Wrong(f"constant {value} does not fit {sort}")
        return self._make("const", (), int(value), sort)

    def var(self, number: object, op: str = "var") -> Term:
        if not isinstance(number, int) or not 0 <= number < len(self.sorts):
            raise Wrong(f"no variable {number!r}")
        return self._make(op, (), number, self.sorts[number])

    def occurs(self, event: object, args: tuple[Term, ...]) -> Term:
        if not isinstance(event, str):
            raise Wrong(f"not an event: {event!r}")
        return self._make("occurs", args, event, BOOL)

    def negation(self, a: Term) -> Term:
        return self.build("not", (a,))

    def all_of(self, args: Iterable[Term]) -> Term:
        return self._junction("and", self.true, self.false, args)

    def any_of(self, args: Iterable[Term]) -> Term:
        return self._junction("or", self.false, self.true, args)

    def _junction(self, op: str, unit: Term, zero: Term, args: Iterable[Term]) -> Term:
        parts: dict[Term, None] = {}
        for a in args:
            for part in a.args if a.op == op else (a,):
                if part is zero:
                    return zero
                if part is not unit:
                    parts[part] = None
        if len(parts) < 2:
            return next(iter(parts), unit)
        return self._make(op, tuple(parts), None, BOOL)

    def build(self, op: str, args: tuple[Term, ...], data: object = None) -> Term:
        """The term, type-checked and simplified.  (const, var, old and occurs are not built here.)"""
        sort = self._sort(op, args, data)
        if op == "and":
            return self.all_of(args)
        if op == "or":
            return self.any_of(args)
        values = [a.data for a in args if a.op == "const"]
        if op == "not" and values:
            return self.false if values[0] else self.true
        if op == "not" and args[0].op == "not":
            return args[0].args[0]
        if op == "=" and args[0] is args[1]:
            return self.true
        if op in ("=", "<", "<=") and len(values) == 2:
            a, b = args[0].data, args[1].data
            holds = a == b if op == "=" else a < b if op == "<" else a <= b  # type: ignore[operator]  # numbers
            return self.true if holds else self.false
        if op == "=" and sort_of(args) == "bool" and values:
            other = args[0] if args[1].op == "const" else args[1]
            return other if values[0] else self.negation(other)
        if op == "in" and values:
            return self.true if values[0] in data else self.false  # type: ignore[operator]  # a tuple
        if op == "ite" and args[0].op == "const":
            return args[1] if args[0].data else args[2]
        if op == "ite" and args[1] is args[2]:
            return args[1]
        if op in ("+", "-") and len(values) == 2:
            return self.const(sort[1], sort)
        return self._make(op, args, data, sort)

    # -- typing -----------------------------------------------------------------------------------------------------

    def _sort(self, op: str, args: tuple[Term, ...], data: object) -> Sort:
        kinds = [str(a.sort[0]) for a in args]
        if op in _SIGNATURES:
            wanted = _SIGNATURES[op].split()
            if wanted[-1] == "*":
                wanted = [wanted[0]] * max(2, len(args))
            fits = kinds == wanted
        elif op == "=":
            fits = len(args) == 2 and kinds[0] == kinds[1] and (kinds[0] != "bits" or args[0].sort == args[1].sort)
        elif op == "ite":
            fits = len(args) == 3 and kinds[0] == "bool" and kinds[1] == kinds[2]
        elif op in ("encode", "decode"):
            fits = len(args) == 1 and (kinds[0] == "bits") == (op == "decode")
        else:
            raise Wrong(f"unknown operator {op!r}")
        if not fits:
            raise Wrong(f"not well typed: {op} over {', '.join(str(a.sort) for a in args)}")
        return self._result(op, [a.sort for a in args], data)

    def _result(self, op: str, s: list[Sort], data: object) -> Sort:
        if op in ("not", "and", "or", "=", "<", "<=", "bit"):
            return BOOL
        if op == "in":
            if not isinstance(data, tuple) or not all(isinstance(v, int) for v in data):
                raise Wrong(f"not a set of numbers: {data!r}")
            return BOOL
        if op == "+":
            return ("int", low(s[0]) + low(s[1]), high(s[0]) + high(s[1]))
        if op == "-":
            return ("int", low(s[0]) - high(s[1]), high(s[0]) - low(s[1]))
        if op == "ite" and s[1][0] == "int":
            return ("int", min(low(s[1]), low(s[2])), max(high(s[1]), high(s[2])))
        if op in ("ite", "band", "bor", "bxor"):
            if s[-1] != s[-2]:
                raise Wrong(f"not well typed: {op} over {s[-2]} and {s[-1]}")
            return s[-1]
        if op in ("bnot", "put"):
            return s[0]
        if op in ("highest", "count"):
            return ("int", -1, width(s[0]) - 1) if op == "highest" else ("int", 0, width(s[0]))
        if op == "concat":
            return ("bits", sum(width(x) for x in s))
        if op == "decode":
            if data is None:
                return BOOL
            if not isinstance(data, int):
                raise Wrong(f"a decode without its lowest value: {data!r}")
            return ("int", data, data + (1 << width(s[0])) - 1)
        if not isinstance(data, tuple) or len(data) != 2 or not all(isinstance(v, int) for v in data):
            raise Wrong(f"{op} needs two numbers, not {data!r}")
        first, size = data
        if size < 1 or op == "extract" and (first < 0 or first + size > width(s[0])):
            raise Wrong(f"{op} {data} out of {s[0]}")
        return ("bits", size)

    # -- rewriting --------------------------------------------------------------------------------------------------

    def replace(self, root: Term, values: Mapping[int, Term], touched: int, memo: dict[Term, Term]) -> Term:
        """The term with variables replaced; `touched` is the mask of those in `values`, `memo` belongs to `values`."""
        stack = [root]
        while stack:
            node = stack[-1]
            if node in memo:
                stack.pop()
            elif not node.reads & touched:
                memo[stack.pop()] = node
            elif node.op == "var":
                memo[stack.pop()] = values[node.data]  # type: ignore[index]  # a variable number
            else:
                missing = [a for a in node.args if a not in memo]
                if missing:
                    stack += missing
                    continue
                memo[stack.pop()] = self.again(node, tuple(memo[a] for a in node.args))
        return memo[root]

    def again(self, node: Term, args: tuple[Term, ...]) -> Term:
        """The same of other operands."""
        if args == node.args:
            return node
        return self.occurs(node.data, args) if node.op == "occurs" else self.build(node.op, args, node.data)


def low(s: Sort) -> int:
    return s[1]  # type: ignore[return-value]  # of an int


def high(s: Sort) -> int:
    return s[2]  # type: ignore[return-value]  # of an int


def width(s: Sort) -> int:
    return s[1]  # type: ignore[return-value]  # of bits


def sort_of(args: tuple[Term, ...]) -> str:
    return str(args[0].sort[0])


def parts(t: Term) -> tuple[Term, ...]:
    """The members of a conjunction."""
    return t.args if t.op == "and" else (t,)


def walk(roots: Iterable[Term]) -> Iterator[Term]:
    """Every term once, operands first."""
    seen: set[Term] = set()
    stack = list(roots)[::-1]
    while stack:
        node = stack[-1]
        if node in seen:
            stack.pop()
            continue
        missing = [a for a in node.args if a not in seen]
        if missing:
            stack += reversed(missing)
        else:
            seen.add(stack.pop())
            yield node
