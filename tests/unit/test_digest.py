# SPDX-License-Identifier: GPL-2.0-or-later
"""JSON form and digest: nothing is lost, and only what has meaning counts."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from lostirq.ir.digest import FormatError, canonical, digest, from_json, to_json
from lostirq.ir.system import Memory, System
from tests.unit.language import compiled

TEXT = """
class Mode(Enum):
    OFF = 0
    ON = 1

class Desc(Struct):
    bits: Words[5, 2]
    control: Packed(on=bool, cpu=Int[1, 2])
    mode: Mode
    ipi: Message[bool]

desc: Desc
seen: Ghost[Int[0, 3]]

@thread(over=2, symmetric=True)
def sender(i: Int[0, 1]):
    while True:
        idle()
        v = choose(0, 4)
        if not test_and_set_bit(desc.bits, v):   # a comment
            event("accept", v)
        desc.mode = Mode.ON
        if desc.control.on:
            seen = 1

@hardware()
def device():
    while True:
        with atomic():
            wait(desc.mode == Mode.ON)
            desc.control.on = not desc.control.on
            desc.control.cpu = 2
            desc.mode = Mode.OFF
            desc.ipi = bits(desc.bits) != 0 and highest(bits(desc.bits)) > 1

@invariant("I")
def invariant_of() -> bool:
    return desc.control.cpu == 1 or seen < 3 or quiet()

@step_property("S", over=5)
def step_of(v: Int[0, 4]) -> bool:
    return old(test_bit(desc.bits, v)) or not test_bit(desc.bits, v) or occurs("accept", v)
"""


def system(text: str = TEXT, memory: Memory = Memory.TSO) -> System:
    return compiled(text, memory)


@pytest.mark.parametrize("memory", list(Memory))
def test_nothing_is_lost(memory: Memory) -> None:
    first = system(memory=memory)
    again = from_json(json.loads(json.dumps(to_json(first))))
    assert again == first
    assert digest(again) == digest(first)


@pytest.mark.parametrize(
    "changed",
    [
        TEXT.replace("# a comment", "# another comment"),
        "\n\n" + TEXT,
        TEXT.replace("desc", "descriptor"),
        TEXT.replace("sender", "poster"),
        TEXT.replace("OFF", "DISABLED"),
    ],
    ids=["comment", "lines", "variables", "processes", "enumerators"],
)
def test_names_and_places_do_not_count(changed: str) -> None:
    assert digest(system(changed)) == digest(system())


@pytest.mark.parametrize(
    "changed",
    [
        TEXT.replace("wait(desc.mode == Mode.ON)", "wait(desc.mode != Mode.ON)"),
        TEXT.replace("Words[5, 2]", "Words[5, 3]"),
        TEXT.replace("cpu=Int[1, 2]", "cpu=Int[1, 3]"),
        TEXT.replace("        idle()\n", ""),
        TEXT.replace("        idle()\n", "        strong()\n"),
        TEXT.replace(", symmetric=True", ""),
        TEXT.replace('event("accept", v)', 'event("accept", v); event("more")'),
        TEXT.replace("Message[bool]", "bool"),
        TEXT.replace("over=2", "over=1"),
        TEXT.replace("desc.mode = Mode.ON\n        if", "lock_set(desc.mode, Mode.ON)\n        if"),
        TEXT.replace("seen < 3", "seen < 2"),
        TEXT.replace("@thread", "@hardware"),
    ],
    ids=[
        "guard",
        "words",
        "type",
        "rest",
        "fairness",
        "symmetry",
        "event",
        "message",
        "size",
        "locked",
        "formula",
        "sort",
    ],
)
def test_meaning_counts(changed: str) -> None:
    assert changed != TEXT
    assert digest(system(changed)) != digest(system())


def test_memory_models_differ() -> None:
    assert digest(system(memory=Memory.SC)) != digest(system())


def test_properties_may_be_left_out_of_the_digest() -> None:
    changed = system(TEXT.replace("seen < 3", "seen < 2"))
    assert digest(changed, properties=False) == digest(system(), properties=False)


def test_the_digest_is_the_same_in_every_run() -> None:
    """It depends on no hash order and no address."""
    code = "from tests.unit.test_digest import *; print(digest(system()))"
    runs = [
        subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, check=True, env={"PYTHONHASHSEED": seed}
        )
        for seed in ("1", "2")
    ]
    assert {r.stdout.strip() for r in runs} == {digest(system())}
    assert canonical(system()) == canonical(system())


@pytest.mark.parametrize("broken", [{}, {"format": 2}, {"format": 1}, {"format": 1, "variables": [1]}])
def test_what_is_no_system_is_refused(broken: dict[str, object]) -> None:
    with pytest.raises(FormatError):
        from_json(broken)


def test_a_truncated_system_is_refused() -> None:
    data = to_json(system())
    data["expressions"] = data["expressions"][:-1]  # type: ignore[index]  # a list
    with pytest.raises(FormatError):
        from_json(data)
