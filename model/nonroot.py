# SPDX-License-Identifier: GPL-2.0-or-later
"""The processor in VMX non-root mode and the most general guest.

Invariants
  - Pending virtual interrupts are evaluated at VM entry and by TPR, EOI, self-IPI virtualization and posted-interrupt
    processing, and by nothing else; what was recognised stays latched until delivery or VM exit.
  - A recognised and unblocked virtual interrupt is the guest's only step.
  - Choices of the guest are never forced; arrivals are strongly fair.

References: Intel SDM vol. 3, "APIC virtualization and virtual interrupts" and "VM entries", "VM exits".
Abstraction: the processor changes a word of the virtual-APIC page in one locked step.  This is an assumption on
hardware, which the SDM does not spell out: a sender that saw APICv inactive may set an IRR bit of a guest that runs
with it active, and that bit is safe only if no write of the processor overwrites it.
"""

from lostirq.prelude import *
from model.state import *

# -- rules ------------------------------------------------------------------------------------------------------------


@function(hardware="SDM: PPR virtualization")
def virtualize_ppr(vcpu: Vcpu):
    vcpu.lapic.ppr = max(vcpu.lapic.tpr, class_of(vcpu.vmcs.svi))


@function(hardware="SDM: evaluation of pending virtual interrupts")
def evaluate_pending_virtual_interrupts(vcpu: Vcpu):
    vcpu.guest.recognised = not vcpu.vmcs.interrupt_window_exiting and class_of(vcpu.vmcs.rvi) > vcpu.lapic.ppr


@function(hardware="SDM: VM entries, loading guest state")
def vm_entry(vcpu: Vcpu):
    """Entry serialises: the store buffer is drained before anything else."""
    with window("synced"):
        drain()
    event("entry", index(vcpu))
    if vcpu.vmcs.virtual_interrupt_delivery:
        virtualize_ppr(vcpu)
        evaluate_pending_virtual_interrupts(vcpu)


@function(hardware="SDM: VM exits, saving guest state")
def vm_exit(vcpu: Vcpu):
    """What was recognised is forgotten; the next entry evaluates anew."""
    vcpu.guest.recognised = False
    looks(vcpu, False)


@function(hardware="SDM: interrupt and exception handling, the IDT")
def enter_handler(vcpu: Vcpu, vector: OptVector):
    event("enter", index(vcpu), vector)
    vcpu.serving = with_bit(vcpu.serving, vector, True)
    vcpu.guest.interrupt_flag = False
    vcpu.guest.sti_shadow = False


@function(hardware="SDM: event delivery through the IDT")
def deliver_event(vcpu: Vcpu, vector: OptVector) -> bool:
    """Vector through the IDT; true: an exit interrupted it, the vector is in the IDT-vectoring information."""
    if GUEST_VECTORING:
        vcpu.vmcs.idt_vectoring = vector
        strong()
        match choose():
            case "delivery completes":
                step()
                vcpu.vmcs.idt_vectoring = -1
            case "delivery causes an exit":
                unfair()
                return True
    enter_handler(vcpu, vector)
    return False


@function(hardware="SDM: virtual-interrupt delivery")
def deliver_virtual_interrupt(vcpu: Vcpu) -> bool:
    """Deliver the virtual interrupt in RVI; true: an exit interrupted the delivery."""
    vector: OptVector = -1
    with atomic():
        vector = vcpu.vmcs.rvi
        vcpu.lapic.isr = with_bit(vcpu.lapic.isr, vector, True)
        vcpu.vmcs.svi = vector
        vcpu.lapic.ppr = class_of(vector)
        clear_bit(vcpu.lapic.irr, vector)
        vcpu.vmcs.rvi = highest(bits(vcpu.lapic.irr))
        vcpu.late = 0
        vcpu.guest.recognised = False
    return deliver_event(vcpu, vector)


@function(hardware="SDM: EOI virtualization")
def virtualize_eoi(vcpu: Vcpu):
    # Abstraction: the EOI-exit bitmap is empty: no interrupt is level-triggered.
    vector: OptVector = vcpu.vmcs.svi
    vcpu.lapic.isr = with_bit(vcpu.lapic.isr, vector, False)
    vcpu.vmcs.svi = highest(vcpu.lapic.isr)
    event("eoi", index(vcpu), vector)
    virtualize_ppr(vcpu)
    evaluate_pending_virtual_interrupts(vcpu)


@function(hardware="SDM: TPR virtualization")
def virtualize_tpr(vcpu: Vcpu) -> bool:
    """After a write of the TPR; true: it is below the threshold, which exits."""
    if not vcpu.vmcs.virtual_interrupt_delivery:
        return vcpu.lapic.tpr < vcpu.vmcs.tpr_threshold
    virtualize_ppr(vcpu)
    evaluate_pending_virtual_interrupts(vcpu)
    return False


