"""The notices that an engine gives to an observer, such as an exporter of spans."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterable

    from actors.core.state import ObjectState
    from actors.model.contexts import HandlerContext
    from journal.codec import Record
    from journal.ids import StepId
    from journal.rows import InvocationRow


class Observer(Protocol):
    """Receives notices of an engine. Its methods must return at once and raise nothing."""

    def committed(self, ended: Iterable[InvocationRow], changes: Iterable[tuple[ObjectState, Record]]) -> None:
        """A commit is durable: the rows of the invocations that it has completed, and the events of each object, with the object as it
        is now. Each event is in one commit, of this process or of an earlier one."""

    def step_begins(self, handler: HandlerContext, step: StepId, name: str, number: int) -> None:
        """The body of a step is about to begin its try with this number, in the context of the caller."""

    @property
    def dropped(self) -> int:
        """How many spans were lost since the start, because their receiver was too slow or did not answer."""
        ...
