# SPDX-License-Identifier: GPL-2.0-or-later
"""All engines agree on random model sources, under SC and TSO: at least 200 systems in each run.

C is compiled twice per system, without reductions and with one setting of them, which goes through all; generated
Python is run with all settings.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lostirq.errors import ModelErrors
from lostirq.evidence.verdict import Reductions
from lostirq.interpret import Interpreter
from lostirq.ir.system import Memory, System
from lostirq.language import compile_scenario, load_sources
from tests.differential.agreement import SETTINGS, agree, compiled_engines
from tests.differential.random_sources import sources

EXAMPLES = 300          # of which some are too large, or store without bound in a loop
COMPARED = 200
UNBOUNDED = "LI030"


def enough_room(system: System) -> bool:
    """No store ever waits for room: with a slot more per buffer, the same states are reached."""
    if system.memory is Memory.SC:
        return True
    one, two = (Interpreter(replace(system, depth=system.depth + more)).explore(400) for more in (0, 1))
    return one == two


def test_all_engines_agree(tmp_path) -> None:
    engines = compiled_engines(tmp_path)
    outcome: Counter[str] = Counter()

    @settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck))
    @given(sources(), st.sampled_from(Memory), st.sampled_from(SETTINGS))
    def check(files: dict[str, str], memory: Memory, setting: Reductions) -> None:
        if outcome["compared"] >= COMPARED:
            return
        try:
            system = compile_scenario(load_sources(files), "only", memory)
        except ModelErrors as error:
            codes = {d.code for d in error.diagnostics}
            assert codes == {UNBOUNDED} and memory is Memory.TSO, error.render()
            outcome["unbounded"] += 1
            return
        assert enough_room(system)
        compared = agree(system, engines, {"C": (setting,), "Python": SETTINGS}, limit=400)
        outcome["compared" if compared else "too large"] += 1

    check()
    assert outcome["compared"] >= COMPARED, outcome
