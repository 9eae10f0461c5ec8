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
class toggler_preemption:
    """Toggling, a device, preemption and migration."""

    TOGGLERS = 1
    DEVICES = 1
    PREEMPTION = True
    PCPUS = 2
    GUEST_HLT = True


@scenario(tier="deep", memory=("sc",))
class three_vectors:
    """Three vectors in two classes and two words."""

    SENDERS = 1
    DEVICES = 1
    VECTORS = 4
    FIRST_VECTOR = 1
    PIR_WORD = 2
    IRR_WORD = 2
    CLASS_SHIFT = 1
    GUEST_TPR = True
    GUEST_HLT = True


@scenario(tier="deep", memory=("sc", "tso"))
class ipi_virtualization_preemption:
    """IPI virtualization, a device, preemption, and requests at every sched-in."""

    IPIV = True
    IPIV_SENDERS = 1
    DEVICES = 1
    PREEMPTION = True
    SCHED_IN_REQUESTS = True
    HALT_POLL = True
    GUEST_HLT = True
