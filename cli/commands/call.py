"""``playhead call``: call a handler and print what it returns."""

from __future__ import annotations

import sys

import click
import trio

from actors.outcomes import value_of
from cli.output import emit_json
from cli.source import Where, live, options
from cli.targets import parse_argument, parse_target


@click.command()
@click.argument("target")
@click.argument("argument", required=False)
@click.option("--idempotency-key", default=None, help="Asking again under the same key finds the same invocation.")
@options
def command(target: str, argument: str | None, idempotency_key: str | None, where: Where) -> None:
    """Call TARGET (Service/key/handler, or Service/handler) with ARGUMENT as JSON, and print the result.

    One value for one parameter, an object for several, nothing for none; '-' reads it from stdin.

    \b
        playhead call Counter/alice/add 5
        playhead call Agent/run_task '"hello"'
    """
    parsed = parse_target(target)
    body = parse_argument(argument, sys.stdin)

    async def run() -> bytes:
        async with live(where) as client:
            of, outcome = await client.call(parsed, body, idempotency_key=idempotency_key)
            return value_of(outcome, of)

    import msgspec

    emit_json(msgspec.json.decode(trio.run(run)))
