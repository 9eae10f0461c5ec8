# SPDX-License-Identifier: GPL-2.0-or-later
"""docs/graph.md: its program prints what the page says, and its commands export what they promise."""

from __future__ import annotations

import contextlib
import io
import re
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest

from lostirq.cli import main

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "graph.md").read_text()


def block(kind: str) -> str:
    [found] = re.findall(rf"^```{kind}\n(.*?)^```", PAGE, flags=re.MULTILINE | re.DOTALL)
    return str(found)


def nodes(path: Path) -> int:
    return sum(e.tag.endswith("}node") for e in ElementTree.parse(path).iter())


def test_the_program_prints_what_the_page_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for part in ("model", "properties"):
        (tmp_path / part).symlink_to(ROOT / part)
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        exec(compile(block("python"), "graph.md", "exec"), {})
    assert printed.getvalue() == block("text")
    assert nodes(tmp_path / "alone.graphml") == int(printed.getvalue().split()[0])


def test_the_commands_fit_where_the_page_says_so(
        tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.chdir(tmp_path)
    where = ["--workspace", str(ROOT), "--cache-dir", str(tmp_path / "cache")]
    assert "lostirq export sender_halt --set GUEST_HLT=0 --to graphml" in PAGE
    states = re.search(r"([\d,]+) states$", PAGE, re.MULTILINE)
    assert states is not None
    command = "check --scenario sender_halt --memory sc --no-reductions --set GUEST_HLT=0 --property Q-7"
    assert f"lostirq {command.removesuffix(' --property Q-7')} " in PAGE
    assert main([*command.split(), *where]) == 0
    assert f" {states[1]} states" in capsys.readouterr().out
    assert int(states[1].replace(",", "")) <= 20_000
    command = "export sender_halt --set SENDERS=0 --to dot -o alone.dot"
    assert f"lostirq {command} " in PAGE and main([*command.split(), *where]) == 0
    assert (tmp_path / "alone.dot").read_text().startswith("digraph")


def test_a_parameter_that_is_none_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["export", "sender_halt", "--set", "SENDER=0", "--to", "dot", "--workspace", str(ROOT)]) == 2
    assert "unknown parameter 'SENDER' (did you mean SENDERS" in capsys.readouterr().err


@pytest.mark.slow
def test_the_larger_graph_is_exported(tmp_path: Path) -> None:
    out = tmp_path / "x.graphml"
    assert main(["export", "sender_halt", "--set", "GUEST_HLT=0", "--to", "graphml", "-o", str(out),
                 "--workspace", str(ROOT)]) == 0
    assert nodes(out) == 12_677
