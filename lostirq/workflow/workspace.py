# SPDX-License-Identifier: GPL-2.0-or-later
"""Find and load a workspace: the folders model/, properties/, proofs/, counterexamples/.

The default is the checkout one stands in, else the copy that the package carries.  Nothing in it is ever executed.
"""

from __future__ import annotations

import contextlib
import difflib
import fnmatch
import os
import re
import shutil
from collections.abc import Iterable, Mapping
from pathlib import Path

import lostirq
from lostirq.errors import UsageError, advice
from lostirq.evidence.trace_file import read_text
from lostirq.language import Workspace, load_sources

PARTS = ("model", "properties", "proofs", "counterexamples")
SOURCES = ("model", "properties")
MAX_FILES = 2000
_LISTED = {"scenario": "scenarios", "property": "properties", "parameter": "parameters", "bug": "bugs",
           "known bug": "bugs", "bug of safety": "bugs"}


def locate(given: Path | None, start: Path) -> Path:
    """The root of the workspace.  Raises `UsageError` if there is none."""
    if given is not None:
        if not given.is_dir():
            raise UsageError(f"--workspace {given}: no such folder")
        if not is_workspace(given):
            raise UsageError(f"--workspace {given}: not a workspace: it has no model/ with *.py files; "
                             "`lostirq init DIR` makes one")
        return given
    for folder in (start, *start.parents):
        if is_workspace(folder) and (folder / "properties").is_dir():
            return folder
    found = packaged()
    if found is None:
        raise UsageError("no workspace here, and none in the package; name one with --workspace DIR")
    return found


def packaged() -> Path | None:
    """The workspace that the package carries; where it runs from a checkout, that."""
    package = Path(lostirq.__file__).parent
    return next((f for f in (package / "workspace_data", package.parent) if is_workspace(f)), None)


def half_workspace(start: Path) -> Path | None:
    """The folder that `locate` passes over though it has a model, for it has no properties; None if there is none."""
    for folder in (start, *start.parents):
        if is_workspace(folder):
            return None if (folder / "properties").is_dir() else folder
    return None


def is_workspace(folder: Path) -> bool:
    return (folder / "model").is_dir() and any((folder / "model").rglob("*.py"))


def sources(root: Path, parts: tuple[str, ...] = SOURCES) -> dict[str, str]:
    """The model and property files, path in the workspace -> text, in order of the paths.  Raises `UsageError`."""
    found: dict[str, str] = {}
    for part in parts:
        for folder, names, files in os.walk(root / part):
            names[:] = sorted(n for n in names if not n.startswith((".", "__pycache__")))
            for name in sorted(files):
                path = Path(folder) / name
                if name.endswith(".py") and not name.startswith("."):
                    if not path.is_file():
                        raise UsageError(f"cannot read model file {path}: no file, or a link to none")
                    if not path.resolve().is_relative_to(root.resolve()):
                        raise UsageError(f"{path} is a link to a file outside the workspace; copy the file instead")
                    found[path.relative_to(root).as_posix()] = read_text(path, "model file")
            if len(found) > MAX_FILES:
                raise UsageError(f"{root}: more than {MAX_FILES} model files; is this the right folder?")
    return dict(sorted(found.items()))


def load(root: Path) -> Workspace:
    """Raises `UsageError` and `ModelErrors`."""
    return load_sources(sources(root))


def choose(wanted: Iterable[str], known: Mapping[str, object] | Iterable[str], what: str) -> list[str]:
    """The names in `wanted`, each of which must be known (or a glob that matches).  Raises `UsageError` with close
    matches."""
    names = list(known)
    chosen: dict[str, None] = {}
    for pattern in wanted:
        if any(c in pattern for c in "*?") and "[" not in pattern:
            found = [n for n in names if fnmatch.fnmatchcase(n, pattern)]
        else:
            found = [n for n in names if n == pattern]
        if not found:
            raise UsageError(f"unknown {what} {pattern!r}{suggestion(pattern, names)}; {_where(what, names)}")
        chosen.update(dict.fromkeys(found))
    return list(chosen)


def _where(what: str, known: list[str]) -> str:
    """Where the known names stand: in a list, or here."""
    part = _LISTED.get(what)
    if part is not None:
        return f"`lostirq list {part}` shows them"
    return f"known are {', '.join(known)}" if known else f"there is no {what} here"


def suggestion(word: str, known: Iterable[str]) -> str:
    """` (did you mean a, b?)` or nothing; of options only what is very near, for all begin alike."""
    by_lower = {k.lower(): k for k in known}
    close = difflib.get_close_matches(word.lower(), list(by_lower), n=3, cutoff=0.75 if word.startswith("--") else 0.6)
    return f" (did you mean {', '.join(by_lower[c] for c in close)}?)" if close else ""


def cache_dir(given: Path | None, environment: Mapping[str, str]) -> Path:
    """Where generated code and the last counterexamples go."""
    if given is not None:
        return given
    if environment.get("LOSTIRQ_CACHE"):
        return Path(environment["LOSTIRQ_CACHE"])
    base = environment.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "lostirq"


def copy_out(root: Path, target: Path) -> list[str]:
    """Copy the workspace to an empty or new folder; the parts that were copied.  Raises `UsageError`; then nothing of
    it is left behind."""
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise UsageError(f"{target} exists and is not an empty folder")
    copied = []
    new = [folder for folder in (target, *target.parents) if not folder.exists()]
    try:
        target.mkdir(parents=True, exist_ok=True)
        for part in PARTS:
            if (root / part).is_dir():
                shutil.copytree(root / part, target / part, ignore=shutil.ignore_patterns("__pycache__", ".*"))
                copied.append(part)
    except (OSError, KeyboardInterrupt) as e:
        for part in PARTS:
            shutil.rmtree(target / part, ignore_errors=True)
        with contextlib.suppress(OSError):
            for folder in new:
                folder.rmdir()
        if not isinstance(e, OSError):
            raise
        cause = _cause(e)
        raise UsageError(f"cannot write {target}: {cause.strerror or cause}; "
                         f"{advice(cause, 'choose another folder')}") from None
    return copied


def _cause(error: OSError) -> OSError:
    """Why a file could not be copied; `copytree` collects (from, to, text) of each."""
    if not isinstance(error, shutil.Error):
        return error
    said = str(error.args[0][0][2] if isinstance(error.args[0], list) else error)
    found = re.match(r"\[Errno (\d+)\] ([^:]*)", said)
    return OSError(int(found[1]), found[2]) if found else OSError(said)
