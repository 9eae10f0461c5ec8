# SPDX-License-Identifier: GPL-2.0-or-later
"""The command `lostirq explore`: serve until Ctrl-C.

Invariants: as in `lostirq.workflow.commands`.
"""

from __future__ import annotations

from lostirq.workflow.commands import Setting
from lostirq.workflow.explore_server import opened
from lostirq.workflow.outcome import Outcome


def run_explore(s: Setting, subject: str, port: int) -> Outcome:
    """Print the address, and answer until somebody presses Ctrl-C.  Raises `UsageError`, `ModelErrors`."""
    server, url = opened(s.root, s.cache, subject, port)
    if s.as_json:
        s.object({"format": "lostirq-explore", "version": 1, "url": url})
    else:
        s.lines([url])
    s.out.flush()
    s.err.write("open this address in a browser on this machine; Ctrl-C ends it\n")
    try:
        server.serve()
    except KeyboardInterrupt:
        s.err.write("\n")
    return Outcome.HOLDS
