# SPDX-License-Identifier: GPL-2.0-or-later
"""Scenarios that are exhausted in seconds each; `make check` runs them all.

docs/races.md says which scenario can show which race.
"""

from lostirq.prelude import *


@scenario(tier="quick", memory=("sc", "tso"))
class sender_halt:
    """A software sender; the vCPU halts, masks, and sends to itself, also from the fastpath."""

    SENDERS = 1
    GUEST_HLT = True
    GUEST_CLI = True
    GUEST_STI = True
    GUEST_SELF_IPI = True
    GUEST_ICR = True


@scenario(tier="quick", memory=("sc", "tso"))
class device_halt:
    """An assigned device; the vCPU halts and masks."""

    DEVICES = 1
    GUEST_HLT = True
    GUEST_CLI = True
    GUEST_STI = True


@scenario(tier="quick", memory=("sc", "tso"))
class sender_device:
    """A software sender and a device share PIR and ON; the vCPU halts."""

    SENDERS = 1
    DEVICES = 1
    GUEST_HLT = True


@scenario(tier="quick", memory=("sc", "tso"))
class two_senders:
    """Two software senders: the second one finds PIR or ON already set."""

    SENDERS = 2
    GUEST_HLT = True


@scenario(tier="quick", memory=("sc", "tso"))
class two_vectors:
    """Two vectors of different class, with TPR, self-IPI, halt, and exits in the middle of a delivery."""

    SENDERS = 1
    VECTORS = 2
    GUEST_TPR = True
    GUEST_SELF_IPI = True
    GUEST_HLT = True
    GUEST_VECTORING = True


@scenario(tier="quick", memory=("sc", "tso"))
class two_words:
    """Two vectors in different words of PIR and IRR, from a sender and a device."""

    SENDERS = 1
    DEVICES = 1
    VECTORS = 2
    PIR_WORD = 1
    IRR_WORD = 1


@scenario(tier="quick", memory=("sc", "tso"))
class preemption_sender_device:
    """A sender and a device while the vCPU thread halts and is preempted at any point."""

    SENDERS = 1
    DEVICES = 1
    PREEMPTION = True
    GUEST_HLT = True


@scenario(tier="quick", memory=("sc", "tso"))
class migration_device:
    """A device while the vCPU thread halts, is preempted and migrates between two pCPUs."""

    DEVICES = 1
    PREEMPTION = True
    PCPUS = 2
    GUEST_HLT = True


@scenario(tier="quick", memory=("sc", "tso"))
class kicker_sender:
    """Requests and kicks without an interrupt, beside a software sender."""

    SENDERS = 1
    KICKERS = 1
    GUEST_HLT = True


@scenario(tier="quick", memory=("sc", "tso"))
class injection:
    """APICv is off: two vectors of different registers are injected, with interrupt window, TPR and forced exits."""

    SENDERS = 1
    VECTORS = 2
    IRR_WORD = 1
    APICV = False
    GUEST_TPR = True
    GUEST_HLT = True


@scenario(tier="quick", memory=("sc", "tso"))
class injection_class:
    """APICv is off: two vectors of one priority class, which must not interrupt each other."""

    SENDERS = 1
    VECTORS = 2
    CLASS_SHIFT = 1
    APICV = False
    GUEST_HLT = True


@scenario(tier="quick", memory=("sc", "tso"))
class injection_kicker:
    """APICv is off: entries are cancelled and deliveries interrupted, with an event in the entry field."""

    SENDERS = 1
    KICKERS = 1
    APICV = False
    GUEST_VECTORING = True


@scenario(tier="quick", memory=("sc", "tso"))
class injection_device:
    """APICv is off for the vCPU, which sends to itself, also from the fastpath, but the device still posts."""

    DEVICES = 1
    APICV = False
    GUEST_TPR = True
    GUEST_HLT = True
    GUEST_CLI = True
    GUEST_STI = True
    GUEST_SELF_IPI = True
    GUEST_ICR = True


@scenario(tier="quick", memory=("sc", "tso"))
class toggler_device:
    """APICv is inhibited and uninhibited while a device posts; the vCPU halts.  RVI and SVI survive the inhibit."""

    TOGGLERS = 1
    DEVICES = 1
    STALE_STATUS = True
    GUEST_HLT = True


