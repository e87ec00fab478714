"""Tables for people, lines of JSON for programs, Markdown and drawings for the README."""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from benchmarks.machine import Machine
    from benchmarks.measure import Figure, Question, Spread

HEADER = ("", "unit", "median", "min .. max", "p50 ms", "p99 ms", "CPU µs", "floor", "x floor", "CPU x floor")


def number(value: float) -> str:
    """Three digits that count, and no more."""
    if value == 0 or abs(value) >= 1_000:
        return f"{value:,.0f}"
    return f"{value:.{3 if abs(value) < 1 else 2 if abs(value) < 10 else 1 if abs(value) < 100 else 0}f}"


def _median(spread: Spread | None) -> str:
    return "" if spread is None else number(spread.median)


def cells(figure: Figure) -> tuple[str, ...]:
    """One line of a table."""
    return (
        figure.case,
        figure.unit,
        number(figure.value.median),
        f"{number(figure.value.least)} .. {number(figure.value.most)}",
        _median(figure.p50_ms),
        _median(figure.p99_ms),
        _median(figure.cpu_us),
        _median(figure.floor),
        _median(figure.ratio),
        _median(figure.cpu_ratio),
    )


def table(rows: Sequence[Sequence[str]]) -> list[str]:
    """Columns that line up: words to the left, numbers to the right."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        "  ".join(
            cell.ljust(width) if column < 2 else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    ]


def json_line(question: Question, figure: Figure, machine: Machine) -> str:
    """A figure with everything that belongs to it."""
    told = {"figure": figure, "machine": machine, "asks": question.asks, "floor_is": question.floor_is}
    return msgspec.json.encode(told).decode()


def markdown(question: Question, machine: Machine, figures: Iterable[Figure], drawing: str | None) -> str:
    """A section of the README."""
    runs = ", ".join(sorted({str(figure.runs) for figure in figures}))
    lines = [f"### {question.name}: {question.asks}", "", f"Floor: {question.floor_is}. {runs} runs.", ""]
    lines += [f"> {line}  " for line in machine.lines()]
    lines += ["", _row(HEADER), _row(["---"] * 2 + ["---:"] * (len(HEADER) - 2))]
    lines += [_row(cells(figure)) for figure in figures]
    if drawing is not None:
        lines += ["", f"![{question.asks}]({drawing})"]
    return "\n".join(lines)


def _row(row: Sequence[str]) -> str:
    return f"| {' | '.join(row)} |"


def curves(figures: Iterable[Figure]) -> dict[str, list[Figure]]:
    """The figures that lie on a curve, by its name, from left to right."""
    on_a_line = sorted((f for f in figures if f.line is not None), key=lambda f: (str(f.line), f.at or 0.0))
    return {str(line): list(points) for line, points in groupby(on_a_line, key=lambda f: f.line)}
