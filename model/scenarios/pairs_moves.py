# SPDX-License-Identifier: GPL-2.0-or-later
"""Pairs of features, in minutes each: a feature, and all that can happen to the thread of a vCPU meanwhile.

See pairs.py.
"""

from lostirq.prelude import *
from model.scenarios.pairs import *


@scenario(tier="quick", memory=("tso",))
class sender_userspace:
    """A software sender while the vCPU thread exits to userspace."""

    SENDERS = 1
    USERSPACE = True
    PCPUS = 2
    GUEST_HLT = True


@scenario(tier="standard", memory=("tso",), base=every_choice_moving)
class timer_moves:
    """The APIC timer, and all that can happen to the vCPU thread."""

    TIMERS = 1


@scenario(tier="standard", memory=("tso",), base=halting_moving)
class injection_timer_moves:
    """The same without APICv."""

    TIMERS = 1
    APICV = False


@scenario(tier="standard", memory=("tso",), base=every_choice_moving)
class toggler_moves:
    """APICv comes and goes, and all that can happen to the vCPU thread."""

    TOGGLERS = 1


@scenario(tier="standard", memory=("tso",), base=every_choice_moving)
class injection_kicker_moves:
    """A kicker without APICv, and all that can happen to the vCPU thread."""

    APICV = False
    KICKERS = 1


@scenario(tier="standard", memory=("tso",), base=halting_moving)
class injection_device_moves:
    """A device without APICv, and all that can happen to the vCPU thread."""

    APICV = False
    DEVICES = 1


@scenario(tier="standard", memory=("tso",), base=every_choice_moving)
class pv_moves:
    """The hypercall that ends a halt, and all that can happen to the vCPU thread."""

    PV_KICKERS = 1


@scenario(tier="standard", memory=("tso",), base=every_choice_moving)
class injection_pv_moves:
    """The same without APICv."""

    APICV = False
    PV_KICKERS = 1


@scenario(tier="standard", memory=("tso",))
class bypass_moves:
    """The first device is attached, and all that can happen to the vCPU thread."""

    BYPASSERS = 1
    DEVICES = 1
    USERSPACE = True
    PREEMPTION = True
    PCPUS = 2
    GUEST_CLI = True
    GUEST_STI = True


@scenario(tier="standard", memory=("tso",), base=every_choice)
class spinner_toggler:
    """Somebody spins while APICv comes and goes."""

    SPINNERS = 1
    TOGGLERS = 1
    PREEMPTION = True
