# SPDX-License-Identifier: GPL-2.0-or-later
"""The local APIC in software: acceptance, IRR and ISR, priorities, acknowledgement, EOI, the APICv caches.

Invariants
  - irr_pending is a hint: it may be false only if the IRR is empty (while APICv is inactive); it is true with APICv.
  - ISR, its count and its cache belong to the vCPU thread; the IRR is written by senders too.

References: arch/x86/kvm/lapic.c, arch/x86/kvm/lapic.h.
"""

from lostirq.prelude import *
from model.kvm_main import *
from model.state import *
from model.vmx import *

IrrUpdate = Packed(max_irr=OptVector, is_from_pir=bool)


# -- sending ----------------------------------------------------------------------------------------------------------


@function()
def send_begins(vcpu: Vcpu):
    """Ghosts: an interrupt is to be put into the PIR or the IRR, once."""
    if COUNT_SENDS:
        vcpu.sending += 1
        vcpu.owed += 1


@function()
def put_somewhere(vcpu: Vcpu):
    """A ghost: software puts one there."""
    if COUNT_SENDS:
        if vcpu.owed == 0:
            event("twice", index(vcpu))
        vcpu.owed = max(vcpu.owed - 1, 0)


@function()
def send_ends(vcpu: Vcpu):
    """Ghosts: who is done leaves nothing to be put there by others."""
    if COUNT_SENDS:
        vcpu.sending = max(vcpu.sending - 1, 0)
        if vcpu.owed > vcpu.sending:
            event("nowhere", index(vcpu))
        vcpu.owed = min(vcpu.owed, vcpu.sending)


# -- IRR --------------------------------------------------------------------------------------------------------------


@function()
def looked_at(vcpu: Vcpu, i: Int[0, IRR_WORDS - 1]):
    """A ghost: nothing in this register is late any more."""
    none: Bits[IRR_UNIT] = 0
    vcpu.late = insert(vcpu.late, i * IRR_UNIT, none)


@function()
def looks(vcpu: Vcpu, looking: bool):
    """Ghosts: from here on the vCPU will act upon what it sees in the IRR, or not any more."""
    vcpu.looking = looking
    vcpu.late = 0


@function(kernel="arch/x86/kvm/lapic.c:apic_search_irr")
def apic_search_irr(vcpu: Vcpu) -> OptVector:
    for i in reversed(range(IRR_WORDS)):
        reg = vcpu.lapic.irr.word[i]
        looked_at(vcpu, i)
        if reg != 0:
            return i * IRR_UNIT + highest(reg)
    return -1


@function(kernel="arch/x86/kvm/lapic.c:apic_find_highest_irr")
def apic_find_highest_irr(vcpu: Vcpu) -> OptVector:
    if not vcpu.lapic.irr_pending:
        return -1
    return apic_search_irr(vcpu)


@function(kernel="arch/x86/kvm/lapic.c:kvm_lapic_find_highest_irr")
def kvm_lapic_find_highest_irr(vcpu: Vcpu) -> OptVector:
    return apic_find_highest_irr(vcpu)


@function(kernel="arch/x86/kvm/lapic.h:kvm_lapic_set_irr")
def kvm_lapic_set_irr(vector: Vector, vcpu: Vcpu):
    put_somewhere(vcpu)
    # Abstraction: the old value of the bit is read for the event only; the access is one locked operation either way.
    if test_and_set_bit(vcpu.lapic.irr, vector):
        event("merge", index(vcpu), vector)
    else:
        event("accept", index(vcpu), vector)
        vcpu.late = with_bit(vcpu.late, vector, vcpu.looking)
    begins(vcpu, Window.SET_IRR)
    with window("set_irr"):
        vcpu.lapic.irr_pending = True
        ends(vcpu, Window.SET_IRR)


@function(kernel="arch/x86/kvm/lapic.c:apic_clear_irr")
def apic_clear_irr(vector: OptVector, vcpu: Vcpu):
    if vcpu.lapic.apicv_active:
        clear_bit(vcpu.lapic.irr, vector)
        vcpu.carried = with_bit(vcpu.carried, vector, True)
    else:
        vcpu.lapic.irr_pending = False
        with window("clear_irr"):
            clear_bit(vcpu.lapic.irr, vector)
            vcpu.carried = with_bit(vcpu.carried, vector, True)
            if apic_search_irr(vcpu) != -1:
                vcpu.lapic.irr_pending = True


