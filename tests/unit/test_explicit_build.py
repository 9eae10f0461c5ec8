# SPDX-License-Identifier: GPL-2.0-or-later
"""Compiling and caching: corruption, two runs at once, a full disk, no compiler."""

from __future__ import annotations

import hashlib
import os
import resource
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest

from lostirq.errors import UsageError
from lostirq.evidence.verdict import SearchOptions, SearchResult
from lostirq.explicit import build
from lostirq.explicit.build import find_compiler
from lostirq.explicit.search import check
from lostirq.workflow.doctor import doctor
from lostirq.workflow.engines import Engine, compiler_remark
from tests.unit.explicit_toys import rings

ROOT = Path(__file__).parents[2]


def entries(cache: Path) -> list[Path]:
    return sorted(p for p in cache.iterdir() if not p.name.startswith(("new-", "trash-")))


def said(found: SearchResult) -> tuple[object, ...]:
    return found.states, found.transitions, found.verdicts, found.witnesses


def test_the_cache_is_private_and_used(tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    first = check(rings(2, 4), SearchOptions(), cache)
    assert first.engine == "c" and stat.S_IMODE(cache.stat().st_mode) == 0o700
    made = entries(cache)
    assert len(made) == 2                                   # the search code, and the system
    times = [(e / "code.so").stat().st_mtime_ns for e in made]
    cache.chmod(0o755)
    again = check(rings(2, 4), SearchOptions(), cache)
    assert said(again) == said(first) and entries(cache) == made
    assert [(e / "code.so").stat().st_mtime_ns for e in made] == times
    assert stat.S_IMODE(cache.stat().st_mode) == 0o700


@pytest.mark.parametrize("damage", ["truncated", "changed", "no hash", "empty", "foreign object"])
def test_a_damaged_entry_is_built_again(tmp_path: Path, damage: str) -> None:
    cache = tmp_path / "cache"
    first = check(rings(2, 4), SearchOptions(), cache)
    for entry in entries(cache):
        code, mark = entry / "code.so", entry / "sha256"
        whole = code.read_bytes()
        code.unlink()                                       # it is loaded here: never change it in place
        code.write_bytes({"truncated": whole[:100], "changed": whole + b"x"}.get(damage, whole))
        if damage in ("truncated", "changed"):
            continue
        if damage == "no hash":
            mark.unlink()
        elif damage == "empty":
            shutil.rmtree(entry)
            entry.mkdir()
        else:
            code.write_bytes(b"no object")
            mark.write_text(hashlib.sha256(b"no object").hexdigest() + "\n")
    again = check(rings(2, 4), SearchOptions(), cache)
    assert again.engine == "c" and said(again) == said(first)
    if damage != "foreign object":                          # that one passes the hash, and is left to the loader
        assert all(build._sound(e) for e in entries(cache)) and len(entries(cache)) == 2


def test_what_a_killed_run_left_behind_is_removed(tmp_path: Path) -> None:
    """An hour later, and nothing else: it may be a run that is at work."""
    cache = tmp_path / "cache"
    check(rings(2, 4), SearchOptions(), cache)
    made = entries(cache)
    for name in ("new-old", "trash-old", "new-young", "other"):
        (cache / name).mkdir()
        (cache / name / "main.c").write_text("int x;\n")
        if not name.endswith("young"):
            os.utime(cache / name, (1, 1))
    os.utime(made[0], (1, 1))
    check(rings(2, 5), SearchOptions(), cache)
    names = {p.name for p in cache.iterdir()}
    assert names & {"new-old", "trash-old", "new-young", "other"} == {"new-young", "other"}
    assert names >= {p.name for p in made}


def test_a_cache_that_is_no_directory_is_done_without(tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    cache.write_text("in the way")
    said: list[str] = []
    found = check(rings(2, 4), SearchOptions(unkept=said.append), cache)
    assert found.engine == "c" and found.complete and cache.read_text() == "in the way"
    assert len(said) == 2 and "(File exists)" in said[0]
    kept: list[str] = []
    check(rings(2, 4), SearchOptions(unkept=kept.append), tmp_path / "good")
    assert kept == []


def test_code_that_is_optimised_in_vain_is_told(tmp_path: Path) -> None:
    compiler = find_compiler(None) or pytest.skip("no C compiler")
    said: list[str] = []
    build.Upgrade(compiler, "", tmp_path / "gone", said.append).close()
    assert said == [f"the cache {tmp_path / 'gone'} cannot be written (No such file or directory): what is made is not "
                    "kept; choose another --cache-dir"]
    upgrade = build.Upgrade(compiler, "no C", tmp_path, said.append)
    assert upgrade._running is not None
    upgrade._running.wait()
    assert upgrade.poll() is None and len(said) == 2
    assert "error" in said[1] and said[1].endswith("the search goes on with slower code")
    upgrade.close()


def test_two_runs_at_once_on_one_cache(tmp_path: Path) -> None:
    program = (
        "import sys; from pathlib import Path\n"
        "from lostirq.evidence.verdict import SearchOptions\n"
        "from lostirq.explicit.search import check\n"
        "from tests.unit.explicit_toys import rings\n"
        "for n in range(3, 6):\n"
        "    found = check(rings(2, n), SearchOptions(), Path(sys.argv[1]))\n"
        "    print(found.engine, found.states, found.transitions)\n"
    )
    command = [sys.executable, "-c", program, str(tmp_path / "cache")]
    runs = [subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) for _ in range(3)]
    said = [r.communicate(timeout=120)[0] for r in runs]
    assert all(r.returncode == 0 for r in runs) and len(set(said)) == 1 and said[0].count("c ") == 3
    assert len(entries(tmp_path / "cache")) == 4 and all(build._sound(e) for e in entries(tmp_path / "cache"))
    assert len(list((tmp_path / "cache").iterdir())) == 4    # nothing half-made is left


def test_a_full_disk_under_the_cache(tmp_path: Path) -> None:
    """The compiler fails wherever the cache is, and works in the temporary directory."""
    real = shutil.which("cc") or pytest.skip("no C compiler")
    script = tmp_path / "cc"
    script.write_text(
        "#!/bin/sh\n"
        f'case "$PWD" in {tmp_path}/cache*) echo "fatal error: main.s: No space left on device" >&2; exit 1;; esac\n'
        f'exec {real} "$@"\n'
    )
    script.chmod(0o755)
    said: list[str] = []
    cache = tmp_path / "cache"
    found = check(rings(2, 4), SearchOptions(compiler=str(script), unkept=said.append), cache)
    assert found.engine == "c" and found.complete and entries(cache) == []
    assert len(said) == 2 and set(said) == {            # the system, and the search code
        f"the cache {cache} cannot be written (fatal error: main.s: No space left on device): what is made is not "
        "kept; choose another --cache-dir"}


def test_a_full_disk_everywhere_is_one_line(tmp_path: Path) -> None:
    """No file may grow beyond 8 KiB: neither the cache nor the temporary directory can take the object."""
    program = (
        "import sys; from pathlib import Path\n"
        "from lostirq.errors import UsageError\n"
        "from lostirq.evidence.verdict import SearchOptions\n"
        "from lostirq.explicit.search import check\n"
        "from tests.unit.explicit_toys import rings\n"
        "try:\n"
        "    check(rings(2, 4), SearchOptions(), Path(sys.argv[1]))\n"
        "except UsageError as error:\n"
        "    print(error)\n"
        "    sys.exit(error.exit_code)\n"
    )

    def small() -> None:
        os.environ["CC"] = shutil.which("cc") or ""
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (8192, 8192))

    done = subprocess.run(
        [sys.executable, "-B", "-c", program, str(tmp_path / "cache")], cwd=ROOT, capture_output=True, text=True,
        preexec_fn=small, timeout=120, check=False,
    )
    assert done.returncode == 2 and done.stdout.count("\n") == 1, done.stderr
    assert list((tmp_path / "cache").iterdir()) == []


