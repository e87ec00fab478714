"""The history and the output of an invocation, read from a server page by page."""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING, Any, Generic, TypeVar

import httpx2

from actors.http.client.connection import decoded, path_of
from actors.http.models import EventList, OutputList
from actors.http.requests import MAX_WAIT, OutputView
from actors.model.history import JournalEntry
from actors.model.output import OutputChunk

if TYPE_CHECKING:
    from actors.http.client.connection import Connection
    from journal.ids import InvocationId

T = TypeVar("T")
P = TypeVar("P", EventList, OutputList)

_WAIT_SECONDS = MAX_WAIT / 2


class _Pages(Generic[T, P]):
    """An iterator that reads page by page. It keeps no resource between pages, so a caller may stop at any point."""

    _part: str
    _kind: type[P]

    def __init__(self, connection: Connection, of: InvocationId, after: int, *, follow: bool) -> None:
        self._connection = connection
        self._of = of
        self._after = after
        self._follow = follow
        self._items: list[T] = []
        self._is_over = False
        self._has_begun = False

    @abstractmethod
    def _items_of(self, page: P) -> list[T]: ...

    def _params(self) -> dict[str, Any]:
        return {"after": self._after, "wait": _WAIT_SECONDS if self._follow else 0}

    def __aiter__(self) -> _Pages[T, P]:
        return self

    async def __anext__(self) -> T:
        while not self._items:
            if self._is_over:
                raise StopAsyncIteration
            await self._read()
        return self._items.pop()

    async def _read(self) -> None:
        path = path_of("invocations", self._of, self._part)
        headers = {"accept": "application/json"}
        takes = _WAIT_SECONDS if self._follow else 0.0
        response = await self._connection.send("GET", path, takes=takes, params=self._params(), headers=headers)
        if self._has_begun and response.status_code == httpx2.codes.NOT_FOUND:
            self._is_over = True  # it has been purged meanwhile
            return
        page: P = decoded(response, self._kind)
        items = self._items_of(page)
        self._has_begun = True
        self._is_over = page.is_over or (not self._follow and not items)
        self._items, self._after = items[::-1], page.last


class RemoteEvents(_Pages[JournalEntry, EventList]):
    """Iterates over the events of an invocation."""

    _part = "events"
    _kind = EventList

    def _items_of(self, page: EventList) -> list[JournalEntry]:
        return page.events


class RemoteMarks(_Pages[OutputChunk, OutputList]):
    """Iterates over the output pieces of an invocation and the resets that declare pieces void."""

    _part = "output"
    _kind = OutputList

    def _items_of(self, page: OutputList) -> list[OutputChunk]:
        return page.chunks

    def _params(self) -> dict[str, Any]:
        return super()._params() | {"view": OutputView.ALL.value}
