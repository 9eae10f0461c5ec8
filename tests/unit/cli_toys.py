# SPDX-License-Identifier: GPL-2.0-or-later
"""A workspace small enough to check in milliseconds: one post, one entry, a fence on each side."""

from __future__ import annotations

import shutil
from pathlib import Path

MODEL = '''\
# SPDX-License-Identifier: GPL-2.0-or-later
"""Posting against entry.

Abstraction: there is one post and one entry.
"""
from lostirq.prelude import *

SENDERS = Param(1, "posters")


class Mode(Enum):
    OUTSIDE = 0
    INSIDE = 1


class Desc(Struct):
    pending: bool
    mode: Mode
    ipi: bool
    seen: bool


desc: Desc


@function(kernel="arch/toy.c:enter")
def enter():
    desc.mode = Mode.INSIDE
    smp_mb()
    if desc.pending:
        desc.seen = True


@function(kernel="arch/toy.c:post")
def post():
    desc.pending = True
    # Abstraction: the fence is a locked operation
    # in the original.
    smp_mb()
    if desc.mode == Mode.INSIDE:
        desc.ipi = True


@thread()
def target():
    enter()


@thread(over=SENDERS)
def sender(i: Int[0, 3]):
    post()
'''

PROPERTIES = '''\
# SPDX-License-Identifier: GPL-2.0-or-later
"""What the toy promises."""
from lostirq.prelude import *


@invariant("T-1", title="no post is missed", source="toy", witness="W-1", planted="no-fence")
def no_post_is_missed() -> bool:
    """When all is done, the post was seen or announced."""
    if not quiet("target") or not at_rest("target"):
        return True
    return not desc.pending or desc.seen or desc.ipi


@reachable("W-1")
def announced() -> bool:
    """An IPI is sent."""
    return desc.ipi
'''

SCENARIOS = '''\
# SPDX-License-Identifier: GPL-2.0-or-later
"""Sizes."""
from lostirq.prelude import *


@scenario(tier="quick", memory=("sc", "tso"))
class one:
    """One poster."""

    SENDERS = 1


@scenario(tier="standard", memory=("tso",))
class two:
    """Two posters."""

    SENDERS = 2
'''

BUG_PATCH = """\
--- a/model/toy.py
+++ b/model/toy.py
@@ -28,3 +28,2 @@ def enter():
     desc.mode = Mode.INSIDE
-    smp_mb()
     if desc.pending:
"""

BUG = """\
# SPDX-License-Identifier: GPL-2.0-or-later
title = "the fence of the entry is missing"
expected = "violated"
scenario = "one"
memory = "tso"
property = ["T-1"]
needs_tso = true
reference = "none: a toy"
explanation = "Without it, the load overtakes the store."
"""

CONTROL_PATCH = """\
--- a/model/toy.py
+++ b/model/toy.py
@@ -38,3 +38,4 @@ def post():
     smp_mb()
+    smp_mb()
     if desc.mode == Mode.INSIDE:
         desc.ipi = True
"""

CONTROL = """\
title = "a second fence is harmless"
expected = "holds"
scenario = "one"
memory = "tso"
property = ["T-1"]
"""

FILES = {
    "model/toy.py": MODEL,
    "model/KERNEL": "0.0\n",
    "model/scenarios/sizes.py": SCENARIOS,
    "properties/toy.py": PROPERTIES,
    "counterexamples/no-fence/bug.patch": BUG_PATCH,
    "counterexamples/no-fence/bug.toml": BUG,
    "counterexamples/more-fences/bug.patch": CONTROL_PATCH,
    "counterexamples/more-fences/bug.toml": CONTROL,
}


def toy(folder: Path, **changes: tuple[str, str]) -> Path:
    """Write the workspace; `changes` maps a part of a file's name to (old, new) text in it."""
    shutil.rmtree(folder, ignore_errors=True)
    for name, text in FILES.items():
        for part, (old, new) in changes.items():
            if part in name:
                assert old in text, (part, old)
                text = text.replace(old, new)
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return folder
