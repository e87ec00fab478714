"""``playhead sql``: ask anything about what the journal keeps."""

from __future__ import annotations

import csv
import io
import sys
from typing import TYPE_CHECKING

import click
import trio

from cli.output import emit, emit_json, emit_json_line, emit_table, is_terminal, safe
from cli.source import Where, options, readable

if TYPE_CHECKING:
    from actors.sql.result import QueryResult, Value


@click.command()
@click.argument("statement", required=False)
@click.option("--tables", is_flag=True, help="Show the tables and their columns instead.")
@click.option(
    "-o",
    "--output",
    type=click.Choice(["table", "json", "jsonl", "csv"]),
    default="table",
    show_default=True,
    help="For people, or for programs.",
)
@options
def command(statement: str | None, tables: bool, output: str, where: Where) -> None:
    """Answer STATEMENT, one SELECT in SQLite's SQL; '-' reads it from stdin. Nothing can be changed with it.

    \b
        playhead sql "select last_error, count(*) from sys_invocation where status = 'paused' group by 1 order by 2 desc"
    """
    if tables:
        from actors.sql.tables import describe

        emit(describe())
        return
    if statement is None:
        raise click.UsageError("give a SELECT, '-' to read one from stdin, or --tables to see what there is")
    asked = sys.stdin.read() if statement == "-" else statement

    async def run() -> QueryResult:
        async with readable(where) as source:
            return await source.query(asked)

    _PRINTERS[output](trio.run(run))


def _table(result: QueryResult) -> None:
    emit_table([safe(name) for name in result.columns], [[_cell(value) for value in row] for row in result.rows])


def _json(result: QueryResult) -> None:
    emit_json([dict(zip(result.columns, row, strict=True)) for row in result.rows])


def _json_lines(result: QueryResult) -> None:
    for row in result.rows:
        emit_json_line(dict(zip(result.columns, row, strict=True)))


def _csv(result: QueryResult) -> None:
    """As RFC 4180 has it. What a terminal would obey is made visible where one reads it."""
    text = io.StringIO()
    rows = csv.writer(text, lineterminator="\n")
    shown = safe if is_terminal() else str
    rows.writerow(map(shown, result.columns))
    rows.writerows([shown(_cell(value)) for value in row] for row in result.rows)
    sys.stdout.write(text.getvalue())  # click.echo would take escape sequences out of the data


def _cell(value: Value) -> str:
    return "" if value is None else str(value)


_PRINTERS = {"table": _table, "json": _json, "jsonl": _json_lines, "csv": _csv}
