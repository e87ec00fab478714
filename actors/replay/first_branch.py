"""The root branch of a handler that runs before it has a driver.

Most handlers end in their first turn without asking for anything: no step, no timer, not even the time. They need no driver. So
this branch takes the first turn by itself. The driver is made when the handler asks for one, or when the turn is over and the
handler is not.

Invariant: a handler cannot tell the difference. A driver that is made late takes the turn over as it is (:class:`FirstResult`), and
then behaves as if it had run from the beginning.
"""

from __future__ import annotations

import sys
from contextvars import copy_context
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeVar

from actors.replay.branches import OVER, Branch, current_branch
from actors.replay.generators import leave_alone
from actors.replay.requests import StateView
from journal.ids import StepId

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from actors.core.commands import Command
    from actors.replay.branches import Driver
    from journal.ids import InvocationId

_FIRST = StepId("1")
_NOTHING: Any = object()


class FirstView(StateView, Protocol):
    """The handler's object, as its first turn sees it."""

    def only_fields(self) -> dict[str, bytes] | None:
        """Return the changed fields if the handler has changed nothing else, else None. Raises the errors of an encoder, and
        leaves the changes as they were then."""
        ...


class Attempted(Protocol):
    """An attempt, whose driver has the branch as its root."""

    @property
    def execution(self) -> Driver: ...
    def take_over(self, now: float) -> list[Command]:
        """Continue the first turn of the branch at this time. Returns the commands that follow."""
        ...


A = TypeVar("A", bound=Attempted)


class FirstBranch(Branch, Generic[A]):
    """The root branch of a new invocation.

    ``result`` is the encoded result of a handler that has returned and needs no driver, and ``fields`` are the fields that it
    changed. Any other handler continues with :meth:`attempt`. ``live_now`` is the time of the turn by the wall
    clock, and ``is_running`` says that the turn is being taken.
    """

    __slots__ = (
        "_attempt",
        "_make_attempt",
        "_view",
        "fields",
        "invocation_id",
        "is_running",
        "live_now",
        "mark",
        "may_be_interrupted",
        "result",
    )

    progress = 0

    def __init__(
        self,
        invocation_id: InvocationId,
        name: str,
        coroutine: Coroutine[Any, Any, bytes],
        view: FirstView,
        make_attempt: Callable[[FirstBranch[A]], A],
        live_now: float,
        mark: bytes,
        may_be_interrupted: bool,
    ) -> None:
        self.live_now = live_now
        self.invocation_id = invocation_id
        self.name = name
        self.mark = mark
        self.may_be_interrupted = may_be_interrupted
        self.path = ""
        self.coroutine = coroutine
        self.nursery = None
        self.scope = None
        self.state = self._view = view
        self._started = 1
        self.following_step = _FIRST
        self.endings = 0
        self.waits_at = None
        self.random = None
        self._make_attempt = make_attempt
        self._attempt: A | None = None
        self.is_running = False
        self.result: bytes | None = None
        self.fields: dict[str, bytes] = {}
        self.context = copy_context()
        self.context.run(current_branch.set, self)

    @property
    def execution(self) -> Driver:  # type: ignore[override]  # see DrivenFirstBranch
        """The driver, which is made when it is first used."""
        driver = self.attempt().execution
        self.__class__ = DrivenFirstBranch  # pyright: ignore[reportAttributeAccessIssue]  # a class of the same layout
        self.execution = driver  # type: ignore[misc]
        return driver

    @property
    def has_attempt(self) -> bool:
        """Whether it has a driver."""
        return self._attempt is not None

    def attempt(self) -> A:
        """The attempt, whose driver has this branch as its root."""
        attempt = self._attempt
        if attempt is None:
            attempt = self._attempt = self._make_attempt(self)
            del self._make_attempt  # it refers to the argument
        return attempt

    def take_turn(self) -> list[Command] | None:
        """Run the handler until it waits or ends. Returns None if it has returned, has asked for nothing, and has changed nothing but
        fields: then it needs no driver. Otherwise a driver takes the turn over; returns the commands that follow."""
        value, error, yielded = None, None, _NOTHING
        outer = sys.get_asyncgen_hooks()
        sys.set_asyncgen_hooks(self._begin_generator, leave_alone)  # as run_with_hook() does
        self.is_running = True
        try:
            try:
                yielded = self.context.run(self.coroutine.send, None)
            finally:
                sys.set_asyncgen_hooks(*outer)
        except StopIteration as stop:
            value = stop.value
            self.is_running = False
            if self._attempt is None:
                try:
                    fields = self._view.only_fields()
                except BaseException:  # raised again in the driver, which judges it
                    fields = None
                if fields is not None:
                    self.fields, self.result = fields, value
                    self.context = OVER  # as end() does
                    return None
        except BaseException as raised:  # any error of the handler is its own; it is judged by its type later
            error = raised
        finally:
            self.is_running = False
        self.coroutine = FirstResult(self, yielded, value, error)  # type: ignore[assignment]  # the part that a driver uses
        return self.attempt().take_over(self.live_now)

    def _begin_generator(self, generator: Any) -> None:
        self.execution.begin_generator(generator)


class DrivenFirstBranch(FirstBranch[A]):
    """A first branch from the moment when it has a driver: the driver is in its slot, as in any other branch.

    Alternative refused: to find an empty slot by ``__getattr__``, which would make each use of any attribute slower.
    """

    __slots__ = ()
    execution = Branch.execution  # type: ignore[misc]


class FirstResult:
    """A coroutine that has been resumed once already, as its driver sees it: the first resumption gives what that one gave."""

    def __init__(self, branch: FirstBranch[Any], yielded: Any, value: Any, error: BaseException | None) -> None:
        self._branch = branch
        self._coroutine: Any = branch.coroutine
        self._given: tuple[Any, Any, BaseException | None] | None = (yielded, value, error)

    def send(self, value: Any) -> Any:
        """Resume the coroutine."""
        if self._given is None:
            return self._coroutine.send(value)
        (yielded, returned, error), self._given = self._given, None
        self._branch.coroutine = self._coroutine  # from the next turn on
        if error is not None:
            raise error
        if yielded is _NOTHING:
            raise StopIteration(returned)
        return yielded

    def throw(self, error: BaseException) -> Any:
        """Resume the coroutine with an error."""
        self._given = None
        self._branch.coroutine = self._coroutine
        return self._coroutine.throw(error)

    def close(self) -> None:
        """Close the coroutine."""
        self._coroutine.close()

    @property
    def cr_frame(self) -> Any:
        """The frame of the coroutine, for messages."""
        return self._coroutine.cr_frame

    @property
    def cr_await(self) -> Any:
        """The object that the coroutine awaits, for messages."""
        return self._coroutine.cr_await
