# SPDX-License-Identifier: GPL-2.0-or-later
"""Timers, and kicks that end a halt: why an expiry and a kick are not forgotten (G-4, G-8, G-9, G-15, G-18), and no
request is left in the guest (Q-2).

References: arch/x86/kvm/lapic.c:apic_timer_expired, kvm_inject_apic_timer_irqs; arch/x86/kvm/x86.h:kvm_set_mp_state.
"""

from lostirq.prelude import *
from model.state import *
from proofs.guest import *
from proofs.pid import *
from proofs.recognition import *
from properties.views import *


@lemma("expiry left behind", proves="G-4, G-8, Q-2", over=(VCPUS, PCPUS))
def expiry_left_behind(i: VcpuId, c: CpuId) -> bool:
    """A store to timer_pending is in no buffer but that of the pCPU that the thread is on, which drains before it
    moves."""
    return settled("host_irq", c, vcpus[i].lapic.timer_pending) or (vcpus[i].task.cpu == c and not off_its_pcpu(i))


@lemma("only taken back", proves="G-4, G-8, Q-2", over=VCPUS)
def only_taken_back(i: VcpuId) -> bool:
    """The thread stores false only: an expiry is a locked operation of the callback."""
    return buffered("vcpu_thread", i, not vcpus[i].lapic.timer_pending)


@lemma("expired", proves="G-8", over=VCPUS)
def expired(i: VcpuId) -> bool:
    """While the thread sends the interrupt of its timer, the timer is one that has expired."""
    injecting_it = function_of("vcpu_thread", i, "kvm_inject_apic_timer_irqs")
    sending_it = injecting_it and function_of("vcpu_thread", i, "__apic_accept_irq")
    there = vcpus[i].lapic.timer_pending and settled("vcpu_thread", i, vcpus[i].lapic.timer_pending)
    return not sending_it or there


@lemma("taken back once it is sent", proves="G-4", over=VCPUS, carried_back=True)
def taken_back_once_it_is_sent(i: VcpuId) -> bool:
    """While the store that takes an expiry back is in the buffer, the vector is in PIR or IRR: the thread takes it from
    there only with locked operations."""
    there = bit(posted_in(i), TIMER_VECTOR) or bit(requested_in(i), TIMER_VECTOR)
    return there or settled("vcpu_thread", i, vcpus[i].lapic.timer_pending)


@lemma("kick left behind", proves="G-9", over=(VCPUS, PCPUS))
def kick_left_behind(i: VcpuId, c: CpuId) -> bool:
    """A store to pv_unhalted is in no buffer but that of the pCPU that the thread is on, or of a kicker."""
    return settled("host_irq", c, vcpus[i].pv_unhalted) or (vcpus[i].task.cpu == c and not off_its_pcpu(i))


@lemma("kick taken back", proves="G-9", over=VCPUS, carried_back=True)
def kick_taken_back(i: VcpuId) -> bool:
    """While the store that takes a kick back is in the buffer, the vCPU is runnable: it halts only after an entry."""
    return settled("vcpu_thread", i, vcpus[i].pv_unhalted) or vcpus[i].mp_state == MpState.RUNNABLE


@lemma(
    "request heard",
    proves="Q-2",
    over=VCPUS,
    windows=("kvm_vcpu_exit_request",),
    promised=("kvm_vcpu_kick", "kvm_make_all_cpus_request", "kick", "noted"),
)
def request_heard(i: VcpuId) -> bool:
    """After the last look at the requests, whoever makes one kicks; only an event may make the entry force an exit."""
    requests = vcpus[i].requests
    leaving = made_to_exit(i) or vcpus[i].mode == Mode.EXITING_GUEST_MODE
    event = requests.event and not exits_at_once(i)
    return not committed(i) or not (event or requests.unblock or requests.apicv_update or requests.other) or leaving


@lemma("expiry requested", proves="Q-2", over=VCPUS, promised=("expired",))
def expiry_requested(i: VcpuId) -> bool:
    """On the way into the guest a timer that has expired has made a request, or is about to."""
    pending = seen_by("vcpu_thread", i, vcpus[i].lapic.timer_pending)
    return not function_of("vcpu_thread", i, "vcpu_enter_guest") or not pending or vcpus[i].requests.unblock


@scenario(
    tier="proof",
    memory=("tso",),
    base=posted_interrupts_four,
    properties=("G-4", "G-8", "G-9", "G-15", "G-18", "Q-2"),
)
class posted_interrupts_expired_four:
    """With a timer, and a vCPU elsewhere that ends halts by hypercall; four vectors."""

    TIMERS = 1
    PV_KICKERS = 1
