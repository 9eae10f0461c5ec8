# SPDX-License-Identifier: GPL-2.0-or-later
"""Each property has a witness that is one and a planted bug that is recorded as breaking it.

That the bugs are found is `lostirq bugs`, that the witnesses are reached `lostirq check`.
"""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from lostirq.ir.expr import Op, Role, Var, postorder
from lostirq.ir.system import Form, Memory
from lostirq.language import compile_scenario, load_workspace
from lostirq.workflow.check import TIERS

ROOT = Path(__file__).parents[2]
WITNESSES = (Form.REACHABLE, Form.REACHABLE_STEP)


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


@pytest.mark.slow
def test_no_step_property_asks_for_an_event_and_the_effect_of_a_buffered_store_where_only_tso_is_searched() -> None:
    """There, the two are in two steps, and only SC has both in one; what was in memory before is the same in both."""
    workspace = load_workspace(ROOT)
    names = [n for n, s in workspace.scenarios.items() if s.memory == (Memory.TSO,) and s.tier in TIERS]
    assert names
    for name in names:
        system = compile_scenario(workspace, name, Memory.TSO)
        late = {unit for e in system.edges for unit in e.buffered}
        for p in (p for p in system.properties if p.form is Form.STEP):
            nodes = list(postorder([p.formula]))
            found = [n.payload for n in nodes if n.op is Op.VAR and isinstance(n.payload, Var)]
            at_once = any(n.op is Op.OCCURS for n in nodes) or any(v.role is not Role.MEMORY for v in found)
            assert not at_once or {v.name for v in found if v.role is Role.MEMORY and v.unit in late} == set(), name
