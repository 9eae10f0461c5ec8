# SPDX-License-Identifier: GPL-2.0-or-later
"""Small random model sources: processes, handlers, schedulers and devices with every construct of the language.

The text is correct by construction as far as the language allows to know it; what is not known is whether the stores of
a loop are bounded, and that is the one error which a source may have.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from random import Random

from hypothesis import strategies as st

STATE = '''"""Shared memory."""
from lostirq.prelude import *

Id = Int[0, 1]
Small = Int[0, 2]

class Mode(Enum):
    OUT = 0
    IN = 1
    EXIT = 2

class Cell(Struct):
    flag: bool
    value: Small = {value}
    control: Packed(on=bool, sn=bool, nv=Id)

cells: Array[Cell, 2]
word: Words[3, {width}]
mask: Bits[2]
gate: bool
num: Small
mode: Mode
note: Message[bool]
guard: Lock
mark: Ghost[Small]
irqs_off: bool
where: Id
'''

SCENARIO = '''from lostirq.prelude import *

@scenario(tier="quick", memory=("sc", "tso"))
class only:
    """All of it."""
'''

HELPERS = '''
@thread
def first():
    """Has what properties name, both events and the window, and changes something, so that it is shared."""
    with window("w"):
        step()
        event("ping", 1)
        gate = True
        num = 1
        event("pong", 1, False)

def poke(cell: Cell, to: bool):
    cell.flag = to

def claim(cell: Cell) -> bool:
    if test_and_set(cell.flag):
        return False
    return READ_ONCE(cell.value) != 0

@pure
def busy(cell: Cell) -> bool:
    if cell.flag:
        return True
    return cell.control.on and cell.value == 2
'''

PROPERTIES = '''
@invariant("I", source="random", witness="W")
def i() -> bool:
    """Anything."""
    return {invariant}

@step_property("S", source="random")
def s() -> bool:
    """Anything."""
    return {step}

@recurrence("L", source="random", over=2, goal="ping")
def l(v: Id) -> bool:
    """Anything."""
    return {trigger}

@reachable("W", source="random")
def w() -> bool:
    """Anything."""
    return not ({witness})
'''


def bool_places(cell: str) -> tuple[str, ...]:
    return "gate", f"{cell}.flag", f"{cell}.control.on", "note"


@dataclass
class Writer:
    """Writes one process; `indent` and `lines` are the text so far."""

    random: Random
    palette: tuple[tuple[str, ...], tuple[str, ...]]  # places that this source likes: bools and numbers
    lines: list[str] = field(default_factory=list)
    indent: int = 1
    in_loop: bool = False

    def line(self, text: str) -> None:
        self.lines.append("    " * self.indent + text)

    def pick(self, *options: str) -> str:
        return self.random.choice(options)

    def chance(self, percent: int) -> bool:
        return self.random.randrange(100) < percent

    # -- expressions ----------------------------------------------------------------------------------------------

    def cell(self) -> str:
        return self.pick("cells[0]", "cells[1]", "cells[x]")

    def bool_place(self) -> str:
        return self.pick(*self.palette[0] * 4, *bool_places(self.cell()))

    def number_place(self) -> str:
        return self.pick(*self.palette[1] * 3, "num", f"{self.cell()}.value")

    def load(self) -> str:
        """One access of type bool."""
        place = self.bool_place()
        return self.pick(
            place, f"READ_ONCE({place})", f"{self.number_place()} == v", f"test_bit(word, {self.pick('0', 'x', 'v')})",
            f"mode {self.pick('==', '!=')} Mode.{self.pick('OUT', 'IN', 'EXIT')}", f"bit(mask, {self.pick('0', 'x')})",
            f"{self.number_place()} {self.pick('<', '>=')} {self.pick('1', 'v', 'x')}",
        )

    def private(self) -> str:
        """A condition over locals."""
        return self.pick("b", "not b", "x == 1", "v != 0", "b or v == 2", "x < v", "True")

    def condition(self) -> str:
        """Short-circuit: each operand is a step of its own."""
        return self.pick(
            self.load(), f"{self.load()} and {self.load()}", f"{self.load()} or not {self.private()}",
            f"{self.private()} and {self.load()}", self.private(),
        )

    def look(self) -> str:
        """Any number of accesses at once, in a wait or an atomic block."""
        return self.pick(
            self.load(), f"{self.load()} or {self.load()}", f"not busy({self.cell()})", "bits(word) != 0",
            f"any(cells[i].flag for i in range(2)) or {self.load()}", "highest(bits(word)) < num",
        )

    # -- statements -----------------------------------------------------------------------------------------------

    def store(self) -> None:
        number = self.pick("0", "1", "v", "2 if b else v", "x", *(["v + 1"] if self.chance(10) else []))
        boolean = self.pick("True", "False", "b", "not b", "x == v")
        where, how_much = self.random.choice([(self.bool_place(), boolean), (self.number_place(), number)])
        self.line(self.pick(
            f"{where} = {how_much}", f"WRITE_ONCE({where}, {how_much})", f"smp_store_release({where}, {how_much})",
            f"mode = Mode.{self.pick('OUT', 'IN', 'EXIT')}", f"{self.cell()}.control.nv = x", "irqs_off = not b",
            "word.word[0] = 1",
        ))

    def store_and_load(self) -> None:
        """What store buffers are for."""
        self.store()
        self.read()

    def read(self) -> None:
        self.line(self.pick(
            f"b = {self.load()}", f"v = {self.number_place()}", f"x = {self.cell()}.control.nv",
            f"v = smp_load_acquire({self.number_place()})", f"b = {self.load()}",
        ))

    def locked(self) -> None:
        bit, number = self.pick("0", "1", "x", "v"), self.number_place()
        self.line(self.pick(
            f"b = test_and_set_bit(word, {bit})", f"b = test_and_clear_bit(word, {bit})", f"set_bit(word, {bit})",
            f"clear_bit(word, {bit})", f"b = test_and_set({self.bool_place()})",
            f"b = test_and_clear({self.bool_place()})", f"lock_set({number}, v)", f"v = xchg({number}, v)",
            f"b = cmpxchg({number}, v, {self.pick('0', '1', '2')})", "set_bit(mask, x)", "fetch_or(mask, 2)",
            "fetch_and(mask, 1)", f"v = fetch_add({number}, 0)",
        ))

    def exchange(self) -> None:
        """Compare and exchange of a whole packed unit."""
        where = self.cell()
        self.line(f"was = {where}.control")
        self.line("new = was")
        self.line(self.pick("new.on = not was.on", "new.nv = x", "new.sn = True"))
        self.line(f"b = cmpxchg({where}.control, was, new)")

    def fence(self) -> None:
        self.line(self.pick("smp_mb()", "drain()", "step()", "smp_wmb()", "smp_mb__after_atomic()"))

    def atomic(self) -> None:
        self.line("with atomic():")
        self.indent += 1
        if self.chance(40):
            self.line(f"wait({self.look()})")
        for _ in range(self.random.randint(1, 2)):
            self.random.choice((self.store, self.read))()
        if self.chance(20):
            self.line(f"if {self.look()}:")
            self.line("    num = 0")
        self.indent -= 1

    def wait(self) -> None:
        self.line(f"wait({self.look()})")

    def locking(self) -> None:
        self.line("spin_lock(guard)")
        self.random.choice((self.store, self.read))()
        self.line("spin_unlock(guard)")

    def branch(self) -> None:
        self.line(f"if {self.condition()}:")
        self.body(1)
        if self.chance(40):
            self.line("else:")
            self.body(1)

    def loop(self) -> None:
        if self.chance(50):
            self.line(f"for k in range({self.pick('2', '1, 2')}):")
            self.indent += 1
            self.line(self.pick("set_bit(word, k)", "cells[k].flag = b", "b = test_bit(word, k)", "poke(cells[k], b)"))
            self.indent -= 1
            return
        self.line(f"while {self.condition()}:")
        outside, self.in_loop = self.in_loop, True
        self.body(1)
        self.in_loop = outside

    def choices(self) -> None:
        self.line("match choose():")
        self.indent += 1
        for name in ("one", "two", "three")[:self.random.randint(2, 3)]:
            guard = f" if {self.private()}" if self.chance(30) else ""
            self.line(f'case "{name}"{guard}:')
            if self.chance(25):
                self.indent += 1
                self.line(self.pick("strong()", "unfair()"))
                self.indent -= 1
            self.body(1)
        self.indent -= 1

    def pick_value(self) -> None:
        self.line(self.pick("v = choose(Small)", "x = choose(Id)", "v = choose(0, 1)", "b = choose(bool)"))

    def call(self) -> None:
        self.line(self.pick(
            f"poke({self.cell()}, {self.pick('True', 'b')})", f"b = claim({self.cell()})", f"b = busy({self.cell()})",
        ))

    def marks(self) -> None:
        self.line("step()")                          # an event belongs to a step, so there must be one before it
        self.line(self.pick('event("ping", x)', 'event("ping", 0)', "mark = v", 'event("pong", v, b)'))

    def named(self) -> None:
        self.line('with window("w"):')
        self.body(1)

    def leave(self) -> None:
        self.line(f"if {self.private()}:")
        self.line(f"    {self.pick('break', 'continue') if self.in_loop else 'return'}")

    def statement(self, depth: int) -> None:
        simple = [(self.store, 4), (self.store_and_load, 7), (self.read, 4), (self.locked, 3), (self.exchange, 1),
                  (self.fence, 2), (self.marks, 2)]
        nested = [(self.atomic, 2), (self.wait, 2), (self.locking, 1), (self.branch, 3), (self.loop, 1),
                  (self.choices, 2), (self.pick_value, 1), (self.call, 2), (self.named, 2), (self.leave, 1)]
        options = simple + (nested if depth else [])
        kinds, weights = zip(*options, strict=True)
        self.random.choices(kinds, weights)[0]()

    def body(self, statements: int, depth: int = 0) -> None:
        self.indent += 1
        for _ in range(statements):
            self.statement(depth)
        self.indent -= 1

    def process(self, name: str, decorator: str, *, rest: bool, size: int) -> str:
        """The whole text of a process; `rest`: it begins with a wait at rest, as a handler must."""
        self.lines = ["", decorator, f"def {name}({'i: Id' if 'over=' in decorator else ''}):"]
        numbered = "over=" in decorator and "symmetric" not in decorator        # the members of a set are all alike
        self.line(f"x: Id = {'i' if numbered else 0}")
        self.line("b: bool = False")
        self.line("v: Small = 0")
        forever = rest or self.chance(65)
        if forever:
            self.line("while True:")
            self.indent += 1
            self.in_loop = True
        if rest or self.chance(40):
            self.line("idle()")
            if self.chance(15):
                self.line("strong()")
            if rest:
                self.line(self.pick(f"wait(gate and {self.load()})", f"wait(num == 1 and {self.load()})", "wait(gate)"))
        self.indent -= 1
        self.body(size, depth=1)
        return "\n".join(self.lines) + "\n"


def properties(w: Writer, processes: list[str]) -> str:
    """Formulas over memory, locations, events."""
    first = f'"{processes[0]}"'

    def formula() -> str:
        plain = w.pick(
            "gate", "num == 2", "cells[0].flag", "cells[1].control.on", "cells[0].value == num", "mark == 1", "note",
            "mode == Mode.EXIT", "bits(word) == 0", "popcount(bits(word)) < 2", "bit(mask, 1)", "irqs_off",
            'within("first", "w")', f"at_rest({first})", "buffers_empty()", f"quiet({first})", "mark <= num",
        )
        return f"not ({plain})" if w.chance(40) else plain

    return PROPERTIES.format(
        invariant=f"{formula()} or {formula()} or {formula()}",
        step=w.pick(
            "num >= old(num) or occurs(\"ping\", 0)", "gate == old(gate) or cells[0].flag", "mark == old(mark)",
            "not occurs(\"pong\", 1, True)", "not (old(note) and occurs(\"ping\", 1))", "mode == old(mode)",
        ),
        trigger=w.pick("True", formula(), f"{formula()} and cells[v].flag", "cells[v].value != 0"),
        witness=f"{formula()} or {formula()}",
    )


def build(seed: int, processes: int, size: int) -> dict[str, str]:
    """The files of a workspace."""
    random = Random(seed)
    palette = (
        ("gate", random.choice((*bool_places("cells[0]"), *bool_places("cells[x]")))),
        (random.choice(("num", "num", "cells[0].value")),),
    )
    w = Writer(random, palette)
    text = [STATE.format(value=random.randint(0, 1), width=random.randint(1, 3)), HELPERS]
    names: list[str] = []
    for index in range(processes):
        kinds = [("@thread", 6), ("@thread(over=2)", 1), ("@thread(over=2, symmetric=True)", 2), ("@hardware", 1),
                 ("@thread(cpu=lambda: 0)", 2), ("@thread(cpu=lambda: where)", 1)]
        if index:
            kinds += [("@handler(cpu=lambda: 0, masked=lambda: irqs_off)", 3), ("@scheduler(cpu=lambda: where)", 1),
                      ("@handler(cpu=lambda: 0)", 1), ("@thread(cpu=lambda: 0, holds=lambda: gate)", 1)]
        decorator = random.choices([k for k, _ in kinds], [n for _, n in kinds])[0]
        if "over=" in decorator and index == 2:
            decorator = "@thread"
        writer = Writer(random, palette)
        name = f"p{index}"
        text.append(writer.process(name, decorator, rest="handler" in decorator, size=random.randint(2, size)))
        names.append(name)
    mover = "\n@hardware\ndef mover():\n    idle()\n    where = 1\n" if "where" in "".join(text[2:]) else ""
    return {
        "model/model.py": "".join(text) + mover,
        "model/scenarios/only.py": SCENARIO,
        "properties/properties.py": "from lostirq.prelude import *\n" + properties(w, names),
    }


def sources() -> st.SearchStrategy[dict[str, str]]:
    """Workspaces of random processes.  Hypothesis draws size and seed: choices drawn one by one are mostly dull."""
    return st.builds(build, st.integers(0, 2**40), st.integers(2, 3), st.integers(2, 4))
