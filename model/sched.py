# SPDX-License-Identifier: GPL-2.0-or-later
"""The scheduler as far as a vCPU thread meets it: sleeping, waking, preemption, migration.

Invariants
  - A thread that has left its pCPU takes no step: it waits inside schedule(), or it is frozen by `preempted`.
  - What the kernel does under the run queue's lock or pi_lock is one step: no other agent can look in between.
  - Fairness: a runnable thread gets a pCPU (strong).

References: kernel/sched/core.c:__schedule, try_to_wake_up, finish_task_switch; kernel/exit.c:rcuwait_wake_up;
include/linux/rcuwait.h; virt/kvm/kvm_main.c:kvm_sched_out, kvm_sched_in.
"""

from lostirq.prelude import *
from model.kvm_main import *
from model.state import *


@function(kernel="include/linux/rcuwait.h:prepare_to_rcuwait")
def prepare_to_rcuwait(vcpu: Vcpu):
    smp_store_release(vcpu.wait_task, True)


@function(kernel="kernel/rcu/update.c:finish_rcuwait")
def finish_rcuwait(vcpu: Vcpu):
    vcpu.wait_task = False
    vcpu.task.state = TaskState.TASK_RUNNING


@function(kernel="include/linux/sched.h:set_current_state")
def set_current_state(vcpu: Vcpu, state: TaskState):
    xchg(vcpu.task.state, state)


@function(kernel="kernel/exit.c:rcuwait_wake_up")
def rcuwait_wake_up(vcpu: Vcpu) -> bool:
    smp_mb()
    if vcpu.wait_task:
        return wake_up_process(vcpu)
    return False


@function(kernel="kernel/sched/core.c:try_to_wake_up")
def wake_up_process(vcpu: Vcpu) -> bool:
    # Abstraction: one step for the section under pi_lock.  A thread that is on its way out (still on its pCPU) is woken
    # at once and leaves first; the kernel waits for it to have left, with the same result.
    woken: bool = False
    with atomic():
        if vcpu.task.state != TaskState.TASK_RUNNING:
            vcpu.task.state = TaskState.TASK_RUNNING
            vcpu.task.on_rq = True
            woken = True
    if woken:
        event("wake", index(vcpu))
    return woken


@pure
def vacant(cpu: CpuId, vcpu: VcpuId) -> bool:
    """No other vCPU thread occupies this pCPU."""
    return all(j == vcpu or not vcpus[j].task.on_cpu or vcpus[j].task.cpu != cpu for j in range(VCPUS))


@initial
def threads_start_on_pcpus_of_their_own():
    for i in range(VCPUS):
        vcpus[i].task.cpu = i % PCPUS
        vcpus[i].cpu = i % PCPUS
        vcpus[i].pi_desc.control.ndst = i % PCPUS
        # A vCPU for which there is no pCPU left is in userspace, as its creation (a load and a put) has left it.
        vcpus[i].task.on_cpu = i < PCPUS
        if i < PCPUS:
            pcpus[i].running = i
        vcpus[i].task.preempt_off = i >= PCPUS
        vcpus[i].pi_desc.control.sn = i >= PCPUS and (IPIV or DEVICES_AT_START)


@function(kernel="kernel/sched/core.c:__schedule")
def schedule(vcpu: Vcpu):
    """Voluntary switch: the thread leaves its pCPU unless it was woken, and comes back when it is runnable."""
    preempt_disable(vcpu)
    local_irq_disable(vcpu)
    leave: bool = False
    with atomic():
        if vcpu.task.state != TaskState.TASK_RUNNING:
            vcpu.task.on_rq = False
            leave = True
    if leave:
        with window("switch"):
            kvm_sched_out(vcpu, False)
            drain()
            vcpu.task.on_cpu = False
            local_irq_enable(vcpu)
            event("sleep", index(vcpu))
            cpu: CpuId = asleep(vcpu)
            kvm_sched_in(vcpu, cpu)
    # Abstraction: a thread that finds itself woken goes on; that the scheduler picks another one first is a preemption,
    # which can strike before and after.
    local_irq_enable(vcpu)
    preempt_enable(vcpu)


@function(kernel="kernel/sched/core.c:finish_task_switch")
def asleep(vcpu: Vcpu) -> CpuId:
    """The thread is off the pCPU; once runnable it is given one."""
    cpu: CpuId = 0
    with window("asleep"):
        idle()
        strong()
        cpu = choose(CpuId)
        wait(vcpu.task.on_rq and vacant(cpu, index(vcpu)))
    vcpu.task.cpu = cpu
    vcpu.task.on_cpu = True
    return cpu


@scheduler(over=VCPUS, role="vCPU", when=PREEMPTION, cpu=lambda i: vcpus[i].task.cpu)
def preemption(i: VcpuId):
    """Takes vCPU thread i off its pCPU wherever preemption and interrupts are on, and gives it one again."""
    while True:
        idle()
        with atomic():
            wait(not vcpus[i].task.preempt_off and not vcpus[i].task.irqs_off)
            vcpus[i].task.preempted = True
            vcpus[i].task.switching = True
        kvm_sched_out(vcpus[i], True)
        drain()
        vcpus[i].task.on_cpu = False
        vcpus[i].task.switching = False
        cpu: CpuId = 0
        with window("preempted"):
            strong()
            cpu = choose(CpuId)
            wait(vacant(cpu, i))
        vcpus[i].task.cpu = cpu
        vcpus[i].task.on_cpu = True
        kvm_sched_in(vcpus[i], cpu)
        vcpus[i].task.preempted = False
