# SPDX-License-Identifier: GPL-2.0-or-later
"""Why an inhibit of APICv lasts until its owner lifts it, whoever else inhibits (G-5).

References: arch/x86/kvm/x86.c:__kvm_set_or_clear_apicv_inhibit.
"""

from lostirq.prelude import *
from model.state import *
from proofs.pid import *


@lemma("writer", proves="G-5, T-12")
def writer() -> bool:
    """apicv_update_lock is held for write by one thread that toggles, and then by no vCPU thread."""
    holding: Int[0, TOGGLERS] = 0
    for t in range(TOGGLERS):
        inside = function_of("toggler", t, "kvm_set_or_clear_apicv_inhibit")
        if inside and not function_of("toggler", t, "down_write_apicv_update_lock"):
            holding += 1
    alone = not kvm.apicv_update_writer or kvm.apicv_update_readers == 0
    return holding <= 1 and kvm.apicv_update_writer == (holding == 1) and alone


@lemma("kept", proves="G-5", carried_back=True)
def kept() -> bool:
    """What inhibits APICv is among the reasons, as each thread that toggles will store them."""
    return kvm.inhibits & ~kvm.apicv_inhibit_reasons == 0


@scenario(tier="proof", memory=("tso",), base=posted_interrupts_four, properties=("G-5",))
class posted_interrupts_inhibited_four:
    """Two threads that inhibit APICv, each for a reason of its own, and four vectors."""

    TOGGLERS = 2