@scenario(tier="quick", memory=("sc", "tso"))
class toggler_race:
    """APICv is inhibited and uninhibited while a software sender is anywhere in its path; the vCPU halts; no EOI."""

    TOGGLERS = 1
    SENDERS = 1
    GUEST_HLT = True
    GUEST_EOI = False


@scenario(tier="quick", memory=("sc", "tso"))
class bypass:
    """The first device is assigned to a VM whose vCPU halts, or sleeps already."""

    BYPASSERS = 1
    DEVICES = 1
    GUEST_HLT = True


@scenario(tier="quick", memory=("sc", "tso"))
class ipi_virtualization:
    """The processor of another vCPU posts by itself; the vCPU halts and is preempted."""

    IPIV = True
    IPIV_SENDERS = 1
    PREEMPTION = True
    GUEST_HLT = True


@scenario(tier="quick", memory=("sc", "tso"))
class timer_halt:
    """The local APIC timer expires while the vCPU runs, halts, or falls asleep; a device beside it."""

    TIMERS = 1
    DEVICES = 1
    GUEST_HLT = True
    GUEST_EOI = False
    GUEST_EXIT = False


@scenario(tier="quick", memory=("sc", "tso"))
class injection_timer:
    """APICv is off; the local APIC timer while the vCPU runs, halts, or falls asleep."""

    TIMERS = 1
    APICV = False
    GUEST_HLT = True
    GUEST_CLI = True


@scenario(tier="quick", memory=("sc", "tso"))
class hyperv_eoi:
    """APICv is active, and the guest ends a service by its MSR, which KVM emulates, or as hardware has it."""

    SENDERS = 1
    VECTORS = 2
    GUEST_HV_EOI = True


@scenario(tier="quick", memory=("sc", "tso"))
class injection_pv_eoi:
    """APICv is off, and the guest ends a service by a flag in memory where KVM allows it."""

    SENDERS = 1
    VECTORS = 2
    APICV = False
    GUEST_PV_EOI = True
    GUEST_HLT = True


@scenario(tier="quick", memory=("sc", "tso"))
class directed_yield:
    """A vCPU of another pCPU spins and looks whether this one, which halts, could run."""

    SENDERS = 1
    SPINNERS = 1
    GUEST_HLT = True


@scenario(tier="quick", memory=("sc", "tso"))
class two_targets:
    """Two vCPUs and a software sender that delivers to one and then the other."""

    VCPUS = 2
    PCPUS = 2
    SENDERS = 1
    GUEST_EOI = False
    GUEST_EXIT = False


@scenario(tier="quick", memory=("sc", "tso"))
class two_targets_toggler:
    """APICv is inhibited and uninhibited for two vCPUs, which may halt for good: a broadcast has two targets."""

    VCPUS = 2
    PCPUS = 2
    TOGGLERS = 1
    GUEST_HLT = True
    GUEST_EOI = False
    GUEST_EXIT = False


@scenario(tier="quick", memory=("sc", "tso"))
class two_togglers:
    """Two reasons to inhibit APICv come and go while the vCPU halts and runs."""

    TOGGLERS = 2
    GUEST_HLT = True
    GUEST_EXIT = False


@scenario(tier="quick", memory=("sc", "tso"))
class userspace_device:
    """A device while the vCPU thread halts, exits to userspace and comes back on either of two pCPUs."""

    DEVICES = 1
    USERSPACE = True
    PCPUS = 2
    GUEST_HLT = True


@scenario(tier="quick", memory=("sc", "tso"))
class pv_kick:
    """The halt of the vCPU is ended by the hypercall of another one."""

    PV_KICKERS = 1
    GUEST_HLT = True


@scenario(tier="quick", memory=("sc", "tso"))
class overcommit:
    """Two vCPUs share one pCPU: one runs while the other sleeps, or is in userspace still; a device posts to both."""

    VCPUS = 2
    DEVICES = 1
    GUEST_HLT = True
    GUEST_EOI = False
    GUEST_EXIT = False
