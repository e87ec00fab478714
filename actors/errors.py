"""Whose fault it is shows in the type: the handler's, the caller's, the code's change, or nobody's."""

from __future__ import annotations

import functools
import re
from typing import TYPE_CHECKING, Any, cast

import attrs

from journal.events import Status
from journal.ids import InvocationId

if TYPE_CHECKING:
    from collections.abc import Callable


class ActorError(Exception):
    """The base of everything that this package raises, but for the two cancellations.

    ``http_status`` of a class is what a caller over HTTP sees.
    """

    http_status = 500


_NAME_CHARACTERS = 4_096

_DEPLOYMENT = re.compile(r"\Adep_[0-9a-f]{16}\.")


def plain_text(text: object, characters: int) -> str:
    """The text as one that can be encoded and has this length at most. Raises ``TypeError`` if it is none."""
    if not issubclass(type(text), str):
        raise TypeError("not a text")
    # A class of texts may have methods of its own; these are str's.
    exact = str.__str__(cast("str", text))
    return exact[:characters].encode("utf-8", "backslashreplace").decode()[:characters]


instance_dict_of: Callable[[BaseException], dict[str, Any]] = vars(BaseException)["__dict__"].__get__
"""The attributes of an error, whatever its class answers when it is asked for one."""

# What Python itself keeps of a class. Its metaclass is its author's, and may answer anything when it is asked for these.
_module_in = vars(type)["__module__"].__get__
_qualname_in = vars(type)["__qualname__"].__get__
bases_of: Callable[[type], tuple[type, ...]] = vars(type)["__mro__"].__get__
"""The class and its bases, in the order of Python's method resolution."""


def module_of(kind: type) -> str:
    """The module that a class says it is from; ``?`` if that is no text."""
    module = _module_in(kind)
    return plain_text(module, _NAME_CHARACTERS) if issubclass(type(module), str) else "?"


def qualname_of(kind: type) -> str:
    """A class's name within its module."""
    return plain_text(_qualname_in(kind), _NAME_CHARACTERS)


def name_alone(kind: type) -> str:
    """A class's name, for messages. Never raises."""
    return qualname_of(kind).rpartition(".")[2]


def is_built_in(kind: type) -> bool:
    """Whether the class is one of this package."""
    return module_of(kind).partition(".")[0] == "actors"


def type_name(kind: type) -> str:
    """An error's type as it is recorded: as the application calls it, whichever deployment of it the class is from. Never raises."""
    return f"{_DEPLOYMENT.sub('', module_of(kind))}.{qualname_of(kind)}"


@functools.lru_cache(maxsize=256)
def deployment_of_module(name: str) -> str:
    """The deployment that a module was loaded for; empty if it was imported as usual."""
    found = _DEPLOYMENT.match(name)
    return "" if found is None else found.group()[:-1]


# The handler's: how an execution ends.


class TerminalError(ActorError):
    """Raise it in a handler or a step to fail for good: it is recorded, never retried, and raised at the caller's await.

    A subclass arrives as itself, with its attributes, where its class is known: ``except InsufficientFunds`` works across a
    call, across a replay and over HTTP. An attribute is kept if it is JSON, of a common type of the standard library, or of the type
    that its annotation says, in the class or in the parameters of its ``__init__``. If one cannot be kept, or they have more than
    64 KiB as JSON, a plain ``TerminalError`` arrives, with ``type``, text and ``details``. ``details`` are kept by the same rule;
    an error whose details cannot be kept, or have more than 64 KiB, is recorded as ``UnserializableError``.
    ``invocation_id`` is that of the invocation that raised it. Its cause is told by the recorded traceback, and is not raised again.

    ::

        class InsufficientFunds(actors.TerminalError): ...

        raise InsufficientFunds("balance is 3, asked for 5", details={"balance": 3})
    """

    invocation_id: InvocationId | None = None
    details: Any = None
    type: str = ""

    def __init__(self, message: str = "", *, details: Any = None) -> None:
        super().__init__(message)
        # A subclass may be frozen, or have properties of these names.
        instance_dict_of(self).update(details=details, type=type_name(type(self)))


