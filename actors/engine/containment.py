"""Contains unhandled exceptions: each stops at the invocation that it came from, at worst at the object.

A handler's code, its values, its classes of errors and its policies all run in the processor's task or in a step's.
An exception in any of them must not end the processor, and must not recur at its next start. So all code that works for one
object catches the exception and *blames* that object (``Faults.blame``)::

    raised while working for an object
        about the processor as a whole (trio cancels it, its journal fails): passes on, and the processor ends
        anything else: blame(object, invocation, error), and continue with the next object
            settle():  the object is read again if the exception left its state half changed; no part of the change is written
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

from typing import TYPE_CHECKING

from actors.engine.exceptions import held_for, passes
from actors.engine.faults import name_of
from actors.errors import ErrorCode, UnavailableError
from actors.values.failures import failure_of
from actors.values.texts import failure_in_words
from journal.safe_logger import SafeLogger

if TYPE_CHECKING:
    from actors.engine.executor import Executor
    from actors.engine.faults import Fault, Faults
    from actors.engine.loaded_object import LoadedObject
    from actors.engine.machine import Machine
    from journal.events import Failure

log = SafeLogger(__name__)


class Containment:
    """Settles the faults of one processor's objects."""

    def __init__(self, faults: Faults, machine: Machine, executor: Executor) -> None:
        self._faults = faults
        self._machine = machine
        self._executor = executor

    async def settle(self) -> None:
        """Pause the invocations that are blamed, or set their objects aside."""
        while self._faults.waiting:
            await self._settle(self._faults.waiting.popleft())
            self._executor.carry_out()

    async def _settle(self, fault: Fault) -> None:
        loaded = fault.loaded
        await self._read_again_if_torn(loaded)
        if loaded.damage is not None:
            return
        if fault.invocation_id is not None and not fault.is_whole:
            try:
                self._machine.decide_as_engine(loaded, held_for(fault.invocation_id, fault.cause, fault.failure))
            except BaseException as error:
                if passes(error):
                    raise
                fault.failure, fault.is_whole = failure_of(error), True
                await self._read_again_if_torn(loaded)
        if fault.is_whole and loaded.damage is None:
            self._set_aside(loaded, fault.failure)

    async def _read_again_if_torn(self, loaded: LoadedObject) -> None:
        if not loaded.is_torn:
            return
        try:
            await self._machine.cache.read_again(loaded)
        except BaseException as error:
            if passes(error):
                raise
            self._set_aside(loaded, failure_of(error))

    def _set_aside(self, loaded: LoadedObject, failure: Failure) -> None:
        """Stop all work on the object until the next start. Its complete decisions are still written."""
        name = name_of(loaded)
        log.error("%s is set aside: %s: %s\n%s", name, failure.type, failure.message, failure.traceback)
        self._machine.note_set_aside(loaded, name, failure_in_words(failure))
        loaded.damage = UnavailableError(
            f"{name} is set aside after an internal error: {failure_in_words(failure)}. Nothing of it runs until the "
            "runtime is started again; other objects continue. Report this as a fault of playhead, with the log",
            code=ErrorCode.SET_ASIDE,
        )
        loaded.is_set_aside = True
        self._executor.forget(loaded)
        for waiter in [waiter for waiters in loaded.waiters.values() for waiter in waiters]:
            waiter.fail(loaded.damage)
