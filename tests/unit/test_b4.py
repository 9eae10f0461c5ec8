# SPDX-License-Identifier: GPL-2.0-or-later
"""`lostirq patch --b4 -` as b4 itself runs it on the mails of a series, reads its answer and keeps it."""

from __future__ import annotations

import shlex
import sys
from email.message import EmailMessage
from pathlib import Path

import pytest
from b4.review import checks
from cli_toys import BUG_PATCH, CONTROL_PATCH, toy

MAILS = {"<bad@example>": BUG_PATCH, "<good@example>": CONTROL_PATCH, "<empty@example>": "Just a word.\n"}


def mail(name: str, body: str) -> tuple[str, EmailMessage]:
    message = EmailMessage()
    message["Message-Id"], message["From"], message["Subject"] = name, "A <a@example>", "[PATCH] model: change it"
    message.set_content(f"Why.\n---\n{body}")
    return name, message


def test_b4_takes_what_we_say(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A status for each mail; none is turned into another by b4, nor lost where it keeps them."""
    monkeypatch.setattr("b4.get_data_dir", lambda: str(tmp_path / "data"))
    folder = toy(tmp_path / "w")
    words = [sys.executable, "-m", "lostirq", "patch", "--workspace", str(folder), "--cache-dir", str(tmp_path / "c"),
             "--memory", "tso", "--b4", "-"]
    found = checks.run_perpatch_checks([mail(*m) for m in MAILS.items()], [shlex.join(words)], str(folder))
    assert [(e["tool"], e["status"]) for name in MAILS for e in found[name]] == [
        ("lostirq", "fail"), ("lostirq", "pass"), ("lostirq", "fail")]
    [bad], [good], [empty] = found.values()
    assert bad["details"].startswith("fail: >> T-1 (one tso): no post is missed") and "breaks T-1" in bad["summary"]
    assert good["summary"].startswith("verdict: keeps") and "diff" in empty["summary"]
    kept = checks.get_db()
    for name, results in found.items():
        checks.store_results(kept, name, results)
    assert checks.get_cached_results(kept, list(MAILS)) == found
    kept.close()
