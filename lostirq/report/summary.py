# SPDX-License-Identifier: GPL-2.0-or-later
"""What every report says about a counterexample beside the interleaving: property, configuration, functions, commands.

Invariant: nothing is invented: addresses, commits and versions that an account does not have are left to the sender.
"""

from __future__ import annotations

import shlex
import textwrap

from lostirq.evidence.account import PATH, Account, Reason
from lostirq.report.text import MEMORIES, WIDTH, count, numbering

MOST_REASONS = 12


def subject(account: Account) -> str:
    """One line that names the project and what is violated, or what is shown of a path that violates nothing."""
    claim, prefix = account.claim, account.configuration.subject
    said = "" if claim.form == PATH else "violated: "
    return f"{prefix}: {said}{claim.title or claim.headline}" if prefix else f"{said}{claim.headline}"


def property_in_words(account: Account) -> str:
    claim = account.claim
    return " ".join((claim.statement or claim.title or claim.headline).split())


def notice(account: Account) -> str:
    """What a reader has to know before taking this for a bug of the code as it is; '' if nothing."""
    c = account.configuration
    if c.bug:
        return (f"The model was changed on purpose: it carries the known bug '{c.bug}'. The model as it is does not "
                "have this run.")
    said = ["it carries the patches that stand in the trace file"] if c.patched else []
    if c.edited:
        named = c.edited if len(c.edited) < 4 else (*c.edited[:2], count(len(c.edited) - 2, "more file"))
        said.append(f"{', '.join(named)} {'differs' if len(c.edited) == 1 else 'differ'} from lostirq {c.tool}")
    return f"The model was changed: {'; '.join(said)}." if said else ""


def configuration(account: Account) -> list[tuple[str, str]]:
    """Labels and values."""
    c = account.configuration
    rows = [("tool", f"lostirq {c.tool}")]
    rows += [("mirrors", f"kernel {c.kernel}")] if c.kernel else []
    rows += [("model", f"digest {c.digest[:12]}"), ("scenario", c.scenario),
             ("memory model", MEMORIES.get(c.memory, c.memory))]
    bounds = [f"{k}={v}" for k, v in sorted(c.parameters.items()) if v]
    rows += [("bounds", ", ".join([*bounds, "all others 0"]))] if c.parameters else []
    rows += [("vectors", numbering(account))] if numbering(account) else []
    rows += [("changed", ", ".join(f"{k}={v}" for k, v in sorted(c.overrides.items())))] if c.overrides else []
    rows += [("left out", ", ".join(c.dropped))] if c.dropped else []
    rows += [("note", note) for note in c.notes]
    return rows


def functions(account: Account) -> list[tuple[str, str]]:
    """What the functions of the run mirror, in the order in which they come in: (function, file).  Those that say
    nothing in a short report are left out: whoever maintains interrupt flags or SRCU has no part in the race."""
    told = [said.kernel for step in account.steps for said in step.said
            if not said.minor and any(not f.minor for f in said.facts)]
    found: dict[tuple[str, str], None] = {}
    for mirrored in told if any(told) else [step.kernel for step in account.steps]:
        file, _, name = mirrored.partition(":")
        if name:
            found.setdefault((name, file))
    return list(found)


def files(account: Account) -> list[str]:
    """The files of `functions`, each once."""
    return list(dict.fromkeys(file for _, file in functions(account)))


def length(account: Account) -> str:
    if account.loop is not None:
        repeated = len(account.steps) - account.loop
        then = f"{repeated} that repeat{'s' if repeated == 1 else ''} for ever" if repeated else "nothing for ever"
        return f"{count(account.loop, 'step')}, then {then}"
    best = " (no shorter run does it)" if account.minimal else ""
    return f"{count(len(account.steps), 'step')}, {count(account.switches, 'change')} of agent{best}"


def reproduce(account: Account) -> list[str]:
    """The commands that find the run again."""
    c = account.configuration
    if c.bug:
        return [f"lostirq bugs {shlex.quote(c.bug)}", f"lostirq explain {shlex.quote(c.bug)} --full"]
    words = ["lostirq", "check", "--scenario", c.scenario, "--property", account.claim.id, "--memory", c.memory]
    for name, value in sorted(c.overrides.items()):
        words += ["--set", f"{name}={value}"]
    return [shlex.join(words), "lostirq explain last --full"]


def reasons(why: tuple[Reason, ...]) -> list[str]:
    """The failing part of a property, one line per condition."""
    rows = [f"{r.text} ({', '.join(r.values)})" if r.values else r.text for r in why[:MOST_REASONS]]
    return rows + ([f"and {len(why) - MOST_REASONS} more"] if len(why) > MOST_REASONS else [])


def assumed(account: Account) -> str:
    replayed = ("The run stands here as it was recorded: nobody replayed it on a model for this report."
                if account.configuration.recorded else "The run was replayed by an interpreter on the model.")
    return (f"{replayed} The model is not the code: please check the steps "
            "against the functions above before acting on it. Reordering by the compiler is assumed absent.")


def wrapped(text: str, first: str = "", then: str = "", width: int = WIDTH) -> list[str]:
    """A paragraph at most `width` wide."""
    return textwrap.wrap(text, width, initial_indent=first, subsequent_indent=then, break_long_words=False,
                         break_on_hyphens=False) or [""]


def aligned(rows: list[tuple[str, str]], indent: str = "  ") -> list[str]:
    """Two columns; the second is wrapped."""
    width = max((len(a) for a, _ in rows), default=0)
    lines: list[str] = []
    for label, value in rows:
        lead = f"{indent}{label:<{width}}  "
        lines += [line.rstrip() for line in wrapped(value, lead, " " * len(lead))]
    return lines
