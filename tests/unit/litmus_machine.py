# SPDX-License-Identifier: GPL-2.0-or-later
"""A reader and an executor of the litmus tests that we write, independent of the checker: which outcomes are possible?

Machines: sequential consistency, and x86-TSO (a FIFO store buffer per thread, drained by locked operations and full
barriers).  What is not understood is an error.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

State = tuple[tuple[int, ...], tuple[tuple[tuple[str, int], ...], ...], tuple[tuple[str, int], ...]]
Op = tuple[str, str, str, int]      # kind, register, word, value

_LINES = {
    "mb": re.compile(r"smp_mb\(\);"),
    "write": re.compile(r"WRITE_ONCE\(\*(?P<word>\w+), (?P<value>\d+)\);"),
    "release": re.compile(r"smp_store_release\((?P<word>\w+), (?P<value>\d+)\);"),
    "read": re.compile(r"(?P<register>r\d+) = (?:READ_ONCE\(\*|smp_load_acquire\()(?P<word>\w+)\);"),
    "xchg": re.compile(r"(?P<register>r\d+) = xchg\((?P<word>\w+), (?P<value>\d+)\);"),
    "declare": re.compile(r"int r\d+;"),
}


@dataclass(frozen=True)
class Litmus:
    name: str
    initial: dict[str, int]
    threads: tuple[tuple[Op, ...], ...]
    exists: dict[tuple[int, str], int]


def parse(text: str) -> Litmus:
    """Raises AssertionError on anything that it does not know."""
    bare = re.sub(r"//[^\n]*", "", re.sub(r"\(\*.*?\*\)", "", text, flags=re.DOTALL))
    found = re.fullmatch(r"C (?P<name>[\w-]+)\s*\{(?P<init>[^}]*)\}(?P<threads>.*?)exists \((?P<exists>[^()]*)\)\s*",
                         bare, re.DOTALL)
    assert found, text
    initial = {}
    for item in filter(None, (i.strip() for i in found["init"].split(";"))):
        word, value = re.fullmatch(r"(\w+)=(\d+)", item).groups()   # type: ignore[union-attr]
        initial[word] = int(value)
    threads = []
    bodies = re.findall(r"P(\d+)\(([^)]*)\)\s*\{([^}]*)\}", found["threads"])
    assert re.sub(r"P\d+\([^)]*\)\s*\{[^}]*\}", "", found["threads"]).strip() == ""
    for number, (name, arguments, body) in enumerate(bodies):
        assert int(name) == number
        words = [re.fullmatch(r"int \*(\w+)", a.strip())[1] for a in arguments.split(",")]  # type: ignore[index]
        threads.append(tuple(_ops(body, words)))
    exists = {}
    for clause in found["exists"].split("/\\"):
        thread, register, value = re.fullmatch(r"\s*(\d+):(r\d+)=(\d+)\s*", clause).groups()  # type: ignore[union-attr]
        exists[int(thread), register] = int(value)
    return Litmus(found["name"], initial, tuple(threads), exists)


def _ops(body: str, words: list[str]) -> list[Op]:
    found: list[Op] = []
    for line in filter(None, (x.strip() for x in body.splitlines())):
        [(kind, match)] = [(k, m) for k, r in _LINES.items() if (m := r.fullmatch(line))]
        groups = match.groupdict()
        if kind != "declare":
            assert "word" not in groups or groups["word"] in words, line
            found.append((kind, groups.get("register") or "", groups.get("word") or "", int(groups.get("value") or 0)))
    return found


def outcomes(test: Litmus, *, buffers: bool) -> set[tuple[tuple[int, str, int], ...]]:
    """All final values of all registers."""
    start: State = ((0,) * len(test.threads), ((),) * len(test.threads), ())
    memory = tuple(sorted(test.initial.items()))
    seen, work, final = {(start, memory)}, [(start, memory)], set()
    while work:
        (places, pending, registers), cells = work.pop()
        following = []
        for t, ops in enumerate(test.threads):
            if pending[t]:
                (word, value), *rest = pending[t]
                following.append(((places, _put(pending, t, tuple(rest)), registers), _set(cells, word, value)))
            if places[t] < len(ops):
                following += _step(test, t, (places, pending, registers), cells, buffers)
        if not following:
            final.add(tuple(sorted((int(r.split(":")[0]), r.split(":")[1], v) for r, v in registers)))
        for state in following:
            if state not in seen:
                seen.add(state)
                work.append(state)
    return final


def _step(test: Litmus, t: int, state: State, cells: tuple[tuple[str, int], ...], buffers: bool,
          ) -> list[tuple[State, tuple[tuple[str, int], ...]]]:
    places, pending, registers = state
    kind, register, word, value = test.threads[t][places[t]]
    on = tuple(p + (n == t) for n, p in enumerate(places))
    if kind in ("mb", "xchg") and pending[t]:
        return []
    if kind == "mb":
        return [((on, pending, registers), cells)]
    if kind in ("write", "release"):
        if not buffers:
            return [((on, pending, registers), _set(cells, word, value))]
        return [((on, _put(pending, t, (*pending[t], (word, value))), registers), cells)]
    own = [v for w, v in pending[t] if w == word]
    read = own[-1] if own else dict(cells).get(word, 0)
    after = _set(cells, word, value) if kind == "xchg" else cells
    return [((on, pending, (*registers, (f"{t}:{register}", read))), after)]


def _put(all_: tuple[tuple[tuple[str, int], ...], ...], t: int, new: tuple[tuple[str, int], ...],
         ) -> tuple[tuple[tuple[str, int], ...], ...]:
    return (*all_[:t], new, *all_[t + 1:])


def _set(cells: tuple[tuple[str, int], ...], word: str, value: int) -> tuple[tuple[str, int], ...]:
    return tuple(sorted({**dict(cells), word: value}.items()))


def possible(test: Litmus, *, buffers: bool) -> bool:
    """Is there a run that ends as `exists` asks?"""
    return any(all((t, r, v) in outcome for (t, r), v in test.exists.items())
               for outcome in outcomes(test, buffers=buffers))
