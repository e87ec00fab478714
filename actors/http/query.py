"""``POST /query``: one SELECT, and its answer."""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs
import msgspec

from actors.core.errors import InvalidArgumentError

if TYPE_CHECKING:
    from actors.client import Client
    from actors.sql.result import QueryResult

QUERY_BYTES = 1 << 20
"""How long the body of a query may be."""


@attrs.frozen(kw_only=True)
class QueryBody:
    """The statement, and what stands for ``?`` (an array) or for ``:name`` (an object)."""

    sql: str
    parameters: list[str | int | float | bool | None] | dict[str, str | int | float | bool | None] = attrs.field(
        factory=list
    )


async def answer_query(client: Client, body: bytes) -> QueryResult:
    """Ask what the body asks. Raises :class:`actors.InvalidArgumentError` if it asks nothing."""
    try:
        asked = msgspec.json.decode(body, type=QueryBody)
    except (msgspec.DecodeError, RecursionError) as error:
        raise InvalidArgumentError(f'the body: {error}; expected {{"sql": "select …", "parameters": […]}}') from error
    return await client.query(asked.sql, asked.parameters)
