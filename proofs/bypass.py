# SPDX-License-Identifier: GPL-2.0-or-later
"""While an assigned device comes and goes: notifications find a running vCPU (T-4), and are suppressed only while it is
scheduled out (T-5).

That the devices are counted in range is found by itself.

References: arch/x86/kvm/irq.c:kvm_arch_irq_bypass_add_producer, kvm_arch_irq_bypass_del_producer;
arch/x86/kvm/vmx/posted_intr.c:vmx_vcpu_pi_put.
"""

from lostirq.prelude import *
from model.state import *
from proofs.pid import *
from proofs.scheduling import *


@scenario(tier="proof", memory=("tso",), base=posted_interrupts_four, properties=("Q-7", "T-4", "T-5"))
class posted_interrupts_bypass_four:
    """Without IPI virtualization, while the assigned device is attached and detached, and four vectors."""

    IPIV = False
    BYPASSERS = 1
    BYPASS_DETACH = True
