# SPDX-License-Identifier: GPL-2.0-or-later
"""Scenarios and mutants of the oracle, and the table of its verdicts.

`python -m tests.conformance.oracle_mutants` writes `oracle_verdicts.json`: for each mutant the verdict under SC and
TSO, the length of a shortest trace, its scenario, and `bug`, the folder of the known bug that plants the same mistake.

Invariants: a mutant names the scenarios that are searched, in order; the first that is not safe gives the verdict.
Lengths are steps of the oracle, comparable among its own verdicts only.  The oracle judges loss: a known bug may be
violated for another property while its mutant is safe here, and the reason then says so.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from tests.conformance.oracle import verdict
from tests.conformance.oracle_engine import Outcome
from tests.conformance.oracle_senders import HIGH, LOW, Scenario

TABLE = Path(__file__).with_name("oracle_verdicts.json")
NEAR = 0x41                                        # shares the word of PIR and the register of IRR with HIGH
FENCES = ("wake-fence", "state-fence", "check-lock-fence", "check-unlock-fence", "exit-fence", "block-fence",
          "unblock-fence", "cancel-fence", "icr-fence")          # all but entry-fence, which is needed by itself

SCENARIOS = {scenario.name: scenario for scenario in (
    Scenario("post", senders=((LOW,),), hlt=True, exits=True),
    Scenario("two-posts", senders=((LOW, HIGH), (LOW,))),
    Scenario("two-senders", senders=((NEAR,), (HIGH,))),
    Scenario("same-vector", senders=((LOW,), (LOW,))),
    Scenario("post-switched", senders=((LOW,),), hlt=True, preempt=True, bypass=True),
    Scenario("inject", senders=((LOW,),), inhibited=True, hlt=True, exits=True, cli=True),
    Scenario("inject-two", senders=((HIGH, LOW),), inhibited=True),
    Scenario("inject-near", senders=((HIGH, NEAR),), inhibited=True),
    Scenario("device", device=(LOW,), hlt=True, exits=True, preempt=True),
    Scenario("device-two", device=(HIGH, LOW), hlt=True, exits=True, cli=True),
    Scenario("device-migrated", device=(LOW,), preempt=True, exits=True, cpus=2),
    Scenario("device-inhibited", device=(LOW,), inhibited=True, hlt=True, exits=True, cli=True),
    Scenario("device-and-sender-inhibited", device=(NEAR,), senders=((HIGH,),), inhibited=True),
    Scenario("timer", timer=True, hlt=True, exits=True),
    Scenario("timer-inhibited", timer=True, inhibited=True, hlt=True),
    Scenario("nmi", nmi=True, hlt=True, exits=True),
    Scenario("nmi-and-inject", nmi=True, senders=((LOW,),), inhibited=True),
    Scenario("inhibit", senders=((LOW,),), toggles=(True,)),
    Scenario("inhibit-device", device=(LOW,), toggles=(True,), hlt=True),
    Scenario("uninhibit", senders=((LOW,),), inhibited=True, toggles=(False,)),
    Scenario("uninhibit-device", device=(LOW,), inhibited=True, toggles=(False, True)),
    Scenario("inhibit-and-back", device=(LOW,), toggles=(True, False)),
    Scenario("fastpath", icr=1, senders=((HIGH,),)),
    Scenario("fastpath-nmi", icr=1, nmi=True),
)}


@dataclass(frozen=True, slots=True)
class Mutant:
    """`switches` are joined by +; `sc` and `tso` are the expected statuses, `why` the reason for them."""

    switches: str
    bug: str | None
    scenarios: tuple[str, ...]
    sc: str
    tso: str
    why: str

    def outcome(self, tso: bool) -> tuple[str | None, Outcome]:
        """The first scenario that is not safe, and its outcome; None and a safe outcome if there is none."""
        states = 0
        for name in self.scenarios:
            outcome = verdict(SCENARIOS[name], tso, frozenset(self.switches.split("+")))
            states += outcome.states
            if outcome.status != "safe":
                return name, outcome
        return None, Outcome("safe", states)


SLEEPERS = ("post", "inject", "timer", "nmi")
MUTANTS = tuple(Mutant(*row) for row in (
    # The entry: mode, fence, synchronisation, interrupts, requests.
    ("no-entry-fence", "entry-fence-removed", ("post",), "safe", "lost",
     "mode=IN waits in the store buffer while ON is read; the poster reads OUTSIDE and sends nothing"),
    ("sync-before-mode", "pi-post-between-sync-and-mode", ("post",), "lost", "lost",
     "a post between the synchronisation and the mode store finds OUTSIDE, and nobody looks at ON again"),
    ("irqs-off-after-sync", "pi-ipi-in-irqs-on-window", ("post",), "lost", "lost",
     "the host takes the notification after the synchronisation and before the entry"),
    ("irqs-off-after-mode", None, ("post", "device", "nmi", "timer"), "safe", "safe",
     "interrupts off at once after the mode store: what the host took before is found by the synchronisation after it"),
    ("exit-request-before-sync", "request-check-before-sync", ("device-inhibited",), "lost", "lost",
     "with APICv inhibited the synchronisation asks for injection by a request that is not looked at again"),
    ("no-entry-sync", None, ("post",), "lost", "lost", "a post to a vCPU outside the guest is found by nobody else"),
    ("fastpath-without-sync", "fastpath-without-sync", ("fastpath",), "lost", "lost",
     "a vCPU that posts to itself is told by nobody"),
    ("no-sync-when-inhibited", "apicv-off-vcpu-ignores-pir", ("device-inhibited",), "lost", "lost",
     "devices post to the PIR regardless of APICv, and each notification only ends in another entry"),
    ("cancel-forgets", "cancelled-injection-dropped", ("inject",), "lost", "lost",
     "the acknowledged vector is in ISR and in the entry field alone when the entry is cancelled"),
    ("event-cleared-late", "request-cleared-after-processing", ("nmi-and-inject",), "lost", "lost",
     "a request made while the first is being processed is cleared with it"),
    ("window-not-armed", "planted-q5-no-window-while-blocked", ("inject",), "lost", "lost",
     "IF=0 at the injection, and no exit when it becomes 1"),
    # The descriptor.
    ("harvest-before-clear-on", "on-cleared-after-harvest", ("device-two",), "lost", "lost",
     "a bit set after the harvest found ON=1, which is then cleared"),
    ("hardware-clears-on-last", "planted-q7-hardware-clears-on-last", ("two-senders",), "lost", "lost",
     "the same race inside posted-interrupt processing"),
    ("poster-sets-on-first", "on-set-before-pir", ("post",), "lost", "lost",
     "V clears ON before the PIR bit is there; in the guest the notification would still repair it"),
    ("poster-leaves-if-on", "planted-g19-on-first", ("two-senders",), "lost", "lost", "the bit is never set"),
    ("poster-reads-mode-before-on", "mode-read-before-on", ("post",), "lost", "lost",
     "mode is read as OUTSIDE before ON is set, and V enters in between"),
    ("poster-reads-mode-first", "mode-read-before-on", ("post",), "lost", "lost", "as before, with a larger window"),
    ("post-kicks", "wake-up-replaced-by-kick", ("post",), "safe", "safe", "a kick wakes, and may cause an exit more"),
    ("empty-harvest-means-none", "empty-harvest-forgets-irr", ("device",), "lost", "lost",
     "preempted between clearing ON and the harvest, pi_load sets ON again; the next synchronisation finds nothing in "
     "PIR and writes RVI=0 over the vector in IRR.  One post of a device is enough"),
    ("rvi-only-from-pir", "rvi-not-written-without-harvest", ("uninhibit",), "lost", "lost",
     "a vector that came by IRR while APICv was inhibited never reaches RVI"),
    ("rvi-from-new-only", None, ("device-two",), "inversion", "inversion",
     "nothing is lost, as a delivery computes RVI from IRR; but a lower class comes first"),
    ("no-on-after-sn-clear", "sn-set-breaks-on-invariant", ("device",), "lost", "lost",
     "what was posted under SN=1 left ON=0"),
    # APICv inactive: IRR, its hint, requests.
    ("irr-pending-cleared-late", "irr-pending-cleared-after-scan", ("inject-near",), "lost", "lost",
     "a sender sets bit and hint between the scan and the store of its result"),
    ("irr-pending-before-irr", "irr-pending-set-before-irr-bit", ("inject-near",), "lost", "lost",
     "V clears the hint, and scans before the bit is there"),
    ("plain-clear_irr", "irr-bit-cleared-without-lock", ("inject-near",), "lost", "lost",
     "in one register the store writes back an old word, under SC as well"),
    ("plain-clear_irr", "irr-bit-cleared-without-lock", ("inject-two",), "safe", "lost",
     "in two registers what is missing is the fence: the hint's 0 is still buffered when IRR is scanned"),
    ("plain-or_irr", None, ("device-and-sender-inhibited",), "lost", "lost",
     "the bit of a sender that writes IRR is overwritten by the harvest"),
    ("sync-leaves-irr-pending", "irr-hint-not-set-by-sync", ("device-inhibited",), "lost", "lost",
     "IRR holds the vector, and the hint says that it is empty"),
    ("sync-without-event", "sync-pir-without-injection-when-apicv-off", ("device-inhibited",), "lost", "lost",
     "the harvested vector is not injected before the entry"),
    ("irr-without-event", "arm-kick-without-request", ("inject",), "lost", "lost", "kicked, the vCPU just enters"),
    ("kick-when-exiting", None, ("nmi",), "lost", "lost", "a vCPU in the guest gets no IPI"),
    ("kick-without-ipi", "planted-lv2-kick-without-ipi", ("nmi",), "lost", "lost", "a vCPU in the guest gets no IPI"),
    ("unblock-cleared-late", None, ("timer",), "lost", "lost",
     "the timer expires after pending was read, and its request is cleared after that"),
    ("timer-without-unblock", None, ("timer",), "lost", "lost", "an expiry after that load does not abort the entry"),
    # APICv toggled.
    ("no-event-on-deactivate", "no-event-on-deactivation", ("inhibit-device",), "lost", "lost",
     "a vector accepted through APICv has no request"),
    ("update-leaves-irr-pending", "inhibit-clears-irr-pending-while-hw-still-posting", ("uninhibit-device",),
     "lost", "lost", "the hint is not kept up while APICv is active"),
    ("rvi-never-lowered", "planted-t10-rvi-only-raised", ("inhibit-and-back",), "phantom", "phantom",
     "injected by software while inhibited, the vector stays in RVI and is delivered again afterwards"),
    ("inhibit-before-broadcast", "inhibit-stored-before-broadcast", ("inhibit-device",), "safe", "safe",
     "a vCPU runs in the guest with APICv although it is inhibited, which breaks an assertion but loses nothing"),
    ("broadcast-without-wait", None, ("inhibit-device",), "safe", "safe",
     "the same; V waits for the lock before it reads the reasons"),
    # Sleeping and switching.
    ("no-self-ipi-after-nv-switch", "post-then-switch-nv", ("device",), "lost", "lost",
     "the notification went out with the old vector, and ON=1 silences all later ones"),
    ("sn-set-when-blocking", "sn-set-when-blocking", ("device-inhibited",), "lost", "lost",
     "a post to the sleeper sends no notification"),
    ("nv-restored-before-unlink", None, ("device",), "safe", "safe",
     "the handler that finds the vCPU on the list then wakes one that is awake"),
    ("cpu-before-pid", "cpu-published-before-descriptor", ("device-migrated",), "lost", "lost",
     "pi_load takes the vCPU for one that has not moved, and leaves NDST as it was"),
    ("load-keeps-ndst", "planted-t4-load-keeps-ndst", ("device-migrated",), "lost", "lost",
     "notifications go to the CPU that was left"),
    ("load-keeps-sn", "planted-t5-load-keeps-sn", ("device",), "lost", "lost", "the device is silenced for ever"),
    ("state-set-after-check", "acrn-idle-sti-hlt-window", ("post",), "lost", "lost",
     "a wake-up between the check and the state finds the task running"),
    # Fences and locked operations, one at a time.
    ("no-state-fence", "sleep-fence-removed", SLEEPERS, "safe", "safe",
     "the fence inside srcu_read_lock of kvm_vcpu_check_block comes before the first load of the condition"),
    ("no-check-lock-fence", None, SLEEPERS, "safe", "safe", "set_current_state has drained the buffer just before"),
    ("no-state-fence+no-check-lock-fence", "both-sleep-fences-removed", ("post",), "safe", "lost",
     "wait.task and the state are still buffered when the condition is read; the waker sees no sleeper"),
    ("no-wake-fence", "wake-up-fence-removed", SLEEPERS, "safe", "safe",
     "each waker comes from a locked operation with loads alone in between"),
    ("no-check-unlock-fence", None, SLEEPERS, "safe", "safe", "it comes after the loads that matter"),
    ("no-exit-fence", None, SLEEPERS, "safe", "safe", "others drain mode=OUTSIDE before anything is decided on it"),
    ("no-block-fence", None, SLEEPERS, "safe", "safe", "wait.task is stored after it"),
    ("no-unblock-fence", None, SLEEPERS, "safe", "safe", "a waker that sees the old wait.task wakes one that is awake"),
    ("no-cancel-fence", None, SLEEPERS, "safe", "safe", "the next entry has a fence of its own"),
    ("no-icr-fence", None, SLEEPERS, "safe", "safe", "each IPI follows a locked operation"),
    ("plain-set_pir", None, ("two-senders",), "lost", "lost", "two bits of one word overwrite each other"),
    ("plain-take_pir", "planted-t9-pir-stored-back", ("two-senders",), "lost", "lost",
     "the store of 0 takes a bit that came after the load"),
    ("plain-set_on", None, ("post",), "safe", "lost", "ON is still buffered when mode is read"),
    ("plain-clear_on", None, ("two-senders",), "safe", "safe",
     "within one word of PIR the exchange drains ON=0 and takes what came meanwhile"),
    ("plain-clear_on", None, ("two-posts",), "safe", "lost",
     "with two words, the poster of the word that was read as empty finds ON=1, and then ON=0 drains"),
    ("plain-clear_sn", None, ("device",), "safe", "lost", "SN=0 is still buffered when PIR is read for ON"),
    ("plain-load_pid", None, ("device-migrated",), "safe", "lost", "the same after a migration"),
    ("plain-set_nv", "arm-doorbell-fires-before-pending-last-written", ("device",), "lost", "lost",
     "an ON that the device has set is overwritten"),
    ("plain-set_sn", None, ("device",), "safe", "safe",
     "an ON that is overwritten is computed again when SN is cleared"),
    ("plain-make_request", None, ("timer-inhibited",), "lost", "lost", "a request of another agent is overwritten"),
    ("plain-clear_request", None, ("nmi-and-inject",), "lost", "lost", "a request of another agent is overwritten"),
    ("plain-kick", None, ("nmi", "inject"), "safe", "safe",
     "the IPI goes out all the same, and a stale EXITING is overwritten by the next entry or ends it"),
))


def table() -> str:
    """The verdicts as JSON, in the order of MUTANTS."""
    rows = []
    for mutant in MUTANTS:
        row: dict[str, object] = {"mutant": mutant.switches, "bug": mutant.bug}
        for memory, tso in (("sc", False), ("tso", True)):
            scenario, outcome = mutant.outcome(tso)
            row[memory] = {"verdict": "holds" if outcome.status == "safe" else "violated", "status": outcome.status,
                           "length": outcome.length, "scenario": scenario}
        rows.append(row | {"searched": list(mutant.scenarios), "why": mutant.why})
    return json.dumps({"format": 1, "verdicts": rows}, indent=1) + "\n"


if __name__ == "__main__":
    TABLE.write_text(table(), encoding="utf-8")
