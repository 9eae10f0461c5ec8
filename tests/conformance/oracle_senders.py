# SPDX-License-Identifier: GPL-2.0-or-later
"""Everything around the vCPU thread of the oracle: shared state, senders, device, host interrupts, locked operations.

Invariants: every access to shared memory is a step of its own.  Whatever a bug changes is a switch, looked up by name
in `bugs`; `plain-X` turns the locked operation X into a load and a store, `no-X` removes the fence X.

References: Linux 7.1 arch/x86/kvm/{lapic,x86}.c, arch/x86/kvm/vmx/{vmx,posted_intr}.c, arch/x86/kvm/vmx/common.h,
virt/kvm/kvm_main.c, kernel/exit.c:rcuwait_wake_up; Intel VT-d specification, chapter on interrupt posting.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

from tests.conformance.oracle_engine import BLOCKED, RESUME, Go, Op, Program, V, World, do, ld, mb, private, rmw, st

LOW, HIGH, TIMER = 0x31, 0x51, 0xEC                # two classes, registers of IRR and words of PIR
EVENT, UNBLOCK, NMI, UPDATE = 1, 2, 4, 8           # bits of vcpu->requests
NMI_OWED = 1 << 2                                  # the ghost bit of the NMI, by its architectural vector
HANDLER = 1                                        # the agent that runs the wakeup handler where V is not


class Pid(NamedTuple):
    """The control word of the posted-interrupt descriptor."""

    on: bool = False
    sn: bool = False
    nv: str = "POSTED"
    ndst: int = 0


@dataclass(frozen=True, slots=True)
class Scenario:
    """What surrounds the vCPU.

    `senders` are the vectors that each posts in turn, `toggles` the values that the inhibit reasons take in turn;
    `bypass` makes the scheduler switch the notification vector as if a device were assigned; hlt, exits, cli, preempt,
    icr (self-IPIs handled in the fastpath) are things that may happen, but never must.
    """

    name: str
    senders: tuple[tuple[int, ...], ...] = ()
    device: tuple[int, ...] = ()
    nmi: bool = False
    timer: bool = False
    inhibited: bool = False
    toggles: tuple[bool, ...] = ()
    hlt: bool = False
    exits: bool = False
    cli: bool = False
    icr: int = 0
    preempt: bool = False
    bypass: bool = False
    cpus: int = 1


def owe(bits: int) -> Callable[[World], None]:
    def add(w: World) -> None:
        w["owed"] |= bits
    return add


def nothing(_: Hashable) -> None:
    return None


def highest(bits: int) -> int | None:
    return bits.bit_length() - 1 if bits else None


def above_ppr(w: World, vector: int | None) -> bool:
    return vector is not None and vector >> 4 > (highest(w["isr"]) or 0) >> 4


class Surroundings:
    """The system but for the vCPU thread, as programs (methods that yield steps) for `oracle_engine.Search`."""

    def __init__(self, scenario: Scenario, tso: bool, bugs: frozenset[str] = frozenset()) -> None:
        self.scenario, self.tso, self.bugs = scenario, tso, bugs
        vectors = {v for sender in scenario.senders for v in sender} | set(scenario.device)
        vectors |= ({TIMER} if scenario.timer else set()) | ({LOW} if scenario.icr else set())
        self.words = sorted({v >> 6 for v in vectors})
        self.registers = sorted({v >> 5 for v in vectors})
        starts = [("enter",), ()] + [("send", vs) for vs in scenario.senders]
        starts += [("device", scenario.device)] * bool(scenario.device) + [("send_nmi",)] * scenario.nmi
        starts += [("timer",)] * scenario.timer + [("toggle", scenario.toggles)] * bool(scenario.toggles)
        self.starts = tuple(starts)
        names = ["V", "irq"] + [f"{s[0]}{i}" for i, s in enumerate(starts[2:])]
        self.agents = tuple(names)

    def initial(self) -> World:
        active = not self.scenario.inhibited
        memory: dict[str, Hashable] = {f"pir{w}": 0 for w in self.words} | {f"irr{r}": 0 for r in self.registers}
        memory |= {"pid": Pid(), "mode": "OUTSIDE", "cpu": 0, "requests": 0}
        memory |= {"irr_pending": active, "apicv_active": active}
        memory |= {"wait_task": False, "state": "RUNNING", "timer": 0, "inhibited": not active, "update_lock": False}
        memory |= {f"irqs{p}": frozenset() for p in range(self.scenario.cpus)} | {"call": False, "listed": None}
        memory |= {"list_locked": False, "context": "PREEMPTIBLE", "pcpu": 0}
        memory |= {"hw_active": active, "rvi": 0, "recognised": False, "isr": 0, "interrupts_on": True, "window": False}
        memory |= {"queued": None, "field": None, "nmi_pending": False, "icr": self.scenario.icr}
        memory |= {"owed": 0, "error": None}
        stacks = [((s[0], s[1:], ()),) if s else () for s in self.starts]
        places = {name: place for place, name in enumerate(memory)}
        return World(places, list(memory.values()), [()] * len(stacks), stacks, self.tso)

    def owed(self, world: World) -> bool:
        return bool(world["owed"])

    def error(self, world: World) -> str | None:
        return world["error"]

    def at_rest(self, world: World) -> bool:
        """Senders have finished, and the vCPU is in the guest or asleep."""
        return not any(world.stacks[1:]) and (world["context"] == "GUEST" or world["state"] == "INTERRUPTIBLE")

    def environment(self, here: World) -> Iterator[tuple[str, bool, World]]:
        """Physical interrupts that reach a CPU in root mode, and involuntary preemption."""
        context = here["context"]
        for p in range(self.scenario.cpus):
            ours = context != "AWAY" and here["pcpu"] == p
            for vector in sorted(here[f"irqs{p}"]):
                busy = vector == "WAKEUP" and not ours and here.stacks[HANDLER]
                if busy or (ours and context in ("GUEST", "IRQS_OFF")):
                    continue
                world = here.copy()
                self.take(world, p, vector)
                if vector == "WAKEUP":
                    agent = V if ours else HANDLER
                    world.stacks[agent] += (("interrupted", (p, context if ours else None), ()),)
                    if ours:
                        world["context"] = "IRQS_OFF"
                yield f"cpu{p}: host takes {vector}", False, world
        if self.scenario.preempt and context == "PREEMPTIBLE":
            world = here.copy()
            world["context"] = "IRQS_OFF"
            world.stacks[V] += (("preempted", (), ()),)
            yield "V: preempted", True, world

    def take(self, w: World, cpu: int, vector: str) -> None:
        w[f"irqs{cpu}"] = w[f"irqs{cpu}"] - {vector}
        if vector == "CALL":
            w["call"] = False

    # Shared pieces: locked operations, requests, wake-up, kick, IPIs.

    def rmw(self, name: str, variable: str, update: Callable, view: Callable, also: Callable | None = None) -> Program:
        if f"plain-{name}" not in self.bugs:
            return (yield rmw(f"{name} {variable}", variable, update, view, also))
        old = yield ld(variable)
        if update(old) != old:
            yield st(variable, update(old), also)
        elif also:
            yield private(also)
        return view(old)

    def fence(self, name: str) -> Program:
        if f"no-{name}" not in self.bugs:
            yield mb(name)

    def request(self, bit: int, also: Callable[[World], object] | None = None) -> Program:
        yield from self.rmw("make_request", "requests", lambda r: r | bit, nothing, also)

    def check_request(self, bit: int) -> Program:
        if not (yield ld("requests", lambda r: bool(r & bit))):
            return False
        yield from self.rmw("clear_request", "requests", lambda r: r & ~bit, nothing)
        return True

    def ipi(self, cpu: int, vector: str) -> Op:
        def act(w: World, me: int, _: Hashable) -> None:
            w[f"irqs{cpu}"] = w[f"irqs{cpu}"] | {vector}
            w["call"] = w["call"] or vector == "CALL"
        return Op(f"IPI {vector} to cpu{cpu}", act, fence="no-icr-fence" not in self.bugs)

    def wake_up(self) -> Program:                                # rcuwait_wake_up; the state changes under pi_lock
        yield from self.fence("wake-fence")
        if not (yield ld("wait_task")):
            return False
        return (yield rmw("try_to_wake_up", "state", lambda s: "RUNNING", lambda s: s == "INTERRUPTIBLE"))

    def leave_guest_mode(self) -> Program:                       # kvm_vcpu_exiting_guest_mode
        return (yield from self.rmw("kick", "mode", lambda m: "EXITING" if m == "IN" else m, lambda m: m))

    def kick(self) -> Program:
        if (yield from self.wake_up()):
            return
        if (yield from self.leave_guest_mode()) == ("EXITING" if "kick-when-exiting" in self.bugs else "IN"):
            cpu = yield ld("cpu")
            if "kick-without-ipi" not in self.bugs:
                yield self.ipi(cpu, "RESCHEDULE")

    def accept(self, vector: int, own: bool = False) -> Program:
        """vmx_deliver_interrupt.  V as its own sender needs neither notification nor kick."""
        if (yield ld("apicv_active")):
            return (yield from self.post(vector, own))
        if "irr-pending-before-irr" in self.bugs:
            yield st("irr_pending", True)
        bit = 1 << vector
        yield from self.rmw("set_irr", f"irr{vector >> 5}", lambda x: x | bit, nothing, owe(bit))
        if "irr-pending-before-irr" not in self.bugs:
            yield st("irr_pending", True)
        if "irr-without-event" not in self.bugs:
            yield from self.request(EVENT)
        if not own:
            yield from self.kick()

    def post(self, vector: int, own: bool) -> Program:           # __vmx_deliver_posted_interrupt
        bit, mode, on = 1 << vector, None, False
        if "poster-leaves-if-on" in self.bugs and (yield ld("pid", lambda p: p.on)):
            yield private(owe(bit))
            return
        if "poster-reads-mode-first" in self.bugs:
            mode = yield ld("mode")
        if "poster-sets-on-first" in self.bugs:
            on = yield from self.set_on("set_on")
        if (yield from self.rmw("set_pir", f"pir{vector >> 6}", lambda x: x | bit, lambda x: bool(x & bit), owe(bit))):
            return
        if "poster-reads-mode-before-on" in self.bugs:
            mode = yield ld("mode")
        if "poster-sets-on-first" not in self.bugs:
            on = yield from self.set_on("set_on")
        if on or own:
            return
        if (mode or (yield ld("mode"))) == "IN":
            yield self.ipi((yield ld("cpu")), "POSTED")
        else:
            yield from (self.kick() if "post-kicks" in self.bugs else self.wake_up())

    def set_on(self, name: str) -> Program:
        return (yield from self.rmw(name, "pid", lambda p: p._replace(on=True), lambda p: p.on))

    # Other agents.

    def send(self, vectors: tuple[int, ...]) -> Program:
        yield from self.accept(vectors[0])
        return Go("send", (vectors[1:],)) if vectors[1:] else None

    def send_nmi(self) -> Program:
        yield from self.request(NMI, owe(NMI_OWED))
        yield from self.kick()

    def device(self, vectors: tuple[int, ...]) -> Program:
        """VT-d: one atomic update of the descriptor; the notification carries what it read there."""
        def posting(w: World) -> Hashable:
            pid, pir = w["pid"], f"pir{vectors[0] >> 6}"
            w[pir] |= 1 << vectors[0]
            owe(1 << vectors[0])(w)
            if pid.on or pid.sn:
                return None
            w["pid"] = pid._replace(on=True)
            return pid.ndst, pid.nv
        notify = yield do(f"posts {vectors[0]:#x}", posting)
        if notify:
            yield self.ipi(*notify)
        return Go("device", (vectors[1:],)) if vectors[1:] else None

    def timer(self) -> Program:                                  # apic_timer_expired from the hrtimer
        yield rmw("timer pending++", "timer", lambda n: n + 1, nothing, owe(1 << TIMER))
        if "timer-without-unblock" not in self.bugs:
            yield from self.request(UNBLOCK)
        yield from self.kick()

    def toggle(self, values: tuple[bool, ...]) -> Program:
        """kvm_set_or_clear_apicv_inhibit: broadcast and wait, then publish, under the lock that V takes to react."""
        def lock(w: World) -> Hashable:
            if w["update_lock"]:
                return BLOCKED
            w["update_lock"] = True
            return None
        yield do("down_write", lock, fence=True)
        if "inhibit-before-broadcast" in self.bugs:
            yield st("inhibited", values[0])
        yield from self.request(UPDATE)
        if (yield from self.leave_guest_mode()) != "OUTSIDE":
            yield self.ipi((yield ld("cpu")), "CALL")
            if "broadcast-without-wait" not in self.bugs:
                yield do("wait for the call", lambda w: BLOCKED if w["call"] else None)
        if "inhibit-before-broadcast" not in self.bugs:
            yield st("inhibited", values[0])
        yield st("update_lock", False)
        return Go("toggle", (values[1:],)) if values[1:] else None

    def interrupted(self, cpu: int, context: str | None) -> Program:
        yield from self.wakeup_handler(cpu)
        yield private(lambda w: w.set(context=context or w["context"]))
        return RESUME

    def wakeup_handler(self, cpu: int) -> Program:               # pi_wakeup_handler
        def lock(w: World) -> Hashable:
            if w["list_locked"]:
                return BLOCKED
            w["list_locked"] = True
            return w["listed"] == cpu
        if (yield do("lock wakeup list", lock, fence=True)) and (yield ld("pid", lambda p: p.on)):
            yield from self.wake_up()
        yield do("unlock wakeup list", lambda w: w.set(list_locked=False))
