# SPDX-License-Identifier: GPL-2.0-or-later
"""Wakeup lists, and who is on a pCPU: T-3, G-6, G-13, G-14.

References: arch/x86/kvm/vmx/posted_intr.c:pi_enable_wakeup_handler, vmx_vcpu_pi_load; virt/kvm/kvm_main.c:
kvm_sched_out, kvm_sched_in; kernel/sched/core.c:__schedule.
"""

from lostirq.prelude import *
from model.state import *
from proofs.pid import *
from proofs.scheduling import *
from properties.views import *


@pure
def put_on_a_list(i: VcpuId) -> bool:
    """The thread has put its vCPU on a list, and sets NV."""
    sets = function_of("vcpu_thread", i, "pi_try_set_control")
    return sets and function_of("vcpu_thread", i, "pi_enable_wakeup_handler")


@pure
def taken_off_its_list(i: VcpuId) -> bool:
    """A load has taken the vCPU off its list, if it was on one, and sets NV."""
    by_thread = within("vcpu_thread", i, "load") and function_of("vcpu_thread", i, "pi_try_set_control")
    return by_thread or within("preemption", i, "load") and function_of("preemption", i, "pi_try_set_control")


@lemma("on the list of its pCPU", proves="T-3, G-13", over=VCPUS, windows=("change_wakeup_list",))
def on_the_list_of_its_pcpu(i: VcpuId) -> bool:
    """A vCPU is on the list of vcpu->cpu, as its thread sees that, if NV is the wakeup vector, and on no other."""
    armed = vcpus[i].pi_desc.control.nv == NotificationVector.POSTED_INTR_WAKEUP_VECTOR
    listed = put_on_a_list(i) or (armed and not taken_off_its_list(i))
    here = seen_by("vcpu_thread", i, vcpus[i].cpu)
    return all(bit(pcpus[c].wakeup_vcpus, i) == (listed and c == here) for c in range(PCPUS))


@lemma("not armed in userspace", proves="T-3, G-13", over=VCPUS, when=USERSPACE)
def not_armed_in_userspace(i: VcpuId) -> bool:
    """Who leaves for userspace does not wait for an interrupt: NV stays."""
    leaves = function_of("vcpu_thread", i, "exit_to_userspace") or function_of("vcpu_thread", i, "vcpu_load")
    stays = vcpus[i].pi_desc.control.nv == NotificationVector.POSTED_INTR_VECTOR
    return not leaves or (stays and not function_of("vcpu_thread", i, "pi_enable_wakeup_handler"))


@lemma("waits only while it blocks", proves="T-3, G-13", over=VCPUS, when=USERSPACE, carried_back=True)
def waits_only_while_it_blocks(i: VcpuId) -> bool:
    """As for T-17: a vCPU thread waits only to block."""
    return waits_only_to_block(i)


@lemma("no wait_task left behind", proves="T-3, G-13", over=(VCPUS, PCPUS), when=USERSPACE)
def no_wait_task_left_behind(i: VcpuId, c: CpuId) -> bool:
    """As for T-17: what it has stored of that moves with it."""
    return wait_task_is_where_it_was_stored(i, c)


@lemma("occupied", proves="G-6, T-12", over=VCPUS)
def occupied(i: VcpuId) -> bool:
    """A thread occupies its pCPU, but where it sleeps, or is preempted, or in userspace."""
    return vcpus[i].task.on_cpu == (not off_its_pcpu(i))


@pure
def put_by_its_thread(i: VcpuId) -> bool:
    """The thread has left its pCPU by itself, for a sleep or for userspace: behind its put, and before its load."""
    back = within("vcpu_thread", i, "load") or function_of("vcpu_thread", i, "kvm_sched_in")
    put = within("vcpu_thread", i, "switch") and not function_of("vcpu_thread", i, "kvm_sched_out") and not back
    if USERSPACE:
        leaves = function_of("vcpu_thread", i, "preempt_disable") or function_of("vcpu_thread", i, "kvm_arch_vcpu_put")
        return put and not (leaves and function_of("vcpu_thread", i, "exit_to_userspace"))
    return put


@pure
def put_and_not_loaded(i: VcpuId) -> bool:
    """The thread is off its pCPU: behind its put, and before its load."""
    by_other = not at_rest("preemption", i) and not function_of("preemption", i, "kvm_sched_out")
    return put_by_its_thread(i) or (by_other and not function_of("preemption", i, "kvm_sched_in"))


@lemma("running", proves="G-14", over=(VCPUS, PCPUS))
def running(i: VcpuId, c: CpuId) -> bool:
    """The pCPU that a thread is on has its vCPU as the running one, and no other pCPU has; while it is scheduled out,
    none has."""
    return (pcpus[c].running == i) == (c == vcpus[i].task.cpu and not put_and_not_loaded(i))


@scenario(tier="proof", memory=("tso",), base=posted_interrupts_full, properties=("T-3", "G-6", "G-13", "G-14"))
class posted_interrupts_switched:
    """Wakeup lists and pCPUs: everybody who takes part, with all 256 vectors."""


@scenario(tier="proof", memory=("tso",), base=posted_interrupts_four, properties=("T-3", "G-6", "G-13", "G-14"))
class posted_interrupts_switched_four:
    """The same with four vectors: in seconds it tells what a change of the model does to the proof."""


@scenario(tier="proof", memory=("tso",), base=posted_interrupts_four, properties=("T-3", "G-6", "G-13", "G-14"))
class posted_interrupts_userspace_four:
    """The same where the vCPU thread exits to userspace, and comes back on any pCPU."""

    USERSPACE = True
