# SPDX-License-Identifier: GPL-2.0-or-later
"""Scenarios that are exhausted in minutes each."""

from lostirq.prelude import *


@scenario(tier="standard", memory=("sc", "tso"))
class toggler_sender_halt:
    """A software sender, the toggler, and a vCPU that halts and so keeps stale APICv state."""

    TOGGLERS = 1
    SENDERS = 1
    GUEST_HLT = True


@scenario(tier="standard", memory=("sc", "tso"))
class toggler_device_vectors:
    """Two vectors, a device and the toggler, with TPR and halt."""

    TOGGLERS = 1
    DEVICES = 1
    VECTORS = 2
    GUEST_TPR = True
    GUEST_HLT = True


@scenario(tier="standard", memory=("sc", "tso"))
class toggler_sender_device:
    """A software sender and a device during toggling."""

    TOGGLERS = 1
    SENDERS = 1
    DEVICES = 1


@scenario(tier="standard", memory=("sc",))
class preemption_vectors:
    """Sender, device, preemption and two vectors of different class."""

    SENDERS = 1
    DEVICES = 1
    VECTORS = 2
    PREEMPTION = True
    GUEST_HLT = True


@scenario(tier="standard", memory=("sc", "tso"))
class two_senders_vectors:
    """Two software senders and two vectors."""

    SENDERS = 2
    VECTORS = 2
    GUEST_HLT = True


@scenario(tier="standard", memory=("sc", "tso"))
class migration_sender_device:
    """Sender and device while the vCPU thread migrates between two pCPUs."""

    SENDERS = 1
    DEVICES = 1
    PREEMPTION = True
    PCPUS = 2
    GUEST_HLT = True


@scenario(tier="standard", memory=("sc", "tso"))
class kicker_sender_device:
    """Sender, device and kicker."""

    SENDERS = 1
    DEVICES = 1
    KICKERS = 1
    GUEST_HLT = True


@scenario(
    tier="standard",
    memory=("sc", "tso"),
    properties=(
        "T-1", "T-2", "T-3", "T-4", "T-5", "T-6", "T-7", "T-8", "T-9", "T-9c", "T-10", "T-11", "T-12", "T-16", "T-17",
        "S-1", "S-2", "S-3", "S-4", "G-1", "Q-2", "Q-3", "Q-4", "Q-5", "Q-6", "Q-7", "Q-8", "LV-2", "LV-3", "LV-4",
    ),
)
class bypass_detach:
    """The only device is attached and detached for ever.

    All but Q-1 and LV-1: a vCPU that falls asleep during the detachment may sleep on an interrupt
    (counterexamples/findings/last-device-detached-while-blocking).
    """

    BYPASSERS = 1
    BYPASS_DETACH = True
    DEVICES = 1
    GUEST_HLT = True


@scenario(tier="standard", memory=("sc", "tso"))
class injection_sender_device:
    """APICv is off; a software sender and a device with two vectors meet in one register of the IRR."""

    SENDERS = 1
    DEVICES = 1
    VECTORS = 2
    APICV = False


@scenario(tier="standard", memory=("sc", "tso"))
class bypass_sender:
    """Assignment of the first device while a software sender coalesces with it."""

    BYPASSERS = 1
    DEVICES = 1
    SENDERS = 1
    GUEST_HLT = True


@scenario(tier="standard", memory=("sc", "tso"))
class injection_full:
    """APICv is off, with all choices of the guest."""

    SENDERS = 1
    VECTORS = 2
    APICV = False
    GUEST_TPR = True
    GUEST_HLT = True
    GUEST_CLI = True
    GUEST_STI = True
    GUEST_SELF_IPI = True
    GUEST_ICR = True
    GUEST_VECTORING = True


@scenario(tier="standard", memory=("sc", "tso"))
class guest_full:
    """APICv is active, with all choices of the guest, a sender and a device."""

    SENDERS = 1
    DEVICES = 1
    VECTORS = 2
    GUEST_TPR = True
    GUEST_HLT = True
    GUEST_CLI = True
    GUEST_STI = True
    GUEST_SELF_IPI = True
    GUEST_ICR = True
    GUEST_VECTORING = True


@scenario(tier="standard", memory=("sc", "tso"))
class toggler_preemption:
    """Toggling, a device, preemption and migration."""

    TOGGLERS = 1
    DEVICES = 1
    PREEMPTION = True
    PCPUS = 2
    GUEST_HLT = True


@scenario(tier="standard", memory=("sc",))
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


@scenario(tier="standard", memory=("sc", "tso"))
class ipi_virtualization_preemption:
    """IPI virtualization, a device, preemption, and requests at every sched-in."""

    IPIV = True
    IPIV_SENDERS = 1
    DEVICES = 1
    PREEMPTION = True
    SCHED_IN_REQUESTS = True
    HALT_POLL = True
    GUEST_HLT = True


@scenario(tier="standard", memory=("sc", "tso"))
class kicker_preemption:
    """Sender, device and kicker while the vCPU halts and is preempted."""

    SENDERS = 1
    DEVICES = 1
    KICKERS = 1
    PREEMPTION = True
    GUEST_HLT = True


@scenario(tier="standard", memory=("sc",))
class two_vcpus:
    """Two vCPUs that are preempted and change pCPUs: a late notification finds the other one."""

    VCPUS = 2
    PCPUS = 2
    DEVICES = 1
    PREEMPTION = True
    GUEST_EOI = False


@scenario(tier="standard", memory=("sc", "tso"))
class toggler_sender:
    """APICv is inhibited and uninhibited while a software sender is anywhere in its path."""

    TOGGLERS = 1
    SENDERS = 1


@scenario(tier="standard", memory=("sc", "tso"))
class two_vcpus_halt:
    """Two vCPUs that halt, and wake on either of two pCPUs: notifications and wakeup lists of one beside the other."""

    VCPUS = 2
    PCPUS = 2
    DEVICES = 1
    GUEST_HLT = True
    GUEST_EOI = False
    GUEST_EXIT = False


@scenario(tier="standard", memory=("sc", "tso"))
class timer_sender:
    """The local APIC timer beside a software sender, and requests at every sched-in."""

    TIMERS = 1
    SENDERS = 1
    PREEMPTION = True
    SCHED_IN_REQUESTS = True
    GUEST_HLT = True
