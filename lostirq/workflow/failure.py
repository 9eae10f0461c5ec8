# SPDX-License-Identifier: GPL-2.0-or-later
"""A command that fails before it has a result: what programs that read standard output get, and where a crash is kept.

Invariant: there is one object, array or plan on standard output, never none and never two; a failure never passes.  The
words of the command line are looked at, for they may be what is wrong.
"""

from __future__ import annotations

import json
import tempfile
import traceback
from collections.abc import Sequence
from typing import TextIO

import lostirq
from lostirq.report import b4
from lostirq.report.annotations import workflow_commands
from lostirq.report.ktap import ktap
from lostirq.report.results import Result, Results
from lostirq.workflow import output
from lostirq.workflow.ci import STATUS
from lostirq.workflow.outcome import Outcome

FORMAT = "lostirq-error"


def tell(words: Sequence[str], outcome: Outcome, code: int, text: str, out: TextIO) -> None:
    """On `out` what stands on standard error too, in the format that was asked for there, if nothing is there yet."""
    if output.written(out):
        return
    message = text.removeprefix("lostirq: ")
    try:
        if "--json" in words:
            value = {"format": FORMAT, "version": 1, "exit_code": code, "error": message}
            out.write(json.dumps(value, indent=1) + "\n")
        elif "--b4" in words:
            out.write(b4.failed(STATUS[outcome], message))
        else:
            only = Result("lostirq", outcome.value, STATUS[outcome], outcome.value, message=message)
            results = Results("lostirq", lostirq.__version__, outcome.value, code, (only,))
            if "--ktap=-" in words or ("--ktap", "-") in zip(words, words[1:], strict=False):
                out.write(ktap(results))
            elif "--github" in words:
                out.write(workflow_commands(results))
        out.flush()
    except OSError:
        return                  # nobody reads it; the exit code says it, and standard error


def crash(error: Exception, words: Sequence[str]) -> str:
    """The line that is told of a bug of ours; where it happened is kept in a file."""
    told = f"lostirq: internal error: {type(error).__name__}: {error}; please report it"
    try:
        with tempfile.NamedTemporaryFile("w", prefix="lostirq-crash-", suffix=".txt", delete=False,
                                         encoding="utf-8") as f:
            f.write(f"lostirq {' '.join(words)}\n\n{traceback.format_exc()}")
    except OSError:
        return f"{told} with the command"
    return f"{told} with {f.name}"
