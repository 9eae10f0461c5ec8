# SPDX-License-Identifier: GPL-2.0-or-later
"""Behaviour difference: against an enumeration of words on random graphs, and on patches of the toy."""

from __future__ import annotations

import json
import random
from pathlib import Path

import pytest
from cli_toys import BUG_PATCH, CONTROL_PATCH, run, toy

from lostirq.workflow.patch_lts import Graph, compare, missing, reduce, run_of

Capture = pytest.CaptureFixture[str]
LONGEST = 7


def graph(*arcs: tuple[int, str, int]) -> Graph:
    size = 1 + max((max(s, t) for s, _, t in arcs), default=0)
    return Graph(tuple(tuple((label, t, n) for n, (s, label, t) in enumerate(arcs) if s == state)
                       for state in range(size)))


def words(g: Graph) -> set[tuple[str, ...]]:
    """All words of at most LONGEST labels, by walking."""
    seen = {(0, ())}
    todo: list[tuple[int, tuple[str, ...]]] = [(0, ())]
    while todo:
        state, word = todo.pop()
        for label, target, _ in g.arcs[state]:
            after = (target, (*word, label) if label else word)
            if len(after[1]) <= LONGEST and after not in seen:
                seen.add(after)
                todo.append(after)
    return {word for _, word in seen}


def random_graph(rng: random.Random) -> Graph:
    size = rng.randrange(1, 6)
    return graph(*{(rng.randrange(size), rng.choice(["", "", "a", "b"]), rng.randrange(size))
                   for _ in range(rng.randrange(1, 9))})


@pytest.mark.parametrize("seed", range(200))
def test_agrees_with_an_enumeration_of_words(seed: int) -> None:
    rng = random.Random(seed)
    one, other = random_graph(rng), random_graph(rng)
    found = compare(one, other, budget=10_000)
    assert found.decided == (True, True)
    for word, has, lacks in ((found.gained, other, one), (found.lost, one, other)):
        apart = words(has) - words(lacks)
        assert (word is None) == (not apart)
        if word is not None:
            assert word in apart and len(word) == min(map(len, apart))
            taken = [label for move in run_of(has, word) for out in has.arcs for label, _, m in out if m == move]
            assert tuple(label for label in taken if label) == word


def test_bisimilar_needs_no_words() -> None:
    """A loop unrolled, with an unseen step more."""
    found = compare(graph((0, "a", 0)), graph((0, "a", 1), (1, "", 2), (2, "a", 0)), budget=0)
    assert found.bisimilar and (found.gained, found.lost) == (None, None)


def test_unseen_loops_do_not_count() -> None:
    assert compare(graph((0, "", 1), (1, "", 0), (1, "a", 1)), graph((0, "a", 0)), 0).bisimilar


def test_same_words_without_bisimilarity() -> None:
    early = graph((0, "a", 1), (0, "a", 2), (1, "b", 3), (2, "c", 3))
    late = graph((0, "a", 1), (1, "b", 2), (1, "c", 2))
    found = compare(early, late, budget=100)
    assert not found.bisimilar and found.decided == (True, True) and (found.gained, found.lost) == (None, None)


def test_a_budget_that_is_hit_is_no_answer() -> None:
    long = [[("a", s + 1)] for s in range(10)] + [[]]
    assert missing([*long, [("a", 11)]], 0, 11, budget=3) == (None, False)
    assert missing([*long, [("a", 11)]], 11, 0, budget=30) == (("a",) * 11, True)


def test_classes_are_those_of_branching_bisimilarity() -> None:
    """An unseen step that gives up a choice is no inert one."""
    arcs = [[("a", 2), ("", 1)], [("b", 2)], [], [("a", 2), ("b", 2)]]
    block = reduce(arcs)
    assert len(set(block)) == 4 and reduce([[("", 1)], [("a", 1)]]) == [0, 0]


MARKED = ("model/toy.py", ("    if desc.pending:\n        desc.seen = True",
                           "    if desc.pending:\n        event(\"seen\")\n        desc.seen = True"))
SILENT = """\
--- a/model/toy.py
+++ b/model/toy.py
@@ -30,3 +30,2 @@ def enter():
     if desc.pending:
-        event("seen")
         desc.seen = True
"""


def relations(folder: Path, text: str, capsys: Capture, *options: str) -> list[tuple[str, str, object, object]]:
    (folder / "x.patch").write_text(text)
    run(folder, "patch", str(folder / "x.patch"), "--behaviour", "--json", *options)
    rows = json.loads(capsys.readouterr()[0])["behaviour"]
    return [(r["memory"], r["relation"], r["gained"], r["lost"]) for r in rows]


def test_relations_of_patches(tmp_path: Path, capsys: Capture) -> None:
    folder = toy(tmp_path / "w", dict([MARKED]))
    assert relations(folder, SILENT, capsys) == [
        ("sc", "less", None, ["seen()"]), ("tso", "less", None, ["seen()"])]
    control = CONTROL_PATCH.replace("@@ -39,3 +39,4 @@", "@@ -40,3 +40,4 @@")
    assert [r[:2] for r in relations(folder, control, capsys)] == [("sc", "same"), ("tso", "same")]


def test_too_large_is_undecided_and_never_the_verdict(tmp_path: Path, capsys: Capture) -> None:
    folder = toy(tmp_path / "w", dict([MARKED]))
    found = relations(folder, SILENT, capsys, "--behaviour-states", "3")
    assert [r[1] for r in found] == ["undecided", "undecided"]
    (folder / "x.patch").write_text(SILENT)
    assert run(folder, "patch", str(folder / "x.patch"), "--behaviour", "--behaviour-states", "3") == 0
    out = capsys.readouterr()[0]
    assert "SUMMARY: keeps" in out and "undecided (the base has more than 3 states)" in out


def test_the_run_is_told(tmp_path: Path, capsys: Capture) -> None:
    folder = toy(tmp_path / "w", dict([MARKED]))
    (folder / "x.patch").write_text(SILENT)
    run(folder, "patch", str(folder / "x.patch"), "--behaviour")
    out = capsys.readouterr()[0]
    assert "only the base does: seen()" in out and "enter(): " in out


@pytest.mark.parametrize("words_", [("--events", "seen"), ("--behaviour", "--behaviour-states", "0"),
                                    ("--behaviour", "--events", "sene")])
def test_bad_arguments(tmp_path: Path, capsys: Capture, words_: tuple[str, ...]) -> None:
    folder = toy(tmp_path / "w")
    (folder / "x.patch").write_text(BUG_PATCH)
    assert run(folder, "patch", str(folder / "x.patch"), *words_) == 2
    assert len(capsys.readouterr()[1].splitlines()) == 1
