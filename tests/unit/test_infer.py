# SPDX-License-Identifier: GPL-2.0-or-later
"""Invariants that are found: enough for the proof, true in every reachable state; and what is said if they are not."""

from __future__ import annotations

from symbolic_toys import memory, peterson, system

from lostirq.explicit.sample import sample
from lostirq.ir import expr as x
from lostirq.ir.expr import BOOL, Expr, bits_type, int_type
from lostirq.ir.system import System
from lostirq.symbolic.candidates import features, tables
from lostirq.symbolic.houdini import Houdini
from lostirq.symbolic.induction import evaluate, prove
from lostirq.symbolic.infer import Inferred, Reachable, infer
from lostirq.symbolic.outcome import Conjunct, NotInductive, Proved


def counter(s: System, process: int, place: int) -> Expr:
    return x.eq(x.var(s.processes[process].pc), x.integer(place))


def found_for(s: System, goal: Expr, small: System | None = None) -> Inferred:
    states = sample(small or s, 10_000)
    assert states.complete
    return infer(s, small or s, states.columns, [Conjunct("goal", goal)], complete=True)


def holds_everywhere(s: System, formulas: list[Expr]) -> bool:
    states = sample(s, 10_000)
    rows = [dict(zip(states.columns, row, strict=True)) for row in zip(*states.columns.values(), strict=True)]
    return all(evaluate(f, row) for f in formulas for row in rows)


def mutual_exclusion(s: System) -> Expr:
    return x.not_(x.and_(counter(s, 0, 4), counter(s, 1, 4)))


def test_mutual_exclusion_is_found_from_nothing() -> None:
    s = peterson()
    goal = Conjunct("goal", mutual_exclusion(s))
    assert isinstance(prove(s, [goal]), NotInductive)
    found = found_for(s, goal.formula)
    assert not found.gaps
    assert isinstance(prove(s, [goal, *found.conjuncts]), Proved)
    assert holds_everywhere(s, [c.formula for c in found.conjuncts])


def test_what_is_false_is_a_gap_whose_state_is_reachable() -> None:
    s = peterson(broken=True)
    found = found_for(s, mutual_exclusion(s))
    assert found.gaps and found.gaps[0].target == "goal"
    assert found.gaps[0].reachable is Reachable.YES


def wide(width: int) -> System:
    """A sender sets a bit if there is none, then a flag; a receiver that sees the flag takes the bits, or is stuck."""
    bits, flag = memory("bits", bits_type(width), unit=0), memory("flag", BOOL, unit=1)
    none = x.eq(x.var(bits), x.const(0, bits_type(width)))
    sent = x.put(x.var(bits), x.integer(width - 1), x.TRUE)
    return system(f"wide {width}", (bits, flag), {
        "sender": [(0, 1, none, ((bits, sent),)), (1, 0, x.TRUE, ((flag, x.TRUE),))],
        "receiver": [(0, 1, x.var(flag), ((flag, x.FALSE),)),
                     (1, 0, x.not_(none), ((bits, x.const(0, bits_type(width))),)),
                     (1, 2, none, ())],
    })  # fmt: skip


def test_what_holds_of_two_bits_is_lifted_to_256() -> None:
    """At a width at which no state was looked at."""
    full, small = wide(256), wide(2)
    goal = Conjunct("goal", x.not_(counter(full, 1, 2)))
    assert isinstance(prove(full, [goal]), NotInductive)
    found = found_for(full, goal.formula, small)
    assert not found.gaps and found.conjuncts
    assert isinstance(prove(full, [goal, *found.conjuncts]), Proved)


def test_a_number_out_of_range_is_a_target_too() -> None:
    n, up = memory("n", int_type(0, 1), unit=0), memory("up", BOOL, unit=1)
    s = system("range", (n, up), {"p": [
        (0, 1, x.TRUE, ((n, x.add(x.var(n), x.integer(1))), (up, x.TRUE))),
        (1, 0, x.TRUE, ((n, x.sub(x.var(n), x.integer(1))), (up, x.FALSE))),
    ]})  # fmt: skip
    found = found_for(s, x.TRUE)
    assert not found.gaps and found.conjuncts
    assert isinstance(prove(s, found.conjuncts), Proved)


def test_all_tables_at_once_are_inductive() -> None:
    s = peterson()
    states = sample(s, 10_000)
    made = tables(features(s, s, states.columns))
    Houdini(s, made).run()
    assert isinstance(prove(s, [t.conjunct() for t in made]), Proved)
    assert holds_everywhere(s, [t.whole() for t in made])
