"""``playhead send``: have a handler do something, and go on."""

from __future__ import annotations

import sys

import click
import trio

from actors.client import Sent
from cli.output import emit, remark
from cli.source import Where, live, options
from cli.targets import parse_argument, parse_target


@click.command(context_settings={"ignore_unknown_options": True})
@click.argument("target")
@click.argument("argument", required=False)
@click.option("--delay", default=None, help="When it arrives: 10s, 5m, 2h, 3d.")
@click.option("--idempotency-key", default=None, help="Asking again under the same key finds the same invocation.")
@options
def command(
    target: str,
    argument: str | None,
    delay: str | None,
    idempotency_key: str | None,
    where: Where,
) -> None:
    """Send to TARGET (Service/key/handler, or Service/handler) with ARGUMENT as JSON; print the invocation's id.

    \b
        playhead send Reminder/bob/ring '"tea"' --delay 1h
    """
    from actors.http.durations import parse_duration

    parsed = parse_target(target)
    body = parse_argument(argument, sys.stdin)
    seconds = None if delay is None else parse_duration(delay, bare="s")

    async def run() -> Sent:
        async with live(where) as client:
            return await client.send(parsed, body, idempotency_key=idempotency_key, delay=seconds)

    sent = trio.run(run)
    emit(sent.invocation_id)
    if not sent.is_new:
        remark("it had been sent before; nothing was sent again")
