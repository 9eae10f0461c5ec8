# SPDX-License-Identifier: GPL-2.0-or-later
"""Why nobody sleeps on an interrupt (Q-1): what was there is seen by the last look, what comes later wakes.

A thread that blocks says that it waits, makes itself interruptible, and only then looks.  Whoever puts a vector into the
IRR wakes it afterwards; whoever sets ON does, or sends the vector that NV names.  Of what the thread stores, nothing is
in a store buffer any more when it looks ("stored", "registered"); irr_pending alone may be, and then it is true.

References: virt/kvm/kvm_main.c:kvm_vcpu_block, kvm_vcpu_check_block; arch/x86/kvm/vmx/posted_intr.c:vmx_vcpu_pi_put,
pi_enable_wakeup_handler, pi_wakeup_handler; kernel/exit.c:rcuwait_wake_up.
"""

from lostirq.prelude import *
from model.state import *
from proofs.acknowledge import *
from proofs.pid import *
from proofs.registers import *
from properties.views import *


@pure
def is_woken(i: VcpuId) -> bool:
    """Somebody has woken the thread since it made itself interruptible, or it has not done so."""
    return vcpus[i].task.state == TaskState.TASK_RUNNING


@pure
def leaving(i: VcpuId) -> bool:
    """The last look is over: the thread leaves its pCPU, or has left it."""
    return function_of("vcpu_thread", i, "schedule") and not function_of("vcpu_thread", i, "kvm_sched_in")


@pure
def entering(i: VcpuId) -> bool:
    """An entry, or the guest, until the fence behind it is passed."""
    handled = within("vcpu_thread", i, "cancel") or function_of("vcpu_thread", i, "vmx_handle_exit")
    return function_of("vcpu_thread", i, "vcpu_enter_guest") and not handled


@lemma("outside", proves="Q-1", over=VCPUS, carried_back=True)
def outside(i: VcpuId) -> bool:
    """The mode is that of the host, but with interrupts off on the way into the guest and back: posters wake, instead
    of sending."""
    masked = vcpus[i].task.irqs_off and vcpus[i].task.preempt_off
    back = function_of("vcpu_thread", i, "vmx_handle_exit_irqoff")
    other = back or function_of("vcpu_thread", i, "kvm_vcpu_update_apicv")
    inside = function_of("vcpu_thread", i, "vcpu_enter_guest") and not other
    return (inside and masked) or seen_by("vcpu_thread", i, vcpus[i].mode) == Mode.OUTSIDE_GUEST_MODE


@lemma("mode stored", proves="Q-1", over=VCPUS)
def mode_stored(i: VcpuId) -> bool:
    """There its store has reached memory."""
    return entering(i) or settled("vcpu_thread", i, vcpus[i].mode)


@lemma("left behind", proves="Q-1", over=(VCPUS, PCPUS))
def left_behind(i: VcpuId, c: CpuId) -> bool:
    """What the thread stores is in no buffer but that of the pCPU that it is on: it drains before the thread moves."""
    waiting = vcpus[i].wait_task and vcpus[i].task.state == TaskState.TASK_RUNNING
    mine = waiting and vcpus[i].mode == Mode.IN_GUEST_MODE and vcpus[i].lapic.irr_pending
    return settled("host_irq", c, mine) or (vcpus[i].task.cpu == c and not off_its_pcpu(i))


@pure
def awake_again(i: VcpuId) -> bool:
    """The fence behind kvm_vcpu_halt is still to come."""
    fence = function_of("vcpu_thread", i, "vcpu_block") and function_of("vcpu_thread", i, "srcu_read_lock")
    return fence and not function_of("vcpu_thread", i, "kvm_vcpu_halt")


@pure
def looks_or_leaves(i: VcpuId) -> bool:
    """In kvm_vcpu_block, after set_current_state: the thread looks for a reason to go on, or leaves its pCPU."""
    looks_now = function_of("vcpu_thread", i, "kvm_vcpu_check_block") or function_of("vcpu_thread", i, "schedule")
    return looks_now and function_of("vcpu_thread", i, "kvm_vcpu_block")


@lemma("state stored", proves="Q-1", over=VCPUS)
def state_stored(i: VcpuId) -> bool:
    """The state is set with a locked operation, but for the last time, before a fence."""
    return awake_again(i) or settled("vcpu_thread", i, vcpus[i].task.state)


