# SPDX-License-Identifier: GPL-2.0-or-later
"""Ablations: what is taken away, and what becomes of it, on a model of two Dekker threads."""

from __future__ import annotations

from pathlib import Path

from lostirq.workflow.ablate import ablate
from lostirq.workflow.check import CheckOptions
from lostirq.workflow.engines import Engine
from lostirq.workflow.orderings import AblationKind, ablations, apply_all

MODEL = '''
from lostirq.prelude import *

flag: Array[bool, 2]
seen: Array[bool, 2]
lock: bool


@thread()
def left():
    flag[0] = True
    smp_mb()
    seen[0] = flag[1]
    old: bool = test_and_set(lock)
    if not old:
        pass


@thread()
def right():
    xchg(flag[1], True)
    seen[1] = flag[0]
'''
PROPERTIES = '''
from lostirq.prelude import *


@invariant("D-1", source="Dekker")
def one_sees_the_other() -> bool:
    """At least one of the two sees the other's flag once both have looked."""
    return not (at_rest("left") and at_rest("right")) or seen[0] or seen[1]
'''
SCENARIOS = '''
from lostirq.prelude import *


@scenario(tier="quick", memory=("sc", "tso"))
class dekker:
    """Two threads."""
'''
SOURCES = {"model/m.py": MODEL, "model/scenarios/quick.py": SCENARIOS, "properties/p.py": PROPERTIES}


def test_every_kind_is_found_where_it_is() -> None:
    found = ablations(SOURCES)
    assert [a.name for a in found if a.kind is AblationKind.FENCE] == ["fence:m.py:left:1"]
    assert [a.name for a in found if a.kind is AblationKind.LOCKED] == ["locked:m.py:left:1", "locked:m.py:right:1"]
    assert any(a.kind is AblationKind.SWAP and a.function == "right" for a in found)
    assert len({a.name for a in found}) == len(found)


def test_an_edit_leaves_everything_else_as_it_is() -> None:
    (fence,) = [a for a in ablations(SOURCES) if a.kind is AblationKind.FENCE]
    changed = fence.apply(SOURCES)
    assert changed["model/m.py"] == MODEL.replace("smp_mb()", "pass")
    assert {n: t for n, t in changed.items() if n != "model/m.py"} == {
        n: t for n, t in SOURCES.items() if n != "model/m.py"
    }


def test_two_edits_at_once() -> None:
    fence, locked = [a for a in ablations(SOURCES) if a.name in ("fence:m.py:left:1", "locked:m.py:right:1")]
    text = apply_all((fence, locked), SOURCES)["model/m.py"]
    assert "smp_mb" not in text and "xchg" not in text and "    flag[1] = True\n" in text


def test_a_needed_fence_is_violated_and_a_spare_lock_verified(tmp_path: Path) -> None:
    for name, text in SOURCES.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    options = CheckOptions(engine=Engine.FALLBACK, processes=1)
    found = {r.name: r for r in ablate(tmp_path, "quick", options)}
    assert found["fence:m.py:left:1"].verdict == "violated"
    assert found["fence:m.py:left:1"].property == "D-1"
    assert found["locked:m.py:right:1"].verdict == "violated"
    assert found["locked:m.py:left:1"].verdict in ("verified", "unchanged")
    swaps = [r for n, r in found.items() if n.startswith("swap:m.py:right")]
    assert swaps and all(r.verdict == "violated" for r in swaps)
