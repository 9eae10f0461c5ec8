# SPDX-License-Identifier: GPL-2.0-or-later
"""The result cache: what is kept, what is not, and what happens to an entry that is damaged."""

from __future__ import annotations

import ast
import json
import multiprocessing
import os
import stat
from dataclasses import replace
from pathlib import Path

import pytest
from cli_toys import run, toy

import lostirq
from lostirq.evidence.verdict import Holds, SearchOptions, SearchResult, Trace, Unknown, Violated
from lostirq.workflow.bugs import BugResult
from lostirq.workflow.cache import ResultCache, decided, key_of, program, search_key
from lostirq.workflow.cache_codec import Misfit, decode, encode
from lostirq.workflow.engines import Engine
from lostirq.workflow.outcome import Outcome

TRACE = Trace("one", "tso", "d" * 64, "T-1", (3, 1, 2), 1, minimal=False)
FOUND = SearchResult("compiled", {"T-1": Violated(TRACE), "W": Unknown("not reached"), "stuck": Holds("all")},
                     {"W-1": TRACE}, 17, 30, 4, complete=True, seconds=0.25)
Capture = pytest.CaptureFixture[str]


def test_values_survive_the_codec() -> None:
    bug = BugResult("x", "violated", "violated", True, Outcome.HOLDS, 3, "T-1")
    for value in (FOUND, TRACE, bug):
        assert decode(type(value), json.loads(json.dumps(encode(value)))) == value


@pytest.mark.parametrize("damage", [
    lambda v: [v[0], v[1] | {"states": "many"}], lambda v: [v[0], v[1] | {"states": True}], lambda v: ["Other", v[1]],
    lambda v: [v[0], {k: x for k, x in v[1].items() if k != "depth"}], lambda v: [v[0], v[1] | {"extra": 1}],
    lambda v: [v[0], v[1] | {"verdicts": {"T-1": ["Proved", {}]}}], lambda v: None,
    lambda v: [v[0], v[1] | {"words": None}],
])
def test_what_does_not_fit_is_refused(damage) -> None:  # type: ignore[no-untyped-def]  # a lambda of JSON
    with pytest.raises(Misfit):
        decode(SearchResult, damage(json.loads(json.dumps(encode(FOUND)))))


def test_entries_are_private_and_come_back(tmp_path: Path) -> None:
    cache = ResultCache(tmp_path / "results")
    assert cache.get("k", SearchResult) is None
    cache.put("k", FOUND)
    assert cache.get("k", SearchResult) == FOUND
    assert stat.S_IMODE((tmp_path / "results").stat().st_mode) == 0o700
    assert cache.size()[0] == 1
    assert cache.get("k", BugResult) is None      # an entry of another kind is no answer


@pytest.mark.parametrize("damage", [
    lambda raw: raw[:-1], lambda raw: raw + b" ", lambda raw: raw.replace(b"17", b"18"), lambda raw: b"",
    lambda raw: b"x" * 100, lambda raw: raw.replace(b"lostirq-result 1", b"lostirq-result 2"), lambda raw: b"\xff" * 64,
    lambda raw: raw.partition(b"\n")[0],
])
def test_damaged_entry_is_told_ignored_and_written_anew(tmp_path: Path, damage) -> None:  # type: ignore[no-untyped-def]  # a lambda of bytes
    said: list[str] = []
    cache = ResultCache(tmp_path, said.append)
    cache.put("k", FOUND)
    path = tmp_path / "k.json"
    path.write_bytes(damage(path.read_bytes()))
    assert cache.get("k", SearchResult) is None
    assert len(said) == 1 and "k.json is damaged" in said[0]
    assert not path.exists()
    cache.put("k", FOUND)
    assert cache.get("k", SearchResult) == FOUND and len(said) == 1


def test_a_folder_or_entry_that_is_a_link_is_not_used(tmp_path: Path) -> None:
    real = tmp_path / "real"
    ResultCache(real).put("k", FOUND)
    (tmp_path / "link").symlink_to(real)
    assert ResultCache(tmp_path / "link").get("k", SearchResult) is None
    (real / "l.json").symlink_to(real / "k.json")
    said: list[str] = []
    assert ResultCache(real, said.append).get("l", SearchResult) is None and len(said) == 1


def test_an_entry_that_is_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    told: list[str] = []
    cache = ResultCache(tmp_path / "r", told.append)
    cache.put("k", FOUND)
    (tmp_path / "r" / "k.json").unlink()
    os.mkfifo(tmp_path / "r" / "k.json")
    assert cache.get("k", SearchResult) is None and "damaged" in told[0]
    cache.put("k", FOUND)
    assert cache.get("k", SearchResult) == FOUND


