# SPDX-License-Identifier: GPL-2.0-or-later
"""Which stores are buffered is no matter of meaning: the outcomes are those of a machine that buffers all of them.

The front end lets a plain store act at once where no process can tell.  Here the same text is compiled with every plain
store buffered, the buffer taken for filled everywhere, and room for all; random processes share, leave and enter CPUs.
"""

from __future__ import annotations

from random import Random

import pytest

from lostirq.ir.system import Memory, System
from lostirq.language import buffers
from tests.unit.language import compiled, outcomes

REGISTERS = tuple(f"r{n}" for n in range(4))
OBSERVED = "x", "y", "w.a", "w.b", *REGISTERS

DECLARATIONS = "\n".join((
    "w: Packed(a=bool, b=bool)",
    "own: Array[Int[0, 2], 3]",
    "on: Array[bool, 2]",
    "where: Int[0, 1]",
    "masked: bool",
    "given: Ghost[bool]",
    *(f"{name}: Int[0, 3]" for name in ("x", "y", *REGISTERS)),
    "@initial",
    "def start():",
    "    on[0] = True",
    "",
))
KEPT = "".join(f'\n@invariant("{v}")\ndef k{n}() -> bool:\n    return {v} != {o}\n' for n, (v, o) in enumerate(
    [*((v, "3") for v in ("x", "y", *REGISTERS)), ("w.a", "w.b")]))

DECORATORS = {
    "same": "@thread(cpu=lambda: 0)",
    "first": "@thread(cpu=lambda: 0, holds=lambda: on[0])",
    "second": "@thread(cpu=lambda: 0, holds=lambda: on[1])",
    "giver": "@thread(cpu=lambda: 0, holds=lambda: not given)",
    "taker": "@thread(cpu=lambda: 0, holds=lambda: given)",
    "moved": "@thread(cpu=lambda: where)",
    "other": "@thread(cpu=lambda: 1)",
    "scheduler": "@scheduler(cpu=lambda: 0)",
    "handler": "@handler(cpu=lambda: 0, masked=lambda: masked)",
    "hardware": "@hardware",
}
ENDS = {
    "first": (("on[1] = True", "on[0] = False"), ("with atomic():", "    on[1] = True", "    on[0] = False"),
              ("drain()", "on[1] = True"), ("on[1] = True",)),
    "giver": (("step()", "given = True"), ("drain()", "given = True")),   # a ghost is written in the step before
    "moved": ((), ("where = 1",)),
    "scheduler": ((), ("on[1] = True",), ("step()", "given = True")),
    "other": ((), ("with atomic():", "    on[0] = False", "    on[1] = True"), ("with atomic():", "    where = 1")),
    "hardware": (("where = 1",), ("on[1] = True",)),
}


def process(random: Random, kind: str, number: int, registers: list[str]) -> str:
    """A process of some operations, each with a register of its own for what it loads."""
    body: list[str] = []
    for _ in range(random.randint(1, 3)):
        place, value = random.choice("xy"), random.randint(1, 2)
        what = random.choice(("store", "store", "store", "load", "load", "fence", "locked", "atomic", "field"))
        if what == "load" and registers:
            body.append(f"{registers.pop(0)} = {place}")
        elif what in ("fence", "locked", "atomic") and kind != "hardware":
            body += {"fence": ["smp_mb()"], "locked": [f"lock_set(own[{number}], 1)"],
                     "atomic": ["with atomic():", f"    own[{number}] = 2"]}[what]
        elif what == "field":
            body.append(f"w.{random.choice('ab')} = True")
        else:
            body.append(f"{place} = {value}")
    body += random.choice(ENDS.get(kind, ((),)))
    if kind == "handler":
        body = ["while True:", "    wait(y == 1)", *(f"    {line}" for line in [*body, "y = 0"])]
    return "\n".join((DECORATORS[kind], f"def p{number}():", *(f"    {line}" for line in body), ""))


def model(random: Random) -> str:
    """Two or three processes, and an observer on a CPU of its own that tells the order of what they do."""
    usual = ["same", "same", "moved", "other", "scheduler", "handler", "hardware"]
    kinds = random.choice(([], ["same"], ["moved"], ["first", "second"], ["first", "second"], ["giver", "taker"]))
    kinds = kinds + random.choices(usual, k=random.randint(2, 3) - len(kinds))
    registers = list(REGISTERS[2:])
    processes = [process(random, kind, n, registers) for n, kind in enumerate(kinds)]
    seen = random.choice((("y = 1", "smp_mb()", "r0 = x"), ("x = 1", "smp_mb()", "r0 = y"), ("r0 = y", "r1 = x"),
                          ("r0 = x", "r1 = y")))
    processes.append("\n".join(("@thread", "def observer():", *(f"    {line}" for line in seen), "")))
    return DECLARATIONS + "\n".join(processes) + KEPT


def all_buffered(text: str, monkeypatch: pytest.MonkeyPatch) -> System:
    def mark(flow: buffers.Flow, everywhere: bool) -> None:
        for node in flow.nodes:
            node.buffered = flow.candidate(node)
        flow.filled = {node.index for node in flow.nodes}

    with monkeypatch.context() as patch:
        patch.setattr(buffers.Flow, "mark", mark)
        patch.setattr(buffers, "capacity", lambda *_: 6)
        return compiled(text, Memory.TSO)


@pytest.mark.parametrize("seed", range(8))
def test_outcomes_are_those_with_every_store_buffered(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    random = Random(seed)
    for n in range(25):
        text = model(random)
        found, full = compiled(text, Memory.TSO), all_buffered(text, monkeypatch)
        kept = [v for v in OBSERVED if all(v in {x.name for x in s.variables} for s in (found, full))]
        assert outcomes(found, *kept) == outcomes(full, *kept), f"the {n}-th model of seed {seed}:\n{text}"
