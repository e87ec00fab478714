"""Every check there is: ``python -m tests``. Exits with 1 if any of them fails, and says which.

The linters and type checkers run beside each other, then the tests, in one process more than there are processors. While tests run, a line says how
many have ended; once none has ended for half a minute, it names the one that runs. A table of processor seconds for each folder
ends it.

Tests that failed beside others run once more, alone. Those that pass then are named as flaky, and do not fail the run: they have waited
for real time on a busy machine. In ``EVIDENCE`` a failure counts in any case.

Words after it go to pytest: ``python -m tests -x tests/core`` runs the linters and types, then only these.
"""

from __future__ import annotations

import compileall
import json
import os
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tests.budget import Spent, table

ROOT = Path(__file__).parents[1]

LINTERS = {
    "ruff check": ("ruff", "check", "."),
    "ruff format": ("ruff", "format", "--check", "."),
    "mypy --strict": ("mypy",),
    "basedpyright": ("basedpyright", "--pythonpath", sys.executable),
}
"""By name, the module to run and its arguments. Their settings are in ``pyproject.toml``."""

PYTEST = ("pytest", "-q", "-o", "console_output_style=classic", "-p", "tests.budget", "-p", "tests.progress")

PROCESSES = min(4, (os.cpu_count() or 1) + 1)
"""One more than processors, as many tests wait for a disk, a browser or a process of their own; four at most, as a container may see
more processors than it may use."""

TOGETHER = (
    *("-p", "tests.longest_first", f"--numprocesses={PROCESSES}"),
    *("--dist=loadfile", "--no-loadscope-reorder"),
)
"""A file stays in one process."""

OPTIMIZED = (
    *("-W", "ignore::pytest.PytestConfigWarning"),
    *("tests/core", "tests/journal/test_contract.py", "tests/journal/test_codec.py", "tests/journal/test_logs.py"),
    *("tests/engine/test_fold.py", "tests/engine/test_every_verb.py"),
    "--ignore=tests/core/test_random_walks.py",
    "--deselect=tests/journal/test_contract.py::test_a_million_sleepers_cost_memory_for_the_next_ones_only",
)
"""Run once more under ``python -O``: nothing may rest on what the interpreter leaves out then. pytest rewrites the assertions of
tests and of their helpers (``tests/conftest.py``), so these hold there, too; its warning says that those of other modules do not.

``tests/test_house.py`` allows no ``assert`` and no ``__debug__`` in the packages, so little can differ. These are the parts that
read what is stored and decide by it, and each verb once through a whole engine."""

WAYS = {"pytest, long way": ("--long-way",), "pytest, replicated": ("--replicated",)}
"""By the name of a lane, the words that make it differ from a plain run of the same tests."""

LONG_WAY = (
    *("tests/engine", "tests/simulation/test_storms.py"),
    "--ignore=tests/engine/test_blocking.py",
    "--ignore=tests/engine/test_timetable.py",
)
"""Run once more with the engine deciding each call before it runs (``tests/long_way.py``): what is recorded as a whole is only an
abridgement. Other suites hardly run the engine, or take too long. Left out are the interruptions of users' code, which wait for real
time and are the same for every turn, and the times of schedules, which run no handler."""

LONG_WAY_SEEDS = "0-200"
"""Of the storms on the long way."""

REPLICATED = tuple(
    f"tests/engine/test_{name}.py"
    for name in ("calls", "gates", "jobs", "restart", "schedules", "signals", "steps", "suspended")
)
"""Run once more on a replicated log, with an empty node at each start (``tests/replicated.py``). ``tests/journal`` holds what differs; these
show that an engine does not notice. The deep profile ``replicated`` runs them all."""

LONGEST_FIRST = ": the files that take longest begin first, so few tests end in the first minutes"

EVIDENCE = ("tests/core/", "tests/crash/", "tests/journal/", "tests/simulation/")
"""Where a failure is never put down to a busy machine: these tests look for what happens once in many runs."""

CACHE = "cache"
"""The folder in a lane's temporary one where pytest writes which tests failed."""

FLAKY_AT_MOST = 3
"""More failures than this in one lane are not run again."""

