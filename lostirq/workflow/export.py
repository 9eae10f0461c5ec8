# SPDX-License-Identifier: GPL-2.0-or-later
"""`lostirq export`: a scenario as a state graph (GraphML, DOT) or as Promela text."""

from __future__ import annotations

from collections.abc import Mapping

from lostirq.errors import UsageError
from lostirq.ir.system import Memory
from lostirq.language import Workspace, compile_scenario
from lostirq.workflow.workspace import choose

FORMATS = ("graphml", "dot", "promela")
LIMIT = 20_000          # states of a graph that anybody would look at


def export(workspace: Workspace, scenario: str, memory: Memory, target: str, *, limit: int = LIMIT,
           overrides: Mapping[str, int] | None = None) -> str:
    """The text of the export.  Raises `UsageError` for a graph of more than `limit` states: never a part of it."""
    name = choose((scenario,), workspace.scenarios, "scenario")[0]
    given = dict(overrides or {})
    choose(list(given), workspace.parameters, "parameter")
    system = compile_scenario(workspace, name, memory, overrides=given)
    if target == "promela":
        from lostirq.ir.tso import lower
        from lostirq.report.promela import promela

        return promela(lower(system))
    from lostirq.explicit.graph import explore_graph, to_dot, to_graphml

    states = explore_graph(system, limit)
    if not states.complete:
        raise UsageError(f"scenario {name} has more than {limit:,} states without reductions (`check --no-reductions` "
                         "counts them); a graph of it is of no use: have less in it (--set NAME=N, `lostirq list "
                         "parameters`), or --max-states N exports it all the same")
    return to_dot(states) if target == "dot" else to_graphml(states)
