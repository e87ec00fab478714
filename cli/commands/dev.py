"""``playhead dev``: serve an app and reload its code whenever one of its files is saved."""

from __future__ import annotations

from collections.abc import Collection
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click

from cli.commands.serve import app_options, drain_option, serve_options, verbose_option
from cli.render.output import err

if TYPE_CHECKING:
    from actors.control.local.client import LocalClient
    from actors.values.snapshot import Snapshot


_LOOK_AGAIN_MILLISECONDS = 1_000
"""How often the files are checked, in addition to the system's notifications."""


@click.command()
@app_options
@drain_option
@verbose_option
def command(app: str, data: Path, host: str, port: int, drain: float, verbose: bool) -> int:
    """Serve APP and register a deployment when one of its files is saved. Open invocations keep their code.

    Code that cannot be imported is reported; until it can be, the previous deployment stays the latest. A mistake that
    every retry would repeat, such as an unknown name or a call that does not fit its function, fails an invocation at
    once.
    """
    from actors.runtime import RETENTION_SECONDS
    from cli.apps import load_app
    from cli.logs import set_up_logs
    from cli.server import run_server, run_to_the_end

    set_up_logs(verbose=verbose)
    if app.endswith(".py"):
        app = str(Path(app).absolute())  # a step may change the working directory
    serve = partial(run_server, load_app(app), app, data, serve_options(host, port))
    beside = partial(register_what_is_saved, app)
    run = partial(serve, durability="os", retention=RETENTION_SECONDS, is_paused=False, fail_fast=True, beside=beside)
    return run_to_the_end(partial(run, drain=drain))


async def register_what_is_saved(app: str, client: LocalClient) -> None:
    """Register the code of ``app`` whenever a file of it has changed. Runs forever."""
    import trio

    from actors.code.discovery import snapshot_of
    from actors.errors import DefinitionError, LimitExceededError

    registered: set[str] = set()
    last = await trio.to_thread.run_sync(snapshot_of, app)
    while True:
        await _wait_for_change(_folders(app, last))
        try:
            snapshot = await trio.to_thread.run_sync(snapshot_of, app)
        except (DefinitionError, LimitExceededError, OSError) as error:
            err(f"{app} cannot be read: {error}")
            continue
        if snapshot.deployment != last.deployment:
            last = snapshot
            await _register(client, snapshot, registered)


async def _register(client: LocalClient, snapshot: Snapshot, registered: set[str]) -> None:
    from actors.errors import BrokenDeploymentError, RefusedError

    try:
        change = await client.register_deployment(snapshot)
    except BrokenDeploymentError as error:
        err(f"{error.traceback}{error}\nnew invocations run on the previous code")
        return
    except RefusedError as error:
        err(str(error))
        return
    registered.add(snapshot.deployment)
    if change.before != change.after:
        client.supersede(change.before)
    err(f"new invocations run on {change.after}")
    for deployment in await client.deployments.list():
        is_needed = deployment.is_latest or deployment.is_served or deployment.open_invocations
        if deployment.id in registered and not is_needed:
            await client.deployments.prune(deployment.id, reason="replaced by a later save")


def _folders(app: str, snapshot: Snapshot) -> set[Path]:
    from actors.code.discovery import entry_of

    _, root = entry_of(app)
    return {folder for folder in ((root / path).parent for path in snapshot.files) if folder.is_dir()} or {root}


async def _wait_for_change(folders: Collection[Path]) -> None:
    import watchfiles

    changes = watchfiles.awatch(
        *folders, recursive=False, rust_timeout=_LOOK_AGAIN_MILLISECONDS, yield_on_timeout=True, debounce=100
    )
    async for _ in changes:
        return
