# SPDX-License-Identifier: GPL-2.0-or-later
"""Helpers for tests of the front end: compile a text, show edges as S-expressions, expect diagnostics at a place."""

from __future__ import annotations

import textwrap

import pytest

from lostirq.errors import Diagnostic, ModelErrors
from lostirq.interpret import Interpreter
from lostirq.ir.expr import show
from lostirq.ir.system import Edge, Memory, Property, System
from lostirq.language import Workspace, compile_scenario, load_sources
from tests.unit.states import reachable

SCENARIO = """
@scenario(tier="quick", memory=("sc", "tso"))
class only:
    '''A toy.'''
"""


def load(text: str, **others: str) -> Workspace:
    """A workspace of one model file; `others`: further files by name, `properties__q` for properties/q.py."""
    texts = {"model/m.py": textwrap.dedent(text) + ("" if "@scenario" in text else SCENARIO)}
    for name, more in others.items():
        texts[name.replace("__", "/") + ".py"] = textwrap.dedent(more)
    return load_sources(texts)


def compiled(text: str, memory: Memory = Memory.SC, **overrides: int) -> System:
    return compile_scenario(load(text), "only", memory, overrides=overrides)


def line(e: Edge, s: System) -> str:
    """One edge: process, locations, guard, assignments, and what else it says."""
    parts = [f"{s.processes[e.process].name} {e.src}->{e.dst} {show(e.guard)}"]
    parts += [f"{v.name}:={show(x)}" for v, x in e.assigns]
    if e.buffered:
        parts.append("buffered")
    if e.drains:
        parts.append("drains")
    parts += ["!" + " ".join([v.name, *(show(a) for a in v.args)]) for v in e.events]
    if e.choice:
        parts.append(f"'{e.choice}'")
    return "; ".join([*parts, e.access.value])


def lines(s: System, process: str = "") -> list[str]:
    return [line(e, s) for e in s.edges if s.processes[e.process].name.startswith(process)]


def prop(s: System, key: str) -> Property:
    return next(p for p in s.properties if p.key == key)


def names(s: System) -> list[str]:
    return [v.name for v in s.variables]


def errors(text: str, memory: Memory = Memory.SC, **others: str) -> list[Diagnostic]:
    """The diagnostics of a model, from loading or from compiling its scenarios."""
    with pytest.raises(ModelErrors) as caught:
        workspace = load(text, **others)
        for name in workspace.scenarios:
            compile_scenario(workspace, name, memory)
    assert all(d.message for d in caught.value.diagnostics)
    return caught.value.diagnostics


def with_lemma(model: str, lemma: str, **overrides: int) -> System:
    """A model with property Q, and a lemma `x` of one expression for it."""
    text = f'@lemma("x", proves="Q")\ndef x() -> bool:\n    return {lemma}\n'
    return compile_scenario(load(model, proofs__p=text), "only", Memory.SC, overrides=overrides, lemmas=True)


def values_of_lemma(model: str, lemma: str, **overrides: int) -> set[bool]:
    """What the lemma says in the reachable states."""
    s = with_lemma(model, lemma, **overrides)
    machine, formula = Interpreter(s), prop(s, "x").formula
    return {machine.holds(formula, (state, ((),) * s.cpus)) for state in reachable(s)}


def refuse_lemma(model: str, lemma: str, code: str, said: str, **overrides: int) -> None:
    """It is the only error, and told where it stands."""
    with pytest.raises(ModelErrors) as caught:
        with_lemma(model, lemma, **overrides)
    (found,) = caught.value.diagnostics
    assert found.code == code and said in found.message.replace("argument(s)", "arguments")
    assert (found.span.file, found.span.line) == ("proofs/p.py", 3)


def places(found: list[Diagnostic]) -> list[tuple[str, int, int]]:
    """(code, line, column) of each, both counted from 1 as printed."""
    return [(d.code, d.span.line, d.span.column + 1) for d in found]


def outcomes(s: System, *variables: str) -> set[tuple[int, ...]]:
    """Values of variables where every process rests and every store buffer is empty; 0 for one folded away."""
    interpreter = Interpreter(s)
    index = {v.name: k for k, v in enumerate(s.variables)}
    seen, stack, found = {interpreter.initial()}, [interpreter.initial()], set()
    while stack:
        state = stack.pop()
        values, buffers = state
        if interpreter.resting(state) and not any(buffers):
            found.add(tuple(values[index[n]] if n in index else 0 for n in variables))
        for move in interpreter.moves(state):
            after = interpreter.step(state, move)
            if after not in seen:
                seen.add(after)
                stack.append(after)
    return found
