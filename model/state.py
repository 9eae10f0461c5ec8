# SPDX-License-Identifier: GPL-2.0-or-later
"""The memory of the model: what KVM, the processor, the IOMMU and the scheduler remember about an interrupt.

Invariants
  - One field is one field of the kernel or of the architecture; its access unit is the unit in which they access it.
  - `Ghost` fields are no memory: registers and the scheduler's state, or instrumentation, on which no code decides.
  - Vectors are the numbers 0..VECTORS-1.  OptVector uses -1 where the kernel says -1 and the hardware says 0.
    Abstraction: the hardware encodes "none" in RVI and SVI as vector 0.  Vectors 0..15 cannot be sent (an APIC refuses
    them), so no run of the hardware tells 0 from none; a lost vector 0 does not exist.
  - The priority class of a vector is (v >> CLASS_SHIFT) + CLASS_BASE: 16 vectors to a class at full width (shift 4,
    base 0), one or two to a class in a small instance (base 1, so that class 0 is below every vector).

References: arch/x86/kvm/lapic.h:struct kvm_lapic; arch/x86/include/asm/posted_intr.h:struct pi_desc;
include/linux/kvm_host.h:struct kvm_vcpu; Intel SDM vol. 3, "APIC virtualization and virtual interrupts".
"""

from lostirq.prelude import *

# -- sizes ------------------------------------------------------------------------------------------------------------

VCPUS = Param(1, "virtual CPUs")
PCPUS = Param(1, "physical CPUs that the vCPU threads run on")
VECTORS = Param(1, "interrupt vectors")
FIRST_VECTOR = Param(0, "lowest vector that is sent (16 at full width)")
PIR_WORD = Param(64, "bits of a word of the PIR")
IRR_WORD = Param(32, "bits of an IRR register")
CLASS_SHIFT = Param(0, "log2 of the number of vectors in a priority class")
CLASS_BASE = Param(1, "priority class of vector 0 (0 at full width)")

# -- who takes part ---------------------------------------------------------------------------------------------------

SENDERS = Param(0, "threads that send interrupts in software")
DEVICES = Param(0, "assigned devices whose interrupts the IOMMU posts")
IPIV_SENDERS = Param(0, "vCPUs of other pCPUs that send by IPI virtualization")
KICKERS = Param(0, "threads that make a request and kick, without an interrupt")
TOGGLERS = Param(0, "threads that inhibit and uninhibit APICv")
BYPASSERS = Param(0, "threads that attach the first assigned device")
BYPASS_SECOND = Param(False, "the device that is attached is the second one: the first stays")
BYPASS_DETACH = Param(False, "the device is detached again, and attached, for ever")
TIMERS = Param(0, "local APIC timers that may expire")
SPINNERS = Param(0, "vCPUs of other pCPUs that spin and look for a vCPU to yield to")
PV_KICKERS = Param(0, "vCPUs of other pCPUs that end a halt by hypercall (KVM_HC_KICK_CPU)")
USERSPACE = Param(False, "the vCPU thread exits to userspace and comes back, on any pCPU")
PREEMPTION = Param(False, "the scheduler preempts vCPU threads, and migrates them if there are two pCPUs")

# -- features ---------------------------------------------------------------------------------------------------------

APICV = Param(True, "APICv is active at the start")
IPIV = Param(False, "the processor has IPI virtualization")
HALT_POLL = Param(False, "kvm_vcpu_halt polls once before it blocks")
SCHED_IN_REQUESTS = Param(False, "every sched-in makes a request, as KVM_REQ_STEAL_UPDATE does")
COUNT_SENDS = Param(True, "a ghost counts the interrupts that software has begun to send (not in proofs)")
STALE_STATUS = Param(False, "RVI and SVI survive the time when APICv is off")

# -- the most general guest -------------------------------------------------------------------------------------------

