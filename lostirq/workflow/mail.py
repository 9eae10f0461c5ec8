# SPDX-License-Identifier: GPL-2.0-or-later
"""Patches as people send them: a bare diff, a mail of `git format-patch`, an mbox with a series.

Invariants: the patches come out in the order in which they apply: that of the numbers in `[PATCH n/m]` where all mails
have one, else that of the file; a series with a hole, a number twice or two versions mixed is refused; a cover letter
and replies without a diff are left out, every other mail without one is refused; every error names the file and the
mail.

References: RFC 4155 (mbox), RFC 2045 (transfer encodings), git-format-patch(1), git-am(1).
"""

from __future__ import annotations

import email
import email.policy
import re
from collections.abc import Sequence
from dataclasses import dataclass
from email.message import EmailMessage

from lostirq.errors import UsageError

MAX_BYTES = 16 << 20
MAX_MAILS = 500
MOST_DIGITS = 6         # of a number of a patch, or of a version
_FROM = re.compile(rb"^From \S+ +[A-Z][a-z]{2} [A-Z][a-z]{2} +\d+ \d\d:\d\d:\d\d \d{4}", re.MULTILINE)
_MARK = re.compile(rb"^\xef\xbb\xbf", re.MULTILINE)       # the byte order mark of UTF-8: no line of a diff begins so
_BLANK = re.compile(rb"\A(?:[ \t]*\n)+(?=From |[A-Z][\w-]*: )")
_HEADER = re.compile(rb"^(From|Subject|Date|Message-I[dD]|Received|Return-Path|MIME-Version|X-[\w-]+): ", re.MULTILINE)
_DIFF = re.compile(r"^(diff --git |--- .*\n\+\+\+ |Index: )", re.MULTILINE)
_TAG = re.compile(r"\[([^\]]*\bPATCH\b[^\]]*)\]", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Letter:
    """One patch.  `name` is for messages; `subject` '' for a bare diff; `number` 0 and `count` 0 if not numbered."""

    name: str
    subject: str
    text: str
    number: int = 0
    count: int = 0
    version: int = 1


def split(raw: bytes, name: str) -> tuple[Letter, ...]:
    """The patches of a file, in the order in which they apply.  Raises `UsageError`."""
    if len(raw) > MAX_BYTES:
        raise UsageError(f"{name}: larger than {MAX_BYTES >> 20} MiB")
    if not raw.strip():
        raise UsageError(f"{name}: is empty; a unified diff or a mail with one is needed")
    if b"\0" in raw:
        raise UsageError(f"{name}: contains a NUL byte; a text patch is needed")
    raw = _MARK.sub(b"", raw.replace(b"\r\n", b"\n"))
    raw = _BLANK.sub(b"", raw)
    starts = [m.start() for m in _FROM.finditer(raw)]
    if not raw.startswith(b"From ") or not starts:
        return (_single(raw, name),)
    if starts[0] > 0:
        raise UsageError(f"{name}: cannot read the first line of a mailbox: {_first(raw)}")
    if len(starts) > MAX_MAILS:
        raise UsageError(f"{name}: more than {MAX_MAILS} mails")
    mails = [raw[a:b] for a, b in zip(starts, [*starts[1:], len(raw)], strict=True)]
    letters = [_letter(mail.partition(b"\n")[2], name if len(mails) == 1 else f"{name}, mail {n}")
               for n, mail in enumerate(mails, 1)]
    return _ordered([x for x in letters if not _skipped(x, letters)], name)


def _first(raw: bytes) -> str:
    return repr(raw.partition(b"\n")[0][:60].decode("utf-8", "replace"))


def _single(raw: bytes, name: str) -> Letter:
    """A bare diff, or one mail without a `From ` line."""
    head = raw.partition(b"\n\n")[0]
    if _HEADER.match(head) and _HEADER.search(head) and b"\n--- " not in head and b"diff --git" not in head:
        letter = _letter(raw, name)
        return _checked(letter)
    return Letter(name, "", _text(raw, "utf-8", name))


def _letter(raw: bytes, name: str) -> Letter:
    raw = re.sub(rb"^>(>*From )", rb"\1", raw, flags=re.MULTILINE)
    try:
        message = email.message_from_bytes(raw, policy=email.policy.default)
        subject = " ".join(str(message.get("Subject", "")).split())
        text = "\n".join(_parts(message, name))
    except (ValueError, LookupError, KeyError, TypeError, IndexError, AttributeError) as e:
        raise UsageError(f"{name}: the mail cannot be read: {e}") from None
    tag = _TAG.search(subject)
    numbers = re.search(r"\b([0-9]+)/([0-9]+)\b", tag.group(1)) if tag is not None else None
    version = re.search(r"\bv([0-9]+)\b", tag.group(1), re.IGNORECASE) if tag is not None else None
    label = f"{name} ({subject})" if subject else name
    number, count = (_number(digits, name) for digits in numbers.groups()) if numbers else (0, 0)
    return Letter(label, subject, text, number, count, _number(version.group(1), name) if version else 1)


def _number(digits: str, name: str) -> int:
    if len(digits) > MOST_DIGITS:
        raise UsageError(f"{name}: no patch has a number of {len(digits)} digits ({digits[:MOST_DIGITS]}...)")
    return int(digits)


def _parts(message: EmailMessage, name: str) -> list[str]:
    """The texts of a mail, decoded; attachments of patches included."""
    found: list[str] = []
    for part in message.walk():
        if part.is_multipart() or part.get_content_maintype() != "text" or part.get_content_subtype() == "html":
            continue
        raw = part.get_payload(decode=True)
        if isinstance(raw, bytes):
            found.append(_text(raw.replace(b"\r\n", b"\n"), part.get_content_charset("utf-8"), name))
    return found


def _text(raw: bytes, charset: str, name: str) -> str:
    try:
        return raw.decode(charset).removeprefix("\ufeff")
    except LookupError:
        raise UsageError(f"{name}: unknown charset {charset[:60]!r}; a patch in UTF-8 is needed") from None
    except UnicodeDecodeError:
        raise UsageError(f"{name}: is not {charset} text; a text patch is needed") from None


def _has_diff(letter: Letter) -> bool:
    return _DIFF.search(letter.text) is not None


def _checked(letter: Letter) -> Letter:
    if not _has_diff(letter):
        raise UsageError(f"{letter.name}: a mail without a diff")
    return letter


def _skipped(letter: Letter, all_: Sequence[Letter]) -> bool:
    """A cover letter, or a reply, beside mails that do carry a diff."""
    if _has_diff(letter) or not any(_has_diff(x) for x in all_):
        return False
    return letter.subject.lower().startswith(("re:", "aw:")) or (letter.count > 0 and letter.number == 0)


def _ordered(letters: Sequence[Letter], name: str) -> tuple[Letter, ...]:
    found = [_checked(x) for x in letters]
    versions = sorted({x.version for x in found})
    if len(versions) > 1:
        raise UsageError(f"{name}: mixes versions {', '.join(f'v{v}' for v in versions)} of a series; give one")
    if not all(x.count for x in found) or len({x.count for x in found}) != 1:
        return tuple(found)
    count, numbers = found[0].count, sorted(x.number for x in found)
    twice = next((n for n, m in zip(numbers, numbers[1:], strict=False) if n == m), None)
    if twice is not None:
        raise UsageError(f"{name}: patch {twice}/{count} is there twice")
    missing = [n for n in range(1, count + 1) if n not in numbers]
    if missing and len(found) > 1:
        raise UsageError(f"{name}: patch {missing[0]}/{count} of the series is missing")
    return tuple(sorted(found, key=lambda x: x.number))
