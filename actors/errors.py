"""The errors of this package, one class for each thing that a caller can do about it. All of them are promised.

``code`` says what happened, and never changes its meaning: programs compare it, messages are for people. ``kind`` says what was
not found, ``limit`` which limit was exceeded. Codes cross HTTP, and stand in the audit and in the items of jobs::

    try:
        await client.invocation(id).purge()
    except actors.ConflictError as error:
        if error.code is not ErrorCode.NOT_COMPLETED:
            raise

The bases say whose part it is: a :class:`TerminalError` ends the handler that does not catch it, a :class:`RefusedError` changed
nothing, any other :class:`ActorError` is tried again, or pauses the invocation. How a code becomes an HTTP status or an exit code
is known where these are made.
"""

from __future__ import annotations

import enum
import functools
import re
from typing import TYPE_CHECKING, Any, cast

import attrs

from journal.errors import CorruptRecord, Damaged, JournalError, MalformedIdError, Unavailable
from journal.events import Status
from journal.ids import InvocationId

if TYPE_CHECKING:
    from collections.abc import Callable


class ErrorCode(enum.StrEnum):
    """What happened. Codes are added, none is renamed or changes its meaning."""

    INTERNAL = "internal"
    """The engine failed: a fault of playhead."""
    FAILED = "failed"
    """A handler or a step failed for good; the class is the application's."""
    STEP_FAILED = "step_failed"
    """A step has used up its attempts."""
    STEP_OUTCOME_UNKNOWN = "step_outcome_unknown"
    """An ``at_most_once`` step was interrupted."""
    STEP_LOST = "step_lost"
    """The process died during a try of a step."""
    STEP_TIMEOUT = "step_timeout"
    """A try of a step took longer than its ``timeout``."""
    BLOCKED_LOOP = "blocked_loop"
    """Code blocked the event loop."""
    CANCELLED = "cancelled"
    """The awaited invocation was cancelled."""
    KILLED = "killed"
    """The awaited invocation was killed."""
    PAUSED = "paused"
    """The awaited invocation is paused."""
    DEADLINE_EXCEEDED = "deadline_exceeded"
    """A timeout has expired."""
    DEADLOCK = "deadlock"
    """A call would wait for its own caller."""
    UNSERIALIZABLE = "unserializable"
    """A value cannot be stored."""
    OUTSIDE_HANDLER = "outside_handler"
    """A durable verb was used outside a handler."""
    INSIDE_STEP = "inside_step"
    """A durable verb was used inside a step."""
    NON_DURABLE_AWAIT = "non_durable_await"
    """A handler awaited something that is not durable."""
    FIELD_MISUSE = "field_misuse"
    """A field was changed where or how it cannot be."""
    INVALID_DEFINITION = "invalid_definition"
    """A class, handler, field or step cannot work as it is defined."""
    NONDETERMINISM = "nondeterminism"
    """A replay differs from the history."""
    NO_LONGER_FITS = "no_longer_fits"
    """A stored value does not fit its type."""
    REFUSED = "refused"
    """Nothing was changed; no other code says more."""
    UNAUTHENTICATED = "unauthenticated"
    """The token is missing, wrong or revoked."""
    FORBIDDEN = "forbidden"
    """The token does not permit this."""
    NOT_FOUND = "not_found"
    """``kind`` says what was not found."""
    GONE = "gone"
    """It existed, and has been purged."""
    INVALID_ARGUMENT = "invalid_argument"
    """``path`` says which argument cannot be used."""
    LIMIT_EXCEEDED = "limit_exceeded"
    """The request needs more than ``limit`` allows."""
    TOO_LARGE = "too_large"
    """A value is larger than ``limit`` allows."""
    TOO_MANY = "too_many"
    """There are as many as ``limit`` allows: delete some first."""
    BUSY = "busy"
    """A queue is full: try again later."""
    ALREADY_COMPLETED = "already_completed"
    """The invocation has ended."""
    NOT_COMPLETED = "not_completed"
    """The invocation has not ended."""
    STILL_RUNNING = "still_running"
    """The handler is running: pause it first."""
    STILL_OPEN = "still_open"
    """The invocation must be stopped first."""
    IDEMPOTENCY_CONFLICT = "idempotency_conflict"
    """The idempotency key was used with another argument."""
    KEY_COLLISION = "key_collision"
    """Two objects share one 64-bit number."""
    KEY_HELD = "key_held"
    """A handler holds the object, or invocations wait for it."""
    VERSION_CONFLICT = "version_conflict"
    """The fields have changed since they were read."""
    IN_USE = "in_use"
    """The deployment is needed."""
    ALREADY_EXISTS = "already_exists"
    """The name is taken."""
    NOT_POSSIBLE = "not_possible"
    """An invocation, object or field of this kind does not permit this."""
    INCOMPATIBLE = "incompatible"
    """The recorded history does not replay on that code."""
    MISSING_EXTRA = "missing_extra"
    """This installation lacks the packages of an extra."""
    UNAVAILABLE = "unavailable"
    """No server answers, or it takes no new work for now."""
    OFFLINE = "offline"
    """A data directory was opened without a server, and this needs one."""
    SET_ASIDE = "set_aside"
    """The object is set aside until it is repaired and the runtime restarted."""
    DAMAGED = "damaged"
    """A file that the server needs cannot be trusted: repair it."""
    BROKEN_DEPLOYMENT = "broken_deployment"
    """The code of a deployment cannot be imported, or is not there."""
    OUTCOME_UNKNOWN = "outcome_unknown"
    """Whether the request was carried out is unknown."""


