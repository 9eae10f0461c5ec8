# SPDX-License-Identifier: GPL-2.0-or-later
"""What `check` and `bugs` leave for continuous integration, each read by a reader that is not ours."""

from __future__ import annotations

import json
import os
import re
from dataclasses import replace
from pathlib import Path

import github_action_utils
import jsonschema
import junitparser
import pytest
import sarif_pydantic
from cli_toys import BUG_PATCH, CONTROL_PATCH, run, toy
from json_schemas import valid
from tap.parser import Parser
from test_account import account, confirm, run_of

from lostirq.report.annotations import MOST, summary, workflow_commands
from lostirq.report.b4 import MOST as MOST_OF_B4
from lostirq.report.b4 import b4
from lostirq.report.junit import junit
from lostirq.report.ktap import ktap
from lostirq.report.results import Result, Results, Status
from lostirq.report.sarif import sarif

BROKEN = {"model/toy.py": ("    smp_mb()\n    if desc.pending", "    if desc.pending")}
Capture = pytest.CaptureFixture[str]
NASTY = "a, b: 100%\n# c & <d> \"e\" | \x00\U0001f4a5 | *x*"


def results() -> Results:
    """One of each status, and one with everything in it that formats could stumble over."""
    found = run_of()
    told = account(found, confirm(found))
    return Results("lostirq check", "1.2.3", "violated", 1, (
        Result("one sc", "P-1", Status.PASS, "holds"),
        Result("one sc", "P-2", Status.FAIL, "is broken", "P-2", "violated in 8 steps", "line 1\nline 2", account=told),
        Result("one tso", "P-1", Status.UNDECIDED, "unclear", message="memory"),
        Result("one tso", "P-3", Status.TIMEOUT, "slow", message="timeout"),
        Result("two tso", "P-4", Status.SKIP, "not here", message="not reached"),
        Result("two tso", "search", Status.ERROR, "search", message="boom"),
        Result("two tso", NASTY, Status.FAIL, NASTY, NASTY, NASTY, NASTY, "model/x.py", 7, new=True),
    ), "7 results")


# -- JUnit ---------------------------------------------------------------------


def test_junit() -> None:
    read = junitparser.JUnitXml.fromstring(junit(results()).encode())
    assert (read.tests, read.failures, read.errors, read.skipped) == (7, 2, 3, 1)
    cases = {(suite.name, case.name): case for suite in read for case in suite}
    assert cases["one sc", "P-1"].is_passed
    [failure] = cases["one sc", "P-2"].result
    assert isinstance(failure, junitparser.Failure)
    assert failure.message == "is broken: violated in 8 steps" and failure.text == "line 1\nline 2"
    assert isinstance(cases["one tso", "P-1"].result[0], junitparser.Error)
    assert isinstance(cases["two tso", "P-4"].result[0], junitparser.Skipped)
    assert not cases["two tso", "search"].is_passed
    assert [c for c in cases.values() if c.is_passed] == [cases["one sc", "P-1"]]


# -- SARIF ---------------------------------------------------------------------


def test_sarif() -> None:
    log = sarif_pydantic.Sarif.model_validate_json(sarif(results()))
    [found] = log.runs
    assert log.version == "2.1.0" and found.tool.driver.name == "lostirq"
    assert len(found.results) == 5 and len({r.rule_id for r in found.results}) == len(found.tool.driver.rules)
    assert [r.level.value for r in found.results] == ["error", "error", "error", "warning", "warning"]
    for r in found.results:
        assert found.tool.driver.rules[r.rule_index].id == r.rule_id


def test_sarif_tells_the_steps_of_each_agent_in_order() -> None:
    data = json.loads(sarif(results()))
    result = next(r for r in data["runs"][0]["results"] if r["ruleId"] == "P-2")
    [flow] = result["codeFlows"]
    assert [t["id"] for t in flow["threadFlows"]] == ["vCPU 0", "sender"]
    orders = [loc["executionOrder"] for t in flow["threadFlows"] for loc in t["locations"]]
    assert sorted(orders) == list(range(1, 9))
    for t in flow["threadFlows"]:
        mine = [loc["executionOrder"] for loc in t["locations"]]
        assert mine == sorted(mine)
        for loc in t["locations"]:
            place = loc["location"]["physicalLocation"]
            assert place["artifactLocation"]["uri"] == "model/toy.py" and place["region"]["startLine"] >= 1
    assert result["locations"][0]["physicalLocation"]["artifactLocation"]["uriBaseId"] == "%SRCROOT%"


