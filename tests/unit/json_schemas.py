# SPDX-License-Identifier: GPL-2.0-or-later
"""The JSON Schemas that ship, for tests of what the commands print."""

from __future__ import annotations

import json
from pathlib import Path

import jsonschema

import lostirq

SCHEMAS = Path(lostirq.__file__).parent / "schemas"


def valid(name: str, text: str) -> dict[str, object]:
    """The one object in a text.  Raises if it is not as `lostirq/schemas/NAME.schema.json` says."""
    data: dict[str, object] = json.loads(text)
    schema = json.loads((SCHEMAS / f"{name}.schema.json").read_text())
    jsonschema.Draft202012Validator.check_schema(schema)
    jsonschema.Draft202012Validator(schema).validate(data)
    return data
