# SPDX-License-Identifier: GPL-2.0-or-later
"""The race table: one whole golden, its invariants, and what replay refuses."""

from __future__ import annotations

from dataclasses import replace

import pytest
from report_toys import PIR, posting

from lostirq.errors import UsageError
from lostirq.evidence.replay import ReplayError, Run, confirm, confirm_witness, replay
from lostirq.evidence.verdict import Trace
from lostirq.ir.digest import digest
from lostirq.ir.system import RANGE, Memory
from lostirq.report.mail import mail
from lostirq.report.names import Names
from lostirq.report.tell import account
from lostirq.report.text import WIDTH, _Group, _row, render, text

LOST = (0, 1, 3, 6, 7, 9, 10, 5)

TABLE = """\
Q-2[0,2]: a vector stays in PIR: never delivered - violated
scenario posting, memory model TSO (store buffers)
8 steps, the fewest possible; 3 changes of agent

vCPU 0                                sender
------                                ------
vcpu_enter_guest():
  vcpu.mode = IN_GUEST_MODE (in
    store buffer)
vmx_sync_pir_to_irr():
  LD control.on == 0
                                      sender():
                                        pi_desc.pir: bit 2 set
                                        control.on = 1
                                        LD vcpu.mode == OUTSIDE_GUEST_MODE
                                          (IN_GUEST_MODE is still in a
                                          store buffer)
store buffer: vcpu.mode =
  IN_GUEST_MODE reaches memory
vcpu_enter_guest(): vcpu.entered = 1

in the end: vcpu.entered = 1, pi_desc.pir = {2}
*** violated: Q-2[0,2]: a vector stays in PIR: never delivered ***
"""


def run_of(moves: tuple[int, ...], key: str = "Q-2[0,2]", loop: int | None = None, **how: object) -> Run:
    system = posting(fence=bool(how.get("fence", False)), memory=Memory(how.get("memory", "tso")))
    return replay(system, Trace(system.name, system.memory.value, digest(system), key, moves, loop))


def test_golden() -> None:
    run = run_of(LOST)
    assert render(run, confirm(run)) == TABLE


def test_full_shows_every_step() -> None:
    run = run_of(LOST)
    text = render(run, confirm(run), full=True)
    assert "smp_mb()" in text and "[accept(2)]" in text
    assert len(text.splitlines()) > len(TABLE.splitlines())


@pytest.mark.parametrize("full", [False, True])
def test_width(full: bool) -> None:
    run = run_of(LOST)
    assert max(map(len, render(run, confirm(run), full=full).splitlines())) <= WIDTH


@pytest.mark.parametrize("fact", ["on = 1", "control.nv is POSTED_INTR_WAKEUP_VECTOR"])
@pytest.mark.parametrize("function", ["host_irq", "evaluate_pending_virtual_interrupts"])
def test_at_the_right_edge_a_function_stays_left_of_its_facts(function: str, fact: str) -> None:
    columns, begin = ["vCPU 0", "sender 0", "IOMMU 0"], [0, 30, 57]
    rows = _row(_Group("IOMMU 0", (function,), (fact, fact)), columns, begin)
    indents = [len(row) - len(row.lstrip()) for row in rows]
    assert rows[0].endswith(f"{function}():") and max(map(len, rows)) <= WIDTH
    assert indents[0] < min(indents[1:]) and indents[0] <= begin[2]


def test_many_columns_fall_back_to_names() -> None:
    run = run_of(LOST)
    crowd = tuple(replace(p, column=f"agent {p.index} with a rather long heading") for p in run.system.processes)
    text = render(replace(run, system=replace(run.system, processes=crowd)), None)
    assert max(map(len, text.splitlines())) <= WIDTH


def test_trace_of_another_model_is_refused() -> None:
    system = posting(fence=True)
    with pytest.raises(UsageError, match="belongs to another model"):
        replay(system, run_of(LOST).trace)


def test_a_move_that_is_not_enabled_is_our_bug() -> None:
    with pytest.raises(ReplayError, match="move 1 of the trace"):
        run_of((0, 4))
    with pytest.raises(ReplayError):
        run_of((0, 99))


def test_a_run_that_violates_nothing_is_refused() -> None:
    with pytest.raises(ReplayError, match="does not violate Q-2"):
        confirm(run_of(LOST[:-1]))
    with pytest.raises(ReplayError, match="not stuck"):
        confirm(run_of(LOST, "stuck"))
    with pytest.raises(ReplayError, match="out of range"):
        confirm(run_of(LOST, "range"))


def test_unknown_property() -> None:
    with pytest.raises(UsageError, match="no property Q-9"):
        confirm(run_of(LOST, "Q-9"))


def test_witness() -> None:
    assert confirm_witness(run_of((0, 6, 7, 10, 8), "W-2")).key == "W-2"
    with pytest.raises(ReplayError, match="does not reach"):
        confirm_witness(run_of((0, 6), "W-2"))


def test_step_property_is_judged_on_the_last_step() -> None:
    assert confirm_witness is not confirm
    with pytest.raises(ReplayError):
        confirm(run_of((6,), "S-1"))    # ON was clear: S-1 holds


def test_lasso_must_close_be_fair_and_avoid_the_goal() -> None:
    """After everybody has ended, staying for ever is fair; before, it is not."""
    run = run_of(LOST, "LV-1", loop=len(LOST))
    assert confirm(run) is not None
    assert "and nothing happens any more" in render(run, confirm(run))
    with pytest.raises(ReplayError):
        confirm(run_of(LOST[:-1], "LV-1", loop=len(LOST) - 1))      # the entry is weakly fair and enabled
    with pytest.raises(ReplayError):
        confirm(run_of(LOST, "LV-1", loop=2))                       # does not return to where it began
    with pytest.raises(ReplayError):
        confirm(run_of(LOST, "LV-1"))                               # no loop at all


def test_a_bit_is_set_or_cleared() -> None:
    """No index that reads as one of an array of words."""
    names = Names(posting(fence=False))
    assert names.change(PIR, 0b0001, 0b0101) == ["pi_desc.pir: bit 2 set"]
    assert names.change(PIR, 0b0101, 0b0001) == ["pi_desc.pir: bit 2 cleared"]


@pytest.mark.parametrize(("number", "said"), [(0, ""), (2, "2 in this scenario, 256 in hardware"), (256, "")])
def test_how_vectors_are_numbered_is_said_once_where_there_are_few(number: int, said: str) -> None:
    run = run_of(LOST)
    told = account(run, confirm(run))
    parameters = {"VECTORS": number} if number else {}
    few = replace(told, configuration=replace(told.configuration, parameters=parameters))
    for shown in (text(few), mail(few)):
        assert shown.count("numbered from 0") == bool(said)
        assert said in shown


def test_a_drain_is_told_as_a_fact() -> None:
    system = posting(fence=True)
    named = replace(system, edges=tuple(replace(e, text="drain()") if e.text == "smp_mb()" else e
                                        for e in system.edges))
    run = replay(named, Trace(named.name, named.memory.value, digest(named), RANGE, (0, len(named.edges), 1), None))
    for full in (False, True):
        shown = render(run, None, full=full)
        assert "store buffer is empty" in shown and "drain()" not in shown
