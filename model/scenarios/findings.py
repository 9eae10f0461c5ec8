# SPDX-License-Identifier: GPL-2.0-or-later
"""Scenarios in which the current kernel may lose an interrupt (counterexamples/findings); checked only by name."""

from lostirq.prelude import *


@scenario(tier="standard", memory=("sc", "tso"), bugs=True)
class detach_sender:
    """The last assigned device is detached while a vCPU falls asleep; another vCPU sends to the sleeper afterwards."""

    BYPASSERS = 1
    BYPASS_DETACH = True
    DEVICES = 1
    SENDERS = 1
    GUEST_HLT = True


@scenario(tier="standard", memory=("sc", "tso"), bugs=True)
class migration_sender:
    """No device: a vCPU thread that halts is preempted and migrates while a software sender posts."""

    SENDERS = 1
    PREEMPTION = True
    PCPUS = 2
    GUEST_HLT = True
