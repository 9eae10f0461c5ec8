# SPDX-License-Identifier: GPL-2.0-or-later
"""What the counting ghosts count: who stands in a window of a delivery.

References: model/state.py:Underway.
"""

from lostirq.prelude import *
from model.state import *
from properties.views import *


@pure
def in_window_post() -> Int[0, AGENTS]:
    """How many agents stand between a PIR bit and ON."""
    found: Int[0, AGENTS] = sum(within("sender", s, "post") for s in range(SENDERS))
    found += sum(within("ipiv_sender", s, "post") for s in range(SENDING_VCPUS))
    return found + sum(within("vcpu_thread", i, "post") for i in range(VCPUS))


@pure
def in_window_notify() -> Int[0, AGENTS]:
    """How many agents stand between ON and the notification."""
    found: Int[0, AGENTS] = sum(within("sender", s, "notify") for s in range(SENDERS))
    found += sum(within("ipiv_sender", s, "notify") for s in range(SENDING_VCPUS))
    found += sum(within("device", d, "notify") for d in range(DEVICES))
    return found + sum(within("vcpu_thread", i, "notify") for i in range(VCPUS))


@pure
def in_window_set_irr() -> Int[0, AGENTS]:
    """How many agents stand between an IRR bit and irr_pending."""
    found: Int[0, AGENTS] = sum(within("sender", s, "set_irr") for s in range(SENDERS))
    return found + sum(within("vcpu_thread", i, "set_irr") for i in range(VCPUS))


@pure
def in_window_kick() -> Int[0, AGENTS]:
    """How many agents stand between an IRR bit that is announced and the end of the kick."""
    found: Int[0, AGENTS] = sum(within("sender", s, "kick") for s in range(SENDERS))
    return found + sum(within("vcpu_thread", i, "kick") for i in range(VCPUS))


@lemma("underway", proves="Q-7, Q-6, Q-3, Q-4, Q-5, Q-1, T-5, T-9, T-9c, T-16, S-1, G-1, G-2", over=VCPUS)
def underway_counts(i: VcpuId) -> bool:
    """With one vCPU, each counter is the number of agents in the window of its name (so no counter overflows)."""
    counts = vcpus[i].underway
    exact = counts.post == in_window_post() and counts.notify == in_window_notify()
    return VCPUS > 1 or (exact and counts.set_irr == in_window_set_irr() and counts.kick == in_window_kick())