@pytest.mark.skipif(os.geteuid() != 0, reason="needs a file system of its own")
def test_a_tiny_file_system(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CC", shutil.which("cc") or pytest.skip("no C compiler"))
    cache = tmp_path / "tiny"
    cache.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=16k,mode=700", "none", str(cache)], capture_output=True, check=False)
    if mounted.returncode:
        pytest.skip("may not mount")
    try:
        said: list[str] = []
        found = check(rings(2, 4), SearchOptions(unkept=said.append), cache)
        assert found.engine == "c" and found.complete and entries(cache) == []
        assert len(said) == 2 and "(No space left on device)" in said[0] and "free some space, or" in said[0]
    finally:
        subprocess.run(["umount", str(cache)], check=True)


def _foreign(cache: Path) -> None:
    os.chown(cache / "build", 65534, 65534)


def _in_the_way(cache: Path) -> None:
    (cache / "build").rmdir()
    (cache / "build").write_text("")


def _mounted(options: str) -> Callable[[Path], None]:
    def mount(cache: Path) -> None:
        done = subprocess.run(["mount", "-t", "tmpfs", "-o", options, "none", str(cache)], capture_output=True,
                              check=False)
        if done.returncode:
            pytest.skip("may not mount")
    return mount


ROOT_ONLY = pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
UNWRITABLE = {
    "in the way": (_in_the_way, "/build", "File exists", ""),
    "foreign": (_foreign, "/build", "it belongs to somebody else", ""),
    "full": (_mounted("size=4k"), "/build", "No space left on device", "free some space, or "),
    "read-only": (_mounted("ro"), "", "Read-only file system", ""),
}


@pytest.mark.parametrize("case", [c if c == "in the way" else pytest.param(c, marks=ROOT_ONLY) for c in UNWRITABLE])
def test_a_command_says_once_that_nothing_is_kept(tmp_path: Path, case: str) -> None:
    """Two searches, in two forks, compile two objects each."""
    spoil, where, cause, mend = UNWRITABLE[case]
    cache = tmp_path / "cache"
    (cache / "build").mkdir(parents=True)
    spoil(cache)
    try:
        done = subprocess.run(
            [sys.executable, "-m", "lostirq.cli", "check", "--workspace", str(ROOT / "benchmarks" / "models"),
             "--scenario", "peterson_lock", "--cache-dir", str(cache), "-j", "2"],
            capture_output=True, text=True, check=False, timeout=120)
    finally:
        subprocess.run(["umount", "-q", str(cache)], check=False)
    assert done.returncode == 0 and "all hold" in done.stdout
    assert [x for x in done.stderr.splitlines() if x.startswith("lostirq:")] == [
        f"lostirq: the cache {cache}{where} cannot be written ({cause}): what is made is not kept; {mend}choose "
        "another --cache-dir"]


def test_no_compiler(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CC", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert find_compiler(None) is None
    found = check(rings(2, 4), SearchOptions(), tmp_path / "cache")
    assert found.engine == "python" and found.complete and not (tmp_path / "cache").exists()


def test_the_compiler_of_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = shutil.which("cc") or pytest.skip("no C compiler")
    monkeypatch.setenv("CC", f"{real} -DHELLO")
    found = find_compiler(None)
    assert found is not None and found.command == (real, "-DHELLO")
    with pytest.raises(UsageError, match="no such C compiler: /nowhere/cc"):
        find_compiler("/nowhere/cc")


def test_what_compiles_quickly_goes_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """tcc where it is installed, unless the user has chosen a compiler; what it cannot do, the compiler does."""
    real = shutil.which("cc") or pytest.skip("no C compiler")
    quick, tool = tmp_path / "tcc", Path(shutil.which("tcc") or "/absent")
    calls = tmp_path / "calls"
    script = f'#!/bin/sh\n[ "$1" = --version ] && echo quick && exit\necho x >> {calls}\n'
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    monkeypatch.setenv("CC", real)
    plain = check(rings(2, 4), SearchOptions(), tmp_path / "plain")
    monkeypatch.delenv("CC")

    def searched(folder: str, rest: str) -> int:
        quick.write_text(script + rest)
        quick.chmod(0o755)
        calls.unlink(missing_ok=True)
        found = check(rings(2, 4), SearchOptions(), tmp_path / folder)
        assert (found.engine, found.states, found.verdicts.keys()) == ("c", plain.states, plain.verdicts.keys())
        return len(calls.read_text().split()) if calls.exists() else 0

    assert searched("fails", "exit 1\n") == 2                   # in the cache, and in a place of its own
    assert searched("cut off", f'{real} "$@" -nostdlib; truncate -s 4096 code.so\n') == 2
    if tool.exists():
        assert searched("real", f'exec {tool} "$@"\n') == 1
    monkeypatch.setenv("CC", real)
    assert searched("chosen", "exit 1\n") == 0


def test_what_is_cut_off_is_not_whole(tmp_path: Path) -> None:
    whole = Path(sys.executable).resolve().read_bytes()
    for size in (0, 3, 64, len(whole) // 2, len(whole) - 1, len(whole)):
        (tmp_path / "x").write_bytes(whole[:size])
        assert build._whole(tmp_path / "x") == (size == len(whole)), size


def test_a_missing_compiler_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = shutil.which("cc") or pytest.skip("no C compiler")
    monkeypatch.delenv("CC", raising=False)
    assert compiler_remark(Engine.AUTO) == ""
    monkeypatch.setenv("CC", "nocc -m32")
    assert compiler_remark(Engine.AUTO) == f"CC=nocc -m32 not found; {Path(real).name} is used"
    monkeypatch.setenv("CC", "false")
    assert compiler_remark(Engine.AUTO).startswith("CC=false does not run; ")
    monkeypatch.delenv("CC")
    monkeypatch.setenv("PATH", str(tmp_path))
    assert compiler_remark(Engine.AUTO).startswith("no C compiler ($CC, cc, gcc, clang): the slow path")
    assert compiler_remark(Engine.FALLBACK) == ""


def test_a_compiler_that_fails_is_one_line(tmp_path: Path) -> None:
    script = tmp_path / "cc"
    script.write_text('#!/bin/sh\n[ "$1" = --version ] && echo broken && exit\necho "main.c: error: no" >&2\nexit 1\n')
    script.chmod(0o755)
    with pytest.raises(UsageError) as caught:
        check(rings(2, 4), SearchOptions(compiler=str(script)), tmp_path / "cache")
    assert str(caught.value) == f"{script} failed: main.c: error: no"


def test_a_compiler_that_produces_nothing_is_blamed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    script = tmp_path / "cc"
    script.write_text("#!/bin/sh\necho true 9\n")
    script.chmod(0o755)
    monkeypatch.setenv("CC", str(script))
    with pytest.raises(UsageError) as caught:
        check(rings(2, 4), SearchOptions(), tmp_path / "cache")
    assert str(caught.value) == f"{script} failed: no error, but it produced nothing; is that a C compiler? ($CC)"
    [compiler] = [f for f in doctor(tmp_path, tmp_path / "cache") if f.what == "C compiler"]
    assert (compiler.state, compiler.said) == ("broken", "true 9 fails: it produces nothing; apt install gcc libc6-dev")


def test_a_missing_temporary_directory_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "cache").write_text("in the way")
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "gone"))
    with pytest.raises(UsageError, match="stored neither in the cache"):
        check(rings(2, 4), SearchOptions(), tmp_path / "cache")