def test_open_folder_is_closed(tmp_path: Path) -> None:
    tmp_path.chmod(0o777)
    ResultCache(tmp_path).put("k", FOUND)
    assert stat.S_IMODE(tmp_path.stat().st_mode) == 0o700


def test_a_folder_that_cannot_be_written_is_no_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    told: list[str] = []
    ResultCache(tmp_path / "file" / "results", unkept=told.append).put("k", FOUND)
    assert len(told) == 1
    assert told[0].startswith(f"the cache {tmp_path / 'file' / 'results'} cannot be written (Not a directory)")
    ResultCache(tmp_path / "good", unkept=told.append).put("k", FOUND)
    (tmp_path / "link").symlink_to(tmp_path / "good")
    ResultCache(tmp_path / "link", unkept=told.append).put("k", FOUND)
    assert len(told) == 2 and "(it is no folder of ours)" in told[1]
    said: list[str] = []
    assert ResultCache(tmp_path / "file" / "results", said.append).get("k", SearchResult) is None


def test_the_oldest_entries_go_first(tmp_path: Path) -> None:
    one = len(json.dumps(encode(FOUND)))
    cache = ResultCache(tmp_path, limit=one * 8)
    for number in range(20):
        cache.put(f"k{number:02}", FOUND)
        for path in tmp_path.glob("*.json"):
            age = 1000 - int(path.stem[1:])
            os.utime(path, (1e9 - age, 1e9 - age))
    left = sorted(p.stem for p in tmp_path.glob("*.json"))
    assert left and left == [f"k{n:02}" for n in range(20 - len(left), 20)]
    assert cache.size()[1] <= one * 8


def test_what_a_crash_left_behind_goes(tmp_path: Path) -> None:
    (tmp_path / "new-dead").write_text("half")
    os.utime(tmp_path / "new-dead", (1e9, 1e9))
    (tmp_path / "new-alive").write_text("half")
    ResultCache(tmp_path).put("k", FOUND)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["k.json", "new-alive"]


def _hammer(folder: str, start: int) -> None:
    cache = ResultCache(Path(folder), limit=60_000)
    for number in range(60):
        cache.put(f"k{number % 7}", replace(FOUND, states=number % 7))
        found = cache.get(f"k{(number + start) % 7}", SearchResult)
        if found is not None and found.states != (number + start) % 7:
            raise ValueError("mixed up")


def test_parallel_runs_never_see_half_an_entry(tmp_path: Path) -> None:
    context = multiprocessing.get_context("fork")
    running = [context.Process(target=_hammer, args=(str(tmp_path), n)) for n in range(4)]
    for process in running:
        process.start()
    for process in running:
        process.join()
    assert [p.exitcode for p in running] == [0, 0, 0, 0]
    assert all(ResultCache(tmp_path, pytest.fail).get(p.stem, SearchResult) for p in tmp_path.glob("k*.json"))


def test_only_what_was_decided_is_kept() -> None:
    assert decided(FOUND)
    for reason in ("memory", "timeout", "interrupted", "states"):
        assert not decided(replace(FOUND, complete=False, reason=reason))
        assert not decided(replace(FOUND, verdicts={"T-1": Unknown(reason)}))


def test_the_key_has_what_matters_and_not_what_does_not() -> None:
    plain = search_key(SearchOptions(), Engine.COMPILED)
    assert plain == search_key(SearchOptions(threads=8, memory_bytes=1, seconds=1.0), Engine.COMPILED)
    others = [SearchOptions(properties=("T-1",)), SearchOptions(stop_early=True), SearchOptions(max_states=5),
              SearchOptions(liveness=False), SearchOptions(properties=())]
    keys = {search_key(o, Engine.COMPILED) for o in others} | {search_key(SearchOptions(), Engine.FALLBACK)}
    assert len(keys) == len(others) + 1 and plain not in keys
    assert key_of("ab", "c") != key_of("a", "bc")


def check(folder: Path, capsys: Capture, *words: str) -> tuple[int, str, str]:
    code = run(folder, *words)
    return code, *capsys.readouterr()


NO_PART = {"__init__.py", "workflow/__init__.py",      # they make or print texts; what is kept does not come from them
           *(f"workflow/{name}.py" for name in ("impact_source", "lift", "mail", "populate"))}


