"""The users' side of scopes and nurseries: the attributes that trio's have, and nothing of the tree."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from actors.errors import Cancelled, ErrorCode, MisuseError
from actors.replay.branches import EnterNursery, current_branch
from actors.replay.cancel_status import CancelStatus
from actors.replay.nursery_state import NurseryState
from actors.values.arguments import Instant, Seconds, checked_instant, checked_seconds, checked_truth, is_a
from journal.errors import BrokenInvariant

if TYPE_CHECKING:
    import types
    from collections.abc import Awaitable, Callable

    from journal.ids import StepId


class CancelScope:
    """A block whose awaits can all be cancelled together: a durable ``trio.CancelScope``.

    ``deadline`` is a wall time, in seconds since 1970 or as a datetime with a zone; a durable timer cancels the scope
    at that time, also after a crash. ``relative`` is a deadline counted from the start of the block. ``math.inf`` means none. With ``shield``,
    cancellations from outside, including the invocation's own, wait until the block is left.

    ::

        with actors.CancelScope() as scope:
            nursery.start_soon(watch, scope)
            await generate(prompt)
        if scope.cancelled_caught:
            ...
    """

    __slots__ = ("_status",)

    def __init__(
        self, *, deadline: Instant | None = None, relative: Seconds | None = None, shield: bool = False
    ) -> None:
        self._status = CancelStatus(
            deadline=math.inf if deadline is None else _checked_deadline(deadline),
            relative=None if relative is None else checked_span(relative, "relative"),
            shield=checked_truth(shield, "shield"),
        )

    def __repr__(self) -> str:
        status = self._status
        where = "unentered" if status.branch is None else "left" if status.has_been_left else "entered"
        return f"<actors.CancelScope {where}{', cancelled' if status.cancel_called else ''}>"

    @property
    def cancel_called(self) -> bool:
        """Whether the scope has been cancelled, by :meth:`cancel` or by its deadline."""
        return self._status.cancel_called

    @property
    def cancelled_caught(self) -> bool:
        """Whether the scope's own cancellation has ended the block."""
        return self._status.cancelled_caught

    @property
    def deadline(self) -> float:
        """The time at which the scope is cancelled, in wall seconds since 1970; ``math.inf`` if never.

        Assigning a time, from any branch of the handler, moves the deadline: the old timer is dropped and a new one
        set, and both are recorded. After the cancellation an assignment changes nothing. Raises ``RuntimeError`` if it
        is read before the start of a block with a ``relative`` deadline, and :class:`InvalidArgumentError` if the
        assigned value is not a time.

        ::

            with actors.move_on_after(60) as scope:
                async for line in lines:
                    scope.deadline = actors.current_time() + 60
        """
        if self._status.relative is not None:
            raise RuntimeError(
                "this deadline is relative to the start of the block, so it is known only once the block is entered"
            )
        return self._status.deadline

    @deadline.setter
    def deadline(self, at: Instant) -> None:
        date = _checked_deadline(at)
        self._check_is_running("setting CancelScope.deadline")
        self._status.set_deadline(date)

    @property
    def shield(self) -> bool:
        """Whether cancellations from outside are kept away. Lowering the shield delivers them at once, at the awaits in
        the block."""
        return self._status.shield

    @shield.setter
    def shield(self, shield: bool) -> None:
        wanted = checked_truth(shield, "shield")
        self._check_is_running("setting CancelScope.shield")
        self._status.set_shield(wanted)

    def cancel(self) -> None:
        """Cancel every await in the block, now and until the block is left."""
        self._check_is_running("CancelScope.cancel()")
        self._status.interrupt()

    def _check_is_running(self, what: str) -> None:
        """Raise :class:`MisuseError` unless the engine is running code of the handler that entered the block."""
        if self._status.execution is not None:
            self._status.execution.must_run_some_branch(what)

    def __enter__(self) -> CancelScope:
        branch = current_branch.get()
        if branch is None:
            raise MisuseError("actors.CancelScope works only in a running handler", code=ErrorCode.OUTSIDE_HANDLER)
        if self._status.branch is not None:
            raise RuntimeError("a CancelScope can be entered once; make a new one")
        if not branch.execution.closed:
            branch.must_run("a CancelScope")
        self._status.enter(branch)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: types.TracebackType | None
    ) -> bool:
        return self._status.leave(error)


def checked_span(value: Seconds, name: str) -> float | None:
    """Return the duration in seconds; None for infinity, which is no limit, as in trio. Raises :class:`InvalidArgumentError`."""
    if is_a(value, float) and value == math.inf:
        return None
    return checked_seconds(value, name, at_most=math.inf)


def _checked_deadline(value: Instant) -> float:
    """Return the deadline in wall seconds; infinity means none, as in trio. Raises :class:`InvalidArgumentError`."""
    if is_a(value, float) and value == math.inf:
        return math.inf
    return checked_instant(value, "deadline")


class Nursery:
    """A group of child branches: a durable ``trio.Nursery``. Made by :func:`actors.open_nursery`.

    ::

        async with actors.open_nursery() as nursery:
            nursery.start_soon(search, "a")
            nursery.cancel_scope.cancel()
    """

    __slots__ = ("_cancel_scope", "_state")

    def __init__(self, state: NurseryState, cancel_scope: CancelScope) -> None:
        self._state = state
        self._cancel_scope = cancel_scope

    @property
    def cancel_scope(self) -> CancelScope:
        """The scope around the children and the block."""
        return self._cancel_scope

    def start_soon(self, async_fn: Callable[..., Awaitable[object]], *args: Any, name: str | None = None) -> None:
        """Start a child. Children start in the order of these calls, in every replay."""
        self._state.start_soon(async_fn, args, name)


class NurseryManager:
    """The block of :func:`actors.open_nursery`."""

    def __init__(self) -> None:
        self._state: NurseryState | None = None

    async def __aenter__(self) -> Nursery:
        branch = current_branch.get()
        if branch is None:
            raise MisuseError("actors.open_nursery() works only in a running handler", code=ErrorCode.OUTSIDE_HANDLER)
        path: StepId = await EnterNursery(branch)
        scope = CancelScope()
        self._state = NurseryState(branch, path, scope._status)
        self._state.scope.enter(branch, path)
        return Nursery(self._state, scope)

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: types.TracebackType | None
    ) -> bool:
        state = self._state
        if state is None:
            raise BrokenInvariant("a nursery was left that was never entered")
        combined = await state.leave(error)
        scope = state.scope
        if scope.leave(combined):
            combined = None
        if combined is None and scope.parent is not None and scope.parent.is_effectively_cancelled:
            combined = Cancelled()
        if combined is None:
            return True
        if combined is error:
            return False
        # As in trio: the group represents the errors in it, so it has no "during handling of" context.
        try:
            raise combined
        finally:
            combined.__context__ = None
            del combined, error
