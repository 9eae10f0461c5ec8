# SPDX-License-Identifier: GPL-2.0-or-later
"""Replay a trace by the reference interpreter and confirm what it claims, before anybody sees it.

Invariants: `replay` returns only runs that the interpreter can take, move by move; `confirm` returns only if the run
violates the property by the definition in `lostirq.ir.system`, evaluated here and not by the engine that found it.
Both raise otherwise: `UsageError` for a trace of another model, `ReplayError` (a bug of ours) for a false one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from lostirq.errors import LostirqError, UsageError
from lostirq.evidence.verdict import Trace
from lostirq.interpret import Interpreter, RangeError, State
from lostirq.ir.digest import digest
from lostirq.ir.system import RANGE, STUCK, Edge, Fair, FairClass, Form, Property, System, fairness_class


class ReplayError(LostirqError):
    """The interpreter contradicts an engine: never the user's fault."""

    exit_code = 3


@dataclass(frozen=True, slots=True)
class Step:
    """One move of a run.  `edge` is None for a flush of the store buffer of `cpu` (-1 otherwise); `after` is `before`
    where the edge assigns a value out of range, which has no successor."""

    move: int
    edge: Edge | None
    cpu: int
    before: State
    after: State


@dataclass(frozen=True, slots=True)
class Run:
    """A replayed trace over the annotated `system`; `states` has one more element than `steps`; `interpreter` took
    them."""

    system: System
    trace: Trace
    steps: tuple[Step, ...]
    states: tuple[State, ...]
    interpreter: Interpreter = field(repr=False, compare=False)

    @property
    def switches(self) -> int:
        """How often the run passes from one process to another."""
        agents = [s.edge.process if s.edge is not None else -1 - s.cpu for s in self.steps]
        return sum(a != b for a, b in pairwise(agents))


def replay(system: System, trace: Trace, mark: str = "", interpreter: Interpreter | None = None) -> Run:
    """Take the moves of `trace` one by one.  Linear in its length.  `mark` and `interpreter`: the digest of the system
    and its interpreter, if they are at hand."""
    found = mark or digest(system)
    if trace.digest != found:
        raise UsageError(
            f"the trace belongs to another model: its digest is {trace.digest[:12]}, scenario {system.name} "
            f"({system.memory.value}) has {found[:12]}; run the check again, or go back to the model it came from"
        )
    interpreter = interpreter or Interpreter(system)
    state = interpreter.initial()
    states, steps = [state], []
    for number, move in enumerate(trace.moves):
        if not interpreter.enabled(state, move):
            raise ReplayError(f"{trace.property}: move {number} of the trace (transition {move}) is not enabled")
        edge = system.edges[move] if move < len(system.edges) else None
        try:
            after = interpreter.step(state, move)
        except RangeError:
            if trace.property != RANGE or number + 1 != len(trace.moves):
                raise
            after = state
        steps.append(Step(move, edge, move - len(system.edges) if edge is None else -1, state, after))
        states.append(after)
        state = after
    return Run(system, trace, tuple(steps), tuple(states), interpreter)


def confirm(run: Run) -> Property | None:
    """The violated property (None for the built-in ones).  Raises `ReplayError` if the run does not violate it."""
    interpreter, key = run.interpreter, run.trace.property
    if key == STUCK:
        if interpreter.moves(run.states[-1]) or interpreter.resting(run.states[-1]):
            raise ReplayError("the last state of the trace is not stuck")
        return None
    if key == RANGE:
        _confirm_range(interpreter, run)
        return None
    prop = find_property(run.system, key)
    if not _violates(interpreter, run, prop):
        raise ReplayError(f"the replayed run does not violate {prop.key}")
    return prop


def confirm_witness(run: Run) -> Property:
    """The witness that the run reaches.  Raises `ReplayError` if it does not."""
    interpreter, prop = run.interpreter, find_property(run.system, run.trace.property)
    if prop.form is Form.REACHABLE_STEP:
        reached = bool(run.steps) and _holds_step(interpreter, prop, run.steps[-1])
    else:
        reached = prop.form is Form.REACHABLE and interpreter.holds(prop.formula, run.states[-1])
    if not reached:
        raise ReplayError(f"the replayed run does not reach {prop.key}")
    return prop


def find_property(system: System, key: str) -> Property:
    for prop in system.properties:
        if prop.key == key:
            return prop
    raise UsageError(f"scenario {system.name} has no property {key}")


def _confirm_range(interpreter: Interpreter, run: Run) -> None:
    try:
        if run.steps:
            interpreter.step(run.steps[-1].before, run.steps[-1].move)
    except RangeError:
        return
    raise ReplayError("the last step of the trace assigns no value out of range")


def _violates(interpreter: Interpreter, run: Run, prop: Property) -> bool:
    if prop.form is Form.INVARIANT:
        return not interpreter.holds(prop.formula, run.states[-1])
    if prop.form is Form.STEP:
        return bool(run.steps) and not _holds_step(interpreter, prop, run.steps[-1])
    return prop.form is Form.RECURRENCE and _lasso_violates(interpreter, run, prop)


def _holds_step(interpreter: Interpreter, prop: Property, step: Step) -> bool:
    return interpreter.holds_step(prop.formula, step.before, step.move, step.after)


def _lasso_violates(interpreter: Interpreter, run: Run, prop: Property) -> bool:
    loop = run.trace.loop
    if loop is None or run.states[loop] != run.states[-1]:
        return False
    steps, states = run.steps[loop:], run.states[loop:]
    if not any(interpreter.holds(prop.formula, s) for s in states):
        return False
    if any(interpreter.holds_step(prop.goal, s.before, s.move, s.after) for s in steps):
        return False
    return is_fair(interpreter, states, steps)


def is_fair(interpreter: Interpreter, states: Sequence[State], steps: Sequence[Step]) -> bool:
    """Is the run that repeats `steps` for ever fair?  `states` are those of one round; see `lostirq.ir.system`."""
    taken = {_class(interpreter.system, s.move) for s in steps}
    enabled = [{c for m in interpreter.moves(s) if (c := _class(interpreter.system, m)) is not None} for s in states]
    postponed = {kind for kinds in enabled for kind in kinds} - taken
    if any(kind[0] is Fair.STRONG for kind in postponed):
        return False
    return not any(kind[0] is Fair.WEAK and all(kind in kinds for kinds in enabled) for kind in postponed)


def _class(system: System, move: int) -> FairClass | None:
    """The fairness class of a move; the flushes of CPU c are one of their own."""
    if move >= len(system.edges):
        return Fair.WEAK, -1 - (move - len(system.edges)), -1
    return fairness_class(system.edges[move])
