# SPDX-License-Identifier: GPL-2.0-or-later
"""SPIN and Rumur, on the exported text, reach as many states by as many transitions as our engines.

In each run the toys and `CORE`; with `-m slow` all quick scenarios of at most `LARGEST` states, which `COMPARED` names.
Larger ones are compared by benchmarks/run.py before it prints a time.
"""

from __future__ import annotations

import subprocess
from functools import cache
from pathlib import Path

import pytest

from benchmarks import rumur, spin
from lostirq.evidence.verdict import Reductions, SearchOptions
from lostirq.explicit.search import check
from lostirq.ir import expr as x
from lostirq.ir.expr import int_type
from lostirq.ir.system import Memory, System
from lostirq.ir.tso import lower
from lostirq.language import Workspace, compile_scenario, load_workspace
from lostirq.report.murphi import murphi
from lostirq.report.promela import promela
from tests.unit import symbolic_toys as toys

ROOT = Path(__file__).resolve().parents[2]
TOYS = ("peterson_lock", "dekker_lock", "tickets_3", "pi_small")
CORE = (("device_halt", Memory.SC), ("sender_halt", Memory.TSO), ("overcommit_pv_kick", Memory.TSO))
LARGEST = 400_000  # states: what SPIN finishes in a second
BOTH = ("sc", "tso")
COMPARED = {       # of the pairs of a quick scenario and a memory model; all others have more states
    "vcpus_userspace": ("tso",), "spinner_moves": ("tso",), "overcommit_pv_kick": ("tso",), "sender_halt": BOTH,
    "device_halt": BOTH, "injection_device": BOTH, "bypass": BOTH, "ipi_virtualization": ("sc",),
    "injection_timer": ("sc",), "hyperv_eoi": BOTH, "directed_yield": BOTH, "two_targets": BOTH, "pv_kick": BOTH,
}

needs_spin = pytest.mark.skipif(spin.available() is not None, reason=f"SPIN: {spin.available()}")
needs_rumur = pytest.mark.skipif(rumur.available() is not None, reason=f"Rumur: {rumur.available()}")


@cache
def workspace(folder: Path) -> Workspace:
    return load_workspace(folder)


def counts(system: System) -> tuple[int, int]:
    result = check(system, SearchOptions(properties=(), reductions=Reductions.none(), liveness=False))
    assert result.complete, result.reason
    return result.states, result.transitions


def toy(name: str, memory: Memory) -> System:
    return lower(compile_scenario(workspace(ROOT / "benchmarks" / "models"), name, memory))


@needs_spin
@pytest.mark.parametrize("memory", list(Memory), ids=lambda m: m.value)
@pytest.mark.parametrize("name", TOYS)
def test_toys_have_spins_counts(name: str, memory: Memory) -> None:
    system = toy(name, memory)
    got = spin.run(promela(system), table_bits=18, depth=LARGEST, level="-O0")
    assert (got.states, got.transitions) == counts(system)


@needs_rumur
@pytest.mark.parametrize("memory", list(Memory), ids=lambda m: m.value)
@pytest.mark.parametrize("name", TOYS)
def test_toys_have_rumurs_counts(name: str, memory: Memory) -> None:
    system = toy(name, memory)
    got = rumur.run(murphi(system), level="-O0")
    assert (got.states, got.rules) == counts(system)


@needs_spin
def test_the_command_of_the_header_counts_long_paths_whole(tmp_path: Path) -> None:
    states = 12_000     # one path, longer than SPIN follows by itself
    counter = toys.memory("counter", int_type(0, states - 1))
    step = x.lt(x.var(counter), x.integer(states - 1)), ((counter, x.add(x.var(counter), x.integer(1))),)
    text = promela(toys.system("long", (counter,), {"p": [(0, 0, *step)]}))
    (tmp_path / "long.pml").write_text(text)
    [command] = [line.strip() for line in text.splitlines() if line.lstrip().startswith("spin ")]
    done = subprocess.run(command.replace("FILE", "long.pml"), shell=True, cwd=tmp_path, capture_output=True, text=True,
                          timeout=120, check=True)
    assert "too small" not in done.stdout
    assert f"{states} states, stored" in done.stdout and f"{states} transitions" in done.stdout


def compare(name: str, memory: Memory) -> bool:
    """Whether a core scenario is small enough; its counts are SPIN's if it is.  Nothing but its size leaves one out."""
    system = lower(compile_scenario(workspace(ROOT), name, memory))
    options = SearchOptions(properties=(), reductions=Reductions.none(), liveness=False, max_states=LARGEST)
    result = check(system, options)
    assert result.complete or result.reason == "states", (name, memory, result.reason)
    if result.complete:
        got = spin.run(promela(system), table_bits=20, depth=LARGEST, level="-O0")
        assert (got.states, got.transitions) == (result.states, result.transitions), (name, memory)
    return result.complete


@needs_spin
@pytest.mark.parametrize("name, memory", CORE, ids=lambda p: p.value if isinstance(p, Memory) else p)
def test_core_scenarios_have_spins_counts(name: str, memory: Memory) -> None:
    assert compare(name, memory), f"{name} has become too large for this test"


@pytest.mark.slow
@needs_spin
def test_all_core_scenarios_of_that_size_have_spins_counts() -> None:
    quick = [(s.name, m) for s in workspace(ROOT).scenarios.values() if s.tier == "quick" for m in s.memory]
    compared = {(name, memory.value) for name, memory in quick if compare(name, memory)}
    assert compared == {(name, memory) for name, memories in COMPARED.items() for memory in memories}


def test_what_is_compared_is_what_the_page_says() -> None:
    quick = {(s.name, m.value) for s in workspace(ROOT).scenarios.values() if s.tier == "quick" for m in s.memory}
    compared = {(name, memory) for name, memories in COMPARED.items() for memory in memories}
    assert {(name, memory.value) for name, memory in CORE} <= compared <= quick
    page = " ".join((ROOT / "benchmarks" / "README.md").read_text().split())
    assert f"all {len(compared)} of the {len(quick)} pairs of a quick scenario" in page
