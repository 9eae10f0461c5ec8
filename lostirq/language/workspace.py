# SPDX-License-Identifier: GPL-2.0-or-later
"""A workspace as loaded from disk or from texts: its scenarios, functions and parameters."""

from __future__ import annotations

import ast
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from lostirq.errors import Diagnostic, ModelErrors, Span, UsageError
from lostirq.ir.digest import digest
from lostirq.ir.system import Memory, System
from lostirq.language import check
from lostirq.language.compiler import Executed, compile_request, expand
from lostirq.language.declarations import PROPERTIES, Collector, Declarations, FunctionDecl, Role, ScenarioDecl
from lostirq.language.finish import Request
from lostirq.language.properties import property_id, witness_id
from lostirq.language.scope import Scope, suggest
from lostirq.language.source import Abandon, Report, Source, parse
from lostirq.language.translate import Translator
from lostirq.language.universe import Universe


@dataclass(frozen=True, slots=True)
class Scenario:
    """What runs together, and at which sizes.  `properties`: ids, None for all that apply; `any_number`: symmetric
    sets of which a proof allows any number of members."""

    name: str
    tier: str
    memory: tuple[Memory, ...]
    summary: str
    parameters: dict[str, int]
    properties: tuple[str, ...] | None
    bugs: bool
    span: Span
    any_number: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class FunctionInfo:
    """A function of the model, for the documentation."""

    name: str
    role: str
    kernel: str
    hardware: str
    span: Span
    summary: str
    abstractions: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ParameterInfo:
    name: str
    default: int
    is_bool: bool
    doc: str
    span: Span


@dataclass(frozen=True, slots=True)
class PropertyInfo:
    """A property as declared, before any scenario."""

    id: str
    form: str
    title: str
    statement: str
    source: str
    witness: str
    planted: str
    span: Span


@dataclass(frozen=True, eq=False, slots=True)
class Workspace:
    """All declarations of a workspace, checked."""

    declarations: Declarations
    scenarios: dict[str, Scenario]
    functions: tuple[FunctionInfo, ...]
    parameters: dict[str, ParameterInfo]
    properties: dict[str, PropertyInfo]
    sources: dict[str, str] = field(default_factory=dict)


def load_workspace(path: Path) -> Workspace:
    """Read `model/` and `properties/` under a folder; raises UsageError or ModelErrors."""
    if not path.is_dir():
        raise UsageError(f"{path}: no such folder")
    if not (path / "model").is_dir():
        raise UsageError(f"{path}: not a workspace (no folder 'model')")
    texts: dict[str, str] = {}
    for folder in ("model", "properties"):
        for file in sorted((path / folder).rglob("*.py")):
            name = file.relative_to(path).as_posix()
            try:
                texts[name] = file.read_text(encoding="utf-8")
            except (OSError, UnicodeDecodeError) as error:
                raise UsageError(f"{name}: cannot be read ({error})") from None
    if not any(n.startswith("model/") for n in texts):
        raise UsageError(f"{path}: the folder 'model' has no files")
    return load_sources(texts)


def load_sources(texts: dict[str, str]) -> Workspace:
    """A workspace from texts by file name; raises ModelErrors."""
    report = Report()
    collector = Collector(report)
    for name in sorted(texts):
        parsed = parse(name, texts[name], report)
        if parsed is not None:
            collector.module(*parsed)
    declarations = collector.result
    if report.found:
        raise ModelErrors(report.found, texts)
    check.workspace(declarations, report)
    scenarios = _Scenarios(declarations, report).all()
    if report.found:
        raise ModelErrors(report.found, texts)
    functions = tuple(_function(d) for d in declarations.functions() if d.role not in PROPERTIES)
    parameters = {
        p.name: ParameterInfo(p.name, p.default, p.is_bool, p.doc, p.source.span(p.node)) for p in declarations.params()
    }
    stated = [d for d in declarations.functions() if d.role in PROPERTIES and d.role is not Role.LEMMA]
    properties = {property_id(d): _property(declarations, d) for d in stated}
    return Workspace(declarations, scenarios, functions, parameters, properties, dict(texts))


def compile_scenario(
    workspace: Workspace, name: str, memory: Memory, *, overrides: dict[str, int] | None = None, lemmas: bool = False,
    properties: tuple[str, ...] | None = None, room: int = 0, executed: Executed | None = None,
) -> System:
    """The annotated system of a scenario under a memory model, with the lemmas of proofs/ if they are wanted and
    loaded, and with these properties (ids) instead of those of the scenario; `room`: entries of a store buffer that has
    no static bound (fewer behaviours than there are), else that is an error; `executed` gets what the scenario
    executes.  Raises UsageError or ModelErrors."""
    values, dropped = _values(workspace, name, overrides or {})
    report = Report()
    wanted = properties or workspace.scenarios[name].properties
    request = Request(name, memory, values, wanted, dropped, lemmas, room)
    system = compile_request(workspace.declarations, request, report, executed=executed)
    if report.found or system is None:
        raise ModelErrors(report.found, workspace.sources, _given(overrides))
    return system