class ResourceKind(enum.StrEnum):
    """What was not found."""

    INVOCATION = "invocation"
    SERVICE = "service"
    HANDLER = "handler"
    OBJECT = "object"
    FIELD = "field"
    STEP = "step"
    HISTORY = "history"
    JOB = "job"
    DEPLOYMENT = "deployment"
    FILE = "file"
    TOKEN = "token"  # noqa: S105  # the name of a kind
    PATH = "path"


class ActorError(Exception):
    """The base of every error of this package, except the two cancellations. ``code`` says what happened.

    ::

        except actors.ActorError as error:
            log.warning("%s: %s", error.code, error)
    """

    code: ErrorCode = ErrorCode.INTERNAL


_NAME_CHARACTERS = 4_096

_DEPLOYMENT = re.compile(r"\Adep_[0-9a-f]{16}\.")


def plain_text(text: object, characters: int) -> str:
    """The text, made encodable and cut to this length. Raises ``TypeError`` if it is not a text."""
    if not issubclass(type(text), str):
        raise TypeError("not a text")
    # A subclass of str may override its methods; these are str's own.
    exact = str.__str__(cast("str", text))
    return exact[:characters].encode("utf-8", "backslashreplace").decode()[:characters]


instance_dict_of: Callable[[BaseException], dict[str, Any]] = vars(BaseException)["__dict__"].__get__
"""The attributes of an error, whatever its class returns for them."""

# Python's own data about a class. A user's metaclass may return anything for these.
_module_in = vars(type)["__module__"].__get__
_qualname_in = vars(type)["__qualname__"].__get__
bases_of: Callable[[type], tuple[type, ...]] = vars(type)["__mro__"].__get__
"""The class and its bases, in method resolution order."""


def module_of(kind: type) -> str:
    """The module name of a class; ``?`` if it is not a text."""
    module = _module_in(kind)
    return plain_text(module, _NAME_CHARACTERS) if issubclass(type(module), str) else "?"


def qualname_of(kind: type) -> str:
    """A class's name within its module."""
    return plain_text(_qualname_in(kind), _NAME_CHARACTERS)


def name_alone(kind: type) -> str:
    """The name of a class, for messages. Never raises."""
    return qualname_of(kind).rpartition(".")[2]


def is_built_in(kind: type) -> bool:
    """Whether the class is one of this package."""
    return module_of(kind).partition(".")[0] == "actors"


def type_name(kind: type) -> str:
    """The recorded name of an error's type: the name in the application, whichever deployment the class is from. Never raises."""
    return f"{_DEPLOYMENT.sub('', module_of(kind))}.{qualname_of(kind)}"


@functools.lru_cache(maxsize=256)
def deployment_of_module(name: str) -> str:
    """The deployment that a module was loaded for; empty if it was imported normally."""
    found = _DEPLOYMENT.match(name)
    return "" if found is None else found.group()[:-1]


