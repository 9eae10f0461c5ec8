# SPDX-License-Identifier: GPL-2.0-or-later
"""Sizes of the toys that are measured and compared with SPIN."""

from lostirq.prelude import *


@scenario(tier="quick", memory=("sc", "tso"))
class peterson_lock:
    """Peterson's algorithm with the fence that x86 needs."""

    PETERSON = True


@scenario(tier="quick", memory=("sc", "tso"))
class dekker_lock:
    """Dekker's algorithm with the fences that x86 needs."""

    DEKKER = True


@scenario(tier="quick", memory=("sc", "tso"))
class tickets_3:
    """A ticket lock and three threads."""

    TICKETS = 3


@scenario(tier="quick", memory=("sc", "tso"))
class pi_small:
    """A vCPU, one sender, one device, one vector."""

    PI_SENDERS = 1
    PI_DEVICES = 1


@scenario(tier="standard", memory=("sc",))
class pi_large:
    """A vCPU, two senders, a device and a toggler: some millions of states."""

    PI_SENDERS = 2
    PI_DEVICES = 1
    PI_TOGGLERS = 1
