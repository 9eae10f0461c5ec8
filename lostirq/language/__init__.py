# SPDX-License-Identifier: GPL-2.0-or-later
"""The modelling language: restricted Python, parsed and compiled to a transition system, never executed.

`load_workspace` or `load_sources` reads and checks a workspace, `compile_scenario` makes an annotated `System` of it,
`compile_memories` one for each memory model.  Errors are `ModelErrors` with their places, several at once.  The
language is described in docs/language.md.
"""

from lostirq.language.compiler import Executed
from lostirq.language.source import Statement
from lostirq.language.workspace import (
    FunctionInfo,
    ParameterInfo,
    PropertyInfo,
    Scenario,
    Workspace,
    check_switches,
    compile_memories,
    compile_scenario,
    load_sources,
    load_workspace,
)

__all__ = [
    "Executed",
    "FunctionInfo",
    "ParameterInfo",
    "PropertyInfo",
    "Scenario",
    "Statement",
    "Workspace",
    "check_switches",
    "compile_memories",
    "compile_scenario",
    "load_sources",
    "load_workspace",
]