class StepFailedError(TerminalError):
    """A step has used up its attempts, and its retry policy says that this is an outcome. ``type`` names the last error."""


class StepOutcomeUnknownError(TerminalError):
    """An ``at_most_once`` step was under way when the process died: whether it happened is unknown, so it is not repeated.

    Find out by other means (ask the other side, under ``actors.step_key()``), then go on or compensate.
    """


class BlockedLoopError(ActorError):
    """Code of a handler, or of an async step, kept the event loop to itself for longer than ``Limits.blocking_seconds``.

    It was interrupted, and its invocation is paused. Put slow work into a step that is a plain function: it runs in a thread.
    """


class StepLostError(ActorError):
    """The process died while a try of a step ran. The try counts as failed, and the step's policy says when the next one begins."""


class StepTimeoutError(ActorError):
    """One try of a step took longer than its ``timeout``. It is tried again, as its policy says."""


class InvocationCancelledError(TerminalError):
    """The invocation whose outcome was awaited has been cancelled."""

    http_status = 409


class InvocationKilledError(TerminalError):
    """The invocation whose outcome was awaited has been killed."""

    http_status = 409


class TooSlowError(TerminalError):
    """The time of a ``fail_after`` or of a call's ``timeout`` is over."""

    http_status = 504


@attrs.frozen
class CircleLink:
    """One of those that wait for each other."""

    invocation_id: InvocationId
    target: str


class DeadlockError(TerminalError):
    """What was to be waited for waits itself, directly or through others, for the one that asks. It was not begun.

    ``chain`` names them in order, from the one that asks back to itself.
    """

    http_status = 409

    @property
    def chain(self) -> tuple[CircleLink, ...]:
        """Each waits for the next."""
        links = (self.details or {}).get("chain", ())
        return tuple(CircleLink(link["invocation_id"], link["target"]) for link in links)


class CallTooDeepError(TerminalError):
    """Calls within calls went deeper than the limit."""

    http_status = 508


class UnserializableError(TerminalError):
    """A value cannot be kept as JSON, or does not fit its type. ``path`` says where in it."""

    path = "$"

    def __init__(self, message: str, *, path: str = "$") -> None:
        super().__init__(message)
        self.path = path


class NonDurableAwaitError(TerminalError):
    """A handler awaited something that is not durable. Put it into a step."""


class InsideStepError(TerminalError):
    """A durable verb was used inside a step. Use it in the handler, and give the step what it needs."""


# The caller's: why something is not done.


class Refused(TerminalError):
    """Something was asked for that cannot be done; nothing has changed. The message says what would work."""

    http_status = 409


class UnauthorizedError(Refused):
    """The server does not know who asks: the token is missing, wrong or revoked."""

    http_status = 401


class ForbiddenError(Refused):
    """The token does not reach so far, or the request comes from a page of another site."""

    http_status = 403


class UnknownInvocationError(Refused):
    """No such invocation: it never was, or it has been purged."""

    http_status = 404


class UnknownServiceError(Refused):
    """No class of this name is served here."""

    http_status = 404


class UnknownHandlerError(Refused):
    """The class has no such handler."""

    http_status = 404


class InvalidArgumentError(Refused, ValueError):
    """An argument cannot be used: it does not fit the handler's signature, or is no value for a parameter of this package.
    ``path`` names the parameter, or the place in the argument."""

    http_status = 400
    path = "$"

    def __init__(self, message: str, *, path: str = "$") -> None:
        super().__init__(message)
        self.path = path


class InvalidKeyError(Refused):
    """The key is missing, empty, too long, or given where there is none."""

    http_status = 400


class PayloadTooLargeError(Refused):
    """A value is larger than the limit, in bytes of JSON."""

    http_status = 413


class MailboxFullError(Refused):
    """Too many invocations wait for this object already. Ask again later."""

    http_status = 429


class SignalBufferFullError(Refused):
    """Too many signals wait for this invocation already."""

    http_status = 429


