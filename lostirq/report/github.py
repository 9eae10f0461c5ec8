# SPDX-License-Identifier: GPL-2.0-or-later
"""A counterexample as GitHub Markdown: an issue to paste, the long parts folded.

Invariant: a text of the model cannot end a fence, open a tag or mention a user: what stands outside of fences is
escaped, and fences are longer than any run of backticks inside.
"""

from __future__ import annotations

import re

from lostirq.evidence.account import Account
from lostirq.report import summary
from lostirq.report.text import table, text


def github(account: Account) -> str:
    """Title, interleaving, property, configuration, functions, commands."""
    lines = [f"### {escaped(summary.subject(account))}", ""]
    notice = summary.notice(account)
    lines += ["> [!NOTE]", f"> {escaped(notice)}", ""] if notice else []
    lines += [f"**{escaped(account.claim.headline)}** is violated: {escaped(summary.length(account))}.", ""]
    lines += fenced(table(account))
    lines += ["", f"**What must hold.** {escaped(summary.property_in_words(account))}"]
    lines += [f"(From: {escaped(account.claim.source)})"] if account.claim.source else []
    if account.why:
        lines += ["", "**Why it does not.**", ""]
        lines += [f"- `{_code(r)}`" for r in summary.reasons(account.why)]
    affected = summary.functions(account)
    if affected:
        lines += ["", "| function | file |", "|---|---|"]
        lines += [f"| `{_code(name)}()` | `{_code(file)}` |" for name, file in affected]
    lines += ["", "| configuration | |", "|---|---|"]
    lines += [f"| {escaped(label)} | {escaped(value)} |" for label, value in summary.configuration(account)]
    lines += ["", "How to reproduce:", "", *fenced(summary.reproduce(account), "sh")]
    lines += ["", "<details><summary>Every step and every access</summary>", "",
              *fenced(text(account, full=True).splitlines()), "", "</details>", "", escaped(summary.assumed(account))]
    return "\n".join(lines) + "\n"


def escaped(text: str) -> str:
    """Words that Markdown and GitHub show as they are."""
    shown = re.sub(r"([\\`*_{}\[\]<>#|~])", r"\\\1", " ".join(text.split()))
    return shown.replace("@", "@\u200b").replace("&", "&amp;")


def fenced(lines: list[str], language: str = "") -> list[str]:
    longest = max((len(run) for line in lines for run in re.findall("`+", line)), default=0)
    fence = "`" * max(3, longest + 1)
    return [fence + language, *lines, fence]


def _code(text: str) -> str:
    """Inside of `...`, also in a table."""
    return text.replace("`", "'").replace("|", "\\|")
