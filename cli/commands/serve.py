"""``playhead serve``: run an app on a data directory and take calls over HTTP."""

from __future__ import annotations

import gc
import os
import signal
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path

import click
import trio

from actors.http.app import Api
from actors.http.finding import token_path
from actors.http.guard import Guard
from actors.http.server import Closing, serve
from actors.http.tokens import TokenBook, make_token
from actors.local import LocalClient
from actors.runtime import RETENTION_SECONDS, open_runtime
from cli.address import Address, write_address
from cli.loading import load_app
from cli.logs import set_up_logs
from cli.output import remark
from cli.source import DEFAULT_DATA

LOOPBACK = ("127.0.0.1", "localhost", "::1")


def where_served(command: Callable[..., None]) -> Callable[..., None]:
    """What is served, on which data directory, and where it listens."""
    for option in reversed(
        (
            click.argument("app"),
            click.option(
                "--data",
                type=click.Path(path_type=Path, file_okay=False),
                default=DEFAULT_DATA,
                envvar="PLAYHEAD_DATA",
                show_default=True,
                help="Where everything is kept; made if it is not there.",
            ),
            click.option("--host", default="127.0.0.1", show_default=True),
            click.option(
                "--port", default=9070, show_default=True, type=click.IntRange(0, 65535), help="0: any that is free."
            ),
        )
    ):
        command = option(command)
    return command


@click.command()
@where_served
@click.option("--open", "is_open", is_flag=True, help="Needs no token; on loopback only.")
@click.option("--allow-host", "hosts", multiple=True, help="A further name that clients may call it by; several times.")
@click.option("--insecure-network", "is_insecure", is_flag=True, help="Listen beyond loopback, without TLS.")
@click.option(
    "--durability",
    type=click.Choice(["fsync", "os"]),
    default="fsync",
    show_default=True,
    help="What an acknowledgement survives: a power cut, or the death of the process.",
)
@click.option("--retention", default=RETENTION_SECONDS, show_default=True, help="Seconds that results are kept.")
@click.option("--paused", is_flag=True, help="Hold everything: work is accepted and waits until the gate is opened.")
@click.option("-v", "--verbose", is_flag=True, help="Log every decision.")
def command(
    app: str,
    data: Path,
    host: str,
    port: int,
    is_open: bool,
    hosts: tuple[str, ...],
    is_insecure: bool,
    durability: str,
    retention: float,
    paused: bool,
    verbose: bool,
) -> None:
    """Run APP (file.py or package.module) on a data directory, and take calls over HTTP.

    What was under way when the directory was last in use goes on. SIGTERM or Ctrl-C stops it; a second one at once.
    """
    if host not in LOOPBACK and is_open:
        raise click.UsageError(f"--open needs no token, so it listens on loopback only, not on {host}")
    if host not in LOOPBACK and not is_insecure:
        raise click.UsageError(
            f"there is no TLS here, so on {host} whoever is on the way could read tokens and data. Listen on loopback and put "
            f"a proxy with TLS in front (with --allow-host NAME for its name), or tunnel (ssh -L {port}:127.0.0.1:{port}); "
            "where the network itself is trusted, say --insecure-network"
        )
    os.umask(0o077)
    set_up_logs(verbose=verbose)
    classes = load_app(app)
    collect_garbage_rarely()
    if durability != "fsync":
        remark(f"durability {durability!r}: what is acknowledged now would not survive a power cut")
    names = frozenset(name.lower() for name in (host, *hosts))
    run = partial(run_server, classes, app, data, host, port, hosts=names, is_open=is_open)
    trio.run(partial(run, durability=durability, retention=retention, paused=paused))


def collect_garbage_rarely() -> None:
    """Objects in memory are many and live long, so looking through all of them often is in vain. Python's default looks through
    the youngest 700; about a fifth less processor time a call was measured with nine thousand objects in memory."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(10_000, 20, 100)


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
    paused: bool,
    beside: Callable[[LocalClient], Awaitable[None]] | None = None,
) -> None:
    """Serve until a signal comes; ``beside`` runs as long."""
    try:
        listeners = await trio.open_tcp_listeners(port, host=host)
    except OSError as error:
        raise click.ClickException(f"cannot listen on {host}:{port}: {error.strerror or error}") from error
    async with (
        trio.open_nursery() as watchers,
        open_runtime(
            *classes, path=data, code=app, durability=durability, retention=retention, paused=paused
        ) as runtime,
    ):
        if beside is not None:
            watchers.start_soon(beside, runtime.client)
        make_token(data)
        closing = Closing()
        asgi = Api(runtime.client, Guard(tokens=None if is_open else TokenBook(data), hosts=hosts), closing)
        async with trio.open_nursery() as nursery:
            await nursery.start(serve, asgi, listeners, closing)
            bound = listeners[0].socket.getsockname()[1]
            url = f"http://{'[' + host + ']' if ':' in host else host}:{bound}"
            write_address(data, Address(url, os.getpid()))
            names = ", ".join(sorted(cls.__name__ for cls in classes))
            remark(f"serving {names} from {app} on {url}, data in {data}, durability {durability}")
            remark("no token is needed" if is_open else f"the token lies in {token_path(data)}")
            if paused:
                remark(
                    "everything is held: the gate 'everything' is closed, also at the next start, until it is opened"
                )
            await _wait_for_signal()
            remark("stopping: what is under way goes on at the next start; once more stops at once")
            watchers.start_soon(_leave_at_next_signal)
            closing.begin.set()
        watchers.cancel_scope.cancel()


async def _wait_for_signal() -> None:
    with trio.open_signal_receiver(signal.SIGTERM, signal.SIGINT) as signals:
        async for _ in signals:
            return


async def _leave_at_next_signal() -> None:
    await _wait_for_signal()
    os._exit(1)
