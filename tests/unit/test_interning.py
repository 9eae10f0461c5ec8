# SPDX-License-Identifier: GPL-2.0-or-later
"""Terms are single: what is built twice, pickled or copied is the same object; and nothing is kept that nobody uses."""

from __future__ import annotations

import copy
import gc
import pickle
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest

from lostirq.ir import core
from lostirq.ir.core import BOOL, Role, Type, Var, int_type
from lostirq.ir.digest import digest
from lostirq.ir.expr import Expr, and_, const, eq, le, var
from lostirq.language.source import Report, parse
from tests.unit.language import compiled

TEXT = """
flag: bool

@thread()
def setter():
    while True:
        idle()
        flag = not flag

@invariant("I")
def invariant_of() -> bool:
    return not flag
"""


def _variable(name: str) -> Var:
    return Var(name, int_type(0, 7, ("a", "b")), 0, Role.MEMORY, unit=3)


def test_terms_are_single() -> None:
    v, w = _variable("v"), _variable("w")
    assert v is _variable("v") and v is not w and v != w
    assert int_type(0, 7) is Type(core.Kind.INT, 0, 7) and int_type(0, 7) is not int_type(0, 7, ("a",))
    term = and_(eq(var(v), const(3, v.type)), le(var(w), var(v)))
    for same in (pickle.loads(pickle.dumps(term)), copy.deepcopy(term), copy.copy(term)):
        assert same is term
    assert pickle.loads(pickle.dumps((v, v.type, BOOL))) == (v, v.type, BOOL)
    assert replace(v, init=1) is not v and replace(v, init=1).init == 1 and replace(replace(v, init=1), init=0) is v
    with pytest.raises(AttributeError):
        v.init = 1  # type: ignore[misc]  # that is what is tested


def test_reads_are_in_order_of_occurrence() -> None:
    v, w = _variable("v"), _variable("w")
    term = and_(le(var(w), var(v)), eq(var(v), const(3, v.type)))
    assert list(term.reads) == [w, v] == list(core.variables([term]))
    assert const(1, BOOL).reads == set()


def test_what_nobody_uses_is_forgotten() -> None:
    gc.collect()
    before = len(core._interned), len(core._singles)
    terms = [eq(var(_variable(f"gone {n}")), const(n % 8, int_type(0, 7))) for n in range(100)]
    assert len(core._interned) >= before[0] + 200
    del terms
    gc.collect()
    assert len(core._interned) <= before[0] + 8 and len(core._singles) <= before[1]   # at most the constants are new


def test_threads_build_the_same_objects() -> None:
    """Four threads that are interrupted all the time build the same terms; each is complete when it is seen."""

    def build(_: int) -> list[tuple[Type, Var, Expr]]:
        built = []
        for n in range(3000):
            type_ = Type(core.Kind.INT, 0, n + 2)
            v = Var(f"thread {n}", type_, 0, Role.MEMORY)
            assert type_.hi == n + 2 and v.type is type_
            built.append((type_, v, eq(var(v), const(1, type_))))
        return built

    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        with ThreadPoolExecutor(4) as pool:
            first, *others = pool.map(build, range(4))
    finally:
        sys.setswitchinterval(interval)
    assert all(a is b for other in others for x, y in zip(first, other, strict=True) for a, b in zip(x, y, strict=True))


def test_a_digest_belongs_to_one_system() -> None:
    system = compiled(TEXT)
    first = digest(system)
    fewer = replace(system, properties=())
    assert digest(fewer) != first == digest(system)
    assert digest(system, properties=False) == digest(fewer, properties=False) != first
    assert digest(pickle.loads(pickle.dumps(system))) == first


def test_a_file_is_parsed_once_and_its_errors_are_told_each_time() -> None:
    first, second = Report(), Report()
    assert parse("model/a.py", "x: bool\n", first) is parse("model/a.py", "x: bool\n", second)
    assert parse("model/b.py", "x: bool\n", second) is not parse("model/a.py", "x: bool\n", second)
    for report in (first, second):
        assert parse("model/a.py", "def (", report) is None
        assert [d.code for d in report.found] == ["LI001"]
