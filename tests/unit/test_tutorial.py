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


def edited(folder: Path, new: str) -> Path:
    copy_out(ROOT, folder)
    path = folder / "model" / "x86.py"
    text = path.read_text()
    assert text.count(ORDER) == 1
    path.write_text(text.replace(ORDER, new))
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
    assert re.search(r"FAIL +TSO +Q-3", capsys.readouterr()[0])
