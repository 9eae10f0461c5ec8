# SPDX-License-Identifier: GPL-2.0-or-later
"""Scenarios that bring together, two by two, what those of quick.py and standard.py keep apart.

A race may need two things at once: an exit to userspace and an interrupt that is injected, say.  Each pair of what a
scenario can have (docs/races.md) is in one of the three files, or is left out with its reason.

Only TSO: a run under SC is a run under TSO whose stores reach memory at once.

Reference: Kuhn, Wallace and Gallo 2004, "Software fault interactions and implications for software testing".
"""

from lostirq.prelude import *


@scenario(tier="quick", memory=("tso",))
class guest_moves:
    """Every choice of the guest, with two vectors, while its thread is preempted, exits to userspace and migrates."""

    VECTORS = 2
    USERSPACE = True
    PREEMPTION = True
    PCPUS = 2
    GUEST_TPR = True
    GUEST_HLT = True
    GUEST_CLI = True
    GUEST_STI = True
    GUEST_SELF_IPI = True
    GUEST_ICR = True
    GUEST_VECTORING = True


@scenario(tier="quick", memory=("tso",))
class injection_moves:
    """The same without APICv, with one vector and the EOI by a flag in memory."""

    APICV = False
    USERSPACE = True
    PREEMPTION = True
    PCPUS = 2
    GUEST_TPR = True
    GUEST_PV_EOI = True
    GUEST_HLT = True
    GUEST_CLI = True
    GUEST_STI = True
    GUEST_SELF_IPI = True
    GUEST_ICR = True
    GUEST_VECTORING = True


@scenario(tier="quick", memory=("tso",))
class injection_migration:
    """APICv is off, and the vCPU thread is preempted and migrates while a sender delivers."""

    APICV = False
    SENDERS = 1
    PREEMPTION = True
    PCPUS = 2
    GUEST_HLT = True
    GUEST_EOI = False


@scenario(tier="quick", memory=("tso",))
class injection_userspace:
    """APICv is off, and the vCPU thread polls, halts and exits to userspace while a sender delivers."""

    HALT_POLL = True
    APICV = False
    SENDERS = 1
    USERSPACE = True
    PCPUS = 2
    GUEST_HLT = True


@scenario(tier="quick", memory=("tso",))
class kicker_moves:
    """A kicker and the guest itself, while the vCPU thread is preempted, exits to userspace, migrates and polls."""

    KICKERS = 1
    SCHED_IN_REQUESTS = True
    HALT_POLL = True
    USERSPACE = True
    PREEMPTION = True
    PCPUS = 2
    GUEST_HLT = True
    GUEST_CLI = True
    GUEST_STI = True
    GUEST_SELF_IPI = True
    GUEST_ICR = True
    GUEST_VECTORING = True


@scenario(tier="quick", memory=("tso",))
class ipiv_moves:
    """IPI virtualization while the vCPU thread is preempted, exits to userspace and migrates."""

    IPIV = True
    IPIV_SENDERS = 1
    USERSPACE = True
    PREEMPTION = True
    PCPUS = 2
    GUEST_HLT = True
    GUEST_CLI = True
    GUEST_STI = True
    GUEST_SELF_IPI = True
    GUEST_ICR = True
    GUEST_VECTORING = True


@scenario(tier="quick", memory=("tso",))
class timer_guest:
    """The APIC timer, with every choice of the guest."""

    TIMERS = 1
    GUEST_HLT = True
    GUEST_CLI = True
    GUEST_STI = True
    GUEST_SELF_IPI = True
    GUEST_ICR = True
    GUEST_VECTORING = True


@scenario(tier="quick", memory=("tso",))
class timer_userspace:
    """The APIC timer expires while the vCPU thread exits to userspace and comes back."""

    TIMERS = 1
    USERSPACE = True
    PCPUS = 2
    GUEST_HLT = True


@scenario(tier="quick", memory=("tso",))
class toggler_guest:
    """APICv comes and goes, with every choice of the guest, which sends to itself."""

    TOGGLERS = 1
    GUEST_HLT = True
    GUEST_CLI = True
    GUEST_STI = True
    GUEST_SELF_IPI = True
    GUEST_ICR = True
    GUEST_VECTORING = True


