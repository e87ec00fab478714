"""The root branch of a handler that runs before it has a driver.

Most handlers end in their first turn without asking for anything: no step, no timer, not even the time. They need no driver. So
this branch takes the first turn by itself. The driver is made when the handler asks for one, or when the turn is over and the
handler is not.

Invariant: a handler cannot tell the difference. A driver that is made late takes the turn over as it is (:class:`FirstResult`), and
what it then does is what it would have done from the beginning.
"""

from __future__ import annotations

from contextvars import copy_context
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeVar

from actors.replay.branches import Branch, current_branch
from actors.replay.generators import run_with_hook
from journal.ids import StepId

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from actors.replay.branches import Driver
    from actors.replay.requests import StateView
    from journal.ids import InvocationId

_FIRST = StepId("1")
_NOTHING: Any = object()


class FirstView(Protocol):
    """The handler's object, as its first turn sees it."""

    def only_fields(self) -> dict[str, bytes] | None:
        """Return the changed fields if the handler has changed nothing else, else None. Raises the errors of an encoder, and
        leaves the changes as they were then."""
        ...


class Attempted(Protocol):
    """An attempt, whose driver has the branch as its root."""

    @property
    def execution(self) -> Driver: ...


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
        state: StateView,
        view: FirstView,
        make_attempt: Callable[[FirstBranch[A]], A],
        *,
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
        self.state = state
        self._view = view
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

    def __getattr__(self, name: str) -> Driver:
        """Make the driver when it is first used: until then, its slot is empty."""
        if name != "execution":
            raise AttributeError(name)
        self.execution = self.attempt().execution
        return self.execution

    def attempt(self) -> A:
        """The attempt, whose driver has this branch as its root."""
        attempt = self._attempt
        if attempt is None:
            attempt = self._attempt = self._make_attempt(self)
            del self._make_attempt  # it refers to the argument
        return attempt

    def take_turn(self) -> None:
        """Run the handler until it waits or ends. It needs no driver if it has returned, has asked for nothing, and has changed
        nothing but fields."""
        value, error, yielded = None, None, _NOTHING
        self.is_running = True
        try:
            yielded = run_with_hook(self._begin_generator, self.context.run, self.coroutine.send, None)
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
                    self.end()
                    return
        except BaseException as raised:  # any error of the handler is its own; it is judged by its type later
            error = raised
        finally:
            self.is_running = False
        self.coroutine = FirstResult(self, yielded, value, error)  # type: ignore[assignment]  # the part that a driver uses

    def _begin_generator(self, generator: Any) -> None:
        self.execution.begin_generator(generator)


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
