# SPDX-License-Identifier: GPL-2.0-or-later
"""VMX: posting or IRR delivery, PIR to IRR, RVI and SVI, injection and its cancellation, exits.

Invariants
  - The VMCS is touched only by the thread that has it loaded; what is done to it is private computation.
  - vmx_sync_pir_to_irr writes RVI whenever APICv is active, even if nothing was harvested.

References: arch/x86/kvm/vmx/vmx.c.
Abstraction: nested virtualization is left out everywhere (is_guest_mode is false): the core model has one level.
"""

from lostirq.prelude import *
from model.lapic import *
from model.nonroot import *
from model.posted_intr import *
from model.state import *

# -- delivery ---------------------------------------------------------------------------------------------------------


@function(kernel="arch/x86/kvm/vmx/vmx.c:vmx_deliver_posted_interrupt")
def vmx_deliver_posted_interrupt(vcpu: Vcpu, vector: Vector, running: bool) -> bool:
    """False: APICv is not active, deliver through the IRR."""
    if not vcpu.lapic.apicv_active:
        return False
    __vmx_deliver_posted_interrupt(vcpu, vector, running)
    return True


@function(kernel="arch/x86/kvm/vmx/vmx.c:vmx_deliver_interrupt")
def vmx_deliver_interrupt(vcpu: Vcpu, vector: Vector, running: bool):
    if not vmx_deliver_posted_interrupt(vcpu, vector, running):
        kvm_lapic_set_irr(vector, vcpu)
        begins(vcpu, Window.KICK)
        with window("kick"):
            kvm_make_request(Request.KVM_REQ_EVENT, vcpu)
            kvm_vcpu_kick(vcpu, running)
            ends(vcpu, Window.KICK)


# -- synchronisation --------------------------------------------------------------------------------------------------


@function(kernel="arch/x86/kvm/vmx/vmx.c:vmx_set_rvi")
def vmx_set_rvi(vcpu: Vcpu, vector: OptVector):
    vcpu.vmcs.rvi = vector


@function(kernel="arch/x86/kvm/vmx/vmx.c:vmx_hwapic_isr_update")
def vmx_hwapic_isr_update(vcpu: Vcpu, max_isr: OptVector):
    vcpu.vmcs.svi = max_isr


@function(kernel="arch/x86/kvm/vmx/vmx.c:vmx_sync_pir_to_irr")
def vmx_sync_pir_to_irr(vcpu: Vcpu) -> OptVector:
    max_irr: OptVector = -1
    max_irr_is_from_pir: bool = False
    if vcpu.pi_desc.control.on:
        lock_set(vcpu.pi_desc.control.on, False)
        smp_mb__after_atomic()
        found: IrrUpdate = kvm_apic_update_irr(vcpu)
        max_irr = found.max_irr
        max_irr_is_from_pir = found.is_from_pir
    else:
        max_irr = kvm_lapic_find_highest_irr(vcpu)
        max_irr_is_from_pir = False
    if vcpu.lapic.apicv_active:
        vmx_set_rvi(vcpu, max_irr)
    elif max_irr_is_from_pir:
        kvm_make_request(Request.KVM_REQ_EVENT, vcpu)
    return max_irr


# -- APICv controls ---------------------------------------------------------------------------------------------------


@function(kernel="arch/x86/kvm/vmx/vmx.c:vmx_refresh_apicv_exec_ctrl")
def vmx_refresh_apicv_exec_ctrl(vcpu: Vcpu):
    vcpu.vmcs.posted_interrupts = vcpu.lapic.apicv_active
    vcpu.vmcs.virtual_interrupt_delivery = vcpu.lapic.apicv_active
    if not vcpu.lapic.apicv_active and not STALE_STATUS:
        # Abstraction: the guest interrupt status keeps its value in the hardware.  It is not looked at while virtual
        # interrupt delivery is off, and it is written before the next entry with it on (SVI by kvm_apic_update_apicv,
        # RVI by the synchronisation); STALE_STATUS keeps it, to show that nothing depends on this.
        vcpu.vmcs.rvi = -1
        vcpu.vmcs.svi = -1


# -- injection --------------------------------------------------------------------------------------------------------


@function(kernel="arch/x86/kvm/vmx/vmx.c:__vmx_interrupt_blocked")
def vmx_interrupt_blocked(vcpu: Vcpu) -> bool:
    # Abstraction: blocking by MOV SS is left out: it differs from blocking by STI only in how it starts.
    return not vcpu.guest.interrupt_flag or vcpu.guest.sti_shadow


@function(kernel="arch/x86/kvm/vmx/vmx.c:vmx_interrupt_allowed")
def vmx_interrupt_allowed(vcpu: Vcpu) -> bool:
    return not vmx_interrupt_blocked(vcpu)


@function(kernel="arch/x86/kvm/vmx/vmx.c:vmx_inject_irq")
def vmx_inject_irq(vcpu: Vcpu):
    vcpu.vmcs.entry_interruption = vcpu.interrupt.injected


@function(kernel="arch/x86/kvm/vmx/vmx.c:vmx_enable_irq_window")
def vmx_enable_irq_window(vcpu: Vcpu):
    vcpu.vmcs.interrupt_window_exiting = True


