# SPDX-License-Identifier: GPL-2.0-or-later
"""A small checker of proof certificates that shares no code with the rest of lostirq.  Start at `__main__`.

    python -m lostirq.recheck SYSTEM.json CERTIFICATE.json

Read it in this order: `terms` (what a formula is), `read` (the two files), `obligations` (what must be true), `smtlib`
(how a solver is asked), `solve` (how it is run), `__main__` (the verdict).  It imports Python's standard library only;
a solver runs in a process of its own.
"""
