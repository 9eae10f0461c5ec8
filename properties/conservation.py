# SPDX-License-Identifier: GPL-2.0-or-later
"""Nothing disappears, nothing is invented: each step is checked, without counters.

Invariants
  - The places of a vector are PIR, IRR, a live local between two places, and the injection.  Their number rises by one
    only where a sender finds the bit of its destination clear; it falls by one only at a handler entry, or where two
    instances meet because the destination holds the vector already (a legal merge).
  - Both ends are tied down as well: what a sender reports as accepted was in PIR or IRR, and what is in service is what
    the guest serves.  Between them, a lost interrupt can only be one that stays where it is: liveness.py.

References: arch/x86/kvm/lapic.c:__apic_accept_irq, kvm_apic_ack_interrupt,
__kvm_apic_update_irr; Intel SDM vol. 3, "Virtual-interrupt delivery", "Posted-interrupt processing".
"""

from lostirq.prelude import *
from model.state import *
from properties.views import *


@pure
def leaves(before: bool, after: bool) -> bool:
    return before and not after


@step_property(
    "T-9",
    title="no vector disappears",
    source="lapic.c:kvm_apic_ack_interrupt, __kvm_apic_update_irr; vmx.c:vmx_cancel_injection",
    over=(VCPUS, VECTORS),
    witness="W-merge",
    planted="cancelled-injection-dropped",
)
def no_vector_disappears(i: VcpuId, v: AnyVector) -> bool:
    """A vector leaves a place only for another place, for its handler, or by a merge with an equal vector already
    there.

    The number of places that hold it falls by one at a handler entry, or at a merge whose destination held it; it
    never falls otherwise.
    """
    before = old(places_of(i, v))
    after = places_of(i, v)
    if after >= before:
        return True
    entered = occurs("enter", i, v)
    from_pir = leaves(old(bit(posted_in(i), v)), bit(posted_in(i), v))
    from_local = leaves(old(bit(vcpus[i].carried, v)), bit(vcpus[i].carried, v))
    merged = (from_pir or from_local) and old(bit(requested_in(i), v))
    return after == before - 1 and (entered or merged)


@step_property(
    "S-1",
    title="no vector is invented or delivered twice",
    source="lapic.c:__apic_accept_irq; Intel SDM, Virtual-interrupt delivery",
    over=(VCPUS, VECTORS),
    witness="W-enter",
    planted="planted-s1-ack-keeps-irr",
)
def no_vector_is_invented(i: VcpuId, v: AnyVector) -> bool:
    """A handler is entered once for each acceptance that found its bit clear.

    The number of places that hold a vector rises only where it is accepted, and each handler entry uses up one of
    them.
    """
    before = old(places_of(i, v))
    after = places_of(i, v)
    if occurs("enter", i, v):
        return after == before - 1
    return after <= before or (after == before + 1 and occurs("accept", i, v))


@step_property(
    "T-16",
    title="an accepted vector is pending",
    source="lapic.c:__apic_accept_irq",
    over=(VCPUS, VECTORS),
    witness="W-coalesced",
    planted="planted-t16-wrong-bit",
)
def accepted_is_pending(i: VcpuId, v: AnyVector) -> bool:
    """The step in which a vector is accepted leaves it in PIR or IRR, one that says it was there already finds it
    there.  (That each send does one of the two, and once, is G-17 and G-19.)
    """
    was_there = old(bit(posted_in(i), v) or bit(requested_in(i), v))
    there = bit(posted_in(i), v) or bit(requested_in(i), v)
    return (there or not occurs("accept", i, v)) and (was_there or not occurs("merge", i, v))


@invariant(
    "T-9c",
    title="nothing stays in a local",
    source="lapic.c:__kvm_apic_update_irr, kvm_apic_ack_interrupt",
    over=VCPUS,
    excuses=("harvest", "irr_update", "acknowledge"),
    witness="W-carried",
    planted="planted-t9c-update-stops-early",
)
def nothing_stays_in_a_local(i: VcpuId) -> bool:
    """A vector is in a local variable only between the harvest and the IRR update, and between IRR and the
    injection.
    """
    excused = (
        within("vcpu_thread", i, "harvest")
        or within("vcpu_thread", i, "irr_update")
        or within("vcpu_thread", i, "acknowledge")
    )
    return excused or popcount(vcpus[i].carried) == 0


@invariant(
    "G-1",
    title="what is in service is what the guest serves",
    source="lapic.c:apic_set_isr, apic_set_eoi",
    over=VCPUS,
    witness="W-nested-service",
    planted="planted-g1-eoi-exit-ignored",
)
def in_service_is_served(i: VcpuId) -> bool:
    """In the guest, the ISR holds exactly the vectors whose handler the guest is in, and the one being injected.

    (In the host an intercepted EOI may not have been emulated yet, or an acknowledgement be under way.  An EOI by the
    flag in memory ends the newest service as soon as the guest has cleared it.)
    """
    vcpu = vcpus[i]
    ended = vcpu.pv_eoi_pending and not vcpu.guest.pv_eoi
    in_service = with_bit(vcpu.lapic.isr, highest(vcpu.lapic.isr) if ended else -1, False)
    return not in_guest(i) or in_service == with_bit(vcpu.serving, injecting(i), True)


