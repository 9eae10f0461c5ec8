# SPDX-License-Identifier: GPL-2.0-or-later
"""Workspaces: files, scenarios, parameters, properties in all their forms, documentation of functions."""

from __future__ import annotations

from pathlib import Path

import pytest

from lostirq.errors import ModelErrors, UsageError
from lostirq.ir.expr import show
from lostirq.ir.system import Form, Memory
from lostirq.language import check_switches, compile_memories, compile_scenario, load_sources, load_workspace
from tests.unit.language import compiled, errors, load, names, places, prop

MODEL = """
N = Param(2, "senders")
FAST = Param(False, "a switch")
GUEST_HLT = Param(True, "the guest halts")
Id = Int[0, N - 1]
HALF = N // 2 if N > 1 else 0

class Mode(Enum):
    OFF = 0
    ON = 1

class Desc(Struct):
    bits: Bits[4]
    ipi: Message[bool]
    mode: Mode

desc: Array[Desc, N]

# Abstraction: above the function.
@function(kernel="a/b.c:post")
def post(d: Desc, v: Int[0, 3]):
    \"\"\"Sets a bit.

    More about it.
    \"\"\"
    # Abstraction: inside of it,
    # over two lines.
    if not test_and_set_bit(d.bits, v):
        event("accept", v)
    # not an abstraction
    d.mode = Mode.ON

@thread(over=N, role="sender")
def sender(i: Id):
    while True:
        idle()
        v = choose(0, 3)
        with window("post"):
            post(desc[i], v)
        if FAST:
            desc[i].ipi = True

@hardware()
def device():
    while True:
        idle()
        match choose():
            case "clear":
                clear_bit(desc[0].bits, 0)
            case "clear the other" if N > 1:
                clear_bit(desc[N - 1].bits, 0)
            case "done" if GUEST_HLT:
                desc[0].ipi = False
                desc[HALF].mode = Mode.OFF
"""

SCENARIOS = """
@scenario(tier="quick", memory=("sc", "tso"))
class only:
    \"\"\"Two senders.

    Not shown.\"\"\"

@scenario(base=only, memory="sc", properties=("I",), bugs=True)
class one:
    N = 1
    FAST = N == 1
    GUEST_HLT = False
"""

PROPERTIES = """
@invariant("I", over=N, excuses=("post",), witness=seen, title="bits", source="section 1", planted="a-bug")
def invariant_of(i: Id) -> bool:
    \"\"\"A bit means ON,
    unless a post is under way.\"\"\"
    if within("sender", i, "post"):
        return True
    return desc[i].bits == 0 or desc[i].mode == Mode.ON

@invariant("At", over=N, at="post", process="sender")
def at(i: Id) -> bool:
    return desc[i].bits != 15

@step_property("S", over=(N, 4))
def step_of(i: Id, v: Int[0, 3]) -> bool:
    gained = not old(bit(desc[i].bits, v)) and bit(desc[i].bits, v)
    return not gained or occurs("accept", v)

@recurrence("L", over=4, goal="accept")
def live(v: Int[0, 3]) -> bool:
    return bit(desc[0].bits, v)

def delivered(v: Int[0, 3]) -> bool:
    return occurs("accept", v) or not desc[0].ipi and old(desc[0].ipi)

@recurrence("L2", over=4, goal=delivered)
def live2(v: Int[0, 3]) -> bool:
    return bit(desc[0].bits, v)

@reachable()
def seen() -> bool:
    return desc[0].bits != 0

@reachable("step")
def seen_step() -> bool:
    return occurs("accept", 1)

@invariant("Quiet", when=N > 1)
def quiet_of() -> bool:
    return not quiet("sender", 0) or at_rest("sender", 1) and buffers_empty() and not function_of("sender", 1, "post")
"""


def workspace() -> object:
    return load_sources({"model/m.py": MODEL, "model/scenarios/s.py": SCENARIOS, "properties/p.py": PROPERTIES})


def test_scenarios_inherit_and_set_parameters() -> None:
    found = workspace().scenarios
    only, one = found["only"], found["one"]
    assert (only.tier, only.memory, only.summary) == ("quick", (Memory.SC, Memory.TSO), "Two senders.")
    assert (only.parameters, only.properties, only.bugs) == ({}, None, False)
    assert (one.tier, one.memory, one.bugs) == ("quick", (Memory.SC,), True)
    assert one.parameters == {"N": 1, "FAST": 1, "GUEST_HLT": 0} and one.properties == ("I",)


