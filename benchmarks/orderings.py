# SPDX-License-Identifier: GPL-2.0-or-later
"""Take away each fence, locked operation, atomic section and order of two accesses of the model, and tabulate it.

    python -m benchmarks.orderings --out docs/orderings.json [--only fence] [-j 2]

Results are written after each ablation, so that an interrupted run goes on where it stopped.  With `--page`, nothing is
run: the table between the marks of docs/orderings.md is made anew from the file.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict
from pathlib import Path

from lostirq.workflow.ablate import AblationResult, ablate
from lostirq.workflow.check import CheckOptions

BEGIN, END = "<!-- table -->\n", "<!-- end -->\n"


def table(results: list[dict[str, object]]) -> str:
    """Rows by kind: what was taken away, and what became of it."""
    lines = ["| taken away | where | result |", "|---|---|---|"]
    for r in sorted(results, key=lambda r: (" + " in str(r["name"]), str(r["name"]))):
        where = " + ".join(part.split(":", 1)[1] for part in str(r["name"]).split(" + "))
        what = str(r["what"]).replace("|", "\\|")
        if r["verdict"] == "violated":
            result = f"violated: {r['property']}, {r['length']} steps, `{r['scenario']}` {str(r['memory']).upper()}"
        else:
            result = f"{r['verdict']}: {r['why']}"
        lines.append(f"| {what} | `{where}` | {result} |")
    return "\n".join(lines) + "\n"


def page(text: str, results: list[dict[str, object]]) -> str:
    """The page with its table made anew."""
    before, rest = text.split(BEGIN)
    return before + BEGIN + table(results) + END + rest.split(END)[1]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--workspace", type=Path, default=Path("."))
    parser.add_argument("--out", type=Path, default=Path("docs/orderings.json"))
    parser.add_argument("--only", default="", help="ablations whose name begins with this")
    parser.add_argument("-j", type=int, default=2)
    parser.add_argument("--page", type=Path, help="make the table of this page from --out, and run nothing")
    given = parser.parse_args()
    if given.page is not None:
        given.page.write_text(page(given.page.read_text(), json.loads(given.out.read_text())))
        return
    known = {r["name"]: r for r in json.loads(given.out.read_text())} if given.out.exists() else {}

    def keep(result: AblationResult) -> None:
        known[result.name] = asdict(result)
        given.out.write_text(json.dumps([known[n] for n in sorted(known)], indent=1, ensure_ascii=False) + "\n")
        print(result.verdict, result.name, result.property, result.scenario, result.length or "", flush=True)

    options = CheckOptions(processes=given.j, memory_bytes=3 << 30)
    ablate(given.workspace, "quick", options, lambda n: n.startswith(given.only) and n not in known, keep)


if __name__ == "__main__":
    main()