def test_sarif_fingerprints_do_not_depend_on_lines() -> None:
    moved = results()
    [broken] = [r for r in moved.results if r.name == "P-2"]
    assert broken.account is not None
    steps = tuple(replace(s, line=s.line + 5) for s in broken.account.steps)
    later = replace(moved, results=(replace(broken, account=replace(broken.account, steps=steps)),))

    def prints(r: Results) -> set[str]:
        found = json.loads(sarif(r))["runs"][0]["results"]
        return {x["partialFingerprints"]["lostirq/v1"] for x in found if x["ruleId"] == "P-2"}

    assert prints(later) == prints(moved) and len(prints(moved)) == 1


def test_sarif_against_the_official_schema() -> None:
    named = os.environ.get("LOSTIRQ_SARIF_SCHEMA")
    if not named:
        pytest.skip("name a copy of sarif-schema-2.1.0.json of OASIS in LOSTIRQ_SARIF_SCHEMA")
    schema = json.loads(Path(named).read_text())
    jsonschema.validators.validator_for(schema)(schema).validate(json.loads(sarif(results())))


# -- KTAP ---------------------------------------------------------------------


def tap_tests(text: str) -> tuple[int, list[tuple[bool, str, str | None]]]:
    """The plan and the tests of one level, as a reader of TAP sees them."""
    lines = list(Parser().parse_text("TAP version 13\n" + text))
    [plan] = [x for x in lines if x.category == "plan"]
    return plan.expected_tests, [(x.ok, x.description, x.directive.text if x.directive else None)
                                 for x in lines if x.category == "test"]


def test_ktap_levels() -> None:
    text = ktap(results())
    assert text.startswith("KTAP version 1\n1..3\n")
    outer = "\n".join(x for x in text.splitlines()[1:] if not x.startswith("  "))
    plan, tests = tap_tests(outer)
    assert plan == len(tests) == 3
    assert [(ok, name) for ok, name, _ in tests] == [(False, "one sc"), (False, "one tso"), (False, "two tso")]


def test_ktap_inside_a_suite() -> None:
    blocks = re.findall(r"(?:^  .*\n)+", ktap(results()), re.MULTILINE)
    assert len(blocks) == 3
    inner = []
    for block in blocks:
        lines = [x[2:] for x in block.splitlines()]
        assert lines[0] == "KTAP version 1"
        plan, tests = tap_tests("\n".join(lines[1:]))
        assert plan == len(tests)
        inner += tests
    assert [ok for ok, _, _ in inner] == [True, False, False, False, True, False, False]
    assert "SKIP" in (inner[4][2] or "")
    assert "# line 2" in ktap(results())
    assert all("\t" not in x and len(x.split("\n")) == 1 for x in ktap(results()).splitlines())


# -- GitHub, b4 ---------------------------------------------------------------------


def commands(text: str) -> list[tuple[str, dict[str, str], str]]:
    """As the runner of GitHub Actions reads a workflow command."""
    found = []
    for line in text.split("\n"):
        match = re.fullmatch(r"::(\w+)(?: ([^:]*))?::(.*)", line)
        if match:
            options = dict(item.split("=", 1) for item in (match[2] or "").split(",") if item)
            decoded = {k: _decoded(v.replace("%3A", ":").replace("%2C", ",")) for k, v in options.items()}
            found.append((match[1], decoded, _decoded(match[3])))
    return found


def _decoded(text: str) -> str:
    return text.replace("%0A", "\n").replace("%0D", "\r").replace("%25", "%")


