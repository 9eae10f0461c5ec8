# SPDX-License-Identifier: GPL-2.0-or-later
"""A counterexample as the skeleton of a test for the project that the model mirrors, from a template of the workspace.

The template has fields between at signs: @claim@, @table@, @functions@, and @guests@ (how many columns the guest runs).
What stands between the lines @each@ and @end@ is repeated for each other column, with the fields @column@, @name@ and
@steps@, which are comments of C.

Invariants: the text of a model cannot leave a comment; an unknown field is an error.
"""

from __future__ import annotations

import re

from lostirq.errors import UsageError
from lostirq.evidence.account import Account
from lostirq.report import summary
from lostirq.report.text import legend, table

WIDTH = 68      # of a comment behind a tab
_FIELD = re.compile(r"@(\w+)@")
_EACH = re.compile(r"^@each@\n(.*?)^@end@\n", re.DOTALL | re.MULTILINE)


def selftest(account: Account, template: str, guest: str) -> str:
    """The template filled in; `guest` is how the columns begin that the guest runs.  Raises `UsageError`."""
    ours = [c for c in account.columns if guest and c.startswith(guest)]
    others = [c for c in account.columns if c not in ours] or ["host"]
    functions = [f" *   {name}() in {file}" for name, file in summary.functions(account)]
    values = {
        "claim": _comment(account.claim.headline),
        "table": "\n".join(f" * {_comment(line)}".rstrip() for line in [*legend(account), "", *table(account)]),
        "functions": "\n".join(map(_comment, functions)) or " *   (none is named)",
        "guests": str(max(1, len(ours))),
    }
    agents = [{"column": _comment(c), "name": re.sub(r"\W+", "_", c, flags=re.ASCII).strip("_").lower(),
               "steps": "\n".join(_steps(account, c))} for c in others]
    expanded = _EACH.sub(lambda block: "".join(_filled(block.group(1), values | a) for a in agents), template)
    return _filled(expanded, values)


def _filled(template: str, values: dict[str, str]) -> str:
    def value(found: re.Match[str]) -> str:
        if found.group(1) not in values:
            raise UsageError(f"the skeleton has an unknown field @{found.group(1)}@; known are {', '.join(values)}")
        return values[found.group(1)]

    return _FIELD.sub(value, template)


def _comment(text: str) -> str:
    """Without what ends or begins a comment, or looks like a field."""
    return text.replace("*/", "* /").replace("/*", "/ *").replace("@", "(at)")


def _steps(account: Account, column: str) -> list[str]:
    """What a column does, and where it has to wait for another."""
    lines: list[str] = []
    before = ""
    for number, step in enumerate(account.steps):
        for said in step.said:
            facts = [f.text for f in said.facts if not f.minor]
            if said.minor or not facts:
                continue
            if said.column != column:
                before = said.column
                continue
            if before:
                lines.append(f"\t/* FILL IN: only after {_comment(before)} did what stands above step {number} */")
                before = ""
            head = f"{said.function}(): " if said.function else ""
            lines += [f"\t/* {line} */" for line in summary.wrapped(_comment(head + "; ".join(facts)), "", "  ", WIDTH)]
    return lines or ["\t/* FILL IN: what happens here */"]
