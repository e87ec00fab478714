"""``playhead sql``: ask anything about what the journal keeps."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

from cli.options import where_options

if TYPE_CHECKING:
    from cli.source import Where


@click.command()
@click.argument("statement", required=False)
@click.option("--tables", is_flag=True, help="Show the tables and their columns instead.")
@click.option(
    "-o",
    "--output",
    type=click.Choice(["table", "json", "jsonl", "csv"]),
    default="table",
    show_default=True,
    help="Output format.",
)
@where_options
def command(statement: str | None, tables: bool, output: str, where: Where) -> None:
    """Run STATEMENT, one SELECT in SQLite's SQL; '-' reads it from stdin. Nothing can be changed with it.

    \b
        playhead sql "select last_error, count(*) from sys_invocation where status = 'paused' group by 1 order by 2 desc"
    """
    from cli.doing import sql

    if tables:
        sql.show_tables()
        return
    if statement is None:
        raise click.UsageError("give a SELECT, '-' to read one from stdin, or --tables to see what there is")
    sql.ask(sys.stdin.read() if statement == "-" else statement, where, output)