def compile_memories(workspace: Workspace, name: str, memories: Iterable[Memory], *,
                     overrides: dict[str, int] | None = None) -> dict[Memory, System]:
    """The systems of a scenario under several memory models, as `compile_scenario` makes them one by one, but what does
    not depend on the memory model is done once.  Raises what that raises."""
    values, dropped = _values(workspace, name, overrides or {})
    report = Report()
    expanded = expand(workspace.declarations, values, report)
    found: dict[Memory, System] = {}
    for memory in memories:
        request = Request(name, memory, values, workspace.scenarios[name].properties, dropped)
        system = None if expanded is None else compile_request(workspace.declarations, request, report, expanded)
        if report.found or system is None:
            raise ModelErrors(report.found, workspace.sources, _given(overrides))
        found[memory] = system
    return found


def _given(overrides: dict[str, int] | None) -> tuple[str, ...]:
    return tuple(f"{name}={int(value)}" for name, value in (overrides or {}).items())


def _values(workspace: Workspace, name: str, overrides: dict[str, int]) -> tuple[dict[str, int], tuple[str, ...]]:
    """The values of all parameters of a scenario, and the choices of the guest that it drops.  Raises `UsageError`."""
    scenario = workspace.scenarios.get(name)
    if scenario is None:
        raise UsageError(f"unknown scenario '{name}'; " + (suggest(name, workspace.scenarios) or "see 'lostirq list'"))
    values = {p.name: p.default for p in workspace.parameters.values()} | scenario.parameters
    for key, value in overrides.items():
        if key not in workspace.parameters:
            raise UsageError(f"unknown parameter '{key}'; {suggest(key, workspace.parameters)}".rstrip("; "))
        values[key] = int(value)
    dropped = tuple(
        p.name
        for p in workspace.parameters.values()
        if p.is_bool and p.name.startswith("GUEST_") and not values[p.name]
    )
    return values, dropped


def check_switches(workspace: Workspace, name: str) -> list[Diagnostic]:
    """LI035 for each parameter that a scenario sets to something else than its default without any effect on the
    transition system under one of its memory models.  Compiles the scenario once per parameter."""
    scenario = workspace.scenarios[name]
    found: list[Diagnostic] = []
    plain: dict[Memory, str] = {}

    def same(memory: Memory, key: str, default: int) -> bool:
        if memory not in plain:
            plain[memory] = digest(compile_scenario(workspace, name, memory), properties=False)
        try:
            changed = compile_scenario(workspace, name, memory, overrides={key: default})
        except ModelErrors:
            return False   # the scenario makes no sense without it
        return digest(changed, properties=False) == plain[memory]

    for key, value in scenario.parameters.items():
        default = workspace.parameters[key].default
        if value != default and all(same(m, key, default) for m in scenario.memory):
            message = f"parameter '{key}' = {value} changes nothing in scenario '{name}'"
            found.append(Diagnostic(scenario.span, "LI035", message, "remove it, or use what it turns on"))
    return found


def _property(declarations: Declarations, decl: FunctionDecl) -> PropertyInfo:
    return PropertyInfo(
        property_id(decl),
        decl.role.value,
        decl.text("title"),
        decl.text("statement") or " ".join(decl.docstring.split()),
        decl.text("source"),
        witness_id(declarations, decl),
        decl.text("planted"),
        decl.source.header(decl.node),
    )


def _function(decl: FunctionDecl) -> FunctionInfo:
    first = decl.docstring.splitlines()
    return FunctionInfo(
        decl.name,
        decl.role.value,
        decl.text("kernel"),
        decl.text("hardware"),
        decl.source.header(decl.node),
        first[0] if first else "",
        abstractions(decl.source, decl.node),
    )


def abstractions(source: Source, node: ast.FunctionDef) -> tuple[str, ...]:
    """The `Abstraction:` comments of a function, those directly above it included."""
    start = min([node.lineno, *(d.lineno for d in node.decorator_list)]) - 1
    while start > 0 and source.lines[start - 1].lstrip().startswith("#"):
        start -= 1
    found: list[str] = []
    open_ = False
    for line in source.lines[start : node.end_lineno]:
        comment = line.strip()
        if not comment.startswith("#"):
            open_ = False
            continue
        text = comment.lstrip("# ").rstrip()
        if text.startswith("Abstraction:"):
            found.append(text.removeprefix("Abstraction:").strip())
            open_ = True
        elif open_ and text:
            found[-1] += " " + text
    return tuple(found)


