# SPDX-License-Identifier: GPL-2.0-or-later
"""Declarations of a workspace, collected from its syntax trees: one name space, each name once.

Nothing is evaluated here: bounds and defaults stay syntax until a scenario gives the parameters their values.
"""

from __future__ import annotations

import ast
from dataclasses import dataclass, field
from enum import Enum

from lostirq.language.source import Abandon, Report, Source, calls


class Role(Enum):
    """What a function is for; the value is the name of its decorator."""

    FUNCTION = "function"
    PURE = "pure"
    INITIAL = "initial"
    THREAD = "thread"
    HANDLER = "handler"
    SCHEDULER = "scheduler"
    HARDWARE = "hardware"
    INVARIANT = "invariant"
    STEP = "step_property"
    RECURRENCE = "recurrence"
    REACHABLE = "reachable"
    LEMMA = "lemma"


PROCESSES = frozenset({Role.THREAD, Role.HANDLER, Role.SCHEDULER, Role.HARDWARE})
PROPERTIES = frozenset({Role.INVARIANT, Role.STEP, Role.RECURRENCE, Role.REACHABLE, Role.LEMMA})

_PROPERTY_FOLDERS = ("properties/", "proofs/")
_OVER_STEPS = frozenset(
    {"old", "occurs", "within", "at_rest", "quiet", "function_of", "buffers_empty", "local", "turn", "at_wait",
     "seen_by", "settled", "buffered"}
)
_PROPERTY_OPTIONS = frozenset(
    {"id", "title", "source", "over", "when", "excuses", "witness", "planted", "at", "process", "goal", "statement"}
)
_PROCESS_OPTIONS = frozenset(
    {"over", "when", "cpu", "holds", "masked", "symmetric", "role", "kernel", "hardware", "source"}
)
OPTIONS: dict[Role, frozenset[str]] = {
    Role.FUNCTION: frozenset({"kernel", "hardware", "source"}),
    Role.PURE: frozenset({"kernel", "hardware", "source"}),
    Role.INITIAL: frozenset({"kernel", "hardware", "source"}),
    **dict.fromkeys(PROCESSES, _PROCESS_OPTIONS),
    **dict.fromkeys(PROPERTIES, _PROPERTY_OPTIONS),
    Role.LEMMA: frozenset(
        {"id", "title", "source", "over", "when", "proves", "windows", "promised", "carried_back", "statement"}
    ),
}


@dataclass(frozen=True, eq=False, slots=True)
class ParamDecl:
    name: str
    source: Source
    node: ast.Call
    default: int
    is_bool: bool
    doc: str


@dataclass(frozen=True, eq=False, slots=True)
class ConstantDecl:
    """NAME = expression: a constant or a type alias."""

    name: str
    source: Source
    node: ast.Assign
    value: ast.expr


@dataclass(frozen=True, eq=False, slots=True)
class EnumDecl:
    name: str
    source: Source
    node: ast.ClassDef
    members: tuple[tuple[str, ast.expr], ...]


@dataclass(frozen=True, eq=False, slots=True)
class StructDecl:
    name: str
    source: Source
    node: ast.ClassDef
    fields: tuple[ast.AnnAssign, ...]


@dataclass(frozen=True, eq=False, slots=True)
class InstanceDecl:
    """NAME: Type [= initial value]"""

    name: str
    source: Source
    node: ast.AnnAssign


@dataclass(frozen=True, eq=False, slots=True)
class FunctionDecl:
    """A function, a process or a property; `options` are the arguments of its decorator."""

    name: str
    source: Source
    node: ast.FunctionDef
    role: Role
    options: dict[str, ast.expr]
    assigned: dict[str, int] = field(default_factory=dict)  # how often each local name is assigned in the text
    looped: frozenset[str] = frozenset()  # local names that are assigned inside a loop
    mutated: frozenset[str] = frozenset()  # names of which a field or an element is assigned

    @property
    def parameters(self) -> list[ast.arg]:
        return self.node.args.args

    def text(self, option: str) -> str:
        node = self.options.get(option)
        return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else ""

    @property
    def docstring(self) -> str:
        return ast.get_docstring(self.node) or ""


@dataclass(frozen=True, eq=False, slots=True)
class ScenarioDecl:
    name: str
    source: Source
    node: ast.ClassDef
    options: dict[str, ast.expr]
    settings: tuple[ast.Assign, ...]


Declaration = ParamDecl | ConstantDecl | EnumDecl | StructDecl | InstanceDecl | FunctionDecl


