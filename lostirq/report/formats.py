# SPDX-License-Identifier: GPL-2.0-or-later
"""The renderings of a counterexample by the name of their format; each reads an account and nothing else.

To add one: a module with a function of an account that gives the text, and a line here.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable

from lostirq.evidence.account import Account

Rendering = Callable[[Account], str]

# format -> (module, function, what it is)
FORMATS: dict[str, tuple[str, str, str]] = {
    "text": ("text", "text", "a race table of 75 columns"),
    "lkml": ("mail", "mail", "a mail to a kernel list"),
    "github": ("github", "github", "an issue in GitHub Markdown"),
    "html": ("html", "html", "a page of its own, without network"),
    "json": ("", "", "the trace file, with its account"),
    "itf": ("itf", "itf", "Informal Trace Format, for Apalache, Quint and viewers"),
    "mermaid": ("mermaid", "mermaid", "a sequence diagram"),
    "perfetto": ("perfetto", "perfetto", "trace events for ui.perfetto.dev"),
    "litmus": ("litmus", "litmus", "a litmus test for herd7 and the kernel's memory model"),
    "selftest": ("selftest", "selftest", "the skeleton of a selftest"),
}


def rendering(name: str) -> Rendering:
    """The function of a format that needs only the account."""
    module, function, _ = FORMATS[name]
    found: Rendering = getattr(importlib.import_module(f"lostirq.report.{module}"), function)
    return found