@scenario(tier="quick", memory=("tso",))
class hyperv_moves:
    """The EOI by Hyper-V's MSR while the vCPU thread is preempted, exits to userspace and migrates."""

    VECTORS = 2
    USERSPACE = True
    PREEMPTION = True
    PCPUS = 2
    GUEST_HV_EOI = True
    GUEST_HLT = True
    GUEST_CLI = True
    GUEST_STI = True
    GUEST_SELF_IPI = True
    GUEST_ICR = True
    GUEST_VECTORING = True


@scenario(tier="quick", memory=("tso",))
class bypass_guest:
    """The first device is attached, with every choice of the guest."""

    BYPASSERS = 1
    DEVICES = 1
    GUEST_HLT = True
    GUEST_CLI = True
    GUEST_STI = True
    GUEST_SELF_IPI = True
    GUEST_ICR = True
    GUEST_VECTORING = True


@scenario(tier="quick", memory=("tso",))
class vcpus_userspace:
    """Two vCPUs that send to themselves, halt and exit to userspace."""

    VCPUS = 2
    USERSPACE = True
    PCPUS = 2
    GUEST_HLT = True
    GUEST_SELF_IPI = True


@scenario(tier="quick", memory=("tso",))
class spinner_moves:
    """Somebody spins beside a vCPU without APICv that is preempted, exits to userspace and migrates."""

    APICV = False
    SPINNERS = 1
    USERSPACE = True
    PREEMPTION = True
    PCPUS = 2
    GUEST_HLT = True
    GUEST_CLI = True
    GUEST_STI = True
    GUEST_SELF_IPI = True
    GUEST_ICR = True
    GUEST_VECTORING = True


@scenario(tier="quick", memory=("tso",))
class ipiv_toggler:
    """IPI virtualization while APICv comes and goes."""

    IPIV = True
    IPIV_SENDERS = 1
    TOGGLERS = 1
    GUEST_HLT = True


@scenario(tier="standard", memory=("tso",))
class sender_userspace:
    """A software sender while the vCPU thread exits to userspace."""

    SENDERS = 1
    USERSPACE = True
    PCPUS = 2
    GUEST_HLT = True


@scenario(tier="standard", memory=("tso",))
class ipiv_beside_sender:
    """IPI virtualization and a software sender."""

    IPIV = True
    IPIV_SENDERS = 1
    SENDERS = 1
    GUEST_HLT = True


@scenario(tier="standard", memory=("tso",))
class ipiv_kicker:
    """IPI virtualization and a kicker."""

    IPIV = True
    IPIV_SENDERS = 1
    KICKERS = 1
    GUEST_HLT = True


@scenario(tier="standard", memory=("tso",))
class timer_vectors:
    """The APIC timer, two vectors and the TPR."""

    TIMERS = 1
    VECTORS = 2
    GUEST_TPR = True
    GUEST_HLT = True


@scenario(tier="standard", memory=("tso",))
class timer_moves:
    """The APIC timer, and all that can happen to the vCPU thread."""

    TIMERS = 1
    USERSPACE = True
    PREEMPTION = True
    PCPUS = 2
    GUEST_HLT = True
    GUEST_CLI = True
    GUEST_STI = True
    GUEST_SELF_IPI = True
    GUEST_ICR = True
    GUEST_VECTORING = True


@scenario(tier="standard", memory=("tso",))
class injection_timer_moves:
    """The same without APICv."""

    TIMERS = 1
    APICV = False
    USERSPACE = True
    PREEMPTION = True
    PCPUS = 2
    GUEST_HLT = True


@scenario(tier="standard", memory=("tso",))
class kicker_timer:
    """The APIC timer and a kicker."""

    TIMERS = 1
    KICKERS = 1
    GUEST_HLT = True


@scenario(tier="standard", memory=("tso",))
class toggler_timer:
    """The APIC timer while APICv comes and goes."""

    TIMERS = 1
    TOGGLERS = 1
    GUEST_HLT = True


@scenario(tier="standard", memory=("tso",))
class toggler_moves:
    """APICv comes and goes, and all that can happen to the vCPU thread."""

    TOGGLERS = 1
    USERSPACE = True
    PREEMPTION = True
    PCPUS = 2
    GUEST_HLT = True
    GUEST_CLI = True
    GUEST_STI = True
    GUEST_SELF_IPI = True
    GUEST_ICR = True
    GUEST_VECTORING = True


@scenario(tier="standard", memory=("tso",))
class kicker_toggler:
    """A kicker while APICv comes and goes."""

    KICKERS = 1
    TOGGLERS = 1
    GUEST_HLT = True


