# SPDX-License-Identifier: GPL-2.0-or-later
"""The system that a proof is about: with any number of the processes for which its scenario says so.

Invariant: such a system is given only after the claim that it covers every number has been checked by a solver
(`lostirq.symbolic.simulation`), for its edges and for the properties that it is to prove, and one member more was seen
to change nothing else (`lostirq.symbolic.grown`).
"""

from __future__ import annotations

import ast
from dataclasses import replace

from lostirq.errors import UsageError
from lostirq.ir.system import System, served
from lostirq.ir.tso import lower
from lostirq.language import Workspace, compile_scenario
from lostirq.symbolic.crowd import crowd
from lostirq.symbolic.grown import difference
from lostirq.symbolic.simulation import check_simulation


def populated(workspace: Workspace, name: str, annotated: System, property_: str) -> System:
    """The flat system of a scenario as it is, or with crowds and what is left of its properties: the instances of the
    ones to prove (ids, with commas), and their lemmas.  `annotated`: the scenario, compiled with lemmas.  Raises
    `UsageError` if a set is refused, or the claim fails, and `ModelErrors`."""
    scenario, system = workspace.scenarios[name], lower(annotated)
    if not scenario.any_number:
        return system
    wanted = served(property_)
    goals = [p for p in system.properties if wanted & {p.id, p.key} and not p.proves]
    names = {*wanted, *(p.id for p in goals)}
    lemmas = [p for p in system.properties if served(p.proves) & names]
    parameters = dict(system.parameters)
    system = replace(system, properties=(*goals, *lemmas))
    for members in scenario.any_number:
        size = _size(workspace, members)
        grown = {**parameters, size: parameters[size] + 1}
        more = compile_scenario(workspace, name, system.memory, overrides=grown, lemmas=True)
        found = difference(annotated, more, members)
        if found:
            raise UsageError(f"{scenario.name}: with {size} = {parameters[size] + 1}, {found}: what depends on the "
                             f"number of {members} processes is not covered for any number")
        made = crowd(system, members)
        shown = check_simulation(made)
        if shown.failed:
            raise UsageError(f"{scenario.name}: it is not shown that any number of {members} processes is covered: "
                             f"{shown.failed[0]}")
        system = made.system
    return system


def _size(workspace: Workspace, family: str) -> str:
    """The parameter that says how many members a set has.  Raises `UsageError`."""
    for d in workspace.declarations.functions():
        over = d.options.get("over")
        if d.name == family and isinstance(over, ast.Name) and over.id in workspace.parameters:
            return over.id
    raise UsageError(f"any_number: there is no process {family!r} of which a parameter says how many there are")
