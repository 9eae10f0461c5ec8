# SPDX-License-Identifier: GPL-2.0-or-later
"""Why a requested interrupt has its window (Q-5): with APICv inactive, what is in the IRR is held back by a service, or
an exit is set up for the moment when nothing holds it back, or KVM looks again before the guest goes on.

What is in the IRR is *covered* up to a priority class: that of the newest service, whose EOI exits, or that which both
the TPR and the TPR threshold reach, below which the guest cannot lower the TPR without an exit.  The class falls, and
vectors come; whoever does one of the two requests an event, and only then does KVM decide anew.

References: arch/x86/kvm/x86.c:kvm_check_and_inject_events, vcpu_enter_guest; arch/x86/kvm/lapic.c:apic_update_ppr,
kvm_lapic_update_cr8_intercept, __kvm_apic_update_irr; Intel SDM vol. 3, "Task and processor priorities".
"""

from lostirq.prelude import *
from model.state import *
from proofs.acknowledge import *
from proofs.recognition import *
from proofs.registers import *
from properties.views import *


@pure
def in_service_class(i: VcpuId) -> PriorityClass:
    """The class of the newest service, as KVM knows it."""
    return class_of(highest(vcpus[i].lapic.isr))


@pure
def below_threshold(i: VcpuId) -> bool:
    """The guest was left because its TPR fell below the threshold."""
    return why(i) == ExitReason.TPR_BELOW_THRESHOLD


@pure
def covered(i: VcpuId) -> PriorityClass:
    """Up to this class, nothing can become deliverable without an exit, or is about to be looked at after one."""
    vcpu = vcpus[i]
    threshold = vcpu.vmcs.tpr_threshold
    reached = threshold if below_threshold(i) else min(vcpu.lapic.tpr, threshold)
    return max(in_service_class(i), reached)


@pure
def moving(i: VcpuId) -> OptVector:
    """The highest vector that the update of the IRR under way has moved there, before it hints at it."""
    moved = local("vcpu_thread", i, "__kvm_apic_update_irr", "max_new_irr")
    found = local("vcpu_thread", i, "kvm_apic_update_irr", "found")
    return max(moved, found.max_irr if found.is_from_pir else -1)


@pure
def fresh(i: VcpuId) -> OptVector:
    """The highest vector that the synchronisation under way has moved into the IRR: it will request an event for it."""
    found = local("vcpu_thread", i, "vmx_sync_pir_to_irr", "max_irr")
    from_pir = local("vcpu_thread", i, "vmx_sync_pir_to_irr", "max_irr_is_from_pir")
    return max(moving(i), found if from_pir else -1)


@lemma("nothing found yet", proves="Q-5", over=VCPUS, carried_back=True)
def nothing_found_yet(i: VcpuId) -> bool:
    """Until the synchronisation has looked, it has found nothing."""
    searches = function_of("vcpu_thread", i, "apic_find_highest_irr")
    updates = function_of("vcpu_thread", i, "kvm_apic_update_irr")
    found = local("vcpu_thread", i, "vmx_sync_pir_to_irr", "max_irr_is_from_pir")
    return not (searches or updates) or not found


@pure
def told(i: VcpuId) -> bool:
    """KVM_REQ_EVENT is made, or about to be."""
    return vcpus[i].requests.event or about_to_request(i)


@pure
def looks_again(i: VcpuId) -> bool:
    """An event is requested, or about to be; or the entry forces an exit, and the request is made before the guest."""
    over = function_of("vcpu_thread", i, "vmx_vcpu_run") or why(i) != ExitReason.NONE
    return told(i) or (exits_at_once(i) and not over)


@pure
def decides(i: VcpuId) -> bool:
    """KVM is deciding what to inject, and which exits to ask for."""
    threshold = function_of("vcpu_thread", i, "kvm_lapic_update_cr8_intercept")
    return function_of("vcpu_thread", i, "kvm_check_and_inject_events") or threshold