def test_dropped_choices_of_the_guest_and_parameters_are_told() -> None:
    system = compile_scenario(workspace(), "one", Memory.SC)
    assert system.dropped == ("GUEST_HLT",)
    assert system.parameters == (("FAST", 1), ("GUEST_HLT", 0), ("N", 1))
    assert compile_scenario(workspace(), "only", Memory.SC).dropped == ()


def test_a_scenario_restricts_properties_but_keeps_their_witnesses() -> None:
    assert [p.key for p in compile_scenario(workspace(), "one", Memory.SC).properties] == ["I[0]", "seen"]


def test_functions_are_described_for_the_documentation() -> None:
    post = next(f for f in workspace().functions if f.name == "post")
    assert (post.kernel, post.summary, post.role) == ("a/b.c:post", "Sets a bit.", "function")
    assert post.abstractions == ("above the function.", "inside of it, over two lines.")


def test_parameters_have_their_defaults() -> None:
    found = workspace().parameters
    assert [(p.name, p.default, p.is_bool, p.doc) for p in found.values()][:2] == [
        ("N", 2, False, "senders"),
        ("FAST", 0, True, "a switch"),
    ]


def test_forms_of_properties() -> None:
    system = compile_scenario(workspace(), "only", Memory.SC)
    forms = {p.key: p.form for p in system.properties}
    assert forms["I[1]"] is Form.INVARIANT and forms["S[1,3]"] is Form.STEP and forms["L[2]"] is Form.RECURRENCE
    assert forms["seen"] is Form.REACHABLE and forms["step"] is Form.REACHABLE_STEP
    first = prop(system, "I[0]")
    assert (first.id, first.title, first.source, first.excuses, first.planted) == (
        "I",
        "bits",
        "section 1",
        ("post",),
        "a-bug",
    )
    assert first.statement == "A bit means ON, unless a post is under way." and first.witness == "seen"


def test_formulas() -> None:
    system = compile_scenario(workspace(), "only", Memory.SC)
    gained = "(and (not (bit (old desc[0].bits) 1)) (bit desc[0].bits 1))"
    assert show(prop(system, "S[0,1]").formula) == f"(or (not {gained}) (occurs accept 1))"
    assert show(prop(system, "L[2]").goal) == "(occurs accept 2)"
    assert show(prop(system, "At[1]").formula) == "(or (not (= sender(1).pc 1)) (not (= desc[1].bits 15)))"
    assert show(prop(system, "I[1]").formula).startswith("(or (= sender(1).pc 1)")


def test_quiet_counts_messages_rests_and_buffers() -> None:
    text = {"model/m.py": MODEL, "model/scenarios/s.py": SCENARIOS, "properties/p.py": PROPERTIES}
    found = show(prop(compile_scenario(load_sources(text), "only", Memory.TSO, overrides={"FAST": 1}), "Quiet").formula)
    assert "(empty 0)" in found and "desc[0].ipi" in found and "desc[1].ipi" in found and "sender(1).pc" in found
    assert "sender(0).pc" not in found


def test_a_property_that_does_not_apply_is_left_out() -> None:
    keys = [p.id for p in compile_scenario(workspace(), "only", Memory.SC, overrides={"N": 1}).properties]
    assert "Quiet" not in keys and "At" in keys


def test_a_property_that_tells_interchangeable_processes_apart_is_marked() -> None:
    text = """
        x: Int[0, 3]
        @thread(over=2, symmetric=True)
        def t(i: Int[0, 1]):
            while True:
                with window("w"):
                    x = 1
                x = 2
        @invariant("both")
        def both() -> bool:
            return not within("t", "w") or x < 3
        @invariant("one")
        def one() -> bool:
            return not within("t", 0, "w") or x < 3
        """
    system = compiled(text)
    assert prop(system, "both").symmetric and not prop(system, "one").symmetric


def test_a_switch_without_effect_is_an_error() -> None:
    settings = "N = 1\n    FAST = True\n    UNUSED = 3\n"
    text = f"{MODEL}UNUSED = Param(1, 'nothing')\n@scenario(memory='sc')\nclass only:\n    {settings}"
    found = check_switches(load(text), "only")
    assert [(d.code, "UNUSED" in d.message) for d in found] == [("LI035", True)]
    assert check_switches(workspace(), "only") == []


