# SPDX-License-Identifier: GPL-2.0-or-later
"""The command `lostirq mutate`: its arguments, its run, what it prints.

Invariants: as in `lostirq.workflow.commands`; the workspace is not written; every result is in the file before it is
printed, so that nothing is lost by Ctrl-C or a crash; what is in the file is not run again unless asked.
"""

from __future__ import annotations

import argparse
import fnmatch
import random
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from lostirq.errors import UsageError
from lostirq.ir.digest import digest
from lostirq.workflow import jobs
from lostirq.workflow.check import CheckOptions, Deadline
from lostirq.workflow.commands import Setting
from lostirq.workflow.mutate_edit import diff, name_of, what_of
from lostirq.workflow.mutate_record import Record, begin, keep, model_name, read_record, to_json
from lostirq.workflow.mutate_run import (
    BaseCase,
    Fate,
    Group,
    Model,
    MutantResult,
    Setup,
    attempt,
    baseline,
    cheap,
    groups,
    looked_at,
    read_model,
    warm,
)
from lostirq.workflow.mutate_runs import run_of
from lostirq.workflow.mutate_sites import mutants
from lostirq.workflow.outcome import Outcome, combine, of_reason
from lostirq.workflow.progress import Status
from lostirq.workflow.show import mends
from lostirq.workflow.workspace import sources, suggestion

TIER = "quick"
FILE = "mutants.jsonl"
STALE = "stale"                      # a result of an earlier model
CUT = ("interrupted", "timeout")     # says nothing of a mutant, and is not kept


@dataclass(frozen=True, slots=True)
class MutateRequest:
    """What was asked for.  `only`: globs on names, of which the kind is the first part; `sample`: so many, chosen by
    `seed`; `out`: the file of results, None for one in the cache; `up_to`: states of the largest scenario."""

    only: tuple[str, ...] = ()
    show: str = ""
    listed: bool = False
    sample: int | None = None
    seed: int = 0
    out: Path | None = None
    again: bool = False
    up_to: int | None = None


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--only", action="append", default=[], metavar="PATTERN", help="only mutants with such a name, "
                        "e.g. 'cpu:*' or '*:vcpu_block:*' (repeatable)")
    parser.add_argument("--list", action="store_true", dest="listed", help="name them, run nothing")
    parser.add_argument("--show", default="", metavar="NAME", help="one mutant: its diff, and what kills it")
    parser.add_argument("--sample", type=int, metavar="N", help="only N of them, chosen at random")
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="of --sample (default: 0)")
    parser.add_argument("--out", type=Path, metavar="FILE", help="the file of results, which a later run goes on with "
                        f"(default: {FILE} in the cache)")
    parser.add_argument("--up-to", type=int, metavar="N", help="first pass: only scenarios of up to N states; what is "
                        "alive there stays undecided, and a later run goes on with it")
    parser.add_argument("--again", action="store_true", help="run also what is in the file already")


def request(o: argparse.Namespace) -> MutateRequest:
    """Raises `UsageError`."""
    if o.sample is not None and o.sample < 1:
        raise UsageError("--sample needs a positive number")
    if o.up_to is not None and o.up_to < 1:
        raise UsageError("--up-to needs a positive number")
    if o.show and (o.only or o.listed):
        raise UsageError("--show takes one name; it goes with neither --only nor --list")
    return MutateRequest(tuple(o.only), o.show, o.listed, o.sample, o.seed, o.out, o.again, o.up_to)


class _Late(Exception):
    """The time was up before the first mutant."""


def _read(s: Setting, texts: Mapping[str, str], deadline: Deadline, options: CheckOptions) -> Model | None:
    """The model, every scenario compiled; None if the time was up before."""
    status = Status(s.err, 0)

    def on_read(done: int, total: int) -> None:
        status.at(done, total, "scenarios compiled")
        if deadline.limit(options).seconds == 0:
            raise _Late

    try:
        return read_model(texts, TIER, on_read)
    except _Late:
        return None
    finally:
        status.clear()


