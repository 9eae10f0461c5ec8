# SPDX-License-Identifier: GPL-2.0-or-later
"""Requests, kicks, blocking and the scheduler hooks of the generic part of KVM.

Invariants
  - vcpu->mode is changed by others only from IN_GUEST_MODE to EXITING_GUEST_MODE, atomically.
  - A request that nobody makes in a scenario is not looked at, so that it costs nothing.

References: virt/kvm/kvm_main.c, include/linux/kvm_host.h, Documentation/virt/kvm/vcpu-requests.rst.
"""

from lostirq.prelude import *
from model.host import *
from model.sched import *
from model.state import *

UNBLOCK_REQUESTS = BYPASSERS > 0 or TIMERS > 0 or PV_KICKERS > 0
OTHER_REQUESTS = KICKERS > 0 or (SCHED_IN_REQUESTS and PREEMPTION)


# -- requests ---------------------------------------------------------------------------------------------------------


@function(kernel="include/linux/kvm_host.h:kvm_make_request")
def kvm_make_request(req: Request, vcpu: Vcpu):
    smp_wmb()
    if req == Request.KVM_REQ_EVENT:
        lock_set(vcpu.requests.event, True)
    if req == Request.KVM_REQ_UNBLOCK:
        lock_set(vcpu.requests.unblock, True)
    if req == Request.KVM_REQ_APICV_UPDATE:
        lock_set(vcpu.requests.apicv_update, True)
    if req == Request.KVM_REQ_OTHER:
        lock_set(vcpu.requests.other, True)


@function(kernel="include/linux/kvm_host.h:kvm_request_pending")
def kvm_request_pending(vcpu: Vcpu) -> bool:
    requests = READ_ONCE(vcpu.requests)
    return requests.event or requests.unblock or requests.apicv_update or requests.other


@function(kernel="include/linux/kvm_host.h:kvm_check_request")
def kvm_check_request(req: Request, vcpu: Vcpu) -> bool:
    if req == Request.KVM_REQ_EVENT:
        if not vcpu.requests.event:
            return False
        lock_set(vcpu.requests.event, False)
    if req == Request.KVM_REQ_UNBLOCK:
        if not UNBLOCK_REQUESTS or not vcpu.requests.unblock:
            return False
        lock_set(vcpu.requests.unblock, False)
    if req == Request.KVM_REQ_APICV_UPDATE:
        if TOGGLERS == 0 or not vcpu.requests.apicv_update:
            return False
        lock_set(vcpu.requests.apicv_update, False)
    if req == Request.KVM_REQ_OTHER:
        if not OTHER_REQUESTS or not vcpu.requests.other:
            return False
        lock_set(vcpu.requests.other, False)
    smp_mb__after_atomic()
    return True


@function(kernel="include/linux/kvm_host.h:kvm_clear_request")
def kvm_clear_request_unblock(vcpu: Vcpu):
    # Abstraction: KVM_REQ_UNBLOCK is the only request that is cleared without a test; where nobody makes it, clearing
    # it is left out.
    if UNBLOCK_REQUESTS:
        lock_set(vcpu.requests.unblock, False)


# -- kicks ------------------------------------------------------------------------------------------------------------


@function(kernel="include/linux/kvm_host.h:kvm_vcpu_exiting_guest_mode")
def kvm_vcpu_exiting_guest_mode(vcpu: Vcpu) -> Mode:
    """cmpxchg of the mode from IN to EXITING; the mode that it saw."""
    seen: Mode = Mode.OUTSIDE_GUEST_MODE
    with atomic():
        seen = vcpu.mode
        if seen == Mode.IN_GUEST_MODE:
            vcpu.mode = Mode.EXITING_GUEST_MODE
    return seen


@function(kernel="virt/kvm/kvm_main.c:kvm_vcpu_wake_up")
def kvm_vcpu_wake_up(vcpu: Vcpu) -> bool:
    # Abstraction: vcpu->ready is left out: only directed yield reads it, to choose whom to yield to.
    return rcuwait_wake_up(vcpu)


@function(kernel="virt/kvm/kvm_main.c:__kvm_vcpu_kick")
def kvm_vcpu_kick(vcpu: Vcpu, running: bool):
    # Abstraction: `running` says that the target is the running vCPU of the sender's pCPU, that is, that it kicks
    # itself: other senders are threads of their own, on pCPUs where no vCPU of the model runs.
    if kvm_vcpu_wake_up(vcpu):
        return
    if running:
        if vcpu.mode == Mode.IN_GUEST_MODE:
            WRITE_ONCE(vcpu.mode, Mode.EXITING_GUEST_MODE)
        return
    if kvm_vcpu_exiting_guest_mode(vcpu) == Mode.IN_GUEST_MODE:
        cpu: CpuId = READ_ONCE(vcpu.cpu)
        smp_send_reschedule(cpu)


@function(kernel="virt/kvm/kvm_main.c:kvm_make_vcpu_request")
def kvm_make_vcpu_request(vcpu: Vcpu, req: Request) -> Bits[PCPUS]:
    """Make a request of one vCPU; the pCPU that has to be interrupted for it, as a mask.

    Abstraction: that the pCPU of the sender is left out of the mask: no vCPU of the model runs there.
    """
    cpus: Bits[PCPUS] = 0
    kvm_make_request(req, vcpu)
    if not request_no_wakeup(req):
        if kvm_vcpu_wake_up(vcpu):
            return cpus
    if kvm_request_needs_ipi(vcpu, req):
        cpu: CpuId = READ_ONCE(vcpu.cpu)
        cpus = with_bit(cpus, cpu, True)
    return cpus


