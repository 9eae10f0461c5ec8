# SPDX-License-Identifier: GPL-2.0-or-later
"""What the other properties take for granted: counts and caches are right, and nobody writes what is not his.

Invariants
  - None of these is about an interrupt; each names a state from which one is lost, invented or delayed sooner or later,
    or which excuses a loss because a property believes it.

References: arch/x86/kvm/lapic.c:apic_set_isr, apic_clear_isr, kvm_inject_apic_timer_irqs;
arch/x86/kvm/x86.h:kvm_set_mp_state.
"""

from lostirq.prelude import *
from model.state import *
from properties.views import *


@invariant(
    "G-7",
    title="count and cache of services are right",
    source="lapic.c:apic_set_isr, apic_clear_isr, kvm_apic_update_apicv",
    over=VCPUS,
    excuses=("update_apicv", "acknowledge"),
    witness="W-nested-service",
    planted="planted-g7-count-not-lowered",
)
def services_are_counted(i: VcpuId) -> bool:
    """Without APICv, isr_count is the number of vectors in the ISR, and the cache is empty or the highest of them.

    With APICv, where hardware changes the ISR, the count is one and the cache empty, so that the ISR is always searched.
    (apicv_active may be in a store buffer.)
    """
    lapic = vcpus[i].lapic
    switching = within("vcpu_thread", i, "update_apicv") or within("vcpu_thread", i, "acknowledge")
    changing = switching or ending_service(i)
    cached = lapic.highest_isr_cache == -1 or lapic.highest_isr_cache == highest(lapic.isr)
    counted = lapic.isr_count == popcount(lapic.isr) and cached
    searched = lapic.isr_count == 1 and lapic.highest_isr_cache == -1
    return changing or not buffers_empty() or (searched if lapic.apicv_active else counted)


@step_property(
    "G-8",
    title="a timer fires when it has expired",
    source="lapic.c:kvm_inject_apic_timer_irqs",
    over=VCPUS,
    when=TIMERS > 0,
    witness="W-expired",
    planted="planted-g8-timer-fires-unexpired",
)
def fires_when_expired(i: VcpuId) -> bool:
    """The vector of the timer is sent once for each expiry."""
    return not occurs("fire", i) or old(vcpus[i].lapic.timer_pending)


@step_property(
    "G-9",
    title="a kick that ends a halt is kept",
    source="x86.h:kvm_set_mp_state; lapic.c:__apic_accept_irq (APIC_DM_REMRD)",
    over=VCPUS,
    when=PV_KICKERS > 0,
    witness="W-kick-used",
    planted="planted-g9-halt-forgets-the-kick",
)
def kick_is_kept(i: VcpuId) -> bool:
    """pv_unhalted is taken back only when the vCPU is runnable."""
    forgotten = old(vcpus[i].pv_unhalted) and not vcpus[i].pv_unhalted
    return not forgotten or vcpus[i].mp_state == MpState.RUNNABLE


@step_property(
    "G-18",
    title="a kick by hypercall is noted",
    source="lapic.c:__apic_accept_irq (APIC_DM_REMRD)",
    over=VCPUS,
    when=PV_KICKERS > 0,
    witness="W-kick-used",
    planted="planted-g18-kick-only-if-halted",
)
def kick_is_noted(i: VcpuId) -> bool:
    """Who kicks by hypercall has set pv_unhalted."""
    return not occurs("called", i) or old(within("pv_kicker", "noted"))


@step_property(
    "G-16",
    title="a wakeup list is used under its lock",
    source="posted_intr.c:pi_enable_wakeup_handler, vmx_vcpu_pi_load, pi_wakeup_handler",
    over=PCPUS,
    witness="W-listed",
    planted="planted-g16-lock-of-the-new-pcpu",
)
def list_is_used_under_its_lock(c: CpuId) -> bool:
    """When a list has changed, its lock is held; and while a handler walks it."""
    changed = old(pcpus[c].wakeup_vcpus) != pcpus[c].wakeup_vcpus
    return (not changed and not within("host_irq", c, "walk")) or pcpus[c].wakeup_lock


