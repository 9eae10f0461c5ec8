# SPDX-License-Identifier: GPL-2.0-or-later
"""Why APICv is active in the guest as the VM says (T-12): who changes that tells every vCPU, and waits for those in the
guest.

A vCPU agrees with the VM, or it is told that it may not (its request), or it takes the lock to see.  Whoever toggles
holds that lock, makes the request of each vCPU, and then waits for those that it did not find outside of guest mode:
none is behind its last look, with the request made, when the VM changes.

References: arch/x86/kvm/x86.c:__kvm_set_or_clear_apicv_inhibit, __kvm_vcpu_update_apicv; virt/kvm/kvm_main.c:
kvm_make_all_cpus_request; kernel/smp.c:smp_call_function_many_cond.
"""

from lostirq.prelude import *
from model.state import *
from proofs.acknowledge import *
from proofs.guest import *
from proofs.pid import *
from proofs.scheduling import *
from proofs.switching import *
from proofs.targets import *
from proofs.toggling import *
from properties.views import *


@pure
def as_the_vm_says(i: VcpuId) -> bool:
    """APICv is active, as the thread sees it, if the VM has no reason against it."""
    return active(i) == (kvm.apicv_inhibit_reasons == 0)


@pure
def takes_the_lock(i: VcpuId) -> bool:
    """The thread has taken its request, and is about to take the lock, to see what the VM says."""
    return function_of("vcpu_thread", i, "down_read_apicv_update_lock")


@pure
def has_looked(i: VcpuId) -> bool:
    """The last look at the requests, before an entry, is over, or the guest runs."""
    return committed(i) and not function_of("vcpu_thread", i, "kvm_vcpu_exit_request")


@pure
def will_wait_for(t: TogglerId, i: VcpuId) -> bool:
    """The thread has made the request of this vCPU, and does not change the VM before that has left the guest to
    handle the interrupt."""
    at = turn("toggler", t, "kvm_make_all_cpus_request", "i")
    sends = turn("toggler", t, "smp_call_function_many", "c#1")
    waits = turn("toggler", t, "smp_call_function_many", "c#2")
    here = vcpus[i].task.cpu
    called = bit(local("toggler", t, "kvm_make_all_cpus_request", "cpus"), here)
    if sends >= 0:
        return called and (here >= sends or pcpus[here].csd_pending)
    if waits >= 0:
        return called and here >= waits and pcpus[here].csd_pending
    return (at == i and not function_of("toggler", t, "kvm_make_request")) or (at > i and called)


@lemma("told", proves="T-12", over=(TOGGLERS, VCPUS))
def told_every_vcpu(t: TogglerId, i: VcpuId) -> bool:
    """Behind its request, a vCPU has it, or has taken it and will see what the VM says."""
    at = turn("toggler", t, "kvm_make_all_cpus_request", "i")
    made = at > i or (at == i and not function_of("toggler", t, "kvm_make_request"))
    made = made or function_of("toggler", t, "smp_call_function_many")
    return not made or vcpus[i].requests.apicv_update or takes_the_lock(i)


@lemma("changed", proves="T-12", over=(TOGGLERS, VCPUS), carried_back=True)
def changed_when_told(t: TogglerId, i: VcpuId) -> bool:
    """It is so when the VM has changed, for each vCPU that does not agree."""
    changed = function_of("toggler", t, "up_write_apicv_update_lock")
    return not changed or as_the_vm_says(i) or vcpus[i].requests.apicv_update or takes_the_lock(i)


@lemma("waited for", proves="T-12", over=VCPUS)
def waited_for(i: VcpuId) -> bool:
    """A vCPU whose request was made behind its last look is waited for."""
    expected = any(will_wait_for(t, i) for t in range(TOGGLERS))
    return not has_looked(i) or not vcpus[i].requests.apicv_update or expected


@lemma("agrees", proves="T-12", over=VCPUS, windows=("__kvm_vcpu_update_apicv",))
def agrees(i: VcpuId) -> bool:
    """A vCPU does as the VM says, or has a request to see."""
    return as_the_vm_says(i) or vcpus[i].requests.apicv_update


@lemma("agrees in the guest", proves="T-12", over=VCPUS)
def agrees_in_the_guest(i: VcpuId) -> bool:
    """Behind its last look it does, also with a request."""
    return not has_looked(i) or as_the_vm_says(i)


@lemma("interrupts off", proves="T-12", over=VCPUS)
def interrupts_off(i: VcpuId) -> bool:
    """In guest mode a thread has interrupts and preemption off."""
    return not inside_guest_mode(i) or (vcpus[i].task.irqs_off and vcpus[i].task.preempt_off)


@lemma("no handler", proves="T-12", over=(VCPUS, PCPUS))
def no_handler(i: VcpuId, c: CpuId) -> bool:
    """A handler runs on top of a thread only where that has interrupts on."""
    return at_rest("host_irq", c) or not inside_guest_mode(i) or vcpus[i].task.cpu != c


@lemma("handled there", proves="T-12", over=(PCPUS, PCPUS))
def handled_there(c: CpuId, d: CpuId) -> bool:
    """That an interrupt was handled is in no store buffer but that of its pCPU."""
    return c == d or settled("host_irq", c, pcpus[d].csd_pending)


@lemma("handled in memory", proves="T-12", over=VCPUS)
def handled_in_memory(i: VcpuId) -> bool:
    """In guest mode, that one was handled has reached memory."""
    return not inside_guest_mode(i) or settled("vcpu_thread", i, pcpus[vcpus[i].task.cpu].csd_pending)


@lemma("alone", proves="T-12", over=VCPUS, when=VCPUS > 1)
def alone(i: VcpuId) -> bool:
    """Who occupies a pCPU occupies it alone."""
    return not vcpus[i].task.on_cpu or vacant(vcpus[i].task.cpu, i)


@scenario(tier="proof", memory=("tso",), base=posted_interrupts_full, properties=("T-12",))
class posted_interrupts_told:
    """APICv as the VM says: everybody but the senders, and two threads that inhibit APICv, with all 256 vectors.

    Nobody but the vCPU reads its apicv_active then, so that its store goes past the store buffer.
    """

    SENDERS = 0
    TOGGLERS = 2


@scenario(tier="proof", memory=("tso",), base=posted_interrupts_targets_four, properties=("T-12",))
class posted_interrupts_targets_told_four:
    """Two vCPUs that are told by one broadcast, and migrate: with four vectors, and without the wakeup vector, that is,
    without IPI virtualization and devices."""

    TOGGLERS = 2
    KICKERS = 1
    SENDERS = 0
    DEVICES = 0
