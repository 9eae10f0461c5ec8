# SPDX-License-Identifier: GPL-2.0-or-later
"""A run of a small instance in a larger one: a loop over words goes round more often, data are chosen anew."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from cli_toys import run, toy

from lostirq.evidence.replay import confirm, replay
from lostirq.evidence.verdict import SearchOptions, Trace, Violated
from lostirq.explicit.graph import check_graph
from lostirq.ir.digest import digest
from lostirq.ir.system import Memory, System
from lostirq.language import compile_scenario
from lostirq.symbolic.lift import Lifter, NotLifted
from tests.unit.language import load

Capture = pytest.CaptureFixture[str]

HARVEST = """
    from lostirq.prelude import *
    SIZE = Param(1, "bits")
    WORD = Param(1, "bits of a word")
    word: Words[SIZE, WORD]
    taken: Bits[SIZE]
    last: Int[-1, 63]

    @thread
    def sender():
        while True:
            v: Int[0, SIZE - 1] = choose(Int[0, SIZE - 1])
            set_bit(word, v)
            event("sent", v)

    @thread
    def harvester():
        found: Bits[SIZE] = 0
        while True:
            found = 0
            for k in range(SIZE // WORD):
                found = insert(found, k * WORD, xchg(word.word[k], 0))
            taken = found
            last = highest(found)
"""
NEVER = """
    from lostirq.prelude import *
    from model.m import *

    @invariant("N", source="toy")
    def nothing() -> bool:
        '''Nothing is ever taken.'''
        return {state}

    @step_property("S", source="toy", over=SIZE)
    def silent(v: Int[0, SIZE - 1]) -> bool:
        '''Nothing is sent.'''
        return not occurs("sent", v)
"""


def systems(state: str = "last == -1") -> tuple[System, System]:
    workspace = load(HARVEST, properties__q=NEVER.format(state=state))
    small, large = ({"SIZE": 2, "WORD": 2}, {"SIZE": 64, "WORD": 16})
    return tuple(compile_scenario(workspace, "only", Memory.SC, overrides=o) for o in (small, large))  # type: ignore[return-value]  # two


def shortest(system: System, key: str) -> tuple[int, ...]:
    verdict = check_graph(system, SearchOptions(properties=(key,))).verdicts[key]
    assert isinstance(verdict, Violated)
    return verdict.trace.moves


def test_a_loop_goes_round_more_often() -> None:
    small, large = systems()
    moves = shortest(small, "N")
    found = Lifter(small, moves, large, tuple(p for p in large.properties if p.id == "N")).run()
    trace = Trace(large.name, "sc", digest(large), found.key, found.moves, minimal=False)
    assert confirm(replay(large, trace)) is not None
    assert len(found.moves) == len(moves) + 3      # three more words


def test_a_step_property_of_any_vector() -> None:
    small, large = systems()
    found = Lifter(small, shortest(small, "S[1]"), large, tuple(p for p in large.properties if p.id == "S")).run()
    trace = Trace(large.name, "sc", digest(large), found.key, found.moves, minimal=False)
    assert confirm(replay(large, trace)) is not None and found.key == "S[0]"     # the least data


def test_data_are_chosen_to_fit() -> None:
    """Only vector 40 of the larger instance breaks it: the solver must find that."""
    small, large = systems("last != (40 if SIZE == 64 else 1)")
    found = Lifter(small, shortest(small, "N"), large, tuple(p for p in large.properties if p.id == "N")).run()
    trace = Trace(large.name, "sc", digest(large), found.key, found.moves, minimal=False)
    run_ = replay(large, trace)
    assert confirm(run_) is not None
    taken = next(i for i, v in enumerate(large.variables) if v.name == "last")
    assert run_.states[-1][0][taken] == 40


def test_what_holds_in_the_larger_instance_is_not_lifted() -> None:
    small, large = systems("last == -1 or SIZE == 64")
    with pytest.raises(NotLifted):
        Lifter(small, shortest(small, "N"), large, tuple(p for p in large.properties if p.id == "N")).run()


def test_the_limits_of_the_search() -> None:
    small, large = systems("last == -1 or SIZE == 64")
    lifter = Lifter(small, shortest(small, "N"), large, tuple(p for p in large.properties if p.id == "N"))
    with pytest.raises(NotLifted, match="gave up at step"):
        lifter.run(most=3)


# -- the command ----------------------------------------------------------------------------------------------------


def lifted(folder: Path, capsys: Capture, *words: str) -> dict[str, object]:
    run(folder, "bugs", "--lift", "--json", *words)
    [found] = json.loads(capsys.readouterr()[0])["bugs"]
    return dict(found)


POST = '@function(kernel="arch/toy.c:post")\ndef post():\n'
ROUNDS = f'ROUNDS = Param(1, "rounds")\n\n\n{POST}    for k in range(ROUNDS):\n        step()\n'


def library(folder: Path, capsys: Capture, widths: str = "[parameters]\nROUNDS = 4\n") -> Path:
    toy(folder, {"model/toy.py": (POST, ROUNDS)})
    (folder / "counterexamples" / "wide.toml").write_text(widths)
    assert run(folder, "bugs", "--record", "no-fence") == 0
    capsys.readouterr()
    return folder


def test_bugs_lift_records_and_checks_again(tmp_path: Path, capsys: Capture) -> None:
    folder = library(tmp_path / "w", capsys)
    found = lifted(folder, capsys, "--record", "--max-depth", "3")
    assert found["ok"] and found["searched"] == 3 and not found["minimal"]
    stored = json.loads((folder / "counterexamples" / "no-fence" / "witness-256.json").read_text())
    assert stored["overrides"] == {"ROUNDS": 4} and stored["moves"] == found["moves"] and stored["bug"] == "no-fence"
    assert lifted(folder, capsys)["moves"] == found["moves"]
    assert run(folder, "explain", str(folder / "counterexamples" / "no-fence" / "witness-256.json")) == 0
    assert "not claimed minimal" in capsys.readouterr()[0]
    assert run(folder, "bugs", "--lift") == 0
    out = capsys.readouterr()[0]
    assert "not claimed shortest; no shorter one up to depth 3" in out
    assert "1 of 1 known bugs have a witness at full width" in out


def test_a_false_witness_is_an_error(tmp_path: Path, capsys: Capture) -> None:
    folder = library(tmp_path / "w", capsys)
    moves = lifted(folder, capsys, "--record")["moves"]
    assert isinstance(moves, list)
    path = folder / "counterexamples" / "no-fence" / "witness-256.json"
    data = json.loads(path.read_text())
    path.write_text(json.dumps(data | {"moves": moves[:-1], "length": len(moves) - 1}))
    assert run(folder, "bugs", "--lift", "no-fence") == 3
    assert "does not violate" in "".join(capsys.readouterr())


def test_a_witness_of_an_older_model_is_tried(tmp_path: Path, capsys: Capture) -> None:
    """It is one of the model as it is if that takes the same run; if not, another one is searched."""
    folder = library(tmp_path / "w", capsys)
    moves = lifted(folder, capsys, "--record", "--max-depth", "3")["moves"]
    assert isinstance(moves, list)
    path = folder / "counterexamples" / "no-fence" / "witness-256.json"
    data = json.loads(path.read_text())
    for old in (moves, moves[:-1]):
        path.write_text(json.dumps(data | {"digest": "0" * 64, "moves": old, "length": len(old)}))
        found = lifted(folder, capsys)
        assert found["ok"] and found["moves"] == moves and found["searched"] is None


def test_the_shortest_one_replaces_a_longer(tmp_path: Path, capsys: Capture) -> None:
    folder = library(tmp_path / "w", capsys)
    found = lifted(folder, capsys, "--max-depth", "40")
    length, small, searched = (int(str(found[k] or 0)) for k in ("length", "length_in_scenario", "searched"))
    assert length == small + 3 and (found["minimal"] or searched == length - 1)


@pytest.mark.parametrize("widths, said", [
    ("", "must give numbers"),
    ("[parameters]\nROUNDS = true\n", "must give numbers"),
    ("[parameters\n", "not TOML"),
    ("[parameters]\nVECTROS = 3\n", "unknown parameter 'VECTROS'"),
])
def test_a_bad_description_of_the_width(tmp_path: Path, capsys: Capture, widths: str, said: str) -> None:
    folder = library(tmp_path / "w", capsys, widths)
    assert run(folder, "bugs", "--lift", "no-fence") == 2
    assert said in "".join(capsys.readouterr())


def test_a_control_has_nothing_to_lift(tmp_path: Path, capsys: Capture) -> None:
    folder = library(tmp_path / "w", capsys)
    assert run(folder, "bugs", "--lift", "more-fences") == 2
    assert "a negative control has no counterexample" in capsys.readouterr()[1]
    (folder / "counterexamples" / "wide.toml").unlink()
    assert run(folder, "bugs", "--lift", "no-fence") == 2
    assert "wide.toml" in capsys.readouterr()[1]


def test_check_with_the_bounded_engine(tmp_path: Path, capsys: Capture) -> None:
    """A violation is one; a bound is undecided."""
    folder = toy(tmp_path / "w")
    assert run(folder, "check", "--engine", "bmc", "--max-depth", "3", "--scenario", "one") == 125
    out = capsys.readouterr()[0]
    assert "depth 3 reached" in out and "all runs up to 3 steps" in out
    broken = toy(tmp_path / "b", {"model/toy.py": ("    desc.mode = Mode.INSIDE\n    smp_mb()\n",
                                                    "    desc.mode = Mode.INSIDE\n")})
    words = ("check", "--scenario", "one", "--memory", "tso", "--property", "T-1", "--json", "--no-result-cache")
    lengths = []
    for engine in ("bmc", "graph"):
        assert run(broken, *words, "--engine", engine) == 1
        [result] = json.loads(capsys.readouterr()[0])["results"]
        lengths += [(p["key"], p.get("length")) for p in result["properties"] if p["verdict"] == "violated"]
    assert lengths[0] == lengths[1]


@pytest.mark.parametrize("flag", ["--max-depth", "--rlimit", "--time"])
def test_limits_of_the_bounded_engine_are_its_own(tmp_path: Path, capsys: Capture, flag: str) -> None:
    assert run(toy(tmp_path / "w"), "check", flag, "5") == 2
    assert f"{flag} is a limit of --engine bmc" in capsys.readouterr()[1]
