# SPDX-License-Identifier: GPL-2.0-or-later
"""Mutants of a model of two Dekker threads: what is generated, that each is a patch, and what becomes of it."""

from __future__ import annotations

import io
import time
from pathlib import Path

import pytest
from json_schemas import valid

from lostirq.errors import UsageError
from lostirq.language import compile_scenario
from lostirq.workflow import mutate, mutate_run, patching
from lostirq.workflow.check import CheckOptions
from lostirq.workflow.commands import Setting
from lostirq.workflow.engines import Engine
from lostirq.workflow.mutate import MutateRequest, run_mutate
from lostirq.workflow.mutate_edit import Edit, Kind, diff, edited, mutated, name_of
from lostirq.workflow.mutate_record import read_record
from lostirq.workflow.mutate_run import Fate, groups
from lostirq.workflow.mutate_sites import mutants
from lostirq.workflow.outcome import Outcome

MODEL = '''
from lostirq.prelude import *

TALL = Param(False, "a switch")
MORE = Param(False, "another thread")


class Word(Struct):
    bits: Words[2, 2]
    both: Ghost[bool]


flag: Array[bool, 2]
seen: Array[bool, 2]
word: Word
lock: bool


@function()
def fence():
    smp_mb()


@function()
def lock_it():
    with atomic():
        wait(not lock)
        lock = True


@thread()
def left():
    flag[0] = True
    fence()
    with window("look"):
        seen[0] = flag[1]
    event("looked")
    old: bool = test_and_set(lock)
    if not old and not TALL:
        word.both = True
        set_bit(word.bits, 0)


@thread()
def right():
    xchg(flag[1], True)
    seen[1] = flag[0]
    set_bit(word.bits, 1)


@thread(when=MORE)
def third():
    step()
'''
PROPERTIES = '''
from lostirq.prelude import *


@invariant("D-1", source="Dekker", witness="W-1", planted="none")
def one_sees_the_other() -> bool:
    """At least one of the two sees the other's flag once both have looked."""
    return not (at_rest("left") and at_rest("right")) or seen[0] or seen[1]


@invariant("D-2", source="Dekker", witness="W-1", planted="none")
def both_bits() -> bool:
    """No bit is lost."""
    return not (at_rest("left") and at_rest("right")) or bits(word.bits) == 3


@reachable("W-1")
def both_see() -> bool:
    """Both have looked."""
    return seen[0] and seen[1]
'''
SCENARIOS = '''
from lostirq.prelude import *


@scenario(tier="quick", memory=("sc", "tso"))
class dekker:
    """Two threads."""
'''
SOURCES = {"model/m.py": MODEL, "model/scenarios/quick.py": SCENARIOS, "properties/p.py": PROPERTIES}
FOUND = mutants(SOURCES)
BY_NAME = {m.name: m for m in FOUND}


def workspace(folder: Path) -> Path:
    for name, text in SOURCES.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    return folder


def run(folder: Path, asked: MutateRequest, *, as_json: bool = False, seconds: float | None = None
        ) -> tuple[Outcome, str, str]:
    out, err = io.StringIO(), io.StringIO()
    setting = Setting(workspace(folder / "ws"), folder / "cache", as_json, False, out, err, {})
    done = run_mutate(setting, asked, CheckOptions(engine=Engine.FALLBACK, processes=2, seconds=seconds))
    return done, out.getvalue(), err.getvalue()


def test_every_kind_is_found_where_it_is() -> None:
    assert [m.name for m in FOUND if m.kind is Kind.CPU] == ["cpu:m.py:left:1"]
    assert [m.what for m in FOUND if m.kind is Kind.COMPILER] == ["seen[0] = flag[1] before flag[0] = True, "
                                                                  "without fence()"]
    assert [m.name for m in FOUND if m.kind is Kind.LOCKED] == [
        "locked:m.py:left:1", "locked:m.py:left:2", "locked:m.py:right:1", "locked:m.py:right:2"]
    assert [m.function for m in FOUND if m.kind is Kind.ATOMIC] == ["lock_it"]
    assert [m.what for m in FOUND if m.kind is Kind.ORDER if m.function == "right"] == [
        "seen[1] = flag[0] before xchg(flag[1], True)", "set_bit(word.bits, 1) before seen[1] = flag[0]"]
    assert len(BY_NAME) == len(FOUND)


