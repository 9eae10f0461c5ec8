# SPDX-License-Identifier: GPL-2.0-or-later
"""The command line: parse, call one function, render.

Invariants: results on stdout, everything else on stderr; one line and exit code 2 for a usage error; never a traceback;
the exit codes are those of `lostirq.workflow.outcome` (docs/cli.md).
"""

from __future__ import annotations

import argparse
import os
import re
import sys
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TextIO

import lostirq
from lostirq.errors import LostirqError, ModelErrors, UsageError, advice
from lostirq.evidence.trace_file import check_target
from lostirq.evidence.verdict import Reductions
from lostirq.ir.system import Memory
from lostirq.workflow import (
    ci,
    commands,
    failure,
    impact_command,
    mutate,
    output,
    patch_ci,
    patch_command,
    report_command,
)
from lostirq.workflow.arguments import Parser, duration, memory_size, natural, one_of, parameter, port
from lostirq.workflow.cache import ResultCache
from lostirq.workflow.check import TIERS, CheckOptions
from lostirq.workflow.doctor import available_memory
from lostirq.workflow.engines import Engine, compiler_remark, settle
from lostirq.workflow.export import FORMATS, LIMIT
from lostirq.workflow.list import PARTS
from lostirq.workflow.once import Once
from lostirq.workflow.outcome import Outcome, exit_code
from lostirq.workflow.state_cost import LIMIT as COST_LIMIT
from lostirq.workflow.workspace import cache_dir, half_workspace, suggestion

COMMANDS = {
    "list": "the scenarios, properties, parameters and known bugs",
    "check": "check the properties in the scenarios",
    "bugs": "re-introduce each known bug and find it again",
    "patch": "what a patch does to the properties: breaks, fixes, keeps",
    "mutate": "change the model in every small way, and see which property notices",
    "impact": "what a patch of the modelled source means for the model",
    "prove": "the proofs of proofs/: for runs of any length, at full width",
    "recheck": "verify the certificates of proofs with another program and another solver",
    "explain": "a counterexample, property or scenario in words",
    "report": "a counterexample as a mail, an issue, a diagram, a test",
    "explore": "walk through a scenario in the browser, on this machine",
    "export": "a scenario as GraphML, DOT or Promela",
    "init": "copy the workspace to a folder, to edit it",
    "doctor": "is everything here that a check needs?",
}
_SEARCHING = ("check", "bugs", "patch", "mutate", "prove")
_MEMORIES = {"sc": (Memory.SC,), "tso": (Memory.TSO,), "both": (Memory.SC, Memory.TSO)}


def shared_arguments() -> tuple[Parser, Parser]:
    """What every command takes, and what every one that searches takes."""
    common = Parser(add_help=False, allow_abbrev=False)
    common.add_argument("--workspace", type=Path, metavar="DIR", help="default: the checkout one stands in, else the "
                        "one that the package carries")
    common.add_argument("--json", action="store_true", help="one JSON object on stdout")
    common.add_argument("--cache-dir", type=Path, metavar="DIR", help="default: $LOSTIRQ_CACHE or ~/.cache/lostirq")
    searching = Parser(add_help=False, allow_abbrev=False)
    searching.add_argument("--engine", type=one_of("engine", [e.value for e in Engine]), default="auto")
    searching.add_argument("-j", "--jobs", type=natural, default=os.cpu_count() or 1, metavar="N",
                           help="searches at once (default: the cores)")
    searching.add_argument("--threads", type=natural, metavar="N", help="threads of one search (default: idle cores)")
    searching.add_argument("--max-memory", type=memory_size, metavar="SIZE", help="for all searches together, e.g. 3G "
                           "(default: 3/4 of what is free)")
    searching.add_argument("--max-states", type=natural, metavar="N", help="give up a search beyond N states")
    searching.add_argument("--max-depth", type=natural, metavar="N", help="bmc: runs of at most N steps")
    searching.add_argument("--rlimit", type=natural, metavar="N", help="bmc: Z3's resource count for one question")
    searching.add_argument("--time", type=duration, metavar="TIME", help="bmc: for one search")
    searching.add_argument("--timeout", type=duration, metavar="TIME", help="for the whole command: 90, 5m, 2h")
    searching.add_argument("--no-reductions", action="store_true", help="count every state, as the interpreter does")
    searching.add_argument("--no-result-cache", action="store_true", help="search anew what was answered before")
    searching.add_argument("--bisect", action="store_true", help="exit codes for `git bisect run`")
    return common, searching


