# SPDX-License-Identifier: GPL-2.0-or-later
"""The system that a proof is about: with any number of the processes for which its scenario says so.

Invariant: such a system is given only after the claim that it covers every number has been checked by a solver
(`lostirq.symbolic.simulation`), for its edges and for the properties that it is to prove.
"""

from __future__ import annotations

from dataclasses import replace

from lostirq.errors import UsageError
from lostirq.ir.system import System, served
from lostirq.language import Scenario
from lostirq.symbolic.crowd import crowd
from lostirq.symbolic.simulation import check_simulation


def populated(scenario: Scenario, system: System, property_: str) -> System:
    """The flat system of a scenario as it is, or with crowds and what is left of its properties: the instances of the
    one to prove, and its lemmas.  Raises `UsageError` if a set is refused, or the claim not shown."""
    if not scenario.any_number:
        return system
    goals = [p for p in system.properties if property_ in (p.id, p.key) and not p.proves]
    names = {property_, *(p.id for p in goals)}
    lemmas = [p for p in system.properties if served(p.proves) & names]
    system = replace(system, properties=(*goals, *lemmas))
    for name in scenario.any_number:
        made = crowd(system, name)
        shown = check_simulation(made)
        if shown.failed:
            raise UsageError(f"{scenario.name}: it is not shown that any number of {name} processes is covered: "
                             f"{shown.failed[0]}")
        system = made.system
    return system
