# SPDX-License-Identifier: GPL-2.0-or-later
"""A counterexample as a Mermaid sequence diagram, which GitHub and GitLab draw inside Markdown.

An arrow leads from the agent that last wrote a variable to the one that reads it; everything else is a note.

Invariants: the text of a model cannot end a line or an entity; at most `MOST` messages, then the middle is folded.

References: Mermaid documentation, "Sequence diagrams".
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from lostirq.evidence.account import Account, Step
from lostirq.report.text import MEMORIES

MOST = 60
ENDS = 25       # messages that are shown on either side of a fold


@dataclass(frozen=True, slots=True)
class _Message:
    """`source` is '' for a note over `target`."""

    source: str
    target: str
    text: str
    step: int


def mermaid(account: Account) -> str:
    """The diagram, without the fence around it."""
    ids = {column: f"A{n}" for n, column in enumerate(account.columns)}
    lines = ["sequenceDiagram", f"    %% {_plain(account.claim.headline)}"]
    memory = MEMORIES.get(account.configuration.memory, account.configuration.memory)
    lines.append(f"    %% scenario {_plain(account.configuration.scenario)}, memory model {_plain(memory)}")
    lines += [f"    participant {ids[c]} as {_plain(c)}" for c in account.columns]
    loop = account.loop if account.loop is not None else len(account.steps)
    messages = _messages(account)
    lines += _shown([m for m in messages if m.step < loop], ids, "    ")
    if account.loop is not None:
        lines += ["    loop for ever", *_shown([m for m in messages if m.step >= loop], ids, "        "), "    end"]
    if account.columns:
        lines.append(f"    Note over {ids[account.columns[0]]},{ids[account.columns[-1]]}: {_plain(account.failure)}")
    return "\n".join(lines) + "\n"


def _shown(messages: list[_Message], ids: dict[str, str], indent: str) -> list[str]:
    folded = len(messages) - 2 * ENDS if len(messages) > MOST else 0
    kept = [*messages[:ENDS], None, *messages[-ENDS:]] if folded else messages
    lines = []
    for m in kept:
        if m is None:
            first, last = messages[ENDS], messages[-ENDS - 1]
            lines.append(f"{indent}Note over {ids[first.target]}: ... steps {first.step} to {last.step}, see the text")
        elif m.source:
            lines.append(f"{indent}{ids[m.source]}-->>{ids[m.target]}: {_plain(m.text)}")
        else:
            lines.append(f"{indent}Note over {ids[m.target]}: {_plain(m.text)}")
    return lines


def _messages(account: Account) -> list[_Message]:
    """Facts in their order; those of a step that reads what another column wrote last are an arrow from it."""
    found: list[_Message] = []
    writer: dict[int, str] = {}
    for number, step in enumerate(account.steps):
        sources = dict.fromkeys(writer[s.variable] for s in step.reads if writer.get(s.variable, step.column)
                                != step.column)
        for said in step.said:
            facts = [f.text for f in said.facts if not f.minor]
            if said.minor or not facts:
                continue
            head = f"{said.function}(): " if said.function else ""
            source = next(iter(sources), "")
            told = source if source in account.columns else ""
            found.append(_Message(told, said.column, head + "; ".join(facts), number))
            sources = {}
        _wrote(step, writer)
    return found


def _wrote(step: Step, writer: dict[int, str]) -> None:
    for seen in step.writes:
        if not seen.buffered:
            writer[seen.variable] = step.column


def _plain(text: str) -> str:
    """One line, in which the characters that Mermaid takes for its own are entities."""
    return re.sub(r"[#;<>%]", lambda found: f"#{ord(found.group())};", re.sub(r"\s+", " ", text))
