# SPDX-License-Identifier: GPL-2.0-or-later
"""Families of edges, equalities of locals, and obligations that are skipped: what the prover takes for granted."""

from __future__ import annotations

from lostirq.ir import expr as x
from lostirq.ir.expr import BOOL, Role, Var, bits_type, int_type
from lostirq.ir.system import System
from lostirq.symbolic.agreement import agreements
from lostirq.symbolic.families import families
from lostirq.symbolic.induction import Prover, StepQueries, prove
from lostirq.symbolic.outcome import Conjunct, NotInductive, Proved
from lostirq.symbolic.rewrite import Rewriter
from tests.unit import symbolic_toys as toys

PIR = toys.memory("pir", bits_type(8))
LAST = Var("p.last", int_type(0, 100), 0, Role.LOCAL, owner=0)
ALL = x.const(255, bits_type(8))


def posts(numbers: list[tuple[int, int]]) -> System:
    """One edge for each (bit, number remembered)."""
    steps: list[toys.Step] = []
    for bit, last in numbers:
        changed = ((PIR, x.put(x.var(PIR), x.integer(bit), x.TRUE)), (LAST, x.const(last, LAST.type)))
        steps.append((0, 0, x.not_(x.bit(x.var(PIR), x.integer(bit))), changed))
    return toys.system("posts", (PIR, LAST), {"p": steps})


def test_numbers_that_move_together_make_one_family() -> None:
    (family,) = families(posts([(i, i + 16) for i in range(8)]).edges)
    assert len(family.members) == 8 and family.input is not None
    assert (family.input.type.lo, family.input.type.hi) == (0, 7)


def test_numbers_that_do_not_are_edges_of_their_own() -> None:
    found = families(posts([(0, 16), (1, 18), (2, 17), (3, 30)]).edges)
    assert [len(f.members) for f in found] == [1, 1, 1, 1]
    assert all(f.input is None and f.general is f.members[0] for f in found)


def test_a_family_hides_no_member() -> None:
    """Bit 5 alone breaks the goal; the counterexample names its edge."""
    s = posts([(i, i + 16) for i in range(8)])
    without_5 = x.not_(x.bit(x.var(PIR), x.integer(5)))
    outcome = prove(s, [Conjunct("no 5", without_5)])
    assert isinstance(outcome, NotInductive)
    assert [c.edge for c in outcome.counterexamples] == [5]
    assert isinstance(prove(s, [Conjunct("some", x.or_(without_5, x.bit(x.var(PIR), x.integer(5))))]), Proved)


def test_values_outside_the_members_are_not_assumed() -> None:
    """Bits 0, 2, 4 are posted: bits 1 and 3, in between, stay clear."""
    s = posts([(0, 0), (2, 2), (4, 4)])
    assert [len(f.members) for f in families(s.edges)] == [3]
    odd = x.eq(x.band(x.var(PIR), x.const(0b1010, bits_type(8))), x.const(0, bits_type(8)))
    assert isinstance(prove(s, [Conjunct("odd", odd)]), Proved)


def copies(agree: bool) -> System:
    """Reads a flag into two locals at once, or one after the other."""
    flag = toys.memory("flag", BOOL)
    a, b = (Var(f"p.{n}", BOOL, 0, Role.LOCAL, owner=0) for n in "ab")
    look = x.var(flag)
    both: list[toys.Step] = (
        [(0, 1, x.TRUE, ((a, look), (b, look)))]
        if agree
        else [(0, 2, x.TRUE, ((a, look),)), (2, 1, x.TRUE, ((b, look),))]
    )
    use: list[toys.Step] = [(1, 0, x.TRUE, ((flag, x.eq(x.var(a), x.var(b))),))]
    flip: list[toys.Step] = [(0, 0, x.TRUE, ((flag, x.not_(look)),))]
    return toys.system("copies", (flag, a, b), {"p": both + use, "flipper": flip})


def test_locals_that_are_copies_agree_where_they_are_live() -> None:
    s = copies(agree=True)
    found = agreements(s, s.processes[0], Rewriter(s.variables))
    assert [c.name for c in found] == ["locals of p at 1"]
    assert isinstance(prove(s, found), Proved)


def test_locals_that_were_read_apart_do_not() -> None:
    s = copies(agree=False)
    assert agreements(s, s.processes[0], Rewriter(s.variables)) == []


def test_a_conjunct_about_one_location_is_skipped_only_elsewhere() -> None:
    """Where the premise of a conjunct names another location than the edge leads to, its precondition is true."""
    s = toys.peterson()
    prover = Prover(s, [])
    skipped = 0
    for p in s.processes:
        for place in range(5):
            fact = x.implies(x.eq(x.var(p.pc), x.integer(place)), x.var(s.variables[0]))
            premise = prover.premise(fact)
            assert premise == {p.pc: place}
            for e in s.edges:
                if e.process == p.index and e.dst != place:
                    assert StepQueries(prover, e).precondition(fact) is x.TRUE
                    skipped += 1
    assert skipped
