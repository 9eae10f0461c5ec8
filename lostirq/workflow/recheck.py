# SPDX-License-Identifier: GPL-2.0-or-later
"""`lostirq recheck`: certificates verified against the model as it is, by the stand-alone checker in its own process.

Invariants: only what `lostirq.recheck` calls verified is; a certificate of another system is stale, whatever else is
true of it; what the checker does not say is undecided.

Reference: `lostirq.recheck` (the checker); docs/proofs.md (what is trusted).
"""

from __future__ import annotations

import importlib.metadata
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from lostirq.errors import ModelErrors, UsageError
from lostirq.evidence.trace_file import write_text
from lostirq.ir.system import Property, System
from lostirq.language import Workspace
from lostirq.symbolic.certificate import system_file, text
from lostirq.workflow import certificates
from lostirq.workflow.certificates import Origin
from lostirq.workflow.outcome import Outcome
from lostirq.workflow.workspace import suggestion

SOLVERS = {"bitwuzla": "bitwuzla", "cvc5": "cvc5", "z3": "z3-solver"}    # name -> distribution
DEFAULT = "bitwuzla"


@dataclass(frozen=True, slots=True)
class Rechecked:
    """`verdict`: verified, stale, failed, undecided or malformed; `failing`: obligations that do not hold."""

    certificate: Path
    verdict: str
    reason: str
    failing: tuple[str, ...] = ()
    seconds: float = 0.0

    @property
    def outcome(self) -> Outcome:
        if self.verdict == "verified":
            return Outcome.HOLDS
        told = {"malformed": Outcome.USAGE, **{o.value: o for o in Outcome if o is not Outcome.HOLDS}}
        return told.get(self.verdict, Outcome.UNDECIDED)

    def render(self) -> str:
        """Lines for a terminal, without times."""
        return "\n".join([f"{self.certificate.name}: {self.verdict}: {self.reason}", *(f"  {f}" for f in self.failing)])


def chosen(solver: str) -> str:
    """The name of a solver that is here.  Raises `UsageError`."""
    if solver not in SOLVERS:
        raise UsageError(f"unknown solver {solver!r}{suggestion(solver, SOLVERS)}; one of {', '.join(SOLVERS)}")
    version(solver)
    return solver


def version(solver: str) -> str:
    """The version of a solver.  Raises `UsageError` if it is not installed."""
    try:
        return importlib.metadata.version(SOLVERS[solver])
    except importlib.metadata.PackageNotFoundError:
        mend = f"pip install {SOLVERS[solver]}, or choose another --solver"
        raise UsageError(f"solver {solver} is missing: {mend}") from None


def grouped(paths: Iterable[Path]) -> list[tuple[Origin, tuple[Path, ...]]]:
    """Certificates by the system that they say they are about, which is compiled once.  Raises `UsageError`."""
    found: dict[Origin, list[Path]] = {}
    for path in paths:
        about = certificates.origin(certificates.load(path), path.name)
        found.setdefault(Origin("", about.scenario, about.memory, about.overrides), []).append(path)
    return [(about, tuple(those)) for about, those in found.items()]


def recheck(
    workspace: Workspace, about: Origin, paths: Iterable[Path], solver: str, limit: int | None = None
) -> list[Rechecked]:
    """Verify the certificates of one system, compiled from the model as it is."""
    try:
        system = certificates.compiled(workspace, about)
    except (UsageError, ModelErrors) as error:
        reason = f"its system cannot be compiled any more: {str(error).splitlines()[0]}"
        return [Rechecked(path, "stale", reason) for path in paths]
    found = []
    for path in paths:
        if workspace.scenarios[about.scenario].any_number:  # which depends on the property
            system = certificates.compiled(workspace, certificates.origin(certificates.load(path), path.name))
        found.append(recheck_one(system, path, solver, limit))
    return found


def recheck_one(system: System, path: Path, solver: str, limit: int | None = None) -> Rechecked:
    """Verify one certificate against a flat system."""
    begin = time.monotonic()
    about = certificates.origin(certificates.load(path), path.name)
    goals = certificates.theorem(system, about.property)
    if (gone := certificates.absent(about.property, goals)) or not goals:
        named = ", ".join(gone) or "no property"
        return Rechecked(path, "stale", f"it is about {named}, which is not in {about.scenario} any more")
    given = [] if limit is None else ["--limit", str(limit)]
    done = _run("lostirq.recheck", system, goals, path, "--solver", solver, "--json", *given)
    found = _answer(done, path, system)
    listed = path.resolve().parent.parts[-2:] == certificates.FOLDER.parts
    if found.verdict == "verified" and listed and path.name != about.file().name:
        return Rechecked(path, "malformed", f"of another theorem than its name says: {about.file().name}")
    return Rechecked(found.certificate, found.verdict, found.reason, found.failing, time.monotonic() - begin)


def add_needed(system: System, path: Path) -> None:
    """Write into a new certificate what the checker begins with (`lostirq.recheck.needed`).  Where that is not found,
    the certificate stays as it is: the checker can do without."""
    data = certificates.load(path)
    goals = certificates.theorem(system, certificates.origin(data, path.name).property)
    done = _run("lostirq.recheck.needed", system, goals, path)
    if done.returncode == 0:
        write_text(path, text({**data, "needed": json.loads(done.stdout)}))


def _run(
    program: str, system: System, goals: list[Property], path: Path, *given: str
) -> subprocess.CompletedProcess[str]:
    """A program of the checker, about a certificate."""
    with tempfile.TemporaryDirectory(prefix="lostirq-recheck-") as folder:
        file = Path(folder) / "system.json"
        write_text(file, system_file(system, goals))
        command = [sys.executable, "-m", program, str(file), str(path), *given]
        return subprocess.run(command, capture_output=True, text=True, check=False)


def _answer(done: subprocess.CompletedProcess[str], path: Path, system: System) -> Rechecked:
    """What the checker said; anything but a clear word is undecided."""
    try:
        said = json.loads(done.stdout)
        verdict, reason, failing = str(said["verdict"]), str(said["reason"]), [str(f) for f in said["failing"]]
        edges = [system.edges[e] for e in said["edges"]]
    except (ValueError, KeyError, TypeError, IndexError):
        words = done.stderr.strip().splitlines()
        return Rechecked(path, "undecided", f"the checker gave no answer: {words[-1] if words else done.returncode}")
    if (verdict == "verified") != (done.returncode == 0):
        return Rechecked(path, "undecided", f"the checker said {verdict}, and ended with {done.returncode}")
    if verdict == "foreign":
        return Rechecked(path, "stale", reason)
    places = [f"edge {e.index} is {e.function}, {e.span.file}:{e.span.line}: {e.text}" for e in edges]
    return Rechecked(path, verdict, reason, (*failing, *places))