def code_of(error: BaseException) -> ErrorCode:
    """The error code, whatever a user's class stores as ``code``. Never raises."""
    if isinstance(error, JournalError):
        return _code_of_journal(error)
    own = instance_dict_of(error).get("code")
    if type(own) is ErrorCode:
        return own
    return next(
        (kind.code for kind in bases_of(type(error)) if is_built_in(kind) and issubclass(kind, ActorError)),
        ErrorCode.INTERNAL,
    )


def _code_of_journal(error: JournalError) -> ErrorCode:
    match error:
        case MalformedIdError():
            return ErrorCode.INVALID_ARGUMENT
        case Unavailable():
            return ErrorCode.UNAVAILABLE
        case Damaged() | CorruptRecord():
            return ErrorCode.DAMAGED
        case _:
            return ErrorCode.INTERNAL


# Errors of a handler, which are outcomes.


class TerminalError(ActorError):
    """Raise it in a handler or a step to fail finally: it is recorded, never retried, and raised at the caller's await.

    A subclass arrives as itself, with its attributes, if its class is known: ``except InsufficientFunds`` works across a call,
    across a replay and over HTTP. An attribute is kept if it is JSON, of a common type of the standard library, or of the type in
    its annotation, in the class or in the parameters of its ``__init__``. If one cannot be kept, or they exceed 64 KiB as JSON, a
    plain ``TerminalError`` arrives, with ``type``, text and ``details``. ``details`` are kept by the same rule; an error whose
    details cannot be kept, or exceed 64 KiB, is recorded as ``UnserializableError``. ``invocation_id`` is that of the invocation
    that raised it. Its cause is part of the recorded traceback, and is not raised again.

    ::

        class InsufficientFunds(actors.TerminalError): ...

        raise InsufficientFunds("balance is 3, asked for 5", details={"balance": 3})
    """

    code: ErrorCode = ErrorCode.FAILED
    invocation_id: InvocationId | None = None
    details: Any = None
    type: str = ""

    def __init__(self, message: str = "", *, details: Any = None) -> None:
        super().__init__(message)
        # A subclass may be frozen, or define properties with these names.
        instance_dict_of(self).update(details=details, type=type_name(type(self)))


class StepFailedError(TerminalError):
    """A step has used up its attempts, and its retry policy makes that an outcome. ``type`` names the last error.

    ::

        try:
            await charge(card)
        except actors.StepFailedError as error:
            return f"declined: {error.type}"
    """

    code = ErrorCode.STEP_FAILED


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


# Mistakes in the program.


class DefinitionError(TerminalError, TypeError):
    """A class, a handler, a field or a step is defined in a way that cannot work.

    ::

        class Counter(actors.Actor):
            value: int  # DefinitionError: Counter.value needs a default
    """

    code = ErrorCode.INVALID_DEFINITION


class MisuseError(TerminalError, RuntimeError):
    """A handler or a step uses the package in a way that cannot work; trying again would not help.

    ``code``: ``outside_handler`` (a durable verb where no handler runs), ``inside_step`` (a durable verb in a step),
    ``non_durable_await`` (a handler awaits something that is not durable: put it into a step), or that of a subclass.

    ::

        await httpx.get(url)  # in a handler: MisuseError, code non_durable_await
        await actors.run(httpx.get, url)  # a step
    """

    code: ErrorCode = ErrorCode.OUTSIDE_HANDLER

    def __init__(self, message: str = "", *, code: ErrorCode = ErrorCode.OUTSIDE_HANDLER) -> None:
        super().__init__(message)
        self.code = code


class FieldMisuseError(MisuseError, AttributeError):
    """A field is used where or how it cannot be: through a reference, outside of its object's handlers, changed in a shared handler,
    deleted, replaced as a whole (a log or a map), or not declared by the class.

    ::

        self.colour = "red"  # FieldMisuseError: declare it in the class
    """

    code: ErrorCode = ErrorCode.FIELD_MISUSE

    def __init__(self, message: str = "") -> None:
        super().__init__(message, code=ErrorCode.FIELD_MISUSE)


# Refusals of a request.


class RefusedError(TerminalError):
    """The request cannot be carried out; nothing has changed. The message says what would work.

    ::

        except actors.RefusedError as error:
            print(error.code, error)
    """

    code: ErrorCode = ErrorCode.REFUSED