def make_parser(wanted: str | None = None) -> Parser:
    """The parser of one command, None: of all.  The others are named in it, without their arguments: the proofs alone
    would load a solver to say what they take."""
    common, searching = shared_arguments()
    parser = Parser(prog="lostirq", allow_abbrev=False, description="Find, prove absent and explain lost interrupts.")
    parser.add_argument("--version", action="version", version=f"lostirq {lostirq.__version__}")
    sub = parser.add_subparsers(dest="command", metavar="COMMAND", parser_class=Parser)
    made = {name: sub.add_parser(name, help=text, description=text, allow_abbrev=False,
                                 parents=[common, searching] if name in _SEARCHING else [common])
            for name, text in COMMANDS.items()}
    check, explain, export = made["check"], made["explain"], made["export"]
    for command in (check, made["patch"]):
        command.add_argument("--tier", type=one_of("tier", TIERS), default="quick", help="quick, standard or deep; "
                             "each includes those before it")
        command.add_argument("--scenario", action="append", default=[], metavar="NAME",
                             help="only this one (repeatable, *)")
        command.add_argument("--property", action="append", default=[], metavar="ID",
                             help="only this one (repeatable, *)")
        command.add_argument("--memory", type=one_of("memory model", list(_MEMORIES)), default="both",
                             help="sc, tso or both")
    for command in (check, made["patch"], export):
        command.add_argument("--set", action="append", default=[], type=parameter, metavar="NAME=N", dest="overrides",
                             help="another value for a scenario parameter")
    patch_command.add_arguments(made["patch"])
    impact_command.add_arguments(made["impact"])
    for command in (check, made["bugs"], made["patch"]):
        ci.add_arguments(command)
    mutate.add_arguments(made["mutate"])
    check.add_argument("-v", "--verbose", action="store_true", help="a line for each property, not only where one does "
                       "not hold")
    check.add_argument("--with-bugs", action="store_true", help="then the known bugs")
    check.add_argument("--all", type=natural, default=1, metavar="N", dest="several",
                       help="up to N counterexamples of each property, different in where their agents meet")
    check.add_argument("--save", type=Path, metavar="DIR", help="write every counterexample there")
    check.add_argument("--state-cost", action="store_true", help="what each field of one --scenario costs in states")
    made["bugs"].add_argument("slug", nargs="*", help="only these")
    made["bugs"].add_argument("-v", "--verbose", action="store_true", help="a line for each bug, which is the default")
    made["bugs"].add_argument("--lift", action="store_true", help="their counterexamples at full width; with "
                              "--max-depth N also look for shorter ones")
    made["bugs"].add_argument("--record", action="store_true", help="write the trace, report and length that are found")
    made["bugs"].add_argument("--proofs", action="store_true", help="which proof each bug of safety makes fail; with "
                              "--record, in proofs/bugs.json")
    made["bugs"].add_argument("--every", action="store_true", help="with --proofs: not only the first proof that fails")
    if wanted in (None, "prove", "recheck"):
        from lostirq.workflow import prove_command

        prove_command.add_prove_arguments(made["prove"])
        prove_command.add_recheck_arguments(made["recheck"])
    report_command.add_explain_arguments(explain)
    report_command.add_report_arguments(made["report"])
    made["explore"].add_argument("subject", nargs="?", default="", help="a scenario, or a counterexample: a known bug, "
                                 "a trace file or `last`")
    made["explore"].add_argument("--port", type=port, default=0, help="default: any that is free")
    _export_arguments(export)
    made["init"].add_argument("folder", type=Path)
    made["list"].add_argument("part", nargs="?", type=one_of("part", PARTS), help=f"one of {', '.join(PARTS)}")
    return parser


def _export_arguments(export: argparse.ArgumentParser) -> None:
    export.add_argument("scenario")
    export.add_argument("--to", type=one_of("format", FORMATS), required=True, help=", ".join(FORMATS))
    export.add_argument("--memory", type=one_of("memory model", ["sc", "tso"]), default="sc")
    export.add_argument("-o", "--output", type=Path, metavar="FILE")
    export.add_argument("--max-states", type=natural, default=LIMIT, metavar="N")