@dataclass(slots=True)
class Declarations:
    """All that a workspace declares, by name, in order of file and line."""

    names: dict[str, Declaration] = field(default_factory=dict)
    scenarios: dict[str, ScenarioDecl] = field(default_factory=dict)
    sources: dict[str, Source] = field(default_factory=dict)
    windows: frozenset[str] = frozenset()  # labels that occur anywhere in the workspace
    events: frozenset[str] = frozenset()

    def functions(self) -> list[FunctionDecl]:
        return [d for d in self.names.values() if isinstance(d, FunctionDecl)]

    def params(self) -> list[ParamDecl]:
        return [d for d in self.names.values() if isinstance(d, ParamDecl)]

    def instances(self) -> list[InstanceDecl]:
        return [d for d in self.names.values() if isinstance(d, InstanceDecl)]


class Collector:
    """Reads the module level of each file."""

    def __init__(self, report: Report) -> None:
        self.report = report
        self.result = Declarations()
        self.source = Source("", "", ())

    def module(self, source: Source, tree: ast.Module) -> None:
        self.source = source
        self.result.sources[source.name] = source
        self.result.windows |= _labels(tree, "window")
        self.result.events |= _labels(tree, "event")
        for node in tree.body:
            try:
                self._statement(node)
            except Abandon:
                continue

    def _declare(self, decl: Declaration) -> None:
        earlier = self.result.names.get(decl.name) or self.result.scenarios.get(decl.name)
        if earlier is not None:
            where = earlier.source.span(earlier.node)
            raise self._fail(
                decl.node, "LI004", f"'{decl.name}' is declared twice, first in {where.file}:{where.line}", "rename one"
            )
        self.result.names[decl.name] = decl

    def _fail(self, node: ast.AST, code: str, message: str, mend: str = "") -> Abandon:
        return self.report.fail(self.source.header(node), code, message, mend)

    def _statement(self, node: ast.stmt) -> None:
        if isinstance(node, (ast.Import, ast.ImportFrom, ast.Pass)):
            return
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            return
        if isinstance(node, ast.ClassDef):
            self._class(node)
        elif isinstance(node, ast.FunctionDef):
            self._function(node)
        elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            self._declare(InstanceDecl(node.target.id, self.source, node))
        elif isinstance(node, ast.Assign) and len(node.targets) == 1 and isinstance(node.targets[0], ast.Name):
            self._assign(node, node.targets[0].id)
        else:
            raise self._fail(
                node, "LI003", "only declarations may stand at module level", "move it into a function, or delete it"
            )

    def _assign(self, node: ast.Assign, name: str) -> None:
        value = node.value
        if isinstance(value, ast.Call) and isinstance(value.func, ast.Name) and value.func.id == "Param":
            default = value.args[0] if value.args else None
            sign = -1 if isinstance(default, ast.UnaryOp) and isinstance(default.op, ast.USub) else 1
            literal = default.operand if isinstance(default, ast.UnaryOp) else default
            if not isinstance(literal, ast.Constant) or not isinstance(literal.value, (bool, int)):
                raise self._fail(value, "LI008", f"the default of parameter '{name}' must be a literal bool or int")
            doc = value.args[1] if len(value.args) > 1 else None
            text = doc.value if isinstance(doc, ast.Constant) and isinstance(doc.value, str) else ""
            is_bool = isinstance(literal.value, bool)
            self._declare(ParamDecl(name, self.source, value, sign * int(literal.value), is_bool, text))
        else:
            self._declare(ConstantDecl(name, self.source, node, value))

    def _class(self, node: ast.ClassDef) -> None:
        if any(_decorator_name(d) == "scenario" for d in node.decorator_list):
            self._scenario(node)
            return
        bases = [b.id for b in node.bases if isinstance(b, ast.Name)]
        if bases == ["Enum"]:
            members: list[tuple[str, ast.expr]] = []
            for item in _body(node):
                if isinstance(item, ast.Assign) and len(item.targets) == 1 and isinstance(item.targets[0], ast.Name):
                    members.append((item.targets[0].id, item.value))
                else:
                    self._fail(item, "LI008", "an enumerator is written NAME = number")
            if not members:
                raise self._fail(node, "LI008", f"enum '{node.name}' has no enumerators")
            self._declare(EnumDecl(node.name, self.source, node, tuple(members)))
        elif bases == ["Struct"]:
            fields: list[ast.AnnAssign] = []
            for item in _body(node):
                if isinstance(item, ast.AnnAssign) and isinstance(item.target, ast.Name):
                    fields.append(item)
                else:
                    self._fail(item, "LI008", "a field is written name: Type or name: Type = initial value")
            self._declare(StructDecl(node.name, self.source, node, tuple(fields)))
        else:
            raise self._fail(
                node,
                "LI003",
                f"class '{node.name}' is neither a Struct, an Enum nor a scenario",
                "derive it from Struct or Enum, or decorate it with @scenario(...)",
            )

    def _scenario(self, node: ast.ClassDef) -> None:
        settings: list[ast.Assign] = []
        for item in _body(node):
            if isinstance(item, ast.Assign) and len(item.targets) == 1 and isinstance(item.targets[0], ast.Name):
                settings.append(item)
            else:
                self._fail(item, "LI008", "a scenario consists of assignments to parameters")
        known = frozenset({"tier", "memory", "bugs", "base", "properties", "any_number"})
        options = self._options(node.decorator_list[0], known)
        if node.name in self.result.scenarios or node.name in self.result.names:
            raise self._fail(node, "LI004", f"'{node.name}' is declared twice", "rename one")
        self.result.scenarios[node.name] = ScenarioDecl(node.name, self.source, node, options, tuple(settings))

    def _options(self, node: ast.expr, allowed: frozenset[str]) -> dict[str, ast.expr]:
        if not isinstance(node, ast.Call):
            return {}
        options: dict[str, ast.expr] = {}
        if node.args:
            if "id" in allowed and len(node.args) == 1:
                options["id"] = node.args[0]
            else:
                self._fail(node.args[0], "LI007", "the arguments of this decorator are given by keyword")
        for item in node.keywords:
            if item.arg is None or item.arg not in allowed:
                known = ", ".join(sorted(allowed - {"id"}))
                self._fail(item, "LI007", f"unknown decorator argument '{item.arg}'", f"known: {known}")
            else:
                options[item.arg] = item.value
        return options

    def _function(self, node: ast.FunctionDef) -> None:
        role, options = Role.FUNCTION, {}
        for decorator in node.decorator_list:
            name = _decorator_name(decorator)
            found = next((r for r in Role if r.value == name), None)
            if found is None or len(node.decorator_list) > 1:
                known = ", ".join(r.value for r in Role)
                raise self._fail(decorator, "LI007", f"unknown or second decorator '{name}'", f"one of: {known}")
            role, options = found, self._options(decorator, OPTIONS[found])
        if not node.decorator_list and (self.source.name.startswith(_PROPERTY_FOLDERS) or _is_over_steps(node)):
            role = Role.PURE
        a = node.args
        if a.vararg or a.kwarg or a.kwonlyargs or a.posonlyargs:
            raise self._fail(node, "LI006", "parameters are plain names with types", "remove *, / and **")
        assigned, looped, mutated = _assignments(node)
        self._declare(FunctionDecl(node.name, self.source, node, role, options, assigned, looped, mutated))


