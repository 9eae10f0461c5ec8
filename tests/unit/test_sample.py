# SPDX-License-Identifier: GPL-2.0-or-later
"""Samples of reachable states: all of them if they fit, only reachable ones if not, and the same in every run."""

from __future__ import annotations

from symbolic_toys import peterson, system

from lostirq.explicit.sample import Sample, sample
from lostirq.ir import expr as x
from lostirq.ir.expr import Role, Var, int_type
from lostirq.ir.system import System
from tests.unit.states import reachable


def rows(found: Sample) -> set[tuple[int, ...]]:
    return set(zip(*found.columns.values(), strict=True))


def counters(most: int) -> System:
    """Three processes that count up and down."""
    made = {f"p{i}": Var(f"n{i}", int_type(0, most), 0, Role.MEMORY, unit=i) for i in range(3)}
    return system("counters", tuple(made.values()), {
        name: [(0, 0, x.lt(x.var(n), x.integer(most)), ((n, x.add(x.var(n), x.integer(1))),)),
               (0, 0, x.lt(x.integer(0), x.var(n)), ((n, x.sub(x.var(n), x.integer(1))),))]
        for name, n in made.items()
    })  # fmt: skip


def test_all_states_if_they_fit() -> None:
    for s in (peterson(), counters(3)):
        found = sample(s, 1000)
        expected = reachable(s)
        assert found.complete and found.states == len(expected)
        assert rows(found) == {tuple(v for v in state) for state in expected}
        assert list(found.columns) == list(s.variables)


def test_a_sample_holds_reachable_states_only() -> None:
    s = counters(9)
    found = sample(s, 200)
    assert not found.complete and found.states >= 200
    assert len(rows(found)) == found.states
    assert rows(found) <= reachable(s)


def test_a_sample_gets_far() -> None:
    """One process to its end while the others stand still."""
    found = sample(counters(30), 600)
    assert not found.complete
    assert all(max(column) >= 8 for v, column in found.columns.items() if v.role is Role.MEMORY)


def test_a_sample_is_the_same_in_every_run() -> None:
    assert sample(counters(9), 100, seed=3) == sample(counters(9), 100, seed=3)
    assert sample(counters(9), 100, seed=3) != sample(counters(9), 100, seed=4)