def test_github_annotations() -> None:
    found = commands(workflow_commands(results()))
    assert [kind for kind, _, _ in found] == ["error", "error", "error", "warning", "warning"]
    nasty = next(f for f in found if f[1].get("file") == "model/x.py")
    assert nasty[1]["line"] == "7" and nasty[1]["title"] == f"{NASTY} (two tso)" and nasty[2].count(NASTY) == 3
    told = next(f for f in found if f[1]["title"].startswith("P-2"))
    assert told[1]["file"] == "model/toy.py" and told[2].endswith("line 1\nline 2")


def test_another_writer_of_annotations_writes_the_same(capsys: Capture) -> None:
    """What our reader takes from a line, given to a library for such commands; the order of options is free."""
    def parts(line: str) -> tuple[str, list[str], str]:
        head, _, message = line.removeprefix("::").partition("::")
        kind, _, options = head.partition(" ")
        return kind, sorted(options.split(",")), message

    lines = workflow_commands(results()).splitlines()
    for line, (kind, options, message) in zip(lines, commands("\n".join(lines)), strict=True):
        write = {"error": github_action_utils.error, "warning": github_action_utils.warning}[kind]
        number = int(options["line"]) if "line" in options else None
        write(message, title=options["title"], file=options.get("file"), line=number)
        assert parts(capsys.readouterr().out.strip("\n")) == parts(line)


def test_github_shows_ten_at_most() -> None:
    many = replace(results(), results=tuple(Result("s", f"P-{n}", Status.FAIL, "x") for n in range(25)))
    lines = workflow_commands(many).splitlines()
    assert len(lines) == MOST and "16 more" in lines[-1]


def test_github_summary_is_a_table() -> None:
    out = summary(results())
    rows = [line for line in out.splitlines() if line.startswith("| ")]
    assert len(rows) == 8 and all(len(re.findall(r"(?<!\\)\|", row)) == 5 for row in rows), rows
    assert out.count("<details>") == out.count("</details>") == 2


def test_b4() -> None:
    """One object, since b4 keeps one for each tool and message: the worst."""
    [entry] = json.loads(b4(results()))
    assert set(entry) == {"tool", "status", "summary", "url", "details"}
    assert (entry["status"], entry["summary"]) == ("fail", "7 results")
    lines = entry["details"].split("\n\n")[0].split("\n")
    assert [line.split(":")[0] for line in lines] == ["fail", "fail", "fail", "warn", "warn"]
    assert ">> " in next(line for line in lines if "100%" in line) and "line 1\nline 2" in entry["details"]
    good = replace(results(), results=results().results[:1])
    assert [(e["status"], e["details"]) for e in json.loads(b4(good))] == [("pass", "")]
    unclear = replace(results(), results=results().results[2:3])
    assert [e["status"] for e in json.loads(b4(unclear))] == ["warn"]
    many = replace(results(), results=results().results[1:2] * (MOST_OF_B4 + 2))
    assert "\n2 more" in json.loads(b4(many))[0]["details"]


@pytest.mark.parametrize("render", [junit, sarif, ktap, workflow_commands, summary, b4])
def test_two_runs_give_the_same_bytes(render: object) -> None:
    assert callable(render)
    assert render(results()) == render(results())


# -- the commands ---------------------------------------------------------------------


def test_check_writes_all_files(tmp_path: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = toy(tmp_path / "w", BROKEN)
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(tmp_path / "summary.md"))
    files = [tmp_path / n for n in ("j.xml", "s.sarif", "k.ktap")]
    words = ["--junit", str(files[0]), "--sarif", str(files[1]), "--ktap", str(files[2]), "--github"]
    assert run(folder, "check", *words) == 1
    out = capsys.readouterr()[0]
    assert "*** violated: T-1: no post is missed ***" in out
    [(kind, options, message)] = commands(out)
    assert kind == "error" and options["file"] == "model/toy.py" and "violated in" in message
    read = junitparser.JUnitXml.fromfile(str(files[0]))
    assert [c.name for suite in read for c in suite if not c.is_passed] == ["T-1"]
    [result] = sarif_pydantic.Sarif.model_validate_json(files[1].read_text()).runs[0].results
    assert result.rule_id == "T-1" and result.code_flows
    assert "  not ok 1 T-1" in files[2].read_text()
    assert "T-1" in (tmp_path / "summary.md").read_text()


