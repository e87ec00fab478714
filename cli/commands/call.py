"""``playhead call``: call a handler and print what it returns."""

from __future__ import annotations

import contextlib
import sys
from typing import TYPE_CHECKING, Any

import click
import trio

from actors.core.errors import ActorError
from actors.outcomes import value_of
from cli.commands.why import line_of
from cli.output import emit_json, remark
from cli.source import Where, live, options
from cli.targets import parse_argument, parse_target

if TYPE_CHECKING:
    from actors.references import InvocationHandle
    from journal.events import Outcome


_PATIENCE_SECONDS = 3.0
"""How long a call may take before it is said what it waits for, and how often that is looked at."""


@click.command(context_settings={"ignore_unknown_options": True})
@click.argument("target")
@click.argument("argument", required=False)
@click.option("--idempotency-key", default=None, help="Asking again under the same key finds the same invocation.")
@options
def command(target: str, argument: str | None, idempotency_key: str | None, where: Where) -> None:
    """Call TARGET (Service/key/handler, or Service/handler) with ARGUMENT as JSON, and print the result.

    One value for one parameter, an object for several, nothing for none; '-' reads it from stdin. What it waits for is said on
    stderr if it takes a while.

    \b
        playhead call Counter/alice/add 5
        playhead call Agent/run_task '"hello"'
    """
    parsed = parse_target(target)
    body = parse_argument(argument, sys.stdin)

    async def run() -> bytes:
        async with live(where) as client:
            sent = await client.send(parsed, body, idempotency_key=idempotency_key)
            handle = client.invocation(sent.invocation_id)
            return value_of(await _outcome(handle), handle.id)

    import msgspec

    emit_json(msgspec.json.decode(trio.run(run)))


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
            why = "; ".join(line_of(reason) for reason in await handle.why())
            if why != said:
                remark(f"{handle.id} waits: {why}")
                said = why