@pure
def changes(i: VcpuId) -> bool:
    """KVM is changing what holds vectors back: it decides, or it will request an event where it must."""
    window = function_of("vcpu_thread", i, "handle_interrupt_window")
    ends = function_of("vcpu_thread", i, "apic_set_eoi")
    lowers = function_of("vcpu_thread", i, "handle_tpr_below_threshold")
    return decides(i) or window or ends or lowers or function_of("vcpu_thread", i, "__kvm_vcpu_update_apicv")


@lemma("left below", proves="Q-5", over=VCPUS)
def left_below(i: VcpuId) -> bool:
    """No fastpath handles an exit below the threshold."""
    handled = local("vcpu_thread", i, "vcpu_enter_guest", "exit_fastpath") != Fastpath.NONE or may_go_on(i)
    return not below_threshold(i) or not handled


@lemma("left for a reason", proves="Q-5", over=VCPUS, carried_back=True)
def left_for_a_reason(i: VcpuId) -> bool:
    """After the guest has run, it is known why it was left.  (Before, the vCPU still looks.)"""
    handles = function_of("vcpu_thread", i, "vcpu_enter_guest") and function_of("vcpu_thread", i, "srcu_read_lock")
    after = within("vcpu_thread", i, "fastpath") or (handles and not vcpus[i].looking)
    return not after or why(i) != ExitReason.NONE


@lemma("self-IPI exit", proves="Q-5", over=VCPUS)
def self_ipi_exit(i: VcpuId) -> bool:
    """An IPI of the guest to itself is emulated after the exit for it."""
    return not function_of("vcpu_thread", i, "kvm_apic_send_self_ipi") or why(i) == ExitReason.SELF_IPI


@lemma("fresh priority", proves="Q-5", over=VCPUS)
def fresh_priority(i: VcpuId) -> bool:
    """Where vectors are compared with the PPR, or the threshold is set, the PPR is that of the TPR and the ISR."""
    vcpu = vcpus[i]
    right = vcpu.lapic.ppr == max(vcpu.lapic.tpr, in_service_class(i))
    compares = function_of("vcpu_thread", i, "apic_has_interrupt_for_ppr")
    same = not compares or local("vcpu_thread", i, "apic_has_interrupt_for_ppr", "ppr") == vcpu.lapic.ppr
    decides_here = compares or function_of("vcpu_thread", i, "kvm_lapic_update_cr8_intercept")
    return not decides_here or active(i) or (right and same)


@pure
def threshold_reached(i: VcpuId) -> bool:
    """The threshold is not above the PPR that KVM knows, nor above the TPR unless the guest was left for that."""
    vcpu = vcpus[i]
    threshold = vcpu.vmcs.tpr_threshold
    lowering = function_of("vcpu_thread", i, "handle_tpr_below_threshold")
    known = threshold <= vcpu.lapic.ppr or lowering
    reached = threshold <= vcpu.lapic.tpr or below_threshold(i)
    return active(i) or vcpu.requests.event or decides(i) or (known and reached)


@lemma("threshold", proves="Q-5", over=VCPUS, windows=("__kvm_vcpu_update_apicv",))
def threshold_known(i: VcpuId) -> bool:
    """As `threshold_reached`; when APICv is switched off, an event is requested, and the threshold is set anew."""
    return threshold_reached(i)


@lemma("one writer", proves="Q-5")
def one_writer() -> bool:
    """While somebody changes the reasons to inhibit APICv, no vCPU is about to follow them."""
    return not kvm.apicv_update_writer or kvm.apicv_update_readers == 0


@pure
def hinting(i: VcpuId) -> bool:
    """irr_pending is set, as the thread sees it, or somebody who has put a vector into the IRR is about to set it."""
    return seen_by("vcpu_thread", i, vcpus[i].lapic.irr_pending) or setting_irr(i)


@pure
def taking(i: VcpuId) -> bool:
    """A vector is being taken from the IRR, without a hint; or the search after that has found that it is needed."""
    return within("vcpu_thread", i, "clear_irr") and not function_of("vcpu_thread", i, "apic_search_irr")


