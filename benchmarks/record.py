"""Keeps what a run found, and writes the README's figures from what is kept: nobody types a figure."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import attrs
import msgspec

from benchmarks.drawing import draw
from benchmarks.machine import Machine
from benchmarks.measure import Figure
from benchmarks.report import curves, json_line, markdown

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from benchmarks.measure import Question

HERE = Path(__file__).parent
FIGURES = HERE / "figures"
BEGIN, END = "<!-- figures: written by the command, do not type here -->\n", "<!-- end of figures -->\n"


@attrs.frozen
class Kept:
    """A line of a file of figures."""

    figure: Figure
    machine: Machine


def keep(question: Question, machine: Machine, figures: Sequence[Figure]) -> None:
    """Write down what was found, in the place of what was found before."""
    FIGURES.mkdir(exist_ok=True)
    lines = [json_line(question, figure, machine) for figure in figures]
    (FIGURES / f"{question.name}.jsonl").write_text("\n".join([*lines, ""]))
    found = curves(figures)
    if found:
        (FIGURES / f"{question.name}.svg").write_text(draw(question.asks, found))


def write_readme(questions: Iterable[Question]) -> None:
    """Replace the figures in the README with those that are kept."""
    path = HERE / "README.md"
    path.write_text(filled(path.read_text(), questions))


def filled(text: str, questions: Iterable[Question]) -> str:
    """The text with the kept figures in their place."""
    sections = [section for question in questions if (section := _section(question)) is not None]
    return between(text, BEGIN, END, "".join(f"\n{section}\n" for section in sections) + "\n")


def between(text: str, begin: str, end: str, what: str) -> str:
    """The text with this between its two marks."""
    before, found, rest = text.partition(begin)
    _, is_closed, after = rest.partition(end)
    if not found or not is_closed:
        raise ValueError(
            f"expected the marks {begin.strip()!r} and {end.strip()!r} in the README, found one or none of them"
        )
    return before + begin + what + end + after


def _section(question: Question) -> str | None:
    path = FIGURES / f"{question.name}.jsonl"
    if not path.exists():
        return None
    kept = [msgspec.json.decode(line, type=Kept) for line in path.read_text().splitlines()]
    drawing = f"figures/{question.name}.svg" if (FIGURES / f"{question.name}.svg").exists() else None
    return markdown(question, kept[0].machine, [line.figure for line in kept], drawing)