@function(kernel="virt/kvm/kvm_main.c:kvm_request_needs_ipi")
def kvm_request_needs_ipi(vcpu: Vcpu, req: Request) -> bool:
    mode: Mode = kvm_vcpu_exiting_guest_mode(vcpu)
    if request_wait(req):
        return mode != Mode.OUTSIDE_GUEST_MODE
    return mode == Mode.IN_GUEST_MODE


@function(kernel="virt/kvm/kvm_main.c:kvm_make_all_cpus_request")
def kvm_make_all_cpus_request(req: Request):
    cpus: Bits[PCPUS] = 0
    for i in range(VCPUS):
        cpus = cpus | kvm_make_vcpu_request(vcpus[i], req)
    if cpus != 0:
        smp_call_function_many(cpus, request_wait(req))


@function(kernel="arch/x86/include/asm/kvm_host.h:KVM_REQ_APICV_UPDATE")
def request_wait(req: Request) -> bool:
    return req == Request.KVM_REQ_APICV_UPDATE


@function(kernel="arch/x86/include/asm/kvm_host.h:KVM_REQ_APICV_UPDATE")
def request_no_wakeup(req: Request) -> bool:
    return req == Request.KVM_REQ_APICV_UPDATE


# -- blocking ---------------------------------------------------------------------------------------------------------


@function(kernel="virt/kvm/kvm_main.c:kvm_vcpu_check_block")
def kvm_vcpu_check_block(vcpu: Vcpu) -> bool:
    """True: stop blocking.

    Abstraction: signals are left out: they are no interrupts of the guest.
    """
    srcu_read_lock()
    stop: bool = kvm_arch_vcpu_runnable(vcpu)
    if TIMERS > 0 and not stop:
        stop = vcpu.lapic.timer_pending
    if not stop:
        stop = kvm_check_request(Request.KVM_REQ_UNBLOCK, vcpu)
    srcu_read_unlock()
    return stop


@function(kernel="virt/kvm/kvm_main.c:kvm_vcpu_block")
def kvm_vcpu_block(vcpu: Vcpu):
    preempt_disable(vcpu)
    prepare_to_rcuwait(vcpu)
    preempt_enable(vcpu)
    while True:
        set_current_state(vcpu, TaskState.TASK_INTERRUPTIBLE)
        if kvm_vcpu_check_block(vcpu):
            break
        schedule(vcpu)
    preempt_disable(vcpu)
    finish_rcuwait(vcpu)
    preempt_enable(vcpu)


@function(kernel="virt/kvm/kvm_main.c:kvm_vcpu_halt")
def kvm_vcpu_halt(vcpu: Vcpu):
    # Abstraction: at most one turn of the polling loop: each turn is the same test, which changes nothing that the
    # test inside kvm_vcpu_block would not change.
    if HALT_POLL:
        if kvm_vcpu_check_block(vcpu):
            return
    kvm_vcpu_block(vcpu)


@function(kernel="virt/kvm/kvm_main.c:kvm_vcpu_on_spin")
def kvm_vcpu_on_spin(vcpu: Vcpu):
    # Abstraction: the yield is left out: it asks the scheduler to run a runnable task, which it does anyway.  What
    # remains is the look at a vCPU from outside, which must not change anything.
    if vcpu.wait_task and not kvm_arch_dy_runnable(vcpu):
        return


@function(kernel="arch/x86/kvm/x86.c:kvm_arch_dy_runnable")
def kvm_arch_dy_runnable(vcpu: Vcpu) -> bool:
    # Abstraction: NMI and SMI are left out, as everywhere.
    if PV_KICKERS > 0 and READ_ONCE(vcpu.pv_unhalted):
        return True
    if vcpu.requests.event:
        return True
    return vcpu.lapic.apicv_active and pi_has_pending_interrupt(vcpu)


# -- scheduler hooks --------------------------------------------------------------------------------------------------


@function(kernel="virt/kvm/kvm_main.c:kvm_sched_out")
def kvm_sched_out(vcpu: Vcpu, preempted: bool):
    # Abstraction: vcpu->preempted is handed down instead of stored: it is true if the task is still runnable (and wants
    # to run), and its only reader that matters is the put of the same switch.  kvm_running_vcpu is a ghost: the thread
    # of that pCPU knows whether it is the running vCPU (G-14), and a handler on it, which may look too, finds the mode
    # OUTSIDE_GUEST_MODE: then the answer decides nothing (T-2).
    kvm_arch_vcpu_put(vcpu, preempted)
    pcpus[vcpu.task.cpu].running = -1


@function(kernel="virt/kvm/kvm_main.c:vcpu_put")
def exit_to_userspace(vcpu: Vcpu):
    """vcpu_put, and a time in userspace."""
    # Abstraction: userspace does nothing to the vCPU.  Preemption stays off: while the vCPU is put its thread has no
    # preemption notifier, and the pCPU on which it comes back is free.
    preempt_disable(vcpu)
    kvm_arch_vcpu_put(vcpu, False)
    pcpus[vcpu.task.cpu].running = -1
    drain()
    vcpu.task.on_cpu = False


@function(kernel="virt/kvm/kvm_main.c:vcpu_load")
def vcpu_load(vcpu: Vcpu):
    """The thread, which is in userspace, calls KVM_RUN on any pCPU that is free."""
    strong()
    cpu: CpuId = choose(CpuId)
    wait(vacant(cpu, index(vcpu)))
    vcpu.task.cpu = cpu
    vcpu.task.on_cpu = True
    pcpus[cpu].running = index(vcpu)
    kvm_arch_vcpu_load(vcpu, cpu)
    preempt_enable(vcpu)


@function(kernel="virt/kvm/kvm_main.c:kvm_sched_in")
def kvm_sched_in(vcpu: Vcpu, cpu: CpuId):
    pcpus[cpu].running = index(vcpu)
    kvm_arch_vcpu_load(vcpu, cpu)