@function(kernel="arch/x86/kvm/lapic.c:__kvm_apic_update_irr")
def __kvm_apic_update_irr(vcpu: Vcpu) -> IrrUpdate:
    """Move the PIR into the IRR; the highest vector of the IRR, and whether it is new."""
    found: IrrUpdate
    none: VectorSet = 0
    pir_vals: VectorSet = pi_harvest_pir(vcpu)
    # Abstraction: "nothing was found" is an empty harvest: only the owner clears PIR bits, so a word that was seen
    # non-empty cannot be empty at the exchange.
    if pir_vals == 0:
        found.max_irr = apic_search_irr(vcpu)
        found.is_from_pir = False
        return found
    max_new_irr: OptVector = -1
    found.max_irr = -1
    for i in range(IRR_WORDS):
        irr_val = READ_ONCE(vcpu.lapic.irr.word[i])
        looked_at(vcpu, i)
        harvested = extract(pir_vals, i * IRR_UNIT, IRR_UNIT)
        if harvested != 0:
            prev_irr_val = irr_val
            irr_val = prev_irr_val | harvested
            if prev_irr_val != irr_val:
                # Abstraction: the loop around the cmpxchg is one locked OR: an attempt that fails changes nothing.
                prev_irr_val = fetch_or(vcpu.lapic.irr.word[i], harvested)
                looked_at(vcpu, i)
                irr_val = prev_irr_val | harvested
            vcpu.carried = vcpu.carried & ~insert(none, i * IRR_UNIT, harvested)
            if prev_irr_val != irr_val:
                max_new_irr = i * IRR_UNIT + highest(irr_val ^ prev_irr_val)
        if irr_val != 0:
            found.max_irr = i * IRR_UNIT + highest(irr_val)
    found.is_from_pir = max_new_irr != -1 and max_new_irr == found.max_irr
    return found


@function(kernel="arch/x86/kvm/lapic.c:kvm_apic_update_irr")
def kvm_apic_update_irr(vcpu: Vcpu) -> IrrUpdate:
    found: IrrUpdate
    with window("irr_update"):
        found = __kvm_apic_update_irr(vcpu)
        if not vcpu.lapic.apicv_active and found.is_from_pir:
            vcpu.lapic.irr_pending = True
    return found


# -- ISR --------------------------------------------------------------------------------------------------------------


@function(kernel="arch/x86/kvm/lapic.c:apic_find_highest_isr")
def apic_find_highest_isr(vcpu: Vcpu) -> OptVector:
    if vcpu.lapic.isr_count == 0:
        return -1
    if vcpu.lapic.highest_isr_cache != -1:
        return vcpu.lapic.highest_isr_cache
    return highest(vcpu.lapic.isr)


@function(kernel="arch/x86/kvm/lapic.c:apic_set_isr")
def apic_set_isr(vector: OptVector, vcpu: Vcpu):
    if bit(vcpu.lapic.isr, vector):
        return
    vcpu.lapic.isr = with_bit(vcpu.lapic.isr, vector, True)
    if vcpu.lapic.apicv_active:
        vmx_hwapic_isr_update(vcpu, vector)
    else:
        vcpu.lapic.isr_count = min(vcpu.lapic.isr_count + 1, VECTORS)
        vcpu.lapic.highest_isr_cache = vector


@function(kernel="arch/x86/kvm/lapic.c:apic_clear_isr")
def apic_clear_isr(vector: OptVector, vcpu: Vcpu):
    if not bit(vcpu.lapic.isr, vector):
        return
    vcpu.lapic.isr = with_bit(vcpu.lapic.isr, vector, False)
    if vcpu.lapic.apicv_active:
        vmx_hwapic_isr_update(vcpu, apic_find_highest_isr(vcpu))
    else:
        # Abstraction: the kernel stops the machine if the count gets below 0; the count stays at 0 here, so that what
        # led there shows as the wrong priority that it is.
        vcpu.lapic.isr_count = max(vcpu.lapic.isr_count - 1, 0)
        vcpu.lapic.highest_isr_cache = -1


# -- priorities -------------------------------------------------------------------------------------------------------


@function(kernel="arch/x86/kvm/lapic.c:apic_has_interrupt_for_ppr")
def apic_has_interrupt_for_ppr(vcpu: Vcpu, ppr: PriorityClass) -> OptVector:
    # Abstraction: sync_pir_to_irr is always there: a module without APICv has no posted interrupts to lose.
    highest_irr: OptVector = vmx_sync_pir_to_irr(vcpu)
    if highest_irr == -1 or class_of(highest_irr) <= ppr:
        return -1
    return highest_irr


@function(kernel="arch/x86/kvm/lapic.c:__apic_update_ppr")
def __apic_update_ppr(vcpu: Vcpu) -> bool:
    """Recompute the PPR (the value is in vcpu.lapic.ppr); true if it got lower."""
    old_ppr: PriorityClass = vcpu.lapic.ppr
    isr: OptVector = apic_find_highest_isr(vcpu)
    vcpu.lapic.ppr = max(vcpu.lapic.tpr, class_of(isr))
    return vcpu.lapic.ppr < old_ppr


@function(kernel="arch/x86/kvm/lapic.c:apic_update_ppr")
def apic_update_ppr(vcpu: Vcpu):
    if __apic_update_ppr(vcpu) and apic_has_interrupt_for_ppr(vcpu, vcpu.lapic.ppr) != -1:
        kvm_make_request(Request.KVM_REQ_EVENT, vcpu)
    else:
        kvm_lapic_update_cr8_intercept(vcpu)


