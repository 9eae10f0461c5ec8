# SPDX-License-Identifier: GPL-2.0-or-later
"""Why nobody sleeps on an interrupt (Q-1): what was there is seen by the last look, what comes later wakes.

A thread that blocks says that it waits, makes itself interruptible, and only then looks.  Whoever puts a vector into the
IRR wakes it afterwards; whoever sets ON does, or sends the vector that NV names.

References: virt/kvm/kvm_main.c:kvm_vcpu_block, kvm_vcpu_check_block; arch/x86/kvm/vmx/posted_intr.c:vmx_vcpu_pi_put,
pi_enable_wakeup_handler, pi_wakeup_handler; kernel/exit.c:rcuwait_wake_up.
"""

from lostirq.prelude import *
from model.state import *
from proofs.pid import *
from properties.views import *


@pure
def is_woken(i: VcpuId) -> bool:
    """Somebody has woken the thread since it made itself interruptible, or it has not done so."""
    return vcpus[i].task.state == TaskState.TASK_RUNNING


@pure
def leaving(i: VcpuId) -> bool:
    """The last look is over: the thread leaves its pCPU, or has left it."""
    return function_of("vcpu_thread", i, "schedule") and not function_of("vcpu_thread", i, "kvm_sched_in")


@lemma("outside", proves="Q-1", over=VCPUS, windows=("vcpu_enter_guest",))
def outside(i: VcpuId) -> bool:
    """The mode is that of the host wherever no entry is under way: posters wake, instead of sending."""
    return vcpus[i].mode == Mode.OUTSIDE_GUEST_MODE


@lemma("on the run queue", proves="Q-1", over=VCPUS)
def on_the_run_queue(i: VcpuId) -> bool:
    """Only a thread that has left to sleep is off the run queue, and only until it is woken."""
    back = not within("vcpu_thread", i, "switch") or function_of("vcpu_thread", i, "kvm_sched_in")
    return vcpus[i].task.on_rq == (not within("vcpu_thread", i, "switch") or is_woken(i)) and (
        not back or vcpus[i].task.on_rq
    )


@lemma("at home", proves="Q-1", over=VCPUS, windows=("kvm_sched_in",))
def at_home(i: VcpuId) -> bool:
    """vcpu->cpu is the pCPU that the thread is on, or was on last, until it is given another one."""
    return seen_by("vcpu_thread", i, vcpus[i].cpu) == vcpus[i].task.cpu


@lemma("aimed", proves="Q-1", over=VCPUS, windows=("kvm_sched_in",))
def aimed(i: VcpuId) -> bool:
    """NDST is the pCPU that the thread is on, or was on last, until it is given another one."""
    return vcpus[i].pi_desc.control.ndst == vcpus[i].task.cpu


@lemma("not armed", proves="Q-1", over=VCPUS, windows=("switch",))
def not_armed(i: VcpuId) -> bool:
    """Only a thread that leaves to wait has the wakeup vector as its NV."""
    return vcpus[i].pi_desc.control.nv == NotificationVector.POSTED_INTR_VECTOR


@lemma("armed", proves="Q-1", over=VCPUS, windows=("kvm_sched_out",))
def armed(i: VcpuId) -> bool:
    """A sleeper whose guest accepts interrupts has the wakeup vector as its NV, and SN clear."""
    off = within("vcpu_thread", i, "switch") and not function_of("vcpu_thread", i, "kvm_sched_in")
    control = vcpus[i].pi_desc.control
    set_up = control.nv == NotificationVector.POSTED_INTR_WAKEUP_VECTOR and not control.sn
    return not off or not interruptible(i) or set_up


@lemma("listed", proves="Q-1", over=VCPUS, windows=("pi_enable_wakeup_handler", "load"))
def on_the_list(i: VcpuId) -> bool:
    """While NV is the wakeup vector, the vCPU is on the list of the pCPU that it was on last."""
    armed_here = vcpus[i].pi_desc.control.nv == NotificationVector.POSTED_INTR_WAKEUP_VECTOR
    return not armed_here or bit(pcpus[vcpus[i].task.cpu].wakeup_vcpus, i)


@lemma(
    "woken by a post",
    proves="Q-1",
    over=VCPUS,
    windows=("pi_enable_wakeup_handler",),
    promised=("notify", "pi_wakeup_handler"),
)
def woken_by_a_post(i: VcpuId) -> bool:
    """While NV is the wakeup vector, ON set means that the thread was woken, or that the wakeup interrupt is pending,
    or that somebody is about to do one of the two."""
    control = vcpus[i].pi_desc.control
    armed_here = control.nv == NotificationVector.POSTED_INTR_WAKEUP_VECTOR
    return not armed_here or not control.on or is_woken(i) or pcpus[vcpus[i].task.cpu].apic.wakeup


@lemma("hint", proves="Q-1", over=VCPUS, windows=("clear_irr", "irr_update", "update_apicv"), promised=("set_irr",))
def hint(i: VcpuId) -> bool:
    """irr_pending is false only if APICv is inactive and the IRR empty, or a sender is about to set it."""
    return vcpus[i].lapic.irr_pending or (requested_in(i) == 0 and not vcpus[i].lapic.apicv_active)


@lemma(
    "seen or woken",
    proves="Q-1",
    over=VCPUS,
    windows=("kvm_vcpu_check_block",),
    promised=("set_irr", "kick"),
)
def seen_or_woken(i: VcpuId) -> bool:
    """After the last look, the IRR holds nothing above the PPR, or the thread was woken, or somebody is about to wake
    it."""
    nothing = class_of(highest(requested_in(i))) <= vcpus[i].lapic.ppr
    return not leaving(i) or not interruptible(i) or nothing or is_woken(i)


@lemma("priority", proves="Q-1", over=VCPUS, windows=("kvm_vcpu_check_block",))
def priority(i: VcpuId) -> bool:
    """The PPR of a thread that leaves, and whose guest accepts interrupts, is not above what its guest serves and its TPR."""
    return not leaving(i) or not interruptible(i) or vcpus[i].lapic.ppr <= owed_priority(i)


@lemma("halted", proves="Q-1", over=VCPUS)
def halted(i: VcpuId) -> bool:
    """Only a vCPU that is halted blocks."""
    return not function_of("vcpu_thread", i, "vcpu_block") or vcpus[i].mp_state == MpState.HALTED


@lemma("nothing owned", proves="Q-1", over=VCPUS, windows=("handle_fastpath_hlt",))
def nothing_owned(i: VcpuId) -> bool:
    """A vCPU that is halted owns no vector outside of PIR and IRR."""
    return vcpus[i].mp_state != MpState.HALTED or injecting(i) == -1


@scenario(tier="proof", memory=("sc",), base=posted_interrupts_four, properties=("Q-1",))
class posted_interrupts_asleep:
    """A vCPU that sleeps: everybody who takes part, but four vectors in two words of two bits."""
