# SPDX-License-Identifier: GPL-2.0-or-later
"""The reachable states of a small system, by the interpreter alone."""

from __future__ import annotations

from lostirq.interpret import Interpreter
from lostirq.ir.system import System


def reachable(system: System) -> set[tuple[int, ...]]:
    """The values of the variables in all reachable states."""
    interpreter = Interpreter(system)
    start = interpreter.initial()
    seen, left = {start}, [start]
    while left:
        state = left.pop()
        for move in interpreter.moves(state):
            after = interpreter.step(state, move)
            if after not in seen:
                seen.add(after)
                left.append(after)
    return {values for values, _ in seen}
