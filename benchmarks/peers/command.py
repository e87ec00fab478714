"""``python -m benchmarks peers``: the same questions to all that is installed."""

from __future__ import annotations

from pathlib import Path

import click

from benchmarks.machine import this_machine
from benchmarks.peers import contest, standing
from benchmarks.peers.asking import ASKED
from benchmarks.peers.environments import DEFAULT, ENVIRONMENTS
from benchmarks.report import number, table


@click.command("peers")
@click.argument("names", nargs=-1, type=click.Choice(sorted({one.program for one in contest.CONTENDERS})))
@click.option(
    "--in",
    "directory",
    type=click.Path(path_type=Path, file_okay=False),
    default=DEFAULT,
    show_default=True,
    help="Where they are installed.",
)
@click.option("--install", "is_installed", is_flag=True, help="Install them there, and ask nothing.")
@click.option("--runs", type=click.IntRange(1), default=3, show_default=True, help="Rounds.")
@click.option("--seconds", type=click.FloatRange(0.1), default=2.0, show_default=True, help="Of each question.")
@click.option("--json", "is_json", is_flag=True, help="A line of JSON for each answer.")
@click.option(
    "--under",
    type=click.Path(path_type=Path, file_okay=False, exists=True),
    help="Where they write: the disk that is measured. By default where temporary files lie.",
)
@click.option("--record", "is_kept", is_flag=True, help="Keep the figures, and write them into the READMEs.")
def command(
    names: tuple[str, ...],
    directory: Path,
    is_installed: bool,
    runs: int,
    seconds: float,
    is_json: bool,
    under: Path | None,
    is_kept: bool,
) -> None:
    """Ask playhead, Restate, DBOS and Temporal the same, in one run. Names leave out the others."""
    if is_installed:
        install(directory)
        return
    if is_kept and names:
        raise click.UsageError("what is recorded is a run of all peers: leave out the names, or --record")
    contenders = [one for one in contest.CONTENDERS if not names or one.program in names]
    machine = this_machine("fsync", 1.0)
    found = contest.contest(contenders, directory, runs=runs, seconds=seconds, under=under, remark=remark)
    if is_kept and not {standing.OURS} < {one.peer.partition(",")[0] for one in found}:
        raise click.ClickException(
            f"nothing is recorded: expected answers of {standing.OURS} and of one other at least. Install the others "
            "with `python -m benchmarks peers --install`"
        )
    if is_json:
        for one in found:
            click.echo(standing.json_line(one, machine))
    elif found:
        click.echo("\n".join([*standing.below(found, machine), "", *table(lines_of(found))]))
    if is_kept:
        standing.keep(found, machine)
        standing.write_readmes()


def install(directory: Path) -> None:
    """All of them, once more."""
    for environment in ENVIRONMENTS:
        for told in environment.install(directory):
            remark(told)
    remark("DBOS runs on PostgreSQL, too, where that is installed: apt-get install postgresql")


def lines_of(found: list[contest.Standing]) -> list[list[str]]:
    """A line a peer and question, for a terminal."""
    return [
        ["", "", "rate", "min .. max", "p50 ms", "p99 ms"],
        *(
            [
                one.question,
                one.peer,
                number(one.rate.median),
                f"{number(one.rate.least)} .. {number(one.rate.most)}",
                number(one.p50_ms.median),
                number(one.p99_ms.median),
            ]
            for asked in ASKED
            for one in found
            if one.question == asked.name
        ),
    ]


def remark(text: str) -> None:
    """What is no figure."""
    click.echo(text, err=True)
