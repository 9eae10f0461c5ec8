# SPDX-License-Identifier: GPL-2.0-or-later
"""Why each send puts its interrupt somewhere, once (G-17, G-19): the ghosts count who is where.

References: arch/x86/kvm/lapic.c:kvm_apic_set_irq, __apic_accept_irq.
"""

from lostirq.prelude import *
from model.state import *
from proofs.pid import *


@lemma("sends", proves="G-17, G-19", over=VCPUS)
def sends(i: VcpuId) -> bool:
    """Those who send are counted, and those of them who have not put their interrupt anywhere: they look at
    apicv_active.  (With one vCPU, to which all of them send.)"""
    sending: Int[0, AGENTS] = 0
    owing: Int[0, AGENTS] = 0
    for s in range(SENDERS):
        if function_of("sender", s, "kvm_apic_set_irq"):
            sending += 1
            decides_s = function_of("sender", s, "vmx_deliver_posted_interrupt")
            if decides_s and not function_of("sender", s, "__vmx_deliver_posted_interrupt"):
                owing += 1
    if function_of("vcpu_thread", i, "kvm_apic_set_irq"):
        sending += 1
        decides_i = function_of("vcpu_thread", i, "vmx_deliver_posted_interrupt")
        if decides_i and not function_of("vcpu_thread", i, "__vmx_deliver_posted_interrupt"):
            owing += 1
    return vcpus[i].sending == sending and vcpus[i].owed == owing


@scenario(tier="proof", memory=("tso",), base=posted_interrupts_full, properties=("G-17", "G-19"))
class posted_interrupts_counted:
    """With the ghosts that count what is sent: everybody who takes part, with all 256 vectors."""

    COUNT_SENDS = True


@scenario(tier="proof", memory=("tso",), base=posted_interrupts_four, properties=("G-17", "G-19"))
class posted_interrupts_counted_four:
    """The same with four vectors: in seconds it tells what a change of the model does to the proof."""

    COUNT_SENDS = True
