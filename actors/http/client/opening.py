"""Opens a connection: from a URL or a data directory, with a token and the certificates to trust."""

from __future__ import annotations

import math
import os
from contextlib import asynccontextmanager
from functools import cache, partial
from typing import TYPE_CHECKING

import httpx2
import trio

from actors.errors import InvalidArgumentError
from actors.http.client.connection import Connection
from actors.http.client.liveness import ANSWER_SECONDS, Liveness
from actors.http.local_socket import socket_path
from actors.http.models import USER_HEADER
from actors.http.token_path import TOKEN_VARIABLE, URL_VARIABLE
from actors.values.arguments import MAX_WORDS, Seconds, checked_name, checked_seconds, checked_text, text_or_none
from actors.values.texts import shown

if TYPE_CHECKING:
    import ssl
    from collections.abc import AsyncIterator, Callable

DEFAULT_URL = "http://127.0.0.1:9070"

_SOCKET_URL = "http://localhost"
"""The base of requests over a Unix socket, whose address is a path."""

_CA_VARIABLES = ("SSL_CERT_FILE", "SSL_CERT_DIR")
"""The variables of OpenSSL that name the certificates to trust."""


@asynccontextmanager
async def open_connection(
    url: str | None = None,
    *,
    path: str | os.PathLike[str] | None = None,
    token: str | None = None,
    user: str | None = None,
    ca: str | os.PathLike[str] | None = None,
    answer_timeout: Seconds = ANSWER_SECONDS,
    remark: Callable[[str], None] | None = None,
) -> AsyncIterator[Connection]:
    """Open the connection of a client, with the parameters of :func:`actors.connect`. ``remark`` is called with a text when the server has
    not answered for a while."""
    liveness = Liveness(_answer_seconds(answer_timeout))
    if path is not None:
        if url is not None:
            raise InvalidArgumentError("url and path both name a server; pass only one", path="path")
        place = f"the socket of {os.fspath(path)}"
        advice = "Start the program that runs it; 'actors.open_directory' reads a directory that no process runs"
        with socket_path(path) as short:
            opened = partial(_client_of_socket, short, _headers(token, user))
            async with opened() as http, _watching(liveness, opened, place, remark):
                yield Connection(http, liveness, place=place, advice=advice)
        return
    base = text_or_none(url, "url") or os.environ.get(URL_VARIABLE) or DEFAULT_URL
    headers = _headers(token if token is not None else os.environ.get(TOKEN_VARIABLE) or None, user)
    address = _checked_url(base)
    trusted = _trusted(None if address.scheme == "http" else _trusted_file(ca))
    opened = partial(httpx2.AsyncClient, base_url=address, headers=headers, verify=trusted, trust_env=False)
    async with opened() as http, _watching(liveness, opened, str(address), remark):
        yield Connection(http, liveness)


def _client_of_socket(path: str, headers: dict[str, str]) -> httpx2.AsyncClient:
    transport = httpx2.AsyncHTTPTransport(uds=path, trust_env=False)
    return httpx2.AsyncClient(base_url=_SOCKET_URL, headers=headers, transport=transport)


@asynccontextmanager
async def _watching(
    liveness: Liveness, opened: Callable[[], httpx2.AsyncClient], place: str, remark: Callable[[str], None] | None
) -> AsyncIterator[None]:
    """Watch whether the server answers, for the block. An error of the block is raised as it is, and not as one of a group."""
    raised: BaseException | None = None
    async with trio.open_nursery() as nursery:
        nursery.start_soon(liveness.watch, opened)
        if remark is not None:
            nursery.start_soon(liveness.remark_silence, partial(remark, f"waiting for {place} to answer"))
        try:
            yield
        except BaseException as error:
            raised = error
        nursery.cancel_scope.cancel()
    if raised is not None:
        raise raised


def _answer_seconds(value: Seconds) -> float:
    seconds = checked_seconds(value, "answer_timeout")
    if seconds == 0 or math.isinf(seconds):
        raise InvalidArgumentError(f"answer_timeout is {seconds:g}, expected seconds above 0", path="answer_timeout")
    return seconds


# TLS.


def _trusted_file(ca: str | os.PathLike[str] | None) -> tuple[str | None, str | None]:
    """Return the file and the directory with the certificates to trust; both None for those that certifi has."""
    if ca is not None:
        return checked_text(os.fspath(ca) if isinstance(ca, os.PathLike) else ca, "ca"), None
    file, directory = (os.environ.get(name) or None for name in _CA_VARIABLES)
    return file, directory


@cache
def _trusted(place: tuple[str | None, str | None] | None) -> ssl.SSLContext:
    """Return the certificates that a connection trusts; None for a connection without TLS. Reading them takes longer than a call.

    Raises :class:`actors.InvalidArgumentError` if they cannot be read.
    """
    import ssl  # a connection over a socket does not need it

    if place is None:
        return ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    file, directory = place
    if file is None and directory is None:
        return httpx2.create_ssl_context(trust_env=False)
    try:
        return ssl.create_default_context(cafile=file, capath=directory)
    except (OSError, ssl.SSLError) as error:
        raise InvalidArgumentError(
            f"ca is {file or directory!r}, which cannot be read as certificates: {error}. Expected a file in the format PEM",
            path="ca",
        ) from error


# Addresses and headers.


def _headers(token: str | None, user: str | None) -> dict[str, str]:
    headers = {} if token is None else {"authorization": f"Bearer {_in_a_header(token, 'token')}"}
    if user is not None and checked_text(user, "user").isascii():  # a header can carry only ASCII
        headers[USER_HEADER] = user
    return headers


def _in_a_header(text: str, name: str) -> str:
    if not checked_name(text, name, MAX_WORDS).isascii() or not text.isprintable():
        raise InvalidArgumentError(
            f"{name} has characters that a header cannot carry; expected printable ASCII", path=name
        )
    return text


def _checked_url(text: str) -> httpx2.URL:
    try:
        return httpx2.URL(checked_text(text, "url"))
    except (httpx2.InvalidURL, UnicodeError) as error:
        raise InvalidArgumentError(f"url is {shown(text)}, which is not a URL: {error}", path="url") from error
