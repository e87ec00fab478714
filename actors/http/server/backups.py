"""Backups of a server's data directory, written beside it: a client gives a name and not a path."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Annotated

import attrs
import msgspec

from actors.errors import ConflictError, ErrorCode, InvalidArgumentError, UnavailableError
from actors.http.routes import Route, TokenScope
from actors.http.server.request_context import Exchange
from actors.model.verb_options import ReasonText
from actors.rows.audit import ControlAction
from journal.errors import DirectoryNotEmpty, JournalError, StoreExists

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from pathlib import Path

NAME_PATTERN = "^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$"
"""Names that cannot form a path."""


@attrs.frozen(kw_only=True)
class BackupBody:
    """The name of the backup."""

    name: Annotated[str, msgspec.Meta(pattern=NAME_PATTERN)]
    reason: ReasonText = ""


@attrs.frozen(kw_only=True)
class Backup:
    """A backup, and its path on the server's machine."""

    name: str
    path: str


def backup_path(data: Path, name: str) -> Path:
    """Return the path of the backup with this name. Raises :class:`actors.InvalidArgumentError` for an invalid name."""
    return data / "backups" / checked_backup_name(name)


def checked_backup_name(name: str) -> str:
    """Return the name of a backup unchanged. Raises :class:`actors.InvalidArgumentError` for one that could form a path."""
    if not re.fullmatch(NAME_PATTERN, name):
        raise InvalidArgumentError(
            f"a backup's name has 1 to 64 characters of a-z, A-Z, 0-9, '.', '_' and '-', the first of them a-z, A-Z or 0-9; "
            f"found {name[:80]!r}",
            path="name",
        )
    return name


async def back_up(exchange: Exchange, body: BackupBody) -> Backup:
    """Back up the data directory as of now to a directory with this name in its ``backups`` folder.

    Commits pause for a moment.
    """
    if exchange.tokens is None:
        raise ConflictError("this server has no data directory to back up", code=ErrorCode.NOT_POSSIBLE)
    path = backup_path(exchange.tokens.directory.path, body.name)
    await noted(lambda: exchange.client.copy_to(path), body.name, body.reason, exchange.client.note)
    return Backup(name=body.name, path=str(path.absolute()))


async def noted(
    copy: Callable[[], Awaitable[None]], name: str, reason: str, note: Callable[..., Awaitable[None]]
) -> None:
    """Make the backup and audit it, including a refused one."""
    act = ControlAction(verb="backup", target=f"backup:{name}", reason=reason)
    try:
        await copy()
    except JournalError as error:
        is_taken = isinstance(error, StoreExists | DirectoryNotEmpty)
        refusal = ConflictError(str(error), code=ErrorCode.ALREADY_EXISTS) if is_taken else UnavailableError(str(error))
        await note(act, refusal=f"{refusal.code}: {refusal}")
        raise refusal from error
    await note(act)


ROUTES = (Route("POST", "/backups", TokenScope.ADMIN, back_up, status=201),)
