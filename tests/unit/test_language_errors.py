# SPDX-License-Identifier: GPL-2.0-or-later
"""Errors of models: each code, at its line and column, with a cause and a mend; several at once."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from lostirq.errors import ModelErrors
from lostirq.ir.system import Memory
from lostirq.language import compile_memories, compile_scenario, load_sources
from tests.unit.language import SCENARIO, errors, load, places

STATE = """
x: Int[0, 3]
y: Int[0, 3]
b: bool
w: Words[4, 2]
bs: Bits[4]

class Mode(Enum):
    A = 0
    B = 1

class S(Struct):
    m: Mode
    p: Packed(on=bool, n=Int[0, 1])

s: S
a: Array[S, 2]

@thread()
def other():
    x = 1
    y = 1
    s.m = Mode.B
    s.p.on = True
"""
FIRST = STATE.count("\n") + 1  # line of the first line that is appended


def body(*statements: str) -> str:
    return STATE + "@thread()\ndef t():\n" + "".join(f"    {line}\n" for s in statements for line in s.split("\n"))


BODY = FIRST + 2  # line of the first statement of `body`

# (code, line, column of the first error), the text, and a word of the message
CASES = [
    (("LI001", 1, 7), "def f(:\n    pass\n", "syntax"),
    (("LI002", 1, 1), "X = " + "(" * 100 + "1" + ")" * 100 + "\n", "deep"),
    (("LI002", 1, 1), "X = " + "-" * 100 + "1\n", "deep"),
    (("LI003", 1, 1), "for i in range(3):\n    pass\n", "module level"),
    (("LI003", 1, 1), "class C:\n    x = 1\n", "neither"),
    (("LI004", 2, 1), "A = 1\nA = 2\n", "twice"),
    (("LI004", 3, 5), "class T(Struct):\n    a: bool\n    a: bool\nt: T\n", "twice"),
    (("LI019", 1, 1), "def f() -> bool:\n    if x:\n        return True\nx: bool\n", "without a value"),
    (("LI005", BODY, 9), body("q = z"), "unknown name"),
    (("LI005", 1, 4), "v: Vectr\nVector = Int[0, 1]\n", "unknown type"),
    (("LI005", BODY, 5), body("tset_bit(bs, 1)"), "unknown function"),
    (("LI006", BODY, 5), body("try:\n    pass\nfinally:\n    pass"), "statement"),
    (("LI006", BODY, 9), body("x = [1][0]"), "expression"),
    (("LI006", BODY, 9), body('x = "a"'), "value"),
    (("LI006", BODY, 5), body("x == 1"), "without effect"),
    (("LI006", BODY, 5), body("while b:\n    pass\nelse:\n    pass"), "else"),
    (("LI007", 1, 2), "@funktion()\ndef f():\n    pass\n", "decorator"),
    (("LI007", 1, 11), '@function(kernal="x")\ndef f():\n    pass\n', "kernal"),
    (("LI007", FIRST, 15), STATE + "@hardware(cpu=lambda: 0)\ndef h():\n    x = 1\n", "no meaning"),
    (("LI007", FIRST, 16), STATE + "@thread(masked=lambda: b)\ndef t2():\n    x = 1\n", "no meaning"),
    (("LI007", 2, 1), '@reachable("Q", at="w")\ndef q() -> bool:\n    return True\n', "at="),
    (("LI008", 1, 5), 'N = Param(1 + 1, "n")\n', "literal"),
    (("LI008", 2, 5), "class M(Enum):\n    def f(self): pass\n    A = 0\n", "enumerator"),
    (("LI009", 2, 5), "x: Int[0, 3]\nN = x\n", "not a constant"),
    (("LI009", 1, 5), "N = 1 // 0\n", "computed"),
    (("LI010", BODY, 9), body("x = b"), "expected Int[0, 3], found bool"),
    (("LI010", BODY, 9), body("b = 2"), "expected bool, found the number 2"),
    (("LI001", 2, 7), "X = 1\nY = 2 \0\n", "a NUL byte"),
    (("LI010", BODY, 11), body("s.m = 1"), "enum"),
    (("LI010", BODY, 8), body("if x:\n    pass"), "bool"),
    (("LI010", BODY, 8), body("if s.m == b:\n    pass"), "mix"),
    (("LI010", BODY, 9), body("v = bs + bs"), "bits"),
    (("LI011", BODY, 5), body("s.q = True"), "no field"),
    (("LI011", BODY, 5), body("s.p.onn = True"), "onn"),
    (("LI011", BODY, 11), body("s.m = Mode.C"), "Mode"),
    (("LI012", BODY, 5), body("set_bit(bs)"), "2 argument"),
    (("LI012", FIRST + 1, 1), STATE + "@thread(over=2)\ndef t():\n    x = 1\n", "parameter"),
    (("LI013", 4, 5), "def f():\n    g()\ndef g():\n    f()\n", "f -> g -> f"),
    (("LI013", 1, 1), "class A(Struct):\n    a: A\nx: A\n", "A -> A"),
    (("LI014", 1, 4), "x: int\n", "bound"),
    (("LI014", 1, 4), "x: Int[3, 1]\n", "empty"),
    (("LI014", 1, 4), "x: Array[bool, 10 ** 9]\n", "length"),
    (("LI014", 1, 4), "x: Array[bool, 100000]\n", "length"),
    (("LI014", 1, 14), "@thread(over=10 ** 9)\ndef t(i: Int[0, 1]):\n    pass\n", "number of instances"),
    (("LI014", 1, 14), "@thread(over=0 - 1)\ndef t(i: Int[0, 1]):\n    pass\n", "number of instances -1"),
    (("LI014", BODY, 5), body("n = 0\nwhile b:\n    n = n + 1"), "not known"),
    (("LI015", BODY, 9), body("x = v\nv = 1"), "before"),
    (("LI016", BODY, 18), body("test_and_set(True)"), "place"),
    (("LI017", BODY, 5), body("a[2].m = Mode.A"), "outside 0..1"),
    (("LI018", BODY, 20), body("for i in range(x):\n    pass"), "constant"),
    (("LI019", 1, 1), "def f() -> bool:\n    if x:\n        return True\nx: bool\n", "without a value"),
    (("LI019", BODY, 5), body("return 1"), "no result"),
    (("LI020", BODY, 5), body("x = y"), "two accesses"),
    (("LI020", BODY, 5), body("x += 1"), "two accesses"),
    (("LI020", BODY, 5), body("v = x - x"), "two accesses"),
    (("LI020", BODY, 8), body("if x == y:\n    pass"), "two accesses"),
    (("LI020", BODY, 5), body("s.p.on, s.m = True, Mode.A"), "two accesses"),
    (("LI022", FIRST + 1, 1), STATE + "@handler(cpu=lambda: 0)\ndef h():\n    while True:\n        step()\n", "wait"),
    (("LI022", FIRST + 1, 1), STATE + "@handler()\ndef h():\n    while True:\n        wait(b)\n", "no cpu"),
    (("LI023", BODY + 1, 9), body("with atomic():\n    while b:\n        pass"), "while"),
    (("LI024", FIRST + 2, 5), STATE + "@pure\ndef f() -> bool:\n    s.m = Mode.A\n    return True\n", "write memory"),
    (("LI024", BODY, 10), body("wait(test_and_set(b))"), "effect"),
    (("LI025", BODY, 5), body("other()"), "cannot be called"),
    (("LI026", BODY, 5), body('event("e", x)'), "shared"),
    (("LI026", FIRST + 1, 1), body('event("e")', "step()"), "before the first step"),
    (("LI031", FIRST + 2, 5), STATE + "@scenario()\nclass only:\n    NN = 1\n", "unknown parameter"),
    (("LI032", 4, 9), 'N = Param(1, "n")\n@scenario()\nclass only:\n    N = True\n', "must be int"),
    (("LI032", 2, 1), '@scenario(memory=("pso",))\nclass only:\n    pass\n', "pso"),
    (("LI033", 2, 1), '@scenario(properties=("Q",))\nclass only:\n    pass\n', "unknown property"),
    (("LI033", 1, 25), '@invariant("Q", witness=nope)\ndef q() -> bool:\n    return True\n', "witness"),
    (("LI034", 3, 19), '@invariant("Q")\ndef q() -> bool:\n    return within("nobody")\n', "nobody"),
    (("LI034", 3, 19), '@step_property("Q")\ndef q() -> bool:\n    return occurs("nothing")\n', "nothing"),
    (("LI034", 1, 26), '@invariant("Q", excuses=("w",))\ndef q() -> bool:\n    return True\n', "window"),
    (("LI034", 3, 1), 'x: bool\n@invariant("Q")\ndef q() -> bool:\n    return old(x)\n', "step properties"),
    (("LI036", 1, 16), "@scenario(base=nope)\nclass only:\n    pass\n", "nope"),
    (
        ("LI037", FIRST + 2, 5),
        STATE + "@thread(over=2, symmetric=True)\ndef t(i: Int[0, 1]):\n    x = i\n    x = 2\n",
        "symmetric",
    ),
    (("LI050", BODY, 9), body("x = 4"), "outside"),
    (("LI050", 1, 16), "x: Int[0, 3] = 7\n", "outside"),
]


@pytest.mark.parametrize(("place", "text", "word"), CASES, ids=lambda v: v[0] if isinstance(v, tuple) else "")
def test_an_error_at_its_place(place: tuple[str, int, int], text: str, word: str) -> None:
    found = errors(text)
    assert places(found)[0] == place, [d.render() for d in found]
    assert word in found[0].message


def test_a_store_buffer_without_a_bound() -> None:
    seen = "@invariant()\ndef seen() -> bool:\n    return x < 3\n"
    found = errors(body("while True:", "    x = 1", "    v = y") + seen, Memory.TSO)
    assert places(found) == [("LI030", BODY + 1, 9)]


def test_several_errors_at_once_and_no_echo_of_one() -> None:
    """A local whose definition is wrong is not reported again where it is used."""
    found = errors(body("x = b", "v = nothing", "y = v", "s.m = 5"))
    assert places(found) == [("LI010", BODY, 9), ("LI005", BODY + 1, 9), ("LI010", BODY + 3, 11)]


def test_an_error_in_a_function_that_nothing_calls() -> None:
    assert places(errors("def f(n: Int[0, 1]):\n    q = n\n    r = qq\n")) == [("LI005", 3, 9)]


def test_an_error_in_an_inlined_function_is_told_once() -> None:
    found = errors(STATE + "def f():\n    x = y\n@thread()\ndef t():\n    f()\n    f()\n    f()\n")
    assert places(found) == [("LI020", FIRST + 1, 5)]


def test_both_sides_of_a_switch_are_checked_and_numbers_that_it_excludes_are_let_through() -> None:
    text = """
        N = Param(1, "things")
        a: Array[bool, N]
        @thread()
        def t():
            if N > 1:
                a[1] = True
            if N > 2:
                a[2] = nothing
        """
    assert places(errors(text)) == [("LI005", 9, 16)]


def test_the_rendering_is_that_of_a_compiler() -> None:
    with pytest.raises(ModelErrors) as caught:
        load("flag: bool\n@thread()\ndef t():\n    flag = flug\n")
    assert caught.value.exit_code == 2
    assert str(caught.value) == (
        "model/m.py:4:12: error LI005: unknown name 'flug'\n"
        "        flag = flug\n"
        "               ^~~~\n"
        "    mend: did you mean 'flag'?\n"
        "1 error"
    )


def test_columns_count_characters_not_bytes() -> None:
    """The caret stands under the name, also after letters of several bytes."""
    assert places(errors('b: bool\n@thread()\ndef t():\n    b = bit("ä" if b else "ö", nothing)\n'))[0][1] == 4
    assert places(errors("b: bool\n@thread()\ndef tä():\n    ä = nothing\n")) == [("LI005", 4, 9)]


@pytest.mark.parametrize(("text", "said", "mend"), [
    ("if x\n    y\n", "syntax error: expected ':'", "write ':' here"),
    ("x = (1\n", "syntax error: '(' was never closed", "close '('"),
    ("x = )\n", "syntax error: unmatched ')'", "remove ')', or open it"),
    ("a = [1 2]\n", "syntax error: invalid syntax", "Python asks: Perhaps you forgot a comma?"),
    ("x = 1 +\n", "syntax error: invalid syntax", ""),
])
def test_the_mend_of_a_syntax_error_is_what_python_proposes(text: str, said: str, mend: str) -> None:
    [error] = errors(text)
    assert (error.code, error.message, error.mend) == ("LI001", said, mend)


def test_limits_are_checked_before_anything_walks_the_tree() -> None:
    deep = "def f():\n" + "".join("    " * k + "if b:\n" for k in range(1, 90)) + "    " * 90 + "pass\n"
    assert errors("b: bool\n" + deep)[0].code in ("LI001", "LI002")
    with pytest.raises(ModelErrors, match="LI002"):
        load_sources({"model/m.py": "#" * (1 << 20) + "\n"})
    with pytest.raises(ModelErrors, match="LI00"):
        load_sources({"model/m.py": "x = '\0'\n"})
    with pytest.raises(ModelErrors, match="LI002"):
        load_sources({"model/m.py": "X = " + "+".join("1" for _ in range(5000)) + "\n"})


def test_nothing_is_executed(tmp_path: Path) -> None:
    """Code at module level is refused, not run."""
    target = tmp_path / "touched"
    found = errors(f"import os\nX = open({str(target)!r}, 'w')\n")
    assert found and not target.exists()


def test_every_code_that_the_front_end_reports_has_a_test_here() -> None:
    """The table above is complete: no error goes out that was never seen."""
    source = "".join(p.read_text() for p in sorted(Path("lostirq/language").glob("*.py")))
    codes = {
        n.value
        for n in ast.walk(ast.parse(source))
        if isinstance(n, ast.Constant) and isinstance(n.value, str) and re.fullmatch(r"LI\d{3}", n.value)
    }
    tested = {place[0] for place, _, _ in CASES} | {"LI030", "LI035"}
    assert codes <= tested, codes - tested


def test_the_scenario_of_the_helpers_is_added_once() -> None:
    assert SCENARIO.count("@scenario") == 1


def test_a_step_property_cannot_ask_what_a_store_buffer_held_before() -> None:
    """It would be told what the buffer holds after the step."""
    text = """
