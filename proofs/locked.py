# SPDX-License-Identifier: GPL-2.0-or-later
"""Why a wakeup list is used under its lock (G-16): who has taken it is alone, until the store that releases it has
reached memory.

That the lock is taken when a list changes is in the model (its Abstraction makes both one step); proved is that it is
the lock of that list, and that nobody releases it under a handler that walks the list.

References: arch/x86/kvm/vmx/posted_intr.c:pi_enable_wakeup_handler, vmx_vcpu_pi_load, pi_wakeup_handler.
"""

from lostirq.prelude import *
from model.state import *
from proofs.pid import *
from proofs.scheduling import *


@pure
def handler_has_the_lock(c: CpuId) -> bool:
    """The wakeup handler of a pCPU, in root mode."""
    handles = function_of("host_irq", c, "pi_wakeup_handler")
    return handles and not at_wait("host_irq", c, "pi_wakeup_handler")


@pure
def thread_has_a_lock(i: VcpuId) -> bool:
    """The wakeup handler on behalf of an exit, or the thread puts its vCPU on a list or takes it off."""
    handles = function_of("vcpu_thread", i, "pi_wakeup_handler") and not at_wait("vcpu_thread", i, "pi_wakeup_handler")
    changes_it = function_of("vcpu_thread", i, "change_wakeup_list")
    return handles or (changes_it and not at_wait("vcpu_thread", i, "change_wakeup_list"))


@pure
def scheduler_has_a_lock(i: VcpuId) -> bool:
    """A load after a preemption takes the vCPU off a list."""
    return function_of("preemption", i, "change_wakeup_list") and not at_wait("preemption", i, "change_wakeup_list")


@pure
def lock_of_the_thread(i: VcpuId) -> CpuId:
    """Which one it is: that of its pCPU, or that of the list that is changed."""
    if function_of("vcpu_thread", i, "pi_wakeup_handler"):
        return vcpus[i].task.cpu
    return local("vcpu_thread", i, "change_wakeup_list", "cpu")


@pure
def users(c: CpuId) -> Int[0, 1 + 2 * VCPUS + PCPUS]:
    """How many have the lock of a list, or its release in their store buffer."""
    found: Int[0, 1 + 2 * VCPUS + PCPUS] = 0
    if handler_has_the_lock(c):
        found += 1
    for i in range(VCPUS):
        if thread_has_a_lock(i) and lock_of_the_thread(i) == c:
            found += 1
        if scheduler_has_a_lock(i) and local("preemption", i, "change_wakeup_list", "cpu") == c:
            found += 1
    for d in range(PCPUS):
        if not settled("host_irq", d, pcpus[c].wakeup_lock):
            found += 1
    return found


@lemma("alone with the list", proves="G-16", over=PCPUS, carried_back=True)
def alone_with_the_list(c: CpuId) -> bool:
    """The lock is taken by one, or by none."""
    return users(c) <= 1 and pcpus[c].wakeup_lock == (users(c) == 1)


@lemma("drained by the lock", proves="G-16", over=VCPUS)
def drained_by_the_lock(i: VcpuId) -> bool:
    """Taking the lock drains, and no store enters the buffer until it is released."""
    of_thread = not thread_has_a_lock(i) or buffers_empty("vcpu_thread", i)
    return of_thread and (not scheduler_has_a_lock(i) or buffers_empty("preemption", i))


@lemma("drained by the handler", proves="G-16", over=PCPUS)
def drained_by_the_handler(c: CpuId) -> bool:
    """So it is in the handler."""
    return not handler_has_the_lock(c) or buffers_empty("host_irq", c)


@lemma("interrupts off under the lock", proves="G-16", over=VCPUS)
def interrupts_off_under_the_lock(i: VcpuId) -> bool:
    """A thread that uses a wakeup list is not preempted, and handles no interrupt."""
    uses = function_of("vcpu_thread", i, "change_wakeup_list") or function_of("vcpu_thread", i, "pi_wakeup_handler")
    loads = function_of("preemption", i, "change_wakeup_list")
    return (not uses or vcpus[i].task.preempt_off) and (not (uses or loads) or vcpus[i].task.irqs_off)


@scenario(tier="proof", memory=("tso",), base=posted_interrupts_four, properties=("G-16",))
class posted_interrupts_locked_four:
    """Who uses a wakeup list: everybody who takes part but a second vCPU, with four vectors."""
