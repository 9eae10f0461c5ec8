# SPDX-License-Identifier: GPL-2.0-or-later
"""Every parameter that a scenario sets changes its transition system: a switch without effect is a mistake."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import pytest

from lostirq.language import Workspace, check_switches, load_workspace

ROOT = Path(__file__).parents[2]


@cache
def workspace() -> Workspace:
    return load_workspace(ROOT)


def scenarios(quick: bool) -> list[str]:
    return [s.name for s in workspace().scenarios.values() if (s.tier == "quick") is quick]


@pytest.mark.parametrize("name", scenarios(quick=True))
def test_switches_of_quick_scenarios(name: str) -> None:
    assert [d.render() for d in check_switches(workspace(), name)] == []


@pytest.mark.slow
@pytest.mark.parametrize("name", scenarios(quick=False))
def test_switches_of_other_scenarios(name: str) -> None:
    assert [d.render() for d in check_switches(workspace(), name)] == []
