"""Records the exceptions that objects are blamed for, until ``Containment`` settles them."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

import attrs

from actors.engine.exceptions import EffectLost
from actors.values.failures import failure_of
from journal.errors import Unwritable
from journal.events import PauseCause
from journal.safe_logger import SafeLogger

if TYPE_CHECKING:
    from collections.abc import Callable

    from actors.engine.loaded_object import LoadedObject
    from journal.events import Failure
    from journal.ids import InvocationId

log = SafeLogger(__name__)


@attrs.define(eq=False)
class Fault:
    """An error that was caused by an object. ``invocation_id`` is the one to pause; ``is_whole`` says that the whole object
    must be set aside."""

    loaded: LoadedObject
    invocation_id: InvocationId | None
    cause: PauseCause
    failure: Failure
    is_whole: bool


class Faults:
    """The faults of one processor's objects. ``wake`` makes the processor settle faults that arise between its rounds."""

    def __init__(self, wake: Callable[[], None]) -> None:
        self._wake = wake
        self.waiting: deque[Fault] = deque()
        """The faults to settle before the objects continue and before a commit is sealed."""

    def blame(
        self,
        loaded: LoadedObject,
        of: InvocationId | None,
        error: BaseException,
        *,
        cause: PauseCause = PauseCause.ENGINE,
        is_whole: bool = False,
    ) -> None:
        """Record that work for an object raised. Never raises.

        The invocation ``of`` is paused. If it is None, no invocation is paused, because the caller has received the error. With ``is_whole``
        the object is set aside.
        """
        failure = failure_of(error)
        if isinstance(error, Unwritable):
            cause = PauseCause.HANDLER  # the engine's log contains texts of handlers
        log.error("%s: %s: %s\n%s", of or name_of(loaded), failure.type, failure.message, failure.traceback)
        is_whole = is_whole or isinstance(error, EffectLost)
        self.waiting.append(Fault(loaded, of, cause, failure, is_whole))
        self._wake()


def name_of(loaded: LoadedObject) -> str:
    """The name of an object for messages, also if its state cannot be read."""
    return f"object {loaded.stream:016x}" if loaded.state is None else loaded.state.name