class AccessDeniedError(RefusedError):
    """The token is missing, wrong or revoked (``unauthenticated``); or it does not permit this, or the request comes from a page of
    another site (``forbidden``).

    ::

        except AccessDeniedError as error:
            print("log in" if error.code is ErrorCode.UNAUTHENTICATED else "ask for a wider token")
    """

    code: ErrorCode = ErrorCode.FORBIDDEN

    def __init__(self, message: str = "", *, code: ErrorCode = ErrorCode.FORBIDDEN) -> None:
        super().__init__(message)
        self.code = code


class NotFoundError(RefusedError):
    """There is no such thing, or no longer (code ``gone``). ``kind`` says what: an invocation, a service, a handler, a step …

    ::

        except actors.NotFoundError as error:
            print(error.kind)  # invocation
    """

    code: ErrorCode = ErrorCode.NOT_FOUND
    kind: ResourceKind = ResourceKind.INVOCATION

    def __init__(self, message: str = "", *, kind: ResourceKind, code: ErrorCode = ErrorCode.NOT_FOUND) -> None:
        super().__init__(message)
        self.kind = kind
        self.code = code


class InvalidArgumentError(RefusedError, ValueError):
    """An argument cannot be used. ``path`` names the parameter, or the place in the argument; ``position`` is the character of a
    query that is not understood, counted from 0, if it is known.

    ::

        except actors.InvalidArgumentError as error:
            print(error.path, error.position)
    """

    code = ErrorCode.INVALID_ARGUMENT
    path: str = "$"
    position: int | None = None

    def __init__(self, message: str = "", *, path: str = "$", position: int | None = None) -> None:
        super().__init__(message)
        self.path = path
        self.position = position


class LimitExceededError(RefusedError):
    """The request would exceed ``limit``, whose value is ``maximum``; ``found`` is the value of the request, if it is known.

    ``code``: ``busy`` (a queue is full: try again later), ``too_many`` (delete some first), ``too_large`` (send less),
    ``limit_exceeded`` (ask for less). Limits of a runtime have the names of ``actors.Limits``.

    ::

        except actors.LimitExceededError as error:
            print(f"{error.limit}: {error.found} of {error.maximum}")
    """

    code: ErrorCode = ErrorCode.LIMIT_EXCEEDED
    limit: str = ""
    maximum: float | None = None
    found: float | None = None

    def __init__(
        self,
        message: str = "",
        *,
        limit: str,
        maximum: float | None = None,
        found: float | None = None,
        code: ErrorCode = ErrorCode.LIMIT_EXCEEDED,
    ) -> None:
        super().__init__(message)
        self.limit = limit
        self.maximum = maximum
        self.found = found
        self.code = code


class ConflictError(RefusedError):
    """The request does not agree with the state of the invocation, object, deployment or name. Look at it, then decide again.

    ``code`` says in which way. ``status`` is the invocation's, where it is the reason; ``version`` the event that last changed the
    fields (``version_conflict``); ``open_invocations`` how many run on a deployment (``in_use``).

    ::

        except actors.ConflictError as error:
            if error.code is ErrorCode.ALREADY_COMPLETED:
                return await handle.result()
            raise
    """

    code: ErrorCode = ErrorCode.REFUSED
    status: Status | None = None

    def __init__(
        self, message: str = "", *, code: ErrorCode, status: Status | None = None, details: dict[str, Any] | None = None
    ) -> None:
        super().__init__(message, details=details)
        self.code = code
        self.status = status

    @property
    def version(self) -> int | None:
        """The number of the event that changed the fields last."""
        return (self.details or {}).get("version")

    @property
    def open_invocations(self) -> int | None:
        """The number of open invocations on the deployment."""
        return (self.details or {}).get("open_invocations")


class IncompatibleError(RefusedError):
    """The recorded history does not replay on the code that the invocation would be moved to; or, with other input, the part of it
    that a restart keeps does not. ``details`` say where: ``verdict``, ``summary``, ``position`` (after that many operations), the
    path of the ``step``, and in words what is ``recorded`` and what is ``attempted``, with their source lines.

    ::

        except IncompatibleError as error:
            print(error.details["recorded"], error.details["attempted"])
    """

    code = ErrorCode.INCOMPATIBLE


