# SPDX-License-Identifier: GPL-2.0-or-later
"""The oracle's search on toy programs with known answers: each status, the memory model, and shortest traces."""

from __future__ import annotations

from collections.abc import Hashable, Iterator

import pytest

from tests.conformance.oracle_engine import BLOCKED, Go, Op, Program, Search, World, do, ld, mb, st


class Toy:
    """Agents run the programs in `starts`, all variables are 0 at first, and something is owed when `owed` is 2."""

    def __init__(self, tso: bool, starts: tuple[tuple[Hashable, ...], ...]) -> None:
        self.tso, self.starts = tso, starts
        self.agents = tuple(f"T{number}" for number in range(len(starts)))

    def initial(self) -> World:
        stacks = [((start[0], start[1:], ()),) for start in self.starts]
        places = {"x": 0, "y": 1, "owed": 2}
        return World(places, [0] * len(places), [()] * len(stacks), stacks, self.tso)

    def environment(self, here: World) -> Iterator[tuple[str, bool, World]]:
        yield from ()

    def owed(self, world: World) -> bool:
        return world["owed"] == 2

    def at_rest(self, world: World) -> bool:
        return not any(world.stacks)

    def error(self, world: World) -> str | None:
        return "seven" if world["x"] == 7 else None

    def half_of_store_buffering(self, mine: str, other: str, fenced: bool) -> Program:
        yield st(mine, 1)
        if fenced:
            yield mb("fence")
        if (yield ld(other)) == 0:
            yield do("missed", lambda w: w.set(owed=w["owed"] + 1))

    def wait(self) -> Program:
        yield do("wait", lambda w: BLOCKED)

    def spin(self) -> Program:
        yield do("spin", lambda w: w.set(owed=2, x=1 - w["x"]))
        return Go("spin")

    def count(self) -> Program:
        yield Op("add", lambda w, me, n: w.set(x=w["x"] + n), alternatives=lambda w: ((1, False), (3, True)))
        return Go("count") if (yield ld("x")) < 7 else None


@pytest.mark.parametrize(
    ("tso", "fenced", "status", "length"),
    [(False, (False, False), "safe", None), (True, (False, False), "lost", 8),
     (True, (True, False), "lost", 9), (True, (True, True), "safe", None)],
)
def test_store_buffering(tso: bool, fenced: tuple[bool, bool], status: str, length: int | None) -> None:
    """Two stores, two loads, two reports, and then the two flushes: both may miss each other under TSO alone."""
    toy = Toy(tso, (("half_of_store_buffering", "x", "y", fenced[0]), ("half_of_store_buffering", "y", "x", fenced[1])))
    outcome = Search(toy).run()
    assert (outcome.status, outcome.length) == (status, length), "\n".join(outcome.trace)


def test_deadlock() -> None:
    assert Search(Toy(False, (("wait",),))).run().status == "deadlock"


def test_livelock() -> None:
    assert Search(Toy(False, (("spin",),))).run().status == "livelock"


def test_limit_is_not_safe() -> None:
    assert Search(Toy(False, (("count",),))).run(limit=2).status == "unknown"


def test_shortest_error() -> None:
    """1 + 3 + 3 = 7 in three additions with a load after all but the last, also by moves that need not happen."""
    outcome = Search(Toy(True, (("count",),))).run()
    assert (outcome.status, outcome.length) == ("seven", 5)
