# SPDX-License-Identifier: GPL-2.0-or-later
"""Short, C-like names and values for the variables of a system.

Invariants: two variables never get the same name; a name is a suffix of the path, behind the head of the path where
the suffix alone would be ambiguous; a Words bit is numbered over the whole array, not within its access unit.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable

from lostirq.ir.expr import Kind, Var
from lostirq.ir.system import System

_PART = re.compile(r"^(.*?)((?:\[\d+\])*)$")


class Names:
    """Names for the variables of one system."""

    def __init__(self, system: System) -> None:
        self._single = _single_instances(v.name for v in system.variables)
        self._name = _shorten([v.name for v in system.variables], self._single)
        self._word: dict[Var, tuple[str, int]] = {}      # (name of the bit set, number of its bit 0)
        self._unit: dict[Var, str] = {}                  # name of the word, where there are several
        self._words(system.variables)

    def name(self, v: Var) -> str:
        if v in self._unit:
            return self._unit[v]
        return self._word[v][0] if v in self._word else self._name[v.name]

    def change(self, v: Var, before: int, after: int) -> list[str]:
        """What an assignment did, one item per bit of a bit set: `sn = 0 (was 1)`, `pir: bit 1 set`.  That a variable
        had its initial value goes without saying."""
        if v.type.kind is not Kind.BITS:
            was = " (as before)" if before == after else "" if before == v.init else f" (was {v.type.show(before)})"
            return [self.is_(v, after, "=") + was]
        changed = [i for i in range(v.type.width) if (before ^ after) >> i & 1]
        if not changed:
            return [f"{self.name(v)} = {self.value(v, after)} (as before)"]
        if len(changed) > 2 or (after == 0 and before != 0):
            return [f"{self.name(v)} = {self.value(v, after)} (was {self.value(v, before)})"]
        base = self.base(v)
        name = self._word[v][0] if v in self._word else self.name(v)
        return [f"{name}: bit {base + i} {'set' if after >> i & 1 else 'cleared'}" for i in changed]

    def all_are(self, values: list[tuple[Var, int]], verb: str = "=") -> list[str]:
        """One fact per variable; the words of one bit set are one fact, where the first of them stands."""
        bits: dict[str, set[int]] = {}
        for v, value in values:
            if v in self._word:
                name, base = self._word[v]
                bits.setdefault(name, set()).update(base + i for i in range(v.type.width) if value >> i & 1)
        facts: dict[str, None] = {}
        for v, value in values:
            name = self._word[v][0] if v in self._word else self.name(v)
            shown = "{" + ", ".join(map(str, sorted(bits[name]))) + "}" if name in bits else self.value(v, value)
            facts.setdefault(f"{name} {verb} {shown}")
        return list(facts)

    def is_(self, v: Var, value: int, verb: str = "==") -> str:
        return f"{self.name(v)} {verb} {self.value(v, value)}"

    def value(self, v: Var, value: int) -> str:
        if v.type.kind is not Kind.BITS:
            return v.type.show(value)
        base = self.base(v)
        return "{" + ", ".join(str(base + i) for i in range(v.type.width) if value >> i & 1) + "}"

    def base(self, v: Var) -> int:
        """The number of the lowest bit of a variable in the bit set that it is a word of."""
        found = self._word.get(v)
        return found[1] if found is not None else 0

    def _words(self, variables: Iterable[Var]) -> None:
        """The units of a Words are consecutive `path[0]`, `path[1]`, ... of kind BITS."""
        groups: dict[str, list[tuple[int, Var]]] = {}
        for v in variables:
            found = re.match(r"^(.*)\[(\d+)\]$", v.name)
            if found and v.type.kind is Kind.BITS:
                groups.setdefault(found.group(1), []).append((int(found.group(2)), v))
        short = _shorten(list(groups), self._single, taken=self._name.values())
        for path, words in groups.items():
            base = 0
            for number, v in sorted(words, key=lambda w: w[0]):
                self._word[v] = (short[path], base)
                if len(words) > 1:
                    self._unit[v] = f"{short[path]}.word[{number}]"
                base += v.type.width


def _single_instances(names: Iterable[str]) -> frozenset[str]:
    """Top-level arrays of which only element 0 exists."""
    seen: dict[str, set[str]] = {}
    for name in names:
        found = _PART.match(name.split(".")[0])
        if found and found.group(2):
            seen.setdefault(found.group(1), set()).add(found.group(2))
    return frozenset(a for a, indices in seen.items() if indices == {"[0]"})


def _shorten(names: list[str], single: frozenset[str], taken: Iterable[str] = ()) -> dict[str, str]:
    """A distinct short form for each path: the last two parts; with the head before them; the whole path."""
    forms = {n: _forms(n, single) for n in names}
    short = dict.fromkeys(names, 0)
    reserved = Counter(taken)
    while True:
        used = Counter(forms[n][short[n]] for n in names)
        clash = [n for n in names if (used[forms[n][short[n]]] > 1 or reserved[forms[n][short[n]]])
                 and short[n] + 1 < len(forms[n])]
        if not clash:
            return {n: forms[n][short[n]] for n in names}
        for n in clash:
            short[n] += 1


def _forms(name: str, single: frozenset[str]) -> list[str]:
    parts = name.split(".")
    head = parts[0]
    found = _PART.match(head)
    if found and found.group(1) in single and len(parts) > 1:
        head = found.group(1).removesuffix("s")
    whole = [head, *parts[1:]]
    forms = [".".join(whole[-2:]), ".".join([head, *whole[-2:]]) if len(whole) > 2 else ".".join(whole), name]
    return list(dict.fromkeys(forms))
