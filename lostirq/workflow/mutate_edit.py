# SPDX-License-Identifier: GPL-2.0-or-later
"""A mutant: a small edit of the sources of a workspace, with exact spans, that is also a unified diff.

Invariants: nothing but the spans of the edits changes; edits of one mutant do not overlap; the diff of a mutant,
applied to the sources, gives the sources of the mutant.

References: Jia and Harman 2011, "An Analysis and Survey of the Development of Mutation Testing", section 2.
"""

from __future__ import annotations

import ast
import difflib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum

from lostirq.errors import UsageError

PLUS = " + "          # between the names of several mutants at once


class Kind(Enum):
    """What a mutant takes away; the order is that of lists and reports."""

    CPU = "cpu"                     # a full fence: the processor may reorder across it, the compiler may not
    COMPILER = "compiler"           # a barrier: the compiler swaps the two accesses beside it
    LOCKED = "locked"               # a locked operation is a plain load and a plain store
    LOCK = "lock"                   # a lock, or what else is taken and given back, is not taken
    ATOMIC = "atomic"               # an atomic section is separate steps
    ORDER = "order"                 # two neighbouring accesses change places
    STEP = "step"                   # a statement is gone
    STRENGTHENED = "strengthened"   # a condition is true less often
    WEAKENED = "weakened"           # a condition is true more often
    NEGATED = "negated"


ORDERINGS = (Kind.CPU, Kind.COMPILER, Kind.LOCKED, Kind.LOCK, Kind.ATOMIC, Kind.ORDER)


@dataclass(frozen=True, slots=True, order=True)
class Edit:
    """The text of a span of a file (lines from 1, columns in bytes from 0, as in `ast`) becomes `text`."""

    line: int
    column: int
    end_line: int
    end_column: int
    text: str

    @staticmethod
    def of(node: ast.stmt | ast.expr, text: str) -> Edit:
        return Edit(node.lineno, node.col_offset, node.end_lineno or node.lineno, node.end_col_offset or 0, text)


@dataclass(frozen=True, slots=True)
class Mutant:
    """`name` is unique and outlives edits elsewhere; `what` says in words what is different."""

    name: str
    kind: Kind
    file: str
    function: str
    line: int
    what: str
    edits: tuple[Edit, ...]


def name_of(group: Sequence[Mutant]) -> str:
    return PLUS.join(m.name for m in group)


def what_of(group: Sequence[Mutant]) -> str:
    return " and ".join(m.what for m in group)


def mutated(sources: Mapping[str, str], group: Sequence[Mutant]) -> dict[str, str]:
    """The sources with the edits of all mutants of the group.  Raises `UsageError` if two of them overlap."""
    changed = dict(sources)
    for file in sorted({m.file for m in group}):
        edits = [e for m in group if m.file == file for e in m.edits]
        changed[file] = edited(changed[file], edits)
    return changed


def edited(text: str, edits: Sequence[Edit]) -> str:
    """The text with all edits made at once.  Raises `UsageError` if they overlap."""
    raw = text.encode()
    starts = [0]
    for line in raw.splitlines(keepends=True):
        starts.append(starts[-1] + len(line))
    spans = sorted((starts[e.line - 1] + e.column, starts[e.end_line - 1] + e.end_column, e.text) for e in edits)
    result: list[bytes] = []
    at = 0
    for start, end, new in spans:
        if start < at:
            raise UsageError("two mutants change the same text; they cannot be combined")
        result += [raw[at:start], new.encode()]
        at = end
    return b"".join([*result, raw[at:]]).decode()


def diff(sources: Mapping[str, str], group: Sequence[Mutant]) -> str:
    """The mutant as a unified diff against the workspace."""
    after = mutated(sources, group)
    parts: list[str] = []
    for file in sorted({m.file for m in group}):
        parts += difflib.unified_diff(sources[file].splitlines(keepends=True), after[file].splitlines(keepends=True),
                                      f"a/{file}", f"b/{file}")
    return "".join(parts)
