# SPDX-License-Identifier: GPL-2.0-or-later
"""What must be true for a certificate to prove its theorem, in any number of steps.

Let I be the conjunction of the conjuncts.  The obligations are
  base      every conjunct holds in the initial state;
  step      for every edge and every conjunct: from a state with I in which the edge is enabled, the conjunct holds
            after it;
  range     from such a state, the edge assigns no int a value outside its range;
  theorem   an invariant follows from I; a step property holds of every edge, from every state with I.
By induction on the number of steps, I holds and every int is in its range in every reachable state: the induction
starts with `base` and the initial values (checked when the system is read), and goes on with `step` and `range`.  So
each obligation may assume I and the ranges of the variables it reads.  Whatever is left out of the *assumptions* of an
obligation makes it harder, never wrong.  A certificate may say which conjuncts are needed where (`needed`): the others
are left out at first, and assumed only if that does not suffice.  A goal is left out for one of these reasons only:
  frame     the edge assigns no variable of the conjunct;
  elsewhere the conjunct is a disjunction with a member that says that the process of the edge is not at its target;
  known     after simplification it is true, or is an assumption or part of the guard, word for word.
All edges with one source make one query, but for relations of many edges, each of which has its own.  Edges that also
have one target are a relation between the variables before and *after* the step, which are variables of their own
(numbered after those of the system); one edge alone is put into the goals instead.  The variables after the step may be
assumed to be in range, because that is an obligation, too.  Edges that stay where they are must only keep what they
write: they are one relation for each set of variables written.
Properties of steps, edges of a relation, and cases that differ only in numbers that move together are one, about an
unknown number (`families`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

from lostirq.recheck.families import Families
from lostirq.recheck.read import Certificate, Edge, Event, System
from lostirq.recheck.terms import Term, Terms, high, low, parts, walk

MANY = 100      # edges of a relation that is asked by itself (measured)


@dataclass(frozen=True, slots=True)
class Case:
    """Edges with one source and target, what they must keep (names of conjuncts), and a formula that says that one of
    them is enabled and does not keep it."""

    edges: tuple[int, ...]
    goals: tuple[str, ...]
    broken: Term


@dataclass(frozen=True, slots=True)
class Obligation:
    """No case is broken under the assumptions.  `fewer`: those of conjuncts that are said to be needed; None if that is
    not said, or is all."""

    process: int
    source: int
    cases: tuple[Case, ...]
    assumptions: tuple[Term, ...]
    fewer: tuple[Term, ...] | None = None

    def query(self, terms: Terms) -> list[Term]:
        """What must have no solution: with fewer assumptions, if there are."""
        assumed = self.assumptions if self.fewer is None else self.fewer
        return [*assumed, terms.any_of(case.broken for case in self.cases)]


class Steps:
    """The obligations of all edges of a system, for the conjuncts and step properties of a certificate."""

    def __init__(self, system: System, certificate: Certificate) -> None:
        self.system, self.terms = system, system.terms
        self.conjuncts = tuple((k, part) for k, (_, t) in enumerate(certificate.conjuncts) for part in parts(t))
        self._names = tuple(name for name, _ in certificate.conjuncts)
        self._needed = certificate.needed
        self.properties = [(key, f) for key, (form, f) in certificate.theorem.items() if form == "step"]
        self._together = Families(self.terms).together
        self.general = [(self.properties[m[0]][0], f) for m, f in self._together([f for _, f in self.properties])]
        self._heard = {f: self._hears(f) for _, f in (*self.properties, *self.general)}
        self._told: dict[tuple[Term, frozenset[int], tuple[Event, ...]], Term] = {}
        self._placed: dict[tuple[int, int], dict[Term, int]] = {}
        self._where = [self._locations(t) for _, t in self.conjuncts]

    def obligations(self) -> list[Obligation]:
        """For each source location from which something is left to prove, one, and one for each case of many edges."""
        leaving: dict[tuple[int, int], dict[object, list[int]]] = {}
        for number, e in enumerate(self.system.edges):
            alike = e.target if e.target != e.source else frozenset(e.assigns)
            leaving.setdefault((e.process, e.source), {}).setdefault(alike, []).append(number)
        return [o for (k, place), groups in sorted(leaving.items())
                for o in self._leaving(k, place, list(groups.values()))]  # fmt: skip

    def singly(self, o: Obligation) -> list[Obligation]:
        """The same, for each edge and each conjunct by itself: to tell which one fails."""
        found: list[Obligation] = []
        for number in dict.fromkeys(n for c in o.cases for n in c.edges):
            for case in self._cases(o.process, o.source, [number], apart=True):
                found.append(replace(o, cases=(case,), fewer=None))
        return found

    # -- where a conjunct says something ----------------------------------------------------------------------------

    def _locations(self, t: Term) -> dict[int, int]:
        """Process -> mask of the locations at which the conjunct is not true merely because the process is there."""
        counters = {pc: k for k, pc in enumerate(self.system.counters)}
        found: dict[int, int] = {}
        for d in _disjuncts(t):
            atom = d.args[0] if d.op == "not" else d
            if atom.op == "=" and atom.args[1].op == "const":
                values: tuple[int, ...] = (atom.args[1].data,)  # type: ignore[assignment]  # a number
            elif atom.op == "in":
                values = atom.data  # type: ignore[assignment]  # a tuple of numbers
            else:
                continue
            if atom.args[0].op == "var" and atom.args[0].data in counters:
                k = counters[atom.args[0].data]
                everywhere = (1 << self.system.places[k]) - 1
                named = sum(1 << v for v in set(values) if 0 <= v < self.system.places[k])
                found[k] = found.get(k, everywhere) & (named if d.op == "not" else everywhere & ~named)
        return found

    def at(self, process: int, place: int) -> dict[Term, int]:
        """The conjuncts for a process at this location, its program counter put in, and which they are; without those
        that are true."""
        found = self._placed.get((process, place))
        if found is None:
            found = self._placed[process, place] = {}
            put = self._putting(process, place)
            for (number, t), where in zip(self.conjuncts, self._where, strict=True):
                if where.get(process, -1) >> place & 1:
                    for part in parts(put(t)):
                        found.setdefault(part, number)
            found.pop(self.terms.true, None)
        return found

    def _putting(self, process: int, place: int) -> Callable[[Term], Term]:
        """Terms with the program counter of a process put in."""
        pc = self.system.counters[process]
        here, memo = {pc: self.terms.const(place, self.terms.sorts[pc])}, dict[Term, Term]()
        return lambda t: self.terms.replace(t, here, 1 << pc, memo)

    # -- steps ------------------------------------------------------------------------------------------------------

    def _leaving(self, process: int, source: int, groups: list[list[int]]) -> list[Obligation]:
        cases = self._alike([case for edges in groups for case in self._cases(process, source, edges)])
        wide = [(case,) for case in cases if len(case.edges) > MANY]
        rest = tuple(case for case in cases if len(case.edges) <= MANY)
        assumed, wanted = self.at(process, source), self._needed.get((process, source))
        fewer = None if wanted is None else tuple(t for t, number in assumed.items() if number in wanted)
        return [Obligation(process, source, those, tuple(assumed), fewer) for those in (*wide, rest) if those]

    def _alike(self, cases: list[Case]) -> list[Case]:
        """The cases, or one in the place of those that differ only in a number."""
        found = []
        for those, broken in self._together([case.broken for case in cases]):
            edges = dict.fromkeys(n for m in those for n in cases[m].edges)
            found.append(Case(tuple(edges), tuple(dict.fromkeys(g for m in those for g in cases[m].goals)), broken))
        return found

    def _cases(self, process: int, source: int, numbers: list[int], apart: bool = False) -> list[Case]:
        """What edges with one source and one target must keep; one case for each goal if they are kept `apart`."""
        terms, known, put = self.terms, self.at(process, source), self._putting(process, source)
        edges = [(n, self.system.edges[n]) for n in numbers]
        enabled = {n: put(e.guard) for n, e in edges}
        edges = [(n, e) for n, e in edges if enabled[n] is not terms.false]
        assigned = {n: {v: put(x) for v, x in e.assigns.items()} for n, e in edges}
        cases: list[Case] = []

        def add(goals: list[tuple[str, Term]], those: tuple[int, ...], taken: Term) -> None:
            for group in [[g] for g in goals] if apart else [goals]:
                broken = terms.all_of([taken, terms.negation(terms.all_of(t for _, t in group))])
                if broken is not terms.false:
                    cases.append(Case(those, tuple(dict.fromkeys(name for name, _ in group)), broken))

        for n, e in edges:
            own = [g for v, x in assigned[n].items() for g in self._range(v, x)]
            of_step = self.properties if apart else self.general
            own += [(key, put(self._of_step(e, assigned[n], f))) for key, f in of_step]
            add([g for g in own if g[1] not in known], (n,), enabled[n])
        if not edges:
            return cases
        written = dict.fromkeys(v for values in assigned.values() for v in values)
        if len(edges) == 1:
            after, taken = assigned[edges[0][0]], enabled[edges[0][0]]
        else:
            after = {v: terms.var(v + len(self.system.names)) for v in written}
            relation = [self._becomes(enabled[n], assigned[n], after) for n, _ in edges]
            taken = terms.any_of(f for _, f in self._together(relation))
        mask, memo = sum(1 << v for v in written), dict[Term, Term]()
        goals: list[tuple[str, Term]] = []
        for formula, number in self.at(process, edges[0][1].target).items():
            if formula.reads & mask or formula not in known:
                goals += [(self._names[number], part) for part in parts(terms.replace(formula, after, mask, memo))]
        sure = frozenset(parts(taken))
        add([g for g in goals if g[1] not in known and g[1] not in sure], tuple(n for n, _ in edges), taken)
        return cases

    def _becomes(self, guard: Term, values: dict[int, Term], after: dict[int, Term]) -> Term:
        """The edge as a relation: the variables `after` the step are what it assigns, or what they were."""
        terms = self.terms
        return terms.all_of([guard, *(terms.build("=", (x, values.get(v) or terms.var(v))) for v, x in after.items())])

    def _range(self, v: int, value: Term) -> list[tuple[str, Term]]:
        sort, terms = self.terms.sorts[v], self.terms
        if sort[0] != "int" or low(sort) <= low(value.sort) <= high(value.sort) <= high(sort):
            return []
        name = f"range of {self.system.names[v]}"
        lowest, highest = terms.const(low(sort), sort), terms.const(high(sort), sort)
        return [(name, terms.build("<=", (lowest, value))), (name, terms.build("<=", (value, highest)))]

    def _hears(self, formula: Term) -> tuple[frozenset[int], frozenset[str]]:
        """The variables that a formula about a step reads after it, and the events that it asks for."""
        nodes = list(walk([formula]))
        read = frozenset(n.data for n in nodes if n.op == "var" and isinstance(n.data, int))
        return read, frozenset(n.data for n in nodes if n.op == "occurs" and isinstance(n.data, str))

    def _of_step(self, edge: Edge, assigned: dict[int, Term], formula: Term) -> Term:
        """A formula about a step, over the state before it.  The caller puts in where the process is."""
        pc = self.system.counters[edge.process]
        after = {**assigned, pc: self.terms.const(edge.target, self.terms.sorts[pc])}
        read, asked = self._heard[formula]
        written = read.intersection(after)
        values = {v + len(self.system.names): after[v] for v in written}
        said = self._said(formula, written, tuple(event for event in edge.events if event[0] in asked))
        return self.terms.replace(said, values, sum(1 << v for v in values), {})

    def _said(self, formula: Term, written: frozenset[int], events: tuple[Event, ...]) -> Term:
        """The formula of all edges that assign these of the variables that it reads, which stay those after the step,
        and have these events, which are spelt out.  Worked out once."""
        found = self._told.get((formula, written, events))
        if found is not None:
            return found
        terms, memo = self.terms, dict[Term, Term]()
        for node in walk([formula]):
            args = tuple(memo[a] for a in node.args)
            if node.op == "var":
                memo[node] = terms.var(node.data + len(self.system.names)) if node.data in written else node
            elif node.op == "old":
                memo[node] = terms.var(node.data)
            elif node.op == "occurs":
                same = [e for name, e in events if name == node.data and len(e) == len(args)]
                memo[node] = terms.any_of(
                    terms.all_of(terms.build("=", pair) for pair in zip(args, e, strict=True)) for e in same
                )
            else:
                memo[node] = terms.build(node.op, args, node.data) if args else node
        self._told[formula, written, events] = memo[formula]
        return memo[formula]


def _disjuncts(t: Term) -> Iterator[Term]:
    """The members of a disjunction, also of one that is written as a negated conjunction: each implies the whole."""
    if t.op == "or":
        for a in t.args:
            yield from _disjuncts(a)
    elif t.op == "not" and t.args[0].op == "and":
        for a in t.args[0].args:
            if a.op == "not":
                yield from _disjuncts(a.args[0])
            else:
                yield Term("not", (a,), None, t.sort, t.reads)
    else:
        yield t


def base(system: System, certificate: Certificate) -> list[tuple[str, Term]]:
    """The conjuncts, in the initial state."""
    t = system.terms
    start = {v: t.const(value, t.sorts[v]) for v, value in enumerate(system.initial)}
    memo: dict[Term, Term] = {}
    return [(name, t.replace(f, start, (1 << len(start)) - 1, memo)) for name, f in certificate.conjuncts]


def follows(certificate: Certificate) -> list[tuple[str, Term]]:
    """The invariants of the theorem."""
    return [(key, formula) for key, (form, formula) in certificate.theorem.items() if form == "invariant"]
