"""Handles of invocations, and the part of a backend that handles and references use."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, Generic, Literal, ParamSpec, Protocol, TypeVar, overload

from actors.errors import InternalError, InvalidArgumentError
from actors.model.keys import checked_request_key
from actors.model.payloads import write_value
from actors.model.restart_result import RestartResult
from actors.values.arguments import (
    MAX_NAME,
    MAX_WORDS,
    Instant,
    Seconds,
    checked_count,
    checked_name,
    checked_text,
)
from journal.events import Children, PauseMode, Stop
from journal.ids import InvocationId

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping

    from actors.core.output import MarkFilter
    from actors.model.checks import CheckReport
    from actors.model.explain import WaitReason
    from actors.model.history import JournalEntry
    from actors.model.info import InvocationInfo, OutcomeInfo
    from actors.model.output import Chunks, OutputChunk
    from actors.model.requests import Request
    from actors.model.verb_options import VerbOptions
    from actors.values import Codec
    from actors.values.amounts import Amount
    from actors.values.snapshot import Snapshot
    from journal.events import ControlResult, Outcome

P = ParamSpec("P")
R_co = TypeVar("R_co", covariant=True)
T = TypeVar("T")


class HandleBackend(Protocol):
    """The part of a backend that references and handles use. A running handler has one as well, which records its requests."""

    async def call(self, request: Request) -> Any:
        """Call a handler and wait for its result, as a value of the type that the handler declares.

        The call is durable before it begins to wait. Raises the final error of the handler, a
        :class:`actors.TerminalError`; a ``RefusedError`` if it was not accepted; :class:`actors.TooSlowError` after the
        timeout.
        """
        ...

    async def send(self, request: Request) -> InvocationHandle[Any]:
        """Send a message; it is durable on return. Raises a ``RefusedError`` if it was not accepted."""
        ...

    async def attach(self, of: InvocationId, returns: Codec[Any] | None) -> Any:
        """Wait until an invocation completes and return its result. Raises a :class:`actors.TerminalError` if it has none, and
        :class:`actors.NotFoundError`."""
        ...

    async def outcome(self, of: InvocationId) -> Outcome:
        """Wait until an invocation completes and return its outcome, as it is recorded. Raises :class:`actors.NotFoundError`."""
        ...

    async def execute(
        self, of: InvocationId, options: VerbOptions, idempotency_key: str | None = None
    ) -> ControlResult:
        """Execute a verb, which its options name: cancel, kill, pause, resume, restart, signal, purge. Durable on return.

        A verb that is repeated under the same key gets the first answer again. Raises :class:`actors.NotFoundError`,
        :class:`actors.ConflictError`, :class:`actors.errors.IncompatibleError`, or another ``RefusedError`` of that verb; then
        nothing was changed.
        """
        ...

    async def check(
        self, of: InvocationId, deployment: str, code: str | os.PathLike[str] | Snapshot | None
    ) -> CheckReport:
        """Replay an invocation on a deployment, or on code on disk, with no effect and nothing written.

        Raises :class:`actors.NotFoundError`, :class:`actors.errors.BrokenDeploymentError`, and :class:`actors.UnavailableError` where the
        code cannot be loaded from here.
        """
        ...

    async def info(self, of: InvocationId) -> InvocationInfo:
        """Return the public record of an invocation. Raises :class:`actors.NotFoundError`."""
        ...

    def events(self, of: InvocationId, after: int, *, follow: bool) -> AsyncIterator[JournalEntry]:
        """Return the invocation's history after event ``after``; with ``follow``, until its end."""
        ...

    def marks(self, of: InvocationId, after: int, *, follow: bool) -> AsyncIterator[OutputChunk]:
        """Return the output pieces and the resets that declare pieces void; with ``follow``, until its end."""
        ...


