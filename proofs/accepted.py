# SPDX-License-Identifier: GPL-2.0-or-later
"""Why a handler is entered only when the guest accepts it (S-2), and why a halt ends for a reason (G-11).

References: arch/x86/kvm/x86.c:kvm_check_and_inject_events, vcpu_block; arch/x86/kvm/lapic.c:kvm_apic_has_interrupt.
"""

from lostirq.prelude import *
from model.state import *
from proofs.acknowledge import *
from properties.views import *


@lemma("looked for above all", proves="S-2, G-11", over=VCPUS)
def looked_for_above_all(i: VcpuId) -> bool:
    """What is looked for has a higher class than the TPR and than what the guest serves."""
    ppr = local("vcpu_thread", i, "apic_has_interrupt_for_ppr", "ppr")
    looking = function_of("vcpu_thread", i, "apic_has_interrupt_for_ppr")
    return not looking or ppr >= owed_priority(i)


@lemma("above all", proves="S-2", over=VCPUS)
def above_all(i: VcpuId) -> bool:
    """The vector that is acknowledged has a higher class than the TPR and than what the guest serves."""
    vector = local("vcpu_thread", i, "kvm_cpu_get_interrupt", "vector")
    none = vector == -1 and not function_of("vcpu_thread", i, "kvm_apic_ack_interrupt")
    return none or class_of(vector) > owed_priority(i)


@lemma("allowed", proves="S-2", over=VCPUS)
def allowed(i: VcpuId) -> bool:
    """A vector is taken only from a guest that accepts interrupts."""
    return not function_of("vcpu_thread", i, "kvm_cpu_get_interrupt") or interruptible(i)


@lemma("deliverable", proves="S-2", over=VCPUS)
def deliverable(i: VcpuId) -> bool:
    """What is being injected was accepted by the guest, which has not run since."""
    vector = injecting(i)
    running = within("vcpu_thread", i, "boundary")
    return vector == -1 or (interruptible(i) and class_of(vector) > owed_priority(i) and not running)


@lemma("events of a guest that accepts them", proves="G-11", over=VCPUS)
def events_of_a_guest_that_accepts_them(i: VcpuId) -> bool:
    """A halted vCPU looks for interrupts only if its guest accepts them."""
    about_a_halt = function_of("vcpu_thread", i, "kvm_vcpu_has_events")
    return not (about_a_halt and function_of("vcpu_thread", i, "kvm_cpu_has_interrupt")) or interruptible(i)


@scenario(tier="proof", memory=("tso",), base=posted_interrupts_four, properties=("S-2", "G-11", "G-12"))
class posted_interrupts_accepted_four:
    """What the guest accepts, with four vectors."""