def test_what_is_no_code_is_left_alone() -> None:
    """Events, ghosts that nobody reads, and conditions over switches alone."""
    assert not [m for m in FOUND if "event" in m.what or "both" in m.what]
    weaker = [m.what for m in FOUND if m.kind is Kind.WEAKENED and m.function == "left"]
    assert weaker == ["not old and (not TALL) without not old"]


COUNTED = """
from lostirq.prelude import *

COUNT = Param(True, "count")


class Box(Struct):
    full: bool
    more: bool
    owed: Ghost[Int[0, 2]]
    asked: Ghost[Int[0, 2]]


box: Box


@function()
def done(b: Box):
    if COUNT:
        if b.owed == 0:
            event("twice")
        b.owed = max(b.owed - 1, 0)


@thread()
def sender():
    box.full = True
    done(box)
    box.asked = 1
    if box.asked == 1:
        box.more = True
"""


def test_what_counts_for_properties_alone_is_no_code() -> None:
    """Nor is a condition over such ghosts, and the function that has nothing else; a ghost that code decides on is."""
    found = mutants({"model/m.py": COUNTED})
    assert not [m for m in found if m.function == "done" or "done(" in m.what]
    assert {m.kind for m in found if "asked" in m.what} >= {Kind.NEGATED, Kind.STEP}


def test_a_mutant_is_a_patch_that_applies() -> None:
    for group in groups(FOUND):
        after = mutated(SOURCES, group)
        assert after != SOURCES
        assert patching.apply(SOURCES, diff(SOURCES, group), "mutant").sources == after


def test_an_edit_changes_its_span_alone() -> None:
    fence = BY_NAME["cpu:m.py:left:1"]
    assert mutated(SOURCES, [fence]) == SOURCES | {"model/m.py": MODEL.replace("    fence()", "    barrier()")}
    swapped = mutated(SOURCES, [BY_NAME["compiler:m.py:left:1"]])["model/m.py"]
    assert '    seen[0] = flag[1]\n    pass\n    with window("look"):\n        flag[0] = True\n' in swapped
    assert edited("ä = 1; b = 2\n", [Edit(1, 8, 1, 9, "c")]) == "ä = 1; c = 2\n"     # columns are bytes


def test_two_edits_of_one_span_are_refused() -> None:
    with pytest.raises(UsageError, match="same text"):
        mutated(SOURCES, [BY_NAME["cpu:m.py:left:1"], BY_NAME["cpu:m.py:left:1"]])


def test_what_becomes_of_them(tmp_path: Path) -> None:
    outcome, text, _ = run(tmp_path, MutateRequest())
    assert outcome is Outcome.HOLDS
    results = read_record(tmp_path / "cache" / "mutants.jsonl").results
    killed = {n: r.property for n, r in results.items() if r.fate is Fate.KILLED}
    assert killed["cpu:m.py:left:1"] == killed["compiler:m.py:left:1"] == killed["locked:m.py:right:1"] == "D-1"
    assert killed["locked:m.py:left:2"] == killed["locked:m.py:right:2"] == "D-2"
    assert killed["cpu:m.py:left:1 + locked:m.py:right:1"] == "D-1"     # the exchange is a store with a fence
    assert results["atomic:m.py:lock_it:1"].why == "unchanged: no transition system differs"
    survivors = [n for n, r in results.items() if r.fate is Fate.SURVIVOR]
    assert survivors == ["order:m.py:right:2", "weakened:m.py:left:1"]
    assert text.endswith(f"""
Nothing sees these (work for the properties, or explain them):
  {survivors[0]}: set_bit(word.bits, 1) before seen[1] = flag[0]
  {survivors[1]}: not old and (not TALL) without not old

23 of 23 mutants: 15 killed, 6 equivalent, 2 survivor
""")


