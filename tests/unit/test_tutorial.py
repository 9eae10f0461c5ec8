# SPDX-License-Identifier: GPL-2.0-or-later
"""The tutorial happens as it is told: its edits apply, its verdicts and its table are what the tool prints."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from cli_toys import run

from lostirq.workflow.workspace import copy_out

ROOT = Path(__file__).parents[2]
ORDER = """\
    smp_store_release(vcpu.mode, Mode.IN_GUEST_MODE)
    with window("entry"):
        srcu_read_unlock()
        vmx_sync_pir_to_irr(vcpu)
"""


HARVEST = """\
        lock_set(vcpu.pi_desc.control.on, False)
        smp_mb__after_atomic()
        found: IrrUpdate = kvm_apic_update_irr(vcpu)
"""
HARVEST_FIRST = """\
        found: IrrUpdate = kvm_apic_update_irr(vcpu)
        lock_set(vcpu.pi_desc.control.on, False)
        smp_mb__after_atomic()
"""
POST = """\
    if test_and_set_bit(vcpu.pi_desc.pir, vector):
        event("merge", index(vcpu), vector)
        return
    event("accept", index(vcpu), vector)
    begins(vcpu, Window.POST)
    with window("post"):
        on: bool = test_and_set(vcpu.pi_desc.control.on)
        ends(vcpu, Window.POST)
"""
ON_FIRST = """\
    on: bool = test_and_set(vcpu.pi_desc.control.on)
    if test_and_set_bit(vcpu.pi_desc.pir, vector):
        event("merge", index(vcpu), vector)
        return
    event("accept", index(vcpu), vector)
    begins(vcpu, Window.POST)
    with window("post"):
        ends(vcpu, Window.POST)
"""
LOOK = """\
        if not pi_is_pir_empty(vcpu):
            lock_set(vcpu.pi_desc.control.on, True)
"""


def edited(folder: Path, new: str, old: str = ORDER, file: str = "x86.py") -> Path:
    copy_out(ROOT, folder)
    path = folder / "model" / file
    text = path.read_text()
    assert text.count(old) == 1
    path.write_text(text.replace(old, new))
    return folder


def table(text: str) -> str:
    """The race table of a text, without indentation."""
    found = re.search(r"^( *)Q-3\[0\]: .*violated\n(.*\n)*? *\*\*\*.*\*\*\*\n", text, re.MULTILINE)
    assert found is not None
    return "\n".join(line.removeprefix(found.group(1)).rstrip() for line in found.group().splitlines())


def test_without_the_barrier(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = edited(tmp_path / "mine", ORDER.replace("        srcu_read_unlock()\n", ""))
    assert run(folder, "check", "--scenario", "sender_halt", "--property", "Q-3") == 1
    out, _ = capsys.readouterr()
    assert re.search(r"^sender_halt sc: \d+ propert(y|ies) holds?, ", out) and re.search(r"FAIL +TSO +Q-3", out)
    assert table(out) == table((ROOT / "docs" / "tutorial.md").read_text())


def test_barrier_too_low(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    mode, window, fence, sync = ORDER.splitlines(keepends=True)
    folder = edited(tmp_path / "mine", mode + window + sync + fence)
    assert run(folder, "check", "--scenario", "sender_halt", "--property", "Q-3") == 1
    out, _ = capsys.readouterr()
    assert re.search(r"FAIL +TSO +Q-3", out)
    page = (ROOT / "docs" / "tutorial.md").read_text()
    lengths = re.compile(r"^(\d+) steps, the fewest possible", re.MULTILINE)
    shorter, longer = lengths.search(table(page)), lengths.search(table(out))
    assert shorter is not None and longer is not None and int(longer[1]) == int(shorter[1]) + 1
    assert "It is the same run, with the barrier as one more step" in page


@pytest.mark.parametrize(("old", "new", "file", "scenario"), [
    (HARVEST, HARVEST_FIRST, "vmx.py", "sender_halt"),
    (POST, ON_FIRST, "posted_intr.py", "sender_halt"),
    (LOOK, "", "posted_intr.py", "preemption_sender_device"),
], ids=["harvest before ON is cleared", "ON before PIR", "no look after SN is cleared"])
def test_the_changes_to_try(tmp_path: Path, capsys: pytest.CaptureFixture[str], old: str, new: str, file: str,
                            scenario: str) -> None:
    """Each loses an interrupt, under SC too, as the page says."""
    folder = edited(tmp_path / "mine", new, old, file)
    assert run(folder, "check", "--scenario", scenario, "--memory", "sc", "--property", "Q-3", "--property",
               "Q-7") == 1
    out, _ = capsys.readouterr()
    assert re.search(r"FAIL +SC +Q-3", out) and re.search(r"FAIL +SC +Q-7", out)
