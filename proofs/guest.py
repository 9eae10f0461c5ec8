# SPDX-License-Identifier: GPL-2.0-or-later
"""Why a vCPU in the guest hears of what was posted (Q-3): whoever sets ON sends, and what was sent comes.

References: arch/x86/kvm/x86.c:vcpu_enter_guest; arch/x86/kvm/vmx/vmx.c:vmx_sync_pir_to_irr;
arch/x86/kvm/vmx/common.h:kvm_vcpu_trigger_posted_interrupt.
"""

from lostirq.prelude import *
from model.state import *
from proofs.pid import *
from properties.views import *


@pure
def made_to_exit(i: VcpuId) -> bool:
    """An interrupt is pending on the pCPU of the vCPU that makes it leave the guest."""
    apic = pcpus[vcpus[i].task.cpu].apic
    return apic.wakeup or apic.reschedule or apic.call_function


@pure
def interrupted(i: VcpuId) -> bool:
    """As `made_to_exit`, or a notification is pending, which is processed, or makes it leave if APICv is off."""
    return made_to_exit(i) or pcpus[vcpus[i].task.cpu].apic.posted_intr


@pure
def committed(i: VcpuId) -> bool:
    """The last look at ON, before an entry, is over, or the guest runs."""
    return in_guest(i) or within("vcpu_thread", i, "synced")


@pure
def announcing_itself(i: VcpuId) -> bool:
    """The fence of the entry is still to come: IN_GUEST_MODE may be in the store buffer."""
    return within("vcpu_thread", i, "entry") and function_of("vcpu_thread", i, "srcu_read_unlock")


@pure
def inside_guest_mode(i: VcpuId) -> bool:
    """From that fence until the store of OUTSIDE_GUEST_MODE."""
    inside = within("vcpu_thread", i, "entry") or within("vcpu_thread", i, "fastpath")
    return (inside or committed(i)) and not announcing_itself(i)


@lemma("in guest mode", proves="Q-3, T-2, Q-4, Q-5, Q-2, Q-8, T-12, T-8, T-10", over=VCPUS)
def says_guest_mode(i: VcpuId) -> bool:
    """From the store of IN_GUEST_MODE until that of OUTSIDE_GUEST_MODE, others change it only to EXITING."""
    if announcing_itself(i):
        return seen_by("vcpu_thread", i, vcpus[i].mode) != Mode.OUTSIDE_GUEST_MODE
    return not inside_guest_mode(i) or vcpus[i].mode != Mode.OUTSIDE_GUEST_MODE


@lemma("mode in memory", proves="Q-3, T-2, Q-4, Q-5, Q-2, Q-8, T-12, T-8, T-10", over=VCPUS)
def mode_in_memory(i: VcpuId) -> bool:
    """There the only store that may wait is that of a vCPU that kicked itself, until it looks."""
    looking = function_of("vcpu_thread", i, "kvm_vcpu_exit_request")
    looking = looking and not function_of("vcpu_thread", i, "kvm_request_pending")
    if within("vcpu_thread", i, "fastpath") and (looking or not committed(i)):
        return buffered("vcpu_thread", i, vcpus[i].mode == Mode.EXITING_GUEST_MODE)
    return not inside_guest_mode(i) or settled("vcpu_thread", i, vcpus[i].mode)


@lemma("heard", proves="Q-3", over=VCPUS, windows=("vmx_sync_pir_to_irr",), promised=("notify",))
def heard(i: VcpuId) -> bool:
    """After the last look at ON, whoever sets ON finds IN_GUEST_MODE and sends to the pCPU of the vCPU, or the mode is
    EXITING."""
    on = vcpus[i].pi_desc.control.on
    return not committed(i) or not on or interrupted(i) or vcpus[i].mode == Mode.EXITING_GUEST_MODE


@lemma(
    "kicked",
    proves="Q-3, Q-4, Q-5, Q-2, Q-8, T-8, T-10",
    over=VCPUS,
    windows=("kvm_vcpu_exit_request",),
    promised=("kvm_vcpu_kick", "kvm_make_all_cpus_request"),
)
def kicked(i: VcpuId) -> bool:
    """After the last look at the mode, whoever sets EXITING sends an interrupt to the pCPU of the vCPU."""
    return not committed(i) or vcpus[i].mode != Mode.EXITING_GUEST_MODE or made_to_exit(i)


@lemma("under way", proves="Q-8", over=VCPUS, windows=("vmx_sync_pir_to_irr",), promised=("notify",))
def under_way(i: VcpuId) -> bool:
    """After the last look at ON, whoever sets ON sends a notification to the pCPU of the vCPU, or the mode is
    EXITING."""
    sent = pcpus[vcpus[i].task.cpu].apic.posted_intr or vcpus[i].mode == Mode.EXITING_GUEST_MODE
    return not committed(i) or not vcpus[i].pi_desc.control.on or sent


@scenario(tier="proof", memory=("tso",), base=posted_interrupts_four, properties=("Q-8",))
class posted_interrupts_notified_four:
    """What is announced in the guest, with four vectors."""
