# SPDX-License-Identifier: GPL-2.0-or-later
"""The local APIC timer: expiry in the callback of its hrtimer, injection by the vCPU thread.

Invariants
  - `pending` is set by the callback, and cleared by the vCPU thread after it has sent the interrupt to itself.
  - KVM_REQ_UNBLOCK is made after `pending`, and cleared before `pending` is looked at.

References: arch/x86/kvm/lapic.c:apic_timer_fn, apic_timer_expired, kvm_inject_apic_timer_irqs;
arch/x86/kvm/x86.c:vcpu_run.
Abstraction: the guest has armed the timer whenever it expires: it can expire at any time.  Its callback runs on another
pCPU: on the pCPU of the vCPU it would come while the guest is left or the host has interrupts on, where a kick by a
stranger does the same.  The preemption timer, and a timer that posts its interrupt by itself, are software senders.
"""

from lostirq.prelude import *
from model.kvm_main import *
from model.lapic import *
from model.state import *


@thread(over=TIMERS)
def timer(t: TimerId):
    """The callback of the timer of a vCPU."""
    while True:
        idle()
        target: VcpuId = choose(VcpuId)
        apic_timer_expired(vcpus[target])
        event("called_back", target)


@function(kernel="arch/x86/kvm/lapic.c:apic_timer_expired")
def apic_timer_expired(vcpu: Vcpu):
    if vcpu.lapic.timer_pending:
        return
    # Abstraction: the count is 0 or 1: one timer has one callback, which returned above if it was not 0.
    lock_set(vcpu.lapic.timer_pending, True)
    event("expire", index(vcpu))
    with window("expired"):
        kvm_make_request(Request.KVM_REQ_UNBLOCK, vcpu)
        kvm_vcpu_kick(vcpu, False)


@function(kernel="arch/x86/kvm/lapic.c:kvm_inject_apic_timer_irqs")
def kvm_inject_apic_timer_irqs(vcpu: Vcpu):
    # Abstraction: what the timer mode makes of tscdeadline and target_expiration afterwards is left out: it says when
    # the timer expires again.
    if vcpu.lapic.timer_pending:
        send_begins(vcpu)
        __apic_accept_irq(vcpu, TIMER_VECTOR, True)
        send_ends(vcpu)
        event("fire", index(vcpu))
        vcpu.lapic.timer_pending = False