class BrokenDeploymentError(RefusedError):
    """The code of a deployment cannot be imported, or is not there. ``traceback`` says where it failed.

    ::

        except BrokenDeploymentError as error:
            print(error.deployment, error.traceback)
    """

    code = ErrorCode.BROKEN_DEPLOYMENT

    def __init__(self, message: str, *, deployment: str, traceback: str = "") -> None:
        super().__init__(message, details={"deployment": deployment, "traceback": traceback})

    @property
    def deployment(self) -> str:
        """The id of the deployment."""
        return str(self.details["deployment"])

    @property
    def traceback(self) -> str:
        """The error of the import, as Python shows it."""
        return str(self.details["traceback"])


class MissingExtraError(RefusedError, ImportError):
    """This installation lacks the packages of an extra. ``extra`` is its name, ``missing`` are the packages, and the message has the
    command that installs them.

    ::

        except actors.errors.MissingExtraError as error:
            print(error.extra)  # sql
    """

    code: ErrorCode = ErrorCode.MISSING_EXTRA

    def __init__(self, message: str = "", *, extra: str = "", missing: tuple[str, ...] = ()) -> None:
        super().__init__(message)
        self.extra = extra
        self.missing = missing


class UnavailableError(RefusedError):
    """No server answers, or it takes no new work for now (code ``unavailable``: try again later). Nothing was kept.

    Some states last until they are repaired and the runtime is restarted: ``set_aside`` (the engine failed on this object, or what is
    stored of it is damaged; other objects are not affected) and ``damaged`` (a file of tokens cannot be trusted). ``offline`` says that
    a data directory was opened without a server (:func:`actors.open_directory`), and this needs one.

    ::

        except actors.UnavailableError as error:
            retry = error.code is ErrorCode.UNAVAILABLE
    """

    code: ErrorCode = ErrorCode.UNAVAILABLE

    def __init__(self, message: str = "", *, code: ErrorCode = ErrorCode.UNAVAILABLE) -> None:
        super().__init__(message)
        self.code = code


# Unknown or pending outcomes.


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
    """The invocation whose outcome was awaited is paused until it is resumed. ``invocation_id`` is its id. Repeating the request
    under the same idempotency key, or awaiting the outcome, waits again.

    ::

        except InvocationPausedError as error:
            await client.invocation(error.invocation_id).resume()
    """

    code = ErrorCode.PAUSED
    invocation_id: InvocationId | None = None


# Errors of changed code.


class NonDeterminismError(ActorError):
    """A replay differs from the history. The invocation is paused; the message shows the difference.

    ::

        if actors.patched("ship before charging"):  # old invocations keep the old order
            await ship()
    """

    code = ErrorCode.NONDETERMINISM


class NoLongerFitsError(ActorError):
    """A stored value no longer fits the type that the code now gives it. The invocation is paused; nothing is lost.

    ::

        class Item:
            price: int = 0  # a field that is added needs a default
    """

    code = ErrorCode.NO_LONGER_FITS
    path: str = "$"

    def __init__(self, message: str, *, path: str = "$") -> None:
        super().__init__(message)
        self.path = path


# The two cancellations. They do not derive from Exception, so that ``except Exception`` does not swallow them.


class CancelledError(BaseException):
    """This invocation has been cancelled. Delivered once, at the current await.

    Later awaits work, so compensate, then raise it again::

        try:
            await book()
        except actors.CancelledError:
            await unbook()
            raise

    ``errors`` are terminal errors that occurred in a nursery while the cancel passed through it; they are kept in the outcome.
    """

    errors: tuple[BaseException, ...] = ()

    def __init__(self, reason: str = "") -> None:
        super().__init__(reason)
        self.reason = reason


class Cancelled(BaseException):
    """A scope around this await has been cancelled; every await in it raises this until the block is left. Always raise it again."""


class AttemptEnded(BaseException):
    """The attempt is over and its coroutine is being closed; durable verbs do not work any more. A handler that continues never
    sees it."""


class Interruption(BaseException):
    """Raised by the engine in code that blocks the event loop. Not an ``Exception``, so that few handlers catch it."""