def test_initial_values_by_a_function() -> None:
    text = """
        N = 2
        class Task(Struct):
            cpu: Int[0, N - 1]
            next: Int[0, 3] = 3
        tasks: Array[Task, N]
        constant: Bits[4]

        @initial
        def place():
            for i in range(N):
                tasks[i].cpu = i
                if i == 1:
                    tasks[i].next = tasks[0].next - 1
                set_bit(constant, i + 1)

        @thread(over=N)
        def t(i: Int[0, 1]):
            while True:
                tasks[i].cpu = 0
                tasks[1 - i].cpu = 1 if bit(constant, 2) else 0
                tasks[1 - i].next = 1
                tasks[i].next = 0

        @invariant("I")
        def i() -> bool:
            return any(tasks[i].cpu == 0 or tasks[i].next == 0 for i in range(N))
        """
    system = compiled(text)
    assert [v.init for v in system.variables if not v.name.endswith("pc")] == [0, 3, 1, 2]
    assert "constant" not in names(system)
    assert errors(text.replace("tasks[i].cpu = i\n", "wait(constant == 0)\n", 1))[0].code == "LI024"


def test_unknown_names_of_scenarios_and_parameters_are_usage_errors() -> None:
    with pytest.raises(UsageError, match="did you mean 'only'"):
        compile_scenario(workspace(), "onyl", Memory.SC)
    with pytest.raises(UsageError, match="FSAT"):
        compile_scenario(workspace(), "only", Memory.SC, overrides={"FSAT": 1})


def test_a_folder_is_loaded_in_order_and_its_errors_name_the_file(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no folder 'model'"):
        load_workspace(tmp_path)
    (tmp_path / "model" / "scenarios").mkdir(parents=True)
    with pytest.raises(UsageError, match="no files"):
        load_workspace(tmp_path)
    (tmp_path / "model" / "m.py").write_text(MODEL)
    (tmp_path / "model" / "scenarios" / "s.py").write_text(SCENARIOS)
    (tmp_path / "properties").mkdir()
    (tmp_path / "properties" / "p.py").write_text(PROPERTIES)
    assert set(load_workspace(tmp_path).scenarios) == {"only", "one"}
    (tmp_path / "properties" / "p.py").write_text(PROPERTIES.replace("desc[0].bits != 0", "dsec[0].bits != 0"))
    with pytest.raises(ModelErrors, match=r"properties/p.py:\d+:\d+: error LI005: unknown name 'dsec'"):
        load_workspace(tmp_path)
    (tmp_path / "model" / "m.py").write_bytes(b"\xff\xfe")
    with pytest.raises(UsageError, match="cannot be read"):
        load_workspace(tmp_path)


def test_imports_are_for_editors_only() -> None:
    assert compiled("from lostirq.prelude import *\nimport nothing.at_all\nx: bool\n").variables == ()


def test_lemmas_are_given_on_request_only() -> None:
    text = "x: bool\n@thread()\ndef t():\n    x = True\n@invariant('I')\ndef i() -> bool:\n    return x or not x\n"
    proof = "@lemma('helps', proves='I')\ndef helps() -> bool:\n    return not x\n"
    found = load(text, proofs__p=proof)
    assert [p.key for p in compile_scenario(found, "only", Memory.SC).properties] == ["I"]
    both = compile_scenario(found, "only", Memory.SC, lemmas=True).properties
    assert [(p.key, p.proves) for p in both] == [("I", ""), ("helps", "I")]
    assert places(errors(text, proofs__p=proof.replace("='I'", "='J'"))) == [("LI033", 2, 1)]


@pytest.mark.parametrize("order", [(Memory.SC, Memory.TSO), (Memory.TSO, Memory.SC)])
@pytest.mark.parametrize("name", ["pv_kick", "migration_device", "two_togglers"])
def test_memory_models_compiled_together_are_those_compiled_apart(name: str, order: tuple[Memory, ...]) -> None:
    workspace = load_workspace(Path(__file__).parents[2])
    together = compile_memories(workspace, name, order)
    assert tuple(together) == order
    assert all(together[m] == compile_scenario(workspace, name, m) for m in order)


def test_what_is_compiled_together_keeps_overrides_and_errors() -> None:
    workspace = load_workspace(Path(__file__).parents[2])
    changed = compile_memories(workspace, "sender_halt", (Memory.SC,), overrides={"SENDERS": 2})
    assert changed[Memory.SC] == compile_scenario(workspace, "sender_halt", Memory.SC, overrides={"SENDERS": 2})
    with pytest.raises(UsageError, match="unknown scenario"):
        compile_memories(workspace, "nothing", (Memory.SC,))
