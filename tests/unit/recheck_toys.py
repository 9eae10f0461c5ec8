# SPDX-License-Identifier: GPL-2.0-or-later
"""A small proof with its certificate, and random mutations of the certificate and of the system it is about.

What a mutation did is not for the mutation to say: a mutant may still be a proof of the same theorem.  `still_a_proof`
asks the prover, which shares no code with the checker, and `reachable_violation` asks the interpreter.
"""

from __future__ import annotations

import copy
import itertools
import json
import random
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import cache
from itertools import islice
from pathlib import Path

from lostirq.interpret import Interpreter, RangeError
from lostirq.ir import expr as x
from lostirq.ir.expr import Kind
from lostirq.ir.system import Edge, Memory, System
from lostirq.ir.tso import lower
from lostirq.language import compile_scenario, load_sources
from lostirq.recheck.__main__ import Result, verify
from lostirq.symbolic.certificate import Json, _Translation, about, certificate, system_file, text
from lostirq.symbolic.induction import prove
from lostirq.symbolic.outcome import Conjunct, Proved
from lostirq.workflow.prove import goals, invariant
from tests.unit.test_prove import MODEL, PROOF, PROPERTIES

SMALL = {"VECTORS": 4}
WORDS_OF_TWO = MODEL.replace("(VECTORS + 63) // 64", "(VECTORS + 1) // 2").replace("[VECTORS, 64]", "[VECTORS, 2]")


@dataclass(frozen=True)
class Mutant:
    """`kind`: what was done; a system (the one that is checked) and the text of a certificate."""

    kind: str
    system: System
    text: str


@cache
def proof(memory: Memory = Memory.SC) -> tuple[System, str]:
    """The flat system, with its target only, and the certificate."""
    workspace = load_sources({"model/d.py": WORDS_OF_TWO, "properties/q.py": PROPERTIES, "proofs/q.py": PROOF})
    system = lower(compile_scenario(workspace, "full_width", memory, overrides=SMALL, lemmas=True))
    targets, lemmas = goals(system, "Q")
    conjuncts = invariant(system, targets, lemmas)
    made = certificate(system, targets, conjuncts, lemmas=lemmas, notes={"property": "Q", "memory": memory.value})
    return about(system, targets), text(made)


def run(
    folder: Path, system: System, certificate_text: str, solver: str = "bitwuzla", limit: int | None = None
) -> Result:
    """What the checker says."""
    files = folder / "system.json", folder / "certificate.json"
    files[0].write_text(system_file(system, system.properties))
    files[1].write_text(certificate_text)
    return verify(*files, solver, limit)


# -- mutations of certificates ----------------------------------------------------------------------------------------

_SIBLINGS = {"and": "or", "or": "and", "<": "<=", "<=": "<", "+": "-", "-": "+", "band": "bor", "bor": "band", "=": "="}


def _cut(data: Json, rng: random.Random) -> str:
    whole = text(data)
    return whole[: rng.randrange(1, len(whole) - 3)]


def _byte(data: Json, rng: random.Random) -> str:
    whole = text(data)
    at = rng.randrange(len(whole))
    return whole[:at] + rng.choice("0123456789aez[]{},") + whole[at + 1 :]


def _drop(data: Json, rng: random.Random) -> None:
    data["conjuncts"].pop(rng.randrange(len(data["conjuncts"])))  # type: ignore[attr-defined]  # JSON


def _twice(data: Json, rng: random.Random) -> None:
    data["conjuncts"].append(rng.choice(data["conjuncts"]))  # type: ignore[arg-type,attr-defined]  # JSON


def _grow(data: Json, rng: random.Random, op: str, arity: int) -> None:
    """A conjunct under one more operator, with formulas of other conjuncts beside it."""
    rows, conjuncts = data["terms"], data["conjuncts"]
    chosen = rng.choice(conjuncts)  # type: ignore[arg-type]  # JSON
    others = [c[1] for c in rng.sample(conjuncts, arity - 1)]  # type: ignore[arg-type]  # JSON
    rows.append([op, [chosen[1], *others], None])  # type: ignore[attr-defined]  # JSON
    chosen[1] = len(rows) - 1  # type: ignore[arg-type]  # JSON


def _row(data: Json, rng: random.Random, wanted: Callable[[list], bool]) -> list | None:  # type: ignore[type-arg]  # JSON
    found = [row for row in data["terms"] if wanted(row)]  # type: ignore[attr-defined]  # JSON
    return rng.choice(found) if found else None


