"""Runs a server for an app on a data directory."""

from __future__ import annotations

import os
import threading
from functools import partial
from typing import TYPE_CHECKING

import trio

from actors.core.gates import BACKLOG, GateState
from actors.http.token_path import token_path
from actors.query.unserved import without_code
from actors.runtime import DRAIN_SECONDS, open_runtime
from actors.values.limits import DEFAULT_LIMITS, Limits
from cli.allocator import give_back_large_blocks
from cli.apps import load_app
from cli.descriptors import allow_many_descriptors
from cli.exit_codes import Exit
from cli.garbage import collect_garbage_rarely
from cli.logs import set_up_logs
from cli.render.output import err, when
from cli.stop import GracefulShutdown, leave_at_once, leave_soon
from journal.errors import StoreFailed

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from pathlib import Path

    from actors.cluster.options import ClusterOptions
    from actors.control.local.client import LocalClient
    from actors.http.server_options import ServeOptions
    from actors.runtime import Runtime
    from journal.log.protocol import Journal

_LEAVING_SECONDS = 5.0


def serve_app(
    app: str,
    data: Path,
    options: ServeOptions,
    *,
    cluster: ClusterOptions | None,
    durability: str,
    retention: float,
    limits: Limits,
    drain: float,
    is_paused: bool,
    public_url: str | None,
    otlp: str | None,
    is_verbose: bool,
) -> Exit:
    """Serve an app until a signal arrives."""
    os.umask(0o077)
    set_up_logs(verbose=is_verbose)
    classes = load_app(app)
    collect_garbage_rarely()
    give_back_large_blocks()
    if durability != "fsync" and cluster is None:
        err(f"durability {durability!r}: acknowledged work would not survive a power failure")
    run = partial(
        run_server, classes, app, data, options, cluster=cluster, limits=limits, public_url=public_url, otlp=otlp
    )
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
    options: ServeOptions,
    *,
    cluster: ClusterOptions | None = None,
    durability: str,
    retention: float,
    is_paused: bool,
    public_url: str | None = None,
    otlp: str | None = None,
    limits: Limits = DEFAULT_LIMITS,
    fail_fast: bool = False,
    drain: float = DRAIN_SECONDS,
    beside: Callable[[LocalClient], Awaitable[None]] | None = None,
) -> Exit:
    """Serve until a signal arrives, with ``beside`` running concurrently. Running requests and steps then have
    ``drain`` seconds to end."""
    started = trio.Event()
    with GracefulShutdown(drain) as stop:
        async with trio.open_nursery() as watchers:
            if cluster is not None:
                watchers.start_soon(_cancel_start, stop, started, watchers.cancel_scope)
            async with open_runtime(
                *classes,
                path=data,
                code=app,
                cluster=cluster,
                durability=durability,
                retention=retention,
                paused=is_paused,
                limits=limits,
                fail_fast=fail_fast,
                drain=drain,
                serve=options,
                public_url=public_url,
                telemetry=otlp,
            ) as runtime:
                started.set()
                if beside is not None:
                    watchers.start_soon(beside, runtime.client)
                watchers.start_soon(_leave_if_store_fails, runtime.engine.journal)
                _announce(runtime, classes, app, data, options)
                await _report_held_work(runtime, is_paused=is_paused)
                await stop.asked()
                err("stopping: open invocations continue at the next start; a second signal stops at once")
                await runtime.drain()
                stop.closing()
                watchers.cancel_scope.cancel()
        if not started.is_set():
            return Exit.DONE  # asked to stop while it waited
        if any(not step.is_thread for step in runtime.engine.left):
            leave_at_once(Exit.ABANDONED)  # trio would wait for a task that never ends
    return Exit.ABANDONED if runtime.engine.left else Exit.DONE


async def _cancel_start(stop: GracefulShutdown, started: trio.Event, opening: trio.CancelScope) -> None:
    """End a start that waits for other nodes, if the process is asked to end meanwhile."""
    await stop.asked()
    if not started.is_set():
        opening.cancel()


def _announce(runtime: Runtime, classes: list[type], app: str, data: Path, options: ServeOptions) -> None:
    names = ", ".join(sorted(cls.__name__ for cls in classes))
    durability = runtime.engine.journal.durability.value
    err(f"serving {names} from {app} on {runtime.url}, data in {data}, durability {durability}")
    err("no token is required" if options.open else f"the token is in {token_path(data)}")
    err(f"the console is at {runtime.url}/ui/")


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
