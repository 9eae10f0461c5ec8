# SPDX-License-Identifier: GPL-2.0-or-later
"""The command `lostirq impact`: its arguments, its run, what it prints."""

from __future__ import annotations

import argparse
import textwrap
from pathlib import Path
from typing import BinaryIO

from lostirq.errors import UsageError
from lostirq.evidence.trace_file import write_text
from lostirq.workflow.cache import ResultCache
from lostirq.workflow.commands import Setting
from lostirq.workflow.impact import Impact, Modelled, impact
from lostirq.workflow.outcome import Outcome
from lostirq.workflow.patch_sources import patch_bytes
from lostirq.workflow.progress import Status

WIDTH = 100
MOST = 6                # scenarios of a tier that are named
MOST_BUT = 3            # scenarios that are named as exceptions from a tier


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("file", metavar="PATCH", help="a patch, mail or mbox against the modelled source; - is "
                        "standard input")
    parser.add_argument("--kernel", type=Path, metavar="DIR", help="a source tree, before the patch or after it: lines "
                        "are looked up there instead of trusting the hunks' headings")
    parser.add_argument("--skeleton", action="store_true", help="print the skeleton of the change of the model alone")
    parser.add_argument("-o", "--output", type=Path, metavar="FILE", help="write the skeleton there")


def run_impact(s: Setting, o: argparse.Namespace, processes: int, standard_input: BinaryIO) -> Outcome:
    """Raises `UsageError`, `LostirqError`."""
    raw = patch_bytes(o.file, standard_input if o.file == "-" else None)
    s.look_at_cache()
    results = ResultCache(s.cache / "results", lambda line: print(f"lostirq: {line}", file=s.err), unkept=s.unkept)
    name = "standard input" if o.file == "-" else o.file
    status = Status(s.err, 0)
    try:
        found = impact(s.root, raw, name, o.kernel, processes=processes, results=results,
                       on_use=lambda done, total: status.at(done, total, "scenarios compiled to see what they execute"))
    finally:
        status.clear()
    if (o.output is not None or o.skeleton and not s.as_json) and not found.skeleton:
        raise UsageError(f"{name}: touches no modelled function; there is no skeleton to write")
    if o.output is not None:
        write_text(o.output, found.skeleton)
    if s.as_json:
        s.object(to_json(found))
    elif not o.skeleton:
        s.lines(lines(found, o.kernel))
    elif o.output is None:
        s.out.write(found.skeleton)
    return Outcome.HOLDS


def lines(found: Impact, tree: Path | None = None) -> list[str]:
    """The report for people; `tree`: where functions were looked up."""
    out: list[str] = []
    for m in found.modelled:
        out += _modelled(m, found.tiers, tree)
    if found.absent:
        out += ["touched, and not in the model"]
        out += [f"  {file}:{function}" for file, function in found.absent]
    if found.outside:
        out += ["touched outside of functions (types, macros, tables), or where the heading of the hunk names none",
                "(a label; --kernel DIR looks it up): look whether the model has them"]
        out += [f"  {file}" for file in found.outside]
    out += [""] if out else []
    if not found.modelled:
        return [*out, "SUMMARY: no modelled function is touched"]
    count = len(dict.fromkeys(m.name for m in found.modelled))
    out += ["to run again: lostirq patch FILE, with the skeleton below, translated; or, once the model is changed"]
    for tier, names in found.tiers.items():
        some = [name for name in names if name in found.scenarios]
        if len(some) > MOST or some and len(some) == len(names):
            out += [f"  lostirq check --tier {tier}"]
        elif some:
            out += ["  lostirq check " + " ".join(f"--scenario {name}" for name in some)]
    out += ["", "skeleton of the change (a patch against the workspace; --skeleton prints it alone)", "",
            *found.skeleton.splitlines(), ""]
    return [*out, f"SUMMARY: functions of the model that mirror what is touched: {count}; "
            f"touched and not modelled: {len(found.absent)}"
            + (f"; files with changes in no function: {len(found.outside)}" if found.outside else "")]


def _scenarios(m: Modelled, tiers: dict[str, tuple[str, ...]]) -> tuple[str, ...]:
    """The names, but `all 17 quick` for a whole tier, `all 17 quick but NAME` for nearly all of it, and how many where
    they are many."""
    found: list[str] = []
    for tier, names in tiers.items():
        some = [name for name in names if name in m.scenarios]
        rest = [name for name in names if name not in m.scenarios]
        if len(names) > 1 and not rest:
            found += [f"all {len(names)} {tier}"]
        elif len(rest) <= MOST_BUT and len(names) > 2 * MOST_BUT:
            found += [f"all {len(names)} {tier} but {' and '.join(rest)}"]
        elif len(some) > MOST:
            found += [f"{len(some)} of {len(names)} {tier} (--json names them)"]
        else:
            found += some
    return tuple(found)


def _modelled(m: Modelled, tiers: dict[str, tuple[str, ...]], tree: Path | None) -> list[str]:
    looked = "--kernel DIR looks it up" if tree is None else f"its lines are not in {tree}"
    how = "" if all(p.exact for p in m.pieces) else f" (by the heading of the hunk; {looked})"
    where = "" if m.exact else f" (another file: the model mirrors {m.mirrors})"
    said = [f"{m.pieces[0].file}:{m.pieces[0].line} {m.pieces[0].function}(){how}",
            f"  model       {m.file}:{m.line} {m.name}(){where}"]
    said += _labelled("scenarios", _scenarios(m, tiers)) + _labelled("properties", m.properties)
    return [*said, *_labelled("known bugs", m.bugs), ""]


def _labelled(label: str, names: tuple[str, ...]) -> list[str]:
    return textwrap.wrap(", ".join(names) or "none", WIDTH, initial_indent=f"  {label:<12}", subsequent_indent=" " * 14,
                         break_on_hyphens=False)


def to_json(found: Impact) -> dict[str, object]:
    """The object of `--json`."""
    return {
        "format": "lostirq-impact",
        "version": 1,
        "functions": [
            {"function": m.pieces[0].function, "source": m.pieces[0].file, "source_line": m.pieces[0].line,
             "resolved": all(p.exact for p in m.pieces), "model_function": m.name, "file": m.file, "line": m.line,
             "mirrors": m.mirrors, "same_file": m.exact, "scenarios": list(m.scenarios),
             "properties": list(m.properties), "known_bugs": list(m.bugs)} for m in found.modelled],
        "not_modelled": [{"source": file, "function": function} for file, function in found.absent],
        "outside_functions": list(found.outside),
        "scenarios": list(found.scenarios),
        "properties": list(found.properties),
        "skeleton": found.skeleton,
    }
