# SPDX-License-Identifier: GPL-2.0-or-later
"""A known bug is found again only if its patch is what breaks the property."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from cli_toys import run, toy
from test_patch_specification import FENCE, Capture, difference

from lostirq.ir.system import Memory
from lostirq.workflow.bug_base import BaseSteps, base_steps
from lostirq.workflow.cache import ResultCache
from lostirq.workflow.workspace import load

NO_FENCE = ("model/toy.py", FENCE, "    desc.mode = Mode.INSIDE\n")
REMARK = ("model/toy.py", "    desc.mode = Mode.INSIDE\n", "    desc.mode = Mode.INSIDE  # a remark\n")
NOISE = (("model/toy.py", "class Desc(Struct):\n", "class Desc(Struct):\n    other: bool\n"),
         ("model/toy.py", "@thread()\n", "@thread()\ndef noise():\n    while True:\n        idle()\n"
          "        desc.other = True\n        idle()\n        desc.other = False\n\n\n@thread()\ndef more():\n"
          "    while True:\n        idle()\n        wait(desc.other)\n\n\n@thread()\n"))
ASKED = ("properties/toy.py", "return not desc.pending or desc.seen or desc.ipi", "return not desc.pending")
Change = tuple[str, str, str]


def with_bug(tmp_path: Path, base: tuple[Change, ...], changes: tuple[Change, ...]) -> Path:
    """A workspace whose known bug `no-fence` is the changes."""
    sides = []
    for name, all_ in (("w", base), ("v", (*base, *changes))):
        root = toy(tmp_path / name)
        for file, old, new in all_:
            text = (root / file).read_text()
            assert old in text, (file, old)
            (root / file).write_text(text.replace(old, new, 1))
        sides.append(root)
    (sides[0] / "counterexamples" / "no-fence" / "bug.patch").write_text(difference(*sides))
    return sides[0]


def verdict(folder: Path, capsys: Capture, *words: str) -> tuple[int, dict[str, object], str]:
    code = run(folder, "bugs", "--json", *words, "no-fence")
    out, err = capsys.readouterr()
    return code, *((dict(*json.loads(out)["bugs"]), err) if out else ({}, err))


@pytest.mark.parametrize(("base", "changes", "why"), [
    ((NO_FENCE,), (REMARK,), "the patch changes nothing in scenario one"),
    ((NO_FENCE,), NOISE, "the counterexample takes no step that the patch changes"),
    ((NO_FENCE,), (REMARK, *NOISE), "the counterexample takes no step that the patch changes"),
    ((), (NO_FENCE,), ""),
    ((), (NO_FENCE, *NOISE), ""),
])
@pytest.mark.parametrize("words", [(), ("--no-result-cache",)])
def test_the_patch_is_the_cause(base: tuple[Change, ...], changes: tuple[Change, ...], why: str,
                                words: tuple[str, ...], tmp_path: Path, capsys: Capture) -> None:
    folder = with_bug(tmp_path, base, changes)
    path = folder / "counterexamples" / "no-fence" / "bug.toml"
    code, found, _ = verdict(folder, capsys, *words)
    if "no length" in str(found["why"]):
        path.write_text(f"{path.read_text()}length = {found['length']}\n")
        code, found, _ = verdict(folder, capsys, *words)
    assert (code, found["ok"], found["why"]) == (bool(why), not why, why)


def test_a_known_bug_is_no_change_of_a_property(tmp_path: Path, capsys: Capture) -> None:
    code, found, _ = verdict(with_bug(tmp_path, (), (REMARK, ASKED)), capsys)
    assert code == 2 and "bug.patch: it changes properties/toy.py" in str(found["why"])


def test_a_first_step_that_was_not_the_first_is_new(tmp_path: Path, capsys: Capture) -> None:
    """It is what was dropped before it that shows."""
    dropped = ("model/toy.py", "    desc.pending = True\n    # Abstraction: the fence is a locked operation\n"
               "    # in the original.\n    smp_mb()\n    if", "    if")
    asked = ("properties/toy.py", ASKED[1], "return desc.pending or not desc.ipi")
    folder = with_bug(tmp_path, (asked,), (dropped,))
    path = folder / "counterexamples" / "no-fence" / "bug.toml"
    path.write_text(path.read_text().replace("needs_tso = true\n", ""))
    run(folder, "bugs", "--record", "no-fence")
    capsys.readouterr()
    code, found, _ = verdict(folder, capsys)
    assert (code, found["why"]) == (0, "")


def test_what_the_base_does_is_found_once(tmp_path: Path) -> None:
    folder = toy(tmp_path / "w")
    store = ResultCache(tmp_path / "store")
    first = base_steps(load(folder), "one", Memory.TSO, store)
    [entry] = (tmp_path / "store").glob("*.json")
    assert store.get(entry.stem, BaseSteps) == first == base_steps(load(folder), "one", Memory.TSO, store)
    assert base_steps(load(folder), "one", Memory.SC, store).digest != first.digest
    assert len(list((tmp_path / "store").glob("*.json"))) == 2
