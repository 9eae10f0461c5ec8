# SPDX-License-Identifier: GPL-2.0-or-later
"""Windows, events, ghosts and fairness are what properties judge by: a patch that changes them keeps nothing in
silence."""

from __future__ import annotations

from pathlib import Path

import pytest
from cli_toys import MODEL
from test_patch_specification import FENCE, Capture, patched, weakened

from lostirq.workflow.patch_marks import changed_marks

JUDGED = "    return not desc.pending or desc.seen or desc.ipi"
MARKED = '''

@function()
def posts(d: Desc):
    """Ghosts."""
    d.posted = True


@thread()
def guest():
    with window("entry"):
        first()
    second()
    desc.posted = True
    third()
    if desc.pending:
        strong()
        event("seen")
        fourth()
    posts(desc)
    desc.register = True
    wait(desc.register)
    idle()
'''
FIELDS = "    posted: Ghost[bool]\n    register: Ghost[bool]\n    unread: Ghost[bool]"
BASE = {"model/toy.py": MODEL.replace("    seen: bool", f"    seen: bool\n{FIELDS}") + MARKED,
        "properties/toy.py": "def told() -> bool:\n    return desc.posted or desc.register\n"}


def found(old: str, new: str) -> list[str]:
    """What one replacement changes; the way back changes something exactly if the way there does."""
    text = BASE["model/toy.py"]
    assert text.count(old) == 1
    after = BASE | {"model/toy.py": text.replace(old, new)}
    marks = changed_marks(BASE, after)
    assert bool(changed_marks(after, BASE)) == bool(marks)
    return [m.what for m in marks]


OPEN = '    with window("entry"):\n        first()\n'
SEEN = '        strong()\n        event("seen")\n        fourth()\n'


@pytest.mark.parametrize(("old", "new"), [
    (OPEN, '    if desc.pending:\n        with window("entry"):\n            first()\n'),
    (f"{OPEN}    second()\n", '    with window("entry"):\n        second()\n    first()\n'),    # changed places
    ("    second()\n", ""),
    ("        fourth()\n", "        fourth()\n        fifth()\n"),
    ("    if desc.pending:\n        strong()", "    if desc.pending and desc.ipi:\n        strong()"),
    ("    desc.register = True\n", ""),                                      # what the code decides on is the model
    ("    desc.register = True\n", "    desc.unread = True\n    desc.register = True\n"),
    ("    posts(desc)\n", "    # a word\n    posts(desc)\n"),
])
def test_statements_may_move(old: str, new: str) -> None:
    assert found(old, new) == []


@pytest.mark.parametrize(("old", "new", "what"), [
    (f"{OPEN}    second()\n", f"{OPEN}        second()\n", "window('entry') moved"),
    (OPEN, "    first()\n", "window('entry') removed"),
    ("    second()\n", '    with window("entry"):\n        second()\n', "window('entry') added"),
    ("    desc.posted = True\n    third()\n", "    third()\n    desc.posted = True\n", "desc.posted = True moved"),
    ("    desc.posted = True\n    third()\n", "    third()\n", "desc.posted = True removed"),
    ("    desc.posted = True\n", "    if desc.ipi:\n        desc.posted = True\n", "if desc.ipi: added"),
    ("    desc.posted = True\n", "    if desc.ipi:\n        fifth()\n        desc.posted = True\n",
     "desc.posted = True under another condition"),
    ("    d.posted = True", "    pass", "d.posted = True removed"),
    ("    posts(desc)\n", "", "posts(desc) removed"),
    (SEEN, SEEN.replace("        strong()\n", ""), "strong() removed"),
    (SEEN, SEEN.replace('        event("seen")\n', ""), "event('seen') removed"),
    ("    third()\n", "    unfair()\n    third()\n", "unfair() added"),
    ("    third()\n", "    idle()\n    third()\n", "idle() added"),
    ("    posted: Ghost[bool]", "    posted: Ghost[bool] = True", "declaration of ghost posted"),
])
def test_marks_may_not(old: str, new: str, what: str) -> None:
    assert what in found(old, new)


