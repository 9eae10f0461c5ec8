# SPDX-License-Identifier: GPL-2.0-or-later
"""How random examples are drawn: the same in every run of `make test`, anew in each `make test-slow`.

`make test-slow` prints the seed and passes it on (`--hypothesis-profile anew --hypothesis-seed N`); with the same seed
each test draws the same examples again.  No data base: nothing of an earlier run decides what is drawn.
"""

from __future__ import annotations

from hypothesis import settings

settings.register_profile("same", derandomize=True, database=None)
settings.register_profile("anew", derandomize=False, database=None)
settings.load_profile("same")