@function(kernel="arch/x86/kvm/lapic.c:kvm_apic_update_ppr")
def kvm_apic_update_ppr(vcpu: Vcpu):
    apic_update_ppr(vcpu)


@function(kernel="arch/x86/kvm/lapic.c:kvm_apic_has_interrupt")
def kvm_apic_has_interrupt(vcpu: Vcpu) -> OptVector:
    __apic_update_ppr(vcpu)
    return apic_has_interrupt_for_ppr(vcpu, vcpu.lapic.ppr)


# -- acceptance, acknowledgement, EOI ---------------------------------------------------------------------------------


@function(kernel="arch/x86/kvm/lapic.c:__apic_accept_irq")
def __apic_accept_irq(vcpu: Vcpu, vector: Vector, running: bool):
    """Fixed, edge-triggered delivery.

    Abstraction: other delivery modes, the RTC status and the TMR are left out: a lost fixed edge interrupt needs none
    of them.  `running` says that the sender is the target's own thread.
    """
    vmx_deliver_interrupt(vcpu, vector, running)


@function(kernel="arch/x86/kvm/lapic.c:__apic_accept_irq")
def accept_remote_read(vcpu: Vcpu):
    """Delivery mode APIC_DM_REMRD: no interrupt, but the end of a halt."""
    vcpu.pv_unhalted = True
    with window("noted"):
        kvm_make_request(Request.KVM_REQ_EVENT, vcpu)
        kvm_vcpu_kick(vcpu, False)


@function(kernel="arch/x86/kvm/lapic.c:kvm_apic_set_irq")
def kvm_apic_set_irq(vcpu: Vcpu, vector: Vector, running: bool):
    send_begins(vcpu)
    __apic_accept_irq(vcpu, vector, running)
    send_ends(vcpu)
    event("sent", index(vcpu), vector)
    if running:
        if not vcpu.asked:
            event("unasked", index(vcpu))
        vcpu.asked = False


@function(kernel="arch/x86/kvm/lapic.c:kvm_apic_ack_interrupt")
def kvm_apic_ack_interrupt(vcpu: Vcpu, vector: OptVector):
    # Abstraction: vectors with automatic EOI (Hyper-V) are left out.
    with window("acknowledge"):
        apic_clear_irr(vector, vcpu)
        apic_set_isr(vector, vcpu)
        __apic_update_ppr(vcpu)


@function(kernel="arch/x86/kvm/lapic.c:apic_set_eoi")
def apic_set_eoi(vcpu: Vcpu):
    # Abstraction: the SynIC message and the broadcast to the IOAPIC are left out: all interrupts are edge-triggered.
    vector: OptVector = apic_find_highest_isr(vcpu)
    if vector == -1:
        return
    apic_clear_isr(vector, vcpu)
    event("eoi", index(vcpu), vector)
    apic_update_ppr(vcpu)
    kvm_make_request(Request.KVM_REQ_EVENT, vcpu)


@function(kernel="arch/x86/kvm/lapic.c:kvm_lapic_sync_to_vapic")
def kvm_lapic_sync_to_vapic(vcpu: Vcpu):
    """Before an entry: let the guest end the newest service without an exit, if nothing waits for that end."""
    # Abstraction: the TPR of old guests in memory (vapic_addr) is left out: it is a TPR write that KVM sees later.  So is
    # the refusal for vectors whose EOI the IOAPIC waits for: all interrupts are edge-triggered.
    if GUEST_PV_EOI and not vcpu.lapic.irr_pending and vcpu.lapic.highest_isr_cache != -1:
        vcpu.guest.pv_eoi = True
        vcpu.pv_eoi_pending = True


@function(kernel="arch/x86/kvm/lapic.c:kvm_lapic_sync_from_vapic")
def kvm_lapic_sync_from_vapic(vcpu: Vcpu):
    """After an exit or a cancelled entry: no EOI without an exit any more; one that was done takes effect."""
    if vcpu.pv_eoi_pending:
        vcpu.pv_eoi_pending = False
        if vcpu.guest.pv_eoi:
            vcpu.guest.pv_eoi = False
        else:
            apic_set_eoi(vcpu)


# -- APICv ------------------------------------------------------------------------------------------------------------


@function(kernel="arch/x86/kvm/lapic.c:kvm_apic_update_apicv")
def kvm_apic_update_apicv(vcpu: Vcpu):
    vcpu.lapic.irr_pending = True
    if vcpu.lapic.apicv_active:
        vcpu.lapic.isr_count = 1
        vmx_hwapic_isr_update(vcpu, apic_find_highest_isr(vcpu))
    else:
        vcpu.lapic.isr_count = popcount(vcpu.lapic.isr)
    vcpu.lapic.highest_isr_cache = -1
