"""Finds the runtime of a command: a running server, or a data directory that no process serves.

``--url`` or a context (``playhead context``) names a server. Otherwise the data directory decides: if a process holds it, the
Unix socket in it leads there, and so does the file ADDRESS, on a file system without sockets; if none does, the directory itself
is read.
"""

from __future__ import annotations

import getpass
import os
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import attrs
import click

from actors.errors import UnavailableError
from actors.errors.names import plain_text
from actors.http.address import read_address
from actors.http.local_socket import answers
from actors.http.token_path import TOKEN_VARIABLE, URL_VARIABLE, token_path
from actors.values.arguments import MAX_NAME
from cli.constants import ANSWER_SECONDS, DEFAULT_DATA
from cli.contexts import context_in_use
from cli.render.output import err
from journal.kv.data_directory import DataDirectory

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from actors.control.client import Client
    from actors.http.client.connection import Connection


@attrs.frozen(kw_only=True)
class ServerOptions:
    """The options of a command line that choose a server."""

    url: str | None = None
    token: str | None = None
    data: Path = DEFAULT_DATA
    ca: Path | None = None


@asynccontextmanager
async def live(server: ServerOptions) -> AsyncIterator[Client]:
    """Connect to a running server. Raises :class:`actors.UnavailableError` if there is none."""
    from actors.control.client import Client
    from actors.http.client.backend import HttpBackend

    async with connected(server) as connection:
        yield Client(HttpBackend(connection))


@asynccontextmanager
async def connected(server: ServerOptions) -> AsyncIterator[Connection]:
    """Open a connection to a running server, for requests that need a server. Raises as :func:`live` does."""
    from actors.http.client.opening import open_connection

    opened = partial(open_connection, user=user(), answer_timeout=_answer_timeout(), remark=err)
    if server.url is None and _has_socket(server.data):
        opening = opened(path=server.data, token=server.token)
    else:
        url, token = server.url, server.token or os.environ.get(TOKEN_VARIABLE) or None
        if url is None:
            url = _url_of(server.data)
        if token is None:
            token = _own_token(server.data, url)
        opening = opened(url, token=token, ca=server.ca)
    async with opening as connection:
        yield connection


def _answer_timeout() -> float:
    """Return the seconds that ``playhead --timeout`` allows for an answer."""
    context = click.get_current_context(silent=True)
    given = None if context is None else context.find_root().params.get("timeout")
    return ANSWER_SECONDS if given is None else given


def _has_socket(data: Path) -> bool:
    """Report whether the process that holds the directory accepts connections to its socket."""
    return DataDirectory(data).is_held() and answers(data)


def _own_token(data: Path, url: str) -> str | None:
    """Return the token of the directory's own server, or None for any other server, which must not see it."""
    address, path = read_address(data), token_path(data)
    if address is None or address.url != url.rstrip("/") or not path.exists():
        return None
    return path.read_text().strip()


def user() -> str | None:
    """Return the name of the person at the command line."""
    try:
        return plain_text(getpass.getuser(), MAX_NAME)
    except (KeyError, OSError):  # an account without a name
        return None


def _url_of(data: Path) -> str:
    """Return the address of the server that holds the directory. Raises :class:`actors.UnavailableError`."""
    directory = DataDirectory(data)
    if not directory.is_held():
        raise UnavailableError(
            f"no process runs on {data}. Start a server with 'playhead serve APP --data {data}', "
            f"or name a server with --url or {URL_VARIABLE}"
        )
    address, holder = read_address(data), directory.holder_pid()
    if address is None or address.pid != holder:  # the file has the address of an earlier server
        raise UnavailableError(
            f"process {holder} holds {data} and accepts no calls. If it is starting or stopping, try again; else it runs without a "
            "socket (its log says why), and 'playhead serve' can use the directory once it has ended"
        )
    return address.url


@asynccontextmanager
async def readable(server: ServerOptions) -> AsyncIterator[Client]:
    """Open a client for reading: of the running server if there is one, else of the data directory."""
    if server.url is None and not DataDirectory(server.data).is_held():
        from actors.control.offline.directory import open_directory

        async with open_directory(server.data) as client:
            yield client
        return
    async with live(server) as client:
        yield client


def resolve_server(
    *, url: str | None, token: str | None, data: Path | None, context: str | None, ca: Path | None
) -> ServerOptions:
    """Choose the server from options, environment and contexts. Explicit options win; a context counts only if nothing
    names a server or a directory.
    """
    if context is not None and url is not None:
        raise click.UsageError("--url and --context both name a server; pass only one")
    if url is None and data is None and context is None:
        url = os.environ.get(URL_VARIABLE)
    named = context_in_use(context) if url is None and (context is not None or data is None) else None
    if named is not None:
        trusted = ca or (None if named.ca is None else Path(named.ca))
        return ServerOptions(url=named.url, token=token or named.token, data=data or DEFAULT_DATA, ca=trusted)
    return ServerOptions(url=url, token=token, data=data or DEFAULT_DATA, ca=ca)
