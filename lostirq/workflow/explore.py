# SPDX-License-Identifier: GPL-2.0-or-later
"""Walk a scenario by hand: any state that a list of moves leads to, what can happen next, what cannot and why.

Invariants: every state is computed by the reference interpreter from the initial one, so that an address is all that a
place needs; nothing is kept but compiled scenarios; a move that is not enabled is a `UsageError`.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from lostirq.errors import UsageError
from lostirq.evidence.account import PATH, Account, Claim, Reason
from lostirq.evidence.records import encode
from lostirq.evidence.replay import Run, Step
from lostirq.evidence.trace_file import StoredTrace
from lostirq.evidence.verdict import Trace
from lostirq.interpret import Interpreter, RangeError, State
from lostirq.ir.digest import digest
from lostirq.ir.expr import TRUE
from lostirq.ir.system import Form, Memory, Property, System
from lostirq.language import Workspace, compile_scenario
from lostirq.report.html import shown
from lostirq.report.reasons import View
from lostirq.report.steps import Teller
from lostirq.report.summary import reasons
from lostirq.report.tell import account, headline, speaker
from lostirq.report.text import count
from lostirq.workflow.bugs import library, patched_workspace, read_bug
from lostirq.workflow.counterexample import about, find, project
from lostirq.workflow.edits import edited
from lostirq.workflow.inspect import blocked
from lostirq.workflow.workspace import choose, load

MOST_MOVES = 2000


@dataclass(frozen=True, slots=True)
class Address:
    """Where one stands: the known bug that the model carries ('' for none), scenario, memory model, moves so far."""

    scenario: str
    memory: Memory
    moves: tuple[int, ...] = ()
    bug: str = ""


@dataclass(frozen=True, slots=True)
class _Compiled:
    system: System
    digest: str
    workspace: Workspace


class Explorer:
    """One workspace; may be used by several threads."""

    def __init__(self, root: Path, cache: Path) -> None:
        self.root, self._cache = root, cache
        self._base, self._edits = load(root), edited(root)
        self._bugs = library(root)
        self._known: dict[tuple[str, str, Memory], _Compiled] = {}
        self._lock = threading.Lock()

    def models(self) -> dict[str, object]:
        """The scenarios and known bugs that one can walk through."""
        scenarios = [{"name": s.name, "tier": s.tier, "memory": [m.value for m in s.memory], "summary": s.summary}
                     for s in self._base.scenarios.values()]
        return {"scenarios": scenarios, "bugs": sorted(self._bugs)}

    def jump(self, subject: str) -> Address:
        """The end of a counterexample: a known bug, a trace file or `last`.  Raises `UsageError`."""
        found = find(self.root, subject, self._cache)
        trace = found.run.trace
        return Address(trace.scenario, Memory(trace.memory), trace.moves, found.stored.bug)

    def _compile(self, at: Address) -> _Compiled:
        key = at.bug, at.scenario, at.memory
        with self._lock:
            if key not in self._known:
                workspace = self._base
                if at.bug:
                    choose([at.bug], self._bugs, "known bug")
                    workspace = patched_workspace(workspace, read_bug(self._bugs[at.bug]))
                choose([at.scenario], workspace.scenarios, "scenario")
                system = compile_scenario(workspace, at.scenario, at.memory)
                self._known[key] = _Compiled(system, digest(system), workspace)
            return self._known[key]

    def run(self, at: Address) -> Run:
        """The run that an address describes.  Raises `UsageError` where a move is not enabled."""
        if len(at.moves) > MOST_MOVES:
            raise UsageError(f"a path of {len(at.moves)} steps; at most {MOST_MOVES} are shown")
        compiled = self._compile(at)
        interpreter = Interpreter(compiled.system)
        states, steps = [interpreter.initial()], []
        edges = compiled.system.edges
        for number, move in enumerate(at.moves, 1):
            before = states[-1]
            if not interpreter.enabled(before, move):
                raise UsageError(f"step {number}: transition {move} cannot be taken there; go back a step")
            try:
                after = interpreter.step(before, move)
            except RangeError as error:
                raise UsageError(f"step {number}: {error}") from None
            edge = edges[move] if move < len(edges) else None
            steps.append(Step(move, edge, move - len(edges) if edge is None else -1, before, after))
            states.append(after)
        trace = Trace(at.scenario, at.memory.value, compiled.digest, PATH, at.moves, minimal=False)
        return Run(compiled.system, trace, tuple(steps), tuple(states), interpreter)

    def account(self, at: Address) -> Account:
        """The run told, as the counterexample of the first property that it violates, or as a mere path."""
        run, compiled = self.run(at), self._compile(at)
        wrong = next((p for p in compiled.system.properties if holds(run, p) is False), None)
        stored = StoredTrace(run.trace, at.bug)
        known = about(compiled.workspace, project(self.root), stored, self._edits)
        told = account(run, wrong or _no_property(at), known)
        if wrong is None:
            claim = Claim(PATH, PATH, PATH, f"{count(len(run.steps), 'step')} of {at.scenario}")
            told = replace(told, claim=claim, failure="", why=(), end=())
        return told

    def view(self, at: Address) -> dict[str, object]:
        """Everything that is to be seen at an address."""
        run, told = self.run(at), self.account(at)
        teller = Teller(run, None)
        values = told.states()
        before = values[-2] if len(values) > 1 else values[-1]
        state = [{"name": v.short, "value": shown(v, new), "changed": new != old, "initial": new == v.initial}
                 for v, old, new in zip(told.variables, before, values[-1], strict=True)]
        return {
            "scenario": at.scenario, "memory": at.memory.value, "bug": at.bug, "path": list(at.moves),
            "steps": [{"column": s.column, "function": s.function, "place": f"{s.file}:{s.line}" if s.file else "",
                       "kernel": s.kernel, "facts": [f.text for w in s.said for f in w.facts] or [s.text]}
                      for s in told.steps],
            "enabled": _enabled(run, teller),
            "disabled": [{"column": b.column, "step": b.step, "why": list(reasons(b.why))}
                         for b in blocked(teller, len(run.steps)) if b.why],
            "properties": _properties(run, teller), "state": state, "buffers": _buffers(run, teller),
            "violated": told.claim.form != PATH, "headline": encode(told.claim.headline),
        }  # fmt: skip


def _no_property(at: Address) -> Property:
    return Property(PATH, PATH, Form.INVARIANT, TRUE, title=f"a path of {at.scenario}")


def holds(run: Run, prop: Property) -> bool | None:
    """Whether a property holds at the end of a run; None if that cannot be said of one state or step."""
    interpreter = run.interpreter
    if prop.form in (Form.INVARIANT, Form.REACHABLE):
        found = interpreter.holds(prop.formula, run.states[-1])
    elif prop.form in (Form.STEP, Form.REACHABLE_STEP) and run.steps:
        s = run.steps[-1]
        found = interpreter.holds_step(prop.formula, s.before, s.move, s.after)
    else:
        return None
    if prop.form in (Form.REACHABLE, Form.REACHABLE_STEP):
        return True if found else None
    return found


def _properties(run: Run, teller: Teller) -> list[dict[str, object]]:
    """The violated ones first, with the reason; witnesses where they are reached."""
    rows: list[tuple[int, dict[str, object]]] = []
    for p in run.system.properties:
        found = holds(run, p)
        if found is None:
            continue
        witness = p.form in (Form.REACHABLE, Form.REACHABLE_STEP)
        why = [] if found else reasons(_why(run, p, teller))
        word = "reached" if witness else "holds" if found else "violated"
        rows.append((0 if not found else 1 if witness else 2,
                     {"key": p.key, "title": headline(p, p.key), "verdict": word, "why": list(why)}))
    return [row for _, row in sorted(rows, key=lambda r: r[0])]


def _why(run: Run, prop: Property, teller: Teller) -> tuple[Reason, ...]:
    index = {v: i for i, v in enumerate(run.system.variables)}
    state, before = run.states[-1], run.states[-1]
    events: list[tuple[str, tuple[int, ...]]] = []
    if prop.form is Form.STEP:
        before = run.steps[-1].before
        events = teller.interpreter.events(before, run.steps[-1].move)
    view = View(lambda v: state[0][index[v]], lambda v: before[0][index[v]], frozenset(events),
                lambda cpu: not state[1] or not state[1][cpu])
    return speaker(teller).reasons(prop.formula, view)


def _enabled(run: Run, teller: Teller) -> list[dict[str, object]]:
    system, state = run.system, run.states[-1]
    found: list[dict[str, object]] = []
    for move in teller.interpreter.moves(state):
        if move >= len(system.edges):
            cpu = move - len(system.edges)
            found.append({"move": move, "column": f"store buffer of CPU {cpu}",
                          "step": "the oldest store reaches memory", "place": ""})
            continue
        e = system.edges[move]
        choice = f" [{e.choice}]" if e.choice else ""
        found.append({"move": move, "column": teller.column_of(system.processes[e.process]),
                      "step": f"{e.function}(): {' '.join(e.text.split())}{choice}",
                      "place": f"{e.span.file}:{e.span.line}"})
    return found


def _buffers(run: Run, teller: Teller) -> list[str]:
    state: State = run.states[-1]
    units = run.system.units()
    found = []
    for cpu, entries in enumerate(state[1]):
        shown_entries = [", ".join(teller.names.all_are(list(zip(units[unit], values, strict=True))))
                         for unit, values in entries]
        if shown_entries:
            found.append(f"CPU {cpu}: {'; '.join(shown_entries)}")
    return found


def parse_moves(text: str) -> tuple[int, ...]:
    """`12.7.33` as moves.  Raises `UsageError`."""
    words: Sequence[str] = [w for w in text.split(".") if w]
    if not all(w.isascii() and w.isdecimal() and len(w) < 9 for w in words):
        raise UsageError(f"a path is numbers of transitions with dots between them, not {text[:40]!r}")
    return tuple(map(int, words))
