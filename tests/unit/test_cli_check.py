# SPDX-License-Identifier: GPL-2.0-or-later
"""`lostirq check` from the outside: lines, exit codes, JSON, reproducibility."""

from __future__ import annotations

import json
import re
import time
from pathlib import Path

import pytest
from cli_toys import run, toy

from lostirq.evidence.verdict import SearchOptions, SearchResult, Unknown
from lostirq.ir.system import System
from lostirq.language import compile_scenario
from lostirq.workflow import check, engines
from lostirq.workflow.engines import Engine

BROKEN = {"model/toy.py": ("    smp_mb()\n    if desc.pending", "    if desc.pending")}
TWIN = '''

@invariant("T-1", title="twin", source="toy", witness="W-1", planted="no-fence")
def twin() -> bool:
    """Nothing is posted unless it is pending."""
    return desc.pending or not desc.ipi
'''
Capture = pytest.CaptureFixture[str]


def test_all_hold(tmp_path: Path, capsys: Capture) -> None:
    folder = toy(tmp_path / "w")
    assert run(folder, "check", "-j", "2", "-v") == 0
    out, _ = capsys.readouterr()
    assert "one: One poster." in out
    assert "  PASS  SC+TSO  T-1      no post is missed" in out
    assert run(folder, "check", "-j", "2") == 0
    out, err = capsys.readouterr()
    assert re.search(r"^one sc: 3 properties hold, \d+ states\none tso: 3 properties hold, \d+ states\n\nSUMMARY", out,
                     re.MULTILINE)
    assert "PASS" not in out
    assert "1 scenario under SC and TSO" in out and "all hold" in out
    assert "two" not in out
    assert "time:" in err and "time:" not in out


def test_a_memory_model_that_a_scenario_does_not_name(tmp_path: Path, capsys: Capture) -> None:
    """It is searched where both are asked for by name, as a known bug may be recorded there; a pattern finds none."""
    folder = toy(tmp_path / "w")
    assert run(folder, "check", "--scenario", "two", "--memory", "sc") == 0
    assert "two sc: " in capsys.readouterr()[0]
    assert run(folder, "check", "--scenario", "tw*", "--memory", "sc") == 2
    assert "two is not checked under this memory model; it has tso" in capsys.readouterr()[1]
    assert run(folder, "check", "--scenario", "one", "--scenario", "two", "--memory", "sc") == 0
    out = capsys.readouterr()[0]
    assert "one sc: " in out and "two sc: " in out
    assert run(folder, "check", "--scenario", "two") == 0
    assert "two sc" not in capsys.readouterr()[0]


def test_all_ways_to_a_value_out_of_range(tmp_path: Path, capsys: Capture) -> None:
    counted = "    looks += 1\n    looks += 1\n    if desc.pending"
    folder = toy(tmp_path / "w", {"model/toy.py": ("    smp_mb()\n    if desc.pending", counted)})
    text = (folder / "model" / "toy.py").read_text().replace("\ndesc: ", "\nlooks: Int[0, 1]\ndesc: ", 1)
    (folder / "model" / "toy.py").write_text(text)
    assert run(folder, "check", "--scenario", "one", "--memory", "sc", "--property", "range", "--all", "3") == 2
    out = capsys.readouterr()[0]
    assert "range in one sc: " in out and " way" in out
    assert "*** violated: range: looks = 2 is outside 0..1 ***" in out


def test_violation_is_printed_as_a_table_and_kept(tmp_path: Path, capsys: Capture) -> None:
    folder = toy(tmp_path / "w", BROKEN)
    assert run(folder, "check") == 1
    out, _ = capsys.readouterr()
    assert out.startswith("one sc: 3 properties hold, ") and "\none tso: 2 of 3 properties hold, " in out
    assert "PASS" not in out and "  FAIL  TSO     T-1" in out
    assert "*** violated: T-1: no post is missed ***" in out
    assert "(in store buffer)" in " ".join(out.split())
    assert run(folder, "explain", "last") == 0
    explained, _ = capsys.readouterr()
    assert explained in out
    run(folder, "check", "--verbose")
    out, _ = capsys.readouterr()
    assert "  PASS  SC      T-1" in out and "  FAIL  TSO     T-1" in out


