# SPDX-License-Identifier: GPL-2.0-or-later
"""No lost interrupt, as safety: what must not be left over when nobody else moves.

Invariants
  - Q-1 to Q-5 speak of quiet states: a vCPU in the guest, or asleep, that nobody is about to notify.  What such a state
    holds stays where it is, whatever the cause was.
  - Q-6 to Q-8 hold always, up to the named windows: they find the cause earlier.
  - Apart from LV-1 these are the properties that users care about; none of them knows how an interrupt was lost.

References: arch/x86/kvm/vmx/common.h, vmx/posted_intr.c, x86.c:vcpu_enter_guest.
"""

from lostirq.prelude import *
from model.state import *
from properties.views import *


@invariant(
    "Q-1",
    title="nobody sleeps on an interrupt",
    source="kvm_main.c:kvm_vcpu_block, posted_intr.c:vmx_vcpu_pi_put",
    over=VCPUS,
    witness="W-quiet-sleep",
    planted="post-then-switch-nv",
)
def nobody_sleeps_on_an_interrupt(i: VcpuId) -> bool:
    """A vCPU that sleeps while nobody moves has no interrupt that its guest would take, no timer that has expired,
    and no request to stop blocking, by KVM or by a hypercall.
    """
    if not sleeps(i) or not nobody_moves(i):
        return True
    owed = outranks(i, highest(pending_in(i))) and interruptible(i)
    vcpu = vcpus[i]
    return not (owed or vcpu.requests.unblock or vcpu.lapic.timer_pending or vcpu.pv_unhalted)


@invariant(
    "Q-2",
    title="no request is left in the guest",
    source="x86.c:vcpu_enter_guest, Documentation/virt/kvm/vcpu-requests.rst",
    over=VCPUS,
    witness="W-quiet-guest",
    planted="timer-migration-vs-cpu-migration",
)
def no_request_is_left(i: VcpuId) -> bool:
    """A vCPU whose guest runs while nobody moves has no request pending, and no timer that has expired.

    (An entry with a forced immediate exit has one, and ends before the guest's first instruction.)
    """
    if not at_boundary(i) or not nobody_moves(i):
        return True
    requests = vcpus[i].requests
    left = requests.event or requests.unblock or requests.apicv_update or requests.other
    return not left and not vcpus[i].lapic.timer_pending


@invariant(
    "Q-3",
    title="no posted interrupt is left in the guest",
    source="vmx.c:vmx_sync_pir_to_irr, x86.c:vcpu_enter_guest; commits b95234c84004, 37c4dbf337c5",
    over=VCPUS,
    witness="W-quiet-guest",
    planted="entry-fence-removed",
)
def nothing_posted_is_left(i: VcpuId) -> bool:
    """A vCPU that is in the guest while nobody moves has an empty PIR, and ON clear, whether APICv is active or
    not.

    With ON set and no notification in flight, no later post of any vector would notify.
    """
    if not at_boundary(i) or not nobody_moves(i):
        return True
    return popcount(posted_in(i)) == 0 and not vcpus[i].pi_desc.control.on


@invariant(
    "Q-4",
    title="a requested interrupt is recognised",
    source="Intel SDM, Evaluation of pending virtual interrupts",
    over=VCPUS,
    witness="W-recognised",
    planted="planted-q4-eoi-without-evaluation",
)
def requested_is_recognised(i: VcpuId) -> bool:
    """With APICv active, in the guest while nobody moves, a virtual interrupt is recognised if and only if the
    highest vector of the IRR is above the TPR and what the guest serves, and no interrupt window is asked for.
    """
    if not at_boundary(i) or not nobody_moves(i) or not vcpus[i].lapic.apicv_active:
        return True
    due = class_of(highest(requested_in(i))) > owed_priority(i) and not vcpus[i].vmcs.interrupt_window_exiting
    return vcpus[i].guest.recognised == due


@invariant(
    "Q-5",
    title="a requested interrupt has its window",
    source="x86.c:kvm_check_and_inject_events, lapic.c:kvm_lapic_update_cr8_intercept",
    over=VCPUS,
    witness="W-quiet-window",
    planted="planted-q5-no-window-while-blocked",
)
def requested_has_its_window(i: VcpuId) -> bool:
    """With APICv inactive, in the guest while nobody moves, what keeps the highest vector of the IRR from being
    delivered is watched: interrupt-window exiting if only IF or a shadow does, the TPR threshold if the TPR does.
    (What is in service ends with an EOI, which always exits.)
    """
    vcpu = vcpus[i]
    if not at_boundary(i) or not nobody_moves(i) or vcpu.lapic.apicv_active:
        return True
    rank = class_of(highest(requested_in(i)))
    if rank <= class_of(highest(vcpu.serving)) or vcpu.vmcs.entry_interruption != -1:
        return True
    if rank > vcpu.lapic.tpr:
        return vcpu.vmcs.interrupt_window_exiting
    return vcpu.vmcs.interrupt_window_exiting or vcpu.vmcs.tpr_threshold >= rank


