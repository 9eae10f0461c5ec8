# SPDX-License-Identifier: GPL-2.0-or-later
"""The stand-alone checker: it verifies proofs, and nothing else, whatever is done to a certificate or to the model."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

import pytest

from lostirq.ir.system import Memory
from lostirq.recheck import solve
from lostirq.recheck.__main__ import Result, main
from tests.unit.recheck_toys import Mutant, drawn, mutants, proof, reachable_violation, run, still_a_proof

ROOT = Path(__file__).resolve().parents[2]
PROOF = "still a proof of the same theorem"
PROGRAMS = sorted((ROOT / "lostirq" / "recheck").glob("*.py"))
CHECKER = [p for p in PROGRAMS if p.name != "needed.py"]     # nothing that is verified depends on it


@pytest.mark.parametrize("memory", list(Memory), ids=lambda m: m.value)
@pytest.mark.parametrize("solver", ["bitwuzla", "cvc5", "z3"])
def test_a_proof_is_verified(memory: Memory, solver: str, tmp_path: Path) -> None:
    system, text = proof(memory)
    result = run(tmp_path, system, text, solver)
    assert result.verdict == "verified" and result.code == 0, result
    assert result.transitions == len(system.edges) and result.queries >= 3


# -- mutations --------------------------------------------------------------------------------------------------------


def judge(mutant: Mutant, result: Result) -> str:
    """What became of a mutant; raises if the checker was wrong."""
    proved = still_a_proof(mutant)
    if result.verdict == "verified":
        assert proved, f"verified, and no proof: {mutant.kind}"
        assert not reachable_violation(mutant.system), f"verified, and violated: {mutant.kind}"
        return PROOF
    assert result.code in (2, 125) and result.reason
    assert result.verdict in ("malformed", "foreign") or result.failing, mutant.kind
    if result.verdict in ("failed", "undecided"):
        assert not proved, f"a proof, and rejected: {mutant.kind}: {result}"
    return result.verdict


def count(number: int, seed: int, folder: Path) -> Counter[str]:
    found = mutants(number, seed)
    return Counter(judge(m, run(folder, m.system, m.text)) for m in found)


def test_mutants_are_rejected_or_still_proofs(tmp_path: Path) -> None:
    found = count(24, 1, tmp_path)
    assert found["failed"] and found["foreign"] and found["malformed"]


@pytest.mark.slow
def test_two_hundred_mutants(tmp_path: Path) -> None:
    """Two hundred mutants that are proofs no more, by the prover: each is rejected.  Those in between that still are
    proofs are verified (the prover agrees, and the interpreter finds no violation)."""
    found: Counter[str] = Counter()
    for mutant in drawn(2026):
        found[judge(mutant, run(tmp_path, mutant.system, mutant.text))] += 1
        if found.total() - found[PROOF] == 200:
            break
    assert found["failed"] > 50 and found["foreign"] > 50 and found["malformed"] > 30, found


@pytest.mark.parametrize("number", range(3))
def test_each_obligation_counts(number: int, tmp_path: Path) -> None:
    """Every third edge of the system, its guard or its values destroyed: the edge is named if it fails."""
    system, _ = proof()
    for m in (m for m in mutants(60, 7 + number) if m.kind in ("guard dropped", "value")):
        result = run(tmp_path, m.system, m.text)
        judge(m, result)
        assert all(0 <= e < len(system.edges) for e in result.edges)
        return


# -- what is no certificate -------------------------------------------------------------------------------------------


def changed(**entries: object) -> str:
    return json.dumps({**json.loads(proof()[1]), **entries})


def terms(*rows: list[object], conjunct: int) -> str:
    """The certificate with a conjunct over other terms."""
    data = json.loads(proof()[1])
    data["terms"] += rows
    data["conjuncts"].append(["odd", len(data["terms"]) + conjunct])
    return json.dumps(data)


BAD = {
    "cut off": (lambda: proof()[1][:1000], "malformed", "not JSON, or cut off"),
    "empty": (lambda: "", "malformed", "not JSON"),
    "a list": (lambda: "[]", "malformed", "not a JSON object"),
    "other format": (lambda: changed(format="x"), "malformed", "not a certificate"),
    "commands": (lambda: changed(commands=["(check-sat)"]), "malformed", "should not have, commands"),
    "lacks": (lambda: json.dumps({"format": "lostirq certificate 1"}), "malformed", "lacks"),
    "a command as operator": (lambda: terms(["(exit)", [], None], conjunct=-1), "malformed", "unknown operator"),
    "a command as name": (lambda: terms(["var", [], "x) (exit"], conjunct=-1), "malformed", "no variable"),
    "ill typed": (lambda: terms(["const", [], ["int", 1]], ["not", [0], None], conjunct=-2), "malformed", "well typed"),
    "operand to come": (lambda: terms(["not", [10**6], None], conjunct=-1), "malformed", "not a number below"),
    "over a step": (lambda: terms(["occurs", [], "x"], conjunct=-1), "malformed", "speaks of a step"),
    "other digest": (lambda: changed(system="0" * 64), "foreign", "another system"),
    "other theorem": (lambda: changed(theorem=[["Q", "step", 0]]), "malformed", "not well typed"),
    "no theorem": (lambda: changed(theorem=[]), "malformed", "without properties"),
    "no conjuncts": (lambda: changed(conjuncts=[]), "failed", "obligations fail"),
}


@pytest.mark.parametrize("name", BAD)
def test_what_is_no_certificate_is_told(name: str, tmp_path: Path) -> None:
    make, verdict, words = BAD[name]
    result = run(tmp_path, proof()[0], make())
    assert result.verdict == verdict and words in result.reason, result
    assert result.code == (2 if verdict == "malformed" else 125)


def test_a_certificate_for_another_memory_model(tmp_path: Path) -> None:
    result = run(tmp_path, proof(Memory.TSO)[0], proof(Memory.SC)[1])
    assert result.verdict == "foreign" and result.code == 125


def test_the_failing_obligation_is_named(tmp_path: Path) -> None:
    data = json.loads(proof()[1])
    data["conjuncts"] = [c for c in data["conjuncts"] if not c[0].startswith("whole")]
    result = run(tmp_path, proof()[0], json.dumps(data))
    assert result.verdict == "failed" and any("step: edge" in f and "Q" in f for f in result.failing)


def test_what_is_false_at_the_start(tmp_path: Path) -> None:
    text = terms(["const", [], ["bool", 0]], conjunct=-1)
    result = run(tmp_path, proof()[0], text)
    assert result.verdict == "failed" and result.failing == ("base: conjunct odd: fails",)


# -- solvers ----------------------------------------------------------------------------------------------------------


def test_solvers_that_are_not_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    system, text = proof()
    result = run(tmp_path, system, text, "yices")
    assert result.code == 2 and "unknown solver 'yices'" in result.reason
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    result = run(tmp_path, system, text, "cvc5")
    assert result.code == 2 and "not installed" in result.reason


@pytest.mark.parametrize("solver", ["cvc5", "z3"])
def test_a_limit_is_undecided(solver: str, tmp_path: Path) -> None:
    result = run(tmp_path, *proof(), solver, limit=1)
    assert result.verdict == "undecided" and result.code == 125
    assert any("gave up" in f for f in result.failing)


@pytest.mark.parametrize("silent", [1, 2])
def test_what_is_too_hard_at_once_is_asked_in_parts(
    silent: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A solver that gives up on whole locations, and then on whole cases, still decides what it can goal by goal."""
    asked: list[int] = []

    def ask(name: str, scripts: Iterable[str], checks: int, limit: int) -> list[str]:
        asked.append(checks)
        answers = solve.ask(name, scripts, checks, limit)
        tired = 2 <= len(asked) < 2 + silent        # the first question is about the start
        return ["unknown" if tired and answer == "unsat" else answer for answer in answers]

    monkeypatch.setattr("lostirq.recheck.__main__.ask", ask)
    result = run(tmp_path, *proof())
    assert result.verdict == "verified" and len(asked) > 1 + silent and result.queries > sum(asked[:1])


