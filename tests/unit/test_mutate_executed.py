# SPDX-License-Identifier: GPL-2.0-or-later
"""A scenario that executes nothing of what a mutant edits is not compiled anew: rightly so."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from lostirq.ir.digest import digest
from lostirq.ir.system import Memory
from lostirq.language import Executed, compile_scenario, load_sources
from lostirq.workflow.mutate_edit import Edit, Kind, Mutant, mutated
from lostirq.workflow.mutate_executed import declared_alike, statements_of, statements_replaced
from lostirq.workflow.mutate_sites import mutants
from lostirq.workflow.patching import apply
from lostirq.workflow.workspace import sources

ROOT = Path(__file__).parents[2]
MODEL = '''
from lostirq.prelude import *

MORE = Param(False, "a switch")
flag: bool
seen: bool


@pure
def both(a: bool) -> bool:
    if MORE:
        return a and flag
    return a


@thread()
def looker():
    if MORE:
        seen = flag
    while True:
        wait(both(flag))
        flag = False


@invariant("Q")
def q() -> bool:
    return not both(seen)


@scenario(tier="quick", memory=("sc",))
class plain:
    """Without."""


@scenario(tier="quick", memory=("sc",))
class more:
    """With."""

    MORE = True
'''
LINES = MODEL.split("\n")


def mutant(old: str, new: str) -> Mutant:
    line = next(k for k, text in enumerate(LINES, 1) if old in text)
    column = LINES[line - 1].index(old)
    edit = Edit(line, column, line, column + len(old), new)
    return Mutant("x", Kind.STEP, "model/m.py", "f", line, "", (edit,))


def executed(scenario: str) -> set[tuple[str, int, int]]:
    found = Executed()
    compile_scenario(load_sources({"model/m.py": MODEL}), scenario, Memory.SC, executed=found)
    return found.statements


@pytest.mark.parametrize(("old", "where"), [
    ("seen = flag", {"more"}),                  # a process
    ("a and flag", {"more"}),                   # what processes and properties call
    ("return a and flag", {"more"}),
    ("flag = False", {"plain", "more"}),
    ("if MORE", {"plain", "more"}),             # the condition is looked at, whatever it is
])
def test_a_statement_is_executed_where_the_switches_lead_to_it(old: str, where: set[str]) -> None:
    edited = statements_of({"model/m.py": MODEL}, [mutant(old, "pass")])
    assert edited is not None and len(edited) == 1
    assert {s for s in ("plain", "more") if not edited.isdisjoint(executed(s))} == where


@pytest.mark.parametrize("old", ['"a switch"', "flag: bool", '"quick"', "@thread()"])
def test_what_is_outside_of_bodies_may_change_everything(old: str) -> None:
    assert statements_of({"model/m.py": MODEL}, [mutant(old, "x")]) is None


def test_declarations_tell_what_a_body_assigns() -> None:
    base = load_sources({"model/m.py": MODEL})
    local = MODEL.replace("        seen = flag", "        seen = flag\n        x: bool = flag")
    assert declared_alike(base, load_sources({"model/m.py": MODEL.replace("a and flag", "a or flag")}))
    assert not declared_alike(base, load_sources({"model/m.py": local}))


@pytest.mark.parametrize(("old", "new", "where"), [
    ("seen = flag", "smp_mb()\n        seen = flag", {"plain", "more"}),     # all of the function counts
    ("return a and flag", "return flag", {"plain", "more"}),
    ("return a\n\n", "return a  # the same\n\n", set()),
])
def test_a_patch_is_about_the_functions_that_it_changes(old: str, new: str, where: set[str]) -> None:
    edited = statements_replaced({"model/m.py": MODEL}, {"model/m.py": MODEL.replace(old, new)})
    assert edited is not None
    assert {s for s in ("plain", "more") if not edited.isdisjoint(executed(s))} == where


@pytest.mark.parametrize(("old", "new"), [
    ("flag: bool", "flag: bool\nmore: bool"), ('Param(False, "a switch")', 'Param(True, "a switch")'),
    ("def both(a: bool)", "def both(b: bool)"), ("@thread()", "@thread(fair=True)"), ("both", "each"),
    ('(tier="quick", memory=("sc",))\nclass more', '(tier="deep", memory=("sc",))\nclass more'),
])
def test_what_a_patch_changes_outside_of_bodies_may_change_everything(old: str, new: str) -> None:
    assert old in MODEL
    assert statements_replaced({"model/m.py": MODEL}, {"model/m.py": MODEL.replace(old, new)}) is None


def test_a_new_file_may_change_everything() -> None:
    assert statements_replaced({"model/m.py": MODEL}, {"model/m.py": MODEL, "model/n.py": ""}) is None


def test_a_bug_out_of_reach_compiles_to_the_same_system() -> None:
    """Of this project's bugs, some that are drawn by chance."""
    texts = sources(ROOT)
    base = load_sources(texts)
    done = Executed()
    wanted = digest(compile_scenario(base, "bypass", Memory.TSO, executed=done))
    patches = sorted((ROOT / "counterexamples").glob("*/bug.patch"))
    tried = 0
    for path in random.Random(7).sample(patches, len(patches)):
        patched = apply(texts, path.read_text(), str(path)).sources
        edited = statements_replaced(texts, patched)
        if edited is None or not edited.isdisjoint(done.statements) or tried == 6:
            continue
        after = load_sources(patched)
        if declared_alike(base, after):
            assert digest(compile_scenario(after, "bypass", Memory.TSO)) == wanted, path.parent.name
            tried += 1
    assert tried == 6


def test_what_is_taken_for_unchanged_compiles_to_the_same_system() -> None:
    """Of this project's model: some mutants, drawn by chance, in a scenario with few switches."""
    texts = sources(ROOT)
    base = load_sources(texts)
    done = Executed()
    wanted = digest(compile_scenario(base, "bypass", Memory.TSO, executed=done))
    tried = 0
    for m in random.Random(7).sample(mutants(texts), 60):
        edited = statements_of(texts, [m])
        if edited is None or not edited.isdisjoint(done.statements) or tried == 8:
            continue
        after = load_sources(mutated(texts, [m]))
        if declared_alike(base, after):
            assert digest(compile_scenario(after, "bypass", Memory.TSO)) == wanted, m.name
            tried += 1
    assert tried == 8
