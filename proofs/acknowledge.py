# SPDX-License-Identifier: GPL-2.0-or-later
"""A vector from the IRR to its handler and its EOI: it is there when it is taken (S-1), and what is in service is what
the guest serves (G-1), for the ISR, its caches, SVI and the injection.

Nobody but the vCPU and its processor touches the ISR, so that these are mostly facts about sequential code.

References: arch/x86/kvm/lapic.c:apic_set_isr, apic_clear_isr, kvm_apic_update_apicv; Intel SDM vol. 3, "Virtual-interrupt
delivery", "EOI virtualization".
"""

from lostirq.prelude import *
from model.state import *
from proofs.injection import *
from proofs.pid import *
from properties.views import *


@pure
def why(i: VcpuId) -> ExitReason:
    """Why the processor left the guest last, in this turn of the loop."""
    return local("vcpu_thread", i, "vcpu_enter_guest", "exit_reason")


@pure
def may_go_on(i: VcpuId) -> bool:
    """In the guest, or in the fastpath that may go back there."""
    return in_guest(i) or within("vcpu_thread", i, "fastpath") or within("vcpu_thread", i, "synced")


@pure
def active(i: VcpuId) -> bool:
    """APICv is active, as the thread sees it, which alone changes it."""
    return seen_by("vcpu_thread", i, vcpus[i].lapic.apicv_active)


@lemma(
    "APICv left behind",
    proves="Q-1, G-1, G-7, S-1, S-4, T-7, T-11, Q-4, Q-5, S-2, G-11, T-8, T-10",
    over=(VCPUS, PCPUS),
)
def apicv_left_behind(i: VcpuId, c: CpuId) -> bool:
    """A store to apicv_active is in no buffer but that of the pCPU that the thread is on: it drains before it is
    moved."""
    return settled("host_irq", c, vcpus[i].lapic.apicv_active) or (vcpus[i].task.cpu == c and not off_its_pcpu(i))


@pure
def eoi_owed(i: VcpuId) -> bool:
    """The guest has ended its newest service, and the exit for that has not been handled."""
    return why(i) == ExitReason.EOI and not function_of("vcpu_thread", i, "vmx_handle_exit")


@lemma("in service", proves="Q-1, G-1, G-7, S-4, T-7, T-11, Q-4, Q-5, S-2, G-11, T-8, T-10", over=VCPUS)
def in_service(i: VcpuId) -> bool:
    """The ISR holds what the guest serves, the vector that is being injected, and the one whose EOI is not emulated."""
    isr = vcpus[i].lapic.isr
    kept = with_bit(isr, highest(isr) if eoi_owed(i) else -1, False)
    begun = with_bit(vcpus[i].serving, local("vcpu_thread", i, "apic_set_isr", "vector"), True)
    return kept == with_bit(begun, injecting(i), True)


@lemma("EOI exit", proves="Q-1, G-1, G-7, S-1, S-4, T-7, T-11, Q-4, Q-5, S-2, G-11, T-8, T-10", over=VCPUS)
def eoi_exit(i: VcpuId) -> bool:
    """An EOI exits only with APICv inactive, but for that of Hyper-V, and is no exit that the fastpath handles."""
    handled = local("vcpu_thread", i, "vcpu_enter_guest", "exit_fastpath") != Fastpath.NONE or may_go_on(i)
    return why(i) != ExitReason.EOI or ((GUEST_HV_EOI or not active(i)) and not handled)


@lemma("asked", proves="G-2", over=VCPUS)
def asked_and_not_sent(i: VcpuId) -> bool:
    """An IPI to itself that is not sent yet is why the guest was left, and that has not been handled."""
    handled = local("vcpu_thread", i, "vcpu_enter_guest", "exit_fastpath") != Fastpath.NONE or may_go_on(i)
    by_register = why(i) == ExitReason.SELF_IPI and not handled
    by_icr = why(i) == ExitReason.ICR and function_of("vcpu_thread", i, "handle_fastpath_wrmsr")
    return not vcpus[i].asked or by_register or by_icr


@lemma(
    "cached",
    proves="Q-1, G-1, G-7, S-1, S-4, T-7, T-11, Q-4, Q-5, S-2, G-11, T-8, T-10",
    over=VCPUS,
    windows=("apic_set_isr", "apic_clear_isr", "update_apicv"),
)
def cached(i: VcpuId) -> bool:
    """The cache of the highest vector in service is right, if it says one."""
    cache = vcpus[i].lapic.highest_isr_cache
    return cache == -1 or (cache == highest(vcpus[i].lapic.isr) and not active(i))


