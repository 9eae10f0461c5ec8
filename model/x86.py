# SPDX-License-Identifier: GPL-2.0-or-later
"""The vCPU loop: requests, injection, the last-instant part of an entry, the exit, halt, APICv updates.

Invariants
  - Interrupts are off before mode becomes IN_GUEST_MODE; mode is IN before ON and the requests are looked at.
  - An event that was popped from the IRR is owned by vcpu.interrupt until the guest has begun its handler.

References: arch/x86/kvm/x86.c.
Abstraction: asynchronous page faults, Hyper-V and Xen events, interrupt windows that userspace asks
for and a reload of the MMU are left out: each only wakes a vCPU, requests an event or aborts an entry once more, and
without it less is looked at again.  The local APIC is in the kernel and enabled.
"""

from lostirq.prelude import *
from model.host import *
from model.irq import *
from model.kvm_main import *
from model.lapic import *
from model.state import *
from model.timer import *
from model.vmx import *

# -- the loop ---------------------------------------------------------------------------------------------------------


@thread(over=VCPUS, role="vCPU", cpu=lambda i: vcpus[i].task.cpu, holds=lambda i: not vcpus[i].task.preempted)
def vcpu_thread(i: VcpuId):
    """The thread of vCPU i inside KVM_RUN, and, while in non-root mode, the guest.

    Abstraction: exits to userspace are left out where USERSPACE is not set: they end in vcpu_put and vcpu_load, which
    do almost what a preemption does.
    """
    if VCPUS > PCPUS:
        if i >= PCPUS:
            with window("switch"):
                vcpu_load(vcpus[i])
    vcpu_run(vcpus[i])


@function(kernel="arch/x86/kvm/x86.c:vcpu_run")
def vcpu_run(vcpu: Vcpu):
    while True:
        exited: bool = False
        if kvm_vcpu_running(vcpu):
            exited = vcpu_enter_guest(vcpu)
        else:
            vcpu_block(vcpu)
        stays: bool = True
        # Abstraction: a request that userspace handles (a triple fault, say) also ends here, without an entry: it comes
        # once for each time that somebody makes it, and what is pending then is pending when the vCPU comes back.
        if USERSPACE and exited:
            stays = goes_on()
        if stays:
            kvm_clear_request_unblock(vcpu)
            if TIMERS > 0:
                kvm_inject_apic_timer_irqs(vcpu)
            if USERSPACE:
                stays = goes_on()
        if not stays:
            with window("switch"):
                exit_to_userspace(vcpu)
                vcpu_load(vcpu)


@function(kernel="arch/x86/kvm/x86.c:vcpu_run")
def goes_on() -> bool:
    """False: an exit that userspace has to handle (r <= 0), or, at the end of a turn, a signal."""
    match choose():
        case "stay":
            return True
        case "exit to userspace":
            unfair()
            return False


@function(kernel="arch/x86/kvm/x86.c:kvm_vcpu_running")
def kvm_vcpu_running(vcpu: Vcpu) -> bool:
    return vcpu.mp_state == MpState.RUNNABLE


@function(kernel="arch/x86/kvm/x86.c:kvm_vcpu_exit_request")
def kvm_vcpu_exit_request(vcpu: Vcpu) -> bool:
    # Abstraction: work of the host (a signal, need_resched) is left out: all it does is to abort the entry, as a
    # request does.
    return READ_ONCE(vcpu.mode) == Mode.EXITING_GUEST_MODE or kvm_request_pending(vcpu)


# -- entry ------------------------------------------------------------------------------------------------------------


