# SPDX-License-Identifier: GPL-2.0-or-later
"""Pairs of features, in minutes each: two actors, or an actor and a choice of the guest.

See pairs.py.
"""

from lostirq.prelude import *
from model.scenarios.pairs import *
from model.scenarios.quick import *


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


@scenario(tier="standard", memory=("tso",), base=every_choice)
class bypass_injection:
    """The first device is attached while APICv is off, with every choice of the guest."""

    APICV = False
    BYPASSERS = 1
    DEVICES = 1


@scenario(tier="standard", memory=("tso",))
class bypass_vectors:
    """The first device is attached, with two vectors and the TPR."""

    BYPASSERS = 1
    DEVICES = 1
    VECTORS = 2
    GUEST_TPR = True
    GUEST_HLT = True


@scenario(tier="standard", memory=("tso",))
class bypass_toggler:
    """The first device is attached while APICv comes and goes."""

    BYPASSERS = 1
    DEVICES = 1
    TOGGLERS = 1
    GUEST_HLT = True


@scenario(tier="standard", memory=("tso",))
class ipiv_vectors:
    """IPI virtualization with two vectors and the TPR."""

    IPIV = True
    IPIV_SENDERS = 1
    VECTORS = 2
    GUEST_TPR = True
    GUEST_HLT = True


@scenario(tier="standard", memory=("tso",))
class ipiv_timer:
    """IPI virtualization and the APIC timer."""

    IPIV = True
    IPIV_SENDERS = 1
    TIMERS = 1
    GUEST_HLT = True


@scenario(tier="standard", memory=("tso",))
class ipiv_pv:
    """IPI virtualization, and the hypercall that ends a halt."""

    IPIV = True
    IPIV_SENDERS = 1
    PV_KICKERS = 1
    GUEST_HLT = True


@scenario(tier="standard", memory=("tso",))
class bypass_timer:
    """The first device is attached beside the APIC timer: both make KVM_REQ_UNBLOCK."""

    BYPASSERS = 1
    DEVICES = 1
    TIMERS = 1
    GUEST_HLT = True


@scenario(tier="standard", memory=("tso",))
class bypass_kicker:
    """The first device is attached beside a kicker."""

    BYPASSERS = 1
    DEVICES = 1
    KICKERS = 1
    GUEST_HLT = True


@scenario(tier="standard", memory=("tso",))
class bypass_pv:
    """The first device is attached beside the hypercall that ends a halt."""

    BYPASSERS = 1
    DEVICES = 1
    PV_KICKERS = 1
    GUEST_HLT = True


@scenario(tier="standard", memory=("tso",))
class pv_vectors:
    """The hypercall that ends a halt, two vectors and the TPR."""

    PV_KICKERS = 1
    VECTORS = 2
    GUEST_TPR = True
    GUEST_SELF_IPI = True
    GUEST_HLT = True


@scenario(tier="standard", memory=("tso",))
class pv_eoi_toggler:
    """The EOI by a flag in memory while APICv comes and goes."""

    TOGGLERS = 1
    GUEST_PV_EOI = True
    GUEST_SELF_IPI = True
    GUEST_HLT = True


@scenario(tier="standard", memory=("tso",))
class vcpus_guest:
    """Two vCPUs with the choices of the guest."""

    VCPUS = 2
    PCPUS = 2
    GUEST_HLT = True
    GUEST_CLI = True
    GUEST_STI = True
    GUEST_SELF_IPI = True
    GUEST_ICR = True
    GUEST_EXIT = False


@scenario(tier="standard", memory=("tso",))
class vcpus_vectors:
    """Two vCPUs with two vectors and the TPR."""

    VCPUS = 2
    PCPUS = 2
    VECTORS = 2
    GUEST_TPR = True
    GUEST_SELF_IPI = True
    GUEST_HLT = True
    GUEST_EXIT = False


@scenario(tier="standard", memory=("tso",))
class vcpus_kicker:
    """Two vCPUs that send to themselves, and a kicker."""

    VCPUS = 2
    PCPUS = 2
    KICKERS = 1
    GUEST_SELF_IPI = True
    GUEST_EXIT = False
    GUEST_EOI = False


@scenario(tier="standard", memory=("tso",))
class injection_vcpus:
    """Two vCPUs without APICv, which send to themselves and halt."""

    APICV = False
    VCPUS = 2
    PCPUS = 2
    GUEST_SELF_IPI = True
    GUEST_HLT = True
    GUEST_EXIT = False


@scenario(tier="standard", memory=("tso",), base=overcommit)
class overcommit_vectoring:
    """Two vCPUs on one pCPU, and exits in the middle of a delivery."""

    GUEST_VECTORING = True


@scenario(tier="standard", memory=("tso",), base=overcommit)
class overcommit_timers:
    """Two vCPUs on one pCPU, each with its timer."""

    DEVICES = 0
    TIMERS = 1


@scenario(tier="standard", memory=("tso",), base=overcommit)
class overcommit_ipiv:
    """Two vCPUs on one pCPU, to which another one sends by IPI virtualization."""

    DEVICES = 0
    IPIV = True
    IPIV_SENDERS = 1
