# SPDX-License-Identifier: GPL-2.0-or-later
"""A counterexample as a mail to a kernel list: plain text, at most 75 characters wide, ready for an editor.

Invariant: no address and no commit is invented; what the sender has to fill in stands in <angle brackets>.

References: kernel Documentation/process/submitting-patches.rst ("The canonical patch format", "Using Reported-by:...,
Fixes:"); Documentation/process/maintainer-kvm-x86.rst ("Changelog", "Testing").
"""

from __future__ import annotations

from lostirq.evidence.account import Account
from lostirq.report import summary
from lostirq.report.text import table


def mail(account: Account) -> str:
    """Headers, body and a placeholder for `Fixes:`."""
    lines = [*summary.wrapped(f"Subject: [BUG] {summary.subject(account)}", "", " "), *_recipients(account), "",
             "Hello,", ""]
    lines += summary.wrapped(
        f"a model checker (lostirq {account.configuration.tool}) finds an interleaving that violates "
        f"\"{account.claim.title or account.claim.headline}\".")
    notice = summary.notice(account)
    lines += ["", *summary.wrapped("NOTE: " + notice)] if notice else []
    lines += ["", *table(account)]
    lines += ["", "What must hold:", *summary.wrapped(summary.property_in_words(account), "  ", "  ")]
    lines += summary.wrapped(f"(from: {account.claim.source})", "  ", "   ") if account.claim.source else []
    if account.why:
        lines += ["", "Why it does not:"]
        lines += [line for r in summary.reasons(account.why) for line in summary.wrapped(r, "  - ", "    ")]
    affected = summary.functions(account)
    if affected:
        lines += ["", "Affected functions, in the order of the run:"]
        lines += summary.aligned([(f"{name}()", file) for name, file in affected])
    lines += ["", "Configuration:", *summary.aligned([*summary.configuration(account),
                                                      ("length", summary.length(account))])]
    lines += ["", "How to reproduce:", *(f"  {command}" for command in summary.reproduce(account))]
    lines += ["", *summary.wrapped(summary.assumed(account))]
    lines += ["", 'Fixes: <12 digits of the commit> ("<its subject>")', "Link: <report or discussion>", "",
              "-- ", "<your name>"]
    return "\n".join(lines) + "\n"


def _recipients(account: Account) -> list[str]:
    """Placeholders, and in a header of its own the command that names who is meant."""
    files = summary.files(account)
    hint = ["X-Maintainers: ask scripts/get_maintainer.pl", *(f" -f {f}" for f in files)] if files else []
    return ["To: <maintainers>", "Cc: <lists>", *hint]