@function(kernel="arch/x86/kvm/x86.c:vcpu_enter_guest")
def vcpu_enter_guest(vcpu: Vcpu) -> bool:
    """True: the guest was entered, and has exited; false: the entry was given up."""
    req_immediate_exit: bool = False
    if kvm_request_pending(vcpu):
        kvm_check_request(Request.KVM_REQ_OTHER, vcpu)
        if kvm_check_request(Request.KVM_REQ_APICV_UPDATE, vcpu):
            kvm_vcpu_update_apicv(vcpu)
    if kvm_check_request(Request.KVM_REQ_EVENT, vcpu):
        req_immediate_exit = kvm_check_and_inject_events(vcpu)
        kvm_lapic_update_cr8_intercept(vcpu)
        kvm_lapic_sync_to_vapic(vcpu)

    preempt_disable(vcpu)
    local_irq_disable(vcpu)
    exit_request: bool = False
    looks(vcpu, True)
    smp_store_release(vcpu.mode, Mode.IN_GUEST_MODE)
    with window("entry"):
        srcu_read_unlock()
        vmx_sync_pir_to_irr(vcpu)
        with window("synced"):
            exit_request = kvm_vcpu_exit_request(vcpu)
    if exit_request:
        vcpu.mode = Mode.OUTSIDE_GUEST_MODE
        smp_wmb()
        local_irq_enable(vcpu)
        preempt_enable(vcpu)
        srcu_read_lock()
        with window("cancel"):
            cancel_injection(vcpu, req_immediate_exit)
        return False
    if req_immediate_exit:
        with window("synced"):
            kvm_make_request(Request.KVM_REQ_EVENT, vcpu)

    exit_reason: ExitReason = ExitReason.NONE
    exit_fastpath: Fastpath = Fastpath.NONE
    while True:
        exit_reason = vmx_vcpu_run(vcpu, req_immediate_exit)
        with window("fastpath"):
            exit_fastpath = vmx_exit_handlers_fastpath(vcpu, exit_reason)
            if exit_fastpath != Fastpath.REENTER_GUEST:
                break
            looks(vcpu, True)
            vmx_sync_pir_to_irr(vcpu)
            with window("synced"):
                exit_request = kvm_vcpu_exit_request(vcpu)
            if exit_request:
                exit_fastpath = Fastpath.EXIT_HANDLED
                break
            req_immediate_exit = False

    looks(vcpu, False)
    vcpu.mode = Mode.OUTSIDE_GUEST_MODE
    smp_wmb()
    vmx_handle_exit_irqoff(vcpu, exit_reason)
    # Abstraction: interrupts are enabled once more instead of twice: between the two only time is accounted.
    local_irq_enable(vcpu)
    step()
    preempt_enable(vcpu)
    srcu_read_lock()
    kvm_lapic_sync_from_vapic(vcpu)
    vmx_handle_exit(vcpu, exit_reason, exit_fastpath)
    return True


@function(kernel="arch/x86/kvm/x86.c:vcpu_enter_guest")
def cancel_injection(vcpu: Vcpu, req_immediate_exit: bool):
    """The label cancel_injection of vcpu_enter_guest."""
    looks(vcpu, False)
    if req_immediate_exit:
        kvm_make_request(Request.KVM_REQ_EVENT, vcpu)
    vmx_cancel_injection(vcpu)
    kvm_lapic_sync_from_vapic(vcpu)


# -- events -----------------------------------------------------------------------------------------------------------


@function(kernel="arch/x86/kvm/x86.h:kvm_queue_interrupt")
def kvm_queue_interrupt(vcpu: Vcpu, vector: OptVector):
    vcpu.interrupt.injected = vector
    vcpu.carried = with_bit(vcpu.carried, vector, False)


@function(kernel="arch/x86/kvm/x86.c:kvm_check_and_inject_events")
def kvm_check_and_inject_events(vcpu: Vcpu) -> bool:
    """Re-inject, or inject the highest interrupt; true: enter and exit at once, there is more to do.

    Abstraction: exceptions, NMI, SMI and nested events are left out.
    """
    if vcpu.interrupt.injected != -1:
        vmx_inject_irq(vcpu)
    can_inject: bool = vcpu.interrupt.injected == -1
    if kvm_cpu_has_injectable_intr(vcpu):
        if not can_inject:
            return True
        if vmx_interrupt_allowed(vcpu):
            irq: OptVector = kvm_cpu_get_interrupt(vcpu)
            if irq != -1:
                kvm_queue_interrupt(vcpu, irq)
                vmx_inject_irq(vcpu)
        if kvm_cpu_has_injectable_intr(vcpu):
            vmx_enable_irq_window(vcpu)
    return False