def _prepared(s: Setting, texts: Mapping[str, str], record: Record, deadline: Deadline, options: CheckOptions
              ) -> tuple[Model, str, list[BaseCase]] | jobs.Failure:
    """The model with its name and its scenarios as they are, or why it is not."""
    model = _read(s, texts, deadline, options)
    if model is None:
        return jobs.Failure(Outcome.TIMEOUT, Outcome.TIMEOUT.value)
    name = model_name([digest(system) for system in model.systems.values()])
    base = list(record.baselines.get(name, ())) or baseline(model.workspace, TIER, deadline.limit(options))
    return base if isinstance(base, jobs.Failure) else (model, name, base)


def run_mutate(s: Setting, asked: MutateRequest, options: CheckOptions) -> Outcome:
    texts = sources(s.root)
    todo = chosen(groups(mutants(texts)), asked)
    if asked.listed:
        return _list(s, todo)
    s.look_at_cache()
    path = asked.out or s.cache / FILE
    record = read_record(path)
    known = {n: r for n, r in read_record(s.root / "docs" / FILE).results.items() if r.scenario} | record.results
    if asked.show and asked.show in known:      # of what is shipped, only what is searched anew below
        return _show(s, todo[0], texts, options, known[asked.show])
    started = time.monotonic()
    deadline = Deadline.after(options.seconds)
    ready = _prepared(s, texts, record, deadline, options)
    if isinstance(ready, jobs.Failure):
        if ready.outcome is Outcome.USAGE:
            raise UsageError(ready.message)
        if s.as_json:
            _report(s, [], len(todo), "")
        s.err.write(f"lostirq: before the first mutant: {', '.join(mends([ready.message])) or ready.message}\n")
        return ready.outcome
    model, name, base = ready
    options = deadline.limit(options)
    if asked.show:
        return _show_new(s, todo[0], model, base, options)
    begin(path, base, record)
    done = {n: r for n, r in record.results.items() if not asked.again}
    old = sum(r.model != name for n, r in done.items() if n in {name_of(g) for g in todo})
    if old:
        s.err.write(f"lostirq: {old} results in {path} are of an earlier model; --again runs them anew\n")
    few = cheap(base, asked.up_to)
    missing = [g for g in todo if name_of(g) not in done or (looked_at(done[name_of(g)]) or few) < few]
    status = Status(s.err, len(missing))
    failures: list[jobs.Failure] = []
    for group, result in _run(missing, model, base, deadline.limit(options), status, asked.up_to):
        if isinstance(result, jobs.Failure):
            failures.append(result)
            continue
        if result.fate is Fate.UNKNOWN and result.why.endswith(CUT):
            failures.append(jobs.Failure(of_reason(result.why.split()[-1]), result.why.split()[-1]))
            continue
        result = replace(result, model=name)
        keep(path, result)
        done[result.name] = result
        status.finished(name_of(group))
        if not s.as_json:
            s.lines([line(result)])
    status.clear()
    results = [done[name_of(g)] for g in todo if name_of(g) in done]
    _report(s, results, len(todo), name)
    seconds = time.monotonic() - started
    s.err.write(f"time: {seconds:.1f} s for {len(missing) - len(failures)} mutants; results in {path}\n")
    _complain(s, failures)
    unknown = [Outcome.UNDECIDED for r in results if r.fate is Fate.UNKNOWN or r.model != name]
    return combine([*(f.outcome for f in failures), *unknown, *(Outcome.HOLDS for r in results)])


def chosen(found: Sequence[Group], asked: MutateRequest) -> list[Group]:
    """The mutants asked for, in their order.  Raises `UsageError` if there are none."""
    names = [name_of(g) for g in found]
    if asked.show:
        if asked.show not in names:
            raise UsageError(f"no mutant {asked.show!r}{suggestion(asked.show, names)}; `lostirq mutate --list` names "
                             "them")
        return [found[names.index(asked.show)]]
    picked = [g for g, n in zip(found, names, strict=True)
              if not asked.only or any(fnmatch.fnmatchcase(n, p) for p in asked.only)]
    if not picked:
        raise UsageError(f"no mutant is named like {' or '.join(asked.only)}; `lostirq mutate --list` names them"
                         if asked.only else "this model has nothing to mutate")
    if asked.sample is not None and asked.sample < len(picked):
        kept = sorted(random.Random(asked.seed).sample(range(len(picked)), asked.sample))
        picked = [picked[k] for k in kept]
    return picked