def test_a_body_may_move_to_a_new_function() -> None:
    """With what it is called with in the place of its parameters."""
    old = "    second()\n    desc.posted = True\n    third()\n"
    text = BASE["model/toy.py"].replace(old, "    rest(desc)\n")
    text = text.replace("@thread()\ndef guest", "@function()\ndef rest(d: Desc):\n    second()\n    d.posted = True\n"
                        "    third()\n\n\n@thread()\ndef guest")
    assert changed_marks(BASE, BASE | {"model/toy.py": text}) == ()
    assert changed_marks(BASE, BASE | {"model/toy.py": text.replace("    d.posted = True\n    third", "    third")})


GHOST = (("model/toy.py", "    seen: bool", "    seen: bool\n    posted: Ghost[bool]"),
         ("model/toy.py", "    desc.pending = True\n", "    desc.pending = True\n    desc.posted = True\n"),
         ("properties/toy.py", JUDGED, "    return not desc.posted or desc.seen or desc.ipi"))


def test_a_ghost_that_is_taken_out_keeps_nothing(tmp_path: Path, capsys: Capture) -> None:
    folder, text = weakened(tmp_path, ("model/toy.py", "    desc.posted = True\n", ""), base=GHOST)
    code, out, _ = patched(folder, text, capsys)
    assert code == 125 and "changes the instrumentation: model/toy.py:38: post: desc.posted = True removed" in out
    assert "SUMMARY: undecided" in out
    code, out, _ = patched(folder, text, capsys, "--accept-spec")
    assert code == 0 and "changes the instrumentation" in out
    assert patched(folder, weakened(tmp_path, base=GHOST)[1], capsys)[0] == 1


EXCUSED = (("properties/toy.py", JUDGED, '    if within("target", "entry"):\n        return True\n' + JUDGED),
           ("model/toy.py", "    if desc.pending:\n        desc.seen", '    with window("entry"):\n'
            "        if desc.pending:\n            desc.seen"))


def test_an_excuse_that_is_made_wider_keeps_nothing(tmp_path: Path, capsys: Capture) -> None:
    wide = ("model/toy.py", "def target():\n    enter()", 'def target():\n    enter()\n    with window("entry"):\n'
            "        while True:\n            idle()\n            step()")
    folder, text = weakened(tmp_path, wide, base=EXCUSED)
    code, out, _ = patched(folder, text, capsys)
    assert code == 125 and "target: window('entry') added" in out


@pytest.mark.parametrize(("base", "weaker", "name"), [
    ((("model/toy.py", "class Mode(Enum)", "NEEDED = 1\n\n\nclass Mode(Enum)"),
      ("properties/toy.py", JUDGED, JUDGED.replace("return", "return NEEDED == 0 or"))),
     ("model/toy.py", "NEEDED = 1", "NEEDED = 0"), "NEEDED"),
    ((("model/toy.py", "class Mode(Enum)", "LAST = 1\nNEEDED = LAST\n\n\nclass Mode(Enum)"),
      ("properties/toy.py", JUDGED, JUDGED.replace("return", "return NEEDED == 0 or"))),
     ("model/toy.py", "LAST = 1", "LAST = 0"), "LAST"),
    ((("model/toy.py", "class Desc(Struct)", "class Level(Enum):\n    LOW = 0\n    HIGH = 1\n\n\nclass Desc(Struct)"),
      ("properties/toy.py", JUDGED, JUDGED.replace("return", "return int(Level.LOW) == 1 or"))),
     ("model/toy.py", "    LOW = 0\n    HIGH = 1", "    HIGH = 0\n    LOW = 1"), "Level"),
])
def test_what_a_property_names_belongs_to_the_specification(
    base: tuple[tuple[str, str, str], ...], weaker: tuple[str, str, str], name: str, tmp_path: Path, capsys: Capture,
) -> None:
    folder, text = weakened(tmp_path, weaker, base=base)
    code, _, err = patched(folder, text, capsys)
    assert code == 2 and f"changes the specification (model/toy.py: {name})" in err
    assert FENCE in (folder / "model" / "toy.py").read_text()
