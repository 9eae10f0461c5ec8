# SPDX-License-Identifier: GPL-2.0-or-later
"""Why nobody sleeps on an interrupt (Q-1) of a device that was assigned while he slept, or beside one that comes and
goes.

A vCPU that blocks while no device can post keeps the ordinary notification vector: senders in software wake it
themselves.  The first device posts only after everybody was told to stop blocking.

References: arch/x86/kvm/irq.c:kvm_arch_irq_bypass_add_producer, kvm_arch_irq_bypass_del_producer;
arch/x86/kvm/vmx/posted_intr.c:vmx_pi_start_bypass, vmx_vcpu_pi_put; virt/kvm/kvm_main.c:kvm_vcpu_check_block.
"""

from lostirq.prelude import *
from model.state import *
from proofs.sleep import *


@lemma(
    "told to stop",
    proves="Q-1",
    over=VCPUS,
    windows=("kvm_vcpu_check_block",),
    promised=("kvm_make_vcpu_request",),
    when=BYPASSERS > 0,
)
def told_to_stop(i: VcpuId) -> bool:
    """After the last look there is no request to stop blocking, or the thread was woken, or who made the request is
    about to wake it."""
    return not leaving(i) or not vcpus[i].requests.unblock or is_woken(i)


@lemma("some device", proves="Q-1", when=BYPASS_SECOND, carried_back=True)
def some_device() -> bool:
    """While a second device comes and goes, the first one is counted."""
    seen = seen_by("bypasser", 0, kvm.nr_possible_bypass_irqs)
    return kvm.irte_posted and kvm.nr_possible_bypass_irqs > 0 and seen > 0


@lemma("counted before it posts", proves="Q-1", when=BYPASSERS > 0 and not BYPASS_SECOND, carried_back=True)
def counted_before_it_posts() -> bool:
    """The first device is counted when it posts."""
    return not kvm.irte_posted or seen_by("bypasser", 0, kvm.nr_possible_bypass_irqs) > 0


@lemma(
    "woken by the attachment",
    proves="Q-1",
    over=VCPUS,
    windows=("kvm_sched_out",),
    promised=("kvm_arch_irq_bypass_add_producer",),
    when=BYPASSERS > 0 and not BYPASS_SECOND,
)
def woken_by_the_attachment(i: VcpuId) -> bool:
    """Whoever sleeps without the wakeup vector was woken when a device was assigned, or will be."""
    none_yet = seen_by("bypasser", 0, kvm.nr_possible_bypass_irqs) == 0
    return not switched_away(i) or not interruptible(i) or has_wakeup_vector(i) or is_woken(i) or none_yet


@lemma(
    "woken by a sender",
    proves="Q-1",
    over=VCPUS,
    windows=("kvm_vcpu_check_block",),
    promised=("notify",),
    when=BYPASSERS > 0 and not BYPASS_SECOND,
)
def woken_by_a_sender(i: VcpuId) -> bool:
    """With the ordinary vector, ON set after the last look means that the thread was woken, or that a sender is about
    to wake it."""
    told = has_wakeup_vector(i) or kvm.irte_posted or not vcpus[i].pi_desc.control.on or is_woken(i)
    return not leaving(i) or not interruptible(i) or told


@scenario(tier="proof", memory=("tso",), base=posted_interrupts_asleep_four, properties=("Q-1",))
class posted_interrupts_attached_four:
    """The first device is assigned while the vCPU runs, falls asleep or sleeps; no IPI virtualization."""

    SENDERS = 1
    KICKERS = 0
    TOGGLERS = 0
    IPIV = False
    IPIV_SENDERS = 0
    BYPASSERS = 1
    PREEMPTION = False
    HALT_POLL = False
    STALE_STATUS = False


@scenario(tier="proof", memory=("tso",), base=posted_interrupts_attached_four, properties=("Q-1",))
class posted_interrupts_second_four:
    """A second device is attached and detached, while the first one posts."""

    BYPASS_DETACH = True
    BYPASS_SECOND = True
