# SPDX-License-Identifier: GPL-2.0-or-later
"""Where a vCPU is loaded, and what its descriptor says about it: SN, NV, NDST, the wakeup list.

The facts hold outside of the switch; `windows=` spreads them over its steps, in the thread (schedule) and in the
scheduler (kvm_sched_in after a preemption).

References: arch/x86/kvm/vmx/posted_intr.c:vmx_vcpu_pi_load, vmx_vcpu_pi_put; virt/kvm/kvm_main.c:kvm_sched_in.
"""

from lostirq.prelude import *
from model.state import *
from properties.views import *


@lemma("preemptible", proves="Q-6, Q-3, Q-1, T-2, T-4, T-5", over=VCPUS)
def preemptible(i: VcpuId) -> bool:
    """A thread is taken off its pCPU only where it allows preemption, and stays where it is until it is back."""
    return not vcpus[i].task.preempted or not vcpus[i].task.preempt_off


@lemma("suppressed", proves="Q-6, Q-3, Q-1, T-4, T-5", over=VCPUS, windows=("switch", "kvm_sched_in"))
def suppressed(i: VcpuId) -> bool:
    """SN is set only when a vCPU is scheduled out, and every load clears it."""
    return not vcpus[i].pi_desc.control.sn or scheduled_out(i)


@lemma("loaded", proves="Q-3, T-2, T-4", over=VCPUS, windows=("switch", "kvm_sched_in"))
def loaded(i: VcpuId) -> bool:
    """vcpu->cpu is the pCPU that the thread is on; while it is switched, it will be when that is done."""
    return vcpus[i].cpu == vcpus[i].task.cpu or scheduled_out(i)


@lemma("notified", proves="Q-3, T-4", over=VCPUS, windows=("switch", "kvm_sched_in"))
def notified(i: VcpuId) -> bool:
    """A vCPU that is loaded has the posted-interrupt vector as its NV and its pCPU as its NDST: only a put that leaves
    to sleep changes NV, and every load sets both."""
    control = vcpus[i].pi_desc.control
    here = control.nv == NotificationVector.POSTED_INTR_VECTOR and control.ndst == vcpus[i].task.cpu
    return here or scheduled_out(i)


@lemma("destination", proves="Q-3, Q-1, T-4", over=VCPUS, windows=("load",))
def destination(i: VcpuId) -> bool:
    """NDST is vcpu->cpu, also while the vCPU sleeps: a load that changes one changes both."""
    return vcpus[i].pi_desc.control.ndst == vcpus[i].cpu
