# SPDX-License-Identifier: GPL-2.0-or-later
"""Trace files: a round trip, and one clear line for each damaged file."""

from __future__ import annotations

import json
import os
import stat
from pathlib import Path

import pytest

from lostirq.errors import UsageError
from lostirq.evidence.trace_file import StoredTrace, check_target, read, render, write, write_text
from lostirq.evidence.verdict import Trace

STORED = StoredTrace(Trace("toy", "tso", "abc123", "P-1[0]", (3, 1, 4), None), "some-bug", (("SENDERS", 2),))
LASSO = StoredTrace(Trace("toy", "sc", "abc123", "LV-1", (3, 1, 4), 3, minimal=False))


@pytest.mark.parametrize("stored", [STORED, LASSO])
def test_round_trip(tmp_path: Path, stored: StoredTrace) -> None:
    path = tmp_path / "deep" / "trace.json"
    write(path, stored)
    assert read(path) == stored
    assert [p.name for p in path.parent.iterdir()] == ["trace.json"]


def test_bytes_are_reproducible() -> None:
    assert render(STORED) == render(STORED)
    assert json.loads(render(STORED))["length"] == 3


def test_every_truncation_is_refused(tmp_path: Path) -> None:
    text = render(STORED)
    path = tmp_path / "t.json"
    for size in range(len(text) - 2):
        path.write_text(text[:size])
        with pytest.raises(UsageError) as error:
            read(path)
        assert str(path) in str(error.value) and "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"format": "other"}, "not a trace of this tool"),
        ({"version": 3}, "version 3; this program reads up to version 2"),
        ({"version": 0}, "version 0 is none of"),
        ({"patches": [1]}, "'patches'"),
        ({"account": []}, "an object is needed"),
        ({"moves": [1, -1, 2]}, "transition numbers"),
        ({"moves": [1, True, 2]}, "transition numbers"),
        ({"moves": "123"}, "transition numbers"),
        ({"moves": [1]}, "damaged"),
        ({"loop": 4}, "'loop'"),
        ({"digest": None}, "'digest' is missing"),
        ({"overrides": {"A": "x"}}, "'overrides'"),
        ({"bug": 3}, "'bug'"),
        ({"scenario": "\ud800"}, "no Unicode"),
    ],
)
def test_damage_is_named(tmp_path: Path, change: dict[str, object], said: str) -> None:
    path = tmp_path / "t.json"
    path.write_text(json.dumps(json.loads(render(STORED)) | change))
    with pytest.raises(UsageError, match="t.json") as error:
        read(path)
    assert said in str(error.value)


@pytest.mark.parametrize("raw", [b"\xff\xfe", b"[1]", b"null", b"", b"[" * 100_000])
def test_foreign_files_are_refused(tmp_path: Path, raw: bytes) -> None:
    path = tmp_path / "t.json"
    path.write_bytes(raw)
    with pytest.raises(UsageError, match="t.json"):
        read(path)


def test_missing_file_and_folder(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="No such file"):
        read(tmp_path / "absent.json")
    with pytest.raises(UsageError, match="Is a directory"):
        read(tmp_path)


def test_a_failed_write_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "t.json"
    write(path, STORED)

    def full(handle: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(UsageError, match="No space left on device"):
        write(path, LASSO)
    assert [p.name for p in tmp_path.iterdir()] == ["t.json"]
    monkeypatch.undo()
    assert read(path) == STORED


def test_what_is_no_file_stays_what_it_is(tmp_path: Path) -> None:
    """A pipe is written to, and a link still points where it did."""
    pipe, link, file = (tmp_path / name for name in ("pipe", "link", "file"))
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    check_target(pipe)
    write_text(pipe, "told")
    assert os.read(reader, 99) == b"told" and stat.S_ISFIFO(pipe.lstat().st_mode)
    os.close(reader)
    file.write_text("old")
    link.symlink_to(file)
    write_text(link, "new")
    assert link.is_symlink() and file.read_text() == "new"
