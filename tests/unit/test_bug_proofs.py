# SPDX-License-Identifier: GPL-2.0-or-later
"""`bugs --proofs`: which proof a known bug makes fail, and what is kept of that."""

from __future__ import annotations

import difflib
import json
import shutil
from pathlib import Path

import pytest
from cli_toys import run

from lostirq.ir.system import Memory, System
from lostirq.language import load_sources
from lostirq.symbolic.certificate import text
from lostirq.symbolic.changed import Shapes, change
from lostirq.workflow import bug_proofs, bug_proofs_page, certificates
from lostirq.workflow.bug_proofs_record import Fate, read_record
from lostirq.workflow.prove import load_with_proofs
from lostirq.workflow.workspace import load
from tests.unit.test_cli_recheck import HERE, copy, write
from tests.unit.test_prove import MODEL

Capture = pytest.CaptureFixture[str]
LOOP = "    while True:\n        if d.on:\n"
BUGS = {
    "early": MODEL.replace("EARLY = Param(False", "EARLY = Param(True"),
    "never-announced": MODEL.replace("                test_and_set(d.on)", "                smp_mb()"),
    "announced-first": MODEL.replace("        if not test_and_set_bit(d.pir, v):", "        d.on = False\n"
                                     "        if not test_and_set_bit(d.pir, v):"),
    "fenced": MODEL.replace(LOOP, LOOP.replace("        if", "        smp_mb()\n        if")),
    "one-word-less": MODEL.replace("for k in range(WORDS)", "for k in range(WORDS - 1)"),
    "only-a-comment": MODEL.replace("        v = choose(Vector)", "        # Any.\n        v = choose(Vector)"),
    "stores-without-a-drain": MODEL.replace("        v = choose(Vector)\n", "        v = choose(Vector)\n"
                                            "        while d.pir.word[0] == 0:\n            d.on = False\n"),
    "another-name": MODEL.replace("on: bool", "announced: bool").replace("d.on", "d.announced"),
}  # fmt: skip
SEEN = ("announced-first", "early", "never-announced", "one-word-less", "stores-without-a-drain")


def add_bug(root: Path, slug: str, model: str, property_: str = "Q") -> None:
    folder = root / "counterexamples" / slug
    folder.mkdir(parents=True, exist_ok=True)
    before = (root / "model" / "d.py").read_text()
    after = model.replace('memory=("sc", "tso")', 'memory=("sc", "tso"), properties=("Q",)')
    assert before != after
    (folder / "bug.patch").write_text("".join(difflib.unified_diff(
        before.splitlines(keepends=True), after.splitlines(keepends=True), "a/model/d.py", "b/model/d.py")))
    (folder / "bug.toml").write_text(f'title = "{slug}"\nexpected = "violated"\nscenario = "full_width"\n'
                                     f'memory = "sc"\nproperty = ["{property_}"]\n')


@pytest.fixture(scope="module")
def proved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = write(tmp_path_factory.mktemp("proved"))
    assert run(root, "prove", "--all", "-j", "1") == 0
    return root


