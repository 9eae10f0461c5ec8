# SPDX-License-Identifier: GPL-2.0-or-later
"""Scenarios for a night: more actors at once, more vectors, fewer shortcuts."""

from lostirq.prelude import *


@scenario(tier="deep", memory=("sc", "tso"))
class migration_kicker:
    """Sender, device, kicker, preemption and migration at once."""

    SENDERS = 1
    DEVICES = 1
    KICKERS = 1
    PREEMPTION = True
    PCPUS = 2
    GUEST_HLT = True


@scenario(tier="deep", memory=("sc", "tso"))
class toggler_vectors:
    """A software sender, the toggler and two vectors, RVI and SVI kept while APICv is off."""

    TOGGLERS = 1
    SENDERS = 1
    VECTORS = 2
    STALE_STATUS = True
    GUEST_TPR = True
    GUEST_HLT = True


@scenario(tier="deep", memory=("sc", "tso"))
class two_vcpus:
    """Two vCPUs on two pCPUs: notifications and wakeup lists of one beside the other."""

    VCPUS = 2
    PCPUS = 2
    DEVICES = 1
    PREEMPTION = True
    GUEST_HLT = True
