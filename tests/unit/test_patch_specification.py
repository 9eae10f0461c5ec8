# SPDX-License-Identifier: GPL-2.0-or-later
"""A patch keeps nothing by asking less: what says what is checked is seen to change, and what is gone is no success."""

from __future__ import annotations

import difflib
import shutil
from pathlib import Path

import pytest
from cli_toys import run, toy

Capture = pytest.CaptureFixture[str]


def patched(folder: Path, text: str, capsys: Capture, *words: str) -> tuple[int, str, str]:
    (folder / "x.patch").write_text(text)
    code = run(folder, "patch", *words, str(folder / "x.patch"))
    return code, *capsys.readouterr()


def difference(before: Path, after: Path) -> str:
    """A unified diff of two workspaces."""
    found: list[str] = []
    for path in sorted(p.relative_to(before) for p in before.rglob("*.py")):
        old, new = ((root / path).read_text().splitlines(keepends=True) for root in (before, after))
        found += difflib.unified_diff(old, new, f"a/{path}", f"b/{path}")
    return "".join(found)


def weakened(tmp_path: Path, *changes: tuple[str, str, str], base: tuple[tuple[str, str, str], ...] = ()
             ) -> tuple[Path, str]:
    """A workspace without known bugs, and a patch that takes the fence away and changes something else too."""
    sides = []
    for name, all_ in (("w", base), ("v", (*base, *changes, ("model/toy.py", FENCE, "    desc.mode = Mode.INSIDE\n")))):
        root = toy(tmp_path / name)
        shutil.rmtree(root / "counterexamples")
        for file, old, new in all_:
            text = (root / file).read_text()
            assert old in text, (file, old)
            (root / file).write_text(text.replace(old, new, 1))
        sides.append(root)
    return sides[0], difference(*sides)


FENCE = "    desc.mode = Mode.INSIDE\n    smp_mb()\n"
JUDGED = (("properties/toy.py", "return not desc.pending or desc.seen or desc.ipi", "return not missed()"),
          ("model/toy.py", "@thread()\ndef target", "@pure\ndef missed() -> bool:\n"
           "    return unseen() and not desc.ipi\n\n\n"
           "@pure\ndef unseen() -> bool:\n    return desc.pending and not desc.seen\n\n\n@thread()\ndef target"))
SPLIT = (("model/toy.py", 'SENDERS = Param(1, "posters")', 'SENDERS = Param(1, "posters")\nLOOKS = '
          'Param(\n    1,\n    "looks")'),
         ("model/toy.py", "desc.seen = True", "desc.seen = True\n    if LOOKS == 2:\n        desc.seen = True"))


def test_what_a_property_calls_belongs_to_the_specification(tmp_path: Path, capsys: Capture) -> None:
    weaker = ("model/toy.py", "return desc.pending and not desc.seen", "return False")
    folder, text = weakened(tmp_path, weaker, base=JUDGED)
    code, _, err = patched(folder, text, capsys)
    assert code == 2 and "changes the specification (model/toy.py: unseen)" in err
    assert patched(folder, weakened(tmp_path, base=JUDGED)[1], capsys)[0] == 1


def test_a_parameter_over_several_lines_belongs_to_the_specification(tmp_path: Path, capsys: Capture) -> None:
    folder, text = weakened(tmp_path, ("model/toy.py", "    1,\n", "    2,\n"), base=SPLIT)
    code, _, err = patched(folder, text, capsys)
    assert code == 2 and "changes the specification (model/toy.py: LOOKS)" in err


def test_nothing_is_kept_by_asking_less(tmp_path: Path, capsys: Capture) -> None:
    """A memory model, a tier or a property less: what the base was checked for is looked at, or undecided."""
    sizes = "model/scenarios/sizes.py"
    less = (sizes, 'memory=("sc", "tso")', 'memory=("sc",)')
    code, out, _ = patched(*weakened(tmp_path, less), capsys, "--accept-spec")
    assert code == 125 and "the patch takes this memory model away" in out
    code, out, _ = patched(*weakened(tmp_path, (sizes, 'tier="quick"', 'tier="deep"')), capsys, "--accept-spec")
    assert code == 1 and "breaks T-1" in out
    gone = ("properties/toy.py", '@invariant("T-1", title="no post is missed", source="toy", witness="W-1", '
            'planted="no-fence")', "@pure")
    code, out, _ = patched(*weakened(tmp_path, gone), capsys, "--accept-spec")
    assert code == 125 and "holds before, absent after" in out


NEVER = ("properties/toy.py", '@reachable("W-1")', '@reachable("W-2")\ndef never() -> bool:\n    """Never."""\n'
         '    return desc.ipi and not desc.pending\n\n\n@reachable("W-1")')


@pytest.mark.parametrize(("witness", "code"), [("W-2", 1), ("W-3", 0)])
def test_another_witness_is_judged(witness: str, code: int, tmp_path: Path, capsys: Capture) -> None:
    """Though the transition system and its digest are the same."""
    other = (NEVER, ("properties/toy.py", '@reachable("W-1")', '@reachable("W-3")\ndef posted() -> bool:\n'
                     '    """Something is posted."""\n    return desc.pending\n\n\n@reachable("W-1")'))
    folder, _ = weakened(tmp_path, base=other)
    text = (f"--- a/properties/toy.py\n+++ b/properties/toy.py\n@@ -6 +6 @@\n-{T1}\n+{T1.replace('W-1', witness)}\n")
    found_code, out, _ = patched(folder, text, capsys, "--accept-spec")
    assert found_code == code and ("vacuous: its witness W-2 is not reached" in out) is (code == 1)


T1 = '@invariant("T-1", title="no post is missed", source="toy", witness="W-1", planted="no-fence")'


def test_an_answer_is_kept_for_its_own_question(tmp_path: Path, capsys: Capture) -> None:
    """Also if a scenario has the name of a memory model."""
    named = ("model/scenarios/sizes.py", "@scenario", '@scenario(tier="quick", memory=("sc", "tso"))\nclass sc:\n'
             '    """Nobody posts."""\n\n    SENDERS = 0\n\n\n@scenario')
    folder, text = weakened(tmp_path, base=(named,))
    assert patched(folder, text, capsys, "--scenario", "sc", "--memory", "tso")[0] == 0
    assert patched(folder, text, capsys)[0] == 1
