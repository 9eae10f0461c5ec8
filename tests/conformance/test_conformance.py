# SPDX-License-Identifier: GPL-2.0-or-later
"""Published verdicts and exact counts, in every engine: one class of tests, one subclass per engine."""

from __future__ import annotations

from pathlib import Path

import pytest

from lostirq.evidence.verdict import Reductions, SearchOptions
from lostirq.explicit.graph import check_graph
from lostirq.interpret import Interpreter
from lostirq.ir.system import Memory, System
from tests.conformance import litmus, models
from tests.conformance.litmus import LITMUS, Litmus
from tests.conformance.models import compiled
from tests.differential.agreement import Summary, compiled_engines, summary, summary_of

MUTUAL = {"peterson": (models.PETERSON, 2), "dekker": (models.DEKKER, 2), "ticket lock": (models.TICKET_LOCK, 3),
          "spin lock": (models.SPIN_LOCK, 2)}


def mutual(name: str, memory: Memory, fence: bool = True) -> System:
    source, threads = MUTUAL[name]
    return compiled(source, models.MUTUAL_EXCLUSION.format(n=threads), memory, FENCE=int(fence))


class Conformance:
    """What every engine must say.  `judge` gives words for verdicts, and counts without reductions."""

    liveness = True

    def judge(self, system: System) -> Summary:
        raise NotImplementedError

    @pytest.fixture(autouse=True)
    def cache(self, tmp_path_factory: pytest.TempPathFactory) -> None:
        self.cache_dir = tmp_path_factory.getbasetemp() / "conformance"

    def word(self, system: System, key: str) -> str:
        """The first word of a verdict: holds, violated, reached, not."""
        return dict(self.judge(system).verdicts)[key].split()[0]

    @pytest.mark.parametrize("test", LITMUS, ids=lambda t: t.name)
    @pytest.mark.parametrize("memory", Memory, ids=lambda m: m.value)
    def test_litmus(self, test: Litmus, memory: Memory) -> None:
        allowed = test.tso if memory is Memory.TSO else test.sc
        assert self.word(litmus.system(test, memory), "outcome") == ("reached" if allowed else "not")

    @pytest.mark.parametrize(("managers", "states", "generated"), [(3, 288, 1146), (4, 1568, 8258), (5, 8832, 58146)])
    def test_two_phase_commit(self, managers: int, states: int, generated: int) -> None:
        """States as TLC and Stateright count them; they also count the initial state as generated."""
        system = compiled(models.TWO_PHASE_COMMIT, models.TWO_PHASE_PROPERTIES, Memory.SC, RMS=managers)
        found = self.judge(system)
        assert found.counts is not None
        assert found.counts[:2] == (states, generated - 1)
        assert dict(found.verdicts)["consistent"] == "holds"

    @pytest.mark.parametrize("memory", Memory, ids=lambda m: m.value)
    @pytest.mark.parametrize("name", MUTUAL)
    def test_mutual_exclusion(self, name: str, memory: Memory) -> None:
        words = dict(self.judge(mutual(name, memory)).verdicts)
        assert words["exclusion"] == "holds" and words["entered"].startswith("reached") and words["stuck"] == "holds"
        if self.liveness:
            assert words["no starvation[1]"] == ("violated" if name == "spin lock" else "holds")

    @pytest.mark.parametrize("name", ["peterson", "dekker"])
    def test_mutual_exclusion_needs_fences_under_tso_only(self, name: str) -> None:
        assert self.word(mutual(name, Memory.SC, fence=False), "exclusion") == "holds"
        assert self.word(mutual(name, Memory.TSO, fence=False), "exclusion") == "violated"

    def test_a_ticket_lock_needs_no_fence(self) -> None:
        assert self.word(mutual("ticket lock", Memory.TSO, fence=False), "exclusion") == "holds"


class TestInterpreter(Conformance):
    liveness = False

    def judge(self, system: System) -> Summary:
        return summary_of(system, Interpreter(system).explore(), {})


class TestGraph(Conformance):
    def judge(self, system: System) -> Summary:
        return summary(system, check_graph(system))


class _Compiled(Conformance):
    name = ""

    def judge(self, system: System) -> Summary:
        engine = compiled_engines(Path(self.cache_dir))[self.name]
        return summary(system, engine(system, SearchOptions(reductions=Reductions.none())))


class TestCompiledC(_Compiled):
    name = "C"


class TestGeneratedPython(_Compiled):
    name = "Python"
