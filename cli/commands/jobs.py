"""``playhead jobs``: what was asked of many invocations at once, and what came of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from cli.options import output_option, reason_option, report_option, watch_option, where_options

if TYPE_CHECKING:
    from cli.source import Where


@click.group()
def command() -> None:
    """List, follow and cancel bulk jobs. A command with --where starts one: 'playhead invocations cancel --where …'."""


@command.command("list")
@click.option("--limit", default=20, show_default=True, type=click.IntRange(1, 1000))
@output_option
@where_options
def list_command(limit: int, output: str, where: Where) -> None:
    """List the retained jobs, newest first."""
    from cli.doing import jobs

    jobs.show_all(limit, where, output)


@command.command()
@click.argument("job")
@watch_option
@report_option
@where_options
def show(job: str, watch: bool, output: str, where: Where) -> None:
    """Show the progress of JOB."""
    from cli.doing import jobs

    jobs.show_one(job, where, output, is_watched=watch)


@command.command()
@click.argument("job")
@click.option("-o", "--output", type=click.Choice(["table", "json", "jsonl", "id"]), default="table", show_default=True)
@where_options
def follow(job: str, output: str, where: Where) -> None:
    """Follow JOB until it ends. The exit code shows its result, as if it had been started here."""
    from cli.doing import jobs

    jobs.follow(job, where, output)


@command.command()
@click.argument("job")
@click.option("--refused", is_flag=True, help="Only refused invocations.")
@output_option
@where_options
def items(job: str, refused: bool, output: str, where: Where) -> None:
    """List the result for each invocation that JOB has reached."""
    from cli.doing import jobs

    jobs.show_items(job, where, output, only_refused=refused)


@command.command()
@click.argument("job")
@reason_option
@where_options
def cancel(job: str, reason: str, where: Where) -> None:
    """Cancel JOB: it reaches no further invocations. What it has changed stays changed."""
    from cli.doing import jobs

    jobs.cancel(job, reason, where)
