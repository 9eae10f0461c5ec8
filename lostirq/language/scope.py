# SPDX-License-Identifier: GPL-2.0-or-later
"""The names that an expression sees, and help with those that it does not."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from dataclasses import dataclass, field

from lostirq.language.declarations import FunctionDecl
from lostirq.language.graph import Loop, Pending
from lostirq.language.places import Binding, LocalPacked, LocalScalar
from lostirq.language.source import Source
from lostirq.language.types import SemType


@dataclass(slots=True)
class Scope:
    """Names of one inlined function: its locals and parameters.  `path` is the prefix of the names of its locals,
    `calls` counts the inlined copies of each callee."""

    source: Source
    function: FunctionDecl | None
    names: dict[str, Binding]
    path: str = ""
    calls: dict[str, int] = field(default_factory=dict)


@dataclass(slots=True)
class CallFrame:
    """An inlined call that is being expanded."""

    decl: FunctionDecl
    result: LocalScalar | LocalPacked | None
    type: SemType | None
    returns: Pending = field(default_factory=list)
    loops: list[Loop] = field(default_factory=list)


def suggest(name: str, known: Iterable[str]) -> str:
    """A mend for a misspelt name."""
    close = difflib.get_close_matches(name, list(known), n=1)
    return f"did you mean '{close[0]}'?" if close else ""
