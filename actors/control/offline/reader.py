"""The snapshot of a data directory at rest, and the refusal of requests that need a server."""

from __future__ import annotations

from typing import TYPE_CHECKING, NoReturn

from actors.errors import ErrorCode, UnavailableError

if TYPE_CHECKING:
    from actors.query.snapshot import JournalSnapshot


class OfflineReader:
    """Reads a journal without an engine. ``name`` is the directory's name in errors."""

    def __init__(self, snapshot: JournalSnapshot, name: str) -> None:
        self.snapshot = snapshot
        self._name = name

    def refuse(self, what: str) -> NoReturn:
        """Raise the error for a request that needs a server."""
        raise UnavailableError(
            f"{what} needs a running server, and {self._name} was opened for reading. Start a server with "
            f"'playhead serve APP --data {self._name}' and connect to it",
            code=ErrorCode.OFFLINE,
        )
