# SPDX-License-Identifier: GPL-2.0-or-later
"""Promela export: text, refusals; the counts against SPIN itself are in tests/conformance/test_spin.py."""

from __future__ import annotations

import pytest

from lostirq.errors import UsageError
from lostirq.ir import expr as x
from lostirq.ir.expr import bits_type, int_type
from lostirq.report.promela import promela
from tests.unit import symbolic_toys as toys


def test_program_counters_are_variables_only_where_they_are_read() -> None:
    s = toys.peterson()
    assert "pc" not in promela(s)
    free = toys.system("free", (), {"p0": [(0, 1, x.TRUE, ())], "watcher": [(0, 1, x.TRUE, ())]})
    guard = x.eq(x.var(free.processes[0].pc), x.integer(1))
    linked = toys.system("linked", (), {"p0": [(0, 1, x.TRUE, ())], "watcher": [(0, 1, guard, ())]})
    assert "p0_pc = 1" in promela(linked) and "watcher_pc" not in promela(linked)


def test_assignments_are_parallel() -> None:
    a, b = toys.memory("a", int_type(0, 3), 1), toys.memory("b", int_type(0, 3), 2)
    swap = toys.system("swap", (a, b), {"p": [(0, 0, x.TRUE, ((a, x.var(b)), (b, x.var(a))))]})
    assert "d_step { true; t0 = v1_b; v1_b = v0_a; v0_a = t0 }" in promela(swap)


def test_an_order_without_scratch_variables_is_found() -> None:
    a, b = toys.memory("a", int_type(0, 3), 1), toys.memory("b", int_type(0, 3), 2)
    shift = toys.system("shift", (a, b), {"p": [(0, 0, x.TRUE, ((a, x.integer(0)), (b, x.var(a))))]})
    assert "d_step { true; v1_b = v0_a; v0_a = 0 }" in promela(shift)
    assert "hidden" not in promela(shift)


def test_wide_bits_are_refused() -> None:
    wide = toys.memory("pir", bits_type(64))
    s = toys.system("wide", (wide,), {"p": [(0, 0, x.TRUE, ())]})
    with pytest.raises(UsageError, match="pir has 64"):
        promela(s)


def test_annotated_systems_are_refused() -> None:
    from dataclasses import replace

    with pytest.raises(UsageError, match="lower it first"):
        promela(replace(toys.peterson(), flat=False))


def test_text_is_deterministic() -> None:
    assert promela(toys.peterson()) == promela(toys.peterson())
