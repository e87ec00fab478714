"""Pages of lists, and the cursors that lead from one page to the next.

A cursor names the last row of its page and not a number of rows, so rows that are added or purged meanwhile neither repeat nor hide
others. Clients pass it back unchanged: its contents may change with any version.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any, Generic, TypeVar

import msgspec

from actors.errors import InvalidArgumentError
from actors.values.texts import shown

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Sequence

T = TypeVar("T")
P = TypeVar("P")

MAX_PAGE = 1_000
"""The largest page of a list."""

MAX_CURSOR = 4_000
"""The largest cursor, in characters: one that names an object with the longest service and key."""


class Page(list[T], Generic[T]):
    """A page of a list: a list itself, whose ``next`` is the cursor of the next page, or None on the last page.

    ::

        page = await client.invocations(limit=100)
        while page.next is not None:
            page = await client.invocations(limit=100, after=page.next)
    """

    def __init__(self, items: Iterable[T] = (), *, next: str | None = None) -> None:
        super().__init__(items)
        self.next = next


class Pages(Generic[T]):
    """Iterates over a whole list, page by page. It keeps no resource between pages, and continues after a cancelled wait."""

    def __init__(self, read: Callable[[str | None], Awaitable[Page[T]]], *, after: str | None = None) -> None:
        self._read = read
        self._after = after
        self._ready: deque[T] = deque()
        self._is_over = False

    def __aiter__(self) -> Pages[T]:
        return self

    async def __anext__(self) -> T:
        while not self._ready:
            if self._is_over:
                raise StopAsyncIteration
            page = await self._read(self._after)
            self._ready.extend(page)
            self._after, self._is_over = page.next, page.next is None
        return self._ready.popleft()


def page_of(rows: Sequence[T], limit: int, cursor: Callable[[T], str]) -> Page[T]:
    """Return a page of the first ``limit`` rows. It has a cursor if there are more rows: ask for one more than the limit."""
    return Page(rows[:limit], next=cursor(rows[limit - 1]) if len(rows) > limit else None)


def cursor_of(kind: str, *position: str | float) -> str:
    """Return the cursor for a position in a list of this kind."""
    from base64 import urlsafe_b64encode  # most programs need no cursor

    return urlsafe_b64encode(msgspec.msgpack.encode((kind, *position))).rstrip(b"=").decode()


def parse_cursor(after: str, kind: str, position: type[P]) -> P:
    """Return the position in a cursor. Raises :class:`actors.InvalidArgumentError` if it is not the cursor of a list of this kind."""
    from base64 import urlsafe_b64decode

    try:
        padded = after.encode("ascii") + b"=" * (-len(after) % 4)
        found: list[Any] = msgspec.msgpack.decode(urlsafe_b64decode(padded), type=list[Any])
        if found[:1] == [kind]:
            return msgspec.convert(tuple(found[1:]), position)
    except (ValueError, msgspec.MsgspecError):
        pass  # refused below, as the cursor of another list is
    raise InvalidArgumentError(
        f"after is {shown(after)}, expected the 'next' of an earlier page of the {kind}", path="after"
    )
