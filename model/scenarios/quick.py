# SPDX-License-Identifier: GPL-2.0-or-later
"""Scenarios that are exhausted in seconds each; `make check` runs them all."""

from lostirq.prelude import *


@scenario(tier="quick", memory=("sc", "tso"))
class sender_halt:
    """A software sender and a vCPU that halts."""

    SENDERS = 1
    GUEST_HLT = True


@scenario(tier="quick", memory=("sc", "tso"))
class device_halt:
    """An assigned device and a vCPU that halts."""

    DEVICES = 1
    GUEST_HLT = True
