# SPDX-License-Identifier: GPL-2.0-or-later
"""What is not proved is told with the step that breaks it, and only that."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from lostirq.cli import main
from lostirq.errors import UsageError
from lostirq.workflow.unproved import RECORD, Open, Unproved, read_record, renewed, table, write_record

MODEL = """
count: Int[0, 3]
late: bool

@thread()
def counter():
    while True:
        idle()
        with atomic():
            wait(count < 3)
            count = count + 1
            late = count == 3

@thread()
def drain_it():
    while True:
        with atomic():
            wait(count > 0)
            count = count - 1
            event("enter", count)
"""
PROPERTIES = '''
from lostirq.prelude import *

@invariant("A", title="in range", source="here", witness="W", planted="none")
def in_range() -> bool:
    """Holds by induction."""
    return count <= 3

@invariant("B", title="late means full", source="here", witness="W", planted="none")
def late_is_full() -> bool:
    """Is broken."""
    return not late or count == 3

@step_property("C", title="falls by one", source="here", witness="W", planted="none")
def falls() -> bool:
    """Holds of every step."""
    return old(count) <= count + 1

@invariant("D", title="starts late", source="here", witness="W", planted="none")
def starts_late() -> bool:
    """Is false at the start."""
    return late

@reachable("W")
def reached() -> bool:
    """It counts."""
    return count == 1

@scenario(tier="quick", memory=("sc",))
class plain:
    """As it is."""

@scenario(tier="proof", memory=("sc",), properties=("A",))
class proved:
    """One of them."""
'''


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    for name, text in (("model/m.py", MODEL), ("properties/p.py", PROPERTIES), ("proofs/l.py", "")):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    return tmp_path


def run(root: Path, *arguments: str) -> int:
    return main(["prove", "--workspace", str(root), "--cache-dir", str(root / "cache"), *arguments])


def test_each_property_without_a_certificate(workspace: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(workspace, "--unproved", "plain", "--json") == 125
    rows = {row["property"]: row for row in json.loads(capsys.readouterr().out)["rows"]}
    assert {id_: row["verdict"] for id_, row in rows.items()} == {
        "A": "follows from the lemmas", "B": "not inductive", "C": "follows from the lemmas", "D": "false at the start"}
    assert rows["B"]["step"][-1] == "which breaks B" and "count" in " ".join(rows["B"]["step"])
    assert all(row["scenarios"] == 1 for row in rows.values())


def test_what_has_a_certificate_is_not_tried(workspace: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(workspace) == 0
    assert run(workspace, "--unproved", "plain", "--record") == 125
    assert "3 safety properties have no certificate at full width" in capsys.readouterr().out
    record = read_record(workspace)
    assert record is not None and [row.property for row in record.rows] == ["B", "C", "D"]
    page = renewed(workspace, "<!-- unproved -->\nold\n<!-- end -->\n")
    assert "| B | late means full | not inductive: `" in page and "old" not in page and "| A |" not in page
    assert "Of another model" not in page


def test_what_is_proved_with_fewer_vectors_is_told(workspace: Path, capsys: pytest.CaptureFixture[str]) -> None:
    page = workspace / "properties" / "p.py"
    imported = "from lostirq.prelude import *\n"
    text = page.read_text().replace(imported, f"{imported}from model.m import *\n")
    page.write_text(text.replace('class proved:\n    """One of them."""', """class proved:
    '''One of them.'''

    VECTORS = 8

@scenario(tier="proof", memory=("sc",), properties=("C",))
class small:
    '''Another one, with fewer.'''
"""))
    model = workspace / "model" / "m.py"
    model.write_text('VECTORS = Param(4, "interrupt vectors")\n' + model.read_text())
    assert run(workspace) == 0
    capsys.readouterr()
    assert run(workspace, "--unproved", "plain", "--json") == 125
    rows = {row["property"]: row["verdict"] for row in json.loads(capsys.readouterr().out)["rows"]}
    assert rows == {"B": "not inductive", "C": "proved with 4 vectors", "D": "false at the start"}
    (workspace / "proofs" / "certificates" / "A-proved-sc.json").unlink()
    assert run(workspace, "--unproved", "plain", "--json") == 125
    rows = {row["property"]: row["verdict"] for row in json.loads(capsys.readouterr().out)["rows"]}
    assert rows["C"] == "proved with 4 vectors", "the width of a proof without a certificate counts"


@pytest.mark.parametrize("arguments", [
    ("--unproved", "plane"), ("--unproved", "plain", "A"), ("--unproved", "plain", "--dry-run"), ("--record",),
])
def test_bad_flags(arguments: tuple[str, ...], workspace: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(workspace, *arguments) == 2
    assert len(capsys.readouterr().err.strip().splitlines()) == 1


def test_a_certificate_of_another_model_is_none(workspace: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(workspace) == 0
    assert run(workspace, "--unproved", "plain", "--record") == 125
    model = workspace / "model" / "m.py"
    model.write_text(model.read_text().replace("wait(count < 3)", "wait(count < 2)"))
    assert "Of another model" in table(workspace)
    capsys.readouterr()
    assert run(workspace, "--unproved", "plain") == 125
    assert "A: follows from the lemmas" in capsys.readouterr().out


def test_the_record(workspace: Path) -> None:
    assert read_record(workspace) is None and table(workspace) == ""
    found = Unproved("plain", "0" * 64, (Open("B", "the solver gave up", (), 4), Open("Z", "no instance")))
    write_record(workspace, found)
    assert read_record(workspace) == found
    assert "| Z |  | no instance | none of the quick tier |" in table(workspace)
    (workspace / RECORD).write_text('{"B": 1}')
    with pytest.raises(UsageError, match="not a record"):
        read_record(workspace)
