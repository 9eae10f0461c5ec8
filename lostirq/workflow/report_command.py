# SPDX-License-Identifier: GPL-2.0-or-later
"""The commands `lostirq report` and `lostirq explain`: their arguments, their run, what they print.

Invariants: as in `lostirq.workflow.commands`.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path

from lostirq.errors import UsageError
from lostirq.evidence.records import encode
from lostirq.evidence.trace_file import write_text
from lostirq.report.formats import FORMATS
from lostirq.workflow.commands import Setting
from lostirq.workflow.counterexample import Counterexample, find
from lostirq.workflow.explain import explain
from lostirq.workflow.inspect import disabled, disabled_text, position, show, show_text, why
from lostirq.workflow.outcome import Outcome
from lostirq.workflow.report import Request, report

EVERYONE = "*"


@dataclass(frozen=True, slots=True)
class Question:
    """What `explain` was asked: `agent` None if nobody asks what is blocked; `at` a state, None for the last."""

    subject: str
    full: bool = False
    why: bool = False
    at: int | None = None
    agent: str | None = None
    show: str | None = None


def add_explain_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("subject", help="a trace file, a known bug, `last`, a property or a scenario")
    parser.add_argument("--full", action="store_true", help="every step and every access")
    parser.add_argument("--why", action="store_true", help="the failing part of the property, with its values")
    parser.add_argument("--at", type=_number, metavar="N",
                        help="with --disabled: the state after N steps (default: the last)")
    parser.add_argument("--disabled", nargs="?", const=EVERYONE, metavar="AGENT",
                        help="what each agent (or this one) could do next, and what blocks it")
    parser.add_argument("--show", metavar="EXPRESSIONS", help="the values of expressions in every state")


def add_report_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("subject", help="a trace file, a known bug or `last`")
    parser.add_argument("--format", default="text", metavar="FORMAT",
                        help="; ".join(f"{name}: {what}" for name, (_, _, what) in FORMATS.items()))
    parser.add_argument("-o", "--output", type=Path, metavar="FILE")
    parser.add_argument("--kernel", type=Path, metavar="DIR",
                        help="compile the skeleton of a selftest against this tree")
    parser.add_argument("--as-recorded", action="store_true",
                        help="what stands in the file, without replaying it on the model")


def _number(word: str) -> int:
    if not word.isdecimal():
        raise UsageError(f"--at {word}: give the number of a state: 0 is the initial one")
    return int(word)


def question(o: argparse.Namespace) -> Question:
    if o.at is not None and o.disabled is None:
        raise UsageError("--at needs --disabled: it says in which state")
    return Question(o.subject, o.full, o.why, o.at, o.disabled, o.show)


def request(o: argparse.Namespace) -> Request:
    return Request(o.subject, o.format, o.kernel, o.as_recorded)


def run_explain(s: Setting, q: Question) -> Outcome:
    if not (q.why or q.agent is not None or q.show is not None):
        found = explain(s.root, q.subject, s.cache, full=q.full)
        if s.as_json:
            s.object({"format": "lostirq-explain", "version": 1, "kind": found.kind, "name": found.name,
                      "text": found.text})
        else:
            s.out.write(found.text)
        return Outcome.HOLDS
    ce = find(s.root, q.subject, s.cache)
    answers = [_why(ce)] if q.why else []
    answers += [_disabled(ce, q)] if q.agent is not None else []
    answers += [_show(ce, q.show)] if q.show is not None else []
    if s.as_json:
        data = {k: v for _, parts in answers for k, v in parts.items()}
        s.object({"format": "lostirq-explain", "version": 1, "kind": "trace", "name": q.subject,
                  "text": "\n".join(text for text, _ in answers), **data})
    else:
        s.out.write("\n".join(text for text, _ in answers))
    return Outcome.HOLDS


def _why(ce: Counterexample) -> tuple[str, dict[str, object]]:
    return why(ce), {"why": encode(ce.account.why)}


def _disabled(ce: Counterexample, q: Question) -> tuple[str, dict[str, object]]:
    at = position(ce, q.at)
    found = disabled(ce, at, "" if q.agent == EVERYONE else q.agent or "")
    return disabled_text(found, at), {"state": at, "steps": [
        {"agent": b.agent, "column": b.column, "step": b.step, "enabled": not b.why, "why": encode(b.why)}
        for b in found]}


def _show(ce: Counterexample, text: str) -> tuple[str, dict[str, object]]:
    asked, rows = show(ce, text)
    return show_text(asked, rows), {"expressions": [a.text for a in asked], "states": [
        {"state": r.state, "step": r.step, "values": list(r.values)} for r in rows]}


def run_report(s: Setting, wanted: Request, output: Path | None) -> Outcome:
    text = report(s.root, wanted, s.cache)
    if output is not None:
        write_text(output, text)
    elif s.as_json:
        s.object({"format": "lostirq-report", "version": 1, "to": wanted.format, "subject": wanted.subject,
                  "text": text})
    else:
        s.out.write(text)
    return Outcome.HOLDS
