"""Signals: values that are sent to a running handler."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar, overload

import msgspec

from actors.errors import SignalFailedError, UnserializableError
from actors.model.verbs.branches import branch_for, source_line
from actors.replay.branches import Branch, Operation
from actors.values import Codec, ValueProblem, check_restored, codec_for
from actors.values.arguments import MAX_NAME, checked_name
from journal import events as e
from journal.safe_logger import SafeLogger

if TYPE_CHECKING:
    from typing_extensions import TypeForm  # read only by type checkers


log = SafeLogger(__name__)

T = TypeVar("T")


@overload
async def signal(name: str, kind: type[T]) -> T: ...
@overload
async def signal(name: str, kind: TypeForm[T]) -> T: ...
@overload
async def signal(name: str) -> Any: ...
async def signal(name: str, kind: Any = Any) -> Any:
    """Wait for a value that a client sends with ``handle.signal(name, value)``. The values of a name arrive in order.

    A value that does not fit the type is skipped, and the next one awaited, so a mistyped approval blocks nothing. Without a
    type, or with ``Any``, only plain JSON values are accepted: to receive a tuple, for example, name its type, or
    :class:`UnserializableError` is raised. Raises :class:`SignalFailedError` if the client sent an error instead of a value.

    ::

        approved = await actors.signal("approval", bool)
    """
    branch = branch_for("signal")
    name = checked_name(name, "name", MAX_NAME)
    codec, source = codec_for(kind, f"signal {name!r}", name), source_line(1)
    while True:
        received = await next_signal(branch, name, source, codec.schema)
        try:
            value = codec.decode(received.value)
        except ValueProblem as error:
            if not branch.execution.is_repeating:
                log.warning(
                    "%s: signal %r is skipped: %s: %s",
                    branch.execution.invocation_id,
                    name,
                    error.path,
                    error.problem,
                )
            continue
        _check_signal(name, value, codec, received)
        return value


def _check_signal(name: str, value: Any, codec: Codec[Any], received: e.SignalReceived) -> None:
    """Raise :class:`UnserializableError` for a value that differs from the sent one because the handler names no type for it."""
    try:
        check_restored(value, codec, received.json_loses)
    except ValueProblem as error:
        raise UnserializableError(
            f"signal {name!r}: {error.path}: {error.problem}; name it: actors.signal({name!r}, <type>)", path=error.path
        ) from error


class SignalOperation(Operation, kw_only=True):
    """A handler waits for the next signal of the name."""

    name: str
    schema: bytes
    source: str
    question: str

    request = e.SignalAwaited
    completion = e.SignalReceived

    def is_recorded_as(self, recorded: e.SignalAwaited) -> bool:
        return recorded.name == self.name and recorded.question == self.question and not recorded.ready

    def schedule(self) -> None:
        self.event = e.SignalAwaited(
            invocation_id=self.branch.execution.invocation_id,
            step=self.step,
            name=self.name,
            source=self.source,
            schema=self.schema,
            question=self.question,
        )


async def next_signal(branch: Branch, name: str, source: str, schema: bytes, *, question: str = "") -> e.SignalReceived:
    """Wait for the next signal of this name, or for the answer to the question. Raises :class:`actors.SignalFailedError` if it is an
    error."""
    received: e.SignalReceived = await SignalOperation(
        branch, branch.following_step, name=name, source=source, schema=schema, question=question
    )
    if received.error is not None:
        raise SignalFailedError(received.error, signal=name, details=msgspec.json.decode(received.value or b"null"))
    return received
