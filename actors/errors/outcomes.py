"""Errors of a handler or a step, and outcomes that are unknown or pending."""

from __future__ import annotations

from typing import Any

import attrs

from actors.errors.base import ActorError, TerminalError
from journal.error_codes import ErrorCode
from journal.ids import InvocationId


class StepFailedError(TerminalError):
    """A step has used up its attempts, and its retry policy makes that an outcome. ``type`` names the last error.

    ::

        try:
            await charge(card)
        except actors.StepFailedError as error:
            return f"declined: {error.type}"
    """

    code = ErrorCode.STEP_FAILED


class SignalFailedError(TerminalError):
    """The sender of an awaited signal sent an error instead of a value. ``signal`` is the name, ``details`` are the sender's.

    ::

        try:
            await actors.signal("approved", bool)
        except actors.SignalFailedError as error:
            return f"declined: {error}"
    """

    code = ErrorCode.SIGNAL_FAILED
    signal: str = ""

    def __init__(self, message: str = "", *, signal: str = "", details: Any = None) -> None:
        super().__init__(message, details=details)
        self.signal = signal


class UpdateLostError(TerminalError):
    """The run of the workflow ended before it had answered the update. What the update had done by then stays.

    ::

        try:
            await client.workflow(Order, "7").change_address("1 New Street")
        except actors.errors.UpdateLostError:
            print("too late: the order is done")
    """

    code = ErrorCode.UPDATE_LOST


class StepOutcomeUnknownError(TerminalError):
    """An ``at_most_once`` step was interrupted when the process died: whether it happened is unknown, so it is not repeated.

    Ask the other side, under ``actors.step_key()``, then continue or compensate::

        except StepOutcomeUnknownError:
            if not await was_charged(order):
                raise
    """

    code = ErrorCode.STEP_OUTCOME_UNKNOWN


class BlockedLoopError(ActorError):
    """Code of a handler, or of an async step, blocked the event loop for longer than ``Limits.blocking_seconds``.

    It was interrupted, and its invocation is paused. Put slow work into a step that is a plain function: it runs in a thread.

    ::

        @actors.step
        def resize(image: bytes) -> bytes: ...
    """

    code = ErrorCode.BLOCKED_LOOP


class StepLostError(ActorError):
    """The process died during a try of a step. The try counts as failed, and the step's policy says when the next one begins.

    ::

        @actors.step(retry=actors.RetryPolicy(max_attempts=3))
        def convert(path: str) -> str: ...
    """

    code = ErrorCode.STEP_LOST


class StepTimeoutError(ActorError):
    """One try of a step took longer than its ``timeout``. It is tried again, as its policy says.

    ::

        @actors.step(timeout=10)
        async def fetch(url: str) -> str: ...
    """

    code = ErrorCode.STEP_TIMEOUT


class InvocationCancelledError(TerminalError):
    """The invocation whose outcome was awaited was cancelled (code ``cancelled``) or killed (``killed``). ``details`` is the reason.

    ::

        except actors.InvocationCancelledError as error:
            print(error.invocation_id, error.code, error.details)
    """

    code: ErrorCode = ErrorCode.CANCELLED

    def __init__(self, message: str = "", *, code: ErrorCode = ErrorCode.CANCELLED, details: Any = None) -> None:
        super().__init__(message, details=details)
        self.code = code


class TooSlowError(TerminalError):
    """The time of a ``fail_after``, or of a call's ``timeout``, is over.

    ::

        with actors.fail_after(30):
            await actors.signal("approved", bool)
    """

    code = ErrorCode.DEADLINE_EXCEEDED


@attrs.frozen
class CircleLink:
    """One of the invocations that wait for each other."""

    invocation_id: InvocationId
    target: str


class DeadlockError(TerminalError):
    """The call would wait, directly or through others, for the invocation that makes it. It was not begun.

    ``chain`` names them in order, from the caller back to itself::

        except DeadlockError as error:
            print([link.target for link in error.chain])
    """

    code = ErrorCode.DEADLOCK

    @property
    def chain(self) -> tuple[CircleLink, ...]:
        """Each waits for the next."""
        links = (self.details or {}).get("chain", ())
        return tuple(CircleLink(link["invocation_id"], link["target"]) for link in links)


class UnserializableError(TerminalError):
    """A value cannot be kept as JSON, or does not fit its type. ``path`` says where in it.

    ::

        except UnserializableError as error:
            print(error.path)  # $.items[3].price
    """

    code = ErrorCode.UNSERIALIZABLE
    path: str = "$"

    def __init__(self, message: str, *, path: str = "$") -> None:
        super().__init__(message)
        self.path = path


class InternalError(TerminalError):
    """The engine failed on the request; nothing was changed. This is a fault of playhead, and its log has the whole error.

    ::

        except InternalError as error:
            report(str(error))
    """

    code = ErrorCode.INTERNAL


class UnknownOutcomeError(ActorError):
    """Whether the request was carried out is unknown: the disk failed, the process is stopping, or the connection broke.

    ``invocation_id`` is the invocation that the request started or was about, where it is known. Asking again under the same
    idempotency key is safe.

    ::

        except actors.UnknownOutcomeError:
            await counter.add.options(idempotency_key=key)(5)  # again: counted once
    """

    code = ErrorCode.OUTCOME_UNKNOWN
    invocation_id: InvocationId | None = None


class InvocationPausedError(ActorError):
    """The invocation whose outcome was awaited is paused until it is resumed; of an update, its run is. ``invocation_id`` is the id of
    what was awaited. Repeating the request under the same idempotency key, or awaiting the outcome, waits again.

    ::

        except InvocationPausedError as error:
            await client.invocation(error.invocation_id).resume()
    """

    code = ErrorCode.PAUSED
    invocation_id: InvocationId | None = None
