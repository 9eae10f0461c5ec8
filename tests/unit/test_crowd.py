# SPDX-License-Identifier: GPL-2.0-or-later
"""Any number of senders: the crowd covers every number of them, the checker of that claim can fail, and what the
abstraction cannot do is refused."""

from __future__ import annotations

from dataclasses import replace

import pytest

from lostirq.errors import UsageError
from lostirq.evidence.verdict import Holds
from lostirq.ir.expr import and_, boolean, const, eq, var
from lostirq.ir.system import Memory, System
from lostirq.ir.tso import lower
from lostirq.symbolic.crowd import Crowd, crowd
from lostirq.symbolic.grown import difference
from lostirq.symbolic.induction import evaluate, prove
from lostirq.symbolic.outcome import Conjunct, NotInductive, Proved
from lostirq.symbolic.readings import Refused
from lostirq.symbolic.simulation import check_simulation
from lostirq.workflow.prove import prove_property
from tests.unit.language import compiled, load
from tests.unit.states import reachable

POSTERS = """
SENDERS = Param(2, "senders")
Vector = Int[0, 1]
Sender = Int[0, SENDERS - 1]
pir: Bits[2]
on: bool
cpu: Int[0, 1]
notified: Array[bool, 2]

@thread(over=SENDERS, symmetric=True)
def sender(s: Sender):
    while True:
        idle()
        vector = choose(Vector)
        with window("post"):
            if test_and_set_bit(pir, vector):
                continue
            if test_and_set(on):
                continue
        there = cpu
        lock_set(notified[there], True)

@thread()
def vcpu():
    while True:
        idle()
        if test_and_clear(on):
            with window("harvest"):
                with atomic():
                    pir = 0
        cpu = 1

@pure
def posting() -> bool:
    return within("sender", "post")

@invariant("announced")
def announced() -> bool:
    return pir == 0 or on or posting() or within("vcpu", "harvest")

@invariant("never")
def never() -> bool:
    return not (notified[1] and posting())
"""


def images(system: System, c: Crowd) -> set[tuple[int, ...]]:
    """The states of the crowd that stand for the reachable states of a system with some number of senders."""
    position = {v.name: i for i, v in enumerate(system.variables)}
    members = [p.name for p in system.processes if p.family == "sender"]
    flags = {p.flags.name: p for p in c.places.values()}
    found = set()
    for state in reachable(system):
        values = []
        for v in c.system.variables:
            place = flags.get(v.name)
            if place is None:
                values.append(state[position[v.name]] if v.name in position else v.init)
                continue
            marks = 0
            for name in members:
                if state[position[f"{name}.pc"]] == place.location:
                    post = tuple(state[position[w.name.replace("sender(0)", name, 1)]] for w in place.live)
                    marks |= 1 << place.posts.index(post)
            values.append(marks)
        found.add(tuple(values))
    return found


@pytest.mark.parametrize("memory", [Memory.SC, Memory.TSO])
def test_the_crowd_covers_every_number_of_members(memory: Memory) -> None:
    c = crowd(lower(compiled(POSTERS, memory)), "sender")
    assert check_simulation(c).failed == ()
    reached = reachable(c.system)
    counts = [images(lower(compiled(POSTERS, memory, SENDERS=n)), c) for n in (2, 3)]
    assert all(found <= reached for found in counts)
    assert len(counts[0]) < len(counts[1]) <= len(reached)


def test_what_needs_three_members_is_in_the_crowd() -> None:
    """Three flags at once: no system with two members has that."""
    c = crowd(lower(compiled(POSTERS)), "sender")
    names = {v.name: i for i, v in enumerate(c.system.variables)}
    some = [names[p.flags.name] for p in c.places.values() if p.location != c.member.pc.init]
    assert max(sum(bool(state[i]) for i in some) for state in reachable(c.system)) > 2


def test_formulas_are_read_for_any_number() -> None:
    c = crowd(lower(compiled(POSTERS)), "sender")
    keys = {p.key: p for p in c.system.properties}
    reached = [dict(zip(c.system.variables, s, strict=True)) for s in reachable(c.system)]
    broken = {k for k, p in keys.items() if any(not evaluate(p.formula, s) for s in reached)}
    small = lower(compiled(POSTERS))
    states = [dict(zip(small.variables, s, strict=True)) for s in reachable(small)]
    assert broken == {p.key for p in small.properties if any(not evaluate(p.formula, s) for s in states)} == {"never"}


def test_a_proof_for_any_number() -> None:
    """The vCPU takes ON, then the PIR: outside of that, what is posted is announced, or somebody is about to."""
    c = crowd(lower(compiled(POSTERS)), "sender")
    goals = {p.key: Conjunct(p.key, p.formula) for p in c.system.properties}
    assert isinstance(prove(c.system, [goals["announced"]]), Proved)
    assert isinstance(prove(c.system, [goals["never"]]), NotInductive)


@pytest.mark.parametrize("what", ["never", "forgets where it goes", "forgets what it does", "says something else"])
def test_a_wrong_crowd_is_found_out(what: str) -> None:
    """An edge of the crowd that is never taken, one without a flag or an effect, a formula that says something else."""
    c = crowd(lower(compiled(POSTERS)), "sender")
    edges, properties = list(c.system.edges), list(c.system.properties)
    k = min(c.origin)
    flags = {p.flags for p in c.places.values()}
    wrong = {
        "never": replace(edges[k], guard=boolean(False)),
        "forgets where it goes": replace(edges[k], assigns=edges[k].assigns[:-1]),
        "forgets what it does": replace(edges[k], assigns=tuple(a for a in edges[k].assigns if a[0] in flags)),
    }
    assert all(e != edges[k] for e in wrong.values())
    if what in wrong:
        edges[k] = wrong[what]
    else:
        properties[0] = replace(properties[0], formula=boolean(True))
    found = check_simulation(replace(c, system=replace(c.system, edges=tuple(edges), properties=tuple(properties))))
    assert len(found.failed) == 1