@function(kernel="arch/x86/kvm/vmx/vmx.c:vmx_update_cr8_intercept")
def vmx_update_cr8_intercept(vcpu: Vcpu, tpr: PriorityClass, irr: OptVector):
    vcpu.vmcs.tpr_threshold = 0 if irr == -1 or tpr < class_of(irr) else class_of(irr)


@function(kernel="arch/x86/kvm/vmx/vmx.c:__vmx_complete_interrupts")
def __vmx_complete_interrupts(vcpu: Vcpu, idt_vectoring_info: OptVector):
    vcpu.interrupt.injected = -1
    if idt_vectoring_info == -1:
        return
    kvm_make_request(Request.KVM_REQ_EVENT, vcpu)
    kvm_queue_interrupt(vcpu, idt_vectoring_info)


@function(kernel="arch/x86/kvm/vmx/vmx.c:vmx_complete_interrupts")
def vmx_complete_interrupts(vcpu: Vcpu):
    __vmx_complete_interrupts(vcpu, vcpu.vmcs.idt_vectoring)
    # Abstraction: the field is dead once it was read; the next exit writes it.
    vcpu.vmcs.idt_vectoring = -1


@function(kernel="arch/x86/kvm/vmx/vmx.c:vmx_cancel_injection")
def vmx_cancel_injection(vcpu: Vcpu):
    __vmx_complete_interrupts(vcpu, vcpu.vmcs.entry_interruption)
    vcpu.vmcs.entry_interruption = -1


# -- entry and exits --------------------------------------------------------------------------------------------------


@function(kernel="arch/x86/kvm/vmx/vmx.c:vmx_vcpu_run")
def vmx_vcpu_run(vcpu: Vcpu, force_immediate_exit: bool) -> ExitReason:
    """Run the guest until it exits; the event that the exit interrupted is back in software's hands."""
    exit_reason: ExitReason = vmx_vcpu_enter_exit(vcpu, force_immediate_exit)
    vmx_complete_interrupts(vcpu)
    return exit_reason


@function(kernel="arch/x86/kvm/vmx/vmx.c:vmx_exit_handlers_fastpath")
def vmx_exit_handlers_fastpath(vcpu: Vcpu, exit_reason: ExitReason) -> Fastpath:
    # Abstraction: the timer (TSC_DEADLINE, preemption timer) and INVD are left out.  A preemption-timer exit is always
    # the forced immediate one; without that timer KVM sends itself a reschedule IPI, which exits at that boundary too.
    # In the kernel, vmx_vcpu_run calls this function as its last act.  HLT and ICR writes that the PMU keeps from the
    # fastpath run the same code after the exit, with mode OUTSIDE: what they miss, vcpu_block or the entry looks for.
    if exit_reason == ExitReason.ICR:
        return handle_fastpath_wrmsr(vcpu)
    if exit_reason == ExitReason.PREEMPTION_TIMER:
        return Fastpath.EXIT_HANDLED
    if exit_reason == ExitReason.HLT:
        return handle_fastpath_hlt(vcpu)
    return Fastpath.NONE


@function(kernel="arch/x86/kvm/vmx/vmx.c:vmx_handle_exit_irqoff")
def vmx_handle_exit_irqoff(vcpu: Vcpu, exit_reason: ExitReason):
    if exit_reason == ExitReason.EXTERNAL_INTERRUPT:
        handle_external_interrupt_irqoff(vcpu)


@function(kernel="arch/x86/kvm/vmx/vmx.c:handle_external_interrupt_irqoff")
def handle_external_interrupt_irqoff(vcpu: Vcpu):
    vector: HostVector = vcpu.vmcs.exit_interruption
    # Abstraction: the field is dead once it was read.
    vcpu.vmcs.exit_interruption = HostVector.NONE
    if vector == HostVector.POSTED_INTR:
        sysvec_kvm_posted_intr_ipi()
    if vector == HostVector.RESCHEDULE:
        sysvec_reschedule_ipi()
    if vector == HostVector.POSTED_INTR_WAKEUP:
        pi_wakeup_handler(vcpu.task.cpu)
    if vector == HostVector.CALL_FUNCTION:
        sysvec_call_function(vcpu.task.cpu)


@function(kernel="arch/x86/kvm/vmx/vmx.c:handle_interrupt_window")
def handle_interrupt_window(vcpu: Vcpu):
    vcpu.vmcs.interrupt_window_exiting = False
    kvm_make_request(Request.KVM_REQ_EVENT, vcpu)


@function(kernel="arch/x86/kvm/vmx/vmx.c:handle_tpr_below_threshold")
def handle_tpr_below_threshold(vcpu: Vcpu):
    kvm_apic_update_ppr(vcpu)


@function(kernel="arch/x86/kvm/vmx/vmx.c:vmx_handle_exit")
def vmx_handle_exit(vcpu: Vcpu, exit_reason: ExitReason, exit_fastpath: Fastpath):
    if exit_fastpath != Fastpath.NONE:
        return
    if exit_reason == ExitReason.INTERRUPT_WINDOW:
        handle_interrupt_window(vcpu)
    if exit_reason == ExitReason.TPR_BELOW_THRESHOLD:
        handle_tpr_below_threshold(vcpu)
    if exit_reason == ExitReason.EOI:
        apic_set_eoi(vcpu)
    if exit_reason == ExitReason.SELF_IPI:
        kvm_apic_send_self_ipi(vcpu)
