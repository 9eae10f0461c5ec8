# SPDX-License-Identifier: GPL-2.0-or-later
"""Does a system with one member more of a symmetric set do the same?  A crowd assumes it; here it is tried once.

Compared are the systems before their store buffers are spelled out, by the names of variables: what is shared has the
same ranges and initial values, and the other processes and the first member have the same steps (that all members do
the same is checked by `lostirq.language.symmetry`).  What depends on the number of members (the range of a counter,
`if SENDERS > 2`) shows as a difference, unless it begins at a larger number still.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import cast

from lostirq.ir.expr import Expr, Op, Var, old, substitute, var
from lostirq.ir.system import Edge, Process, System


def difference(few: System, more: System, name: str) -> str:
    """What is different, in words, in the system with more members of the set; "" if nothing is."""
    sets = [[p for p in s.processes if p.symmetric == name] for s in (few, more)]
    if len(sets[1]) <= len(sets[0]):
        return f"there are {len(sets[1])} {name} processes, not more than {len(sets[0])}"
    shared = [[v for v in s.variables if v.owner not in {p.index for p in members}]
              for s, members in zip((few, more), sets, strict=True)]  # fmt: skip
    tables = [{v.name: (v.type, v.init, v.role, v.message) for v in those} for those in shared]
    for key in dict.fromkeys([*tables[0], *tables[1]]):
        if tables[0].get(key) != tables[1].get(key):
            return f"{key} has another range, or use"
    others = [[p for p in s.processes if p.symmetric != name] for s in (few, more)]
    if [p.name for p in others[0]] != [p.name for p in others[1]]:
        return "there are other processes"
    pairs = [*zip(*others, strict=True), (sets[0][0], sets[1][0])]
    there = {v.name: v for v in few.variables}
    for p, q in pairs:
        if not _same_process(few, more, p, q, _renaming(there, p.name, q.name)):
            return f"{q.name} has other steps"
    return ""


def _renaming(there: dict[str, Var], one: str, other: str) -> Callable[[Expr], Expr]:
    """Expressions over variables of the same names, those of the process `other` as those of `one`."""
    memo: dict[Expr, Expr] = {}

    def leaf(node: Expr) -> Expr | None:
        if node.op not in (Op.VAR, Op.OLD):
            return None
        v = there.get(renamed(cast(Var, node.payload).name, one, other))
        return None if v is None else old(v) if node.op is Op.OLD else var(v)

    return lambda e: substitute(e, leaf, memo)


def renamed(name: str, one: str, other: str) -> str:
    """The name of a variable of the process `other`, as `one` has it."""
    return one + name.removeprefix(other) if name.startswith(f"{other}.") else name


def _same_process(few: System, more: System, p: Process, q: Process, rename: Callable[[Expr], Expr]) -> bool:
    mine, theirs = ([e for e in s.edges if e.process == x.index] for s, x in ((few, p), (more, q)))
    if len(mine) != len(theirs) or p.pc.init != q.pc.init or p.runs is not rename(q.runs):
        return False
    return all(_same_edge(e, f, p, q, rename) for e, f in zip(mine, theirs, strict=True))


def _same_edge(e: Edge, f: Edge, p: Process, q: Process, rename: Callable[[Expr], Expr]) -> bool:
    if (e.src, e.dst, e.drains, len(e.buffered)) != (f.src, f.dst, f.drains, len(f.buffered)):
        return False
    if [x.name for x in e.events] != [x.name for x in f.events] or e.guard is not rename(f.guard):
        return False
    if [v.name for v, _ in e.assigns] != [renamed(v.name, p.name, q.name) for v, _ in f.assigns]:
        return False
    values = [*(x for _, x in e.assigns), *(a for x in e.events for a in x.args)]
    others = [*(x for _, x in f.assigns), *(a for x in f.events for a in x.args)]
    return len(values) == len(others) and all(a is rename(b) for a, b in zip(values, others, strict=True))