@function(hardware="SDM: self-IPI virtualization")
def virtualize_self_ipi(vcpu: Vcpu, vector: Vector):
    if test_and_set_bit(vcpu.lapic.irr, vector):
        event("merge", index(vcpu), vector)
    else:
        event("accept", index(vcpu), vector)
    vcpu.late = with_bit(vcpu.late, vector, False)
    vcpu.vmcs.rvi = max(vcpu.vmcs.rvi, vector)
    evaluate_pending_virtual_interrupts(vcpu)


@function(hardware="SDM: posted-interrupt processing")
def process_posted_interrupts(vcpu: Vcpu):
    """The notification was accepted: clear ON, then move the PIR to the virtual IRR, then evaluate.

    Abstraction: the acknowledgement at the physical APIC and the clearing of ON are one step: a poster that comes
    between them sees ON set and leaves the notification to the harvest that follows, as if it had come before both.
    """
    found: OptVector = -1
    with atomic():
        pcpus[vcpu.task.cpu].apic.posted_intr = False
        vcpu.pi_desc.control.on = False
    with window("hw_harvest"):
        for k in range(PIR_WORDS):
            with atomic():
                posted = vcpu.pi_desc.pir.word[k]
                vcpu.pi_desc.pir.word[k] = 0
                irr_or(vcpu, k, posted)
                if posted != 0:
                    found = k * PIR_UNIT + highest(posted)
    vcpu.vmcs.rvi = max(vcpu.vmcs.rvi, found)
    evaluate_pending_virtual_interrupts(vcpu)


@function(hardware="SDM: posted-interrupt processing")
def irr_or(vcpu: Vcpu, k: Int[0, PIR_WORDS - 1], posted: Bits[PIR_UNIT]):
    """VIRR |= one word of the PIR, whatever the widths of the two."""
    none: VectorSet = 0
    vectors: VectorSet = insert(none, k * PIR_UNIT, posted)
    vcpu.late = vcpu.late & ~vectors
    for i in range(IRR_WORDS):
        vcpu.lapic.irr.word[i] = vcpu.lapic.irr.word[i] | extract(vectors, i * IRR_UNIT, IRR_UNIT)


# -- the guest --------------------------------------------------------------------------------------------------------


@function(kernel="arch/x86/kvm/vmx/vmx.c:vmx_vcpu_enter_exit")
def vmx_vcpu_enter_exit(vcpu: Vcpu, force_immediate_exit: bool) -> ExitReason:
    vm_entry(vcpu)
    reason: ExitReason = ExitReason.NONE
    with window("guest"):
        reason = run_guest(vcpu, force_immediate_exit)
    vm_exit(vcpu)
    return reason


@function(hardware="SDM: VM entries; priority among VM exits and events at an instruction boundary")
def run_guest(vcpu: Vcpu, force_immediate_exit: bool) -> ExitReason:
    if vcpu.vmcs.entry_interruption != -1:
        vector: OptVector = vcpu.vmcs.entry_interruption
        vcpu.vmcs.entry_interruption = -1
        if deliver_event(vcpu, vector):
            return ExitReason.OTHER
    if not vcpu.vmcs.virtual_interrupt_delivery and vcpu.lapic.tpr < vcpu.vmcs.tpr_threshold:
        return ExitReason.TPR_BELOW_THRESHOLD
    if force_immediate_exit:
        return ExitReason.PREEMPTION_TIMER
    reason: ExitReason = ExitReason.NONE
    while True:
        open_window: bool = vcpu.guest.interrupt_flag and not vcpu.guest.sti_shadow
        if open_window and vcpu.vmcs.interrupt_window_exiting:
            reason = ExitReason.INTERRUPT_WINDOW
            break
        if open_window and vcpu.guest.recognised:
            # Abstraction: exits that go before it (NMI, preemption timer) are left out here: the interrupt stays in RVI
            # and IRR, as at an exit with IF clear, and the next entry evaluates it anew.
            step()
            if deliver_virtual_interrupt(vcpu):
                reason = ExitReason.OTHER
                break
        else:
            with window("boundary"):
                reason = guest_instruction(vcpu)
            if reason != ExitReason.NONE:
                break
    return reason