def test_what_takes_standard_output_takes_all_of_it(tmp_path: Path, capsys: Capture) -> None:
    folder = toy(tmp_path / "w", BROKEN)
    assert run(folder, "check", "--b4") == 1
    assert [e["status"] for e in json.loads(capsys.readouterr()[0])] == ["fail"]
    assert run(folder, "check", "--ktap", "-") == 1
    assert capsys.readouterr()[0].startswith("KTAP version 1\n")
    for words in (["--b4", "--json"], ["--b4", "--ktap", "-"], ["--github", "--json"], ["--github", "--b4"]):
        assert run(folder, "check", *words) == 2
        assert "standard output" in capsys.readouterr()[1]


def test_json_of_check_and_bugs_has_its_schema(tmp_path: Path, capsys: Capture) -> None:
    folder = toy(tmp_path / "w")
    run(folder, "bugs", "--record", "no-fence")
    capsys.readouterr()
    assert run(folder, "check", "--json", "--with-bugs") == 0
    assert valid("check", capsys.readouterr()[0])["verdict"] == "holds"
    assert run(folder, "bugs", "--json") == 0
    assert len(valid("bugs", capsys.readouterr()[0])["bugs"]) == 2      # type: ignore[arg-type]  # a list
    folder = toy(tmp_path / "v", BROKEN)
    assert run(folder, "check", "--json", "--all", "2") == 1
    assert valid("check", capsys.readouterr()[0])["others"]
    run(folder, "check", "--json", "--max-states", "2", "--no-result-cache")
    assert valid("check", capsys.readouterr()[0])["verdict"] == "undecided"


def test_bugs_that_misbehave_are_failures(tmp_path: Path, capsys: Capture) -> None:
    folder = toy(tmp_path / "w")
    path = folder / "counterexamples" / "no-fence" / "bug.toml"
    path.write_text(path.read_text() + "length = 3\n")
    assert run(folder, "bugs", "--junit", str(tmp_path / "j.xml"), "--sarif", str(tmp_path / "s.sarif")) == 1
    read = junitparser.JUnitXml.fromfile(str(tmp_path / "j.xml"))
    assert [(c.name, c.is_passed) for suite in read for c in suite] == [("more-fences", True), ("no-fence", False)]
    [result] = json.loads((tmp_path / "s.sarif").read_text())["runs"][0]["results"]
    assert result["locations"][0]["physicalLocation"]["artifactLocation"]["uri"] == (
        "counterexamples/no-fence/bug.toml")


def test_undecided_is_never_passed(tmp_path: Path, capsys: Capture) -> None:
    folder = toy(tmp_path / "w")
    assert run(folder, "check", "--max-states", "2", "--junit", str(tmp_path / "j.xml")) == 125
    read = junitparser.JUnitXml.fromfile(str(tmp_path / "j.xml"))
    assert read.errors > 0
    assert not any(c.is_passed and c.name == "T-1" for suite in read for c in suite)


def test_a_file_that_cannot_be_written(tmp_path: Path, capsys: Capture) -> None:
    folder = toy(tmp_path / "w")
    assert run(folder, "check", "--junit", "/proc/nowhere/j.xml") == 2
    assert "cannot write /proc/nowhere/j.xml" in capsys.readouterr()[1]


@pytest.mark.parametrize(("patch", "status", "code"), [
    (BUG_PATCH, "fail", 1), (CONTROL_PATCH, "pass", 0)], ids=["breaks", "keeps"])
def test_b4_checks_a_patch(tmp_path: Path, capsys: Capture, patch: str, status: str, code: int) -> None:
    folder = toy(tmp_path / "w")
    (tmp_path / "x.patch").write_text(patch)
    assert run(folder, "patch", "--b4", "--memory", "tso", str(tmp_path / "x.patch")) == code
    [found] = json.loads(capsys.readouterr()[0])
    assert found["status"] == status
    if code:
        assert found["details"].startswith("fail: >> T-1 (one tso): no post is missed: holds before, violated after")