@scenario(tier="standard", memory=("tso",))
class kicker_vectors:
    """A kicker, two vectors, the TPR, and a guest that sends to itself."""

    KICKERS = 1
    VECTORS = 2
    GUEST_TPR = True
    GUEST_SELF_IPI = True
    GUEST_HLT = True


@scenario(tier="standard", memory=("tso",))
class injection_kicker_moves:
    """A kicker without APICv, and all that can happen to the vCPU thread."""

    APICV = False
    KICKERS = 1
    USERSPACE = True
    PREEMPTION = True
    PCPUS = 2
    GUEST_HLT = True
    GUEST_CLI = True
    GUEST_STI = True
    GUEST_SELF_IPI = True
    GUEST_ICR = True
    GUEST_VECTORING = True


@scenario(tier="standard", memory=("tso",))
class injection_device_moves:
    """A device without APICv, and all that can happen to the vCPU thread."""

    APICV = False
    DEVICES = 1
    USERSPACE = True
    PREEMPTION = True
    PCPUS = 2
    GUEST_HLT = True


@scenario(tier="standard", memory=("tso",))
class pv_moves:
    """The hypercall that ends a halt, and all that can happen to the vCPU thread."""

    PV_KICKERS = 1
    USERSPACE = True
    PREEMPTION = True
    PCPUS = 2
    GUEST_HLT = True
    GUEST_CLI = True
    GUEST_STI = True
    GUEST_SELF_IPI = True
    GUEST_ICR = True
    GUEST_VECTORING = True


@scenario(tier="standard", memory=("tso",))
class injection_pv_moves:
    """The same without APICv."""

    APICV = False
    PV_KICKERS = 1
    USERSPACE = True
    PREEMPTION = True
    PCPUS = 2
    GUEST_HLT = True
    GUEST_CLI = True
    GUEST_STI = True
    GUEST_SELF_IPI = True
    GUEST_ICR = True
    GUEST_VECTORING = True


@scenario(tier="standard", memory=("tso",))
class pv_toggler:
    """The hypercall that ends a halt while APICv comes and goes."""

    PV_KICKERS = 1
    TOGGLERS = 1
    GUEST_HLT = True


@scenario(tier="standard", memory=("tso",))
class pv_beside_sender:
    """The hypercall that ends a halt, and a software sender."""

    PV_KICKERS = 1
    SENDERS = 1
    GUEST_HLT = True


@scenario(tier="standard", memory=("tso",))
class pv_timer:
    """The hypercall that ends a halt, and the APIC timer."""

    PV_KICKERS = 1
    TIMERS = 1
    GUEST_HLT = True


@scenario(tier="standard", memory=("tso",))
class hyperv_toggler:
    """The EOI by Hyper-V's MSR while APICv comes and goes."""

    TOGGLERS = 1
    VECTORS = 2
    GUEST_HV_EOI = True
    GUEST_SELF_IPI = True


@scenario(tier="standard", memory=("tso",))
class bypass_injection:
    """The first device is attached while APICv is off, with every choice of the guest."""

    APICV = False
    BYPASSERS = 1
    DEVICES = 1
    GUEST_HLT = True
    GUEST_CLI = True
    GUEST_STI = True
    GUEST_SELF_IPI = True
    GUEST_ICR = True
    GUEST_VECTORING = True


@scenario(tier="standard", memory=("tso",))
class bypass_vectors:
    """The first device is attached, with two vectors and the TPR."""

    BYPASSERS = 1
    DEVICES = 1
    VECTORS = 2
    GUEST_TPR = True
    GUEST_HLT = True


@scenario(tier="standard", memory=("tso",))
class bypass_moves:
    """The first device is attached, and all that can happen to the vCPU thread."""

    BYPASSERS = 1
    DEVICES = 1
    USERSPACE = True
    PREEMPTION = True
    PCPUS = 2
    GUEST_CLI = True
    GUEST_STI = True


@scenario(tier="standard", memory=("tso",))
class bypass_toggler:
    """The first device is attached while APICv comes and goes."""

    BYPASSERS = 1
    DEVICES = 1
    TOGGLERS = 1
    GUEST_HLT = True


@scenario(tier="standard", memory=("tso",))
class spinner_toggler:
    """Somebody spins while APICv comes and goes."""

    SPINNERS = 1
    TOGGLERS = 1
    PREEMPTION = True
    GUEST_HLT = True
    GUEST_CLI = True
    GUEST_STI = True
    GUEST_SELF_IPI = True
    GUEST_ICR = True
    GUEST_VECTORING = True
