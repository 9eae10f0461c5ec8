# SPDX-License-Identifier: GPL-2.0-or-later
"""With several vCPUs: the ghosts that count who is about to finish a delivery to one of them (`Underway`).

References: arch/x86/kvm/vmx/common.h:__vmx_deliver_posted_interrupt; arch/x86/kvm/lapic.c:kvm_apic_set_irq; Intel VT-d
specification, "Interrupt posting".
"""

from lostirq.prelude import *
from model.state import *
from proofs.pid import *


@lemma("underway", proves="Q-7, Q-6, Q-1, T-2, T-3, T-4, T-5, G-13", over=VCPUS, when=VCPUS > 1)
def underway(i: VcpuId) -> bool:
    """What is counted as under way to a vCPU are those who have it as their target and are in the window: of senders and
    devices, and its own thread.  (With others who send it is false, and the proof fails.)"""
    post: Int[0, AGENTS] = 0
    notify: Int[0, AGENTS] = 0
    set_irr: Int[0, AGENTS] = 0
    kick: Int[0, AGENTS] = 0
    for s in range(SENDERS):
        if local("sender", s, "sender", "target") == i:
            if within("sender", s, "post"):
                post += 1
            if within("sender", s, "notify"):
                notify += 1
            if within("sender", s, "set_irr"):
                set_irr += 1
            if within("sender", s, "kick"):
                kick += 1
    for d in range(DEVICES):
        if within("device", d, "notify") and local("device", d, "device", "target") == i:
            notify += 1
    if within("vcpu_thread", i, "post"):
        post += 1
    if within("vcpu_thread", i, "notify"):
        notify += 1
    if within("vcpu_thread", i, "set_irr"):
        set_irr += 1
    if within("vcpu_thread", i, "kick"):
        kick += 1
    told = vcpus[i].underway
    return told.post == post and told.notify == notify and told.set_irr == set_irr and told.kick == kick


@scenario(tier="proof", memory=("tso",), base=posted_interrupts_four,
          properties=("Q-7", "Q-6", "T-2", "T-3", "T-4", "T-5", "G-13"))
class posted_interrupts_targets_four:
    """Two vCPUs, a sender and a device that deliver to one and then the other: with four vectors."""

    VCPUS = 2
    SENDERS = 1
    KICKERS = 0
    TOGGLERS = 0
    IPIV = False
    IPIV_SENDERS = 0


@scenario(tier="proof", memory=("tso",), base=posted_interrupts_targets_four, properties=("Q-1",))
class posted_interrupts_targets_asleep_four:
    """Two vCPUs that may sleep, on one list, while the first device is assigned."""

    BYPASSERS = 1
    PREEMPTION = False
    HALT_POLL = False
    STALE_STATUS = False
