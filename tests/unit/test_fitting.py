# SPDX-License-Identifier: GPL-2.0-or-later
"""Lemmas of the base that do not fit a changed model are left out; nothing else that is wrong is."""

from __future__ import annotations

import pytest

from lostirq.errors import ModelErrors
from lostirq.ir.system import Memory
from lostirq.language import compile_scenario, load_sources
from lostirq.workflow.fitting import load_with_lemmas_that_fit
from tests.unit.test_prove import MODEL, PROPERTIES

LEMMAS = """
from lostirq.prelude import *


@pure
def harvests() -> bool:
    return local("harvester", "harvest_word", "word") == 0


@lemma("word", proves="Q")
def word_is_small() -> bool:
    '''Through a helper.'''
    return harvests() or d.on


@lemma("announced", proves="Q")
def announced_or_posting() -> bool:
    return announced() or within("harvester", "harvest")
"""
CALLED = MODEL.replace("                for k in range(WORDS):\n                    if d.pir.word[k] != 0:\n"
                       "                        xchg(d.pir.word[k], 0)\n",
                       "                for k in range(WORDS):\n                    harvest_word(k)\n")
CALLED = CALLED.replace("\n\n@thread()\ndef harvester", """

def harvest_word(k: Int[0, WORDS - 1]):
    word = d.pir.word[k]
    if word != 0:
        xchg(d.pir.word[k], 0)


@thread()
def harvester""")
BASE = {"model/d.py": CALLED, "properties/q.py": PROPERTIES, "proofs/q.py": LEMMAS}


def lemmas(sources: dict[str, str]) -> list[str]:
    system = compile_scenario(load_with_lemmas_that_fit(sources), "full_width", Memory.SC, overrides={"VECTORS": 64},
                              lemmas=True)
    return [p.key for p in system.properties if p.proves]


def test_what_fits_stays_as_it_is() -> None:
    assert load_with_lemmas_that_fit(BASE).sources == load_sources(BASE).sources
    assert lemmas(BASE) == ["word", "announced"]


@pytest.mark.parametrize("model", [
    CALLED.replace("    word = d.pir.word[k]\n    if word != 0", "    if d.pir.word[k] != 0"),       # no such local
    CALLED.replace("                    harvest_word(k)\n",
                   "                    if d.pir.word[k] != 0:\n                        xchg(d.pir.word[k], 0)\n"),
], ids=["no such local", "never called"])  # fmt: skip
def test_a_lemma_that_does_not_fit_is_left_out(model: str) -> None:
    """With the helper that does not fit, and the lemma that calls it; the other stays, on its lines."""
    assert model != CALLED
    with pytest.raises(ModelErrors):
        load_sources({**BASE, "model/d.py": model})
    assert lemmas({**BASE, "model/d.py": model}) == ["announced"]
    kept = load_with_lemmas_that_fit({**BASE, "model/d.py": model}).sources["proofs/q.py"].splitlines()
    line = LEMMAS.splitlines().index("def announced_or_posting() -> bool:")
    assert kept[line] == LEMMAS.splitlines()[line] and len(kept) == len(LEMMAS.splitlines())


@pytest.mark.parametrize("changed", [
    {"model/d.py": CALLED.replace("d.on", "d.off")},
    {"properties/q.py": PROPERTIES.replace("d.on", "d.off")},
    {"proofs/q.py": LEMMAS + "\n\n@scenario(base=nowhere)\nclass other:\n    '''It.'''\n"},
    {"proofs/q.py": LEMMAS + "\n\n@invariant('P')\ndef p() -> bool:\n    return d.off\n"},
    {"proofs/q.py": LEMMAS + "\n\ndef ("},
    {"proofs/q.py": LEMMAS + "\n\nd.on = True\n"},
], ids=["model", "property", "scenario", "property of a proof", "syntax", "statement"])  # fmt: skip
def test_other_errors_are_errors(changed: dict[str, str]) -> None:
    with pytest.raises(ModelErrors):
        load_with_lemmas_that_fit({**BASE, **changed})
