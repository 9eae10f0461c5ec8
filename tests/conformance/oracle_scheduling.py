# SPDX-License-Identifier: GPL-2.0-or-later
"""HLT, blocking, preemption and the posted-interrupt descriptor across context switches, for the oracle.

Invariants: V's store buffer is empty whenever it leaves a CPU (the run queue lock is a locked operation), so that a
buffer per thread is a buffer per CPU; deactivating the task is one step with the test of its state, under that lock.

References: Linux 7.1 arch/x86/kvm/x86.c (vcpu_block, kvm_vcpu_has_events), virt/kvm/kvm_main.c (kvm_vcpu_block,
kvm_vcpu_check_block, kvm_sched_out, kvm_sched_in), arch/x86/kvm/vmx/posted_intr.c (vmx_vcpu_pi_put, vmx_vcpu_pi_load).
"""

from __future__ import annotations

from collections.abc import Hashable

from tests.conformance.oracle_engine import BLOCKED, RESUME, Call, Go, Op, Program, V, World, do, ld, private, rmw, st
from tests.conformance.oracle_senders import NMI, UNBLOCK, Surroundings, above_ppr, nothing


class Scheduling(Surroundings):
    """The part of the vCPU thread that sleeps, wakes and is switched."""

    def has_events(self) -> Program:                             # kvm_vcpu_has_events
        if (yield ld("requests", lambda r: bool(r & NMI))) or (yield private(lambda w: w["nmi_pending"])):
            return True
        if not (yield private(lambda w: w["interrupts_on"])):
            return False
        vector = yield Call("sync")
        return (yield private(lambda w: above_ppr(w, vector)))

    def block(self) -> Program:                                  # vcpu_block up to kvm_vcpu_block
        if (yield Call("has_events")):
            return Go("loop_tail", (False,))
        yield from self.fence("block-fence")
        yield st("wait_task", True)
        return Go("sleep")

    def sleep(self) -> Program:                                  # one round of the loop in kvm_vcpu_block
        late = "state-set-after-check" in self.bugs
        if not late:
            yield self.set_current_state()
        yield from self.fence("check-lock-fence")
        stop = (yield Call("has_events")) or (yield ld("timer", bool)) or (yield from self.check_request(UNBLOCK))
        yield from self.fence("check-unlock-fence")
        if stop:
            return Go("wake")
        if late:
            yield self.set_current_state()

        def schedule(w: World) -> Hashable:
            if w["state"] == "INTERRUPTIBLE":
                w["context"] = "IRQS_OFF"
            return w["state"] == "INTERRUPTIBLE"
        if (yield do("schedule", schedule, fence=True)):
            yield Call("switch", (False,))
        return Go("sleep")

    def set_current_state(self) -> Op:
        if "no-state-fence" in self.bugs:
            return st("state", "INTERRUPTIBLE")
        return rmw("set_current_state INTERRUPTIBLE", "state", lambda s: "INTERRUPTIBLE", nothing)

    def wake(self) -> Program:                                   # the rest of kvm_vcpu_block and vcpu_block
        yield st("wait_task", False)
        yield st("state", "RUNNING")
        yield from self.fence("unblock-fence")
        return Go("loop_tail", (not (yield Call("has_events")),))

    def preempted(self) -> Program:
        yield do("__schedule", lambda w: None, fence=True)
        yield Call("switch", (True,))
        return RESUME

    def switch(self, preempted: bool) -> Program:
        """vmx_vcpu_pi_put, away from the CPU, then vmx_vcpu_pi_load on some CPU."""
        def away(w: World) -> None:
            w["context"] = "AWAY"

        def back(w: World, me: int, cpu: Hashable) -> Hashable:
            if not preempted and w["state"] != "RUNNING":
                return BLOCKED
            w["context"], w["pcpu"] = "IRQS_OFF", cpu
            return cpu
        yield from self.pi_put(preempted)
        yield do("switched out", away)
        cpus = tuple((p, False) for p in range(self.scenario.cpus))
        cpu = yield Op("switched in on cpu", back, alternatives=lambda w: cpus)
        if "cpu-before-pid" in self.bugs:
            yield st("cpu", cpu)
        yield from self.pi_load(cpu)
        yield st("cpu", cpu, lambda w: w.set(context="PREEMPTIBLE"))

    def pi_put(self, preempted: bool) -> Program:
        if not self.scenario.device and not self.scenario.bypass:
            return
        if preempted or not (yield private(lambda w: w.load(V, "wait_task") and w["interrupts_on"])):
            yield from self.rmw("set_sn", "pid", lambda p: p._replace(sn=True), nothing)
            return

        def append(w: World) -> Hashable:
            if w["list_locked"]:
                return BLOCKED
            w["listed"] = w["cpu"]
            return w["pcpu"]
        cpu = yield do("joins the wakeup list", append)
        quiet = "sn-set-when-blocking" in self.bugs
        on = yield from self.rmw("set_nv", "pid", lambda p: p._replace(nv="WAKEUP", sn=p.sn or quiet), lambda p: p.on)
        if on and "no-self-ipi-after-nv-switch" not in self.bugs:
            yield self.ipi(cpu, "WAKEUP")

    def pi_load(self, cpu: Hashable) -> Program:
        nv = yield ld("pid", lambda p: p.nv)
        if nv == "POSTED" and (yield private(lambda w: w.load(V, "cpu"))) == cpu:
            if "load-keeps-sn" in self.bugs:
                return
            if not (yield from self.rmw("clear_sn", "pid", lambda p: p._replace(sn=False), lambda p: p.sn)):
                return
        else:
            late = "nv-restored-before-unlink" in self.bugs
            if nv == "WAKEUP" and not late:
                yield self.unlink()
            ndst = {} if "load-keeps-ndst" in self.bugs else {"ndst": cpu}
            yield from self.rmw("load_pid", "pid", lambda p: p._replace(sn=False, nv="POSTED", **ndst), nothing)
            if nv == "WAKEUP" and late:
                yield self.unlink()
        if "no-on-after-sn-clear" in self.bugs:
            return
        for word in self.words:
            if (yield ld(f"pir{word}", bool)):
                yield from self.set_on("set_on_again")
                return

    def unlink(self) -> Op:
        def act(w: World) -> Hashable:
            if w["list_locked"]:
                return BLOCKED
            w["listed"] = None
            return None
        return do("leaves the wakeup list", act)