@lemma("registered", proves="Q-1", over=VCPUS)
def registered(i: VcpuId) -> bool:
    """A thread that looks, or leaves, has registered itself as the one to be woken, and that has reached memory."""
    seen = seen_by("vcpu_thread", i, vcpus[i].wait_task) or not function_of("vcpu_thread", i, "set_current_state")
    there = vcpus[i].wait_task and settled("vcpu_thread", i, vcpus[i].wait_task)
    return seen and (there or not looks_or_leaves(i))


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


@lemma("not armed", proves="Q-1, T-3, G-13", over=VCPUS, windows=("switch",))
def not_armed(i: VcpuId) -> bool:
    """Only a thread that leaves to wait has the wakeup vector as its NV."""
    return vcpus[i].pi_desc.control.nv == NotificationVector.POSTED_INTR_VECTOR


@pure
def switched_away(i: VcpuId) -> bool:
    """A thread that blocks leaves its pCPU or has left it, and was not given one again."""
    return within("vcpu_thread", i, "switch") and not function_of("vcpu_thread", i, "kvm_sched_in")


@pure
def has_wakeup_vector(i: VcpuId) -> bool:
    """NV is the wakeup vector."""
    return vcpus[i].pi_desc.control.nv == NotificationVector.POSTED_INTR_WAKEUP_VECTOR


@pure
def spared(i: VcpuId) -> bool:
    """A sleeper without the wakeup vector, because no device was assigned yet: it was woken, or none posts.  (That
    the last device is detached again is a finding: last-device-detached-while-blocking.)"""
    unposted = not kvm.irte_posted and not vcpus[i].pi_desc.control.sn
    return BYPASSERS > 0 and not BYPASS_SECOND and (is_woken(i) or unposted)


@lemma("armed", proves="Q-1", over=VCPUS, windows=("kvm_sched_out",))
def armed(i: VcpuId) -> bool:
    """A sleeper whose guest accepts interrupts has the wakeup vector as its NV, and SN clear."""
    set_up = has_wakeup_vector(i) and not vcpus[i].pi_desc.control.sn
    return not switched_away(i) or not interruptible(i) or set_up or spared(i)


@lemma("listed", proves="Q-1", over=VCPUS, windows=("pi_enable_wakeup_handler", "load"))
def on_the_list(i: VcpuId) -> bool:
    """While NV is the wakeup vector, the vCPU is on the list of the pCPU that it was on last."""
    return not has_wakeup_vector(i) or bit(pcpus[vcpus[i].task.cpu].wakeup_vcpus, i)


@pure
def handed_over(i: VcpuId) -> bool:
    """Another vCPU of its pCPU has left the guest with the wakeup interrupt, which its thread handles next."""
    found = False
    for j in range(VCPUS):
        left = vcpus[j].vmcs.exit_interruption == HostVector.POSTED_INTR_WAKEUP
        if j != i and left and vcpus[j].task.cpu == vcpus[i].task.cpu:
            found = True
    return found


@lemma("handed over", proves="Q-1", over=VCPUS, when=VCPUS > 1)
def handed_over_by_an_exit(i: VcpuId) -> bool:
    """An interrupt that ended the guest is handled next, with interrupts off."""
    left = local("vcpu_thread", i, "vcpu_enter_guest", "exit_reason") == ExitReason.EXTERNAL_INTERRUPT
    next_ = function_of("vcpu_thread", i, "vcpu_enter_guest") and not function_of("vcpu_thread", i, "vmx_vcpu_run")
    return vcpus[i].vmcs.exit_interruption == HostVector.NONE or (left and next_ and vcpus[i].task.irqs_off)


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
    there = pcpus[vcpus[i].task.cpu].apic.wakeup or handed_over(i)
    return not has_wakeup_vector(i) or not vcpus[i].pi_desc.control.on or is_woken(i) or there


@lemma("hint in the buffer", proves="Q-1", over=VCPUS, carried_back=True)
def hint_in_the_buffer(i: VcpuId) -> bool:
    """The thread stores true, so that it sees what senders store; false it stores only before it takes a vector from
    the IRR, which drains."""
    taking = within("vcpu_thread", i, "clear_irr") and not function_of("vcpu_thread", i, "apic_search_irr")
    return taking or buffered("vcpu_thread", i, vcpus[i].lapic.irr_pending)


@pure
def hinted(i: VcpuId) -> bool:
    """The thread sees irr_pending, or APICv is inactive and the IRR empty."""
    nothing = requested_in(i) == 0 and not active(i)
    return seen_by("vcpu_thread", i, vcpus[i].lapic.irr_pending) or nothing