GUEST_HLT = Param(False, "HLT")
GUEST_CLI = Param(False, "CLI")
GUEST_STI = Param(False, "STI with its shadow (IRET and POPF, without shadow, are always there)")
GUEST_TPR = Param(False, "writes of the TPR (CR8)")
GUEST_EOI = Param(True, "EOI")
GUEST_EXIT = Param(True, "an instruction or host event that leaves the guest")
GUEST_SELF_IPI = Param(False, "self-IPI")
GUEST_ICR = Param(False, "an ICR write with itself as the destination, handled in the fastpath")
GUEST_HV_EOI = Param(False, "EOI by the MSR of Hyper-V, which exits although APICv is active")
GUEST_PV_EOI = Param(False, "EOI by a flag in memory that KVM offers (MSR_KVM_PV_EOI_EN)")
GUEST_VECTORING = Param(False, "an exit in the middle of the delivery of an event")

# -- derived ----------------------------------------------------------------------------------------------------------

LAST = VECTORS - 1
PIR_UNIT = PIR_WORD if PIR_WORD < VECTORS else VECTORS
IRR_UNIT = IRR_WORD if IRR_WORD < VECTORS else VECTORS
PIR_WORDS = (VECTORS + PIR_UNIT - 1) // PIR_UNIT
IRR_WORDS = (VECTORS + IRR_UNIT - 1) // IRR_UNIT
LAST_CLASS = (LAST >> CLASS_SHIFT) + CLASS_BASE
SENDING_VCPUS = IPIV_SENDERS if IPIV else 0
AGENTS = SENDERS + DEVICES + SENDING_VCPUS + 1
TIMER_VECTOR = LAST
REASONS = max(TOGGLERS, 1)
DEVICES_AT_START = DEVICES > 0 and (BYPASSERS == 0 or BYPASS_SECOND)

VcpuId = Int[0, VCPUS - 1]
CpuId = Int[0, PCPUS - 1]
SenderId = Int[0, SENDERS]
DeviceId = Int[0, DEVICES]
KickerId = Int[0, KICKERS]
TogglerId = Int[0, TOGGLERS]
BypasserId = Int[0, BYPASSERS]
IpivId = Int[0, IPIV_SENDERS]
TimerId = Int[0, TIMERS]
SpinnerId = Int[0, SPINNERS]
PvKickerId = Int[0, PV_KICKERS]
Reason = Int[0, REASONS - 1]
Vector = Int[FIRST_VECTOR, LAST]
OptVector = Int[-1, LAST]
PriorityClass = Int[0, LAST_CLASS]
VectorSet = Bits[VECTORS]


class NotificationVector(Enum):
    """The two values that PID.NV takes."""

    POSTED_INTR_VECTOR = 0
    POSTED_INTR_WAKEUP_VECTOR = 1


class HostVector(Enum):
    """The physical vectors of the model, as VM-exit interruption information reports them."""

    NONE = 0
    POSTED_INTR = 1
    POSTED_INTR_WAKEUP = 2
    RESCHEDULE = 3
    CALL_FUNCTION = 4


class Mode(Enum):
    """vcpu->mode.

    Abstraction: READING_SHADOW_PAGE_TABLES is left out: for senders and kickers it is as OUTSIDE; a cross-call waits.
    """

    OUTSIDE_GUEST_MODE = 0
    IN_GUEST_MODE = 1
    EXITING_GUEST_MODE = 2


class MpState(Enum):
    """Abstraction: INIT, SIPI and reset states are left out: a fixed interrupt is the only event of the core model."""

    RUNNABLE = 0
    HALTED = 1


class TaskState(Enum):
    TASK_RUNNING = 0
    TASK_INTERRUPTIBLE = 1


class ExitReason(Enum):
    """Why the processor left the guest (vmcs.EXIT_REASON)."""

    NONE = 0
    EXTERNAL_INTERRUPT = 1
    INTERRUPT_WINDOW = 2
    TPR_BELOW_THRESHOLD = 3
    PREEMPTION_TIMER = 4
    HLT = 5
    EOI = 6
    SELF_IPI = 7
    ICR = 8
    OTHER = 9


class Fastpath(Enum):
    NONE = 0
    REENTER_GUEST = 1
    EXIT_HANDLED = 2


class Request(Enum):
    """Names of the bits of vcpu->requests, see Vcpu.requests."""

    KVM_REQ_EVENT = 0
    KVM_REQ_UNBLOCK = 1
    KVM_REQ_APICV_UPDATE = 2
    KVM_REQ_OTHER = 3


# -- per vCPU ---------------------------------------------------------------------------------------------------------


