# SPDX-License-Identifier: GPL-2.0-or-later
"""Structural safety: what must be true of mode, PI descriptor, caches and controls for deliveries to work at all.

Invariants
  - Each states one relation between two places that the code keeps in step, and names the program locations between the
    two writes.  Store buffers are empty where a relation would otherwise compare a buffered store with memory: a state
    that violates one for good also does so after the flush.

References: Documentation/virt/kvm/vcpu-requests.rst; arch/x86/kvm/lapic.h:struct kvm_lapic;
arch/x86/include/asm/posted_intr.h; Intel SDM vol. 3, "APIC virtualization and virtual interrupts".
"""

from lostirq.prelude import *
from model.sched import *
from model.state import *
from properties.views import *


@step_property(
    "T-1",
    title="mode follows its cycle",
    source="virt/kvm/kvm_main.c:kvm_vcpu_exiting_guest_mode",
    over=VCPUS,
    witness="W-kicked-in-guest",
    planted="planted-t1-kick-forces-exiting",
)
def mode_cycle(i: VcpuId) -> bool:
    """mode goes from OUTSIDE to IN, from IN to EXITING, and from either back to OUTSIDE; a kicker never undoes an
    exit.
    """
    before = old(vcpus[i].mode)
    after = vcpus[i].mode
    if before == after or after == Mode.OUTSIDE_GUEST_MODE:
        return True
    if after == Mode.IN_GUEST_MODE:
        return before == Mode.OUTSIDE_GUEST_MODE
    return before == Mode.IN_GUEST_MODE


@invariant(
    "T-2",
    title="the guest runs loaded, announced and with host interrupts off",
    source="x86.c:vcpu_enter_guest",
    over=VCPUS,
    witness="W-kicked-in-guest",
    planted="planted-t2-load-keeps-cpu",
)
def guest_runs_announced(i: VcpuId) -> bool:
    """Between the mode store of an entry and the exit, host interrupts are off on the pCPU that has the vCPU
    loaded, and in the guest mode is IN or EXITING in memory, where senders look.  (vcpu->cpu may be in the store buffer
    of the load until the entry drains it.)
    """
    vcpu = vcpus[i]
    if in_guest(i) and vcpu.mode == Mode.OUTSIDE_GUEST_MODE:
        return False
    inside = in_guest(i) or within("vcpu_thread", i, "entry")
    loaded = vcpu.cpu == vcpu.task.cpu or not (in_guest(i) or buffers_empty())
    return not inside or (vcpu.task.irqs_off and not vcpu.task.preempted and loaded)


@invariant(
    "T-3",
    title="wakeup vector and wakeup list agree",
    source="posted_intr.c:pi_enable_wakeup_handler, vmx_vcpu_pi_load",
    over=VCPUS,
    excuses=("nv", "load"),
    witness="W-on-wakeup-list",
    planted="planted-t3-load-stays-listed",
)
def wakeup_vector_means_listed(i: VcpuId) -> bool:
    """PID.NV is the wakeup vector if and only if the vCPU is on exactly one wakeup list, that of vcpu->cpu.

    Excused: from the list insertion to the NV update when blocking; a load, which unlinks, restores NV and moves
    vcpu->cpu.
    """
    if changing_nv(i) or loading(i):
        return True
    lists = 0
    for c in range(PCPUS):
        if bit(pcpus[c].wakeup_vcpus, i):
            lists += 1
    if vcpus[i].pi_desc.control.nv == NotificationVector.POSTED_INTR_WAKEUP_VECTOR:
        return lists == 1 and bit(pcpus[vcpus[i].cpu].wakeup_vcpus, i)
    return lists == 0


@invariant(
    "T-4",
    title="notifications find a running vCPU",
    source="posted_intr.c:vmx_vcpu_pi_load",
    over=VCPUS,
    witness="W-kicked-in-guest",
    planted="planted-t4-load-keeps-ndst",
)
def notifications_find_the_guest(i: VcpuId) -> bool:
    """In the guest, SN is clear, NV is the posted-interrupt vector and NDST is the pCPU that the vCPU runs on."""
    control = vcpus[i].pi_desc.control
    found = (
        not control.sn
        and control.nv == NotificationVector.POSTED_INTR_VECTOR
        and control.ndst == vcpus[i].task.cpu
    )
    return not in_guest(i) or found


@invariant(
    "T-5",
    title="notifications are suppressed only while scheduled out",
    source="posted_intr.c:vmx_vcpu_pi_put, vmx_vcpu_pi_load",
    over=VCPUS,
    excuses=("switch",),
    witness="W-suppressed",
    planted="planted-t5-load-keeps-sn",
)
def suppressed_means_scheduled_out(i: VcpuId) -> bool:
    """SN is set only while the vCPU is scheduled out, or on the way out or in."""
    return not vcpus[i].pi_desc.control.sn or scheduled_out(i)


