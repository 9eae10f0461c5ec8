# SPDX-License-Identifier: GPL-2.0-or-later
"""The words of a command line as values.

Invariant: a word that is wrong is one `UsageError`, which names the option and says what is right.
"""

from __future__ import annotations

import argparse
import re
from collections.abc import Callable, Sequence
from typing import Any, NoReturn

from lostirq.errors import UsageError
from lostirq.workflow.workspace import suggestion

_UNITS = {"K": 1 << 10, "M": 1 << 20, "G": 1 << 30, "T": 1 << 40}
_SECONDS = {"": 1, "s": 1, "m": 60, "h": 3600}


class Parser(argparse.ArgumentParser):
    """Errors are `UsageError`s of one line; -3G is a value, which its option judges, and no option."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._negative_number_matcher = re.compile(r"^-\.?\d")

    def error(self, message: str) -> NoReturn:
        raise UsageError(f"{message.replace('the following arguments are required: ', 'missing: ')} "
                         f"(`{self.prog} --help`)")


def one_of(what: str, known: Sequence[str]) -> Callable[[str], str]:
    def parse(word: str) -> str:
        if word not in known:
            raise UsageError(f"unknown {what} {word!r}{suggestion(word, known)}; known are {', '.join(known)}")
        return word

    return parse


def memory_size(word: str) -> int:
    found = re.fullmatch(r"(\d+(?:\.\d+)?)([KMGT])i?B?", word, re.IGNORECASE)
    if found is None or int(float(found.group(1)) * _UNITS[found.group(2).upper()]) == 0:
        raise UsageError(f"--max-memory {word}: give a size such as 3G or 500M")
    return int(float(found.group(1)) * _UNITS[found.group(2).upper()])


def port(word: str) -> int:
    if not word.isdecimal() or int(word) > 65535:
        raise UsageError(f"--port {word}: give a number up to 65535; 0 takes any that is free")
    return int(word)


def duration(word: str) -> float:
    found = re.fullmatch(r"(\d+(?:\.\d+)?)([smh]?)", word)
    if found is None:
        raise UsageError(f"{word!r} is no time: give one such as 90, 90s, 5m or 2h")
    return float(found.group(1)) * _SECONDS[found.group(2)]


def natural(word: str) -> int:
    if not word.isdecimal() or int(word) == 0:
        raise UsageError(f"{word!r} is not a positive number")
    return int(word)


def parameter(word: str) -> tuple[str, int]:
    name, _, value = word.partition("=")
    named = {"true": 1, "false": 0}
    if not name.isidentifier() or not (value.lower() in named or re.fullmatch(r"-?\d+", value)):
        raise UsageError(f"--set {word}: give NAME=NUMBER, e.g. --set SENDERS=2")
    return name, named.get(value.lower(), 0) if value.lower() in named else int(value)
