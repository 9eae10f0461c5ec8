# SPDX-License-Identifier: GPL-2.0-or-later
"""Apply a unified diff to the sources of a workspace, in memory and strictly.

Invariants: nothing is written; a hunk applies with all its lines or not at all (no fuzz): where it says, or, if the
file has moved, at the only place that has these lines; nothing outside the workspace is named; a patch that does not
apply raises `UsageError` with the file and the hunk, and changes nothing.

References: POSIX.1-2017, diff, "Diff -u Output Format"; git-diff(1), "Generating patch text with -p".
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath

from lostirq.errors import UsageError

MAX_PATCH_BYTES = 4 << 20
_LONGEST = 1 << 13      # characters of a `diff --git` line with two names
_LINE = r"([0-9]{1,9})(?:,([0-9]{1,9}))?"
_HUNK = re.compile(rf"^@@ -{_LINE} \+{_LINE} @@ ?(.*)")
_BOTH = re.compile(r"^diff --git (?:([abciow12])/)?(.+) (?:([abciow12])/)?\2$")
_PREFIX = re.compile(r"^([abciow12])/(.+)$")     # of git, also with diff.mnemonicPrefix or --no-index
# Lines of a diff's header (between `diff --git` and its first hunk) that are refused, by how they start.
_REFUSED = {
    "GIT binary patch": "binary changes are not accepted",
    "Binary files ": "binary changes are not accepted",
    "rename from ": "renames are not accepted; delete the one file and add the other",
    "copy from ": "copies are not accepted; add the file",
    "new file mode 120000": "symbolic links are not accepted",
    "old mode 120000": "symbolic links are not accepted",
    "new mode 120000": "symbolic links are not accepted",
    "deleted file mode 120000": "symbolic links are not accepted",
    "new file mode 160000": "submodules are not accepted",
    "deleted file mode 160000": "submodules are not accepted",
    "new file mode 100755": "changes of modes are not accepted",
    "old mode ": "changes of modes are not accepted",
    "new mode ": "changes of modes are not accepted",
}
_HEADER = ("index ", "similarity index ", "dissimilarity index ", "rename ", "copy ", "old mode ", "new mode ",
           "new file mode ", "deleted file mode ")


@dataclass(frozen=True, slots=True)
class Hunk:
    """`lines` are (' ' | '-' | '+', text); `start` and `new_start` count from 1, as in the patch; `heading` is what
    follows the second @@: the function before the hunk, where diff knew one."""

    number: int
    start: int
    new_start: int
    lines: tuple[tuple[str, str], ...]
    heading: str = ""


@dataclass(frozen=True, slots=True)
class FilePatch:
    """The change of one file; `old` is None for a new file, `new` for a deleted one; `turned`: it takes another one
    back."""

    old: str | None
    new: str | None
    hunks: tuple[Hunk, ...]
    turned: bool = False

    @property
    def empty(self) -> bool:
        """Does it leave its file as it is?"""
        def side(h: Hunk, other: str) -> list[str]:
            return [text.rstrip("\r") for kind, text in h.lines if kind != other]

        return self.old is not None and self.new is not None and all(side(h, "+") == side(h, "-") for h in self.hunks)

    @property
    def path(self) -> str:
        return self.new or self.old or ""


@dataclass(frozen=True, slots=True)
class Patched:
    """The sources after a patch; `changed` maps a file to the lines, of the new text, that the patch added, and to the
    nearest lines of code before and after what it removed."""

    sources: dict[str, str]
    changed: dict[str, frozenset[int]]


def parse(text: str, name: str = "patch", *, strict: bool = True) -> tuple[FilePatch, ...]:
    """The files of a unified diff; text around the diffs (a mail) is skipped.  Without `strict`, renames, modes and
    binary files are left out, for a patch that is read and not applied.  Raises `UsageError`."""
    if len(text) > MAX_PATCH_BYTES:
        raise UsageError(f"{name}: larger than {MAX_PATCH_BYTES >> 20} MiB")
    if "\0" in text:
        raise UsageError(f"{name}: contains a NUL byte; a text patch is needed")
    lines = text.removeprefix("\ufeff").split("\n")
    files: list[FilePatch] = []
    at = 0
    while at < len(lines):
        if lines[at].startswith("diff --git ") or _heads(lines, at):
            first, at = at, _git_header(lines, at, name, strict=strict)
            files += _without_lines(lines, first, at, name, strict=strict)
            continue
        if strict and lines[at] == "GIT binary patch" or strict and re.fullmatch(r"Binary files .* differ", lines[at]):
            raise UsageError(f"{name}:{at + 1}: binary changes are not accepted")
        if lines[at].startswith("@@ "):
            raise UsageError(f"{name}:{at + 1}: a hunk without the '---' and '+++' lines of its file")
        if lines[at].startswith("--- ") and at + 1 < len(lines) and lines[at + 1].startswith("+++ "):
            patched, at = _file(lines, at, name, strict=strict)
            files.append(patched)
        else:
            at += 1
    if not files:
        raise UsageError(f"{name}: no change found; a unified diff (git diff, diff -u) is needed")
    twice = [] if not strict else [f.path for i, f in enumerate(files) if any(f.path == g.path for g in files[:i])]
    if twice:
        raise UsageError(f"{name}: changes {twice[0]} twice")
    if strict and all(f.empty for f in files):
        raise UsageError(f"{name}: changes nothing: its hunks leave every file as it is")
    return tuple(files)


def apply(sources: Mapping[str, str], text: str, name: str = "patch") -> Patched:
    """`sources` (path in the workspace -> text) with the patch applied.  Raises `UsageError`; never half-applied."""
    return apply_files(sources, parse(text, name), name)


def apply_files(sources: Mapping[str, str], files: tuple[FilePatch, ...], name: str = "patch") -> Patched:
    """As `apply`, for a patch that was parsed."""
    try:
        return _apply_files(sources, files, name)
    except UsageError as e:
        why = _the_other_way(sources, files, name)
        if not why:
            raise
        raise UsageError(f"{name}: {why}: {str(e).removeprefix(f'{name}: ')}") from None


def _the_other_way(sources: Mapping[str, str], files: tuple[FilePatch, ...], name: str) -> str:
    """Why a patch does not apply, if its opposite does; '' otherwise, and where that would not look at a line."""
    turned = reverse(files)
    if any(f.old is None or not all(any(kind != "+" for kind, _ in h.lines) for h in f.hunks) for f in turned):
        return ""
    try:
        _apply_files(sources, turned, name)
    except UsageError:
        return ""
    if any(f.turned for f in files):
        return "is not applied, so that it cannot be taken back (forwards it applies)"
    return "is applied already (reversed it applies)"


def _apply_files(sources: Mapping[str, str], files: tuple[FilePatch, ...], name: str) -> Patched:
    after = dict(sources)
    changed: dict[str, frozenset[int]] = {}
    for patched in files:
        if patched.old is None:
            if patched.path in after:
                raise UsageError(f"{name}: adds {patched.path}, which exists already")
            before = ""
        else:
            if patched.old not in after:
                raise UsageError(f"{name}: changes {patched.old}, which is not a file of the workspace")
            before = after.pop(patched.old)
        result, lines = _apply_file(before, patched, name)
        if patched.new is not None:
            after[patched.new] = result
            changed[patched.new] = lines
        elif result:
            raise UsageError(f"{name}: deletes {patched.old}, but lines of it would be left")
    return Patched(dict(sorted(after.items())), changed)


def _git_header(lines: list[str], at: int, name: str, *, strict: bool) -> int:
    """The first line after the header of a git diff.  Raises `UsageError` for what is refused, also where a file is
    only renamed, or gets another mode, and no hunk follows."""
    at += lines[at].startswith("diff --git ")
    while at < len(lines) and lines[at].startswith((*_HEADER, *_REFUSED)):
        for start, why in _REFUSED.items():
            if strict and lines[at].startswith(start):
                raise UsageError(f"{name}:{at + 1}: {why}")
        at += 1
    return at


def _without_lines(lines: list[str], first: int, end: int, name: str, *, strict: bool) -> list[FilePatch]:
    """The new or deleted file whose header stands there, if it is an empty one: git writes no more of it."""
    head = lines[first:end]
    made = any(line.startswith("new file mode ") for line in head)
    gone = any(line.startswith("deleted file mode ") for line in head)
    if made == gone or any(line.startswith(tuple(_REFUSED)) for line in head):
        return []
    names = lines[end:end + 1] if made else lines[end + 1:end + 2]
    if not head[0].startswith("diff --git ") or names and names[0][4:].startswith("/dev/null"):
        return []
    both = _both(head[0])
    if both is None and strict:
        raise UsageError(f"{name}:{first + 1}: cannot read the names; quoted file names are not accepted")
    if both is None:
        return []
    path = _path(both[2], f"{name}:{first + 1}")
    return [FilePatch(None if made else path, None if gone else path, ())]


def _both(line: str) -> tuple[str, str, str] | None:
    """The two names on a `diff --git` line, and without what git puts before them; None if they are two files."""
    found = _BOTH.match(line.rstrip("\r")) if len(line) < _LONGEST else None
    if found is None:
        return None
    names = tuple(f"{prefix}/{found.group(2)}" if prefix else found.group(2) for prefix in found.group(1, 3))
    return names[0], names[1], found.group(2) if names[0] != names[1] else names[0]


def _heads(lines: list[str], at: int) -> bool:
    """Does a header without its `diff --git` line begin here?"""
    end = at
    while end < len(lines) and lines[end].startswith((*_HEADER, *_REFUSED)):
        end += 1
    return at < end < len(lines) and lines[end].startswith("--- ")


def reverse(files: tuple[FilePatch, ...]) -> tuple[FilePatch, ...]:
    """The patch that takes this one back."""
    turned = {"+": "-", "-": "+", " ": " "}

    def hunk(h: Hunk) -> Hunk:
        return Hunk(h.number, h.new_start, h.start, tuple((turned[kind], text) for kind, text in h.lines), h.heading)

    return tuple(FilePatch(f.new, f.old, tuple(hunk(h) for h in f.hunks), not f.turned) for f in files)


def _file(lines: list[str], at: int, name: str, *, strict: bool) -> tuple[FilePatch, int]:
    names = _stripped(lines, at)
    old, new = (_path(text, f"{name}:{at + n}") for n, text in enumerate(names, 1))
    if old is None and new is None:
        raise UsageError(f"{name}:{at + 1}: both sides are /dev/null")
    if strict and old is not None and new is not None and old != new:
        raise UsageError(f"{name}:{at + 1}: renames {old} to {new}; delete the one file and add the other")
    at += 2
    hunks: list[Hunk] = []
    while at < len(lines) and lines[at].startswith("@@"):
        hunk, at = _hunk(lines, at, len(hunks) + 1, f"{name}: {new or old}")
        hunks.append(hunk)
    if not hunks:
        raise UsageError(f"{name}: {new or old}: no hunk follows its '+++' line")
    return FilePatch(old, new, tuple(hunks)), at


def _stripped(lines: list[str], at: int) -> tuple[str, str]:
    """The names on the `---` and `+++` lines without what git puts before them: a/ and b/, or two other letters where
    the rest is the same on both sides (also of the `diff --git` line above, where a side is /dev/null)."""
    old, new = (line[4:].split("\t")[0].rstrip("\r") for line in lines[at:at + 2])
    one, two = _PREFIX.match(old), _PREFIX.match(new)
    if one is not None and two is not None and one.group(1) != two.group(1) and one.group(2) == two.group(2):
        return one.group(2), two.group(2)
    head = at
    while head > 0 and lines[head - 1].startswith(_HEADER):
        head -= 1
    both = _both(lines[head - 1]) if head > 0 else None
    if both is not None and "/dev/null" in (old, new):
        old, new = (both[2] if side in both else side for side in (old, new))
    return old.removeprefix("a/"), new.removeprefix("b/")


def _path(path: str, where: str) -> str | None:
    if path == "/dev/null":
        return None
    if path.startswith('"'):
        raise UsageError(f"{where}: quoted file names are not accepted")
    parts = PurePosixPath(path).parts
    if not parts or path.startswith("/") or ".." in parts or "\\" in path or any(ord(c) < 32 for c in path):
        raise UsageError(f"{where}: {path!r} is not a path inside the workspace")
    return "/".join(p for p in parts if p != ".")


def _hunk(lines: list[str], at: int, number: int, where: str) -> tuple[Hunk, int]:
    found = _HUNK.match(lines[at])
    if found is None:
        raise UsageError(f"{where}: hunk {number}: cannot read {lines[at][:60]!r}")
    start, old_count, new_start, new_count = (int(g) if g is not None else 1 for g in found.groups()[:4])
    body: list[tuple[str, str]] = []
    at += 1
    while old_count > 0 or new_count > 0:
        if at >= len(lines):
            raise UsageError(f"{where}: hunk {number}: the patch ends in the middle of it")
        line = lines[at]
        kind = line[:1] or " "     # mailers strip the blank of an empty context line
        if kind not in " -+":
            raise UsageError(f"{where}: hunk {number}: fewer lines than its '@@' line says (then comes {line[:40]!r})")
        body.append((kind, line[1:]))
        old_count -= kind != "+"
        new_count -= kind != "-"
        at += 1
        if at < len(lines) and lines[at].startswith("\\ No newline"):
            at += 1
    if old_count < 0 or new_count < 0:
        raise UsageError(f"{where}: hunk {number}: more lines than its '@@' line says")
    if _goes_on(lines, at):
        raise UsageError(f"{where}: hunk {number}: more lines than its '@@' line says")
    return Hunk(number, start, new_start, tuple(body), found.group(5)), at


def _goes_on(lines: list[str], at: int) -> bool:
    """Is there a line of a hunk?  A signature (`-- `) and the lines that name the next file are none."""
    if at >= len(lines) or lines[at][:1] not in (" ", "+", "-"):
        return False
    names = lines[at].startswith("--- ") and at + 1 < len(lines) and lines[at + 1].startswith("+++ ")
    return not names and lines[at].rstrip("\r") not in ("-- ", "--")


def _apply_file(before: str, patched: FilePatch, name: str) -> tuple[str, frozenset[int]]:
    source = [line.rstrip("\r") for line in before.split("\n")]
    if source and source[-1] == "":
        source.pop()
    result: list[str] = []
    touched: set[int] = set()
    removed: set[int] = set()       # number of lines of the result before the place
    at = 0
    for hunk in patched.hunks:
        where = f"{name}: {patched.path}: hunk {hunk.number} (line {hunk.start})"
        wanted = _find(source, hunk, where)
        if wanted < at:
            raise UsageError(f"{where}: overlaps the hunk before it")
        result.extend(source[at:wanted])
        at = wanted
        for kind, text in hunk.lines:
            if kind == "+":
                result.append(text.rstrip("\r"))
                touched.add(len(result))
                continue
            if kind == " ":
                result.append(source[at])
            else:
                removed.add(len(result))
            at += 1
    result.extend(source[at:])
    for n in removed:
        touched.add(_code_line(result, range(n, 0, -1)))
        touched.add(_code_line(result, range(n + 1, len(result) + 1)))
    return "".join(f"{line}\n" for line in result), frozenset(touched - {0})


def _nearest(source: list[str], old: list[str], stated: int) -> int:
    """The index at which most lines of a hunk stand; of such, the one next to where it says."""
    def alike(at: int) -> tuple[int, int]:
        here = zip(source[at:at + len(old)], old, strict=False)
        return sum(a == b and bool(a.strip()) for a, b in here), -abs(at - stated)

    return max(range(len(source)), key=alike, default=stated)


def _find(source: list[str], hunk: Hunk, where: str) -> int:
    """The index of the first line of a hunk: where it says, else the only place that has its lines."""
    old = [text.rstrip("\r") for kind, text in hunk.lines if kind != "+"]
    stated = hunk.start - 1 if old else hunk.start
    if source[stated:stated + len(old)] == old and stated <= len(source):
        return stated
    places = [i for i in range(len(source) - len(old) + 1) if source[i:i + len(old)] == old] if old else []
    if len(places) == 1:
        return places[0]
    if len(places) > 1:
        raise UsageError(f"{where} does not apply there, and its lines stand in {len(places)} other places; "
                         "make the patch anew")
    if stated > len(source):
        raise UsageError(f"{where} does not apply: the file has only {len(source)} lines")
    stated = _nearest(source, old, stated)
    wrong = next((i for i, text in enumerate(old) if source[stated + i:stated + i + 1] != [text]), 0)
    found = repr(source[stated + wrong].strip()) if stated + wrong < len(source) else "the end of the file"
    wanted = repr(old[wrong].strip()) if old else "there"
    raise UsageError(f"{where} does not apply: line {stated + wrong + 1} should be {wanted}, found {found}"
                     + ("; it would apply only with fuzz" if _fits_with_fuzz(source, hunk) else ""))


def _fits_with_fuzz(source: list[str], hunk: Hunk) -> bool:
    """Would the hunk apply somewhere without one or two lines of its context at either end?"""
    kinds = [kind for kind, _ in hunk.lines]
    leading = next((i for i, kind in enumerate(kinds) if kind != " "), len(kinds))
    trailing = next((i for i, kind in enumerate(reversed(kinds)) if kind != " "), len(kinds))
    for fuzz in (1, 2):
        front, back = min(fuzz, leading), min(fuzz, trailing)
        old = [text.rstrip("\r") for kind, text in hunk.lines[front:len(hunk.lines) - back] if kind != "+"]
        if old and any(source[i:i + len(old)] == old for i in range(len(source) - len(old) + 1)):
            return True
    return False


def _code_line(lines: list[str], numbers: range) -> int:
    """The first line, of those numbered (from 1), that is neither blank nor a comment; 0 if there is none."""
    return next((n for n in numbers if lines[n - 1].strip() and not lines[n - 1].lstrip().startswith("#")), 0)
