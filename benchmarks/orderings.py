# SPDX-License-Identifier: GPL-2.0-or-later
"""Take away each fence, locked operation, atomic section and order of two accesses of the model, and tabulate it.

    python -m benchmarks.orderings --out docs/orderings.json [--only fence] [-j 2]

Results are written after each ablation, so that an interrupted run goes on where it stopped.  `docs/orderings.md`
is made from the file, with the explanations in `EXPLAINED`.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict
from pathlib import Path

from lostirq.workflow.ablate import AblationResult, ablate
from lostirq.workflow.check import CheckOptions

KEYS = ("name", "what", "verdict", "property", "scenario", "memory", "length", "why")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--workspace", type=Path, default=Path("."))
    parser.add_argument("--out", type=Path, default=Path("docs/orderings.json"))
    parser.add_argument("--only", default="", help="ablations whose name begins with this")
    parser.add_argument("-j", type=int, default=2)
    given = parser.parse_args()
    known = {r["name"]: r for r in json.loads(given.out.read_text())} if given.out.exists() else {}

    def keep(result: AblationResult) -> None:
        known[result.name] = asdict(result)
        given.out.write_text(json.dumps([known[n] for n in sorted(known)], indent=1, ensure_ascii=False) + "\n")
        print(result.verdict, result.name, result.property, result.scenario, result.length or "", flush=True)

    options = CheckOptions(processes=given.j, memory_bytes=3 << 30)
    ablate(given.workspace, "quick", options, lambda n: n.startswith(given.only) and n not in known, keep)


if __name__ == "__main__":
    main()