@pytest.fixture(scope="module")
def recorded(proved: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = copy(proved, tmp_path_factory.mktemp("recorded"))
    for slug, model in BUGS.items():
        add_bug(root, slug, model)
    assert run(root, "bugs", "--proofs", "--record", "--every") == 0
    return root


@pytest.fixture
def library(recorded: Path, tmp_path: Path) -> Path:
    return shutil.copytree(recorded, tmp_path / "library")


def test_which_bug_makes_a_proof_fail(recorded: Path) -> None:
    rows = read_record(recorded)
    assert {slug for slug, row in rows.items() if row.lost()} == set(SEEN)
    assert all(set(row.proofs) == {p.stem for p in certificates.listed(recorded)} for row in rows.values())
    fates = {slug: {p.fate for p in row.proofs.values()} for slug, row in rows.items()}
    assert fates["fenced"] == {Fate.KEPT} and fates["only-a-comment"] == {Fate.UNCHANGED}
    assert rows["only-a-comment"].reason == "their transition systems do not change"
    assert rows["fenced"].reason == "the proofs go through with it"
    drain = rows["stores-without-a-drain"].proofs
    assert drain["Q-full_width-sc"].fate is drain["Q-full_width-tso"].fate is Fate.LOST
    assert drain["Q-full_width-tso"].why == "Q, under SC"               # under TSO the front end refuses it
    lost = rows["early"].proofs["Q-full_width-sc"]
    assert lost.why and "harvester" in lost.step and "model/d.py" not in lost.step
    assert fates["another-name"] == {Fate.REFUSED} and "the properties do not fit" in rows["another-name"].reason


@pytest.mark.parametrize("slug", sorted(set(BUGS) - {"another-name", "stores-without-a-drain"}))
def test_it_is_what_a_proof_of_all_transitions_says(recorded: Path, slug: str) -> None:
    """The short way, by the changed transitions first, decides nothing else."""
    workspace = load_sources({**load_with_proofs(recorded).sources, "model/d.py": BUGS[slug]})
    for path in certificates.listed(recorded):
        data = certificates.load(path)
        found = certificates.retry(data, certificates.compiled(workspace, certificates.origin(data, path.name)))
        fate = read_record(recorded)[slug].proofs[path.stem].fate
        assert isinstance(found, certificates.Lost) is (fate is Fate.LOST)
        assert isinstance(found, certificates.Kept) is (fate in (Fate.KEPT, Fate.UNCHANGED))


def test_it_stops_at_the_first_proof_that_is_lost(library: Path) -> None:
    (library / "proofs" / "bugs.json").unlink()
    assert run(library, "bugs", "--proofs", "--record", "early") == 0
    row = read_record(library)["early"]
    assert len(row.proofs) == 1 and row.lost()
    assert run(library, "bugs", "--proofs", "--record", "early", "--every") == 0
    assert len(read_record(library)["early"].proofs) == 2


def test_what_is_recorded_is_not_tried_again(library: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
    def never(*_: object) -> None:
        raise AssertionError("tried again")

    before = (library / "proofs" / "bugs.json").read_text()
    with monkeypatch.context() as m:
        m.setattr(bug_proofs, "_of", never)
        assert run(library, "bugs", "--proofs", "--record", "--every") == 0
    assert (library / "proofs" / "bugs.json").read_text() == before
    assert "5 of 8 bugs make a proof fail, 3 make none fail that was tried" in capsys.readouterr().out
    add_bug(library, "early", BUGS["fenced"])
    assert "early (stale)" in bug_proofs_page.table(library) and "1 rows are stale" in bug_proofs_page.table(library)
    assert run(library, "bugs", "--proofs", "--record", "early") == 0
    assert not read_record(library)["early"].lost() and "stale" not in bug_proofs_page.table(library)


def test_another_certificate_makes_a_row_stale(library: Path) -> None:
    for path in certificates.listed(library):
        data = certificates.load(path)
        path.write_text(text({k: v for k, v in data.items() if k != "needed"}))
    assert "stale" not in bug_proofs_page.table(library)                           # it is about the same proofs
    for path in certificates.listed(library):
        path.write_text(text({**certificates.load(path), "assumed": ["more"]}))
    assert bug_proofs_page.table(library).count("(stale)") == len([*BUGS, *SEEN])   # a line for each proof lost


def test_the_table(library: Path) -> None:
    add_bug(library, "unrecorded", BUGS["early"])
    text = bug_proofs_page.renewed(library, "a\n<!-- bugs and proofs -->\nold\n<!-- end -->\nb\n")
    assert "Of 9 known bugs of safety, 5 make a proof fail, 3 make none fail that was tried, 1 are not tried" in text
    assert "| fenced | Q | none lost | 2 kept: the proofs go through with it |" in text
    assert "| unrecorded | Q | none lost | not tried yet |" in text and "old" not in text
    assert bug_proofs_page.renewed(library, text) == text


def test_a_certificate_of_another_model_decides_nothing(library: Path, capsys: Capture) -> None:
    model = library / "model" / "d.py"
    model.write_text(model.read_text().replace("if d.pir.word[k] != 0:", "if d.pir.word[k] == 0:"))
    (library / "proofs" / "bugs.json").unlink()
    assert run(library, "bugs", "--proofs", "--record", "early") == 125
    assert "early: undecided" in capsys.readouterr().out
    assert {p.fate for p in read_record(library)["early"].proofs.values()} == {Fate.OPEN}


def test_why_none_sees_it(library: Path) -> None:
    add_bug(library, "only-a-comment", BUGS["only-a-comment"], "R")
    text = (library / "properties" / "q.py").read_text()
    (library / "properties" / "q.py").write_text(text + '\n\n@invariant("R")\ndef something() -> bool:\n'
                                                 "    '''Nobody proves it.'''\n    return d.on or not d.on\n")
    assert run(library, "bugs", "--proofs", "--record", "only-a-comment") == 0
    assert read_record(library)["only-a-comment"].reason == "R is not proved"


def test_only_bugs_of_safety(library: Path) -> None:
    folder = library / "counterexamples" / "early"
    (folder / "bug.toml").write_text((folder / "bug.toml").read_text().replace("violated", "holds"))
    assert "early" not in {bug.slug for bug in bug_proofs_page.safety_bugs(library, load(library))}


def test_bad_input(library: Path, capsys: Capture) -> None:
    assert run(library, "bugs", "--every") == 2 and "--every goes with --proofs" in capsys.readouterr().err
    assert run(library, "bugs", "--proofs", "--lift") == 2
    assert run(library, "bugs", "--proofs", "nothing") == 2 and "unknown bug of safety" in capsys.readouterr().err
    assert run(library, "bugs", "--proofs", "--no-result-cache", "--timeout", "0") == 124
    (library / "proofs" / "bugs.json").write_text('{"early": []}')
    assert run(library, "bugs", "--proofs") == 2 and "not a record" in capsys.readouterr().err
    shutil.rmtree(library / HERE)
    assert run(library, "bugs", "--proofs") == 2 and "there are no certificates" in capsys.readouterr().err


def test_json(library: Path, capsys: Capture) -> None:
    assert run(library, "bugs", "--proofs", "--json", "early", "fenced") == 0
    found = json.loads(capsys.readouterr().out)
    assert [(b["slug"], b["lost"]) for b in found["bugs"]] == [("early", True), ("fenced", False)]
    assert found["bugs"][0]["proofs"][0]["fate"] == "lost" and found["bugs"][0]["proofs"][0]["step"]


# -- which transitions are changed ------------------------------------------------------------------------------------


def flat(root: Path, model: str) -> System:
    workspace = load_sources({**load_with_proofs(root).sources, "model/d.py": model})
    return certificates.compiled(workspace, certificates.Origin("Q", "full_width", Memory.SC))


def test_a_statement_more_is_all_that_changes(recorded: Path) -> None:
    shapes = Shapes()
    before = flat(recorded, MODEL)
    same = change(shapes.of(before), shapes.of(flat(recorded, BUGS["only-a-comment"])))
    assert not same.edges and same.same_frame
    fenced = flat(recorded, BUGS["fenced"])
    found = change(shapes.of(before), shapes.of(fenced))
    assert not found.same_frame
    assert {fenced.edges[n].process for n in found.edges} == {2} and len(found.edges) == 4 < len(fenced.edges)


def test_an_edge_that_does_something_else_is_changed(recorded: Path) -> None:
    shapes = Shapes()
    other = flat(recorded, BUGS["announced-first"])
    found = change(shapes.of(flat(recorded, MODEL)), shapes.of(other))
    assert {other.processes[other.edges[n].process].family for n in found.edges} == {"poster"}
