# SPDX-License-Identifier: GPL-2.0-or-later
"""Each property has a witness that is one and a planted bug that is recorded as breaking it.

That the bugs are found is `lostirq bugs`, that the witnesses are reached `lostirq check`.
"""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from lostirq.ir.expr import Op, Role, Var, postorder
from lostirq.ir.system import Edge, Form, Memory, Property, System
from lostirq.language import Workspace, compile_scenario, load_workspace
from lostirq.workflow.bugs import patched_workspace, read_bug
from lostirq.workflow.check import TIERS

ROOT = Path(__file__).parents[2]
WITNESSES = (Form.REACHABLE, Form.REACHABLE_STEP)
SAMPLE = ("ipiv_moves", "pv_timer")


@pytest.fixture(scope="module")
def forms() -> dict[str, tuple[Form, str, str]]:
    """Id -> (form, witness, planted) of all properties that some quick scenario compiles."""
    workspace = load_workspace(ROOT)
    found: dict[str, tuple[Form, str, str]] = {}
    for name in ("injection", "toggler_device"):
        for p in compile_scenario(workspace, name, Memory.SC).properties:
            found[p.id] = (p.form, p.witness, p.planted)
    return found


def test_a_witness_is_a_witness(forms: dict[str, tuple[Form, str, str]]) -> None:
    wrong = [i for i, (form, witness, _) in forms.items()
             if form not in WITNESSES and forms.get(witness, (None,))[0] not in WITNESSES]
    assert wrong == []


def test_no_witness_without_a_property(forms: dict[str, tuple[Form, str, str]]) -> None:
    used = {witness for _, witness, _ in forms.values()}
    assert [i for i, (form, _, _) in forms.items() if form in WITNESSES and i not in used] == []


def test_the_planted_bug_is_recorded_as_breaking_the_property(forms: dict[str, tuple[Form, str, str]]) -> None:
    wrong = []
    for ident, (form, _, slug) in forms.items():
        if form in WITNESSES:
            continue
        path = ROOT / "counterexamples" / slug / "bug.toml"
        entry = tomllib.loads(path.read_text()) if path.is_file() else {}
        if entry.get("expected") != "violated" or ident not in entry.get("property", ()) or "length" not in entry:
            wrong.append((ident, slug))
    assert wrong == []


def late(system: System) -> set[str]:
    """The keys of the step properties that TSO may keep where SC violates them.

    Under TSO, a buffered store reaches memory in a step of its own.  Where the buffers were empty, and it goes there at
    once, that step is to the property the whole edge, unless the property asks for an event of the edge, for what was
    before something that the edge changes at once, or for two such stores.
    """
    return {p.key for p in system.properties if p.form is Form.STEP
            and any(_split(p, e, system.processes[e.process].pc) for e in system.edges)}


def _split(p: Property, e: Edge, pc: Var) -> bool:
    """Does the property see the effect of a buffered store of the edge, and something of it that is over by then?"""
    nodes = list(postorder([p.formula]))
    new = {n.payload for n in nodes if n.op is Op.VAR}
    stored = {v for v, _ in e.assigns if v in new and v.role is Role.MEMORY and v.unit in e.buffered}
    if not stored:
        return False
    before = {n.payload for n in nodes if n.op is Op.OLD}
    occurs = {n.payload for n in nodes if n.op is Op.OCCURS} & {event.name for event in e.events}
    at_once = ({v for v, _ in e.assigns} | {pc}) & before - stored
    return bool(occurs or at_once) or len({v.unit for v in stored}) > 1


def only_tso(workspace: Workspace) -> list[str]:
    """The scenarios that are searched under TSO alone."""
    return [n for n, s in workspace.scenarios.items() if s.memory == (Memory.TSO,) and s.tier in TIERS]


def test_no_step_property_asks_for_what_tso_has_in_two_steps() -> None:
    """In two scenarios that have, between them, every property that asks for an event or for what is private."""
    workspace = load_workspace(ROOT)
    assert set(SAMPLE) <= set(only_tso(workspace))
    for name in SAMPLE:
        assert late(compile_scenario(workspace, name, Memory.TSO)) == set(), name


@pytest.mark.slow
def test_no_step_property_asks_for_what_tso_has_in_two_steps_anywhere() -> None:
    workspace = load_workspace(ROOT)
    for name in only_tso(workspace):
        assert late(compile_scenario(workspace, name, Memory.TSO)) == set(), name


def test_a_store_that_is_buffered_too_much_is_seen() -> None:
    """Without its lock, an update of the IRR and the event that goes with it are two steps."""
    bug = read_bug(ROOT / "counterexamples" / "irr-bit-cleared-without-lock")
    workspace = patched_workspace(load_workspace(ROOT), bug)
    found = late(compile_scenario(workspace, bug.scenario, Memory.TSO))
    assert {key.partition("[")[0] for key in found} >= {"S-1", "T-9"}