@pytest.mark.parametrize("engine", ["compiled", "fallback", "graph", "interpret"])
def test_engines_agree(tmp_path: Path, capsys: Capture, engine: str) -> None:
    assert run(toy(tmp_path / "w", BROKEN), "check", "--engine", engine, "--no-reductions", "--json") == 1
    found = json.loads(capsys.readouterr()[0])
    assert [(r["memory"], r["states"], r["complete"]) for r in found["results"]] == [
        ("sc", 17, True), ("tso", 29, True)]
    by_key = {p["key"]: p for p in found["results"][1]["properties"]}
    assert by_key["T-1"]["verdict"] == "violated"


def test_two_runs_are_byte_identical(tmp_path: Path, capsys: Capture) -> None:
    folder = toy(tmp_path / "w", BROKEN)
    seen = set()
    for jobs in ("1", "3"):
        run(folder, "check", "--tier", "standard", "-j", jobs)
        seen.add(capsys.readouterr()[0])
        run(folder, "check", "--tier", "standard", "--json", "--no-result-cache", "-j", jobs)
        seen.add(capsys.readouterr()[0])
    assert len(seen) == 2


def test_json_is_one_object(tmp_path: Path, capsys: Capture) -> None:
    assert run(toy(tmp_path / "w"), "check", "--json") == 0
    found = json.loads(capsys.readouterr()[0])
    assert (found["format"], found["version"], found["verdict"], found["exit_code"]) == ("lostirq-check", 1, "holds", 0)
    assert {"scenario", "memory", "digest", "states", "complete", "properties"} <= set(found["results"][0])


def test_a_bound_is_never_success(tmp_path: Path, capsys: Capture) -> None:
    assert run(toy(tmp_path / "w"), "check", "--max-states", "5") == 125
    out, _ = capsys.readouterr()
    assert "all hold" not in out and "one sc: 0 of 3 properties hold, 5 states, not complete (" in out
    assert "  ?     SC+TSO  T-1" in out


def test_a_search_that_is_cut_off_is_one_line_with_a_mend(tmp_path: Path, capsys: Capture) -> None:
    twins = "".join(TWIN.replace("T-1", f"T-{n}").replace("twin", f"twin_{n}") for n in range(2, 5))
    folder = toy(tmp_path / "w", {"properties/toy.py": ("\n\n@reachable", twins + "\n\n@reachable")})
    assert run(folder, "check", "--max-states", "5") == 125
    out, _ = capsys.readouterr()
    assert "  ?     SC+TSO  6 properties are not decided (states); -v names them\n" in out
    assert "undecided: T-1, T-2, T-3, T-4, range, stuck\n  undecided: the number of states was limited: raise" in out
    assert run(folder, "check", "--max-states", "5", "-v") == 125
    assert out.count("(states)\n") < capsys.readouterr()[0].count("(states)\n")
    for options, code, said in ((("--max-memory", "1K"), 125, "memory ran out: raise --max-memory"),
                                (("--timeout", "0.0"), 124, "the time was up: raise --timeout"),
                                (("--engine", "bmc", "--max-depth", "1"), 125, "raise --max-depth or --time")):
        assert run(folder, "check", *options) == code
        assert capsys.readouterr()[0].count(said) == 1


def test_time_limit(tmp_path: Path, capsys: Capture) -> None:
    assert run(toy(tmp_path / "w"), "check", "--timeout", "0.0") == 124
    assert "all hold" not in capsys.readouterr()[0]


