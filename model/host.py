# SPDX-License-Identifier: GPL-2.0-or-later
"""The host around a vCPU thread: interrupt and preemption flags, inter-processor interrupts, host interrupt handlers.

Invariants
  - An IPI is one bit of a physical local APIC from its sending to its acceptance; it is accepted in root mode with
    interrupts on (`host_irq`), or in non-root mode (model/nonroot.py).
  - A handler runs to completion on top of what its pCPU runs.

References: arch/x86/kernel/irq.c (posted-interrupt vectors); kernel/smp.c; Intel SDM vol. 3, "Advanced Programmable
Interrupt Controller", Documentation/virt/kvm/vcpu-requests.rst.
"""

from lostirq.prelude import *
from model.posted_intr import *
from model.state import *


@function(kernel="include/linux/irqflags.h:local_irq_disable")
def local_irq_disable(vcpu: Vcpu):
    step()
    vcpu.task.irqs_off = True


@function(kernel="include/linux/irqflags.h:local_irq_enable")
def local_irq_enable(vcpu: Vcpu):
    vcpu.task.irqs_off = False


@function(kernel="include/linux/preempt.h:preempt_disable")
def preempt_disable(vcpu: Vcpu):
    if PREEMPTION:
        step()
    vcpu.task.preempt_off = True


@function(kernel="include/linux/preempt.h:preempt_enable")
def preempt_enable(vcpu: Vcpu):
    vcpu.task.preempt_off = False


@function(kernel="include/linux/srcu.h:srcu_read_lock")
def srcu_read_lock():
    # Abstraction: the reader counters are left out: nothing of the core model waits for a grace period.  What remains
    # is the full fence, which entry, exit and kvm_vcpu_check_block rely on.
    smp_mb()


@function(kernel="include/linux/srcu.h:srcu_read_unlock")
def srcu_read_unlock():
    # Abstraction: as in srcu_read_lock; the fence comes before the (absent) counter.
    smp_mb()


# -- sending ----------------------------------------------------------------------------------------------------------


@function(kernel="arch/x86/include/asm/apic.h:__apic_send_IPI_mask")
def __apic_send_IPI_mask(cpu: CpuId, vector: HostVector):
    # Abstraction: the fence before the ICR write and the write are one locked step.  The arrival is another step, so
    # the IPI can be late by any time.
    if vector == HostVector.POSTED_INTR:
        lock_set(pcpus[cpu].apic.posted_intr, True)
    if vector == HostVector.POSTED_INTR_WAKEUP:
        lock_set(pcpus[cpu].apic.wakeup, True)
    if vector == HostVector.RESCHEDULE:
        lock_set(pcpus[cpu].apic.reschedule, True)


@function(kernel="include/linux/smp.h:smp_send_reschedule")
def smp_send_reschedule(cpu: CpuId):
    __apic_send_IPI_mask(cpu, HostVector.RESCHEDULE)


@function(kernel="kernel/smp.c:smp_call_function_many")
def smp_call_function_many(cpus: Bits[PCPUS], wait_for_them: bool):
    # Abstraction: queueing the call and sending the IPI are one step per pCPU: nobody looks at the queue but the
    # handler of that IPI.
    for c in range(PCPUS):
        if bit(cpus, c):
            with atomic():
                pcpus[c].csd_pending = True
                pcpus[c].apic.call_function = True
    if wait_for_them:
        for c in range(PCPUS):
            if bit(cpus, c):
                wait(not pcpus[c].csd_pending)


# -- receiving --------------------------------------------------------------------------------------------------------


@function(kernel="arch/x86/kernel/smp.c:sysvec_call_function")
def sysvec_call_function(cpu: CpuId):
    # Abstraction: the callback of every cross-call of KVM is empty (ack_kick); what counts is that it ran.
    pcpus[cpu].csd_pending = False


@function(kernel="arch/x86/kernel/irq.c:sysvec_kvm_posted_intr_ipi")
def sysvec_kvm_posted_intr_ipi():
    """Only the end of interrupt at the physical APIC: a notification that comes in root mode does nothing."""
    pass


@function(kernel="arch/x86/kernel/smp.c:sysvec_reschedule_ipi")
def sysvec_reschedule_ipi():
    # Abstraction: need_resched is left out: what it leads to, a preemption, can happen anyway (model/sched.py).
    pass


@pure
def interrupts_masked(cpu: CpuId) -> bool:
    """What runs on this pCPU, a thread or the switch away from it, has interrupts disabled."""
    return any(
        (vcpus[i].task.irqs_off or vcpus[i].task.switching) and vcpus[i].task.cpu == cpu for i in range(VCPUS)
    )


@handler(over=PCPUS, role="pCPU", cpu=lambda c: c, masked=lambda c: interrupts_masked(c))
def host_irq(c: CpuId):
    """Accepts an IPI in root mode and runs its handler."""
    while True:
        idle()
        strong()
        match choose():
            case "posted interrupt notification" if pcpus[c].apic.posted_intr:
                lock_set(pcpus[c].apic.posted_intr, False)
                sysvec_kvm_posted_intr_ipi()
            case "posted interrupt wakeup" if pcpus[c].apic.wakeup:
                lock_set(pcpus[c].apic.wakeup, False)
                pi_wakeup_handler(c)
                drain()
            case "reschedule" if pcpus[c].apic.reschedule:
                lock_set(pcpus[c].apic.reschedule, False)
                sysvec_reschedule_ipi()
            case "call function" if pcpus[c].apic.call_function:
                lock_set(pcpus[c].apic.call_function, False)
                sysvec_call_function(c)
