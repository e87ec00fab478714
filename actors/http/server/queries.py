"""``POST /query``: one SELECT, and its answer; and which tables it may name."""

from __future__ import annotations

import attrs

from actors.http.routes import Route, TokenScope
from actors.http.server.request_context import Exchange
from actors.query.sql.result import QueryResult, TableInfo
from actors.query.sql.tables import listed

QUERY_BYTES = 1 << 20
"""How long the body of a query may be."""


@attrs.frozen(kw_only=True)
class QueryBody:
    """The statement, and what stands for ``?`` (an array) or for ``:name`` (an object)."""

    sql: str
    parameters: list[str | int | float | bool | None] | dict[str, str | int | float | bool | None] = attrs.field(
        factory=list
    )


@attrs.frozen(kw_only=True)
class TableList:
    """The tables that a query may name."""

    tables: list[TableInfo]


async def list_tables(_: Exchange) -> TableList:
    """The tables that a query may name, and what their columns hold."""
    return TableList(tables=listed())


async def query(exchange: Exchange, body: QueryBody) -> QueryResult:
    """The answer to one SELECT over the tables of the runtime, as of one moment."""
    return await exchange.wait(exchange.client.query(body.sql, body.parameters))


ROUTES = (
    Route("POST", "/query", TokenScope.READ, query, body_bytes=QUERY_BYTES),
    Route("GET", "/query/tables", TokenScope.READ, list_tables),
)
