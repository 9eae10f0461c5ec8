# SPDX-License-Identifier: GPL-2.0-or-later
"""proofs/bugs.json: of every known bug of safety it is said which proof it makes fail, or why none."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from lostirq.ir.system import served
from lostirq.workflow import certificates
from lostirq.workflow.bug_proofs import base, due, tried
from lostirq.workflow.bug_proofs_page import UNDECIDED, UNTRIED, safety_bugs, table
from lostirq.workflow.bug_proofs_record import BugRow, Fate, read_record
from lostirq.workflow.workspace import load

ROOT = Path(__file__).resolve().parents[2]
RECORD = read_record(ROOT)
BUGS = {bug.slug: bug for bug in safety_bugs(ROOT, load(ROOT))}
SAMPLE = [slug for slug, row in RECORD.items() if slug in BUGS and len(row.lost()) == 1][::12][:4]


@pytest.mark.slow
def test_the_record_has_every_bug_of_safety() -> None:
    """Among the slow tests, for a change of the model takes hours to be recorded."""
    assert set(BUGS) == set(RECORD)
    undecided = {slug for slug, row in RECORD.items() if not row.lost() and not row.reason}
    assert not undecided, "run `lostirq bugs --proofs --record`"


def test_the_page_has_every_bug_of_safety() -> None:
    """With its proof, or a reason, or the word that it is not decided."""
    rows = {line.split("|")[1].split()[0]: line for line in table(ROOT).splitlines() if line.count("|") == 5}
    assert set(BUGS) <= set(rows) and set(RECORD) <= set(BUGS)
    for slug in BUGS:
        row = RECORD.get(slug, BugRow(""))
        left = UNTRIED in rows[slug] or UNDECIDED in rows[slug]
        assert left is (not row.lost() and not row.reason), slug


def test_what_is_lost_names_its_lemma_and_what_is_not_was_tried_on_all_that_are_due() -> None:
    about = base(ROOT)
    for slug, row in RECORD.items():
        assert row.lost() or not row.reason or {*due(about, BUGS[slug])} <= set(row.proofs), slug
        assert all(p.why for p in row.proofs.values() if p.fate is Fate.LOST), slug


def test_which_proofs_are_due() -> None:
    """Of Q-1 there is a small proof of all that a large one has, of Q-7 none: its large ones must be tried."""
    about = base(ROOT)
    small = {c.name for c in about.proofs if "_four-" in c.name}
    by_property = {p: due(about, replace(next(iter(BUGS.values())), properties=(p,))) for p in ("Q-1", "Q-7", "T-1")}
    assert {*by_property["Q-1"]} == {*by_property["T-1"]} == small and len(small) == 23
    assert by_property["Q-1"][0] == "Q-1-posted_interrupts_attached_four-tso"
    large = {c.name for c in about.proofs if "Q-7" in served(c.origin.property)} - small
    assert {*by_property["Q-7"]} - small == large and len(large) == 3
    everything = due(about, BUGS[SAMPLE[0]], every=True)
    assert len(everything) == len({*everything}) == len(about.proofs)


def test_most_bugs_of_a_property_that_is_proved_are_seen() -> None:
    proved = {p for path in certificates.listed(ROOT)
              for p in served(certificates.origin(certificates.load(path), path.name).property)}
    ours = [slug for slug, bug in BUGS.items() if proved & {*bug.properties} and slug in RECORD]
    assert sum(bool(RECORD[slug].lost()) for slug in ours) > 0.8 * len(ours) > 0


@pytest.mark.slow
@pytest.mark.parametrize("slug", SAMPLE)
def test_a_row_is_found_again(slug: str) -> None:
    found, before = tried(base(ROOT), BUGS[slug]), RECORD[slug]
    [name] = before.lost()
    if name not in found.proofs:
        assert found.lost(), "a proof that is newer than the row, and tried before, must be lost"
        pytest.skip("a newer proof is tried before the one of the row, and is lost")
    if found.proofs[name].certificate != before.proofs[name].certificate:
        pytest.skip("the row is of an older certificate, as docs/proofs.md says")
    assert found.lost() == [name]
    assert (found.proofs[name].why, found.proofs[name].step) == (before.proofs[name].why, before.proofs[name].step)


def test_there_are_rows_to_find_again() -> None:
    assert len(SAMPLE) >= 2
