"""Locks: blocks in which an invocation has keys for itself. ::

    holder A   acquire ──► guard of A ── waits for the release, or for the end of A
    holder B   acquire ──► guard of B ── as well, and then for the end of the guard of A
    B waits for the end of the guard of A; it has the lock then

Each lock is a built-in object, whose key is the name of the lock and the locked key. ``acquire`` is one turn: it enters the caller
at the end of the queue and starts its guard, a shared handler. A guard ends when its holder has released the lock, or has ended in
any way, and the guard ahead of it has ended. So the guards end in the order of the queue: whoever waits for the guard ahead of it has
the lock when that one has ended, wherever in a cluster the holders run and whatever has died meanwhile. No lock has a lease or a
clock.

All waits are waits for invocations, so circles of locks and keys are found as any other deadlock.

Prior art: the queue lock of Craig, Landin and Hagersten, in which each waits for its predecessor. Alternative refused: an ``acquire`` that
returns when the caller has the lock. It would occupy the lock's own key, so a release could not be entered.
"""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, ClassVar

from actors.core.deadlocks import deadlock
from actors.core.locks import MAX_HOLDERS, GrantedLock, HeldLock
from actors.errors import (
    CircleLink,
    ConflictError,
    DeadlockError,
    ErrorCode,
    LimitExceededError,
    MisuseError,
    NotFoundError,
)
from actors.model.classes import Actor
from actors.model.contexts import context_of
from actors.model.fields import Map
from actors.model.handlers import handler, shared
from actors.model.verbs.branches import branch_for
from actors.model.verbs.calls import actor, invocation
from actors.model.verbs.context import current_invocation
from actors.model.verbs.scopes import open_nursery
from actors.model.verbs.signals import signal
from actors.model.verbs.stored_calls import outcome_of
from actors.model.verbs.time import current_time
from actors.values.error_details import recorded_code
from actors.values.names import SYSTEM_NAMESPACE
from actors.values.outcomes import error_of
from journal.events import Outcome, Target
from journal.ids import InvocationId

if TYPE_CHECKING:
    pass

_FORGET_SECONDS = 60.0
"""How long the invocations of a lock are kept after their end."""

_RELEASED = "released"


class Lock(Actor):
    """One lock. Its key is the name of the lock and the locked key, with a slash between them."""

    _namespace: ClassVar[str] = SYSTEM_NAMESPACE

    holds: Map[int, HeldLock]
    """The queue: the first has the lock."""

    @handler(retention=_FORGET_SECONDS)
    async def acquire(self) -> GrantedLock:
        """Enter the caller at the end of the queue."""
        caller = _caller_of(self.key)
        queue = sorted(self.holds.items())
        _check_not_above({hold.holder for _, hold in queue})
        if len(queue) >= MAX_HOLDERS:
            raise LimitExceededError(
                f"{len(queue)} invocations hold the lock {self.key!r} or wait for it (limit {MAX_HOLDERS}); try again later",
                limit="lock_holders",
                maximum=MAX_HOLDERS,
                found=len(queue) + 1,
                code=ErrorCode.BUSY,
            )
        number, ahead = queue[-1] if queue else (0, None)
        guard = await actor(Lock, self.key).guard.send(caller, None if ahead is None else ahead.guard)
        self.holds[number + 1] = HeldLock(holder=caller, guard=guard.id, since=current_time())
        if ahead is None:
            return GrantedLock(guard=guard.id)
        return GrantedLock(guard=guard.id, ahead=ahead.holder, ahead_guard=ahead.guard)

    @handler(retention=_FORGET_SECONDS)
    async def release(self, of: InvocationId) -> None:
        """Take a holder, or the holder of a guard, out of the queue, and let its guard end."""
        for number, hold in self.holds.items():
            if of in (hold.guard, hold.holder):
                del self.holds[number]
                with suppress(ConflictError, NotFoundError):  # it has ended
                    await invocation(hold.guard).signal(_RELEASED)
                return

    @shared(retention=_FORGET_SECONDS)
    async def guard(self, holder: InvocationId, ahead: InvocationId | None) -> None:
        """End when the holder has released the lock or has ended, and the guard ahead has ended."""
        is_released = False

        async with open_nursery() as nursery:

            async def wait_for_holder() -> None:
                outcome = await outcome_of(holder, stays=True)
                if not is_refused(outcome):  # or the wait would close a circle: then the holder has not ended
                    nursery.cancel_scope.cancel()

            nursery.start_soon(wait_for_holder)
            await signal(_RELEASED)
            is_released = True
            nursery.cancel_scope.cancel()
        if not is_released:
            await actor(Lock, self.key).release.send(current_invocation())
        if ahead is not None:
            await outcome_of(ahead)


def _caller_of(key: str) -> InvocationId:
    caller = context_of(branch_for("lock")).caller
    if caller is None:
        raise MisuseError(
            f"the lock {key!r} is taken by 'async with actors.lock(…)' in a handler", code=ErrorCode.OUTSIDE_HANDLER
        )
    return caller.invocation_id


def _check_not_above(holders: set[InvocationId]) -> None:
    """Raise ``DeadlockError`` if one of them waits for the running call: the caller itself, or a caller above it."""
    context = context_of(branch_for("lock"))
    for position, link in enumerate(context.chain):
        if link.invocation_id in holders:
            above = [CircleLink(one.invocation_id, one.target) for one in context.chain[position:]]
            own = CircleLink(context.invocation_id, str(Target(context.service, context.key, context.name)))
            raise deadlock([above[-1], own, *above])


def is_refused(outcome: Outcome) -> bool:
    """Report whether the wait for an invocation was refused because it would have closed a circle."""
    if outcome.failure is None or recorded_code(outcome.failure) is not ErrorCode.DEADLOCK:
        return False
    error = error_of(outcome.failure)
    return isinstance(error, DeadlockError) and error.chain[0].invocation_id == current_invocation()
