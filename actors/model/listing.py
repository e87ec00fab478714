"""The filter for lists of invocations."""

from __future__ import annotations

from collections.abc import Sequence

import attrs

from actors.model.pages import Page, cursor_of, page_of, parse_cursor
from actors.values.names import is_system
from journal.events import Status
from journal.ids import InvocationId
from journal.rows import InvocationRow

_KIND = "invocations"


def place_of(row: InvocationRow) -> tuple[float, InvocationId]:
    """Return the place of an invocation in lists, which are in descending order: the time of its acceptance, then its id."""
    return row.created_at, row.invocation_id


def cursor_after(place: tuple[float, InvocationId]) -> str:
    """Return the cursor for the invocations that a list has after this place."""
    return cursor_of(_KIND, *place)


def place_in(after: str | None) -> tuple[float, InvocationId] | None:
    """Return the place in a cursor. Raises :class:`actors.InvalidArgumentError`."""
    return None if after is None else parse_cursor(after, _KIND, tuple[float, InvocationId])


def page_of_rows(rows: Sequence[InvocationRow], limit: int) -> Page[InvocationRow]:
    """Return a page of the first ``limit`` rows, as :func:`actors.model.pages.page_of` does."""
    return page_of(rows, limit, lambda row: cursor_after(place_of(row)))


@attrs.frozen(kw_only=True)
class Listing:
    """A filter for invocations. None matches every value. Built-in objects are included only with ``system``, or if named.

    ``where`` is an SQL condition, which ``actors.query.sql`` evaluates. With ``tags``, an invocation has all of them.
    ``after`` is the place of the last invocation of the page before.
    """

    status: frozenset[Status] | None = None
    service: str | None = None
    key: str | None = None
    handler: str | None = None
    where: str | None = None
    tags: dict[str, str] | None = None
    limit: int = 100
    after: tuple[float, InvocationId] | None = None
    system: bool = False

    def with_one_more(self) -> Listing:
        """Return the filter with a limit that is larger by one, to find out whether there are more."""
        return attrs.evolve(self, limit=self.limit + 1)

    def wants(self, row: InvocationRow) -> bool:
        """Report whether the invocation matches. Ignores ``where``."""
        target = row.target
        return (
            (self.status is None or row.status in self.status)
            and (not is_system(target.service) if self.service is None and not self.system else True)
            and (self.service is None or target.service == self.service)
            and (self.key is None or target.key == self.key)
            and (self.handler is None or target.handler == self.handler)
            and (self.after is None or place_of(row) < self.after)
            and (self.tags is None or self.tags.items() <= (row.tags or {}).items())
        )