LANES = {
    "pytest": TOGETHER,
    "pytest, python -O": (*TOGETHER, *OPTIMIZED),
    "pytest, long way": (*TOGETHER, *WAYS["pytest, long way"], *LONG_WAY),
    "pytest, replicated": (*TOGETHER, *WAYS["pytest, replicated"], *REPLICATED),
}
"""By name, the arguments for pytest."""

ENVIRONMENTS = {"pytest, python -O": {"PYTHONOPTIMIZE": "1"}, "pytest, long way": {"PLAYHEAD_SEEDS": LONG_WAY_SEEDS}}
"""By the name of a lane, the variables that it runs under."""


def main(arguments: list[str]) -> int:
    """Run all of them, also after one has failed; the exit code."""
    if arguments in (["-h"], ["--help"]):
        print(__doc__)
        return 0
    _compile()
    with ThreadPoolExecutor(max_workers=2) as pool:
        failed = [name for name, passes in zip(LINTERS, pool.map(_lint, LINTERS), strict=True) if not passes]
    spent: dict[str, Spent] = {}
    flaky: list[str] = []
    for lane, words in {"pytest": tuple(arguments)}.items() if arguments else LANES.items():
        with tempfile.TemporaryDirectory() as folder:
            passes, spent[lane] = _test(lane, words, Path(folder))
            if not passes and (once := _failed_once(lane, Path(folder))):
                flaky += once
            elif not passes:
                failed.append(lane)
    print("\n== processor time", *table(spent), sep="\n", flush=True)
    if flaky:
        print("\n== flaky: failed beside others, passed alone. Find out why", *flaky, sep="\n", flush=True)
    print(f"\nFAILED: {', '.join(failed)}" if failed else "\nall passed", flush=True)
    return 1 if failed else 0


def _compile() -> None:
    """Keep the packages' bytecode, also where PYTHONDONTWRITEBYTECODE is set: tests start many hundred processes that import them."""
    for package in ("actors", "cli", "journal", "playhead"):
        compileall.compile_dir(ROOT / package, quiet=1, optimize=[0, 1])


def _lint(name: str) -> bool:
    """Run one linter, and print what it says when it has ended: another one runs beside it."""
    started = time.monotonic()
    ended = subprocess.run([sys.executable, "-m", *LINTERS[name]], cwd=ROOT, capture_output=True, text=True)
    print(f"\n== {name}\n{ended.stdout}{ended.stderr}{_verdict(name, ended.returncode, started)}", flush=True)
    return ended.returncode == 0


def _test(lane: str, words: tuple[str, ...], folder: Path) -> tuple[bool, Spent]:
    """Run pytest, whose output goes to the terminal; whether it passes, and what it took of the processor."""
    print(f"\n== {lane}{LONGEST_FIRST if 'tests.longest_first' in words else ''}", flush=True)
    started = time.monotonic()
    file = folder / "cpu.json"
    code = _pytest(lane, f"--cpu-file={file}", "-o", f"cache_dir={folder / CACHE}", *words)
    spent = Spent()
    if file.exists():
        spent.add(json.loads(file.read_text()))
    print(_verdict(lane, code, started), flush=True)
    return code == 0, spent


def _failed_once(lane: str, folder: Path) -> list[str]:
    """The tests of the lane that failed, if all of them pass alone."""
    file = folder / CACHE / "v" / "cache" / "lastfailed"
    tests: list[str] = list(json.loads(file.read_text())) if file.exists() else []
    if not 0 < len(tests) <= FLAKY_AT_MOST or any(test.startswith(EVIDENCE) for test in tests):
        return []
    print(f"\n== {lane}: once more, alone", flush=True)
    return tests if _pytest(lane, *WAYS.get(lane, ()), *tests) == 0 else []


def _pytest(lane: str, *words: str) -> int:
    """Run pytest as in this lane; its exit code."""
    environment = os.environ | ENVIRONMENTS.get(lane, {})
    return subprocess.run([sys.executable, "-m", *PYTEST, *words], cwd=ROOT, env=environment).returncode


def _verdict(name: str, code: int, started: float) -> str:
    return f"== {name}: {'passed' if code == 0 else f'FAILED ({code})'}, {time.monotonic() - started:.0f} s"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
