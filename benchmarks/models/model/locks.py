# SPDX-License-Identifier: GPL-2.0-or-later
"""Classic mutual exclusion: Peterson, Dekker, a ticket lock.  Toys whose counts are compared with SPIN's.

References: Peterson 1981, "Myths about the mutual exclusion problem"; Dijkstra 1965, "Cooperating sequential processes"
(Dekker's algorithm); Mellor-Crummey and Scott 1991, "Algorithms for scalable synchronization", section 2.2 (ticket lock).
"""

from lostirq.prelude import *

PETERSON = Param(False, "two sides of Peterson's algorithm")
DEKKER = Param(False, "two sides of Dekker's algorithm")
TICKETS = Param(0, "threads that contend for the ticket lock")
FENCES = Param(True, "Peterson and Dekker with the full fences that x86 needs")

PETERSONS = 2 if PETERSON else 0
DEKKERS = 2 if DEKKER else 0
LAST_TICKET = TICKETS if TICKETS > 0 else 1

Side = Int[0, 1]
Contender = Int[0, LAST_TICKET]
Ticket = Int[0, LAST_TICKET]


class TwoSides(Struct):
    flag: Array[bool, 2]
    turn: Side


class TicketLock(Struct):
    next: Ticket
    owner: Ticket


two: TwoSides
ticket_lock: TicketLock


@pure
def after(t: Ticket) -> Ticket:
    """The ticket after t; there is one more ticket than threads."""
    return 0 if t == LAST_TICKET else t + 1


@thread(over=PETERSONS)
def peterson(i: Side):
    while True:
        two.flag[i] = True
        two.turn = 1 - i
        if FENCES:
            smp_mb()
        while two.flag[1 - i] and two.turn == 1 - i:
            pass
        with window("inside"):
            step()
        two.flag[i] = False


@thread(over=DEKKERS)
def dekker(i: Side):
    while True:
        two.flag[i] = True
        if FENCES:
            smp_mb()
        while two.flag[1 - i]:
            if two.turn != i:
                two.flag[i] = False
                while two.turn != i:
                    pass
                two.flag[i] = True
                if FENCES:
                    smp_mb()
        with window("inside"):
            step()
        two.turn = 1 - i
        two.flag[i] = False


@thread(over=TICKETS)
def contender(i: Contender):
    while True:
        mine: Ticket = 0
        with atomic():
            mine = ticket_lock.next
            ticket_lock.next = after(mine)
        while ticket_lock.owner != mine:
            pass
        with window("inside"):
            step()
        ticket_lock.owner = after(mine)
