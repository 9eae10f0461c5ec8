# SPDX-License-Identifier: GPL-2.0-or-later
"""`lostirq init`: copy the workspace to a folder, to be read, edited and patched."""

from __future__ import annotations

from pathlib import Path

from lostirq.workflow.workspace import copy_out


def init(root: Path, target: Path) -> str:
    """Copy; what to do next, in words.  Raises `UsageError`; then nothing is left behind."""
    parts = copy_out(root, target)
    folders = ", ".join(f"{p}/" for p in parts)
    return f"{target}: {folders} copied.\nNext: lostirq check --workspace {target}\n"