@invariant(
    "Q-6",
    title="the host sees what was posted",
    source="posted_intr.c:vmx_vcpu_pi_load, vmx.c:vmx_sync_pir_to_irr",
    over=VCPUS,
    excuses=("post", "harvest", "switch"),
    witness="W-posted-in-host",
    planted="planted-q6-load-leaves-on",
)
def host_sees_what_was_posted(i: VcpuId) -> bool:
    """A loaded vCPU in the host with a vector in its PIR has ON set, so that the next synchronisation looks.

    Excused: a poster between its PIR bit and ON; the harvest itself; scheduling out and in.
    """
    if in_guest(i) or scheduled_out(i) or within("vcpu_thread", i, "harvest"):
        return True
    return popcount(posted_in(i)) == 0 or vcpus[i].pi_desc.control.on or posting(i)


@invariant(
    "Q-7",
    title="a posted vector is announced",
    source="common.h:__vmx_deliver_posted_interrupt, posted_intr.c:vmx_vcpu_pi_load; SDM, Posted-interrupt processing",
    over=VCPUS,
    excuses=("post", "harvest", "load", "hw_harvest"),
    witness="W-announced",
    planted="sn-set-breaks-on-invariant",
)
def posted_is_announced(i: VcpuId) -> bool:
    """PIR non-empty with ON clear and SN clear is unreachable.

    Excused: a poster between its PIR bit and ON; from the clearing of ON to the end of the harvest, in software
    and in posted-interrupt processing; a load, which clears SN, and then looks at the PIR and sets ON again.
    """
    control = vcpus[i].pi_desc.control
    if popcount(posted_in(i)) == 0 or control.on or control.sn or posting(i):
        return True
    harvesting = within("vcpu_thread", i, "harvest") or within("vcpu_thread", i, "hw_harvest")
    return harvesting or loading(i)


@invariant(
    "Q-8",
    title="an announcement in the guest is under way",
    source="common.h:kvm_vcpu_trigger_posted_interrupt",
    over=VCPUS,
    excuses=("notify",),
    witness="W-announced-in-guest",
    planted="planted-q8-mode-before-on",
)
def announcement_is_under_way(i: VcpuId) -> bool:
    """In the guest with ON set, a notification is pending at the pCPU of the vCPU, in flight from a device, or
    about to be sent.

    Excused: a poster between ON and its notification; a vCPU that was told to leave the guest (mode EXITING),
    because it looks at ON before it comes back.
    """
    if not in_guest(i) or not vcpus[i].pi_desc.control.on or vcpus[i].mode == Mode.EXITING_GUEST_MODE:
        return True
    return notifying(i) or pcpus[vcpus[i].task.cpu].apic.posted_intr


@reachable("W-quiet-sleep", over=VCPUS)
def w_quiet_sleep(i: VcpuId) -> bool:
    """A vCPU sleeps while nobody moves, with an interrupt that its priority or a cleared IF holds back."""
    return sleeps(i) and nobody_moves(i)


@reachable("W-quiet-guest", over=VCPUS)
def w_quiet_guest(i: VcpuId) -> bool:
    """A vCPU is in the guest while nobody moves, after an interrupt was entered."""
    return at_boundary(i) and nobody_moves(i) and popcount(vcpus[i].serving) > 0


@reachable("W-recognised", over=VCPUS)
def w_recognised(i: VcpuId) -> bool:
    """While nobody moves, an interrupt is recognised and held back by the guest's IF or shadow."""
    return at_boundary(i) and nobody_moves(i) and vcpus[i].guest.recognised and not interruptible(i)


@reachable("W-quiet-window", over=VCPUS)
def w_quiet_window(i: VcpuId) -> bool:
    """While nobody moves, with APICv inactive, the interrupt window is armed for a requested vector."""
    armed = vcpus[i].vmcs.interrupt_window_exiting and popcount(requested_in(i)) > 0
    return at_boundary(i) and nobody_moves(i) and not vcpus[i].lapic.apicv_active and armed


@reachable("W-posted-in-host", over=VCPUS)
def w_posted_in_host(i: VcpuId) -> bool:
    """A vector is posted and announced while the vCPU is in the host."""
    return not in_guest(i) and not scheduled_out(i) and popcount(posted_in(i)) > 0 and vcpus[i].pi_desc.control.on


@reachable("W-announced", over=VCPUS)
def w_announced(i: VcpuId) -> bool:
    """A vector is posted with ON clear and SN clear: a window of Q-7 is open."""
    control = vcpus[i].pi_desc.control
    return popcount(posted_in(i)) > 0 and not control.on and not control.sn


@reachable("W-announced-in-guest", over=VCPUS)
def w_announced_in_guest(i: VcpuId) -> bool:
    """ON is set in the guest."""
    return in_guest(i) and vcpus[i].pi_desc.control.on
