# SPDX-License-Identifier: GPL-2.0-or-later
"""`lostirq report`: a counterexample in the format that its reader wants.

Invariants: a rendering is made from the account alone; the run was replayed on the model first, unless the account was
asked for as it stands in the file; a skeleton is compiled, never run, and only against a tree that was named.
"""

from __future__ import annotations

import os
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

from lostirq.errors import UsageError
from lostirq.evidence import trace_file
from lostirq.evidence.account import Account
from lostirq.evidence.trace_file import StoredTrace, read_text
from lostirq.explicit.build import find_compiler
from lostirq.report.formats import FORMATS, rendering
from lostirq.report.selftest import selftest
from lostirq.workflow.counterexample import Project, as_recorded, find, project

MOST_ERRORS = 5         # lines of the compiler that are shown


@dataclass(frozen=True, slots=True)
class Request:
    """`kernel`: a tree against which a skeleton is compiled; `recorded`: take the account as it stands in the file."""

    subject: str
    format: str = "text"
    kernel: Path | None = None
    recorded: bool = False


def report(root: Path, request: Request, cache: Path) -> str:
    """The text of the report.  Raises `UsageError`."""
    if request.format not in FORMATS:
        raise UsageError(f"unknown format {request.format!r}; known are {', '.join(FORMATS)}")
    if request.kernel is not None and request.format != "selftest":
        raise UsageError("--kernel is for --format selftest")
    stored = as_recorded(request.subject, cache) if request.recorded else find(root, request.subject, cache).stored
    return rendered(stored, request.format, root, kernel=request.kernel)


def rendered(stored: StoredTrace, form: str, root: Path, *, kernel: Path | None = None) -> str:
    """A trace that has its account, in a format.  Raises `UsageError`."""
    if stored.account is None:
        raise UsageError("the trace has no account to render")
    if form == "json":
        return trace_file.render(stored)
    if form == "selftest":
        return _skeleton(stored.account, root, kernel)
    return rendering(form)(stored.account)


def _skeleton(account: Account, root: Path, kernel: Path | None) -> str:
    found = project(root)
    if not found.skeleton:
        raise UsageError(f"this workspace has no skeleton of a selftest ('skeleton' in {root / 'model/report.toml'})")
    template = read_text(root / "model" / found.skeleton, "skeleton of a selftest")
    text = selftest(account, template, found.guest)
    if kernel is not None:
        _compile(text, kernel, found)
    return text


def _compile(text: str, tree: Path, found: Project) -> None:
    """Raises `UsageError` with the compiler's first lines if the skeleton does not compile against a tree."""
    tests = tree / found.selftests
    if not tests.is_dir():
        raise UsageError(f"--kernel {tree}: has no {found.selftests}; give the top of a source tree")
    compiler = find_compiler(None)
    if compiler is None:
        raise UsageError("--kernel: no C compiler found ($CC, cc, gcc, clang)")
    installed = tree / "usr/include"
    places = [tests / folder for folder in found.include]
    places += [tests / "..", tests / "../rseq", tree / "tools/include", tree / "tools/arch/x86/include"]
    places += [installed] if (installed / "linux").is_dir() else [tree / "arch/x86/include/uapi", tree / "include/uapi"]
    with tempfile.TemporaryDirectory(prefix="lostirq-") as folder:
        source = Path(folder) / "skeleton.c"
        source.write_text(text, encoding="utf-8")
        command = [*compiler.command, "-fsyntax-only", "-std=gnu11", "-DCONFIG_64BIT", "-D_GNU_SOURCE", "-D__user=",
                   "-D__EXPORTED_HEADERS__", *(f"-I{p}" for p in places if p.is_dir()), str(source)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False,
                              env={**os.environ, "LC_ALL": "C"})
    if done.returncode != 0:
        said = [line.replace(str(source), "skeleton.c") for line in done.stderr.splitlines() if "error" in line]
        raise UsageError(f"the skeleton does not compile against {tree}:\n  " + "\n  ".join(said[:MOST_ERRORS]))
