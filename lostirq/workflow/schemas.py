# SPDX-License-Identifier: GPL-2.0-or-later
"""Write the JSON Schema of trace files to where it ships: python -m lostirq.workflow.schemas.

The others in that folder (check, bugs, patch, mutate, impact, error) are written by hand: they say what programs may
rely on in the objects of `--json`, which tests hold against what the commands print.
"""

from __future__ import annotations

import json
from pathlib import Path

import lostirq
from lostirq.evidence.trace_file import schema, write_text

TRACE = Path(lostirq.__file__).parent / "schemas" / "trace.schema.json"


def text() -> str:
    """The file: two runs give the same bytes."""
    return json.dumps(schema(), indent=1) + "\n"


if __name__ == "__main__":
    write_text(TRACE, text())