class InvocationHandle(Generic[R_co]):
    """One invocation: its outcome, its history, and the verbs. Handlers and clients use the same class.

    In a handler every use is recorded, and reading (``info``, ``events``, ``follow``, ``output``) is refused: the values change
    with time and would not replay.

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
        """Return the handle itself, because it is immutable."""
        return self

    def __repr__(self) -> str:
        return f"<InvocationHandle {self.id}>"

    async def result(self) -> R_co:
        """Wait until it completes and return its result; raises the error of any other outcome. Works until the invocation is
        purged."""
        result: R_co = await self._backend.attach(self.id, self._returns)
        return result

    async def outcome(self) -> OutcomeInfo:
        """Wait until it completes and return its outcome, even if it failed: the same record as ``(await
        handle.info()).outcome``.

        Not available in a handler: use ``result`` there.
        """
        from actors.model.info import outcome_info  # only readers need the code that makes records

        return outcome_info(await self._backend.outcome(self.id))

    async def cancel(
        self,
        *,
        reason: str = "",
        children: str | Children = Children.CALLED,
        kill_after: Seconds | None = None,
        idempotency_key: str | None = None,
    ) -> ControlResult:
        """Stop it and run its compensations; invocations that it called are cancelled first. After ``kill_after`` seconds it is
        killed.

        ``children="all"`` also cancels the invocations that it sent. A repeated cancel may move the kill to an earlier time, and
        never to a later one; it changes nothing else. Under the same ``idempotency_key`` it gets the first answer again. Raises
        ``ConflictError`` and ``NotFoundError``.
        """
        from actors.model.verb_options import CancelOptions

        options = CancelOptions(reason=reason, children=children, kill_after=kill_after)
        return await self._backend.execute(self.id, options, checked_request_key(idempotency_key))

    async def kill(self, *, reason: str = "", idempotency_key: str | None = None) -> ControlResult:
        """End it now, without compensation, together with the invocations that it called."""
        from actors.model.verb_options import KillOptions

        options = KillOptions(reason=reason)
        return await self._backend.execute(self.id, options, checked_request_key(idempotency_key))

    async def pause(
        self, *, reason: str = "", mode: str | PauseMode = PauseMode.DRAIN, idempotency_key: str | None = None
    ) -> ControlResult:
        """Pause it. ``drain`` lets a running step end and records it first; ``now`` aborts the step."""
        from actors.model.verb_options import PauseOptions

        options = PauseOptions(reason=reason, mode=mode)
        return await self._backend.execute(self.id, options, checked_request_key(idempotency_key))

    @overload
    async def resume(
        self,
        *,
        reason: str = "",
        deployment: str = "keep",
        budget: Mapping[str, Amount] | None = None,
        dry_run: Literal[False] = False,
        check: bool = True,
        idempotency_key: str | None = None,
    ) -> ControlResult: ...
    @overload
    async def resume(
        self,
        *,
        reason: str = "",
        deployment: str = "keep",
        dry_run: Literal[True],
        check: bool = True,
        idempotency_key: str | None = None,
    ) -> CheckReport: ...
    async def resume(
        self,
        *,
        reason: str = "",
        deployment: str = "keep",
        budget: Mapping[str, Amount] | None = None,
        dry_run: bool = False,
        check: bool = True,
        idempotency_key: str | None = None,
    ) -> ControlResult | CheckReport:
        """Continue where it stopped; if it is backing off, retry now; if it is about to pause, do not pause it.

        ``deployment`` is the code that it continues on: ``keep`` for its own, ``latest``, or the id of one. Its history is
        replayed there, so finished steps are not repeated. With ``dry_run`` nothing changes, and the answer is the report of
        :meth:`check`. A move to other code is checked first, and refused if it would be paused at once: if the code
        makes another request than the recorded one, or passes a step, a call or a message another argument. ``check=False`` moves it
        without that.
        ``budget`` is added to its own, by the name of a quantity that its own has, and whatever is paused for it continues.
        Raises ``ConflictError``, ``NotFoundError``, ``InvalidArgumentError`` and ``IncompatibleError``.
        """
        if dry_run:
            if budget is not None:
                raise InvalidArgumentError("a dry run gives no budget; leave budget out", path="budget")
            return await self.check(deployment=deployment)
        from actors.model.verb_options import ResumeOptions

        options = ResumeOptions(reason=reason, deployment=deployment, check=check, budget=budget)
        return await self._backend.execute(self.id, options, checked_request_key(idempotency_key))

    async def check(
        self, *, deployment: str = "latest", app: str | os.PathLike[str] | Snapshot | None = None
    ) -> CheckReport:
        """Replay it on other code, without effects: which operations are kept, changed or new, and where the code first differs.

        ``deployment`` is ``latest``, ``keep`` (its own) or an id; ``app`` is code on disk instead, ``file.py`` or
        ``package.module``. Raises ``NotFoundError`` and ``BrokenDeploymentError``.

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
        again: bool = False,
        deployment: str = "keep",
        dry_run: bool = False,
        check: bool = True,
        reason: str = "",
        idempotency_key: str | None = None,
    ) -> RestartResult:
        """Run it again as a new invocation: from the beginning, from a step (by name or path), or from the ``end``, which keeps
        every recorded step and repeats the work after the last one.

        Going back to a step means going back to the moment before its outcome was known: operations that had an outcome by then
        are kept and not executed again, and so are signals. The answer's ``successor`` has the id of the new invocation, the kept
        operations, and those that begin again; with ``dry_run`` nothing else happens.

        ``input`` replaces the argument: one value for one parameter, a dictionary for several. A parameter without a type, or
        with ``Any``, accepts plain JSON values. An original that has not completed is stopped first, by ``stop="cancel"`` (with
        its compensations; the successor starts after them) or ``"kill"``. Callers that wait for the original then wait for the
        successor, unless ``hand_over`` is false. After the kept part, the successor reads the current fields of its object; with
        ``rewind_state`` they are reset to their values at the step. ``deployment`` is the code that it runs on:
        ``keep`` for the original's (the latest if that has been pruned), ``latest``, or the id of one. On
        other code the restart is refused if that code does not replay the kept part; arguments are compared. ``check=False`` restarts it
        without that.

        The kept part must fit a new ``input``: the handler is replayed through it first, also in a dry run, and a step that would
        get another argument is refused with ``IncompatibleError``, which shows both arguments. The step from which the restart
        begins takes its new argument, with another input and on other code, unless other operations ran beside it. An invocation
        that was restarted before is refused (``already_restarted``), as later effects would happen once more, unless ``again``.

        Raises ``ConflictError``, ``NotFoundError``, ``InvalidArgumentError`` and ``IncompatibleError``.

        ::

            answer = await runtime.client.invocation(claim).restart("reimburse", reason="rate fixed")
            print(answer.successor.invocation_id, answer.successor.again)
        """
        from actors.model.verb_options import RestartOptions

        options = RestartOptions(
            from_step=from_step,
            input=input,
            stop=stop,
            rewind_state=rewind_state,
            hand_over=hand_over,
            again=again,
            deployment=deployment,
            check=check,
            dry_run=dry_run,
            reason=reason,
        )
        answer = await self._backend.execute(self.id, options, checked_request_key(idempotency_key))
        if answer.successor is None:
            raise InternalError(f"{self.id}: the restart was answered without its successor; read it in 'successors'")
        return RestartResult(answer.changed, answer.before, answer.after, answer.successor)

    async def signal(
        self, name: str, value: Any = None, *, error: str | None = None, idempotency_key: str | None = None
    ) -> ControlResult:
        """Send it a value, which ``await actors.signal(name, type)`` in its handler returns. Buffered until awaited.

        With ``error`` that await raises :class:`actors.SignalFailedError` with this text, and ``value``, plain JSON, as its ``details``.

        ::

            await handle.signal("approved", error="the budget is gone", value={"left": 3})
        """
        name = checked_name(name, "name", MAX_NAME)
        from actors.model.verb_options import SignalOptions

        options = SignalOptions(name=name, value=write_value(value, f"signal {name!r}"), error=error)
        return await self._backend.execute(self.id, options, checked_request_key(idempotency_key))

    async def reschedule(
        self,
        *,
        at: Instant | None = None,
        delay: Seconds | None = None,
        reason: str = "",
        idempotency_key: str | None = None,
    ) -> ControlResult:
        """Change the time of a scheduled invocation: to ``at``, to ``delay`` seconds from now, or, without
        either, to now. Raises ``ConflictError`` (``already_due``) unless it is scheduled."""
        from actors.model.verb_options import RescheduleOptions

        options = RescheduleOptions(at=at, delay=delay, reason=reason)
        return await self._backend.execute(self.id, options, checked_request_key(idempotency_key))

    async def purge(self) -> ControlResult:
        """Delete the history and result of a completed invocation. Its changes to its object stay."""
        from actors.model.verb_options import PurgeOptions

        return await self._backend.execute(self.id, PurgeOptions())

    async def info(self) -> InvocationInfo:
        """Return the public record of the invocation: status, times, waits, last failure, outcome."""
        return await self._backend.info(self.id)

    async def why(self) -> tuple[WaitReason, ...]:
        """Explain why the invocation does not continue: a gate, a pause, a delay, the key, a retry, a step, a timer, a
        signal, another invocation.
        """
        from actors.model.explain import reasons  # only readers need the code that explains waits

        return reasons(await self.info())

    def events(self, *, after: int = 0) -> AsyncIterator[JournalEntry]:
        """Return the history so far, after the event with number ``after``."""
        return self._backend.events(self.id, _checked_event(after), follow=False)

    def follow(self, *, after: int = 0) -> AsyncIterator[JournalEntry]:
        """Return the history so far, followed by new events as they become durable, until it completes."""
        return self._backend.events(self.id, _checked_event(after), follow=True)

    def output(self, *, after: int = 0, stream: str | None = "") -> AsyncIterator[Any]:
        """Return the values that it emits, in order, until it completes; only those after position ``after`` of its output.

        Each value is returned once, when it is final: the values of a step after the step has ended, without the values of failed tries.
        To get pieces at once, use :meth:`chunks`. ``stream`` is the name of the stream, by default the one without a name; None
        means all streams.
        """
        from actors.model.output import Values  # imported late, because few processes need it

        return Values(self.chunks(after=after, stream=stream))

    def chunks(self, *, after: int = 0, live: bool = False, follow: bool = True, stream: str | None = "") -> Chunks:
        """Return the pieces of its output with step, try and offset, until it completes; only those after position
        ``after``, the ``number`` of a piece.

        As in :meth:`output`, these are final. With ``live`` each piece is returned as soon as it is durable; if the try of a step
        fails, a ``reset`` declares the pieces of the step so far void. Without ``follow`` only the pieces stored now are returned.
        ``stream`` is as in :meth:`output`; each chunk has its own ``stream``.

        ::

            async for chunk in handle.chunks(live=True):
                print(chunk.step, chunk.attempt, chunk.offset, chunk.value)
        """
        from actors.core.output import LiveView, SettledView, StreamView
        from actors.model.output import Chunks

        view: MarkFilter[OutputChunk] = LiveView(is_resumed=after > 0) if live else SettledView()
        if stream is not None:
            view = StreamView(view, checked_text(stream, "stream", MAX_NAME))
        return Chunks(self._backend.marks(self.id, _checked_event(after), follow=follow), view)


def _checked_event(after: int) -> int:
    return checked_count(after, "after", at_least=0)