def test_a_shortest_run_and_its_text(tmp_path: Path) -> None:
    asked = MutateRequest(show="cpu:m.py:left:1")
    _, text, _ = run(tmp_path, asked)
    assert valid("mutate", run(tmp_path, asked, as_json=True)[1])["diff"] in text
    assert text.startswith("killed     cpu:m.py:left:1: without fence(): D-1, 8 steps, dekker TSO\n")
    assert "\n-    fence()\n+    barrier()\n" in text and "store buffer" in text
    with pytest.raises(UsageError, match=r"no mutant 'cpu:m.py:left:9' \(did you mean|no mutant"):
        run(tmp_path, MutateRequest(show="cpu:m.py:left:9"))


def test_what_is_shown_may_be_of_the_record_that_is_shipped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its run is searched anew; the other mutants and the rest of the scenarios are not."""
    asked = MutateRequest(show="cpu:m.py:left:1")
    first = run(tmp_path, MutateRequest(only=("cpu:*",)))
    docs = tmp_path / "ws" / "docs"
    docs.mkdir()
    (tmp_path / "cache" / "mutants.jsonl").rename(docs / "mutants.jsonl")
    monkeypatch.setattr("lostirq.workflow.mutate.read_model", None)
    text = run(tmp_path, asked)[1]
    assert first[0] is Outcome.HOLDS and text.startswith("killed     cpu:m.py:left:1: without fence(): D-1, 8 steps")
    assert "store buffer" in text


def test_a_second_run_goes_on_where_the_first_stopped(tmp_path: Path) -> None:
    file = tmp_path / "cache" / "mutants.jsonl"
    _, first, _ = run(tmp_path, MutateRequest(only=("locked:*",)))
    with file.open("a") as f:
        f.write('{"name": "cut o')
    _, text, err = run(tmp_path, MutateRequest(only=("locked:*", "cpu:m.py:left:1")), as_json=True)
    told = valid("mutate", text)
    assert "for 1 mutants" in err and told["counts"]["killed"] == 4 and len(told["mutants"]) == 5
    assert first.count("killed") == 4          # three lines and the summary
    assert all(line.startswith("{") and line.endswith("}") for line in file.read_text().splitlines())


def test_what_was_cut_off_is_no_result(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert run(tmp_path, MutateRequest(), seconds=0.0)[0] is Outcome.TIMEOUT
    run(tmp_path, MutateRequest(only=("cpu:*",)))
    monkeypatch.setattr(mutate, "_read", lambda s, texts, *limits: mutate_run.read_model(texts, "quick"))
    outcome, text, err = run(tmp_path, MutateRequest(), seconds=0.0)
    assert outcome is Outcome.TIMEOUT and "without a result" in err and "2 of 23 mutants: 2 killed" in text
    assert len(read_record(tmp_path / "cache" / "mutants.jsonl").results) == 2


def test_the_time_counts_from_the_start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also while scenarios are compiled, before the first mutant."""
    def slowly(*given: object, **options: object) -> object:
        time.sleep(0.2)
        return compile_scenario(*given, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(mutate_run, "compile_scenario", slowly)
    folder = workspace(tmp_path / "ws")
    more = [SCENARIOS[SCENARIOS.index("@"):].replace("dekker", f"dekker_{n}") for n in range(4)]
    (folder / "model" / "scenarios" / "more.py").write_text("from lostirq.prelude import *\n" + "".join(more))
    out, err = io.StringIO(), io.StringIO()
    setting = Setting(folder, tmp_path / "cache", False, False, out, err, {})
    assert run_mutate(setting, MutateRequest(), CheckOptions(engine=Engine.FALLBACK, seconds=0.5)) is Outcome.TIMEOUT
    assert out.getvalue() == "" and err.getvalue().count("raise --timeout") == 1


def test_a_sample_is_the_same_for_the_same_seed(tmp_path: Path) -> None:
    def names(seed: int) -> str:
        return run(tmp_path, MutateRequest(listed=True, sample=3, seed=seed))[1]

    assert names(1) == names(1) and len(names(1).splitlines()) == 3
    listed = valid("mutate", run(tmp_path, MutateRequest(listed=True), as_json=True)[1])["mutants"]
    assert [m["name"] for m in listed] == [name_of(g) for g in groups(FOUND)]
    assert len({names(seed) for seed in range(5)}) > 1


@pytest.mark.parametrize(("text", "said"), [
    ("{}\n", "not a record of mutants"), ("[]\n", "an object is needed"),
    ('{"format": "lostirq-mutants", "version": 1}\nnonsense\n{}\n', ":2: not a line of JSON"),
    ('{"format": "lostirq-mutants", "version": 1}\n{"name": "x", "kind": 3}\n', ":2: kind cannot be read"),
    ('{"format": "lostirq-mutants", "version": 1}\n{"baseline": [{}]}\n', ":2: a scenario of a baseline"),
])
def test_a_file_that_is_no_record(tmp_path: Path, text: str, said: str) -> None:
    file = tmp_path / "record.jsonl"
    file.write_text(text)
    with pytest.raises(UsageError, match=said):
        read_record(file)


def test_a_model_that_is_violated_already(tmp_path: Path) -> None:
    folder = workspace(tmp_path / "ws")
    (folder / "model" / "m.py").write_text(MODEL.replace("    fence()\n    with", "    with"))
    setting = Setting(folder, tmp_path / "cache", False, False, io.StringIO(), io.StringIO(), {})
    with pytest.raises(UsageError, match=r"D-1 in dekker \(tso\) is violated in the model as it is"):
        run_mutate(setting, MutateRequest(), CheckOptions(engine=Engine.FALLBACK, processes=1))


def test_a_result_of_an_earlier_model_is_none_of_this_one(tmp_path: Path) -> None:
    """It is counted as stale, is no survivor, and the run is undecided until it is run anew."""
    names = ("cpu:m.py:left:1", "order:m.py:right:2")
    run(tmp_path, MutateRequest(only=names))
    larger = SCENARIOS.replace("class dekker", "class larger").replace('"""Two threads."""', "MORE = True")
    more = tmp_path / "ws" / "model" / "scenarios" / "more.py"
    more.write_text(larger)
    outcome, text, err = run(tmp_path, MutateRequest(only=(*names, "step:m.py:right:1")))
    assert outcome is Outcome.UNDECIDED and "2 results in" in err
    assert "order:" not in text and text.endswith("\n3 of 3 mutants: 1 killed, 2 stale\n")
    outcome, text, _ = run(tmp_path, MutateRequest(only=names), as_json=True)
    told = valid("mutate", text)
    assert outcome is Outcome.UNDECIDED and told["counts"] == {
        "killed": 0, "equivalent": 0, "survivor": 0, "refused": 0, "unknown": 0, "stale": 2}
    assert [m["stale"] for m in told["mutants"]] == [True, True] and told["mutants"][0]["model"] != told["model"]
    outcome, text, _ = run(tmp_path, MutateRequest(only=names, again=True))
    assert outcome is Outcome.HOLDS and text.endswith("\n2 of 2 mutants: 1 killed, 1 survivor\n")


def test_nothing_of_that_name(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no mutant is named like nothing"):
        run(tmp_path, MutateRequest(only=("nothing",)))




def test_a_first_pass_over_cheap_scenarios(tmp_path: Path) -> None:
    """What is alive there stays undecided; a run without the bound goes on with it, and with nothing else."""
    folder = workspace(tmp_path / "ws")
    larger = SCENARIOS.replace("class dekker", "class larger").replace('"""Two threads."""', "MORE = True")
    (folder / "model" / "scenarios" / "more.py").write_text(larger)
    err = io.StringIO()
    setting = Setting(folder, tmp_path / "cache", False, False, io.StringIO(), err, {})
    options = CheckOptions(engine=Engine.FALLBACK, processes=2)
    file = tmp_path / "cache" / "mutants.jsonl"
    assert run_mutate(setting, MutateRequest(only=("step:m.py:right:1",)), options) is Outcome.HOLDS
    [base] = read_record(file).baselines.values()
    assert [b.scenario for b in base] == ["dekker", "larger"] and base[0].states < base[1].states
    asked = MutateRequest(only=("cpu:m.py:left:1", "order:m.py:right:2"), up_to=base[0].states)
    assert run_mutate(setting, asked, options) is Outcome.UNDECIDED
    first = read_record(file).results
    assert first["cpu:m.py:left:1"].scenario == "dekker"
    assert first["order:m.py:right:2"].why == "alive in 1 of 2 scenarios, the cheapest"
    err.truncate(0)
    assert run_mutate(setting, MutateRequest(only=asked.only), options) is Outcome.HOLDS
    assert "for 1 mutants" in err.getvalue()
    assert read_record(file).results["order:m.py:right:2"].fate is Fate.SURVIVOR


LOOPING = """
from lostirq.prelude import *

flag: Array[bool, 2]
seen: Array[bool, 2]


@thread()
def left():
    while True:
        idle()
        lock_set(flag[0], True)
        seen[0] = flag[1]
        with window("looked"):
            step()


@thread()
def right():
    xchg(flag[1], True)
    seen[1] = flag[0]
"""


@pytest.mark.parametrize(("must", "fate"), [("seen[0] or seen[1]", Fate.KILLED), ("True", Fate.UNKNOWN)])
def test_a_store_buffer_without_a_bound(tmp_path: Path, must: str, fate: Fate) -> None:
    """The locked store is the only drain of a loop: without it the buffer is short, and may kill but not acquit."""
    folder = workspace(tmp_path / "ws")
    (folder / "model" / "m.py").write_text(LOOPING)
    (folder / "properties" / "p.py").write_text(PROPERTIES.split("@invariant")[0] + f'''
@invariant("D-1", source="Dekker", witness="W-1", planted="none")
def one_sees_the_other() -> bool:
    """At least one of the two sees the other's flag once both have looked."""
    return not (within("left", "looked") and at_rest("right")) or {must}


@reachable("W-1")''' + PROPERTIES.split('@reachable("W-1")')[1])
    out = io.StringIO()
    setting = Setting(folder, tmp_path / "cache", False, False, out, io.StringIO(), {})
    options = CheckOptions(engine=Engine.FALLBACK, processes=1)
    run_mutate(setting, MutateRequest(only=("locked:m.py:left:1",)), options)
    [result] = read_record(tmp_path / "cache" / "mutants.jsonl").results.values()
    assert result.fate is fate and "with store buffers of 3 entries" in result.why
    run_mutate(setting, MutateRequest(show=result.name), options)
    assert ("flag[0] = 1 (in" in out.getvalue()) is (fate is Fate.KILLED)


def test_a_first_pass_finds_what_is_unchanged_everywhere(tmp_path: Path) -> None:
    run(tmp_path, MutateRequest(only=("atomic:*", "cpu:m.py:left:1"), up_to=1))
    results = read_record(tmp_path / "cache" / "mutants.jsonl").results
    assert results["atomic:m.py:lock_it:1"].fate is Fate.EQUIVALENT
    assert results["cpu:m.py:left:1"].why == "alive in 0 of 1 scenarios, the cheapest"