def _is_over_steps(node: ast.FunctionDef) -> bool:
    """Whether a function uses built-ins of properties: then it only computes, with or without @pure."""
    return any(called in _OVER_STEPS for called, _ in calls(node))


def _labels(tree: ast.Module, name: str) -> frozenset[str]:
    """The first arguments of all calls of a built-in that takes a label."""
    return frozenset(
        n.args[0].value
        for called, n in calls(tree)
        if called == name
        and n.args
        and isinstance(n.args[0], ast.Constant)
        and isinstance(n.args[0].value, str)
    )


def _decorator_name(node: ast.expr) -> str:
    target = node.func if isinstance(node, ast.Call) else node
    return target.id if isinstance(target, ast.Name) else ast.unparse(target)


def _body(node: ast.ClassDef) -> list[ast.stmt]:
    """The statements without docstring and pass."""
    return [
        s
        for s in node.body
        if not isinstance(s, ast.Pass) and not (isinstance(s, ast.Expr) and isinstance(s.value, ast.Constant))
    ]


def _targets(node: ast.expr) -> list[tuple[str, bool]]:
    """Names that a target assigns, and whether only a part of each."""
    if isinstance(node, ast.Name):
        return [(node.id, False)]
    if isinstance(node, ast.Tuple):
        return [n for e in node.elts for n in _targets(e)]
    if isinstance(node, (ast.Attribute, ast.Subscript)):
        return [(name, True) for name, _ in _targets(node.value)]
    return []


def _assignments(function: ast.FunctionDef) -> tuple[dict[str, int], frozenset[str], frozenset[str]]:
    """How often each name is assigned; which names are assigned in loops; of which a part is assigned."""
    assigned: dict[str, int] = {}
    looped: set[str] = set()
    mutated: set[str] = set()
    stack: list[tuple[ast.stmt, bool]] = [(s, False) for s in function.body]
    while stack:
        node, inside = stack.pop()
        names: list[tuple[str, bool]] = []
        if isinstance(node, ast.Assign):
            names = [n for t in node.targets for n in _targets(t)]
        elif (
            isinstance(node, ast.AugAssign)
            or isinstance(node, ast.AnnAssign)
            and node.value is not None
            or isinstance(node, ast.For)
        ):
            names = _targets(node.target)
        for name, part in names:
            if part:
                mutated.add(name)
                continue
            assigned[name] = assigned.get(name, 0) + 1
            if inside:
                looped.add(name)
        deeper = inside or isinstance(node, (ast.For, ast.While))
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.stmt):
                stack.append((child, deeper))
            elif isinstance(child, ast.match_case):
                stack.extend((s, deeper) for s in child.body)
    return assigned, frozenset(looped), frozenset(mutated)
