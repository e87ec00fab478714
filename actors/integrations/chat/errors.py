"""The errors of a model request and of a tool."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from actors.errors import ActorError, TerminalError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import ModuleType

TRY_AGAIN = frozenset({408, 409, 425, 429})
"""The statuses below 500 that are worth another try."""


class ModelRefusedError(TerminalError):
    """The model's server refuses the request, and would refuse it again: a wrong key, an unknown model, a prompt that is too long.

    ``status_code`` is the status of its answer, ``body`` what it says. Other statuses, such as 429 and 503, are tried again by the retry
    policy of the request.
    """

    def __init__(self, message: str = "", *, status_code: int = 0, body: Any = None) -> None:
        super().__init__(message)
        self.status_code = status_code
        self.body = body


class ModelResponseError(ActorError):
    """The answer of the model's server is not what its protocol says: no JSON, a part of it is missing, or it ends early. The
    request is tried again by its retry policy."""


class ToolError(TerminalError):
    """Raise it in a tool to tell the model what is wrong, so that it can ask again in another way. It is recorded and not retried."""


class TooManyTurnsError(TerminalError):
    """The model still wants to call tools after the largest number of requests. ``turns`` is that number."""

    def __init__(self, message: str = "", *, turns: int = 0) -> None:
        super().__init__(message)
        self.turns = turns


@contextmanager
def model_errors(client: ModuleType) -> Iterator[None]:
    """Replace the errors of a client by :class:`ModelRefusedError` and :class:`ModelResponseError`; ``client`` is ``openai`` or
    ``anthropic``, whose errors have the same names. Connection errors, and statuses that are worth another try, stay as they are."""
    try:
        yield
    except client.APIResponseValidationError as error:
        raise ModelResponseError(f"the model's answer cannot be read: {error}") from error
    except client.APIStatusError as error:
        if error.status_code < 400 or error.status_code >= 500 or error.status_code in TRY_AGAIN:
            raise  # below 400: an error in the middle of a stream, such as that of an overloaded server
        raise ModelRefusedError(
            f"the model's server refused the request with status {error.status_code}: {error.message}",
            status_code=error.status_code,
            body=error.body,
        ) from error
    except (ActorError, client.APIError):
        raise
    except Exception as error:  # the clients trust the bytes, and raise whatever follows from that
        raise ModelResponseError(
            f"the model's answer is not what its API promises: {type(error).__name__}: {error}"
        ) from error
