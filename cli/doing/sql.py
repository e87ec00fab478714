"""Answers to SQL, as they are shown."""

from __future__ import annotations

import csv
import io
import sys
from typing import TYPE_CHECKING

import trio

from actors.query.sql.tables import describe
from cli.output import emit, emit_json, emit_json_line, emit_table, is_terminal, safe
from cli.source import readable

if TYPE_CHECKING:
    from actors.query.sql.result import QueryResult, Value
    from cli.source import Where


def show_tables() -> None:
    """The tables and their columns."""
    emit(describe())


def ask(statement: str, where: Where, output: str) -> None:
    """Print what a SELECT answers."""

    async def run() -> QueryResult:
        async with readable(where) as source:
            return await source.query(statement)

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
