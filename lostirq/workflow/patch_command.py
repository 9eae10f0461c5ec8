# SPDX-License-Identifier: GPL-2.0-or-later
"""The command `lostirq patch`: its arguments, its run, what it prints.

Invariants: as in `lostirq.workflow.commands`; bad input is one error and exit code 2, and the workspace is untouched.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from lostirq.errors import UsageError
from lostirq.workflow import patch_show
from lostirq.workflow.check import CheckOptions
from lostirq.workflow.commands import Setting
from lostirq.workflow.outcome import Outcome
from lostirq.workflow.patch import PatchOptions, patch
from lostirq.workflow.patch_behaviour import STATES
from lostirq.workflow.patch_report import PatchReport
from lostirq.workflow.patch_sources import make_sides, patch_bytes, read_patches, turned
from lostirq.workflow.progress import Status


@dataclass(frozen=True, slots=True)
class PatchRequest:
    """What was asked for: names of patch files (`-` is standard input), and how they are to be taken."""

    files: tuple[str, ...]
    onto: tuple[str, ...] = ()
    reverse: bool = False
    revision: str = ""
    accept_spec: bool = False
    first: bool = False
    proofs: bool = False
    behaviour: int = 0
    events: tuple[str, ...] = ()


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("file", nargs="*", metavar="FILE", help="unified diffs, mails of git format-patch, mbox "
                        "series, in order; - is standard input; none (with --base): the folder as it stands")
    parser.add_argument("--reverse", action="store_true", help="take the patches back")
    parser.add_argument("--onto", action="append", default=[], metavar="FILE",
                        help="judge on top of this patch (repeatable)")
    parser.add_argument("--base", default="", metavar="REV", help="judge on top of this git revision of the workspace")
    parser.add_argument("--accept-spec", action="store_true",
                        help="the patch may change properties and scenarios: each side is judged by its own")
    parser.add_argument("--first", action="store_true", help="stop at the first property that breaks")
    parser.add_argument("--proofs", action="store_true", help="also try the proofs on the patched model (minutes)")
    parser.add_argument("--behaviour", action="store_true",
                        help="also compare what can be seen: the sequences of events, in the scenarios that change")
    parser.add_argument("--behaviour-states", type=int, default=STATES, metavar="N",
                        help=f"in scenarios of at most so many states (default {STATES})")
    parser.add_argument("--events", default="", metavar="A,B", help="the events that are seen (default: all)")


def request(o: argparse.Namespace) -> PatchRequest:
    """Raises `UsageError`."""
    if not o.file and not o.base:
        raise UsageError("no patch given: name files, or - for standard input, or --base REV for what changed since")
    if not o.file and (o.reverse or o.onto):
        raise UsageError("--reverse and --onto need the patch that they are about")
    if [*o.file, *o.onto].count("-") > 1:
        raise UsageError("standard input can be read once only")
    if o.behaviour_states < 1 or (not o.behaviour and (o.events or o.behaviour_states != STATES)):
        raise UsageError("--events and --behaviour-states (a positive number) go with --behaviour")
    return PatchRequest(tuple(o.file), tuple(o.onto), o.reverse, o.base, o.accept_spec, o.first, o.proofs,
                        o.behaviour_states if o.behaviour else 0, tuple(x for x in o.events.split(",") if x))


def run_patch(s: Setting, wanted: PatchRequest, options: CheckOptions, standard_input: BinaryIO,
              deliver: Callable[[PatchReport], None] = lambda report: None) -> Outcome:
    """`deliver` gets what was found, after the usual text.  Raises `UsageError`, `LostirqError`."""
    started = time.monotonic()
    root: Path = s.root
    piped = patch_bytes("-", standard_input) if "-" in (*wanted.files, *wanted.onto) else b""
    onto = read_patches(wanted.onto, piped)
    patches = read_patches(wanted.files, piped)
    sides = make_sides(root, turned(patches) if wanted.reverse else patches, onto, wanted.revision)
    s.look_at_cache()
    status = Status(s.err, 0)
    asked = PatchOptions(options, wanted.accept_spec, wanted.first, wanted.proofs, wanted.behaviour, wanted.events)
    report = patch(root, sides, asked, lambda result: status.finished(result.case.label),
                   lambda case, progress: status.show(case.label, progress),
                   lambda done, total: status.at(done, total, "beyond what was asked for"))
    status.clear()
    if s.as_json:
        s.object(patch_show.to_json(report))
    elif s.speaks:
        s.lines(patch_show.lines(report))
    deliver(report)
    kept = ", from the result cache" if report.cached else ""
    s.err.write(f"time: {time.monotonic() - started:.1f} s in all{kept}\n")
    return report.outcome