@function(hardware="SDM: instructions and arrivals at an instruction boundary")
def guest_instruction(vcpu: Vcpu) -> ExitReason:
    """One instruction of the most general guest, or one arrival; NONE: it stays in the guest.

    Abstraction: what the guest does besides has no effect on its interrupts.  An EOI with nothing in service changes
    nothing; where it exits, it is an exit like others.  A TPR write that exits (without TPR shadow, or by MMIO) does
    what the exit below the threshold does, for values that need no exit here: this processor is the stricter.
    """
    match choose():
        case "next instruction":
            unfair()
            vcpu.guest.sti_shadow = False
            return ExitReason.NONE
        case "iret" if not vcpu.guest.interrupt_flag:
            unfair()
            vcpu.guest.interrupt_flag = True
            return ExitReason.NONE
        case "cli" if GUEST_CLI and vcpu.guest.interrupt_flag:
            unfair()
            vcpu.guest.interrupt_flag = False
            vcpu.guest.sti_shadow = False
            return ExitReason.NONE
        case "sti" if GUEST_STI and not vcpu.guest.interrupt_flag:
            unfair()
            vcpu.guest.interrupt_flag = True
            vcpu.guest.sti_shadow = True
            return ExitReason.NONE
        case "write of the TPR" if GUEST_TPR:
            unfair()
            return guest_write_tpr(vcpu)
        case "EOI" if GUEST_EOI and vcpu.lapic.isr != 0:
            unfair()
            return guest_eoi(vcpu)
        case "EOI by MSR" if GUEST_HV_EOI and vcpu.lapic.isr != 0:
            unfair()
            return guest_hyperv_eoi(vcpu)
        case "self-IPI" if GUEST_SELF_IPI:
            unfair()
            return guest_self_ipi(vcpu)
        case "ICR write" if GUEST_ICR:
            unfair()
            vcpu.guest.sti_shadow = False
            vcpu.asked = True
            return ExitReason.ICR
        case "hlt" if GUEST_HLT:
            unfair()
            return ExitReason.HLT
        case "exit" if GUEST_EXIT:
            unfair()
            return ExitReason.OTHER
        case "posted interrupt notification" if pcpus[vcpu.task.cpu].apic.posted_intr:
            strong()
            return accept_notification(vcpu)
        case "posted interrupt wakeup" if pcpus[vcpu.task.cpu].apic.wakeup:
            strong()
            return exit_on_interrupt(vcpu, HostVector.POSTED_INTR_WAKEUP)
        case "reschedule" if pcpus[vcpu.task.cpu].apic.reschedule:
            strong()
            return exit_on_interrupt(vcpu, HostVector.RESCHEDULE)
        case "call function" if pcpus[vcpu.task.cpu].apic.call_function:
            strong()
            return exit_on_interrupt(vcpu, HostVector.CALL_FUNCTION)


@function(hardware="SDM: external interrupts in VMX non-root operation")
def exit_on_interrupt(vcpu: Vcpu, vector: HostVector) -> ExitReason:
    """An exit that acknowledges the interrupt: software finds its vector in the VM-exit interruption information."""
    if vector == HostVector.POSTED_INTR:
        lock_set(pcpus[vcpu.task.cpu].apic.posted_intr, False)
    if vector == HostVector.POSTED_INTR_WAKEUP:
        lock_set(pcpus[vcpu.task.cpu].apic.wakeup, False)
    if vector == HostVector.RESCHEDULE:
        lock_set(pcpus[vcpu.task.cpu].apic.reschedule, False)
    if vector == HostVector.CALL_FUNCTION:
        lock_set(pcpus[vcpu.task.cpu].apic.call_function, False)
    vcpu.vmcs.exit_interruption = vector
    return ExitReason.EXTERNAL_INTERRUPT


@function(hardware="SDM: external interrupts in VMX non-root operation")
def accept_notification(vcpu: Vcpu) -> ExitReason:
    if vcpu.vmcs.posted_interrupts:
        process_posted_interrupts(vcpu)
        return ExitReason.NONE
    return exit_on_interrupt(vcpu, HostVector.POSTED_INTR)


@function(hardware="SDM: MOV to CR8 with a TPR shadow")
def guest_write_tpr(vcpu: Vcpu) -> ExitReason:
    tpr: PriorityClass = choose(PriorityClass)
    vcpu.guest.sti_shadow = False
    vcpu.lapic.tpr = tpr
    if virtualize_tpr(vcpu):
        return ExitReason.TPR_BELOW_THRESHOLD
    return ExitReason.NONE


@function(hardware="SDM: virtualizing writes of the EOI register")
def guest_eoi(vcpu: Vcpu) -> ExitReason:
    vcpu.guest.sti_shadow = False
    vcpu.serving = with_bit(vcpu.serving, highest(vcpu.serving), False)
    if vcpu.guest.pv_eoi:
        # The guest found the flag set: it clears it and does not touch its APIC.
        vcpu.guest.pv_eoi = False
        return ExitReason.NONE
    if not vcpu.vmcs.virtual_interrupt_delivery:
        return ExitReason.EOI
    virtualize_eoi(vcpu)
    return ExitReason.NONE


@function(hardware="TLFS: EOI by a synthetic MSR, which the VMCS does not let through")
def guest_hyperv_eoi(vcpu: Vcpu) -> ExitReason:
    """HV_X64_MSR_EOI: the processor knows nothing of it, KVM does the EOI, also while APICv is active."""
    vcpu.guest.sti_shadow = False
    vcpu.serving = with_bit(vcpu.serving, highest(vcpu.serving), False)
    return ExitReason.EOI


@function(hardware="SDM: virtualizing writes of the SELF IPI register")
def guest_self_ipi(vcpu: Vcpu) -> ExitReason:
    vcpu.guest.sti_shadow = False
    if not vcpu.vmcs.virtual_interrupt_delivery:
        vcpu.asked = True
        return ExitReason.SELF_IPI
    vector: Vector = choose(Vector)
    virtualize_self_ipi(vcpu, vector)
    return ExitReason.NONE