@pytest.mark.parametrize("family", ["sender", "vcpu"])
def test_a_crowd_that_leaves_out_an_event_is_found_out(family: str) -> None:
    """A property of steps would not hear of it."""
    told = POSTERS.replace("        cpu = 1\n", "        cpu = 1\n        event(\"moved\", 1)\n").replace(
        "            if test_and_set(on):\n                continue\n",
        "            event(\"posted\", vector)\n            if test_and_set(on):\n                continue\n")
    heard = told + '''
@step_property("heard")
def heard() -> bool:
    return not occurs("posted", 1) or not occurs("moved", 1)
'''
    c = crowd(lower(compiled(heard)), "sender")
    assert check_simulation(c).failed == ()
    edges = list(c.system.edges)
    k = next(e.index for e in edges if e.events and (e.index in c.origin) == (family == "sender"))
    edges[k] = replace(edges[k], events=())
    assert len(check_simulation(replace(c, system=replace(c.system, edges=tuple(edges)))).failed) == 1


def test_a_crowd_that_starts_elsewhere_is_found_out() -> None:
    c = crowd(lower(compiled(POSTERS)), "sender")
    k, v = next((k, v) for k, v in enumerate(c.system.variables) if v.name == "on")
    begins = replace(v, init=1)
    variables = (*c.system.variables[:k], begins, *c.system.variables[k + 1 :])
    assert check_simulation(replace(c, system=replace(c.system, variables=variables))).failed


REFUSED = {
    "tells the processes": POSTERS + '''
@invariant("first")
def first() -> bool:
    return not within("sender", 0, "post")
''',
    "counts the sender": POSTERS.replace("on: bool\n", "on: bool\nposts: Ghost[Int[0, SENDERS]]\n").replace(
        "            if test_and_set(on):\n                continue\n",
        "            posts += 1\n            if test_and_set(on):\n                posts -= 1\n"
        "                continue\n            posts -= 1\n") + '''
@invariant("few")
def few() -> bool:
    return posts < 2
''',
    "not_both names a sender by its number": POSTERS + '''
@invariant("not_both")
def not_both() -> bool:
    """Of two it says: not both.  Of three it says more than: not all."""
    good: bool = True
    for i in range(SENDERS):
        for j in range(SENDERS):
            if i != j and within("sender", i, "post") and within("sender", j, "post") and on:
                good = False
    return good
''',
    "at_most_two names a sender by its number": POSTERS + '''
@invariant("at_most_two")
def at_most_two() -> bool:
    """True of two whatever they do: nothing of it is left in the formula."""
    there: Int[0, SENDERS] = 0
    for i in range(SENDERS):
        if within("sender", i, "post"):
            there += 1
    return there <= 2
''',
}


@pytest.mark.parametrize("reason", REFUSED)
def test_what_cannot_be_a_crowd_is_refused_with_the_reason(reason: str) -> None:
    with pytest.raises(Refused, match=reason):
        crowd(lower(compiled(REFUSED[reason])), "sender")


def test_a_step_that_looks_at_a_member_is_refused() -> None:
    """The language has no way to write it; a reduction might make one."""
    system = lower(compiled(POSTERS))
    sender, vcpu = (next(p for p in system.processes if p.family == f) for f in ("sender", "vcpu"))
    idle = eq(var(sender.pc), const(0, sender.pc.type))
    edges = tuple(replace(e, guard=and_(e.guard, idle)) if e.process == vcpu.index else e for e in system.edges)
    with pytest.raises(Refused, match="looks at a sender"):
        crowd(replace(system, edges=edges), "sender")


THIRD = {
    "posts has another range": REFUSED["counts the sender"].replace("return posts < 2", "return posts <= 2"),
    "has other steps": POSTERS.replace(
        "        vector = choose(Vector)",
        "        if SENDERS > 2:\n            lock_set(notified[1], True)\n        vector = choose(Vector)"),
}  # fmt: skip


@pytest.mark.parametrize("reason", THIRD)
@pytest.mark.parametrize("memory", [Memory.SC, Memory.TSO])
def test_what_only_a_third_member_changes_is_seen(reason: str, memory: Memory) -> None:
    """`posts <= 2` is true of two senders by its type, so that nothing of it is left to refuse."""
    assert difference(compiled(POSTERS, memory), compiled(POSTERS, memory, SENDERS=3), "sender") == ""
    few, more = (compiled(THIRD[reason], memory, SENDERS=n) for n in (2, 3))
    assert reason in difference(few, more, "sender")


def test_a_proof_for_any_number_looks_at_a_third_member() -> None:
    scenario = """
@scenario(tier="proof", memory=("sc",), any_number=("sender",))
class only:
    '''Any number.'''
"""
    report = prove_property(load(POSTERS + scenario), "announced", "only", Memory.SC)
    assert isinstance(report.verdict, Holds)
    for reason, text in THIRD.items():
        wanted = "few" if "posts" in reason else "announced"
        with pytest.raises(UsageError, match=reason):
            prove_property(load(text + scenario), wanted, "only", Memory.SC)


def test_a_set_of_another_name() -> None:
    with pytest.raises(Refused, match="not two; sets: sender"):
        crowd(lower(compiled(POSTERS)), "receiver")
