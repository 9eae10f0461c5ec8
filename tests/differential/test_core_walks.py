# SPDX-License-Identifier: GPL-2.0-or-later
"""Lowering keeps the core model's behaviour: random walks of the annotated and the flat system side by side.

The interpreter runs both, with its own store buffers and with those of the lowering; at every step the enabled moves
and all variables that both have are the same.  Flushes are preferred little, so that buffers fill.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from random import Random

import pytest

from lostirq.interpret import Interpreter, State
from lostirq.ir.system import Memory, System
from lostirq.ir.tso import lower
from lostirq.language import Workspace, compile_scenario, load_workspace

ROOT = Path(__file__).resolve().parents[2]
STEPS = 1500


@cache
def workspace() -> Workspace:
    return load_workspace(ROOT)


def walk(system: System, seed: int) -> int:
    """The most entries that were buffered at once."""
    one, two = Interpreter(system), Interpreter(lower(system))
    random, flushes = Random(seed), len(system.edges)
    a, b = one.initial(), two.initial()
    fullest = 0
    for _ in range(STEPS):
        moves = one.moves(a)
        assert moves == two.moves(b)
        compare(system, a, b)
        if not moves:
            a, b = one.initial(), two.initial()
            continue
        eager = [m for m in moves if m < flushes]
        move = random.choice(eager if eager and random.random() < 0.9 else moves)
        a, b = one.step(a, move), two.step(b, move)
        fullest = max(fullest, *map(len, a[1]))
    return fullest


def compare(system: System, a: State, b: State) -> None:
    """The variables of the annotated system come first in the flat one."""
    assert a[0] == b[0][:len(system.variables)]


@pytest.mark.parametrize("name", ["migration_device", "toggler_device", "preemption_sender_device"])
def test_random_walks_agree(name: str) -> None:
    system = compile_scenario(workspace(), name, Memory.TSO)
    fullest = max(walk(system, seed) for seed in range(2))
    assert 0 < fullest <= system.depth
