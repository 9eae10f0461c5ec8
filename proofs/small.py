# SPDX-License-Identifier: GPL-2.0-or-later
"""Small instances of the proof scenarios, for `lostirq prove --infer`: the same code, as many words, fewer bits."""

from lostirq.prelude import *
from proofs.pid import *


@scenario(tier="sample", memory=("sc", "tso"), base=posted_interrupts_full)
class posted_interrupts_full_small:
    """posted_interrupts_full with eight vectors, two in a word of the PIR, one in a register of the IRR."""

    VECTORS = 8
    FIRST_VECTOR = 0
    PIR_WORD = 2
    IRR_WORD = 1
    CLASS_SHIFT = 1


@scenario(tier="sample", memory=("sc", "tso"), base=posted_interrupts_full_small)
class posted_interrupts_attach_small:
    """posted_interrupts_attach with eight vectors."""

    IPIV = False
    BYPASSERS = 1
