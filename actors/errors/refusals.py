"""Refusals of a request: nothing has changed."""

from __future__ import annotations

from typing import Any

from actors.errors.base import TerminalError
from actors.errors.codes import ResourceKind
from journal.error_codes import ErrorCode
from journal.events import Status


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
    """The named thing does not exist, or no longer exists (code ``gone``). ``kind`` is its kind: an invocation, a
    service, a handler, a step …

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
    """The request conflicts with the state of the invocation, object, deployment or name. Read the state, then decide again.

    ``code`` is the kind of conflict. ``status`` is the status of the invocation, if that is the reason; ``version`` the
    event that last changed the fields (``version_conflict``); ``open_invocations`` the number that run on a deployment
    (``in_use``).

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
    """No server answers, or it accepts no new work for now (code ``unavailable``: try again later). Nothing has changed.

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


class NotOwnerError(UnavailableError):
    """The node does not own the object that the request is about, and could not reach the node that does. Nothing has changed: try
    again. ``node`` and ``url`` name the owner, as far as it is known; both are empty while no node owns the ``partition``.

    ::

        except actors.errors.NotOwnerError as error:
            print(error.partition, error.node, error.url)
    """

    code: ErrorCode = ErrorCode.NOT_OWNER

    def __init__(self, message: str = "", *, partition: int = 0, node: str = "", url: str = "") -> None:
        super().__init__(message, code=ErrorCode.NOT_OWNER)
        self.details = {"partition": partition, "node": node, "url": url}

    @property
    def partition(self) -> int:
        """The partition of the object."""
        return int((self.details or {}).get("partition", 0))

    @property
    def node(self) -> str:
        """The name of the owner, or an empty text."""
        return str((self.details or {}).get("node", ""))

    @property
    def url(self) -> str:
        """Where the owner is reached, or an empty text."""
        return str((self.details or {}).get("url", ""))