class IdempotencyConflictError(Refused):
    """The same request key, or workflow key, with another argument."""


class KeyCollisionError(Refused):
    """Two objects share one 64-bit number, and the other one was here first. Use another key."""


class AlreadyCompletedError(Refused):
    """It has ended; its outcome is still there to read."""

    status: Status | None = None

    def __init__(self, message: str, *, status: Status) -> None:
        super().__init__(message)
        self.status = status


class NotCompletedError(Refused):
    """It has not ended yet."""

    status: Status | None = None

    def __init__(self, message: str, *, status: Status) -> None:
        super().__init__(message)
        self.status = status


class InvalidScopeError(Refused):
    """The text names no scope of a gate, or one that no gate can have."""

    http_status = 400


class TooManyGatesError(Refused):
    """There are as many gates as there may be. Open some first, or close a wider one."""

    http_status = 429


class StillRunningError(Refused):
    """Its handler is in memory; pause it first."""

    status: Status | None = None

    def __init__(self, message: str, *, status: Status) -> None:
        super().__init__(message)
        self.status = status


class StillOpenError(Refused):
    """It has not ended, so it must be stopped first: say how."""

    status: Status | None = None

    def __init__(self, message: str, *, status: Status) -> None:
        super().__init__(message)
        self.status = status


class NotPossibleError(Refused):
    """This cannot be done to an invocation, or an object, of this kind."""

    http_status = 422


class IncompatibleError(Refused):
    """The code that it would be moved to does not get through what is recorded; or, with other input, through what a restart
    keeps. ``details`` say where: ``verdict``, ``summary``, ``position`` (after that many operations), the path of the ``step``, and
    in words what is ``recorded`` and what is ``attempted``, with their source lines."""


class UnknownFieldError(Refused):
    """The class has no such field."""

    http_status = 404


class KeyHeldError(Refused):
    """A handler holds the object, or others wait for it, and this was not to wait."""


class VersionConflictError(Refused):
    """The fields have been changed since they were read; ``version`` is the event that changed them last."""

    def __init__(self, message: str, *, version: int) -> None:
        super().__init__(message, details={"version": version})

    @property
    def version(self) -> int:
        """The number of that event; also where the error comes from far away."""
        version: int = self.details["version"]
        return version


class UnknownStepError(NotPossibleError):
    """The history has no such step, or more than one of that name, or a restart cannot go back to it."""


class HistoryGoneError(Refused):
    """What this needs to know of the past has been purged."""

    http_status = 410


class InvalidQueryError(Refused):
    """A query or a predicate cannot be understood, or asks for more than to read. ``position`` is the character it stumbles
    over, counted from 0, where one can be named; ``details`` holds it too."""

    http_status = 400

    def __init__(self, message: str, *, position: int | None = None) -> None:
        super().__init__(message, details=None if position is None else {"position": position})

    @property
    def position(self) -> int | None:
        """Where in the text."""
        return None if self.details is None else self.details["position"]


class QueryTooSlowError(Refused):
    """A query took longer than it may. Narrow it; the message says by which columns."""

    http_status = 422


class QueryTooLargeError(Refused):
    """A query gives more, or needs more memory, than it may. Nothing is cut off silently: add LIMIT, or narrow it."""

    http_status = 422


class TooManyItemsError(Refused):
    """More invocations fit than one job takes. Narrow the condition, or say how many."""

    http_status = 422


class UnknownJobError(Refused):
    """No such job: it never was, or it has been purged."""

    http_status = 404


class UnavailableError(Refused):
    """The store takes no new work for now; try again later. Nothing was kept."""

    http_status = 503


class ObjectSetAsideError(UnavailableError):
    """The engine failed on this object, or what is stored of it is damaged, so nothing of it goes on until that is repaired and the
    runtime is started again. Other objects go on."""


class InternalError(TerminalError):
    """The engine failed on what was asked for; nothing was changed. This is a fault of playhead, which the log tells in full."""

    http_status = 500


class UnknownDeploymentError(Refused):
    """No such deployment: it never was registered, or it has been pruned."""

    http_status = 404