@invariant(
    "T-6",
    title="irr_pending never hides an interrupt",
    source="lapic.h:kvm_lapic_set_irr, lapic.c:apic_clear_irr, kvm_apic_update_irr",
    over=VCPUS,
    excuses=("set_irr", "clear_irr", "irr_update"),
    witness="W-hint-clear",
    planted="irr-pending-set-before-irr-bit",
)
def hint_never_hides(i: VcpuId) -> bool:
    """irr_pending is false only if the IRR is empty.

    Excused: a sender between its IRR bit and its irr_pending; the vCPU while it clears a bit and scans again, and
    between the IRR update and irr_pending; any buffered store.
    """
    excused = (
        setting_irr(i)
        or within("vcpu_thread", i, "clear_irr")
        or within("vcpu_thread", i, "irr_update")
        or not buffers_empty()
    )
    return excused or vcpus[i].lapic.irr_pending or popcount(requested_in(i)) == 0


@invariant(
    "T-7",
    title="SVI is the vector in service",
    source="lapic.c:apic_set_isr, apic_clear_isr, kvm_apic_update_apicv",
    over=VCPUS,
    excuses=("update_apicv",),
    witness="W-toggled-in-service",
    planted="svi-not-updated-on-activation",
)
def svi_is_in_service(i: VcpuId) -> bool:
    """While APICv is active, SVI is the highest vector of the ISR.

    Excused: while APICv is being switched, while apicv_active may still be in a store buffer, and between the two
    writes of an EOI that KVM emulates.
    """
    changing = within("vcpu_thread", i, "update_apicv") or ending_service(i) or not buffers_empty()
    if not vcpus[i].lapic.apicv_active or changing:
        return True
    return vcpus[i].vmcs.svi == highest(vcpus[i].lapic.isr)


@invariant(
    "T-8",
    title="RVI is the highest requested vector",
    source="vmx.c:vmx_sync_pir_to_irr",
    over=VCPUS,
    excuses=("set_irr", "kick", "hw_harvest"),
    witness="W-rvi-behind",
    planted="planted-t8-sync-only-if-new",
)
def rvi_is_requested(i: VcpuId) -> bool:
    """From the synchronisation before an entry until the exit, with APICv active, RVI is the highest vector of
    the IRR.

    Excused: posted-interrupt processing between its writes of the IRR and of RVI; the vectors, and only they, of a
    sender that saw APICv inactive and put them into the IRR after the synchronisation, while it is about to make its
    request or the request is there.
    """
    synced = in_guest(i) or within("vcpu_thread", i, "synced")
    if not synced or not vcpus[i].lapic.apicv_active:
        return True
    return within("vcpu_thread", i, "hw_harvest") or vcpus[i].vmcs.rvi == highest(requested_in(i) & ~unseen(i))


@invariant(
    "T-10",
    title="RVI is no phantom",
    source="vmx.c:vmx_sync_pir_to_irr, vmx_set_rvi; Intel SDM, Virtual-interrupt delivery",
    over=VCPUS,
    witness="W-rvi-behind",
    planted="planted-t10-rvi-only-raised",
)
def rvi_is_no_phantom(i: VcpuId) -> bool:
    """From the synchronisation before an entry until the exit, with APICv active, the vector in RVI is set in the
    IRR.
    """
    synced = in_guest(i) or within("vcpu_thread", i, "synced")
    rvi = vcpus[i].vmcs.rvi
    return not synced or not vcpus[i].lapic.apicv_active or rvi == -1 or bit(requested_in(i), rvi)


@step_property(
    "T-11",
    title="interrupts nest by priority class",
    source="lapic.c:kvm_apic_has_interrupt",
    over=VCPUS,
    witness="W-nested-classes",
    planted="planted-t11-same-class",
)
def service_nests(i: VcpuId) -> bool:
    """A vector that comes into service has a higher priority class than all that were in service."""
    before = old(vcpus[i].lapic.isr)
    gained = vcpus[i].lapic.isr & ~before
    return popcount(gained) == 0 or (
        popcount(gained) == 1 and class_of(highest(gained)) > class_of(highest(before))
    )


@invariant(
    "T-12",
    title="APICv is active in the guest as the VM says",
    source="x86.c:__kvm_set_or_clear_apicv_inhibit, __kvm_vcpu_update_apicv",
    over=VCPUS,
    witness="W-inhibited-guest",
    planted="inhibit-stored-before-broadcast",
)
def apicv_as_the_vm_says(i: VcpuId) -> bool:
    """In the guest, apicv_active says whether the VM inhibits APICv, and the VMCS controls say the same."""
    vcpu = vcpus[i]
    active = vcpu.lapic.apicv_active
    agrees = vcpu.vmcs.posted_interrupts == active and vcpu.vmcs.virtual_interrupt_delivery == active
    return not in_guest(i) or (active == (kvm.apicv_inhibit_reasons == 0) and agrees)


