# SPDX-License-Identifier: GPL-2.0-or-later
"""Safety of single deliveries: when, in which order, and what an EOI ends.

References: arch/x86/kvm/lapic.c; Intel SDM vol. 3,
"Virtual-interrupt delivery", "EOI virtualization", "Interrupt acceptance".
"""

from lostirq.prelude import *
from model.state import *
from properties.views import *


@step_property(
    "S-2",
    title="delivered only when the guest accepts it",
    source="x86.c:kvm_check_and_inject_events, vmx.c:vmx_interrupt_allowed",
    over=(VCPUS, VECTORS),
    witness="W-blocked",
    planted="planted-s2-shadow-ignored",
)
def delivered_when_allowed(i: VcpuId, v: AnyVector) -> bool:
    """A handler is entered only with IF set, outside an interrupt shadow, above the TPR and above all that the
    guest serves, and while no other vector is being injected.
    """
    if not occurs("enter", i, v):
        return True
    above = class_of(v) > old(owed_priority(i))
    alone = old(injecting(i)) == -1 or old(injecting(i)) == v
    return old(interruptible(i)) and above and alone


@step_property(
    "S-3",
    title="the highest vector goes first",
    source="lapic.c:kvm_apic_has_interrupt, kvm_apic_ack_interrupt",
    over=(VCPUS, VECTORS),
    excuses=("set_irr", "kick"),
    witness="W-overtaken",
    planted="planted-s3-request-only-if-first",
)
def highest_goes_first(i: VcpuId, v: AnyVector) -> bool:
    """The vector that leaves the IRR is the highest in it.

    Excused: those, and only those, that a sender put there after the scan had passed their register, while it is about
    to make its request (KVM_REQ_EVENT) or the request is there.
    """
    taken = old(bit(requested_in(i), v)) and not bit(requested_in(i), v)
    return not taken or highest(old(requested_in(i) & ~unseen(i))) == v


@step_property(
    "S-4",
    title="an EOI ends the newest service",
    source="lapic.c:apic_set_eoi, apic_clear_isr",
    over=VCPUS,
    witness="W-eoi-of-two",
    planted="planted-s4-isr-cache-of-first",
)
def eoi_ends_the_newest(i: VcpuId) -> bool:
    """The ISR loses a vector only one at a time, and only its highest."""
    before = old(vcpus[i].lapic.isr)
    lost = before & ~vcpus[i].lapic.isr
    return popcount(lost) == 0 or (popcount(lost) == 1 and highest(lost) == highest(before))


@reachable("W-blocked", over=VCPUS)
def w_blocked(i: VcpuId) -> bool:
    """In the guest, an interrupt waits only because the guest does not accept it."""
    return in_guest(i) and not interruptible(i) and outranks(i, highest(pending_in(i)))


@reachable("W-overtaken", over=VCPUS)
def w_overtaken(i: VcpuId) -> bool:
    """Two vectors are requested at once."""
    return popcount(requested_in(i)) > 1


@reachable("W-eoi-of-two", over=VCPUS)
def w_eoi_of_two(i: VcpuId) -> bool:
    """An EOI finds two vectors in service."""
    two = popcount(old(vcpus[i].lapic.isr)) == 2
    return two and popcount(vcpus[i].lapic.isr) == 1
