"""A session of openai-agents that keeps its conversation in a mapping, such as the ``Map`` of an object."""

from __future__ import annotations

from copy import deepcopy
from typing import TYPE_CHECKING, Any, cast

from pydantic_core import to_jsonable_python

if TYPE_CHECKING:
    from collections.abc import MutableMapping

    from agents.items import TResponseInputItem
    from agents.memory import SessionSettings

    from actors.model.fields import Map


class MapSession:
    """Keeps the items of a conversation in ``items``: a ``Map[int, dict[str, Any]]`` of an object, or any other mapping from numbers.

    In a handler, each change of the map is part of the journal, as any change of a field: a run that fails or is repeated leaves
    the conversation as the field rules say. The items have the keys 0, 1, 2 and so on; adding one costs the same at any length.
    ``limit`` is the number of latest items that a run gets, by default all. ``session_id`` names the conversation in traces.

    ::

        class Support(Actor):
            messages: Map[int, dict[str, Any]]

            @handler
            async def say(self, text: str) -> str:
                ask = partial(Runner.run, agent, text, session=MapSession(self.messages))
                return str((await actors.aio.host(ask)).final_output)
    """

    session_settings: SessionSettings | None = None

    def __init__(
        self,
        items: Map[int, dict[str, Any]] | MutableMapping[int, dict[str, Any]],
        *,
        limit: int | None = None,
        session_id: str = "session",
    ) -> None:
        self.session_id = session_id
        self._items = items
        self._limit = limit

    async def get_items(self, limit: int | None = None) -> list[TResponseInputItem]:
        """Return the latest items, the oldest first."""
        end = self._length()
        wanted = self._limit if limit is None else limit
        begin = 0 if wanted is None else max(0, end - max(0, wanted))
        # The framework may change the items that it gets, and such a change must not reach the field.
        return [cast("TResponseInputItem", deepcopy(self._items[number])) for number in range(begin, end)]

    async def add_items(self, items: list[TResponseInputItem]) -> None:
        """Add items at the end."""
        for number, item in enumerate(items, start=self._length()):
            self._items[number] = to_jsonable_python(item)

    async def pop_item(self) -> TResponseInputItem | None:
        """Remove the latest item, and return it; None if there is none."""
        end = self._length()
        if end == 0:
            return None
        last = deepcopy(self._items[end - 1])
        del self._items[end - 1]
        return cast("TResponseInputItem", last)

    async def clear_session(self) -> None:
        """Remove all items, the latest first, so that the remaining items never have a gap."""
        for number in reversed(range(self._length())):
            del self._items[number]

    def _length(self) -> int:
        """Find the first number without an item, in a few reads: the length of a ``Map`` takes one for each item."""
        beyond = 1
        while beyond - 1 in self._items:
            beyond *= 2
        known, beyond = beyond // 2, beyond - 1
        while known < beyond:
            middle = (known + beyond) // 2
            if middle in self._items:
                known = middle + 1
            else:
                beyond = middle
        return known