@invariant(
    "G-5",
    title="an inhibit lasts until its owner lifts it",
    source="x86.c:__kvm_set_or_clear_apicv_inhibit",
    witness="W-inhibited",
    planted="inhibit-lifted-by-one-of-two",
)
def inhibits_last() -> bool:
    """Every reason whose owner has inhibited APICv is among the reasons of the VM."""
    return popcount(kvm.inhibits & ~kvm.apicv_inhibit_reasons) == 0


@invariant(
    "G-6",
    title="a thread that runs has a pCPU of its own, one that sleeps has none",
    source="kernel/sched/core.c:prepare_task_switch, finish_task",
    over=VCPUS,
    witness="W-kicked-in-guest",
    planted="planted-g6-leaves-before-put",
)
def runs_on_its_own_pcpu(i: VcpuId) -> bool:
    """From its load to its put, a vCPU thread occupies its pCPU, and no other one does; asleep it occupies none."""
    moving = function_of("vcpu_thread", i, "kvm_arch_vcpu_put") or function_of("vcpu_thread", i, "kvm_arch_vcpu_load")
    switched = function_of("preemption", i, "kvm_sched_out") or function_of("preemption", i, "kvm_sched_in")
    runs = moving or switched or in_guest(i) or within("vcpu_thread", i, "entry")
    if sleeps(i):
        return not vcpus[i].task.on_cpu
    return not runs or (vcpus[i].task.on_cpu and vacant(vcpus[i].task.cpu, i))


@reachable("W-inhibited")
def w_inhibited() -> bool:
    """Somebody has inhibited APICv."""
    return popcount(kvm.inhibits) > 0


@invariant(
    "T-17",
    title="a blocking vCPU does not run",
    source="kvm_main.c:kvm_vcpu_block",
    over=VCPUS,
    witness="W-blocking",
    planted="planted-t17-wait-task-kept",
)
def blocking_vcpu_does_not_run(i: VcpuId) -> bool:
    """No pCPU is in the guest, or on the way into it, with a vCPU whose thread has announced that it waits."""
    running = in_guest(i) or within("vcpu_thread", i, "entry")
    return not running or not vcpus[i].wait_task


@reachable("W-kicked-in-guest", over=VCPUS)
def w_kicked_in_guest(i: VcpuId) -> bool:
    """A vCPU in the guest was told to leave it."""
    return in_guest(i) and vcpus[i].mode == Mode.EXITING_GUEST_MODE


@reachable("W-on-wakeup-list", over=VCPUS)
def w_on_wakeup_list(i: VcpuId) -> bool:
    """A vCPU sleeps with the wakeup vector armed and an interrupt posted."""
    nv = vcpus[i].pi_desc.control.nv
    return sleeps(i) and nv == NotificationVector.POSTED_INTR_WAKEUP_VECTOR and popcount(posted_in(i)) > 0


@reachable("W-suppressed", over=VCPUS)
def w_suppressed(i: VcpuId) -> bool:
    """An interrupt was posted while notifications were suppressed."""
    return vcpus[i].pi_desc.control.sn and not vcpus[i].pi_desc.control.on and popcount(posted_in(i)) > 0


@reachable("W-hint-clear", over=VCPUS)
def w_hint_clear(i: VcpuId) -> bool:
    """irr_pending is false although the IRR is not empty: a window of T-6 is open."""
    return not vcpus[i].lapic.irr_pending and popcount(requested_in(i)) > 0


@reachable("W-toggled-in-service", over=VCPUS)
def w_toggled_in_service(i: VcpuId) -> bool:
    """APICv is being switched while a vector is in service."""
    return within("vcpu_thread", i, "update_apicv") and popcount(vcpus[i].lapic.isr) > 0


@reachable("W-rvi-behind", over=VCPUS)
def w_rvi_behind(i: VcpuId) -> bool:
    """The guest runs with RVI set, or an interrupt that the synchronisation has not seen."""
    return in_guest(i) and vcpus[i].vmcs.rvi != -1


@reachable("W-nested-classes", over=VCPUS)
def w_nested_classes(i: VcpuId) -> bool:
    """Two vectors are in service at once."""
    return popcount(vcpus[i].lapic.isr) > 1


@reachable("W-inhibited-guest", over=VCPUS)
def w_inhibited_guest(i: VcpuId) -> bool:
    """The guest runs without APICv although it was active at the start."""
    return in_guest(i) and not vcpus[i].lapic.apicv_active and TOGGLERS > 0


@reachable("W-blocking", over=VCPUS)
def w_blocking(i: VcpuId) -> bool:
    """A vCPU thread has announced that it waits."""
    return vcpus[i].wait_task
