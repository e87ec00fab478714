"""The updates that a run carries out: each is a branch of its own beside the handler's body.

An update begins when the handler is given ``UpdateAccepted``, and runs as the child of a nursery does, but in no block of the body: a
scope of the body does not cancel it, and its errors are its own. Its path is that of its number, ``u1``, so its operations have the
same names in every replay, whenever the body reaches its.

Invariant: whatever an update does to the fields is recorded or is its own error. The changes of a turn are encoded at its end, when it is too
late to blame an update. So they are looked at wherever code of an update stops (:class:`UpdateCode`): a change that cannot be
recorded is undone, and its error is raised in the update.
"""

from __future__ import annotations

from contextvars import ContextVar, copy_context
from typing import TYPE_CHECKING, Any, NoReturn, Protocol, TypeVar, cast

from actors.errors import ErrorCode, MisuseError
from actors.replay.branches import Branch, Driver, Hosting, JoinChildren, Operation, current_branch
from actors.replay.cancel_status import CancelStatus

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine
    from types import FrameType

    from actors.replay.requests import StateView
    from journal.events import UpdateAccepted
    from journal.ids import InvocationId


T = TypeVar("T")


in_update: ContextVar[bool] = ContextVar("in_update")
"""Set in the contexts of the branches of updates, and so in those of their children and tasks."""


class UpdateDriver(Driver, Protocol):
    """The part of ``Execution`` that an update uses."""

    def end_update(self, update: Update, error: BaseException | None) -> None:
        """Answer an update that has returned, or raised an error."""
        ...


class Update:
    """An update under way: what its branch belongs to, as a child belongs to its nursery. ``result`` is its encoded result, and
    ``cancel`` its cancel if that was not raised in it yet. ``refusal`` is the error that is its answer whatever its code does."""

    __slots__ = ("_execution", "branch", "cancel", "id", "refusal", "result")

    def __init__(self, execution: UpdateDriver, accepted: UpdateAccepted, body: Coroutine[Any, Any, bytes]) -> None:
        self.id: InvocationId = accepted.update
        self.result = b""
        self.cancel: BaseException | None = None
        self.refusal: MisuseError | None = None
        self._execution = execution
        self.branch = Branch(
            execution,
            f"u{accepted.number}.",
            self._run(body),
            nursery=self,
            scope=None,
            context=copy_context(),
            name=accepted.name,
        )
        self.branch.context.run(in_update.set, True)
        CancelStatus().enter(self.branch)  # so that each of its awaits looks for a cancel

    async def _run(self, body: Coroutine[Any, Any, bytes]) -> None:
        self.result = await body

    def child_ended(self, child: Branch, error: BaseException | None) -> None:
        """Answer the update."""
        self._execution.end_update(self, self.refusal or error)

    def refuse(self, error: MisuseError, *, is_raised: bool) -> None:
        """Make the error the answer. Unless it ``is_raised`` where it was made, raise it at the next await of the update."""
        self.refusal = self.refusal or error
        if not is_raised:
            self.cancel = self.refusal


_REFUSALS = 3
"""The number of times that an update may go on after a change that cannot be recorded, without awaiting anything."""


_WAITS = (Operation, JoinChildren, Hosting)


class UpdateCode:
    """The coroutine of a branch of an update, which leaves no change behind that cannot be recorded."""

    def __init__(self, state: StateView, coroutine: Any) -> None:
        self._state = state
        self._coroutine = coroutine

    def send(self, value: Any) -> Any:
        """Resume the coroutine."""
        return self._resume(self._coroutine.send, value)

    def throw(self, error: BaseException) -> Any:
        """Resume the coroutine with an error."""
        return self._resume(self._coroutine.throw, error)

    def _resume(self, resume: Callable[[Any], Any], given: Any) -> Any:
        for _ in range(_REFUSALS):
            try:
                yielded = resume(given)
            except StopIteration:
                lost = self._state.take_back(ended=True)
                if lost is None:
                    raise
                raise lost from None
            except BaseException:
                self._state.take_back(ended=True)
                raise
            lost = self._state.take_back(ended=False) if isinstance(yielded, _WAITS) else None
            if lost is None:
                return yielded
            if isinstance(yielded, JoinChildren):
                yielded.nursery.add_error(lost)
                return yielded
            resume, given = self._coroutine.throw, lost
        raise given

    def close(self) -> None:
        """Close the coroutine."""
        self._coroutine.close()

    @property
    def cr_frame(self) -> FrameType | None:
        """The frame of the coroutine, for messages."""
        return cast("FrameType | None", self._coroutine.cr_frame)

    @property
    def cr_await(self) -> Any:
        """The object that the coroutine awaits, for messages."""
        return self._coroutine.cr_await


class _Validation:
    """A substitute for the branch of an update while its validator decides whether it is accepted: it has the fields, and no verbs."""

    def __init__(self, state: object, name: str) -> None:
        self.state = state
        self._name = name

    def __getattr__(self, _: str) -> NoReturn:
        raise MisuseError(
            f"{self._name}: a validator uses no durable verb: it reads fields and raises an error, or returns. Do the work in the update",
            code=ErrorCode.OUTSIDE_HANDLER,
        )


def run_validator(check: Callable[[], T], state: object, name: str) -> T:
    """Run the check of an update that is not accepted yet, in which the fields of ``state`` can be read and nothing else be done."""
    context = copy_context()
    context.run(current_branch.set, cast("Branch", _Validation(state, name)))
    return context.run(check)
