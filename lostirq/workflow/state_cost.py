# SPDX-License-Identifier: GPL-2.0-or-later
"""`lostirq check --state-cost`: for each field of the state, how many states would remain without it.

It finds what no pass can: a field that is kept alive without need multiplies the states by what the last column says.
The graph engine explores, so this is for small scenarios.
"""

from __future__ import annotations

from dataclasses import dataclass

from lostirq.errors import UsageError
from lostirq.ir.system import Memory
from lostirq.language import Workspace, compile_scenario
from lostirq.workflow.workspace import choose

LIMIT = 200_000


@dataclass(frozen=True, slots=True)
class Cost:
    """`without`: (variable, number of distinct states when it is left out), the costliest first."""

    states: int
    without: tuple[tuple[str, int], ...]


def state_cost(workspace: Workspace, scenario: str, memory: Memory, *, limit: int = LIMIT) -> Cost:
    """Raises `UsageError` if there are more than `limit` states.  O(states * fields)."""
    from lostirq.explicit.graph import explore_graph

    name = choose((scenario,), workspace.scenarios, "scenario")[0]
    graph = explore_graph(compile_scenario(workspace, name, memory), limit)
    if not graph.complete:
        raise UsageError(f"scenario {name} has more than {limit} states; --state-cost is for smaller ones "
                         "(--max-states N raises the limit)")
    states = [graph.state(n)[0] for n in range(graph.states)]
    rows = [(v.name, len({s[:i] + s[i + 1:] for s in states})) for i, v in enumerate(graph.flat.variables)
            if len({s[i] for s in states}) > 1]
    return Cost(len(states), tuple(sorted(rows, key=lambda r: (r[1], r[0]))))
