# SPDX-License-Identifier: GPL-2.0-or-later
"""Why a requested interrupt is recognised (Q-4): SVI, PPR and RVI are what the ISR, the TPR and the IRR say.

References: Intel SDM vol. 3, "APIC virtualization and virtual interrupts"; arch/x86/kvm/vmx/vmx.c:vmx_sync_pir_to_irr;
arch/x86/kvm/lapic.c:kvm_apic_update_apicv, apic_set_isr, apic_clear_isr.
"""

from lostirq.prelude import *
from model.state import *
from properties.views import *
from proofs.acknowledge import *
from proofs.guest import *
from proofs.pid import *
from proofs.registers import *


@lemma("hint with APICv", proves="Q-4, Q-5, T-8, T-10", over=VCPUS, carried_back=True)
def hint_is_set(i: VcpuId) -> bool:
    """With virtual-interrupt delivery, irr_pending is set, as the thread sees it."""
    return not vcpus[i].vmcs.virtual_interrupt_delivery or seen_by("vcpu_thread", i, vcpus[i].lapic.irr_pending)


@lemma("hint left behind", proves="Q-4, Q-5, T-8, T-10", over=(VCPUS, PCPUS))
def hint_left_behind(i: VcpuId, c: CpuId) -> bool:
    """A store to irr_pending is in no buffer but that of the pCPU that the thread is on, or of a sender."""
    return settled("host_irq", c, vcpus[i].lapic.irr_pending) or (vcpus[i].task.cpu == c and not off_its_pcpu(i))


@lemma("status", proves="Q-4, T-8, T-10", over=VCPUS, windows=("vmx_sync_pir_to_irr",))
def rvi_is_highest(i: VcpuId) -> bool:
    """From the last look at the IRR on, RVI is its highest vector, but for those that are still to be announced; the
    processor adds what it harvests at the end."""
    virtualized = committed(i) and vcpus[i].vmcs.virtual_interrupt_delivery
    rvi = vcpus[i].vmcs.rvi
    if within("vcpu_thread", i, "hw_harvest"):
        rvi = max(rvi, local("vcpu_thread", i, "process_posted_interrupts", "found"))
    return not virtualized or rvi == highest(requested_in(i) & ~vcpus[i].late)


@lemma("updated so far", proves="Q-4, T-8, T-10", over=VCPUS)
def updated_so_far(i: VcpuId) -> bool:
    """The update of the IRR has found the highest vector of the registers that it has been at, but for those that came
    too late to be seen; they are late only while the vCPU looks."""
    seen = below(requested_in(i) & ~vcpus[i].late, updated(i))
    return updated(i) == -1 or not vcpus[i].looking or found_highest(i) == highest(seen)


@lemma("searched so far", proves="Q-4, T-8, T-10", over=VCPUS)
def searched_so_far(i: VcpuId) -> bool:
    """The registers that a search of the IRR has passed, from the highest down, held nothing but what came too late."""
    passed = above_register(requested_in(i) & ~vcpus[i].late, searched(i))
    return searched(i) == -1 or not vcpus[i].looking or passed == 0


@lemma("evaluated", proves="Q-4, T-8, T-10", over=VCPUS, windows=("hw_harvest",))
def evaluated(i: VcpuId) -> bool:
    """In the guest, what RVI and PPR say is recognised, unless something is still to be announced."""
    vcpu = vcpus[i]
    due = class_of(vcpu.vmcs.rvi) > vcpu.lapic.ppr and not vcpu.vmcs.interrupt_window_exiting
    told = vcpu.guest.recognised == due or about_to_request(i) or vcpu.requests.event
    return not in_guest(i) or not vcpu.vmcs.virtual_interrupt_delivery or told


@pure
def about_to_request(i: VcpuId) -> bool:
    """Somebody put a vector into the IRR and has not made KVM_REQ_EVENT yet."""
    by_sender = within("sender", "kick") and function_of("sender", "kvm_make_request")
    by_thread = within("vcpu_thread", i, "kick") and function_of("vcpu_thread", i, "kvm_make_request")
    return setting_irr(i) or by_sender or by_thread