@lemma("hint on its way", proves="Q-5", over=VCPUS, carried_back=True)
def hint_on_its_way(i: VcpuId) -> bool:
    """A store to irr_pending that is still in the buffer sets it, but for the one before a vector is taken."""
    return taking(i) or buffered("vcpu_thread", i, vcpus[i].lapic.irr_pending)


@lemma("hint without APICv", proves="Q-5", over=VCPUS, windows=("apic_search_irr",))
def hint_without_apicv(i: VcpuId) -> bool:
    """Without the hint, the IRR is empty, but for what the synchronisation under way has moved there."""
    return active(i) or taking(i) or hinting(i) or highest(requested_in(i)) <= moving(i)


@lemma("found before", proves="Q-5", over=VCPUS)
def found_before(i: VcpuId) -> bool:
    """What the update finds above all that it moves was there before: it is hinted at, and covered or requested."""
    found = found_highest(i)
    moved = local("vcpu_thread", i, "__kvm_apic_update_irr", "max_new_irr")
    old = active(i) or found == moved or hinting(i)
    cover = changes(i) or looks_again(i) or vcpus[i].vmcs.interrupt_window_exiting or class_of(found) <= covered(i)
    return moved <= found and old and (active(i) or found == moved or cover)


@lemma("updated and watched", proves="Q-5", over=VCPUS)
def updated_and_watched(i: VcpuId) -> bool:
    """The registers that the update of the IRR has been at hold nothing above what it has found, or an event
    is requested."""
    return updated(i) == -1 or highest(below(requested_in(i), updated(i))) <= found_highest(i) or told(i)


@lemma("searched and watched", proves="Q-5", over=VCPUS)
def searched_and_watched(i: VcpuId) -> bool:
    """The registers that a search of the IRR has passed, from the highest down, are empty, or an event is
    requested."""
    return searched(i) == -1 or above_register(requested_in(i), searched(i)) == 0 or told(i)


@lemma("decided", proves="Q-5", over=VCPUS, windows=("kvm_check_and_inject_events", "apic_has_interrupt_for_ppr"))
def decided(i: VcpuId) -> bool:
    """When the threshold is set, what is in the IRR above the PPR waits for the interrupt window, or is requested."""
    vcpu = vcpus[i]
    setting = function_of("vcpu_thread", i, "kvm_lapic_update_cr8_intercept")
    setting = setting and not function_of("vcpu_thread", i, "apic_set_eoi")
    held = class_of(highest(requested_in(i))) <= vcpu.lapic.ppr
    return not setting or active(i) or vcpu.vmcs.interrupt_window_exiting or looks_again(i) or held


@pure
def held_back(i: VcpuId) -> bool:
    """With APICv inactive, what is in the IRR is covered, or waits for the interrupt window, or is looked at again."""
    vcpu = vcpus[i]
    vector = highest(requested_in(i))
    held = vcpu.vmcs.interrupt_window_exiting or class_of(vector) <= covered(i) or vector <= fresh(i)
    return active(i) or held or looks_again(i)


@lemma(
    "watched",
    proves="Q-5",
    over=VCPUS,
    windows=(
        "kvm_check_and_inject_events",
        "kvm_lapic_update_cr8_intercept",
        "handle_interrupt_window",
        "handle_tpr_below_threshold",
        "apic_set_eoi",
        "__kvm_vcpu_update_apicv",
    ),
)
def watched(i: VcpuId) -> bool:
    """As `held_back`; whoever changes what holds vectors back looks, or requests an event, before the guest goes on."""
    return held_back(i)


@lemma("watched before an update", proves="Q-5", over=VCPUS)
def watched_before_an_update(i: VcpuId) -> bool:
    """Also while the vCPU waits to follow a change of the reasons to inhibit APICv, which may change until then."""
    waits = function_of("vcpu_thread", i, "down_read_apicv_update_lock")
    return not waits or (held_back(i) and threshold_reached(i))


@scenario(tier="proof", memory=("tso",), base=posted_interrupts_four, properties=("Q-5",))
class posted_interrupts_watched_userspace_four:
    """The same where the vCPU thread exits to userspace, and comes back on any pCPU; four vectors."""

    USERSPACE = True
