# SPDX-License-Identifier: GPL-2.0-or-later
"""What the user changed in a copy of the model that the package carries: a run of a changed model may be no run of the
code that the model mirrors, and a report has to say so.

Invariant: a workspace that is no such copy (another kernel version, other files) has no edits; neither has one whose
texts differ in comments and layout alone, or that has further scenarios and properties.
"""

from __future__ import annotations

import ast
import subprocess
from collections.abc import Mapping
from pathlib import Path

from lostirq.errors import UsageError
from lostirq.evidence.trace_file import read_text
from lostirq.workflow.patch_sources import at_revision
from lostirq.workflow.workspace import SOURCES, packaged, sources

VERSION = "model/KERNEL"


def edited(root: Path) -> tuple[str, ...]:
    """The files of the model and its properties that are not as in the package, in order of their paths; in the folder
    of the package itself, not as in its last commit.  Raises `UsageError` for files that cannot be read."""
    original = packaged()
    if original is None:
        return ()
    here = sources(root)
    there = _committed(root) if original.resolve() == root.resolve() else _carried(original, root, here)
    changed = {path for path, text in there.items() if not _same(text, here.get(path, ""))}
    added = {path for path in here if there and path not in there and path.startswith("model/")
             and not path.startswith("model/scenarios/")}
    return tuple(sorted(changed | added))


def _carried(original: Path, root: Path, here: Mapping[str, str]) -> dict[str, str]:
    """The texts of the package, nothing if the workspace is no copy of it."""
    versions = [read_text(folder / VERSION, "kernel version").split() if (folder / VERSION).is_file() else []
                for folder in (original, root)]
    there = sources(original) if versions[0] == versions[1] else {}
    return there if 2 * len(there.keys() & here.keys()) > len(there) else {}


def _committed(root: Path) -> dict[str, str]:
    """The texts of the last commit, nothing if it is not known or nothing differs from it."""
    try:
        done = subprocess.run(["git", "--no-optional-locks", "status", "--porcelain", "--", *SOURCES], cwd=root,
                              capture_output=True, check=False, timeout=60, stdin=subprocess.DEVNULL)
        if done.returncode != 0 or not done.stdout:
            return {}
        return {p: text for p, text in at_revision(root, "HEAD").items() if p.startswith(SOURCES)}
    except (OSError, subprocess.SubprocessError, UsageError):
        return {}


def _same(one: str, other: str) -> bool:
    if one == other:
        return True
    try:
        return ast.dump(ast.parse(one)) == ast.dump(ast.parse(other))
    except (SyntaxError, ValueError):
        return False
