"""``playhead backup``: make a copy of a data directory as of now."""

from __future__ import annotations

import math
import time
from functools import partial
from typing import TYPE_CHECKING

import click

from cli.options import reason_option, server_options
from cli.render.output import out

if TYPE_CHECKING:
    from cli.backend import ServerOptions


@click.command()
@click.argument("name", required=False)
@reason_option
@server_options
def command(name: str | None, reason: str, server: ServerOptions) -> None:
    """Back up everything to DATA/backups/NAME and print its path. The default NAME is the time.

    A running server makes the copy itself, on its machine, and keeps serving. Files that no longer change are linked, not
    copied, so move the copy to another disk. It holds no token: 'playhead restore' makes a directory with tokens of its own.
    """
    import trio

    from journal.kv.data_directory import DataDirectory

    named = name or time.strftime("%Y%m%d-%H%M%S")
    is_served = server.url is not None or DataDirectory(server.data).is_held()
    out(trio.run(_copied_by_server if is_served else _copied, server, named, reason))


async def _copied_by_server(server: ServerOptions, name: str, reason: str) -> str:
    from actors.http.server.backups import Backup, checked_backup_name
    from cli.backend import connected

    checked_backup_name(name)
    async with connected(server) as connection:
        copied = await connection.post("/backups", Backup, {"name": name, "reason": reason}, takes=math.inf)
        return copied.path


async def _copied(server: ServerOptions, name: str, reason: str) -> str:
    from actors.http.server.backups import backup_path, noted
    from cli.offline_audit import open_audit

    async with open_audit(server.data) as audit:
        path = backup_path(server.data, name)
        await noted(partial(audit.journal.copy_to, path), name, reason, audit.note)
        return str(path)
