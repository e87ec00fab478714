"""How a handler is called from somewhere else: typed from its own signature, the same for handlers and for clients."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, Generic, Literal, ParamSpec, Protocol, TypeVar, overload

import attrs

from actors.core import commands as c
from actors.errors import InternalError
from actors.model.keys import checked_request_key
from actors.model.payloads import write_value
from actors.values.arguments import (
    MAX_NAME,
    MAX_WORDS,
    Seconds,
    checked_count,
    checked_name,
    checked_point,
    checked_text,
    one_of,
    seconds_or_none,
)
from journal.events import Children, PauseMode, Status, Stop, Successor
from journal.ids import InvocationId, derived_unique, invocation_id, stream_of_invocation

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from actors.core.output import MarkFilter
    from actors.model.checks import CheckReport
    from actors.model.explain import WaitReason
    from actors.model.history import JournalEntry
    from actors.model.info import InvocationInfo
    from actors.model.output import Chunks, OutputChunk
    from actors.model.requests import Request
    from actors.values import Codec
    from actors.values.snapshot import Snapshot
    from journal.events import ControlResult, Outcome

P = ParamSpec("P")
R_co = TypeVar("R_co", covariant=True)
T = TypeVar("T")


@attrs.frozen
class RestartResult:
    """What a restart did: whether anything changed, and the original's status before and after.

    ``successor`` names the new invocation, and says what it keeps, what begins again, and what of the original is given up;
    after a dry run its id is empty::

        plan = await client.invocation(id).restart("charge", dry_run=True)
        print([step.name for step in plan.successor.again])
    """

    changed: bool
    before: Status
    after: Status
    successor: Successor


class HandleBackend(Protocol):
    """The part of a backend that references and handles use. A running handler has one as well, which records what it is asked."""

    async def call(self, request: Request) -> Any:
        """Call a handler and wait for its result, as a value of the type that the handler declares.

        The call is durable before it begins to wait. Raises what the handler raised for good, a
        :class:`actors.TerminalError`; a ``Refused`` if it was not accepted; :class:`actors.TooSlowError` after the timeout.
        """
        ...

    async def send(self, request: Request) -> InvocationHandle[Any]:
        """Send a message; it is durable on return. Raises a ``Refused`` if it was not accepted."""
        ...

    async def attach(self, of: InvocationId, returns: Codec[Any] | None) -> Any:
        """Wait for the end of an invocation; its result. Raises a :class:`actors.TerminalError` if it has none, and
        :class:`actors.UnknownInvocationError`."""
        ...

    async def outcome(self, of: InvocationId) -> Outcome:
        """Wait for the end of an invocation; how it ended. Raises :class:`actors.UnknownInvocationError`."""
        ...

    async def execute(self, command: c.Command, idempotency_key: str | None = None) -> ControlResult:
        """Execute a verb: cancel, kill, pause, resume, restart, signal or purge. Its event is durable on return.

        A verb that comes again under the same key is answered as the first time. Raises :class:`actors.UnknownInvocationError`,
        :class:`actors.AlreadyCompletedError`, or another ``Refused`` of that verb; then nothing was changed.
        """
        ...

    async def resume_if_compatible(self, command: c.ResumeInvocation, idempotency_key: str | None) -> ControlResult:
        """Resume, if the code that it would run on replays what is recorded. Raises :class:`actors.IncompatibleError`."""
        ...

    async def check(
        self, of: InvocationId, deployment: str, code: str | os.PathLike[str] | Snapshot | None
    ) -> CheckReport:
        """Replay an invocation on a deployment, or on code on disk, with no effect and nothing written.

        Raises :class:`actors.UnknownInvocationError`, :class:`actors.UnknownDeploymentError`,
        :class:`actors.BrokenDeploymentError`, :class:`actors.HistoryGoneError`, and :class:`actors.UnavailableError` where the
        code cannot be loaded from here.
        """
        ...

    async def info(self, of: InvocationId) -> InvocationInfo:
        """Everything that is known of an invocation. Raises :class:`actors.UnknownInvocationError`."""
        ...

    def events(self, of: InvocationId, after: int, *, follow: bool) -> AsyncIterator[JournalEntry]:
        """Its history after event ``after``; with ``follow``, until its end."""
        ...

    def marks(self, of: InvocationId, after: int, *, follow: bool) -> AsyncIterator[OutputChunk]:
        """The pieces of its output, each with what becomes of it; with ``follow``, until its end."""
        ...


class InvocationHandle(Generic[R_co]):
    """One invocation: its outcome, its history, and the verbs. Handlers and clients get the same.

    In a handler every use is recorded, and reading (``info``, ``events``, ``follow``, ``output``) is refused:
    what is read there changes with time and would not replay.

    ::

        task = await client.service(Agent).answer.send("why?")
        await task.cancel(reason="never mind")
        print((await task.info()).status)
    """

    def __init__(self, backend: HandleBackend, of: InvocationId, returns: Codec[Any] | None = None) -> None:
        self._backend = backend
        self._returns = returns
        self.id = of

    def __deepcopy__(self, memo: object) -> InvocationHandle[R_co]:
        """Itself: there is nothing in it that changes."""
        return self

    def __repr__(self) -> str:
        return f"<InvocationHandle {self.id}>"

    async def result(self) -> R_co:
        """Wait for the end; the result, or what it was otherwise, raised. Works for as long as it is retained."""
        result: R_co = await self._backend.attach(self.id, self._returns)
        return result

    async def outcome(self) -> Outcome:
        """Wait for the end; how it ended, whatever that is. Not in a handler: there, ``result`` tells."""
        return await self._backend.outcome(self.id)

    async def cancel(
        self,
        *,
        reason: str = "",
        children: str | Children = Children.CALLED,
        kill_after: Seconds | None = None,
        idempotency_key: str | None = None,
    ) -> ControlResult:
        """Stop it with its compensations; what it has called is cancelled first. After ``kill_after`` seconds it is killed.

        ``children="all"`` cancels what it has sent as well. A second cancel may bring the kill forward, and never puts it off; it
        changes nothing else. Asking again under the same ``idempotency_key`` is answered as the
        first time. Raises ``AlreadyCompletedError``, ``UnknownInvocationError``.
        """
        command = c.CancelInvocation(
            invocation_id=self.id,
            reason=checked_text(reason, "reason"),
            children=one_of(Children, children, "children"),
            kill_after=seconds_or_none(kill_after, "kill_after"),
        )
        return await self._backend.execute(command, checked_request_key(idempotency_key))

    async def kill(self, *, reason: str = "", idempotency_key: str | None = None) -> ControlResult:
        """End it now, without compensation, and what it has called with it."""
        words = checked_text(reason, "reason")
        return await self._backend.execute(
            c.KillInvocation(invocation_id=self.id, reason=words), checked_request_key(idempotency_key)
        )

    async def pause(
        self, *, reason: str = "", mode: str | PauseMode = PauseMode.DRAIN, idempotency_key: str | None = None
    ) -> ControlResult:
        """Hold it. ``drain`` lets a running step end and records it first; ``now`` aborts the step."""
        words = checked_text(reason, "reason")
        command = c.PauseInvocation(invocation_id=self.id, reason=words, mode=one_of(PauseMode, mode, "mode"))
        return await self._backend.execute(command, checked_request_key(idempotency_key))

    @overload
    async def resume(
        self,
        *,
        reason: str = "",
        deployment: str = "keep",
        dry_run: Literal[False] = False,
        require_compatible: bool = False,
        idempotency_key: str | None = None,
    ) -> ControlResult: ...
    @overload
    async def resume(
        self,
        *,
        reason: str = "",
        deployment: str = "keep",
        dry_run: Literal[True],
        require_compatible: bool = False,
        idempotency_key: str | None = None,
    ) -> CheckReport: ...
    async def resume(
        self,
        *,
        reason: str = "",
        deployment: str = "keep",
        dry_run: bool = False,
        require_compatible: bool = False,
        idempotency_key: str | None = None,
    ) -> ControlResult | CheckReport:
        """Let it go on where it stopped; while it is backing off, try again now; while it pauses, let it go on after all.

        ``deployment`` is the code that it goes on on: ``keep`` its own, ``latest``, or one by its id. It is replayed there up
        to where it stopped: finished steps are not repeated. With ``dry_run`` nothing changes, and the answer is the report of
        :meth:`check`. With ``require_compatible`` it is checked first, and refused where it would be paused at once: where
        the code asks for another operation than the recorded one, or passes a step, a call or a message another argument.

        Raises ``StillRunningError`` (pause it first), ``UnknownDeploymentError``, ``UnknownHandlerError``,
        ``IncompatibleError``.
        """
        if dry_run:
            return await self.check(deployment=deployment)
        words = checked_text(reason, "reason")
        command = c.ResumeInvocation(invocation_id=self.id, reason=words, deployment=_wanted(deployment))
        if require_compatible:
            return await self._backend.resume_if_compatible(command, checked_request_key(idempotency_key))
        return await self._backend.execute(command, checked_request_key(idempotency_key))

    async def check(
        self, *, deployment: str = "latest", app: str | os.PathLike[str] | Snapshot | None = None
    ) -> CheckReport:
        """Replay it on other code, with no effect and nothing written: which operations are kept, changed, new, and where the
        code first does something other than what was recorded.

        ``deployment`` is ``latest``, ``keep`` (the one that it is on) or an id; ``app`` is code on disk instead, ``file.py`` or
        ``package.module``. Raises ``UnknownInvocationError``, ``HistoryGoneError``, ``BrokenDeploymentError``.

        ::

            report = await client.invocation(claim).check(app="claims/app.py")
            assert report.is_compatible, report.summary
        """
        return await self._backend.check(self.id, checked_name(deployment, "deployment", MAX_WORDS), app)

    async def restart(
        self,
        from_step: str | None = None,
        *,
        input: Any = None,
        stop: str | Stop | None = None,
        rewind_state: bool = False,
        hand_over: bool = True,
        deployment: str = "keep",
        dry_run: bool = False,
        require_compatible: bool = False,
        reason: str = "",
        idempotency_key: str | None = None,
    ) -> RestartResult:
        """Do it again, as a new invocation: from the beginning, from a step, named by its name or its path, or from the ``end``,
        which keeps every recorded step: what failed after the last one runs again.

        Going back to a step is going back to the moment before its outcome was known: what had an outcome by then is kept and
        not executed again, signals that have come are kept, too. The answer's ``successor`` names the new invocation and says
        what is kept and what begins again; with ``dry_run`` that is all that happens.

        ``input`` takes the place of the argument: one value for one parameter, a dictionary for several. Where a parameter has no
        type, or ``Any``, it takes what JSON itself has. One that has not ended is stopped first, by ``stop="cancel"`` (with its compensations; the new one starts behind them) or
        ``"kill"``; what waits for it then waits for the new one, unless ``hand_over`` is false. The new one sees the fields
        of its object as they are now, once it has gone through what is kept; with ``rewind_state`` they are made what they
        were at the step. ``deployment`` is the code that it runs on: ``keep`` that of the one that is repeated (the latest if
        that has been pruned), ``latest``, or one by its id. With ``require_compatible`` it is refused where that code does not get through what is kept; arguments
        are compared.

        What is kept must fit another ``input``: the handler is replayed through it first, also for a dry run, and a step that would
        get another argument is refused with ``IncompatibleError``, which names it with both arguments. The step that is
        restarted from takes its new argument, with another input and on other code, unless more ran beside it.

        Raises ``StillOpenError``, ``UnknownStepError``, ``HistoryGoneError``, ``InvalidArgumentError``,
        ``UnknownInvocationError``, ``IncompatibleError``.

        ::

            answer = await runtime.client.invocation(claim).restart("reimburse", reason="rate fixed")
            print(answer.successor.invocation_id, answer.successor.again)
        """
        written = None if input is None else write_value(input, "input")
        command = c.RestartInvocation(
            invocation_id=self.id,
            successor=NOT_YET,
            reason=checked_text(reason, "reason"),
            from_step=checked_point(from_step, "from_step"),
            argument=None if written is None else written.data,
            json_loses="" if written is None else written.json_loses,
            stop=None if stop is None else one_of(Stop, stop, "stop"),
            rewind_state=rewind_state,
            hand_over=hand_over,
            deployment=_wanted(deployment),
            dry_run=dry_run,
            require_compatible=require_compatible,
        )
        answer = await self._backend.execute(command, checked_request_key(idempotency_key))
        if answer.successor is None:
            raise InternalError(
                f"the restart of {self.id} was answered without the new invocation; read its 'successors'"
            )
        return RestartResult(answer.changed, answer.before, answer.after, answer.successor)

    async def signal(self, name: str, value: Any = None, *, idempotency_key: str | None = None) -> ControlResult:
        """Hand it a value, which ``await actors.signal(name, type)`` in it returns. Kept until it asks."""
        name = checked_name(name, "name", MAX_NAME)
        written = write_value(value, f"signal {name!r}")
        command = c.SignalInvocation(
            invocation_id=self.id, name=name, value=written.data, json_loses=written.json_loses
        )
        return await self._backend.execute(command, checked_request_key(idempotency_key))

    async def purge(self) -> ControlResult:
        """Forget its history and its result; what it wrote into its object stays. Only once it has ended."""
        return await self._backend.execute(c.PurgeInvocations(invocation_ids=[self.id]))

    async def info(self) -> InvocationInfo:
        """Everything that is known of it: status, times, what it waits for, its last failure, its outcome."""
        return await self._backend.info(self.id)

    async def why(self) -> tuple[WaitReason, ...]:
        """What stands before it: a gate, a pause, its date, the key, another try, a step, a timer, a signal, another invocation."""
        from actors.model.explain import reasons  # only readers need what tells reasons

        return reasons(await self.info())

    def events(self, *, after: int = 0) -> AsyncIterator[JournalEntry]:
        """Its history so far, behind the event of number ``after``."""
        return self._backend.events(self.id, _checked_event(after), follow=False)

    def follow(self, *, after: int = 0) -> AsyncIterator[JournalEntry]:
        """Its history so far, then what comes, as it becomes durable, until its end."""
        return self._backend.events(self.id, _checked_event(after), follow=True)

    def output(self, *, after: int = 0) -> AsyncIterator[Any]:
        """The values that it emits, in order, until its end; behind the piece of number ``after``.

        Each is given once, when it is known to stay: what a step emits once the step is over, and not what a try of it emitted that
        failed. For pieces as they come, use :meth:`chunks`.
        """
        from actors.model.output import Values  # what few processes need, none should wait for

        return Values(self.chunks(after=after))

    def chunks(self, *, after: int = 0, live: bool = False) -> Chunks:
        """The pieces of its output, each with its step, try and offset, until its end; behind the piece of number ``after``.

        As :meth:`output`, those that stay. With ``live`` each comes as soon as it is durable; where the try of a step fails, a
        ``reset`` says that what the step has emitted so far is void.

        ::

            async for chunk in handle.chunks(live=True):
                print(chunk.step, chunk.attempt, chunk.offset, chunk.value)
        """
        from actors.core.output import LiveView, SettledView
        from actors.model.output import Chunks

        view: MarkFilter[OutputChunk] = LiveView() if live else SettledView()
        return Chunks(self._backend.marks(self.id, _checked_event(after), follow=True), view)


def _checked_event(after: int) -> int:
    return checked_count(after, "after", at_least=0)


def _wanted(deployment: str) -> str | None:
    """As a command says it: None for the one that it is on."""
    return None if deployment == "keep" else checked_name(deployment, "deployment", MAX_WORDS)


NOT_YET = InvocationId("")
"""Stands for the id of a successor until the one who carries the restart has made it."""


def with_successor(command: c.Command, unique: Callable[[], int], idempotency_key: str | None) -> c.Command:
    """A restart with the id of its successor, which lives where the original does; other commands as they are."""
    if not isinstance(command, c.RestartInvocation) or command.successor != NOT_YET:
        return command
    of = command.invocation_id
    number = unique() if idempotency_key is None else derived_unique("restarted", of, idempotency_key)
    return attrs.evolve(command, successor=invocation_id(stream_of_invocation(of), number))
