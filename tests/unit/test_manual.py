# SPDX-License-Identifier: GPL-2.0-or-later
"""The examples of the language manual compile, under both memory models; its table of errors is complete."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from lostirq import prelude
from lostirq.ir.system import Memory, System
from lostirq.language import builtins, compile_scenario, load_sources

MANUAL = Path(__file__).parents[2] / "docs" / "language.md"
SCENARIO = "@scenario()\nclass example:\n    pass\n"


def examples() -> dict[str, str]:
    """The python blocks of each section, joined; section 5 states properties of the model of section 4."""
    found: dict[str, str] = {}
    for section in re.split(r"^## ", MANUAL.read_text(), flags=re.MULTILINE)[1:]:
        blocks = re.findall(r"^```python\n(.*?)^```", section, flags=re.MULTILINE | re.DOTALL)
        if blocks:
            found[section[0]] = "\n\n".join(blocks)
    found["5"] = found.pop("4") + "\n\n" + found["5"]
    return found


def compiled(text: str) -> list[System]:
    workspace = load_sources({"model/manual.py": text if "@scenario" in text else text + SCENARIO})
    return [compile_scenario(workspace, name, m) for name in workspace.scenarios for m in Memory]


@pytest.mark.parametrize("section", sorted(examples()))
def test_an_example_compiles(section: str) -> None:
    systems = compiled(examples()[section])
    assert systems and all(s.processes or section == "1" for s in systems)


def test_the_properties_of_the_manual_are_all_forms() -> None:
    (sequential, _) = compiled(examples()["5"])
    assert {p.form.value for p in sequential.properties} == {"invariant", "reachable", "step", "recurrence"}


def test_every_error_code_is_in_the_manual() -> None:
    used: set[str] = set()
    for path in Path(builtins.__file__).parent.glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Constant) and isinstance(node.value, str) and re.fullmatch(r"LI\d{3}", node.value):
                used.add(node.value)
    assert used <= set(re.findall(r"LI\d{3}", MANUAL.read_text()))


def test_every_built_in_is_in_the_manual_and_in_the_prelude() -> None:
    names = {*builtins.READERS, *builtins.EFFECTS, *builtins.IN_PROPERTIES, "this_cpu", "atomic", "window"}
    text = MANUAL.read_text()
    assert {n for n in names if f"{n}(" not in text} == set()
    assert {n for n in names if not hasattr(prelude, n)} <= {"min", "max", "any", "all", "sum", "len"}
    assert {n for n in names if n not in prelude.__all__} <= {"min", "max", "any", "all", "sum", "len"}
