# SPDX-License-Identifier: GPL-2.0-or-later
"""The posted-interrupt descriptor: posting by software, harvest, scheduling in and out, the wakeup handler.

Invariants
  - The control word is one access unit; ON may be set by anybody at any time, NV and NDST change only by their owner.
  - A poster sets PIR before ON; who harvests clears ON before it reads PIR.

References: arch/x86/kvm/vmx/posted_intr.c, arch/x86/kvm/vmx/common.h, arch/x86/include/asm/posted_intr.h.
Abstraction: the module uses APICv, the irqchip is in the kernel and the guest is no TD: elsewhere nothing is posted, or
the TDX module delivers it.
"""

from lostirq.prelude import *
from model.host import *
from model.kvm_main import *
from model.state import *

# -- accessors --------------------------------------------------------------------------------------------------------


@function(kernel="arch/x86/include/asm/posted_intr.h:pi_is_pir_empty")
def pi_is_pir_empty(vcpu: Vcpu) -> bool:
    for k in range(PIR_WORDS):
        if vcpu.pi_desc.pir.word[k] != 0:
            return False
    return True


@function(kernel="arch/x86/include/asm/posted_intr.h:pi_harvest_pir")
def pi_harvest_pir(vcpu: Vcpu) -> VectorSet:
    """Take what the PIR holds; empty means that nothing was found (the caller then scans the IRR)."""
    pir_vals: VectorSet = 0
    with window("harvest"):
        for k in range(PIR_WORDS):
            pir_vals = insert(pir_vals, k * PIR_UNIT, READ_ONCE(vcpu.pi_desc.pir.word[k]))
        for k in range(PIR_WORDS):
            if extract(pir_vals, k * PIR_UNIT, PIR_UNIT) != 0:
                pir_vals = insert(pir_vals, k * PIR_UNIT, xchg(vcpu.pi_desc.pir.word[k], 0))
                vcpu.carried = insert(vcpu.carried, k * PIR_UNIT, extract(pir_vals, k * PIR_UNIT, PIR_UNIT))
    return pir_vals


@function(kernel="arch/x86/kvm/vmx/posted_intr.c:pi_try_set_control")
def pi_try_set_control(vcpu: Vcpu, nv: NotificationVector, relocate: bool, cpu: CpuId) -> bool:
    """try_cmpxchg of the whole control word in a loop, for its two users; ON in the value that was written."""
    old = READ_ONCE(vcpu.pi_desc.control)
    done: bool = False
    while not done:
        new = old
        new.nv = nv
        if relocate:
            new.ndst = cpu
            new.sn = False
        with atomic():
            if vcpu.pi_desc.control == old:
                vcpu.pi_desc.control = new
                done = True
            else:
                old = vcpu.pi_desc.control
    return new.on


# -- posting ----------------------------------------------------------------------------------------------------------


@function(kernel="arch/x86/kvm/vmx/common.h:kvm_vcpu_trigger_posted_interrupt")
def kvm_vcpu_trigger_posted_interrupt(vcpu: Vcpu, running: bool):
    if vcpu.mode == Mode.IN_GUEST_MODE:
        if not running:
            cpu: CpuId = vcpu.cpu
            __apic_send_IPI_mask(cpu, HostVector.POSTED_INTR)
        return
    kvm_vcpu_wake_up(vcpu)


@function(kernel="arch/x86/kvm/vmx/common.h:__vmx_deliver_posted_interrupt")
def __vmx_deliver_posted_interrupt(vcpu: Vcpu, vector: Vector, running: bool):
    put_somewhere(vcpu)
    if test_and_set_bit(vcpu.pi_desc.pir, vector):
        event("merge", index(vcpu), vector)
        return
    event("accept", index(vcpu), vector)
    begins(vcpu, Window.POST)
    with window("post"):
        on: bool = test_and_set(vcpu.pi_desc.control.on)
        ends(vcpu, Window.POST)
    if on:
        return
    begins(vcpu, Window.NOTIFY)
    with window("notify"):
        kvm_vcpu_trigger_posted_interrupt(vcpu, running)
        ends(vcpu, Window.NOTIFY)


# -- scheduling in and out --------------------------------------------------------------------------------------------


