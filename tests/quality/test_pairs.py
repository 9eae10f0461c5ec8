# SPDX-License-Identifier: GPL-2.0-or-later
"""Every two features of the model meet in a scenario, or it is said why they need not.

A bug that needs two features at once is invisible where each scenario has only one of them.
"""

from __future__ import annotations

from itertools import combinations
from pathlib import Path

import pytest

from lostirq.language import load_sources
from lostirq.language.workspace import Workspace
from lostirq.workflow.workspace import sources

ROOT = Path(__file__).parents[2]
SWITCHES = (
    "TOGGLERS", "SENDERS", "DEVICES", "IPIV_SENDERS", "BYPASSERS", "KICKERS", "PV_KICKERS", "TIMERS", "PREEMPTION",
    "USERSPACE", "GUEST_HLT", "GUEST_CLI", "GUEST_STI", "GUEST_TPR", "GUEST_EOI", "GUEST_SELF_IPI", "GUEST_ICR",
    "GUEST_VECTORING", "GUEST_PV_EOI", "GUEST_HV_EOI",
)
OFF, PCPUS, VCPUS, VECTORS = "APICv off", "two pCPUs", "two vCPUs", "two vectors"
EOI = "how an EOI gets to KVM concerns the vCPU and who delivers to it"
APART = {
    frozenset({OFF, "TOGGLERS"}): "the toggler's scenarios pass through all states without APICv",
    frozenset({OFF, "IPIV_SENDERS"}): "a part of APICv; while it is inhibited: ipiv_toggler",
    frozenset({OFF, "GUEST_HV_EOI"}): "without APICv each EOI is KVM's",
    frozenset({"IPIV_SENDERS", "BYPASSERS"}): "with IPI virtualization nobody asks for the count of devices",
    frozenset({"KICKERS", "PV_KICKERS"}): "a kicker is a PV kicker without the flag",
    frozenset({"GUEST_TPR", "GUEST_HV_EOI"}): EOI,
    frozenset({"GUEST_PV_EOI", "GUEST_HV_EOI"}): "a guest uses one of them",
    **{frozenset({a, e}): EOI for e in ("GUEST_PV_EOI", "GUEST_HV_EOI")
       for a in ("DEVICES", "IPIV_SENDERS", "BYPASSERS", "KICKERS", "PV_KICKERS", "TIMERS", VCPUS)},
}


@pytest.fixture(scope="module")
def workspace() -> Workspace:
    return load_sources(sources(ROOT))


def features(workspace: Workspace) -> dict[str, frozenset[str]]:
    """By name of each scenario that holds: what it has."""
    found = {}
    for name, s in workspace.scenarios.items():
        if s.tier in ("quick", "standard") and not s.bugs:
            value = {p.name: p.default for p in workspace.parameters.values()} | s.parameters
            two = {label for label, key in ((PCPUS, "PCPUS"), (VCPUS, "VCPUS"), (VECTORS, "VECTORS")) if value[key] > 1}
            found[name] = frozenset({k for k in SWITCHES if value[k]} | two | (set() if value["APICV"] else {OFF}))
    return found


def test_every_two_features_meet(workspace: Workspace) -> None:
    have = features(workspace).values()
    missing = {frozenset(p) for p in combinations((*SWITCHES, OFF, PCPUS, VCPUS, VECTORS), 2)
               if not any(set(p) <= f for f in have)}
    assert {tuple(sorted(p)) for p in missing - set(APART)} == set()
    assert {tuple(sorted(p)) for p in set(APART) - missing} == set(), "they meet now"


def test_every_switch_is_a_parameter_that_some_scenario_uses(workspace: Workspace) -> None:
    used = frozenset().union(*features(workspace).values())
    assert set(SWITCHES) | {OFF, PCPUS, VCPUS, VECTORS} == used