@function(kernel="arch/x86/kvm/lapic.c:kvm_lapic_update_cr8_intercept")
def kvm_lapic_update_cr8_intercept(vcpu: Vcpu):
    if vcpu.lapic.apicv_active:
        return
    max_irr: OptVector = kvm_lapic_find_highest_irr(vcpu)
    vmx_update_cr8_intercept(vcpu, vcpu.lapic.tpr, max_irr)


# -- halt -------------------------------------------------------------------------------------------------------------


@function(kernel="arch/x86/kvm/x86.c:kvm_vcpu_has_events")
def kvm_vcpu_has_events(vcpu: Vcpu) -> bool:
    # Abstraction: NMI, SMI, PMI, INIT, SIPI and exceptions are left out: each only ends a halt, and what ends a halt for
    # another reason hides no interrupt from the next one.
    return vmx_interrupt_allowed(vcpu) and kvm_cpu_has_interrupt(vcpu)


@function(kernel="arch/x86/kvm/x86.c:kvm_arch_vcpu_runnable")
def kvm_arch_vcpu_runnable(vcpu: Vcpu) -> bool:
    return kvm_vcpu_running(vcpu) or vcpu.pv_unhalted or kvm_vcpu_has_events(vcpu)


@function(kernel="arch/x86/kvm/x86.h:kvm_set_mp_state")
def set_runnable(vcpu: Vcpu):
    vcpu.mp_state = MpState.RUNNABLE
    vcpu.pv_unhalted = False


@function(kernel="arch/x86/kvm/x86.c:__kvm_emulate_halt")
def kvm_emulate_halt(vcpu: Vcpu):
    # Skipping the instruction ends the shadow of an STI before it.
    vcpu.guest.sti_shadow = False
    if kvm_vcpu_has_events(vcpu) or vcpu.pv_unhalted:
        set_runnable(vcpu)
        event("unhalt", index(vcpu))
    else:
        vcpu.mp_state = MpState.HALTED
        event("halt", index(vcpu))


@function(kernel="arch/x86/kvm/x86.c:handle_fastpath_hlt")
def handle_fastpath_hlt(vcpu: Vcpu) -> Fastpath:
    kvm_emulate_halt(vcpu)
    if kvm_vcpu_running(vcpu):
        return Fastpath.REENTER_GUEST
    return Fastpath.EXIT_HANDLED


@function(kernel="arch/x86/kvm/x86.c:handle_fastpath_wrmsr")
def handle_fastpath_wrmsr(vcpu: Vcpu) -> Fastpath:
    # Abstraction: the only destination is the vCPU itself: an IPI to another vCPU is a software sender for that one.
    vector: Vector = choose(Vector)
    kvm_apic_set_irq(vcpu, vector, True)
    return Fastpath.REENTER_GUEST


@function(kernel="arch/x86/kvm/lapic.c:kvm_apic_send_ipi")
def kvm_apic_send_self_ipi(vcpu: Vcpu):
    vector: Vector = choose(Vector)
    kvm_apic_set_irq(vcpu, vector, True)


@function(kernel="arch/x86/kvm/x86.c:vcpu_block")
def vcpu_block(vcpu: Vcpu):
    # Abstraction: the hypervisor timer, nested events, INIT and SIPI are left out.
    if not kvm_arch_vcpu_runnable(vcpu):
        srcu_read_unlock()
        kvm_vcpu_halt(vcpu)
        srcu_read_lock()
        if not kvm_arch_vcpu_runnable(vcpu):
            return
    set_runnable(vcpu)
    event("unhalt", index(vcpu))


# -- load and put -----------------------------------------------------------------------------------------------------


@function(kernel="arch/x86/kvm/x86.c:kvm_arch_vcpu_put")
def kvm_arch_vcpu_put(vcpu: Vcpu, preempted: bool):
    # Abstraction: steal time is left out, and with it the fences of its srcu section: the model is the stricter.
    vmx_vcpu_pi_put(vcpu, preempted)