class PiDesc(Struct):
    """struct pi_desc, 64 bytes, shared with the IOMMU and with the processor in non-root mode."""

    pir: Words[VECTORS, PIR_UNIT]
    control: Packed(on=bool, sn=bool, nv=NotificationVector, ndst=CpuId)


class Lapic(Struct):
    """struct kvm_lapic with its register page, which is the virtual-APIC page of the processor.

    Abstraction: ISR is one unit: only the owner and its processor access it.  TPR and PPR are priority classes: their
    low nibbles take part in no decision about fixed interrupts.  TMR, LVT, ICR, LDR, DFR, ID, SPIV are left out: all
    interrupts are edge-triggered and fixed, the APIC is enabled, the destination has been found, the timer is unmasked.
    """

    irr: Words[VECTORS, IRR_UNIT]
    isr: Bits[VECTORS]
    tpr: PriorityClass
    ppr: PriorityClass
    irr_pending: bool = True
    isr_count: Int[0, VECTORS] = 1 if APICV else 0
    highest_isr_cache: OptVector = -1
    apicv_active: bool = APICV
    timer_pending: bool                    # lapic_timer.pending: it does not count, one expiry waits for the last


class Vmcs(Struct):
    """vmcs01: the fields that take part in interrupt delivery; only the processor that has it loaded touches them."""

    rvi: OptVector = -1
    svi: OptVector = -1
    posted_interrupts: bool = APICV        # pin-based control "process posted interrupts"
    virtual_interrupt_delivery: bool = APICV
    interrupt_window_exiting: bool
    tpr_threshold: PriorityClass
    entry_interruption: OptVector = -1     # VM-entry interruption information: the event to inject
    idt_vectoring: OptVector = -1          # IDT-vectoring information: the event whose delivery the exit interrupted
    exit_reason: ExitReason
    exit_interruption: HostVector          # VM-exit interruption information (acknowledge interrupt on exit)


class Guest(Struct):
    """Guest state of the processor.

    Ghosts here are registers: looking at them is no access to memory.
    """

    interrupt_flag: Ghost[bool] = True     # RFLAGS.IF
    sti_shadow: Ghost[bool]                # blocking by STI, until the end of the next instruction
    pv_eoi: bool                           # the flag in guest memory: the host allows an EOI without an exit
    recognised: bool                       # a pending virtual interrupt was recognised (latched by its evaluation)


class Interrupt(Struct):
    """vcpu->arch.interrupt: the event that software owns between the acknowledgement and the handler entry."""

    injected: OptVector = -1               # -1: injected is false; else nr


class Task(Struct):
    """The task of the vCPU thread, as far as the scheduler and wakers see it.

    Ghosts here are what is no memory: where a thread is and what its processor masks; looking at them is no access.
    """

    state: TaskState
    on_rq: bool = True                     # runnable: a wake-up or a preemption leaves it on the run queue
    cpu: Ghost[CpuId]                      # the pCPU that the thread runs on, or ran on last (smp_processor_id)
    on_cpu: Ghost[bool] = True             # it occupies its pCPU
    preempted: Ghost[bool]                 # taken off its pCPU at a point of the scheduler's choice: it does not step
    preempt_off: Ghost[bool]
    irqs_off: Ghost[bool]
    switching: Ghost[bool]                 # it is preempted: __schedule puts it, with interrupts off


class Window(Enum):
    """Windows of a delivery, for begins() and ends()."""

    POST = 0
    NOTIFY = 1
    SET_IRR = 2
    KICK = 3


class Underway(Struct):
    """How many agents stand between two accesses of a delivery to this vCPU: the windows of the same names.

    Abstraction: ghosts, for the properties: windows say where a thread is, not which vCPU it acts upon.  With one vCPU
    they say both, and nothing is counted.
    """

    post: Ghost[Int[0, AGENTS]]
    notify: Ghost[Int[0, AGENTS]]
    set_irr: Ghost[Int[0, AGENTS]]
    kick: Ghost[Int[0, AGENTS]]


