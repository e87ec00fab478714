"""The client for the steps of built-in objects."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from actors.core.jobs import Choice
    from actors.core.notifications import Notice, PostResult
    from actors.model.handles import InvocationHandle
    from actors.model.verb_options import VerbOptions
    from journal.events import ControlResult
    from journal.ids import InvocationId


class InsideClient(Protocol):
    """The part of a runtime's client that built-in objects use."""

    def acting_as(self, by: str, source: str) -> InsideClient: ...
    def invocation(self, of: InvocationId | str) -> InvocationHandle[Any]: ...
    async def execute_each(
        self,
        ids: Sequence[InvocationId],
        options: VerbOptions,
        told: Callable[[int, ControlResult | Exception], None],
        *,
        idempotency_key: str | None = None,
    ) -> None: ...
    async def chosen(self, choice: Choice, *, at_most: int) -> tuple[int, list[InvocationId]]: ...
    async def post_notice(self, name: str, life: str, notice: Notice) -> PostResult: ...
    async def give_up_notice(self, name: str, notice: Notice, error: str) -> None: ...
