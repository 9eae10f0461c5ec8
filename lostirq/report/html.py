# SPDX-License-Identifier: GPL-2.0-or-later
"""A counterexample as one HTML file: lanes per agent, a click shows the step; no network, works when saved and mailed.

The lanes and all texts are plain HTML, so that the page reads, prints and speaks without scripts; the script adds
the details of a step.  Style and script are in `page/`, and are put into the file.

Invariants: no text of a model can become markup or leave the block of data: everything is escaped, and a policy in the
page forbids whatever would be loaded.  Two renderings of one account are equal.
"""

from __future__ import annotations

import json
from html import escape
from importlib import resources

from lostirq.evidence.account import PATH, Account, Buffer, Change, Said, Seen, Step, Variable
from lostirq.report import summary
from lostirq.report.text import MEMORIES, text

POLICY = "; ".join(("default-src 'none'", "style-src 'unsafe-inline'", "script-src 'unsafe-inline'", "base-uri 'none'",
                    "form-action 'none'"))  # fmt: skip


def asset(name: str) -> str:
    """A file of the page."""
    return resources.files("lostirq.report").joinpath("page", name).read_text(encoding="utf-8")


def html(account: Account) -> str:
    """The page."""
    title = escape(summary.subject(account))
    parts = [_header(account), *_run(account), *_why(account), *_about(account), *_text(account)]
    return "\n".join([
        "<!doctype html>", '<html lang="en">', "<head>", '<meta charset="utf-8">',
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">',
        f"<title>{title}</title>", f"<style>{asset('page.css')}</style>", "</head>", "<body>", *parts,
        f'<script type="application/json" id="data">{data(account)}</script>',
        f"<script>{asset('page.js')}</script>", "</body>", "</html>", "",
    ])  # fmt: skip


def data(account: Account) -> str:
    """What the script reads: values as texts, since numbers of 64 bits are not exact in JavaScript."""
    made = {
        "variables": [[v.short, shown(v, v.initial)] for v in account.variables],
        "steps": [_step_data(account, s) for s in account.steps],
        "loop": account.loop,
    }
    return json.dumps(made, separators=(",", ":")).replace("<", "\\u003c").replace(">", "\\u003e")


def shown(v: Variable, value: int) -> str:
    """A value for people: a name, a set of bits by number, or an integer."""
    if v.kind == "bits":
        return "{" + ", ".join(str(v.base + i) for i in range(v.width) if value >> i & 1) + "}"
    at = value - v.low
    return v.names[at] if 0 <= at < len(v.names) else str(value)


def _step_data(account: Account, s: Step) -> dict[str, object]:
    mirrors = s.kernel or ("hardware" if s.agent >= 0 else "")
    return {
        "column": s.column, "function": s.function, "stack": list(s.stack), "kernel": mirrors,
        "place": f"{s.file}:{s.line}" if s.file else "", "text": s.text, "choice": s.choice, "access": s.access,
        "drains": s.drains, "events": list(s.events), "reads": [_seen(account, r) for r in s.reads],
        "writes": [_seen(account, w) for w in s.writes], "changes": [_change(account, c) for c in s.changes],
        "buffers": [_buffer(account, b) for b in s.buffers],
    }  # fmt: skip


def _seen(account: Account, seen: Seen) -> str:
    v = account.variables[seen.variable]
    return f"{v.short} = {shown(v, seen.value)}" + (" (into the store buffer)" if seen.buffered else "")


def _change(account: Account, c: Change) -> list[object]:
    """[variable, before, after, the bits that went and came]."""
    v = account.variables[c.variable]
    bits = ""
    if v.kind == "bits":
        flipped = [(i, c.after >> i & 1) for i in range(v.width) if (c.before ^ c.after) >> i & 1]
        bits = ", ".join(f"{'+' if on else '-'}{v.base + i}" for i, on in flipped)
    return [c.variable, shown(v, c.before), shown(v, c.after), bits]


def _buffer(account: Account, b: Buffer) -> str:
    entries = [e.shown or ", ".join(account.variables[v].short for v in e.variables) for e in b.entries]
    return f"CPU {b.cpu}: {'; '.join(entries) if entries else 'empty'}"


def _is_path(account: Account) -> bool:
    return account.claim.form == PATH


def _header(account: Account) -> str:
    c = account.configuration
    rows = [f"<h1>{escape(account.claim.headline)}</h1>",
            *([] if _is_path(account) else [f'<p class="verdict">violated: {escape(summary.length(account))}</p>']),
            f"<p>scenario {escape(c.scenario)}, memory model {escape(MEMORIES.get(c.memory, c.memory))}</p>"]
    notice = summary.notice(account)
    rows += [f'<p class="notice">{escape(notice)}</p>'] if notice else []
    return "<header>" + "".join(rows) + "</header>\n<main>"


