# SPDX-License-Identifier: GPL-2.0-or-later
"""The account of a counterexample: complete, read back as written, described by the schema that ships."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import jsonschema
import pytest
from report_toys import posting

from lostirq.errors import UsageError
from lostirq.evidence import records
from lostirq.evidence.account import Account, Buffer, Entry, Seen
from lostirq.evidence.replay import Run, confirm, replay
from lostirq.evidence.trace_file import StoredTrace, read, render, schema, write
from lostirq.evidence.verdict import Trace
from lostirq.ir.digest import digest
from lostirq.ir.system import Memory
from lostirq.report.steps import Teller
from lostirq.report.tell import About, account
from lostirq.report.text import text

LOST = (0, 1, 3, 6, 7, 9, 10, 5)
SCHEMA = Path(__file__).parents[2] / "lostirq" / "schemas" / "trace.schema.json"
ABOUT = About("9.9", "PROJECT", {"vcpu_enter_guest": "arch/toy.c:vcpu_enter_guest"}, {"SENDERS": 2}, "some-bug")


def run_of(moves: tuple[int, ...] = LOST, key: str = "Q-2[0,2]", loop: int | None = None) -> Run:
    system = posting(fence=False, memory=Memory.TSO)
    return replay(system, Trace(system.name, system.memory.value, digest(system), key, moves, loop))


def stored() -> StoredTrace:
    run = run_of()
    return StoredTrace(run.trace, "some-bug", (("SENDERS", 2),), ("a patch\n",), account(run, confirm(run), ABOUT))


def test_round_trip(tmp_path: Path) -> None:
    written = stored()
    write(tmp_path / "t.json", written)
    assert read(tmp_path / "t.json") == written


def test_schema_is_the_one_of_the_code() -> None:
    assert json.loads(SCHEMA.read_text()) == schema()


def test_schema_accepts_what_is_written_and_nothing_else() -> None:
    validator = jsonschema.Draft202012Validator(json.loads(SCHEMA.read_text()))
    data = json.loads(render(stored()))
    validator.validate(data)
    validator.validate(json.loads(render(StoredTrace(run_of().trace))))
    for broken in ({**data, "version": 3}, {**data, "extra": 1}, {k: v for k, v in data.items() if k != "digest"},
                   {**data, "account": {**data["account"], "steps": 3}}):
        assert not validator.is_valid(broken)


def test_states_are_those_of_the_interpreter() -> None:
    run = run_of()
    assert account(run, None).states() == [values for values, _ in run.states]


def test_buffers_are_those_of_the_interpreter() -> None:
    run = run_of()
    told = account(run, None)
    now: dict[int, tuple[tuple[int, ...], ...]] = {0: (), 1: ()}
    for step, after in zip(told.steps, run.states[1:], strict=True):
        now |= {b.cpu: tuple(e.values for e in b.entries) for b in step.buffers}
        assert [now[c] for c in sorted(now)] == [tuple(v for _, v in entries) for entries in after[1]]


@pytest.mark.parametrize("full", [False, True])
def test_what_steps_say_is_what_the_teller_says(full: bool) -> None:
    run = run_of()
    prop = confirm(run)
    told = [(s.column, s.function, tuple(f.text for f in s.facts if full or not f.minor))
            for step in account(run, prop).steps for s in step.said if full or not s.minor]
    assert told == [(s.column, s.function, s.facts) for s in Teller(run, prop, full=full).told()]


def test_switches_agree_with_the_run() -> None:
    run = run_of()
    assert account(run, None).switches == run.switches == 3


def test_about_is_carried() -> None:
    made = account(run_of(), None, ABOUT)
    assert (made.configuration.kernel, made.configuration.subject, made.configuration.bug) == (
        "9.9", "PROJECT", "some-bug")
    assert made.steps[0].kernel == "arch/toy.c:vcpu_enter_guest"
    assert made.steps[3].kernel == ""       # nothing is mirrored by the sender of this toy


def test_why_names_the_conditions_that_fail() -> None:
    run = run_of()
    why = [r.text for r in account(run, confirm(run)).why]
    assert "pi_desc.pir" in why[0]
    assert "vcpu.entered" in why and "no message in flight" in why


def test_text_needs_nothing_but_the_file(tmp_path: Path) -> None:
    run = run_of()
    made = account(run, confirm(run))
    write(tmp_path / "t.json", StoredTrace(run.trace, account=made))
    found = read(tmp_path / "t.json").account
    assert found is not None and text(found) == text(made)


def damaged(change: Account) -> dict[str, object]:
    data: dict[str, object] = json.loads(render(stored()))
    data["account"] = records.encode(change)
    return data


def accounts() -> list[tuple[Account, str]]:
    good = stored().account
    assert good is not None
    first, *rest = good.steps
    return [
        (replace(good, loop=3), "other steps"),
        (replace(good, steps=tuple(rest)), "other steps"),
        (replace(good, steps=(replace(first, agent=7), *rest)), "no such agent"),
        (replace(good, steps=(replace(first, reads=(Seen(99, 0),)), *rest)), "no such variable"),
        (replace(good, steps=(replace(first, buffers=(Buffer(0, (Entry((0,), ()),)),)), *rest)), "one value per"),
        (replace(good, columns=("someone",)), "no such column"),
        (replace(good, claim=replace(good.claim, key="X")), "another trace"),
        (replace(good, configuration=replace(good.configuration, digest="0")), "another trace"),
    ]


@pytest.mark.parametrize("number", range(8))
def test_damage_is_named(tmp_path: Path, number: int) -> None:
    change, said = accounts()[number]
    path = tmp_path / "t.json"
    path.write_text(json.dumps(damaged(change)))
    with pytest.raises(UsageError) as error:
        read(path)
    assert said in str(error.value) and str(path) in str(error.value) and "\n" not in str(error.value)


@pytest.mark.parametrize(("at", "value", "said"), [
    (("steps", 0, "move"), "x", "steps[0].move: a number is needed"),
    (("steps", 0, "move"), True, "steps[0].move: a number is needed"),
    (("minimal",), 1, "minimal: true or false is needed"),
    (("columns",), "vCPU", "columns: a list is needed"),
    (("surprise",), 1, "unknown field 'surprise'"),
    (("configuration", "parameters"), [], "parameters: an object is needed"),
])
def test_every_field_is_checked(tmp_path: Path, at: tuple[str | int, ...], value: object, said: str) -> None:
    made = stored()
    assert made.account is not None
    made = replace(made, account=replace(made.account, minimal=False))      # so that the field is written
    data = json.loads(render(made))
    inner = data["account"]
    for key in at[:-1]:
        inner = inner[key]
    inner[at[-1]] = value
    path = tmp_path / "t.json"
    path.write_text(json.dumps(data))
    with pytest.raises(UsageError) as error:
        read(path)
    assert said in str(error.value)


def test_a_missing_field_is_named(tmp_path: Path) -> None:
    data = json.loads(render(stored()))
    del data["account"]["failure"]
    path = tmp_path / "t.json"
    path.write_text(json.dumps(data))
    with pytest.raises(UsageError, match="field 'failure' is missing"):
        read(path)
