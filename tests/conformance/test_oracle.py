# SPDX-License-Identifier: GPL-2.0-or-later
"""The oracle's own verdicts: kernel 7.1 loses nothing, and each mutant does what its table says.

`oracle_mutants.MUTANTS` holds the expected statuses, each with its reason, `oracle_verdicts.json` the lengths as well.
"""

from __future__ import annotations

import itertools
import json

import pytest

from tests.conformance.oracle import verdict
from tests.conformance.oracle_mutants import FENCES, MUTANTS, SCENARIOS, TABLE, Mutant

MEMORIES = pytest.mark.parametrize("tso", [False, True], ids=["sc", "tso"])
RECORDED = json.loads(TABLE.read_text(encoding="utf-8"))["verdicts"]
PAIRS = list(zip(MUTANTS, RECORDED, strict=True))


@MEMORIES
@pytest.mark.parametrize("name", SCENARIOS)
def test_kernel_loses_nothing(name: str, tso: bool) -> None:
    outcome = verdict(SCENARIOS[name], tso)
    assert outcome.status == "safe", "\n".join(outcome.trace)


@pytest.mark.parametrize(("mutant", "recorded"), PAIRS, ids=[mutant.switches for mutant in MUTANTS])
def test_mutant(mutant: Mutant, recorded: dict) -> None:
    assert (recorded["mutant"], recorded["bug"]) == (mutant.switches, mutant.bug)
    for memory, tso, expected in (("sc", False, mutant.sc), ("tso", True, mutant.tso)):
        scenario, outcome = mutant.outcome(tso)
        assert outcome.status == expected == recorded[memory]["status"], "\n".join(outcome.trace)
        assert (outcome.length, scenario) == (recorded[memory]["length"], recorded[memory]["scenario"])


def test_one_pair_of_fences_guards_the_sleep() -> None:
    """Every wake-up Dekker has two fences on the sleeper's side, so that one may go; no other pair is like that."""
    losing = set()
    for pair in itertools.combinations(FENCES, 2):
        bugs = frozenset(f"no-{fence}" for fence in pair)
        if verdict(SCENARIOS["post"], True, bugs).status != "safe":
            losing.add(pair)
    assert losing == {("state-fence", "check-lock-fence")}


def test_every_switch_is_one_that_the_oracle_knows() -> None:
    """A misspelt switch would be a mutant that changes nothing, and safe for the wrong reason."""
    source = "".join((TABLE.parent / f"oracle{part}.py").read_text() for part in ("", "_senders", "_scheduling"))
    for switch in itertools.chain.from_iterable(mutant.switches.split("+") for mutant in MUTANTS):
        name = switch.removeprefix("plain-") if switch.startswith("plain-") else switch
        fence = switch.removeprefix("no-")
        assert f'"{name}"' in source or (fence != switch and f'fence("{fence}")' in source), switch


def test_preempted_between_on_and_harvest() -> None:
    """The steps of the shortest loss by an empty harvest: one post, and ON set again by pi_load."""
    trace = verdict(SCENARIOS["device"], False, frozenset({"empty-harvest-means-none"})).trace
    wanted = ["RMW clear_on pid", "preempted", "RMW set_on_again pid", "RMW take_pir pir0", "RMW clear_on pid"]
    remaining = iter(trace)
    assert all(f"V: {step}" in remaining for step in wanted), "\n".join(trace)
