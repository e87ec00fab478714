"""Runs the operations of openai-agents as steps on asyncio."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import attrs
from agents import exceptions
from pydantic_core import to_jsonable_python

from actors.aio.handler.branches import TaskBranch
from actors.errors import TerminalError
from actors.model.verbs.steps import run
from actors.replay.branches import current_branch
from actors.values.retries import RetryPolicy

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from actors.model.step_options import Redactor
    from actors.values.arguments import Seconds

_WORTH_A_RETRY = frozenset({408, 409, 425, 429})
"""The HTTP statuses below 500 after which the same request may succeed."""


@attrs.frozen
class StepSettings:
    """The options of the steps of one kind."""

    retry: RetryPolicy | None = None
    timeout: Seconds | None = None
    redact: Redactor | None = None

    async def run(self, name: str, body: Callable[..., Awaitable[Any]], *args: Any) -> Any:
        """Run the body as a step, whose result is JSON, and return or raise its recorded outcome.

        An error of openai-agents is the outcome of the step, and is raised again with its type. An error with an HTTP status that would
        come again is one too, as :class:`TerminalError`. Any other error is retried.
        """

        async def outcome(*given: Any) -> Any:
            try:
                return {"value": await body(*given)}
            except exceptions.AgentsException as error:
                return {"error": _stored(error)}
            except Exception as error:
                if _comes_again(error):
                    raise TerminalError(f"{type(error).__qualname__}: {error}") from error
                raise

        recorded = await run(
            outcome,
            *args,
            name=name,
            retry=self.retry,
            timeout=self.timeout,
            loop="asyncio",
            redact=self.redact or (),
            result_type=Any,
        )
        if "error" in recorded:
            raise _restored(recorded["error"])
        return recorded["value"]


def in_hosted_code() -> bool:
    """Report whether the caller runs in a handler, in asyncio code. Elsewhere agents run as without playhead."""
    return isinstance(current_branch.get(), TaskBranch)


def _comes_again(error: Exception) -> bool:
    status = getattr(error, "status_code", None)
    return isinstance(status, int) and 400 <= status < 500 and status not in _WORTH_A_RETRY


def _stored(error: exceptions.AgentsException) -> dict[str, Any]:
    attributes = {name: value for name, value in vars(error).items() if name != "run_data" and name[:1] != "_"}
    return {
        "type": type(error).__name__,
        "message": str(error),
        "attributes": to_jsonable_python(attributes, fallback=str),
    }


def _restored(stored: Mapping[str, Any]) -> exceptions.AgentsException:
    """Make the error again without its ``__init__``, which has other parameters in each class."""
    kind: Any = getattr(exceptions, stored["type"], None)
    if not isinstance(kind, type) or not issubclass(kind, exceptions.AgentsException):
        kind = exceptions.AgentsException
    error: exceptions.AgentsException = kind.__new__(kind)
    error.args = (stored["message"],)
    vars(error).update(stored["attributes"], run_data=None)
    return error
