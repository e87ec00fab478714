"""Prints lists that have pages: up to ``--limit`` rows, or ``--all``, from the beginning or ``--after`` a cursor."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

import attrs

from cli.render.output import err

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from actors.control.client import Client
    from actors.model.pages import Page
    from cli.backend import ServerOptions
    from cli.render.text_table import TextTable

T = TypeVar("T")


@attrs.frozen
class Paging:
    """The rows to list: at most ``limit``, None for all, from the beginning or after the cursor ``after``."""

    limit: int | None
    after: str | None

    async def pages(self, read: Callable[[int, str | None], Awaitable[Page[T]]]) -> AsyncIterator[Page[T]]:
        """Yield pages until the limit or the end of the list. ``read`` gets the size of a page and a cursor."""
        from actors.model.pages import MAX_PAGE

        left, after = self.limit, self.after
        while True:
            page = await read(MAX_PAGE if left is None else min(left, MAX_PAGE), after)
            yield page
            left, after = None if left is None else left - len(page), page.next
            if after is None or (left is not None and left <= 0):
                return

    async def whole(self, read: Callable[[int, str | None], Awaitable[Page[T]]]) -> Page[T]:
        """Return all pages as one."""
        from actors.model.pages import Page

        found: Page[T] = Page()
        async for page in self.pages(read):
            found.extend(page)
            found.next = page.next
        return found


def show_list(
    server: ServerOptions,
    table: TextTable[T],
    output: str,
    paging: Paging,
    read: Callable[[Client, int, str | None], Awaitable[Page[T]]],
    *,
    if_empty: Callable[[Client], Awaitable[None]] | None = None,
    flag: str = "--after",
) -> bool:
    """Print the rows of a list, and say on stderr if there are more, with the ``flag`` that continues it. Return whether there are.

    Formats with one row per line are printed page by page, so that a list of any length needs the memory of one page.
    """
    from actors.model.pages import Page
    from cli.run import read as read_with

    async def look(client: Client) -> tuple[Page[T], int]:
        kept: Page[T] = Page()
        shown = 0
        async for page in paging.pages(lambda size, after: read(client, size, after)):
            shown += len(page)
            kept.next = page.next
            if output in ("jsonl", "id"):
                table.show(page, output)
            else:
                kept.extend(page)
        if not shown and if_empty is not None:
            await if_empty(client)
        return kept, shown

    found, shown = read_with(server, look)
    if output not in ("jsonl", "id"):
        table.show(found, output)
    if found.next is not None:
        err(f"{shown:,} shown; more exist: --all, or {flag} {found.next}")
    return found.next is not None
