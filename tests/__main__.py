"""Every check there is, one after the other: ``python -m tests``. Exits with 1 if any of them fails, and says which.

Words after it go to pytest: ``python -m tests -x tests/core`` runs the linters and types, then only these.
"""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).parents[1]

OPTIMIZED = (
    "tests/core",
    "tests/journal",
    "tests/engine",
    "--ignore=tests/journal/test_agreement.py",
    "--ignore=tests/journal/test_power.py",
    "--deselect=tests/journal/test_contract.py::test_a_million_sleepers_cost_memory_for_the_next_ones_only",
)
"""Run once more under ``python -O``: nothing may rest on what the interpreter leaves out then. pytest rewrites the assertions of
tests and of their helpers (``tests/conftest.py``), so these hold there, too; its warning says that those of other modules do not.

Left out are the two searches for disagreement and for losses in a power cut, and a million timers: they take longer than all the
rest together, and what they search through is the same code under other dates."""

ALONE = ("tests/benchmarks", "tests/console", "tests/scale")
"""Run with the machine to themselves, because they measure or drive a browser. All others share it, a process for each processor,
four at most: a container may see more processors than it may use."""

TOGETHER = ("--numprocesses=auto", "--maxprocesses=4", "--dist=loadfile")

CHECKS = {
    "ruff check": ("ruff", "check", "."),
    "ruff format": ("ruff", "format", "--check", "."),
    "mypy --strict": ("mypy",),
    "basedpyright": ("basedpyright", "--pythonpath", sys.executable),
    "pytest": ("pytest", *TOGETHER, *(f"--ignore={folder}" for folder in ALONE)),
    "pytest, alone": ("pytest", *ALONE),
    "pytest, python -O": ("pytest", "-W", "ignore::pytest.PytestConfigWarning", *OPTIMIZED),
}
"""By name, the module to run and its arguments. Their settings are in ``pyproject.toml``."""


def main(arguments: list[str]) -> int:
    """Run all of them, also after one has failed; the exit code."""
    if arguments in (["-h"], ["--help"]):
        print(__doc__)
        return 0
    checks = _only(arguments) if arguments else CHECKS
    failed = [name for name, command in checks.items() if not _passes(name, command)]
    if failed:
        print(f"\nFAILED: {', '.join(failed)}", flush=True)
        return 1
    print(f"\nall passed: {', '.join(checks)}", flush=True)
    return 0


def _only(words: list[str]) -> dict[str, tuple[str, ...]]:
    """The linters and types, and pytest with these words instead of its own."""
    linters = {name: command for name, command in CHECKS.items() if not name.startswith("pytest")}
    return {**linters, "pytest": ("pytest", *words)}


def _passes(name: str, command: tuple[str, ...]) -> bool:
    print(f"\n== {name}", flush=True)
    started = time.monotonic()
    optimize = ["-O"] if name.endswith("-O") else []
    code = subprocess.run([sys.executable, *optimize, "-m", *command], cwd=ROOT).returncode
    print(f"== {name}: {'passed' if code == 0 else f'FAILED ({code})'}, {time.monotonic() - started:.0f} s", flush=True)
    return code == 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
