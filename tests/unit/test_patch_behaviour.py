# SPDX-License-Identifier: GPL-2.0-or-later
"""Behaviour difference: against an enumeration of words on random graphs, and on patches of the toy."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
from cli_toys import BUG_PATCH, CONTROL_PATCH, run, toy
from json_schemas import valid

from lostirq.workflow.patch_lts import Graph, compare, missing, reduce, run_of
from lostirq.workflow.patch_simulation import simulated

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


def both(one: Graph, other: Graph) -> list[list[tuple[str, int]]]:
    """The arcs of two graphs beside each other."""
    shift = len(one.arcs)
    return [[(label, t) for label, t, _ in out] for out in one.arcs] + \
        [[(label, t + shift) for label, t, _ in out] for out in other.arcs]


def greatest(arcs: list[list[tuple[str, int]]]) -> set[tuple[int, int]]:
    """Weak simulation by its definition: pairs are struck out until nothing changes."""
    states = range(len(arcs))
    unseen = {s: {s} for s in states}
    for _ in states:
        unseen = {s: found | {t for u in found for label, t in arcs[u] if not label} for s, found in unseen.items()}

    def answers(state: int, label: str) -> set[int]:
        seen = {t for u in unseen[state] for found, t in arcs[u] if found == label}
        return {u for t in seen for u in unseen[t]} if label else unseen[state]

    pairs = {(p, q) for p in states for q in states}
    while True:
        kept = {(p, q) for p, q in pairs
                if all(any((t, u) in pairs for u in answers(q, label)) for label, t in arcs[p])}
        if kept == pairs:
            return pairs
        pairs = kept


@pytest.mark.parametrize("seed", range(100))
def test_simulation_is_that_of_its_definition(seed: int) -> None:
    rng = random.Random(seed)
    arcs = both(random_graph(rng), random_graph(rng))
    expected = greatest(arcs)
    for p in range(len(arcs)):
        for q in range(len(arcs)):
            assert simulated(arcs, p, q, 10_000) is ((p, q) in expected)
    assert simulated(arcs, 0, len(arcs) - 1, 0) in (None, (0, len(arcs) - 1) in expected)


def test_a_simulation_decides_where_the_subsets_are_too_many() -> None:
    rng, size = random.Random(150), 150
    arcs = [[(rng.choice(["", "a", "b", "c"]), rng.randrange(size)) for _ in range(2)] for _ in range(size)]
    less = [out[:1] if n in (3, 5, 8) else out for n, out in enumerate(arcs)]
    small, large = (Graph(tuple(tuple((label, t, n) for label, t in out) for n, out in enumerate(a)))
                    for a in (less, arcs))
    beside = both(small, large)
    assert missing(beside, 0, size, 2_000) == (None, False)
    found = compare(large, small, 2_000)
    assert found.gained is None and found.decided[0]


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
    rows = valid("patch", capsys.readouterr()[0])["behaviour"]
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
    assert run(folder, "patch", str(folder / "x.patch"), "--behaviour", "--behaviour-states", "3",
               "--accept-spec") == 0
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


def test_without_events_nothing_is_decided(tmp_path: Path, capsys: Capture) -> None:
    folder = toy(tmp_path / "w")
    assert {r[1] for r in relations(folder, BUG_PATCH, capsys)} == {"undecided"}


def test_what_changes_no_system_says_so(tmp_path: Path, capsys: Capture) -> None:
    folder = toy(tmp_path / "w", dict([MARKED]))
    head = "--- a/model/toy.py\n+++ b/model/toy.py\n@@ -1,1 +1,2 @@\n"
    comment = f"{head} # SPDX-License-Identifier: GPL-2.0-or-later\n+# word\n"
    (folder / "x.patch").write_text(comment)
    assert run(folder, "patch", str(folder / "x.patch"), "--behaviour") == 0
    assert "\nbehaviour: the same systems\n" in capsys.readouterr()[0]
    assert run(folder, "patch", str(folder / "x.patch")) == 0
    assert "behaviour" not in capsys.readouterr()[0]


def test_what_was_not_compared_is_not_called_the_same(tmp_path: Path, capsys: Capture) -> None:
    folder = toy(tmp_path / "w", dict([MARKED]))
    (folder / "x.patch").write_text(SILENT)
    run(folder, "patch", str(folder / "x.patch"), "--behaviour", "--first", "--accept-spec", "-j", "1")
    out = capsys.readouterr()[0]
    assert "the same systems" not in out