@lemma("late", proves="Q-4, T-8, T-10", over=VCPUS)
def late_is_announced(i: VcpuId) -> bool:
    """What came into the IRR too late to be seen is about to be announced, or requested; only while the vCPU looks."""
    vcpu = vcpus[i]
    return vcpu.late == 0 or (vcpu.looking and (about_to_request(i) or vcpu.requests.event))


@pure
def exits_at_once(i: VcpuId) -> bool:
    """The entry is one that forces an exit before the guest's first instruction."""
    return local("vcpu_thread", i, "vcpu_enter_guest", "req_immediate_exit")


@lemma("instructions", proves="Q-4, Q-5, Q-2, T-8, T-10", over=VCPUS, carried_back=True)
def instructions(i: VcpuId) -> bool:
    """An entry that forces an exit reaches no instruction of the guest."""
    return not within("vcpu_thread", i, "boundary") or not exits_at_once(i)


@lemma("does not wait", proves="Q-4, Q-5, Q-2, T-8, T-10", over=VCPUS)
def does_not_wait(i: VcpuId) -> bool:
    """Only inside kvm_vcpu_block a thread waits, so that a kick of a running vCPU wakes nobody, and interrupts."""
    state = seen_by("vcpu_thread", i, vcpus[i].task.state)
    return function_of("vcpu_thread", i, "kvm_vcpu_block") or state == TaskState.TASK_RUNNING


@lemma("state left behind", proves="Q-4, Q-5, Q-2, T-8, T-10", over=(VCPUS, PCPUS))
def state_left_behind(i: VcpuId, c: CpuId) -> bool:
    """The store that ends the waiting is in no buffer but that of the pCPU that the thread is on, until the fence that
    follows it."""
    fence = function_of("vcpu_thread", i, "vcpu_block") and function_of("vcpu_thread", i, "srcu_read_lock")
    here = fence and vcpus[i].task.cpu == c and not off_its_pcpu(i)
    return settled("host_irq", c, vcpus[i].task.state) or here


@lemma(
    "event heard",
    proves="Q-4, Q-5, T-8, T-10",
    over=VCPUS,
    windows=("kvm_vcpu_exit_request",),
    promised=("kick",),
)
def event_heard(i: VcpuId) -> bool:
    """After the last look at the requests, whoever makes KVM_REQ_EVENT kicks, or the entry forces an exit."""
    event = vcpus[i].requests.event
    leaving = made_to_exit(i) or vcpus[i].mode == Mode.EXITING_GUEST_MODE or exits_at_once(i)
    return not committed(i) or not event or leaving


@lemma("APICv in memory", proves="T-8, T-10", over=VCPUS)
def apicv_in_memory(i: VcpuId) -> bool:
    """In guest mode, a store to apicv_active has reached memory."""
    return not inside_guest_mode(i) or settled("vcpu_thread", i, vcpus[i].lapic.apicv_active)


@scenario(tier="proof", memory=("tso",), base=posted_interrupts_full, properties=("Q-4", "Q-5"))
class posted_interrupts_recognised:
    """What is recognised in the guest, or watched for it: everybody who takes part, with all 256 vectors."""


@scenario(tier="proof", memory=("tso",), base=posted_interrupts_four, properties=("Q-4", "Q-5"))
class posted_interrupts_recognised_four:
    """The same with four vectors: in seconds it tells what a change of the model does to the proof."""


@scenario(tier="proof", memory=("tso",), base=posted_interrupts_four, properties=("Q-4",))
class posted_interrupts_spun_four:
    """The same while other vCPUs spin, and look for one to yield to."""

    SPINNERS = 1


@scenario(tier="proof", memory=("tso",), base=posted_interrupts_four, properties=("T-8", "T-10"))
class posted_interrupts_status_four:
    """What RVI says of the IRR: everybody who takes part, with four vectors."""
