# SPDX-License-Identifier: GPL-2.0-or-later
"""Try mutants on the scenarios of a workspace: each is killed, equivalent, a survivor, refused, or unknown.

A mutant is searched in the scenarios whose transition system it changes, the cheapest first, under TSO where the
scenario allows it, until a safety property is violated.  (Each state that SC reaches, TSO reaches too, by a run that
flushes each store at once: for invariants and liveness nothing is left out.  The flush is a step of its own, so a step
property that asks for an event and the effect of a buffered store in one step can be violated under SC alone: such a
mutant may survive here.)  What none of them sees is killed by the first loop that violates a liveness property, which
is asked in the scenarios of up to `LIVE` states; is equivalent if the reachable graph has not changed at all; or is
killed by a witness that the base reaches and that is reached in no scenario any more, which makes its property vacuous.

Invariants: nothing but an exhausted search makes an equivalent mutant or a survivor; a bound that was hit is unknown; a
killed mutant has the shortest run of the first scenario that kills it, and of the properties violated in that length
the first one; a loop (liveness) is not claimed to be shortest.  Where a mutant leaves a store buffer without a static
bound, the buffer has `ROOM` entries, which allows less than there is: it may be killed there, but not survive.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Mapping, Sequence, Set
from dataclasses import dataclass, field, replace
from enum import Enum
from itertools import combinations
from pathlib import Path

from lostirq.errors import ModelErrors, UsageError
from lostirq.evidence.verdict import RANGE, STUCK, Holds, SearchResult, Unknown, Violated
from lostirq.explicit.build import find_compiler, load_runtime
from lostirq.ir.digest import digest
from lostirq.ir.system import Form, Memory, System
from lostirq.language import Executed, Statement, Workspace, compile_scenario, load_sources
from lostirq.workflow import jobs
from lostirq.workflow.check import CheckOptions
from lostirq.workflow.engines import Engine, search
from lostirq.workflow.mutate_edit import ORDERINGS, Kind, Mutant, mutated, name_of, what_of
from lostirq.workflow.mutate_equal import KEY, question
from lostirq.workflow.mutate_executed import declared_alike, statements_of
from lostirq.workflow.outcome import Outcome, of_reason

Case = tuple[str, Memory]
Group = tuple[Mutant, ...]
ROOM = 3                # entries of a store buffer that a mutant has left without a bound
LIVE = 1_000_000        # states of the base beyond which liveness is not asked
MANY = 40               # a mutant may have so many times the states of the largest base system


SHORT = f"with store buffers of {ROOM} entries"


class Fate(Enum):
    KILLED = "killed"
    EQUIVALENT = "equivalent"
    SURVIVOR = "survivor"
    REFUSED = "refused"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class BaseCase:
    """One scenario of the model as it is; `reached` are the ids of the witnesses that it reaches."""

    scenario: str
    memory: Memory
    digest: str
    states: int
    words: int
    reached: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Model:
    """The model as it is: its sources, and of each scenario the system and the statements that it executes."""

    texts: Mapping[str, str]
    workspace: Workspace
    systems: Mapping[Case, System]
    executed: Mapping[Case, Set[Statement]]


@dataclass(frozen=True, slots=True)
class Setup:
    """What all mutants have in common: the model, its scenarios from the cheapest on, the folder of what was compiled
    for all of them, and the states of the largest scenario to look at."""

    model: Model
    base: Sequence[BaseCase]
    options: CheckOptions
    warmed: Path
    up_to: int | None


@dataclass(frozen=True, slots=True)
class MutantResult:
    """`systems`: the number of transition systems that differ, as far as they were looked at; `property` the key that
    kills it; `length` the steps of the shortest run, 0 for a loop or a witness; `model` names the base."""

    name: str
    kind: str
    what: str
    fate: Fate
    property: str = ""
    scenario: str = ""
    memory: str = ""
    length: int = 0
    why: str = ""
    systems: int = 0
    model: str = ""


def cases(workspace: Workspace, tier: str) -> list[Case]:
    """The scenarios of a tier, each under its strongest memory model; without those for known bugs alone."""
    return [(s.name, Memory.TSO if Memory.TSO in s.memory else Memory.SC)
            for s in workspace.scenarios.values() if s.tier == tier and not s.bugs]


def read_model(texts: Mapping[str, str], tier: str,
               on_read: Callable[[int, int], None] = lambda done, total: None) -> Model:
    """Compile every scenario of a tier; `on_read` gets how many of how many are, and may raise.  Raises ModelErrors."""
    workspace = load_sources(dict(texts))
    todo = cases(workspace, tier)
    systems: dict[Case, System] = {}
    executed: dict[Case, Set[Statement]] = {}
    for number, case in enumerate(todo):
        on_read(number, len(todo))
        seen = Executed()
        systems[case] = compile_scenario(workspace, *case, executed=seen)
        executed[case] = seen.statements
    return Model(texts, workspace, systems, executed)


def groups(found: Sequence[Mutant]) -> list[Group]:
    """Every single mutant; behind those that concern synchronisation, every pair of fences that software executes."""
    fences = [m for m in found if m.kind is Kind.CPU and "drain" not in m.what or _is_store_with_fence(m)]
    early = [(m,) for m in found if m.kind in ORDERINGS and m.kind is not Kind.ORDER]
    return [*early, *combinations(fences, 2), *((m,) for m in found if (m,) not in early)]


def _is_store_with_fence(m: Mutant) -> bool:
    """A locked exchange whose old value nobody wants is there for its fence."""
    return m.kind is Kind.LOCKED and m.what.startswith("plain instead of xchg(") and len(m.edits) == 1


def baseline(workspace: Workspace, tier: str, options: CheckOptions) -> list[BaseCase] | jobs.Failure:
    """Every scenario as it is, the cheapest first, or why one was not decided (`UsageError` where it does not hold:
    then what a mutant does there says nothing)."""
    todo = cases(workspace, tier)
    found: dict[int, BaseCase] = {}
    for done in jobs.run(todo, lambda case, report: _base(workspace, case, options, report),
                         processes=options.processes, seconds=options.seconds):
        if done.result is None:
            return done.failure or jobs.Failure(Outcome.INTERNAL, "no result")
        if isinstance(done.result, str):
            return jobs.Failure(of_reason(done.result), done.result)
        found[done.number] = done.result
    return sorted((found[n] for n in sorted(found)), key=lambda b: b.states)


def _base(workspace: Workspace, case: Case, options: CheckOptions, report: jobs.Report) -> BaseCase | str:
    """The word of a limit that cut it off, instead.  Raises `UsageError`."""
    system = compile_scenario(workspace, *case)
    asked = options.search_options(None, report, stop_early=False)
    seen = search(system, options.engine, asked, options.cache_dir)
    for key, verdict in seen.verdicts.items():
        if isinstance(verdict, Unknown) and verdict.reason in ("timeout", "interrupted"):
            return verdict.reason
        if isinstance(verdict, Violated) or isinstance(verdict, Unknown) and verdict.reason != "not reached":
            said = "violated" if isinstance(verdict, Violated) else f"not decided ({verdict.reason})"
            raise UsageError(f"{key} in {case[0]} ({case[1].value}) is {said} in the model as it is")
    return BaseCase(*case, digest(system), seen.states, seen.words, _reached(system, seen))


def _reached(system: System, seen: SearchResult) -> tuple[str, ...]:
    return tuple(sorted({p.id for p in system.properties if p.key in seen.witnesses}))


def compiled(workspace: Workspace, case: Case) -> tuple[System, bool]:
    """The system of a scenario; with short store buffers, and True, if it gives them no static bound."""
    try:
        return compile_scenario(workspace, *case), False
    except ModelErrors as e:
        if any(d.code != "LI030" for d in e.diagnostics):
            raise
        return compile_scenario(workspace, *case, room=ROOM), True


def warm(base: Sequence[BaseCase], options: CheckOptions, folder: Path) -> None:
    """Compile what every search needs, once for all mutants."""
    compiler = find_compiler(None) if options.engine is Engine.COMPILED else None
    for words in sorted({b.words for b in base} if compiler is not None else ()):
        assert compiler is not None
        load_runtime(compiler, words, folder, options.unkept)


def cheap(base: Sequence[BaseCase], up_to: int | None) -> int:
    """How many scenarios have at most so many states; all if no number is given."""
    return sum(up_to is None or b.states <= up_to for b in base)


def looked_at(r: MutantResult) -> int | None:
    """In how many scenarios a mutant was looked at that no cheap one kills; None for every other result."""
    words = r.why.split()
    return int(words[2]) if r.fate is Fate.UNKNOWN and r.why.startswith("alive in ") else None


def attempt(group: Group, setup: Setup, report: jobs.Report) -> MutantResult:
    """What becomes of one mutant, or of several at once.  Generated code is kept only as long as it is needed."""
    with tempfile.TemporaryDirectory(prefix="lostirq-mutant-") as folder:
        cache = Path(folder) / "build"
        shutil.copytree(setup.warmed, cache)
        options = replace(setup.options, cache_dir=cache)
        if options.max_states is None:
            most = max((b.states for b in setup.base), default=0) * MANY
            options = replace(options, max_states=max(most, 1 << 20))
        return _Attempt(group, replace(setup, options=options), report).run()


@dataclass(slots=True)
class _Seen:
    """What the scenarios so far have shown: those that differ, the first loop, the witnesses that are reached, why one
    was not decided, and whether a store buffer was cut short."""

    changed: list[tuple[BaseCase, System]] = field(default_factory=list)
    loop: tuple[BaseCase, str] | None = None
    reached: set[str] = field(default_factory=set)
    unknown: str = ""
    cut: bool = False


@dataclass(frozen=True, slots=True)
class _Attempt:
    group: Group
    setup: Setup
    report: jobs.Report
    edited: frozenset[Statement] | None = None      # what cannot change a scenario that does not execute it

    def run(self) -> MutantResult:
        try:
            workspace = load_sources(mutated(self.setup.model.texts, self.group))
            alike = declared_alike(workspace, self.setup.model.workspace)
            edited = statements_of(self.setup.model.texts, self.group) if alike else None
            return replace(self, edited=edited)._search_all(workspace)
        except ModelErrors as e:
            return self._result(Fate.REFUSED, why=f"{e.diagnostics[0].code}: {e.diagnostics[0].message}")

    def _search_all(self, workspace: Workspace) -> MutantResult:
        seen = _Seen()
        few = cheap(self.setup.base, self.setup.up_to)
        for case in self.setup.base[:few]:
            found = self._changed(workspace, case)
            if found is None:
                continue
            system, short = found
            result = self._one(case, system, short, seen)
            if result is not None:
                return result
        if seen.loop is not None:
            return self._result(Fate.KILLED, *seen.loop, why="a loop", systems=len(seen.changed))
        rest = self.setup.base[few:]
        if rest and (seen.changed or any(self._changed(workspace, case) is not None for case in rest)):
            return self._result(Fate.UNKNOWN, why=f"alive in {few} of {len(self.setup.base)} scenarios, the cheapest")
        if seen.cut:
            return self._result(Fate.UNKNOWN, why=f"not killed {SHORT}; with more it is not decided")
        return self._judged(seen)

    def _one(self, case: BaseCase, system: System, short: bool, seen: _Seen) -> MutantResult | None:
        """One scenario that differs; the result if a safety property is violated there."""
        seen.cut |= short
        seen.changed.append((case, system))
        live = case.states <= LIVE and not short
        keys = (STUCK, RANGE, *(p.key for p in system.properties
                                if p.form is not Form.RECURRENCE or live and seen.loop is None))
        found = self._search(system, keys)
        traces = {k: v.trace for k, v in found.verdicts.items() if isinstance(v, Violated)}
        bad = [(len(trace.moves), k) for k, trace in traces.items() if trace.loop is None]
        if bad:
            length, key = min(bad)
            return self._result(Fate.KILLED, case, key, length, SHORT if short else "", len(seen.changed))
        loops = sorted(traces)
        if loops and seen.loop is None:
            seen.loop = case, loops[0]
        seen.unknown = seen.unknown or _undecided(case, found)
        seen.reached |= set(_reached(system, found))
        return None

    def _changed(self, workspace: Workspace, case: BaseCase) -> tuple[System, bool] | None:
        """The system of a scenario, and whether its store buffers are short; None if it is that of the base."""
        if self.edited is not None and self.edited.isdisjoint(self.setup.model.executed[case.scenario, case.memory]):
            return None
        system, short = compiled(workspace, (case.scenario, case.memory))
        return None if digest(system) == case.digest else (system, short)

    def _same(self, changed: Sequence[tuple[BaseCase, System]]) -> bool:
        """Is the reachable graph of every scenario that of the base?"""
        for case, system in changed:
            asked = question(self.setup.model.systems[case.scenario, case.memory], system)
            if asked is None:
                return False
            seen = self._search(asked, (KEY,))
            if not isinstance(seen.verdicts[KEY], Holds):
                return False
        return True

    def _judged(self, seen: _Seen) -> MutantResult:
        """The fate of what no property sees: the same graph, witnesses that are gone."""
        systems = len(seen.changed)
        if not seen.changed:
            return self._result(Fate.EQUIVALENT, why="unchanged: no transition system differs")
        if seen.unknown:
            return self._result(Fate.UNKNOWN, why=seen.unknown, systems=systems)
        if self._same(seen.changed):
            return self._result(Fate.EQUIVALENT, why="same reachable graph", systems=systems)
        same = {b.digest for b in self.setup.base} - {c.digest for c, _ in seen.changed}
        reached = seen.reached.union(*(b.reached for b in self.setup.base if b.digest in same))
        gone = {w for b in self.setup.base for w in b.reached} - reached
        if gone:
            return self._result(Fate.KILLED, None, min(gone), why="no longer reached", systems=systems)
        return self._result(Fate.SURVIVOR, why=f"{systems} systems exhausted", systems=systems)

    def _search(self, system: System, keys: tuple[str, ...]) -> SearchResult:
        given = self.setup.options
        options = replace(given.search_options(keys, self.report, stop_early=False), stop_first=True)
        return search(system, given.engine, options, given.cache_dir)

    def _result(self, fate: Fate, case: BaseCase | None = None, key: str = "", length: int = 0, why: str = "",
                systems: int = 0) -> MutantResult:
        where = (case.scenario, case.memory.value) if case is not None else ("", "")
        return MutantResult(name_of(self.group), self.group[0].kind.value, what_of(self.group), fate, key, *where,
                            length, why, systems)


def _undecided(case: BaseCase, seen: SearchResult) -> str:
    reasons = [v.reason for v in seen.verdicts.values() if isinstance(v, Unknown) and v.reason != "not reached"]
    return f"{case.scenario}/{case.memory.value}: {reasons[0]}" if reasons else ""