def test_every_source_that_a_result_comes_from_is_in_the_key() -> None:
    """All that the makers of kept results import, however far, but for what is named above."""
    root = Path(lostirq.__file__).parent
    todo = [root / "workflow" / name for name in ("check.py", "bugs.py", "patch.py", "impact.py")]
    seen: set[Path] = set()
    while todo:
        path = todo.pop()
        seen.add(path)
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ImportFrom) and (node.module or "").partition(".")[0] == "lostirq":
                base = root.joinpath(*(node.module or "").split(".")[1:])
                near = [base.with_suffix(".py"), base / "__init__.py", *(base / f"{a.name}.py" for a in node.names)]
                todo += [p for p in near if p.is_file() and p not in seen]
    known = {p.relative_to(root).as_posix() for p in program()}
    assert {p.relative_to(root).as_posix() for p in seen} <= known | NO_PART
    assert {"workflow/jobs.py", "workflow/cache_codec.py", "explicit/runtime/search.c"} <= known


@pytest.mark.parametrize("broken", [False, True])
def test_second_check_is_the_same_bytes_and_says_so_in_json(tmp_path: Path, capsys: Capture, broken: bool) -> None:
    change = {"model/toy.py": ("    smp_mb()\n    if desc.pending", "    if desc.pending")} if broken else None
    folder = toy(tmp_path / "w", change)
    first, second = check(folder, capsys, "check"), check(folder, capsys, "check")
    assert first[:2] == second[:2] and first[0] == int(broken)
    assert "result cache" not in first[2] and "2 answers from the result cache" in second[2]
    found = json.loads(check(folder, capsys, "check", "--json")[1])
    assert [r["cached"] for r in found["results"]] == [True, True]
    anew = json.loads(check(folder, capsys, "check", "--json", "--no-result-cache")[1])
    assert [r["cached"] for r in anew["results"]] == [False, False]
    for r in [*found["results"], *anew["results"]]:
        del r["cached"]
    assert found == anew


def test_every_change_of_the_model_is_searched_again(tmp_path: Path, capsys: Capture) -> None:
    folder = toy(tmp_path / "w")
    assert check(folder, capsys, "check")[0] == 0
    model = folder / "model" / "toy.py"
    model.write_text(model.read_text().replace("    smp_mb()\n    if desc.pending", "    if desc.pending"))
    assert check(folder, capsys, "check")[0] == 1
    assert check(folder, capsys, "check", "--set", "SENDERS=0", "--scenario", "one")[0] == 0


def test_a_comment_keeps_the_search_though_not_the_texts(tmp_path: Path, capsys: Capture) -> None:
    folder = toy(tmp_path / "w")
    check(folder, capsys, "check")
    model = folder / "model" / "toy.py"
    model.write_text(model.read_text() + "# the end\n")
    found = json.loads(check(folder, capsys, "check", "--json")[1])
    assert [r["cached"] for r in found["results"]] == [True, True]


def test_damage_is_a_warning_and_not_another_verdict(tmp_path: Path, capsys: Capture) -> None:
    folder = toy(tmp_path / "w")
    first = check(folder, capsys, "check")
    for path in (folder / "cache" / "results").glob("*.json"):
        path.write_bytes(path.read_bytes()[:-7])
    second = check(folder, capsys, "check")
    assert first[:2] == second[:2] and "is damaged (truncated)" in second[2]
    assert "2 answers from the result cache" in check(folder, capsys, "check")[2]


def test_cut_off_searches_are_not_kept(tmp_path: Path, capsys: Capture) -> None:
    folder = toy(tmp_path / "w")
    for _ in range(2):
        code, _, err = check(folder, capsys, "check", "--max-states", "5")
        assert code == 125 and "result cache" not in err
    assert check(folder, capsys, "check")[0] == 0


def test_known_bugs_are_answered_from_the_cache(tmp_path: Path, capsys: Capture) -> None:
    folder = toy(tmp_path / "w")
    assert run(folder, "bugs", "--record", "*") == 0
    capsys.readouterr()
    first = json.loads(check(folder, capsys, "bugs", "--json")[1])
    second = json.loads(check(folder, capsys, "bugs", "--json")[1])
    assert [b["cached"] for b in first["bugs"]] == [False, False]
    assert [b["cached"] for b in second["bugs"]] == [True, True]
    toml = folder / "counterexamples" / "no-fence" / "bug.toml"
    toml.write_text(toml.read_text().replace("length = ", "length = 1"))
    code, out, _ = check(folder, capsys, "bugs")
    assert code == 1 and "recorded are 1" in out


def test_doctor_shows_it(tmp_path: Path, capsys: Capture) -> None:
    folder = toy(tmp_path / "w")
    check(folder, capsys, "check")
    out = check(folder, capsys, "doctor")[1]
    line = next(x for x in out.splitlines() if "result cache" in x)
    assert line.startswith("ok") and " 4 answers" in line
