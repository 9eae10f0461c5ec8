# SPDX-License-Identifier: GPL-2.0-or-later
"""Every interrupt that the guest would take is delivered, every request is seen, every entry succeeds in the end.

Invariants
  - A recurrence: no fair run has the trigger infinitely often and the goal only finitely often.  Fairness is what
    hardware and scheduler grant (docs/language.md): each step of a thread, flush and IPI happens in the end, a runnable
    task gets a pCPU.  What the guest, senders, devices and users do is their choice and may stop for ever.
  - The triggers look at the guest's side only (views.py): eligible does not care whether the vCPU runs or sleeps.
  - Starvation by others is not a loss: an interrupt of higher priority that is delivered, or an outsider who interferes
    for ever (a toggle, a kick, a preemption), counts as the goal.  Each of these may stop, so a lost interrupt shows in
    the run in which they do.  A thread that could run, and has no pCPU because others keep them all, is excused.

References: docs/language.md, fairness; Documentation/virt/kvm/vcpu-requests.rst; arch/x86/kvm/x86.c:vcpu_run.
"""

from lostirq.prelude import *
from model.state import *
from properties.views import *

REQUESTS = 4
AnyRequest = Int[0, REQUESTS - 1]


@pure
def disturbed(i: VcpuId) -> bool:
    """Somebody outside the vCPU acted on it in this step: an acceptance, a kick, a toggle, an attachment, a timer, a
    preemption.

    An acceptance of another vCPU counts: its notifications may keep a pCPU busy for ever before it takes the IPI that
    wakes this one.
    """
    sent = any(occurs("accept", j, w) or occurs("merge", j, w) for j in range(VCPUS) for w in range(VECTORS))
    acted = occurs("kick", i) or occurs("toggle") or occurs("attach") or occurs("expire", i)
    return sent or acted or (vcpus[i].task.preempted and not old(vcpus[i].task.preempted))


@pure
def delivered_or_outranked(i: VcpuId, v: AnyVector) -> bool:
    """The vector, or one that goes before it, is entered, or somebody disturbs the vCPU."""
    return any(w >= v and occurs("enter", i, w) for w in range(VECTORS)) or disturbed(i)


@recurrence(
    "LV-1",
    title="an interrupt that the guest would take is delivered",
    source="x86.c:vcpu_run, kvm_vcpu_has_events; Intel SDM, Virtual-interrupt delivery",
    over=(VCPUS, VECTORS),
    goal=delivered_or_outranked,
    witness="W-eligible",
    planted="planted-lv1-window-exit-ignored",
)
def eligible_is_delivered(i: VcpuId, v: AnyVector) -> bool:
    """A vector that is eligible again and again has its handler entered.

    Eligible: pending in any place, above all that is pending and in service and the TPR, and the guest has IF set
    and no shadow, whether the vCPU runs, sleeps or is in the host.
    """
    return is_eligible(i, v) and not starved(i)


@pure
def requested(i: VcpuId, r: AnyRequest) -> bool:
    """Request r, in the order of model/state.py:Request, is made."""
    requests = vcpus[i].requests
    return (
        (r == 0 and requests.event)
        or (r == 1 and requests.unblock)
        or (r == 2 and requests.apicv_update)
        or (r == 3 and requests.other)
    )


@pure
def request_seen(i: VcpuId, r: AnyRequest) -> bool:
    """The request is taken, or somebody disturbs the vCPU."""
    return (old(requested(i, r)) and not requested(i, r)) or disturbed(i)


@recurrence(
    "LV-2",
    title="a request is seen",
    source="kvm_main.c:kvm_make_all_cpus_request, x86.c:vcpu_enter_guest",
    over=(VCPUS, REQUESTS),
    goal=request_seen,
    witness="W-request",
    planted="planted-lv2-kick-without-ipi",
)
def request_is_seen(i: VcpuId, r: AnyRequest) -> bool:
    """Each kind of request that is pending is taken in the end, unless the vCPU sleeps (requests without wake-up
    may wait there).
    """
    awake = not within("vcpu_thread", i, "asleep") or vcpus[i].task.on_rq
    return awake and requested(i, r) and not starved(i)


@pure
def guest_entered(i: VcpuId) -> bool:
    """The vCPU enters the guest or goes to sleep, or somebody disturbs it."""
    entered = in_guest(i) and not old(in_guest(i))
    slept = within("vcpu_thread", i, "asleep") and not old(within("vcpu_thread", i, "asleep"))
    return entered or slept or disturbed(i)