def _run(account: Account) -> list[str]:
    lanes = max(1, len(account.columns))
    heads = "".join(f"<span>{escape(c)}</span>" for c in account.columns)
    lines = [
        '<section aria-labelledby="run"><h2 id="run">The run</h2>',
        '<p class="tools"><button type="button" id="copy" hidden>Copy as text</button> '
        '<label id="more" hidden><input type="checkbox" id="minor"> every access</label> '
        '<span class="keys" id="keys" hidden>Keys: <kbd>j</kbd> <kbd>k</kbd> or arrows: next, previous step; '
        "<kbd>Home</kbd> <kbd>End</kbd>; <kbd>c</kbd>: copy</span></p>",
        f'<div class="columns"><div class="run" style="--lanes:{lanes}"><div class="heads" aria-hidden="true">'
        f"<span></span>{heads}</div><ol class=\"steps\">",
    ]
    for number, step in enumerate(account.steps):
        if account.loop == number:
            lines.append(_again(f"steps {number + 1} to {len(account.steps)} repeat"))
        looped = account.loop is not None and number >= account.loop
        lines.append(_step(account, number, step, looped))
    if account.loop == len(account.steps):
        lines.append(_again("nothing happens any more"))
    lines.append("</ol>")
    lines += [f'<p class="end">in the end: {escape("; ".join(account.end))}</p>'] if account.end else []
    lines += [f'<p class="failure">{escape(account.failure)}</p>'] if account.failure else []
    lines.append("</div>")
    marks = 'id="detail" class="detail" tabindex="0" aria-live="polite" aria-label="Details" hidden'
    return [*lines, f"<section {marks}></section>", "</div></section>"]


def _again(what: str) -> str:
    return f'<li class="again"><span>for ever: {what}</span></li>'


def _step(account: Account, number: int, step: Step, looped: bool) -> str:
    """One row: what the step says, one cell in each lane that says something (two in a lane would cover each other)."""
    said = step.said or (Said(step.column, step.function, ()),)
    lanes: dict[str, list[Said]] = {}
    for s in said:
        lanes.setdefault(s.column, []).append(s)
    cells = [_cell(account, number, step, saids, first=k == 0) for k, saids in enumerate(lanes.values())]
    minor = all(_minor(s) for s in said)
    names = "step" + (" minor" if minor else "") + (" looped" if looped else "")
    return f'<li class="{names}"><span class="number">{number + 1}</span>{"".join(cells)}</li>'


def _minor(said: Said) -> bool:
    return said.minor or all(f.minor for f in said.facts)


def _cell(account: Account, number: int, step: Step, saids: list[Said], *, first: bool) -> str:
    """What one lane says; the first cell is the button of the step, so that it is shown whenever the step is."""
    column = saids[0].column
    lane = account.columns.index(column) + 2 if column in account.columns else 2
    silent = all(_minor(s) for s in saids)
    inner = "".join(_said(step, s, minor=_minor(s) and not (first and silent and s is saids[0])) for s in saids)
    inner = f'<span class="who">{escape(column)}: </span>{inner}'
    style = f'style="grid-column:{lane}"'
    if first:
        marks = f'class="say lane{lane % 6}" id="step{number + 1}" data-step="{number}" {style}'
        return f'<button type="button" {marks}>{inner}</button>'
    return f'<div class="say{" minor" if silent else ""} lane{lane % 6}" {style}>{inner}</div>'


def _said(step: Step, said: Said, *, minor: bool) -> str:
    names = "function minor" if minor else "function"
    head = [f'<span class="{names}">{escape(said.function)}()</span>'] if said.function else []
    facts = [f'<span class="fact{" minor" if f.minor else ""}">{escape(f.text)}</span>' for f in said.facts]
    facts = facts or [f'<span class="fact minor">{escape(step.text or step.access)}</span>']
    return "".join([*head, *facts])


def _why(account: Account) -> list[str]:
    if _is_path(account):
        return []
    rows = [f"<li><code>{escape(r)}</code></li>" for r in summary.reasons(account.why)]
    found = ['<section aria-labelledby="why"><h2 id="why">What must hold, and why it does not</h2>',
             f"<p>{escape(summary.property_in_words(account))}</p>"]
    found += [f"<p>From: {escape(account.claim.source)}</p>"] if account.claim.source else []
    found += [f"<ul>{''.join(rows)}</ul>"] if rows else []
    return [*found, "</section>"]


def _about(account: Account) -> list[str]:
    functions = [f"<tr><td><code>{escape(n)}()</code></td><td><code>{escape(f)}</code></td></tr>"
                 for n, f in summary.functions(account)]
    rows = [f'<tr><th scope="row">{escape(a)}</th><td>{escape(b)}</td></tr>' for a, b in summary.configuration(account)]
    commands = "\n".join(summary.reproduce(account))
    again = f'<p>How to reproduce:</p><pre tabindex="0" aria-label="commands">{escape(commands)}</pre>'
    return [
        '<section aria-labelledby="kernel"><h2 id="kernel">Functions of the kernel</h2>',
        '<table><thead><tr><th scope="col">function</th><th scope="col">file</th></tr></thead>'
        f"<tbody>{''.join(functions)}</tbody></table></section>",
        '<section aria-labelledby="setting"><h2 id="setting">Configuration</h2>',
        f"<table><tbody>{''.join(rows)}</tbody></table>",
        "" if _is_path(account) else again,
        f"<p>{escape(summary.assumed(account))}</p></section>",
    ]


def _text(account: Account) -> list[str]:
    """Also what is copied."""
    run = f'<pre id="text" tabindex="0" aria-label="the run as text">{escape(text(account))}</pre>'
    return ['<section aria-labelledby="plain"><h2 id="plain">As text</h2>', run, "</section>", "</main>"]
