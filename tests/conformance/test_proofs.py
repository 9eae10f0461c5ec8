# SPDX-License-Identifier: GPL-2.0-or-later
"""The proofs of proofs/ go through at full width, and fail on the bugs that break what they prove."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from lostirq.evidence.verdict import Holds, Unknown
from lostirq.ir.system import Memory
from lostirq.language import compile_scenario, load_sources
from lostirq.workflow.patching import apply
from lostirq.workflow.prove import ProofReport, load_with_proofs, prove_property
from lostirq.workflow.workspace import SOURCES, load, sources

ROOT = Path(__file__).resolve().parents[2]
SCENARIO = "posted_interrupts_full"
RECOGNISED = "posted_interrupts_recognised"
CONSERVED = "posted_interrupts_conserved"
TAKEN = "posted_interrupts_taken"
SERVICE = "posted_interrupts_service"
ASLEEP = "posted_interrupts_asleep"
TARGETS = "posted_interrupts_targets_four"
TARGETS_ASLEEP = "posted_interrupts_targets_asleep_four"
TARGETS_TOLD = "posted_interrupts_targets_told_four"
LOCKED = "posted_interrupts_locked_four"
ATTACHED = "posted_interrupts_attached_four"
UNASSIGNED = "posted_interrupts_unassigned_four"
SMALL = {"VECTORS": 4, "FIRST_VECTOR": 0, "PIR_WORD": 2, "IRR_WORD": 2, "CLASS_SHIFT": 1, "CLASS_BASE": 1,
         "SENDERS": 1, "KICKERS": 0, "IPIV": 0}  # fmt: skip
AS_IT_IS = {"VECTORS": 4}
STEADY = {**SMALL, "TOGGLERS": 0}  # APICv stays on: fewer transitions
WORKSPACE = load(ROOT)


def _in_the_proof(path: Path) -> bool:
    """A bug of Q-7 that one vCPU can show: this proof has no more."""
    bug = tomllib.loads(path.read_text())
    sizes = WORKSPACE.scenarios[bug["scenario"]].parameters
    return bug.get("property") == ["Q-7"] and sizes.get("VCPUS", WORKSPACE.parameters["VCPUS"].default) == 1


BUGS = sorted(path.parent.name for path in (ROOT / "counterexamples").glob("*/bug.toml") if _in_the_proof(path))


PROOFS = (
    (SCENARIO, Memory.TSO),
    pytest.param("posted_interrupts_attach", Memory.TSO, marks=pytest.mark.slow),
)


@pytest.mark.parametrize("scenario, memory", PROOFS, ids=lambda p: p.value if isinstance(p, Memory) else p)
def test_posted_is_announced_with_all_vectors(scenario: str, memory: Memory) -> None:
    report = prove_property(load_with_proofs(ROOT), "Q-7", scenario, memory)
    assert isinstance(report.verdict, Holds), report.render()
    assert dict(report.parameters)["VECTORS"] == 256


def test_the_small_width_is_proved_too() -> None:
    """So that the bugs below fail for what they are, not for the width."""
    report = prove_property(load_with_proofs(ROOT), "Q-7", SCENARIO, Memory.TSO, overrides=SMALL)
    assert isinstance(report.verdict, Holds), report.render()


@pytest.mark.parametrize("property_, scenario, memory", [
    ("Q-6", SCENARIO, Memory.TSO),
    ("T-5", SCENARIO, Memory.TSO),
    ("T-16", CONSERVED, Memory.TSO),
    pytest.param("T-9c", CONSERVED, Memory.TSO, marks=pytest.mark.slow),
    pytest.param("T-9", CONSERVED, Memory.TSO, marks=pytest.mark.slow),
    pytest.param("Q-3", SCENARIO, Memory.TSO, marks=pytest.mark.slow),
    pytest.param("T-2", SCENARIO, Memory.TSO, marks=pytest.mark.slow),
    pytest.param("T-4", SCENARIO, Memory.TSO, marks=pytest.mark.slow),
    pytest.param("Q-4", RECOGNISED, Memory.TSO, marks=pytest.mark.slow),
    pytest.param("Q-5", RECOGNISED, Memory.TSO, marks=pytest.mark.slow),
    pytest.param("S-1", TAKEN, Memory.TSO, marks=pytest.mark.slow),
    pytest.param("G-1", SERVICE, Memory.TSO, marks=pytest.mark.slow),
])  # fmt: skip
def test_what_else_is_proved(property_: str, scenario: str, memory: Memory) -> None:
    report = prove_property(load_with_proofs(ROOT), property_, scenario, memory, overrides=SMALL)
    assert isinstance(report.verdict, Holds), report.render()


def _of_the_bug(
    slug: str, property_: str, scenario: str, memory: Memory, sizes: dict[str, int] | None = None
) -> ProofReport:
    before = sources(ROOT, (*SOURCES, "proofs"))
    patched = apply(before, (ROOT / "counterexamples" / slug / "bug.patch").read_text(), slug)
    changed = load_sources({**before, **patched.sources})
    return prove_property(changed, property_, scenario, memory, overrides=sizes or SMALL)


@pytest.mark.parametrize("slug, property_, scenario, memory", [
    ("planted-t5-load-keeps-sn", "T-5", SCENARIO, Memory.TSO),
    ("planted-q6-load-leaves-on", "Q-6", SCENARIO, Memory.TSO),
    ("planted-t16-wrong-bit", "T-16", CONSERVED, Memory.TSO),
    pytest.param("planted-t9c-update-stops-early", "T-9c", CONSERVED, Memory.TSO, marks=pytest.mark.slow),
    pytest.param("planted-t9c-ack-not-queued", "T-9c", CONSERVED, Memory.TSO, marks=pytest.mark.slow),
    pytest.param("planted-t9-pir-stored-back", "T-9", CONSERVED, Memory.TSO, marks=pytest.mark.slow),
    pytest.param("cancelled-injection-dropped", "T-9", CONSERVED, Memory.TSO, marks=pytest.mark.slow),
    pytest.param("planted-t2-load-keeps-cpu", "T-2", SCENARIO, Memory.TSO, marks=pytest.mark.slow),
    pytest.param("planted-t4-load-keeps-ndst", "T-4", SCENARIO, Memory.TSO, marks=pytest.mark.slow),
    pytest.param("planted-q4-eoi-without-evaluation", "Q-4", RECOGNISED, Memory.SC, marks=pytest.mark.slow),
    pytest.param("planted-s1-ack-keeps-irr", "S-1", TAKEN, Memory.TSO, marks=pytest.mark.slow),
    pytest.param("planted-g1-eoi-exit-ignored", "G-1", SERVICE, Memory.TSO, marks=pytest.mark.slow),
    pytest.param("planted-g1-isr-cache-kept", "G-1", SERVICE, Memory.TSO, marks=pytest.mark.slow),
    pytest.param("fastpath-without-sync", "Q-3", SCENARIO, Memory.TSO, marks=pytest.mark.slow),
    pytest.param("mode-read-before-on", "Q-3", SCENARIO, Memory.TSO, marks=pytest.mark.slow),
    pytest.param("pi-ipi-in-irqs-on-window", "Q-3", SCENARIO, Memory.TSO, marks=pytest.mark.slow),
    pytest.param("apicv-off-vcpu-ignores-pir", "Q-3", SCENARIO, Memory.TSO, marks=pytest.mark.slow),
])  # fmt: skip
def test_a_bug_of_another_property_is_not_proved(slug: str, property_: str, scenario: str, memory: Memory) -> None:
    report = _of_the_bug(slug, property_, scenario, memory)
    assert isinstance(report.verdict, Unknown) and "not inductive" in report.verdict.reason, report.render()
    assert report.step, report.render()


@pytest.mark.slow
def test_nobody_sleeps_on_an_interrupt() -> None:
    report = prove_property(load_with_proofs(ROOT), "Q-1", ASLEEP, Memory.TSO, overrides=STEADY)
    assert isinstance(report.verdict, Holds), report.render()


@pytest.mark.slow
@pytest.mark.parametrize("slug, lemma", [
    ("post-then-switch-nv", "woken by a post"),
    ("sn-set-when-blocking", "armed"),
    ("both-sleep-fences-removed", "state stored"),
    ("acrn-idle-sti-hlt-window", "registered"),
    ("arm-stale-priority-mask-at-block", "looked for"),
])  # fmt: skip
def test_a_sleeper_that_is_forgotten_is_not_proved(slug: str, lemma: str) -> None:
    """What fails first is the lemma that says what went wrong."""
    report = _of_the_bug(slug, "Q-1", ASLEEP, Memory.TSO, STEADY)
    assert isinstance(report.verdict, Unknown) and "not inductive" in report.verdict.reason, report.render()
    assert report.step[-1].startswith(f"which breaks {lemma}"), report.render()


@pytest.mark.slow
@pytest.mark.parametrize("slug, lemma", [
    ("planted-q5-no-window-while-blocked", "decided"),
    ("no-event-on-deactivation", "threshold"),
    ("tpr-threshold-not-recomputed-on-eoi", "watched"),
    ("sync-pir-without-injection-when-apicv-off", "watched"),
    ("request-cleared-after-processing", "threshold"),
    ("request-check-before-sync", "kicked"),
    ("arm-kick-without-request", "found before"),
])  # fmt: skip
def test_a_vector_that_is_not_watched_is_not_proved(slug: str, lemma: str) -> None:
    """What fails first is a lemma that the bug breaks."""
    report = _of_the_bug(slug, "Q-5", RECOGNISED, Memory.SC)
    assert isinstance(report.verdict, Unknown) and "not inductive" in report.verdict.reason, report.render()
    assert report.step[-1].startswith(f"which breaks {lemma}"), report.render()


def test_what_is_posted_to_one_of_two_is_announced() -> None:
    report = prove_property(load_with_proofs(ROOT), "Q-7", TARGETS, Memory.TSO)
    assert isinstance(report.verdict, Holds), report.render()


@pytest.mark.parametrize("slug, property_, scenario, lemma", [
    ("planted-q7-batch-of-two-targets", "Q-7", TARGETS, "Q-7"),
    ("assign-device-to-already-halted-vcpu", "Q-1", ATTACHED, "woken by the attachment"),
    pytest.param("bypass-kicks-one-vcpu", "Q-1", TARGETS_ASLEEP, "woken by the attachment", marks=pytest.mark.slow),
    pytest.param("wakeup-handler-stops-at-the-first", "Q-1", TARGETS_ASLEEP, "woken by a post", marks=pytest.mark.slow),
    pytest.param("ipiv-wakeup-needs-apicv-active", "Q-1", UNASSIGNED, "armed", marks=pytest.mark.slow),
    pytest.param("inhibit-stored-before-broadcast", "T-12", TARGETS_TOLD, "T-12", marks=pytest.mark.slow),
    pytest.param("broadcast-to-the-last-only", "T-12", TARGETS_TOLD, "waited for", marks=pytest.mark.slow),
    pytest.param("cross-call-mask-by-vcpu", "T-12", TARGETS_TOLD, "waited for", marks=pytest.mark.slow),
])  # fmt: skip
def test_a_bug_of_two_or_of_a_device_that_comes_is_not_proved(
    slug: str, property_: str, scenario: str, lemma: str
) -> None:
    report = _of_the_bug(slug, property_, scenario, Memory.TSO, AS_IT_IS)
    assert isinstance(report.verdict, Unknown) and "not inductive" in report.verdict.reason, report.render()
    assert report.step[-1].startswith(f"which breaks {lemma}"), report.render()


def test_the_other_vcpu_excuses_nothing() -> None:
    """Of a lemma over VCPUS, the processes over VCPUS with another number."""
    system = compile_scenario(load_with_proofs(ROOT), TARGETS, Memory.SC, lemmas=True)
    found = {p.key: {system.processes[n].name for n in p.others} for p in system.properties if p.id == "announced"}
    assert found == {"announced[0]": {"vcpu_thread(1)", "preemption(1)"},
                     "announced[1]": {"vcpu_thread(0)", "preemption(0)"}}  # fmt: skip


def test_neither_does_another_vcpu_or_pcpu_of_a_lemma_over_two() -> None:
    system = compile_scenario(load_with_proofs(ROOT), TARGETS_TOLD, Memory.SC, lemmas=True)
    found = {p.key: {system.processes[n].name for n in p.others} for p in system.properties}
    assert found["nothing left behind[0,1]"] == {"vcpu_thread(1)", "preemption(1)", "host_irq(0)"}
    assert found["handled there[0,1]"] == set() and found["handled there[0,0]"] == {"host_irq(1)"}


@pytest.mark.slow
def test_a_list_used_under_another_lock_is_not_proved() -> None:
    """What a step needs is carried back to the start, where it is false."""
    report = _of_the_bug("planted-g16-lock-of-the-new-pcpu", "G-16", LOCKED, Memory.SC, AS_IT_IS)
    assert isinstance(report.verdict, Unknown) and "alone with the list" in report.verdict.reason, report.render()
    assert "initial state" in report.verdict.reason


@pytest.mark.parametrize("slug", BUGS)
def test_a_known_bug_is_not_proved(slug: str) -> None:
    report = _of_the_bug(slug, "Q-7", SCENARIO, Memory.TSO)
    assert isinstance(report.verdict, Unknown) and "not inductive" in report.verdict.reason, report.render()
    assert any("PIR" in line or "pi_desc" in line for line in report.step), report.render()


def test_there_are_such_bugs() -> None:
    assert len(BUGS) >= 2
