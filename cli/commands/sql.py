"""``playhead sql``: query the journal with SQL."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

from cli.options import server_options
from cli.render.output import is_terminal, out, out_json, out_json_line, out_table, safe

if TYPE_CHECKING:
    from actors.query.sql.result import QueryResult, Value
    from cli.backend import ServerOptions


@click.command()
@click.argument("statement", required=False)
@click.option("--tables", is_flag=True, help="Show the tables and their columns.")
@click.option(
    "-o",
    "--output",
    type=click.Choice(["table", "json", "jsonl", "csv"]),
    default="table",
    show_default=True,
    help="Output format.",
)
@server_options
def command(statement: str | None, tables: bool, output: str, server: ServerOptions) -> None:
    """Run STATEMENT, one SELECT in SQLite's SQL; '-' reads it from stdin. Nothing can be changed with it.

    \b
        playhead sql "select last_error, count(*) from sys_invocation
                      where status = 'paused' group by 1 order by 2 desc"
    """
    from actors.query.sql.tables import describe
    from cli.run import read

    if tables:
        out(describe())
        return
    if statement is None:
        raise click.UsageError("pass either STATEMENT ('-' reads it from stdin) or --tables")
    select = sys.stdin.read() if statement == "-" else statement
    _PRINTERS[output](read(server, lambda client: client.query(select)))


def _table(result: QueryResult) -> None:
    out_table([safe(name) for name in result.columns], [[_cell(value) for value in row] for row in result.rows])


def _json(result: QueryResult) -> None:
    out_json([dict(zip(result.columns, row, strict=True)) for row in result.rows])


def _json_lines(result: QueryResult) -> None:
    for row in result.rows:
        out_json_line(dict(zip(result.columns, row, strict=True)))


def _csv(result: QueryResult) -> None:
    """Print CSV as in RFC 4180. On a terminal, control characters are escaped."""
    import csv
    import io

    text = io.StringIO()
    rows = csv.writer(text, lineterminator="\n")
    shown = safe if is_terminal() else str
    rows.writerow(map(shown, result.columns))
    rows.writerows([shown(_cell(value)) for value in row] for row in result.rows)
    sys.stdout.write(text.getvalue())  # click.echo would remove escape sequences from the data


def _cell(value: Value) -> str:
    return "" if value is None else str(value)


_PRINTERS = {"table": _table, "json": _json, "jsonl": _json_lines, "csv": _csv}
