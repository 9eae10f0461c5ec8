# SPDX-License-Identifier: GPL-2.0-or-later
"""Everybody else: software senders, the IOMMU, other vCPUs with IPI virtualization, kickers, togglers, attachment.

Invariants
  - Each of them acts for ever, at any time, with any vector: the environment is the most general one.
  - It is at rest only between two acts.

References: arch/x86/kvm/irq.c; Intel VT-d specification, "Interrupt posting"; Intel SDM vol. 3, "IPI virtualization".
"""

from lostirq.prelude import *
from model.irq import *
from model.lapic import *
from model.state import *
from model.x86 import *


@thread(over=SENDERS, symmetric=True)
def sender(s: SenderId):
    """A thread that delivers fixed interrupts: another vCPU, an irqfd, a timer, an ioctl."""
    while True:
        idle()
        target: VcpuId = choose(VcpuId)
        vector: Vector = choose(Vector)
        kvm_apic_set_irq(vcpus[target], vector, False)


@thread(over=KICKERS, symmetric=True)
def kicker(k: KickerId):
    """A thread that makes a request that has nothing to do with interrupts, and kicks."""
    while True:
        idle()
        target: VcpuId = choose(VcpuId)
        kvm_make_request(Request.KVM_REQ_OTHER, vcpus[target])
        kvm_vcpu_kick(vcpus[target], False)
        event("kick", target)


@thread(over=PV_KICKERS, symmetric=True)
def pv_kicker(k: PvKickerId):
    """A vCPU whose guest ends the halt of another one by hypercall, with a message that is no interrupt (REMRD)."""
    while True:
        idle()
        target: VcpuId = choose(VcpuId)
        accept_remote_read(vcpus[target])
        event("called", target)
        event("kick", target)


@thread(over=SPINNERS, symmetric=True)
def spinner(s: SpinnerId):
    """The thread of a vCPU whose guest spins, in search of another one to yield to.

    Abstraction: the vCPU of the spinner is left out: it is only the place from where it looks.
    """
    while True:
        idle()
        target: VcpuId = choose(VcpuId)
        kvm_vcpu_on_spin(vcpus[target])


@thread(over=TOGGLERS)
def toggler(t: TogglerId):
    """A thread that inhibits APICv for a reason of its own and lifts that inhibit again."""
    first: bool = APICV or t > 0
    while True:
        idle()
        kvm_set_or_clear_apicv_inhibit(t, first)
        event("toggle")
        idle()
        kvm_set_or_clear_apicv_inhibit(t, not first)
        event("toggle")


@thread(over=BYPASSERS)
def bypasser(b: BypasserId):
    """A thread that attaches the first assigned device to the VM, and detaches it again."""
    idle()
    kvm_arch_irq_bypass_add_producer()
    event("attach")
    while BYPASS_DETACH:
        idle()
        kvm_arch_irq_bypass_del_producer()
        idle()
        kvm_arch_irq_bypass_add_producer()
        event("attach")


@hardware(over=DEVICES, role="IOMMU", symmetric=True)
def device(d: DeviceId):
    """An assigned device, whose interrupts the IOMMU posts."""
    while True:
        idle()
        target: VcpuId = choose(VcpuId)
        vector: Vector = choose(Vector)
        iommu_post_interrupt(vcpus[target], vector)


@function(hardware="VT-d: interrupt posting, hardware operation")
def iommu_post_interrupt(vcpu: Vcpu, vector: Vector):
    """One atomic update of the descriptor, then a notification with the NV and NDST of that moment.

    Abstraction: the IOMMU's cached copy of the IRTE is left out: an update of the IRTE waits for its invalidation.
    """
    notify: bool = False
    nv: NotificationVector = NotificationVector.POSTED_INTR_VECTOR
    ndst: CpuId = 0
    with atomic():
        wait(kvm.irte_posted)
        if test_and_set_bit(vcpu.pi_desc.pir, vector):
            event("merge", index(vcpu), vector)
        else:
            event("accept", index(vcpu), vector)
        if not vcpu.pi_desc.control.on and not vcpu.pi_desc.control.sn:
            vcpu.pi_desc.control.on = True
            notify = True
            nv = vcpu.pi_desc.control.nv
            ndst = vcpu.pi_desc.control.ndst
            begins(vcpu, Window.NOTIFY)
    if notify:
        with window("notify"):
            send_notification(nv, ndst)
            ends(vcpu, Window.NOTIFY)


@function(hardware="VT-d: interrupt posting, hardware operation")
def send_notification(nv: NotificationVector, ndst: CpuId):
    if nv == NotificationVector.POSTED_INTR_VECTOR:
        lock_set(pcpus[ndst].apic.posted_intr, True)
    else:
        lock_set(pcpus[ndst].apic.wakeup, True)


@hardware(over=SENDING_VCPUS, symmetric=True)
def ipiv_sender(s: IpivId):
    """Another vCPU in non-root mode whose processor sends IPIs by itself."""
    while True:
        idle()
        target: VcpuId = choose(VcpuId)
        vector: Vector = choose(Vector)
        virtualize_ipi(vcpus[target], vector)


@function(hardware="SDM: IPI virtualization")
def virtualize_ipi(vcpu: Vcpu, vector: Vector):
    if test_and_set_bit(vcpu.pi_desc.pir, vector):
        event("merge", index(vcpu), vector)
    else:
        event("accept", index(vcpu), vector)
    notify: bool = False
    nv: NotificationVector = NotificationVector.POSTED_INTR_VECTOR
    ndst: CpuId = 0
    begins(vcpu, Window.POST)
    with window("post"):
        with atomic():
            ends(vcpu, Window.POST)
            if not vcpu.pi_desc.control.on and not vcpu.pi_desc.control.sn:
                vcpu.pi_desc.control.on = True
                notify = True
                nv = vcpu.pi_desc.control.nv
                ndst = vcpu.pi_desc.control.ndst
                begins(vcpu, Window.NOTIFY)
    if notify:
        with window("notify"):
            send_notification(nv, ndst)
            ends(vcpu, Window.NOTIFY)
