"""Durable nurseries, deadlines and timeouts."""

from __future__ import annotations

import types

from actors.errors import TooSlowError
from actors.model.verbs.branches import branch_for
from actors.replay.scopes import CancelScope, NurseryManager, checked_span
from actors.values.arguments import Instant, Seconds


def open_nursery() -> NurseryManager:
    """Open a block that runs children side by side and is left when all have ended; a durable ``trio.open_nursery``.

    As in trio, the block raises the errors of its children as an ``ExceptionGroup``, even if there is only one: catch them with
    ``except*``. If the group ends the handler and has a single error, at any depth, the handler fails with that error: the caller gets
    its class, ``http_status`` and details. If it has several, the caller gets a :class:`actors.TerminalError` whose text names them.

    ::

        async with actors.open_nursery() as nursery:
            nursery.start_soon(search, "a")
            nursery.start_soon(search, "b")

        try:
            async with actors.open_nursery() as nursery:
                nursery.start_soon(reserve, order)
                nursery.start_soon(charge, order)
        except* (actors.TerminalError, actors.CancelledError):
            await release(order)  # undo, and fail as the children did
            raise
    """
    branch_for("open_nursery")
    return NurseryManager()


def move_on_after(seconds: Seconds, *, shield: bool = False) -> CancelScope:
    """Open a block that is cancelled after this many seconds, durably; ``cancelled_caught`` says whether it was.

    ``math.inf`` means never. Raises :class:`InvalidArgumentError` for a duration that is negative or not a number.

    ::

        with actors.move_on_after(60) as scope:
            await actors.signal("approval", bool)
        if scope.cancelled_caught:
            ...
    """
    span = checked_span(seconds, "seconds")
    branch_for("move_on_after")
    return CancelScope(relative=span, shield=shield)


def move_on_at(deadline: Instant, *, shield: bool = False) -> CancelScope:
    """As :func:`move_on_after`, with a time: seconds since 1970 UTC, or a datetime with a zone.

    Raises :class:`InvalidArgumentError` if the argument is not a time.

    ::

        with actors.move_on_at(order.expires_at) as scope:
            await actors.signal("payment")
    """
    branch_for("move_on_at")
    return CancelScope(deadline=deadline, shield=shield)


def fail_after(seconds: Seconds, *, shield: bool = False) -> FailingBlock:
    """As :func:`move_on_after`, but raises :class:`TooSlowError`.

    ::

        with actors.fail_after(5):
            await actors.actor(Price, "gold").quote()
    """
    span = checked_span(seconds, "seconds")
    branch_for("fail_after")
    return FailingBlock(CancelScope(relative=span, shield=shield), span)


def fail_at(deadline: Instant, *, shield: bool = False) -> FailingBlock:
    """As :func:`move_on_at`, but raises :class:`TooSlowError`.

    ::

        with actors.fail_at(datetime(2030, 1, 1, tzinfo=UTC)):
            await actors.actor(Price, "gold").quote()
    """
    return FailingBlock(move_on_at(deadline, shield=shield), None)


class FailingBlock:
    """The block of :func:`fail_after` and :func:`fail_at`.

    Not a generator: ``contextlib`` assigns the traceback of a passing error, which a frozen class of errors may refuse.
    """

    def __init__(self, scope: CancelScope, seconds: float | None) -> None:
        self._scope = scope
        self._seconds = seconds

    def __enter__(self) -> CancelScope:
        return self._scope.__enter__()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: types.TracebackType | None
    ) -> bool:
        is_caught = self._scope.__exit__(kind, error, traceback)
        if self._scope.cancelled_caught:
            if self._seconds is None:
                raise TooSlowError("not done before the deadline")
            raise TooSlowError(f"not done within {self._seconds} seconds")
        return is_caught