class Vcpu(Struct):
    """struct kvm_vcpu, its vcpu_vt and its vmcs01, and the guest that runs on it."""

    pi_desc: PiDesc
    lapic: Lapic
    vmcs: Vmcs
    guest: Guest
    interrupt: Interrupt
    requests: Packed(event=bool, unblock=bool, apicv_update=bool, other=bool)
    mode: Mode
    cpu: CpuId                             # vcpu->cpu: written last in kvm_arch_vcpu_load
    mp_state: MpState
    pv_unhalted: bool
    wait_task: bool                        # wait.task is the vCPU thread (true) or NULL
    task: Task
    carried: Ghost[Bits[VECTORS]]          # vectors in a live local between two places (PIR to IRR, IRR to injected)
    serving: Ghost[Bits[VECTORS]]          # what the guest knows to be in service: handler entered, no EOI yet
    pv_eoi_pending: bool                   # apic_attention, KVM_APIC_PV_EOI_PENDING
    underway: Underway
    looking: Ghost[bool]                   # it will act upon what it saw in the IRR: acknowledge it, or enter with it
    late: Ghost[Bits[VECTORS]]             # put into the IRR by software after it looked at that register
    asked: Ghost[bool]                     # the guest sent itself an IPI, which software has to emulate
    sending: Ghost[Int[0, AGENTS]]         # how many send an interrupt in software
    owed: Ghost[Int[0, AGENTS]]            # how many of them have not put it anywhere yet


# -- per pCPU ---------------------------------------------------------------------------------------------------------


class LocalApic(Struct):
    """A physical local APIC: IPIs under way to it or pending in it.

    Abstraction: one bit for both, per vector: an IPI is accepted any time after it was sent, in any order, and equal
    vectors merge, as they do in the IRR of the physical APIC.
    """

    posted_intr: Message[bool]
    wakeup: Message[bool]
    reschedule: Message[bool]
    call_function: Message[bool]


class Pcpu(Struct):
    """A physical CPU.

    Abstraction: the wakeup list is a set: who is woken first decides nothing about whether one is woken.
    """

    apic: LocalApic
    wakeup_vcpus: Bits[VCPUS]              # wakeup_vcpus_on_cpu
    wakeup_lock: bool                      # wakeup_vcpus_on_cpu_lock
    csd_pending: bool                      # a queued cross-call that its sender waits for
    running: Ghost[Int[-1, VCPUS - 1]] = -1   # kvm_running_vcpu, see G-14


# -- per VM -----------------------------------------------------------------------------------------------------------


class Kvm(Struct):
    """struct kvm and struct kvm_arch."""

    apicv_inhibit_reasons: Bits[REASONS] = 0 if APICV else 1
    inhibits: Ghost[Bits[REASONS]]         # reasons whose owner has inhibited APICv, and has not begun to lift that
    apicv_update_writer: bool              # apicv_update_lock is held for write
    apicv_update_readers: Int[0, VCPUS]    # apicv_update_lock is held for read, so many times
    nr_possible_bypass_irqs: Int[0, 2] = 1 if DEVICES_AT_START else 0
    irte_posted: bool = DEVICES_AT_START   # the IRTE of the assigned device is in posted format


vcpus: Array[Vcpu, VCPUS]
pcpus: Array[Pcpu, PCPUS]
kvm: Kvm


# -- ghosts -----------------------------------------------------------------------------------------------------------


@function()
def begins(vcpu: Vcpu, window: Window):
    if VCPUS > 1:
        if window == Window.POST:
            vcpu.underway.post += 1
        if window == Window.NOTIFY:
            vcpu.underway.notify += 1
        if window == Window.SET_IRR:
            vcpu.underway.set_irr += 1
        if window == Window.KICK:
            vcpu.underway.kick += 1


@function()
def ends(vcpu: Vcpu, window: Window):
    if VCPUS > 1:
        if window == Window.POST:
            vcpu.underway.post -= 1
        if window == Window.NOTIFY:
            vcpu.underway.notify -= 1
        if window == Window.SET_IRR:
            vcpu.underway.set_irr -= 1
        if window == Window.KICK:
            vcpu.underway.kick -= 1


# -- arithmetic of priorities -----------------------------------------------------------------------------------------


@pure
def class_of(vector: OptVector) -> PriorityClass:
    """Priority class of a vector; none has class 0."""
    return (vector >> CLASS_SHIFT) + CLASS_BASE if vector >= 0 else 0

