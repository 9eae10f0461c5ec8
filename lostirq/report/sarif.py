# SPDX-License-Identifier: GPL-2.0-or-later
"""Results in SARIF 2.1.0: what is violated, the interleaving as thread flows, one per agent, at lines of the model.

Invariants: what holds is no result; a fingerprint depends on the property, the scenario and the functions passed, not
on lines; the limits of GitHub code scanning are kept.

References: OASIS 2020, "Static Analysis Results Interchange Format (SARIF) Version 2.1.0", sections 3.27, 3.36-3.38;
GitHub documentation, "SARIF support for code scanning".
"""

from __future__ import annotations

import hashlib
import json

from lostirq.evidence.account import Account, Step
from lostirq.report.results import Result, Results, Status, place

SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"
MOST_RESULTS = 5000
MOST_LOCATIONS = 1000       # of one thread flow
ROOT = "%SRCROOT%"


def sarif(results: Results) -> str:
    """One log with one run."""
    bad = results.bad()[:MOST_RESULTS]
    rules: dict[str, Result] = {}
    for r in bad:
        rules.setdefault(r.rule or r.name, r)
    index = {rule: n for n, rule in enumerate(rules)}
    run: dict[str, object] = {
        "tool": {"driver": {"name": "lostirq", "version": results.version, "semanticVersion": results.version,
                            "rules": [_rule(rule, r) for rule, r in rules.items()]}},
        "invocations": [{"executionSuccessful": results.count(Status.ERROR) == 0, "exitCode": results.exit_code,
                         "exitCodeDescription": results.verdict, "commandLine": results.command}],
        "originalUriBaseIds": {ROOT: {"description": {"text": "the folder of the workspace"}}},
        "columnKind": "unicodeCodePoints",
        "results": [_result(r, index[r.rule or r.name]) for r in bad],
    }
    return json.dumps({"$schema": SCHEMA, "version": "2.1.0", "runs": [run]}, indent=1) + "\n"


def _rule(rule: str, r: Result) -> dict[str, object]:
    claim = r.account.claim if r.account is not None else None
    words = " ".join((claim.statement if claim is not None else "").split()) or r.title or rule
    source = f" Source: {claim.source}." if claim is not None and claim.source else ""
    return {"id": rule, "shortDescription": {"text": r.title or rule}, "fullDescription": {"text": words},
            "help": {"text": f"{words}{source} The steps are lines of the model; each names what it mirrors."},
            "properties": {"tags": ["concurrency"]}}


def _result(r: Result, index: int) -> dict[str, object]:
    out: dict[str, object] = {
        "ruleId": r.rule or r.name,
        "ruleIndex": index,
        "level": "error" if r.status in (Status.FAIL, Status.ERROR) else "warning",
        "message": {"text": f"{r.said} ({r.suite})" + (f"\n\n{r.details}" if r.details else "")},
        "partialFingerprints": {"lostirq/v1": _fingerprint(r)},
    }
    file, line = place(r)
    out["locations"] = [_location(file, line)] if file else []
    if r.account is not None and r.account.steps:
        out["codeFlows"] = [_flow(r.account)]
    if r.new:
        out["baselineState"] = "new"
    return out


def _fingerprint(r: Result) -> str:
    steps = () if r.account is None or r.new else r.account.steps      # of a patch only the best case has steps
    passed = list(dict.fromkeys(f"{s.column} {s.function}" for s in steps))
    return hashlib.sha256("\0".join([r.suite, r.name, r.status.value, *passed]).encode()).hexdigest()[:32]


def _location(file: str, line: int, text: str = "", function: str = "") -> dict[str, object]:
    out: dict[str, object] = {"physicalLocation": {"artifactLocation": {"uri": file, "uriBaseId": ROOT},
                                                   "region": {"startLine": line}}}
    out |= {"message": {"text": text}} if text else {}
    out |= {"logicalLocations": [{"fullyQualifiedName": function, "kind": "function"}]} if function else {}
    return out


def _flow(account: Account) -> dict[str, object]:
    threads: dict[str, list[dict[str, object]]] = {c: [] for c in account.columns}
    where: dict[str, tuple[str, int]] = {}
    for order, step in enumerate(account.steps, 1):
        if step.file:
            where[step.column] = (step.file, max(1, step.line))
        file, line = where.get(step.column, ("", 0))
        if file and len(threads[step.column]) < MOST_LOCATIONS:
            threads[step.column].append(_step(account, step, order, file, line))
    return {"message": {"text": account.failure},
            "threadFlows": [{"id": column, "message": {"text": column}, "locations": found}
                            for column, found in threads.items() if found]}


def _step(account: Account, step: Step, order: int, file: str, line: int) -> dict[str, object]:
    facts = [f.text for said in step.said for f in said.facts]
    essential = any(not f.minor for said in step.said for f in said.facts)
    name = f"{step.function}(): " if step.function else ""
    out: dict[str, object] = {
        "location": _location(file, line, name + ("; ".join(facts) or step.text or "goes on"), step.kernel),
        "executionOrder": order,
        "importance": "essential" if essential else "unimportant",
    }
    shown = {account.variables[c.variable].short: "; ".join(c.shown) for c in step.changes if c.shown}
    out |= {"state": {name: {"text": text} for name, text in shown.items()}} if shown else {}
    return out
