"""``python -m benchmarks``: all questions, or one by its name."""

from __future__ import annotations

import signal
from pathlib import Path
from typing import TYPE_CHECKING, Any

import attrs
import click

from benchmarks.all_questions import QUESTIONS
from benchmarks.budget.command import command as budget
from benchmarks.machine import this_machine
from benchmarks.measure import Size, measure
from benchmarks.peers.command import command as peers
from benchmarks.ratios import command as ratios
from benchmarks.record import keep, write_readme
from benchmarks.report import HEADER, cells, json_line, table
from cli.garbage import collect_garbage_rarely
from journal.kv.store import Durability

if TYPE_CHECKING:
    from collections.abc import Sequence

    from benchmarks.measure import Figure, Question


@attrs.frozen(kw_only=True)
class _How:
    runs: int
    size: Size
    durability: Durability
    is_json: bool
    under: Path | None
    is_kept: bool


def _common() -> list[click.Option]:
    return [
        click.Option(["--runs"], type=click.IntRange(1), default=3, show_default=True, help="Of each case."),
        click.Option(
            ["--scale"], type=float, default=1.0, show_default=True, help="How often things are done, in proportion."
        ),
        click.Option(
            ["--largest"], type=click.IntRange(10), help="Histories, stores and the like are no larger than this."
        ),
        click.Option(["--durability"], type=click.Choice(["fsync", "os"]), default="fsync", show_default=True),
        click.Option(["--json", "is_json"], is_flag=True, help="A line of JSON for each figure."),
        click.Option(
            ["--under"],
            type=click.Path(path_type=Path, file_okay=False, exists=True),
            help="Where the stores are made: the disk that is measured. By default where temporary files lie.",
        ),
        click.Option(["--record", "is_kept"], is_flag=True, help="Keep the figures, and write them into the README."),
    ]


def _how(given: dict[str, Any]) -> _How:
    return _How(
        runs=given.pop("runs"),
        size=Size(factor=given.pop("scale"), largest=given.pop("largest")),
        durability=Durability(given.pop("durability")),
        is_json=given.pop("is_json"),
        under=given.pop("under"),
        is_kept=given.pop("is_kept"),
    )


def _ask(questions: Sequence[Question], how: _How, options: dict[str, Any]) -> None:
    collect_garbage_rarely()  # as a process does that is there for its runtime; the floor has the same
    for question in questions:
        machine = this_machine(how.durability.value, how.size.factor)
        if not how.is_json:
            click.echo(f"\n{question.name}: {question.asks}\nfloor: {question.floor_is}")
            click.echo("\n".join(machine.lines()))
        figures: list[Figure] = []
        for case in question.cases(how.size, **options):
            click.echo(f"  {question.name}: {case.name} ...", err=True)
            figures.append(measure(question, case, runs=how.runs, durability=how.durability, under=how.under))
            if how.is_json:
                click.echo(json_line(question, figures[-1], machine))
        if not how.is_json:
            click.echo("\n".join(table([HEADER, *map(cells, figures)])))
        if how.is_kept:
            keep(question, machine, figures)
            write_readme(QUESTIONS)


def _command(question: Question) -> click.Command:
    def callback(**given: Any) -> None:
        _ask([question], _how(given), given)

    return click.Command(question.name, callback=callback, params=[*question.options, *_common()], help=question.asks)


@click.command("record")
@click.option(
    "--runs", type=click.IntRange(1), default=3, show_default=True, help="Of each case, and rounds of the peers."
)
@click.option("--scale", type=float, default=0.4, show_default=True, help="How often things are done, in proportion.")
@click.option("--without-peers", is_flag=True, help="Leave the table of peers as it is.")
@click.pass_context
def _record(context: click.Context, /, runs: int, scale: float, without_peers: bool) -> None:
    """Measure all questions and all peers, keep the figures, and write them into both READMEs.

    Each question is kept as soon as it is answered. The machine should do nothing else meanwhile.
    """
    if not without_peers:
        context.invoke(peers, runs=runs, is_kept=True)
    size = Size(factor=scale)
    _ask(
        QUESTIONS, _How(runs=runs, size=size, durability=Durability.FSYNC, is_json=False, under=None, is_kept=True), {}
    )


@click.pass_context
def _all(context: click.Context, /, **given: Any) -> None:
    """Ask all questions, or one by its name."""
    if context.invoked_subcommand is None:
        _ask(QUESTIONS, _how(given), {})


main = click.Group(
    "benchmarks",
    commands=[*(_command(question) for question in QUESTIONS), budget, peers, ratios, _record],
    invoke_without_command=True,
    callback=_all,
    params=[*_common()],
    help="How fast it is, and how near that comes to what the store itself could do. Without a question: all of them.",
)

if __name__ == "__main__":
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # what was started ends, and what was written is removed
    main(prog_name="python -m benchmarks")