class UnknownFileError(Refused):
    """The deployment's code has no such file."""

    http_status = 404


class DeploymentInUseError(Refused):
    """The deployment cannot go: it is the latest, or ``open_invocations`` are pinned to it."""

    def __init__(self, message: str, *, open_invocations: int = 0) -> None:
        super().__init__(message, details={"open_invocations": open_invocations})

    @property
    def open_invocations(self) -> int:
        """How many run on it and have not ended."""
        count: int = self.details["open_invocations"]
        return count


class TooManyDeploymentsError(Refused):
    """There are as many deployments as there may be. Prune those that nothing runs on."""

    http_status = 429


class DeploymentTooLargeError(Refused):
    """The application's code has more files, or more bytes, than a deployment may."""

    http_status = 413


class BrokenDeploymentError(Refused):
    """The code of a deployment cannot be imported, or is not there. ``traceback`` says where it failed."""

    http_status = 422

    def __init__(self, message: str, *, deployment: str, traceback: str = "") -> None:
        super().__init__(message, details={"deployment": deployment, "traceback": traceback})

    @property
    def deployment(self) -> str:
        """Its id."""
        return str(self.details["deployment"])

    @property
    def traceback(self) -> str:
        """What the import raised, as Python shows it."""
        return str(self.details["traceback"])


class UnknownOutcomeError(ActorError):
    """Whether it was kept is unknown: the disk failed, the process is stopping, or the connection broke.

    ``invocation_id`` is what was asked for or about, where it is known: once the runtime is back, it says how that stands. Asking
    again under the same idempotency key is safe.
    """

    http_status = 503
    invocation_id: InvocationId | None = None


class InvocationPausedError(ActorError):
    """The invocation whose outcome was awaited is paused: it goes on when it is resumed. ``invocation_id`` is which; asking again
    under the same idempotency key, or for its outcome, waits again."""

    http_status = 503
    invocation_id: InvocationId | None = None


# The code's change.


class NonDeterminismError(ActorError):
    """A replay did something other than what was recorded. The invocation is paused; the message holds the diff."""


class NoLongerFitsError(ActorError):
    """A stored value no longer fits the type that the code now gives it. The invocation is paused; nothing is lost."""

    def __init__(self, message: str, *, path: str = "$") -> None:
        super().__init__(message)
        self.path = path


# A mistake in the program.


class DefinitionError(TerminalError, TypeError):
    """A class, a handler, a field or a step is defined in a way that cannot work."""


class FieldMisuseError(TerminalError, AttributeError):
    """A handler changes what it may not: a field that the class does not declare, any field in a shared handler, a log or a map
    as a whole; or it deletes a field. Trying again would not help."""


class OutsideHandlerError(TerminalError, RuntimeError):
    """A durable verb was used outside a handler."""


# The two cancellations. Neither is an Exception, so that ``except Exception`` does not swallow it.


class CancelledError(BaseException):
    """This invocation has been cancelled. Delivered once, at the await in progress.

    Later awaits work, so compensate, then raise it on::

        try:
            await book()
        except actors.CancelledError:
            await unbook()
            raise

    ``errors`` are what failed for good in a nursery while the cancel passed through it; they are kept on the outcome.
    """

    errors: tuple[BaseException, ...] = ()

    def __init__(self, reason: str = "") -> None:
        super().__init__(reason)
        self.reason = reason


class Cancelled(BaseException):
    """A scope around this await has been cancelled; every await in it raises this until it is left. Never catch it for good."""


class AttemptEnded(BaseException):
    """The attempt is over and its coroutine is being closed; no verb works any more. Never seen by a handler that goes on."""


# The names of errors are kept in journals and sent over wires, so they must not depend on where the classes happen to stand.
for _error in [kind for kind in globals().values() if isinstance(kind, type) and issubclass(kind, BaseException)]:
    _error.__module__ = "actors"


class Interruption(BaseException):
    """Raised by the engine in code that keeps the event loop to itself. No ``Exception``, so that few handlers catch it."""
