# SPDX-License-Identifier: GPL-2.0-or-later
"""How random examples are drawn: the same in every run of `make test`, anew in each `make test-slow`.

`make test-slow` prints the seed and passes it on (`--hypothesis-profile anew --hypothesis-seed N`); with the same seed
each test draws the same examples again.  No data base: nothing of an earlier run decides what is drawn.

Tests of Ctrl-C need a SIGINT that is not ignored, as it is in what a shell runs in the background.
"""

from __future__ import annotations

import signal

from hypothesis import settings

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

settings.register_profile("same", derandomize=True, database=None)
settings.register_profile("anew", derandomize=False, database=None)
settings.load_profile("same")
