# SPDX-License-Identifier: GPL-2.0-or-later
"""The documents say what is there: generated pages are current, links lead somewhere, flags and codes are complete."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from lostirq.cli import COMMANDS, make_parser
from lostirq.workflow.docs import PAGES, abstractions, functions, properties, quoted
from lostirq.workflow.outcome import EXIT_CODES
from lostirq.workflow.proofs_page import renewed
from lostirq.workflow.workspace import sources

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("name", sorted(PAGES))
def test_generated_pages_are_current(name: str) -> None:
    assert (ROOT / "docs" / name).read_text() == PAGES[name](ROOT), "run `make docs`"


@pytest.mark.parametrize("page", ["README.md", "docs/tutorial.md"])
def test_quoted_counterexamples_are_what_the_tool_prints(page: str) -> None:
    text = (ROOT / page).read_text()
    assert "<!-- counterexample: " in text
    assert quoted(ROOT, text) == text, "run `make docs`"


@pytest.mark.parametrize("page", sorted(p.relative_to(ROOT).as_posix() for p in [*ROOT.glob("*.md"),
                                                                                 *ROOT.glob("docs/**/*.md")]))
def test_links_lead_somewhere(page: str) -> None:
    path = ROOT / page
    for target in re.findall(r"\]\(([^)#\s]+)[^)]*\)", path.read_text()):
        assert "://" in target or (path.parent / target).exists(), target


def test_the_manual_has_every_command_flag_and_exit_code() -> None:
    manual = (ROOT / "docs" / "cli.md").read_text()
    for command in COMMANDS:
        assert f"lostirq {command}" in manual
    text = "".join(p.format_help() for a in make_parser()._actions if a.choices for p in a.choices.values())  # type: ignore[union-attr]
    flags = set(re.findall(r"--[a-z][a-z-]+", text)) - {"--help"}
    assert {f for f in flags if f not in manual} == set()
    for code in EXIT_CODES.values():
        assert f"| {code} |" in manual


def test_make_help_has_every_target() -> None:
    makefile = (ROOT / "Makefile").read_text()
    targets = set(re.findall(r"^([a-z-]+):", makefile, re.MULTILINE)) - {"clean"}
    shown = makefile[makefile.index("check-help:\n"):]
    assert {t for t in targets if f"make {t}" not in shown} - {"check-help", "check-quick"} == set()


def test_every_model_function_names_what_it_mirrors() -> None:
    """Functions without a source are processes and pure helpers; all others mirror the kernel or the hardware."""
    orphans = [f"{f.file}:{f.name}" for f in functions(sources(ROOT))
               if f.role == "function" and not (f.kernel or f.hardware)]
    assert orphans == []


def test_every_abstraction_gives_a_reason() -> None:
    short = [said for text in sources(ROOT).values() for _, said in abstractions(text) if len(said.split()) < 6]
    assert short == []


def test_every_property_has_statement_source_witness_and_planted_bug() -> None:
    for p in properties(sources(ROOT)):
        if p.kind != "reachable":
            missing = [o for o in ("title", "source", "witness", "planted") if not p.options.get(o)]
            assert (p.id, missing, bool(p.statement)) == (p.id, [], True)


def test_abstractions_are_read_to_the_end_of_their_paragraph() -> None:
    text = '"""Title.\n\nAbstraction: one\ntwo.\n\nother\n"""\n# Abstraction: three\n# four\nx = 1\n# five\n'
    assert abstractions(text) == [(3, "one two."), (8, "three four")]


def test_the_table_of_proofs_is_what_the_certificates_say() -> None:
    text = (ROOT / "docs" / "proofs.md").read_text()
    assert "<!-- proofs -->" in text
    assert renewed(ROOT, text) == text, "run `make docs`"
    assert text.count("\n| Q-7 |") == len(list((ROOT / "proofs" / "certificates").glob("Q-7-*.json"))) > 0
