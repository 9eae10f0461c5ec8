# SPDX-License-Identifier: GPL-2.0-or-later
"""The JSON Schemas that ship: each is one, is closed, and is named in the documentation.

That the commands print what these say is tested beside each command (`json_schemas.valid`).
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from json_schemas import SCHEMAS

NAMES = sorted(p.name.removesuffix(".schema.json") for p in SCHEMAS.iterdir())
DOCS = Path(__file__).parents[2] / "docs"


def objects(schema: object) -> Iterator[dict[str, Any]]:
    """The parts of a schema that describe an object with fields of its own."""
    if isinstance(schema, dict):
        if "properties" in schema and schema.get("type") == "object":
            yield schema
        for part in schema.values():
            yield from objects(part)
    elif isinstance(schema, list):
        for part in schema:
            yield from objects(part)


def test_the_commands_that_programs_read_have_one() -> None:
    assert NAMES == ["bugs", "check", "error", "impact", "mutate", "patch", "trace"]


@pytest.mark.parametrize("name", NAMES)
def test_a_schema_is_one_and_knows_every_field(name: str) -> None:
    schema = json.loads((SCHEMAS / f"{name}.schema.json").read_text())
    jsonschema.Draft202012Validator.check_schema(schema)
    found = list(objects(schema))
    assert found
    for part in found:
        if set(part["properties"]) != {"format"}:         # that is a trace, which has a schema of its own
            assert part["additionalProperties"] is False
            assert set(part["required"]) <= set(part["properties"])
    assert not jsonschema.Draft202012Validator(schema).is_valid({})


@pytest.mark.parametrize("name", NAMES)
def test_a_schema_is_named_in_the_documentation(name: str) -> None:
    pages = (DOCS / "ci.md").read_text() + (DOCS / "reports.md").read_text()
    assert f"{name}.schema.json`" in pages
