# SPDX-License-Identifier: GPL-2.0-or-later
"""A workspace small enough to check in milliseconds: one post, one entry, a fence on each side."""

from __future__ import annotations

import atexit
import functools
import shutil
import tempfile
from pathlib import Path

from lostirq.cli import main

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
@@ -39,3 +39,4 @@ def post():
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


@functools.lru_cache(maxsize=1)
def compiled() -> Path:
    """One folder of compiled code for all tests of this process: compiling is what takes the time."""
    folder = Path(tempfile.mkdtemp(prefix="lostirq-test-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


def run(folder: Path, *words: str) -> int:
    """One command on a workspace, with a cache of its own but for the compiled code."""
    cache = folder / "cache"
    cache.mkdir(mode=0o700, parents=True, exist_ok=True)
    if not (cache / "build").exists():
        (cache / "build").symlink_to(compiled())
    return main([words[0], "--workspace", str(folder), "--cache-dir", str(cache), *words[1:]])


def toy(folder: Path, changes: dict[str, tuple[str, str]] | None = None) -> Path:
    """Write the workspace; `changes` maps the name of a file to (old, new) text in it."""
    shutil.rmtree(folder, ignore_errors=True)
    for name, text in FILES.items():
        if changes and name in changes:
            old, new = changes[name]
            assert old in text, (name, old)
            text = text.replace(old, new)
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return folder
