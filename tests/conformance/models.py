# SPDX-License-Identifier: GPL-2.0-or-later
"""Classic algorithms as model sources: what they must and must not do is published.

References: Gray and Lamport 2006, "Consensus on Transaction Commit" (TwoPhase.tla); Peterson 1981, "Myths about the
mutual exclusion problem"; Dijkstra 1965, EWD 123 (Dekker's solution); Reed and Kanodia 1979 (tickets).
"""

from __future__ import annotations

from functools import cache

from lostirq.ir.system import Memory, System
from lostirq.language import compile_scenario, load_sources


@cache
def compiled(model: str, properties: str, memory: Memory, **parameters: int) -> System:
    """The system of a model that fits one file."""
    sources = {"model/model.py": model, "model/scenarios/only.py": SCENARIO, "properties/properties.py": properties}
    return compile_scenario(load_sources(sources), "only", memory, overrides=dict(parameters))


SCENARIO = '''
@scenario(tier="quick", memory=("sc", "tso"))
class only:
    """All of it."""
'''

TWO_PHASE_COMMIT = '''
"""Two-phase commit: resource managers, one transaction manager, messages that are never lost nor consumed."""
RMS = Param(3, "resource managers")
Rm = Int[0, RMS - 1]

class RmState(Enum):
    WORKING = 0
    PREPARED = 1
    COMMITTED = 2
    ABORTED = 3

class TmState(Enum):
    INIT = 0
    TM_COMMITTED = 1
    TM_ABORTED = 2

class Manager(Struct):
    state: RmState
    prepared_sent: bool
    prepared_received: bool

managers: Array[Manager, RMS]
tm_state: TmState
commit_sent: bool
abort_sent: bool

@hardware(over=RMS)
def receive_prepared(i: Rm):
    while True:
        with atomic():
            wait(tm_state == TmState.INIT and managers[i].prepared_sent)
            managers[i].prepared_received = True

@hardware
def commit():
    with atomic():
        wait(tm_state == TmState.INIT and all(managers[i].prepared_received for i in range(RMS)))
        tm_state = TmState.TM_COMMITTED
        commit_sent = True

@hardware
def abort():
    with atomic():
        wait(tm_state == TmState.INIT)
        tm_state = TmState.TM_ABORTED
        abort_sent = True

@hardware(over=RMS)
def prepare(i: Rm):
    while True:
        with atomic():
            wait(managers[i].state == RmState.WORKING)
            managers[i].state = RmState.PREPARED
            managers[i].prepared_sent = True

@hardware(over=RMS)
def choose_to_abort(i: Rm):
    while True:
        with atomic():
            wait(managers[i].state == RmState.WORKING)
            managers[i].state = RmState.ABORTED

@hardware(over=RMS)
def receive_commit(i: Rm):
    while True:
        with atomic():
            wait(commit_sent)
            managers[i].state = RmState.COMMITTED

@hardware(over=RMS)
def receive_abort(i: Rm):
    while True:
        with atomic():
            wait(abort_sent)
            managers[i].state = RmState.ABORTED
'''

TWO_PHASE_PROPERTIES = '''
@invariant("consistent", source="TCConsistent")
def consistent() -> bool:
    """No manager has committed while another has aborted."""
    return not (any(managers[i].state == RmState.COMMITTED for i in range(RMS))
                and any(managers[i].state == RmState.ABORTED for i in range(RMS)))

@reachable("all committed", source="TwoPhase")
def all_committed() -> bool:
    """The transaction can commit."""
    return all(managers[i].state == RmState.COMMITTED for i in range(RMS))

@reachable("all aborted", source="TwoPhase")
def all_aborted() -> bool:
    """The transaction can abort."""
    return all(managers[i].state == RmState.ABORTED for i in range(RMS))
'''

PETERSON = '''
"""Peterson's mutual exclusion of two processes."""
FENCE = Param(True, "a full fence between the two stores and the two loads")
Id = Int[0, 1]
flag: Array[bool, 2]
turn: Id

@thread(over=2)
def competitor(i: Id):
    while True:
        idle()
        flag[i] = True
        turn = 1 - i
        if FENCE:
            smp_mb()
        while flag[1 - i] and turn == 1 - i:
            pass
        with window("critical"):
            event("enter", i)
            step()
        flag[i] = False
        drain()                                   # without it nothing bounds the buffer of a loop without a fence
'''

DEKKER = '''
"""Dekker's mutual exclusion of two processes."""
FENCE = Param(True, "a full fence after each announcement")
Id = Int[0, 1]
flag: Array[bool, 2]
turn: Id

def announce(i: Id):
    flag[i] = True
    if FENCE:
        smp_mb()

@thread(over=2)
def competitor(i: Id):
    while True:
        idle()
        announce(i)
        while flag[1 - i]:
            if turn != i:
                flag[i] = False
                drain()                           # without it nothing bounds the buffer of a loop without a fence
                wait(turn == i)
                announce(i)
        with window("critical"):
            event("enter", i)
            step()
        turn = 1 - i
        flag[i] = False
        drain()
'''

TICKET_LOCK = '''
"""A ticket lock: one locked operation to take a ticket, a plain store to call the next one."""
N = Param(3, "threads")
FENCE = Param(True, "unused: the algorithm needs none")
Id = Int[0, N - 1]
next_ticket: Id
owner: Id

@thread(over=N)
def competitor(i: Id):
    while True:
        idle()
        with atomic():
            mine = next_ticket
            next_ticket = 0 if next_ticket == N - 1 else next_ticket + 1
        wait(owner == mine)
        with window("critical"):
            event("enter", i)
            step()
        owner = 0 if mine == N - 1 else mine + 1
'''

SPIN_LOCK = '''
"""A test-and-set lock: exclusive, and unfair."""
N = Param(2, "threads")
FENCE = Param(True, "unused: the algorithm needs none")
Id = Int[0, N - 1]
held: bool

@thread(over=N)
def competitor(i: Id):
    while True:
        idle()
        step()
        while test_and_set(held):
            pass
        with window("critical"):
            event("enter", i)
            step()
        held = False
'''

MUTUAL_EXCLUSION = '''
@invariant("exclusion", source="the definition of a lock", witness="entered")
def exclusion() -> bool:
    """Never two in the critical section."""
    return not any(within("competitor", i, "critical") and within("competitor", j, "critical")
                   for i in range({n}) for j in range(i))

@reachable("entered", source="the definition of a lock")
def entered() -> bool:
    """The critical section can be entered."""
    return within("competitor", 0, "critical")

@recurrence("no starvation", source="the definition of a fair lock", over={n}, goal="enter")
def starved(i: Int[0, {n} - 1]) -> bool:
    """Who wants to enter will enter."""
    return not at_rest("competitor", i)
'''
