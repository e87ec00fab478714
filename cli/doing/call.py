"""A call, and what it waits for if it takes a while."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

import msgspec
import trio

from actors.errors import ActorError, TerminalError, type_name
from actors.model.explain import reasons
from actors.values.failures import text_of, type_of
from actors.values.outcomes import value_of
from cli.doing.why import line_of
from cli.output import emit_json, remark
from cli.source import live
from journal.events import OutcomeKind, Status

if TYPE_CHECKING:
    from actors.model.handles import InvocationHandle
    from cli.source import Where
    from journal.events import Outcome, Target
    from journal.ids import InvocationId


_PATIENCE_SECONDS = 3.0
"""How long a call may take before it is said what it waits for, and how often that is looked at."""


def call(target: Target, argument: bytes, idempotency_key: str | None, where: Where) -> None:
    """Call it, and print what it returns."""

    async def run() -> bytes:
        async with live(where) as client:
            sent = await client.send(target, argument, idempotency_key=idempotency_key)
            handle = client.invocation(sent.invocation_id)
            return result_of(await _outcome(handle), handle.id)

    emit_json(msgspec.json.decode(trio.run(run)))


class CallEndedError(ActorError):
    """The invocation that was called ended without a result.

    Its recorded failure may be of a class that stands for a refusal, such as ``UnknownInvocationError``; the command was not refused.
    """


def result_of(outcome: Outcome, of: InvocationId) -> bytes:
    """Its result. Raises :class:`CallEndedError`, with the id, for every other outcome."""
    try:
        return value_of(outcome, of)
    except TerminalError as error:
        text = text_of(error)
        if outcome.kind is OutcomeKind.FAILED:
            # The text of an error that stands for another names that already.
            named = type_of(error)
            kind = f"{named}: " if named == type_name(type(error)) and type(error) is not TerminalError else ""
            text = f"{of} failed: {kind}{text}"
        raise CallEndedError(text) from error


async def _outcome(handle: InvocationHandle[Any]) -> Outcome:
    """How it ended; while that takes, why."""
    ended: list[Outcome] = []
    errors: list[Exception] = []
    async with trio.open_nursery() as nursery:
        nursery.start_soon(_say_why, handle)
        try:
            ended.append(await handle.outcome())
        except Exception as error:  # kept from the nursery, which would wrap it
            errors.append(error)
        nursery.cancel_scope.cancel()
    if errors:
        raise errors[0]
    return ended[0]


async def _say_why(handle: InvocationHandle[Any]) -> None:
    said = ""
    while True:
        await trio.sleep(_PATIENCE_SECONDS)
        with contextlib.suppress(ActorError):  # what is wrong with the connection, the call itself says
            info = await handle.info()
            if info.status is Status.COMPLETED:  # its outcome is on the way
                return
            why = "; ".join(map(line_of, reasons(info)))
            if why != said:
                remark(f"{handle.id}: {why}")
                said = why
