"""The history of an invocation and what it emits, read from a server a piece at a time."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import httpx2

from actors.http.connection import decoded, path_of
from actors.http.models import MAX_WAIT, EventList

if TYPE_CHECKING:
    from actors.history import JournalEntry
    from actors.http.connection import Connection
    from journal.ids import InvocationId

_WAIT_SECONDS = MAX_WAIT / 2


class RemoteEvents:
    """A history as an iterator, a piece at a time. Between pieces nothing is held, so it may be left half-way."""

    def __init__(
        self, connection: Connection, of: InvocationId, after: int, *, follow: bool, name: str | None = None
    ) -> None:
        self._connection = connection
        self._of = of
        self._after = after
        self._follow = follow
        self._name = name
        self._entries: list[JournalEntry] = []
        self._is_over = False
        self._has_begun = False

    def __aiter__(self) -> RemoteEvents:
        return self

    async def __anext__(self) -> JournalEntry:
        while not self._entries:
            if self._is_over:
                raise StopAsyncIteration
            await self._read()
        return self._entries.pop()

    async def _read(self) -> None:
        params: dict[str, Any] = {"after": self._after, "wait": _WAIT_SECONDS if self._follow else 0}
        if self._name is not None:
            params["name"] = self._name
        response = await self._connection.send("GET", path_of("invocations", self._of, "events"), params=params)
        if self._has_begun and response.status_code == httpx2.codes.NOT_FOUND:
            self._is_over = True  # it has been purged meanwhile
            return
        page = decoded(response, EventList)
        self._has_begun = True
        self._is_over = page.is_over or (not self._follow and not page.events)
        self._entries, self._after = page.events[::-1], page.last


class RemoteOutput:
    """What an invocation emits, as an iterator over values."""

    def __init__(self, entries: RemoteEvents) -> None:
        self._entries = entries

    def __aiter__(self) -> RemoteOutput:
        return self

    async def __anext__(self) -> Any:
        return (await anext(self._entries)).details["value"]