@recurrence(
    "LV-3",
    title="an entry succeeds in the end",
    source="x86.c:vcpu_enter_guest, vmx.c:vmx_sync_pir_to_irr",
    over=VCPUS,
    goal=guest_entered,
    witness="W-aborted",
    planted="planted-lv3-event-for-every-irr",
)
def entry_succeeds(i: VcpuId) -> bool:
    """Left alone, a vCPU in the host enters the guest or goes to sleep: it does not abort its entries for ever."""
    return not in_guest(i) and not within("vcpu_thread", i, "asleep") and not starved(i)


@pure
def guest_runs(i: VcpuId) -> bool:
    """The guest comes to an instruction boundary, or the vCPU goes to sleep, or somebody disturbs it."""
    came = at_boundary(i) and not old(at_boundary(i))
    slept = within("vcpu_thread", i, "asleep") and not old(within("vcpu_thread", i, "asleep"))
    return came or slept or disturbed(i)


@recurrence(
    "LV-4",
    title="the guest makes progress",
    source="lapic.c:apic_update_ppr, vmx.c:handle_interrupt_window",
    over=VCPUS,
    goal=guest_runs,
    witness="W-threshold",
    planted="tpr-threshold-livelock",
)
def guest_progresses(i: VcpuId) -> bool:
    """Left alone, a vCPU that does not sleep gets its guest to an instruction boundary: it does not enter and
    exit at once for ever (TPR threshold, interrupt window, forced exit).
    """
    return not at_boundary(i) and not within("vcpu_thread", i, "asleep") and not starved(i)


@pure
def guest_came(i: VcpuId) -> bool:
    """The guest comes to an instruction boundary, or somebody disturbs the vCPU."""
    return (at_boundary(i) and not old(at_boundary(i))) or disturbed(i)


@recurrence(
    "G-3",
    title="a sleeper is woken for a reason",
    source="posted_intr.c:pi_wakeup_handler, kvm_main.c:kvm_vcpu_block",
    over=VCPUS,
    goal=guest_came,
    witness="W-woken",
    planted="planted-g3-wakes-itself",
)
def woken_for_a_reason(i: VcpuId) -> bool:
    """Left alone, a vCPU is not woken again and again only to go back to sleep."""
    return within("vcpu_thread", i, "asleep") and vcpus[i].task.on_rq and not starved(i)


@reachable("W-woken", over=VCPUS)
def w_woken(i: VcpuId) -> bool:
    """A sleeper was woken and has not come back to a pCPU yet."""
    return within("vcpu_thread", i, "asleep") and vcpus[i].task.on_rq


@pure
def toggled(t: AnyToggler) -> bool:
    """A change of the APICv inhibit is complete, or somebody acts on a vCPU."""
    sent = any(occurs("accept", i, v) or occurs("merge", i, v) for i in range(VCPUS) for v in range(VECTORS))
    return occurs("toggle") or sent


@recurrence(
    "LV-7",
    title="a broadcast that waits ends",
    source="kvm_main.c:kvm_make_all_cpus_request, kernel/smp.c:smp_call_function_many",
    over=TOGGLERS,
    goal=toggled,
    witness="W-broadcast",
    planted="planted-lv7-no-call-function",
)
def broadcast_ends(t: AnyToggler) -> bool:
    """Who inhibits APICv, or lifts the inhibit, gets to the end: every pCPU answers the call, and no vCPU spins
    meanwhile.
    """
    return within("toggler", t)


@reachable("W-threshold", over=VCPUS)
def w_threshold(i: VcpuId) -> bool:
    """An exit that comes before the guest's next instruction is armed."""
    vmcs = vcpus[i].vmcs
    return vmcs.tpr_threshold > vcpus[i].lapic.tpr or (vmcs.interrupt_window_exiting and interruptible(i))


@reachable("W-broadcast", over=TOGGLERS)
def w_broadcast(t: AnyToggler) -> bool:
    """A pCPU has been called and has not answered yet."""
    return any(pcpus[c].csd_pending for c in range(PCPUS))


@reachable("W-eligible", over=(VCPUS, VECTORS))
def w_eligible(i: VcpuId, v: AnyVector) -> bool:
    """A vector is eligible."""
    return is_eligible(i, v)


@reachable("W-request", over=VCPUS)
def w_request(i: VcpuId) -> bool:
    """A request is pending in the guest."""
    requests = vcpus[i].requests
    return in_guest(i) and (requests.event or requests.unblock or requests.apicv_update or requests.other)


@reachable("W-aborted", over=VCPUS)
def w_aborted(i: VcpuId) -> bool:
    """An entry is given up."""
    return within("vcpu_thread", i, "cancel")
