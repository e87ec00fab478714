"""Where a command finds its runtime: a server that runs, or a data directory at rest.

``--url`` names a server, or a context does (``playhead context``). Otherwise the data directory tells: while a process holds it, its file ADDRESS says where that
listens; when none does, it is read as it lies there.
"""

from __future__ import annotations

import getpass
import os
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, TypeVar

import attrs
import click

from actors.errors import UnavailableError, plain_text
from actors.http.token_path import TOKEN_VARIABLE, URL_VARIABLE, token_path
from actors.values.arguments import MAX_NAME
from cli.address import read_address
from cli.constants import DEFAULT_DATA
from cli.contexts import context_in_use
from journal.kv.data_directory import DataDirectory

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from actors.control.client import Client
    from actors.http.client.connection import Connection
    from actors.model.deployment_info import DeploymentInfo
    from actors.model.history import JournalEntry
    from actors.model.info import GateInfo, InvocationInfo, ServiceInfo
    from actors.model.job_info import JobInfo, JobItem
    from actors.model.listing import Listing
    from actors.model.object_info import FieldChange, ItemInfo, ObjectInfo, ObjectName
    from actors.query.audit import AuditCheck, AuditPage, AuditQuery
    from actors.query.sql.result import QueryResult
    from cli.at_rest import AtRest
    from journal.ids import InvocationId


T = TypeVar("T")


@attrs.frozen(kw_only=True)
class ServerOptions:
    """What the options say."""

    url: str | None = None
    token: str | None = None
    data: Path = DEFAULT_DATA


@asynccontextmanager
async def live(server: ServerOptions) -> AsyncIterator[Client]:
    """A client of a running server. Raises :class:`actors.UnavailableError` if there is none."""
    from actors.control.client import Client
    from actors.http.client.backend import HttpBackend

    async with connected(server) as connection:
        yield Client(HttpBackend(connection))


@asynccontextmanager
async def connected(server: ServerOptions) -> AsyncIterator[Connection]:
    """The same, for what only a server can be asked."""
    from actors.http.client.backend import open_connection

    url, token = server.url, server.token or os.environ.get(TOKEN_VARIABLE) or None
    if url is None:
        url = _url_of(server.data)
    if token is None:
        token = _own_token(server.data, url)
    async with open_connection(url, token=token, user=user()) as connection:
        yield connection


def _own_token(data: Path, url: str) -> str | None:
    """The token of the directory's own server. Others must not see it."""
    address, path = read_address(data), token_path(data)
    if address is None or address.url != url.rstrip("/") or not path.exists():
        return None
    return path.read_text().strip()


def user() -> str | None:
    """What the person at the command line is called here."""
    try:
        return plain_text(getpass.getuser(), MAX_NAME)
    except (KeyError, OSError):  # an account without a name
        return None


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

    async def objects(self, service: str | None, after: str, limit: int) -> list[ObjectName]:
        """Keyed objects, as of now."""
        return await self._client.objects(service, after=after, limit=limit)

    async def object_info(self, service: str, key: str, at: int | None) -> ObjectInfo:
        """One of them."""
        return await self._client.object(service, key).info(at=at)

    async def object_items(
        self, service: str, key: str, field: str, at: int | None, start: str, limit: int
    ) -> list[ItemInfo]:
        """Items of a log or a map."""
        return await self._client.object(service, key).items(field, at=at, start=start, limit=limit)

    async def field_history(
        self, service: str, key: str, field: str, *, after: int, before: int | None, newest_first: bool, limit: int
    ) -> list[FieldChange]:
        """What a field has been."""
        return await self._client.object(service, key).history(
            field, after=after, before=before, newest_first=newest_first, limit=limit
        )

    async def gates(self) -> tuple[GateInfo, ...]:
        """Those that are closed, and the exceptions to them."""
        return await self._client.gates.list()

    async def deployments(self) -> tuple[DeploymentInfo, ...]:
        """All that are registered, the newest first."""
        return await self._client.deployments.list()

    async def deployment(self, deployment: str) -> DeploymentInfo:
        """One of them."""
        return await self._client.deployments.get(deployment)

    async def served(self) -> tuple[ServiceInfo, ...]:
        """What is served, built-in classes included."""
        return await self._client.services(system=True)

    async def services(self, *, system: bool) -> tuple[ServiceInfo, ...]:
        """What is served."""
        return await self._client.services(system=system)

    async def jobs(self, limit: int) -> tuple[JobInfo, ...]:
        """The newest."""
        return await self._client.jobs.list(limit=limit)

    async def job(self, job: str) -> JobInfo:
        """How it stands."""
        return await self._client.jobs.job(job).info()

    async def job_items(self, job: str) -> list[JobItem]:
        """What became of each invocation that it has dealt with."""
        return [item async for item in self._client.jobs.job(job).items()]

    async def info(self, of: InvocationId) -> InvocationInfo:
        """As of now."""
        return await self._client.invocation(of).info()

    async def events(self, of: InvocationId) -> list[JournalEntry]:
        """Its history so far."""
        return [entry async for entry in self._client.invocation(of).events()]


@asynccontextmanager
async def readable(server: ServerOptions) -> AsyncIterator[Live | AtRest]:
    """Something to read: the running server if there is one, else the directory as it lies there."""
    if server.url is None and not DataDirectory(server.data).is_held():
        from cli.at_rest import AtRest
        from journal.log.open import open_for_reading

        reader, identity = open_for_reading(server.data)
        try:
            yield AtRest(reader, identity)
        finally:
            reader.close()
        return
    async with live(server) as client:
        yield Live(client)


def resolve_server(*, url: str | None, token: str | None, data: Path | None, context: str | None) -> ServerOptions:
    """What was said comes first; a context only where nothing names a server or a directory."""
    if context is not None and url is not None:
        raise click.UsageError("--url and --context both name a server; leave one of them out")
    if url is None and data is None and context is None:
        url = os.environ.get(URL_VARIABLE)
    named = context_in_use(context) if url is None and (context is not None or data is None) else None
    if named is not None:
        return ServerOptions(url=named.url, token=token or named.token, data=data or DEFAULT_DATA)
    return ServerOptions(url=url, token=token, data=data or DEFAULT_DATA)