def parse(words: list[str]) -> argparse.Namespace:
    """Raises `UsageError`; exits for --help and --version."""
    first = next((w for w in words if not w.startswith("-")), None)
    if first is not None and first not in COMMANDS:
        raise UsageError(f"unknown command {first!r}{suggestion(first, COMMANDS)}; `lostirq --help` lists them")
    parser = make_parser(first or "")
    options, unknown = parser.parse_known_args(words)
    if unknown:
        flags = re.findall(r"--[a-z0-9-]+", _help_of(parser, options.command))
        raise UsageError(f"unknown argument {unknown[0]!r}{suggestion(unknown[0].split('=')[0], sorted(set(flags)))}; "
                         f"`lostirq {options.command or ''} --help` lists them".replace("  ", " "))
    if options.command is None:
        raise UsageError(f"no command given; one of {', '.join(COMMANDS)} (`lostirq --help`)")
    return options


def _help_of(parser: Parser, command: str | None) -> str:
    if command is None:
        return parser.format_help()
    [subparsers] = [a for a in parser._actions if isinstance(a, argparse._SubParsersAction)]
    return str(subparsers.choices[command].format_help())


def dispatch(o: argparse.Namespace, out: TextIO) -> Outcome:
    setting = commands.Setting(o.workspace, cache_dir(o.cache_dir, os.environ), o.json, getattr(o, "bisect", False),
                               out, sys.stderr, os.environ, unkept=Once(_warn))
    if o.workspace is None and o.command != "doctor":       # which names the workspace itself
        _passed_over(setting)
    if o.command == "check":
        if o.state_cost:
            if len(o.scenario) != 1:
                raise UsageError("--state-cost needs one --scenario")
            memory = _MEMORIES[o.memory][0]
            return commands.run_state_cost(setting, o.scenario[0], memory, o.max_states or COST_LIMIT)
        outputs, setting = _outputs(o, setting)
        if o.save is not None:
            check_target(o.save, folder=True)
        return commands.run_check(setting, _check_options(o, setting), with_bugs=o.with_bugs, save=o.save,
                                  several=o.several, verbose=o.verbose,
                                  deliver=partial(ci.deliver_check, setting, outputs))
    if o.command == "bugs" and (o.every and not o.proofs or o.lift and o.proofs):
        raise UsageError("--every goes with --proofs" if o.every else "--lift and --proofs are two commands")
    if o.command == "bugs" and o.lift:
        return commands.run_lift(setting, tuple(o.slug), _check_options(o, setting), record=o.record)
    if o.command == "bugs" and o.proofs:
        from lostirq.workflow.bug_proofs_command import run_bug_proofs

        return run_bug_proofs(setting, tuple(o.slug), record=o.record, every=o.every, anew=o.no_result_cache,
                              processes=o.jobs, seconds=o.timeout)
    if o.command == "bugs":
        outputs, setting = _outputs(o, setting)
        return commands.run_bugs(setting, tuple(o.slug), _check_options(o, setting), record=o.record,
                                 deliver=partial(ci.deliver_bugs, setting, outputs))
    if o.command == "impact":
        return impact_command.run_impact(setting, o, os.cpu_count() or 1, sys.stdin.buffer)
    if o.command == "patch":
        outputs, setting = _outputs(o, setting)
        return patch_command.run_patch(setting, patch_command.request(o), _check_options(o, setting),
                                       sys.stdin.buffer, partial(patch_ci.deliver_patch, setting, outputs))
    if o.command == "mutate":
        return mutate.run_mutate(setting, mutate.request(o), _check_options(o, setting))
    if o.command in ("prove", "recheck"):
        from lostirq.workflow import prove_command

        return (prove_command.run_prove if o.command == "prove" else prove_command.run_recheck)(setting, o)
    if o.command == "explain":
        return report_command.run_explain(setting, report_command.question(o))
    if o.command == "report":
        return report_command.run_report(setting, report_command.request(o), o.output)
    if o.command == "explore":
        from lostirq.workflow import explore_command

        return explore_command.run_explore(setting, o.subject, o.port)
    if o.command == "export":
        return commands.run_export(setting, o.scenario, Memory(o.memory), o.to, o.output, o.max_states,
                                   dict(o.overrides))
    if o.command == "init":
        return commands.run_init(setting, o.folder)
    return commands.run_doctor(setting) if o.command == "doctor" else commands.run_list(setting, o.part or "")


