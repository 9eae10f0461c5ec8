# SPDX-License-Identifier: GPL-2.0-or-later
"""A line that a command says once, however many of its forks find cause for it.

Invariant: of all calls, in this process and in what it forks, one passes its line on.  The token is the single byte in
a pipe: a read takes it from all of them at once.
"""

from __future__ import annotations

import os
import weakref
from collections.abc import Callable


class Once:
    """Passes the first line on to `tell`, and no other."""

    def __init__(self, tell: Callable[[str], None]) -> None:
        self._tell = tell
        self._token, write = os.pipe()
        os.write(write, b"!")
        os.close(write)                     # a later read finds the end, and does not wait
        weakref.finalize(self, os.close, self._token)

    def __call__(self, line: str) -> None:
        if os.read(self._token, 1):
            self._tell(line)
