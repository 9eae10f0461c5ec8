# SPDX-License-Identifier: GPL-2.0-or-later
"""Who owns a vector on its way from PIR to the handler (T-9, T-9c): a local, or vcpu.interrupt, or the processor.

References: arch/x86/kvm/lapic.c:__kvm_apic_update_irr, kvm_apic_ack_interrupt; arch/x86/kvm/x86.c:
kvm_check_and_inject_events; arch/x86/kvm/vmx/vmx.c:__vmx_complete_interrupts, vmx_cancel_injection.
"""

from lostirq.prelude import *
from model.state import *
from properties.views import *


@lemma("carried", proves="T-9c, T-9, Q-1, S-1, S-2, G-11", over=VCPUS)
def carried(i: VcpuId) -> bool:
    """A vector is in a local only during the update of the IRR, which puts down word by word what it took, and during
    the acknowledgement: there it is the one that is acknowledged."""
    if function_of("vcpu_thread", i, "kvm_apic_ack_interrupt"):
        return with_bit(vcpus[i].carried, local("vcpu_thread", i, "kvm_cpu_get_interrupt", "vector"), False) == 0
    return function_of("vcpu_thread", i, "kvm_apic_update_irr") or vcpus[i].carried == 0


@pure
def in_entry_field(i: VcpuId) -> bool:
    """What software owns, if anything, was handed to the processor for the next entry, and nothing else was."""
    return vcpus[i].vmcs.entry_interruption == vcpus[i].interrupt.injected


@lemma("owned", proves="T-9, Q-1, G-1, G-7, S-4, T-7, T-11, Q-4, S-1, Q-5, S-2, G-11, T-8, T-10", over=VCPUS)
def owned(i: VcpuId) -> bool:
    """In the host, a vector that software owns is in the entry field, or KVM_REQ_EVENT will put it there again."""
    return in_guest(i) or vcpus[i].requests.event or vcpus[i].interrupt.injected == -1 or in_entry_field(i)


@pure
def requests_checked(i: VcpuId) -> bool:
    """KVM_REQ_EVENT was looked at, and the guest is not entered yet."""
    entering = function_of("vcpu_thread", i, "vcpu_enter_guest") and not function_of("vcpu_thread", i, "vmx_handle_exit")
    masking = function_of("vcpu_thread", i, "preempt_disable") or function_of("vcpu_thread", i, "local_irq_disable")
    masking = masking and not function_of("vcpu_thread", i, "kvm_vcpu_update_apicv")
    threshold = function_of("vcpu_thread", i, "kvm_lapic_update_cr8_intercept")
    injecting_it = function_of("vcpu_thread", i, "kvm_check_and_inject_events")
    going = (vcpus[i].looking or within("vcpu_thread", i, "entry")) and not in_guest(i)
    cancelling = within("vcpu_thread", i, "cancel") and not function_of("vcpu_thread", i, "vmx_cancel_injection")
    return entering and (masking or threshold or injecting_it or going or cancelling)


@lemma(
    "owned at entry",
    proves="T-9, Q-1, G-1, G-7, S-4, T-7, T-11, Q-4, S-1, Q-5, S-2, G-11, T-8, T-10",
    over=VCPUS,
    carried_back=True,
)
def owned_at_entry(i: VcpuId) -> bool:
    """From there on a new request changes nothing: the vector is in the entry field, or an abort takes it back."""
    return not requests_checked(i) or in_entry_field(i)


@lemma(
    "one at a time",
    proves="T-9, Q-1, G-1, G-7, S-4, T-7, T-11, Q-4, S-1, Q-5, S-2, G-11, T-8, T-10",
    over=VCPUS,
    carried_back=True,
)
def one_at_a_time(i: VcpuId) -> bool:
    """A vector is acknowledged only when none is owned already."""
    acknowledging = function_of("vcpu_thread", i, "kvm_cpu_get_interrupt")
    return not acknowledging or vcpus[i].interrupt.injected == -1
