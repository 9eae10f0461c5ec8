# SPDX-License-Identifier: GPL-2.0-or-later
"""Patches in mails: series in order, decoded, and one line for each thing that is wrong with them."""

from __future__ import annotations

import base64
import quopri
import subprocess
from pathlib import Path

import pytest

from lostirq.errors import UsageError
from lostirq.workflow.mail import split
from lostirq.workflow.patching import apply

DIFF = "--- a/model/{0}.py\n+++ b/model/{0}.py\n@@ -1 +1 @@\n-{1}\n+{2}\n"
START = "From 0123456789abcdef Mon Sep 17 00:00:00 2001\n"


def mail(subject: str, body: str, extra: str = "") -> str:
    return f"{START}From: A <a@example.org>\nSubject: {subject}\n{extra}\n{body}-- \n2.39\n\n"


def named(raw: str) -> list[str]:
    return [x.subject for x in split(raw.encode(), "series.mbox")]


def test_bare_diff_is_one_patch() -> None:
    [found] = split(DIFF.format("a", 1, 2).encode(), "x.patch")
    assert (found.name, found.subject, found.text) == ("x.patch", "", DIFF.format("a", 1, 2))


def test_one_mail_without_a_from_line() -> None:
    raw = "Subject: [PATCH] move\nFrom: a@example.org\n\nWhy.\n---\n" + DIFF.format("a", 1, 2)
    [found] = split(raw.encode(), "x.eml")
    assert found.subject == "[PATCH] move" and apply({"model/a.py": "1\n"}, found.text).sources == {"model/a.py": "2\n"}


def test_series_applies_in_the_order_of_its_numbers() -> None:
    raw = (mail("[PATCH v2 0/2] cover", "text\n") + mail("[PATCH v2 2/2] second", DIFF.format("a", 2, 3))
           + mail("[PATCH v2 1/2] first", DIFF.format("a", 1, 2)) + mail("Re: [PATCH v2 1/2] first", "> thanks\n"))
    assert named(raw) == ["[PATCH v2 1/2] first", "[PATCH v2 2/2] second"]


def test_unnumbered_mails_apply_in_the_order_of_the_file() -> None:
    raw = mail("[PATCH] one", DIFF.format("a", 1, 2)) + mail("[PATCH] two", DIFF.format("a", 2, 3))
    assert named(raw) == ["[PATCH] one", "[PATCH] two"]


@pytest.mark.parametrize("encoding", ["quoted-printable", "base64", "8bit"])
def test_transfer_encodings(encoding: str) -> None:
    body = DIFF.format("a", "x = 'é'", "x = 'ü='").encode()
    coded = {"quoted-printable": quopri.encodestring(body), "base64": base64.encodebytes(body), "8bit": body}[encoding]
    head = f"Content-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: {encoding}\n"
    raw = f"{START}From: a@example.org\nSubject: [PATCH] x\n{head}\n".encode() + coded
    [found] = split(raw, "x.mbox")
    assert apply({"model/a.py": "x = 'é'\n"}, found.text).sources == {"model/a.py": "x = 'ü='\n"}


def test_attachment_is_read() -> None:
    raw = (f"{START}Subject: [PATCH] x\nMIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=b\n\n--b\n"
           "Content-Type: text/plain\n\nsee below\n--b\nContent-Type: text/x-patch\n\n"
           f"{DIFF.format('a', 1, 2)}\n--b--\n")
    [found] = split(raw.encode(), "x.mbox")
    assert apply({"model/a.py": "1\n"}, found.text).sources == {"model/a.py": "2\n"}


def test_lines_that_begin_with_from_are_unquoted_and_carriage_returns_go() -> None:
    raw = mail("[PATCH] x", ">From here on.\n---\n" + DIFF.format("a", 1, 2)).replace("\n", "\r\n")
    [found] = split(raw.encode(), "x.mbox")
    assert "\nFrom here on." in "\n" + found.text and "\r" not in found.text


@pytest.mark.parametrize("before", ["\n\n", " \n\t\n", "\ufeff", "\ufeff\n", "\r\n"])
def test_a_mailbox_is_one_whatever_stands_before_it(before: str) -> None:
    """Or a series with a hole would pass as one patch."""
    second = mail("[PATCH 2/3] second", DIFF.format("a", 2, 3))
    raw = before + mail("[PATCH 1/3] first", DIFF.format("a", 1, 2)) + "\ufeff" * ("\ufeff" in before) + second
    with pytest.raises(UsageError, match="patch 3/3 of the series is missing"):
        named(raw)
    third = mail("[PATCH 3/3] third", DIFF.format("a", 3, 4))
    assert len(named(raw + third)) == 3


