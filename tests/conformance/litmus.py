# SPDX-License-Identifier: GPL-2.0-or-later
"""x86 litmus tests as model sources, with the verdicts that are published for x86-TSO.

References: Sewell, Sarkar, Owens, Zappa Nardelli and Myreen 2010, "x86-TSO: a rigorous and usable programmer's model
for x86 multiprocessors" (SB, n6, IRIW, n5, n4b, RWC); Owens, Sarkar and Sewell 2009 (iwp2.4); Maranget, Sarkar and
Sewell 2012, "A Tutorial Introduction to the ARM and POWER Relaxed Memory Models" (MP, LB, 2+2W, R, S, WRC).
"""

from __future__ import annotations

from dataclasses import dataclass

from lostirq.ir.system import Memory, System
from tests.conformance.models import compiled

# One instruction of a thread, as a statement of the language: the variables are x and y, the registers r0, r1, ...
Threads = tuple[tuple[str, ...], ...]


@dataclass(frozen=True)
class Litmus:
    """`outcome`: the final condition; `sc`, `tso`: whether it can be observed."""

    name: str
    threads: Threads
    outcome: str
    sc: bool
    tso: bool


def store_buffering(fence: str = "") -> Threads:
    between = (fence,) if fence else ()
    return ("x = 1", *between, "r0 = y"), ("y = 1", *between, "r1 = x")


LITMUS = (
    Litmus("SB", store_buffering(), "r0 == 0 and r1 == 0", False, True),
    Litmus("SB with fences", store_buffering("smp_mb()"), "r0 == 0 and r1 == 0", False, False),
    Litmus("SB with one fence", (store_buffering("smp_mb()")[0], store_buffering()[1]),
           "r0 == 0 and r1 == 0", False, True),
    Litmus("SB with write barriers", store_buffering("smp_wmb()"), "r0 == 0 and r1 == 0", False, True),
    Litmus("SB with locked operations", (("xchg(x, 1)", "r0 = y"), ("xchg(y, 1)", "r1 = x")),
           "r0 == 0 and r1 == 0", False, False),
    Litmus("SB with locked operations elsewhere",
           (("x = 1", "set_bit(z, 0)", "r0 = y"), ("y = 1", "set_bit(z, 1)", "r1 = x")),
           "r0 == 0 and r1 == 0", False, False),
    Litmus("SB with store and locked operation", (("lock_set(x, 1)", "r0 = y"), ("y = 1", "r1 = x")),
           "r0 == 0 and r1 == 0", False, True),
    Litmus("MP", (("x = 1", "y = 1"), ("r0 = y", "r1 = x")), "r0 == 1 and r1 == 0", False, False),
    Litmus("LB", (("r0 = x", "y = 1"), ("r1 = y", "x = 1")), "r0 == 1 and r1 == 1", False, False),
    Litmus("IRIW", (("x = 1",), ("y = 1",), ("r0 = x", "r1 = y"), ("r2 = y", "r3 = x")),
           "r0 == 1 and r1 == 0 and r2 == 1 and r3 == 0", False, False),
    Litmus("2+2W", (("x = 1", "y = 2"), ("y = 1", "x = 2")), "x == 1 and y == 1", False, False),
    Litmus("R", (("x = 1", "y = 1"), ("y = 2", "r0 = x")), "y == 2 and r0 == 0", False, True),
    Litmus("R with fences", (("x = 1", "smp_mb()", "y = 1"), ("y = 2", "smp_mb()", "r0 = x")),
           "y == 2 and r0 == 0", False, False),
    Litmus("S", (("x = 2", "y = 1"), ("r0 = y", "x = 1")), "r0 == 1 and x == 2", False, False),
    Litmus("n6", (("x = 1", "r0 = x", "r1 = y"), ("y = 2", "x = 2")), "r0 == 1 and r1 == 0 and x == 1", False, True),
    Litmus("n5", (("x = 1", "r0 = x"), ("x = 2", "r1 = x")), "r0 == 2 and r1 == 1", False, False),
    Litmus("n4b", (("r0 = x", "x = 1"), ("r1 = x", "x = 2")), "r0 == 2 and r1 == 1", False, False),
    Litmus("iwp2.4", (("x = 1", "r0 = x", "r1 = y"), ("y = 1", "r2 = y", "r3 = x")),
           "r0 == 1 and r1 == 0 and r2 == 1 and r3 == 0", False, True),
    Litmus("RWC", (("x = 1",), ("r0 = x", "r1 = y"), ("y = 1", "r2 = x")),
           "r0 == 1 and r1 == 0 and r2 == 0", False, True),
    Litmus("RWC with a fence", (("x = 1",), ("r0 = x", "r1 = y"), ("y = 1", "smp_mb()", "r2 = x")),
           "r0 == 1 and r1 == 0 and r2 == 0", False, False),
    Litmus("WRC", (("x = 1",), ("r0 = x", "y = 1"), ("r1 = y", "r2 = x")),
           "r0 == 1 and r1 == 1 and r2 == 0", False, False),
    Litmus("CoRR", (("x = 1",), ("r0 = x", "r1 = x")), "r0 == 1 and r1 == 0", False, False),
    Litmus("SB in either order", store_buffering(), "r0 == 1 and r1 == 1", True, True),
)
REGISTERS = 4


def source(threads: Threads) -> str:
    """The model: registers are private, so that an instruction is one step."""
    lines = ["x: Int[0, 2]", "y: Int[0, 2]", "z: Bits[2]", *(f"r{i}: Int[0, 2]" for i in range(REGISTERS))]
    for i, thread in enumerate(threads):
        lines += ["", "@thread", f"def t{i}():", *(f"    {s}" for s in thread)]
    return "\n".join(lines) + "\n"


def final(threads: Threads, condition: str) -> str:
    """A witness: all threads have ended, the buffers are empty, and the condition holds."""
    ended = " and ".join(f'at_rest("t{i}")' for i in range(len(threads)))
    return (
        '@reachable("outcome", source="litmus")\ndef outcome() -> bool:\n    """The outcome."""\n'
        f"    return {ended} and buffers_empty() and {condition}\n"
    )


def system(test: Litmus, memory: Memory) -> System:
    return compiled(source(test.threads), final(test.threads, test.outcome), memory)
