# SPDX-License-Identifier: GPL-2.0-or-later
"""The house rules, read from the files: layers, sizes, licences, words."""

from __future__ import annotations

import ast
import importlib.metadata
import re
import subprocess
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

# A package may import those before it on its line's right; `errors` is below everything.
LAYERS = {
    "errors": set(),
    "ir": set(),
    "language": {"ir"},
    "interpret": {"ir"},
    "evidence": {"interpret", "ir"},
    "explicit": {"evidence", "interpret", "ir"},
    "symbolic": {"evidence", "interpret", "ir"},
    "report": {"evidence", "interpret", "ir"},
    "workflow": {"report", "symbolic", "explicit", "evidence", "interpret", "language", "ir"},
    "cli": {"workflow", "report", "symbolic", "explicit", "evidence", "interpret", "language", "ir"},
    "__main__": {"cli"},
    "prelude": set(),
    "recheck": set(),
}

# Words of the modelled machine that the checker must not know: whole words, in names and texts of the code.
# Comments and docstrings may use them in examples and references.
FOREIGN = re.compile(
    r"\b(kvm|vmx|svm|vcpus?|pcpus?|lapic|apic|apicv|avic|ioapic|irr|isr|tpr|ppr|rvi|svi|pir|eoi|vmcs|vmcb|"
    r"in_guest_mode|posted_intr|pi_desc|msi|nmi|smi|sipi|hypervisor|iommu)\b", re.IGNORECASE)

LICENCES = {
    "networkx": "BSD", "z3-solver": "MIT", "bitwuzla": "MIT", "cvc5": "BSD",
    "hatchling": "MIT", "hypothesis": "MPL-2.0", "pytest": "MIT", "pytest-xdist": "MIT", "ruff": "MIT", "mypy": "MIT",
    "itf-py": "MIT", "jsonschema": "MIT", "junitparser": "Apache-2.0", "sarif-pydantic": "MIT", "tap.py": "BSD",
    "b4": "GPL-2.0-or-later", "github-action-utils": "MIT", "axe-core-python": "MIT", "selenium": "Apache-2.0",
}
UNDECLARED = {"itf-py"}     # its archive has no word of a licence; that of its repository (konnov/itf-py) is MIT


def tracked(*patterns: str) -> list[Path]:
    """Files in git, or all files where there is no git (a source archive)."""
    listed = subprocess.run(["git", "ls-files", "-z", *patterns], cwd=ROOT, capture_output=True, check=False)
    if listed.returncode != 0:
        return sorted(p for pattern in patterns for p in ROOT.rglob(pattern) if ".venv" not in p.parts)
    return [ROOT / name for name in listed.stdout.decode().split("\0") if name and (ROOT / name).is_file()]


def package_files() -> list[Path]:
    return sorted(p for p in (ROOT / "lostirq").rglob("*.py") if "workspace_data" not in p.parts)


def layer(path: Path) -> str:
    return path.relative_to(ROOT / "lostirq").parts[0].removesuffix(".py")


