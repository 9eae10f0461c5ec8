# SPDX-License-Identifier: GPL-2.0-or-later
"""A changed model with the lemmas of its base: those that do not fit it any more are left out.

A lemma that names a function that nobody calls, or a local variable that is gone, is an error of the model for its
author.  For somebody who tries the proofs of the base on a patch it is one lemma less: what remains of its certificate
is tried by names (`lostirq.symbolic.certificate`), and a proof that is found without it is a proof.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Mapping

from lostirq.errors import Diagnostic, ModelErrors
from lostirq.language import Workspace, load_sources

FOLDER = "proofs/"


def load_with_lemmas_that_fit(sources: Mapping[str, str]) -> Workspace:
    """A workspace from texts by file name, without the lemmas of proofs/ that have errors in it, the @pure functions
    that have, and what calls them.  Raises `ModelErrors` if anything else has."""
    texts = dict(sources)
    while True:
        try:
            return load_sources(texts)
        except ModelErrors as errors:
            if not _leave_out(texts, errors.diagnostics):
                raise


def _leave_out(texts: dict[str, str], found: Iterable[Diagnostic]) -> bool:
    """Blank out the lemmas of proofs/ that are in error; was there one, and is there nothing else in error?"""
    before = dict(texts)
    for d in found:
        if not d.span.file.startswith(FOLDER):
            return False
        lines = texts[d.span.file].splitlines()
        try:
            body = ast.parse("\n".join(lines)).body
        except SyntaxError:
            return False
        places = [range(n.decorator_list[0].lineno - 1, n.end_lineno or n.lineno)
                  for n in body if isinstance(n, ast.FunctionDef) and _is_of_a_proof(n)]
        here = [place for place in places if d.span.line - 1 in place]
        if here:
            texts[d.span.file] = "\n".join("" if n in here[0] else line for n, line in enumerate(lines)) + "\n"
        elif lines[d.span.line - 1 : d.span.line] != [""]:     # left out for an error before this one
            return False
    return texts != before


def _is_of_a_proof(function: ast.FunctionDef) -> bool:
    """Is it a lemma, or a helper?  What is stated is never left out."""
    return any(ast.unparse(d).partition("(")[0] in ("lemma", "pure") for d in function.decorator_list)
