# SPDX-License-Identifier: GPL-2.0-or-later
"""Is there an interrupt, take it, and the attachment of assigned devices.

Invariants
  - With APICv active nothing is injectable by software: the hardware delivers.
  - The wake-up test looks at PIR and IRR whether or not APICv is active.

References: arch/x86/kvm/irq.c.
Abstraction: ExtINT, the PIC and userspace interrupts are left out: they do not pass through PIR, IRR or ISR.
"""

from lostirq.prelude import *
from model.lapic import *
from model.state import *


@function(kernel="arch/x86/kvm/irq.c:kvm_cpu_has_injectable_intr")
def kvm_cpu_has_injectable_intr(vcpu: Vcpu) -> bool:
    if vcpu.lapic.apicv_active:
        return False
    return kvm_apic_has_interrupt(vcpu) != -1


@function(kernel="arch/x86/kvm/irq.c:kvm_cpu_has_interrupt")
def kvm_cpu_has_interrupt(vcpu: Vcpu) -> bool:
    return kvm_apic_has_interrupt(vcpu) != -1


@function(kernel="arch/x86/kvm/irq.c:kvm_cpu_get_interrupt")
def kvm_cpu_get_interrupt(vcpu: Vcpu) -> OptVector:
    looks(vcpu, True)
    vector: OptVector = kvm_apic_has_interrupt(vcpu)
    if vector != -1:
        kvm_apic_ack_interrupt(vcpu, vector)
    looks(vcpu, False)
    return vector


@function(kernel="arch/x86/kvm/irq.c:kvm_arch_irq_bypass_add_producer")
def kvm_arch_irq_bypass_add_producer():
    # Abstraction: irqfds.lock is left out: one thread attaches and detaches, the count is read without it, and nothing
    # relies on the fence that taking it is.
    count: Int[0, 2] = kvm.nr_possible_bypass_irqs
    kvm.nr_possible_bypass_irqs = count + 1
    if count == 0:
        vmx_pi_start_bypass()
    kvm_pi_update_irte(True)


@function(kernel="arch/x86/kvm/irq.c:kvm_arch_irq_bypass_del_producer")
def kvm_arch_irq_bypass_del_producer():
    kvm_pi_update_irte(False)
    count: Int[0, 2] = kvm.nr_possible_bypass_irqs
    kvm.nr_possible_bypass_irqs = count - 1


@function(kernel="arch/x86/kvm/irq.c:kvm_pi_update_irte")
def kvm_pi_update_irte(posted: bool):
    # Abstraction: the IRTE is one bit, posted or remapped; its update (a locked exchange and an invalidation that
    # waits) is one step.  The device of the model is silent while remapped: what it would send then comes through
    # irqfd, which is a software sender.  A second device does not send: it counts, and the exchange of its IRTE drains.
    if BYPASS_SECOND:
        drain()
    else:
        lock_set(kvm.irte_posted, posted)
