# SPDX-License-Identifier: GPL-2.0-or-later
"""Where a vCPU is loaded, and what its descriptor says about it: SN, NV, NDST, the wakeup list.

The facts hold outside of the switch; `windows=` spreads them over its steps, in the thread (schedule) and in the
scheduler (kvm_sched_in after a preemption).

References: arch/x86/kvm/vmx/posted_intr.c:vmx_vcpu_pi_load, vmx_vcpu_pi_put; virt/kvm/kvm_main.c:kvm_sched_in.
"""

from lostirq.prelude import *
from model.state import *
from properties.quiescence import *
from properties.views import *


@lemma("preemptible", proves="Q-6, Q-3, Q-4, Q-5, Q-1, T-5", over=VCPUS)
def preemptible(i: VcpuId) -> bool:
    """A thread is taken off its pCPU only where it allows preemption, and stays where it is until it is back."""
    return not vcpus[i].task.preempted or not vcpus[i].task.preempt_off


@lemma("suppressed", proves="Q-6, Q-3, T-5", over=VCPUS, windows=("switch", "kvm_sched_in"))
def suppressed(i: VcpuId) -> bool:
    """SN is set only when a vCPU is scheduled out, and every load clears it."""
    return not vcpus[i].pi_desc.control.sn or scheduled_out(i)
