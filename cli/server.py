"""Runs a server for an app on a data directory."""

from __future__ import annotations

import os
import threading
from contextlib import asynccontextmanager
from functools import partial
from typing import TYPE_CHECKING

import attrs
import click
import trio

from actors.core.gates import BACKLOG, GateState
from actors.http.server.access import Guard
from actors.http.server.app import Api
from actors.http.server.closing import Closing
from actors.http.server.connections import DEFAULT_LIMITS as SERVER_LIMITS
from actors.http.server.connections import ServerLimits
from actors.http.server.listener import serve
from actors.http.server.token_routes import settle
from actors.http.token_path import token_path
from actors.http.tokens import TokenBook, check_token, make_token
from actors.query.unserved import without_code
from actors.runtime import DRAIN_SECONDS, open_runtime
from actors.values.limits import DEFAULT_LIMITS, Limits
from cli.address import Address, write_address
from cli.allocator import give_back_large_blocks
from cli.apps import load_app
from cli.descriptors import allow_many_descriptors
from cli.exit_codes import Exit
from cli.garbage import collect_garbage_rarely
from cli.limits import parse_limits
from cli.logs import set_up_logs
from cli.render.output import err, when
from cli.stop import GracefulShutdown, leave_at_once, leave_soon
from journal.errors import BrokenInvariant, StoreFailed

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable
    from pathlib import Path

    from actors.control.local.client import LocalClient
    from actors.runtime import Runtime
    from journal.log.protocol import Journal

_LEAVING_SECONDS = 5.0
_LEAST_DRAIN_SECONDS = 0.5


def serve_app(
    app: str,
    data: Path,
    host: str,
    port: int,
    *,
    hosts: tuple[str, ...],
    is_open: bool,
    durability: str,
    retention: float,
    limits: tuple[str, ...],
    drain: float,
    is_paused: bool,
    is_verbose: bool,
) -> Exit:
    """Serve an app until a signal arrives."""
    runtime_limits, server_limits = parse_limits(limits)
    os.umask(0o077)
    set_up_logs(verbose=is_verbose)
    classes = load_app(app)
    collect_garbage_rarely()
    give_back_large_blocks()
    if durability != "fsync":
        err(f"durability {durability!r}: acknowledged work would not survive a power failure")
    names = frozenset(name.lower() for name in (host, *hosts))
    run = partial(run_server, classes, app, data, host, port, hosts=names, is_open=is_open)
    run = partial(run, limits=runtime_limits, server_limits=server_limits)
    return run_to_the_end(partial(run, durability=durability, retention=retention, is_paused=is_paused, drain=drain))


def run_to_the_end(run: Callable[[], Awaitable[Exit]]) -> Exit:
    """Run a server, and end the process even if user code has left threads."""
    allow_many_descriptors()
    try:
        return trio.run(run)
    finally:
        leave_soon()