@function(kernel="arch/x86/kvm/x86.c:kvm_arch_vcpu_load")
def kvm_arch_vcpu_load(vcpu: Vcpu, cpu: CpuId):
    with window("load"):
        vmx_vcpu_pi_load(vcpu, cpu)
        if vcpu.cpu != cpu:
            vcpu.cpu = cpu
        # Abstraction: KVM_REQ_MIGRATE_TIMER and KVM_REQ_STEAL_UPDATE are one request without effect, and only in
        # scenarios with SCHED_IN_REQUESTS: it aborts the next entry, so that without it the model is the stricter.
        if SCHED_IN_REQUESTS:
            kvm_make_request(Request.KVM_REQ_OTHER, vcpu)


# -- APICv ------------------------------------------------------------------------------------------------------------


@function(kernel="arch/x86/kvm/x86.c:kvm_vcpu_update_apicv")
def kvm_vcpu_update_apicv(vcpu: Vcpu):
    __kvm_vcpu_update_apicv(vcpu)


@function(kernel="arch/x86/kvm/x86.c:__kvm_vcpu_update_apicv")
def __kvm_vcpu_update_apicv(vcpu: Vcpu):
    # Abstraction: a thread that waits for the lock waits here; in the kernel it sleeps, which a preemption at this
    # point does as well (it is not blocking in the sense of KVM, so SN is set either way).
    down_read_apicv_update_lock()
    preempt_disable(vcpu)
    activate: bool = READ_ONCE(kvm.apicv_inhibit_reasons) == 0
    if vcpu.lapic.apicv_active != activate:
        vcpu.lapic.apicv_active = activate
        with window("update_apicv"):
            kvm_apic_update_apicv(vcpu)
            vmx_refresh_apicv_exec_ctrl(vcpu)
        if not vcpu.lapic.apicv_active:
            kvm_make_request(Request.KVM_REQ_EVENT, vcpu)
    preempt_enable(vcpu)
    up_read_apicv_update_lock()


@function(kernel="kernel/locking/rwsem.c:down_read")
def down_read_apicv_update_lock():
    with atomic():
        wait(not kvm.apicv_update_writer)
        kvm.apicv_update_readers += 1


@function(kernel="kernel/locking/rwsem.c:up_read")
def up_read_apicv_update_lock():
    with atomic():
        kvm.apicv_update_readers -= 1


@function(kernel="kernel/locking/rwsem.c:down_write")
def down_write_apicv_update_lock():
    with atomic():
        wait(not kvm.apicv_update_writer and kvm.apicv_update_readers == 0)
        kvm.apicv_update_writer = True


@function(kernel="kernel/locking/rwsem.c:up_write")
def up_write_apicv_update_lock():
    lock_set(kvm.apicv_update_writer, False)


@function(kernel="arch/x86/kvm/x86.c:__kvm_set_or_clear_apicv_inhibit")
def __kvm_set_or_clear_apicv_inhibit(reason: Reason, inhibit: bool):
    # Abstraction: one reason per thread that toggles, each of them one that this module honours.  IRQWIN, which comes and
    # goes with a count of its own, is of AVIC.  Zapping the APIC access page is left out: it is a page-table change.
    old: Bits[REASONS] = kvm.apicv_inhibit_reasons
    new: Bits[REASONS] = with_bit(old, reason, inhibit)
    if (old != 0) != (new != 0):
        kvm_make_all_cpus_request(Request.KVM_REQ_APICV_UPDATE)
        kvm.apicv_inhibit_reasons = new
    else:
        kvm.apicv_inhibit_reasons = new


@function(kernel="arch/x86/kvm/x86.c:kvm_set_or_clear_apicv_inhibit")
def kvm_set_or_clear_apicv_inhibit(reason: Reason, inhibit: bool):
    down_write_apicv_update_lock()
    kvm.inhibits = with_bit(kvm.inhibits, reason, False)
    __kvm_set_or_clear_apicv_inhibit(reason, inhibit)
    up_write_apicv_update_lock()
    kvm.inhibits = with_bit(kvm.inhibits, reason, inhibit)
