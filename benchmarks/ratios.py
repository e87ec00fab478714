"""``python -m benchmarks ratios``: processor time beside two yardsticks, in one run."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from benchmarks.machine import this_machine
from benchmarks.measure import Size, measure
from benchmarks.questions import fanout, nested, signals, thin, timers
from benchmarks.report import number, table
from cli.garbage import collect_garbage_rarely
from journal.kv.store import Durability

if TYPE_CHECKING:
    from collections.abc import Iterator

    from benchmarks.measure import Figure, Question

BESIDE_THE_FLOOR = (
    (nested.QUESTION, "64 in flight"),
    (fanout.QUESTION, "8 in flight"),
    (signals.QUESTION, "64 in flight"),
    (timers.QUESTION, "64 asleep"),
)


@click.command("ratios")
@click.option("--runs", type=click.IntRange(1), default=3, show_default=True, help="Of each case.")
@click.option("--scale", type=float, default=0.5, show_default=True, help="How often things are done, in proportion.")
def command(runs: int, scale: float) -> None:
    """Compare processor time with a thin engine's (more is better) and with the floor's (less is better)."""
    collect_garbage_rarely()
    size = Size(factor=scale)
    click.echo("\n".join(this_machine(Durability.FSYNC.value, scale).lines()))
    rows: list[tuple[str, ...]] = [("", "CPU µs", "thin CPU : ours", "min .. max", "CPU x floor", "min .. max")]
    rows += [_beside_thin(figure) for figure in _figures(thin.QUESTION, None, size, runs)]
    for question, name in BESIDE_THE_FLOOR:
        rows += [_beside_floor(figure) for figure in _figures(question, name, size, runs)]
    click.echo("\n".join(table(rows)))


def _figures(question: Question, name: str | None, size: Size, runs: int) -> Iterator[Figure]:
    for case in question.cases(size):
        if name is None or case.name == name:
            click.echo(f"  {question.name}: {case.name} ...", err=True)
            yield measure(question, case, runs=runs, durability=Durability.FSYNC, under=None)


def _beside_thin(figure: Figure) -> tuple[str, ...]:
    took, ratio = figure.cpu_us, figure.cpu_ratio
    if took is None or ratio is None:
        raise ValueError(f"{figure.case}: expected processor time of the run and of the thin engine, found none")
    spread = f"{1 / ratio.most:.2f} .. {1 / ratio.least:.2f}"
    return (figure.case, number(took.median), f"{1 / ratio.median:.2f}", spread, "", "")


def _beside_floor(figure: Figure) -> tuple[str, ...]:
    took, ratio = figure.cpu_us, figure.cpu_ratio
    if took is None or ratio is None:
        raise ValueError(f"{figure.case}: expected processor time of the run and of the floor, found none")
    spread = f"{number(ratio.least)} .. {number(ratio.most)}"
    return (f"{figure.question}, {figure.case}", number(took.median), "", "", number(ratio.median), spread)
