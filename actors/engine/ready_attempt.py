"""A handler in the queue of ready handlers."""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs

if TYPE_CHECKING:
    from actors.engine.loaded_object import LoadedObject
    from journal.events import Recorded
    from journal.ids import InvocationId


@attrs.define(eq=False)
class ReadyAttempt:
    """A handler that is ready to run: with one more event, or from the beginning of its history."""

    loaded: LoadedObject
    invocation_id: InvocationId
    recorded: Recorded | None = None

    def hold_back(self) -> None:
        """Count its event among those that the next attempt takes, as the handler may not run now."""
        if self.recorded is not None:
            held_back = self.loaded.held_back
            held_back[self.invocation_id] = held_back.get(self.invocation_id, 0) + 1
