# SPDX-License-Identifier: GPL-2.0-or-later
"""Certificates from the outside: written by `prove`, verified by `recheck`, stale when the model changes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from cli_toys import run

from lostirq.errors import UsageError
from lostirq.ir.system import Memory
from lostirq.workflow import certificates, proofs_page, recheck
from lostirq.workflow.certificates import Kept, Lost, NotTried, Origin, retry
from lostirq.workflow.prove import load_with_proofs
from tests.unit.test_prove import MODEL, PROOF, PROPERTIES

Capture = pytest.CaptureFixture[str]
SCENARIO = 'class full_width:\n    \'\'\'All vectors.\'\'\'\n'
HERE = Path("proofs") / "certificates"
ABOUT = Origin("Q", "full_width", Memory.SC)


def write(root: Path, model: str = MODEL, proof: str = PROOF) -> Path:
    assert SCENARIO in model
    ours = model.replace('tier="proof", memory=("sc", "tso")', 'tier="proof", memory=("sc", "tso"), properties=("Q",)')
    for name, text in {"model/d.py": ours, "properties/q.py": PROPERTIES, "proofs/q.py": proof}.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    return root


@pytest.fixture(scope="module")
def proved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = write(tmp_path_factory.mktemp("proved"))
    assert run(root, "prove", "--all", "-j", "2") == 0
    return root


def copy(proved: Path, to: Path, model: str = MODEL, proof: str = PROOF) -> Path:
    root = write(to, model, proof)
    (root / HERE).mkdir()
    for path in certificates.listed(proved):
        (root / HERE / path.name).write_bytes(path.read_bytes())
    return root


def test_prove_writes_and_recheck_verifies(proved: Path, capsys: Capture) -> None:
    capsys.readouterr()
    assert [p.name for p in certificates.listed(proved)] == ["Q-full_width-sc.json", "Q-full_width-tso.json"]
    for solver in ("bitwuzla", "cvc5"):
        assert run(proved, "recheck", "--solver", solver, "--record") == 0
        out = capsys.readouterr().out
        assert "Q-full_width-tso.json: verified" in out and "2 of 2 certificates verified" in out
    times = json.loads((proved / "proofs" / "times.json").read_text())["Q-full_width-sc"]
    assert times["prover"].startswith("Z3 ") and {c.split()[0] for c in times["checks"]} == {"bitwuzla", "cvc5"}
    table = proofs_page.renewed(proved, "<!-- proofs -->\nold\n<!-- end -->")
    assert "| Q | full_width, tso |" in table and "Z3" in table and "cvc5" in table and "old" not in table


def test_a_second_proof_writes_the_same_bytes(proved: Path, tmp_path: Path) -> None:
    root = write(tmp_path)
    assert run(root, "prove", "Q") == 0
    for path in certificates.listed(proved):
        assert (root / HERE / path.name).read_bytes() == path.read_bytes()


def test_a_dry_run_writes_nothing(tmp_path: Path, capsys: Capture) -> None:
    assert run(write(tmp_path), "prove", "--dry-run") == 0
    assert "certificate verified by bitwuzla" in capsys.readouterr().out
    assert not (tmp_path / HERE).exists()


def test_what_is_not_proved_has_no_certificate(tmp_path: Path) -> None:
    assert run(write(tmp_path, proof=""), "prove") == 125
    assert certificates.listed(tmp_path) == []


def test_a_changed_model_is_stale(proved: Path, tmp_path: Path, capsys: Capture) -> None:
    early = MODEL.replace("EARLY = Param(False", "EARLY = Param(True")
    assert run(copy(proved, tmp_path, early), "recheck", "--json") == 125
    found = json.loads(capsys.readouterr().out)["certificates"]
    assert {c["verdict"] for c in found} == {"stale"} and "another system" in found[0]["reason"]


def test_a_comment_does_not_make_it_stale(proved: Path, tmp_path: Path) -> None:
    other = MODEL.replace("@thread()", "# The reader.\n@thread()")
    assert other != MODEL and run(copy(proved, tmp_path, other), "recheck") == 0


def test_a_scenario_that_is_gone_is_stale(proved: Path, tmp_path: Path, capsys: Capture) -> None:
    copy(proved, tmp_path)
    data = json.loads((tmp_path / HERE / "Q-full_width-sc.json").read_text())
    data["scenario"] = "nowhere"
    (tmp_path / HERE / "Q-full_width-sc.json").write_text(json.dumps(data))
    assert run(tmp_path, "recheck") == 125
    assert "cannot be compiled any more" in capsys.readouterr().out


@pytest.mark.parametrize("damage, code, words", [
    (lambda t: t[:500], 2, "cut off"), (lambda t: t.replace('"and"', '"(exit)"'), 2, "unknown operator"),
    (lambda t: "[]", 2, "no JSON object"), (lambda t: t.replace('"memory": "sc"', '"memory": "arm"'), 2, "names its"),
    (lambda t: t.replace('"Q-full', '"Q-full').replace('"property": "Q"', '"property": "Z"'), 125, "stale"),
    (lambda t: t.replace('"property": "Q"', '"property": "Q, Z"'), 125, "stale: it is about Z, which is not in"),
])  # fmt: skip
def test_damage(proved: Path, tmp_path: Path, capsys: Capture, damage: object, code: int, words: str) -> None:
    root = copy(proved, tmp_path)
    path = root / HERE / "Q-full_width-sc.json"
    path.write_text(damage(path.read_text()))  # type: ignore[operator]  # a function
    assert run(root, "recheck", str(path)) == code
    out, err = capsys.readouterr()
    assert words in out + err


def test_a_proof_of_something_smaller_is_not_taken_for_what_its_file_is_called(
    proved: Path, tmp_path: Path, capsys: Capture
) -> None:
    """Only the name is shown of what was verified."""
    root = copy(proved, tmp_path)
    (root / HERE / "Q-full_width-sc.json").rename(root / HERE / "Q-wider-sc.json")
    assert run(root, "recheck") == 2
    assert "another theorem than its name says: Q-full_width-sc.json" in capsys.readouterr().out


def test_usage(proved: Path, tmp_path: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
    assert run(proved, "recheck", "--solver", "yices") == 2 and "unknown solver" in capsys.readouterr().err
    assert run(proved, "recheck", str(tmp_path / "x.json")) == 2 and "no such certificate" in capsys.readouterr().err
    assert run(proved, "prove", "--all", "Q") == 2
    assert run(write(tmp_path), "recheck") == 4
    monkeypatch.setitem(recheck.SOLVERS, "cvc5", "no-such-distribution")
    assert run(proved, "recheck", "--solver", "cvc5") == 2 and "is missing" in capsys.readouterr().err


# -- the lemmas on a changed model ------------------------------------------------------------------------------------


def again(proved: Path, tmp_path: Path, model: str, proof: str = PROOF) -> Kept | Lost | NotTried:
    data = certificates.load(proved / HERE / "Q-full_width-sc.json")
    workspace = load_with_proofs(write(tmp_path, model, proof))
    return retry(data, certificates.compiled(workspace, ABOUT))


def test_an_unchanged_system_keeps_its_proof(proved: Path, tmp_path: Path) -> None:
    assert again(proved, tmp_path, MODEL) == Kept(None, unchanged=True)


LOOP = "    while True:\n        if d.on:\n"
FENCED = MODEL.replace(LOOP, LOOP.replace("        if", "        smp_mb()\n        if"))
NO_LEMMA = "from lostirq.prelude import *\n"


@pytest.mark.parametrize("proof", [PROOF, NO_LEMMA], ids=["lemma of the model", "lemma of the certificate"])
def test_a_harmless_change_keeps_it(proved: Path, tmp_path: Path, proof: str) -> None:
    """Also if the lemma is only in the certificate: variables and locations go by names."""
    assert FENCED != MODEL
    found = again(proved, tmp_path, FENCED, proof)
    assert isinstance(found, Kept) and not found.unchanged and found.proof is not None


def test_a_bug_loses_it_and_the_step_is_shown(proved: Path, tmp_path: Path) -> None:
    found = again(proved, tmp_path, MODEL.replace("EARLY = Param(False", "EARLY = Param(True"))
    assert isinstance(found, Lost) and found.lemma and any("harvester" in line for line in found.step)


def test_a_variable_that_is_gone_is_named(proved: Path, tmp_path: Path) -> None:
    data = certificates.load(proved / HERE / "Q-full_width-sc.json")
    text = json.dumps(data).replace('"d.on"', '"d.off"')
    workspace = load_with_proofs(write(tmp_path, FENCED, NO_LEMMA))
    found = retry(json.loads(text), certificates.compiled(workspace, ABOUT))
    assert isinstance(found, Lost) and found.vanished[0] == ("whole", "there is no d.off any more")


def test_retry_refuses_what_is_no_certificate(proved: Path, tmp_path: Path) -> None:
    system = certificates.compiled(load_with_proofs(write(tmp_path)), ABOUT)
    with pytest.raises(UsageError):
        retry({"property": "Q", "format": "x"}, system)
    assert isinstance(retry({"property": "Q-99"}, system), NotTried)
    rows = [["not", [0], None]]                                     # an operand of itself
    data = certificates.load(proved / HERE / "Q-full_width-sc.json") | {"terms": rows, "system": "of another model"}
    with pytest.raises(UsageError, match="does not come before it"):
        retry(data | {"lemmas": [["whole", [], 0]]}, system)


# -- k-induction ------------------------------------------------------------------------------------------------------

SHIFTS = """
from lostirq.prelude import *


