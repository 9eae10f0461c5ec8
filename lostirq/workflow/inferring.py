# SPDX-License-Identifier: GPL-2.0-or-later
"""`lostirq prove --infer` and `--k`: what is found with the states of a small instance, or with steps ahead.

The small instance of a proof scenario S is the scenario S_small of proofs/, or the values given for its parameters: the
same code, with as many words and registers, but few bits in each.  Its states are explored up to a number, or sampled.

References: `lostirq.symbolic.infer`, `lostirq.explicit.sample`.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import TextIO

from lostirq.errors import UsageError
from lostirq.explicit.sample import sample
from lostirq.ir.system import Memory, System
from lostirq.language import Workspace, compile_scenario
from lostirq.symbolic.candidates import same_shape
from lostirq.symbolic.infer import MOST as MOST
from lostirq.symbolic.infer import Inferred, infer
from lostirq.symbolic.outcome import Conjunct
from lostirq.symbolic.strengthen import strengthened
from lostirq.workflow.populate import populated

SUFFIX = "_small"
STATES = 60_000


@dataclass(frozen=True, slots=True)
class Wanted:
    """`small`: parameters of the small instance, none for the scenario of that name; `states`: how many are looked at;
    `tables`: how many candidates are tried."""

    small: tuple[tuple[str, int], ...] = ()
    states: int = STATES
    tables: int = MOST


def parameters(words: Iterable[str]) -> tuple[tuple[str, int], ...]:
    """NAME=VALUE.  Raises `UsageError`."""
    found: dict[str, int] = {}
    for word in words:
        name, _, value = word.partition("=")
        try:
            found[name] = int(value)
        except ValueError:
            raise UsageError(f"--small {word}: give NAME=VALUE, a number") from None
    return tuple(found.items())


def small_instance(
    workspace: Workspace, property_: str, scenario: str, memory: Memory, small: Mapping[str, int]
) -> System:
    """The small instance of a proof scenario, flat, as its proofs read it.  Raises `UsageError` and `ModelErrors`."""
    name = scenario if small else scenario + SUFFIX
    if name not in workspace.scenarios:
        raise UsageError(f"{scenario} has no small instance {name}; declare it in proofs/ or give --small NAME=VALUE")
    annotated = compile_scenario(workspace, name, memory, overrides=dict(small), lemmas=True)
    return populated(workspace, name, annotated, property_)


def inference(
    workspace: Workspace, property_: str, scenario: str, memory: Memory, wanted: Wanted, err: TextIO | None = None
) -> Callable[[System, list[Conjunct]], Inferred]:
    """What `prove_property` takes.  Says on `err` what is looked at, if that is a terminal."""
    stream = err if err is not None else sys.stderr

    def say(text: str) -> None:
        if stream.isatty():
            stream.write(f"\r\x1b[K{text}")
            stream.flush()

    def find(system: System, conjuncts: list[Conjunct]) -> Inferred:
        small = small_instance(workspace, property_, scenario, memory, dict(wanted.small))
        same_shape(system, small)
        seen = sample(small, wanted.states)
        say(f"{seen.states} states of {small.name}{'' if seen.complete else ', a sample'}")
        found = infer(
            system, small, seen.columns, conjuncts, complete=seen.complete, most=wanted.tables,
            progress=lambda tables, queries, left: say(f"{tables} candidates, {queries} queries, {left} to try"),
        )  # fmt: skip
        say("")
        return found

    return find


def steps_ahead(k: int) -> Callable[[System, list[Conjunct]], Inferred] | None:
    """What `prove_property` takes for k-induction."""
    if k == 1:
        return None
    return lambda system, conjuncts: Inferred(strengthened(system, conjuncts, k))
