# SPDX-License-Identifier: GPL-2.0-or-later
"""A counterexample in the Informal Trace Format, which Apalache, Quint and their viewers read.

Invariant: state k is the state before step k; sets of bits are sets of the numbers of the bits, named values are texts,
all else are integers; the last state of a lasso is the same as state `loop`.

References: Konnov 2021, Apalache ADR 015, "Informal Trace Format in JSON".
"""

from __future__ import annotations

import json

from lostirq.evidence.account import Account, Step, Variable

_EXACT = 1 << 53        # integers from here on are not exact in every reader of JSON


def itf(account: Account) -> str:
    """One JSON object."""
    names = [v.name for v in account.variables]      # paths: distinct, and none begins with '#'
    states = account.states()
    action = "mbt::actionTaken"
    rows: list[dict[str, object]] = []
    for number, values in enumerate(states):
        row: dict[str, object] = {"#meta": {"index": number}}
        row[action] = _action(account.steps[number - 1]) if number else "init"
        row.update({name: _value(v, x) for name, v, x in zip(names, account.variables, values, strict=True)})
        rows.append(row)
    c = account.configuration
    out: dict[str, object] = {
        "#meta": {"format": "ITF", "format-description": "https://apalache-mc.org/docs/adr/015adr-trace.html",
                  "source": f"lostirq {c.tool}, scenario {c.scenario}, memory model {c.memory}, model {c.digest}",
                  "description": account.claim.headline, "status": "violation"},
        "params": [],
        "vars": [action, *names],
        "states": rows,
    }
    if account.loop is not None:
        out["loop"] = min(account.loop, len(states) - 1)
    return json.dumps(out, indent=1) + "\n"


def _action(step: Step) -> str:
    if step.agent < 0:
        return f"a store leaves the buffer of CPU {step.cpu}"
    return f"{step.column}: {step.function}: {step.text}"


def _value(variable: Variable, value: int) -> object:
    if variable.kind == "bits":
        return {"#set": [_integer(variable.base + i) for i in range(variable.width) if value >> i & 1]}
    if variable.kind == "bool":
        return bool(value)
    at = value - variable.low
    return variable.names[at] if 0 <= at < len(variable.names) else _integer(value)


def _integer(value: int) -> object:
    return {"#bigint": str(value)} if abs(value) >= _EXACT else value