@reachable("W-listed", over=PCPUS)
def w_listed(c: CpuId) -> bool:
    """A handler walks a list with a vCPU on it."""
    return within("host_irq", c, "walk") and popcount(pcpus[c].wakeup_vcpus) > 0


@step_property(
    "G-10",
    title="TPR, IF and shadow are the guest's",
    source="lapic.c:kvm_lapic_sync_from_vapic; vmx.c:vmx_skip_emulated_instruction; Intel SDM, Task priority",
    over=VCPUS,
    witness="W-blocked",
    planted="planted-g10-stale-tpr-written-back",
)
def host_changes_no_priority(i: VcpuId) -> bool:
    """They change in steps of the guest, or where its handler is entered, and a shadow ends where KVM skips an
    instruction: a host that changed them otherwise would excuse itself.
    """
    task_priority = old(vcpus[i].lapic.tpr) == vcpus[i].lapic.tpr
    flag = old(vcpus[i].guest.interrupt_flag) == vcpus[i].guest.interrupt_flag
    shadow = old(vcpus[i].guest.sti_shadow) == vcpus[i].guest.sti_shadow
    skips = function_of("vcpu_thread", i, "kvm_emulate_halt")
    entered = any(occurs("enter", i, v) for v in range(VECTORS))
    return (task_priority and flag and (shadow or skips)) or old(in_guest(i)) or entered


@step_property(
    "G-11",
    title="a halt ends for a reason",
    source="x86.c:vcpu_block, kvm_arch_vcpu_runnable; Intel SDM, HLT",
    over=VCPUS,
    witness="W-woken",
    planted="planted-g11-halt-ends-with-if-clear",
)
def halt_ends_for_a_reason(i: VcpuId) -> bool:
    """A halt ends, or does not begin, because the guest would take what is pending, or by a kick that ends halts."""
    taken = outranks(i, highest(pending_in(i))) and interruptible(i)
    return not occurs("unhalt", i) or taken or old(vcpus[i].pv_unhalted)


@step_property(
    "G-12",
    title="an IPI to itself is one that the guest has asked for",
    source="x86.c:handle_fastpath_wrmsr, lapic.c:kvm_apic_send_ipi",
    over=VCPUS,
    witness="W-asked",
    planted="planted-g12-every-exit-sends",
)
def own_ipi_was_asked_for(i: VcpuId) -> bool:
    """What the vCPU thread sends to itself by an APIC register, its guest has written there."""
    return not occurs("unasked", i)


@step_property(
    "G-13",
    title="a wakeup list is entered and left once",
    source="posted_intr.c:pi_enable_wakeup_handler, vmx_vcpu_pi_load",
    over=VCPUS,
    witness="W-on-wakeup-list",
    planted="planted-g13-unlisted-twice",
)
def lists_are_entered_and_left_once(i: VcpuId) -> bool:
    """A vCPU is put on a wakeup list only if it is on none, and taken off only if it is on one: the list of the kernel,
    which is a set here, is destroyed otherwise.
    """
    listed = any(old(bit(pcpus[c].wakeup_vcpus, i)) for c in range(PCPUS))
    return (not occurs("list", i) or not listed) and (not occurs("unlist", i) or listed)


@invariant(
    "G-14",
    title="kvm_running_vcpu is the vCPU of its pCPU",
    source="kvm_main.c:kvm_sched_in, kvm_sched_out, vcpu_load, vcpu_put; kvm_get_running_vcpu",
    over=VCPUS,
    witness="W-kicked-in-guest",
    planted="planted-g14-sched-out-stays-running",
)
def running_vcpu_is_known(i: VcpuId) -> bool:
    """In the guest, kvm_running_vcpu is the vCPU on the pCPU that it runs on, and nowhere else: a thread on another pCPU
    that took the vCPU for its own would not send it an IPI.
    """
    said = all((pcpus[c].running == i) == (c == vcpus[i].task.cpu) for c in range(PCPUS))
    return not in_guest(i) or said


@reachable("W-kick-used", over=VCPUS, when=PV_KICKERS > 0)
def w_kick_used(i: VcpuId) -> bool:
    """A kick that ends a halt is taken back."""
    return old(vcpus[i].pv_unhalted) and not vcpus[i].pv_unhalted
