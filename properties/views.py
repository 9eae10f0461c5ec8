# SPDX-License-Identifier: GPL-2.0-or-later
"""What properties look at: where a vector can be, what the guest may expect, when nothing moves.

Invariants
  - Who stands in a window of a delivery is told by the window where there is one vCPU, by counting ghosts (Underway)
    where there are more: an excuse names the vCPU that is delivered to.
  - Only memory, ghosts and program locations are read; nothing here names a bug.
  - A vector is *pending* while its handler is owed: posted (PIR), requested (IRR), carried in a live local between two
    places, or being injected.  It is *eligible* when, in addition, the guest could take it at this very boundary if the
    hypervisor and the hardware were perfect: whether the vCPU runs, is in the host or sleeps makes no difference.
  - Priorities are computed from the TPR and from what the guest knows to be in service, never from caches (PPR, SVI,
    highest_isr_cache): a stale cache is no excuse.

References: arch/x86/kvm/lapic.c; Intel SDM vol. 3, "Interrupt acceptance for fixed interrupts" and "Task and processor
priorities".
"""

from lostirq.prelude import *
from model.sched import *
from model.state import *

AnyVector = Int[0, LAST]
AnyToggler = Int[0, TOGGLERS]


@pure
def posted_in(i: VcpuId) -> VectorSet:
    """PIR of a vCPU."""
    return bits(vcpus[i].pi_desc.pir)


@pure
def requested_in(i: VcpuId) -> VectorSet:
    """IRR of a vCPU."""
    return bits(vcpus[i].lapic.irr)


@pure
def in_guest(i: VcpuId) -> bool:
    """The vCPU is in VMX non-root mode."""
    return within("vcpu_thread", i, "guest")


@pure
def sleeps(i: VcpuId) -> bool:
    """The vCPU thread has left its pCPU and waits for a wake-up that nobody has given yet."""
    return within("vcpu_thread", i, "asleep") and not vcpus[i].task.on_rq


@pure
def nobody_moves(i: VcpuId) -> bool:
    """Quiet: everybody but vCPU i is at rest, no message is in flight, all store buffers are empty."""
    return quiet("vcpu_thread", i)


@pure
def at_boundary(i: VcpuId) -> bool:
    """The guest is at an instruction boundary with nothing that comes before its next instruction."""
    return within("vcpu_thread", i, "boundary") and not within("vcpu_thread", i, "hw_harvest")


@pure
def loading(i: VcpuId) -> bool:
    """The vCPU is being loaded onto a pCPU."""
    return within("vcpu_thread", i, "load") or within("preemption", i, "load")


@pure
def changing_nv(i: VcpuId) -> bool:
    """A put or load stands between the wakeup list and the notification vector."""
    return within("vcpu_thread", i, "nv") or within("preemption", i, "nv")


@pure
def ending_service(i: VcpuId) -> bool:
    """KVM stands between an ISR bit that it has cleared and what follows from it: SVI, or the count."""
    return function_of("vcpu_thread", i, "apic_clear_isr")


@pure
def scheduled_out(i: VcpuId) -> bool:
    """The vCPU is off its pCPU, or on the way out or in."""
    return vcpus[i].task.preempted or within("vcpu_thread", i, "switch")


@pure
def setting_irr(i: VcpuId) -> bool:
    """Somebody stands between an IRR bit of vCPU i and its irr_pending."""
    if VCPUS == 1:
        return within("sender", "set_irr") or within("vcpu_thread", "set_irr") or within("timer", "set_irr")
    return vcpus[i].underway.set_irr > 0


@pure
def kicking(i: VcpuId) -> bool:
    """Somebody put a vector into the IRR of vCPU i and has not finished to announce it."""
    if VCPUS == 1:
        others = within("vcpu_thread", "kick") or within("timer", "kick")
        return setting_irr(i) or within("sender", "kick") or others
    return setting_irr(i) or vcpus[i].underway.kick > 0


