# SPDX-License-Identifier: GPL-2.0-or-later
"""Why ints are bit-vectors in the Z3 encoding: the same small theorem with both representations.

The theorem: after bit i of 256 bits was set, the highest set bit is not below i.  With a bit-vector index the shifter
and the search are bits; with an unbounded Int, Z3 has to convert to and fro.

    python -m benchmarks.encodings
"""

from __future__ import annotations

import sys
import time

import z3

from lostirq.ir import expr as x
from lostirq.ir.expr import Role, Var, bits_type, int_type
from lostirq.symbolic.encode import Encoder

WIDTH = 256


def with_bit_vectors() -> list[z3.BoolRef]:
    word = Var("word", bits_type(WIDTH), 0, Role.MEMORY)
    index = Var("index", int_type(0, WIDTH - 1), 0, Role.MEMORY)
    encoder = Encoder([word, index])
    claim = x.le(x.var(index), x.highest(x.put(x.var(word), x.var(index), x.TRUE)))
    return [*encoder.in_range(), z3.Not(encoder.term(claim))]


def with_integers() -> list[z3.BoolRef]:
    word = Var("word", bits_type(WIDTH), 0, Role.MEMORY)
    after = Var("after", bits_type(WIDTH), 0, Role.MEMORY)
    encoder = Encoder([word, after])
    index = z3.Int("index")
    mask = z3.BitVecVal(1, WIDTH) << z3.Int2BV(index, WIDTH)
    highest = z3.BV2Int(encoder.term(x.highest(x.var(after))), is_signed=True)
    changed = encoder.symbols[after] == encoder.symbols[word] | mask
    return [index >= 0, index < WIDTH, changed, z3.Not(index <= highest)]


def main() -> int:
    for label, claim in (("bit-vectors", with_bit_vectors()), ("integers", with_integers())):
        solver = z3.SolverFor("QF_BV") if label == "bit-vectors" else z3.Solver()
        solver.add(*claim)
        solver.set("timeout", 120_000)
        begin = time.perf_counter()
        answer = solver.check()
        print(f"{label}: {answer} in {time.perf_counter() - begin:.2f} s")
    return 0


if __name__ == "__main__":
    sys.exit(main())
