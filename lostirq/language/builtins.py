# SPDX-License-Identifier: GPL-2.0-or-later
"""Built-in functions: the readers, which are expressions, and the names of those with effects.

A reader makes at most one access per place that it names.  The effects (`EFFECTS`) are steps and are compiled by
`lostirq.language.primitives`.
"""

from __future__ import annotations

import ast
from collections.abc import Callable
from typing import TYPE_CHECKING

from lostirq.ir.expr import (
    FALSE,
    TRUE,
    Expr,
    Kind,
    add,
    and_,
    bit,
    concat,
    count,
    extract,
    highest,
    implies,
    integer,
    is_const,
    ite,
    le,
    or_,
    put,
    sub,
    value_of,
    var,
)
from lostirq.language.places import PackedValue, Ref, ScalarPlace, StructPlace, Value, WordsPlace, choose_value
from lostirq.language.types import ArrayType, Scalar, WordsType, show

if TYPE_CHECKING:
    from lostirq.language.translate import Translator

# Names of what makes a step or marks one; `lostirq.language.primitives` compiles them.
EFFECTS = (
    "WRITE_ONCE",
    "smp_store_release",
    "lock_set",
    "spin_lock",
    "spin_unlock",
    "test_and_set_bit",
    "test_and_clear_bit",
    "set_bit",
    "clear_bit",
    "__test_and_set_bit",
    "__test_and_clear_bit",
    "__set_bit",
    "__clear_bit",
    "test_and_set",
    "test_and_clear",
    "xchg",
    "cmpxchg",
    "fetch_add",
    "fetch_or",
    "fetch_and",
    "wait",
    "choose",
    "event",
    "idle",
    "strong",
    "unfair",
    "step",
    "drain",
    "smp_mb",
    "smp_wmb",
    "smp_rmb",
    "smp_mb__before_atomic",
    "smp_mb__after_atomic",
    "barrier",
)
MOST_TURNS = 4096       # of a loop, which is unrolled
IN_PROPERTIES = (
    "old",
    "occurs",
    "within",
    "at_rest",
    "quiet",
    "function_of",
    "buffers_empty",
    "local",
    "turn",
    "at_wait",
    "seen_by",
    "settled",
    "buffered",
)


def arguments(tr: Translator, node: ast.Call, allowed: tuple[int, ...]) -> list[ast.expr]:
    """Positional arguments of a built-in."""
    assert isinstance(node.func, ast.Name)
    if node.keywords or len(node.args) not in allowed:
        wanted = " or ".join(str(n) for n in allowed)
        raise tr.fail(node, "LI012", f"'{node.func.id}' takes {wanted} argument(s), not {len(node.args)}")
    return node.args


def _load(tr: Translator, node: ast.Call) -> Value:
    (place,) = arguments(tr, node, (1,))
    return tr.read(tr.place(place), node)


def bits_place(tr: Translator, node: ast.expr) -> Ref:
    """A Words, or a Bits place, of which one bit is meant."""
    ref = tr.place(node)
    if isinstance(ref.type, WordsType) or isinstance(ref.type, Scalar) and ref.type.type.kind is Kind.BITS:
        return ref
    raise tr.fail(node, "LI010", f"bits are needed here, not a {ref.type}")


def test_bit_of(tr: Translator, ref: Ref, index: Expr) -> Expr:
    """One bit, wherever it lies; false out of range."""
    options: list[tuple[Expr, Expr]] = []
    units: list[int] = []
    for cond, place in ref.alternatives:
        if isinstance(place, ScalarPlace):
            options.append((cond, bit(var(place.var), index)))
            units.append(place.var.unit)
            continue
        assert isinstance(place, WordsPlace)
        found: list[Expr] = []
        for k, v in enumerate(place.vars):
            inside = bit(var(v), sub(index, integer(k * place.type.width)))
            if inside is not FALSE:
                found.append(inside)
                units.append(v.unit)
        options.append((cond, or_(*found)))
    tr.note(units)
    return choose_value(options)


def _test_bit(tr: Translator, node: ast.Call) -> Value:
    place, index = arguments(tr, node, (2,))
    ref, number = bits_place(tr, place), tr.number_expr(index)
    return test_bit_of(tr, ref, number)


