# SPDX-License-Identifier: GPL-2.0-or-later
"""Build hook: put the workspace into the wheel as `lostirq/workspace_data/`.

An editable install must not do that: the checkout is the workspace there, and a copy would grow stale.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

PARTS = ("model", "properties", "proofs", "counterexamples")


class WorkspaceHook(BuildHookInterface[Any]):
    PLUGIN_NAME = "custom"

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        if version == "editable":
            return
        for part in PARTS:
            folder = Path(self.root) / part
            for path in sorted(folder.rglob("*")):
                inside = path.relative_to(self.root)
                if path.is_file() and not path.is_symlink() and "__pycache__" not in inside.parts:
                    build_data["force_include"][str(path)] = f"lostirq/workspace_data/{inside.as_posix()}"
