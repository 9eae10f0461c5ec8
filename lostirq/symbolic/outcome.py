# SPDX-License-Identifier: GPL-2.0-or-later
"""What is proved and how it went: conjuncts, the answer to one query, the outcome of a proof.

Invariant: only `Proved` is success; what a solver gave up is `Undecided`, never proved and never refuted.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from lostirq.ir.expr import Expr


@dataclass(frozen=True, slots=True)
class Conjunct:
    """One part of an inductive invariant; `name` for reports, e.g. "Q-7[0]" or the name of a lemma."""

    name: str
    formula: Expr


@dataclass(frozen=True, slots=True)
class Counterexample:
    """Two states: all conjuncts hold in `before`, which need not be reachable; after the edge `conjunct` fails.  Values
    are in the order of the system's variables; `after` is None if the edge assigns out of range."""

    conjunct: str
    edge: int
    before: tuple[int, ...]
    after: tuple[int, ...] | None


@dataclass(frozen=True, slots=True)
class Statistics:
    """How the obligations were discharged: (edge, conjunct) pairs; edges that differ only in a number count once."""

    sliced: int = 0
    simplified: int = 0
    solved: int = 0


@dataclass(frozen=True, slots=True)
class Proved:
    statistics: Statistics


@dataclass(frozen=True, slots=True)
class BaseFails:
    """The conjuncts that are false in the initial state."""

    conjuncts: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class NotInductive:
    counterexamples: tuple[Counterexample, ...]


@dataclass(frozen=True, slots=True)
class Undecided:
    """`open`: the (conjunct, edge) pairs that the solver gave up, with its reason."""

    open: tuple[tuple[str, int, str], ...]


Outcome = Proved | BaseFails | NotInductive | Undecided


@dataclass(frozen=True, slots=True)
class Valid:
    """The goal holds after the edge; `solved` tells whether a solver was asked."""

    solved: bool


@dataclass(frozen=True, slots=True)
class Gave:
    """The solver gave up, for this reason."""

    reason: str


Answer = Valid | Counterexample | Gave


@dataclass(frozen=True, slots=True)
class Tally:
    """What fails, what the solver gave up (conjunct, edge, reason), and how many obligations were sliced, simplified,
    solved."""

    found: list[Counterexample] = field(default_factory=list)
    gave: list[tuple[str, int, str]] = field(default_factory=list)
    counts: list[int] = field(default_factory=lambda: [0, 0, 0])
