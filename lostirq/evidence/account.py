# SPDX-License-Identifier: GPL-2.0-or-later
"""The account of a counterexample: everything that a rendering needs, and all that one reads.

An account is made from a replayed run (`lostirq.report.tell`) and travels inside the trace file, so that a report, a
page or a diagram can be made where the model is not at hand.

Invariants: variables, agents and steps are referred to by their position; a state is the initial one with the changes
of the steps before it; the buffers of a step are given where they differ from those before it; every text is plain
ASCII where the model is.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from lostirq.errors import UsageError

PATH = "path"       # form of the claim of a run that violates nothing: it is shown for its own sake


@dataclass(frozen=True, slots=True)
class Agent:
    """A process: `name` as in the model, `column` its role for people, `sort` thread | handler | scheduler |
    hardware."""

    name: str
    column: str
    sort: str


@dataclass(frozen=True, slots=True)
class Variable:
    """`name` is the path in the model, `short` the name in reports; `kind` bool | int | bits (`width` of them, bit 0
    of it has number `base` in the set of bits called `short`); `unit` the word that memory belongs to, else -1;
    `names` those of the values from `low` on."""

    name: str
    short: str
    kind: str
    role: str
    initial: int
    low: int = 0
    high: int = 1
    width: int = 0
    base: int = 0
    names: tuple[str, ...] = ()
    unit: int = -1


@dataclass(frozen=True, slots=True)
class Change:
    """What a step did to the state: positions of variables, values, and the same for people (`control.on = 1`)."""

    variable: int
    before: int
    after: int
    shown: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Seen:
    """A read or a write of a shared variable, as the process saw it; `buffered`: a write that memory does not show
    yet."""

    variable: int
    value: int
    buffered: bool = False


@dataclass(frozen=True, slots=True)
class Entry:
    """A store that waits in a buffer: one word, by its variables."""

    variables: tuple[int, ...]
    values: tuple[int, ...]
    shown: str = ""


@dataclass(frozen=True, slots=True)
class Buffer:
    """The store buffer of a CPU after a step, oldest entry first."""

    cpu: int
    entries: tuple[Entry, ...]


@dataclass(frozen=True, slots=True)
class Fact:
    """`minor`: left out of short reports."""

    text: str
    minor: bool = False


@dataclass(frozen=True, slots=True)
class Said:
    """What a step says under one heading; `function` is '' where none is needed, `kernel` what it happens in mirrors
    (`file:function`)."""

    column: str
    function: str
    facts: tuple[Fact, ...] = ()
    minor: bool = False
    kernel: str = ""


@dataclass(frozen=True, slots=True)
class Step:
    """One move.  `agent` is -1 for a store that leaves the buffer of `cpu`, which is -1 otherwise.  `function` is the
    innermost one of the model, `kernel` what it mirrors (`file:function`, '' for hardware)."""

    move: int
    agent: int
    column: str
    said: tuple[Said, ...]
    function: str = ""
    stack: tuple[str, ...] = ()
    kernel: str = ""
    file: str = ""
    line: int = 0
    text: str = ""
    choice: str = ""
    access: str = "flush"
    drains: bool = False
    cpu: int = -1
    reads: tuple[Seen, ...] = ()
    writes: tuple[Seen, ...] = ()
    changes: tuple[Change, ...] = ()
    buffers: tuple[Buffer, ...] = ()
    events: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Claim:
    """The violated property."""

    key: str
    id: str
    form: str
    headline: str
    title: str = ""
    statement: str = ""
    source: str = ""
    file: str = ""
    line: int = 0


@dataclass(frozen=True, slots=True)
class Configuration:
    """What was checked, and what the answer rests on.  `kernel` is the version that the model mirrors, `subject` how
    mails about it begin, `bug` the known bug that the model carries, `edited` the files that are not as in the
    package; `recorded`: told from a file, without a model to replay it on."""

    tool: str
    scenario: str
    memory: str
    digest: str
    parameters: dict[str, int]
    overrides: dict[str, int]
    kernel: str = ""
    subject: str = ""
    bug: str = ""
    patched: bool = False
    edited: tuple[str, ...] = ()
    dropped: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    recorded: bool = False


@dataclass(frozen=True, slots=True)
class Reason:
    """A part of the property that is as it is, with the values that make it so."""

    text: str
    values: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Account:
    """A counterexample told.  `loop`: the steps from this one on repeat for ever (as many as there are steps: nothing
    happens any more); `end`: the facts that decide, `failure` the last line, `why` the failing part of the property."""

    configuration: Configuration
    claim: Claim
    agents: tuple[Agent, ...]
    columns: tuple[str, ...]
    variables: tuple[Variable, ...]
    steps: tuple[Step, ...]
    failure: str
    end: tuple[str, ...] = ()
    why: tuple[Reason, ...] = ()
    loop: int | None = None
    minimal: bool = True

    @property
    def switches(self) -> int:
        """How often the run passes from one agent to another."""
        agents = [s.agent if s.agent >= 0 else -2 - s.cpu for s in self.steps]
        return sum(a != b for a, b in zip(agents, agents[1:], strict=False))

    def states(self) -> list[tuple[int, ...]]:
        """The values of all variables before the first step and after each."""
        now = [v.initial for v in self.variables]
        found = [tuple(now)]
        for step in self.steps:
            for change in step.changes:
                now[change.variable] = change.after
            found.append(tuple(now))
        return found

    def functions(self) -> dict[str, tuple[str, str]]:
        """The functions of the model that the run passes through, in order: what each mirrors, where its step is."""
        return {s.function: (s.kernel, f"{s.file}:{s.line}") for s in reversed(self.steps) if s.function}


def validate(account: Account, place: str) -> Account:
    """The account, if its positions point into it.  Raises `UsageError`."""

    def check(found: Iterable[int], limit: int, what: str, low: int = 0) -> None:
        if any(not low <= n < limit for n in found):
            raise UsageError(f"{place}: damaged: there is no such {what}")

    variables = len(account.variables)
    for step in account.steps:
        check([step.agent], len(account.agents), "agent", -1)
        check([seen.variable for seen in (*step.reads, *step.writes)], variables, "variable")
        check([c.variable for c in step.changes], variables, "variable")
        entries = [e for b in step.buffers for e in b.entries]
        check([v for e in entries for v in e.variables], variables, "variable")
        if any(len(e.variables) != len(e.values) for e in entries):
            raise UsageError(f"{place}: damaged: an entry of a store buffer has not one value per variable")
        check([0 if s.column in account.columns else -1 for s in step.said], 1, "column")
    if account.loop is not None:
        check([account.loop], len(account.steps) + 1, "start of the loop")
    return account
