"""The API in front of one runtime: its tokens and its guard, served by its own listeners or by an ASGI application."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from actors.errors import ConflictError, ErrorCode
from actors.http.own_token import make_token
from actors.http.server.access import Guard
from actors.http.server.app import Api
from actors.http.server.listener import serve
from actors.http.server.runtime_app import RuntimeApp
from actors.http.server.shared_tokens import SharedTokens
from actors.http.server.token_routes import settle
from actors.http.tokens import TokenBook

if TYPE_CHECKING:
    import trio

    from actors.control.local.client import LocalClient
    from actors.http.closing import Closing
    from actors.http.portal import Portal
    from actors.http.server.shared_tokens import Tokens
    from actors.http.server_options import ServeOptions, ServerLimits
    from journal.kv.data_directory import HeldDirectory


def make_app(
    client: LocalClient,
    directory: HeldDirectory | None,
    closing: Closing,
    portal: Portal,
    *,
    hosts: frozenset[str],
    is_open: bool,
) -> RuntimeApp:
    """Return a runtime as an ASGI application. Raises as :func:`require_tokens` does."""
    require_tokens(directory, is_open=is_open)
    tokens = _tokens_of(client, directory)
    api = Api(client, Guard(tokens=tokens, hosts=hosts, is_open=is_open), closing)
    return RuntimeApp(api, client, tokens, closing, portal, is_open=is_open)


def require_tokens(directory: HeldDirectory | None, *, is_open: bool) -> None:
    """Make the directory's own token if it has none. Raises :class:`actors.ConflictError` if tokens are required and there is no
    directory to store them."""
    if directory is not None:
        make_token(directory)
    elif not is_open:
        raise ConflictError(
            "a server keeps its tokens in the data directory, and this runtime has none: give open_runtime() a path=, or require "
            "no token (open=True), on loopback only",
            code=ErrorCode.NOT_POSSIBLE,
        )


def _tokens_of(client: LocalClient, directory: HeldDirectory | None) -> Tokens | None:
    if directory is None:
        return None
    return SharedTokens(directory, client) if client.node else TokenBook(directory)


async def serve_runtime(
    client: LocalClient,
    directory: HeldDirectory | None,
    listeners: list[trio.SocketListener],
    closing: Closing,
    *,
    options: ServeOptions | None,
    hosts: frozenset[str],
    limits: ServerLimits,
    task_status: trio.TaskStatus[None],
) -> None:
    """Serve a runtime on listeners until ``closing`` begins, as :func:`actors.http.server.listener.serve` does. The audit entries
    that an earlier process left unwritten are written first. ``hosts`` are further names that clients may use."""
    tokens = _tokens_of(client, directory)
    if isinstance(tokens, TokenBook):
        await settle(tokens, client)
    names, is_open = (hosts, False) if options is None else (hosts | options.names, options.open)
    api = Api(client, Guard(tokens=tokens, hosts=names, is_open=is_open), closing)
    await partial(serve, api, listeners, closing, limits=limits)(task_status=task_status)