@invariant(
    "G-2",
    title="an IPI to itself is sent before the guest goes on",
    source="x86.c:handle_fastpath_wrmsr, lapic.c:kvm_apic_send_ipi",
    over=VCPUS,
    witness="W-asked",
    planted="planted-g2-self-ipi-dropped",
)
def own_ipi_is_sent(i: VcpuId) -> bool:
    """When the guest goes on after an intercepted write that sends an interrupt to itself, the interrupt was
    accepted.
    """
    return not in_guest(i) or not vcpus[i].asked


@step_property(
    "G-4",
    title="a timer that expired is not forgotten",
    source="lapic.c:kvm_inject_apic_timer_irqs, apic_timer_expired; x86.c:vcpu_run",
    over=VCPUS,
    when=TIMERS > 0,
    witness="W-expired",
    planted="planted-g4-pending-cleared-first",
)
def expired_timer_is_sent(i: VcpuId) -> bool:
    """An expiry is taken back only when its vector is pending."""
    there = bit(posted_in(i), TIMER_VECTOR) or bit(requested_in(i), TIMER_VECTOR)
    return there or not leaves(old(vcpus[i].lapic.timer_pending), vcpus[i].lapic.timer_pending)


@step_property(
    "G-15",
    title="an expiry is noted",
    source="lapic.c:apic_timer_expired",
    over=VCPUS,
    when=TIMERS > 0,
    witness="W-expired",
    planted="planted-g15-expiry-dropped",
)
def expiry_is_noted(i: VcpuId) -> bool:
    """A callback that returns has made the timer pending, has found it pending, or has sent its interrupt."""
    found = old(vcpus[i].lapic.timer_pending) or old(within("timer", "expired"))
    merged = occurs("merge", i, TIMER_VECTOR)
    posted = old(within("timer", "post")) or old(within("timer", "notify"))
    put = old(within("timer", "set_irr")) or old(within("timer", "kick"))
    return not occurs("called_back", i) or found or merged or posted or put


@step_property(
    "G-17",
    title="an interrupt is put somewhere once",
    source="lapic.c:__apic_accept_irq; vmx.c:vmx_deliver_interrupt",
    over=VCPUS,
    when=COUNT_SENDS,
    witness="W-owed",
    planted="planted-g17-accepted-twice",
)
def sent_once(i: VcpuId) -> bool:
    """Software puts an interrupt into the PIR or the IRR only for one that it is sending, and that is not there yet."""
    return not occurs("twice", i)


@step_property(
    "G-19",
    title="a send puts its interrupt somewhere",
    source="lapic.c:kvm_apic_set_irq, kvm_inject_apic_timer_irqs",
    over=VCPUS,
    when=COUNT_SENDS,
    witness="W-owed",
    planted="planted-g19-on-first",
)
def sends_are_complete(i: VcpuId) -> bool:
    """Who has sent leaves no more to be put into the PIR or the IRR than there are others who send."""
    return not occurs("nowhere", i)


@reachable("W-owed", over=VCPUS, when=COUNT_SENDS)
def w_owed(i: VcpuId) -> bool:
    """Somebody is about to put an interrupt somewhere while the guest runs."""
    return vcpus[i].owed > 0 and in_guest(i)


@reachable("W-expired", over=VCPUS, when=TIMERS > 0)
def w_expired(i: VcpuId) -> bool:
    """A timer has expired while its last interrupt is still pending."""
    return vcpus[i].lapic.timer_pending and (bit(posted_in(i), TIMER_VECTOR) or bit(requested_in(i), TIMER_VECTOR))


@reachable("W-asked", over=VCPUS)
def w_asked(i: VcpuId) -> bool:
    """An intercepted IPI of the vCPU to itself waits for its emulation."""
    return vcpus[i].asked


@reachable("W-merge", over=(VCPUS, VECTORS))
def w_merge(i: VcpuId, v: AnyVector) -> bool:
    """A vector meets an equal one in the IRR."""
    return places_of(i, v) < old(places_of(i, v)) and not occurs("enter", i, v)


@reachable("W-enter", over=(VCPUS, VECTORS))
def w_enter(i: VcpuId, v: AnyVector) -> bool:
    """A handler is entered while the same vector is pending again: two instances are told apart."""
    return occurs("enter", i, v) and places_of(i, v) > 0


@reachable("W-coalesced", over=(VCPUS, VECTORS))
def w_coalesced(i: VcpuId, v: AnyVector) -> bool:
    """A sender returns after its vector was accepted and already entered."""
    return occurs("sent", i, v) and places_of(i, v) == 0


@reachable("W-carried", over=VCPUS)
def w_carried(i: VcpuId) -> bool:
    """A vector is carried, and an equal one is posted behind it."""
    return popcount(vcpus[i].carried & posted_in(i)) > 0


@reachable("W-nested-service", over=VCPUS)
def w_nested_service(i: VcpuId) -> bool:
    """The guest serves a vector."""
    return popcount(vcpus[i].serving) > 0