def _bits(tr: Translator, node: ast.Call) -> Value:
    """All words as one value: several units, so an atomic look."""
    (place,) = arguments(tr, node, (1,))
    ref = bits_place(tr, place)
    options: list[tuple[Expr, Expr]] = []
    words: list[list[int]] = []
    for cond, p in ref.alternatives:
        vs = (p.var,) if isinstance(p, ScalarPlace) else p.vars if isinstance(p, WordsPlace) else ()
        options.append((cond, concat(*(var(v) for v in vs))))
        words.append([v.unit for v in vs])
    for k in range(max(len(w) for w in words)):
        tr.note(w[k] for w in words if k < len(w))
    return choose_value(options)


def _bits_value(tr: Translator, node: ast.expr) -> Expr:
    value = tr.scalar(node)
    if value.type.kind is not Kind.BITS:
        raise tr.fail(
            node, "LI010", f"bits are needed here, not {show(value.type)}", "bits(W) reads a Words as a whole"
        )
    return value


def _bit(tr: Translator, node: ast.Call) -> Value:
    value, index = arguments(tr, node, (2,))
    return bit(_bits_value(tr, value), tr.number_expr(index))


def _with_bit(tr: Translator, node: ast.Call) -> Value:
    value, index, new = arguments(tr, node, (3,))
    return put(_bits_value(tr, value), tr.number_expr(index), tr.condition(new))


def _highest(tr: Translator, node: ast.Call) -> Value:
    return highest(_bits_value(tr, *arguments(tr, node, (1,))))


def _popcount(tr: Translator, node: ast.Call) -> Value:
    return count(_bits_value(tr, *arguments(tr, node, (1,))))


def _two(pick_smaller: bool) -> Callable[[Translator, ast.Call], Value]:
    def build(tr: Translator, node: ast.Call) -> Value:
        first, second = arguments(tr, node, (2,))
        a, b = tr.number_expr(first), tr.number_expr(second)
        return ite(le(a, b), a, b) if pick_smaller else ite(le(a, b), b, a)

    return build


def _extract(tr: Translator, node: ast.Call) -> Value:
    """extract(b, low, width): a run of bits, as bits."""
    value, low, width = arguments(tr, node, (3,))
    bits, first, size = _bits_value(tr, value), tr.constant(low), tr.constant(width)
    if first < 0 or size < 1 or first + size > bits.type.width:
        if not tr.universe.phantom:
            raise tr.fail(
                node, "LI017", f"bits {first}..{first + size - 1} are outside {show(bits.type)}", "check the bounds"
            )
        first, size = 0, min(max(1, size), bits.type.width)
    return extract(bits, first, size)


def _insert(tr: Translator, node: ast.Call) -> Value:
    """insert(b, low, part): b with a run of bits replaced."""
    value, low, new = arguments(tr, node, (3,))
    whole, first, part = _bits_value(tr, value), tr.constant(low), _bits_value(tr, new)
    rest = whole.type.width - first - part.type.width
    if first < 0 or rest < 0:
        if not tr.universe.phantom:
            raise tr.fail(
                node, "LI017", f"{show(part.type)} at bit {first} is outside {show(whole.type)}", "check the bounds"
            )
        return whole
    parts = [extract(whole, 0, first)] if first else []
    parts.append(part)
    if rest:
        parts.append(extract(whole, first + part.type.width, rest))
    return concat(*parts)


def _index(tr: Translator, node: ast.Call) -> Value:
    """index(vcpu): the number of a structure in its array; finding it is no access."""
    (target,) = arguments(tr, node, (1,))
    ref = tr.place(target)
    options: list[tuple[Expr, Expr]] = []
    for cond, place in ref.alternatives:
        if not isinstance(place, StructPlace) or place.index < 0 and not tr.universe.phantom:
            raise tr.fail(target, "LI010", f"this {ref.type} is not an element of an array of structures")
        options.append((cond, integer(max(0, place.index))))
    return choose_value(options)