def outputs(folder: Path, patch: Path, capsys: Capture) -> tuple[int, str, junitparser.JUnitXml, str, str]:
    """Exit code, status of b4, JUnit, KTAP and annotations of a patch."""
    junit, ktap_ = folder.parent / "j.xml", folder.parent / "k"
    code = run(folder, "patch", "--junit", str(junit), "--ktap", str(ktap_), "--github", str(patch))
    said = capsys.readouterr()[0]
    assert run(folder, "patch", "--b4", str(patch)) == code
    [entry] = json.loads(capsys.readouterr()[0])
    return code, entry["status"], junitparser.JUnitXml.fromfile(str(junit)), ktap_.read_text(), said


def test_a_patch_that_is_undecided_as_a_whole_passes_nowhere(tmp_path: Path, capsys: Capture) -> None:
    """It changes an event by which properties judge: nothing breaks, and nothing is decided."""
    folder = toy(tmp_path / "w")
    text = (folder / "model" / "toy.py").read_text()
    first = "    desc.pending = True"
    (folder / "model" / "toy.py").write_text(text.replace(first, f'{first}\n    event("posted")'))
    at = text.split("\n").index(first) + 1
    (tmp_path / "x.patch").write_text(
        f'--- a/model/toy.py\n+++ b/model/toy.py\n@@ -{at},2 +{at},1 @@\n {first}\n-    event("posted")\n')
    code, status, junit, ktap_, said = outputs(folder, tmp_path / "x.patch", capsys)
    assert (code, status, junit.errors) == (125, "warn", 1)
    assert "not ok" in ktap_ and [kind for kind, _, _ in commands(said)] == ["warning"]


def test_a_patch_that_keeps_is_a_test_that_passes(tmp_path: Path, capsys: Capture) -> None:
    folder = toy(tmp_path / "w")
    (tmp_path / "x.patch").write_text(CONTROL_PATCH)
    code, status, junit, ktap_, _ = outputs(folder, tmp_path / "x.patch", capsys)
    assert (code, status, junit.tests, junit.errors + junit.failures) == (0, "pass", 1, 0)
    assert "not ok" not in ktap_ and "1..1" in ktap_


def test_results_of_a_patch_point_at_what_it_changed(tmp_path: Path, capsys: Capture) -> None:
    folder = toy(tmp_path / "w")
    (tmp_path / "x.patch").write_text(BUG_PATCH)
    files = ["--sarif", str(tmp_path / "s.sarif"), "--junit", str(tmp_path / "j.xml"), "--ktap", str(tmp_path / "k")]
    assert run(folder, "patch", *files, "--github", str(tmp_path / "x.patch")) == 1
    [(kind, options, message)] = commands(capsys.readouterr()[0])
    assert (kind, options["file"]) == ("error", "model/toy.py") and "violated after" in message
    [result] = sarif_pydantic.Sarif.model_validate_json((tmp_path / "s.sarif").read_text()).runs[0].results
    place = result.locations[0].physical_location
    assert place.artifact_location.uri == "model/toy.py"
    assert "smp_mb()" in (folder / "model" / "toy.py").read_text().splitlines()[place.region.start_line - 1]
    [flow] = result.code_flows or []
    steps = [at.location.physical_location for thread in flow.thread_flows for at in thread.locations]
    assert len(flow.thread_flows) > 1 and any(at.artifact_location.uri == "model/toy.py" for at in steps)
    assert run(folder, "patch", "--sarif", str(tmp_path / "again"), str(tmp_path / "x.patch")) == 1  # from the cache
    assert (tmp_path / "again").read_bytes() == (tmp_path / "s.sarif").read_bytes()
    read = junitparser.JUnitXml.fromfile(str(tmp_path / "j.xml"))
    assert (read.failures, read.errors) == (1, 0)
    assert "  not ok" in (tmp_path / "k").read_text()
