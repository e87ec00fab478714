"""Tells clients of a pause that do not want to wait for its end.

Of an update, what counts is the pause of its run, which carries it out.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from actors.core.state import existing
from actors.errors import InvocationPausedError
from journal.events import Mode, Status

if TYPE_CHECKING:
    from collections.abc import Callable

    from actors.core.state import InvocationState, ObjectState
    from actors.engine.loaded_object import LoadedObject
    from actors.engine.waiter import Reply
    from journal.events import Outcome
    from journal.ids import InvocationId


def tell_of_pause(
    loaded: LoadedObject, paused: InvocationId, reason: str, when_durable: Callable[[Callable[[], None]], None]
) -> None:
    """Report the pause of an invocation to the clients that wait for it, or for its updates, once the pause is durable."""
    if not loaded.waiters:
        return
    state = existing(loaded.state)
    for of, waiters in loaded.waiters.items():
        if of != paused and not _is_update_of(state, of, paused):
            continue
        for waiter in waiters:
            if waiter.leaves_at_pause:
                when_durable(partial(waiter.fail, _paused_error(of, paused, reason)))


def tell_if_paused(
    loaded: LoadedObject,
    of: InvocationId,
    waiter: Reply[Outcome],
    when_durable: Callable[[Callable[[], None]], None],
) -> None:
    """Report to a client that leaves at a pause, and begins to wait for an open invocation, that this is paused, or its run, once what is
    decided is durable."""
    state = existing(loaded.state)
    carrier = _carrier(state, state.invocations[of])
    if carrier is not None and carrier.status is Status.PAUSED:
        when_durable(partial(waiter.fail, _paused_error(of, carrier.invocation_id, carrier.pause_reason)))


def _is_update_of(state: ObjectState, of: InvocationId, run: InvocationId) -> bool:
    one = state.invocations.get(of)
    carrier = None if one is None or one.mode is not Mode.UPDATE else _carrier(state, one)
    return carrier is not None and carrier.invocation_id == run


def _carrier(state: ObjectState, one: InvocationState) -> InvocationState | None:
    """Return the invocation whose code runs for this one: of an update, its run, or the restart that takes it over."""
    if one.mode is not Mode.UPDATE:
        return one
    run = None if one.run is None else state.invocations.get(one.run)
    if run is None:
        run = next((other for other in state.invocations.values() if other.mode is Mode.EXCLUSIVE), None)
    return run


def _paused_error(of: InvocationId, paused: InvocationId, reason: str) -> InvocationPausedError:
    why = f": {reason}" if reason else ""
    if of == paused:
        error = InvocationPausedError(
            f"{of} is paused{why}. After it is resumed, repeat the request under the same idempotency key, or wait for its outcome"
        )
    else:
        error = InvocationPausedError(
            f"{of} is an update of {paused}, which is paused{why}. After {paused} is resumed, repeat the request under the same "
            f"idempotency key, or wait for the outcome of {of}"
        )
    error.invocation_id = of
    return error
