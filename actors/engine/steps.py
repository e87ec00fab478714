"""Runs side effects: each in a trio task, and in a cancel scope that no other step is in."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any

import attrs
import trio

from actors.core import commands as c
from actors.engine.body_call import BodyCall
from actors.engine.exceptions import passes
from actors.engine.step_bodies import abandon_open_nurseries, body_in_turns, is_stopped
from actors.engine.try_report import NOTHING_SAID, TryReport
from actors.engine.watchdog import blocked_error, held_for_blocking
from actors.errors import (
    ErrorCode,
    Interruption,
    MisuseError,
    UnserializableError,
)
from actors.model.contexts import HandlerContext, context_of, current_step
from actors.model.mistakes import fails_fast
from actors.model.verbs.step_requests import StepBody
from actors.replay.branches import current_branch
from actors.values import ValueProblem
from actors.values.failures import failed, first_of, is_terminal, text_of
from actors.values.limits import too_large, within_limit
from actors.values.retry_after import retry_after
from journal.errors import BrokenInvariant
from journal.events import Outcome, OutcomeKind
from journal.in_flight import turn_mark
from journal.safe_logger import SafeLogger

if TYPE_CHECKING:
    from collections.abc import Callable

    from actors.core.commands import Command
    from actors.engine.attempt import Attempt
    from actors.engine.engine_context import EngineContext
    from actors.engine.heartbeats import Heartbeats
    from actors.engine.output_room import HasOutputs, OutputRoom
    from actors.engine.step_scope import StepScope
    from actors.model.inside import InsideClient
    from actors.values.amounts import Amounts
    from journal.ids import StepId
    from journal.in_flight import InFlight
    from journal.pieces import Piece

log = SafeLogger(__name__)


@attrs.frozen(eq=False)
class StepHost:
    """The services for the steps of one processor. ``client`` is for those of built-in objects. ``emit`` records a piece of output, which has
    ``room`` in the output of its invocation, and ``heartbeats`` takes those of the steps."""

    context: EngineContext
    client: InsideClient
    emit: Callable[[StepTask, Piece, int], None]
    room: OutputRoom
    heartbeats: Heartbeats[StepTask]
    token: trio.lowlevel.TrioToken


class StepTask(BodyCall):
    """The try with this ``number`` of a step of an invocation of the object ``loaded``. The starter receives its result exactly once,
    even if the body misbehaves. ``last_heartbeat`` are the details of the last one that is recorded."""

    progress = 0
    is_wanted = True
    is_interrupted = False
    """Whether a cancel or a deadline has been decided for it. It is stopped once the decision is durable, and is not retried."""
    abandoned_at = 0.0
    _slot: int | None = None
    _end: trio.Event | None = None
    _is_over = False
    _has_ended = False
    _is_aborted = False
    _scope: StepScope | None = None
    _report: TryReport | None = None

    def __init__(
        self,
        host: StepHost,
        loaded: HasOutputs,
        attempt: Attempt,
        step: StepId,
        body: StepBody,
        *,
        number: int,
        follows_cancel: bool,
        last_heartbeat: bytes,
    ) -> None:
        of = self.invocation_id = attempt.invocation_id
        self.step = step
        self.name = body.name
        self._of = attempt.name
        self.may_be_interrupted = attempt.may_be_interrupted
        context = self._context = host.context
        self.mark = b"" if context.in_flight is None else turn_mark(of, step)
        self.number = number
        self._loaded = loaded
        self._host = host
        self._follows_cancel = follows_cancel
        self.last_heartbeat = last_heartbeat
        self._body = body
        self._offsets = itertools.count()

    @property
    def client(self) -> InsideClient:
        """The client of a built-in object's step."""
        return self._host.client

    @property
    def is_in_thread(self) -> bool:
        """Whether its function is running in a thread."""
        return self._thread is not None and not self._thread.has_ended

    @property
    def handler(self) -> HandlerContext:
        """The handler that requested it."""
        branch = self._body.context[current_branch]
        if branch is None:
            raise BrokenInvariant("a step has no branch in its context")
        return context_of(branch)

    @property
    def step_key(self) -> str:
        """The key of the step for others: the same for every try, and for no other step of any invocation."""
        return f"{self.handler.life}/{self.step}"

    @property
    def is_stopping(self) -> bool:
        """Whether it was asked to stop, by a cancel or by its timeout."""
        return self._is_aborted or (self._time is not None and self._time.cancel_called)

    def end(self) -> None:
        """Record that its task has ended."""
        self._has_ended = True
        if self._end is not None:
            self._end.set()

    async def wait_ended(self) -> None:
        """Wait until its task has ended."""
        if self._has_ended:
            return
        if self._end is None:
            self._end = trio.Event()
        await self._end.wait()

    def abort(self) -> None:
        """Stop the body by cancelling its awaits. Its result may still count: see ``run``."""
        self._is_aborted = True
        if self._scope is not None:
            self._scope.cancel()

    def disown(self) -> None:
        """Ignore the result of the body from now on, and record its last heartbeat."""
        if self.is_wanted:
            self._host.heartbeats.end(self, is_kept=True)
        self.is_wanted = False
        self.abandoned_at = trio.current_time()

    def abandon(self) -> None:
        """Stop the body and ignore its result."""
        self.disown()
        self.abort()

    @trio.lowlevel.enable_ki_protection
    async def run(self, scope: StepScope) -> bytes | Command:
        """Run the body in the scope. Returns its encoded value, or the command that reports another result.

        A body that ends in spite of an abort has an outcome, and the outcome counts. A body that stops at the
        cancellation has none. Control-C is meant for the program, not for the body that happens to run.
        """
        current_branch.set(None)
        current_step.set(self)
        try:
            value: Any = None
            error: BaseException | None = None
            try:
                with scope:
                    self._scope = scope
                    if self._is_aborted:
                        scope.cancel()
                    try:
                        if self._body.is_plain and not self._follows_cancel:
                            call = self._body.call
                            self._note_begin()
                            body = call.function(*call.args, **call.kwargs)
                            value = await body_in_turns(self._context.watchdog, self, body)
                        else:
                            value = await self._try()
                    except BaseException as raised:
                        if passes(raised):
                            raise
                        error = raised
            except BaseException as raised:  # trio's own cancellation, of a scope that the body has left open
                if passes(raised):
                    raise
                error = raised
            finally:
                self._scope = None  # the next step may be in it
                if scope.task._child_nurseries:
                    abandon_open_nurseries(scope.task)
            if error is None and not scope.cancelled_caught:
                if self._body.result.is_plain(value):
                    return self._succeeded(value)
                try:
                    return self._context.watchdog.run(self, self._succeeded, value)
                except BaseException as raised:  # raised by a user class of the result
                    error = raised
            command = None if error is None else self._command_after(error)
            if command is not None:
                return command
            spent = {} if self._report is None else self._report.spent
            return c.AbortStep(invocation_id=self.invocation_id, step=self.step, spent=spent)
        finally:
            self._is_over = True
            if self._context.in_flight is not None:
                self._note_end(self._context.in_flight)

    def emit(self, piece: Piece) -> None:
        """Record a piece of output from the body's task or thread. Raises :class:`LimitExceededError`, and
        :class:`MisuseError` in an abandoned thread: its try is over and its output is lost."""
        within_limit(piece.value, self._context.limits.payload_bytes, f"emit() in step {self.name!r}")
        size = len(piece.value) + len(piece.stream)
        if self._is_over:
            raise self._emitted_late()
        if trio.lowlevel.in_trio_task():
            self._host.room.check(self._loaded, self.invocation_id, size)
            self._host.emit(self, piece, next(self._offsets))
            return
        self._host.room.queue(self._loaded, self.invocation_id, size)
        try:
            self._host.token.run_sync_soon(self._emit_from_thread, piece, size, next(self._offsets))
        except trio.RunFinishedError as error:
            raise self._emitted_late() from error

    def _emit_from_thread(self, piece: Piece, size: int, offset: int) -> None:
        with self._host.room.dequeued(self.invocation_id, size):
            if self._is_over:  # since it was emitted
                log.warning("%s: %s", self.key, self._emitted_late())
            else:
                self._host.emit(self, piece, offset)

    def _emitted_late(self) -> MisuseError:
        return MisuseError(
            f"actors.emit() in step {self.name!r}: this try is over, timed out, cancelled or returned, and its output is closed. "
            "A thread can call trio.from_thread.check_cancelled() to learn that it should stop",
            code=ErrorCode.OUTSIDE_HANDLER,
        )

    def set_attributes(self, attributes: dict[str, Any]) -> None:
        """Add attributes to the outcome of the try. Raises :class:`LimitExceededError`, and :class:`MisuseError` if it is over."""
        self._open_report("set_attributes").describe(attributes)

    def spend(self, spent: Amounts) -> None:
        """Add to the amounts that the try has used up. Raises :class:`LimitExceededError`, and :class:`MisuseError` if it is over."""
        self._open_report("spend").add_spent(spent)

    def _open_report(self, verb: str) -> TryReport:
        if self._is_over:
            raise MisuseError(
                f"actors.{verb}() in step {self.name!r}: this try is over, timed out, cancelled or returned",
                code=ErrorCode.OUTSIDE_HANDLER,
            )
        if self._report is None:
            self._report = TryReport(self.name)
        return self._report

    def heartbeat(self, details: bytes) -> None:
        """Note the progress of the body, from its task or thread. Raises :class:`MisuseError` if the try is over."""
        within_limit(details, self._context.limits.payload_bytes, f"heartbeat() in step {self.name!r}")
        if not self._is_over and trio.lowlevel.in_trio_task():
            self._note_heartbeat(details)
            return
        try:
            if not self._is_over:
                self._host.token.run_sync_soon(self._note_heartbeat, details)
                return
        except trio.RunFinishedError:
            pass
        raise MisuseError(
            f"actors.heartbeat() in step {self.name!r}: this try is over, timed out, cancelled or returned",
            code=ErrorCode.OUTSIDE_HANDLER,
        )

    def _note_heartbeat(self, details: bytes) -> None:
        if not self._is_over and self.is_wanted:
            self._host.heartbeats.note(self, details)

    def _note_begin(self) -> None:
        if self._context.observer is not None:
            self._context.observer.step_begins(self.handler, self.step, self.name, self.number)
        if self._context.in_flight is not None:
            self._slot = self._context.in_flight.begin(self.invocation_id, self.step, self.number)

    def _note_end(self, in_flight: InFlight) -> None:
        """Record that the try, and the decoding of its result, did not end the process."""
        if self._slot is not None:
            in_flight.end(self._slot)
        if in_flight.strikes:
            in_flight.forgive(self.mark)

    def _succeeded(self, value: Any) -> bytes | Command:
        try:
            data = self._body.result.encode(value)
        except ValueProblem as error:
            path, problem = error.path, error.problem
            return self._ended(
                failed(UnserializableError(f"the result of step {self.name!r}: {path}: {problem}", path=path))
            )
        limit = self._context.limits.payload_bytes
        if len(data) > limit:
            return self._ended(failed(too_large(data, limit, f"the result of step {self.name!r}")))
        return data if self._report is None else self._ended(Outcome(OutcomeKind.SUCCEEDED, data))

    def _command_after(self, error: BaseException) -> Command | None:
        """The command for an error of the body; None if the body ended because it was stopped."""
        watchdog = self._context.watchdog
        interruption = first_of(error, Interruption)
        if interruption is None and not (self.is_interrupted or self._is_aborted):
            try:
                return watchdog.run(self, self._failed, error)
            except Interruption as raised:
                interruption = raised
        if interruption is not None:
            place = interruption.args[0] if interruption.args else watchdog.take_interrupted()
            name = f"step {self.name!r} of {self._of}"
            return held_for_blocking(self.invocation_id, blocked_error(name, self._context.limits, place), place)
        if not is_stopped(error):
            log.warning("%s: while it was stopped, step %r raised %s", self.key, self.name, text_of(error))
        return None

    def _failed(self, error: BaseException) -> Command:
        policy = self._body.retry
        is_final = self._body.options.at_most_once or is_terminal(error, policy.terminal)
        if is_final or fails_fast(error, policy, by_default=self._context.fail_fast):
            return self._ended(self._context.failed(error))
        return c.FailStep(
            invocation_id=self.invocation_id,
            step=self.step,
            failure=self._context.failure_of(error),
            policy=attrs.evolve(policy),  # checked again, because the engine computes with it
            jitter=self._context.environment.random.random(),
            retry_after=retry_after(error, self._context.environment.clock.now),
            **(NOTHING_SAID if self._report is None else self._report.recorded),
        )

    def _ended(self, outcome: Outcome) -> Command:
        said = NOTHING_SAID if self._report is None else self._report.recorded
        return c.CompleteStep(invocation_id=self.invocation_id, step=self.step, outcome=outcome, **said)
