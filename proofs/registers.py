# SPDX-License-Identifier: GPL-2.0-or-later
"""How far a search of the IRR has got, register by register: what the lemmas about such loops are about.

References: arch/x86/kvm/lapic.c:apic_search_irr (from the highest register down), __kvm_apic_update_irr (upwards).
"""

from lostirq.prelude import *
from model.state import *


@pure
def below(vectors: VectorSet, k: Int[-1, IRR_WORDS]) -> VectorSet:
    """The vectors of a set that are in the first k registers."""
    kept: VectorSet = vectors
    none: Bits[IRR_UNIT] = 0
    for j in range(IRR_WORDS):
        if j >= k:
            kept = insert(kept, j * IRR_UNIT, none)
    return kept


@pure
def above_register(vectors: VectorSet, k: Int[-1, IRR_WORDS]) -> VectorSet:
    """The vectors of a set that are in the registers after register k."""
    kept: VectorSet = vectors
    none: Bits[IRR_UNIT] = 0
    for j in range(IRR_WORDS):
        if j <= k:
            kept = insert(kept, j * IRR_UNIT, none)
    return kept


@pure
def updated(i: VcpuId) -> Int[-1, IRR_WORDS]:
    """The register that the update of the IRR is at; -1: it is not."""
    return turn("vcpu_thread", i, "__kvm_apic_update_irr", "i")


@pure
def searched(i: VcpuId) -> Int[-1, IRR_WORDS]:
    """The register that a search of the IRR is at; -1: it is not."""
    return turn("vcpu_thread", i, "apic_search_irr", "i")


@pure
def found_highest(i: VcpuId) -> OptVector:
    """What the update of the IRR has found so far."""
    return local("vcpu_thread", i, "__kvm_apic_update_irr", "found").max_irr