x: bool
y: bool

@thread(over=2)
def t(i: Int[0, 1]):
    x = True
    y = True

@step_property("S")
def s() -> bool:
    return old(buffers_empty()) or x
"""
    assert places(errors(text, Memory.TSO)) == [("LI034", 12, 12)]


COUNTED = """\
N = Param(1, "users")
top: Int[0, max(N, 0)]


@thread(over=N)
def user(i: Int[0, N - 1]):
    step()


@thread()
def counter():
    top += 1


@scenario()
class one:
    pass
"""


@pytest.mark.parametrize("value", [-1, 257])
def test_a_number_of_processes_that_makes_no_sense_is_the_only_error(value: int) -> None:
    """What follows from it is none of its own, and what somebody gave for this run is named first."""
    workspace = load_sources({"model/a.py": COUNTED})
    assert len(compile_scenario(workspace, "one", Memory.SC).processes) == 2
    for compiled in (lambda: compile_scenario(workspace, "one", Memory.SC, overrides={"N": value}),
                     lambda: compile_memories(workspace, "one", list(Memory), overrides={"N": value})):
        with pytest.raises(ModelErrors) as caught:
            compiled()
        said = str(caught.value).splitlines()
        assert said[0] == f"with --set N={value}:" and said[-2:] == ["    mend: a number from 0 to 256", "1 error"]
        assert said[1] == f"model/a.py:5:14: error LI014: the number of instances {value} is not in 0..256"
    with pytest.raises(ModelErrors) as caught:
        compile_scenario(load_sources({"model/a.py": COUNTED.replace("Param(1", f"Param({value}")}), "one", Memory.SC)
    assert not str(caught.value).startswith("with")


def test_an_error_in_the_initial_state_hides_none_of_a_process() -> None:
    text = COUNTED.replace("@scenario()", "@initial\ndef begin():\n    top = nothing\n\n\n@scenario()")
    text = text.replace("    top += 1\n", "    top = something\n")
    with pytest.raises(ModelErrors) as caught:
        compile_scenario(load_sources({"model/a.py": text}), "one", Memory.SC)
    assert "nothing" in str(caught.value) and "something" in str(caught.value)