def _len(tr: Translator, node: ast.Call) -> Value:
    (place,) = arguments(tr, node, (1,))
    type_ = tr.place(place).type
    if isinstance(type_, ArrayType):
        return integer(type_.length)
    if isinstance(type_, WordsType):
        return integer(type_.bits)
    raise tr.fail(node, "LI010", f"a {type_} has no length")


def loop_range(tr: Translator, node: ast.expr) -> list[int]:
    """The numbers of `range(...)` or `reversed(range(...))` with constant bounds."""
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and len(node.args) in (1, 2, 3):
        if node.func.id == "reversed" and len(node.args) == 1:
            return loop_range(tr, node.args[0])[::-1]
        if node.func.id == "range":
            bounds: list[int] = []
            for arg in node.args:
                value = tr.number_expr(arg)
                if not is_const(value):
                    raise tr.fail(
                        arg, "LI018", "the bound of a loop must be constant", "use while, or a constant bound"
                    )
                bounds.append(value_of(value))
            if len(bounds) == 3 and bounds[2] == 0:
                raise tr.fail(node, "LI018", "the step of a range is not 0")
            numbers = range(*bounds)
            if len(numbers) > MOST_TURNS:
                said = f"the loop would be unrolled {len(numbers)} times"
                raise tr.fail(node, "LI018", said, f"at most {MOST_TURNS}")
            return list(numbers)
    raise tr.fail(node, "LI018", "a loop runs over range(...) with constant bounds", "for i in range(N)")


def _comprehension(tr: Translator, node: ast.Call) -> list[tuple[Expr, Expr | PackedValue]]:
    """(filter, element) for each value of the generator's variables."""
    (argument,) = arguments(tr, node, (1,))
    if not isinstance(argument, ast.GeneratorExp):
        raise tr.fail(argument, "LI006", "a generator is needed here", "any(e for i in range(N))")
    saved = dict(tr.scope.names)
    found: list[tuple[Expr, Expr | PackedValue]] = []

    def descend(level: int, keep: Expr) -> None:
        if level == len(argument.generators):
            found.append((keep, tr.rvalue(argument.elt)))
            return
        generator = argument.generators[level]
        if not isinstance(generator.target, ast.Name) or generator.is_async:
            raise tr.fail(generator.target, "LI006", "the variable of a generator is one name")
        for number in loop_range(tr, generator.iter):
            tr.scope.names[generator.target.id] = integer(number)
            conds = [tr.condition(c) for c in generator.ifs]
            inner = and_(keep, *conds)
            if inner is not FALSE:
                descend(level + 1, inner)

    try:
        descend(0, TRUE)
    finally:
        tr.scope.names = saved
    return found


def _as_bool(tr: Translator, node: ast.AST, value: Expr | PackedValue) -> Expr:
    if isinstance(value, PackedValue) or value.type.kind is not Kind.BOOL:
        raise tr.fail(node, "LI010", "the elements must be bool")
    return value


def _any(tr: Translator, node: ast.Call) -> Value:
    return or_(*(and_(k, _as_bool(tr, node, v)) for k, v in _comprehension(tr, node)))


def _all(tr: Translator, node: ast.Call) -> Value:
    return and_(*(implies(k, _as_bool(tr, node, v)) for k, v in _comprehension(tr, node)))


def _sum(tr: Translator, node: ast.Call) -> Value:
    total = integer(0)
    for keep, value in _comprehension(tr, node):
        if isinstance(value, PackedValue) or value.type.kind is Kind.BITS or value.type.names:
            raise tr.fail(node, "LI010", "only numbers and bools are summed")
        number = ite(value, integer(1), integer(0)) if value.type.kind is Kind.BOOL else value
        total = add(total, ite(keep, number, integer(0)))
    return total


READERS: dict[str, Callable[[Translator, ast.Call], Value]] = {
    "READ_ONCE": _load,
    "smp_load_acquire": _load,
    "test_bit": _test_bit,
    "bits": _bits,
    "bit": _bit,
    "with_bit": _with_bit,
    "highest": _highest,
    "popcount": _popcount,
    "min": _two(True),
    "max": _two(False),
    "extract": _extract,
    "insert": _insert,
    "index": _index,
    "any": _any,
    "all": _all,
    "sum": _sum,
    "len": _len,
}
