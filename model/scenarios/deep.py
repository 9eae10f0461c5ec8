# SPDX-License-Identifier: GPL-2.0-or-later
"""Scenarios for a night: more actors at once, more vectors, two vCPUs that halt."""

from lostirq.prelude import *


@scenario(tier="deep", memory=("sc", "tso"))
class migration_kicker:
    """Device and kicker while the vCPU halts, is preempted and migrates."""

    DEVICES = 1
    KICKERS = 1
    PREEMPTION = True
    PCPUS = 2
    GUEST_HLT = True


@scenario(tier="deep", memory=("sc", "tso"))
class toggler_vectors:
    """A software sender, the toggler and two vectors; RVI and SVI survive the inhibit."""

    TOGGLERS = 1
    SENDERS = 1
    VECTORS = 2
    STALE_STATUS = True


@scenario(tier="deep", memory=("sc", "tso"))
class two_vcpus_halt_full:
    """Two vCPUs that halt on two pCPUs, with EOI and exits."""

    VCPUS = 2
    PCPUS = 2
    DEVICES = 1
    GUEST_HLT = True
