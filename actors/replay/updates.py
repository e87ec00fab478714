"""The updates that a run carries out: each is a branch of its own beside the handler's body.

An update begins when the handler is given ``UpdateAccepted``, and runs as the child of a nursery does, but in no block of the body: a
scope of the body does not cancel it, and its errors are its own. Its path is that of its number, ``u1``, so its operations have the
same names in every replay, whenever the body reaches its.
"""

from __future__ import annotations

from contextvars import copy_context
from typing import TYPE_CHECKING, Any, NoReturn, Protocol, TypeVar, cast

from actors.errors import ErrorCode, MisuseError
from actors.replay.branches import Branch, Driver, current_branch
from actors.replay.cancel_status import CancelStatus

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from actors.errors import CancelledError
    from journal.events import UpdateAccepted
    from journal.ids import InvocationId


T = TypeVar("T")


class UpdateDriver(Driver, Protocol):
    """The part of ``Execution`` that an update uses."""

    def end_update(self, update: Update, error: BaseException | None) -> None:
        """Answer an update that has returned, or raised an error."""
        ...


class Update:
    """An update under way: what its branch belongs to, as a child belongs to its nursery. ``result`` is its encoded result, and
    ``cancel`` its cancel if that was not raised in it yet."""

    __slots__ = ("_execution", "branch", "cancel", "id", "result")

    def __init__(self, execution: UpdateDriver, accepted: UpdateAccepted, body: Coroutine[Any, Any, bytes]) -> None:
        self.id: InvocationId = accepted.update
        self.result = b""
        self.cancel: CancelledError | None = None
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
        CancelStatus().enter(self.branch)  # so that each of its awaits looks for a cancel

    async def _run(self, body: Coroutine[Any, Any, bytes]) -> None:
        self.result = await body

    def child_ended(self, child: Branch, error: BaseException | None) -> None:
        """Answer the update."""
        self._execution.end_update(self, error)


class _Validation:
    """What stands for the branch of an update while its validator decides whether it is accepted: it has the fields, and no verbs."""

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
