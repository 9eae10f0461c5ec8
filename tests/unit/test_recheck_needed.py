# SPDX-License-Identifier: GPL-2.0-or-later
"""What a certificate says that the checker should begin with: it makes questions smaller, and is not believed."""

from __future__ import annotations

import json
from collections.abc import Iterable
from functools import cache
from pathlib import Path

import pytest

from lostirq.recheck import needed, read, solve
from lostirq.symbolic.certificate import system_file
from tests.unit.recheck_toys import proof, run


@cache
def rows() -> tuple[tuple[int, int, tuple[int, ...]], ...]:
    """The entry of the toy's certificate."""
    system, text = proof()
    s = read.system(json.loads(system_file(system, system.properties)))
    found = needed.needed(s, read.certificate(json.loads(text), s))
    return tuple((k, place, tuple(numbers)) for k, place, numbers in found)  # type: ignore[misc,arg-type]  # as printed


def said(needed: object) -> str:
    return json.dumps({**json.loads(proof()[1]), "needed": needed})


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The text of the questions that the checker asks."""
    kept: list[str] = []

    def ask(name: str, scripts: Iterable[str], checks: int, limit: int) -> list[str]:
        kept.extend(texts := list(scripts))
        return solve.ask(name, texts, checks, limit)

    monkeypatch.setattr("lostirq.recheck.__main__.ask", ask)
    return kept


def weakened(text: str) -> dict[str, list[object]]:
    """The certificate with nothing in the place of some of its conjuncts."""
    data = json.loads(text)
    data["terms"].append(["const", [], ["bool", 1]])
    for conjunct in data["conjuncts"]:
        if conjunct[0].startswith("whole"):
            conjunct[1] = len(data["terms"]) - 1
    return data  # type: ignore[no-any-return]  # JSON


def asserted(scripts: list[str]) -> int:
    return sum(script.count("(assert ") for script in scripts)


def test_what_is_needed_suffices(tmp_path: Path, asked: list[str]) -> None:
    """The same is verified, in as many questions, with fewer assumptions."""
    plain = run(tmp_path, *proof())
    before = asserted(asked)
    asked.clear()
    found = run(tmp_path, proof()[0], said(rows()))
    assert plain.verdict == found.verdict == "verified" and found.queries == plain.queries
    assert asserted(asked) < before and any(numbers for _, _, numbers in rows())


def test_what_does_not_suffice_is_asked_again(tmp_path: Path, asked: list[str]) -> None:
    found = run(tmp_path, proof()[0], said([(k, place, ()) for k, place, _ in rows()]))
    plain = run(tmp_path, *proof())
    assert found.verdict == "verified" and found.queries > plain.queries


def test_a_weakened_certificate_stays_rejected(tmp_path: Path) -> None:
    """With what was needed before, and the obligation that fails is the same."""
    data = weakened(said(rows()))
    found = run(tmp_path, proof()[0], json.dumps(data))
    del data["needed"]
    plain = run(tmp_path, proof()[0], json.dumps(data))
    assert found.verdict == plain.verdict == "failed" and found.failing == plain.failing


@pytest.mark.parametrize("bad", [
    [[10**6, 0, []]], [[0, 10**6, []]], [[0, 0, [10**6]]], [[0, 0, [-1]]], [[0, 0, ["0"]]], [[0, 0]], [0], 7, {"a": 1},
    [["(exit)", 0, []]],
])  # fmt: skip
def test_what_is_no_such_entry(bad: object, tmp_path: Path) -> None:
    found = run(tmp_path, proof()[0], said(bad))
    assert found.verdict == "malformed" and found.code == 2


def test_a_location_with_something_undecided_has_no_row() -> None:
    """The rest is still found, also behind it."""
    system, text = proof()
    data = weakened(text)
    s = read.system(json.loads(system_file(system, system.properties)))
    weaker = needed.needed(s, read.certificate(data, s))
    places = {(k, place) for k, place, _ in rows()}
    assert 0 < len(weaker) < len(places) and {(k, place) for k, place, _ in weaker} < places  # type: ignore[misc]


def test_the_program(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(tmp_path, *proof()).code == 0
    files = [str(tmp_path / "system.json"), str(tmp_path / "certificate.json")]
    assert needed.main(files) == 0
    assert json.loads(capsys.readouterr().out) == json.loads(json.dumps(rows()))
    assert needed.main(files[:1]) == 2 and "usage: " in capsys.readouterr().err
    assert needed.main([files[1], files[1]]) == 2 and "not a system file" in capsys.readouterr().err
