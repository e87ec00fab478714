"""``POST /query``: one SELECT and its answer; and the list of tables."""

from __future__ import annotations

import attrs

from actors.http.routes import Route, TokenScope
from actors.http.server.request_context import Exchange
from actors.query.sql.result import QueryResult, TableInfo
from actors.query.sql.tables import listed

QUERY_BYTES = 1 << 20
"""The largest body of a query, in bytes."""


@attrs.frozen(kw_only=True)
class QueryBody:
    """An SQL statement, and the values for ``?`` (an array) or ``:name`` (an object)."""

    sql: str
    parameters: list[str | int | float | bool | None] | dict[str, str | int | float | bool | None] = attrs.field(
        factory=list
    )


@attrs.frozen(kw_only=True)
class TableList:
    """The tables that a query can name."""

    tables: list[TableInfo]


async def list_tables(_: Exchange) -> TableList:
    """List the tables that a query can name, with their columns."""
    return TableList(tables=listed())


async def query(exchange: Exchange, body: QueryBody) -> QueryResult:
    """Answer one SELECT over the tables of the runtime, as of one moment."""
    return await exchange.wait(exchange.client.query(body.sql, body.parameters))


ROUTES = (
    Route("POST", "/query", TokenScope.READ, query, body_bytes=QUERY_BYTES),
    Route("GET", "/query/tables", TokenScope.READ, list_tables),
)
