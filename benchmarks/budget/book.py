"""The budgets in ``benchmarks/budget.toml``, and whether a figure keeps to its budget."""

from __future__ import annotations

import enum
import sys
import tomllib
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

import attrs

from benchmarks.budget.count import CALLS, GARBAGE, INSTRUCTIONS, PYTHON_CALLS
from benchmarks.budget.units import UNITS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from benchmarks.budget.count import Figures

BOOK = Path(__file__).parents[1] / "budget.toml"
MEASURES = (CALLS, PYTHON_CALLS, GARBAGE, INSTRUCTIONS)
ABOVE, BELOW = 0.01, 0.05
"""A figure may lie this much above and below its budget. What costs more than a hundredth more is a loss to be decided on; what
costs a twentieth less is a gain to be recorded, or later losses would hide in it."""

INSTRUCTIONS_ABOVE = 0.02
"""Instructions may lie this much above: addresses, and the heights in RocksDB's skip lists, make two runs differ by half a hundredth."""

ROUNDING = 0.005
"""A budget is written with two decimals."""

PARTS = ("trio", "outcome", "attrs", "cattrs", "msgspec", "rocksdict")
"""Packages whose code runs within a unit, so that another version may change a figure."""

HEAD = """\
# What one unit of work may cost: see benchmarks/README.md. Written by `python -m benchmarks budget --write`; do not type here.
"""


class Verdict(enum.Enum):
    """What became of a budget."""

    KEPT = "kept"
    EXCEEDED = "EXCEEDED"
    UNUSED = "UNUSED"
    MISSING = "MISSING"


@attrs.frozen
class Entry:
    """A figure beside its budget."""

    unit: str
    measure: str
    measured: float
    budget: float | None

    @property
    def verdict(self) -> Verdict:
        """Whether the figure keeps to the budget."""
        if self.budget is None:
            return Verdict.MISSING
        above = INSTRUCTIONS_ABOVE if self.measure == INSTRUCTIONS else ABOVE
        if self.measured > self.budget * (1 + above) + ROUNDING:
            return Verdict.EXCEEDED
        if self.measured < self.budget * (1 - BELOW) - ROUNDING:
            return Verdict.UNUSED
        return Verdict.KEPT

    @property
    def percent(self) -> float | None:
        """By how much the figure differs from the budget."""
        return None if not self.budget else (self.measured / self.budget - 1) * 100


@attrs.frozen(kw_only=True)
class Book:
    """The budgets, and what they were measured with."""

    python: str
    build: str
    parts: dict[str, str]
    budgets: Figures

    def compare(self, measured: Figures) -> list[Entry]:
        """Put figures beside their budgets."""
        return [
            Entry(unit, measure, figure, self.budgets.get(unit, {}).get(measure))
            for unit, figures in measured.items()
            for measure, figure in figures.items()
        ]

    def other_parts(self) -> list[str]:
        """Name the packages whose version differs from the one that the budgets were measured with."""
        return [
            f"{name} {version(name)} (budget: {self.parts.get(name, 'none')})"
            for name in PARTS
            if version(name) != self.parts.get(name)
        ]


def this_python() -> str:
    """The version that calls depend on: each minor version calls in other ways."""
    return f"{sys.version_info.major}.{sys.version_info.minor}"


def read(path: Path = BOOK) -> Book:
    """Read the budgets."""
    found = tomllib.loads(path.read_text())
    measured_with = found.pop("measured_with")
    return Book(
        python=measured_with["python"], build=measured_with["build"], parts=measured_with["parts"], budgets=found
    )


def write(measured: Figures, path: Path = BOOK) -> None:
    """Make the figures the budgets. A measure that was not taken keeps its budget, if this is the same build of Python."""
    earlier = read(path).budgets if path.exists() and read(path).build == sys.version else {}
    lines = [HEAD, *_measured_with()]
    for unit in UNITS:
        figures = earlier.get(unit.name, {}) | measured.get(unit.name, {})
        lines += [f"\n[{unit.name}]  # {unit.what}"]
        lines += [f"{measure} = {rounded(figures[measure])}" for measure in MEASURES if measure in figures]
    path.write_text("\n".join([*lines, ""]))


def _measured_with() -> Iterator[str]:
    yield "[measured_with]"
    yield f'python = "{this_python()}"'
    yield f'build = "{sys.version}"  # instructions differ between builds of one version'
    parts = ", ".join(f'{name} = "{version(name)}"' for name in PARTS)
    yield f"parts = {{ {parts} }}"


def rounded(figure: float) -> str:
    """Four digits or more, which is far more exact than what a figure may differ by."""
    return f"{figure:.0f}" if figure >= 10_000 else f"{float(figure):.2f}".removesuffix(".00")