def imports(path: Path) -> set[str]:
    """The layers of ours that a file imports, also inside functions."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found.update(a.name for a in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            found.update(f"{node.module}.{a.name}" for a in node.names)
    return {name.split(".")[1] for name in found if name.startswith("lostirq.")} - {"__version__"}


def test_imports_point_downwards() -> None:
    wrong = [f"{path.relative_to(ROOT)} imports {other}" for path in package_files() if layer(path) != "__init__"
             for other in sorted(imports(path)) if other in LAYERS
             and other not in LAYERS[layer(path)] | {layer(path), "errors"}]
    assert wrong == []


def test_every_layer_is_known() -> None:
    assert {layer(p) for p in package_files()} - {"__init__"} <= set(LAYERS)


def test_the_checker_imports_nothing_of_the_workspace() -> None:
    for path in package_files():
        roots = {n.split(".")[0] for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Import)
                 for n in [a.name for a in node.names]}
        roots |= {node.module.split(".")[0] for node in ast.walk(ast.parse(path.read_text()))
                  if isinstance(node, ast.ImportFrom) and node.module}
        assert not roots & {"model", "properties", "proofs", "counterexamples"}, path


def test_nothing_of_a_workspace_is_executed() -> None:
    called = {"eval", "exec", "compile", "__import__"}
    for path in package_files():
        if layer(path) in ("explicit",):
            continue    # executes code that it generated itself
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
                assert node.func.id not in called, f"{path}:{node.lineno}"


def test_the_checker_knows_no_word_of_the_modelled_machine() -> None:
    wrong = []
    for path in package_files():
        for line, text in spoken(path):
            found = FOREIGN.search(text)
            if found:
                wrong.append(f"{path.relative_to(ROOT)}:{line}: {found.group()}")
    assert wrong == []


def spoken(path: Path) -> Iterator[tuple[int, str]]:
    """(line, name or text) of the code of a file, without docstrings."""
    tree = ast.parse(path.read_text())
    docs = {id(node.body[0].value) for node in ast.walk(tree)
            if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef) and node.body
            and isinstance(node.body[0], ast.Expr)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in docs:
            yield node.lineno, node.value
        elif isinstance(node, ast.Name | ast.FunctionDef | ast.ClassDef | ast.arg | ast.Attribute):
            name = getattr(node, "id", None) or getattr(node, "name", None) or getattr(node, "arg", None)
            yield node.lineno, (name or getattr(node, "attr", "")).replace("_", " ")


def test_every_source_file_names_its_licence() -> None:
    kinds = ("*.py", "*.c", "*.h", "*.sh", "Makefile", "pyproject.toml", ".ci/run", ".gitignore")
    files = [p for p in tracked(*kinds) if p.stat().st_size]
    missing = [str(p.relative_to(ROOT)) for p in files
               if "SPDX-License-Identifier: GPL-2.0-or-later" not in "\n".join(p.read_text().splitlines()[:3])]
    assert missing == []


def test_modules_open_with_a_docstring() -> None:
    missing = [str(p.relative_to(ROOT)) for p in tracked("lostirq/*.py", "tests/*.py", "model/*.py", "properties/*.py")
               if p.stat().st_size and not ast.get_docstring(ast.parse(p.read_text()))]
    assert missing == []


def test_files_stay_below_four_hundred_lines() -> None:
    long = {str(p.relative_to(ROOT)): n for p in tracked("*.py", "*.c")
            if (n := len(p.read_text().splitlines())) > 400 and "tests" not in p.relative_to(ROOT).parts}
    assert long == {}


def test_functions_stay_below_sixty_lines() -> None:
    long = []
    for path in package_files():
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.FunctionDef) and (node.end_lineno or 0) - node.lineno >= 60:
                long.append(f"{path.relative_to(ROOT)}:{node.lineno} {node.name}")
    assert long == []


def test_no_marks_of_unfinished_work() -> None:
    marks = re.compile(r"\b(TODO|FIXME|XXX|HACK)\b")
    this = Path(__file__).name
    found = [f"{p.relative_to(ROOT)}:{n}" for p in tracked("*.py", "*.c", "*.md") if p.name != this
             for n, line in enumerate(p.read_text().splitlines(), 1) if marks.search(line)]
    assert found == []


def test_dependencies_have_compatible_licences() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    wanted = [*project["dependencies"], *project["optional-dependencies"]["dev"]]
    names = {re.split(r"[<>=!~\[ ]", w)[0] for w in wanted}
    assert names == set(LICENCES)


@pytest.mark.parametrize("name", sorted(LICENCES))
def test_licence_of_the_installed_dependency(name: str) -> None:
    data = importlib.metadata.metadata(name)
    said = " ".join([data.get("License") or "", data.get("License-Expression") or "", data.get("Summary") or "",
                     *(data.get_all("Classifier") or [])])
    said += " ".join(f.read_text() for f in importlib.metadata.files(name) or () if f.name.startswith("LICEN"))
    if name in UNDECLARED and "Licen" not in said:
        return
    assert LICENCES[name].split("-")[0] in said


def test_repository_speaks_of_the_project_alone() -> None:
    this = Path(__file__).name
    words = re.compile(r"/work/|\bissue [0-9]+\b", re.IGNORECASE)
    kinds = ("*.py", "*.md", "*.c", "*.toml", "*.txt", "Makefile")
    found = [f"{p.relative_to(ROOT)}:{n}: {line.strip()[:60]}" for p in tracked(*kinds) if p.name != this
             for n, line in enumerate(p.read_text().splitlines(), 1) if words.search(line)]
    assert found == []
