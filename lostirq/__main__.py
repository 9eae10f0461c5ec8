# SPDX-License-Identifier: GPL-2.0-or-later
"""Where the command `lostirq` begins: it loads the command line, and takes Ctrl-C from the first moment on.

Invariant: nothing but the standard library's lightest modules is loaded before an interrupt is one line and its exit
code, as later on (`lostirq.cli`).
"""

from __future__ import annotations

import contextlib
import os
import sys

INTERRUPTED = 130       # `EXIT_CODES` of lostirq.workflow.outcome, which is not loaded yet


def main() -> int:
    """Run one command; the exit code."""
    try:
        from lostirq.cli import main as run

        return run()
    except KeyboardInterrupt:
        with contextlib.suppress(OSError):      # closed by the caller
            os.write(2, b"lostirq: interrupted\n")
        return INTERRUPTED


if __name__ == "__main__":
    sys.exit(main())
