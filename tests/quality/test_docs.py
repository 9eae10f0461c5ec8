# SPDX-License-Identifier: GPL-2.0-or-later
"""The documents say what is there: generated pages are current, links lead somewhere, flags and codes are complete."""

from __future__ import annotations

import ast
import fnmatch
import re
from pathlib import Path

import pytest

from lostirq.cli import COMMANDS, make_parser
from lostirq.workflow import bug_proofs_page
from lostirq.workflow.check import TIERS, CheckOptions, plan
from lostirq.workflow.docs import PAGES, abstractions, counts, functions, properties, quoted
from lostirq.workflow.outcome import EXIT_CODES
from lostirq.workflow.proofs_page import renewed
from lostirq.workflow.workspace import load, sources

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("name", sorted(PAGES))
def test_generated_pages_are_current(name: str) -> None:
    assert (ROOT / "docs" / name).read_text() == PAGES[name](ROOT), "run `make docs`"


@pytest.mark.parametrize("page", ["README.md", "docs/tutorial.md"])
def test_quoted_counterexamples_are_what_the_tool_prints(page: str) -> None:
    text = (ROOT / page).read_text()
    assert "<!-- counterexample: " in text
    assert quoted(ROOT, text) == text, "run `make docs`"


def test_the_counts_are_those_of_a_check() -> None:
    said = " ".join(counts(ROOT).split())
    quick, standard, deep = map(int, re.findall(r"(\d+) (?:quick|standard|deep)", said))
    taken = [len({job.scenario for job in plan(load(ROOT), CheckOptions(tier=tier))}) for tier in TIERS]
    assert [quick, quick + standard, quick + standard + deep] == taken
    assert "and the two of every model (`stuck` and `range`)" in said


def test_the_table_of_bugs_and_proofs_is_current() -> None:
    text = (ROOT / "docs" / "proofs.md").read_text()
    assert "<!-- bugs and proofs -->" in text
    assert bug_proofs_page.renewed(ROOT, text) == text, "run `make docs`"


@pytest.mark.parametrize("page", sorted(p.relative_to(ROOT).as_posix() for p in [*ROOT.glob("*.md"),
                                                                                 *ROOT.glob("docs/**/*.md")]))
def test_links_lead_somewhere(page: str) -> None:
    path = ROOT / page
    for target in re.findall(r"\]\(([^)#\s]+)[^)]*\)", path.read_text()):
        assert "://" in target or (path.parent / target).exists(), target


def test_every_scenario_that_a_page_names_is_there() -> None:
    known = load(ROOT).scenarios
    pages = [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")]
    named = {name for page in pages for name in re.findall(r"--scenario[ =]'?([\w*]+)", page.read_text())}
    assert "sender_halt" in named
    assert {n for n in named - {"X", "NAME", "SCENARIO"} if not fnmatch.filter(known, n)} == set()


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
    """Functions without a source are processes, pure helpers and instrumentation; all others mirror the kernel or the
    hardware."""
    texts = sources(ROOT)
    orphans = [f for f in functions(texts) if f.role == "function" and not (f.kernel or f.hardware)]
    assert [f"{f.file}:{f.name}" for f in orphans if not writes_only_ghosts(texts[f.file], f.name)] == []


def writes_only_ghosts(text: str, name: str) -> bool:
    """Every field that the function writes is declared a Ghost, and it calls nothing else that could have an effect."""
    ghosts = set(re.findall(r"^    (\w+): Ghost\[", (ROOT / "model" / "state.py").read_text(), re.MULTILINE))
    body = next(n for n in ast.walk(ast.parse(text)) if isinstance(n, ast.FunctionDef) and n.name == name)
    targets = [t for n in ast.walk(body) if isinstance(n, (ast.Assign, ast.AugAssign))
               for t in (n.targets if isinstance(n, ast.Assign) else [n.target])]
    nodes = [n for s in body.body for n in ast.walk(s)]
    calls = {n.func.id for n in nodes if isinstance(n, ast.Call) and isinstance(n.func, ast.Name)}
    harmless = {"insert", "max", "min", "event", "index"}
    return all(isinstance(t, ast.Attribute) and t.attr in ghosts for t in targets) and calls <= harmless


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
    rows = text.split("<!-- proofs -->")[1].split("<!-- end -->")[0].count("\n| ") - 1  # but for the heading
    assert rows == len(list((ROOT / "proofs" / "certificates").glob("*.json"))) > 0
