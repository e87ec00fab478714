"""The API in front of one runtime: its tokens, its guard and its listeners."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from actors.errors import ConflictError, ErrorCode
from actors.http.server.access import Guard
from actors.http.server.app import Api
from actors.http.server.listener import serve
from actors.http.server.token_routes import settle
from actors.http.tokens import TokenBook, make_token

if TYPE_CHECKING:
    import trio

    from actors.control.local.client import LocalClient
    from actors.http.closing import Closing
    from actors.http.server_options import ServeOptions, ServerLimits
    from journal.kv.data_directory import HeldDirectory


async def open_api(
    client: LocalClient,
    directory: HeldDirectory | None,
    closing: Closing,
    *,
    hosts: frozenset[str] = frozenset(),
    is_open: bool = False,
) -> Api:
    """Return the API of a runtime. Audit entries that a dead process owed are written."""
    tokens = None if directory is None else TokenBook(directory)
    if tokens is not None:
        await settle(tokens, client)
    return Api(client, Guard(tokens=tokens, hosts=hosts, is_open=is_open), closing)


def require_tokens(directory: HeldDirectory | None, *, is_open: bool) -> None:
    """Make the directory's own token if it has none. Raises :class:`actors.ConflictError` if there is no directory to keep
    tokens in, unless none is required."""
    if directory is not None:
        make_token(directory)
    elif not is_open:
        raise ConflictError(
            "a server keeps its tokens in the data directory, and this runtime has none: give open_runtime() a path=, or require "
            "no token (open=True), on loopback only",
            code=ErrorCode.NOT_POSSIBLE,
        )


async def serve_runtime(
    client: LocalClient,
    directory: HeldDirectory | None,
    listeners: list[trio.SocketListener],
    closing: Closing,
    *,
    options: ServeOptions | None,
    limits: ServerLimits,
    task_status: trio.TaskStatus[None],
) -> None:
    """Serve a runtime on listeners until ``closing`` begins, as :func:`actors.http.server.listener.serve` does."""
    if options is None:
        api = await open_api(client, directory, closing)
    else:
        api = await open_api(client, directory, closing, hosts=options.names, is_open=options.open)
    await partial(serve, api, listeners, closing, limits=limits)(task_status=task_status)
