# SPDX-License-Identifier: GPL-2.0-or-later
"""Why nothing posted goes unannounced (Q-7), for any length of run and all 256 vectors.

The heart is one fact that holds wherever no window of Q-7 is open, and that comes back by itself when the window is
left: `windows=` spreads it over the locations of the windows.  The rest keeps numbers in their ranges.

References: arch/x86/kvm/vmx/posted_intr.c, arch/x86/include/asm/posted_intr.h.
"""

from lostirq.prelude import *
from model.state import *
from properties.quiescence import *


@pure
def off_its_pcpu(i: VcpuId) -> bool:
    """The thread has left its pCPU: it sleeps, was preempted, or is in userspace."""
    in_userspace = False
    if USERSPACE:
        in_userspace = function_of("vcpu_thread", i, "vcpu_load") and not within("vcpu_thread", i, "load")
    return within("vcpu_thread", i, "asleep") or within("preemption", i, "preempted") or in_userspace


@lemma("announced", proves="Q-7, Q-6, Q-3, Q-1", over=VCPUS, windows=("harvest", "hw_harvest", "sn_cleared"))
def posts_are_announced(i: VcpuId) -> bool:
    """Outside of the windows, a posted vector is announced by ON, or SN tells the next load to look, or its poster is
    about to set ON.  Inside, it will be so when the window is left."""
    control = vcpus[i].pi_desc.control
    return posted_in(i) == 0 or control.on or control.sn or posting(i)


@lemma(
    "preempted",
    proves="Q-7, Q-6, Q-3, Q-1, T-2, T-4, T-5, T-17, Q-4, Q-5, T-3, "
    "G-6, G-13, G-14, G-4, G-8, G-9, Q-2, Q-8, T-12, G-16, T-8, T-10",
    over=VCPUS,
)
def preempted(i: VcpuId) -> bool:
    """A thread does not step while it is off its pCPU: nobody harvests beside a load."""
    return vcpus[i].task.preempted == (not at_rest("preemption", i))


@lemma("readers", proves="Q-7, Q-6, Q-3, Q-1, Q-5, T-12")
def readers() -> bool:
    """apicv_update_lock counts the vCPU threads between their down_read and their up_read."""
    holding: Int[0, VCPUS] = 0
    for i in range(VCPUS):
        inside = function_of("vcpu_thread", i, "__kvm_vcpu_update_apicv")
        if inside and not function_of("vcpu_thread", i, "down_read_apicv_update_lock"):
            holding += 1
    return kvm.apicv_update_readers == holding


@scenario(
    tier="proof",
    memory=("tso",),
    properties=("Q-7", "Q-6", "T-5", "Q-3", "T-2", "T-4", "G-2", "G-5", "G-10", "T-17"),
)
class posted_interrupts_full:
    """All 256 vectors; senders, a device, IPI virtualization, kicker, toggler, preemption, migration, any guest.

    Under TSO, whose runs include those of sequential consistency: each store may reach memory at once.
    """

    VECTORS = 256
    FIRST_VECTOR = 16
    PIR_WORD = 64
    IRR_WORD = 32
    CLASS_SHIFT = 4
    CLASS_BASE = 0
    PCPUS = 2
    SENDERS = 2
    DEVICES = 1
    IPIV = True
    IPIV_SENDERS = 1
    KICKERS = 1
    TOGGLERS = 1
    PREEMPTION = True
    HALT_POLL = True
    SCHED_IN_REQUESTS = True
    STALE_STATUS = True
    COUNT_SENDS = False
    GUEST_HLT = True
    GUEST_CLI = True
    GUEST_STI = True
    GUEST_TPR = True
    GUEST_SELF_IPI = True
    GUEST_ICR = True
    GUEST_VECTORING = True


@scenario(tier="proof", memory=("tso",), base=posted_interrupts_full, properties=("Q-7",))
class posted_interrupts_attach:
    """The same without IPI virtualization, while the assigned device is attached and detached."""

    IPIV = False
    BYPASSERS = 1


@scenario(tier="proof", memory=("tso",), base=posted_interrupts_full, properties=("Q-7", "Q-6", "T-5"),
          any_number=("sender",))
class posted_interrupts_any:
    """The same with any number of software senders, instead of two."""


@scenario(tier="sample", memory=("sc", "tso"), base=posted_interrupts_full)
class posted_interrupts_four:
    """Everybody who takes part, but four vectors, in two words of two bits: no theorem about 256."""

    VECTORS = 4
    FIRST_VECTOR = 0
    PIR_WORD = 2
    IRR_WORD = 2
    CLASS_SHIFT = 1
    CLASS_BASE = 1


@scenario(tier="proof", memory=("tso",), base=posted_interrupts_full, properties=("T-9", "T-9c", "T-16"))
class posted_interrupts_conserved:
    """Nothing disappears on its way from PIR, IRR and the injection to the handler, nothing is invented or delivered
    twice: with all 256 vectors."""


@scenario(tier="proof", memory=("tso",), base=posted_interrupts_full, properties=("S-1",))
class posted_interrupts_taken:
    """What is acknowledged was requested: with all 256 vectors."""


@scenario(tier="proof", memory=("tso",), base=posted_interrupts_four, properties=("T-9", "T-9c", "T-16", "S-1"))
class posted_interrupts_conserved_four:
    """Both with four vectors: in seconds it tells what a change of the model does to the proof."""
