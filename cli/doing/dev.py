"""Serve an app, and reload its code whenever a file of it is saved."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import trio
import watchfiles

from actors.code.discovery import entry_of, snapshot_of
from actors.errors import BrokenDeploymentError, DefinitionError, DeploymentTooLargeError, Refused
from actors.runtime import RETENTION_SECONDS
from cli.doing.serve import run_server, run_to_the_end
from cli.loading import load_app
from cli.logs import set_up_logs
from cli.output import remark

if TYPE_CHECKING:
    from collections.abc import Collection

    from actors.control.local.client import LocalClient
    from actors.values.snapshot import Snapshot
    from cli.exits import Exit

_LOOK_AGAIN_MILLISECONDS = 1_000
"""How often the files are looked at, whatever the system says of changes."""


def dev(app: str, data: Path, host: str, port: int, *, drain: float, is_verbose: bool) -> Exit:
    """Serve it until a signal comes."""
    set_up_logs(verbose=is_verbose)
    if app.endswith(".py"):
        app = str(Path(app).absolute())  # a step may change the working directory
    serve = partial(run_server, load_app(app), app, data, host, port, hosts=frozenset({host}), is_open=False)
    beside = partial(register_what_is_saved, app)
    run = partial(serve, durability="os", retention=RETENTION_SECONDS, is_paused=False, fail_fast=True, beside=beside)
    return run_to_the_end(partial(run, drain=drain))


async def register_what_is_saved(app: str, client: LocalClient) -> None:
    """Register the code of ``app`` whenever it has changed, for ever."""
    registered: set[str] = set()
    last = await trio.to_thread.run_sync(snapshot_of, app)
    while True:
        await _wait_for_change(_folders(app, last))
        try:
            snapshot = await trio.to_thread.run_sync(snapshot_of, app)
        except (DefinitionError, DeploymentTooLargeError, OSError) as error:
            remark(f"{app} cannot be read: {error}")
            continue
        if snapshot.deployment != last.deployment:
            last = snapshot
            await _register(client, snapshot, registered)


async def _register(client: LocalClient, snapshot: Snapshot, registered: set[str]) -> None:
    try:
        change = await client.register_deployment(snapshot)
    except BrokenDeploymentError as error:
        remark(f"{error.traceback}{error}\nnew invocations run on the previous code")
        return
    except Refused as error:
        remark(str(error))
        return
    registered.add(snapshot.deployment)
    if change.before != change.after:
        client.supersede(change.before)
    remark(f"new work runs on {change.after}")
    for deployment in await client.deployments.list():
        is_needed = deployment.is_latest or deployment.is_served or deployment.open_invocations
        if deployment.id in registered and not is_needed:
            await client.deployments.prune(deployment.id, reason="a later save took its place")


def _folders(app: str, snapshot: Snapshot) -> set[Path]:
    _, root = entry_of(app)
    return {folder for folder in ((root / path).parent for path in snapshot.files) if folder.is_dir()} or {root}


async def _wait_for_change(folders: Collection[Path]) -> None:
    changes = watchfiles.awatch(
        *folders, recursive=False, rust_timeout=_LOOK_AGAIN_MILLISECONDS, yield_on_timeout=True, debounce=100
    )
    async for _ in changes:
        return
