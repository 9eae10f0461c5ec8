# SPDX-License-Identifier: GPL-2.0-or-later
"""Known bugs in every format: nothing is too wide, nothing crashes, and a litmus test says what the run says."""

from __future__ import annotations

import json
import sys
from functools import cache
from pathlib import Path

import itf_py
import pytest

from lostirq.errors import UsageError
from lostirq.evidence.trace_file import read, write_text
from lostirq.language import Workspace
from lostirq.report.formats import FORMATS
from lostirq.report.text import WIDTH
from lostirq.workflow.bugs import library, patched_workspace, read_bug
from lostirq.workflow.counterexample import Counterexample, told
from lostirq.workflow.report import rendered
from lostirq.workflow.workspace import load

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "tests" / "unit"))
from litmus_machine import parse, possible  # noqa: E402  # the path is set above

SLUGS = [slug for slug, folder in library(ROOT).items() if (folder / "trace.json").is_file()]
RACES = ("entry-fence-removed", "both-sleep-fences-removed", "mode-read-before-on", "on-set-before-pir")


@cache
def base() -> Workspace:
    return load(ROOT)


@cache
def example(slug: str) -> Counterexample:
    bug = read_bug(library(ROOT)[slug])
    workspace = patched_workspace(base(), bug)
    return told(ROOT, workspace, read(bug.folder / "trace.json"), slug)


@pytest.mark.parametrize("slug", SLUGS[::9])
def test_every_format_of_a_sample(slug: str, tmp_path: Path) -> None:
    every_format(slug, tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("slug", SLUGS)
def test_every_format_of_all(slug: str, tmp_path: Path) -> None:
    every_format(slug, tmp_path)


def every_format(slug: str, folder: Path) -> None:
    ce = example(slug)
    texts: dict[str, str] = {}
    for form in FORMATS:
        try:
            texts[form] = rendered(ce.stored, form, ROOT)
        except UsageError as no:
            assert form == "litmus" and "no litmus test" in str(no)
    for form in ("text", "lkml"):
        assert [line for line in texts[form].splitlines() if len(line) > WIDTH] == [], form
    assert len(itf_py.trace_from_json(json.loads(texts["itf"])).states) == len(ce.account.steps) + 1
    write_text(folder / "t.json", texts["json"])
    assert read(folder / "t.json") == ce.stored
    if "litmus" in texts:
        assert possible(parse(texts["litmus"]), buffers=True)


@pytest.mark.parametrize("slug", RACES)
def test_litmus_needs_what_the_bug_needs(slug: str) -> None:
    """A bug of the store buffers is one in its litmus test, too; the others are races without them."""
    test = parse(rendered(example(slug).stored, "litmus", ROOT))
    assert possible(test, buffers=True)
    assert possible(test, buffers=False) is not read_bug(library(ROOT)[slug]).needs_tso
