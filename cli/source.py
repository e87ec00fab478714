"""Where a command finds its runtime: a server that runs, or a data directory at rest.

``--url`` names a server. Otherwise the data directory tells: while a process holds it, its file ADDRESS says where that
listens; when none does, it is read as it lies there.
"""

from __future__ import annotations

import functools
import getpass
import os
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import attrs
import click
import trio

from actors.auditing import ChainCheck, check_of, list_audit
from actors.core.errors import UnavailableError
from actors.core.limits import DEFAULT_LIMITS
from actors.engine.world import World
from actors.http.client import TOKEN_VARIABLE, connect
from actors.http.connection import URL_VARIABLE
from actors.http.tokens import token_path
from actors.inspection import InvocationInfo, JournalEntry, entries_of, info_of
from actors.listing import Listing, list_invocations, row_of_id
from actors.sql.live import Asked, Queries
from cli.address import read_address
from journal.datadir import DataDirectory
from journal.ids import InvocationId, stream_of_invocation
from journal.opening import open_for_reading
from journal.streams import read_events, read_head

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from actors.auditing import AuditCheck, AuditPage, AuditQuery
    from actors.client import Client
    from actors.sql.result import QueryResult
    from journal.reading import RocksReader
    from journal.rows import StoreIdentity

DEFAULT_DATA = Path("playhead-data")


@attrs.frozen(kw_only=True)
class Where:
    """What the options say."""

    url: str | None = None
    token: str | None = None
    data: Path = DEFAULT_DATA


@asynccontextmanager
async def live(where: Where) -> AsyncIterator[Client]:
    """A client of a running server. Raises :class:`actors.UnavailableError` if there is none."""
    url, token = where.url or os.environ.get(URL_VARIABLE), where.token or os.environ.get(TOKEN_VARIABLE)
    if url is None:
        url = _url_of(where.data)
    if token is None and token_path(where.data).exists():
        token = token_path(where.data).read_text().strip()
    async with connect(url, token=token, user=_user()) as client:
        yield client


def _url_of(data: Path) -> str:
    """Where the process that holds the directory listens. Raises :class:`actors.UnavailableError`."""
    directory = DataDirectory(data)
    if not directory.is_held():
        raise UnavailableError(
            f"nothing serves {data}. Start it with 'playhead serve APP --data {data}', "
            f"or name a server with --url or {URL_VARIABLE}"
        )
    address, holder = read_address(data), directory.holder_pid()
    if address is None or address.pid != holder:  # what is written there is of a server before
        raise UnavailableError(
            f"process {holder} holds {data} and takes no calls: it is starting, and then ask again, "
            "or it runs its objects for itself, and 'playhead serve' can have the directory once it has ended"
        )
    return address.url


def _user() -> str | None:
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return None


class AtRest:
    """What can be read of a data directory that nobody runs."""

    def __init__(self, reader: RocksReader, identity: StoreIdentity) -> None:
        self.partitions = identity.partitions
        self.reader = reader
        self._queries = Queries(World(), DEFAULT_LIMITS)
        self._asked = Asked(view=self._view, partitions=self.partitions)

    @asynccontextmanager
    async def _view(self) -> AsyncIterator[RocksReader]:
        await trio.lowlevel.checkpoint()
        yield self.reader  # it does not change

    def row(self, key: bytes) -> bytes | None:
        return self.reader.get(key)

    def rows(self, start: bytes, stop: bytes, *, limit: int, reverse: bool = False) -> list[tuple[bytes, bytes]]:
        return self.reader.scan(start, stop, limit=limit, reverse=reverse)

    async def find(self, listing: Listing) -> list[InvocationInfo]:
        """As of when it stopped."""
        if listing.where is not None:
            rows = await self._queries.newest(self._asked, listing, listing.where)
        else:
            await trio.lowlevel.checkpoint()
            rows = list_invocations(self, listing)
        return [info_of(row, None) for row in rows]

    async def query(self, sql: str) -> QueryResult:
        """As of when it stopped."""
        return await self._queries.query(self._asked, sql, ())

    async def audit(self, query: AuditQuery) -> AuditPage:
        """Who steered what, until it stopped."""
        await trio.lowlevel.checkpoint()
        return list_audit(self, query)

    async def verify_audit(self) -> AuditCheck:
        """Whether the audit is whole."""
        chains = [ChainCheck(partition) for partition in range(self.partitions)]
        for chain in chains:
            while not chain.is_done:
                chain.go_on(self)
        await trio.lowlevel.checkpoint()
        return check_of(chains)

    async def info(self, of: InvocationId) -> InvocationInfo:
        """As of when it stopped."""
        await trio.lowlevel.checkpoint()
        return info_of(row_of_id(self, of), None)

    async def events(self, of: InvocationId) -> list[JournalEntry]:
        """Its history."""
        await trio.lowlevel.checkpoint()
        row = row_of_id(self, of)
        stream = stream_of_invocation(of)
        partition = stream % self.partitions
        last = read_head(self.reader, partition, stream).last
        return entries_of(of, read_events(self.reader, partition, stream, row.spans[0][0], last))


class Live:
    """The same, of a running server."""

    def __init__(self, client: Client) -> None:
        self._client = client

    async def find(self, listing: Listing) -> list[InvocationInfo]:
        """As of now."""
        return await self._client.invocations(
            status=listing.status,
            service=listing.service,
            key=listing.key,
            handler=listing.handler,
            limit=listing.limit,
            where=listing.where,
            system=listing.system,
        )

    async def query(self, sql: str) -> QueryResult:
        """As of now."""
        return await self._client.query(sql)

    async def audit(self, query: AuditQuery) -> AuditPage:
        """Who steered what, up to now."""
        return await self._client.audit(
            by=query.by, verb=query.verb, target=query.target, limit=query.limit, after=query.after
        )

    async def verify_audit(self) -> AuditCheck:
        """Whether the audit is whole."""
        return await self._client.verify_audit()

    async def info(self, of: InvocationId) -> InvocationInfo:
        """As of now."""
        return await self._client.invocation(of).info()

    async def events(self, of: InvocationId) -> list[JournalEntry]:
        """Its history so far."""
        return [entry async for entry in self._client.invocation(of).events()]


@asynccontextmanager
async def readable(where: Where) -> AsyncIterator[Live | AtRest]:
    """Something to read: the running server if there is one, else the directory as it lies there."""
    named = where.url or os.environ.get(URL_VARIABLE)
    if named is None and not DataDirectory(where.data).is_held():
        reader, identity = open_for_reading(where.data)
        try:
            yield AtRest(reader, identity)
        finally:
            reader.close()
        return
    async with live(where) as client:
        yield Live(client)


def options(command: Callable[..., Any]) -> Callable[..., Any]:
    """The options that say where; the command gets them as ``where``."""

    @functools.wraps(command)
    def with_where(*args: Any, url: str | None, token: str | None, data: Path, **kwargs: Any) -> Any:
        return command(*args, where=Where(url=url, token=token, data=data), **kwargs)

    with_data = click.option(
        "--data",
        type=click.Path(path_type=Path, file_okay=False),
        default=DEFAULT_DATA,
        envvar="PLAYHEAD_DATA",
        show_default=True,
        help="The data directory.",
    )(with_where)
    with_token = click.option(
        "--token", default=None, help=f"The server's token [default: {TOKEN_VARIABLE}, or DATA/token]."
    )(with_data)
    return click.option("--url", default=None, help=f"A server [default: {URL_VARIABLE}, or the one that holds DATA].")(
        with_token
    )