def _operator(data: Json, rng: random.Random) -> None:
    row = _row(data, rng, lambda r: r[0] in _SIBLINGS and r[0] != "=")
    if row is not None:
        row[0] = _SIBLINGS[row[0]]


def _constant(data: Json, rng: random.Random) -> None:
    row = _row(data, rng, lambda r: r[0] == "const")
    if row is not None:
        row[2][1] += rng.choice((-1, 1))


def _variable(data: Json, rng: random.Random) -> None:
    names = [r[2] for r in data["terms"] if r[0] == "var"]  # type: ignore[attr-defined]  # JSON
    row = _row(data, rng, lambda r: r[0] == "var")
    if row is not None:
        row[2] = rng.choice([*names, "no_such_variable"])


def _operand(data: Json, rng: random.Random) -> None:
    rows = data["terms"]
    at = rng.choice([k for k, r in enumerate(rows) if r[1]])  # type: ignore[arg-type,var-annotated]  # JSON
    rows[at][1][rng.randrange(len(rows[at][1]))] = rng.randrange(at + 1)  # type: ignore[index]  # JSON


def _set(data: Json, rng: random.Random) -> None:
    row = _row(data, rng, lambda r: r[0] == "in")
    if row is not None:
        row[2] = [v for v in row[2] if rng.random() < 0.7]


def _digest(data: Json, rng: random.Random) -> None:
    old = str(data["system"])
    at = rng.randrange(len(old))
    data["system"] = old[:at] + ("0" if old[at] != "0" else "1") + old[at + 1 :]


def _theorem(data: Json, rng: random.Random) -> None:
    row = data["theorem"][0]  # type: ignore[index]  # JSON
    at = rng.randrange(3)
    row[at] = ("Z", "step", rng.randrange(len(data["terms"])))[at]  # type: ignore[arg-type]  # JSON


def _commands(data: Json, rng: random.Random) -> None:
    if rng.random() < 0.5:
        data["commands"] = ["(check-sat)"]
    else:
        data["terms"].append([") (check-sat) (", [], None])  # type: ignore[attr-defined]  # JSON


def _shuffle(data: Json, rng: random.Random) -> None:
    rng.shuffle(data["conjuncts"])  # type: ignore[arg-type]  # JSON


def _needed(data: Json, rng: random.Random) -> None:
    """Anything may be said to suffice: that is where the checker begins, not what it believes."""
    numbers = range(len(data["conjuncts"]))  # type: ignore[arg-type]  # JSON
    data["needed"] = [[0, place, sorted(rng.sample(numbers, rng.randrange(3)))] for place in range(rng.randrange(1, 4))]


CERTIFICATES: dict[str, Callable[[Json, random.Random], str | None]] = {
    "cut off": _cut, "byte": _byte, "conjunct left out": _drop, "conjunct twice": _twice,
    "conjunct negated": lambda d, r: _grow(d, r, "not", 1), "conjunct weakened": lambda d, r: _grow(d, r, "or", 2),
    "conjunct strengthened": lambda d, r: _grow(d, r, "and", 2), "operator": _operator, "constant": _constant,
    "variable": _variable, "operand": _operand, "set": _set, "digest": _digest, "theorem": _theorem,
    "commands": _commands, "order": _shuffle, "needed": _needed,
}  # fmt: skip


# -- mutations of the system: of what must be shown of each edge ------------------------------------------------------


def _edge(system: System, rng: random.Random, change: Callable[[Edge], Edge]) -> System:
    edges = list(system.edges)
    at = rng.randrange(len(edges))
    edges[at] = change(edges[at])
    return replace(system, edges=tuple(edges))


def _value(system: System, rng: random.Random) -> System:
    def change(e: Edge) -> Edge:
        if not e.assigns:
            return e
        at = rng.randrange(len(e.assigns))
        v, old = e.assigns[at]
        if v.type.kind is Kind.BOOL:
            new = x.not_(old)
        else:
            new = x.const(rng.randrange(v.type.size) + (v.type.lo if v.type.kind is Kind.INT else 0), v.type)
        return replace(e, assigns=(*e.assigns[:at], (v, new), *e.assigns[at + 1 :]))

    return _edge(system, rng, change)


