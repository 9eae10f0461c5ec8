# SPDX-License-Identifier: GPL-2.0-or-later
"""The race of a counterexample as a litmus test for the kernel's memory model, or a clear no.

The accesses of each agent to the words that another one touches too, in its program order, with the barriers between
them; `exists` asks for the values that the run saw.  The run is one of x86-TSO, and the kernel's model allows whatever
x86-TSO allows, so the answer of herd7 must be "Sometimes"; what makes it "Never" is a candidate for the mend.

Invariants: nothing that orders accesses is left out, but for compiler barriers, which are no steps of the model; what
a litmus test cannot say (a loop, an interrupt, a context switch, two words at once) is refused.

References: Alglave, Maranget, McKenney, Parri and Stern 2018, "Frightening Small Children and Disconcerting Grown-ups:
Concurrency in the Linux Kernel"; kernel tools/memory-model/Documentation/litmus-tests.txt.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, field

from lostirq.errors import UsageError
from lostirq.evidence.account import Account, Seen, Step
from lostirq.report.text import WIDTH

MAX_THREADS = 4
MAX_ACCESSES = 16       # of one thread


@dataclass(frozen=True, slots=True)
class _Word:
    """A word of memory that several agents touch: its variables, and where each begins in the integer."""

    name: str
    members: tuple[int, ...]
    shifts: tuple[int, ...]


@dataclass(slots=True)
class _Thread:
    column: str
    lines: list[str] = field(default_factory=list)
    registers: list[tuple[str, int]] = field(default_factory=list)
    words: dict[str, None] = field(default_factory=dict)
    accesses: int = 0
    barrier: bool = True        # nothing stands before it, or a barrier does

    def access(self, word: str, line: str) -> None:
        self.words.setdefault(word)
        self.lines.append(line)
        self.accesses += 1
        self.barrier = False

    def read(self, word: str, call: str, value: int, why: str) -> None:
        register = f"r{len(self.registers)}"
        self.registers.append((register, value))
        self.access(word, f"{register} = {call};{why}")

    def fence(self, why: str) -> None:
        if not self.barrier:
            self.lines.append(f"smp_mb();{why}")
            self.barrier = True


def litmus(account: Account) -> str:
    """The test.  Raises `UsageError` with the reason where the race is not expressible."""
    if account.loop is not None:
        raise _no("the run goes on for ever, and a litmus test asks for the outcome of one that ends")
    words = _contended(account)
    if not words:
        raise _no("no word of memory is written by one agent and touched by another: what goes wrong is no race "
                  "between accesses")
    threads = _threads(account, words)
    if len(threads) > MAX_THREADS:
        raise _no(f"{len(threads)} agents race, and a litmus test of more than {MAX_THREADS} is of no use")
    for t in threads:
        if t.accesses > MAX_ACCESSES:
            raise _no(f"{t.column} makes {t.accesses} accesses to shared words, which is no longer a litmus test")
    return _written(account, words, threads)


def _no(reason: str) -> UsageError:
    return UsageError(f"no litmus test for this counterexample: {reason}")


def _contended(account: Account) -> dict[int, _Word]:
    """The words that one column writes and another touches, by their units."""
    readers: dict[int, set[str]] = {}
    writers: dict[int, set[str]] = {}
    for step in account.steps:
        for touched, who in ((step.reads, readers), (step.writes, writers)):
            for seen in touched:
                who.setdefault(account.variables[seen.variable].unit, set()).add(step.column)
    units = [u for u in sorted(writers) if u >= 0 and len(writers[u] | readers.get(u, set())) > 1]
    members = {u: tuple(i for i, v in enumerate(account.variables) if v.unit == u) for u in units}
    names = _names({u: [account.variables[i].name for i in members[u]] for u in units})
    found = {}
    for u in units:
        shifts, at = [], 0
        for i in members[u]:
            shifts.append(at)
            v = account.variables[i]
            at += v.width if v.kind == "bits" else (v.high - v.low).bit_length()
        if at > 31:
            raise _no(f"{names[u]} has {at} bits, and a litmus test has words of 32")
        found[u] = _Word(names[u], members[u], tuple(shifts))
    return found


def _names(paths: dict[int, list[str]]) -> dict[int, str]:
    """A C identifier for each word: the last parts of its path, all of them where that is ambiguous."""
    whole = {u: (ps[0] if len(ps) == 1 else os.path.commonprefix(ps).rstrip(".") or ps[0]) for u, ps in paths.items()}
    short = {u: ".".join(p.split(".")[-2:]) for u, p in whole.items()}
    chosen = short if len(set(map(_identifier, short.values()))) == len(short) else whole
    return {u: _identifier(p) for u, p in chosen.items()}


def _identifier(path: str) -> str:
    return re.sub(r"\W+", "_", path).strip("_")


def _threads(account: Account, words: dict[int, _Word]) -> list[_Thread]:
    threads: dict[str, _Thread] = {}
    states = account.states()
    for number, step in enumerate(account.steps):
        if step.agent >= 0:
            thread = threads.setdefault(step.column, _Thread(step.column))
            _tell(account, words, step, states[number], thread)
    found = [t for t in threads.values() if t.accesses]
    for t in found:
        while t.lines and t.lines[-1].startswith("smp_mb();"):
            t.lines.pop()
    return found


def _tell(account: Account, words: dict[int, _Word], step: Step, before: tuple[int, ...], thread: _Thread) -> None:
    """The accesses of one step."""
    units = {account.variables[s.variable].unit for s in (*step.reads, *step.writes)} & set(words)
    where = f"  // {step.function}()"
    if not units:
        if step.drains or step.access in ("locked", "fence"):
            thread.fence(where)
        return
    _check(account, step, units)
    [unit] = units
    word = words[unit]
    seen = _value(account, word, before, step.reads)
    new = _value(account, word, before, (*step.reads, *step.writes))
    if step.access in ("locked", "atomic") and (step.writes or step.access == "locked"):
        thread.read(word.name, f"xchg({word.name}, {new})", seen, where)
        thread.barrier = True
        return
    if step.access == "store":
        call = "smp_store_release" if "smp_store_release" in step.text else "WRITE_ONCE"
        target = word.name if call == "smp_store_release" else f"*{word.name}"
        thread.access(word.name, f"{call}({target}, {new});{where}")
    else:
        call = f"smp_load_acquire({word.name})" if "smp_load_acquire" in step.text else f"READ_ONCE(*{word.name})"
        if step.drains:
            thread.fence(where)
        thread.read(word.name, call, seen, where)


def _check(account: Account, step: Step, units: set[int]) -> None:
    agent = account.agents[step.agent]
    if len(units) > 1:
        raise _no(f"{step.function}() touches {len(units)} shared words at once (`{step.text}`)")
    if agent.sort in ("handler", "scheduler"):
        what = "an interrupt handler" if agent.sort == "handler" else "the scheduler"
        raise _no(f"the race turns on {what} ({agent.column}, {step.function}()), which a litmus test does not have")
    if agent.sort == "hardware" and step.access != "locked":
        raise _no(f"{agent.column} is hardware, which does not obey the memory model of the CPUs ({step.function}())")


def _value(account: Account, word: _Word, memory: tuple[int, ...], seen: tuple[Seen, ...]) -> int:
    """The word as an integer: memory, with what the agent saw or wrote put over it."""
    over = {s.variable: s.value for s in seen}
    total = 0
    for i, shift in zip(word.members, word.shifts, strict=True):
        v = account.variables[i]
        total |= (over.get(i, memory[i]) - (v.low if v.kind == "int" and len(word.members) > 1 else 0)) << shift
    return total


def _written(account: Account, words: dict[int, _Word], threads: list[_Thread]) -> str:
    c = account.configuration
    used = [w for w in words.values() if any(w.name in t.words for t in threads)]
    lines = [f"C {_identifier(c.bug or account.claim.key + '-' + c.scenario).replace('_', '-')}", "",
             "(*", " * Result: Sometimes", " *", f" * {_plain(account.claim.headline)[:WIDTH]}"]
    lines += [f" * lostirq {c.tool}, scenario {_plain(c.scenario)}, memory model {_plain(c.memory)}: the run ends so."]
    lines += [f" * P{n}: {_plain(t.column)}" for n, t in enumerate(threads)]
    for w in used:
        if len(w.members) > 1:
            fields = ", ".join(f"{account.variables[i].short} << {s}" for i, s in zip(w.members, w.shifts, strict=True))
            lines.append(f" * {w.name}: {_plain(fields)}")
    lines += [" * Compiler barriers do nothing on x86, are no steps of the model, and are missing here.", " *)", ""]
    start = tuple(v.initial for v in account.variables)
    initial = [f"\t{w.name}={_value(account, w, start, ())};" for w in used if _value(account, w, start, ())]
    lines += ["{", *initial, "}"]
    for n, t in enumerate(threads):
        arguments = ", ".join(f"int *{w.name}" for w in used if w.name in t.words)
        lines += ["", f"P{n}({arguments})", "{", *(f"\tint {r};" for r, _ in t.registers)]
        lines += [""] if t.registers else []
        lines += [*(f"\t{line}" for line in t.lines), "}"]
    outcome = [f"{n}:{r}={value}" for n, t in enumerate(threads) for r, value in t.registers]
    last = account.states()[-1]
    both = [w for w in used if sum(w.name in t.words for t in threads) > 1]
    outcome += [] if outcome else [f"{w.name}={_value(account, w, last, ())}" for w in both]
    wanted = " /\\ ".join(outcome)
    return "\n".join([*lines, "", f"exists ({wanted})"]) + "\n"


def _plain(text: str) -> str:
    return " ".join(text.split()).replace("*)", "* )").replace("(*", "( *")