@lemma("hint during an update", proves="Q-1", over=VCPUS, promised=("set_irr",))
def hint_during_an_update(i: VcpuId) -> bool:
    """It is so during the harvest; then all that is in the IRR is new, so that the update will hint at it."""
    k = updated(i)
    if k >= 0:
        new = local("vcpu_thread", i, "__kvm_apic_update_irr", "max_new_irr")
        all_new = found_highest(i) == new and above_register(requested_in(i), k - 1) == 0
        all_new = all_new and highest(below(requested_in(i), k)) <= new
        return seen_by("vcpu_thread", i, vcpus[i].lapic.irr_pending) or (all_new and not active(i))
    return not function_of("vcpu_thread", i, "pi_harvest_pir") or hinted(i)


@lemma("hint", proves="Q-1", over=VCPUS, windows=("clear_irr", "irr_update", "update_apicv"), promised=("set_irr",))
def hint(i: VcpuId) -> bool:
    """The thread sees irr_pending, or APICv is inactive and the IRR empty, or a sender is about to set it."""
    return hinted(i)


@lemma("updated by a sleeper", proves="Q-1", over=VCPUS, promised=("set_irr", "kick"))
def updated_by_a_sleeper(i: VcpuId) -> bool:
    """In the last look, the registers that the update of the IRR has been at hold nothing above what it has found, or
    the thread was woken, or somebody is about to wake it."""
    nothing = updated(i) == -1 or highest(below(requested_in(i), updated(i))) <= found_highest(i)
    return not looks_or_leaves(i) or nothing or is_woken(i)


@lemma("searched by a sleeper", proves="Q-1", over=VCPUS, promised=("set_irr", "kick"))
def searched_by_a_sleeper(i: VcpuId) -> bool:
    """So it is with the registers that a search of the IRR has passed: they hold nothing."""
    nothing = searched(i) == -1 or above_register(requested_in(i), searched(i)) == 0
    return not looks_or_leaves(i) or nothing or is_woken(i)


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


@lemma("priority looked at", proves="Q-1", over=VCPUS)
def priority_looked_at(i: VcpuId) -> bool:
    """With it the last look compares what it finds."""
    compares = looks_or_leaves(i) and function_of("vcpu_thread", i, "apic_has_interrupt_for_ppr")
    same = local("vcpu_thread", i, "apic_has_interrupt_for_ppr", "ppr") == vcpus[i].lapic.ppr
    return not compares or (same and (not interruptible(i) or vcpus[i].lapic.ppr <= owed_priority(i)))


@lemma("priority", proves="Q-1", over=VCPUS, windows=("kvm_vcpu_check_block",))
def priority(i: VcpuId) -> bool:
    """The PPR of a thread that leaves, and whose guest accepts interrupts, is not above what its guest serves and its
    TPR."""
    return not leaving(i) or not interruptible(i) or vcpus[i].lapic.ppr <= owed_priority(i)


@lemma("halted", proves="Q-1, S-2, G-11", over=VCPUS)
def halted(i: VcpuId) -> bool:
    """Only a vCPU that is halted blocks."""
    return not function_of("vcpu_thread", i, "vcpu_block") or vcpus[i].mp_state == MpState.HALTED


@lemma("nothing owned", proves="Q-1, S-2, G-11", over=VCPUS, windows=("handle_fastpath_hlt",))
def nothing_owned(i: VcpuId) -> bool:
    """A vCPU that is halted owns no vector outside of PIR and IRR, and its guest is behind the shadow of an STI."""
    return vcpus[i].mp_state != MpState.HALTED or (injecting(i) == -1 and not vcpus[i].guest.sti_shadow)


@scenario(tier="proof", memory=("tso",), base=posted_interrupts_full, properties=("Q-1",))
class posted_interrupts_asleep:
    """A vCPU that sleeps: everybody who takes part, with all 256 vectors."""


@scenario(tier="proof", memory=("tso",), base=posted_interrupts_four, properties=("Q-1",))
class posted_interrupts_asleep_four:
    """The same with four vectors: in seconds it tells what a change of the model does to the proof."""


@scenario(tier="proof", memory=("tso",), base=posted_interrupts_asleep_four, properties=("Q-1",))
class posted_interrupts_unassigned_four:
    """No device: the wakeup vector is there for IPI virtualization alone, also while APICv is inhibited."""

    DEVICES = 0
    SENDERS = 1
    KICKERS = 0
    PREEMPTION = False
    HALT_POLL = False
    STALE_STATUS = False