def _initial(system: System, rng: random.Random) -> System:
    pcs = {p.pc for p in system.processes}
    at = rng.choice([k for k, v in enumerate(system.variables) if v not in pcs])
    v = system.variables[at]
    new = replace(v, init=rng.randrange(v.type.size) + (v.type.lo if v.type.kind is Kind.INT else 0))
    swap = lambda e: x.substitute(e, lambda leaf: x.var(new) if leaf.payload == v else None)  # noqa: E731
    edges = tuple(
        replace(e, guard=swap(e.guard), assigns=tuple((new if w == v else w, swap(rhs)) for w, rhs in e.assigns))
        for e in system.edges
    )
    return replace(
        system, edges=edges, variables=(*system.variables[:at], new, *system.variables[at + 1 :]),
        processes=tuple(
            replace(p, runs=swap(p.runs), cpu=None if p.cpu is None else swap(p.cpu)) for p in system.processes
        ),
        properties=tuple(replace(p, formula=swap(p.formula)) for p in system.properties),
    )  # fmt: skip


SYSTEMS: dict[str, Callable[[System, random.Random], System]] = {
    "guard dropped": lambda s, r: _edge(s, r, lambda e: replace(e, guard=x.TRUE)),
    "guard negated": lambda s, r: _edge(s, r, lambda e: replace(e, guard=x.not_(e.guard))),
    "value": _value,
    "assignment dropped": lambda s, r: _edge(s, r, lambda e: replace(e, assigns=e.assigns[1:])),
    "target": lambda s, r: _edge(
        s, r, lambda e: replace(e, dst=r.randrange(len(s.processes[e.process].locations)))
    ),
    "initial value": _initial,
}  # fmt: skip


def mutants(count: int, seed: int) -> list[Mutant]:
    return list(islice(drawn(seed), count))


def drawn(seed: int) -> Iterator[Mutant]:
    """Of certificates, of systems under the old certificate, and of systems under one that is pinned to the mutant,
    without end."""
    rng = random.Random(seed)
    for n in itertools.count():
        system, original = proof(rng.choice(list(Memory)))
        data: Json = json.loads(original)
        if n % 2 == 0:
            kind = rng.choice(list(CERTIFICATES))
            yield Mutant(kind, system, CERTIFICATES[kind](data, rng) or text(data))
            continue
        kind = rng.choice(list(SYSTEMS))
        changed = SYSTEMS[kind](system, rng)
        if n % 8 == 1:
            yield Mutant(f"{kind}, old certificate", changed, original)
        else:
            yield Mutant(kind, changed, text(pinned(data, changed)))


def pinned(data: Json, system: System) -> Json:
    """The same conjuncts under the digest and the property of another system."""
    mine = copy.deepcopy(data)
    mine["system"] = certificate(system, system.properties, [])["system"]
    return mine


# -- what a mutant is worth -------------------------------------------------------------------------------------------


def still_a_proof(mutant: Mutant) -> bool:
    """Is it a proof of the same theorem, by the prover?  The digest and the property are compared as they stand."""
    system, _ = mutant.system, None
    try:
        data = json.loads(mutant.text)
        made = certificate(system, system.properties, [])
        table = _Translation({**data, "places": {}}, system)  # locations by number, as the checker reads them
        conjuncts = [Conjunct(str(name), table.term(number)) for name, number in data["conjuncts"]]
        claimed = [(key, form, table.term(number)) for key, form, number in data["theorem"]]
    except Exception:  # whatever is not readable is no proof
        return False
    same = [(p.key, p.form.value, p.formula) for p in system.properties]
    if data["system"] != made["system"] or claimed != same:
        return False
    goals_ = [Conjunct(p.key, p.formula) for p in system.properties]
    return isinstance(prove(system, [*conjuncts, *goals_]), Proved)


def reachable_violation(system: System, most: int = 30_000) -> bool:
    """Does a reachable state violate a property of the system, or an edge leave a range?  By the interpreter alone."""
    interpreter = Interpreter(system)
    start = interpreter.initial()
    seen, todo = {start}, deque([start])
    while todo:
        state = todo.popleft()
        if not all(interpreter.holds(p.formula, state) for p in system.properties):
            return True
        for move in interpreter.moves(state):
            try:
                after = interpreter.step(state, move)
            except RangeError:
                return True
            if after not in seen:
                seen.add(after)
                todo.append(after)
        assert len(seen) < most, "the toy has grown"
    return False
