"""Contains unhandled exceptions: each stops at the invocation that it came from, at worst at the object.

A handler's code, its values, its classes of errors and its policies all run in the processor's task or in a step's. An exception
there must neither end the processor nor come again at its next start. So all code that works for one object catches the exception
and *blames* that object::

    raised while working for an object
        about the processor as a whole (trio cancels it, its journal fails): passes on, and the processor ends
        anything else: blame(object, invocation, error), and continue with the next object
            settle():  the object is read again if the exception left its state half changed; nothing of that is written
                       the invocation is paused, with cause ``handler`` or ``engine`` and the traceback as its reason
                       if it cannot be, or if no invocation can be named: the object is set aside until the next start

Invariant: nothing of an object reaches the common batch before all of it is decided and encoded (``Machine``,
``journal.codec.Record``). A set-aside object answers every request with :class:`UnavailableError`; its events on disk are
whole. The audit log and the runtime's health report it, and ``playhead doctor`` does until the object has new events.

Prior art: a supervisor of Erlang/OTP restarts only the child that failed; Temporal fails a workflow's task and not its worker.
Alternative refused: to end the processor and read everything again, as after a failed write. The same exception would come again
at once, and every object of the partition would be down.
"""

from __future__ import annotations

import math
from collections import deque
from typing import TYPE_CHECKING

import attrs
import trio

from actors.core import commands as c
from actors.errors import ErrorCode, UnavailableError
from actors.values.failures import failure_of
from actors.values.texts import failure_in_words
from journal.errors import CorruptRecord, Damaged, JournalError, Unwritable
from journal.events import PauseCause
from journal.safe_logger import SafeLogger

if TYPE_CHECKING:
    from collections.abc import Callable

    from actors.engine.loaded_object import LoadedObject
    from actors.engine.machine import Machine
    from actors.engine.object_cache import ObjectCache
    from journal.events import Failure
    from journal.ids import InvocationId

log = SafeLogger(__name__)

_ABOUT_ONE_OBJECT = (CorruptRecord, Damaged, Unwritable)


_BLAMED = {
    PauseCause.HANDLER: "the handler's code or values made the engine fail",
    PauseCause.ENGINE: "the engine failed: a fault of playhead; please report it",
}


class EffectLost(Exception):
    """An event was recorded and one of its effects could not be carried out. The object would wait for it forever."""


def passes(error: BaseException) -> bool:
    """Whether the error concerns the processor as a whole. User code can raise anything, even a stray ``trio.Cancelled``."""
    kind = type(error)
    if issubclass(kind, trio.Cancelled):
        return trio.current_effective_deadline() == -math.inf
    return issubclass(kind, JournalError) and not issubclass(kind, _ABOUT_ONE_OBJECT)


def held_for(of: InvocationId, cause: PauseCause, failure: Failure) -> c.PauseAttempt:
    """The command that pauses an invocation after an error of its own or of the engine."""
    reason = f"{_BLAMED[cause]}: {failure_in_words(failure)}\n{failure.traceback}"
    return c.PauseAttempt(invocation_id=of, cause=cause, reason=reason, failure=failure)


@attrs.define(eq=False)
class Fault:
    """An error that an object is blamed for. ``invocation_id`` is the one to pause; ``is_whole`` says that pausing one would not
    help."""

    loaded: LoadedObject
    invocation_id: InvocationId | None
    cause: PauseCause
    failure: Failure
    is_whole: bool


class Containment:
    """The faults of one processor's objects. ``wake`` makes the processor settle faults that arise between its rounds."""

    def __init__(self, cache: ObjectCache, wake: Callable[[], None]) -> None:
        self._cache = cache
        self._wake = wake
        self.faults: deque[Fault] = deque()
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

        ``of`` is paused. If it is None nothing is paused, because the caller has received the error; with ``is_whole`` the object
        is set aside.
        """
        failure = failure_of(error)
        if isinstance(error, Unwritable):
            cause = PauseCause.HANDLER  # the engine's log contains texts of handlers
        log.error("%s: %s: %s\n%s", of or _name_of(loaded), failure.type, failure.message, failure.traceback)
        is_whole = is_whole or isinstance(error, EffectLost)
        self.faults.append(Fault(loaded, of, cause, failure, is_whole))
        self._wake()

    async def settle(self, machine: Machine) -> None:
        """Pause the invocations that are blamed, or set their objects aside."""
        while self.faults:
            await self._settle(machine, self.faults.popleft())

    async def _settle(self, machine: Machine, fault: Fault) -> None:
        loaded = fault.loaded
        await self._read_again_if_torn(machine, fault)
        if loaded.damage is not None:
            return
        if fault.invocation_id is not None and not fault.is_whole:
            try:
                machine.decide_as_engine(loaded, held_for(fault.invocation_id, fault.cause, fault.failure))
            except BaseException as error:
                if passes(error):
                    raise
                fault.failure, fault.is_whole = failure_of(error), True
                await self._read_again_if_torn(machine, fault)
        if fault.is_whole and loaded.damage is None:
            set_aside(machine, loaded, fault.failure)

    async def _read_again_if_torn(self, machine: Machine, fault: Fault) -> None:
        loaded = fault.loaded
        if not loaded.is_torn:
            return
        try:
            await self._cache.read_again(loaded)
        except BaseException as error:
            if passes(error):
                raise
            set_aside(machine, loaded, failure_of(error))


def set_aside(machine: Machine, loaded: LoadedObject, failure: Failure) -> None:
    """Stop all work on the object until the next start. Its complete decisions are still written."""
    name = _name_of(loaded)
    log.error("%s is set aside: %s: %s\n%s", name, failure.type, failure.message, failure.traceback)
    machine.note_set_aside(loaded, name, failure_in_words(failure))
    loaded.damage = UnavailableError(
        f"{name} is set aside after an internal error: {failure_in_words(failure)}. Nothing of it runs until the "
        "runtime is started again; other objects continue. Report this as a fault of playhead, with the log",
        code=ErrorCode.SET_ASIDE,
    )
    loaded.is_set_aside = True
    machine.performer.forget(loaded)
    for waiters in loaded.waiters.values():
        for waiter in waiters:
            waiter.fail(loaded.damage)
    loaded.waiters.clear()


def _name_of(loaded: LoadedObject) -> str:
    return f"object {loaded.stream:016x}" if loaded.state is None else loaded.state.name