def test_a_relation_of_many_edges_is_asked_by_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """However obligations are put together, the same is verified, and the same fails."""
    system, text = proof()
    data = json.loads(text)
    data["conjuncts"] = data["conjuncts"][:1]
    together = [run(tmp_path, system, t) for t in (text, json.dumps(data))]
    monkeypatch.setattr("lostirq.recheck.obligations.MANY", 0)
    apart = [run(tmp_path, system, t) for t in (text, json.dumps(data))]
    assert [r.verdict for r in together] == [r.verdict for r in apart] == ["verified", "failed"]
    assert together[0].queries < apart[0].queries and set(together[1].failing) == set(apart[1].failing)


@pytest.mark.parametrize("lines, status", [
    ("unsat\n" * 5000, 0), ("", 0), ("sat\n", 1), ("success\n" * 5000, 0), ("(error \"x\")\nunsat\n", 0),
])  # fmt: skip
def test_a_solver_that_answers_nonsense_is_not_believed(
    lines: str, status: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also one that finds everything impossible: the first question of each script has a solution."""
    real = subprocess.run

    def fake(command: list[str], *, input: str, **rest: object) -> subprocess.CompletedProcess[str]:
        asked = input.count("(check-sat)")
        said = "".join(lines.splitlines(keepends=True)[:asked])
        return subprocess.CompletedProcess(command, status, said, "")

    monkeypatch.setattr(subprocess, "run", fake)
    result = run(tmp_path, *proof())
    assert result.verdict == "undecided" and result.code == 125
    assert real is not subprocess.run


# -- the program itself -----------------------------------------------------------------------------------------------


def test_it_imports_the_standard_library_and_solvers_only() -> None:
    allowed = set(sys.stdlib_module_names) | {"bitwuzla", "cvc5", "z3"}
    for path in PROGRAMS:
        for node in ast.walk(ast.parse(path.read_text())):
            names = [a.name for a in node.names] if isinstance(node, ast.Import) else []
            names += [str(node.module)] if isinstance(node, ast.ImportFrom) else []
            for name in names:
                own = name.startswith("lostirq.recheck")
                assert own or name.split(".")[0] in allowed, f"{path.name} imports {name}"
                assert name.split(".")[0] not in ("bitwuzla", "cvc5", "z3") or path.name == "solve.py"


def test_nothing_of_ours_is_loaded_with_it() -> None:
    code = "import sys, lostirq.recheck.__main__; print(*[m for m in sys.modules if m.startswith(('lostirq', 'z3'))])"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert {m for m in found.stdout.split() if m != "lostirq"} == {
        "lostirq.recheck", *(f"lostirq.recheck.{p.stem}" for p in CHECKER if p.stem not in ("__init__",))
    }  # fmt: skip


def test_it_can_be_read_in_one_sitting() -> None:
    """Lines of code, without comments, docstrings and blank lines: an hour's reading, no more."""
    assert sum(len({n.lineno for n in ast.walk(ast.parse(p.read_text())) if isinstance(n, ast.stmt)})
               for p in CHECKER) < 1000  # fmt: skip


def test_the_command_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    system, text = proof()
    assert run(tmp_path, system, text).code == 0
    files = [str(tmp_path / "system.json"), str(tmp_path / "certificate.json")]
    assert main(files) == 0 and capsys.readouterr().out.startswith("verified: Q")
    assert main([files[1], files[1]]) == 2 and "malformed: not a system file" in capsys.readouterr().out
    assert main([*files, "--json"]) == 0 and json.loads(capsys.readouterr().out)["verdict"] == "verified"
    assert main([str(tmp_path / "nowhere"), files[1]]) == 2 and "No such file" in capsys.readouterr().out
