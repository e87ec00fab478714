"""How a step of a built-in object reaches the runtime that it runs in."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from actors.core.jobs import Choice
    from actors.model.handles import InvocationHandle
    from journal.ids import InvocationId


class InsideClient(Protocol):
    """The client of the runtime, as far as built-in objects use it."""

    def acting_as(self, by: str, origin: str) -> InsideClient: ...
    def invocation(self, of: InvocationId | str) -> InvocationHandle[Any]: ...
    async def chosen(self, choice: Choice, *, at_most: int) -> tuple[int, list[InvocationId]]: ...
