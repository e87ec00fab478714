"""Counts what units take, by starting :mod:`benchmarks.budget.meters` in processes of its own."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from benchmarks.budget.meters import MARK, Counted
from benchmarks.budget.units import UNITS

if TYPE_CHECKING:
    from collections.abc import Iterable

    from benchmarks.budget.units import Unit

ROOT = Path(__file__).parents[2]
CALLS, PYTHON_CALLS, GARBAGE, INSTRUCTIONS = "calls", "python_calls", "garbage", "instructions"
HASH_SEED = "0"
"""Sets of strings are walked through in an order that depends on it."""

TIMEOUT_SECONDS = 1_800.0
_TOTAL = re.compile(r"^totals: (\d+)$", re.MULTILINE)

Figures = dict[str, dict[str, float]]
"""By unit and what was counted."""


class CountingFailed(Exception):
    """The process that counts ended otherwise than by counting."""


def has_callgrind() -> bool:
    """Report whether valgrind is installed."""
    return shutil.which("valgrind") is not None and shutil.which("callgrind_control") is not None


def count_calls(units: Iterable[Unit] = UNITS) -> Figures:
    """Count the calls and the garbage of one of each unit. Takes about five seconds of the processor."""
    return {
        unit.name: {what: _of_one(unit, counted.fewer[what], counted.more[what]) for what in counted.fewer}
        for unit, counted in _counted([], "calls", units)
    }


def count_instructions(units: Iterable[Unit] = UNITS) -> Figures:
    """Count the instructions of one of each unit. Takes about a minute of the processor."""
    with tempfile.TemporaryDirectory(prefix="callgrind-") as folder:
        file = Path(folder) / "out"
        command = ["valgrind", "--tool=callgrind", f"--callgrind-out-file={file}", f"--dump-before={MARK}", "--quiet"]
        command.append("--instr-atstart=no")  # meters.py has it count once all is imported
        # Other threads (RocksDB's, and the journal's, which looks at the store each second) do work that depends on wall time.
        command.append("--separate-threads=yes")
        done = [unit for unit, _ in _counted(command, "instructions", units)]
        between = [_total(file.with_name(f"out.{number}-01")) for number in range(1, 4 * len(done) + 1)]
    # Four marks for each unit: before and after the fewer, before and after the more.
    return {
        unit.name: {INSTRUCTIONS: _of_one(unit, between[4 * place + 1], between[4 * place + 3])}
        for place, unit in enumerate(done)
    }


def _of_one(unit: Unit, fewer: int, more: int) -> float:
    return (more - fewer) / ((unit.more - unit.fewer) * unit.per_operation)


def _counted(prefix: list[str], meter: str, units: Iterable[Unit]) -> list[tuple[Unit, Counted]]:
    by_name = {unit.name: unit for unit in units}
    command = [*prefix, sys.executable, "-m", "benchmarks.budget.meters", meter, *by_name]
    environment = {**os.environ, "PYTHONHASHSEED": HASH_SEED, "PYTHONPATH": str(ROOT), "PYTHONOPTIMIZE": ""}
    done = subprocess.run(
        command, check=False, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=TIMEOUT_SECONDS
    )
    if done.returncode:
        raise CountingFailed(f"{' '.join(command)} ended with exit code {done.returncode}:\n{done.stderr.strip()}")
    lines = [msgspec.json.decode(line, type=Counted) for line in done.stdout.splitlines()]
    return [(by_name[line.unit], line) for line in lines]


def _total(file: Path) -> int:
    found = _TOTAL.search(file.read_text())
    if found is None:
        raise CountingFailed(f"{file.name}: callgrind wrote no total; its format has changed")
    return int(found[1])