def _run(todo: Sequence[Group], model: Model, base: Sequence[BaseCase], options: CheckOptions, status: Status,
         up_to: int | None = None) -> Iterator[tuple[Group, MutantResult | jobs.Failure]]:
    """Each mutant and what became of it, in the order in which they are decided."""
    options = options.shared_by(len(todo))
    with tempfile.TemporaryDirectory(prefix="lostirq-mutants-") as folder:
        warmed = Path(folder) / "build"
        warmed.mkdir(mode=0o700)
        warm(base if todo else (), options, warmed)
        setup = Setup(model, base, options, warmed, up_to)
        for done in jobs.run(todo, lambda g, report: attempt(g, setup, report),
                             processes=options.processes, seconds=options.seconds,
                             on_progress=lambda n, p: status.show(name_of(todo[n]), p)):
            yield todo[done.number], done.result or done.failure or jobs.Failure(Outcome.INTERNAL, "no result")


def line(r: MutantResult) -> str:
    """One result: its fate, its name, and why."""
    return f"{r.fate.value:<11}{r.name}: {r.what}: {reason(r)}"


def reason(r: MutantResult) -> str:
    """Why a mutant met its fate, in words."""
    if r.fate is not Fate.KILLED:
        return r.why
    if not r.scenario:
        return f"{r.property} {r.why}"
    how = ", ".join(x for x in (f"{r.length} steps" if r.length > 1 else "1 step" if r.length else "", r.why) if x)
    return f"{r.property}, {how}, {r.scenario} {r.memory.upper()}"


def _list(s: Setting, todo: Sequence[Group]) -> Outcome:
    if s.as_json:
        s.object({"format": "lostirq-mutate-list", "version": 1, "mutants": [
            {"name": name_of(g), "kind": g[0].kind.value, "file": g[0].file, "line": g[0].line, "what": what_of(g)}
            for g in todo]})
    else:
        s.lines([f"{name_of(g)}: {what_of(g)}" for g in todo])
    return Outcome.HOLDS


def _show_new(s: Setting, group: Group, model: Model, base: Sequence[BaseCase], options: CheckOptions) -> Outcome:
    """A mutant that is not in the file of results."""
    [(_, found)] = _run([group], model, base, options, Status(s.err, 1))
    if isinstance(found, MutantResult):
        return _show(s, group, model.texts, options, found)
    _complain(s, [found])
    return found.outcome


def _show(s: Setting, group: Group, texts: Mapping[str, str], options: CheckOptions, result: MutantResult) -> Outcome:
    """The diff of a mutant, and the run that kills it."""
    text = run_of(group, texts, options, result)
    if result.scenario:
        text = text or "It is no longer killed there: the model has changed since.  --again runs it anew."
    if s.as_json:
        s.object({"format": "lostirq-mutant", "version": 1, "diff": diff(texts, group), "report": text,
                  **to_json(result)})
    else:
        s.lines([line(result), "", *diff(texts, group).splitlines(), *(["", *text.splitlines()] if text else [])])
    return Outcome.HOLDS


def _report(s: Setting, results: Sequence[MutantResult], wanted: int, model: str) -> None:
    """Survivors last: they are the work that is left for the properties.  What is known of an earlier `model` only is
    no result of this one."""
    fresh = [r for r in results if r.model == model]
    counts = Counter(r.fate.value for r in fresh) + Counter({STALE: len(results) - len(fresh)})
    if s.as_json:
        s.object({"format": "lostirq-mutate", "version": 1, "wanted": wanted, "model": model,
                  "counts": {name: counts[name] for name in (*(f.value for f in Fate), STALE)},
                  "mutants": [to_json(r) | ({} if r.model == model else {STALE: True}) for r in results]})
        return
    left = [r for r in fresh if r.fate is Fate.SURVIVOR]
    if left:
        s.lines(["", "Nothing sees these (work for the properties, or explain them):",
                 *(f"  {r.name}: {r.what}" for r in left)])
    said = ", ".join(f"{counts[name]} {name}" for name in (*(f.value for f in Fate), STALE) if counts[name]) or "none"
    s.lines(["", f"{len(results)} of {wanted} mutants: {said}"])


def _complain(s: Setting, failures: Sequence[jobs.Failure]) -> None:
    for message, count in Counter(f.message for f in failures).items():
        s.err.write(f"lostirq: {message}: {count} without a result\n")
