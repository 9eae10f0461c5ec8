# SPDX-License-Identifier: GPL-2.0-or-later
"""The verdicts of `lostirq patch` on patches whose verdict is known.

Every known bug's patch breaks, with its recorded shortest length; taken back on top of itself, it fixes; negative
controls, comments and refactorings keep.  All of them are slow; a sample runs always.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from lostirq.cli import main
from lostirq.workflow.bugs import Bug, library, read_bug

ROOT = Path(__file__).parents[2]
BUGS = [read_bug(folder) for folder in library(ROOT).values()]
VIOLATED = [b for b in BUGS if b.expected == "violated"]
CONTROLS = [b for b in BUGS if b.expected == "holds"]
SAMPLE = ("entry-fence-removed", "on-set-before-pir")
Patch = Callable[..., tuple[int, dict[str, object]]]


def some(bugs: list[Bug], sample: tuple[str, ...]) -> list[object]:
    """All bugs; those that are not in the sample are slow."""
    return [pytest.param(b, id=b.slug, marks=() if b.slug in sample else pytest.mark.slow) for b in bugs]


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture
def patch(cache: Path, capsys: pytest.CaptureFixture[str]) -> Patch:
    """Run the command on the model of this repository: (exit code, object)."""
    def run(*words: str) -> tuple[int, dict[str, object]]:
        code = main(["patch", "--workspace", str(ROOT), "--cache-dir", str(cache), "-j", "2", "--max-memory", "3G",
                     "--json", *words])
        out, err = capsys.readouterr()
        assert out, err
        return code, json.loads(out)

    return run


def file_of(bug: Bug) -> str:
    return str(bug.folder / "bug.patch")


def where(bug: Bug) -> tuple[str, ...]:
    return "--scenario", bug.scenario, "--memory", bug.memory.value, "--tier", "deep"


@pytest.mark.parametrize("bug", some(VIOLATED, SAMPLE))
def test_known_bug_breaks_at_its_recorded_length(patch: Patch, bug: Bug) -> None:
    """Without a word about where to look: the scenario comes from the function that the patch touches."""
    code, found = patch("--first", file_of(bug))
    assert (code, found["verdict"]) == (1, "breaks")
    assert found["known_bug"]       # this one, or one that is the same change and is known for another reason
    recorded = json.loads((bug.folder / "trace.json").read_text())
    if any(bug.slug in (s["known_bugs"] or ()) for s in found["scenarios"]):  # type: ignore[attr-defined]
        lengths = lengths_of(found, recorded["property"], bug)
        if not lengths:     # another known bug's scenario broke first
            code, found = patch("--property", recorded["property"].split("[")[0], *where(bug), file_of(bug))
            lengths = lengths_of(found, recorded["property"], bug)
    else:
        code, found = patch("--property", recorded["property"].split("[")[0], *where(bug), file_of(bug))
        lengths = lengths_of(found, recorded["property"], bug)
    assert code == 1
    assert lengths == [bug.length] or recorded["loop"] is not None and len(lengths) == 1


def lengths_of(found: dict[str, object], key: str, bug: Bug) -> list[int]:
    return [c["length"] for p in found["properties"] for c in p["cases"]  # type: ignore[attr-defined]
            if (c["key"], c["scenario"], c["memory"], c["verdict"]) == (key, bug.scenario, bug.memory.value, "breaks")]


@pytest.mark.parametrize("bug", some(VIOLATED, SAMPLE[1:]))
def test_known_bug_taken_back_fixes(patch: Patch, bug: Bug) -> None:
    code, found = patch("--onto", file_of(bug), "--reverse", *where(bug), file_of(bug))
    if found["needs_accept_spec"]:      # what properties judge by comes back too
        assert (code, found["verdict"]) == (125, "undecided") and found["instrumentation"]
        code, found = patch("--onto", file_of(bug), "--reverse", "--accept-spec", *where(bug), file_of(bug))
    assert (code, found["verdict"]) == (0, "fixes")


@pytest.mark.slow
@pytest.mark.parametrize("bug", CONTROLS, ids=lambda b: b.slug)
def test_negative_control_keeps(patch: Patch, bug: Bug) -> None:
    code, found = patch(file_of(bug))
    if found["needs_accept_spec"]:      # it has windows, events or ghosts of its own
        assert (code, found["verdict"]) == (125, "undecided") and found["instrumentation"]
        code, found = patch("--accept-spec", file_of(bug))
    assert (code, found["verdict"]) == (0, "keeps")
    assert any(not s["unchanged"] for s in found["scenarios"])  # type: ignore[attr-defined]


def test_a_comment_keeps(patch: Patch, tmp_path: Path) -> None:
    text = (ROOT / "model" / "x86.py").read_text().splitlines()
    at = next(n for n, line in enumerate(text, 1) if line.startswith("def vcpu_enter_guest"))
    head = f"--- a/model/x86.py\n+++ b/model/x86.py\n@@ -{at},1 +{at},2 @@\n"
    (tmp_path / "x.patch").write_text(f"{head} {text[at - 1]}\n+    # one more word\n")
    code, found = patch(str(tmp_path / "x.patch"))
    assert (code, found["verdict"]) == (0, "keeps")
    assert all(s["unchanged"] for s in found["scenarios"])  # type: ignore[attr-defined]


@pytest.mark.slow       # where no system differs, the scenarios of all tiers are compiled to say so
def test_a_refactoring_keeps(patch: Patch, tmp_path: Path) -> None:
    """The body of a function moves into a new one that it calls: other functions, the same steps."""
    lines = (ROOT / "model" / "sched.py").read_text().splitlines()
    at = next(n for n, line in enumerate(lines) if line.startswith("def rcuwait_wake_up"))
    end = next(n for n in range(at + 1, len(lines)) if not lines[n].strip())
    body = lines[at + 1:end]
    removed = [f" {lines[at]}"] + [f"-{line}" for line in body]
    added = ["+    return wake_up_the_waiter(vcpu)", "+", "+", '+@function(kernel="kernel/exit.c:rcuwait_wake_up")',
             "+def wake_up_the_waiter(vcpu: Vcpu) -> bool:", *(f"+{line}" for line in body)]
    head = f"@@ -{at + 1},{1 + len(body)} +{at + 1},{1 + len(added)} @@"
    (tmp_path / "x.patch").write_text("\n".join(["--- a/model/sched.py", "+++ b/model/sched.py", head, *removed,
                                                 *added]) + "\n")
    code, found = patch("--scenario", "sender_halt", str(tmp_path / "x.patch"))
    assert (code, found["verdict"]) == (0, "keeps")
    assert {s["name"] for s in found["steps"]} == {"rcuwait_wake_up", "wake_up_the_waiter"}  # type: ignore[attr-defined]