def test_the_time_is_up_for_a_search_that_begins_late(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def late(*given: object, **options: object) -> System:
        time.sleep(0.6)
        return compile_scenario(*given, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(check, "compile_scenario", late)
    assert run(toy(tmp_path / "w"), "check", "--memory", "sc", "--timeout", "0.5", "--engine", "fallback") == 124


@pytest.mark.parametrize(("late", "code"), [(True, 124), (False, 130)])
def test_an_interrupt_after_the_time_is_no_interrupt_by_the_user(
    late: bool, code: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Capture,
) -> None:
    def interrupted(system: System, engine: Engine, options: SearchOptions, build: Path | None) -> SearchResult:
        if late and options.seconds is not None:
            time.sleep(options.seconds)
        return SearchResult("compiled", {"T-1": Unknown("interrupted")}, reason="interrupted")

    monkeypatch.setattr(engines, "_search", interrupted)
    arguments = ("--memory", "sc", "--timeout", "0.5" if late else "60")
    assert run(toy(tmp_path / "w"), "check", *arguments) == code
    assert ("timeout" in capsys.readouterr()[0]) is late


def test_vacuous_property_is_not_success(tmp_path: Path, capsys: Capture) -> None:
    never = "return desc.ipi and desc.mode == Mode.OUTSIDE"
    folder = toy(tmp_path / "w", {"properties/toy.py": ("return desc.ipi", never)})
    assert run(folder, "check") == 125
    out, _ = capsys.readouterr()
    assert "T-1: vacuous: its witness W-1 was reached in no scenario" in out
    assert "all hold" not in out
    assert run(folder, "check", "--scenario", "one") == 0


def test_nothing_to_check_is_skipped(tmp_path: Path) -> None:
    folder = toy(tmp_path / "w", {"model/scenarios/sizes.py": ('tier="quick"', 'tier="deep"')})
    assert run(folder, "check") == 4


def test_one_property_brings_its_witness(tmp_path: Path, capsys: Capture) -> None:
    assert run(toy(tmp_path / "w"), "check", "--property", "T-1", "--json") == 0
    found = json.loads(capsys.readouterr()[0])
    assert {p["key"] for p in found["results"][0]["properties"]} - {"stuck", "range"} == {"T-1"}
    assert found["results"][0]["witnesses"] == ["W-1"]


def test_parameters_can_be_set(tmp_path: Path, capsys: Capture) -> None:
    folder = toy(tmp_path / "w")
    assert run(folder, "check", "--scenario", "one", "--set", "SENDERS=2", "--json") == 0
    assert json.loads(capsys.readouterr()[0])["results"][0]["parameters"]["SENDERS"] == 2


def test_bisect_codes(tmp_path: Path) -> None:
    assert run(toy(tmp_path / "a"), "check", "--bisect") == 0
    assert run(toy(tmp_path / "b", BROKEN), "check", "--bisect") == 1
    assert run(toy(tmp_path / "a"), "check", "--bisect", "--max-states", "5") == 125
    wrong = toy(tmp_path / "c", {"model/toy.py": ("desc.mode = Mode.INSIDE", "desc.mode = ")})
    assert run(wrong, "check", "--bisect") == 128
    assert run(tmp_path / "absent", "check", "--bisect") == 128


def test_saved_counterexamples(tmp_path: Path, capsys: Capture) -> None:
    folder = toy(tmp_path / "w", BROKEN)
    assert run(folder, "check", "--save", str(tmp_path / "ce")) == 1
    assert sorted(p.name for p in (tmp_path / "ce").iterdir()) == ["T-1-one-tso.json", "T-1-one-tso.txt"]
    capsys.readouterr()
    assert run(folder, "explain", str(tmp_path / "ce" / "T-1-one-tso.json")) == 0
    assert capsys.readouterr()[0] == (tmp_path / "ce" / "T-1-one-tso.txt").read_text()


def test_state_cost(tmp_path: Path, capsys: Capture) -> None:
    assert run(toy(tmp_path / "w"), "check", "--state-cost", "--scenario", "one", "--memory", "sc", "--json") == 0
    found = json.loads(capsys.readouterr()[0])
    fields = {f["name"]: f["without"] for f in found["fields"]}
    assert all(n <= found["states"] for n in fields.values())
    assert "desc.mode" in fields


def test_a_value_out_of_range_is_violated_in_every_word(tmp_path: Path, capsys: Capture) -> None:
    folder = toy(tmp_path / "w", {"model/toy.py": ("    pending: bool", "    count: Int[0, 1]\n    pending: bool")})
    text = (folder / "model/toy.py").read_text()
    step = "def post():\n    n: Int[0, 1] = desc.count\n    desc.count = n + 1\n"
    (folder / "model/toy.py").write_text(text.replace("def post():\n", step))
    assert run(folder, "check", "--scenario", "two") == 2
    out, _ = capsys.readouterr()
    assert "  ERROR TSO     range " in out and "is in the range of its type - violated" in " ".join(out.split())
    assert "; violated: range\n" in out and "undecided" not in out
    assert run(folder, "check", "--scenario", "two", "--json") == 2
    [found] = json.loads(capsys.readouterr()[0])["results"]
    assert {p["key"]: p["verdict"] for p in found["properties"]}["range"] == "violated"


def test_what_was_asked_for_and_is_not_there_does_not_hold(tmp_path: Path, capsys: Capture) -> None:
    """An instance that no scenario has, a property left out by `when=`, a witness that nothing reaches: that the
    built-in properties hold beside them is no answer."""
    never = "return desc.ipi and desc.mode == Mode.OUTSIDE"
    folder = toy(tmp_path / "w", {"properties/toy.py": ("return desc.ipi", never)})
    text = (folder / "properties/toy.py").read_text()
    (folder / "properties/toy.py").write_text(
        f'{text}\n\n@invariant("T-9", when=SENDERS == 2)\ndef for_two() -> bool:\n    return True\n')
    for wanted in ("T-1[7]", "T-9", "W-1"):
        assert run(folder, "check", "--scenario", "one", "--property", wanted) == 4, wanted
        assert "all hold" not in capsys.readouterr()[0]
    assert run(folder, "check", "--scenario", "one", "--property", "stuck") == 0
    assert run(folder, "check", "--scenario", "two", "--property", "T-9") == 0
    assert run(toy(tmp_path / "v"), "check", "--property", "W-1") == 0


def test_list_says_which_scenarios_a_check_takes(tmp_path: Path, capsys: Capture) -> None:
    """What is for known bugs alone is not of its tier, and two properties are built in."""
    folder = toy(tmp_path / "w", {"model/scenarios/sizes.py": ('tier="standard"', 'bugs=True, tier="standard"')})
    assert run(folder, "list") == 0
    out, _ = capsys.readouterr()
    rows = {line.split()[0]: line.split()[1] for line in out.splitlines() if line.startswith("  ")}
    assert (rows["one"], rows["two"], rows["T-1"]) == ("quick", "bugs", "invariant")
    assert "Properties (beside stuck and range, which every model has)" in out


def test_list_has_four_parts_of_which_one_can_be_asked_for(tmp_path: Path, capsys: Capture) -> None:
    folder = toy(tmp_path / "w")
    assert run(folder, "list") == 0
    whole = capsys.readouterr()[0]
    parts = {}
    for part, heading in (("scenarios", "Scenarios ("), ("properties", "Properties ("), ("parameters", "Parameters ("),
                          ("bugs", "Known bugs\n")):
        assert run(folder, "list", part) == 0
        parts[part] = capsys.readouterr()[0]
        assert parts[part].startswith(heading)
        assert run(folder, "list", part, "--json") == 0
        assert list(json.loads(capsys.readouterr()[0])) == ["format", "version", part]
    assert "  SENDERS  1      posters\n" in parts["parameters"]
    assert whole == "\n".join(parts.values())
    assert run(folder, "list", "--json") == 0
    assert list(json.loads(capsys.readouterr()[0])) == ["format", "version", *parts]