@function(kernel="arch/x86/kvm/vmx/posted_intr.c:vmx_vcpu_pi_load")
def change_wakeup_list(vcpu: Vcpu, listed: bool):
    """The critical section of vmx_vcpu_pi_load and pi_enable_wakeup_handler: on the list of vcpu->cpu, or off it.

    (Its lock is wakeup_vcpus_on_cpu_lock.)
    """
    # Abstraction: taking the lock and changing the list is one step: while the lock is held (G-16) nobody else looks.
    cpu: CpuId = 0
    with window("nv"):
        # A spinlock of the kernel is a queue: who waits gets it in the end, however often others take it.
        strong()
        with atomic():
            cpu = vcpu.cpu
            wait(not pcpus[cpu].wakeup_lock)
            pcpus[cpu].wakeup_lock = True
            pcpus[cpu].wakeup_vcpus = with_bit(pcpus[cpu].wakeup_vcpus, index(vcpu), listed)
            if listed:
                event("list", index(vcpu))
            else:
                event("unlist", index(vcpu))
        smp_store_release(pcpus[cpu].wakeup_lock, False)


@function(kernel="arch/x86/kvm/vmx/posted_intr.c:vmx_vcpu_pi_load")
def vmx_vcpu_pi_load(vcpu: Vcpu, cpu: CpuId):
    if vcpu.pi_desc.control.nv != NotificationVector.POSTED_INTR_WAKEUP_VECTOR and vcpu.cpu == cpu:
        if not test_and_clear(vcpu.pi_desc.control.sn):
            return
    else:
        local_irq_disable(vcpu)
        if vcpu.pi_desc.control.nv == NotificationVector.POSTED_INTR_WAKEUP_VECTOR:
            change_wakeup_list(vcpu, False)
        with window("nv"):
            pi_try_set_control(vcpu, NotificationVector.POSTED_INTR_VECTOR, True, cpu)
        # Abstraction: local_irq_restore: a load comes with interrupts on.
        local_irq_enable(vcpu)
    with window("sn_cleared"):
        smp_mb__after_atomic()
        if not pi_is_pir_empty(vcpu):
            lock_set(vcpu.pi_desc.control.on, True)


@function(kernel="arch/x86/kvm/vmx/posted_intr.c:vmx_can_use_vtd_pi")
def vmx_can_use_vtd_pi() -> bool:
    return READ_ONCE(kvm.nr_possible_bypass_irqs) != 0


@function(kernel="arch/x86/kvm/vmx/posted_intr.c:pi_enable_wakeup_handler")
def pi_enable_wakeup_handler(vcpu: Vcpu):
    change_wakeup_list(vcpu, True)
    with window("nv"):
        on: bool = pi_try_set_control(vcpu, NotificationVector.POSTED_INTR_WAKEUP_VECTOR, False, 0)
    if on:
        __apic_send_IPI_mask(vcpu.task.cpu, HostVector.POSTED_INTR_WAKEUP)


@function(kernel="arch/x86/kvm/vmx/posted_intr.c:vmx_needs_pi_wakeup")
def vmx_needs_pi_wakeup() -> bool:
    return IPIV or vmx_can_use_vtd_pi()


@function(kernel="arch/x86/kvm/vmx/posted_intr.c:vmx_vcpu_pi_put")
def vmx_vcpu_pi_put(vcpu: Vcpu, preempted: bool):
    if not vmx_needs_pi_wakeup():
        return
    if not preempted and vcpu.wait_task and not vmx_interrupt_blocked(vcpu):
        pi_enable_wakeup_handler(vcpu)
    else:
        lock_set(vcpu.pi_desc.control.sn, True)


@function(kernel="arch/x86/kvm/vmx/posted_intr.c:pi_wakeup_handler")
def pi_wakeup_handler(cpu: CpuId):
    # Abstraction: taking the lock and looking at the list is one step: while the lock is held (G-16) it cannot change.
    listed: Bits[VCPUS] = 0
    strong()
    with atomic():
        wait(not pcpus[cpu].wakeup_lock)
        pcpus[cpu].wakeup_lock = True
        listed = pcpus[cpu].wakeup_vcpus
    with window("walk"):
        for i in range(VCPUS):
            if bit(listed, i):
                if vcpus[i].pi_desc.control.on:
                    kvm_vcpu_wake_up(vcpus[i])
    smp_store_release(pcpus[cpu].wakeup_lock, False)


@function(kernel="arch/x86/kvm/vmx/posted_intr.c:pi_has_pending_interrupt")
def pi_has_pending_interrupt(vcpu: Vcpu) -> bool:
    """A look from another thread, without an effect."""
    if vcpu.pi_desc.control.on:
        return True
    return vcpu.pi_desc.control.sn and not pi_is_pir_empty(vcpu)


@function(kernel="arch/x86/kvm/vmx/posted_intr.c:vmx_pi_start_bypass")
def vmx_pi_start_bypass():
    # Abstraction: the check that a device may post is left out: it is called where one does.
    kvm_make_all_cpus_request(Request.KVM_REQ_UNBLOCK)