class _Scenarios:
    """Resolves scenarios and what they inherit."""

    def __init__(self, declarations: Declarations, report: Report) -> None:
        self.declarations = declarations
        self.report = report
        self.done: dict[str, Scenario] = {}
        self.open: list[str] = []

    def all(self) -> dict[str, Scenario]:
        found: dict[str, Scenario] = {}
        for decl in self.declarations.scenarios.values():
            try:
                found[decl.name] = self.resolve(decl)
            except Abandon:
                continue
        return found

    def resolve(self, decl: ScenarioDecl) -> Scenario:
        if decl.name in self.done:
            return self.done[decl.name]
        where = decl.source.header(decl.node)
        if decl.name in self.open:
            raise self.report.fail(where, "LI013", f"scenario '{decl.name}' is its own base", "break the cycle")
        self.open.append(decl.name)
        base = self._base(decl)
        values = dict(base.parameters) if base else {}
        params = {p.name: p for p in self.declarations.params()}
        for item in decl.settings:
            target = item.targets[0]
            assert isinstance(target, ast.Name)
            if target.id not in params:
                self.report.add(
                    decl.source.span(item), "LI031", f"unknown parameter '{target.id}'", suggest(target.id, params)
                )
                continue
            universe = Universe(self.declarations, values, self.report)
            value = Translator(universe, Scope(decl.source, None, {})).constant_expr(item.value)
            is_bool = value.type.kind.value == "bool"
            if is_bool != params[target.id].is_bool:
                wanted = "bool" if params[target.id].is_bool else "int"
                self.report.add(decl.source.span(item.value), "LI032", f"parameter '{target.id}' must be {wanted}")
                continue
            values[target.id] = value.payload  # type: ignore[assignment]  # the payload of a constant is an int
        self.open.remove(decl.name)
        docs = (ast.get_docstring(decl.node) or "").splitlines()
        scenario = Scenario(
            decl.name,
            self._tier(decl) or (base.tier if base else "standard"),
            self._memory(decl, base),
            docs[0] if docs else "",
            values,
            self._properties(decl, base),
            self._flag(decl, "bugs"),
            where,
            self._strings(decl, "any_number") or (base.any_number if base else ()),
        )
        self.done[decl.name] = scenario
        return scenario

    def _base(self, decl: ScenarioDecl) -> Scenario | None:
        node = decl.options.get("base")
        if node is None:
            return None
        name = node.id if isinstance(node, ast.Name) else decl.source.text_of(node).strip("\"'")
        known = self.declarations.scenarios
        base = known.get(name)
        if base is None:
            raise self.report.fail(decl.source.span(node), "LI036", f"unknown scenario '{name}'", suggest(name, known))
        return self.resolve(base)

    def _strings(self, decl: ScenarioDecl, option: str) -> tuple[str, ...] | None:
        node = decl.options.get(option)
        if node is None or isinstance(node, ast.Constant) and node.value is None:
            return None
        items = node.elts if isinstance(node, (ast.Tuple, ast.List)) else [node]
        found: list[str] = []
        for item in items:
            if isinstance(item, ast.Constant) and isinstance(item.value, str):
                found.append(item.value)
            else:
                self.report.add(decl.source.span(item), "LI007", f"{option}= is a tuple of strings")
        return tuple(found)

    def _tier(self, decl: ScenarioDecl) -> str:
        return ((self._strings(decl, "tier") or ("",)) + ("",))[0]

    def _flag(self, decl: ScenarioDecl, option: str) -> bool:
        node = decl.options.get(option)
        return isinstance(node, ast.Constant) and node.value is True

    def _memory(self, decl: ScenarioDecl, base: Scenario | None) -> tuple[Memory, ...]:
        names = self._strings(decl, "memory")
        if names is None:
            return base.memory if base else (Memory.SC, Memory.TSO)
        known = {m.value: m for m in Memory}
        for n in names:
            if n not in known:
                self.report.add(decl.source.header(decl.node), "LI032", f"unknown memory model '{n}'", "sc or tso")
        return tuple(known[n] for n in names if n in known)

    def _properties(self, decl: ScenarioDecl, base: Scenario | None) -> tuple[str, ...] | None:
        names = self._strings(decl, "properties")
        if names is None:
            return base.properties if base else None
        known = [property_id(d) for d in self.declarations.functions() if d.role in PROPERTIES]
        for n in names:
            if n not in known:
                message = f"unknown property '{n}' in scenario '{decl.name}'"
                self.report.add(decl.source.header(decl.node), "LI033", message, suggest(n, known))
        return names