def test_a_byte_order_mark_is_no_part_of_a_diff() -> None:
    for raw in (DIFF.format("a", 1, 2), f"Subject: x\nFrom: a@example.org\n\n{DIFF.format('a', 1, 2)}"):
        [found] = split(("\ufeff" + raw).encode(), "x.patch")
        assert apply({"model/a.py": "1\n"}, found.text).sources == {"model/a.py": "2\n"}
    body = base64.encodebytes(("\ufeff" + DIFF.format("a", 1, 2)).encode()).decode()
    [found] = split(f"Subject: x\nContent-Transfer-Encoding: base64\n\n{body}".encode(), "x.eml")
    assert found.text.startswith("--- a/")


@pytest.mark.parametrize(
    ("raw", "said"),
    [
        ("", "is empty"),
        ("   \n", "is empty"),
        (mail("[PATCH] x", "no diff here\n"), "a mail without a diff"),
        ("Subject: [PATCH] x\nFrom: a@b\n\nno diff\n", "a mail without a diff"),
        (mail("[PATCH 1/1] x", DIFF.format("a", 1, 2)) + mail("news", "nothing\n"), "mail 2 (news): a mail without"),
        (mail("[PATCH 1/3] x", DIFF.format("a", 1, 2)) + mail("[PATCH 3/3] z", DIFF.format("a", 2, 3)), "2/3 of the"),
        (mail("[PATCH 1/2] x", DIFF.format("a", 1, 2)) * 2, "patch 1/2 is there twice"),
        (mail("[PATCH 1/2] x", DIFF.format("a", 1, 2)) + mail("[PATCH v2 2/2] y", DIFF.format("a", 2, 3)),
         "mixes versions v1, v2"),
        ("--- a/x\n+++ b/x\n\0", "NUL byte"),
        (mail("[PATCH] x", "\n", "Content-Type: text/plain; charset=klingon\n"), "unknown charset 'klingon'"),
        (mail(f"[PATCH 1/{'9' * 5000}] x", DIFF.format("a", 1, 2)), "a number of 5000 digits (999999...)"),
        (mail(f"[PATCH {'9' * 5000}/2] x", DIFF.format("a", 1, 2)), "a number of 5000 digits"),
        (mail(f"[PATCH v{'9' * 5000}] x", DIFF.format("a", 1, 2)), "a number of 5000 digits"),
        ("From somebody\n\n" + DIFF.format("a", 1, 2) + mail("[PATCH] x", DIFF.format("a", 2, 3)),
         "cannot read the first line of a mailbox: 'From somebody'"),
    ],
)
def test_refused_with_one_line(raw: str, said: str) -> None:
    with pytest.raises(UsageError) as error:
        split(raw.encode(), "series.mbox")
    assert said in str(error.value) and str(error.value).startswith("series.mbox") and "\n" not in str(error.value)


def test_bytes_that_are_not_text() -> None:
    with pytest.raises(UsageError, match="is not utf-8 text"):
        split(b"--- a/x\n+++ b/x\n\xff\n", "x.patch")


def test_what_git_writes_is_read_back(tmp_path: Path) -> None:
    """`git format-patch --stdout` of two commits gives both, in order, and what they make is what git has."""
    def git(*words: str) -> str:
        return subprocess.run(["git", "-c", "user.name=n", "-c", "user.email=e@example.org", *words], cwd=tmp_path,
                              capture_output=True, text=True, check=True).stdout

    git("init", "-q")
    (tmp_path / "model").mkdir()
    texts = ["a = 1\nb = 2\n", "a = 1\nb = 3\n", "# ä\na = 1\nb = 3\nc = 4\n"]
    for number, text in enumerate(texts):
        (tmp_path / "model" / "m.py").write_text(text)
        git("add", ".")
        git("commit", "-q", "-m", f"From {number}: grün")
    now = {"model/m.py": texts[0]}
    for letter in split(git("format-patch", "--stdout", "HEAD~2").encode(), "git.mbox"):
        now = apply(now, letter.text).sources
    assert now == {"model/m.py": texts[2]}