def _outputs(o: argparse.Namespace, setting: commands.Setting) -> tuple[ci.Outputs, commands.Setting]:
    """What is to be delivered; a format that takes standard output silences the usual text."""
    outputs = ci.outputs(o)
    return outputs, replace(setting, quiet=outputs.alone)


def _warn(line: str) -> None:
    sys.stderr.write(f"lostirq: {line}\n")


def _passed_over(setting: commands.Setting) -> None:
    """Say so where the workspace is not the folder that one may take for it."""
    half = half_workspace(Path.cwd())
    if half is not None:
        _warn(f"{half} has model/ but no properties/: the workspace is {setting.root}; --workspace {half} takes it")


def _only_bounded(o: argparse.Namespace) -> None:
    """Limits that only a bounded search knows.  Raises `UsageError` if another engine would ignore them."""
    given = [f for f, v in (("--max-depth", o.max_depth), ("--rlimit", o.rlimit), ("--time", o.time)) if v is not None]
    if given and o.engine != Engine.BMC.value and not getattr(o, "lift", False):
        raise UsageError(f"{given[0]} is a limit of --engine bmc (and of bugs --lift); other engines "
                         "have --max-states and --timeout")


def _check_options(o: argparse.Namespace, s: commands.Setting) -> CheckOptions:
    _only_bounded(o)
    engine = settle(Engine(o.engine))
    remark = compiler_remark(Engine(o.engine))
    if remark:
        _warn(remark)
    free = available_memory()
    whole = o.command not in ("check", "patch")
    return CheckOptions(
        tier="deep" if whole else o.tier,
        scenarios=() if whole else tuple(o.scenario),
        properties=() if whole else tuple(o.property),
        memories=_MEMORIES["both" if whole else o.memory],
        overrides=() if whole else tuple(sorted(dict(o.overrides).items())),
        engine=engine,
        processes=o.jobs,
        threads=o.threads,
        memory_bytes=o.max_memory or (free * 3 // 4 if free is not None else None),
        seconds=o.timeout,
        max_states=o.max_states,
        max_depth=o.max_depth,
        rlimit=o.rlimit,
        search_seconds=o.time,
        reductions=Reductions.none() if o.no_reductions else Reductions(),
        cache_dir=s.cache / "build",
        results=None if o.no_result_cache else ResultCache(s.cache / "results", _warn, unkept=s.unkept),
        unkept=s.unkept,
    )


def _nowhere() -> TextIO:
    return os.fdopen(os.open(os.devnull, os.O_WRONLY), "w", encoding="utf-8")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; the exit code."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    bisect = "--bisect" in words
    for name in ("stdout", "stderr"):       # closed by the caller
        if getattr(sys, name) is None:
            setattr(sys, name, _nowhere())
    out = output.named(sys.stdout)

    def failed(outcome: Outcome, text: str) -> int:
        try:
            print(text, file=sys.stderr)
        except OSError:                     # nobody can be told; the exit code says it
            sys.stderr = _nowhere()
        code = exit_code(outcome, bisect=bisect)
        failure.tell(words, outcome, code, text, out)
        return code

    try:
        code = exit_code(dispatch(parse(words), out), bisect=bisect)
        out.flush()
        return code
    except ModelErrors as e:
        return failed(Outcome.USAGE, str(e))
    except LostirqError as e:
        if e.exit_code == 2:
            return failed(Outcome.USAGE, f"lostirq: {e}")
        return failed(Outcome.INTERNAL, f"lostirq: internal error: {e}; please report it with the command")
    except KeyboardInterrupt:
        return failed(Outcome.INTERRUPTED, "lostirq: interrupted")
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())   # the reader went away, e.g. `| head`
        return exit_code(Outcome.UNDECIDED, bisect=bisect)
    except MemoryError:
        return failed(Outcome.UNDECIDED, "lostirq: out of memory; lower --max-memory or run fewer jobs (-j 1)")
    except OSError as e:
        if e.filename == output.NAME:
            sys.stdout = _nowhere()
            return failed(Outcome.USAGE, f"lostirq: cannot write to standard output: {e.strerror or e}")
        where = f" {e.filename}" if e.filename else ""
        return failed(Outcome.USAGE, f"lostirq: {e.strerror or e}{where}; {advice(e, 'choose another --cache-dir')}")
    except Exception as e:  # the outermost boundary: a bug of ours becomes one line and a file
        return failed(Outcome.INTERNAL, failure.crash(e, words))


if __name__ == "__main__":
    sys.exit(main())
