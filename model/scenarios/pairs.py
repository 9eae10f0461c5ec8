# SPDX-License-Identifier: GPL-2.0-or-later
"""Scenarios that bring together, two by two, what those of quick.py and standard.py keep apart; in seconds each.

A race may need two things at once: an exit to userspace and an interrupt that is injected, say.  Each pair of what a
scenario can have is in one of the files of this folder, or tests/quality/test_pairs.py says why not.

Only TSO: each state that SC reaches is one that TSO reaches, with its stores flushed at once; so for invariants and
liveness nothing is left out.  A property of steps could ask for an event and the effect of a buffered store in one step,
which only SC has; those of quick.py and standard.py are checked under both.

Reference: Kuhn, Wallace and Gallo 2004, "Software fault interactions and implications for software testing".
"""

from lostirq.prelude import *
from model.scenarios.quick import *


@scenario(tier="sample", memory=("tso",))
class every_choice:
    """The guest halts, masks, unmasks, sends to itself in both ways, and its deliveries are interrupted by exits."""

    GUEST_HLT = True
    GUEST_CLI = True
    GUEST_STI = True
    GUEST_SELF_IPI = True
    GUEST_ICR = True
    GUEST_VECTORING = True


@scenario(tier="sample", memory=("tso",), base=every_choice)
class every_choice_moving:
    """The same, while the thread is preempted, exits to userspace, and comes back on either of two pCPUs."""

    USERSPACE = True
    PREEMPTION = True
    PCPUS = 2


@scenario(tier="sample", memory=("tso",))
class halting_moving:
    """The guest halts, and its thread moves as above."""

    USERSPACE = True
    PREEMPTION = True
    PCPUS = 2
    GUEST_HLT = True


@scenario(tier="quick", memory=("tso",), base=every_choice_moving)
class guest_moves:
    """Every choice of the guest, with two vectors, while its thread is preempted, exits to userspace and migrates."""

    VECTORS = 2
    GUEST_TPR = True


@scenario(tier="quick", memory=("tso",), base=every_choice_moving)
class injection_moves:
    """The same without APICv, with one vector and the EOI by a flag in memory."""

    APICV = False
    GUEST_TPR = True
    GUEST_PV_EOI = True


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


@scenario(tier="quick", memory=("tso",), base=every_choice_moving)
class kicker_moves:
    """A kicker and the guest itself, while the vCPU thread is preempted, exits to userspace, migrates and polls."""

    KICKERS = 1
    SCHED_IN_REQUESTS = True
    HALT_POLL = True


@scenario(tier="quick", memory=("tso",), base=every_choice_moving)
class ipiv_moves:
    """IPI virtualization while the vCPU thread is preempted, exits to userspace and migrates."""

    IPIV = True
    IPIV_SENDERS = 1


@scenario(tier="quick", memory=("tso",), base=every_choice)
class timer_guest:
    """The APIC timer, with every choice of the guest."""

    TIMERS = 1


@scenario(tier="quick", memory=("tso",))
class timer_userspace:
    """The APIC timer expires while the vCPU thread exits to userspace and comes back."""

    TIMERS = 1
    USERSPACE = True
    PCPUS = 2
    GUEST_HLT = True


@scenario(tier="quick", memory=("tso",), base=every_choice)
class toggler_guest:
    """APICv comes and goes, with every choice of the guest, which sends to itself."""

    TOGGLERS = 1


@scenario(tier="quick", memory=("tso",), base=every_choice_moving)
class hyperv_moves:
    """The EOI by Hyper-V's MSR while the vCPU thread is preempted, exits to userspace and migrates."""

    VECTORS = 2
    GUEST_HV_EOI = True


@scenario(tier="quick", memory=("tso",), base=every_choice)
class bypass_guest:
    """The first device is attached, with every choice of the guest."""

    BYPASSERS = 1
    DEVICES = 1


@scenario(tier="quick", memory=("tso",))
class vcpus_userspace:
    """Two vCPUs that send to themselves, halt and exit to userspace."""

    VCPUS = 2
    USERSPACE = True
    PCPUS = 2
    GUEST_HLT = True
    GUEST_SELF_IPI = True


@scenario(tier="quick", memory=("tso",), base=every_choice_moving)
class spinner_moves:
    """Somebody spins beside a vCPU without APICv that is preempted, exits to userspace and migrates."""

    APICV = False
    SPINNERS = 1


@scenario(tier="quick", memory=("tso",))
class ipiv_toggler:
    """IPI virtualization while APICv comes and goes."""

    IPIV = True
    IPIV_SENDERS = 1
    TOGGLERS = 1
    GUEST_HLT = True


@scenario(tier="quick", memory=("tso",))
class toggler_migration:
    """APICv is inhibited and uninhibited while the vCPU thread is preempted and migrates."""

    TOGGLERS = 1
    PREEMPTION = True
    PCPUS = 2


@scenario(tier="quick", memory=("tso",))
class bypass_second:
    """A second device is attached and detached for ever, while the first one posts to a vCPU that halts."""

    BYPASSERS = 1
    BYPASS_DETACH = True
    BYPASS_SECOND = True
    DEVICES = 1
    GUEST_HLT = True


@scenario(tier="quick", memory=("tso",), base=overcommit)
class overcommit_bypass:
    """The first device is assigned to a VM of two vCPUs on one pCPU, one of which sleeps already."""

    BYPASSERS = 1


@scenario(tier="quick", memory=("tso",), base=overcommit)
class overcommit_pv_kick:
    """Two vCPUs on one pCPU, and a hypercall that ends the halt of either."""

    DEVICES = 0
    PV_KICKERS = 1