class Pipe(Struct):
    first: bool
    second: bool
    third: bool


pipe: Pipe


@thread()
def shifter():
    while True:
        with atomic():
            pipe.third = pipe.second
            pipe.second = pipe.first
            pipe.first = False


@thread()
def looker():
    while True:
        with atomic():
            wait(pipe.third)
            pipe.first = True


@scenario(tier="proof", memory="sc", properties=("P",))
class shifting:
    '''Nothing comes in.'''
"""
NEVER = """
from lostirq.prelude import *


@invariant("P")
def never() -> bool:
    '''What does not come in does not come out.'''
    return not pipe.third
"""


def test_what_needs_three_steps_is_proved_with_k_three(tmp_path: Path, capsys: Capture) -> None:
    for name, text in {"model/p.py": SHIFTS, "properties/q.py": NEVER}.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    assert run(tmp_path, "prove", "P", "--k", "2") == 125
    assert "not inductive" in capsys.readouterr().out
    assert run(tmp_path, "prove", "P", "--k", "3") == 0
    assert "certificate verified by bitwuzla" in capsys.readouterr().out
    assert run(tmp_path, "recheck", "--solver", "cvc5") == 0


@pytest.mark.parametrize("words", [("--k", "0"), ("--k", "2", "--infer")])
def test_k_that_makes_no_sense(words: tuple[str, ...], proved: Path, capsys: Capture) -> None:
    assert run(proved, "prove", "Q", *words) == 2
    assert "--k N: a number from 1, without --infer" in capsys.readouterr().err


def test_a_proof_of_two_properties_is_not_kept_for_one(proved: Path, tmp_path: Path) -> None:
    """Where the change takes one of them away, nothing is said of the other."""
    data = {**certificates.load(proved / HERE / "Q-full_width-sc.json"), "property": "Q, Q-99", "system": "0" * 64}
    found = retry(data, certificates.compiled(load_with_proofs(write(tmp_path, FENCED)), ABOUT))
    assert isinstance(found, NotTried) and "Q-99 is not there any more" in found.reason
