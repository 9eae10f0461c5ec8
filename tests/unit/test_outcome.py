# SPDX-License-Identifier: GPL-2.0-or-later
"""Exit codes: the documented ones, in the documented order of precedence."""

from __future__ import annotations

from itertools import product

import pytest

from lostirq.workflow.outcome import EXIT_CODES, Outcome, combine, exit_code, of_reason

ORDER = [Outcome.INTERNAL, Outcome.USAGE, Outcome.VIOLATED, Outcome.UNDECIDED, Outcome.TIMEOUT, Outcome.SKIPPED]


def test_documented_codes() -> None:
    assert {o.name: c for o, c in EXIT_CODES.items()} == {
        "HOLDS": 0, "VIOLATED": 1, "USAGE": 2, "INTERNAL": 3, "SKIPPED": 4, "TIMEOUT": 124, "UNDECIDED": 125,
        "INTERRUPTED": 130,
    }


def test_precedence() -> None:
    for (i, a), (j, b) in product(enumerate(ORDER), repeat=2):
        assert combine([a, b]) is ORDER[min(i, j)]
    assert combine([Outcome.HOLDS, Outcome.UNDECIDED]) is Outcome.UNDECIDED
    assert combine([Outcome.HOLDS, Outcome.SKIPPED]) is Outcome.HOLDS
    assert combine([]) is Outcome.SKIPPED


@pytest.mark.parametrize("reason", ["memory", "states", "not reached", "liveness needs another engine", "killed", ""])
def test_no_unknown_is_success(reason: str) -> None:
    assert exit_code(of_reason(reason)) == 125
    assert exit_code(of_reason("timeout")) == 124
    assert exit_code(of_reason("interrupted")) == 130


def test_bisect() -> None:
    codes = {o: exit_code(o, bisect=True) for o in Outcome}
    assert codes[Outcome.HOLDS] == 0 and codes[Outcome.VIOLATED] == 1
    assert codes[Outcome.INTERNAL] == codes[Outcome.USAGE] == 128
    assert codes[Outcome.UNDECIDED] == codes[Outcome.TIMEOUT] == codes[Outcome.SKIPPED] == 125
    assert codes[Outcome.INTERRUPTED] >= 128
