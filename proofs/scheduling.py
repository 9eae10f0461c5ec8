# SPDX-License-Identifier: GPL-2.0-or-later
"""Where a vCPU is loaded, and what its descriptor says about it: SN, NV, NDST, the wakeup list.

The facts hold outside of the switch; `windows=` spreads them over its steps, in the thread (schedule) and in the
scheduler (kvm_sched_in after a preemption).

References: arch/x86/kvm/vmx/posted_intr.c:vmx_vcpu_pi_load, vmx_vcpu_pi_put; virt/kvm/kvm_main.c:kvm_sched_in.
"""

from lostirq.prelude import *
from model.state import *
from proofs.pid import *
from properties.views import *


@lemma(
    "preemptible",
    proves="Q-6, Q-3, Q-1, T-2, T-4, T-5, T-17, Q-4, Q-5, T-3, G-6, "
    "G-13, G-14, G-4, G-8, G-9, Q-2, Q-8, T-12, G-16, T-8, T-10",
    over=VCPUS,
)
def preemptible(i: VcpuId) -> bool:
    """A thread is taken off its pCPU only where it allows preemption, and stays where it is until it is back."""
    return not vcpus[i].task.preempted or not vcpus[i].task.preempt_off


@lemma("suppressed", proves="Q-6, Q-3, Q-1, T-4, T-5, Q-8", over=VCPUS, windows=("switch", "kvm_sched_in"))
def suppressed(i: VcpuId) -> bool:
    """SN is set only when a vCPU is scheduled out, and every load clears it."""
    return not vcpus[i].pi_desc.control.sn or scheduled_out(i)


@pure
def stored(i: VcpuId) -> bool:
    """The load has stored vcpu->cpu, maybe in the store buffer; its request, which drains, is still to come."""
    by_thread = within("vcpu_thread", i, "load") and function_of("vcpu_thread", i, "kvm_make_request")
    return by_thread or within("preemption", i, "load") and function_of("preemption", i, "kvm_make_request")


@pure
def sn_cleared(i: VcpuId) -> bool:
    """A load stands between the clearing of SN and its look at the PIR."""
    return within("vcpu_thread", i, "sn_cleared") or within("preemption", i, "sn_cleared")


@pure
def looking_at_pir(i: VcpuId) -> bool:
    """The load is done with NV, NDST and SN."""
    by_thread = within("vcpu_thread", i, "load") and not function_of("vcpu_thread", i, "vmx_vcpu_pi_load")
    by_other = within("preemption", i, "load") and not function_of("preemption", i, "vmx_vcpu_pi_load")
    return by_thread or by_other or sn_cleared(i)


@lemma("loads here", proves="Q-3, T-2, T-4, Q-4, Q-5, T-3, G-13, G-14, Q-2, Q-8, T-12, T-8, T-10", over=VCPUS)
def loads_here(i: VcpuId) -> bool:
    """What a load is told is the pCPU that the thread is on."""
    here = vcpus[i].task.cpu
    of_thread = local("vcpu_thread", i, "kvm_arch_vcpu_load", "cpu") == here
    of_other = local("preemption", i, "kvm_arch_vcpu_load", "cpu") == here
    return (of_thread or not within("vcpu_thread", i, "load")) and (of_other or not within("preemption", i, "load"))


@lemma("loaded", proves="Q-3, T-2, T-4, Q-4, Q-5, T-3, G-13, Q-2, Q-8, T-12, T-8, T-10", over=VCPUS)
def loaded(i: VcpuId) -> bool:
    """vcpu->cpu is the pCPU that the thread is on; while it is switched, once the load has stored it."""
    return seen_by("vcpu_thread", i, vcpus[i].cpu) == vcpus[i].task.cpu or (scheduled_out(i) and not stored(i))


@lemma("notified", proves="Q-3, T-4, Q-8", over=VCPUS, windows=("switch", "kvm_sched_in"))
def notified(i: VcpuId) -> bool:
    """A vCPU that is loaded has the posted-interrupt vector as its NV and its pCPU as its NDST: only a put that leaves
    to sleep changes NV, and every load sets both."""
    control = vcpus[i].pi_desc.control
    here = control.nv == NotificationVector.POSTED_INTR_VECTOR and control.ndst == vcpus[i].task.cpu
    return here or scheduled_out(i)


@lemma("destination", proves="Q-3, T-4, Q-8", over=VCPUS, carried_back=True)
def destination(i: VcpuId) -> bool:
    """NDST is vcpu->cpu, also while the vCPU sleeps; a load changes first NDST, then vcpu->cpu."""
    if looking_at_pir(i):
        return vcpus[i].pi_desc.control.ndst == vcpus[i].task.cpu
    return vcpus[i].pi_desc.control.ndst == seen_by("vcpu_thread", i, vcpus[i].cpu)


@lemma(
    "cpu in memory",
    proves="Q-3, Q-1, T-2, T-4, Q-4, Q-5, T-3, G-13, Q-2, Q-8, T-12, T-8, T-10",
    over=(VCPUS, PCPUS),
)
def cpu_in_memory(i: VcpuId, c: CpuId) -> bool:
    """A store to vcpu->cpu waits in no buffer but that of the pCPU that it names, and only for the request."""
    return settled("host_irq", c, vcpus[i].cpu) or (stored(i) and vcpus[i].task.cpu == c)


@lemma("nothing left behind", proves="Q-3, T-2, Q-4, Q-5, Q-2, Q-8, T-12, T-8, T-10", over=(VCPUS, PCPUS))
def nothing_left_behind(i: VcpuId, c: CpuId) -> bool:
    """A store to the mode is in no buffer but that of the pCPU that the thread is on: it drains before it is moved."""
    return settled("host_irq", c, vcpus[i].mode) or (vcpus[i].task.cpu == c and not off_its_pcpu(i))


@pure
def until_the_fence(i: VcpuId) -> bool:
    """The thread blocks, or has not passed the fence that follows."""
    fence = function_of("vcpu_thread", i, "vcpu_block") and function_of("vcpu_thread", i, "srcu_read_lock")
    return function_of("vcpu_thread", i, "kvm_vcpu_block") or fence


@pure
def waits_only_to_block(i: VcpuId) -> bool:
    """The task to be woken is said only inside kvm_vcpu_block, as the thread sees it."""
    return function_of("vcpu_thread", i, "kvm_vcpu_block") or not seen_by("vcpu_thread", i, vcpus[i].wait_task)


@pure
def wait_task_is_where_it_was_stored(i: VcpuId, c: CpuId) -> bool:
    """A store to it is in no buffer but that of the pCPU that the thread is on, until the fence behind the blocking."""
    here = until_the_fence(i) and vcpus[i].task.cpu == c and not off_its_pcpu(i)
    return settled("host_irq", c, vcpus[i].wait_task) or here


@lemma("waits while it blocks", proves="T-17", over=VCPUS, carried_back=True)
def waits_while_it_blocks(i: VcpuId) -> bool:
    """A vCPU thread waits only to block."""
    return waits_only_to_block(i)


@lemma("wait_task left behind", proves="T-17", over=(VCPUS, PCPUS))
def wait_task_left_behind(i: VcpuId, c: CpuId) -> bool:
    """What it has stored of that moves with it."""
    return wait_task_is_where_it_was_stored(i, c)