@pure
def posting(i: VcpuId) -> bool:
    """Somebody stands between a PIR bit of vCPU i and its ON."""
    if VCPUS == 1:
        others = within("vcpu_thread", "post") or within("timer", "post")
        return within("sender", "post") or within("ipiv_sender", "post") or others
    return vcpus[i].underway.post > 0


@pure
def notifying(i: VcpuId) -> bool:
    """Somebody other than its own thread stands between ON of vCPU i and the notification."""
    if VCPUS == 1:
        others = within("device", "notify") or within("timer", "notify")
        return within("sender", "notify") or within("ipiv_sender", "notify") or others
    own = 1 if within("vcpu_thread", i, "notify") else 0
    return vcpus[i].underway.notify > own


@pure
def announcing(i: VcpuId) -> bool:
    """Somebody has set the bit of a vector of vCPU i, in PIR or IRR, and has not finished to announce it."""
    return posting(i) or notifying(i) or within("vcpu_thread", i, "notify") or kicking(i)


@pure
def unseen(i: VcpuId) -> VectorSet:
    """What software put into the IRR after the vCPU looked there last, while somebody is about to announce it or
    KVM_REQ_EVENT does: it will be looked at again before the guest goes on.
    """
    if kicking(i) or vcpus[i].requests.event:
        return vcpus[i].late
    return 0


@pure
def injecting(i: VcpuId) -> OptVector:
    """The vector that was acknowledged and whose handler entry is still owed by an injection, or -1.

    It is in the VM-entry field from the injection decision on, in the IDT-vectoring field after an exit
    interrupted its delivery, and in vcpu->arch.interrupt in between. In the guest, vcpu->arch.interrupt is
    history.
    """
    vcpu = vcpus[i]
    if vcpu.vmcs.entry_interruption != -1:
        return vcpu.vmcs.entry_interruption
    if vcpu.vmcs.idt_vectoring != -1:
        return vcpu.vmcs.idt_vectoring
    return -1 if in_guest(i) else vcpu.interrupt.injected


@pure
def starved(i: VcpuId) -> bool:
    """The vCPU thread could run, but other vCPUs leave it no pCPU: the scheduler's affair, and no loss."""
    if VCPUS <= PCPUS:
        return False
    return vcpus[i].task.on_rq and not vcpus[i].task.on_cpu and not any(vacant(c, i) for c in range(PCPUS))


@pure
def pending_in(i: VcpuId) -> VectorSet:
    """Vectors whose handler is owed."""
    return with_bit(posted_in(i) | requested_in(i) | vcpus[i].carried, injecting(i), True)


@pure
def places_of(i: VcpuId, v: AnyVector) -> Int[0, 4]:
    """In how many places a vector is: each stands for one handler entry, or for a merge."""
    found: Int[0, 4] = 0
    if bit(posted_in(i), v):
        found += 1
    if bit(requested_in(i), v):
        found += 1
    if bit(vcpus[i].carried, v):
        found += 1
    if injecting(i) == v:
        found += 1
    return found


@pure
def owed_priority(i: VcpuId) -> PriorityClass:
    """The class that a vector must exceed: what the guest asked for (TPR) and what it serves."""
    return max(vcpus[i].lapic.tpr, class_of(highest(vcpus[i].serving)))


@pure
def outranks(i: VcpuId, v: AnyVector) -> bool:
    """v is the first of all that is pending, and above what is in service and the TPR."""
    return highest(pending_in(i)) == v and class_of(v) > owed_priority(i)


@pure
def interruptible(i: VcpuId) -> bool:
    """The guest accepts interrupts at this boundary.

    The shadow of STI excuses while the guest runs. A guest that is halted has executed the instruction after STI: a
    shadow that is still recorded is stale.
    """
    shadow = vcpus[i].guest.sti_shadow and vcpus[i].mp_state != MpState.HALTED
    return vcpus[i].guest.interrupt_flag and not shadow


@pure
def is_eligible(i: VcpuId, v: AnyVector) -> bool:
    """v is pending, outranks everything, and the guest accepts interrupts."""
    return outranks(i, v) and interruptible(i)