CLASS_SIZE = 1 << CLASS_SHIFT


@pure
def in_service_of(i: VcpuId, k: PriorityClass) -> Bits[CLASS_SIZE]:
    """The vectors of a priority class that are in service."""
    return extract(vcpus[i].lapic.isr, k * CLASS_SIZE, CLASS_SIZE)


@pure
def at_most_one(vectors: Bits[CLASS_SIZE]) -> bool:
    """The set is empty, or has one vector."""
    return with_bit(vectors, highest(vectors), False) == 0


@pure
def classes_in_service(i: VcpuId) -> Int[0, VECTORS]:
    """How many priority classes have a vector in service."""
    return sum(1 if in_service_of(i, k) != 0 else 0 for k in range(VECTORS // CLASS_SIZE))


@lemma("one of a class", proves="Q-1, G-1, G-7, S-1, S-4, T-7, T-11, Q-4, Q-5, S-2, G-11, T-8, T-10", over=VCPUS)
def one_of_a_class(i: VcpuId) -> bool:
    """No two vectors of one priority class are in service, so that it is classes that are counted."""
    return all(at_most_one(in_service_of(i, k)) for k in range(VECTORS // CLASS_SIZE))


@lemma(
    "counted",
    proves="Q-1, G-1, G-7, S-1, S-4, T-7, T-11, Q-4, Q-5, S-2, G-11, T-8, T-10",
    over=VCPUS,
    windows=("apic_set_isr", "apic_clear_isr", "update_apicv"),
)
def counted(i: VcpuId) -> bool:
    """With APICv inactive, vectors in service are counted; with APICv active, the count says only that there may be
    some."""
    count = vcpus[i].lapic.isr_count
    return count == 1 if active(i) else count == classes_in_service(i)


@lemma(
    "controls",
    proves="Q-1, G-1, G-7, S-1, S-4, T-7, T-11, Q-4, Q-5, S-2, G-11, T-12, T-8, T-10",
    over=VCPUS,
    windows=("update_apicv",),
)
def controls(i: VcpuId) -> bool:
    """The controls of the processor are those of APICv."""
    vcpu = vcpus[i]
    return vcpu.vmcs.posted_interrupts == active(i) and vcpu.vmcs.virtual_interrupt_delivery == active(i)


@lemma(
    "SVI",
    proves="Q-1, G-1, G-7, S-1, S-4, T-7, T-11, Q-4, Q-5, S-2, G-11, T-8, T-10",
    over=VCPUS,
    windows=("apic_set_isr", "apic_clear_isr", "update_apicv"),
)
def svi(i: VcpuId) -> bool:
    """With APICv active, SVI is the highest vector in service."""
    return not active(i) or vcpus[i].vmcs.svi == highest(vcpus[i].lapic.isr)


@lemma("virtual PPR", proves="Q-1, G-1, G-7, S-1, S-4, T-7, T-11, Q-4, Q-5, S-2, G-11, T-8, T-10", over=VCPUS)
def virtual_ppr(i: VcpuId) -> bool:
    """In the guest, with APICv active, the PPR is that of the TPR and SVI."""
    vcpu = vcpus[i]
    virtual = in_guest(i) and vcpu.vmcs.virtual_interrupt_delivery
    return not virtual or vcpu.lapic.ppr == max(vcpu.lapic.tpr, class_of(vcpu.vmcs.svi))


@lemma("recognised", proves="Q-1, G-1, G-7, S-1, S-4, T-7, T-11, Q-4, Q-5, S-2, G-11, T-8, T-10", over=VCPUS)
def recognised(i: VcpuId) -> bool:
    """What is recognised, in the guest and with APICv active, has a higher class than the PPR."""
    vcpu = vcpus[i]
    higher = class_of(vcpu.vmcs.rvi) > vcpu.lapic.ppr
    return not vcpu.guest.recognised or (in_guest(i) and vcpu.vmcs.virtual_interrupt_delivery and higher)


@lemma("looked for", proves="Q-1, G-1, G-7, S-1, S-4, T-7, T-11, Q-4, Q-5, S-2, G-11, T-8, T-10", over=VCPUS)
def looked_for(i: VcpuId) -> bool:
    """What is looked for has a higher class than what is in service."""
    ppr = local("vcpu_thread", i, "apic_has_interrupt_for_ppr", "ppr")
    looking = function_of("vcpu_thread", i, "apic_has_interrupt_for_ppr")
    return not looking or ppr >= class_of(highest(vcpus[i].lapic.isr))


@lemma("by software", proves="Q-1, G-1, G-7, S-1, S-4, T-7, T-11, Q-4, Q-5, S-2, G-11, T-8, T-10", over=VCPUS)
def by_software(i: VcpuId) -> bool:
    """Software looks for a vector to inject, and acknowledges it, only with APICv inactive."""
    scanning = function_of("vcpu_thread", i, "kvm_apic_has_interrupt")
    taking = function_of("vcpu_thread", i, "kvm_cpu_get_interrupt")
    injects = function_of("vcpu_thread", i, "kvm_check_and_inject_events") and (scanning or taking)
    return not injects or not active(i)


@lemma("asked by the synchronisation", proves="S-1, G-11", over=VCPUS)
def asked_by_the_synchronisation(i: VcpuId) -> bool:
    """A synchronisation makes a request only with APICv inactive; else it writes RVI."""
    syncing = function_of("vcpu_thread", i, "vmx_sync_pir_to_irr") and function_of("vcpu_thread", i, "kvm_make_request")
    return not syncing or not active(i)


@lemma(
    "above",
    proves="Q-1, G-1, G-7, S-1, S-4, T-7, T-11, Q-4, Q-5, S-2, G-11, T-8, T-10",
    over=VCPUS,
    windows=("apic_set_isr",),
)
def above(i: VcpuId) -> bool:
    """The vector that is acknowledged has a higher class than what is in service."""
    vector = local("vcpu_thread", i, "kvm_cpu_get_interrupt", "vector")
    none = vector == -1 and not function_of("vcpu_thread", i, "kvm_apic_ack_interrupt")
    return none or class_of(vector) > class_of(highest(vcpus[i].lapic.isr))


@pure
def waits_in_irr(i: VcpuId, v: OptVector) -> bool:
    """The vector, if there is one, is in the IRR."""
    return v == -1 or bit(requested_in(i), v)


@lemma("found", proves="S-1, G-11", over=VCPUS)
def found_in_the_irr(i: VcpuId) -> bool:
    """What a scan or a harvest has found stays in the IRR: only the vCPU and its processor take a vector from there."""
    scanned = waits_in_irr(i, local("vcpu_thread", i, "vmx_sync_pir_to_irr", "max_irr"))
    updated = waits_in_irr(i, local("vcpu_thread", i, "kvm_apic_update_irr", "found").max_irr)
    harvested = waits_in_irr(i, local("vcpu_thread", i, "__kvm_apic_update_irr", "found").max_irr)
    processed = waits_in_irr(i, local("vcpu_thread", i, "process_posted_interrupts", "found"))
    return scanned and updated and harvested and processed


@lemma("still there", proves="S-1, G-11", over=VCPUS)
def still_there(i: VcpuId) -> bool:
    """The vector that is acknowledged is in the IRR until it is taken from there."""
    v = local("vcpu_thread", i, "kvm_cpu_get_interrupt", "vector")
    return waits_in_irr(i, v) or bit(vcpus[i].carried, v)


@lemma("taken", proves="S-1, G-11", over=VCPUS, windows=("clear_irr",))
def taken(i: VcpuId) -> bool:
    """A vector that comes into service was taken from the IRR."""
    v = local("vcpu_thread", i, "apic_set_isr", "vector")
    return v == -1 or bit(vcpus[i].carried, v)


@lemma("RVI", proves="S-1, G-11", over=VCPUS)
def rvi_is_requested_too(i: VcpuId) -> bool:
    """In the guest and just before, with APICv active, RVI is in the IRR."""
    synced = in_guest(i) or within("vcpu_thread", i, "synced")
    return not synced or not vcpus[i].vmcs.virtual_interrupt_delivery or waits_in_irr(i, vcpus[i].vmcs.rvi)


@scenario(tier="proof", memory=("tso",), base=posted_interrupts_full, properties=("G-1", "G-7", "S-4", "T-7", "T-11"))
class posted_interrupts_service:
    """What is in service, with its caches: with all 256 vectors."""


@scenario(tier="proof", memory=("tso",), base=posted_interrupts_four, properties=("G-1", "G-7", "S-4", "T-7", "T-11"))
class posted_interrupts_service_four:
    """The same with four vectors: in seconds it tells what a change of the model does to the proof."""


@scenario(
    tier="proof",
    memory=("tso",),
    base=posted_interrupts_four,
    properties=("G-1", "G-7", "S-4", "T-7", "T-11"),
)
class posted_interrupts_hyperv_four:
    """The same for a guest that may end its services by the MSR of Hyper-V."""

    GUEST_HV_EOI = True
