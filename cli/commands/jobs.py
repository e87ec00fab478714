"""``playhead jobs``: what was asked of many invocations at once, and what came of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from cli.options import output_option, reason_option, report_option, watch_option, where_options

if TYPE_CHECKING:
    from cli.source import Where


@click.group()
def command() -> None:
    """Watch and stop bulk jobs. One is started by a verb for all that match: 'playhead invocations cancel --where …'."""


@command.command("list")
@click.option("--limit", default=20, show_default=True, type=click.IntRange(1, 1000))
@output_option
@where_options
def list_command(limit: int, output: str, where: Where) -> None:
    """List the jobs that are retained, newest first."""
    from cli.doing import jobs

    jobs.show_all(limit, where, output)


@command.command()
@click.argument("job")
@watch_option
@report_option
@where_options
def show(job: str, watch: bool, output: str, where: Where) -> None:
    """Show how JOB stands."""
    from cli.doing import jobs

    jobs.show_one(job, where, output, is_watched=watch)


@command.command()
@click.argument("job")
@click.option("-o", "--output", type=click.Choice(["table", "json", "jsonl", "id"]), default="table", show_default=True)
@where_options
def follow(job: str, output: str, where: Where) -> None:
    """Watch JOB until it has ended. The exit code says what came of it, as if it had been started here."""
    from cli.doing import jobs

    jobs.follow(job, where, output)


@command.command()
@click.argument("job")
@click.option("--refused", is_flag=True, help="Only those that were refused.")
@output_option
@where_options
def items(job: str, refused: bool, output: str, where: Where) -> None:
    """Show what became of each invocation that JOB has dealt with."""
    from cli.doing import jobs

    jobs.show_items(job, where, output, only_refused=refused)


@command.command()
@click.argument("job")
@reason_option
@where_options
def cancel(job: str, reason: str, where: Where) -> None:
    """Have JOB ask no more invocations. What it has asked stays."""
    from cli.doing import jobs

    jobs.cancel(job, reason, where)
