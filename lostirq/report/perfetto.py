# SPDX-License-Identifier: GPL-2.0-or-later
"""A counterexample as Chrome trace events, which ui.perfetto.dev and chrome://tracing open.

Step k lasts from 1000 k to 1000 (k+1) microseconds: the time axis is the order of the steps and nothing else.  Agents
are threads; a flow leads from a write to the read that sees it.  Shared variables that change are a process of their
own: counters or, where their values have names, a thread each, with a slice for as long as a value stands.

References: "Trace Event Format" (Chromium project); Perfetto documentation, "Visualizing external trace formats".
"""

from __future__ import annotations

import json
from itertools import pairwise

from lostirq.evidence.account import Account, Step

STEP = 1000         # microseconds
AGENTS, MEMORY = 1, 2


def perfetto(account: Account) -> str:
    """One JSON object, an event per line."""
    c = account.configuration
    threads = {column: n for n, column in enumerate(account.columns, 1)}
    events: list[dict[str, object]] = [_named("process_name", AGENTS, 0, "agents"),
                                       _named("process_name", MEMORY, 0, "shared memory")]
    events += [_named("thread_name", AGENTS, n, column) for column, n in threads.items()]
    writers: dict[int, tuple[int, Step]] = {}
    flows = 0
    for number, step in enumerate(account.steps):
        thread, start = threads[step.column], number * STEP
        events.append(_slice(account, number, step, thread))
        for seen in step.reads:
            source = writers.get(seen.variable)
            if source is not None and source[1].column != step.column:
                flows += 1
                common = {"cat": "race", "name": account.variables[seen.variable].short, "id": flows, "pid": AGENTS}
                events.append({"ph": "s", "ts": source[0] * STEP, "tid": threads[source[1].column], **common})
                events.append({"ph": "f", "bp": "e", "ts": start, "tid": thread, **common})
        writers |= {w.variable: (number, step) for w in step.writes if not w.buffered}
        for change in step.changes:
            variable = account.variables[change.variable]
            if variable.role == "memory" and not variable.names:
                events.append({"ph": "C", "pid": MEMORY, "tid": 0, "ts": start, "name": variable.short,
                               "args": {"value": change.after}})
    events += _named_values(account)
    if account.steps:
        last = account.steps[-1]
        events.append({"ph": "i", "s": "g", "pid": AGENTS, "tid": threads[last.column], "name": account.failure,
                       "ts": len(account.steps) * STEP})
    if account.loop is not None:
        events.append({"ph": "i", "s": "g", "pid": AGENTS, "tid": 1, "ts": account.loop * STEP,
                       "name": "from here on, for ever"})
    head = {"displayTimeUnit": "ms", "otherData": {
        "source": f"lostirq {c.tool}", "scenario": c.scenario, "memory": c.memory, "digest": c.digest,
        "property": account.claim.headline}}
    body = ",\n".join(json.dumps(e) for e in events)
    return json.dumps(head)[:-1] + ', "traceEvents": [\n' + body + "\n]}\n"


def _named_values(account: Account) -> list[dict[str, object]]:
    """A thread for each shared variable that changes and whose values have names; a slice from each change to the next,
    the first from the beginning, the last to the end."""
    changes: dict[int, list[tuple[int, int]]] = {}
    for number, step in enumerate(account.steps):
        for change in step.changes:
            variable = account.variables[change.variable]
            if variable.role == "memory" and variable.names:
                changes.setdefault(change.variable, [(0, variable.initial)]).append((number, change.after))
    events: list[dict[str, object]] = []
    for thread, (at, found) in enumerate(sorted(changes.items()), 1):
        variable = account.variables[at]
        events.append(_named("thread_name", MEMORY, thread, variable.short))
        for (start, value), (end, _) in pairwise([*found, (len(account.steps), 0)]):
            known = variable.low <= value < variable.low + len(variable.names)
            name = variable.names[value - variable.low] if known else str(value)
            if start < end:
                events.append({"ph": "X", "pid": MEMORY, "tid": thread, "ts": start * STEP, "dur": (end - start) * STEP,
                               "name": name, "cat": "value", "args": {"value": value}})
    return events


def _slice(account: Account, number: int, step: Step, thread: int) -> dict[str, object]:
    facts = [f.text for said in step.said for f in said.facts]
    name = f"{step.function}()" if step.function else "store buffer"
    args: dict[str, object] = {"step": number, "facts": "; ".join(facts), "text": step.text}
    args |= {"model": f"{step.file}:{step.line}"} if step.file else {}
    args |= {"kernel": step.kernel} if step.kernel else {}
    shown = [line for change in step.changes for line in change.shown]
    args |= {"changes": "; ".join(shown)} if shown else {}
    return {"ph": "X", "pid": AGENTS, "tid": thread, "ts": number * STEP, "dur": STEP, "name": name,
            "cat": step.access, "args": args}


def _named(kind: str, process: int, thread: int, name: str) -> dict[str, object]:
    return {"ph": "M", "name": kind, "pid": process, "tid": thread, "args": {"name": name}}