async def run_server(
    classes: list[type],
    app: str,
    data: Path,
    host: str,
    port: int,
    *,
    hosts: frozenset[str],
    is_open: bool,
    durability: str,
    retention: float,
    is_paused: bool,
    limits: Limits = DEFAULT_LIMITS,
    server_limits: ServerLimits = SERVER_LIMITS,
    fail_fast: bool = False,
    drain: float = DRAIN_SECONDS,
    beside: Callable[[LocalClient], Awaitable[None]] | None = None,
) -> Exit:
    """Serve until a signal arrives, with ``beside`` running concurrently. Running requests and steps then have
    ``drain`` seconds to end."""
    listeners = await _listen(host, port)
    check_token(data)  # before anything runs
    with GracefulShutdown(drain) as stop:
        async with (
            trio.open_nursery() as watchers,
            open_runtime(
                *classes,
                path=data,
                code=app,
                durability=durability,
                retention=retention,
                paused=is_paused,
                limits=limits,
                fail_fast=fail_fast,
                drain=0,
            ) as runtime,
        ):
            if beside is not None:
                watchers.start_soon(beside, runtime.client)
            watchers.start_soon(_leave_if_store_fails, runtime.engine.journal)
            limits_of_http = _within(drain, server_limits)
            async with open_http(runtime, listeners, host, hosts, is_open=is_open, limits=limits_of_http) as (
                url,
                closing,
            ):
                names = ", ".join(sorted(cls.__name__ for cls in classes))
                err(f"serving {names} from {app} on {url}, data in {data}, durability {durability}")
                err("no token is required" if is_open else f"the token is in {token_path(data)}")
                err(f"the console is at {url}/ui/")
                await _report_held_work(runtime, is_paused=is_paused)
                await stop.asked()
                err("stopping: open invocations continue at the next start; a second signal stops at once")
                closing.begin.set()
            await runtime.engine.drain(max(stop.seconds_left, _LEAST_DRAIN_SECONDS))
            stop.closing()
            watchers.cancel_scope.cancel()
        if any(not step.is_thread for step in runtime.engine.left):
            leave_at_once(Exit.ABANDONED)  # trio would wait for a task that never ends
    return Exit.ABANDONED if runtime.engine.left else Exit.DONE


async def _listen(host: str, port: int) -> list[trio.SocketListener]:
    try:
        return await trio.open_tcp_listeners(port, host=host)
    except (OSError, UnicodeError) as error:
        raise click.ClickException(
            f"cannot listen on {host}:{port}: {getattr(error, 'strerror', None) or error}"
        ) from error


@asynccontextmanager
async def open_http(
    runtime: Runtime,
    listeners: list[trio.SocketListener],
    host: str,
    hosts: frozenset[str],
    *,
    is_open: bool = False,
    limits: ServerLimits = SERVER_LIMITS,
) -> AsyncIterator[tuple[str, Closing]]:
    """Serve a runtime over HTTP. Yields its URL and its shutdown. The block ends when the last request has ended.

    The data directory then has a token and the server's address. Audit entries that a dead process owed are written.
    """
    directory = runtime.directory
    if directory is None:
        raise BrokenInvariant("the server's runtime has no data directory")
    make_token(directory)
    tokens, closing = TokenBook(directory), Closing()
    await settle(tokens, runtime.client)
    api = Api(runtime.client, Guard(tokens=tokens, hosts=hosts, is_open=is_open), closing)
    async with trio.open_nursery() as nursery:
        await nursery.start(partial(serve, api, listeners, closing, limits=limits))
        bound = listeners[0].socket.getsockname()[1]
        url = f"http://{'[' + host + ']' if ':' in host else host}:{bound}"
        write_address(directory, Address(url, os.getpid()))
        yield url, closing


def _within(drain: float, limits: ServerLimits) -> ServerLimits:
    """Return the server's limits, reserving part of the drain time for steps."""
    return attrs.evolve(
        limits,
        grace_seconds=min(limits.grace_seconds, 0.7 * drain),
        last_call_seconds=min(limits.last_call_seconds, 0.15 * drain),
    )


async def _report_held_work(runtime: Runtime, *, is_paused: bool) -> None:
    """Print what will not run: classes without code, and work that a closed gate holds."""
    for unserved in runtime.unserved:
        err(without_code(unserved))
    if is_paused:
        err("everything is held: the gate 'everything' stays closed, also after a restart, until it is opened")
    for gate in await runtime.client.gates.list():
        if gate.scope == str(BACKLOG) and gate.state is GateState.CLOSED:
            err(
                f"work accepted before {when(gate.since)} is held ({gate.reason}); 'playhead gates open {gate.scope}' resumes it"
            )


async def _leave_if_store_fails(journal: Journal) -> None:
    """Limit how long the runtime takes to end: a step in a thread cannot be stopped and keeps the process alive."""
    try:
        await journal.failed()
    except StoreFailed:
        leaving = threading.Timer(_LEAVING_SECONDS, os._exit, [Exit.DISK_FAILED])
        leaving.daemon = True
        leaving.start()
