# SPDX-License-Identifier: GPL-2.0-or-later
"""A second, hand-written model of interrupt delivery to one vCPU (Intel), to judge the verdicts of the real one.

Written from the kernel alone: no code, name space or encoding is shared with `model/` and `properties/`.  One vCPU
thread, software senders, and as a scenario asks for them a VT-d device, an NMI (a request with a kick), a timer,
inhibition of APICv at run time, HLT and blocking, preemption, migration, self-IPIs in the fastpath.

Invariants: every access to shared memory is a step of its own; V-private state (VMCS, ISR, injection) moves with the
access next to it.  Verdicts: `lost` when nothing that must happen is left to happen and something accepted was never
delivered; `phantom` and `inversion` when hardware delivers what is not in IRR, or a class below the highest in IRR.
Left out: nested guests, TPR, EOI exit bitmaps, level triggering, halt polling, SVI (taken to be the highest ISR bit),
exits that interrupt the delivery of an event.

References: Linux 7.1 arch/x86/kvm/x86.c (vcpu_run, vcpu_enter_guest, kvm_check_and_inject_events, vcpu_block),
arch/x86/kvm/lapic.c, arch/x86/kvm/vmx/vmx.c:vmx_sync_pir_to_irr, arch/x86/kvm/vmx/posted_intr.c, virt/kvm/kvm_main.c
(kvm_vcpu_block, kvm_vcpu_check_block); Intel SDM vol. 3, chapter "APIC virtualization and virtual interrupts".
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator

from tests.conformance.oracle_engine import (
    BLOCKED,
    Call,
    Go,
    Op,
    Outcome,
    Program,
    Search,
    V,
    World,
    do,
    ld,
    private,
    st,
)
from tests.conformance.oracle_scheduling import Scheduling
from tests.conformance.oracle_senders import (
    EVENT,
    LOW,
    NMI,
    NMI_OWED,
    TIMER,
    UNBLOCK,
    UPDATE,
    Scenario,
    above_ppr,
    highest,
    nothing,
)


def active(w: World) -> Hashable:
    return w.load(V, "apicv_active")


class Kvm(Scheduling):
    """The vCPU thread.  Programs are named after what they do; each stands for the kernel functions in its comment."""

    # The outer loop and the way into the guest.

    def loop_tail(self, halted: bool) -> Program:                # vcpu_run after an attempt
        late = "unblock-cleared-late" in self.bugs
        if not late:
            yield from self.rmw("clear_request", "requests", lambda r: r & ~UNBLOCK, nothing)
        pending = yield ld("timer", bool)
        if late:
            yield from self.rmw("clear_request", "requests", lambda r: r & ~UNBLOCK, nothing)
        if pending:
            yield Call("accept", (TIMER, True))
            yield st("timer", 0)
        return Go("block" if halted else "enter")

    def enter(self) -> Program:                                  # vcpu_enter_guest up to the injection
        if (yield ld("requests", bool)):
            if (yield from self.check_request(NMI)):
                yield private(lambda w: w.set(nmi_pending=True))
                yield from self.request(EVENT)
            if (yield from self.check_request(UPDATE)):
                yield Call("update_apicv")
        immediate = False
        if "event-cleared-late" in self.bugs:
            if (yield ld("requests", lambda r: bool(r & EVENT))):
                immediate = yield Call("inject")
                yield from self.check_request(EVENT)
        elif (yield from self.check_request(EVENT)):
            immediate = yield Call("inject")
        return Go("entry", (immediate,))

    def update_apicv(self) -> Program:                           # __kvm_vcpu_update_apicv
        def down_read(w: World) -> Hashable:
            if w["update_lock"]:
                return BLOCKED
            w["update_lock"] = True
            return not w["inhibited"]
        activate = yield do("down_read, LD inhibited", down_read, fence=True)
        if (yield private(active)) != activate:
            yield st("apicv_active", activate)
            if "update-leaves-irr-pending" not in self.bugs:
                yield st("irr_pending", True)
            yield private(lambda w: w.set(hw_active=activate))
            if not activate and "no-event-on-deactivate" not in self.bugs:
                yield from self.request(EVENT)
        yield do("up_read", lambda w: w.set(update_lock=False))

    def inject(self) -> Program:
        """kvm_check_and_inject_events; true asks for a forced immediate exit."""
        def first(w: World) -> str:
            if w["queued"] is None and w["nmi_pending"]:
                w["queued"], w["nmi_pending"] = "NMI", False
            elif w["nmi_pending"]:
                w["field"] = w["queued"]
                return "busy"
            w["field"] = w["queued"]
            return "free" if w["queued"] is None else "taken"

        def acknowledge(w: World, vector: int) -> None:
            w["isr"] |= 1 << vector
            w["queued"] = w["field"] = vector
        entry = yield private(first)
        if entry == "busy" or (yield private(active)):
            return entry == "busy"
        vector = yield Call("sync")
        if not (yield private(lambda w: above_ppr(w, vector))):
            return False
        if entry == "taken":
            return True
        if (yield private(lambda w: w["interrupts_on"])):
            taken = yield Call("sync")
            if (yield private(lambda w: above_ppr(w, taken))):
                yield from self.clear_irr(taken)
                yield private(lambda w: acknowledge(w, taken))
        rest = yield Call("sync")
        if "window-not-armed" not in self.bugs:
            yield private(lambda w: w.set(window=w["window"] or above_ppr(w, rest)))
        return False

    def clear_irr(self, vector: int) -> Program:                 # apic_clear_irr, APICv inactive
        late = "irr-pending-cleared-late" in self.bugs
        if not late:
            yield st("irr_pending", False)
        yield from self.rmw("clear_irr", f"irr{vector >> 5}", lambda x: x & ~(1 << vector), nothing)
        found = (yield Call("scan_irr")) is not None
        if late or found:
            yield st("irr_pending", found)

    def entry(self, immediate: bool) -> Program:                 # vcpu_enter_guest from local_irq_disable on
        early, late = "irqs-off-after-mode" in self.bugs, "irqs-off-after-sync" in self.bugs
        before = "sync-before-mode" in self.bugs
        if before:
            yield Call("sync_before_entry")

        def irqs_off(w: World) -> None:
            w["context"] = "IRQS_OFF"
        yield st("mode", "IN", (lambda w: w.set(context="IRQS_ON")) if early or late else irqs_off)
        if early:
            yield do("IRQs off", irqs_off)
        yield from self.fence("entry-fence")
        stop = "exit-request-before-sync" in self.bugs and (yield from self.exit_request())
        if not before:
            yield Call("sync_before_entry")
        if late:
            yield do("IRQs off", irqs_off)
        if stop or ("exit-request-before-sync" not in self.bugs and (yield from self.exit_request())):
            return Go("cancel", (immediate,))
        if immediate:
            yield from self.request(EVENT)
        return Go("vm_entry", (immediate,))

    def exit_request(self) -> Program:                           # kvm_vcpu_exit_request
        return (yield ld("mode", lambda m: m == "EXITING")) or (yield ld("requests", bool))

    def sync_before_entry(self) -> Program:
        if "no-entry-sync" in self.bugs or ("no-sync-when-inhibited" in self.bugs and not (yield private(active))):
            return
        yield Call("sync")

    def cancel(self, immediate: bool) -> Program:                # the aborted entry and vmx_cancel_injection
        yield st("mode", "OUTSIDE", lambda w: w.set(context="PREEMPTIBLE"))
        yield from self.fence("cancel-fence")
        if immediate:
            yield from self.request(EVENT)
        if "cancel-forgets" in self.bugs:
            yield private(lambda w: w.set(queued=None, field=None))
        elif (yield private(lambda w: w["field"])) is not None:
            yield private(lambda w: w.set(field=None))
            yield from self.request(EVENT)
        return Go("loop_tail", (False,))

    # PIR to IRR.

    def sync(self) -> Program:
        """vmx_sync_pir_to_irr: the highest vector in IRR, or None."""
        new = None
        if (yield ld("pid", lambda p: p.on)):
            bits = (yield Call("harvest")) if "harvest-before-clear-on" in self.bugs else None
            yield from self.rmw("clear_on", "pid", lambda p: p._replace(on=False), nothing)
            if bits is None:
                bits = yield Call("harvest")
            top, new = yield Call("update_irr", (bits,))
        else:
            top = (yield Call("scan_irr")) if (yield ld("irr_pending")) else None
        from_pir = new is not None and new == top

        def set_rvi(w: World) -> None:
            if "rvi-only-from-pir" not in self.bugs or from_pir:
                value = (new if "rvi-from-new-only" in self.bugs and new is not None else top) or 0
                w["rvi"] = max(value, w["rvi"]) if "rvi-never-lowered" in self.bugs else value
        if (yield private(active)):
            yield private(set_rvi)
        elif from_pir and "sync-without-event" not in self.bugs:
            yield from self.request(EVENT)
        return top

    def harvest(self) -> Program:                                # pi_harvest_pir
        seen = []
        for word in self.words:
            seen.append((yield ld(f"pir{word}")))
        bits = 0
        for word, value in zip(self.words, seen, strict=True):
            if value:
                bits |= yield from self.rmw("take_pir", f"pir{word}", lambda _: 0, lambda x: x)
        return bits

    def update_irr(self, bits: int) -> Program:                  # kvm_apic_update_irr: (highest, highest new)
        if not bits:
            return (None if "empty-harvest-means-none" in self.bugs else (yield Call("scan_irr"))), None
        top = new = None
        for register in self.registers:
            part = bits & (0xFFFFFFFF << 32 * register)
            value = yield ld(f"irr{register}")
            if part & ~value:
                value = yield from self.rmw("or_irr", f"irr{register}", lambda x, part=part: x | part, lambda x: x)
                new = highest(part & ~value) or new
            top = highest(value | part) or top
        from_pir = new is not None and new == top
        if from_pir and "sync-leaves-irr-pending" not in self.bugs and not (yield private(active)):
            yield st("irr_pending", True)
        return top, new

    def scan_irr(self) -> Program:                               # apic_search_irr, from the top down
        for register in reversed(self.registers):
            if (value := (yield ld(f"irr{register}"))):
                return highest(value)
        return None

    # The guest and the hardware under it.

    def vm_entry(self, immediate: bool) -> Program:
        def act(w: World) -> None:
            w["context"], field = "GUEST", w["field"]
            if field is not None:
                w["owed"] &= ~(NMI_OWED if field == "NMI" else 1 << field)
                w["field"] = None
            self.evaluate(w)
        yield do("VM entry", act, fence=True)
        return Go("guest", (immediate,))

    def evaluate(self, w: World) -> None:                        # evaluation of pending virtual interrupts
        w["recognised"] = bool(w["hw_active"] and not w["window"] and above_ppr(w, w["rvi"]))

    def guest(self, immediate: bool) -> Program:
        exit_only = (("leave", False),)
        then = yield Op("guest", self.guest_step, alternatives=(lambda w: exit_only) if immediate else self.guest_moves)
        return then

    def guest_moves(self, w: World) -> Iterator[tuple[Hashable, bool]]:
        window = w["window"] and w["interrupts_on"]
        deliverable = w["recognised"] and w["interrupts_on"]
        if window:
            yield "window", False
        elif deliverable:
            yield "delivers", False
        elif w["isr"]:
            yield "EOI", False
        for vector in sorted(w[f"irqs{w['pcpu']}"]):
            yield vector, False
        if not w["interrupts_on"]:
            yield "sti", False
        elif self.scenario.cli:
            yield "cli", True
        if self.scenario.exits:
            yield "leave", True
        if self.scenario.hlt and w["interrupts_on"] and not deliverable and not window and not w["isr"]:
            yield "hlt", True
        if w["icr"]:
            yield "icr", True

    def guest_step(self, w: World, me: int, what: Hashable) -> Hashable:
        if what == "delivers":
            vector = w["rvi"]
            best = highest(max(w[f"irr{r}"] for r in self.registers)) or 0
            if not w[f"irr{vector >> 5}"] >> vector & 1:
                w["error"] = "phantom"
            elif best >> 4 > vector >> 4 and not self.scenario.toggles:     # toggling: a sender may write IRR past RVI
                w["error"] = "inversion"
            w["isr"] |= 1 << vector
            w[f"irr{vector >> 5}"] &= ~(1 << vector)
            w["owed"] &= ~(1 << vector)
            w["rvi"] = highest(max(w[f"irr{r}"] for r in self.registers)) or 0
            w["recognised"] = False
            return Go("guest", (False,))
        if what == "EOI":
            w["isr"] &= ~(1 << highest(w["isr"]))
            self.evaluate(w)
        if what in ("sti", "cli"):
            w["interrupts_on"] = what == "sti"
        if what in ("sti", "cli") or (what == "EOI" and w["hw_active"]):
            return Go("guest", (False,))
        if what in ("POSTED", "RESCHEDULE", "CALL", "WAKEUP"):
            w[f"irqs{w['pcpu']}"] -= {what}
        if what == "POSTED" and w["hw_active"]:
            if "hardware-clears-on-last" not in self.bugs:
                w["pid"] = w["pid"]._replace(on=False)
            return Go("process_posted")
        w["context"], w["recognised"], w["queued"] = "IRQS_OFF", False, None
        w["icr"] -= what == "icr"
        return Go("fastpath") if what == "icr" else Go("vm_exit", (what,))

    def process_posted(self) -> Program:                         # posted-interrupt processing after ON:=0
        def act(w: World) -> None:
            bits = 0
            for word in self.words:
                bits, w[f"pir{word}"] = bits | w[f"pir{word}"], 0
            for register in self.registers:
                w[f"irr{register}"] |= bits & (0xFFFFFFFF << 32 * register)
            w["rvi"] = max(w["rvi"], highest(bits) or 0)
            self.evaluate(w)
        yield do("hardware takes PIR", act)
        if "hardware-clears-on-last" in self.bugs:
            yield do("hardware clears ON", lambda w: w.set(pid=w["pid"]._replace(on=False)))
        return Go("guest", (False,))

    def fastpath(self) -> Program:                               # WRMSR of ICR to itself: mode stays IN_GUEST_MODE
        yield Call("accept", (LOW, True))
        if "fastpath-without-sync" not in self.bugs:
            yield Call("sync")
        if (yield from self.exit_request()):
            return Go("vm_exit", ("leave",))
        return Go("vm_entry", (False,))

    def vm_exit(self, reason: str) -> Program:                   # the tail of vcpu_enter_guest and handle_exit
        yield st("mode", "OUTSIDE")
        if reason == "WAKEUP":
            yield from self.wakeup_handler((yield private(lambda w: w["pcpu"])))
        elif reason == "CALL":
            yield do("runs the call", lambda w: w.set(call=False))
        yield do("IRQs on", lambda w: w.set(context="PREEMPTIBLE"))
        yield from self.fence("exit-fence")
        halted = False
        if reason == "window":
            yield private(lambda w: w.set(window=False))
            yield from self.request(EVENT)
        elif reason == "EOI":
            yield Call("sync")
            yield from self.request(EVENT)
        elif reason == "hlt":
            halted = not (yield Call("has_events"))
        return Go("loop_tail", (halted,))


def verdict(scenario: Scenario, tso: bool, bugs: frozenset[str] = frozenset(), limit: int = 2_000_000) -> Outcome:
    return Search(Kvm(scenario, tso, bugs)).run(limit)
